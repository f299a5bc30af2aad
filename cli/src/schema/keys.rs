//! `keys` and `revocation` of a Region: what is asked over the network, and how often.

use super::form::{any_integer, any_object, at, duration, list, text, text_of, word, words};
use super::table::{Definition, Field, define, may, must, value};

const ALGORITHMS: [&str; 9] = [
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA",
];

/// The definitions.
pub(super) fn definitions() -> Vec<Definition> {
    let mut all = keys();
    all.extend(revocation());
    all
}

fn cluster() -> Field {
    must(
        "cluster",
        text(),
        "the Envoy cluster of the server, which has its address and TLS",
    )
}

fn authority(absent: &'static str) -> Field {
    may(
        "authority",
        text_of("authority", &["id.us-east-1.example.com"]),
        absent,
        "`:authority` of the call",
    )
}

/// `refresh`, `staleFor` and `timeout` where nobody says them; a request waits for the same time everywhere.
fn schedule([refresh, stale_for, timeout]: [&'static str; 3]) -> [Field; 4] {
    [
        may(
            "refresh",
            duration("10s", "24h"),
            value(refresh),
            "the time from one good answer to the next call, at most; `max-age` of the answer shortens it",
        ),
        may(
            "staleFor",
            duration("10s", "720h"),
            value(stale_for),
            "how long the last good answer serves while no other comes; not shorter than `refresh`",
        ),
        may(
            "timeout",
            duration("100ms", "30s"),
            value(timeout),
            "the deadline of one call",
        ),
        may(
            "waitFor",
            duration("10ms", "30s"),
            value("2s"),
            "how long a request waits for a first answer that is not there yet; then it is answered 503",
        ),
    ]
}

fn asked(authority: Field, more: Vec<Field>, usual: [&'static str; 3]) -> Vec<Field> {
    let mut all = vec![cluster(), authority];
    all.extend(more);
    all.extend(schedule(usual));
    all
}

const BY_CLUSTER: &str = "the cluster's name, where that can stand as a host";

fn keys() -> Vec<Definition> {
    let path = |usual: &'static str| {
        may(
            "path",
            text_of("path", &[usual]),
            value(usual),
            "what is asked for, with a query or without",
        )
    };
    let jwks = vec![path("/.well-known/jwks.json")];
    let configuration = vec![
        may(
            "path",
            text_of("path", &["/.well-known/openid-configuration"]),
            "the issuer's own path and `/.well-known/openid-configuration`; required if the issuer is no URL",
            "where the configuration stands",
        ),
        may(
            "jwks",
            at("KeyServer"),
            "none: `jwks_uri` has to be on the configuration's own host",
            "the host that `jwks_uri` may name beside that",
        ),
    ];
    vec![
        define!("Keys" in "region-spec",
        "The public keys of a Region or of a DeviceIssuer, from one place: `jwks`, `remote` or `discovery`.",
        [("keys and algorithms", "tokens.md#keys-and-algorithms"), ("keys from the network", "keys.md")],
        [
            may("algorithms", words(&ALGORITHMS), "what each key's `alg` or type says", "narrows what the keys may verify; `none` and shared secrets never do"),
            may("jwks", at("KeySet"), "none: another place", "the keys themselves, in the bundle"),
            may("remote", at("KeysRemote"), "none: another place", "a JWKS endpoint, from which each worker fetches them"),
            may("discovery", at("KeysDiscovery"), "none: another place", "the issuer's own configuration, which says where the keys are"),
        ]),
        define!("KeySet" in "region-spec",
        "Keys in the bundle, as a JWK Set (RFC 7517) or a SPIFFE bundle.",
        [("keys and algorithms", "tokens.md#keys-and-algorithms")],
        [
            must("keys", list(any_object()), "public keys as JWKs, 64 at most. A private or symmetric member is an error; a key for something else (`use: enc`, an unknown `kty` or curve) is left aside with a warning"),
            may("spiffeSequence", any_integer(), "not looked at", "of a SPIFFE bundle, so that one can stand here whole; it means nothing"),
            may("spiffeRefreshHint", any_integer(), "not looked at", "likewise"),
        ]),
        define!("KeysRemote" in "region-spec",
            "A JWKS endpoint.",
            [("keys from the network", "keys.md")],
            asked(authority(BY_CLUSTER), jwks, ["5m", "24h", "5s"])),
        define!("KeysDiscovery" in "region-spec",
            "The issuer's configuration (OpenID Connect Discovery, RFC 8414), which leads to its keys.",
            [("discovery", "keys.md#discovery")],
            asked(authority("the issuer's host, if the issuer is a URL; else the cluster's name"), configuration, ["5m", "24h", "5s"])),
        define!("KeyServer" in "region-spec",
            "The host of an issuer's keys, where that is another one than its configuration's.",
            [("discovery", "keys.md#discovery")],
            [cluster(), authority(BY_CLUSTER)]),
    ]
}

fn revocation() -> Vec<Definition> {
    let path = may(
        "path",
        text_of("path", &["/revocations"]),
        value("/revocations"),
        "what is asked for, with a query or without",
    );
    let prefix = must(
        "uriPrefix",
        text_of("URI", &["https://status.example.com/lists/"]),
        "what the URIs of these lists begin with: `https://HOST/` or longer, up to a `/`",
    );
    vec![
        define!("Revocation" in "region-spec",
        "What an issuer publishes of its tokens that count no more: `list`, `statusLists` or both.",
        [("revocation", "revocation.md")],
        [
            may("list", at("RevocationList"), "none is fetched", "a list of revoked tokens, subjects, sessions and keys"),
            may("statusLists", at("StatusLists"), "none is fetched", "Token Status Lists, which tokens name by `status`"),
            may("onUnavailable", word(&["deny", "allow"]), value("deny"), "what holds for tokens of this home Region while nobody can tell whether they are revoked: 503, or they count"),
        ]),
        define!("RevocationList" in "region-spec",
            "Where a list of what is revoked is fetched.",
            [("by a list that is pulled", "revocation.md#by-a-list-that-is-pulled")],
            asked(authority(BY_CLUSTER), vec![path], ["1m", "10m", "10s"])),
        define!("StatusLists" in "region-spec",
            "Where Token Status Lists are fetched.",
            [("status lists", "revocation.md#status-lists")],
            asked(authority("the host of `uriPrefix`"), vec![prefix], ["5m", "1h", "10s"])),
    ]
}
