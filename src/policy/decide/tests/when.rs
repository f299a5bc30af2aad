//! Conditions in CEL: three values, and where they count.

use super::{check, compile};
use crate::policy::testing::decide;

/// Whether `when` holds for `GET a.com /x` by this subject from this source: an allow lets in where it does, a deny refuses where it may.
fn truth(when: &str, who: &str, whence: &str) -> &'static str {
    let allow = compile(&[("p", &[&format!("r allow when {when}")])]);
    let deny = compile(&[("p default", &[&format!("r deny token when {when}")])]);
    let allowed = decide(&allow, "GET a.com /x", who, whence);
    let denied = decide(&deny, "GET a.com /x", who, whence);
    match (allowed.as_str(), denied.as_str()) {
        ("allow rule.allowed p/r", "deny rule.denied p/r") => "true",
        ("deny rule.when p/r", "allow policy.default_allow p/-") => "false",
        ("deny rule.when p/r", "deny rule.condition_unknown p/r") => "unknown",
        _ => panic!("{when}: {allowed}, {denied}"),
    }
}

#[test]
fn each_variable_says_what_the_request_does() {
    for when in [
        "request.method == 'GET' && request.host == 'a.com' && request.path == '/x' && request.id == 'id-1'",
        "request.headers['x-one'] == '1' && request.headers['x-two'] == 'a, b' && request.headers.cookie == 'a=1; b=2'",
        "!has(request.headers[':path']) && !('X-One' in request.headers) && !('x-regionguard-subject' in request.headers)",
        "request.headers.exists(name, request.headers[name] == '1') || true",
        "request.time > token.auth_time && request.time == request.time",
        "source.region == 'eu' && local.region == 'us' && source.workload == 'spiffe://eu/a'",
        "device.managed && device.os_version >= version('14') && !has(device.encrypted)",
        "token.acr == 'gold' && token.amr == ['otp'] && 'otp' in token.amr",
        "token.department == 'finance' && token.level >= 3 && token.tags.exists(t, t == 'b') && token.org.unit == 'x'",
        "token.aud == ['one'] && token.scope == 'a b' && has(token.org.unit) && !has(token.org.other)",
        "has(token.department) && !has(token.other) && !has(token.jti) && has(token.aud)",
    ] {
        let who = "eu acr:gold amr:otp age:60 claim:department=\"finance\" claim:level=3 claim:tags=[\"a\",\"b\"] claim:org={\"unit\":\"x\"} claim:aud=\"one\"";
        // A space would end the word.
        let who = format!("{who} dev:managed,14.10 claim:scope=\"a\\u0020b\"");
        assert_eq!(truth(when, &who, "eu spiffe://eu/a"), "true", "{when}");
    }
}

#[test]
fn what_is_not_there_is_unknown_and_what_settles_the_matter_is_not() {
    for (when, expected) in [
        ("token.department == 'finance'", "unknown"),
        ("token.department != 'finance'", "unknown"),
        ("!(token.department == 'finance')", "unknown"),
        ("has(token.department) && token.department == 'finance'", "false"),
        ("!has(token.department) || token.department == 'finance'", "true"),
        ("token.department == 'finance' || request.method == 'GET'", "true"),
        ("token.department == 'finance' && request.method == 'PUT'", "false"),
        ("token.department == 'finance' && request.method == 'GET'", "unknown"),
        ("source.region == 'eu'", "unknown"),
        ("source.country == 'DE'", "unknown"),
        ("source.workload == 'spiffe://eu/a'", "unknown"),
        ("has(source.workload)", "false"),
        ("device.managed", "unknown"),
        ("has(device.managed)", "false"),
        ("request.headers['x-none'] == '1'", "unknown"),
        ("request.headers['x-bytes'] == '1'", "unknown"),
        // Many servers read `_` as `-`.
        ("request.headers['x-alike'] == '1'", "unknown"),
        ("has(request.headers['x-under'])", "unknown"),
        ("'x-under' in request.headers", "unknown"),
        ("request.headers['x_under'] == '3'", "true"),
        ("request.headers.exists(name, name == 'x-none')", "unknown"),
        // The claim is there, and is no text, or no time.
        ("token.sub == 'a'", "unknown"),
        ("token.exp > request.time", "unknown"),
        ("'a' in token.amr", "unknown"),
        ("token.level + 1 > 3", "unknown"),
        ("token.flag", "unknown"),
        ("token.level == 'three'", "true"),
    ] {
        let who = "us claim:sub=1 claim:exp=\"1\" claim:amr=[1] claim:level=\"three\" claim:flag=\"true\"";
        assert_eq!(truth(when, who, "?"), expected, "{when}");
    }
}

/// Beyond its budget a condition is unknown, and so is a list that is too long to be searched.
#[test]
fn a_condition_that_costs_too_much_is_unknown() {
    let list = |length: usize| {
        let items: Vec<String> = (0..length).map(|item| item.to_string()).collect();
        format!("us claim:list=[{}]", items.join(","))
    };
    let when = "token.list.exists(a, token.list.exists(b, a + b < 0))";
    assert_eq!(truth(when, &list(20), "?"), "false");
    assert_eq!(truth(when, &list(400), "?"), "unknown");
}

/// To read a list of texts is to look at each of its items, also where one of them is none.
#[test]
fn a_list_of_texts_costs_what_is_looked_at() {
    let rounds: Vec<String> = (0..60).map(|round| round.to_string()).collect();
    let when = |claim: &str| {
        let rounds = rounds.join(",");
        format!("[{rounds}].exists(i, size(token.{claim}) < i - 100) || request.method == 'GET'")
    };
    for claim in ["amr", "aud"] {
        for last in ["\"pwd\"", "1"] {
            let who = |length: usize| format!("us claim:{claim}=[{}{last}]", "\"pwd\",".repeat(length));
            assert_eq!(truth(&when(claim), &who(10), "?"), "true", "{claim} {last}");
            assert_eq!(truth(&when(claim), &who(4_000), "?"), "unknown", "{claim} {last}");
        }
    }
}

#[test]
fn captures_are_those_of_the_path_that_matches() {
    let set = compile(&[(
        "p",
        &["r allow path=/a/{id}/{kind},/b/{kind}/{id} when path.id == token.sub && path.kind == 'k'"],
    )]);
    for (path, who, expected) in [
        ("/a/alice/k", "us claim:sub=\"alice\"", "allow rule.allowed p/r"),
        ("/b/k/alice", "us claim:sub=\"alice\"", "allow rule.allowed p/r"),
        ("/b/k/al%C3%A9", "us claim:sub=\"al\u{e9}\"", "allow rule.allowed p/r"),
        ("/b/alice/k", "us claim:sub=\"alice\"", "deny rule.when p/r"),
        ("/a/bob/k", "us claim:sub=\"alice\"", "deny rule.when p/r"),
    ] {
        assert_eq!(
            decide(&set, &format!("GET a.com {path}"), who, "us"),
            expected,
            "{path}"
        );
    }
}

#[test]
fn a_parameter_has_one_reading_or_none() {
    for (query, when, expected) in [
        (
            "a=1&b=%C3%A9",
            "request.query.a == '1' && request.query['b'] == '\u{e9}' && !has(request.query.c)",
            "true",
        ),
        (
            "a=1&b=2",
            "request.query.all(k, k in ['a', 'b']) && size(request.query) == 2",
            "true",
        ),
        ("", "size(request.query) == 0 && !('a' in request.query)", "true"),
        ("a=1", "request.query.b == '1'", "unknown"),
        ("a=1&a=1", "request.query.a == '1'", "unknown"),
        ("a=1&%61=2", "request.query.a == '1'", "unknown"),
        ("a=1+2", "request.query.a == '1+2'", "unknown"),
        // Names that some server takes for another.
        ("A=1", "has(request.query.a)", "unknown"),
        ("a[]=1", "'a' in request.query", "unknown"),
        ("a=1&a[]=2", "request.query.a == '1'", "unknown"),
        ("dry+run=1", "has(request.query['dry run'])", "unknown"),
        ("A=1", "request.query.A == '1'", "true"),
        ("a=1&b=2;a=3", "request.query.a == '1'", "unknown"),
        ("a=1&a=2&b=3", "request.query.b == '3'", "true"),
        ("a=1&a=2&b=3", "request.query.exists(k, k == 'b')", "unknown"),
    ] {
        let allow = compile(&[("p", &[&format!("r allow when {when}")])]);
        let deny = compile(&[("p default", &[&format!("r deny token when {when}")])]);
        let request = format!("GET a.com /x?{query}");
        let allowed = decide(&allow, &request, "us", "us");
        let denied = decide(&deny, &request, "us", "us");
        let truth = match (allowed.as_str(), denied.as_str()) {
            ("allow rule.allowed p/r", "deny rule.denied p/r") => "true",
            ("deny rule.when p/r", "deny rule.condition_unknown p/r") => "unknown",
            _ => "false",
        };
        assert_eq!(truth, expected, "{query} {when}");
    }
}

#[test]
fn a_step_up_and_a_defer_take_unknown_for_a_match() {
    check(&[
        (
            &[("p", &["r stepup acr=gold when token.amount > 100", "s allow"])],
            "us",
            "us",
            "401 identity.step_up p/r [gold] None",
        ),
        (
            &[("p", &["r stepup acr=gold when token.amount > 100", "s allow"])],
            "us claim:amount=5",
            "us",
            "allow rule.allowed p/s",
        ),
        (
            &[("p", &["r defer when token.amount > 100", "s allow"])],
            "us",
            "us",
            "defer p/r",
        ),
        (
            &[("p", &["r defer when token.amount > 100", "s allow"])],
            "us claim:amount=5",
            "us",
            "allow rule.allowed p/s",
        ),
    ]);
}

#[test]
fn a_deny_that_reads_no_token_is_for_everybody_and_one_that_does_waits_for_it() {
    let blind: &[&str] = &["r deny when request.headers['x-one'] == '1'", "s allow"];
    let reading: &[&str] = &["r deny when token.banned", "s allow"];
    let public: &[&str] = &["r deny when token.banned", "s allow public"];
    check(&[
        (&[("p", blind)], "-", "us", "deny rule.denied p/r"),
        (&[("p", blind)], "us", "us", "deny rule.denied p/r"),
        (&[("p", reading)], "-", "us", "401 p/s"),
        (&[("p", reading)], "!", "us", "401 p/s"),
        (&[("p", reading)], "us claim:banned=true", "us", "deny rule.denied p/r"),
        (
            &[("p", reading)],
            "us claim:banned=false",
            "us",
            "allow rule.allowed p/s",
        ),
        (&[("p", reading)], "us", "us", "deny rule.condition_unknown p/r"),
        (
            &[("p", &["r deny when device.jailbroken", "s allow public"])],
            "-",
            "us",
            "401 p/r",
        ),
        (
            &[("p", &["r deny when device.jailbroken", "s allow"])],
            "us",
            "us",
            "deny rule.condition_unknown p/r",
        ),
        // It hangs on who asks, which nobody has told.
        (&[("p", public)], "-", "us", "401 p/r"),
        (&[("p", public)], "us claim:banned=false", "us", "allow rule.public p/s"),
    ]);
}

#[test]
fn the_source_and_the_workload_are_read_for_conditions_that_look_at_them() {
    use crate::policy::testing::candidates;
    for (when, source, workload) in [
        ("request.method == 'GET'", false, false),
        ("source.region == 'eu'", true, false),
        ("has(source.country)", true, false),
        ("source.workload == 'x'", false, true),
    ] {
        let set = compile(&[("p", &[&format!("r allow when {when}")])]);
        let candidates = candidates(&set, "GET a.com /x");
        assert_eq!(
            (set.needs_source(&candidates), set.needs_workload(&candidates)),
            (source, workload),
            "{when}"
        );
    }
}
