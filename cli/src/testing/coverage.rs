//! Which rules decided something.

use regionguard::reason::Reason;
use serde_json::Value;

use crate::documents::deciders;
use crate::trial::{Found, Verdict};

/// How often each rule decided.
pub(crate) struct Coverage {
    /// `policy/rule`, in the order of the documents.
    pub(super) rules: Vec<(String, usize)>,
}

impl Coverage {
    /// Of the rules of `bundle`, before anything was tried.
    pub(crate) fn new(bundle: &Value) -> Self {
        Self {
            rules: deciders(bundle).0.into_iter().map(|rule| (rule, 0)).collect(),
        }
    }

    /// Counts who decided this.
    pub(crate) fn add(&mut self, found: &Found) {
        // A rule in shadow mode decides nothing but what is told of it.
        let shadow = found.shadow.as_deref().and_then(tried);
        let enforced = decided(found).then_some(found.by.as_str());
        for decider in enforced.into_iter().chain(shadow) {
            if let Some((_, count)) = self.rules.iter_mut().find(|(rule, _)| rule == decider) {
                *count += 1;
            }
        }
    }

    /// Whether it has this rule, and the rule decided nothing; `None`: it has none of this name.
    pub(crate) fn misses(&self, decider: &str) -> Option<bool> {
        let (_, count) = self.rules.iter().find(|(rule, _)| rule == decider)?;
        Some(*count == 0)
    }

    /// The rules that decided nothing.
    pub(crate) fn missing(&self) -> impl Iterator<Item = &str> {
        let never = self.rules.iter().filter(|(_, count)| *count == 0);
        never.map(|(rule, _)| rule.as_str())
    }

    /// How many rules decided.
    pub(super) fn reached(&self) -> usize {
        self.rules.len() - self.missing().count()
    }

    /// In percent, rounded down; all of none.
    pub(super) fn percent(&self) -> usize {
        (self.reached() * 100).checked_div(self.rules.len()).unwrap_or(100)
    }

    /// Whether at least this percentage of the rules decided.
    pub(super) fn reaches(&self, wanted: u8) -> bool {
        self.reached() * 100 >= usize::from(wanted) * self.rules.len()
    }
}

/// Whether the rule that is named did it: a refusal by nothing but the lack of a rule names the one that came nearest.
fn decided(found: &Found) -> bool {
    match found.verdict {
        Verdict::Allow | Verdict::StepUp | Verdict::Defer => true,
        Verdict::Deny => matches!(
            found.reason,
            Some(
                Reason::RuleDenied
                    | Reason::ConditionUnknown
                    | Reason::CenterDenied
                    | Reason::CenterUnavailable
                    | Reason::CenterError
            )
        ),
    }
}

/// What decided a line of what is tried.
fn tried(line: &str) -> Option<&str> {
    let mut fields = line.split(';');
    let (verdict, reason, decider) = (fields.next()?, fields.next()?, fields.next()?);
    let refused = [Reason::RuleDenied, Reason::ConditionUnknown, Reason::StepUpRequired];
    (verdict != "deny" || refused.iter().any(|refused| refused.code() == reason)).then_some(decider)
}

/// The path of a rule (`policy/rule`) in the bundle.
pub(crate) fn path_of(bundle: &Value, decider: &str) -> Option<String> {
    let (policy, rule) = decider.split_once('/')?;
    let documents = bundle.get("documents")?.as_array()?;
    let is_it = |document: &Value| {
        let kind = document.get("kind").and_then(Value::as_str);
        let name = document.pointer("/metadata/name").and_then(Value::as_str);
        kind == Some("ZeroTrustPolicy") && name == Some(policy)
    };
    let document = documents.iter().position(is_it)?;
    let rules = documents.get(document)?.pointer("/spec/rules")?.as_array()?;
    let named = |found: &Value| found.get("name").and_then(Value::as_str) == Some(rule);
    let rule = rules.iter().position(named)?;
    Some(format!("documents[{document}].spec.rules[{rule}].name"))
}
