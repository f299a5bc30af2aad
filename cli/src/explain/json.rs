//! An explanation, for programs.

use regionguard::engine::Explained;
use regionguard::policy::{Explanation, PolicySaid};
use serde_json::{Value, json};

use super::elsewhere::Others;
use super::rows::{self, Row};
use super::{Told, place};
use crate::trial::Found;

/// One object.
pub(super) fn json(told: &Told<'_>) -> Value {
    let Found {
        verdict,
        reason,
        by,
        decided_by,
        line,
        question,
        shadow,
        candidate,
        ..
    } = &told.found;
    let (before, weighed) = match &told.explained {
        Explained::Before(reason) => (Some(reason.code()), None),
        Explained::Weighed(explanation, refused) => (refused.map(|refused| refused.code()), Some(explanation)),
    };
    let others = weighed.map(|explanation| Others::of(told, explanation));
    let not_about = others.as_ref().map(|others| {
        let all = others.beside.iter().chain(&others.rules);
        all.map(|other| other.json("rule")).collect::<Vec<_>>()
    });
    let not_governing = others.as_ref().map(|others| {
        let all = others.policies.iter();
        all.map(|other| other.json("policy")).collect::<Vec<_>>()
    });
    json!({
        "verdict": verdict.as_str(),
        "reason": reason.map(|reason| reason.code()),
        "advice": reason.map(|reason| reason.row().advice),
        "status": told.found.status(),
        "by": by,
        "place": place(told.bundle, by),
        "decidedBy": decided_by,
        "line": line,
        "shadow": shadow,
        "candidate": candidate,
        "question": question,
        "stream": super::lasts(told).map(|lasts| lasts.word()),
        "refused": before,
        "assumed": told.assumed,
        "seen": weighed.map(|explanation| seen(explanation)),
        "policies": weighed.map(|explanation| policies(told, explanation)),
        "rules": weighed.map(|explanation| rules(told, explanation)),
        "opened": weighed.and_then(|explanation| explanation.opened.as_ref()).map(|(policy, reason)| {
            json!({"policy": policy, "reason": reason.code()})
        }),
        "notAbout": not_about,
        "notGoverning": not_governing,
    })
}

fn seen(explanation: &Explanation) -> Value {
    let seen = &explanation.seen;
    json!({
        "token": seen.subject.is_some(),
        "home": seen.home,
        "local": seen.local,
        "permissions": seen.subject.as_ref().map(|subject| &subject.permissions),
        "roles": seen.subject.as_ref().map(|subject| &subject.roles),
        "notAccepted": seen.subject.as_ref().map(|subject| &subject.refused),
        "elsewhere": seen.subject.as_ref().map(|subject| &subject.elsewhere),
        "granted": seen.subject.as_ref().map(|subject| &subject.granted),
        "login": seen.login.as_ref().map(|login| {
            json!({"acr": login.acr, "amr": login.amr, "auth_time": login.auth_time})
        }),
        "bound": seen.binding.map(|binding| {
            json!({"certificate": binding.certificate.is_some(), "key": binding.key.is_some()})
        }),
        "device": match (seen.subject.is_some(), seen.device) {
            (false, _) => Value::Null,
            (true, None) => "told".into(),
            (true, Some(reason)) => reason.code().into(),
        },
        "risk": {"score": seen.risk.score, "failures": seen.risk.failures},
        "certificate": seen.certificate,
        "workload": seen.workload,
        "address": seen.address.map(|address| address.to_string()),
        "sourceRegion": seen.source_region,
        "sourceCountry": seen.source_country,
    })
}

fn policies(told: &Told<'_>, explanation: &Explanation) -> Value {
    let policies = explanation.policies.iter().map(|policy| {
        let parts = rows::parts(told, explanation, &policy.name, None, &policy.parts);
        json!({
            "policy": policy.name,
            "shadow": policy.shadow,
            "default": if policy.default_allow { "allow" } else { "deny" },
            "defaultCounts": policy.default_counts,
            "conditions": parts.iter().map(Row::as_condition).collect::<Vec<_>>(),
            "requirements": requirements(told, explanation, policy),
        })
    });
    policies.collect()
}

fn requirements(told: &Told<'_>, explanation: &Explanation, policy: &PolicySaid) -> Value {
    let rows = rows::requirements(told, explanation, policy);
    let requirements = rows.iter().zip(&policy.requirements).map(|(row, requirement)| {
        let mut said = row.as_demand();
        said["met"] = requirement.shortfall.is_none().into();
        said["reason"] = requirement.shortfall.map(|reason| reason.code()).into();
        said["lifted"] = requirement.lifted.into();
        said
    });
    requirements.collect()
}

fn rules(told: &Told<'_>, explanation: &Explanation) -> Value {
    let rules = explanation.rules.iter().map(|rule| {
        let name = format!("{}/{}", rule.policy, rule.name);
        let conditions = rows::conditions(told, explanation, rule);
        let demands = rows::demands(rule);
        json!({
            "rule": name,
            "effect": rule.effect,
            "shadow": rule.shadow,
            "place": place(told.bundle, &name),
            "holds": rule.all.as_str(),
            "takesEffect": rule.takes_effect,
            "conditions": conditions.iter().map(Row::as_condition).collect::<Vec<_>>(),
            "demands": demands.iter().map(Row::as_demand).collect::<Vec<_>>(),
        })
    });
    rules.collect()
}
