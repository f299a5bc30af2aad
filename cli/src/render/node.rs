//! A YAML value whose fields keep their order, and its text.

use std::fmt::Write as _;

/// A value of a document, its fields in the order in which they were written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number.
    Number(serde_json::Number),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping.
    Map(Vec<(String, Node)>),
}

impl Node {
    /// The field `key` of a mapping.
    pub(crate) fn field(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(fields) => fields.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The text that stands at the end of `path`.
    pub(crate) fn text(&self, path: &[&str]) -> Option<&str> {
        let found = path.iter().try_fold(self, |node, key| node.field(key))?;
        match found {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value in YAML's block style, without a line break at its end, each line but the first indented by `indent` spaces.
    ///
    /// Every YAML reader takes it for the same value, those of YAML 1.1 too: a text that one of them would take for something else is quoted.
    pub(crate) fn yaml(&self, indent: usize) -> String {
        let mut out = String::new();
        self.write(indent, &mut out);
        out
    }

    fn write(&self, indent: usize, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Number(number) => {
                let _ = write!(out, "{number}");
            }
            Self::Text(text) => out.push_str(&scalar(text)),
            Self::List(items) if items.is_empty() => out.push_str("[]"),
            Self::Map(fields) if fields.is_empty() => out.push_str("{}"),
            Self::List(items) => {
                for (at, item) in items.iter().enumerate() {
                    begin_line(at, indent, out);
                    out.push_str("- ");
                    item.write(indent + 2, out);
                }
            }
            Self::Map(fields) => {
                for (at, (key, value)) in fields.iter().enumerate() {
                    begin_line(at, indent, out);
                    out.push_str(&scalar(key));
                    out.push(':');
                    value.write_value(indent, out);
                }
            }
        }
    }

    /// On one line, if it holds nothing but scalars.
    fn flow(&self) -> Option<String> {
        let scalar_of = |node: &Self| match node {
            Self::List(_) | Self::Map(_) => None,
            node => Some(node.yaml(0)),
        };
        match self {
            Self::List(items) => {
                let items: Option<Vec<String>> = items.iter().map(scalar_of).collect();
                Some(format!("[{}]", items?.join(", ")))
            }
            Self::Map(fields) => {
                let fields: Option<Vec<String>> = fields
                    .iter()
                    .map(|(key, value)| Some(format!("{}: {}", scalar(key), scalar_of(value)?)))
                    .collect();
                Some(format!("{{{}}}", fields?.join(", ")))
            }
            _ => None,
        }
    }

    /// A value behind its key: on the same line where it is short.
    fn write_value(&self, indent: usize, out: &mut String) {
        if let Some(text) = self.flow().filter(|text| text.len() <= FLOW) {
            out.push(' ');
            out.push_str(&text);
            return;
        }
        let inner = match self {
            Self::Map(fields) if !fields.is_empty() => indent + 2,
            Self::List(items) if !items.is_empty() => indent + 2,
            _ => {
                out.push(' ');
                return self.write(indent, out);
            }
        };
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', inner));
        self.write(inner, out);
    }
}

/// Characters of a list or mapping that is written on one line.
const FLOW: usize = 72;

fn begin_line(at: usize, indent: usize, out: &mut String) {
    if at > 0 {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', indent));
    }
}

/// `text` as a YAML scalar on one line: plain where every reader takes that for this text, in double quotes elsewhere.
pub(crate) fn scalar(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    // Easier to read where there would be escapes; nothing ends it but the quote, which is doubled.
    if text.contains(['"', '\\']) && text.chars().all(|c| c == ' ' || c.is_ascii_graphic()) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    quoted(text)
}

/// Letters, digits and `. _ / -`, a letter or `/` first, and no word that YAML 1.1 reads as something else.
fn is_plain(text: &str) -> bool {
    const WORDS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "._/-".contains(c))
        && !WORDS.iter().any(|word| word.eq_ignore_ascii_case(text))
}

/// In double quotes, with nothing in it that ends a line or a text, or that shows it in another order than it is read in.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() || is_unseen(c) => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Line ends of Unicode, the marks that change the direction of what follows (Unicode Standard Annex #9 §2), and what has no width.
fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
    )
}

impl From<&str> for Node {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

#[cfg(test)]
mod tests;
