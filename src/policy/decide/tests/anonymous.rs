use super::{check, compile};
use crate::policy::Outcome;
use crate::policy::testing::outcome;

#[test]
fn a_question_is_public_where_all_that_ask_it_are() {
    for (rules, who, expected) in [
        (&["a defer public", "b defer public"][..], "us", true),
        (&["a defer public", "b defer"], "us", false),
        (&["a defer public", "b defer"], "-", true),
    ] {
        let set = compile(&[("p", rules)]);
        let outcome = outcome(&set, "GET a.com /x", who, "us");
        assert!(
            matches!(outcome, Outcome::Defer { public, .. } if public == expected),
            "{rules:?} {who}"
        );
    }
}

#[test]
fn an_anonymous_request_has_nothing_and_is_at_home_here() {
    check(&[
        (
            &[("p", &["r deny perm=w", "s allow public"])],
            "-",
            "us",
            "allow rule.public p/s",
        ),
        (
            &[("p", &["r deny role=w", "s allow public"])],
            "-",
            "us",
            "allow rule.public p/s",
        ),
        (
            &[("p", &["r deny token", "s allow public"])],
            "-",
            "us",
            "allow rule.public p/s",
        ),
        (
            &[("p", &["r deny home=us", "s allow public"])],
            "-",
            "us",
            "deny rule.denied p/r",
        ),
        (
            &[("p", &["r deny home=eu", "s allow public"])],
            "-",
            "us",
            "allow rule.public p/s",
        ),
        (
            &[("p", &["r allow public home=us"])],
            "-",
            "us",
            "allow rule.public p/r",
        ),
        (&[("p", &["r allow public home=eu"])], "-", "us", "401 -/-"),
    ]);
}

#[test]
fn what_hangs_on_a_missing_identity_is_401() {
    check(&[
        // Whether there is a rule or not, so that paths cannot be guessed.
        (&[("p", &["r allow path=/x"])], "-", "us", "401 p/r"),
        (&[("p", &["r allow path=/y"])], "-", "us", "401 -/-"),
        (&[("p", &["r defer"])], "-", "us", "401 p/r"),
        (&[("p geo=eu", &["r allow"])], "-", "us", "401 p/r"),
        // A deny that does not match whoever asks comes after it; one that does, before.
        (&[("p", &["r deny home=us", "s allow"])], "-", "us", "401 p/s"),
        (&[("p", &["r deny", "s allow"])], "-", "us", "deny rule.denied p/r"),
        (
            &[("p", &["r deny src=xx", "s allow"])],
            "-",
            "?",
            "deny rule.condition_unknown p/r",
        ),
        // A public allow that cannot be told to match lets nobody in; a public defer asks.
        (&[("p", &["r allow public src=us"])], "-", "?", "401 -/-"),
        (&[("p", &["r defer public src=us"])], "-", "?", "defer p/r"),
        // Rules for somebody are not for nobody.
        (
            &[("p", &["r defer", "s allow public"])],
            "-",
            "us",
            "allow rule.public p/s",
        ),
    ]);
}

#[test]
fn public_lifts_no_requirement_of_context_and_counts_for_a_subject_too() {
    check(&[
        (&[("p", &["r allow public"])], "us", "us", "allow rule.public p/r"),
        (
            &[("p", &["r allow public", "s allow"])],
            "us",
            "us",
            "allow rule.public p/r",
        ),
        (
            &[("p geo=us", &["r allow public"])],
            "-",
            "eu",
            "deny context.source_region p/-",
        ),
        (&[("p geo=us", &["r allow public"])], "-", "us", "allow rule.public p/r"),
    ]);
}
