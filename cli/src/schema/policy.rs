//! ZeroTrustPolicy: where it stands, and what it demands.

use super::form::{
    age, any, at, claim, clock, country, flag, host, instant, integer, list, map, name, only, region, text_of, texts,
    word, words, zone,
};
use super::region::DAYS;
use super::table::{Definition, define, may, must, value};

/// The definitions.
pub(super) fn definitions() -> Vec<Definition> {
    let mut all = policy();
    all.extend(identity());
    all.extend(device());
    all.extend(context());
    all
}

/// `mode` of a policy or of a rule.
pub(super) fn mode() -> super::form::Form {
    word(&["enforce", "shadow"])
}

pub(super) const MODE: &str =
    "`shadow`: it is judged beside what is enforced and told in logs and counters, and changes nothing";

fn policy() -> Vec<Definition> {
    vec![
        define!("ZeroTrustPolicy" in "document",
        "Requirements, which restrict and let nobody in, and rules, which let in, refuse, challenge or ask.",
        [("ZeroTrustPolicy", "documents.md#zerotrustpolicy"), ("decisions", "decisions.md")],
        [
            may("selector", at("Selector"), "it governs everything, everywhere", "what the policy governs, and where"),
            may("identity", at("Identity"), "nothing beside a valid token", "what is demanded of who asks"),
            may("device", at("Device"), "nothing", "what is demanded of the device that a request comes from"),
            may("osVersions", map("`macos`, `ios`, `windows`, `linux`, `android` or `chromeos`", text_of("version", &["15.2"])), "`osVersion: latest` is never met", "the newest version of each platform, quoted: what `osVersion: latest` of this policy means"),
            may("context", at("Context"), "nothing", "what is demanded of place and time"),
            may("default", word(&["allow"]), "it is refused", "`allow`: let a valid token in once every requirement is met and nothing else decides"),
            may("preflight", word(&["allow"]), "they are judged like all else", "`allow`: let in what a browser asks before a request of another origin"),
            may("probes", list(at("Probe")), "they are judged like all else", "health probes that need no identity, 16 at most"),
            may("forward", at("Forward"), "nothing beside the request", "what the upstream gets of those whom this policy governs"),
            may("mode", mode(), value("enforce"), MODE),
            may("rules", list(at("Rule")), "none", "what lets in, refuses, challenges or asks, in any order; 20,000 in all policies"),
        ]),
        define!("Selector" in "policy-spec",
        "What a policy governs, and where it stands. Its fields are ANDed.",
        [("where a policy stands", "documents.md#where-a-policy-stands")],
        [
            may("hosts", list(host()), "every host", "hosts that it governs, 256 at most"),
            may("localRegions", list(region()), "everywhere", "it stands where the local Region is one of these"),
            may("workloads", list(text_of("workload pattern, or the same from `ns/` on", &["ns/shop/sa/api"])), "everywhere", "it stands where the proxy serves one of these, 256 at most: not who asks, which is `from.workloads` of a rule"),
        ]),
        define!("Probe" in "policy-spec",
        "A GET or HEAD that a kubelet makes without a token.",
        [("preflights and probes", "documents.md#preflights-and-probes")],
        [
            must("path", text_of("path", &["/healthz"]), "the path, written out"),
            must("port", integer(1, 65_535), "the port of the proxy's own end of the connection"),
        ]),
        define!("Forward" in "policy-spec",
        "What the upstream gets of an identified request. With it, that also gets `x-regionguard-subject` and `x-regionguard-region`.",
        [("`forward`", "documents.md#forward")],
        [
            may("token", word(&["strip", "pass"]), value("pass"), "`strip`: the upstream does not get the token, wherever it stands"),
            may("claims", map("headers in lower case", claim()), "none", "headers and the claims that fill them, 32 at most; whatever a client writes there is removed"),
        ]),
    ]
}

fn identity() -> Vec<Definition> {
    vec![
        define!("Identity" in "policy-spec",
        "What is demanded of who asks, and by what rules of the policy may decide.",
        [("requirements", "step-up.md#requirements")],
        [
            may("authentication", list(at("Authentication")), "nothing beside a valid token", "how somebody must have proved who they are: each entry is required, 16 at most"),
            may("authorization", list(at("Authorization")), "rules may look at all of it", "what rules of this policy may look at"),
        ]),
        define!("Authentication" in "policy-spec",
        "A way of proving who somebody is, which is required.",
        [("requirements", "step-up.md#requirements")],
        [
            must("method", word(&["multi-factor", "certificate"]), "`multi-factor`: the login had several factors. `certificate`: the token is bound to the sender's certificate, or a workload that counts asks"),
            may("amr", texts(), "`mfa` where there is no `acr` either; else none", "of `multi-factor`: values of the claim `amr` that are taken for it, 16 at most"),
            may("acr", texts(), "none", "of `multi-factor`: values of the claim `acr` that are taken for it, 16 at most"),
        ]),
        define!("Authorization" in "policy-spec",
        "What rules of the policy may look at.",
        [("requirements", "step-up.md#requirements")],
        [
            may("rbac", flag(), value(true), "`false`: a rule with `permissions` or `roles` is an error"),
            may("abac", flag(), value(true), "`false`: a rule with `when` is an error"),
        ]),
    ]
}

fn device() -> Vec<Definition> {
    let version = || {
        any(&[
            text_of("`latest`, or a least version like `>= 14.2`", &["latest", ">= 14.2"]),
            map("platforms", text_of("a least version", &[">= 14.2"])),
        ])
    };
    vec![
        define!("Device" in "policy-spec",
            "What is demanded of the device that a request comes from.",
            [("what policies demand", "device.md#what-policies-demand")],
            [must("compliance", list(at("Compliance")), "each entry is required")]),
        define!("Compliance" in "policy-spec",
        "Demands on a device. Each is met by what its posture says, and by nothing that is not known.",
        [("what policies demand", "device.md#what-policies-demand")],
        [
            may("encryption", word(&["required"]), "not demanded", "its storage is encrypted"),
            may("osVersion", version(), "not demanded", "its operating system is not older: than the one of `osVersions` (`latest`), than a version on any platform, or than one by platform"),
            may("managed", only(true), "not demanded", "the organisation manages it"),
            may("jailbroken", only(false), "not demanded", "it is not jailbroken or rooted"),
            may("patchAge", age("1h", "366d"), "not demanded", "its last update is no longer ago"),
            may("screenLock", word(&["required"]), "not demanded", "it locks its screen"),
            may("certificate", word(&["required"]), "not demanded", "the organisation's certificate is on it, or was shown"),
        ]),
    ]
}

fn context() -> Vec<Definition> {
    vec![
        define!("Context" in "policy-spec",
        "What is demanded of place and time.",
        [("context", "context.md")],
        [
            may("geoRestrictions", list(at("GeoRestriction")), "from anywhere", "from where requests may come: each entry must be met, 16 at most"),
            may("timeRestrictions", list(at("TimeRestriction")), "at any time", "when they may come: each entry must be met, 16 at most"),
        ]),
        define!("GeoRestriction" in "policy-spec",
        "From where requests may come. Its fields are ANDed; an unknown source meets none of them.",
        [("where a request comes from", "context.md#where-a-request-comes-from")],
        [
            may("allowedRegions", list(name()), "from any", "source Regions from which they may come. A name that no Region has loads with a warning, and is never met"),
            may("deniedRegions", list(region()), "from any", "source Regions from which they may not come"),
            may("allowedCountries", list(country()), "from any", "source countries from which they may come"),
            may("deniedCountries", list(country()), "from any", "source countries from which they may not come"),
        ]),
        define!("TimeRestriction" in "policy-spec",
        "When requests may come. Its fields are ANDed.",
        [("when", "context.md#when")],
        [
            may("businessHours", only(true), "at any hour", "within the `businessHours` of the home Region"),
            may("hours", at("ZonedHours"), "at any hour", "within these hours, the same for everybody"),
            may("notBefore", instant(), "from ever on", "from this time on"),
            may("notAfter", instant(), "for ever", "until before this time"),
            may("maintenance", list(at("MaintenanceWindow")), "no window", "in none of these windows, 64 at most"),
        ]),
        define!("MaintenanceWindow" in "policy-spec",
        "A window in which nobody is let in: each week (`timezone`, `days`, `from`, `to`) or once (`notBefore`, `notAfter`).",
        [("when", "context.md#when")],
        [
            may("timezone", zone(), "required for a window of each week", "whose clocks it goes by"),
            may("days", words(&DAYS), "required for a window of each week", "days on which it begins"),
            may("from", clock(), "required for a window of each week", "its beginning"),
            may("to", clock(), "required for a window of each week", "its end; before `from`, it is on the next day"),
            may("notBefore", instant(), "required for a window that is there once", "its beginning"),
            may("notAfter", instant(), "required for a window that is there once", "its end, which does not belong to it"),
        ]),
    ]
}
