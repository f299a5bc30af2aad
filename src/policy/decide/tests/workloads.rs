//! Of rules that are for workloads. `us` is the local Region; of `eu` it accepts what is below `spiffe://eu/pay`, of `xx` nothing.

use super::check;

const OURS: &str = "us spiffe://us/web";
const ACCEPTED: &str = "us spiffe://eu/pay/a";
const OTHER: &str = "us spiffe://eu/web";
const UNACCEPTED: &str = "us spiffe://xx/pay/a";
const UNLISTED: &str = "us spiffe://us.evil/web";

#[test]
fn a_workload_that_counts_here_needs_no_token() {
    let missing = "401 identity.workload_missing p/r";
    let not_accepted = "401 identity.workload_not_accepted p/r";
    for (whence, expected) in [
        (OURS, "allow rule.allowed p/r"),
        (ACCEPTED, "allow rule.allowed p/r"),
        (OTHER, not_accepted),
        (UNACCEPTED, not_accepted),
        (UNLISTED, not_accepted),
        ("us", missing),
        ("?", missing),
    ] {
        check(&[(&[("p", &["r allow service"])], "-", whence, expected)]);
        let asks = expected.replace("allow rule.allowed", "defer");
        check(&[(&[("p", &["r defer service"])], "-", whence, &asks)]);
    }
}

#[test]
fn a_token_beside_it_must_be_valid_and_is_none_by_itself() {
    check(&[
        (&[("p", &["r allow service"])], "us", OURS, "allow rule.allowed p/r"),
        (&[("p", &["r allow service"])], "eu", OURS, "allow rule.allowed p/r"),
        (&[("p", &["r allow service"])], "us", "us", "deny rule.workload p/r"),
        (
            &[("p", &["r allow service"])],
            "us",
            UNACCEPTED,
            "deny rule.workload p/r",
        ),
        (&[("p", &["r allow service"])], "!", OURS, "401 p/r"),
        (&[("p", &["r defer service"])], "!", OURS, "401 p/r"),
        (
            &[("p", &["r allow service", "s allow public"])],
            "!",
            OURS,
            "allow rule.public p/s",
        ),
        // No showing of a token leads around a deny.
        (
            &[("p", &["r deny service", "s allow public"])],
            "!",
            OURS,
            "deny rule.denied p/r",
        ),
    ]);
}

#[test]
fn a_deny_for_workloads_is_for_those_that_count() {
    for (whence, expected) in [
        (OURS, "deny rule.denied p/r"),
        (ACCEPTED, "deny rule.denied p/r"),
        (UNLISTED, "allow rule.public p/s"),
        ("us", "allow rule.public p/s"),
    ] {
        check(&[(&[("p", &["r deny service", "s allow public"])], "-", whence, expected)]);
    }
}

/// A workload is somebody: it is told 401 only where a token could have made a difference.
#[test]
fn a_workload_that_nothing_lets_in() {
    check(&[
        (&[("p", &["r allow"])], "-", OURS, "401 p/r"),
        (&[("p default", &[])], "-", OURS, "401 -/-"),
        (&[("p", &["r allow path=/y"])], "-", OURS, "401 -/-"),
        (&[("p", &["r allow path=/y"])], "-", UNLISTED, "401 -/-"),
        (
            &[("p", &["r allow service work=spiffe://us/x"])],
            "-",
            OURS,
            "deny rule.workload p/r",
        ),
        (&[("p", &["r allow service src=eu"])], "-", OURS, "deny rule.source p/r"),
        (&[("p", &["q allow service src=eu", "r allow"])], "-", OURS, "401 p/r"),
        // Of nobody, everything is 401, whatever there is.
        (&[("p", &["q allow service", "r allow"])], "-", "us", "401 p/r"),
        (&[("p", &["q allow", "r allow service"])], "-", UNLISTED, "401 p/q"),
    ]);
}

#[test]
fn a_workload_is_at_home_where_its_trust_domain_is() {
    check(&[
        (
            &[("p", &["r allow service home=eu"])],
            "-",
            ACCEPTED,
            "allow rule.allowed p/r",
        ),
        (
            &[("p", &["r allow service home=eu"])],
            "-",
            OURS,
            "deny rule.home_region p/r",
        ),
        (&[("p", &["r allow public home=us"])], "-", ACCEPTED, "401 -/-"),
        (
            &[("p", &["d deny home=eu", "r allow public"])],
            "-",
            ACCEPTED,
            "deny rule.denied p/d",
        ),
        // One that does not count is nobody, and nobody is at home here.
        (
            &[("p", &["r allow public home=us"])],
            "-",
            UNLISTED,
            "allow rule.public p/r",
        ),
        // With a token, that one's home counts.
        (
            &[("p", &["r allow service home=eu"])],
            "us",
            ACCEPTED,
            "deny rule.home_region p/r",
        ),
        // At noon it is business time in `eu`, not in `us`.
        (
            &[("p hours", &["r allow service"])],
            "-",
            ACCEPTED,
            "allow rule.allowed p/r",
        ),
        (
            &[("p hours", &["r allow service"])],
            "-",
            OURS,
            "deny context.business_hours p/-",
        ),
    ]);
}
