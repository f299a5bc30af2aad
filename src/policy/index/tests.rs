use crate::policy::testing::{candidates, found, policy, regions};
use crate::policy::{By, PolicySet};
use crate::request::{PathOptions, PathTemplate, canonicalise};

fn compile(policies: &[(&str, &[&str])]) -> PolicySet {
    let documents = policies.iter().map(|(head, rules)| policy(head, rules));
    PolicySet::compile(documents.collect(), &regions())
}

/// Whether a rule with `fields` is about `request`.
fn is_about(head: &str, fields: &str, request: &str) -> bool {
    let rule = format!("r allow {fields}");
    !found(&compile(&[(head, &[&rule])]), request).is_empty()
}

#[test]
fn hosts() {
    for (hosts, host, expected) in [
        ("a.com", "a.com", true),
        ("a.com", "A.com.", true),
        ("a.com", "b.a.com", false),
        ("a.com", "a.com:8080", true),
        ("a.com:8080", "a.com:8080", true),
        ("a.com:8080", "a.com:9090", false),
        ("a.com:8080", "a.com", false),
        ("a.com:8080,a.com", "a.com", true),
        ("*.a.com", "a.com", false),
        ("*.a.com", "b.a.com", true),
        ("*.a.com", "c.b.a.com", true),
        ("*.a.com", "ba.com", false),
        ("*.a.com:1", "b.a.com:1", true),
        ("*.a.com:1", "b.a.com:2", false),
        ("*.com", "a.b.c.d.com", true),
        ("b.com,*.a.com", "c.a.com", true),
        ("b.com,c.com,d.com,e.com,*.a.com,*.com", "c.a.com", true),
        ("b.com,c.com,d.com,e.com,*.a.com,*.com", "com", false),
    ] {
        let request = format!("GET {host} /x");
        assert_eq!(
            is_about("p", &format!("host={hosts}"), &request),
            expected,
            "{hosts} {host}"
        );
        assert_eq!(
            is_about(&format!("p sel={hosts}"), "", &request),
            expected,
            "selector {hosts} {host}"
        );
    }
}

#[test]
fn a_rule_counts_only_where_its_policy_governs() {
    for (selector, hosts, host, expected) in [
        ("a.com", "a.com", "a.com", true),
        ("a.com", "*.com", "a.com", true),
        ("a.com", "*.com", "b.com", false),
        ("*.com", "a.com,x.org", "a.com", true),
        ("*.com", "a.com,x.org", "x.org", false),
        ("*.com:1", "a.com", "a.com:1", true),
        ("*.com:1", "a.com", "a.com:2", false),
        ("b.com", "a.com", "a.com", false),
    ] {
        let request = format!("GET {host} /x");
        let head = format!("p sel={selector}");
        assert_eq!(
            is_about(&head, &format!("host={hosts}"), &request),
            expected,
            "{selector} {hosts} {host}"
        );
    }
}

#[test]
fn methods() {
    for (methods, method, expected) in [
        ("GET", "GET", true),
        ("GET", "HEAD", true),
        ("HEAD", "GET", false),
        ("HEAD", "HEAD", true),
        ("POST", "HEAD", false),
        ("GET,HEAD", "HEAD", true),
        ("GET", "get", false),
        ("GET", "BREW", false),
        ("POST,PUT", "PUT", true),
    ] {
        let request = format!("{method} a.com /x");
        assert_eq!(
            is_about("p", &format!("method={methods}"), &request),
            expected,
            "{methods} {method}"
        );
    }
    assert!(is_about("p", "", "BREW a.com /x"));
}

#[test]
fn paths() {
    for (paths, path, expected) in [
        ("/", "/", true),
        ("/", "/x", false),
        ("/x", "/x", true),
        ("/x", "/x/", true),
        ("/x/", "/x", true),
        ("/x", "/x?y=/z", true),
        ("/x", "/X", false),
        ("/x", "/%78", true),
        ("/x", "/x/y", false),
        ("/x/{id}", "/x/1", true),
        ("/x/{id}", "/x/1/", true),
        ("/x/{id}", "/x", false),
        ("/x/{id}", "/x/", false),
        ("/x/*/z", "/x/y/z", true),
        ("/x/*/z", "/x/y/y", false),
        ("/static/**", "/static", true),
        ("/static/**", "/static/", true),
        ("/static/**", "/static/a/b", true),
        ("/static/**", "/statics", false),
        ("/**", "/", true),
        ("/{a}/**", "/", false),
        ("/{a}/y,/x/{b}", "/x/y", true),
        ("/{a}/y,/x/{b}", "/y/x", false),
    ] {
        let request = format!("GET a.com {path}");
        assert_eq!(
            is_about("p", &format!("path={paths}"), &request),
            expected,
            "{paths} {path}"
        );
    }
}

/// Rules for one path with methods of their own, each found by its own and no other.
#[test]
fn rules_of_one_path_are_told_apart_by_their_methods() {
    let set = compile(&[(
        "p",
        &[
            "a allow path=/x method=PUT,GET",
            "b allow path=/x",
            "c allow path=/x method=POST",
            "d allow path=/x method=GET,DELETE",
            "e allow path=/x method=PUT",
        ],
    )]);
    for (method, expected) in [
        ("GET", &["p/a", "p/b", "p/d"][..]),
        ("HEAD", &["p/a", "p/b", "p/d"]),
        ("PUT", &["p/a", "p/b", "p/e"]),
        ("POST", &["p/b", "p/c"]),
        ("DELETE", &["p/b", "p/d"]),
        ("PATCH", &["p/b"]),
    ] {
        assert_eq!(found(&set, &format!("{method} a.com /x")), expected, "{method}");
    }
}

#[test]
fn a_rule_is_found_once_and_all_stand_by_name() {
    let set = compile(&[
        (
            "q",
            &["a allow path=/x/*,/x/y,/**,/{a}/{b} method=GET,HEAD host=a.com,*.com,b.com,c.com,d.com,e.com"],
        ),
        (
            "p default sel=a.com,*.com,b.a.com",
            &["z allow", "b allow host=b.a.com,*.com,*.a.com"],
        ),
    ]);
    assert_eq!(found(&set, "GET b.a.com /x/y"), ["p/b", "p/z", "q/a"]);
    assert_eq!(candidates(&set, "GET b.a.com /x/y").policies().len(), 1);
}

#[test]
fn the_template_by_which_a_rule_matches_does_not_hang_on_its_order() {
    for paths in ["/x/{id},/x/*,/**", "/**,/x/*,/x/{id}"] {
        let set = compile(&[("p", &[&format!("r allow path={paths}")])]);
        let path = canonicalise(b"/x/1", &PathOptions::default()).unwrap();
        let rule = candidates(&set, "GET a.com /x/1").rules()[0];
        let template = set.rule(rule).and_then(|rule| rule.template(&path));
        assert_eq!(template.map(PathTemplate::as_str), Some("/**"));
    }
}

#[test]
fn labels_are_those_of_the_line() {
    let set = compile(&[("a;b", &["c>d allow"])]);
    let candidates = candidates(&set, "GET a.com /x");
    assert_eq!(set.label(By::Rule(candidates.rules()[0])), "a%3Bb/c%3Ed");
    assert_eq!(set.label(By::Nothing), "-/-");
    let rule = set.rule(candidates.rules()[0]).unwrap();
    assert_eq!(set.label(By::Policy(rule.policy())), "a%3Bb/-");
    assert_eq!((set.policy_name(rule.policy()), rule.name()), (Some("a;b"), "c>d"));
}

/// The text of a policy's head or of a rule, by number.
type Text<'a> = &'a dyn Fn(usize) -> String;

/// What a look-up costs among `count` rules of the form that `rule` gives: rules and policies found, and nodes touched.
fn cost(count: usize, head: impl Fn(usize) -> String, rule: impl Fn(usize) -> String) -> (usize, usize, usize) {
    let documents = (0..count).map(|number| policy(&head(number), &[&rule(number)]));
    let set = PolicySet::compile(documents.collect(), &regions());
    let candidates = candidates(&set, "GET h5.a.com /v1/profiles/5/items/7");
    (
        candidates.rules().len(),
        candidates.policies().len(),
        candidates.steps(),
    )
}

#[test]
fn rules_that_cannot_match_cost_nothing() {
    let named = |number: usize| format!("p{number}");
    let shapes: &[(&str, Text<'_>, Text<'_>)] = &[
        ("other paths", &named, &|n| {
            format!("r allow path=/v1/profiles/{n}/items/{{id}}")
        }),
        ("other paths on one host", &named, &|n| {
            format!("r allow host=h5.a.com path=/v1/profiles/{n}/**")
        }),
        ("other ends of one path", &named, &|n| {
            format!("r allow path=/v1/profiles/{{id}}/items/{n}")
        }),
        ("other hosts", &named, &|n| format!("r allow host=h{n}.a.com")),
        ("other domains", &named, &|n| {
            format!("r allow host=*.h{n}.com,h{n}.a.com")
        }),
        ("other ports", &named, &|n| format!("r allow host=h5.a.com:{}", n + 1)),
        ("other methods", &named, &|n| {
            format!("r allow method=M{n},{}", if n == 5 { "GET" } else { "PUT" })
        }),
        (
            "policies of one selector",
            &|n| format!("p{n} sel=*.a.com,a.com"),
            &|n| format!("r allow path=/v1/profiles/{n}/items/7"),
        ),
        (
            "requirements of other hosts",
            &|n| format!("p{n} geo=us sel=h{n}.a.com"),
            &|_| "r allow".to_owned(),
        ),
        ("own hosts under a selector", &|n| format!("p{n} sel=*.a.com"), &|n| {
            format!("r allow host=h{n}.a.com,h{n}.b.com")
        }),
    ];
    for (shape, head, rule) in shapes {
        let few = cost(10, head, rule);
        assert_eq!(cost(10_000, head, rule), few, "{shape}");
        assert!(few.2 <= 16, "{shape}: {few:?}");
    }
}

#[test]
fn a_trie_is_walked_once_however_many_of_its_hosts_match() {
    let steps = |hosts: &str| {
        let set = compile(&[("p", &[&format!("r allow host={hosts} path=/x/y")])]);
        candidates(&set, "GET c.b.a.com /x/y").steps()
    };
    let one = steps("b.com,c.com,d.com,e.com,*.com");
    assert_eq!(steps("c.b.a.com,*.b.a.com,*.a.com,*.com,e.com"), one);
}

#[test]
fn a_long_list_of_hosts_is_not_multiplied_by_its_paths() {
    let list = |prefix: &str, count: usize| (0..count).map(|n| format!("{prefix}{n}")).collect::<Vec<_>>().join(",");
    let hosts = (0..64).map(|n| format!("h{n}.com")).collect::<Vec<_>>().join(",");
    let set = compile(&[("p", &[&format!("r allow host={hosts} path={}", list("/v1/x", 64))])]);
    assert_eq!(found(&set, "GET h63.com /v1/x63"), ["p/r"]);
    assert!(set.index_nodes() <= 70, "{}", set.index_nodes());
}
