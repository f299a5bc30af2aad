//! A value of YAML or JSON that knows where it stands.

use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use regionguard::bundle::member_name;
use serde_json::{Number, Value};

use crate::problem::{Place, Source};

/// A piece of one of the files.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    /// The file, by its number in [`Sources`].
    pub(super) file: usize,
    /// The bytes of its text.
    pub(super) bytes: Range<usize>,
}

impl Span {
    fn holds(&self, other: &Self) -> bool {
        self.file == other.file && self.bytes.start <= other.bytes.start && other.bytes.end <= self.bytes.end
    }
}

/// The files that were read, by number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources(pub(super) Vec<Rc<Source>>);

impl Sources {
    /// The number of each file, by where it is in memory.
    pub(super) fn numbers(&self) -> HashMap<*const Source, usize> {
        let files = self.0.iter().enumerate();
        files.map(|(number, source)| (Rc::as_ptr(source), number)).collect()
    }

    /// The piece of text that `span` is.
    pub(super) fn place(&self, span: &Span) -> Option<Place> {
        Some(Place {
            source: Rc::clone(self.0.get(span.file)?),
            bytes: Some(span.bytes.clone()),
        })
    }
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) value: Data,
    pub(super) span: Span,
    /// Something is wrong with it, and was said: nothing else is said of it.
    pub(super) reported: bool,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(super) enum Data {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    /// In the order in which they stand.
    Object(Vec<Member>),
}

/// A member of an object.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) name_span: Span,
    /// Whether the name stands without quotes.
    pub(super) plain: bool,
    pub(super) value: Node,
}

/// Where a path leads.
pub(super) struct Found<'n> {
    /// The value; the nearest one around it where there is none at the path itself.
    pub(super) node: &'n Node,
    /// The name of the member that the value is, or is an item of.
    pub(super) name: Option<&'n Member>,
    /// Something on the way was reported before.
    pub(super) reported: bool,
}

impl Node {
    /// The member of this name.
    pub(super) fn member(&self, name: &str) -> Option<&Self> {
        self.members()
            .iter()
            .find(|member| member.name == name)
            .map(|member| &member.value)
    }

    /// The value at the end of these names.
    pub(super) fn at(&self, names: &[&str]) -> Option<&Self> {
        names.iter().try_fold(self, |node, name| node.member(name))
    }

    pub(super) fn members(&self) -> &[Member] {
        match &self.value {
            Data::Object(members) => members,
            _ => &[],
        }
    }

    pub(super) fn items(&self) -> &[Self] {
        match &self.value {
            Data::List(items) => items,
            _ => &[],
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Data::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value at a path as the kernel's diagnostics write it (`documents[2].spec.rules[0]`), or the last one on the way to it.
    pub(super) fn find(&self, path: &str) -> Found<'_> {
        let mut found = Found {
            node: self,
            name: None,
            reported: self.reported,
        };
        let mut rest = path;
        while let Some((next, name, after)) = step(found.node, rest) {
            found.reported |= next.reported;
            found.node = next;
            found.name = name;
            rest = after;
        }
        found
    }

    /// The path to what stands at `at`, as far as it is there; `None` where this value stands elsewhere.
    pub(super) fn path_to(&self, at: &Span) -> Option<String> {
        if !self.span.holds(at) {
            return None;
        }
        let mut path = String::new();
        let mut node = self;
        while let Some((next, step)) = node.towards(at) {
            path.push_str(&step);
            node = next;
        }
        Some(path.trim_start_matches('.').to_owned())
    }

    /// The member or item that holds `at`. They stand in the order of the text.
    fn towards(&self, at: &Span) -> Option<(&Self, String)> {
        let behind = |start: usize| start <= at.bytes.start;
        match &self.value {
            Data::Object(members) => {
                let index = members.partition_point(|member| behind(member.name_span.bytes.start));
                let member = members.get(index.checked_sub(1)?)?;
                let holds = member.name_span.holds(at) || member.value.span.holds(at);
                holds.then(|| (&member.value, format!(".{}", member_name(&member.name))))
            }
            Data::List(items) => {
                let index = items
                    .partition_point(|item| behind(item.span.bytes.start))
                    .checked_sub(1)?;
                let item = items.get(index).filter(|item| item.span.holds(at))?;
                Some((item, format!("[{index}]")))
            }
            _ => None,
        }
    }

    /// The value without its places, its members in their order.
    pub(super) fn written(&self) -> crate::render::Node {
        use crate::render::Node as Written;
        match &self.value {
            Data::Null => Written::Null,
            Data::Bool(value) => Written::Bool(*value),
            Data::Number(number) => Written::Number(number.clone()),
            Data::Text(text) => Written::Text(text.clone()),
            Data::List(items) => Written::List(items.iter().map(Self::written).collect()),
            Data::Object(members) => Written::Map(
                members
                    .iter()
                    .map(|member| (member.name.clone(), member.value.written()))
                    .collect(),
            ),
        }
    }

    /// The value without its places; of members with the same name the first.
    pub(super) fn to_json(&self) -> Value {
        match &self.value {
            Data::Null => Value::Null,
            Data::Bool(value) => Value::Bool(*value),
            Data::Number(number) => Value::Number(number.clone()),
            Data::Text(text) => Value::String(text.clone()),
            Data::List(items) => items.iter().map(Self::to_json).collect(),
            Data::Object(members) => Value::Object(
                members
                    .iter()
                    .rev()
                    .map(|member| (member.name.clone(), member.value.to_json()))
                    .collect(),
            ),
        }
    }
}

/// One step of `path` down from `node`, and the path behind it.
fn step<'n, 'p>(node: &'n Node, path: &'p str) -> Option<(&'n Node, Option<&'n Member>, &'p str)> {
    if let Some(rest) = path.strip_prefix('[') {
        let (index, rest) = rest.split_once(']')?;
        let item = node.items().get(index.parse::<usize>().ok()?)?;
        return Some((item, None, rest));
    }
    let path = path.strip_prefix('.').unwrap_or(path);
    let member = |spelling: fn(&str) -> String| {
        node.members().iter().find_map(|member| {
            let rest = path.strip_prefix(spelling(&member.name).as_str())?;
            (rest.is_empty() || rest.starts_with(['.', '['])).then_some((&member.value, Some(member), rest))
        })
    };
    // Most names stand in a path as they are.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let end = path.bytes().position(|byte| !is_plain(byte)).unwrap_or(path.len());
    let (name, rest) = path.split_at(end);
    let plain = node.members().iter().find(|member| member.name == name);
    plain
        .filter(|_| rest.is_empty() || rest.starts_with(['.', '[']))
        .map(|member| (&member.value, Some(member), rest))
        .or_else(|| member(member_name))
        .or_else(|| member(camel_case))
}

/// A field's name as the documentation has it: `on_unavailable` is `onUnavailable`.
pub(crate) fn camel_case(name: &str) -> String {
    let mut after_underscore = false;
    let mut camel = String::with_capacity(name.len());
    for character in name.chars() {
        match character {
            '_' => after_underscore = true,
            _ if after_underscore => {
                camel.push(character.to_ascii_uppercase());
                after_underscore = false;
            }
            _ => camel.push(character),
        }
    }
    camel
}

/// The member of an object by its camelCase name, in either spelling.
pub(crate) fn member<'v>(object: &'v Value, name: &str) -> Option<&'v Value> {
    let members = object.as_object()?;
    let spelled = |(given, value): (&String, &'v Value)| (camel_case(given) == name).then_some(value);
    members
        .get(name)
        .or_else(|| members.iter().find_map(|(given, value)| spelled((given, value))))
}
