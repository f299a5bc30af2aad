//! PolicyTest.

use super::form::{any, anything, at, header, instant, integer, list, map, only, region, text, text_of, texts, word};
use super::table::{Definition, define, may, must, value};

/// The definitions.
pub(super) fn definitions() -> Vec<Definition> {
    let mut all = document();
    all.extend(fixtures());
    all.extend(tests());
    all
}

fn document() -> Vec<Definition> {
    vec![define!("PolicyTest" in "policy-test",
    "Who sends what, when, and what is to become of it. It stands beside the documents of a bundle, and in none of them.",
    [("testing policies", "testing-policies.md")],
    [
        must("at", instant(), "when all of it happens"),
        may("locality", region(), "the bundle's `region`", "the region in which the node stands, for a bundle without `region`"),
        may("serves", text_of("SPIFFE id, or `ns/NAMESPACE/sa/SERVICE-ACCOUNT`", &["ns/shop/sa/api"]), "not told", "whom the proxy serves, as the node tells it"),
        may("host", text(), "each request names its own", "the host of requests that name none"),
        may("principals", map("names", at("Principal")), "`anonymous` alone, who is always there: no token, no certificate, no address", "who asks"),
        must("requests", map("names", at("Request")), "what is asked"),
        must("tests", list(at("Test")), "matrices of these, each with what is expected; 1,000 at most"),
    ])]
}

fn fixtures() -> Vec<Definition> {
    let address = || text_of("address", &["10.1.2.3"]);
    vec![
        define!("Principal" in "policy-test-spec",
        "Somebody who asks. One with any of the fields up to `revoked` has a token; its `sub` is the principal's name unless `claims` say otherwise.",
        [("the document", "testing-policies.md#the-document")],
        [
            may("claims", map("claims", anything()), "what is filled in: `sub`, `iss`, the region's claim, `aud`, `iat`, `exp`, and what the Region requires", "what its token says; what is absent of these is filled in"),
            may("home", region(), "the one that the claims name, or else the local Region", "the Region that signs its token"),
            may("without", texts(), "none", "claims that are not filled in"),
            may("key", text(), "one that no document revokes", "the `kid` of the Region's key that signs it"),
            may("bound", word(&["certificate"]), "not bound", "its token is bound to the certificate that it shows"),
            may("revoked", only(true), "in force", "the list that its Region publishes says that its token is revoked"),
            may("workload", text_of("SPIFFE id", &["spiffe://cluster.local/ns/web/sa/api"]), "no certificate", "the SPIFFE id in the certificate of its connection. It counts under `trust: {peerVerification: required}`"),
            may("address", address(), "it cannot be told", "the address of the direct peer"),
            may("device", at("TestDevice"), "nothing is told", "what is told of its device"),
            may("deviceIssuer", text_of("name of a [DeviceIssuer](#deviceissuer)", &["mdm"]), "the bundle's first; in one without any, the principal's own token tells", "whose posture token tells of the device"),
            may("deviceSignedAt", instant(), "at the time of the test", "when that posture token was made"),
            may("identity", map("attributes", anything()), "the replica does not know it", "what the identity replica of its home Region tells of it"),
            may("risk", at("TestRisk"), "the center has not said anything, and nothing failed", "what is known of its risk"),
        ]),
        define!("TestRisk" in "policy-test-spec",
        "What conditions read as `risk`.",
        [("the risk", "conditions.md#the-risk")],
        [
            may("score", integer(0, 100), "the center has not said any", "what the center said last of its subject, who needs a token"),
            may("failures", integer(0, 1_000), "0", "how many tokens with a bad signature have come lately from where it comes from"),
        ]),
        define!("TestDevice" in "policy-test-spec",
        "The parts of a posture, each as a posture holds it, or of another form to see what becomes of that.",
        [("where a posture comes from", "device.md#where-a-posture-comes-from")],
        [
            may("id", anything(), "not told", "which device it is"),
            may("platform", anything(), "not told", "like `macos`"),
            may("osVersion", anything(), "not told", "the version of its operating system, quoted"),
            may("encrypted", anything(), "not told", "`true`: its storage is encrypted"),
            may("managed", anything(), "not told", "`true`: the organisation manages it"),
            may("jailbroken", anything(), "not told", "`true`: it is jailbroken or rooted"),
            may("screenLock", anything(), "not told", "`true`: it locks"),
            may("certificate", anything(), "not told", "`true`: the organisation's certificate is on it"),
            may("patchedAt", anything(), "not told", "when it took its last update: a time, or seconds since 1970"),
        ]),
        define!("Request" in "policy-test-spec",
        "A request.",
        [("the document", "testing-policies.md#the-document")],
        [
            must("path", text(), "the path with its query"),
            may("method", text_of("method", &["GET"]), value("GET"), "as the client sends it"),
            may("scheme", word(&["https", "http"]), value("https"), "as the client sends it"),
            may("host", text(), "`host` of the document", "the authority"),
            may("headers", map("names in lower case", any(&[text(), texts()])), "none", "a value, or a list of values for several lines"),
            may("address", address(), "the principal's", "the address of the direct peer, in place of the principal's"),
            may("port", integer(1, 65_535), "it cannot be told", "the port that the connection is made to, for probes"),
        ]),
    ]
}

fn tests() -> Vec<Definition> {
    let tried = || word(&["same", "allow", "deny", "ask"]);
    let of_test = |name: &'static str, says: &'static str| may(name, texts(), "all of the test", says);
    vec![
        define!("Test" in "policy-test-spec",
        "Each of its principals sends each of its requests.",
        [("the document", "testing-policies.md#the-document")],
        [
            must("name", text(), "what it shows; unique in its document"),
            may("at", instant(), "`at` of the document", "when it happens"),
            may("center", word(&["allow", "deny", "away", "wrong"]), "nobody says: the outcome is `defer`", "what the center answers. `away`: it cannot be reached. `wrong`: that is no answer"),
            may("revocationLists", word(&["away"]), "they are there, and revoke nobody but who is `revoked`", "no list of a Region can be had"),
            may("replicas", word(&["away"]), "they tell what each principal's `identity` says", "no identity replica can be had"),
            may("principals", texts(), "all that are written", "who sends, by name; `anonymous` is always there"),
            may("requests", texts(), "all that are written", "what they send, by name"),
            may("expected", list(at("Expectation")), "everything is denied", "what is not denied; and how, and why something is. 1,000 at most"),
        ]),
        define!("Expectation" in "policy-test-spec",
        "What is to become of some of a test's requests. Two entries of a test are never about the same.",
        [("the document", "testing-policies.md#the-document")],
        [
            of_test("principals", "whose requests, by name"),
            of_test("requests", "which requests, by name"),
            must("verdict", word(&["allow", "deny", "stepUp", "defer"]), "what becomes of it: let in, refused, challenged, or left to the center"),
            may("rule", text_of("`POLICY/RULE`", &["shop/read-profile"]), "any", "what decides; `POLICY/-` for a requirement or a default"),
            may("reason", text_of("[reason](reasons.md)", &["rule.allowed"]), "any", "why"),
            may("status", integer(400, 599), "any", "the status of the answer"),
            may("upstream", map("headers", text()), "not compared", "headers that the upstream gets, each with its value"),
            may("upstreamWithout", list(header()), "not compared", "headers that the upstream does not get"),
            may("shadow", tried(), "not compared", "what all that is in shadow mode would make of it; `same`: the same verdict"),
            may("candidate", tried(), "not compared", "what the candidate would make of it; `same`: the same verdict and reason"),
        ]),
    ]
}
