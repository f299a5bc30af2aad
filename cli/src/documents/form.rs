//! What a YAML document is: the head of a bundle, a document of one, or what is applied and holds a bundle.

use super::budget::{Budget, stopped};
use super::embedded;
use super::node::{Data, Member, Node, Sources};
use super::yaml::{self, Text, shown};
use crate::problem::{Place, Problem, Severity};

/// What was found in the files.
#[derive(Default)]
pub(super) struct Found {
    /// Objects without `kind`: `region`, `metadata`, `trust`, `tokens`, `documents`.
    pub(super) heads: Vec<Node>,
    /// Objects with `kind` that stand by themselves.
    pub(super) documents: Vec<Node>,
    /// Those of them that test others, and are in no bundle.
    pub(super) tests: Vec<Node>,
}

/// The kinds that are documents of a bundle, in this version or a later one.
pub(super) const KINDS: [&str; 6] = [
    "Region",
    "ZeroTrustPolicy",
    "DeviceIssuer",
    "Revocations",
    "Grants",
    "PolicyTest",
];

/// What only an object in a Kubernetes API has in its `metadata`.
const KUBERNETES: [&str; 10] = [
    "namespace",
    "labels",
    "annotations",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "managedFields",
    "ownerReferences",
    "finalizers",
];

/// What is right where somebody takes a document for an object of Kubernetes.
const NO_RESOURCES: &str = "documents are files, not custom resources: leave what is Kubernetes' out, and apply what `regionguard render` makes of the folder";

/// Reads the file and adds what it holds; `false` where not all of it could be read.
pub(super) fn read(
    file: usize,
    sources: &Sources,
    found: &mut Found,
    problems: &mut Vec<Problem>,
    budget: &mut Budget,
) -> bool {
    let Some(source) = sources.0.get(file) else {
        return true;
    };
    if source.name.to_ascii_lowercase().ends_with(".json")
        && let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&source.text)
    {
        problems.push(not_json(&error, source));
        return false;
    }
    let text = Text {
        text: &source.text,
        file,
        to_file: &|bytes| bytes,
    };
    let read = yaml::read(&text, sources, problems, budget);
    if budget.is_stopped() {
        return false;
    }
    let empty = read
        .roots
        .iter()
        .all(|root| matches!(root.value, Data::Null) && !root.reported);
    if empty && read.complete {
        let problem = Problem::error("empty", Some(Place::whole(source)), "the file holds no document");
        problems.push(problem.help("write one, or take the file away"));
    }
    let mut reading = Reading {
        sources,
        found,
        problems,
        budget,
        file,
        complete: read.complete,
    };
    for root in read.roots {
        if reading.budget.is_stopped() {
            break;
        }
        reading.root(root, Around::File);
    }
    reading.complete
}

/// Whether a CustomResourceDefinition is about documents.
fn is_ours(definition: &Node) -> bool {
    let group = definition.member("spec").and_then(|spec| spec.member("group"));
    group.and_then(Node::text) == Some("security.io")
}

fn not_json(error: &serde_json::Error, source: &std::rc::Rc<crate::problem::Source>) -> Problem {
    let line: usize = source
        .text
        .split_inclusive('\n')
        .take(error.line().saturating_sub(1))
        .map(str::len)
        .sum();
    let at = (line + error.column().saturating_sub(1)).min(source.text.len());
    let at = (0..=at).rev().find(|at| source.text.is_char_boundary(*at)).unwrap_or(0);
    let place = Place {
        source: std::rc::Rc::clone(source),
        bytes: Some(at..at),
    };
    let message = error.to_string();
    let message = message
        .rsplit_once(" at line ")
        .map_or(message.as_str(), |(message, _)| message);
    Problem::error("json-syntax", Some(place), format!("not valid JSON: {message}"))
}

/// What a root stands in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Around {
    File,
    /// An ECDS file, which Envoy reads by itself.
    Ecds,
    /// A Kubernetes List.
    List,
    /// The text of a ConfigMap.
    ConfigMap,
}

/// Whether it is a document of a bundle by all but its `kind`.
fn is_document(root: &Node) -> bool {
    let version = root.member("apiVersion").and_then(Node::text);
    let ours = version.is_some_and(|version| version.starts_with("security.io/"));
    ours && root.member("spec").is_some() && root.member("documents").is_none()
}

struct Reading<'r> {
    sources: &'r Sources,
    found: &'r mut Found,
    problems: &'r mut Vec<Problem>,
    budget: &'r mut Budget,
    file: usize,
    complete: bool,
}

impl Reading<'_> {
    fn root(&mut self, root: Node, around: Around) {
        match (&root.value, root.member("kind")) {
            (Data::Null, _) => {}
            (Data::Object(_), Some(kind)) => {
                let kind = kind.text().unwrap_or_default().to_owned();
                self.of_kind(&kind, root, around);
            }
            (Data::Object(_), None) if root.member("resources").is_some() => self.ecds(&root),
            (Data::Object(_), None) if is_document(&root) => {
                let kinds = KINDS.map(|kind| format!("`{kind}`")).join(", ");
                let help = format!("a document has one of these: {kinds}");
                self.error("missing", &root, "`kind` is missing".to_owned(), Some(&help));
            }
            (Data::Object(_), None) => self.head(root, around),
            _ if root.reported => {}
            _ => {
                let message = "must be an object: a document, or the head of a bundle";
                let help = match root.value {
                    Data::List(_) => "take the list away: documents are separated by `---`",
                    _ => "a document begins with `apiVersion: security.io/v1`, as `name: value`",
                };
                self.error("no-document", &root, message.to_owned(), Some(help));
            }
        }
    }

    fn of_kind(&mut self, kind: &str, root: Node, around: Around) {
        let version = root.member("apiVersion").and_then(Node::text);
        let own = version.is_none_or(|version| version.starts_with("security.io/")) || KINDS.contains(&kind);
        match kind {
            _ if own => self.document(root, around),
            "List" => {
                let items = root.member("items").map(Node::items).unwrap_or_default();
                let too_many = items
                    .iter()
                    .find_map(|item| Some((item, self.budget.document().err()?)));
                if let Some((item, why)) = too_many {
                    let place = self.sources.place(&item.span);
                    self.problems.push(stopped(&why, place, self.file, self.sources));
                    self.complete = false;
                    return;
                }
                for item in items {
                    self.root(item.clone(), Around::List);
                }
            }
            "ConfigMap" => self.config_map(&root),
            "WasmPlugin" => self.plugin(&root, &["spec", "pluginConfig"]),
            "TrafficExtension" => self.plugin(&root, &["spec", "wasm", "pluginConfig"]),
            "CustomResourceDefinition" if is_ours(&root) => {
                let message = "a CustomResourceDefinition of `security.io`: nothing reads objects of this kind from an API server";
                let kind = root.member("kind").unwrap_or(&root);
                self.error("custom-resource", kind, message.to_owned(), Some(NO_RESOURCES));
            }
            _ => {
                let message = format!(
                    "`{}` of `{}` is no document of a bundle, and holds none",
                    shown(kind),
                    shown(version.unwrap_or_default())
                );
                let is_istios = version.is_some_and(|version| version.contains("istio.io/"));
                let help = match is_istios {
                    true => {
                        "Istio reads it, and it stands beside what is applied; what a policy of Istio's says is a `ZeroTrustPolicy` here: `docs/istio-policies.md`"
                    }
                    false => {
                        "give the documents themselves, an ECDS file, or a ConfigMap, WasmPlugin or TrafficExtension that holds a bundle"
                    }
                };
                let kind = root.member("kind").unwrap_or(&root);
                self.error("no-document", kind, message, Some(help));
            }
        }
    }

    /// A document of a bundle, which is a file and nothing that a Kubernetes API knows.
    fn document(&mut self, mut root: Node, around: Around) {
        let kind = root.member("kind").and_then(Node::text).map(shown).unwrap_or_default();
        if around == Around::List {
            let message = format!("a {kind} in a Kubernetes List: no API server knows this kind");
            let at = root.member("kind").unwrap_or(&root).clone();
            self.error("custom-resource", &at, message, Some(NO_RESOURCES));
        }
        if let Data::Object(members) = &mut root.value {
            self.leave_out(
                members,
                &["status"],
                "",
                &format!("is written by an API server, and a {kind} is a file"),
            );
            for member in members.iter_mut().filter(|member| member.name == "metadata") {
                if let Data::Object(metadata) = &mut member.value.value {
                    let message = format!("is metadata of a Kubernetes object, and a {kind} is none");
                    self.leave_out(metadata, &KUBERNETES, "metadata.", &message);
                }
            }
        }
        // In a manifest it would be applied with the bundle, which refuses it.
        match kind == "PolicyTest" && around == Around::File {
            true => self.found.tests.push(root),
            false => self.found.documents.push(root),
        }
    }

    /// Takes what only objects of Kubernetes have out of `members`, and says so.
    fn leave_out(&mut self, members: &mut Vec<Member>, names: &[&str], path: &str, message: &str) {
        let (foreign, own): (Vec<Member>, Vec<Member>) = std::mem::take(members)
            .into_iter()
            .partition(|member| names.contains(&member.name.as_str()));
        *members = own;
        for member in foreign {
            let place = self.sources.place(&member.name_span);
            let problem = Problem::error("custom-resource", place, format!("`{}` {message}", member.name));
            self.problems.push(Problem {
                field: format!("{path}{}", member.name),
                ..problem.help(NO_RESOURCES)
            });
        }
    }

    fn head(&mut self, root: Node, around: Around) {
        const FIELDS: [&str; 7] = [
            "region",
            "metadata",
            "trust",
            "tokens",
            "documents",
            "candidate",
            "override",
        ];
        if ["static_resources", "dynamic_resources"]
            .iter()
            .any(|name| root.member(name).is_some())
        {
            let message = "this is a bootstrap of Envoy, which holds no bundle".to_owned();
            self.error(
                "no-document",
                &root,
                message,
                Some("give the ECDS file that it points at"),
            );
        } else if !root
            .members()
            .iter()
            .any(|member| FIELDS.contains(&member.name.as_str()))
        {
            let message = "neither a document, which has a `kind`, nor the head of a bundle, which has `metadata`";
            let help = "the fields of a head are `region`, `metadata`, `trust`, `tokens`, `documents`, `candidate` and `override`";
            self.error("no-document", &root, message.to_owned(), Some(help));
        } else {
            self.large_version(&root, around);
            self.found.heads.push(root);
        }
    }

    /// Envoy's reader of YAML makes text of whole numbers that do not fit into 32 bits.
    fn large_version(&mut self, head: &Node, around: Around) {
        let Some(version) = head.at(&["metadata", "version"]) else {
            return;
        };
        let Data::Number(number) = &version.value else {
            return;
        };
        if number.as_i64().is_some_and(|number| i32::try_from(number).is_ok()) {
            return;
        }
        let message = format!("Envoy reads whole numbers in YAML above {} as text", i32::MAX);
        let problem = Problem::error("yaml-ambiguous", self.sources.place(&version.span), message);
        let severity = match around {
            Around::Ecds => Severity::Error,
            _ => Severity::Warning,
        };
        let help = "take a smaller version: an ECDS file with this one is refused by the filter";
        self.problems.push(Problem { severity, ..problem }.help(help));
    }

    /// An ECDS file: a DiscoveryResponse of TypedExtensionConfigs.
    fn ecds(&mut self, root: &Node) {
        let configurations = root
            .member("resources")
            .map(Node::items)
            .unwrap_or_default()
            .iter()
            .filter_map(|resource| resource.at(&["typed_config", "config", "configuration", "value"]));
        let mut any = false;
        for value in configurations {
            any = true;
            self.configuration(value, Around::Ecds);
        }
        if !any {
            let message = "no resource of this ECDS file configures a Wasm filter".to_owned();
            let help = "the bundle stands at `resources[].typed_config.config.configuration.value`";
            self.error("no-document", root, message, Some(help));
        }
    }

    /// A bundle as a filter's configuration: an object, or its JSON text.
    fn configuration(&mut self, value: &Node, around: Around) {
        match value.text() {
            Some(_) => self.embedded(value, around),
            None => self.root(value.clone(), around),
        }
    }

    fn plugin(&mut self, root: &Node, path: &[&str]) {
        let Some(value) = root.at(path) else {
            let message = format!("no bundle: `{}` is missing", path.join("."));
            self.error("no-document", root.member("kind").unwrap_or(root), message, None);
            return;
        };
        self.old_booleans(value);
        self.configuration(value, Around::File);
    }

    /// Kubernetes reads the names `y` and `n` as `true` and `false`.
    fn old_booleans(&mut self, node: &Node) {
        node.items().iter().for_each(|item| self.old_booleans(item));
        for member in node.members() {
            if member.plain && super::scalar::is_old_boolean(&member.name) {
                let message = format!("Kubernetes reads the name `{}` as a truth value", member.name);
                let problem = Problem::error("yaml-ambiguous", self.sources.place(&member.name_span), message);
                self.problems
                    .push(problem.help(format!("quote it: `\"{}\"`", member.name)));
            }
            self.old_booleans(&member.value);
        }
    }

    fn config_map(&mut self, root: &Node) {
        let data = root.member("data").map(Node::members).unwrap_or_default();
        let mut any = false;
        for member in data {
            let ending = member.name.rsplit_once('.').map(|(_, ending)| ending);
            if matches!(ending, Some("yaml" | "yml" | "json")) && member.value.text().is_some() {
                any = true;
                self.embedded(&member.value, Around::ConfigMap);
            }
        }
        if !any {
            let message = "no key of this ConfigMap holds a bundle".to_owned();
            let help = "the key is `regionguard.yaml`, as `regionguard render` writes it";
            self.error("no-document", root.member("kind").unwrap_or(root), message, Some(help));
        }
    }

    /// YAML or JSON in a string of YAML.
    fn embedded(&mut self, value: &Node, around: Around) {
        let read = embedded::read(value, self.sources, self.problems, self.budget);
        self.complete &= read.complete;
        if self.budget.is_stopped() {
            return;
        }
        for root in read.roots {
            // No ConfigMap in a ConfigMap.
            let kind = root.member("kind").and_then(Node::text);
            if around == Around::ConfigMap && kind.is_some_and(|kind| !KINDS.contains(&kind)) {
                let message = "a manifest in a ConfigMap holds no bundle".to_owned();
                self.error("no-document", &root, message, None);
                continue;
            }
            self.root(root, around);
        }
    }

    fn error(&mut self, code: &'static str, node: &Node, message: String, help: Option<&str>) {
        // It may have been meant as anything: what it says is not known.
        self.complete &= code != "no-document";
        let problem = Problem::error(code, self.sources.place(&super::bundle::headline(node)), message);
        self.problems.push(match help {
            Some(help) => problem.help(help),
            None => problem,
        });
    }
}
