//! `regionguard test` as people and CI run it.

#[path = "testing/examples.rs"]
mod examples;
#[path = "check/run.rs"]
mod run;

use std::path::PathBuf;

use serde_json::Value;

use run::{folder_of, regionguard};

const BUNDLE: &str = "\
region: us-east-1
metadata: {name: shop, version: 7}
documents:
  - apiVersion: security.io/v1
    kind: Region
    metadata: {name: us-east-1}
    spec: {issuer: identity.global.com, audiences: [api], keys: {remote: {cluster: identity}}, center: {cluster: center}}
";

const POLICY: &str = "\
apiVersion: security.io/v1
kind: ZeroTrustPolicy
metadata: {name: shop}
spec:
  forward: {token: strip, claims: {x-user: sub}}
  rules:
    - {name: read, methods: [GET], paths: [/a], permissions: {anyOf: [\"read:a\"]}, effect: allow}
    - {name: ask, methods: [PUT], paths: [/a], permissions: {anyOf: [\"read:a\"]}, effect: defer}
    - {name: no-debug, paths: [/debug], effect: deny, response: {status: 404, hide: true}}
";

/// A PolicyTest whose `tests` are these lines.
fn test(tests: &str) -> String {
    format!(
        "\
apiVersion: security.io/v1
kind: PolicyTest
metadata: {{name: shop}}
spec:
  at: \"2026-11-25T15:00:00Z\"
  host: api
  principals:
    alice: {{claims: {{permissions: [\"read:a\"]}}}}
    bob: {{home: us-east-1}}
  requests:
    read: {{path: /a}}
    write: {{path: /a, method: PUT}}
    debug: {{path: /debug}}
  tests:
{tests}"
    )
}

const GOOD: &str = "    \
    - name: people who may read
      expected:
        - {principals: [alice], requests: [read], verdict: allow, rule: shop/read, reason: rule.allowed, upstream: {x-user: alice}, upstreamWithout: [authorization]}
        - {principals: [alice], requests: [write], verdict: defer, rule: shop/ask}
        - {requests: [debug], verdict: deny, status: 404, rule: shop/no-debug}
    - name: the center says no
      center: deny
      principals: [alice]
      requests: [write]
      expected: [{verdict: deny, reason: center.denied}]
";

fn folder(name: &str, tests: &str) -> PathBuf {
    let files = [
        ("bundle.yaml", BUNDLE),
        ("policy.yaml", POLICY),
        ("test.yaml", &test(tests)),
    ];
    folder_of(name, &files.map(|(name, text)| (name, text.as_bytes())))
}

#[test]
fn what_is_as_expected_passes() {
    let folder = folder("test-good", GOOD);
    let run = regionguard(&folder, &["test", "."]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{}", run.stdout);
    let lines: Vec<&str> = run.stdout.lines().collect();
    let [suite, coverage, passed] = lines.as_slice() else {
        panic!("{}", run.stdout)
    };
    assert_eq!(*suite, "ok: PolicyTest shop (./test.yaml): 2 tests, 7 requests");
    assert_eq!(*coverage, "coverage: 3 of 3 rules decided, 100 %");
    assert!(
        passed.starts_with("passed: 7 requests as expected, with bundle `shop@7+"),
        "{passed}"
    );
}

#[test]
fn what_is_not_is_told_with_its_place_and_what_decided() {
    let wrong = GOOD
        .replace("requests: [read], verdict: allow", "requests: [read], verdict: deny")
        .replace(
            ", reason: rule.allowed, upstream: {x-user: alice}, upstreamWithout: [authorization]",
            "",
        )
        .replace("status: 404, rule: shop/no-debug", "status: 403, rule: shop/read")
        .replace(
            "        - {principals: [alice], requests: [write], verdict: defer, rule: shop/ask}\n",
            "",
        )
        .replace("reason: center.denied", "reason: center.error");
    let folder = folder("test-wrong", &wrong);
    let run = regionguard(&folder, &["test", "."]);
    assert_eq!(run.code, 1, "{}", run.stdout);
    for said in [
        "error[test-failed]: people who may read: `alice` sends `read`: expected `deny`; found `allow` by `shop/read` (rule.allowed)\n",
        "::: ./policy.yaml:7:14\n",
        "= help: rule.allowed: a rule allows it\n",
        "`alice` sends `debug`: expected rule `shop/read`; found `shop/no-debug`; expected status `403`; found `404`\n",
        "`alice` sends `write`: expected `deny`, as nothing is listed; found `defer` by `shop/ask`\n",
        "`shop/ask` asks the center, and this test does not say what that answers",
        "the center says no: `alice` sends `write`: expected reason `center.error`; found `center.denied`\n",
        "\nFAILED 5: PolicyTest shop (./test.yaml): 2 tests, 7 requests\n",
        "\nfailed: 5 of 7 requests\n",
    ] {
        assert!(run.stdout.contains(said), "{said}\n{}", run.stdout);
    }
    assert_eq!(run.stdout.matches("error[test-failed]").count(), 5, "{}", run.stdout);
}

#[test]
fn headers_for_the_upstream_are_compared() {
    for (expected, said) in [
        (
            "upstream: {x-user: bob}",
            "expected `x-user` for the upstream, `bob`; found `alice`",
        ),
        (
            "upstream: {x-none: bob}",
            "expected `x-none` for the upstream, `bob`; found `nothing`",
        ),
        (
            "upstreamWithout: [x-user]",
            "expected no `x-user` for the upstream; it gets one",
        ),
    ] {
        let entry = format!("{{principals: [alice], requests: [read], verdict: allow, {expected}}}");
        let folder = folder(
            "test-upstream",
            &format!("    - {{name: a, requests: [read], expected: [{entry}]}}\n"),
        );
        let run = regionguard(&folder, &["test", "."]);
        assert_eq!(run.code, 1);
        assert!(run.stdout.contains(said), "{said}\n{}", run.stdout);
    }
}

#[test]
fn rules_that_never_decided_can_fail_it() {
    let one = "    - {name: a, principals: [alice], requests: [read], expected: [{verdict: allow}]}\n";
    let folder = folder("test-coverage", one);
    let run = regionguard(&folder, &["test", "."]);
    assert_eq!(run.code, 0, "{}", run.stdout);
    assert!(
        run.stdout
            .contains("coverage: 1 of 3 rules decided, 33 %\n  never: shop/ask\n  never: shop/no-debug\n"),
        "{}",
        run.stdout
    );
    assert_eq!(regionguard(&folder, &["test", ".", "--min-coverage", "33"]).code, 0);
    let run = regionguard(&folder, &["test", ".", "--min-coverage", "34"]);
    assert_eq!(run.code, 1);
    assert!(run.stdout.contains("33 %, 34 % wanted\n"), "{}", run.stdout);
    let run = regionguard(&folder, &["test", ".", "--min-coverage", "34", "--format", "junit"]);
    assert_eq!(run.code, 1);
    assert!(
        run.stdout.contains(
            "<failure message=\"33 % of the rules decided, 34 % wanted\">never: shop/ask, shop/no-debug</failure>"
        ),
        "{}",
        run.stdout
    );
    assert_eq!(regionguard(&folder, &["test", ".", "--min-coverage", "101"]).code, 2);
}

/// A refusal for the lack of a permission names the rule that came nearest, which decided nothing.
#[test]
fn the_nearest_miss_covers_nothing() {
    let one = "    - {name: a, principals: [bob], requests: [read]}\n";
    let run = regionguard(&folder("test-miss", one), &["test", ".", "--format", "json"]);
    let said: Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!(said["suites"][0]["cases"][0]["found"]["rule"], "shop/read");
    assert_eq!(said["coverage"]["rules"][0]["decided"], 0);
}

#[test]
fn programs_get_one_object() {
    let wrong = GOOD.replace("reason: center.denied", "reason: center.error");
    let folder = folder("test-json", &wrong);
    let run = regionguard(&folder, &["test", ".", "--format", "json"]);
    assert_eq!(run.code, 1);
    let said: Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!(
        (&said["passed"], &said["requests"], &said["failed"]),
        (&false.into(), &7.into(), &1.into())
    );
    assert_eq!(said["coverage"]["percent"], 100);
    let cases = said["suites"][0]["cases"].as_array().expect("cases");
    let failed = cases.iter().find(|case| case["passed"] == false).expect("a failure");
    assert_eq!(
        (&failed["principal"], &failed["request"]),
        (&"alice".into(), &"write".into())
    );
    assert_eq!(failed["found"]["reason"], "center.denied");
    assert_eq!(failed["found"]["decidedBy"], "center:us-east-1");
    let line = failed["found"]["decisionLine"].as_str().expect("a line");
    assert!(
        line.starts_with("deny;center.denied;shop/ask;center:us-east-1;shop@7+"),
        "{line}"
    );
    assert_eq!(failed["line"], 24);
    assert!(!run.stdout.contains("eyJ"), "no token is told");
}

#[test]
fn ci_gets_junit() {
    let wrong = GOOD
        .replace("reason: center.denied", "reason: center.error")
        .replace("says no", "says <no>");
    let run = regionguard(&folder("test-junit", &wrong), &["test", ".", "--format", "junit"]);
    assert_eq!(run.code, 1);
    for said in [
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"regionguard\" tests=\"7\" failures=\"1\">\n",
        "<testsuite name=\"shop\" file=\"./test.yaml\" tests=\"7\" failures=\"1\">\n",
        "<testcase classname=\"shop.people who may read\" name=\"alice: read\"/>\n",
        "<testcase classname=\"shop.the center says &lt;no&gt;\" name=\"alice: write\">\n",
        "<failure message=\"expected reason `center.error`; found `center.denied`\">./test.yaml:24&#10;center.denied: ",
    ] {
        assert!(run.stdout.contains(said), "{said}\n{}", run.stdout);
    }
}

#[test]
fn some_tests_can_be_picked() {
    let folder = folder("test-only", GOOD);
    let run = regionguard(&folder, &["test", ".", "--only", "shop: the center"]);
    assert_eq!(run.code, 0);
    assert!(
        run.stdout
            .starts_with("ok: PolicyTest shop (./test.yaml): 1 test, 1 request\n"),
        "{}",
        run.stdout
    );
    let run = regionguard(&folder, &["test", ".", "--only", "the centre"]);
    assert_eq!(run.code, 1);
    assert!(
        run.stderr.contains("no test has the text of `--only` in its name"),
        "{}",
        run.stderr
    );
}

#[test]
fn mistakes_in_tests_are_errors_of_check_too() {
    let wrong = GOOD
        .replace("rule: shop/ask", "rule: shop/aks")
        .replace("principals: [alice]\n", "principals: [alcie]\n");
    let folder = folder("test-mistakes", &wrong);
    let run = regionguard(&folder, &["test", "."]);
    assert_eq!((run.code, run.stdout.as_str()), (1, ""));
    let checked = regionguard(&folder, &["check", "."]);
    assert_eq!(checked.code, 1);
    for said in [
        "error[invalid]: the bundle has no such rule\n",
        "error[invalid]: no such name in `principals`\n",
        "--> ./test.yaml:18:",
        "--> ./test.yaml:22:",
        "in PolicyTest shop, at `spec.tests[0].expected[1].rule`",
        "did you mean `shop/ask`?",
        "did you mean `alice`?",
    ] {
        assert!(run.stderr.contains(said), "{said}\n{}", run.stderr);
        assert!(checked.stdout.contains(said), "{said}\n{}", checked.stdout);
    }
}

#[test]
fn without_a_test_there_is_nothing_to_pass() {
    let folder = folder_of(
        "test-none",
        &[("bundle.yaml", BUNDLE.as_bytes()), ("policy.yaml", POLICY.as_bytes())],
    );
    let run = regionguard(&folder, &["test", "."]);
    assert_eq!(run.code, 1);
    assert!(
        run.stderr.contains("error[no-tests]: there is no PolicyTest"),
        "{}",
        run.stderr
    );
    assert_eq!(regionguard(&folder, &["test", "missing"]).code, 2);
    // Two of one name.
    let twice = test("    - {name: a}\n");
    let files = [
        ("a.yaml", BUNDLE),
        ("b.yaml", POLICY),
        ("c.yaml", &twice),
        ("d.yaml", &twice),
    ];
    let folder = folder_of("test-twice", &files.map(|(name, text)| (name, text.as_bytes())));
    let run = regionguard(&folder, &["test", "."]);
    assert_eq!(run.code, 1);
    assert!(
        run.stderr.contains("another PolicyTest has the name `shop`"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("./c.yaml:3:18"), "{}", run.stderr);
}

/// What is applied is the same with tests beside it or without.
#[test]
fn tests_are_in_no_bundle() {
    let folder = folder("test-render", GOOD);
    let with = regionguard(&folder, &["render", "ecds", "."]);
    let without = regionguard(&folder, &["render", "ecds", "bundle.yaml", "policy.yaml"]);
    assert_eq!((with.code, without.code), (0, 0), "{}", with.stderr);
    assert_eq!(with.stdout, without.stdout);
    assert!(!with.stdout.contains("PolicyTest"));
    let checked = regionguard(&folder, &["check", "."]).stdout;
    assert!(checked.contains("` from 2 files, "), "{checked}");
    assert!(
        checked.contains("tests: 1 PolicyTest, which `regionguard test .` runs\n"),
        "{checked}"
    );
    // One that stands in a bundle is refused, as the filter does.
    let inside = test("    - {name: a}\n").replace('\n', "\n    ");
    let head = format!("{BUNDLE}  - {inside}\n");
    let folder = folder_of("test-inside", &[("bundle.yaml", head.as_bytes())]);
    let run = regionguard(&folder, &["check", "."]);
    assert_eq!(run.code, 1);
    assert!(
        run.stdout
            .contains("a PolicyTest is for `regionguard test`, and stands in no bundle"),
        "{}",
        run.stdout
    );
}
