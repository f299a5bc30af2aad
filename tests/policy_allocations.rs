//! A request that policy decides on the spot costs no allocation, once the lists that it fills have been filled before.
#![expect(unsafe_code, reason = "only an allocator of its own can count allocations")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use regionguard::bundle::RegionId;
use regionguard::bundle::document::{Effect, From, IdentityNeed, Policy, Rule, Words};
use regionguard::identity::Subject;
use regionguard::policy::{Candidates, Facts, Outcome, PolicySet, Source};
use regionguard::reason::Reason;
use regionguard::request::{Authority, HostPattern, PathOptions, PathTemplate, canonicalise};
use regionguard::time::WallTime;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: everything is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get().saturating_add(1)));
        // SAFETY: the caller's promise is the system allocator's condition.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is the system allocator's condition.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of this thread while `work` runs.
fn allocations(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.with(Cell::get);
    work();
    ALLOCATIONS.with(Cell::get).saturating_sub(before)
}

#[test]
fn a_decided_request_allocates_nothing() {
    let rule = |number: usize| Rule {
        name: format!("read-{number}"),
        hosts: Some(vec![HostPattern::parse("*.us-east-1.com").unwrap()]),
        methods: Some(vec!["GET".to_owned()]),
        paths: Some(vec![
            PathTemplate::parse(&format!("/v1/things-{number}/{{id}}")).unwrap(),
        ]),
        from: From::default(),
        identity: IdentityNeed::Required,
        permissions: Words {
            any_of: Some(vec!["read:things".to_owned()]),
            all_of: None,
        },
        roles: Words::default(),
        effect: Effect::Allow,
    };
    let policy = Policy {
        name: "shop".to_owned(),
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
    };
    let facts = Facts {
        subject: Some(&subject),
        source: Source::default(),
        local: RegionId(0),
        at: WallTime(0),
        regions: &[],
    };
    let mut candidates = Candidates::default();
    let mut judge = || {
        let authority = Authority::parse(b"api.us-east-1.com", None).unwrap();
        let path = canonicalise(b"/v1/things-5/42?a=b", &PathOptions::default()).unwrap();
        set.candidates(&authority, "GET", &path, &mut candidates);
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
