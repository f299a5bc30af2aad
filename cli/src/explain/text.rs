//! An explanation, for people.

use regionguard::engine::Explained;
use regionguard::policy::{Explanation, Holds, PolicySaid, RuleSaid, Seen};
use regionguard::reason::Reason;

use super::elsewhere::{Elsewhere, Others};
use super::rows::{self, Row};
use super::{Told, place, written};
use crate::documents::Loaded;
use crate::report::printable;
use crate::trial::Request;

/// How many rules about something else are told to people.
const OTHERS: usize = 20;

/// Several lines: the verdict first, then why.
pub(super) fn text(told: &Told<'_>) -> String {
    let mut said = verdict(told);
    let Request {
        method,
        scheme,
        host,
        path,
        ..
    } = &told.trial.request;
    said.push_str(&format!("\nrequest   {method} {scheme}://{host}{path}\n"));
    for assumed in &told.assumed {
        said.push_str(&format!("assumed   {assumed}\n"));
    }
    if let Some(lasts) = super::lasts(told) {
        said.push_str(&format!("stream    {}\n", lasts.text()));
    }
    match &told.explained {
        Explained::Before(reason) => {
            said.push_str(&format!("\nrefused before any policy: {}\n", because(*reason)));
        }
        Explained::Weighed(explanation, refused) => said.push_str(&weighed(told, explanation, *refused)),
    }
    if let Some(line) = &told.found.line {
        said.push_str(&format!("\nline      {line}\n"));
    }
    for (by, line) in [("shadow", &told.found.shadow), ("candidate", &told.found.candidate)] {
        if let Some(line) = line {
            said.push_str(&format!("{by:<9} {line}\n"));
        }
    }
    if let Some(question) = &told.found.question {
        said.push_str(&format!("\nthe center is asked:\n{question:#}\n"));
    }
    // Claims, headers and paths may hold anything.
    said.lines().map(|line| printable(line) + "\n").collect()
}

fn verdict(told: &Told<'_>) -> String {
    let found = &told.found;
    let status = found.status().map(|status| format!(" {status}")).unwrap_or_default();
    let at = place(told.bundle, &found.by)
        .map(|place| format!(" ({place})"))
        .unwrap_or_default();
    let by = match found.by.as_str() {
        "-/-" => String::new(),
        by => format!(", by `{by}`{at}"),
    };
    match found.reason {
        Some(reason) => format!(
            "{}{status}: {}{by}\n          {}\n",
            found.verdict.as_str(),
            reason.code(),
            reason.row().advice
        ),
        None => format!(
            "{}{by}: the center decides; `--center allow` (or `deny`, `away`, `wrong`) says what it answers\n",
            found.verdict.as_str()
        ),
    }
}

fn because(reason: Reason) -> String {
    format!("{}: {}", reason.code(), reason.row().advice)
}

fn weighed(told: &Told<'_>, explanation: &Explanation, refused: Option<Reason>) -> String {
    let others = Others::of(told, explanation);
    let mut said = who(told.bundle, &explanation.seen, refused);
    said.push_str("\nrequirements\n");
    let is_silent = |policy: &PolicySaid| policy.requirements.is_empty() && policy.parts.is_empty();
    if explanation.policies.iter().all(is_silent) {
        said.push_str("  none: no policy that governs this host has any\n");
    }
    for policy in &explanation.policies {
        said.push_str(&requirements(told, explanation, policy));
    }
    for policy in &others.policies {
        said.push_str(&format!(
            "  {}  does not govern this: {}\n",
            policy.name,
            because_of(policy)
        ));
    }
    said.push_str("\nrules about this host, method and path\n");
    if explanation.rules.is_empty() && others.beside.is_empty() {
        said.push_str("  none\n");
    }
    for rule in &explanation.rules {
        said.push_str(&conditions(told, explanation, rule));
    }
    if let Some((policy, reason)) = &explanation.opened {
        said.push_str(&format!("  {policy}/-  {}\n", because(*reason)));
    }
    for rule in &others.beside {
        said.push_str(&format!(
            "  {}  is not about this request{}\n",
            rule.name,
            at(&rule.place)
        ));
        for row in &rule.rows {
            said.push_str(&format!("    {:<9} {}\n", row.holds.as_str(), row.text()));
        }
    }
    let defaults = explanation.policies.iter().filter(|policy| policy.default_allow);
    for policy in defaults {
        let counts = match policy.default_counts {
            true => "to a valid token, once every requirement is met and nothing else decides",
            false => {
                "which does not count: not for an upgrade, and not where nobody can tell whether the policy stands here"
            }
        };
        said.push_str(&format!("  {}/-  default: allow, {counts}\n", policy.name));
    }
    if !others.rules.is_empty() {
        said.push_str("\nrules about something else\n");
    }
    for rule in others.rules.iter().take(OTHERS) {
        said.push_str(&format!("  {}  {}{}\n", rule.name, because_of(rule), at(&rule.place)));
    }
    if let Some(more) = others.rules.len().checked_sub(OTHERS).filter(|more| *more > 0) {
        said.push_str(&format!("  and {more} more: `--format json` has them all\n"));
    }
    said
}

/// To what the token is bound.
fn bound(seen: &Seen) -> &'static str {
    let binding = seen.binding.unwrap_or_default();
    match (binding.certificate.is_some(), binding.key.is_some()) {
        (false, false) => "no: whoever has the token may use it",
        (true, false) => "to the certificate that the sender has shown",
        (false, true) => "to a key, of which the sender has shown a proof (DPoP)",
        (true, true) => {
            "to the certificate that the sender has shown, and to a key of which it has shown a proof (DPoP)"
        }
    }
}

/// Where something stands.
fn at(place: &Option<String>) -> String {
    place.as_ref().map(|place| format!("  {place}")).unwrap_or_default()
}

/// Why something has no say.
fn because_of(other: &Elsewhere) -> String {
    let rows: Vec<String> = other.rows.iter().map(Row::text).collect();
    rows.join("; ")
}

fn who(bundle: &Loaded, seen: &Seen, refused: Option<Reason>) -> String {
    let home = seen.home.as_deref().unwrap_or("?");
    let mut said = match (&seen.subject, refused) {
        (Some(subject), _) => {
            let list = |words: &[String]| match words {
                [] => "none".to_owned(),
                words => words.join(", "),
            };
            let mut said = format!(
                "who       a valid token of {home}; {}: {}",
                written::mapped(bundle, seen.home.as_deref(), "permissions"),
                list(&subject.permissions)
            );
            for (words, what) in [
                (&subject.granted, "of these granted for a time"),
                (&subject.refused, "not accepted here"),
                (&subject.elsewhere, "for other regions only"),
            ] {
                if !words.is_empty() {
                    said.push_str(&format!("; {what}: {}", list(words)));
                }
            }
            let roles = written::mapped(bundle, seen.home.as_deref(), "roles");
            said.push_str(&format!("; {roles}: {}\n", list(&subject.roles)));
            said.push_str(&format!("bound     {}\n", bound(seen)));
            said
        }
        (None, Some(reason)) => format!("who       a token that is not valid here: {}\n", because(reason)),
        (None, None) if seen.service => format!("who       a workload of {home} that counts, without a token\n"),
        (None, None) => "who       nobody: no token\n".to_owned(),
    };
    if let Some(workload) = &seen.workload {
        said.push_str(&format!("peer      {workload}\n"));
    }
    if seen.address.is_some() || seen.source_region.is_some() || seen.source_country.is_some() {
        said.push_str(&format!("source    {}\n", written::source(seen)));
    }
    said.push_str(&format!("local     {}\n", seen.local.as_deref().unwrap_or("?")));
    said
}

fn requirements(told: &Told<'_>, explanation: &Explanation, policy: &PolicySaid) -> String {
    let shadow = if policy.shadow { " (shadow: reported only)" } else { "" };
    let rows = rows::requirements(told, explanation, policy);
    let mut said = String::new();
    for (row, requirement) in rows.iter().zip(&policy.requirements) {
        let outcome = match requirement.shortfall {
            None => "met".to_owned(),
            Some(_) if requirement.lifted => {
                "lifted by a public rule of the policy, or by its preflight or probe".to_owned()
            }
            Some(reason) if row.holds == Holds::Unknown => format!("UNKNOWN, so not met: {}", reason.code()),
            Some(reason) => format!("NOT MET: {}", reason.code()),
        };
        said.push_str(&format!(
            "  {}{shadow}  {}: {outcome}\n",
            policy.name, requirement.field
        ));
        let of = |what: &str, text: &Option<String>| text.as_ref().map(|text| format!("{what}: {text}"));
        let both: Vec<String> = [of("wanted", &row.wanted), of("found", &row.found)]
            .into_iter()
            .flatten()
            .collect();
        said.push_str(&format!("    {}\n", both.join("; ")));
    }
    for row in rows::parts(told, explanation, &policy.name, None, &policy.parts) {
        said.push_str(&format!(
            "  {}{shadow}  {}: {}\n",
            policy.name,
            row.holds.as_str(),
            row.text()
        ));
    }
    said
}

fn conditions(told: &Told<'_>, explanation: &Explanation, rule: &RuleSaid) -> String {
    let name = format!("{}/{}", rule.policy, rule.name);
    let demands = rows::demands(rule);
    let is_met = demands.iter().all(|demand| demand.holds == Holds::Yes);
    let outcome = match (rule.all, rule.takes_effect) {
        (Holds::Yes, true) => "matches",
        (Holds::Unknown, true) => "counts as a match: what it looks at cannot be told",
        (Holds::Unknown, false) => "does not match: what it looks at cannot be told",
        _ => "does not match",
    };
    let outcome = match (rule.effect, rule.takes_effect) {
        ("stepUp", true) if is_met => format!("{outcome}, and is met"),
        ("stepUp", true) => format!("{outcome}, and is NOT MET: the login does not do"),
        _ => outcome.to_owned(),
    };
    let shadow = if rule.shadow { " (shadow: reported only)" } else { "" };
    let place = at(&place(told.bundle, &name));
    let mut said = format!("  {name}{shadow}  {}: {outcome}{place}\n", rule.effect);
    for row in rows::conditions(told, explanation, rule) {
        said.push_str(&format!("    {:<9} {}\n", row.holds.as_str(), row.text()));
    }
    for row in &demands {
        said.push_str(&format!("    {:<9} {}\n", rows::met(row.holds), row.text()));
    }
    said
}
