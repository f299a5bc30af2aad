//! What requirements and effects want, and what was found of that, in words. Times are for the document to say.

use core::time::Duration;

use serde_json::Value;

use super::{DemandSaid, Holds};
use crate::bundle::RegionId;
use crate::bundle::document::{Effect, StepUp};
use crate::context::Country;
use crate::device::{Check, Minimum, Platform, Posture};
use crate::identity::Claims;
use crate::policy::authentication::{is_of_class, is_recent};
use crate::policy::compile::{PolicySet, Requirement, Rule};
use crate::policy::decide::Facts;
use crate::policy::index::Candidates;
use crate::policy::place::SourceRestriction;
use crate::time::WallTime;

impl PolicySet {
    /// What the effect of a rule looks at.
    pub(super) fn demands(&self, rule: &Rule, candidates: &Candidates, facts: &Facts<'_>) -> Vec<DemandSaid> {
        match &rule.effect {
            Effect::StepUp(wanted) => step_up(wanted, facts),
            Effect::Defer(options) if options.unless_allowed => {
                let (found, holds) = match self.allowance(candidates, facts) {
                    Some(_) => ("a rule allows it: this one does not ask", Holds::Yes),
                    None => ("no rule allows it", Holds::No),
                };
                vec![DemandSaid {
                    field: "defer.unless",
                    wanted: "allowed".to_owned(),
                    found: found.to_owned(),
                    holds,
                }]
            }
            Effect::Allow | Effect::Deny(_) | Effect::Defer(_) => Vec::new(),
        }
    }
}

fn step_up(wanted: &StepUp, facts: &Facts<'_>) -> Vec<DemandSaid> {
    // Each one is named, so that none is forgotten.
    let StepUp { acr, max_age } = wanted;
    let said = |name: &str| facts.claims.and_then(|claims| claims.get(name));
    let holds = |name: &str, is_met: fn(&Claims, &StepUp, WallTime) -> bool| match facts.claims {
        Some(claims) if is_met(claims, wanted, facts.at) => Holds::Yes,
        _ if said(name).is_none() => Holds::Unknown,
        _ => Holds::No,
    };
    let mut demands = Vec::new();
    if !acr.is_empty() {
        demands.push(DemandSaid {
            field: "stepUp.acr",
            wanted: list(acr),
            found: claim("acr", facts),
            holds: holds("acr", |claims, wanted, _| is_of_class(claims, wanted)),
        });
    }
    if let Some(most) = max_age {
        let age = said("auth_time")
            .and_then(Value::as_f64)
            .map(|time| format!(", {:.0} s ago", facts.at.numeric_date() - time));
        demands.push(DemandSaid {
            field: "stepUp.maxAge",
            wanted: duration(*most),
            found: format!("{}{}", claim("auth_time", facts), age.unwrap_or_default()),
            holds: holds("auth_time", is_recent),
        });
    }
    demands
}

impl Requirement {
    /// The field of the document.
    pub(super) fn field(&self) -> &'static str {
        match self {
            Self::Certificate => "identity.authentication: certificate",
            Self::MultiFactor(_) => "identity.authentication: multi-factor",
            Self::Device(Check::NotJailbroken) => "device.compliance: jailbroken",
            Self::Device(Check::Managed) => "device.compliance: managed",
            Self::Device(Check::Encryption) => "device.compliance: encryption",
            Self::Device(Check::ScreenLock) => "device.compliance: screenLock",
            Self::Device(Check::Certificate) => "device.compliance: certificate",
            Self::Device(Check::OsVersion(_)) => "device.compliance: osVersion",
            Self::Device(Check::PatchAge(_)) => "device.compliance: patchAge",
            Self::Source(_) => "context.geoRestrictions",
            Self::BusinessHours => "context.timeRestrictions: businessHours",
            Self::Hours(_) => "context.timeRestrictions: hours",
            Self::Dates(_) => "context.timeRestrictions: dates",
            Self::Maintenance(_) => "context.timeRestrictions: maintenance",
        }
    }

    /// What it demands.
    pub(super) fn wanted(&self, facts: &Facts<'_>) -> Option<String> {
        Some(match self {
            Self::Certificate => "a certificate of whoever asks".to_owned(),
            Self::MultiFactor(wanted) => {
                let of = |name: &str, values: &[String]| {
                    (!values.is_empty()).then(|| format!("{name} has one of {}", list(values)))
                };
                let either = [of("amr", &wanted.amr), of("acr", &wanted.acr)];
                let either: Vec<String> = either.into_iter().flatten().collect();
                either.join(", or ")
            }
            Self::Device(check) => wanted_of_device(check),
            Self::Source(restriction) => wanted_source(restriction, facts),
            Self::BusinessHours | Self::Hours(_) | Self::Dates(_) | Self::Maintenance(_) => return None,
        })
    }

    /// What was found of it.
    pub(super) fn found(&self, facts: &Facts<'_>) -> Option<String> {
        Some(match self {
            Self::Certificate => {
                let found = match (facts.subject.is_some(), self.shortfall(facts).is_none()) {
                    (true, true) => "the subject of the token has shown one",
                    (true, false) => {
                        "none that is the subject's own: the token is not bound to it, and names no such workload"
                    }
                    (false, true) => "that of a workload that counts",
                    (false, false) => "neither a token nor a workload that counts",
                };
                found.to_owned()
            }
            Self::MultiFactor(_) if facts.claims.is_none() => "no valid token".to_owned(),
            Self::MultiFactor(_) => format!("{}, {}", claim("amr", facts), claim("acr", facts)),
            Self::Device(check) => match facts.device {
                Ok(device) => found_of_device(check, device),
                Err(absent) => format!("no posture that counts ({})", absent.code()),
            },
            Self::Source(_) | Self::BusinessHours | Self::Hours(_) | Self::Dates(_) | Self::Maintenance(_) => {
                return None;
            }
        })
    }

    /// Whether what it looks at is not there: of a requirement that is not met.
    pub(super) fn is_untold(&self, facts: &Facts<'_>) -> bool {
        match self {
            Self::Certificate => false,
            Self::MultiFactor(_) => facts
                .claims
                .is_none_or(|claims| claims.get("amr").is_none() && claims.get("acr").is_none()),
            Self::Device(check) => facts.device.ok().is_none_or(|device| is_unsaid(check, device)),
            Self::Source(restriction) => {
                let regions = restriction.allowed_regions.is_some() || restriction.denied_regions.is_some();
                let countries = restriction.allowed_countries.is_some() || restriction.denied_countries.is_some();
                regions && facts.source.region.is_none() || countries && facts.source.country.is_none()
            }
            Self::BusinessHours => {
                let region = facts.regions.get(facts.home().index());
                !facts.at.is_known() || region.is_none_or(|region| region.calendar.is_none())
            }
            Self::Hours(_) | Self::Dates(_) | Self::Maintenance(_) => !facts.at.is_known(),
        }
    }
}

fn wanted_of_device(check: &Check) -> String {
    let each = |versions: &[(Platform, String)]| {
        let each = versions
            .iter()
            .map(|(platform, version)| format!("{} {version}", platform.name()));
        each.collect::<Vec<_>>().join(", ")
    };
    match check {
        Check::NotJailbroken => "not jailbroken".to_owned(),
        Check::Managed => "managed".to_owned(),
        Check::Encryption => "encrypted".to_owned(),
        Check::ScreenLock => "a screen lock".to_owned(),
        Check::Certificate => "a certificate on the device".to_owned(),
        Check::OsVersion(Minimum::Any(version)) => format!(">= {version}"),
        Check::OsVersion(Minimum::Each(versions)) => format!(">= {}", each(versions)),
        Check::OsVersion(Minimum::Latest(versions)) if versions.is_empty() => {
            "latest, of which the policy's `osVersions` say nothing".to_owned()
        }
        Check::OsVersion(Minimum::Latest(versions)) => format!("latest: {}", each(versions)),
        Check::PatchAge(most) => format!("patched at most {} ago", duration(*most)),
    }
}

fn found_of_device(check: &Check, device: &Posture) -> String {
    let flag = |name: &str, flag: Option<bool>| match flag {
        Some(flag) => format!("{name} {flag}"),
        None => format!("{name} not said"),
    };
    match check {
        Check::NotJailbroken => flag("jailbroken", device.jailbroken),
        Check::Managed => flag("managed", device.managed),
        Check::Encryption => flag("encrypted", device.encrypted),
        Check::ScreenLock => flag("screen_lock", device.screen_lock),
        Check::Certificate if device.confirmation.certificate.is_some() => {
            "the one that the posture is bound to".to_owned()
        }
        Check::Certificate => flag("certificate", device.certificate),
        Check::OsVersion(_) => {
            let said = |text: &Option<String>| text.as_deref().unwrap_or("not said").to_owned();
            format!(
                "platform {}, os_version {}",
                said(&device.platform),
                said(&device.os_version)
            )
        }
        Check::PatchAge(_) => match device.patched_at {
            Some(patched) => format!("patched_at {:.0}", patched.numeric_date()),
            None => "patched_at not said".to_owned(),
        },
    }
}

/// Whether a posture does not say what a check looks at.
fn is_unsaid(check: &Check, device: &Posture) -> bool {
    match check {
        Check::NotJailbroken => device.jailbroken.is_none(),
        Check::Managed => device.managed.is_none(),
        Check::Encryption => device.encrypted.is_none(),
        Check::ScreenLock => device.screen_lock.is_none(),
        Check::Certificate => device.certificate.is_none(),
        Check::OsVersion(Minimum::Latest(versions)) if versions.is_empty() => true,
        Check::OsVersion(Minimum::Any(_)) => device.os_version.is_none(),
        Check::OsVersion(Minimum::Each(_) | Minimum::Latest(_)) => {
            device.os_version.is_none() || device.platform.is_none()
        }
        Check::PatchAge(_) => device.patched_at.is_none(),
    }
}

fn wanted_source(restriction: &SourceRestriction, facts: &Facts<'_>) -> String {
    // Each one is named, so that none is forgotten.
    let SourceRestriction {
        allowed_regions,
        denied_regions,
        allowed_countries,
        denied_countries,
    } = restriction;
    let regions = |ids: &Option<Vec<RegionId>>| {
        let ids = ids.as_ref()?;
        let names = ids.iter().filter_map(|id| facts.regions.get(id.index()));
        Some(list(&names.map(|region| region.name.clone()).collect::<Vec<_>>()))
    };
    let countries = |codes: &Option<Vec<Country>>| {
        let codes = codes.as_ref()?;
        Some(list(&codes.iter().map(Country::to_string).collect::<Vec<_>>()))
    };
    let all = [
        ("allowedRegions", regions(allowed_regions)),
        ("deniedRegions", regions(denied_regions)),
        ("allowedCountries", countries(allowed_countries)),
        ("deniedCountries", countries(denied_countries)),
    ];
    let said = all
        .into_iter()
        .filter_map(|(name, words)| Some(format!("{name} {}", words?)));
    said.collect::<Vec<_>>().join(", ")
}

/// A claim as it stands in the token.
fn claim(name: &str, facts: &Facts<'_>) -> String {
    match facts.claims.map(|claims| claims.get(name)) {
        None => "no valid token".to_owned(),
        Some(None) => format!("no {name}"),
        Some(Some(Value::String(text))) => format!("{name} {text}"),
        Some(Some(value)) => format!("{name} {value}"),
    }
}

fn list(words: &[String]) -> String {
    format!("[{}]", words.join(", "))
}

/// A duration as documents write it.
fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    let whole = |unit: u64| seconds.checked_rem(unit) == Some(0);
    let of = |unit: u64, name: &str| format!("{}{name}", seconds.checked_div(unit).unwrap_or_default());
    match seconds {
        _ if whole(86_400) => of(86_400, "d"),
        _ if whole(3_600) => of(3_600, "h"),
        _ if whole(60) => of(60, "m"),
        _ => format!("{seconds}s"),
    }
}
