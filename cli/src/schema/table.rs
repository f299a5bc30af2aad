//! The tables: objects, their fields, and what those mean.

use serde_json::{Map, Value, json};

use super::form::Form;

/// An object of the documents.
pub(super) struct Definition {
    /// Its name: that of the kind where it is a document.
    pub(super) name: &'static str,
    /// What it is, in a sentence or two of Markdown.
    pub(super) says: &'static str,
    /// The pages that explain it: a word for each, and where it is.
    pub(super) guide: &'static [(&'static str, &'static str)],
    /// In the order in which they are told.
    pub(super) fields: Vec<Field>,
    /// What the examples are of: `bundle`, `document` or `policy-test` as a whole, `rule`; or the fields of some `KIND-spec`, or of the bundle (`head`).
    pub(super) frame: &'static str,
    /// YAML, with `---` between examples. Together they show every field.
    pub(super) examples: &'static str,
}

/// A definition, whose examples are in the file of its name.
macro_rules! define {
    ($name:literal in $frame:literal, $says:literal, $guide:expr, $fields:expr) => {
        crate::schema::table::Definition {
            name: $name,
            says: $says,
            guide: &$guide,
            fields: Vec::from($fields),
            frame: $frame,
            examples: include_str!(concat!("examples/", $name, ".yaml")),
        }
    };
}
pub(super) use define;

/// One field of an object.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) form: Form,
    /// What holds without it; `None`: it has to be there.
    pub(super) absent: Option<Absent>,
    pub(super) says: &'static str,
}

/// What holds without a field.
pub(super) enum Absent {
    /// The same as with this value.
    Value(Value),
    /// In words.
    Words(&'static str),
}

impl From<&'static str> for Absent {
    fn from(words: &'static str) -> Self {
        Self::Words(words)
    }
}

/// What holds without a field is the same as with this value.
pub(super) fn value(value: impl Into<Value>) -> Absent {
    Absent::Value(value.into())
}

/// A field that may be left out.
pub(super) fn may(name: &'static str, form: Form, absent: impl Into<Absent>, says: &'static str) -> Field {
    Field {
        name,
        form,
        absent: Some(absent.into()),
        says,
    }
}

/// A field that has to be there.
pub(super) fn must(name: &'static str, form: Form, says: &'static str) -> Field {
    Field {
        name,
        form,
        absent: None,
        says,
    }
}

/// The schema of an object with these fields and no others, in camelCase or in snake_case.
pub(super) fn object(fields: &[Field]) -> Value {
    let mut properties = Map::new();
    let mut all_of = Vec::new();
    let mut required = Vec::new();
    for field in fields {
        let form = described(field);
        let snake = snake_case(field.name);
        let is_required = field.absent.is_none();
        if snake == field.name {
            if is_required {
                required.push(Value::from(field.name));
            }
        } else {
            if is_required {
                all_of.push(json!({"oneOf": [{"required": [field.name]}, {"required": [snake]}]}));
            }
            properties.insert(snake, form.clone());
        }
        properties.insert(field.name.to_owned(), form);
    }
    let mut schema =
        json!({"type": "object", "properties": properties, "additionalProperties": false, "minProperties": 1});
    if !required.is_empty() {
        schema["required"] = Value::from(required);
    }
    if !all_of.is_empty() {
        schema["allOf"] = Value::from(all_of);
    }
    schema
}

/// The form of a field, with what it means and what holds without it.
fn described(field: &Field) -> Value {
    let mut form = field.form.schema.clone();
    let mut says = field.says.to_owned();
    match &field.absent {
        Some(Absent::Value(value)) => form["default"] = value.clone(),
        Some(Absent::Words(words)) => says = format!("{says}. Without it: {words}"),
        None => {}
    }
    form["description"] = Value::from(says);
    form
}

/// `allowedRegions` as `allowed_regions`.
fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}
