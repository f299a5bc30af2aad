//! ZeroTrustPolicy.

use serde_json::{Value, json};

use super::form::{
    any, at, duration, flag, instant, integer, list, map, may, must, name, object, only, text, texts, word, words,
};
use super::region::DAYS;

/// The definitions, by name.
pub(super) fn definitions() -> Vec<(&'static str, Value)> {
    let mut all = vec![("ZeroTrustPolicy", policy()), ("Rule", rule())];
    all.extend(effects());
    all.extend(conditions());
    all.extend(requirements());
    all
}

fn mode() -> Value {
    word(&["enforce", "shadow"])
}

fn policy() -> Value {
    object(&[
        may("identity", at("Identity"), "what is demanded of who asks"),
        may(
            "device",
            object(&[must(
                "compliance",
                list(at("Compliance")),
                "each one listed is required",
            )]),
            "what is demanded of the device",
        ),
        may("osVersions", map(text()), "the latest version of each platform"),
        may("context", at("Context"), "what is demanded of place and time"),
        may(
            "selector",
            object(&[
                may("localRegions", list(name()), "Regions in which it governs"),
                may("hosts", texts(), "hosts that it governs"),
                may("workloads", texts(), "workloads that it governs, by SPIFFE id"),
            ]),
            "what the policy governs; everything without it",
        ),
        may("mode", mode(), "`shadow`: it decides and reports, and changes nothing"),
        may(
            "default",
            word(&["allow"]),
            "let in whoever has a valid token, where nothing else decides",
        ),
        may("preflight", word(&["allow"]), "let CORS preflights in"),
        may(
            "probes",
            list(object(&[
                must("path", text(), "the path"),
                must("port", integer(1, 65_535), "the port that was connected to"),
            ])),
            "health probes that need no identity",
        ),
        may(
            "forward",
            object(&[
                may("token", word(&["strip", "pass"]), "whether the upstream gets the token"),
                may("claims", map(text()), "headers, and the claims that fill them"),
            ]),
            "what the upstream gets",
        ),
        may("rules", list(at("Rule")), "what allows, denies, challenges or defers"),
    ])
}

fn rule() -> Value {
    object(&[
        must("name", name(), "unique in its policy"),
        may("hosts", texts(), "hosts, exact or `*.suffix`, with a port or without"),
        may("methods", texts(), "methods, in upper case; GET includes HEAD"),
        may("paths", texts(), "path templates"),
        may("headers", list(at("Matcher")), "what headers hold"),
        may("query", list(at("Matcher")), "what the query holds"),
        may(
            "grpc",
            object(&[
                may("services", texts(), "services with their packages"),
                may("methods", texts(), "methods of these"),
            ]),
            "gRPC calls",
        ),
        may(
            "upgrades",
            words(&["websocket", "connect", "connect-udp", "spdy/3.1"]),
            "protocols to which a request may change",
        ),
        may("from", at("From"), "where the request comes from"),
        may(
            "identity",
            word(&["required", "workload", "none"]),
            "whose request it is",
        ),
        may("permissions", at("Words"), "of the token"),
        may("roles", at("Words"), "of the token"),
        may("when", text(), "a condition in CEL"),
        must(
            "effect",
            word(&["allow", "deny", "stepUp", "step_up", "defer"]),
            "what it does",
        ),
        may("stepUp", at("StepUp"), "of `effect: stepUp`"),
        may("defer", at("Defer"), "of `effect: defer`"),
        may("response", at("Response"), "of `effect: deny`"),
        may("mode", mode(), "`shadow`: it decides and reports, and changes nothing"),
    ])
}

fn effects() -> Vec<(&'static str, Value)> {
    vec![
        (
            "StepUp",
            object(&[
                may("acr", texts(), "of which the token has to have one"),
                may("maxAge", duration(), "how long ago the login may be"),
            ]),
        ),
        (
            "Defer",
            object(&[
                may("cache", duration(), "how long an answer may be reused"),
                may(
                    "onUnavailable",
                    word(&["deny", "allow", "lastDecision", "last_decision"]),
                    "what holds while the center is away",
                ),
                may("lastDecisionFor", duration(), "how long its last word counts then"),
                may("unless", word(&["allowed"]), "an allow wins, and nobody is asked"),
                may(
                    "claims",
                    texts(),
                    "claims that the question carries beside the usual ones",
                ),
                may(
                    "reasonUser",
                    word(&["pass", "drop"]),
                    "whether the caller is told the center's reason",
                ),
            ]),
        ),
        (
            "Response",
            object(&[
                may(
                    "status",
                    json!({"enum": [402, 403, 404, 409, 410, 423, 429, 451, 503]}),
                    "of the answer",
                ),
                may("hide", flag(), "answer as if nothing were there"),
                may(
                    "body",
                    json!({"type": "object"}),
                    "a JSON object with placeholders in its strings",
                ),
                may(
                    "contentType",
                    word(&["application/json", "application/problem+json"]),
                    "of that body",
                ),
            ]),
        ),
    ]
}

fn conditions() -> Vec<(&'static str, Value)> {
    vec![
        (
            "Words",
            object(&[
                may("anyOf", texts(), "one of these"),
                may("allOf", texts(), "all of these"),
            ]),
        ),
        (
            "From",
            object(&[
                may("sourceRegions", list(name()), "by network, or by an edge"),
                may("sourceCountries", texts(), "ISO 3166-1 alpha-2"),
                may("homeRegions", list(name()), "of the token, or of the workload"),
                may("networks", texts(), "of the source address"),
                may("workloads", texts(), "SPIFFE ids of the peer"),
            ]),
        ),
        (
            "Matcher",
            object(&[
                must("name", text(), "of the header or parameter"),
                may("exact", json!({"type": "string"}), "is this"),
                may("in", list(json!({"type": "string"})), "is one of these"),
                may("prefix", text(), "begins so"),
                may("suffix", text(), "ends so"),
                may("present", only(true), "is there"),
                may("absent", only(true), "is not there"),
            ]),
        ),
    ]
}

fn requirements() -> Vec<(&'static str, Value)> {
    let version = || any(&[text(), map(text())]);
    vec![
        (
            "Identity",
            object(&[
                may(
                    "authentication",
                    list(object(&[
                        must("method", word(&["multi-factor", "certificate"]), "how"),
                        may("amr", texts(), "values of `amr` that show it"),
                        may("acr", texts(), "values of `acr` that show it"),
                    ])),
                    "each one listed is required",
                ),
                may(
                    "authorization",
                    list(object(&[
                        may("rbac", flag(), "`false`: no rule looks at permissions or roles"),
                        may("abac", flag(), "`false`: no rule has `when`"),
                    ])),
                    "what rules may look at",
                ),
            ]),
        ),
        (
            "Compliance",
            object(&[
                may("encryption", word(&["required"]), "its storage is encrypted"),
                may("osVersion", version(), "`latest`, `>= 14.2`, or that by platform"),
                may("managed", only(true), "it is managed"),
                may("jailbroken", only(false), "it was not broken open"),
                may(
                    "patchAge",
                    any(&[duration(), text()]),
                    "how long ago it was patched at most",
                ),
                may("screenLock", word(&["required"]), "it locks its screen"),
                may("certificate", word(&["required"]), "it has shown its own certificate"),
            ]),
        ),
        (
            "Context",
            object(&[
                may(
                    "geoRestrictions",
                    list(object(&[
                        may("allowedRegions", list(name()), "source regions that may"),
                        may("deniedRegions", list(name()), "source regions that may not"),
                        may("allowedCountries", texts(), "countries that may"),
                        may("deniedCountries", texts(), "countries that may not"),
                    ])),
                    "each one listed is required",
                ),
                may(
                    "timeRestrictions",
                    list(at("TimeRestriction")),
                    "each one listed is required",
                ),
            ]),
        ),
        (
            "TimeRestriction",
            object(&[
                may("businessHours", only(true), "those of the home region"),
                may("hours", at("ZonedHours"), "the policy's own"),
                may("notBefore", instant(), "from when"),
                may("notAfter", instant(), "until when"),
                may(
                    "maintenance",
                    list(object(&[
                        may("timezone", text(), "the IANA time zone of a weekly window"),
                        may("days", words(&DAYS), "days of the week"),
                        may("from", text(), "`HH:MM`"),
                        may("to", text(), "`HH:MM`"),
                        may("notBefore", instant(), "or once, from then"),
                        may("notAfter", instant(), "until then"),
                    ])),
                    "nobody is let in then",
                ),
            ]),
        ),
    ]
}
