//! An explanation, for people.

use regionguard::engine::Explained;
use regionguard::policy::{Explanation, Holds, PolicySaid, RuleSaid, Seen};
use regionguard::reason::Reason;

use super::{Told, place, written};
use crate::report::printable;
use crate::trial::Request;

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
    match &told.explained {
        Explained::Before(reason) => {
            said.push_str(&format!("\nrefused before any policy: {}\n", because(*reason)));
        }
        Explained::Weighed(explanation, refused) => said.push_str(&weighed(told, explanation, *refused)),
    }
    if let Some(line) = &told.found.line {
        said.push_str(&format!("\nline      {line}\n"));
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
    let mut said = who(&explanation.seen, refused);
    said.push_str("\nrequirements\n");
    if explanation.policies.iter().all(|policy| policy.requirements.is_empty()) {
        said.push_str("  none: no policy that governs this host has any\n");
    }
    for policy in &explanation.policies {
        said.push_str(&requirements(policy));
    }
    said.push_str("\nrules about this host, method and path\n");
    if explanation.rules.is_empty() {
        said.push_str("  none\n");
    }
    for rule in &explanation.rules {
        said.push_str(&conditions(told, &explanation.seen, rule));
    }
    if let Some((policy, reason)) = &explanation.opened {
        said.push_str(&format!("  {policy}/-  {}\n", because(*reason)));
    }
    for name in &explanation.beside {
        said.push_str(&format!(
            "  {name}  is not about this request: its `headers`, `query`, `grpc` or `upgrades` are not met\n"
        ));
    }
    let defaults = explanation.policies.iter().filter(|policy| policy.default_allow);
    for policy in defaults {
        said.push_str(&format!(
            "  {}/-  default: allow, to a valid token, once every requirement is met and nothing else decides\n",
            policy.name
        ));
    }
    said
}

fn who(seen: &Seen, refused: Option<Reason>) -> String {
    let home = seen.home.as_deref().unwrap_or("?");
    let mut said = match (&seen.subject, refused) {
        (Some(subject), _) => {
            let list = |words: &[String]| match words {
                [] => "none".to_owned(),
                words => words.join(", "),
            };
            let mut said = format!(
                "who       a valid token of {home}; permissions: {}",
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
            said.push_str(&format!("; roles: {}\n", list(&subject.roles)));
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

fn requirements(policy: &PolicySaid) -> String {
    let each = policy.requirements.iter().map(|requirement| {
        let outcome = match requirement.shortfall {
            None => "met".to_owned(),
            Some(_) if requirement.lifted => "lifted by a public rule of the policy".to_owned(),
            Some(reason) => format!("NOT MET: {}", because(reason)),
        };
        let shadow = if policy.shadow { " (shadow: reported only)" } else { "" };
        format!("  {}{shadow}  {}: {outcome}\n", policy.name, requirement.field)
    });
    each.collect()
}

fn conditions(told: &Told<'_>, seen: &Seen, rule: &RuleSaid) -> String {
    let name = format!("{}/{}", rule.policy, rule.name);
    let at = place(told.bundle, &name)
        .map(|place| format!("  {place}"))
        .unwrap_or_default();
    let outcome = match (rule.all, rule.takes_effect) {
        (Holds::Yes, true) => "matches",
        (Holds::Unknown, true) => "counts as a match: what it looks at cannot be told",
        (Holds::Unknown, false) => "does not match: what it looks at cannot be told",
        _ => "does not match",
    };
    let shadow = if rule.shadow { " (shadow: reported only)" } else { "" };
    let mut said = format!("  {name}{shadow}  {}: {outcome}{at}\n", rule.effect);
    let document = written::rule(told.bundle, &name);
    for (field, holds) in &rule.conditions {
        let wanted = written::wanted(document, field);
        // What restricts nothing is not worth a line.
        if wanted.is_none() && *holds == Holds::Yes {
            continue;
        }
        let wanted = wanted.unwrap_or_else(|| match *field {
            "about" => "whether it is about this request cannot be told".to_owned(),
            _ => "a valid token".to_owned(),
        });
        let found = written::found(seen, field)
            .map(|found| format!("; found: {found}"))
            .unwrap_or_default();
        said.push_str(&format!("    {:<9} {field}: {wanted}{found}\n", holds.as_str()));
    }
    said
}
