//! Reading field by field: what is there has the right form or is reported, and what was not looked for is reported too.

use core::time::Duration;
use std::borrow::Cow;

use super::diagnostic::{Code, Problem, Read, Reported, Sink, short};
use super::limits;
use super::path::Path;
use super::value::{Member, Value};

/// The fields of one kind of object, in camelCase.
pub(super) struct Shape {
    /// What is read.
    pub(super) fields: &'static [&'static str],
    /// What the format has and this version does not do: refused by name, never ignored.
    pub(super) later: &'static [&'static str],
}

/// A value and where it is.
#[derive(Clone, Copy)]
pub(super) struct At<'v> {
    pub(super) value: &'v Value,
    pub(super) path: Path<'v>,
}

/// An object whose members' names were all checked.
pub(super) struct Fields<'v> {
    path: &'v Path<'v>,
    members: &'v [Member],
}

impl<'v> At<'v> {
    pub(super) fn new(value: &'v Value, path: Path<'v>) -> Self {
        Self { value, path }
    }

    /// An object. Each member that is not of this shape is reported, and the others can be read for their own errors.
    pub(super) fn fields(&self, shape: &Shape, sink: &mut Sink) -> Read<Fields<'_>> {
        // Of few, it says which they are.
        const FEW: usize = 7;
        if !matches!(self.value, Value::Object(_) | Value::Null) && shape.fields.len() <= FEW {
            return Err(self.mismatch(&format!("an object with fields like {}", all_of(shape.fields)), sink));
        }
        let members = self.members(sink)?;
        for (index, (given, _)) in members.iter().enumerate() {
            let earlier = members.get(..index).unwrap_or_default();
            self.check_name(given, earlier, shape, sink);
        }
        Ok(Fields {
            path: &self.path,
            members,
        })
    }

    fn check_name(&self, given: &str, earlier: &[Member], shape: &Shape, sink: &mut Sink) {
        let path = Path::Member(&self.path, given);
        if let Some(field) = shape.fields.iter().find(|field| is_spelling(given, field)) {
            let twice = earlier
                .iter()
                .find(|(other, _)| **other != *given && is_spelling(other, field));
            if let Some((other, _)) = twice {
                sink.error(
                    &path,
                    format!("given twice, as `{other}` and as `{given}`: keep one of them"),
                );
            }
            return;
        }
        if shape.later.iter().any(|field| is_spelling(given, field)) {
            let message = format!("`{given}` is not supported yet: leave it out");
            sink.error(&path, Problem::new(message).code(Code::NotSupported));
            return;
        }
        if sink.is_full() {
            // It only counts: of a bundle that is made of such names, each would take a list of all that are known.
            sink.error(&path, "no such field");
            return;
        }
        let problem = Problem::new(format!("no such field: {}", one_of(shape.fields))).code(Code::UnknownField);
        let meant = sink.nearest(given, shape.fields.iter().copied());
        sink.error(&path, problem.suggest(meant));
    }

    /// The members of an object that has some.
    pub(super) fn members(&self, sink: &mut Sink) -> Read<&'v [Member]> {
        let Value::Object(members) = self.value else {
            return Err(self.mismatch("an object", sink));
        };
        if members.is_empty() {
            return Err(self.empty("object", sink));
        }
        if members.len() > limits::MEMBERS {
            return Err(self.too_many(members.len(), limits::MEMBERS, sink));
        }
        Ok(members)
    }

    /// A list of one item at least and `limit` at most, each read by `read`; all of their errors are reported.
    pub(super) fn list<T>(
        &self,
        limit: usize,
        sink: &mut Sink,
        mut read: impl FnMut(&At<'_>, &mut Sink) -> Read<T>,
    ) -> Read<Vec<T>> {
        let Value::List(items) = self.value else {
            return Err(self.no_list(sink));
        };
        if items.is_empty() {
            return Err(self.empty("list", sink));
        }
        if items.len() > limit {
            return Err(self.too_many(items.len(), limit, sink));
        }
        let mut wrong = None;
        let mut all = Vec::with_capacity(items.len());
        for (index, value) in items.iter().enumerate() {
            match read(&At::new(value, Path::Item(&self.path, index)), sink) {
                Ok(item) => all.push(item),
                Err(reported) => wrong = Some(reported),
            }
        }
        wrong.map_or(Ok(all), Err)
    }

    /// A string that is neither empty nor too long and holds nothing that cannot be seen.
    pub(super) fn text(&self, sink: &mut Sink) -> Read<&'v str> {
        let Value::String(text) = self.value else {
            return Err(match self.value {
                Value::Number(_) | Value::Bool(_) => self.quote_it(sink),
                _ => self.mismatch("a string", sink),
            });
        };
        let wrong = if text.is_empty() {
            "is empty: give a value, or leave it out".to_owned()
        } else if text.len() > limits::TEXT {
            format!("is too long: {} bytes, {} at most", text.len(), limits::TEXT)
        } else if text.chars().any(char::is_control) {
            "holds a control character".to_owned()
        } else if text.trim() != text {
            "begins or ends with white space".to_owned()
        } else {
            return Ok(text);
        };
        Err(sink.error(&self.path, Problem::new(wrong).found(self.value)))
    }

    /// A string of the form `wanted`, like ``a date, like `"2026-12-25"` ``: quotes alone make none of a number.
    pub(super) fn text_of(&self, wanted: &str, sink: &mut Sink) -> Read<&'v str> {
        match self.value {
            Value::Number(_) | Value::Bool(_) => Err(self.mismatch(wanted, sink)),
            _ => self.text(sink),
        }
    }

    /// The name of a document or a rule: `[a-z0-9]([-a-z0-9._]*[a-z0-9])?`.
    pub(super) fn name(&self, sink: &mut Sink) -> Read<&'v str> {
        let text = self.text(sink)?;
        let end = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let inner = |byte: u8| end(&byte) || matches!(byte, b'-' | b'.' | b'_');
        let bytes = text.as_bytes();
        let valid = bytes.first().is_some_and(end) && bytes.last().is_some_and(end) && text.bytes().all(inner);
        if !valid {
            let message = "not a name: lower-case letters, digits, `-`, `.` and `_`, a letter or digit at both ends";
            return Err(sink.error(&self.path, Problem::new(message).found(self.value)));
        }
        if text.len() > limits::NAME {
            return Err(self.too_many(text.len(), limits::NAME, sink));
        }
        Ok(text)
    }

    pub(super) fn boolean(&self, sink: &mut Sink) -> Read<bool> {
        match self.value {
            Value::Bool(value) => Ok(*value),
            Value::String(text) if text == "true" || text == "false" => {
                let message = "must be `true` or `false`: take the quotes away";
                Err(sink.error(&self.path, Problem::new(message).found(self.value)))
            }
            _ => Err(self.mismatch("`true` or `false`", sink)),
        }
    }

    /// Only `true`: `false` would be the same as leaving it out, and reads like a restriction.
    pub(super) fn only_true(&self, sink: &mut Sink) -> Read<()> {
        if self.boolean(sink)? {
            return Ok(());
        }
        Err(sink.error(&self.path, "`false` says nothing here: leave it out"))
    }

    /// An integer from `least` to `most`.
    pub(super) fn integer(&self, least: u64, most: u64, sink: &mut Sink) -> Read<u64> {
        match (self.value, self.value.integer()) {
            (_, Some(number)) if number >= least && number <= most => Ok(number),
            (Value::String(text), _) if text.parse().is_ok_and(|number| (least..=most).contains(&number)) => {
                let message = "must be a number: take the quotes away";
                Err(sink.error(&self.path, Problem::new(message).found(self.value)))
            }
            _ if most == limits::INTEGER => Err(self.mismatch(&format!("a whole number, like `{least}`"), sink)),
            _ => Err(self.mismatch(&format!("a whole number from {least} to {most}"), sink)),
        }
    }

    /// One of these words.
    pub(super) fn word<T: Copy>(&self, words: &[(&'static str, T)], sink: &mut Sink) -> Read<T> {
        self.word_or_later(words, &[], sink)
    }

    /// One of these words; of those in `later` the error says that they are not built yet.
    pub(super) fn word_or_later<T: Copy>(
        &self,
        words: &[(&'static str, T)],
        later: &[&str],
        sink: &mut Sink,
    ) -> Read<T> {
        if let Value::String(text) = self.value
            && let Some((_, value)) = words.iter().find(|(word, _)| word == text)
        {
            return Ok(*value);
        }
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        Err(self.no_word(&known, later, sink))
    }

    /// A duration like `250ms`, `30s`, `5m` or `24h`, from `least` to `most`.
    pub(super) fn duration(&self, least: Duration, most: Duration, sink: &mut Sink) -> Read<Duration> {
        if let Some(number) = unitless(self.value) {
            let written: Vec<String> = ["ms", "s", "m", "h"]
                .iter()
                .map(|unit| format!("{number}{unit}"))
                .filter(|text| parse_duration(text).is_some_and(|meant| meant >= least && meant <= most))
                .collect();
            let message = match written.as_slice() {
                [] => format!(
                    "has no unit: write a duration from {} to {}",
                    spelled(least),
                    spelled(most)
                ),
                written => {
                    let written: Vec<&str> = written.iter().map(String::as_str).collect();
                    format!("has no unit: write {}", one_of(&written))
                }
            };
            return Err(sink.error(&self.path, Problem::new(message).found(self.value)));
        }
        let text = self.text_of("a duration, like `30s`", sink)?;
        let Some(duration) = parse_duration(text) else {
            let days = text.strip_suffix('d').and_then(|days| days.parse::<u64>().ok());
            let hours = days.and_then(|days| Some(format!("{}h", days.checked_mul(24)?)));
            let meant =
                hours.filter(|hours| parse_duration(hours).is_some_and(|meant| meant >= least && meant <= most));
            let message = "not a duration: write a whole number and `ms`, `s`, `m` or `h`, like `30s`";
            let problem = Problem::new(message).found(self.value).suggest(meant);
            return Err(sink.error(&self.path, problem));
        };
        if duration < least || duration > most {
            let message = format!("must be from {} to {}", spelled(least), spelled(most));
            return Err(sink.error(&self.path, Problem::new(message).found(self.value)));
        }
        Ok(duration)
    }

    /// What `parse` makes of a string; its error is the message.
    pub(super) fn parsed<T, E: core::fmt::Display>(
        &self,
        parse: impl FnOnce(&str) -> Result<T, E>,
        sink: &mut Sink,
    ) -> Read<T> {
        let text = self.scalar(sink)?;
        match (parse(&text), text) {
            (Ok(value), Cow::Borrowed(_)) => Ok(value),
            // Quotes alone do not help where the text would be wrong, too.
            (Ok(_), Cow::Owned(_)) => Err(self.quote_it(sink)),
            (Err(error), _) => Err(self.refused(error.to_string(), sink)),
        }
    }

    // What is the same for all that a list, a word or a text can be read as stands once in the module.

    #[cold]
    #[inline(never)]
    fn no_list(&self, sink: &mut Sink) -> Reported {
        match self.value {
            Value::String(text) if !text.is_empty() => {
                let message = format!("must be a list, also of one: `[\"{}\"]`", short(text));
                sink.error(&self.path, Problem::new(message).found(self.value))
            }
            _ => self.mismatch("a list", sink),
        }
    }

    #[cold]
    #[inline(never)]
    fn no_word(&self, known: &[&str], later: &[&str], sink: &mut Sink) -> Reported {
        if !matches!(self.value, Value::String(_)) {
            return self.mismatch(&one_of(known), sink);
        }
        let text = match self.text(sink) {
            Ok(text) => text,
            Err(reported) => return reported,
        };
        if later.contains(&text) {
            let message = format!("`{text}` is not supported yet");
            return sink.error(&self.path, Problem::new(message).code(Code::NotSupported));
        }
        let problem = Problem::new(format!("must be {}", one_of(known))).found(self.value);
        let meant = sink.nearest(text, known.iter().copied());
        sink.error(&self.path, problem.suggest(meant))
    }

    /// The text that is to be parsed; of a number or a truth value what quotes around it would make of it.
    fn scalar(&self, sink: &mut Sink) -> Read<Cow<'v, str>> {
        match self.value {
            Value::Number(number) => Ok(Cow::Owned(number.to_string())),
            Value::Bool(truth) => Ok(Cow::Owned(truth.to_string())),
            _ => self.text(sink).map(Cow::Borrowed),
        }
    }

    #[cold]
    #[inline(never)]
    fn refused(&self, why: String, sink: &mut Sink) -> Reported {
        sink.error(&self.path, why)
    }

    #[cold]
    #[inline(never)]
    fn quote_it(&self, sink: &mut Sink) -> Reported {
        sink.error(&self.path, Problem::new("must be a string: quote it").found(self.value))
    }

    /// The value has another type than `expected`.
    pub(super) fn mismatch(&self, expected: &str, sink: &mut Sink) -> Reported {
        let problem = match self.value {
            Value::Null => Problem::new(format!(
                "must be {expected}, not null: only absence means not restricted, so leave it out or give a value"
            )),
            value => Problem::new(format!("must be {expected}")).found(value),
        };
        sink.error(&self.path, problem)
    }

    fn empty(&self, what: &str, sink: &mut Sink) -> Reported {
        sink.error(
            &self.path,
            format!("an empty {what}: only absence means not restricted, so leave it out or fill it"),
        )
    }

    fn too_many(&self, count: usize, limit: usize, sink: &mut Sink) -> Reported {
        sink.error(&self.path, format!("too many: {count}, {limit} at most"))
    }
}

impl<'v> Fields<'v> {
    /// The field with this camelCase name, in either spelling.
    pub(super) fn field(&self, name: &str) -> Option<At<'v>> {
        self.members
            .iter()
            .find(|(given, _)| is_spelling(given, name))
            .map(|(given, value)| At::new(value, Path::Member(self.path, given)))
    }

    /// A field that has to be there.
    pub(super) fn required<T>(
        &self,
        name: &str,
        sink: &mut Sink,
        read: impl FnOnce(&At<'v>, &mut Sink) -> Read<T>,
    ) -> Read<T> {
        match self.field(name) {
            Some(at) if matches!(at.value, Value::Null) => Err(no_value(name, &at.path, sink)),
            Some(at) => read(&at, sink),
            None => Err(self.missing(name, sink)),
        }
    }

    #[cold]
    #[inline(never)]
    fn missing(&self, name: &str, sink: &mut Sink) -> Reported {
        let problem = Problem::new(format!("`{name}` is missing")).code(Code::Missing);
        sink.error(self.path, problem)
    }

    /// Where the object is.
    pub(super) fn path(&self) -> &Path<'v> {
        self.path
    }

    /// Something is wrong with the object as a whole.
    pub(super) fn wrong(&self, message: &str, sink: &mut Sink) -> Reported {
        sink.error(self.path, message)
    }

    /// A field that may be absent.
    pub(super) fn optional<T>(
        &self,
        name: &str,
        sink: &mut Sink,
        read: impl FnOnce(&At<'v>, &mut Sink) -> Read<T>,
    ) -> Read<Option<T>> {
        self.field(name).map(|at| read(&at, sink)).transpose()
    }
}

#[cold]
#[inline(never)]
fn no_value(name: &str, path: &Path<'_>, sink: &mut Sink) -> Reported {
    let message = format!("`{name}` has no value: give one; what an object holds is indented further than its name");
    sink.error(path, message)
}

/// `a`, `b` or `c`.
pub(super) fn one_of(words: &[&str]) -> String {
    joined(words, "or")
}

/// The words, each once, with an `and` before the last.
pub(super) fn all_of(words: &[&str]) -> String {
    let mut once: Vec<&str> = Vec::with_capacity(words.len());
    for word in words {
        if !once.contains(word) {
            once.push(word);
        }
    }
    joined(&once, "and")
}

fn joined(words: &[&str], conjunction: &str) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} {conjunction} {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// Whether `given` is `field` in camelCase or in snake_case.
fn is_spelling(given: &str, field: &str) -> bool {
    if given == field {
        return true;
    }
    // Names begin alike in both spellings: most are told apart by their first letter.
    if given.as_bytes().first() != field.as_bytes().first() {
        return false;
    }
    let mut given = given.chars();
    let follows = field.chars().all(|expected| {
        if expected.is_ascii_uppercase() {
            return given.next() == Some('_') && given.next() == Some(expected.to_ascii_lowercase());
        }
        given.next() == Some(expected)
    });
    follows && given.next().is_none()
}

/// A whole number where a duration is meant, quoted or not.
pub(super) fn unitless(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => text.parse().ok(),
        value => value.integer(),
    }
}

fn parse_duration(text: &str) -> Option<Duration> {
    let unit = text.find(|character: char| !character.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(unit)?;
    // Nine digits are more than any limit here, and overflow nothing.
    if number.len() > 9 {
        return None;
    }
    let number: u64 = number.parse().ok()?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    Some(Duration::from_millis(number.checked_mul(milliseconds)?))
}

/// A duration in the largest unit that is exact.
fn spelled(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    for (unit, length) in [("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
        if milliseconds.checked_rem(length) == Some(0) {
            return format!("{}{unit}", milliseconds.checked_div(length).unwrap_or_default());
        }
    }
    format!("{milliseconds}ms")
}
