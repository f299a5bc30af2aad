//! The bundle's head, what frames each document, and PolicyTest.

use serde_json::{Value, json};

use super::form::{at, instant, integer, list, map, may, must, name, object, only, text, texts, word};

/// The kinds of documents.
pub(super) const KINDS: [&str; 6] = [
    "Region",
    "ZeroTrustPolicy",
    "Revocations",
    "Grants",
    "DeviceIssuer",
    "PolicyTest",
];

/// The definitions, by name.
pub(super) fn definitions() -> Vec<(&'static str, Value)> {
    let mut all = vec![("Bundle", bundle())];
    all.extend(policy_test());
    all
}

/// A document of this kind, with its frame.
pub(super) fn framed(kind: &str) -> Value {
    object(&[
        must("apiVersion", only("security.io/v1"), "of the format"),
        must("kind", only(kind), "what it is"),
        must(
            "metadata",
            object(&[must("name", name(), "unique within its kind")]),
            "how it is called",
        ),
        must("spec", at(kind), "what it says"),
    ])
}

fn bundle() -> Value {
    object(&[
        may("region", name(), "the local Region; the node's locality without it"),
        must(
            "metadata",
            object(&[
                must("name", name(), "bundles of one name are versions of each other"),
                must("version", integer(1, 1 << 53), "raise it with each change"),
            ]),
            "how it is called",
        ),
        may("trust", at("Trust"), "where the filter stands"),
        may(
            "tokens",
            at("Tokens"),
            "where tokens are, and what is demanded of proofs",
        ),
        may(
            "documents",
            list(json!({"type": "object"})),
            "Regions, policies and the rest; in a folder they are files of their own",
        ),
        may(
            "candidate",
            object(&[
                must(
                    "documents",
                    list(json!({"type": "object"})),
                    "policies that would stand in place of those in force",
                ),
                may("sample", text(), "of how many requests: `100%`"),
            ]),
            "compared, and changes nothing",
        ),
        may(
            "override",
            object(&[
                must(
                    "mode",
                    word(&["observe", "denyAll", "deny_all"]),
                    "what holds, whatever the policies say",
                ),
                must("until", instant(), "its end"),
                must("who", text(), "who wants it"),
                must("why", text(), "why"),
            ]),
            "what holds for a time",
        ),
    ])
}

fn policy_test() -> Vec<(&'static str, Value)> {
    let any_value = || map(json!({}));
    let tried = || word(&["same", "allow", "deny", "ask"]);
    vec![
        (
            "PolicyTest",
            object(&[
                must("at", instant(), "the time of all tests"),
                may("locality", name(), "where the enforcement point stands"),
                may("serves", text(), "whom the proxy serves"),
                may("host", text(), "the host of requests that name none"),
                may("principals", map(at("Principal")), "who asks"),
                must("requests", map(at("Request")), "what is asked"),
                must("tests", list(at("Test")), "what is expected"),
            ]),
        ),
        (
            "Principal",
            object(&[
                may("home", name(), "the home region of its token"),
                may("claims", any_value(), "of its token"),
                may("without", texts(), "claims that its token lacks"),
                may("key", text(), "what signs its token"),
                may("bound", word(&["certificate"]), "what its token is bound to"),
                may("revoked", only(true), "its token is revoked"),
                may("address", text(), "where it comes from"),
                may("workload", text(), "the SPIFFE id of its certificate"),
                may("device", at("TestDevice"), "what is told of its device"),
                may("deviceIssuer", name(), "the DeviceIssuer that tells it"),
                may("deviceSignedAt", instant(), "when that told it"),
            ]),
        ),
        (
            "TestDevice",
            object(&[
                may("id", json!({}), "which it is"),
                may("platform", json!({}), "like `macos`"),
                may("osVersion", json!({}), "of its operating system"),
                may("encrypted", json!({}), "its storage is"),
                may("managed", json!({}), "the organisation manages it"),
                may("jailbroken", json!({}), "it is"),
                may("screenLock", json!({}), "it locks"),
                may("certificate", json!({}), "the organisation's is on it"),
                may("patchedAt", json!({}), "when it took its last update"),
            ]),
        ),
        (
            "Request",
            object(&[
                may("method", text(), "`GET` without it"),
                may("scheme", word(&["https", "http"]), "`https` without it"),
                may("host", text(), "its authority"),
                must("path", text(), "with its query"),
                may("headers", any_value(), "by name"),
                may("address", text(), "where it comes from"),
                may("port", integer(1, 65_535), "that the connection was made to"),
            ]),
        ),
        (
            "Test",
            object(&[
                must("name", text(), "what it shows"),
                may("at", instant(), "another time"),
                may(
                    "center",
                    word(&["allow", "deny", "away", "wrong"]),
                    "what the center answers",
                ),
                may("revocationLists", word(&["away"]), "nobody can tell what is revoked"),
                may("principals", texts(), "those who ask; all without it"),
                may("requests", texts(), "those that are asked; all without it"),
                may("expected", list(at("Expectation")), "whatever is not listed is a deny"),
            ]),
        ),
        (
            "Expectation",
            object(&[
                may("principals", texts(), "of whom"),
                may("requests", texts(), "of which"),
                must(
                    "verdict",
                    word(&["allow", "deny", "stepUp", "defer"]),
                    "what becomes of it",
                ),
                may("rule", text(), "who decides: `policy/rule`"),
                may("reason", text(), "why"),
                may("status", integer(400, 599), "of the answer"),
                may("upstream", any_value(), "headers that the upstream gets"),
                may("upstreamWithout", texts(), "headers that it does not get"),
                may("shadow", tried(), "what all in shadow mode would make of it"),
                may("candidate", tried(), "what the candidate would make of it"),
            ]),
        ),
    ]
}
