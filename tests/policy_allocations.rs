//! A request that policy decides on the spot costs no allocation, once the lists that it fills have been filled before.

mod counting;

use counting::allocated;
use regionguard::bundle::RegionId;
use regionguard::bundle::document::{Effect, From, IdentityNeed, Policy, Rule, Words};
use regionguard::cel::Fault;
use regionguard::identity::Subject;
use regionguard::policy::{Asked, Candidates, Facts, Outcome, PolicySet, Reach, Requested, Source, When};
use regionguard::reason::Reason;
use regionguard::request::{
    Authority, Headers, HostPattern, PathOptions, PathTemplate, StripSet, canonicalise, encode,
};
use regionguard::time::WallTime;

/// Allocations of this thread while `work` runs.
fn allocations(work: impl FnOnce()) -> u64 {
    let before = allocated();
    work();
    allocated().saturating_sub(before)
}

#[test]
fn a_decided_request_allocates_nothing() {
    let rule = |number: usize| Rule {
        name: format!("read-{number}"),
        shadow: false,
        hosts: Some(vec![HostPattern::parse("*.us-east-1.com").unwrap()]),
        methods: Some(vec!["GET".to_owned()]),
        paths: Some(vec![
            PathTemplate::parse(&format!("/v1/things-{number}/{{id}}")).unwrap(),
        ]),
        about: Default::default(),
        from: From::default(),
        identity: IdentityNeed::Required,
        permissions: Words {
            any_of: Some(vec!["read:things".to_owned()]),
            all_of: None,
        },
        roles: Words::default(),
        when: None,
        effect: Effect::Allow,
    };
    let policy = Policy {
        place: Default::default(),
        openings: Default::default(),
        name: "shop".to_owned(),
        shadow: false,
        hosts: None,
        default_allow: false,
        forward: None,
        requirements: Vec::new(),
        rules: (0..10).map(rule).collect(),
    };
    let set = PolicySet::compile(vec![policy], &[]);
    let subject = Subject {
        home: RegionId(0),
        permissions: vec!["read:things".to_owned()],
        roles: Vec::new(),
        elsewhere: Vec::new(),
        refused: Vec::new(),
        granted: Vec::new(),
        grants: Vec::new(),
    };
    let authority = Authority::parse(b"api.us-east-1.com", None).unwrap();
    let path = canonicalise(b"/v1/things-5/42?a=b", &PathOptions::default()).unwrap();
    let strip = StripSet::default();
    let facts = Facts {
        subject: Some(&subject),
        ..facts(Requested {
            method: "GET",
            host: authority.host(),
            path: &path,
            headers: Headers::NONE,
            strip: &strip,
            id: None,
        })
    };
    let mut candidates = Candidates::default();
    let mut judge = || {
        let authority = Authority::parse(b"api.us-east-1.com", None).unwrap();
        let path = canonicalise(b"/v1/things-5/42?a=b", &PathOptions::default()).unwrap();
        set.candidates(&Asked::new(&authority, "GET", &path), &mut candidates);
        let outcome = set.decide(&candidates, &facts);
        assert!(matches!(
            outcome,
            Outcome::Allow {
                reason: Reason::RuleAllowed,
                ..
            }
        ));
        assert!(!set.forwarding(&candidates).strip_token);
    };
    judge();
    assert_eq!(allocations(judge), 0);
}

/// What is known of a request of nobody.
fn facts(request: Requested<'_>) -> Facts<'_> {
    Facts {
        device: Err(Reason::DeviceMissing),
        risk: regionguard::risk::Risk::default(),
        attributes: regionguard::policy::Attributes::OfNobody,
        subject: None,
        request,
        workload: None,
        service: None,
        service_untold: false,
        token_refused: false,
        claims: None,
        certificate: false,
        source: Source::default(),
        local: RegionId(0),
        at: WallTime(0),
        regions: &[],
    }
}

/// A header of many lines is copied into one value where a condition reads it, and not before it is known that all of them can be read.
#[test]
fn a_header_that_cannot_be_read_is_not_copied() {
    let line = [b'a'; 1_000];
    let path = canonicalise(b"/", &PathOptions::default()).unwrap();
    let strip = StripSet::default();
    let reach = Reach {
        paths: &[],
        identity: None,
        peers: false,
        suggests: false,
    };
    let when = When::compile("request.headers['x-long'] == ''", &reach).unwrap();
    for (last, expected, copies) in [
        (&b"b"[..], Ok(false), true),
        (
            b"\xff",
            Err(Fault::InvalidArgument("a header that is not UTF-8")),
            false,
        ),
    ] {
        let mut lines: Vec<(&[u8], &[u8])> = vec![(b"x-long", &line); 32];
        lines.push((b"x-long", last));
        let block = encode(&lines);
        let facts = facts(Requested {
            method: "GET",
            host: "a.com",
            path: &path,
            headers: Headers::parse(&block).unwrap(),
            strip: &strip,
            id: None,
        });
        let mut found = None;
        let count = allocations(|| found = Some(when.holds(&facts)));
        assert_eq!((found, count > 0), (Some(expected), copies), "{count}");
    }
}
