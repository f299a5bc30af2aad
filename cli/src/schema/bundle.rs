//! The bundle's head, what the operator says in it, and what frames each document.

use serde_json::{Value, json};

use super::form::{
    any_object, any_text, at, duration, flag, header, host, instant, integer, list, name, only, region, text, text_of,
    word, words,
};
use super::table::{Definition, define, may, must, object, value};

/// The kinds of documents.
pub(super) const KINDS: [&str; 6] = [
    "Region",
    "ZeroTrustPolicy",
    "Revocations",
    "Grants",
    "DeviceIssuer",
    "PolicyTest",
];

/// The definitions.
pub(super) fn definitions() -> Vec<Definition> {
    let mut all = head();
    all.extend(documents());
    all.extend(trust());
    all.extend(tokens());
    all
}

/// The schema of a document of this kind, with its frame.
pub(super) fn framed(kind: &str) -> Value {
    let mut framed = object(&frame());
    framed["properties"]["kind"] = json!({"const": kind, "description": "what it is"});
    framed["properties"]["spec"] =
        json!({"allOf": [{"$ref": format!("#/$defs/{kind}")}], "description": "what it says"});
    framed
}

/// What every document has.
fn frame() -> [super::table::Field; 4] {
    [
        must("apiVersion", only("security.io/v1"), "the version of the format"),
        must(
            "kind",
            word(&KINDS),
            "what it is; a PolicyTest stands beside a bundle, never in it",
        ),
        must("metadata", at("Metadata"), "how it is called"),
        must("spec", any_object(), "what it says: the fields of its kind"),
    ]
}

fn head() -> Vec<Definition> {
    vec![
        define!("Bundle" in "bundle",
        "Everything that is pushed as one. In a folder it is a file without `kind`, and its documents are files of their own.",
        [("the bundle", "documents.md#the-bundle")],
        [
            may("region", region(), "the node's `locality.region`", "the local Region: where the proxy stands, whose audiences, center and `accepts` hold"),
            must("metadata", at("BundleMetadata"), "how it is called, and which version it is"),
            may("trust", at("Trust"), "each of its fields as if left out", "the operator's part: where the filter stands"),
            may("tokens", at("Tokens"), "each of its fields as if left out", "where requests present their tokens, and what is demanded of proofs"),
            may("documents", list(at("Document")), "required where the bundle is pushed; in a folder, the files beside it", "Regions, policies and the rest in any order, 1,208 at most; names are unique within a kind"),
            may("candidate", at("Candidate"), "none: nothing is compared", "policies that are compared with those in force, and change nothing"),
            may("override", at("Override"), "none: policies hold as they are", "what holds for a time, whatever the policies say. It loads with a warning, so that nobody forgets it"),
        ]),
        define!("BundleMetadata" in "head",
        "The name and the version of a bundle.",
        [("live edits", "envoy.md#live-edits")],
        [
            must("name", name(), "bundles of one name are versions of each other"),
            must("version", integer(1, 1 << 53), "raise it with each change: an older version than the one in force does not take its place"),
        ]),
        define!("Candidate" in "head",
        "Policies that would stand in place of those in `documents`.",
        [("a candidate", "trying-policies.md#a-candidate")],
        [
            must("documents", list(at("Document")), "all of them: ZeroTrustPolicies alone, since Regions and all else are the bundle's"),
            may("sample", text_of("share, `0.01%` to `100%`", &["5%"]), value("100%"), "of how many requests, two digits behind the point at most"),
        ]),
        define!("Override" in "head",
        "What holds for a time, whatever the policies say. It ends by itself.",
        [("an override", "trying-policies.md#an-override")],
        [
            must("mode", word(&["observe", "denyAll", "deny_all"]), "`observe`: what a policy refuses is let in. `denyAll`: everything is refused"),
            must("until", instant(), "its end, which does not belong to it"),
            must("who", text(), "who wants it: for the log"),
            must("why", text(), "why: for the log"),
        ]),
    ]
}

fn documents() -> Vec<Definition> {
    vec![
        define!("Document" in "document",
            "What every document has, whatever its kind.",
            [("documents", "documents.md")],
            frame()),
        define!("Metadata" in "document",
            "How a document is called.",
            [("documents", "documents.md")],
            [must("name", name(), "unique within its kind; it stands in decision lines, and other documents refer to it")]),
    ]
}

fn trust() -> Vec<Definition> {
    vec![
        define!("Trust" in "head",
        "The operator's part of a bundle: where the filter stands.",
        [("`trust`", "documents.md#trust")],
        [
            may("hosts", list(host()), "every authority", "authorities that are served here, 256 at most; any other is answered 421 before any rule. Give it wherever a rule, a requirement or a selector names hosts: in a sidecar, any Host header reaches the filter"),
            may("paths", at("PathReading"), "each of its fields as if left out", "how paths are read before rules see them"),
            may("peerVerification", word(&["required", "none"]), value("none"), "`required`: the listener demands a client certificate and validates it, so the workload that it names counts. `none`: no peer has an identity, whatever it presents"),
            may("direction", word(&["inbound", "any"]), value("inbound"), "`inbound`: refuse to stand where a sidecar's own workload sends to others (500 `config.direction`). `any`: serve there, too"),
            may("edges", list(at("Edge")), "none: nobody's headers count", "proxies in front, of whose headers some count, 16 at most; of several that a peer may be, the first"),
        ]),
        define!("PathReading" in "head",
        "How paths are read. What has no single meaning is refused before any rule.",
        [("`trust`", "documents.md#trust"), ("paths", "documents.md#paths")],
        [
            may("strict", flag(), value(false), "refuse a path that is not canonical (400 `request.path_not_canonical`), rather than rewrite it"),
            may("allow", words(&["encodedSlash", "pathParameters", "emptySegments"]), "none of them", "what is let through: `encodedSlash` is `%2F` inside of a segment, `pathParameters` is `;`, `emptySegments` is `//`, but not at the start of the path"),
            may("caseInsensitive", flag(), value(false), "compare paths without letter case, for servers that do; what is forwarded keeps its case"),
        ]),
        define!("Edge" in "head",
        "A proxy in front, told by the direct peer of the connection, and which of its headers count. At least one of the four headers is there, each another.",
        [("edges", "documents.md#edges"), ("behind an edge", "context.md#behind-an-edge")],
        [
            must("peers", list(text_of("network or workload pattern", &["10.0.8.0/24"])), "what tells it, 256 at most: networks of its address, or patterns of the SPIFFE id of its certificate, which need `peerVerification: required`"),
            may("addressHeader", header(), "none: the source of a request is the edge itself", "a list like `x-forwarded-for` with the address of its caller, from which the request then comes"),
            may("hops", integer(1, 16), value(1), "which entry of `addressHeader` counts, from the right: everything to the left of it may be made up"),
            may("certificateHeader", header(), "none: no certificate counts behind this edge", "the certificate of its caller, in the form of Envoy's `x-forwarded-client-cert`; tokens that are bound to a certificate are checked against it"),
            may("regionHeader", header(), "none: the Region whose `networks` hold the source address", "the name of the Region from which its caller comes"),
            may("countryHeader", header(), "none: the `country` of the source Region", "the country from which its caller comes, two letters in either case"),
        ]),
    ]
}

fn tokens() -> Vec<Definition> {
    vec![
        define!("Tokens" in "head",
        "Where requests present their tokens, and what is demanded of proofs.",
        [("`tokens`", "documents.md#tokens"), ("where a token stands", "tokens.md#where-a-token-stands")],
        [
            may("sources", list(at("TokenSource")), value(json!([{"header": "authorization"}])), "the places in which tokens are looked for, 8 at most. A place that is not listed is not looked at"),
            may("refreshBefore", duration("1s", "24h"), "none: nobody is told", "how long before its end a token is to be refreshed: from then on, answers carry `x-regionguard-refresh`"),
            may("dpop", at("Dpop"), "proofs are taken with the defaults of its fields, and nobody is told of the scheme `DPoP`", "what is demanded of the proofs of tokens that are bound to a key. With it, a caller without a token is told of the scheme `DPoP`, too"),
        ]),
        define!("TokenSource" in "head",
        "A place in which a token may stand: exactly one of `header`, `cookie` and `query`.",
        [("`tokens`", "documents.md#tokens")],
        [
            may("header", header(), "none: another place", "a header in lower case. `authorization` has the schemes `Bearer` and `DPoP`; any other has the one that `prefix` names"),
            may("prefix", any_text(), value("Bearer "), "the scheme in another header than `authorization`: a word and one space, or `\"\"` where the token stands alone"),
            may("cookie", text_of("cookie", &["session"]), "none: another place", "a cookie, by its name"),
            may("query", text_of("parameter", &["access_token"]), "none: another place", "a parameter of the query, by its name"),
        ]),
        define!("Dpop" in "head",
        "What is demanded of DPoP proofs (RFC 9449).",
        [("DPoP", "bound-tokens.md#dpop")],
        [
            may("nonce", word(&["onRestart", "required"]), value("onRestart"), "`onRestart`: a nonce only where a proof may be from before this worker, or is too old. `required`: each proof bears a nonce of the worker that judges it"),
            may("maxAge", duration("5s", "5m"), value("60s"), "how old a proof without a nonce may be"),
        ]),
    ]
}
