//! What the reference shows and says of defaults is so.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use regionguard::bundle::Diagnostic;
use serde_json::{Value, json};

use crate::around::{SHOP, as_policy_test, compiled, roots};
use crate::page::{Example, Section, sections};
use crate::run::{folder_of, regionguard, workspace};
use crate::shown;

/// A policy that only PolicyTests need.
const HEALTH: &str = "\
apiVersion: security.io/v1
kind: ZeroTrustPolicy
metadata: {name: health}
spec: {probes: [{path: /healthz, port: 8080}]}
";

/// Fields that only say whether a policy loads: whatever they say, it compiles to the same.
const LEAVES_NO_TRACE: [(&str, &str); 2] = [("Authorization", "rbac"), ("Authorization", "abac")];

/// What may be left out in a folder only.
const ALWAYS_THERE: [(&str, &str); 1] = [("Bundle", "documents")];

/// Words that are told in another way than by the list of them: days with what they are for, kinds without the one that stands in no bundle.
const TOLD_OTHERWISE: [&str; 2] = ["days", "kind"];

fn definitions() -> Value {
    crate::schema("File")["$defs"].clone()
}

fn reference() -> BTreeMap<String, Section> {
    sections(&fs::read_to_string(workspace().join(crate::REFERENCE)).expect("the page"))
}

#[test]
fn each_definition_has_a_section_and_each_field_a_whole_row() {
    let (definitions, reference) = (definitions(), reference());
    let names: Vec<&String> = definitions.as_object().expect("definitions").keys().collect();
    assert_eq!(names, reference.keys().collect::<Vec<_>>());
    for (name, section) in &reference {
        let fields: Vec<&str> = section.rows.iter().map(|row| row.field.as_str()).collect();
        let schema = definitions[name]["properties"].as_object().expect("properties");
        let said: Vec<&String> = schema.keys().filter(|field| !field.contains('_')).collect();
        let mut sorted = fields.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, said, "{name}");
        for row in &section.rows {
            for cell in [&row.form, &row.absent, &row.meaning] {
                assert!(!cell.is_empty(), "{name}.{}: an empty cell", row.field);
            }
        }
    }
}

#[test]
fn each_field_is_in_an_example_at_its_place() {
    let definitions = definitions();
    let mut missing = Vec::new();
    for (name, section) in reference() {
        let mut shown = shown::Shown::new();
        for Example { frame, value } in &section.examples {
            for (root, _, part) in roots(frame, value) {
                shown.extend(shown::of(&definitions, root, part));
            }
        }
        for row in section.rows {
            if !shown.contains(&(name.clone(), row.field.clone())) {
                missing.push(format!("{name}.{}", row.field));
            }
        }
    }
    assert!(missing.is_empty(), "no example of its definition has {missing:#?}");
}

#[test]
fn each_example_compiles_without_a_warning() {
    let mut wrong = Vec::new();
    for (name, section) in reference() {
        for Example { frame, value } in &section.examples {
            match compiled(frame, value) {
                Err(errors) => wrong.push(format!("{name}: {errors:#?}")),
                Ok((_, warnings)) => {
                    // An override is told until somebody takes it away.
                    let told = warnings.iter().filter(|warning| warning.path != "override");
                    wrong.extend(told.map(|warning| format!("{name}: {warning}")));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_policy_test_passes() {
    let mut files = vec![
        ("bundle.yaml".to_owned(), SHOP.to_owned()),
        ("health.yaml".to_owned(), HEALTH.to_owned()),
    ];
    for (name, section) in reference() {
        for (index, Example { frame, value }) in section.examples.iter().enumerate() {
            if let Some(mut test) = as_policy_test(frame, value) {
                test["metadata"]["name"] = json!(format!("{}-{index}", name.to_lowercase()));
                files.push((format!("{name}-{index}.json"), test.to_string()));
            }
        }
    }
    assert!(files.len() > 7, "only {} PolicyTests", files.len());
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_bytes()))
        .collect();
    let folder = folder_of("reference", &files);
    let run = regionguard(&folder, &["test", "."]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
}

/// With a default written out, an example compiles to what it compiles to without the field; and, if it said something else, not to what it compiled to.
#[test]
fn each_default_is_what_holds_without_the_field() {
    let (definitions, reference) = (definitions(), reference());
    let mut wrong = Vec::new();
    for (name, field, default) in defaults(&definitions) {
        let is_traceless = LEAVES_NO_TRACE.contains(&(name.as_str(), field.as_str()));
        let sites = sites(&definitions, &reference, &name, &field);
        let compared = sites.iter().filter_map(|(frame, example, object)| {
            let told = &object_at(&mut example.clone(), object)[&field].clone();
            let mut without = example.clone();
            object_at(&mut without, object).as_object_mut()?.remove(&field);
            let mut with = example.clone();
            object_at(&mut with, object)[&field] = default.clone();
            let absent = compiled(frame, &without).ok()?.0;
            let written = compiled(frame, &with).map(|(made, _)| made);
            let same = written.as_ref() == Ok(&absent);
            let differs = || *told == default || compiled(frame, example).map(|(made, _)| made).as_ref() != Ok(&absent);
            Some(same && differs() != is_traceless)
        });
        let compared: Vec<bool> = compared.collect();
        if compared.is_empty() || compared.contains(&false) {
            wrong.push(format!(
                "{name}.{field}: `{default}`, in {} places: {compared:?}",
                sites.len()
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What has to be there is refused without it, and always there; what may be left out is left out somewhere, or may be.
#[test]
fn each_field_that_is_required_has_to_be_there_and_no_other() {
    let (definitions, reference) = (definitions(), reference());
    let objects = objects(&definitions, &reference);
    let mut wrong = Vec::new();
    for (name, section) in &reference {
        for row in &section.rows {
            let mut sites = sites(&definitions, &reference, name, &row.field).into_iter();
            let mut without = |is_wanted: bool| {
                sites.any(|(frame, mut example, object)| {
                    let fields = object_at(&mut example, &object).as_object_mut();
                    fields.expect("an object").remove(&row.field);
                    compiled(&frame, &example).is_ok() == is_wanted
                })
            };
            let is_left_out = || {
                objects
                    .iter()
                    .any(|(of, fields)| of == name && !fields.contains(&row.field))
            };
            let is_right = match row.absent.as_str() {
                "**required**" => without(false) && !is_left_out(),
                _ => is_left_out() || without(true),
            };
            if !is_right && !ALWAYS_THERE.contains(&(name.as_str(), row.field.as_str())) {
                wrong.push(format!("{name}.{}: {}", row.field, row.absent));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The whole objects of all examples: of which definition, with which fields.
fn objects(definitions: &Value, reference: &BTreeMap<String, Section>) -> Vec<(String, BTreeSet<String>)> {
    let mut objects = Vec::new();
    for Example { frame, value } in reference.values().flat_map(|section| &section.examples) {
        for (root, start, part) in roots(frame, value) {
            // The rest of these stands in the frame.
            let is_a_part = frame == "head" || frame.ends_with("-spec");
            let mut at = start.clone();
            let mut found: BTreeMap<(Vec<String>, String), BTreeSet<String>> = BTreeMap::new();
            shown::walk(definitions, root, part, &mut at, &mut |name, field, path| {
                let fields = found.entry((path.to_vec(), name.to_owned())).or_default();
                fields.insert(field.to_owned());
            });
            found.retain(|(path, _), _| !is_a_part || *path != start);
            objects.extend(found.into_iter().map(|((_, name), fields)| (name, fields)));
        }
    }
    objects
}

/// The bounds of durations, as the kernel tells them of one that is beyond.
#[test]
fn each_duration_has_the_bounds_that_the_reference_says() {
    let (definitions, reference) = (definitions(), reference());
    let mut seen = 0;
    for (name, section) in &reference {
        for row in section.rows.iter().filter(|row| row.form.starts_with("duration, ")) {
            let bounds: Vec<&str> = row.form.split('`').collect();
            let (least, most) = (bounds[bounds.len() - 4], bounds[bounds.len() - 2]);
            let said = format!("must be from {least} to {most}");
            for (frame, mut example, object) in sites(&definitions, &reference, name, &row.field) {
                let beyond = if row.form.contains("in days") {
                    "99999d"
                } else {
                    "99999h"
                };
                object_at(&mut example, &object)[&row.field] = json!(beyond);
                let errors = refusal(&frame, &example, &format!("{name}.{} beyond its bounds", row.field));
                let told = errors.iter().any(|error| error.to_string().contains(&said));
                assert!(told, "{name}.{}: {said}: {errors:#?}", row.field);
                seen += 1;
            }
        }
    }
    assert!(seen > 25, "only {seen} durations");
}

/// What is wrong with an example into which `what` was put.
#[track_caller]
fn refusal(frame: &str, example: &Value, what: &str) -> Vec<Diagnostic> {
    match compiled(frame, example) {
        Ok(_) => panic!("{what} is not refused"),
        Err(errors) => errors,
    }
}

/// How many items a list may have, where the reference says it.
#[test]
fn each_list_has_the_limit_that_the_reference_says() {
    let (definitions, reference) = (definitions(), reference());
    let mut seen = 0;
    for (name, section) in &reference {
        for row in section.rows.iter().filter(|row| row.form.starts_with("list: ")) {
            let Some((before, _)) = row.meaning.split_once(" at most") else {
                continue;
            };
            let number = before.rsplit(' ').next().unwrap_or_default().replace(',', "");
            let limit: usize = number
                .parse()
                .unwrap_or_else(|_| panic!("{name}.{}: no number", row.field));
            let (frame, mut example, object) = sites(&definitions, &reference, name, &row.field).remove(0);
            let items = &mut object_at(&mut example, &object)[&row.field];
            *items = Value::Array(vec![items[0].clone(); limit + 1]);
            let errors = refusal(&frame, &example, &format!("{name}.{} beyond its limit", row.field));
            let said = format!("too many: {}, {limit} at most", limit + 1);
            assert!(
                errors.iter().any(|error| error.message == said),
                "{name}.{}: {said}: {errors:#?}",
                row.field
            );
            seen += 1;
        }
    }
    assert!(seen > 30, "only {seen} lists");
}

/// The words of a field are those that the kernel tells of one that is none of them.
#[test]
fn each_word_is_known_to_the_kernel_and_no_other() {
    let (definitions, reference) = (definitions(), reference());
    let mut seen = 0;
    for (name, schema) in definitions.as_object().expect("definitions") {
        for (field, form) in schema["properties"].as_object().expect("properties") {
            let is_list = form["items"]["enum"].is_array();
            let words = form["items"]["enum"].as_array().or(form["enum"].as_array());
            let said: BTreeSet<&str> = words.into_iter().flatten().filter_map(Value::as_str).collect();
            if said.is_empty() || field.contains('_') || TOLD_OTHERWISE.contains(&field.as_str()) {
                continue;
            }
            let (frame, mut example, object) = sites(&definitions, &reference, name, field).remove(0);
            let wrong = if is_list {
                json!(["nonsense"])
            } else {
                json!("nonsense")
            };
            object_at(&mut example, &object)[field] = wrong;
            let errors = refusal(&frame, &example, &format!("{name}.{field}: nonsense"));
            let told = errors
                .iter()
                .find(|error| error.message.starts_with("must be "))
                .expect("the words");
            let known: BTreeSet<&str> = told.message.split('`').skip(1).step_by(2).collect();
            let said: BTreeSet<&str> = said.into_iter().filter(|word| !word.contains('_')).collect();
            assert_eq!(said, known, "{name}.{field}: {}", told.message);
            seen += 1;
        }
    }
    assert!(seen > 25, "only {seen} fields");
}

/// A whole number beyond its bounds is refused.
#[test]
fn each_number_has_the_bounds_that_the_reference_says() {
    let (definitions, reference) = (definitions(), reference());
    let mut seen = 0;
    for (name, schema) in definitions.as_object().expect("definitions") {
        for (field, form) in schema["properties"].as_object().expect("properties") {
            let (Some(least), Some(most)) = (form["minimum"].as_i64(), form["maximum"].as_i64()) else {
                continue;
            };
            let (frame, example, object) = sites(&definitions, &reference, name, field).remove(0);
            let accepts = |number: i64| {
                let mut example = example.clone();
                object_at(&mut example, &object)[field] = json!(number);
                compiled(&frame, &example).is_ok()
            };
            let found = [least - 1, least, most, most + 1].map(accepts);
            assert_eq!(found, [false, true, true, false], "{name}.{field}");
            seen += 1;
        }
    }
    assert!(seen > 4, "only {seen} numbers");
}

/// The fields that have a default which is a value.
fn defaults(definitions: &Value) -> Vec<(String, String, Value)> {
    let mut defaults = Vec::new();
    for (name, schema) in definitions.as_object().expect("definitions") {
        for (field, form) in schema["properties"].as_object().expect("properties") {
            if let (Some(default), false) = (form.get("default"), field.contains('_')) {
                defaults.push((name.clone(), field.clone(), default.clone()));
            }
        }
    }
    assert!(defaults.len() > 40, "only {} defaults", defaults.len());
    defaults
}

/// The examples that have this field of this definition, and where the object is that has it.
fn sites(
    definitions: &Value,
    reference: &BTreeMap<String, Section>,
    name: &str,
    field: &str,
) -> Vec<(String, Value, Vec<String>)> {
    let mut sites = Vec::new();
    for Example { frame, value } in reference.values().flat_map(|section| &section.examples) {
        for (root, mut path, part) in roots(frame, value) {
            shown::walk(definitions, root, part, &mut path, &mut |of, of_field, at| {
                if (of, of_field) == (name, field) {
                    sites.push((frame.clone(), value.clone(), at.to_vec()));
                }
            });
        }
    }
    sites
}

fn object_at<'v>(value: &'v mut Value, path: &[String]) -> &'v mut Value {
    path.iter().fold(value, |value, step| match value {
        Value::Array(items) => &mut items[step.parse::<usize>().expect("an index")],
        object => &mut object[step],
    })
}
