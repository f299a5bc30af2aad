//! `regionguard schema`: JSON Schema of every document, for editors and for whoever checks documents elsewhere.

mod bundle;
mod form;
mod policy;
mod region;

use std::process::ExitCode;

use serde_json::{Map, Value, json};

use crate::output;

/// What `schema` is asked to do.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// Of what: a file of a folder of documents, which may be any of the others, or one of them
    #[arg(value_parser = [FILE, BUNDLE, "Region", "ZeroTrustPolicy", "Revocations", "Grants", "DeviceIssuer", "PolicyTest"], default_value = FILE, value_name = "KIND")]
    kind: String,
}

const FILE: &str = "File";
const BUNDLE: &str = "Bundle";
const AFTER: &str = "An editor with a YAML language server takes it from a first line like\n  # yaml-language-server: $schema=./regionguard.schema.json\n\n\
What a schema cannot say (names that must be there, forms of hosts, paths, conditions) `regionguard check` says.";

/// Runs `schema`.
pub(crate) fn run(args: &Args) -> ExitCode {
    match output::print(&format!("{:#}\n", of(&args.kind))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: cannot write to standard output: {error}");
            ExitCode::from(2)
        }
    }
}

/// The schema of a kind of document, of the bundle's head, or of a file that may be any of them.
pub(crate) fn of(kind: &str) -> Value {
    let mut definitions = Map::new();
    for (name, form) in region::definitions()
        .into_iter()
        .chain(region::trust())
        .chain(policy::definitions())
        .chain(bundle::definitions())
    {
        definitions.insert(name.to_owned(), form);
    }
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": format!("Regionguard: {kind}"),
        "$defs": definitions,
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
