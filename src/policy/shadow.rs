//! What is in shadow mode: found with all else, and set aside before anything is decided.

use super::about::Notes;
use super::compile::PolicySet;
use super::index::Candidates;

/// What was found for a request, before what is in shadow mode was taken out.
#[derive(Debug, Default)]
pub(super) struct Whole {
    rules: Vec<super::RuleRef>,
    policies: Vec<super::PolicyRef>,
    notes: Notes,
}

impl PolicySet {
    /// Whether any policy or rule is in shadow mode.
    #[must_use]
    pub fn has_shadow(&self) -> bool {
        self.has_shadow
    }

    /// Takes what is in shadow mode out of `candidates`, and keeps them whole beside that.
    pub(super) fn set_aside(&self, candidates: &mut Candidates) {
        let in_shadow = |candidates: &Candidates| {
            self.found(candidates).any(|(_, rule)| rule.shadow)
                || self.governing(candidates).any(|(_, policy)| policy.shadow)
        };
        candidates.whole = in_shadow(candidates).then(|| Whole {
            rules: candidates.rules.clone(),
            policies: candidates.policies.clone(),
            notes: candidates.notes.clone(),
        });
        if candidates.whole.is_some() {
            let enforced = |rule: &super::RuleRef| self.rule(*rule).is_some_and(|rule| !rule.shadow);
            candidates.rules.retain(enforced);
            let enforced = |policy: &super::PolicyRef| self.policy(*policy).is_some_and(|policy| !policy.shadow);
            candidates.policies.retain(enforced);
            candidates.notes.retain(enforced);
        }
    }
}

impl Candidates {
    /// What would be found if everything in shadow mode were enforced; `None` where nothing of it is about the request.
    #[must_use]
    pub fn with_shadow(&self) -> Option<Self> {
        let whole = self.whole.as_ref()?;
        Some(Self {
            rules: whole.rules.clone(),
            policies: whole.policies.clone(),
            notes: whole.notes.clone(),
            ..Self::default()
        })
    }
}
