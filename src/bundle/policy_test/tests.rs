use serde_json::{Value as Json, json};

use super::{Center, Known, PolicyTest, Tried, Verdict, read};
use crate::device::Field;
use crate::reason::Reason;
use crate::time::WallTime;

const KNOWN: Known<'static> = Known {
    regions: &["us-east-1", "eu-west-1"],
    device_issuers: &["mdm"],
    deciders: &["-/-", "shop/-", "shop/read"],
    suggests: true,
};

/// A PolicyTest of which every field is used.
fn full() -> Json {
    json!({
        "apiVersion": "security.io/v1", "kind": "PolicyTest", "metadata": {"name": "shop"},
        "spec": {
            "at": "2026-11-25T15:00:00Z", "locality": "us-east-1", "serves": "spiffe://prod/ns/shop/sa/api", "host": "api.us-east-1.com",
            "principals": {
                "alice": {"home": "eu-west-1", "claims": {"level": 5, "score": 0.5, "debt": -2, "roles": ["a"]}, "without": ["exp"], "key": "1", "bound": "certificate", "revoked": true, "address": "10.1.2.3", "device": {"os_version": "15.2", "encrypted": true}, "deviceIssuer": "mdm", "deviceSignedAt": "2026-11-25T14:00:00Z"},
                "web": {"workload": "spiffe://prod/web"},
                "zed jones": {"claims": {"sub": "bob"}},
            },
            "requests": {
                "read": {"path": "/a?b=c", "headers": {"x-a": ["1", "2"], "x-b": "3"}, "address": "2001:db8::1", "port": 8080},
                "write": {"method": "PUT", "scheme": "http", "host": "other", "path": "/a"},
            },
            "tests": [
                {"name": "all of it", "expected": [
                    {"principals": ["alice"], "requests": ["read"], "verdict": "allow", "rule": "shop/read", "reason": "rule.allowed", "upstream": {"x-user": "alice"}, "upstream_without": ["authorization"], "shadow": "same", "candidate": "deny"},
                    {"principals": ["web"], "verdict": "stepUp", "status": 401},
                ]},
                {"name": "at night", "at": "2026-11-25T23:00:00.5Z", "center": "away", "revocation_lists": "away", "principals": ["anonymous"], "requests": ["write"]},
            ],
        },
    })
}

fn told(test: &Json) -> Vec<String> {
    match read(test.to_string().as_bytes(), Some(&KNOWN)) {
        Ok((_, warnings)) => warnings.iter().map(ToString::to_string).collect(),
        Err(all) => all.iter().map(ToString::to_string).collect(),
    }
}

#[track_caller]
fn taken(test: &Json) -> PolicyTest {
    read(test.to_string().as_bytes(), Some(&KNOWN)).expect("a test").0
}

#[test]
fn all_fields_are_read() {
    let test = taken(&full());
    assert_eq!(told(&full()), Vec::<String>::new());
    assert_eq!(
        (test.name.as_str(), test.locality.as_deref()),
        ("shop", Some("us-east-1"))
    );
    assert_eq!(test.serves.id.as_deref(), Some("spiffe://prod/ns/shop/sa/api"));
    assert_eq!(
        test.requests.iter().map(|request| request.port).collect::<Vec<_>>(),
        [Some(8080), None]
    );
    let mut pod = full();
    pod["spec"]["serves"] = json!("ns/shop/sa/api");
    let served = taken(&pod).serves;
    assert_eq!(
        (
            served.id,
            served.namespace.as_deref(),
            served.service_account.as_deref()
        ),
        (None, Some("shop"), Some("api"))
    );
    let names: Vec<&str> = test
        .principals
        .iter()
        .map(|principal| principal.name.as_str())
        .collect();
    assert_eq!(names, ["alice", "web", "zed jones", "anonymous"]);
    let token = test.principals[0].token.as_ref().expect("a token");
    let claims = json!({"level": 5, "score": 0.5, "debt": -2, "roles": ["a"], "sub": "alice"});
    assert_eq!(Json::Object(token.claims.clone()), claims);
    assert_eq!(
        (token.home.as_deref(), token.key.as_deref()),
        (Some("eu-west-1"), Some("1"))
    );
    assert!(token.bound && token.revoked && token.without == ["exp"]);
    let device = test.principals[0].device.as_ref().expect("a device");
    assert_eq!(
        device.parts,
        [(Field::OsVersion, json!("15.2")), (Field::Encrypted, json!(true))]
    );
    assert_eq!(device.issuer.as_deref(), Some("mdm"));
    assert_eq!(device.signed_at, Some(WallTime(1_795_615_200_000_000_000)));
    assert!(test.principals[1].token.is_none() && test.principals[3].token.is_none());
    assert_eq!(test.principals[1].workload.as_deref(), Some("spiffe://prod/web"));
    let zed = test.principals[2].token.as_ref().expect("a token");
    assert_eq!(zed.claims["sub"], "bob");
    let [read, write] = test.requests.as_slice() else {
        panic!("{:?}", test.requests)
    };
    assert_eq!((read.method.as_str(), read.scheme.as_str()), ("GET", "https"));
    assert_eq!(
        (read.host.as_str(), write.host.as_str()),
        ("api.us-east-1.com", "other")
    );
    assert_eq!((read.port, write.port), (Some(8080), None));
    let lines: Vec<String> = read
        .headers
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    assert_eq!(lines, ["x-a=1", "x-a=2", "x-b=3"]);
    let [all, night] = test.tests.as_slice() else {
        panic!("{:?}", test.tests)
    };
    assert_eq!(
        (all.principals.as_slice(), all.requests.as_slice()),
        (&[0, 1, 2][..], &[0, 1][..])
    );
    assert_eq!(all.at, WallTime(1_795_618_800_000_000_000));
    assert_eq!(night.at, WallTime(1_795_647_600_500_000_000));
    assert_eq!((night.center, night.lists_away), (Some(Center::Away), true));
    assert_eq!(
        (night.principals.as_slice(), night.requests.as_slice()),
        (&[3][..], &[1][..])
    );
    let [allow, step_up] = all.expected.as_slice() else {
        panic!("{:?}", all.expected)
    };
    assert_eq!(
        (allow.verdict, allow.reason),
        (Verdict::Allow, Some(Reason::RuleAllowed))
    );
    assert_eq!(allow.rule.as_deref(), Some("shop/read"));
    assert_eq!(allow.upstream, [("x-user".to_owned(), "alice".to_owned())]);
    assert_eq!(allow.upstream_without, ["authorization"]);
    assert_eq!((allow.shadow, allow.candidate), (Some(Tried::Same), Some(Tried::Deny)));
    assert_eq!((step_up.verdict, step_up.status), (Verdict::StepUp, Some(401)));
    assert_eq!(
        (step_up.principals.as_slice(), step_up.requests.as_slice()),
        (&[1][..], &[0, 1][..])
    );
}

/// One member of the full test replaced, by its JSON pointer; `null` takes it away.
fn with(pointer: &str, value: Json) -> Json {
    let mut test = full();
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
    let parent = test.pointer_mut(parent).expect("a parent");
    match (parent, value) {
        (Json::Object(members), Json::Null) => {
            members.remove(name);
        }
        (parent, value) => parent[name] = value,
    }
    test
}

#[test]
fn mistakes_are_told_with_their_place() {
    let expected = |field: &str, value: Json| {
        let mut test = full();
        test["spec"]["tests"][0]["expected"][0][field] = value;
        test
    };
    for (test, message) in [
        (
            with("/kind", json!("PolicyTests")),
            "kind: must be `PolicyTest`; found `PolicyTests`; did you mean `PolicyTest`?",
        ),
        (with("/apiVersion", json!("v1")), "apiVersion: must be `security.io/v1`"),
        (with("/spec/at", Json::Null), "spec: `at` is missing"),
        (with("/spec/at", json!("yesterday")), "spec.at: not a time"),
        (
            with("/spec/att", json!("x")),
            "spec.att: no such field: `at`, `locality`, `serves`, `host`, `principals`, `requests` or `tests`; did you mean `at`?",
        ),
        (
            with("/spec/locality", json!("us-east-2")),
            "spec.locality: the bundle has no such Region; found `us-east-2`; did you mean `us-east-1`?",
        ),
        (
            with("/spec/serves", json!("shop/api")),
            "spec.serves: not a workload: write its SPIFFE id, or `ns/NAMESPACE/sa/SERVICE-ACCOUNT`; found `shop/api`",
        ),
        (
            with("/spec/requests/read/port", json!(0)),
            "spec.requests.read.port: must be a whole number from 1 to 65535",
        ),
        (with("/spec/tests", json!([])), "spec.tests: an empty list"),
        (with("/spec/tests", Json::Null), "spec: `tests` is missing"),
        (with("/spec/host", Json::Null), "spec.requests.read: `host` is missing"),
        (
            with("/spec/requests/read/path", Json::Null),
            "spec.requests.read: `path` is missing",
        ),
        (
            with("/spec/requests/read/headers", json!({"X-A": "1"})),
            "spec.requests.read.headers.X-A: not the name of a header",
        ),
        (
            with("/spec/requests/read/headers", json!({":path": "1"})),
            "spec.requests.read.headers.\":path\": not the name of a header",
        ),
        (
            with("/spec/principals/anonymous", json!({"claims": {"a": 1}})),
            "spec.principals.anonymous: `anonymous` has nothing to show",
        ),
        (
            with("/spec/principals/alice/home", json!("mars")),
            "spec.principals.alice.home: the bundle has no such Region",
        ),
        (
            with("/spec/principals/alice/clams", json!({"a": 1})),
            "did you mean `claims`?",
        ),
        (
            with("/spec/principals/alice/address", json!("10.1.2.3:80")),
            "spec.principals.alice.address: not an address",
        ),
        (
            with("/spec/principals/web/workload", json!("prod/web")),
            "spec.principals.web.workload: not the SPIFFE id of a workload",
        ),
        (
            with("/spec/principals/alice/deviceIssuer", json!("mdn")),
            "spec.principals.alice.deviceIssuer: the bundle has no such DeviceIssuer; found `mdn`; did you mean `mdm`?",
        ),
        (
            with("/spec/principals/alice/device", json!({"encryptd": true})),
            "spec.principals.alice.device.encryptd: no such field",
        ),
        (
            with("/spec/principals/alice/device", Json::Null),
            "spec.principals.alice.deviceIssuer: says who tells of the device",
        ),
        (
            with("/spec/principals/web/device", json!({"encrypted": true})),
            "spec.principals.web: the posture of a device is read of who has a token",
        ),
        (
            with(
                "/spec/tests/0/expected",
                json!([{"verdict": "defer", "candidate": "same"}]),
            ),
            "candidate: what is tried is told once the center has answered",
        ),
        (
            with("/spec/tests/1/principals", json!(["alcie"])),
            "spec.tests[1].principals[0]: no such name in `principals`; found `alcie`; did you mean `alice`?",
        ),
        (
            with("/spec/tests/1/principals", json!(["alice", "alice"])),
            "spec.tests[1].principals[1]: is listed already",
        ),
        (
            with("/spec/tests/1/name", json!("all of it")),
            "spec.tests[1].name: spec.tests[0] has this name already",
        ),
        (
            with("/spec/tests/1/center", json!("off")),
            "spec.tests[1].center: must be `allow`, `deny`, `away` or `wrong`",
        ),
        (
            with("/spec/tests/1/expected", json!([{"verdict": "defer"}])),
            "spec.tests[1].expected[0].verdict: `center` of this test says what the center answers",
        ),
        (
            with(
                "/spec/tests/1/expected",
                json!([{"principals": ["alice"], "verdict": "deny"}]),
            ),
            "spec.tests[1].expected[0].principals[0]: is not in `principals` of this test",
        ),
        (
            expected("principals", Json::from(vec!["alice", "web"])),
            "spec.tests[0].expected[1]: spec.tests[0].expected[0] says already what is expected of `web` and `read`",
        ),
        (
            expected("verdict", json!("permit")),
            "verdict: must be `allow`, `deny`, `stepUp` or `defer`",
        ),
        (
            expected("rule", json!("shop/raed")),
            "rule: the bundle has no such rule; found `shop/raed`; did you mean `shop/read`?",
        ),
        (
            expected("rule", json!("read")),
            "rule: write it as the decision line does: `policy/rule`, or `policy/-` for a requirement or a default; found `read`; did you mean `shop/read`?",
        ),
        (
            expected("reason", json!("rule.alowed")),
            "reason: no such reason code; found `rule.alowed`; did you mean `rule.allowed`?",
        ),
        (
            expected("reason", json!("rule.denied")),
            "reason: is the reason of a request that is refused",
        ),
        (
            expected("status", json!(403)),
            "status: only a request that is refused is answered here",
        ),
        (
            expected("verdict", json!("deny")),
            "upstream: the upstream gets nothing of a request that does not go on",
        ),
    ] {
        let told = told(&test);
        assert!(
            told.iter()
                .any(|told| told.starts_with("error: ") && told.contains(message)),
            "{message}\n{}",
            told.join("\n")
        );
    }
}

/// What is wrong with a fixture hides no error of a test.
#[test]
fn all_errors_are_told_at_once() {
    let mut test = with("/spec/requests/read", json!("/a"));
    test["spec"]["principals"]["alice"]["home"] = json!("mars");
    test["spec"]["tests"][0]["principals"] = json!(["alise", "web"]);
    test["spec"]["tests"][0]["requests"] = json!(["read", "delete"]);
    let told = told(&test);
    for message in [
        "spec.requests.read: must be an object",
        "spec.principals.alice.home: the bundle has no such Region",
        "principals[0]: no such name in `principals`; found `alise`; did you mean `alice`?",
        "requests[1]: no such name in `requests`; found `delete`",
    ] {
        assert!(
            told.iter().any(|told| told.contains(message)),
            "{message}\n{}",
            told.join("\n")
        );
    }
    // Where there can be no names, none is told to be wrong.
    let told = self::told(&with("/spec/requests", json!(["read"])));
    assert!(
        told.iter().all(|told| !told.contains("no such name")),
        "{}",
        told.join("\n")
    );
}

#[test]
fn names_are_compared_with_what_the_bundle_has_only_where_that_is_known() {
    let test = with("/spec/principals/alice/home", json!("mars"));
    assert!(read(test.to_string().as_bytes(), None).is_ok());
}

#[test]
fn what_nobody_uses_is_told() {
    let mut test = full();
    test["spec"]["tests"][0]["principals"] = json!(["alice", "web"]);
    assert_eq!(
        told(&test),
        ["warning: PolicyTest shop: spec.principals.\"zed jones\": no test uses it"]
    );
}

#[test]
fn too_many_requests_are_refused() {
    let mut test = full();
    let one = json!({"path": "/"});
    let requests: serde_json::Map<String, Json> = (0..200).map(|number| (format!("r{number}"), one.clone())).collect();
    test["spec"]["requests"] = Json::Object(requests);
    test["spec"]["tests"] = (0..200).map(|number| json!({"name": format!("t{number}")})).collect();
    let told = told(&test);
    assert!(
        told.iter()
            .any(|told| told.contains("120000 in all tests, 100000 at most")),
        "{told:?}"
    );
}
