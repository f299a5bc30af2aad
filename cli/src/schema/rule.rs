//! A rule of a policy.

use super::form::{
    any_object, any_text, at, country, duration, flag, host, list, name, network, one_of, only, region, text, text_of,
    texts, word, words, workload,
};
use super::policy::{MODE, mode};
use super::table::{Definition, define, may, must, value};

/// The definitions.
pub(super) fn definitions() -> Vec<Definition> {
    let mut all = rule();
    all.extend(conditions());
    all.extend(effects());
    all
}

fn rule() -> Vec<Definition> {
    vec![define!("Rule" in "rule",
    "What becomes of some requests. Its fields are ANDed, items of one list ORed.",
    [("rules", "documents.md#rules"), ("decisions", "decisions.md")],
    [
        must("name", name(), "unique in its policy; `POLICY/NAME` stands in the decision line"),
        must("effect", word(&["allow", "deny", "stepUp", "step_up", "defer"]), "`allow` lets in, `deny` refuses, `stepUp` challenges, `defer` asks the local Region's center"),
        may("hosts", list(host()), "every host that the policy governs", "hosts, 256 at most. Over HTTP/2 the client says host and port: a port narrows what a rule is about, it is no boundary"),
        may("methods", list(text_of("method", &["GET"])), "every method", "methods in upper case, 256 at most; `GET` includes `HEAD`"),
        may("paths", list(text_of("path template", &["/v1/profiles/{id}"])), "every path", "path templates, 256 at most"),
        may("headers", list(at("Matcher")), "not looked at", "what headers hold: each entry, 16 at most. Whoever sends a request writes its headers"),
        may("query", list(at("Matcher")), "not looked at", "what parameters of the query hold: each entry, 16 at most"),
        may("grpc", at("GrpcCalls"), "not restricted to calls of gRPC", "calls of gRPC, in place of `paths` and `methods`"),
        may("upgrades", words(&["websocket", "connect", "connect-udp", "spdy/3.1"]), "an allow or a defer is about plain HTTP alone, a deny or a step-up about all", "other protocols that the rule is about, and nothing else; 16 at most"),
        may("streams", word(&["untilClosed", "until_closed"]), "a stream ends with its token, and as soon as its request would not be let in any more", "`untilClosed`: what these upgrades open stays open until one of its ends closes it. Only beside `upgrades`, of a rule that lets in"),
        may("from", at("From"), "from anywhere", "where the request comes from"),
        may("identity", word(&["required", "workload", "none"]), "`required` for an allow, a step-up and a defer; a deny is about everybody", "`required`: requests with a valid token. `workload`: those of a workload that counts, with a token or without. `none`: everybody's, in public. With the last two, `permissions` and `roles` are errors"),
        may("permissions", at("Words"), "none is needed", "permissions that the token must have here: its global ones, and its regional ones of the local Region, after `accepts`"),
        may("roles", at("Words"), "none is needed", "roles that the token must have here, likewise"),
        may("when", text_of("condition", &["path.id == token.sub"]), "it always holds", "a condition in CEL, 4 KiB at most"),
        may("stepUp", at("StepUp"), "required with `effect: stepUp`, and nowhere else", "what a step-up wants"),
        may("defer", at("Defer"), "each of its fields as if left out", "of `effect: defer`: how the center is asked"),
        may("response", at("Response"), "403, with a problem document (RFC 9457)", "of `effect: deny`: how it is answered"),
        may("mode", mode(), value("enforce"), MODE),
    ])]
}

fn conditions() -> Vec<Definition> {
    vec![
        define!("Matcher" in "rule",
        "What a header or a parameter holds: exactly one of the fields beside `name`. Where it has more than one reading, it is unknown: no match for an allow, a match for a deny.",
        [("headers and query", "documents.md#headers-and-query")],
        [
            must("name", text_of("header, or parameter", &["x-tenant"]), "of the header in lower case, or of the parameter"),
            may("exact", any_text(), "none: another test", "the value is this one, letter case included"),
            may("in", list(any_text()), "none: another test", "the value is one of these, 256 at most"),
            may("prefix", text(), "none: another test", "the value begins so"),
            may("suffix", text(), "none: another test", "the value ends so"),
            may("present", only(true), "none: another test", "there is one, an empty one too"),
            may("absent", only(true), "none: another test", "there is none"),
        ]),
        define!("GrpcCalls" in "rule",
        "Calls of gRPC, each service with each method.",
        [("gRPC", "documents.md#grpc")],
        [
            may("services", texts(), "every service", "services with their packages, like `shop.v1.Orders`; 256 at most"),
            may("methods", texts(), "every method", "methods of these, like `Get`; 256 at most"),
        ]),
        define!("From" in "rule",
        "Where a request comes from. Its fields are ANDed, and what cannot be told is unknown.",
        [("rules", "documents.md#rules"), ("where a request comes from", "context.md#where-a-request-comes-from")],
        [
            may("sourceRegions", list(region()), "from any", "the source Region is one of these, told by networks or by an edge"),
            may("sourceCountries", list(country()), "from any", "the source country is one of these"),
            may("homeRegions", list(region()), "from any", "the home Region is one of these: the token's, without one that of a workload that counts, or the local one"),
            may("networks", list(network()), "from any", "the source address is in one of these, 256 at most"),
            may("workloads", list(workload()), "from any", "the certificate of the direct peer names one of these, 256 at most. Needs `trust: {peerVerification: required}`"),
        ]),
        define!("Words" in "rule",
        "Permissions or roles that a token must have. Its fields are ANDed.",
        [("rules", "documents.md#rules")],
        [
            may("anyOf", texts(), "none is needed", "one of these at least, 256 at most"),
            may("allOf", texts(), "none is needed", "all of these, 256 at most"),
        ]),
    ]
}

fn effects() -> Vec<Definition> {
    vec![
        define!("StepUp" in "rule",
        "The login that a step-up wants: `acr`, `maxAge` or both. What is not met is answered 401 with a challenge (RFC 9470).",
        [("step-ups", "step-up.md#step-ups")],
        [
            may("acr", texts(), "any class of login", "classes of which the token's `acr` must be one, 16 at most"),
            may("maxAge", duration("1s", "8784h"), "however long ago", "how long ago the login may be, by the token's `auth_time`"),
        ]),
        define!("Defer" in "rule",
        "How the center is asked.",
        [("`defer`", "documents.md#defer"), ("the regional center", "center.md")],
        [
            may("cache", duration("100ms", "24h"), "the center's `ttl` alone; nothing is kept if it sends none", "for how long an answer may be used again; a shorter `ttl` holds"),
            may("onUnavailable", word(&["deny", "allow", "lastDecision", "last_decision"]), value("deny"), "what holds while the center is away: 503, an allow, or what it said last to the same question"),
            may("lastDecisionFor", duration("1s", "24h"), value("10m"), "of `onUnavailable: lastDecision`: for how long its last word counts then"),
            may("unless", word(&["allowed"]), "it is always asked", "`allowed`: nobody is asked where a rule with `effect: allow` lets the request in"),
            may("claims", texts(), "none beside the usual ones", "top-level claims that the question carries beside the usual ones, 32 at most"),
            may("reasonUser", word(&["pass", "drop"]), value("drop"), "`pass`: the caller is told the center's `reason_user` when it denies"),
        ]),
        define!("Response" in "rule",
        "How a deny is answered.",
        [("`response`", "documents.md#response")],
        [
            may("status", one_of(&[402, 403, 404, 409, 410, 423, 429, 451, 503]), "`403`, or `404` with `hide`", "of the answer; 429 and 503 come with `retry-after`"),
            may("hide", flag(), value(false), "`true`: the answer is 404 and says `not_found`, as if nothing were there"),
            may("body", any_object(), "a problem document (RFC 9457)", "a JSON object, 4 KiB and 8 levels at most. Strings may hold `{request_id}`, `{code}`, `{status}` and `{region}`; a brace that is meant is written twice"),
            may("contentType", word(&["application/json", "application/problem+json"]), value("application/json"), "of `body`"),
        ]),
    ]
}
