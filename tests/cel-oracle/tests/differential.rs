//! What this project says of an expression is what the `cel` crate says, or a difference that is named.
//!
//! So is what it says of a pattern what the `regex` crate says. `REGIONGUARD_ORACLE_CASES` and `REGIONGUARD_ORACLE_SEED` say how many, and which.

use std::collections::BTreeMap;
use std::sync::Arc;

use cel::{Context, Env, Value as Theirs, extensions};
use regionguard::cel::{Budget, Declared, Environment, Fault, Held, Program, Type, Value, Variable, Variables};
use regionguard_cel_oracle::{Kind, Maker, VARIABLES};

fn number(name: &str, otherwise: u64) -> u64 {
    let given = std::env::var(name).ok();
    given.map_or(otherwise, |text| text.parse().expect("a number"))
}

#[test]
fn two_readings_of_a_pattern_agree() {
    let cases = number("REGIONGUARD_ORACLE_CASES", 4000) / 2;
    let seed = number("REGIONGUARD_ORACLE_SEED", 1);
    let mut maker = Maker::new(seed);
    let variables = [Variable {
        name: "s",
        declared: Declared::Value(Type::String, 0),
    }];
    let (mut yes, mut no, mut neither) = (0, 0, 0);
    for _ in 0..cases {
        let (pattern, text) = maker.pattern_and_text();
        // No text ends with the quotes.
        let program = Program::condition(
            &format!("s.matches(r\"\"\"{pattern}\"\"\")"),
            &Environment::new(&variables),
        );
        let (program, theirs) = match (program, regex::Regex::new(&pattern)) {
            (Ok(program), Ok(theirs)) => (program, theirs),
            // A brace that encloses no count is a character in RE2, and a mistake there; a repetition of a repetition is a mistake in RE2, and none there.
            (Err(_), _) | (_, Err(_)) => {
                neither += 1;
                continue;
            }
        };
        let found = program.holds(&Text(&text), &mut Budget::new(1_000_000));
        assert_eq!(
            found,
            Ok(theirs.is_match(&text)),
            "`{pattern}` in {text:?} (seed {seed})"
        );
        if found == Ok(true) { yes += 1 } else { no += 1 }
    }
    println!("{yes} match, {no} do not, {neither} are none to one of them");
    assert!(
        yes * 5 > cases && no * 5 > cases && neither * 4 < cases,
        "{yes}, {no}, {neither}"
    );
}

/// The only variable.
struct Text<'t>(&'t str);

impl Variables for Text<'_> {
    fn read(&self, _: u16, _: &mut Budget) -> Result<Value<'_>, Fault> {
        Ok(Value::text(self.0))
    }

    fn member(&self, _: u16, _: &str) -> Result<Value<'_>, Fault> {
        Err(Fault::Absent)
    }
}

#[test]
fn two_readings_of_an_expression_agree() {
    let cases = number("REGIONGUARD_ORACLE_CASES", 4000);
    let seed = number("REGIONGUARD_ORACLE_SEED", 1);
    let mut maker = Maker::new(seed);
    let mut outcomes = BTreeMap::new();
    let (oracle, declared) = (oracle(), declared());
    for _ in 0..cases {
        let source = maker.expression();
        let (ours, theirs) = (ours(&source, &declared), theirs(&source, &oracle));
        let outcome = match (&ours, &theirs) {
            (Err(_), Err(_)) => "neither has a value",
            (Ok(ours), Ok(theirs)) if ours == theirs => "the same value",
            _ => known(&ours, &theirs)
                .unwrap_or_else(|| panic!("`{source}`\n  ours: {ours:?}\ntheirs: {theirs:?}\n(seed {seed})")),
        };
        *outcomes.entry(outcome).or_insert(0) += 1;
    }
    for (outcome, count) in &outcomes {
        println!("{count}: {outcome}");
    }
    assert!(outcomes["the same value"] * 2 > cases, "most expressions have a value");
}

/// The differences that there are.
fn known(ours: &Result<String, String>, theirs: &Result<String, String>) -> Option<&'static str> {
    let Err(error) = theirs else { return None };
    let is_order = ["_<_", "_<=_", "_>_", "_>=_"].iter().any(|order| error.contains(order));
    // What is not a number is in no order with any: no comparison holds, in cel-go neither.
    (ours.is_ok() && is_order && error.contains("no matching overload") && error.contains("double"))
        .then_some("NaN is compared, which the oracle does not")
}

fn declared() -> Vec<Variable<'static>> {
    let kinds = VARIABLES.iter().zip(0_u16..);
    kinds
        .map(|((name, kind), id)| Variable {
            name,
            declared: Declared::Value(type_of(*kind), id),
        })
        .collect()
}

fn type_of(kind: Kind) -> Type {
    match kind {
        Kind::Bool => Type::Bool,
        Kind::Int => Type::Int,
        Kind::Uint => Type::Uint,
        Kind::Double => Type::Double,
        Kind::Text => Type::String,
        Kind::Bytes => Type::Bytes,
        Kind::Ints => Type::list(Type::Int),
        Kind::Texts => Type::list(Type::String),
        Kind::Map => Type::map(Type::String, Type::Int),
    }
}

const TEXT: &str = "Übung/42";
const BYTES: &[u8] = &[0, 255, 97];
const INTS: &[i64] = &[1, 1, 2, 3, 5, 8];
const TEXTS: &[&str] = &["a", "", "é,b"];
const MAP: &[(&str, i64)] = &[("a", 1), ("b", -2), ("é", 3)];

struct Bound;

impl Variables for Bound {
    fn read(&self, id: u16, _: &mut Budget) -> Result<Value<'_>, Fault> {
        let (name, _) = VARIABLES.get(usize::from(id)).ok_or(Fault::Absent)?;
        Ok(match *name {
            "yes" => Value::Bool(true),
            "n" => Value::Int(7),
            "u" => Value::Uint(9),
            "d" => Value::Double(2.25),
            "s" => Value::text(TEXT),
            "b" => Value::Bytes(Held::Borrowed(BYTES)),
            "l" => Value::list(INTS.iter().map(|number| Value::Int(*number)).collect()),
            "t" => Value::list(TEXTS.iter().map(|text| Value::text(text)).collect()),
            "m" => Value::map(
                MAP.iter()
                    .map(|(key, value)| (Value::text(key), Value::Int(*value)))
                    .collect(),
            ),
            _ => return Err(Fault::Absent),
        })
    }

    fn member(&self, _: u16, _: &str) -> Result<Value<'_>, Fault> {
        Err(Fault::Absent)
    }
}

fn ours(source: &str, declared: &[Variable<'_>]) -> Result<String, String> {
    let program = Program::compile(source, &Environment::new(declared).lenient())
        .unwrap_or_else(|issues| panic!("`{source}` is refused: {}", issues[0]));
    let value = program
        .evaluate(&Bound, &mut Budget::new(1_000_000))
        .map_err(|fault| fault.to_string())?;
    Ok(show(&value))
}

fn show(value: &Value<'_>) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Uint(value) => format!("{value}u"),
        Value::Double(value) => format!("{value:?}"),
        Value::String(text) => format!("{:?}", &**text),
        Value::Bytes(bytes) => format!("b{:?}", &**bytes),
        Value::List(list) => {
            let items: Vec<_> = list.iter().map(|item| show(&item)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(map) => {
            let pairs = map.pairs().expect("a map that is there");
            entries(pairs.iter().map(|(key, value)| (show(key), show(value))))
        }
        other => format!("{other:?}"),
    }
}

fn entries(pairs: impl Iterator<Item = (String, String)>) -> String {
    let pairs: BTreeMap<_, _> = pairs.collect();
    format!("{pairs:?}")
}

fn oracle() -> Context<'static, 'static> {
    let mut env = Env::stdlib();
    env.add_extension(extensions::strings).expect("nothing is there twice");
    let mut context = Context::with_env(Arc::new(env));
    context.add_variable_from_value("yes", true);
    context.add_variable_from_value("n", 7_i64);
    context.add_variable_from_value("u", 9_u64);
    context.add_variable_from_value("d", 2.25);
    context.add_variable_from_value("s", TEXT);
    context.add_variable_from_value("b", BYTES.to_vec());
    context.add_variable_from_value("l", INTS.to_vec());
    context.add_variable_from_value("t", TEXTS.to_vec());
    context.add_variable_from_value("m", MAP.iter().copied().collect::<std::collections::HashMap<_, _>>());
    context
}

fn theirs(source: &str, context: &Context<'_, '_>) -> Result<String, String> {
    let program =
        cel::Program::compile(source).unwrap_or_else(|errors| panic!("`{source}` is refused by the oracle: {errors}"));
    program
        .execute(context)
        .map(|value| show_theirs(&value))
        .map_err(|error| error.to_string())
}

fn show_theirs(value: &Theirs) -> String {
    match value {
        Theirs::Bool(value) => value.to_string(),
        Theirs::Int(value) => value.to_string(),
        Theirs::UInt(value) => format!("{value}u"),
        Theirs::Float(value) => format!("{value:?}"),
        Theirs::String(text) => format!("{text:?}"),
        Theirs::Bytes(bytes) => format!("b{bytes:?}"),
        Theirs::List(list) => {
            let items: Vec<_> = list.iter().map(show_theirs).collect();
            format!("[{}]", items.join(", "))
        }
        Theirs::Map(map) => entries(map.map.iter().map(|(key, value)| {
            let key = match key {
                cel::objects::Key::Bool(key) => key.to_string(),
                cel::objects::Key::Int(key) => key.to_string(),
                cel::objects::Key::Uint(key) => format!("{key}u"),
                cel::objects::Key::String(key) => format!("{key:?}"),
            };
            (key, show_theirs(value))
        })),
        other => format!("{other:?}"),
    }
}
