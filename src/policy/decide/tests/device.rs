//! What policies demand of devices.

use super::check;

#[test]
fn each_demand_is_met_by_what_the_posture_says_and_by_nothing_else() {
    let policies: super::Policies<'_> = &[("p dev=managed,encrypted,14.9", &["r allow"])];
    check(&[
        (
            policies,
            "us dev:managed,encrypted,14.10",
            "us",
            "allow rule.allowed p/r",
        ),
        (
            policies,
            "us dev:managed,encrypted,14.8",
            "us",
            "deny device.os_version p/-",
        ),
        (policies, "us dev:managed,14.10", "us", "deny device.encryption p/-"),
        (policies, "us dev:encrypted,14.10", "us", "deny device.managed p/-"),
        (policies, "us dev:", "us", "deny device.managed p/-"),
        (policies, "us dev:rubbish", "us", "deny device.malformed p/-"),
        (policies, "us", "us", "deny device.missing p/-"),
    ]);
}

#[test]
fn who_has_shown_nothing_is_asked_who_they_are() {
    let public: super::Policies<'_> = &[("p dev=managed", &[]), ("q", &["r allow public"])];
    check(&[
        (&[("p dev=managed", &["r allow"])], "-", "us", "401 p/r"),
        // What is public lifts what its own policy demands, and no other's.
        (
            &[("p dev=managed", &["r allow public"])],
            "-",
            "us",
            "allow rule.public p/r",
        ),
        (
            &[("p dev=managed", &["r allow public"])],
            "us",
            "us",
            "allow rule.public p/r",
        ),
        (public, "-", "us", "401 p/-"),
        (public, "us", "us", "deny device.missing p/-"),
        (public, "us dev:managed", "us", "allow rule.public q/r"),
        // A service is somebody, and has no device.
        (
            &[("p dev=managed", &["r allow service"])],
            "-",
            "us spiffe://us/x",
            "deny device.missing p/-",
        ),
    ]);
}

#[test]
fn demands_come_before_what_asks_lets_in_or_misses() {
    check(&[
        (
            &[("p dev=managed", &[]), ("q", &["r defer"])],
            "us",
            "us",
            "deny device.missing p/-",
        ),
        (&[("p dev=managed default", &[])], "us", "us", "deny device.missing p/-"),
        (
            &[("p dev=managed default", &[])],
            "us dev:managed",
            "us",
            "allow policy.default_allow p/-",
        ),
        (
            &[("p dev=managed", &["r allow perm=w"])],
            "us",
            "us",
            "deny device.missing p/-",
        ),
        (
            &[("p dev=managed", &["r stepup acr=gold", "s allow"])],
            "us",
            "us",
            "deny device.missing p/-",
        ),
        (&[("p dev=managed", &["r deny"])], "us", "us", "deny rule.denied p/r"),
        // What does not govern demands nothing.
        (
            &[("p dev=managed sel=b.com", &[]), ("q", &["r allow"])],
            "us",
            "us",
            "allow rule.allowed q/r",
        ),
    ]);
}
