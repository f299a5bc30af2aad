//! What each field of a rule and each requirement says of one request.

use std::net::IpAddr;

use regionguard::bundle::document::{Effect, IdentityNeed, Policy, Region, Requirement, Rule, StepUp, Words};
use regionguard::context::{Country, MaintenanceWindow};
use regionguard::identity::Subject;
use regionguard::policy::When;
use regionguard::reason::Reason;
use serde_json::Value;

use super::{Asked, device, when};
use crate::random::WHENS;

pub(super) fn governs(policy: &Policy, asked: &Asked<'_>) -> bool {
    if super::about::stands(policy, asked) == Some(false) {
        return false;
    }
    match &policy.hosts {
        None => true,
        Some(hosts) => hosts.iter().any(|host| host.matches(asked.authority)),
    }
}

pub(super) fn is_about(rule: &Rule, asked: &Asked<'_>) -> bool {
    let host = match &rule.hosts {
        None => true,
        Some(hosts) => hosts.iter().any(|host| host.matches(asked.authority)),
    };
    let method = match &rule.methods {
        None => true,
        Some(methods) => methods
            .iter()
            .any(|method| method == asked.method || method == "GET" && asked.method == "HEAD"),
    };
    let path = match &rule.paths {
        None => true,
        Some(paths) => paths.iter().any(|path| path.matches(asked.path).is_some()),
    };
    host && method && path
}

fn home(asked: &Asked<'_>) -> usize {
    match (asked.facts.subject, asked.facts.service) {
        (Some(subject), _) => subject.home.index(),
        (None, Some(home)) => home.index(),
        (None, None) => asked.facts.local.index(),
    }
}

pub(super) fn name_of<'a>(asked: &Asked<'a>, region: usize) -> &'a str {
    asked.facts.regions[region].name.as_str()
}

pub(super) fn holds(rule: &Rule, asked: &Asked<'_>) -> Option<bool> {
    all(&[
        Some(is_about_who_asks(rule, asked)),
        Some(home_holds(rule, asked)),
        source_holds(rule, asked),
        workload_holds(rule, asked),
        Some(has_words(
            &rule.permissions,
            &granted(asked, |subject| &subject.permissions),
        )),
        Some(has_words(&rule.roles, &granted(asked, |subject| &subject.roles))),
        rule.when
            .as_ref()
            .map_or(Some(true), |when| when::holds(when.source(), rule, asked)),
    ])
}

fn is_about_who_asks(rule: &Rule, asked: &Asked<'_>) -> bool {
    let is_deny = matches!(rule.effect, Effect::Deny(_));
    match rule.identity {
        IdentityNeed::Required => asked.facts.subject.is_some(),
        // A deny holds for a workload whatever token it shows; nothing lets in who shows one that is not valid.
        IdentityNeed::Workload => asked.facts.service.is_some() && (is_deny || !asked.facts.token_refused),
        IdentityNeed::None | IdentityNeed::Anybody => true,
    }
}

pub(super) fn all(values: &[Option<bool>]) -> Option<bool> {
    if values.contains(&Some(false)) {
        Some(false)
    } else if values.contains(&None) {
        None
    } else {
        Some(true)
    }
}

fn home_holds(rule: &Rule, asked: &Asked<'_>) -> bool {
    let home = name_of(asked, home(asked));
    rule.from
        .home_regions
        .as_ref()
        .is_none_or(|names| names.iter().any(|name| name == home))
}

fn source_holds(rule: &Rule, asked: &Asked<'_>) -> Option<bool> {
    let source = asked.facts.source;
    let region = match (&rule.from.source_regions, source.region) {
        (None, _) => Some(true),
        (Some(_), None) => None,
        (Some(names), Some(region)) => Some(names.contains(&name_of(asked, region.index()).to_owned())),
    };
    let network = match (&rule.from.networks, source.address) {
        (None, _) => Some(true),
        (Some(_), None) => None,
        (Some(networks), Some(address)) => Some(networks.iter().any(|network| network.contains(&plain(address)))),
    };
    let country = match (&rule.from.source_countries, source.country) {
        (None, _) => Some(true),
        (Some(_), None) => None,
        (Some(countries), Some(country)) => Some(countries.contains(&country)),
    };
    all(&[region, network, country])
}

fn workload_holds(rule: &Rule, asked: &Asked<'_>) -> Option<bool> {
    match (&rule.from.workloads, asked.facts.workload) {
        (None, _) => Some(true),
        (Some(_), None) => None,
        (Some(patterns), Some(workload)) => Some(patterns.iter().any(|pattern| pattern.matches(workload))),
    }
}

/// `::ffff:10.0.0.1` is 10.0.0.1.
fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

fn granted(asked: &Asked<'_>, list: fn(&Subject) -> &Vec<String>) -> Vec<String> {
    asked.facts.subject.map(list).cloned().unwrap_or_default()
}

fn has_words(words: &Words, granted: &[String]) -> bool {
    let any = words
        .any_of
        .as_ref()
        .is_none_or(|wanted| wanted.iter().any(|word| granted.contains(word)));
    let all = words
        .all_of
        .as_ref()
        .is_none_or(|wanted| wanted.iter().all(|word| granted.contains(word)));
    any && all
}

/// Whether the permissions that it demands are there without those that are granted for a time.
pub(super) fn needs_no_grant(rule: &Rule, asked: &Asked<'_>) -> bool {
    let mut held = granted(asked, |subject| &subject.permissions);
    let for_a_time = granted(asked, |subject| &subject.granted);
    held.retain(|word| !for_a_time.contains(word));
    has_words(&rule.permissions, &held)
}

/// Nothing in it hangs on who asks.
pub(super) fn matches_whoever_asks(rule: &Rule) -> bool {
    !matches!(rule.identity, IdentityNeed::Required | IdentityNeed::Workload)
        && rule.from.home_regions.is_none()
        && rule.permissions == Words::default()
        && rule.roles == Words::default()
        && !reads_token(rule)
}

/// Whether the condition of a rule hangs on the token.
pub(super) fn reads_token(rule: &Rule) -> bool {
    let source = rule.when.as_ref().map(When::source);
    WHENS
        .iter()
        .any(|known| known.reads_token && Some(known.source) == source)
}

pub(super) fn claim<'a>(asked: &Asked<'a>, name: &str) -> Option<&'a Value> {
    asked.facts.claims?.get(name)
}

pub(super) fn is_met(demand: &StepUp, asked: &Asked<'_>) -> bool {
    let now = asked.facts.at.unix_seconds();
    let acr = claim(asked, "acr").and_then(Value::as_str).unwrap_or_default();
    let by_acr = demand.acr.is_empty() || demand.acr.contains(&acr.to_owned());
    let by_age = match (demand.max_age, claim(asked, "auth_time").and_then(Value::as_i64)) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(most), Some(time)) => {
            let age = now.saturating_sub(time);
            (-30..=i64::try_from(most.as_secs()).unwrap()).contains(&age)
        }
    };
    by_acr && by_age
}

pub(super) fn unmet(requirement: &Requirement, asked: &Asked<'_>) -> Option<Reason> {
    match requirement {
        Requirement::Certificate => {
            let shown = match asked.facts.subject {
                Some(_) => asked.facts.certificate,
                None => asked.facts.service.is_some() && !asked.facts.token_refused,
            };
            (!shown).then_some(Reason::CertificateRequired)
        }
        Requirement::MultiFactor(wanted) => {
            let acr = claim(asked, "acr").and_then(Value::as_str);
            let amr: Option<Vec<&str>> = claim(asked, "amr")
                .and_then(Value::as_array)
                .and_then(|values| values.iter().map(Value::as_str).collect());
            let by_acr = acr.is_some_and(|acr| wanted.acr.contains(&acr.to_owned()));
            let by_amr = amr.is_some_and(|amr| amr.iter().any(|value| wanted.amr.contains(&(*value).to_owned())));
            (!by_acr && !by_amr).then_some(Reason::MultiFactorMissing)
        }
        Requirement::Device(check) => match asked.facts.device {
            Err(reason) => Some(reason),
            Ok(device) => device::unmet(check, device, asked.facts.at),
        },
        Requirement::Source(restriction) => {
            let region = asked.facts.source.region;
            let region = region.map(|region| name_of(asked, region.index()).to_owned());
            let country = asked.facts.source.country;
            // "Unknown never passes an allowed list, and no denied list either."
            let region_lists = [&restriction.allowed_regions, &restriction.denied_regions];
            if region_lists.iter().any(|list| list.is_some()) && region.is_none() {
                return Some(Reason::SourceUnknown);
            }
            let lists_it =
                |list: &Option<Vec<String>>| list.as_ref().map(|list| list.contains(region.as_ref().unwrap()));
            if lists_it(&restriction.allowed_regions) == Some(false)
                || lists_it(&restriction.denied_regions) == Some(true)
            {
                return Some(Reason::SourceRegionNotAllowed);
            }
            let country_lists = [&restriction.allowed_countries, &restriction.denied_countries];
            if country_lists.iter().any(|list| list.is_some()) && country.is_none() {
                return Some(Reason::SourceCountryUnknown);
            }
            let lists_it = |list: &Option<Vec<Country>>| list.as_ref().map(|list| list.contains(&country.unwrap()));
            (lists_it(&restriction.allowed_countries) == Some(false)
                || lists_it(&restriction.denied_countries) == Some(true))
            .then_some(Reason::SourceCountryNotAllowed)
        }
        Requirement::Hours(calendar) => {
            let open = calendar.is_open(asked.facts.at.unix_seconds());
            (!open).then_some(Reason::OutsideHours)
        }
        Requirement::Dates(span) => {
            let at = asked.facts.at;
            let early = span.from.is_some_and(|from| at < from);
            let late = span.until.is_some_and(|until| at >= until);
            (early || late).then_some(Reason::OutsideDates)
        }
        Requirement::Maintenance(windows) => {
            let at = asked.facts.at;
            let on = |window: &MaintenanceWindow| match window {
                MaintenanceWindow::Weekly(calendar) => calendar.is_open(at.unix_seconds()),
                MaintenanceWindow::Once(span) => {
                    span.from.is_none_or(|from| at >= from) && span.until.is_none_or(|until| at < until)
                }
            };
            windows.iter().any(on).then_some(Reason::Maintenance)
        }
        Requirement::BusinessHours => {
            let regions: &[Region] = asked.facts.regions;
            let Some(calendar) = &regions[home(asked)].calendar else {
                return Some(Reason::CalendarMissing);
            };
            let open = calendar.is_open(asked.facts.at.unix_seconds());
            (!open).then_some(Reason::OutsideBusinessHours)
        }
    }
}

/// The first condition that is not met, and how far down the list it stands.
pub(super) fn miss(rule: &Rule, asked: &Asked<'_>) -> (u8, Reason) {
    if !is_about_who_asks(rule, asked) {
        return (0, Reason::WorkloadNotMatched);
    }
    if !home_holds(rule, asked) {
        return (1, Reason::HomeNotMatched);
    }
    if source_holds(rule, asked) != Some(true) {
        return (2, Reason::SourceNotMatched);
    }
    if workload_holds(rule, asked) != Some(true) {
        return (3, Reason::WorkloadNotMatched);
    }
    let permissions = granted(asked, |subject| &subject.permissions);
    if !has_words(&rule.permissions, &permissions) {
        let elsewhere = granted(asked, |subject| &subject.elsewhere);
        let refused = granted(asked, |subject| &subject.refused);
        return if has_words(&rule.permissions, &[permissions.clone(), elsewhere].concat()) {
            (4, Reason::PermissionOtherRegion)
        } else if has_words(&rule.permissions, &[permissions, refused].concat()) {
            (4, Reason::PermissionNotAccepted)
        } else {
            (4, Reason::PermissionMissing)
        };
    }
    if !has_words(&rule.roles, &granted(asked, |subject| &subject.roles)) {
        return (5, Reason::RoleMissing);
    }
    (6, Reason::ConditionNotMet)
}
