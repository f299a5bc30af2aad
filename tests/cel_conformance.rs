//! The conformance tests of CEL (google/cel-spec), under this project's language.
//!
//! They are read from the folder `cel` in the one that `REGIONGUARD_VECTORS` names, or in `../shared/vectors` beside the checkout. Without it the test says that
//! it was left out; with `REGIONGUARD_REQUIRE_VECTORS=1` it fails. A case that comes out otherwise here is a skip, and stands with its reason in
//! `tests/vectors/cel-skips.txt`.
#![expect(
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    reason = "a test says what is wrong by panicking"
)]

#[path = "textproto/mod.rs"]
mod textproto;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::SignedDuration;
use regionguard::cel::{Budget, Declared, Environment, Fault, Program, Timestamp, Type, Value, Variable, Variables};
use textproto::{Field, Message};

/// What one case may cost.
const UNITS: u32 = 100_000;

#[test]
fn expressions_mean_what_the_specification_says() {
    let Some(folder) = folder() else { return };
    let skips = skips(include_str!("vectors/cel-skips.txt"));
    let (mut passed, mut refused, mut used, mut problems) = (0, 0, BTreeSet::new(), Vec::new());
    let mut seen = BTreeSet::new();
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .expect("the folder is readable")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "textproto"))
        .collect();
    files.sort();
    assert!(files.len() >= 16, "only {} files", files.len());
    for path in &files {
        let text = std::fs::read_to_string(path).expect("the file is text");
        let file = Message::read(&text).unwrap_or_else(|error| panic!("`{}`: {error}", path.display()));
        for (name, test) in cases(&file) {
            seen.insert(name.clone());
            match (outcome(test), skips.contains_key(name.as_str())) {
                (Ok(how), false) => {
                    passed += 1;
                    refused += usize::from(how == How::Refused);
                }
                (Ok(_), true) => problems.push(format!("{name}: listed as a skip, but it is none (any more)")),
                (Err(_), true) => {
                    used.insert(name);
                }
                (Err(why), false) => {
                    problems.push(format!("{name}: {why}: `{}`", test.text("expr").unwrap_or_default()));
                }
            }
        }
    }
    let gone = skips.keys().filter(|name| !seen.contains(**name));
    problems.extend(gone.map(|name| format!("{name}: listed as a skip, but there is no such case")));
    assert!(
        problems.is_empty(),
        "{} problems:\n{}",
        problems.len(),
        problems.join("\n")
    );
    println!(
        "cel: {passed} as specified ({refused} of the errors when the expression is compiled), {} otherwise, as listed",
        used.len()
    );
    for (why, count) in used.iter().fold(BTreeMap::new(), |mut counts, name| {
        *counts.entry(skips[name.as_str()]).or_insert(0) += 1;
        counts
    }) {
        println!("  {count}: {why}");
    }
    assert!(passed >= 1000, "only {passed} cases");
}

/// The folder of the vectors, where it is.
fn folder() -> Option<PathBuf> {
    let folder = match std::env::var_os("REGIONGUARD_VECTORS") {
        Some(named) => PathBuf::from(named),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors"),
    };
    let folder = folder.join("cel");
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(
        std::env::var_os("REGIONGUARD_REQUIRE_VECTORS").is_none_or(|required| required != "1"),
        "REGIONGUARD_REQUIRE_VECTORS=1, but `{}` is not there: name the folder of the vectors in REGIONGUARD_VECTORS",
        folder.display()
    );
    println!(
        "LEFT OUT: `{}` is not there; name the folder of the vectors in REGIONGUARD_VECTORS",
        folder.display()
    );
    None
}

/// The skips of the list: the name of a case, and the reason that stands above it behind a `= `.
fn skips(list: &'static str) -> BTreeMap<&'static str, &'static str> {
    let mut skips = BTreeMap::new();
    let mut reason = None;
    for line in list.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(why) = line.strip_prefix("= ") {
            reason = Some(why);
        } else {
            let why = reason.unwrap_or_else(|| panic!("`{line}` has no reason above it"));
            assert!(skips.insert(line, why).is_none(), "`{line}` is listed twice");
        }
    }
    skips
}

/// The cases of a file by `file/section/name`; what stands in a section more than once has its number.
fn cases(file: &Message) -> Vec<(String, &Message)> {
    let title = file.text("name").expect("a file has a name");
    let mut cases: Vec<(String, &Message)> = Vec::new();
    for section in file.messages("section") {
        let section_name = section.text("name").expect("a section has a name");
        for test in section.messages("test") {
            let name = format!(
                "{title}/{section_name}/{}",
                test.text("name").expect("a test has a name")
            );
            let numbered = (2..).map(|number| format!("{name}#{number}"));
            let mut names = std::iter::once(name.clone()).chain(numbered);
            let free = names.find(|name| cases.iter().all(|(known, _)| known != name));
            cases.push((free.expect("numbers do not end"), test));
        }
    }
    cases
}

/// What is bound to the declared names, in their order.
struct Bound(Vec<Option<Value<'static>>>);

impl Variables for Bound {
    fn read(&self, id: u16, _: &mut Budget) -> Result<Value<'_>, Fault> {
        let value = self.0.get(usize::from(id)).and_then(Option::as_ref);
        value.map(Value::reborrow).ok_or(Fault::Absent)
    }

    fn member(&self, _: u16, _: &str) -> Result<Value<'_>, Fault> {
        Err(Fault::Absent)
    }
}

/// How a case came out as it should.
#[derive(PartialEq, Eq)]
enum How {
    Evaluated,
    /// What is refused when it is compiled has no value, either.
    Refused,
}

/// How a case came out, or what it came to instead.
fn outcome(test: &Message) -> Result<How, String> {
    let source = test.text("expr").ok_or("the expression is no text")?;
    let mut bindings = BTreeMap::new();
    for binding in test.messages("bindings") {
        let name = binding.text("key").ok_or("a binding without a name")?;
        let value = binding
            .message("value")
            .and_then(|value| value.message("value"))
            .ok_or("a binding without a value")?;
        bindings.insert(name, value_of(value)?);
    }
    let mut types: BTreeMap<_, _> = bindings.keys().map(|name| (*name, Type::Dyn)).collect();
    for declared in test.messages("type_env") {
        let name = declared.text("name").ok_or("a declaration without a name")?;
        let kind = declared
            .message("ident")
            .and_then(|ident| ident.message("type"))
            .ok_or("a function is declared")?;
        types.insert(name, type_of(kind)?);
    }
    let variables: Vec<_> = types
        .into_iter()
        .zip(0_u16..)
        .map(|((name, kind), id)| Variable {
            name,
            declared: Declared::Value(kind, id),
        })
        .collect();
    let bound = Bound(
        variables
            .iter()
            .map(|variable| bindings.get(variable.name).cloned())
            .collect(),
    );
    let mut environment = Environment::new(&variables).lenient();
    if test.word("disable_check") == Some("true") {
        environment = environment.untyped();
    }
    let program = match Program::compile(source, &environment) {
        Ok(program) => program,
        Err(_) if test.get("eval_error").is_some() => return Ok(How::Refused),
        Err(issues) => return Err(format!("refused ({})", issues[0])),
    };
    let found = program.evaluate(&bound, &mut Budget::new(UNITS));
    if test.get("eval_error").is_some() {
        return match found {
            Err(Fault::TooCostly) => Err("too costly, not wrong".to_owned()),
            Err(_) => Ok(How::Evaluated),
            Ok(value) => Err(format!("{value:?}, not an error")),
        };
    }
    let wanted = match test.message("value") {
        Some(value) => value_of(value)?,
        // As the format says.
        None => Value::Bool(true),
    };
    match found {
        Ok(found) if same(&found, &wanted) => Ok(How::Evaluated),
        Ok(found) => Err(format!("{found:?}, not {wanted:?}")),
        Err(fault) => Err(format!("{fault}, not {wanted:?}")),
    }
}

/// A `cel.expr.Value`.
fn value_of(message: &Message) -> Result<Value<'static>, String> {
    let (kind, field) = message.fields().next().ok_or("no value")?;
    let bad = |error: &dyn std::fmt::Display| format!("`{kind}`: {error}");
    Ok(match (kind, field) {
        ("null_value", _) => Value::Null,
        ("bool_value", Field::Word(word)) => Value::Bool(word == "true"),
        ("int64_value", Field::Word(word)) => Value::Int(whole(word).ok_or_else(|| bad(word))?),
        ("uint64_value", Field::Word(word)) => Value::Uint(whole(word).ok_or_else(|| bad(word))?),
        ("double_value", Field::Word(word)) => Value::Double(word.parse().map_err(|error| bad(&error))?),
        ("string_value", Field::Text(text)) => {
            let text = String::from_utf8(text.clone()).map_err(|error| bad(&error))?;
            Value::String(text.into())
        }
        ("bytes_value", Field::Text(bytes)) => Value::Bytes(regionguard::cel::Held::Shared(bytes.as_slice().into())),
        // The tests ask for types of the language only.
        ("type_value", Field::Text(name)) => {
            let name = String::from_utf8(name.clone()).map_err(|error| bad(&error))?;
            Value::Type(Box::leak(name.into_boxed_str()))
        }
        ("list_value", Field::Message(list)) => {
            Value::list(list.messages("values").map(value_of).collect::<Result<_, _>>()?)
        }
        ("map_value", Field::Message(map)) => {
            let part = |entry: &Message, name| value_of(entry.message(name).ok_or("half an entry")?);
            let pairs = map
                .messages("entries")
                .map(|entry| Ok::<_, String>((part(entry, "key")?, part(entry, "value")?)));
            Value::map(pairs.collect::<Result<_, _>>()?)
        }
        ("object_value", Field::Message(any)) => object_of(any)?,
        _ => return Err(format!("a value of `{kind}`")),
    })
}

fn object_of(any: &Message) -> Result<Value<'static>, String> {
    let (name, field) = any.fields().next().ok_or("no object")?;
    let Field::Message(fields) = field else {
        return Err(format!("an object of `{name}`"));
    };
    let number = |name| fields.word(name).map_or(Some(0), whole).ok_or(format!("`{name}`"));
    let length = SignedDuration::new(
        number("seconds")?,
        i32::try_from(number("nanos")?).map_err(|error| error.to_string())?,
    );
    match name {
        "type.googleapis.com/google.protobuf.Duration" => Ok(Value::Duration(length)),
        "type.googleapis.com/google.protobuf.Timestamp" => Timestamp::new(length)
            .map(Value::Timestamp)
            .map_err(|fault| fault.to_string()),
        _ => Err(format!("an object of `{name}`")),
    }
}

/// Decimal, or hexadecimal.
fn whole<N: TryFrom<i128>>(word: &str) -> Option<N> {
    let (negative, digits) = match word.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, word),
    };
    let number = match digits.strip_prefix("0x") {
        Some(digits) => i128::from_str_radix(digits, 16),
        None => digits.parse(),
    };
    number
        .ok()
        .and_then(|number| N::try_from(if negative { -number } else { number }).ok())
}

/// A `cel.expr.Type`.
fn type_of(message: &Message) -> Result<Type, String> {
    let (kind, field) = message.fields().next().ok_or("no type")?;
    Ok(match (kind, field) {
        ("primitive", Field::Word(name)) => match name.as_str() {
            "BOOL" => Type::Bool,
            "INT64" => Type::Int,
            "UINT64" => Type::Uint,
            "DOUBLE" => Type::Double,
            "STRING" => Type::String,
            "BYTES" => Type::Bytes,
            _ => return Err(format!("the type `{name}`")),
        },
        ("dyn", _) => Type::Dyn,
        ("null", _) => Type::Null,
        ("list_type", Field::Message(list)) => Type::list(part_of(list, "elem_type")?),
        ("map_type", Field::Message(map)) => Type::map(part_of(map, "key_type")?, part_of(map, "value_type")?),
        ("message_type", Field::Text(name)) => match name.as_slice() {
            b"google.protobuf.Duration" => Type::Duration,
            b"google.protobuf.Timestamp" => Type::Timestamp,
            _ => return Err(format!("the type `{}`", String::from_utf8_lossy(name))),
        },
        _ => return Err(format!("a type of `{kind}`")),
    })
}

fn part_of(message: &Message, name: &str) -> Result<Type, String> {
    message.message(name).map_or(Ok(Type::Dyn), type_of)
}

/// Whether two values are of the same type and the same. An entry of a map may stand anywhere in it.
fn same(a: &Value<'_>, b: &Value<'_>) -> bool {
    match (a, b) {
        (Value::Double(a), Value::Double(b)) => a == b || a.is_nan() && b.is_nan(),
        (Value::Int(a), Value::Int(b)) => a == b,
        (Value::Uint(a), Value::Uint(b)) => a == b,
        (Value::List(a), Value::List(b)) => a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| same(&a, &b)),
        (Value::Map(a), Value::Map(b)) => {
            let (Ok(a), Ok(b)) = (a.pairs(), b.pairs()) else {
                return false;
            };
            let is_in = |pair: &(Value<'_>, Value<'_>)| {
                b.iter().any(|other| same(&pair.0, &other.0) && same(&pair.1, &other.1))
            };
            a.len() == b.len() && a.iter().all(is_in)
        }
        (Value::Int(_) | Value::Uint(_) | Value::Double(_), _)
        | (_, Value::Int(_) | Value::Uint(_) | Value::Double(_)) => false,
        (a, b) => regionguard::cel::equal(a, b, &mut Budget::new(UNITS)) == Ok(true),
    }
}

#[test]
fn the_reader_reads_the_text_format() {
    let message =
        Message::read("# a\na: \"x\\n\\303\\277\" 'y\\'' b { c: -1.5e3, d: [no]\n }").expect_err("lists are not read");
    assert_eq!(message, "line 2: no name");
    let message =
        Message::read("a: \"x\\n\\303\\277\"\n 'y\\'' # b\nb { c: -1.5e3, d {} [e.f/g] { h: \"\\u00e9\" } };b {}")
            .expect("a message");
    assert_eq!(message.text("a"), Some("x\nÿy'"));
    let inner = message.message("b").expect("a message");
    assert_eq!(inner.word("c"), Some("-1.5e3"));
    assert_eq!(inner.message("e.f/g").and_then(|inner| inner.text("h")), Some("é"));
    assert_eq!(message.messages("b").count(), 2);
    for wrong in ["a {", "a: \"x", "a: \"\\y\"", "a", "}", "a: \"\\777\""] {
        assert!(Message::read(wrong).is_err(), "{wrong}");
    }
}
