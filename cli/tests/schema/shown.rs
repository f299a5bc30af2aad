//! Which fields an example shows, by a walk along the schema.

use std::collections::BTreeSet;

use serde_json::Value;

/// A definition's name and a field of it.
pub(crate) type Shown = BTreeSet<(String, String)>;

/// What `value` shows of the definition of this name, and of those in it.
pub(crate) fn of(definitions: &Value, name: &str, value: &Value) -> Shown {
    let mut shown = Shown::new();
    walk(definitions, name, value, &mut Vec::new(), &mut |name, field, _| {
        shown.insert((name.to_owned(), field.to_owned()));
    });
    shown
}

/// Calls `visit` with the name of each definition in `value`, each of its fields that is there, and where the object of these is.
pub(crate) fn walk(
    definitions: &Value,
    name: &str,
    value: &Value,
    path: &mut Vec<String>,
    visit: &mut impl FnMut(&str, &str, &[String]),
) {
    let schema = &definitions[name];
    assert!(schema.is_object(), "no definition `{name}`");
    let Some(members) = value.as_object() else { return };
    for (field, value) in members {
        let form = &schema["properties"][field];
        assert!(form.is_object(), "{name} has no `{field}`, at {path:?}");
        visit(name, field, path);
        path.push(field.clone());
        within(definitions, form, value, path, visit);
        path.pop();
    }
}

/// The definitions that stand in a form.
fn within(
    definitions: &Value,
    form: &Value,
    value: &Value,
    path: &mut Vec<String>,
    visit: &mut impl FnMut(&str, &str, &[String]),
) {
    if let Some(name) = form["$ref"].as_str().and_then(|at| at.strip_prefix("#/$defs/")) {
        walk(definitions, name, value, path, visit);
        // What a document says is told by its kind.
        if let ("Document", Some(kind)) = (name, value["kind"].as_str()) {
            path.push("spec".to_owned());
            walk(definitions, kind, &value["spec"], path, visit);
            path.pop();
        }
    }
    for part in ["allOf", "anyOf"]
        .iter()
        .flat_map(|word| form[word].as_array())
        .flatten()
    {
        within(definitions, part, value, path, visit);
    }
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push(index.to_string());
                within(definitions, &form["items"], item, path, visit);
                path.pop();
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                path.push(name.clone());
                within(definitions, &form["additionalProperties"], member, path, visit);
                path.pop();
            }
        }
        _ => {}
    }
}
