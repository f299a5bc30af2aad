//! Region, and what stands beside it: keys, revocation, grants, devices.

use serde_json::{Value, json};

use super::form::{
    Field, any, at, duration, flag, instant, integer, list, map, may, must, name, object, only, text, texts, word,
    words,
};

/// The definitions, by name.
pub(super) fn definitions() -> Vec<(&'static str, Value)> {
    let mut all = vec![
        ("Region", region()),
        ("Acceptance", acceptance()),
        ("Center", center()),
        ("Claims", claims()),
        ("BusinessHours", object(&hours(Vec::new()))),
        (
            "ZonedHours",
            object(&hours(vec![must("timezone", text(), "the IANA time zone")])),
        ),
        (
            "Interval",
            object(&[
                must("from", text(), "`HH:MM`, which belongs to it"),
                must("to", text(), "`HH:MM`, which does not; `24:00` is the end of the day"),
            ]),
        ),
    ];
    all.extend(keys());
    all.extend(lists());
    all.extend(devices());
    all
}

fn region() -> Value {
    object(&[
        must("issuer", text(), "`iss` of its tokens, compared as it is"),
        must(
            "audiences",
            texts(),
            "of which `aud` must hold one, where this Region is the local one",
        ),
        may(
            "trustDomains",
            texts(),
            "SPIFFE trust domains whose workloads are at home here",
        ),
        must("keys", at("Keys"), "what verifies its tokens"),
        may(
            "revocation",
            at("Revocation"),
            "what its issuer publishes of tokens that count no more",
        ),
        may("claims", at("Claims"), "where its tokens hold what counts"),
        may(
            "accepts",
            list(at("Acceptance")),
            "whose tokens count here, beside its own",
        ),
        may("center", at("Center"), "its policy decision point"),
        may("networks", texts(), "from which its requests come"),
        may("country", text(), "where its networks are: ISO 3166-1 alpha-2"),
        may("timezone", text(), "the IANA time zone of its business hours"),
        may(
            "businessHours",
            at("BusinessHours"),
            "when it is open, by the clocks in its time zone",
        ),
        may("maxTokenLifetime", duration(), "the longest time from `iat` to `exp`"),
    ])
}

fn acceptance() -> Value {
    object(&[
        must("home", name(), "the Region whose tokens count here"),
        may(
            "permissions",
            texts(),
            "those that are kept, exact or with `*` at the end; none without it",
        ),
        may("roles", texts(), "those that are kept; none without it"),
        may("workloads", texts(), "SPIFFE ids of its workloads that count here"),
    ])
}

fn center() -> Value {
    object(&[
        must("cluster", text(), "the host's cluster"),
        may("authority", text(), "`:authority` of the call; the cluster without it"),
        may("protocol", word(&["authzen"]), "how it is asked"),
        may("path", text(), "`:path` of the call"),
        may("timeout", duration(), "the deadline of a call"),
    ])
}

fn claims() -> Value {
    let own = any(&[
        text(),
        object(&[must("fromIssuer", only(true), "no other Region has this issuer")]),
    ]);
    object(&[
        may("region", own, "the claim that names the Region"),
        may("permissions", text(), "the claim with permissions"),
        may("roles", text(), "the claim with roles"),
        may("grants", text(), "the claim with grants for a time"),
        may("device", text(), "the claim with the posture of the device"),
        may("audience", text(), "the claim with the audience, where it is not `aud`"),
        may("require", map(text()), "claims, and the string that each has to be"),
    ])
}

/// Hours of a calendar, behind what stands there.
fn hours(mut all: Vec<Field>) -> Vec<Field> {
    all.extend([
        may("days", words(&DAYS), "days of the week"),
        may("from", text(), "`HH:MM`, which belongs to it"),
        may("to", text(), "`HH:MM`, which does not"),
        may(
            "weekly",
            list(object(&[
                must("days", words(&DAYS), "days of the week"),
                must("from", text(), "`HH:MM`"),
                must("to", text(), "`HH:MM`"),
            ])),
            "several intervals, in place of `days`, `from` and `to`",
        ),
        may(
            "holidays",
            texts(),
            "closed on these dates: `2026-12-25`, or `12-25` of each year",
        ),
        may(
            "exceptions",
            list(object(&[
                must("date", text(), "the date"),
                must(
                    "hours",
                    json!({"type": "array", "items": at("Interval")}),
                    "its own hours",
                ),
            ])),
            "dates with other hours",
        ),
    ]);
    all
}

pub(super) const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

fn schedule() -> [Field; 4] {
    [
        may("refresh", duration(), "the time from a good answer to the next call"),
        may(
            "staleFor",
            duration(),
            "how long the last good answer serves without another",
        ),
        may("timeout", duration(), "the deadline of a call"),
        may("waitFor", duration(), "how long a request waits for the first answer"),
    ]
}

fn keys() -> Vec<(&'static str, Value)> {
    let address = || {
        vec![
            must("cluster", text(), "the host's cluster"),
            may("authority", text(), "`:authority` of the call"),
        ]
    };
    let mut remote = address();
    remote.push(may("path", text(), "`:path` of the call"));
    remote.extend(schedule());
    let mut discovery = address();
    discovery.push(may("path", text(), "of the issuer's configuration"));
    discovery.push(may(
        "jwks",
        object(&address()),
        "the host of its keys, where that is another one",
    ));
    discovery.extend(schedule());
    let mut status_lists = address();
    status_lists.push(must("uriPrefix", text(), "what the lists' URIs begin with"));
    status_lists.extend(schedule());
    vec![
        (
            "Keys",
            object(&[
                may(
                    "algorithms",
                    words(&["RS256", "PS256", "ES256", "ES384", "EdDSA"]),
                    "the allow list",
                ),
                may("jwks", at("KeySet"), "the keys themselves"),
                may("remote", at("Remote"), "a JWKS endpoint"),
                may("discovery", object(&discovery), "the issuer's own configuration"),
            ]),
        ),
        (
            "KeySet",
            object(&[
                must("keys", list(json!({"type": "object"})), "public keys (RFC 7517)"),
                may(
                    "spiffeSequence",
                    json!({"type": "integer"}),
                    "of a SPIFFE bundle; not looked at",
                ),
                may(
                    "spiffeRefreshHint",
                    json!({"type": "integer"}),
                    "of a SPIFFE bundle; not looked at",
                ),
            ]),
        ),
        ("Remote", object(&remote)),
        (
            "Revocation",
            object(&[
                may("list", at("Remote"), "a list of what is revoked"),
                may("statusLists", object(&status_lists), "status lists, which tokens name"),
                may("onUnavailable", word(&["deny", "allow"]), "what holds without them"),
            ]),
        ),
    ]
}

fn subject() -> [Field; 3] {
    [
        must("home", name(), "the home region"),
        must("issuer", text(), "`iss`"),
        must("sub", text(), "`sub`"),
    ]
}

fn lists() -> Vec<(&'static str, Value)> {
    let mut revoked = Vec::from(subject());
    revoked.push(must(
        "notBefore",
        instant(),
        "tokens that were issued before it count no more",
    ));
    let tokens = object(&[
        must("issuer", text(), "`iss`"),
        must("jti", text(), "`jti`"),
        may("expires", instant(), "the token's end: after it the entry is of no use"),
    ]);
    let sessions = object(&[must("issuer", text(), "`iss`"), must("sid", text(), "`sid`")]);
    let keys = object(&[
        may("region", name(), "the Region whose key it is, with `kid`"),
        may("kid", text(), "its name"),
        may("thumbprint", text(), "or the key itself: RFC 7638"),
    ]);
    vec![
        (
            "Revocations",
            object(&[
                may("tokens", list(tokens), "single tokens"),
                may(
                    "subjects",
                    list(object(&revoked)),
                    "all tokens of a subject up to a time",
                ),
                may("sessions", list(sessions), "all tokens of a session"),
                may("keys", list(keys), "all tokens that a key signed"),
            ]),
        ),
        (
            "Grants",
            object(&[must("grants", list(at("Grant")), "who may what for a time")]),
        ),
        (
            "Grant",
            object(&[
                must("subject", object(&subject()), "to whom"),
                must("permissions", texts(), "what"),
                must("notBefore", instant(), "from when"),
                must("expires", instant(), "until when"),
                must("approvedBy", text(), "who said so"),
                must("reason", text(), "why"),
            ]),
        ),
    ]
}

fn devices() -> Vec<(&'static str, Value)> {
    let claim = |name: &'static str, says: &'static str| may(name, text(), says);
    vec![(
        "DeviceIssuer",
        object(&[
            must("issuer", text(), "`iss` of posture tokens"),
            must("audiences", texts(), "of which `aud` must hold one"),
            must("keys", at("Keys"), "what verifies them"),
            may("header", text(), "the header that holds one"),
            may("upstream", word(&["strip", "pass"]), "whether the upstream gets it"),
            may("type", text(), "`typ` of its header"),
            may("maxAge", duration(), "how old a posture may be"),
            may(
                "binding",
                object(&[
                    claim("subject", "the claim of the posture that names whose it is"),
                    claim("token", "the claim of the user's token that it must equal"),
                    claim("home", "the claim of the posture that names the home region"),
                    claim("issuer", "the claim of the posture that names the user's issuer"),
                    may(
                        "regions",
                        list(name()),
                        "the home regions of users whose devices it knows",
                    ),
                ]),
                "how a posture is tied to its user",
            ),
            may(
                "claims",
                object(&[
                    claim("id", "where the device's id is"),
                    claim("platform", "where its platform is"),
                    claim("osVersion", "where its version is"),
                    claim("encrypted", "where it says whether it is encrypted"),
                    claim("managed", "whether it is managed"),
                    claim("jailbroken", "whether it was broken open"),
                    claim("screenLock", "whether it locks its screen"),
                    claim("certificate", "its certificate's digest"),
                    claim("patchedAt", "when it was patched last"),
                ]),
                "where each part of the posture is",
            ),
        ]),
    )]
}

/// What a bundle says of where the filter stands, and of tokens.
pub(super) fn trust() -> Vec<(&'static str, Value)> {
    let edge = object(&[
        must("peers", texts(), "networks or SPIFFE ids that tell it"),
        may(
            "addressHeader",
            text(),
            "where it says from which address its caller came",
        ),
        may("hops", integer(1, 16), "which entry of that counts, from the right"),
        may(
            "certificateHeader",
            text(),
            "where it says which certificate its caller has shown",
        ),
        may(
            "regionHeader",
            text(),
            "where it says from which Region its caller came",
        ),
        may("countryHeader", text(), "and from which country"),
    ]);
    let paths = object(&[
        may("strict", flag(), "refuse what is not canonical, rather than rewrite it"),
        may(
            "allow",
            words(&["encodedSlash", "pathParameters", "emptySegments"]),
            "what is let through",
        ),
        may("caseInsensitive", flag(), "compare without letter case"),
    ]);
    vec![
        (
            "Trust",
            object(&[
                may("hosts", texts(), "authorities that are served here"),
                may("paths", paths, "how paths are read"),
                may(
                    "peerVerification",
                    word(&["required", "none"]),
                    "whether the listener validates client certificates",
                ),
                may(
                    "direction",
                    word(&["inbound", "any"]),
                    "whether it may stand in an outbound chain",
                ),
                may("edges", list(edge), "proxies in front, of whose headers some count"),
            ]),
        ),
        (
            "Tokens",
            object(&[
                may(
                    "sources",
                    list(object(&[
                        may("header", text(), "a header"),
                        may("prefix", json!({"type": "string"}), "its scheme"),
                        may("cookie", text(), "a cookie"),
                        may("query", text(), "a parameter of the query"),
                    ])),
                    "where tokens are looked for",
                ),
                may(
                    "refreshBefore",
                    duration(),
                    "how long before its end a token is to be refreshed",
                ),
                may(
                    "dpop",
                    object(&[
                        may("nonce", word(&["onRestart", "required"]), "when a proof bears a nonce"),
                        may("maxAge", duration(), "how old a proof without one may be"),
                    ]),
                    "what is demanded of proofs",
                ),
            ]),
        ),
    ]
}
