//! Texts with places for values.
//!
//! A template is the YAML that operators read, comments included. A value stands where its name stands in `<<…>>`:
//!
//! - `key: <<name>>` takes a scalar;
//! - a line of its own, `<<block name>>`, takes a mapping or a list, indented as that line is;
//! - `<<if name>>` and `<<end>>`, each a line of its own, keep or leave out what is between them;
//! - `<<each name>>` and `<<end>>` repeat what is between them for each item, whose fields are `<<item.field>>`.
//!
//! One template serves two writers: [`Values`] puts values in, each encoded as YAML so that a value can never be anything but a value, and
//! [`Helm`] puts in the expression that does the same in a chart. So a chart cannot drift from what is rendered without Helm.
//!
//! Templates are part of this program, and tests write each of them: one that is not well formed, or that names what its writer does not have,
//! is a mistake in the program, and panics.

use std::collections::BTreeMap;

use super::node::{Node, scalar};

/// A template, taken apart.
pub(crate) struct Template(Vec<Part>);

enum Part {
    /// A line of text, with scalars in it.
    Line(String),
    /// A mapping or a list, and the spaces in front of it.
    Block(String, usize),
    /// What stands here on a condition.
    If(String, Vec<Part>),
    /// What stands here for each item.
    Each(String, Vec<Part>),
}

/// What stands at the places of a template.
pub(crate) trait Writer {
    /// The scalar `name`, encoded.
    fn scalar(&self, name: &str) -> String;
    /// A line with the block `name`, indented.
    fn block(&self, name: &str, indent: usize) -> String;
    /// What becomes of `body`, which stands under the condition `name`.
    fn when(&self, name: &str, body: &dyn Fn(&dyn Writer) -> String) -> String;
    /// What becomes of `body`, which stands for one item of `name`.
    fn each(&self, name: &str, body: &dyn Fn(&dyn Writer) -> String) -> String;
}

impl Template {
    /// Takes a text apart.
    pub(crate) fn parse(text: &str) -> Self {
        let mut lines = text.lines();
        let parts = parts(&mut lines, false);
        Self(parts)
    }

    /// The text, with what `writer` puts in.
    pub(crate) fn write(&self, writer: &dyn Writer) -> String {
        write(&self.0, writer)
    }
}

fn parts(lines: &mut std::str::Lines<'_>, inner: bool) -> Vec<Part> {
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        let trimmed = line.trim_start();
        let directive = trimmed.strip_prefix("<<").and_then(|rest| rest.strip_suffix(">>"));
        found.push(match directive.map(|text| text.split_once(' ').unwrap_or((text, ""))) {
            Some(("end", "")) => {
                assert!(inner, "`<<end>>` ends nothing");
                return found;
            }
            Some(("if", name)) => Part::If(name.to_owned(), parts(lines, true)),
            Some(("each", name)) => Part::Each(name.to_owned(), parts(lines, true)),
            Some(("block", name)) => Part::Block(name.to_owned(), line.len() - trimmed.len()),
            _ => Part::Line(line.to_owned()),
        });
    }
    assert!(!inner, "an `<<end>>` is missing");
    found
}

fn write(parts: &[Part], writer: &dyn Writer) -> String {
    let mut out = String::new();
    for part in parts {
        match part {
            Part::Line(line) => {
                write_line(line, writer, &mut out);
                out.push('\n');
            }
            Part::Block(name, indent) => {
                out.push_str(&writer.block(name, *indent));
                out.push('\n');
            }
            Part::If(name, body) => out.push_str(&writer.when(name, &|writer| write(body, writer))),
            Part::Each(name, body) => out.push_str(&writer.each(name, &|writer| write(body, writer))),
        }
    }
    out
}

fn write_line(line: &str, writer: &dyn Writer, out: &mut String) {
    let mut rest = line;
    while let Some((before, name, after)) = rest
        .split_once("<<")
        .and_then(|(before, tail)| tail.split_once(">>").map(|(name, after)| (before, name, after)))
    {
        out.push_str(before);
        out.push_str(&writer.scalar(name));
        rest = after;
    }
    out.push_str(rest);
}

/// What a name of a template stands for.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// A scalar, mapping or list.
    Node(Node),
    /// A condition.
    Flag(bool),
    /// Lines that stand as they are, indented.
    Lines(String),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Node(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Node(Node::Text(text))
    }
}

impl From<Node> for Value {
    fn from(node: Node) -> Self {
        Self::Node(node)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

/// Puts values in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values(BTreeMap<String, Value>);

impl Values {
    /// Sets what `name` stands for.
    pub(crate) fn set(&mut self, name: impl Into<String>, value: impl Into<Value>) -> &mut Self {
        self.0.insert(name.into(), value.into());
        self
    }

    fn node(&self, name: &str) -> &Node {
        match self.0.get(name) {
            Some(Value::Node(node)) => node,
            _ => panic!("the template names `{name}`, which has no value"),
        }
    }
}

impl Writer for Values {
    fn scalar(&self, name: &str) -> String {
        match self.node(name) {
            Node::Text(text) => scalar(text),
            Node::List(_) | Node::Map(_) => panic!("`{name}` is no scalar"),
            node => node.yaml(0),
        }
    }

    fn block(&self, name: &str, indent: usize) -> String {
        let spaces = " ".repeat(indent);
        if let Some(Value::Lines(text)) = self.0.get(name) {
            let lines: Vec<String> = text
                .lines()
                .map(|line| format!("{spaces}{line}").trim_end().to_owned())
                .collect();
            return lines.join("\n");
        }
        format!("{spaces}{}", self.node(name).yaml(indent))
    }

    fn when(&self, name: &str, body: &dyn Fn(&dyn Writer) -> String) -> String {
        match self.0.get(&condition(name)) {
            Some(Value::Flag(true)) => body(self),
            Some(Value::Flag(false)) => String::new(),
            _ => panic!("the template names the condition `{name}`, which is not there"),
        }
    }

    fn each(&self, name: &str, body: &dyn Fn(&dyn Writer) -> String) -> String {
        let Node::List(items) = self.node(name) else {
            panic!("`{name}` is no list");
        };
        items.iter().map(|item| body(&self.with(item))).collect()
    }
}

/// A condition has a name of its own, so that it may be called like the value that it is about.
fn condition(name: &str) -> String {
    format!("if {name}")
}

impl Values {
    /// The same, and the fields of an item.
    fn with(&self, item: &Node) -> Self {
        let mut inner = self.clone();
        if let Node::Map(fields) = item {
            for (key, value) in fields {
                if let Node::Bool(flag) = value {
                    inner.set(condition(&format!("item.{key}")), *flag);
                }
                inner.set(format!("item.{key}"), value.clone());
            }
        }
        inner
    }
}

/// Puts in the expressions of a Helm chart: for each name its expression, without the braces.
pub(crate) struct Helm<'a>(pub(crate) &'a [(&'a str, &'a str)]);

impl Helm<'_> {
    fn expression(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map_or_else(|| panic!("the chart has no expression for `{name}`"), |(_, text)| text)
    }
}

impl Writer for Helm<'_> {
    fn scalar(&self, name: &str) -> String {
        format!("{{{{ {} }}}}", self.expression(name))
    }

    fn block(&self, name: &str, indent: usize) -> String {
        format!(
            "{}{{{{- {} | nindent {indent} }}}}",
            " ".repeat(indent),
            self.expression(name)
        )
    }

    fn when(&self, name: &str, body: &dyn Fn(&dyn Writer) -> String) -> String {
        format!(
            "{{{{- if {} }}}}\n{}{{{{- end }}}}\n",
            self.expression(&condition(name)),
            body(self)
        )
    }

    fn each(&self, name: &str, body: &dyn Fn(&dyn Writer) -> String) -> String {
        format!(
            "{{{{- range {} }}}}\n{}{{{{- end }}}}\n",
            self.expression(name),
            body(self)
        )
    }
}

#[cfg(test)]
mod tests;
