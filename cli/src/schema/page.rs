//! The tables as a page of Markdown.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::bundle::KINDS;
use super::form::plain;
use super::table::{Absent, Definition, Field};

const BEGINNING: &str = "\
<!-- Generated from cli/src/schema by `regionguard schema --format markdown`; do not edit. -->

# Policy reference

[The book](README.md)

Every field of every document: its form, what holds without it, and what it means. [Documents](documents.md) is the guide, and
[the schema](schemas/regionguard.schema.json) tells the same to editors. A field is written in camelCase, or in snake_case (`maxAge`, `max_age`). An empty list, an
empty object and `null` are errors: what is not restricted is left out. [Limits](limits.md) has all bounds.

An example is a bundle, a document or a rule as a whole; or some fields of a document's `spec`, or of the bundle. The examples of a section together show each of its
fields. Tests compile them all, run those of PolicyTest, and compare defaults, words and bounds with what the filter makes of them.

";

const FORMS: &str = "\
## Forms

| form | what it is | like |
|---|---|---|
| text | a string that is not empty, of 1,024 bytes at most. Strings are never made from something else: quote what YAML takes for a number or a truth value | `\"1.10\"`, `\"NO\"` |
| name | lower-case letters, digits, `-`, `.` and `_`, a letter or digit at both ends, 253 bytes at most | `us-east-1` |
| duration | a whole number with `ms`, `s`, `m` or `h` | `250ms`, `30s`, `24h` |
| time | a quoted string as in RFC 3339, with its zone | `\"2026-11-24T18:00:00Z\"` |
| clock time | `HH:MM` in quotes; `\"24:00\"` is the end of a day, as an end | `\"09:00\"` |
| time zone | a name of the IANA database | `America/New_York` |
| network | an IPv4 or IPv6 network, or one address | `10.0.0.0/8`, `\"2001:db8::/32\"` |
| country | a code of ISO 3166-1 in two capital letters ([countries](context.md#countries)) | `US` |
| host pattern | a host, or `*.` and what it ends with; with a port or without ([hosts](documents.md#hosts)) | `api.us-east-1.com`, `\"*.internal:8443\"` |
| path template | segments that are literal, `{name}` or `*`, and `**` at the end ([paths](documents.md#paths)) | `\"/v1/profiles/{id}\"`, `\"/static/**\"` |
| workload pattern | a SPIFFE id, or one with `*` as its last segment ([workloads](documents.md#workloads)) | `\"spiffe://cluster.local/ns/web/*\"` |
| header | the name of a header in lower case | `x-user` |
| claim | the name of a top-level claim, or names with dots between them | `sub`, `realm_access.roles` |
| condition | CEL ([conditions](conditions.md)) | `path.id == token.sub` |

";

/// The page.
pub(super) fn page(definitions: &[Definition]) -> String {
    let mut page = BEGINNING.to_owned();
    contents(definitions, &mut page);
    page.push_str(FORMS);
    let places = places(definitions);
    for definition in definitions {
        section(definition, places.get(definition.name), &mut page);
    }
    index(definitions, &mut page);
    page
}

/// Where each definition stands: the definitions and fields that refer to it.
fn places(definitions: &[Definition]) -> BTreeMap<&str, Vec<String>> {
    let mut places: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for definition in definitions {
        for field in &definition.fields {
            for name in &field.form.refers {
                let place = format!("`{}` of {}", field.name, link(definition.name));
                places.entry(name).or_default().push(place);
            }
        }
    }
    places
}

fn contents(definitions: &[Definition], page: &mut String) {
    for definition in definitions {
        match is_document(definition) {
            true if page.ends_with("\n\n") => {
                let _ = write!(page, "- **{}**", link(definition.name));
            }
            true => {
                let _ = write!(page, "\n- **{}**", link(definition.name));
            }
            false => {
                let _ = write!(page, ", {}", link(definition.name));
            }
        }
    }
    page.push_str("\n- [Fields by name](#fields-by-name)\n\n");
}

/// Whether it stands by itself, and what follows belongs to it.
fn is_document(definition: &Definition) -> bool {
    definition.name == "Bundle" || KINDS.contains(&definition.name)
}

fn section(definition: &Definition, places: Option<&Vec<String>>, page: &mut String) {
    let level = if is_document(definition) { "##" } else { "###" };
    let _ = write!(page, "{level} {}\n\n{}", definition.name, definition.says);
    if let Some(places) = places {
        let _ = write!(page, " It is {}.", places.join(", "));
    }
    let guide: Vec<String> = definition
        .guide
        .iter()
        .map(|(word, at)| format!("[{word}]({at})"))
        .collect();
    let _ = write!(page, " More: {}.\n\n", guide.join(", "));
    page.push_str("| field | form | default | meaning |\n|---|---|---|---|\n");
    for field in &definition.fields {
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} |",
            field.name,
            cell(&field.form.words),
            cell(&absent(field)),
            cell(field.says)
        );
    }
    page.push('\n');
    for example in definition.examples.split("---\n") {
        let _ = write!(page, "```yaml title={}\n{}```\n\n", definition.frame, example);
    }
}

/// What holds without the field.
fn absent(field: &Field) -> String {
    match &field.absent {
        None => "**required**".to_owned(),
        Some(Absent::Value(value)) => format!("`{}`", plain(value)),
        Some(Absent::Words(words)) => (*words).to_owned(),
    }
}

fn index(definitions: &[Definition], page: &mut String) {
    let mut fields: BTreeMap<(String, &str), Vec<String>> = BTreeMap::new();
    for definition in definitions {
        for field in &definition.fields {
            let sorted = (field.name.to_lowercase(), field.name);
            fields.entry(sorted).or_default().push(link(definition.name));
        }
    }
    page.push_str("## Fields by name\n\n| field | of |\n|---|---|\n");
    for ((_, name), of) in fields {
        let _ = writeln!(page, "| `{name}` | {} |", of.join(", "));
    }
}

fn link(name: &str) -> String {
    format!("[{name}](#{})", name.to_lowercase())
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
