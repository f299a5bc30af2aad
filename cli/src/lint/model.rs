//! A bundle as the lints look at it: its documents, each with its place and as it was written.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use regionguard::bundle::document::{Bundle, Effect, Policy, Region, Rule};
use regionguard::request::HostPattern;
use serde_json::Value;

use super::{Lint, comment};
use crate::documents::Loaded;
use crate::problem::Problem;

/// The bundle, and what was found in its policies: in those that are in force, or in those of its candidate.
pub(super) struct Model<'m> {
    pub(super) bundle: &'m Bundle,
    pub(super) rules: Vec<RuleAt<'m>>,
    pub(super) policies: Vec<Rc<PolicyAt<'m>>>,
    pub(super) loaded: &'m Loaded,
    /// Home regions, and the permissions that are granted to some of their subjects.
    pub(super) granted: HashSet<(&'m str, &'m str)>,
    documents: Documents<'m>,
    problems: Vec<Problem>,
}

/// A policy.
pub(super) struct PolicyAt<'m> {
    pub(super) policy: &'m Policy,
    /// `documents[2].spec`.
    pub(super) path: String,
    /// Its `spec`, as it was written.
    pub(super) written: &'m Value,
}

/// A rule.
pub(super) struct RuleAt<'m> {
    pub(super) rule: &'m Rule,
    pub(super) policy: Rc<PolicyAt<'m>>,
    /// `documents[2].spec.rules[0]`.
    pub(super) path: String,
    /// As it was written.
    pub(super) written: &'m Value,
}

/// A list of documents as it was written.
struct Documents<'m> {
    /// `documents` or `candidate.documents`.
    path: &'static str,
    written: Option<&'m Vec<Value>>,
    /// By kind and name.
    indexes: HashMap<(&'m str, &'m str), usize>,
}

impl<'m> Documents<'m> {
    fn new(path: &'static str, written: Option<&'m Value>) -> Self {
        let written = written.and_then(Value::as_array);
        let mut indexes = HashMap::new();
        for (index, document) in written.into_iter().flatten().enumerate() {
            let text = |value: Option<&'m Value>| value.and_then(Value::as_str);
            let name = document.get("metadata").and_then(|metadata| metadata.get("name"));
            if let (Some(kind), Some(name)) = (text(document.get("kind")), text(name)) {
                indexes.insert((kind, name), index);
            }
        }
        Self { path, written, indexes }
    }

    /// The path of the `spec` of a document, and what is written there.
    fn spec(&self, kind: &str, name: &str) -> Option<(String, Option<&'m Value>)> {
        let index = self.indexes.get(&(kind, name)).copied()?;
        let written = self.written.and_then(|documents| documents.get(index)?.get("spec"));
        Some((format!("{}[{index}].spec", self.path), written))
    }
}

impl<'m> Model<'m> {
    /// What is in force.
    pub(super) fn enforced(loaded: &'m Loaded, bundle: &'m Bundle) -> Self {
        let documents = Documents::new("documents", loaded.value.get("documents"));
        Self::new(loaded, bundle, documents, &bundle.policies)
    }

    /// What the bundle tries.
    pub(super) fn tried(loaded: &'m Loaded, bundle: &'m Bundle) -> Option<Self> {
        let candidate = bundle.candidate.as_ref()?;
        let written = loaded.value.get("candidate")?;
        let documents = Documents::new("candidate.documents", written.get("documents"));
        Some(Self::new(loaded, bundle, documents, &candidate.policies))
    }

    fn new(loaded: &'m Loaded, bundle: &'m Bundle, documents: Documents<'m>, policies: &'m [Policy]) -> Self {
        let grants = bundle.grants.iter().flat_map(|document| &document.grants);
        let granted = grants.flat_map(|grant| {
            let permissions = grant.permissions.iter().map(String::as_str);
            permissions.map(|permission| (grant.home.as_str(), permission))
        });
        let granted = granted.collect();
        let mut model = Self {
            bundle,
            rules: Vec::new(),
            policies: Vec::new(),
            loaded,
            granted,
            documents,
            problems: Vec::new(),
        };
        for policy in policies {
            model.policy(policy);
        }
        model
    }

    fn policy(&mut self, policy: &'m Policy) {
        let Some((path, written)) = self.documents.spec("ZeroTrustPolicy", &policy.name) else {
            return;
        };
        let policy = Rc::new(PolicyAt {
            policy,
            path,
            written: written.unwrap_or(&Value::Null),
        });
        for (number, rule) in policy.policy.rules.iter().enumerate() {
            let written = policy.written.get("rules").and_then(|rules| rules.get(number));
            self.rules.push(RuleAt {
                rule,
                policy: Rc::clone(&policy),
                path: format!("{}.rules[{number}]", policy.path),
                written: written.unwrap_or(&Value::Null),
            });
        }
        self.policies.push(policy);
    }

    /// The path of the `spec` of a document.
    pub(super) fn spec(&self, kind: &str, name: &str) -> Option<String> {
        Some(self.documents.spec(kind, name)?.0)
    }

    /// Whether some proxy has both policies: each says in which Regions it governs.
    pub(super) fn stand_together(&self, one: &Policy, other: &Policy) -> bool {
        let governs = |policy: &Policy, region: &String| {
            let named = policy.place.regions.as_ref();
            named.is_none_or(|named| named.contains(region))
        };
        match &self.bundle.region {
            Some(local) => governs(one, local) && governs(other, local),
            None => match &one.place.regions {
                Some(named) => named.iter().any(|region| governs(other, region)),
                None => true,
            },
        }
    }

    /// The Regions that may be the local one.
    pub(super) fn locals(&self) -> impl Iterator<Item = &'m Region> + use<'m> {
        let local = self.bundle.region.as_deref();
        self.bundle
            .regions
            .iter()
            .filter(move |region| local.is_none_or(|local| region.name == local))
    }

    /// Says that `lint` was found at `path`, unless a comment there allows it.
    pub(super) fn say(&mut self, lint: &'static Lint, path: &str, message: impl Into<String>) {
        self.say_with(lint, path, message, None);
    }

    /// As [`Self::say`], with another place that has to do with it, and what that is.
    pub(super) fn say_with(
        &mut self,
        lint: &'static Lint,
        path: &str,
        message: impl Into<String>,
        related: Option<(&str, String)>,
    ) {
        let whole = enclosing_rule(path);
        if comment::allows(lint.id, self.loaded.place(path).as_ref())
            || comment::allows(lint.id, whole.and_then(|rule| self.loaded.place(rule)).as_ref())
        {
            return;
        }
        let problem = self.loaded.warning(lint.id, path, message.into(), lint.help.to_owned());
        let related = related.and_then(|(path, what)| Some((self.loaded.place(path)?, what)));
        self.problems.push(Problem { related, ..problem });
    }

    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }
}

/// `documents[2].spec.rules[0]` of a path below it.
fn enclosing_rule(path: &str) -> Option<&str> {
    let at = path.find(".rules[")?;
    let end = path.get(at..)?.find(']')?;
    path.get(..at + end + 1)
}

impl<'m> RuleAt<'m> {
    /// `policy/rule`.
    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.policy.policy.name, self.rule.name)
    }

    /// The hosts that it names, or else those that its policy governs; `None`: every host.
    pub(super) fn hosts(&self) -> Option<&'m [HostPattern]> {
        let own = self.rule.hosts.as_deref();
        own.or(self.policy.policy.hosts.as_deref())
    }

    /// Its condition, as it was written.
    pub(super) fn when(&self) -> Option<&'m str> {
        self.written.get("when").and_then(Value::as_str)
    }

    /// Whether a request that it matches may go on because of it.
    pub(super) fn lets_in(&self) -> bool {
        matches!(self.rule.effect, Effect::Allow | Effect::Defer(_))
    }

    /// Whether it only reports.
    pub(super) fn is_shadow(&self) -> bool {
        let is_shadow = |written: &Value| written.get("mode").and_then(Value::as_str) == Some("shadow");
        is_shadow(self.written) || is_shadow(self.policy.written)
    }
}
