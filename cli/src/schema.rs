//! `regionguard schema`: every field of every document, as JSON Schema for editors and for whoever checks documents elsewhere, and as a page for people.

mod bundle;
mod form;
mod keys;
mod lists;
mod page;
mod policy;
mod region;
mod rule;
mod table;
mod test;

use std::process::ExitCode;

use serde_json::{Map, Value, json};

use crate::output;
use table::Definition;

/// What `schema` is asked to do.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// Of what: a file of a folder of documents, which may be any of the others, or one of them
    #[arg(value_parser = [FILE, BUNDLE, "Region", "ZeroTrustPolicy", "Revocations", "Grants", "DeviceIssuer", "PolicyTest"], default_value = FILE, value_name = "KIND")]
    kind: String,
    /// As what: a schema, or the reference of all documents
    #[arg(long, value_enum, default_value = "json-schema")]
    format: Format,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    /// JSON Schema, draft 2020-12
    JsonSchema,
    /// A page of Markdown: each field with its form, default, meaning and examples, whatever KIND
    Markdown,
}

const FILE: &str = "File";
const BUNDLE: &str = "Bundle";
const AFTER: &str = "An editor with a YAML language server takes it from a first line like\n  # yaml-language-server: $schema=./regionguard.schema.json\n\n\
What a schema cannot say (names that must be there, forms of hosts, paths, conditions) `regionguard check` says.";

/// Runs `schema`.
pub(crate) fn run(args: &Args) -> ExitCode {
    let text = match args.format {
        Format::JsonSchema => format!("{:#}\n", of(&args.kind)),
        Format::Markdown => page::page(&definitions()),
    };
    match output::print(&text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: cannot write to standard output: {error}");
            ExitCode::from(2)
        }
    }
}

/// All objects, in the order in which they are told.
fn definitions() -> Vec<Definition> {
    let mut all = bundle::definitions();
    all.extend(region::definitions());
    all.extend(keys::definitions());
    all.extend(policy::definitions());
    all.extend(rule::definitions());
    all.extend(lists::definitions());
    all.extend(test::definitions());
    all
}

/// The schema of a kind of document, of the bundle's head, or of a file that may be any of them.
fn of(kind: &str) -> Value {
    let objects: Map<String, Value> = definitions()
        .iter()
        .map(|definition| (definition.name.to_owned(), table::object(&definition.fields)))
        .collect();
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": format!("Regionguard: {kind}"),
        "$defs": objects,
    });
    let more = match kind {
        FILE => any_of_them(),
        BUNDLE => json!({"$ref": "#/$defs/Bundle"}),
        kind => bundle::framed(kind),
    };
    if let (Some(schema), Value::Object(more)) = (schema.as_object_mut(), more) {
        schema.extend(more);
    }
    schema
}

/// By `kind`, so that what is wrong is said of what was meant.
fn any_of_them() -> Value {
    let is = |kind: &str| json!({"properties": {"kind": {"const": kind}}, "required": ["kind"]});
    let mut cases: Vec<Value> = bundle::KINDS
        .iter()
        .map(|kind| json!({"if": is(kind), "then": bundle::framed(kind)}))
        .collect();
    cases.push(json!({"if": {"not": {"required": ["kind"]}}, "then": {"$ref": "#/$defs/Bundle"}}));
    json!({"type": "object", "properties": {"kind": {"enum": bundle::KINDS}}, "allOf": cases})
}
