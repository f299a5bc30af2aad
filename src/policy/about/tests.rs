use crate::bundle::document::{Matcher, Policy, Probe, ValueTest};
use crate::policy::testing::{policy, regions};
use crate::policy::{Asked, By, Candidates, PolicySet, Served, Told};
use crate::request::{Authority, ContentKind, Headers, PathOptions, PathTemplate, Upgrade, canonicalise, encode};

/// A request of `/x`, unless it says otherwise.
#[derive(Clone)]
struct Plan {
    method: &'static str,
    path: &'static str,
    headers: Vec<(&'static str, &'static str)>,
    content: ContentKind,
    upgrade: Option<Upgrade>,
    port: Option<u16>,
    has_no_body: bool,
    served: Served,
}

fn plan() -> Plan {
    Plan {
        method: "GET",
        path: "/x",
        headers: Vec::new(),
        content: ContentKind::Other,
        upgrade: None,
        port: None,
        has_no_body: true,
        served: Served::default(),
    }
}

struct Host(Option<u16>, bool);

impl Told for Host {
    fn destination_port(&self) -> Option<u16> {
        self.0
    }

    fn has_no_body(&self) -> bool {
        self.1
    }
}

/// The rules that are found, with a `?` where that is unsure, and the policies: with `?` likewise, and `=` and what each lets in.
fn found(policies: Vec<Policy>, plan: &Plan) -> String {
    let regions = regions();
    let set = PolicySet::compile(policies, &regions);
    let authority = Authority::parse(b"a.com", None).unwrap();
    let path = canonicalise(plan.path.as_bytes(), &PathOptions::default()).unwrap();
    let lines: Vec<(&[u8], &[u8])> = plan
        .headers
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .collect();
    let block = encode(&lines);
    let standing = set.standing(Some(crate::bundle::RegionId(1)), &plan.served);
    let asked = Asked {
        headers: Headers::parse(&block).unwrap(),
        content: plan.content,
        upgrade: plan.upgrade,
        standing: standing.as_ref(),
        told: &Host(plan.port, plan.has_no_body),
        ..Asked::new(&authority, plan.method, &path)
    };
    let mut candidates = Candidates::default();
    set.candidates(&asked, &mut candidates);
    let unsure = |is: bool| if is { "?" } else { "" };
    let rules = candidates.rules().iter().map(|rule| {
        let label = set.label(By::Rule(*rule)).to_owned();
        label + unsure(candidates.certainty(*rule) == super::Truth::Unknown)
    });
    let policies = candidates.policies().iter().map(|policy| {
        let name = set.policy_name(*policy).unwrap_or_default();
        let opening = candidates.notes.openings.iter().find(|(opened, _)| opened == policy);
        let opening = opening.map_or(String::new(), |(_, opening)| format!("={opening:?}"));
        format!(
            "{name}{}{opening}",
            unsure(candidates.notes.unsure_policies.contains(policy))
        )
    });
    rules.chain(policies).collect::<Vec<_>>().join(" ")
}

fn matcher(name: &str, test: &str) -> Matcher {
    let (kind, text) = test.split_once('=').unwrap_or((test, ""));
    let test = match kind {
        "in" => ValueTest::In(text.split('|').map(str::to_owned).collect()),
        "prefix" => ValueTest::Prefix(text.to_owned()),
        "suffix" => ValueTest::Suffix(text.to_owned()),
        "present" => ValueTest::Present,
        "absent" => ValueTest::Absent,
        other => panic!("{other}"),
    };
    Matcher {
        name: name.to_owned(),
        test,
    }
}

/// What an allow and a deny with this entry are found as.
fn weighed(field: fn(&mut crate::bundle::document::Rule, Matcher), test: &str, plan: &Plan) -> String {
    let mut document = policy("p", &["a allow", "d deny"]);
    for rule in &mut document.rules {
        field(rule, matcher("tenant", test));
    }
    found(vec![document], plan)
}

const BOTH: &str = "p/a p/d";
const UNSURE: &str = "p/d?";
const NEITHER: &str = "";

#[test]
fn headers() {
    for (test, headers, expected) in [
        ("in=a", &[("tenant", "a")][..], BOTH),
        ("in=a", &[("Tenant", "a")], BOTH),
        ("in=a", &[("tenant", " a ")], BOTH),
        ("in=a|b", &[("tenant", "b")], BOTH),
        ("in=a", &[("tenant", "A")], NEITHER),
        ("in=a", &[("tenants", "a")], NEITHER),
        // What is not there fits nothing, and that is known.
        ("in=a", &[], NEITHER),
        ("prefix=a", &[], NEITHER),
        ("prefix=a", &[("tenant", "ab")], BOTH),
        ("prefix=a", &[("tenant", "ba")], NEITHER),
        ("suffix=a", &[("tenant", "ba")], BOTH),
        ("suffix=a", &[("tenant", "ab")], NEITHER),
        // Of several values, nobody can tell which one counts.
        ("in=a", &[("tenant", "a"), ("tenant", "a")], BOTH),
        ("in=a|b", &[("tenant", "a"), ("tenant", "b")], BOTH),
        ("in=a", &[("tenant", "a"), ("tenant", "b")], UNSURE),
        ("in=b", &[("tenant", "a"), ("tenant", "b")], UNSURE),
        ("in=c", &[("tenant", "a"), ("tenant", "b")], NEITHER),
        ("in=a", &[("tenant", "b, a")], UNSURE),
        ("prefix=a", &[("tenant", "b,ab")], UNSURE),
        ("in=b, a", &[("tenant", "b, a")], BOTH),
        ("in=b, a", &[("tenant", "b"), ("tenant", "a")], UNSURE),
        // A name that some servers take for this one.
        ("in=a", &[("te_nant", "a")], NEITHER),
        ("present", &[("tenant", "")], BOTH),
        ("present", &[("tenant", "a"), ("tenant", "b")], BOTH),
        ("present", &[], NEITHER),
        ("absent", &[], BOTH),
        ("absent", &[("tenants", "a")], BOTH),
        ("absent", &[("tenant", "")], NEITHER),
    ] {
        let plan = Plan {
            headers: headers.to_vec(),
            ..plan()
        };
        assert_eq!(
            weighed(|rule, matcher| rule.about.headers.push(matcher), test, &plan),
            expected,
            "{test} {headers:?}"
        );
    }
}

#[test]
fn a_header_with_an_underscore_may_be_the_one_with_a_dash() {
    for (test, headers, expected) in [
        ("in=a", &[("x-tenant", "a")][..], BOTH),
        ("in=a", &[("x_tenant", "a")], UNSURE),
        ("in=a", &[("x_tenant", "b")], NEITHER),
        ("in=a", &[("x-tenant", "a"), ("X_Tenant", "b")], UNSURE),
        ("in=a", &[("x-tenant", "a"), ("x_tenant", "a")], BOTH),
        ("present", &[("x_tenant", "a")], UNSURE),
        ("absent", &[("x_tenant", "a")], UNSURE),
    ] {
        let plan = Plan {
            headers: headers.to_vec(),
            ..plan()
        };
        let mut document = policy("p", &["a allow", "d deny"]);
        for rule in &mut document.rules {
            rule.about.headers.push(matcher("x-tenant", test));
        }
        assert_eq!(found(vec![document], &plan), expected, "{test} {headers:?}");
    }
}

#[test]
fn parameters_of_the_query() {
    for (test, path, expected) in [
        ("in=a", "/x?tenant=a", BOTH),
        ("in=a", "/x?b=1&tenant=a&c", BOTH),
        ("in=a", "/x?%74enant=%61", BOTH),
        ("in=%61", "/x?tenant=%2561", BOTH),
        ("in=a", "/x?tenant=b", NEITHER),
        ("in=a", "/x?tenant", NEITHER),
        ("in=a", "/x", NEITHER),
        ("in=a", "/x?b=a", NEITHER),
        ("prefix=a", "/x?tenant=ab", BOTH),
        ("suffix=b", "/x?tenant=ab", BOTH),
        // Repeated: nobody can tell which one counts.
        ("in=a", "/x?tenant=a&tenant=a", BOTH),
        ("in=a", "/x?tenant=a&tenant=b", UNSURE),
        ("in=b", "/x?tenant=a&tenant=b", UNSURE),
        ("in=c", "/x?tenant=a&tenant=b", NEITHER),
        // Names that some servers take for this one.
        ("in=a", "/x?Tenant=a", UNSURE),
        ("in=a", "/x?tenant[]=a", UNSURE),
        ("in=a", "/x?tenant=a&TENANT=b", UNSURE),
        ("in=a", "/x?TENANT=b", NEITHER),
        ("absent", "/x?TENANT=b", UNSURE),
        ("present", "/x?TENANT=b", UNSURE),
        // Read in two ways.
        ("in=a b", "/x?tenant=a+b", UNSURE),
        ("in=a+b", "/x?tenant=a+b", UNSURE),
        ("in=a b", "/x?tenant=a%20b", BOTH),
        ("prefix=a", "/x?tenant=a+b", BOTH),
        // Without a single reading, nothing is known of it.
        ("in=a", "/x?tenant=a;b", UNSURE),
        ("in=a", "/x?b=%zz", UNSURE),
        ("absent", "/x?b=%zz", UNSURE),
        ("present", "/x?tenant=a&b=%C3", UNSURE),
        ("present", "/x?tenant", BOTH),
        ("present", "/x", NEITHER),
        ("absent", "/x", BOTH),
        ("absent", "/x?tenant=", NEITHER),
    ] {
        let plan = Plan { path, ..plan() };
        assert_eq!(
            weighed(|rule, matcher| rule.about.query.push(matcher), test, &plan),
            expected,
            "{test} {path}"
        );
    }
}

#[test]
fn all_entries_have_to_fit() {
    let mut document = policy("p", &["a allow", "d deny"]);
    for rule in &mut document.rules {
        rule.about.headers = vec![matcher("a", "in=1"), matcher("b", "in=1")];
        rule.about.query = vec![matcher("c", "in=1")];
    }
    for (a, b, path, expected) in [
        ("1", "1", "/x?c=1", BOTH),
        ("1", "2", "/x?c=1", NEITHER),
        ("1", "1", "/x?c=2", NEITHER),
        ("1,2", "1", "/x?c=1", UNSURE),
        ("1,2", "1", "/x?c=2", NEITHER),
        ("1,2", "2", "/x?c=1", NEITHER),
    ] {
        let plan = Plan {
            headers: vec![("a", a), ("b", b)],
            path,
            ..plan()
        };
        let mut again = policy("p", &["a allow", "d deny"]);
        for (rule, same) in again.rules.iter_mut().zip(&document.rules) {
            rule.about = same.about.clone();
        }
        assert_eq!(found(vec![again], &plan), expected, "{a} {b} {path}");
    }
}

#[test]
fn grpc_is_a_post_of_its_own_type_and_a_deny_holds_for_whatever_comes_to_its_path() {
    for (method, content, expected) in [
        ("POST", ContentKind::Grpc, BOTH),
        ("POST", ContentKind::GrpcWeb, BOTH),
        ("POST", ContentKind::Other, UNSURE),
        ("GET", ContentKind::Grpc, UNSURE),
    ] {
        let mut document = policy("p", &["a allow path=/s/*", "d deny path=/s/*"]);
        for rule in &mut document.rules {
            rule.about.grpc = true;
        }
        let plan = Plan {
            method,
            content,
            path: "/s/m",
            ..plan()
        };
        assert_eq!(found(vec![document], &plan), expected, "{method} {content:?}");
    }
}

#[test]
fn only_a_rule_that_names_an_upgrade_lets_it_in() {
    const RULES: &[&str] = &[
        "a allow",
        "b allow",
        "c defer",
        "d deny",
        "e deny",
        "f stepup",
        "g allow method=CONNECT,GET",
    ];
    for (method, upgrade, expected) in [
        ("GET", None, "p/a p/c p/d p/f p/g p"),
        ("GET", Some(Upgrade::Websocket), "p/b p/d p/e p/f p"),
        ("GET", Some(Upgrade::Spdy), "p/d p/f p"),
        ("CONNECT", Some(Upgrade::Connect), "p/d p/f p/g p"),
    ] {
        let mut document = policy("p default", RULES);
        for rule in document
            .rules
            .iter_mut()
            .filter(|rule| matches!(rule.name.as_str(), "b" | "e"))
        {
            rule.about.upgrades = Some(vec![Upgrade::Websocket]);
        }
        let plan = Plan {
            method,
            upgrade,
            ..plan()
        };
        assert_eq!(found(vec![document], &plan), expected, "{method} {upgrade:?}");
    }
    let mut document = policy("p", RULES);
    document.rules[0].about.upgrades = Some(vec![Upgrade::Spdy]);
    document.rules[3].about.upgrades = Some(vec![Upgrade::ConnectUdp]);
    let set = PolicySet::compile(vec![document], &regions());
    let named = Upgrade::ALL.iter().filter(|(_, upgrade)| set.names_upgrade(*upgrade));
    assert_eq!(
        named.map(|(name, _)| *name).collect::<Vec<_>>(),
        ["connect", "spdy/3.1"]
    );
}

#[test]
fn preflights() {
    type Case<'c> = (&'static str, &'c [(&'static str, &'static str)], bool, &'static str);
    let origin = ("origin", "https://shop.example");
    let wanted = ("access-control-request-method", "PUT");
    let cases: &[Case<'_>] = &[
        ("OPTIONS", &[origin, wanted], true, "p=Preflight q"),
        ("OPTIONS", &[origin, wanted], false, "p q"),
        ("GET", &[origin, wanted], true, "p q"),
        ("OPTIONS", &[origin], true, "p q"),
        ("OPTIONS", &[wanted], true, "p q"),
        ("OPTIONS", &[origin, origin, wanted], true, "p q"),
        ("OPTIONS", &[("origin", ""), wanted], true, "p q"),
    ];
    for (method, headers, has_no_body, expected) in cases {
        let mut open = policy("p", &[]);
        open.openings.preflight = true;
        let plan = Plan {
            method,
            headers: headers.to_vec(),
            has_no_body: *has_no_body,
            ..plan()
        };
        let found = found(vec![open, policy("q default", &[])], &plan);
        assert_eq!(found, *expected, "{method} {headers:?} {has_no_body}");
    }
}

#[test]
fn probes() {
    for (method, path, port, expected) in [
        ("GET", "/healthz", Some(8080), "p=Probe"),
        ("HEAD", "/healthz/", Some(8080), "p=Probe"),
        ("GET", "/ready", Some(9090), "p=Probe"),
        ("POST", "/healthz", Some(8080), "p"),
        ("GET", "/healthz", Some(9090), "p"),
        ("GET", "/healthz", None, "p"),
        ("GET", "/healthz/x", Some(8080), "p"),
    ] {
        let mut open = policy("p", &[]);
        let probe = |path: &str, port| Probe {
            path: PathTemplate::parse(path).unwrap(),
            port,
        };
        open.openings.probes = vec![probe("/healthz", 8080), probe("/ready", 9090)];
        let plan = Plan {
            method,
            path,
            port,
            ..plan()
        };
        assert_eq!(found(vec![open], &plan), expected, "{method} {path} {port:?}");
    }
}

#[test]
fn a_policy_holds_where_it_stands() {
    let own = crate::bundle::document::ServedPattern {
        pattern: crate::identity::SpiffePattern::parse("spiffe://any/ns/shop/*").unwrap(),
        any_domain: true,
    };
    let served = |namespace: &str| Served {
        id: None,
        namespace: Some(namespace.to_owned()),
        service_account: Some("api".to_owned()),
    };
    for (regions, namespace, expected) in [
        (&["us"][..], Some("shop"), "p/a p/d p/f p"),
        (&["eu", "us"], Some("shop"), "p/a p/d p/f p"),
        (&["eu"], Some("shop"), ""),
        (&["us"], Some("web"), ""),
        // Nobody tells: what restricts and refuses holds, and nothing is let in.
        (&["us"], None, "p/d? p/f? p?"),
        (&["eu"], None, ""),
    ] {
        let mut document = policy("p default", &["a allow", "d deny", "f defer"]);
        document.place.regions = Some(regions.iter().map(|name| (*name).to_owned()).collect());
        document.place.workloads = Some(vec![own.clone()]);
        let plan = Plan {
            served: namespace.map(served).unwrap_or_default(),
            ..plan()
        };
        assert_eq!(found(vec![document], &plan), expected, "{regions:?} {namespace:?}");
    }
}
