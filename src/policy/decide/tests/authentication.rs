//! Of what policies and step-ups demand of the subject's login, and of the certificate.

use super::check;

const SERVICE: &str = "us spiffe://us/web";
const FOREIGN: &str = "us spiffe://xx/web";

#[test]
fn a_certificate_is_the_subjects_own_or_a_services() {
    let required = "deny identity.certificate_required p/-";
    check(&[
        (&[("p cert", &["r allow"])], "us bound", "us", "allow rule.allowed p/r"),
        (&[("p cert", &["r allow"])], "us", "us", required),
        // The certificate of whoever stands in between is not the subject's.
        (&[("p cert", &["r allow"])], "us", SERVICE, required),
        (&[("p cert default", &[])], "us", SERVICE, required),
        (&[("p cert", &["r allow service"])], "us", SERVICE, required),
        (
            &[("p cert", &["r allow service"])],
            "-",
            SERVICE,
            "allow rule.allowed p/r",
        ),
        (&[("p cert", &["r defer service"])], "-", SERVICE, "defer p/r"),
        (
            &[("p cert", &[]), ("q", &["r allow public"])],
            "-",
            SERVICE,
            "allow rule.public q/r",
        ),
        (&[("p cert", &[]), ("q", &["r allow public"])], "-", FOREIGN, "401 p/-"),
        (&[("p cert", &[]), ("q", &["r allow public"])], "!", SERVICE, "401 p/-"),
    ]);
}

#[test]
fn several_factors_are_a_login() {
    let missing = "401 identity.mfa_missing p/- [] None";
    check(&[
        (&[("p mfa", &["r allow"])], "us amr:mfa", "us", "allow rule.allowed p/r"),
        (&[("p mfa", &["r allow"])], "us amr:pwd", "us", missing),
        (&[("p mfa", &["r allow"])], "us bound", "us", missing),
        (
            &[("p mfa=gold,urn:x", &["r allow"])],
            "us acr:gold",
            "us",
            "allow rule.allowed p/r",
        ),
        (
            &[("p mfa=gold,urn:x", &["r allow"])],
            "us acr:silver",
            "us",
            "401 identity.mfa_missing p/- [gold urn:x] None",
        ),
        // What is not known to be public lifts nothing, and neither does what gives way.
        (
            &[("p mfa", &["a allow", "k defer public unless src=eu"])],
            "us amr:pwd",
            "?",
            missing,
        ),
        (
            &[("p mfa", &["a allow", "k defer public unless src=eu"])],
            "us amr:pwd",
            "eu",
            missing,
        ),
        (&[("p mfa", &["k defer public src=eu"])], "us amr:pwd", "?", missing),
        (
            &[("p mfa", &["k defer public src=eu"])],
            "us amr:pwd",
            "eu",
            "defer p/k",
        ),
        // A service does not log in.
        (&[("p mfa", &["r allow service"])], "-", SERVICE, missing),
        (
            &[("p mfa cert", &["r allow"])],
            "us amr:mfa bound",
            "us",
            "allow rule.allowed p/r",
        ),
        (
            &[("p cert mfa", &["r allow"])],
            "us amr:mfa",
            "us",
            "deny identity.certificate_required p/-",
        ),
        (&[("p cert mfa", &["r allow"])], "us bound", "us", missing),
        // Nothing is told before that to somebody without a token.
        (&[("p mfa", &["r allow"])], "-", "us", "401 p/r"),
        (&[("p mfa", &["r defer"])], "us", "us", missing),
    ]);
}

#[test]
fn public_lifts_the_requirements_on_identity_of_its_own_policy_only() {
    check(&[
        (
            &[("p mfa cert", &["r allow public"])],
            "-",
            "us",
            "allow rule.public p/r",
        ),
        (
            &[("p mfa cert", &["r allow public"])],
            "us",
            "us",
            "allow rule.public p/r",
        ),
        (&[("p mfa cert", &["r defer public src=us"])], "-", "?", "401 p/-"),
        (&[("p mfa cert", &["r defer public src=us"])], "-", "us", "defer p/r"),
        (
            &[("p mfa cert geo=eu", &["r allow public"])],
            "-",
            "us",
            "deny context.source_region p/-",
        ),
        (
            &[("p mfa", &["r allow public path=/y", "s allow"])],
            "us",
            "us",
            "401 identity.mfa_missing p/- [] None",
        ),
        (&[("p mfa", &[]), ("q", &["r allow public"])], "-", "us", "401 p/-"),
        (
            &[("p mfa", &[]), ("q", &["r allow public"])],
            "us",
            "us",
            "401 identity.mfa_missing p/- [] None",
        ),
        (
            &[("p mfa", &["s allow public src=eu"]), ("q", &["r allow public"])],
            "-",
            "us",
            "401 p/-",
        ),
    ]);
}

#[test]
fn every_step_up_that_matches_is_met_and_none_allows() {
    let both: &[(&str, &[&str])] = &[
        ("p", &["r stepup acr=gold age=900"]),
        (
            "q",
            &["a allow", "b stepup acr=silver,gold age=60", "c stepup age=3600"],
        ),
    ];
    check(&[
        (both, "us acr:gold age:60", "us", "allow rule.allowed q/a"),
        (
            both,
            "us acr:gold age:61",
            "us",
            "401 identity.step_up q/b [silver gold] Some(60)",
        ),
        (
            both,
            "us acr:silver age:60",
            "us",
            "401 identity.step_up p/r [gold] Some(60)",
        ),
        (both, "us age:60", "us", "401 identity.step_up p/r [gold] Some(60)"),
        (both, "us", "us", "401 identity.step_up p/r [gold] Some(60)"),
        // Somebody without a token is told what everybody without one is told.
        (both, "-", "us", "401 q/a"),
        (both, "!", "us", "401 q/a"),
        (
            &[("p", &["r stepup acr=gold"])],
            "us acr:gold",
            "us",
            "deny policy.no_rule -/-",
        ),
        (&[("p", &["r stepup acr=gold"])], "-", "us", "401 -/-"),
        (
            &[("p default", &["r stepup acr=gold"])],
            "us acr:gold",
            "us",
            "allow policy.default_allow p/-",
        ),
        (
            &[("p default", &["r stepup acr=gold"])],
            "us",
            "us",
            "401 identity.step_up p/r [gold] None",
        ),
    ]);
}

#[test]
fn a_step_up_stands_between_a_deny_and_a_defer() {
    let step_up = "401 identity.step_up p/s [gold] None";
    check(&[
        (
            &[("p", &["r deny home=us", "s stepup acr=gold"])],
            "us",
            "us",
            "deny rule.denied p/r",
        ),
        (
            &[("p geo=eu", &["r allow", "s stepup acr=gold"])],
            "us",
            "us",
            "deny context.source_region p/-",
        ),
        (&[("p", &["r defer", "s stepup acr=gold"])], "us", "us", step_up),
        (
            &[("p", &["r defer", "s stepup acr=gold"])],
            "us acr:gold",
            "us",
            "defer p/r",
        ),
        (&[("p", &["r allow public", "s stepup acr=gold"])], "us", "us", step_up),
        (
            &[("p", &["r allow public", "s stepup acr=gold"])],
            "-",
            "us",
            "allow rule.public p/r",
        ),
        (
            &[("p", &["r allow service", "s stepup acr=gold"])],
            "-",
            SERVICE,
            "allow rule.allowed p/r",
        ),
        // What cannot be told is a match.
        (&[("p", &["r allow", "s stepup acr=gold src=eu"])], "us", "?", step_up),
        (
            &[("p", &["r allow", "s stepup acr=gold src=eu"])],
            "us",
            "us",
            "allow rule.allowed p/r",
        ),
        (
            &[("p", &["r allow", "s stepup acr=gold perm=w"])],
            "us",
            "us",
            "allow rule.allowed p/r",
        ),
        (
            &[("p", &["r allow", "s stepup acr=gold perm=w"])],
            "us w",
            "us",
            step_up,
        ),
    ]);
}
