//! `regionguard diff` with generated requests, on the examples: every rule is reached, and whatever is taken out of a policy is seen.

#[path = "check/run.rs"]
mod run;

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use run::{folder_of, regionguard, workspace};
use serde_json::Value;

/// A working day, and the middle of a night of a weekend: whenever it is run, requests come when they have to.
const TIMES: [&str; 2] = ["2026-11-23T18:10:00Z", "2026-11-22T03:00:00Z"];

/// Rules that no generated request is decided by, and why. There is none.
const NOT_REACHED: [(&str, &str, &str); 0] = [];

/// What makes no difference to any request where it is taken out, and why.
const NO_DIFFERENCE: [(&str, &str, &str); 2] = [
    (
        "contractors",
        "tickets/spec/rules/1/hosts",
        "the only other host is closed to contractors by a deny",
    ),
    (
        "candidate-rollout",
        "orders/spec/rules/1/paths",
        "of a deny in shadow mode: nothing is let in on other paths, so nothing would be refused there",
    ),
];

/// What stands in this folder, in its order.
fn entries(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(workspace().join(folder)).expect("the examples");
    let mut all: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    all.sort();
    all
}

/// The folders that hold one bundle each.
fn folders() -> Vec<PathBuf> {
    let folders: Vec<PathBuf> = entries("examples/policies")
        .into_iter()
        .filter(|path| path.is_dir())
        .collect();
    assert_eq!(folders.len(), 12, "{folders:?}");
    folders
}

/// The bundles of the demo, in folders of their own: the keys that only a run knows are filled in. Any will do, since they are replaced by generated ones.
fn regions() -> Vec<PathBuf> {
    let files = entries("examples/two-regions/policies");
    let of_file = |file: &PathBuf| {
        let text = fs::read_to_string(file).expect("readable");
        let text = text.replace("algorithms: [ES256], ", "");
        let mut filled = String::new();
        for (index, part) in text.split("\"${JWKS:").enumerate() {
            match part.split_once("}\"") {
                Some((region, rest)) if index > 0 => {
                    let x = URL_SAFE_NO_PAD.encode([region.as_bytes()[0]; 32]);
                    filled.push_str(&format!(
                        "{{keys: [{{kty: OKP, crv: Ed25519, kid: {region}, x: {x}}}]}}{rest}"
                    ));
                }
                _ => filled.push_str(part),
            }
        }
        folder_of(
            &format!("two-regions-{}", name(file)),
            &[("bundle.yaml", filled.as_bytes())],
        )
    };
    let regions: Vec<PathBuf> = files.iter().map(of_file).collect();
    assert_eq!(regions.len(), 2, "{regions:?}");
    regions
}

fn name(path: &Path) -> String {
    path.file_stem().expect("a name").to_string_lossy().into_owned()
}

fn diff(old: &Path, new: &Path, at: &str) -> Value {
    let [old, new] = [old, new].map(|path| path.to_string_lossy().into_owned());
    let run = regionguard(&workspace(), &["diff", &old, &new, "--at", at, "--format", "json"]);
    assert_ne!(run.code, 2, "{old} {new}: {}", run.stderr);
    serde_json::from_str(&run.stdout).expect("JSON")
}

#[test]
fn every_rule_of_the_examples_is_reached() {
    for example in folders().into_iter().chain(regions()) {
        for at in TIMES {
            let said = diff(&example, &example, at);
            assert_eq!(said["changed"], 0, "{example:?}: {said:#}");
            let idle = said["decidedNothing"].as_array().expect("a list");
            for rule in idle.iter().filter_map(Value::as_str) {
                let is_known = NOT_REACHED
                    .iter()
                    .any(|(folder, known, _)| *folder == name(&example) && *known == rule);
                assert!(is_known, "{example:?}: {rule} decides nothing at {at}");
            }
        }
    }
}

/// The documents of an example, without its tests.
fn documents(folder: &Path) -> Vec<Value> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("files")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    let texts = files
        .iter()
        .filter(|file| name(file) != "tests")
        .map(|file| fs::read_to_string(file).expect("readable"));
    let all = texts.flat_map(|text| serde_saphyr::from_multiple::<Value>(&text).expect("YAML"));
    all.collect()
}

/// Each bundle that lacks one thing of this one, by what it lacks.
fn lacking(documents: &[Value]) -> Vec<(String, Vec<Value>)> {
    let mut all = Vec::new();
    let mut without = |pointer: &str, member: &str, index: usize| {
        let mut fewer = documents.to_vec();
        let place = fewer[index].pointer_mut(pointer).expect("it is there");
        match place {
            Value::Array(items) => {
                items.remove(member.parse().expect("an index"));
            }
            place => {
                place.as_object_mut().expect("an object").remove(member);
            }
        }
        all.push((
            format!(
                "{}{pointer}/{member}",
                documents[index]["metadata"]["name"].as_str().unwrap_or("?")
            ),
            fewer,
        ));
    };
    for (index, document) in documents
        .iter()
        .enumerate()
        .filter(|(_, document)| document["kind"] == "ZeroTrustPolicy")
    {
        for field in [
            "identity",
            "device",
            "context",
            "default",
            "preflight",
            "probes",
            "forward",
        ] {
            if document["spec"].get(field).is_some() {
                without("/spec", field, index);
            }
        }
        let lists = [
            "/spec/device/compliance",
            "/spec/context/time_restrictions",
            "/spec/context/geo_restrictions",
            "/spec/context/timeRestrictions",
            "/spec/context/geoRestrictions",
        ];
        for list in lists {
            let items = document.pointer(list).and_then(Value::as_array).map_or(0, Vec::len);
            // One alone is the whole of it, which is taken out above.
            for item in (0..items).filter(|_| items > 1) {
                without(list, &item.to_string(), index);
            }
        }
        let rules = document["spec"]["rules"].as_array().cloned().unwrap_or_default();
        for (at, rule) in rules.iter().enumerate() {
            if rules.len() > 1 {
                without("/spec/rules", &at.to_string(), index);
            }
            let conditions = [
                "hosts",
                "methods",
                "paths",
                "headers",
                "query",
                "from",
                "permissions",
                "roles",
                "when",
                "identity",
                "mode",
                "response",
            ];
            for field in conditions.iter().filter(|field| rule.get(**field).is_some()) {
                without(&format!("/spec/rules/{at}"), field, index);
            }
            let methods = rule["methods"].as_array().map_or(0, Vec::len);
            for method in (0..methods).filter(|_| methods > 1) {
                without(&format!("/spec/rules/{at}/methods"), &method.to_string(), index);
            }
            if rule["stepUp"].as_object().is_some_and(|step_up| step_up.len() > 1) {
                for field in ["acr", "maxAge"] {
                    without(&format!("/spec/rules/{at}/stepUp"), field, index);
                }
            }
        }
    }
    all
}

#[test]
fn whatever_is_taken_out_of_an_example_is_seen() {
    let mut unseen = Vec::new();
    let mut seen = 0;
    for example in &folders() {
        let written = |documents: &[Value]| {
            let texts: Vec<String> = documents.iter().map(Value::to_string).collect();
            texts.join("\n---\n")
        };
        let documents = documents(example);
        let folder = folder_of(
            &format!("lacking-{}", name(example)),
            &[("old.yaml", written(&documents).as_bytes())],
        );
        for (lack, fewer) in lacking(&documents) {
            let new = folder.join("new.yaml");
            fs::write(&new, written(&fewer)).expect("it is written");
            let run = regionguard(
                &folder,
                &["diff", "old.yaml", "new.yaml", "--at", TIMES[0], "--format", "json"],
            );
            // What does not compile without it is no bundle.
            let Ok(said) = serde_json::from_str::<Value>(&run.stdout) else {
                continue;
            };
            let is_known = NO_DIFFERENCE
                .iter()
                .any(|(folder, known, _)| *folder == name(example) && *known == lack);
            let beside = |what: &str| said[what]["requests"] != 0;
            let is_seen = said["changed"] != 0
                || said["inShadow"] != 0
                || beside("forwardedOtherwise")
                || beside("answeredOtherwise");
            match is_seen {
                false if !is_known => unseen.push(format!("{}: {lack}", name(example))),
                false => {}
                true => seen += 1,
            }
        }
    }
    assert!(seen > 150, "only {seen}");
    assert!(unseen.is_empty(), "{seen} seen, and not these:\n{}", unseen.join("\n"));
}
