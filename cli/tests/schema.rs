//! The published schema says what the kernel reads: the same fields, and no document that loads is refused by it.
//!
//! `REGIONGUARD_BLESS=1` writes `docs/schemas/regionguard.schema.json` and `docs/reference.md`.

#[path = "schema/around.rs"]
mod around;
#[path = "schema/page.rs"]
mod page;
#[path = "schema/reference.rs"]
mod reference;
#[path = "check/run.rs"]
mod run;
#[path = "schema/shown.rs"]
mod shown;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use jsonschema::Validator;
use serde_json::{Value, json};

use run::workspace;

const PUBLISHED: &str = "docs/schemas/regionguard.schema.json";
const REFERENCE: &str = "docs/reference.md";

fn schema(kind: &str) -> Value {
    serde_json::from_str(&printed(&[kind])).expect("JSON")
}

fn printed(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_regionguard"))
        .arg("schema")
        .args(arguments)
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).expect("text")
}

fn validator(kind: &str) -> Validator {
    jsonschema::validator_for(&schema(kind)).expect("a schema")
}

#[test]
fn the_published_schema_is_the_commands() {
    compare(PUBLISHED, &format!("{:#}\n", schema("File")));
}

#[test]
fn the_published_reference_is_the_commands() {
    compare(REFERENCE, &printed(&["--format", "markdown"]));
}

fn compare(published: &str, printed: &str) {
    let path = workspace().join(published);
    if std::env::var_os("REGIONGUARD_BLESS").is_some() {
        fs::write(&path, printed).expect("it is written");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == printed,
        "{published} has drifted: `REGIONGUARD_BLESS=1 cargo test -p regionguard-cli --test schema` writes it"
    );
}

/// The fields of each object that the kernel reads.
fn fields_of_the_kernel() -> BTreeSet<BTreeSet<String>> {
    let mut read = BTreeSet::new();
    for source in sources(&workspace().join("src/bundle")) {
        let text = fs::read_to_string(source).expect("readable");
        for shape in text.split(": Shape = Shape {").skip(1) {
            let list = shape.split("fields: &[").nth(1).expect("its fields");
            read.insert(texts(list));
        }
    }
    assert!(read.len() > 50, "only {} objects were found", read.len());
    read
}

/// The texts of a list of Rust that has begun.
fn texts(list: &str) -> BTreeSet<String> {
    let list = list.split(']').next().expect("its end");
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// `fmt` puts fields in an order: of the objects that it knows, it knows all fields.
#[test]
fn their_order_has_the_fields_that_the_kernel_reads() {
    let order = fs::read_to_string(workspace().join("cli/src/documents/canonical/order.rs")).expect("readable");
    let lists = order.split("=> ").skip(1).filter_map(|arm| {
        let list = arm.trim_start_matches(['{', ' ', '\n']).strip_prefix("&[")?;
        Some(texts(list))
    });
    let lists: Vec<BTreeSet<String>> = lists.filter(|list| !list.is_empty()).collect();
    assert!(lists.len() > 25, "only {} orders were found", lists.len());
    let read = fields_of_the_kernel();
    for list in lists.iter().filter(|list| !read.contains(*list)) {
        let whole = read.iter().find(|fields| list.is_subset(fields));
        assert!(whole.is_none(), "{list:?} is an order of some of {whole:?}");
    }
}

/// The fields of each object that the kernel reads are those of an object of the schema, and the other way around.
#[test]
fn it_has_the_fields_that_the_kernel_reads() {
    let read = fields_of_the_kernel();
    let mut said = BTreeSet::new();
    objects(&schema("File"), &mut said);
    let missing: Vec<_> = read.difference(&said).collect();
    let more: Vec<_> = said.difference(&read).collect();
    assert!(
        missing.is_empty() && more.is_empty(),
        "the kernel alone: {missing:#?}\nthe schema alone: {more:#?}"
    );
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path());
    entries
        .flat_map(|path| match path.is_dir() {
            true if path.ends_with("tests") => Vec::new(),
            true => sources(&path),
            false => vec![path],
        })
        .collect()
}

/// The fields of each object of the schema that takes no others, in camelCase.
fn objects(schema: &Value, found: &mut BTreeSet<BTreeSet<String>>) {
    match schema {
        Value::Object(members) => {
            if let (Some(Value::Object(properties)), Some(Value::Bool(false))) =
                (members.get("properties"), members.get("additionalProperties"))
            {
                found.insert(properties.keys().filter(|name| !name.contains('_')).cloned().collect());
            }
            members.values().for_each(|value| objects(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| objects(value, found)),
        _ => {}
    }
}

#[test]
fn what_loads_is_valid() {
    let validator = validator("File");
    let mut files = Vec::new();
    for folder in ["examples/policies", "examples/two-regions/policies"] {
        yaml_files(&workspace().join(folder), &mut files);
    }
    let mut seen = 0;
    for file in files {
        let text = fs::read_to_string(&file).expect("readable");
        for document in text.split("\n---\n") {
            let value: Value = serde_saphyr::from_str(document).expect("YAML");
            if value.is_null() {
                continue;
            }
            check(&validator, &value, &file.display().to_string());
            seen += 1;
        }
    }
    assert!(seen > 30, "only {seen} documents");
}

/// The examples of the book that are whole bundles, and the documents in them.
#[test]
fn what_the_book_shows_is_valid() {
    let (file, head) = (validator("File"), validator("Bundle"));
    let mut seen = 0;
    for page in fs::read_dir(workspace().join("docs")).expect("a folder") {
        let page = page.expect("an entry").path();
        let Ok(text) = fs::read_to_string(&page) else { continue };
        for block in text.split("```yaml title=bundle\n").skip(1) {
            let block = block.split("```").next().expect("its end");
            let bundle: Value = serde_saphyr::from_str(block).expect("YAML");
            check(&head, &bundle, &page.display().to_string());
            for document in bundle["documents"].as_array().expect("documents") {
                check(&file, document, &page.display().to_string());
                seen += 1;
            }
        }
    }
    assert!(seen > 10, "only {seen} documents");
}

#[track_caller]
fn check(validator: &Validator, value: &Value, at: &str) {
    let wrong: Vec<String> = validator
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(wrong.is_empty(), "{at}: {wrong:#?}\n{value:#}");
}

fn yaml_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            yaml_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
    }
}

#[test]
fn what_is_wrong_is_refused() {
    let validator = validator("File");
    let policy = |spec: Value| json!({"apiVersion": "security.io/v1", "kind": "ZeroTrustPolicy", "metadata": {"name": "shop"}, "spec": spec});
    let rule = |more: Value| {
        let mut rule = json!({"name": "read", "effect": "allow"});
        rule.as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("an object").clone());
        policy(json!({"rules": [rule]}))
    };
    assert!(validator.is_valid(&rule(json!({"step_up": {"max_age": "15m"}, "effect": "step_up"}))));
    for wrong in [
        policy(json!({"ruels": []})),
        policy(json!({})),
        policy(json!({"rules": []})),
        policy(json!({"default": "deny"})),
        rule(json!({"name": "Read"})),
        rule(json!({"paths": "/a"})),
        rule(json!({"paths": null})),
        rule(json!({"effect": "permit"})),
        rule(json!({"stepUp": {"maxAge": 15}})),
        json!({"apiVersion": "security.io/v2", "kind": "Grants", "metadata": {"name": "g"}, "spec": {}}),
        json!({"kind": "Policy"}),
        json!({"metadata": {"name": "shop"}}),
        json!([]),
    ] {
        assert!(!validator.is_valid(&wrong), "{wrong:#}");
    }
}
