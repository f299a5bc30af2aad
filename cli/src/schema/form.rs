//! How the form of a field is said: in JSON Schema, and in words.

use serde_json::{Value, json};

/// What a field may hold.
#[derive(Clone)]
pub(super) struct Form {
    /// In JSON Schema.
    pub(super) schema: Value,
    /// In Markdown.
    pub(super) words: String,
    /// The definitions that stand in it.
    pub(super) refers: Vec<&'static str>,
}

impl Form {
    fn new(schema: Value, words: impl Into<String>) -> Self {
        Self {
            schema,
            words: words.into(),
            refers: Vec::new(),
        }
    }

    /// The same form, called otherwise.
    fn called(self, words: impl Into<String>) -> Self {
        Self {
            words: words.into(),
            ..self
        }
    }

    /// With something that it may be, for editors.
    fn like(mut self, examples: &[&str]) -> Self {
        self.schema["examples"] = json!(examples);
        self
    }
}

/// One of the definitions.
pub(super) fn at(name: &'static str) -> Form {
    Form {
        schema: json!({"allOf": [{"$ref": format!("#/$defs/{name}")}]}),
        words: format!("[{name}](#{})", name.to_lowercase()),
        refers: vec![name],
    }
}

/// A list of at least one item.
pub(super) fn list(item: Form) -> Form {
    Form {
        schema: json!({"type": "array", "items": item.schema, "minItems": 1}),
        words: format!("list: {}", item.words),
        refers: item.refers,
    }
}

/// A string that is not empty.
pub(super) fn text() -> Form {
    Form::new(json!({"type": "string", "minLength": 1}), "text")
}

/// A string.
pub(super) fn any_text() -> Form {
    Form::new(json!({"type": "string"}), "text, or `\"\"`")
}

/// A string of a form that is told on the page.
pub(super) fn text_of(words: &'static str, examples: &[&str]) -> Form {
    text().called(words).like(examples)
}

/// A list of strings.
pub(super) fn texts() -> Form {
    list(text())
}

/// The name of a document or a rule.
pub(super) fn name() -> Form {
    let schema = json!({"type": "string", "pattern": "^[a-z0-9]([-a-z0-9._]*[a-z0-9])?$", "maxLength": 253});
    Form::new(schema, "name")
}

/// The name of a Region.
pub(super) fn region() -> Form {
    name().called("name of a [Region](#region)")
}

/// `api.x.com`, `*.x.com:8443`.
pub(super) fn host() -> Form {
    text_of("host pattern", &["api.us-east-1.com", "*.internal:8443"])
}

/// `10.0.0.0/8`.
pub(super) fn network() -> Form {
    text_of("network", &["10.0.0.0/8", "2001:db8::/32"])
}

/// `spiffe://prod/ns/web/*`.
pub(super) fn workload() -> Form {
    text_of("workload pattern", &["spiffe://cluster.local/ns/web/*"])
}

/// `DE`.
pub(super) fn country() -> Form {
    text_of("country", &["US"])
}

/// `Europe/Berlin`.
pub(super) fn zone() -> Form {
    text_of("time zone", &["America/New_York"])
}

/// `09:00`.
pub(super) fn clock() -> Form {
    text_of("clock time", &["09:00"])
}

/// The name of a header.
pub(super) fn header() -> Form {
    text_of("header", &["x-user"])
}

/// The name of a claim.
pub(super) fn claim() -> Form {
    text_of("claim", &["realm_access.roles"])
}

/// `true` or `false`.
pub(super) fn flag() -> Form {
    Form::new(json!({"type": "boolean"}), "`true` or `false`")
}

/// Just this.
pub(super) fn only(value: impl Into<Value>) -> Form {
    let value = value.into();
    let words = format!("`{}`", plain(&value));
    Form::new(json!({"const": value}), words)
}

/// One of these words; those with `_` are other spellings.
pub(super) fn word(words: &[&str]) -> Form {
    let one_of = if words.len() > 1 { "one of " } else { "" };
    Form::new(json!({"enum": words}), format!("{one_of}{}", quoted(words)))
}

/// A list of some of these words.
pub(super) fn words(words: &[&str]) -> Form {
    let schema = json!({"type": "array", "items": {"enum": words}, "minItems": 1});
    Form::new(schema, format!("list: some of {}", quoted(words)))
}

fn quoted(words: &[&str]) -> String {
    let told = words.iter().filter(|word| !word.contains('_'));
    told.map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// A whole number.
pub(super) fn integer(least: u64, most: u64) -> Form {
    let schema = json!({"type": "integer", "minimum": least, "maximum": most});
    let most = match most {
        most if most == 1 << 53 => "2^53".to_owned(),
        most => most.to_string(),
    };
    Form::new(schema, format!("whole number, {least} to {most}"))
}

/// One of these whole numbers.
pub(super) fn one_of(numbers: &[u64]) -> Form {
    let said: Vec<String> = numbers.iter().map(|number| format!("`{number}`")).collect();
    Form::new(json!({"enum": numbers}), format!("one of {}", said.join(", ")))
}

/// `250ms`, `30s`, `24h`, between two of such.
pub(super) fn duration(least: &str, most: &str) -> Form {
    let schema = json!({"type": "string", "pattern": "^[0-9]+(ms|s|m|h)$"});
    Form::new(schema, format!("duration, `{least}` to `{most}`")).like(&[least, most])
}

/// A duration that may be in days.
pub(super) fn age(least: &str, most: &str) -> Form {
    let schema = json!({"type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$"});
    Form::new(schema, format!("duration, also in days (`d`), `{least}` to `{most}`")).like(&[least, most])
}

/// A time as in RFC 3339, quoted.
pub(super) fn instant() -> Form {
    let schema = json!({"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]"});
    Form::new(schema, "time").like(&["2026-11-24T18:00:00Z"])
}

/// Any of these forms.
pub(super) fn any(forms: &[Form]) -> Form {
    let schemas: Vec<&Value> = forms.iter().map(|form| &form.schema).collect();
    let words: Vec<&str> = forms.iter().map(|form| form.words.as_str()).collect();
    Form {
        schema: json!({"anyOf": schemas}),
        words: words.join("; or "),
        refers: forms.iter().flat_map(|form| form.refers.clone()).collect(),
    }
}

/// An object with any names, and values of one form.
pub(super) fn map(names: &str, value: Form) -> Form {
    Form {
        schema: json!({"type": "object", "additionalProperties": value.schema, "minProperties": 1}),
        words: format!("object: {names}, each with {}", value.words),
        refers: value.refers,
    }
}

/// Whatever JSON has.
pub(super) fn anything() -> Form {
    Form::new(json!({}), "anything")
}

/// An object with any members.
pub(super) fn any_object() -> Form {
    Form::new(json!({"type": "object"}), "object")
}

/// A whole number that nobody reads.
pub(super) fn any_integer() -> Form {
    Form::new(json!({"type": "integer"}), "whole number")
}

/// A value as a document has it: text without quotes where YAML needs none.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) if !text.is_empty() && !text.contains([' ', '%']) => text.clone(),
        other => other.to_string(),
    }
}
