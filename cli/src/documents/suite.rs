//! PolicyTest documents: read beside a bundle, and judged by what it has.

use std::collections::HashMap;

use regionguard::bundle::policy_test::{self, Known, PolicyTest};
use serde_json::Value;

use super::Loaded;
use super::budget::Budget;
use super::bundle;
use super::node::{Node, Sources, Span};
use crate::problem::{Place, Problem, Severity};

/// A PolicyTest without an error.
#[derive(Debug)]
pub(crate) struct Suite {
    /// What it says.
    pub(crate) test: PolicyTest,
    tree: Node,
    sources: Sources,
}

impl Suite {
    /// Where the field at `path` of the document stands, or the nearest thing around it.
    pub(crate) fn place(&self, path: &str) -> Option<Place> {
        bundle::place(&self.tree, path, &self.sources)
    }

    /// A warning about the field at `path`.
    pub(crate) fn warning(&self, code: &'static str, path: &str, message: String, help: String) -> Problem {
        Problem {
            severity: Severity::Warning,
            code,
            message,
            help: Some(help),
            document: Some(format!("PolicyTest {}", self.test.name)),
            field: path.to_owned(),
            place: self.place(path),
            related: None,
        }
    }

    /// The texts that stand without quotes, each with its path.
    pub(crate) fn plain_texts(&self) -> Vec<(String, String)> {
        bundle::plain_texts(&self.tree, &self.sources)
    }

    /// The name of its file.
    pub(crate) fn file(&self) -> &str {
        let source = self.sources.0.get(self.tree.span.file);
        source.map_or("", |source| source.name.as_str())
    }
}

/// What may decide in a bundle, as the decision line names it: each rule, in the order in which they stand, then policies by a requirement or their default, and
/// nothing at all.
pub(crate) fn deciders(bundle: &Value) -> (Vec<String>, Vec<String>) {
    let documents = bundle.get("documents").and_then(Value::as_array);
    let policies = documents.into_iter().flatten().filter_map(|document| {
        let is_policy = document.get("kind").and_then(Value::as_str) == Some("ZeroTrustPolicy");
        let name = document.pointer("/metadata/name")?.as_str()?;
        is_policy.then_some((name, document))
    });
    let (mut rules, mut others) = (Vec::new(), Vec::new());
    for (name, policy) in policies {
        let own = policy.pointer("/spec/rules").and_then(Value::as_array);
        let names = own.into_iter().flatten().filter_map(|rule| rule.get("name")?.as_str());
        rules.extend(names.map(|rule| format!("{name}/{rule}")));
        others.push(format!("{name}/-"));
    }
    others.push("-/-".to_owned());
    (rules, others)
}

/// In how many names, those of all rules for each PolicyTest with errors, it is looked for what was probably meant.
const COMPARED: usize = 40_000;

/// Reads the PolicyTests among the documents that were found; `bundle` is what stands beside them, if that has no errors.
pub(super) fn read(
    trees: Vec<Node>,
    bundle: Option<&Loaded>,
    sources: &Sources,
    problems: &mut Vec<Problem>,
    budget: &Budget,
) -> Vec<Suite> {
    let (rules, others) = bundle.map(|bundle| deciders(&bundle.value)).unwrap_or_default();
    let mut deciders: Vec<&str> = rules.iter().chain(&others).map(String::as_str).collect();
    deciders.sort_unstable();
    let regions: Vec<&str> = bundle
        .map(|bundle| bundle.generation.regions.as_slice())
        .unwrap_or_default()
        .iter()
        .map(|region| region.name.as_str())
        .collect();
    let devices = bundle
        .map(|bundle| bundle.generation.devices.list.as_slice())
        .unwrap_or_default();
    let devices: Vec<&str> = devices.iter().map(|issuer| issuer.name.as_str()).collect();
    let mut known = Known {
        regions: &regions,
        device_issuers: &devices,
        deciders: &deciders,
        suggests: true,
    };
    let mut names: HashMap<String, Span> = HashMap::new();
    let mut wrong = 0;
    let mut suites = Vec::new();
    for tree in trees {
        if budget.is_spent(problems) {
            break;
        }
        let read = policy_test::read(tree.to_json().to_string().as_bytes(), bundle.map(|_| &known));
        wrong += usize::from(read.is_err());
        known.suggests = wrong * deciders.len() < COMPARED;
        let (test, diagnostics) = match read {
            Ok((test, warnings)) => (Some(test), warnings),
            Err(all) => (None, all),
        };
        let own = diagnostics
            .iter()
            .filter(|diagnostic| !tree.find(&diagnostic.path).reported);
        problems.extend(own.map(|diagnostic| bundle::problem(diagnostic, &tree, sources)));
        let Some(test) = test else { continue };
        let name = tree.find("metadata.name").node.span.clone();
        if let Some(first) = names.get(&test.name) {
            let message = format!("another PolicyTest has the name `{}`", test.name);
            let problem = Problem::error("invalid", sources.place(&name), message);
            let problem = Problem {
                document: Some(format!("PolicyTest {}", test.name)),
                field: "metadata.name".to_owned(),
                ..problem
            };
            problems.push(match sources.place(first) {
                Some(first) => problem.related(first, "the other one"),
                None => problem,
            });
            continue;
        }
        names.insert(test.name.clone(), name);
        suites.push(Suite {
            test,
            tree,
            sources: sources.clone(),
        });
    }
    suites
}
