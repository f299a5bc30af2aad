//! How the form of a field is said, and what it becomes in JSON Schema.

use serde_json::{Map, Value, json};

/// One field of an object.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) required: bool,
    form: Value,
    says: &'static str,
}

/// A field that may be left out.
pub(super) fn may(name: &'static str, form: Value, says: &'static str) -> Field {
    Field {
        name,
        required: false,
        form,
        says,
    }
}

/// A field that has to be there.
pub(super) fn must(name: &'static str, form: Value, says: &'static str) -> Field {
    Field {
        name,
        required: true,
        form,
        says,
    }
}

/// An object with these fields and no others, in camelCase or in snake_case.
pub(super) fn object(fields: &[Field]) -> Value {
    let mut properties = Map::new();
    let mut all_of = Vec::new();
    let mut required = Vec::new();
    for field in fields {
        let mut form = field.form.clone();
        if let Some(form) = form.as_object_mut() {
            form.insert("description".to_owned(), Value::from(field.says));
        }
        let snake = snake_case(field.name);
        if snake == field.name {
            if field.required {
                required.push(Value::from(field.name));
            }
        } else {
            if field.required {
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

/// One of the definitions.
pub(super) fn at(name: &str) -> Value {
    json!({"allOf": [{"$ref": format!("#/$defs/{name}")}]})
}

/// A list of at least one item.
pub(super) fn list(item: Value) -> Value {
    json!({"type": "array", "items": item, "minItems": 1})
}

/// A string that is not empty.
pub(super) fn text() -> Value {
    json!({"type": "string", "minLength": 1})
}

/// A list of those.
pub(super) fn texts() -> Value {
    list(text())
}

/// The name of a document or a rule.
pub(super) fn name() -> Value {
    json!({"type": "string", "pattern": "^[a-z0-9]([-a-z0-9._]*[a-z0-9])?$", "maxLength": 253})
}

/// `true` or `false`.
pub(super) fn flag() -> Value {
    json!({"type": "boolean"})
}

/// Just this.
pub(super) fn only(value: impl Into<Value>) -> Value {
    json!({"const": value.into()})
}

/// One of these words.
pub(super) fn word(words: &[&str]) -> Value {
    json!({"enum": words})
}

/// A list of some of these words.
pub(super) fn words(words: &[&str]) -> Value {
    list(word(words))
}

/// A whole number.
pub(super) fn integer(least: u64, most: u64) -> Value {
    json!({"type": "integer", "minimum": least, "maximum": most})
}

/// `250ms`, `30s`, `24h`.
pub(super) fn duration() -> Value {
    json!({"type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$"})
}

/// A time as in RFC 3339, quoted.
pub(super) fn instant() -> Value {
    json!({"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]"})
}

/// Any of these forms.
pub(super) fn any(forms: &[Value]) -> Value {
    json!({"anyOf": forms})
}

/// An object with any names, and values of one form.
pub(super) fn map(value: Value) -> Value {
    json!({"type": "object", "additionalProperties": value, "minProperties": 1})
}

/// `allowedRegions` as `allowed_regions`.
pub(super) fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}
