use std::time::Duration;

use crate::bundle::document::{Defer, Refusal, WhenAway};
use crate::policy::testing::{candidates, decide, outcome, outcome_at, policy, regions};
use crate::policy::{Forwarding, Outcome, PolicySet};
use crate::reason::Reason;
use crate::time::WallTime;

mod anonymous;
mod authentication;
mod device;
mod when;
mod workloads;

type Policies<'a> = &'a [(&'a str, &'a [&'a str])];

fn compile(policies: Policies<'_>) -> PolicySet {
    let documents = policies.iter().map(|(head, rules)| policy(head, rules));
    PolicySet::compile(documents.collect(), &regions())
}

/// One line a case: the policies, who asks, from where, and what comes of it.
fn check(cases: &[(Policies<'_>, &str, &str, &str)]) {
    for (policies, who, whence, expected) in cases {
        let set = compile(policies);
        assert_eq!(
            decide(&set, "GET a.com /x", who, whence),
            *expected,
            "{policies:?} {who} {whence}"
        );
    }
}

#[test]
fn requirements_of_every_policy_that_governs_are_met_first() {
    check(&[
        // Whichever policy's rule matches; one without rules restricts the others.
        (
            &[("p geo=us", &[]), ("q", &["r allow"])],
            "us",
            "us",
            "allow rule.allowed q/r",
        ),
        (
            &[("p geo=us", &[]), ("q", &["r allow"])],
            "us",
            "eu",
            "deny context.source_region p/-",
        ),
        // Before a defer, a default, and the reason why no rule matches.
        (
            &[("p geo=us", &[]), ("q", &["r defer"])],
            "us",
            "eu",
            "deny context.source_region p/-",
        ),
        (
            &[("p geo=us default", &[])],
            "us",
            "eu",
            "deny context.source_region p/-",
        ),
        (
            &[("p geo=us", &[]), ("q", &["r allow perm=w"])],
            "us",
            "eu",
            "deny context.source_region p/-",
        ),
        // But not before a deny.
        (&[("p geo=us", &["r deny"])], "us", "eu", "deny rule.denied p/r"),
        // They allow nothing by themselves.
        (&[("p geo=us", &[])], "us", "us", "deny policy.no_rule -/-"),
        // Each entry is required, and each policy; the first by name is told.
        (
            &[("p geo=us geo=eu", &["r allow"])],
            "us",
            "us",
            "deny context.source_region p/-",
        ),
        (
            &[("q geo=us", &[]), ("p geo=eu", &["r allow"]), ("o geo=us,eu", &[])],
            "us",
            "xx",
            "deny context.source_region o/-",
        ),
        (
            &[("p geo=us hours", &["r allow"])],
            "us",
            "eu",
            "deny context.source_region p/-",
        ),
        (
            &[("p hours geo=us", &["r allow"])],
            "us",
            "eu",
            "deny context.business_hours p/-",
        ),
        // A policy that does not govern the host demands nothing.
        (
            &[("p geo=us sel=b.com", &[]), ("q", &["r allow"])],
            "us",
            "eu",
            "allow rule.allowed q/r",
        ),
        (
            &[("p geo=us sel=*.com,a.com", &[]), ("q", &["r allow"])],
            "us",
            "eu",
            "deny context.source_region p/-",
        ),
        // A region that the bundle does not have is never met.
        (
            &[("p geo=mars", &["r allow"])],
            "us",
            "us",
            "deny context.source_region p/-",
        ),
    ]);
}

#[test]
fn regions_and_countries_are_allowed_or_denied() {
    let land = Reason::SourceCountryNotAllowed.code();
    let region = Reason::SourceRegionNotAllowed.code();
    for (requirements, whence, expected) in [
        ("nogeo=us", "eu", None),
        ("nogeo=us", "us", Some(region)),
        ("nogeo=us,eu", "eu", Some(region)),
        ("land=US,DE", "DE", None),
        ("land=US,DE", "FR", Some(land)),
        ("noland=US,DE", "FR", None),
        ("noland=US,DE", "DE", Some(land)),
        // Each entry is required.
        ("land=US,DE noland=DE", "US", None),
        ("land=US,DE noland=DE", "DE", Some(land)),
        ("geo=eu land=DE", "eu DE", None),
        ("geo=eu land=DE", "eu FR", Some(land)),
        ("geo=eu land=DE", "us DE", Some(region)),
        // Nobody can tell that what is unknown is not denied.
        ("nogeo=us", "?", Some("context.source_unknown")),
        ("noland=US", "?", Some("context.source_country_unknown")),
        ("noland=US", "us", Some("context.source_country_unknown")),
        ("land=US", "us", Some("context.source_country_unknown")),
        ("nogeo=us", "DE", Some("context.source_unknown")),
    ] {
        let policy = format!("p {requirements}");
        let policies: &[(&str, &[&str])] = &[(&policy, &["r allow"])];
        let outcome = decide(&compile(policies), "GET a.com /x", "us", whence);
        let expected = expected.map_or("allow rule.allowed p/r".to_owned(), |reason| {
            format!("deny {reason} p/-")
        });
        assert_eq!(outcome, expected, "{requirements} {whence}");
    }
}

#[test]
fn hours_dates_and_maintenance() {
    for (requirements, expected) in [
        ("within=11:00-12:01", None),
        ("within=12:00-13:00", None),
        ("within=11:00-12:00", Some("context.hours")),
        ("mend=11:00-12:01", Some("context.maintenance")),
        ("mend=12:00-13:00", Some("context.maintenance")),
        ("mend=11:00-12:00", None),
        ("dates=0..1", None),
        ("dates=..1", None),
        ("dates=0..", None),
        ("dates=1..", Some("context.dates")),
        ("dates=..0", Some("context.dates")),
        ("outage=0..1", Some("context.maintenance")),
        ("outage=1..2", None),
        ("outage=-2..0", None),
        ("outage=-2..-1 outage=-1..1", Some("context.maintenance")),
        ("within=11:00-13:00 dates=..0", Some("context.dates")),
        ("within=11:00-13:00 mend=11:00-12:00 dates=-1..1", None),
    ] {
        let policy = format!("p {requirements}");
        let policies: &[(&str, &[&str])] = &[(&policy, &["r allow public"])];
        let outcome = decide(&compile(policies), "GET a.com /x", "-", "?");
        let expected = expected.map_or("allow rule.public p/r".to_owned(), |reason| {
            format!("deny {reason} p/-")
        });
        assert_eq!(outcome, expected, "{requirements}");
    }
}

/// A host that has no time cannot tell that it is time.
#[test]
fn no_time_meets_no_requirement_on_it() {
    let end = WallTime(u64::MAX);
    for requirements in [
        "hours",
        "within=00:00-24:00",
        "mend=12:00-12:01",
        "dates=0..",
        "outage=0..1",
    ] {
        let policy = format!("p {requirements}");
        let policies: &[(&str, &[&str])] = &[(&policy, &["r allow public"])];
        let outcome = outcome_at(&compile(policies), "GET a.com /x", "-", "?", end);
        assert!(matches!(outcome, Outcome::Deny { .. }), "{requirements}: {outcome:?}");
    }
    for when in [
        "request.time>timestamp('2026-01-01T00:00:00Z')",
        "request.time<timestamp('2026-01-01T00:00:00Z')",
    ] {
        let rule = format!("r deny public when {when}");
        let outcome = outcome_at(
            &compile(&[("p", &[&rule, "s allow public"])]),
            "GET a.com /x",
            "-",
            "?",
            end,
        );
        assert!(matches!(outcome, Outcome::Deny { .. }), "{when}: {outcome:?}");
    }
}

#[test]
fn countries_of_a_rule() {
    check(&[
        (&[("p", &["r allow land=US,DE"])], "us", "DE", "allow rule.allowed p/r"),
        (&[("p", &["r allow land=US,DE"])], "us", "FR", "deny rule.source p/r"),
        (&[("p", &["r allow land=US"])], "us", "us", "deny rule.source p/r"),
        (
            &[("p", &["r deny land=US", "s allow"])],
            "us",
            "US",
            "deny rule.denied p/r",
        ),
        (
            &[("p", &["r deny land=US", "s allow"])],
            "us",
            "FR",
            "allow rule.allowed p/s",
        ),
        (
            &[("p", &["r deny land=US", "s allow"])],
            "us",
            "us",
            "deny rule.condition_unknown p/r",
        ),
        (
            &[("p", &["r deny land=US src=eu", "s allow"])],
            "us",
            "us",
            "allow rule.allowed p/s",
        ),
        (&[("p", &["r defer land=US"])], "us", "us", "defer p/r"),
    ]);
}

#[test]
fn absence_never_passes_a_requirement() {
    check(&[
        (
            &[("p geo=us,eu,xx", &["r allow"])],
            "us",
            "?",
            "deny context.source_unknown p/-",
        ),
        (
            &[("p geo=us,eu,xx", &["r allow"])],
            "us",
            "127.0.0.1",
            "deny context.source_unknown p/-",
        ),
        (
            &[("p hours", &["r allow"])],
            "xx",
            "us",
            "deny context.calendar_missing p/-",
        ),
    ]);
}

#[test]
fn business_hours_are_those_of_the_home_region() {
    check(&[
        (&[("p hours", &["r allow"])], "eu", "us", "allow rule.allowed p/r"),
        (
            &[("p hours", &["r allow"])],
            "us",
            "eu",
            "deny context.business_hours p/-",
        ),
        // Without a token, of the local one.
        (
            &[("p hours", &["r allow public"])],
            "-",
            "eu",
            "deny context.business_hours p/-",
        ),
    ]);
}

#[test]
fn deny_then_defer_then_allow_then_default_then_deny() {
    check(&[
        (
            &[("p default", &["a allow", "b defer", "c deny"])],
            "us",
            "us",
            "deny rule.denied p/c",
        ),
        (&[("p default", &["a allow", "b defer"])], "us", "us", "defer p/b"),
        (&[("p default", &["a allow"])], "us", "us", "allow rule.allowed p/a"),
        (&[("p default", &[])], "us", "us", "allow policy.default_allow p/-"),
        (&[("p", &[])], "us", "us", "deny policy.no_rule -/-"),
        (&[], "us", "us", "deny policy.no_rule -/-"),
        // Across policies.
        (
            &[("z", &["z deny"]), ("a default", &["a allow"])],
            "us",
            "us",
            "deny rule.denied z/z",
        ),
        (
            &[("z", &["z defer"]), ("a default", &["a allow"])],
            "us",
            "us",
            "defer z/z",
        ),
        // The names that sort first are told, in whatever order they stand.
        (
            &[("q", &["a deny"]), ("p", &["c deny", "b deny"])],
            "us",
            "us",
            "deny rule.denied p/b",
        ),
        (
            &[("q", &["a allow"]), ("p", &["c allow", "b allow"])],
            "us",
            "us",
            "allow rule.allowed p/b",
        ),
        (
            &[("q default", &[]), ("p default", &[])],
            "us",
            "us",
            "allow policy.default_allow p/-",
        ),
        // A default is for what its policy governs, and for a valid token.
        (&[("p default sel=b.com", &[])], "us", "us", "deny policy.no_rule -/-"),
        (&[("p default", &[])], "-", "us", "401 -/-"),
        // An allow whose conditions are not met leaves it to a default.
        (
            &[("p default", &["r allow perm=w"])],
            "us",
            "us",
            "allow policy.default_allow p/-",
        ),
    ]);
}

#[test]
fn matching_defers_are_one_question_with_the_strictest_options() {
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    let claims = |claims: &[&str]| claims.iter().map(|claim| (*claim).to_owned()).collect();
    let cases: &[(&[&str], Defer)] = &[
        (
            &[
                "a defer cache=30 lenient pass ask=y,x",
                "b defer cache=5 lenient pass ask=z,x",
            ],
            Defer {
                cache: seconds(5),
                when_away: WhenAway::Allow,
                claims: claims(&["x", "y", "z"]),
                pass_reason: true,
                ..Defer::default()
            },
        ),
        (
            &["a defer cache=5 lenient", "b defer cache=30 pass"],
            Defer {
                cache: seconds(5),
                ..Defer::default()
            },
        ),
        (&["a defer", "b defer"], Defer::default()),
        (
            &["a defer cache=30", "b defer"],
            Defer {
                cache: seconds(0),
                ..Defer::default()
            },
        ),
        // A deny before the last decision, the shorter time of two of these, and an allow last.
        (
            &["a defer last=60", "b defer last=30", "c defer lenient"],
            Defer {
                when_away: WhenAway::LastDecision(Duration::from_secs(30)),
                ..Defer::default()
            },
        ),
        (&["a defer last=60", "b defer", "c defer lenient"], Defer::default()),
        (
            &["a defer unless", "b defer unless"],
            Defer {
                unless_allowed: true,
                ..Defer::default()
            },
        ),
        (&["a defer unless", "b defer"], Defer::default()),
        (
            &["a defer cache=30", "b defer perm=w"],
            Defer {
                cache: seconds(30),
                ..Defer::default()
            },
        ),
    ];
    for (rules, expected) in cases {
        let set = compile(&[("p", rules)]);
        let Outcome::Defer { options, public, .. } = outcome(&set, "GET a.com /x", "us", "us") else {
            panic!("{rules:?}");
        };
        assert_eq!((options, public), (expected.clone(), false), "{rules:?}");
    }
}

#[test]
fn a_defer_may_give_way_to_an_allow() {
    check(&[
        (
            &[("p", &["a allow", "b defer unless"])],
            "us",
            "us",
            "allow rule.allowed p/a",
        ),
        (&[("p", &["a allow perm=w", "b defer unless"])], "us", "us", "defer p/b"),
        // Not to a default, which lets in what nothing else decides.
        (&[("p default", &["b defer unless"])], "us", "us", "defer p/b"),
        // Nor where another one is asked whatever else there is.
        (
            &[("p", &["a allow", "b defer unless", "c defer"])],
            "us",
            "us",
            "defer p/b",
        ),
        // Requirements and step-ups come before it all the same.
        (
            &[("p", &["a allow", "b defer unless", "s stepup acr=gold"])],
            "us",
            "us",
            "401 identity.step_up p/s [gold] None",
        ),
        (
            &[("p geo=eu", &["a allow", "b defer unless"])],
            "us",
            "us",
            "deny context.source_region p/-",
        ),
    ]);
}

#[test]
fn unknown_is_no_match_for_allow_and_a_match_for_what_refuses_or_asks() {
    check(&[
        (&[("p", &["r allow src=us"])], "us", "?", "deny rule.source p/r"),
        (
            &[("p", &["r allow net=127.0.0.0/8"])],
            "us",
            "?",
            "deny rule.source p/r",
        ),
        (
            &[("p", &["r deny src=xx"])],
            "us",
            "?",
            "deny rule.condition_unknown p/r",
        ),
        (
            &[("p", &["r deny net=10.0.0.0/8"])],
            "us",
            "?",
            "deny rule.condition_unknown p/r",
        ),
        (&[("p", &["r defer src=xx", "s allow"])], "us", "?", "defer p/r"),
        // An address in no network is known, its region is not.
        (
            &[("p", &["r deny src=xx"])],
            "us",
            "127.0.0.1",
            "deny rule.condition_unknown p/r",
        ),
        (
            &[("p", &["r deny net=10.0.0.0/8", "s allow"])],
            "us",
            "127.0.0.1",
            "allow rule.allowed p/s",
        ),
        // Known, and a match or not.
        (
            &[("p", &["r deny src=xx", "s allow"])],
            "us",
            "eu",
            "allow rule.allowed p/s",
        ),
        (
            &[("p", &["r deny src=eu,xx", "s allow"])],
            "us",
            "eu",
            "deny rule.denied p/r",
        ),
        // With a condition that does not match, the whole does not.
        (
            &[("p", &["r deny src=xx perm=w", "s allow"])],
            "us",
            "?",
            "allow rule.allowed p/s",
        ),
        (
            &[("p", &["r defer src=xx home=eu", "s allow"])],
            "us",
            "?",
            "allow rule.allowed p/s",
        ),
        (
            &[("p", &["r deny src=xx net=10.0.0.0/8", "s allow"])],
            "us",
            "127.0.0.1",
            "allow rule.allowed p/s",
        ),
        // An address of IPv4 in IPv6 is the IPv4 one.
        (
            &[("p", &["r deny net=10.0.0.0/8", "s allow"])],
            "us",
            "::ffff:10.1.1.1",
            "deny rule.denied p/r",
        ),
    ]);
}

#[test]
fn keys_are_anded_and_items_are_ored() {
    let rule = &["r allow perm=a,b perms=c,d role=m,n roles=o home=us,eu src=us net=127.0.0.0/8,10.0.0.0/8"][..];
    let full = "us b c d role:n role:o";
    check(&[
        (&[("p", rule)], full, "us 10.0.0.1", "allow rule.allowed p/r"),
        (
            &[("p", rule)],
            "eu a b c d role:m role:n role:o",
            "us 127.0.0.1",
            "allow rule.allowed p/r",
        ),
        (
            &[("p", rule)],
            "xx b c d role:n role:o",
            "us 10.0.0.1",
            "deny rule.home_region p/r",
        ),
        (&[("p", rule)], full, "eu 10.0.0.1", "deny rule.source p/r"),
        (&[("p", rule)], full, "us 11.0.0.1", "deny rule.source p/r"),
        (
            &[("p", rule)],
            "us c d role:n role:o",
            "us 10.0.0.1",
            "deny permission.missing p/r",
        ),
        (
            &[("p", rule)],
            "us b c role:n role:o",
            "us 10.0.0.1",
            "deny permission.missing p/r",
        ),
        (
            &[("p", rule)],
            "us b c d role:o",
            "us 10.0.0.1",
            "deny role.missing p/r",
        ),
        (
            &[("p", rule)],
            "us b c d role:n",
            "us 10.0.0.1",
            "deny role.missing p/r",
        ),
    ]);
}

#[test]
fn the_nearest_miss_is_told() {
    check(&[
        (&[("p", &["r allow perm=w"])], "us", "us", "deny permission.missing p/r"),
        (
            &[("p", &["r allow perm=w"])],
            "us elsewhere:w",
            "us",
            "deny permission.other_region p/r",
        ),
        (
            &[("p", &["r allow perm=w"])],
            "us refused:w",
            "us",
            "deny permission.not_accepted p/r",
        ),
        (
            &[("p", &["r allow perms=v,w"])],
            "us v elsewhere:w",
            "us",
            "deny permission.other_region p/r",
        ),
        (
            &[("p", &["r allow perms=v,w"])],
            "us elsewhere:w",
            "us",
            "deny permission.missing p/r",
        ),
        (
            &[("p", &["r allow perm=w"])],
            "us elsewhere:w refused:w",
            "us",
            "deny permission.other_region p/r",
        ),
        (
            &[("p", &["r allow role=m"])],
            "us elsewhere:m",
            "us",
            "deny role.missing p/r",
        ),
        (&[("p", &["r defer perm=w"])], "us", "us", "deny permission.missing p/r"),
        // The rule that the request came furthest with, and of equals the first by name.
        (
            &[("p", &["a allow home=eu", "b allow src=eu", "c allow perm=w"])],
            "us",
            "us",
            "deny permission.missing p/c",
        ),
        (
            &[("p", &["a allow home=eu", "b allow perm=w", "c allow perm=w"])],
            "us",
            "us",
            "deny permission.missing p/b",
        ),
        // Neither a deny that does not match nor another route's rule is a miss.
        (&[("p", &["r deny perm=w"])], "us", "us", "deny policy.no_rule -/-"),
        (
            &[("p", &["r allow path=/y perm=w"])],
            "us",
            "us",
            "deny policy.no_rule -/-",
        ),
    ]);
}

#[test]
fn a_deny_brings_its_own_answer() {
    let set = compile(&[("p", &["r deny", "s allow"])]);
    let outcome = outcome(&set, "GET a.com /x", "us", "us");
    let expected = Refusal {
        status: 404,
        hide: true,
        body: None,
    };
    assert!(matches!(outcome, Outcome::Deny { refusal: Some(refusal), .. } if refusal == expected));
}

#[test]
fn the_source_is_read_only_where_something_looks_at_it() {
    for (policies, expected) in [
        (&[("p hours default", &["r allow perm=w home=us"][..])][..], false),
        (&[("p", &["r allow src=us"])], true),
        (&[("p", &["r deny net=10.0.0.0/8"])], true),
        (&[("p", &["r allow src=us path=/y"])], false),
        (&[("p geo=us", &[])], true),
        (&[("p geo=us sel=b.com", &[])], false),
        (&[("p noland=US", &[])], true),
        (&[("p", &["r allow land=US"])], true),
    ] {
        let set = compile(policies);
        assert_eq!(
            set.needs_source(&candidates(&set, "GET a.com /x")),
            expected,
            "{policies:?}"
        );
    }
}

#[test]
fn what_is_forwarded_is_put_together() {
    let set = compile(&[
        ("q x-user=email x-tenant=tenant", &[]),
        ("p x-user=sub strip", &[]),
        ("o x-other=other sel=b.com", &[]),
    ]);
    let expected = Forwarding {
        identity: true,
        strip_token: true,
        claims: vec![("x-tenant", "tenant"), ("x-user", "sub")],
    };
    assert_eq!(set.forwarding(&candidates(&set, "GET a.com /x")), expected);
    assert_eq!(
        compile(&[]).forwarding(&candidates(&compile(&[]), "GET a.com /x")),
        Forwarding::default()
    );
}

#[test]
fn a_workload_is_weighed_as_the_source_is() {
    check(&[
        (
            &[("p", &["r allow public work=spiffe://a/*"])],
            "-",
            "us spiffe://a/x",
            "allow rule.public p/r",
        ),
        (&[("p", &["r allow public work=spiffe://a/*"])], "-", "us", "401 -/-"),
        (
            &[("p", &["r allow work=spiffe://a/*"])],
            "us",
            "us spiffe://b/x",
            "deny rule.workload p/r",
        ),
        (
            &[("p", &["r allow", "d deny work=spiffe://a/*"])],
            "us",
            "us",
            "deny rule.condition_unknown p/d",
        ),
        (
            &[("p", &["r allow", "d deny work=spiffe://a/*"])],
            "us",
            "us spiffe://b/x",
            "allow rule.allowed p/r",
        ),
        (&[("p", &["r defer work=spiffe://a/*"])], "us", "us", "defer p/r"),
    ]);
}
