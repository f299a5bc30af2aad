//! Expressions: what `when` of a rule may hold, and what it then reads.

use std::cell::RefCell;

use regionguard::cel::{
    Budget, Declared, Environment, Fault, Field, Held, Issue, Program, Sig, Timestamp, Type, Value, Variable, Variables,
};
use serde_json::Value as Json;

/// The longest word on what is wrong with an expression.
const MESSAGE_MAX: usize = 1024;

/// What an evaluation may cost.
const UNITS: u32 = 20_000;

/// An expression, and behind a NUL the claims that it reads, as JSON.
///
/// It is compiled or refused, with words that point into it. Its value is of the type that was told before, costs no more than it may, is the same each time and
/// with more to spend; and nothing is read that it did not say it would.
pub fn cel(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (source, claims) = text.split_once('\0').unwrap_or((text, "{}"));
    let bound = Bound {
        claims: serde_json::from_str(claims).unwrap_or(Json::Null),
        read: RefCell::default(),
    };
    let kinds = [
        ("n", Type::Int),
        ("u", Type::Uint),
        ("d", Type::Double),
        ("s", Type::String),
        ("b", Type::Bytes),
        ("l", Type::list(Type::Int)),
        ("m", Type::map(Type::String, Type::String)),
        ("at", Type::Timestamp),
        ("span", Type::Duration),
        ("ip4", Type::Ip),
        ("net", Type::Cidr),
        ("os", Type::Version),
        ("any", Type::Dyn),
        ("absent", Type::String),
    ];
    let mut variables: Vec<_> = kinds
        .into_iter()
        .zip(0_u16..)
        .map(|((name, kind), id)| Variable {
            name,
            declared: Declared::Value(kind, id),
        })
        .collect();
    let fields = [
        Field::new("sub", Sig::String, FIELD),
        Field::new("roles", Sig::List(&Sig::String), FIELD + 1),
    ];
    variables.push(Variable {
        name: "token",
        declared: Declared::Object {
            fields: &fields,
            open: Some(OPEN),
        },
    });
    let strict = Environment::new(&variables);
    let typed = compiled(source, &strict);
    let lenient = compiled(source, &strict.lenient());
    let untyped = compiled(source, &strict.lenient().untyped());
    if let Some(program) = &typed {
        let other = lenient.as_ref().expect("what a policy may hold is an expression");
        assert_eq!(program.kind(), other.kind(), "one expression of two types");
    }
    assert!(
        lenient.is_none() || untyped.is_some(),
        "what fits its types is an expression without them, too"
    );
    for program in [typed, lenient, untyped].into_iter().flatten() {
        evaluated(&program, &bound);
    }
}

fn compiled(source: &str, environment: &Environment<'_>) -> Option<Program> {
    match Program::compile(source, environment) {
        Ok(program) => {
            assert_eq!(program.source(), source);
            Some(program)
        }
        Err(issues) => {
            assert!(!issues.is_empty(), "refused without a word");
            issues.iter().for_each(|issue| points_into(source, issue));
            None
        }
    }
}

fn points_into(source: &str, issue: &Issue) {
    assert!(
        source.get(issue.range.clone()).is_some(),
        "{:?} of {source:?}",
        issue.range
    );
    assert!(
        (1..=MESSAGE_MAX).contains(&issue.message.len()),
        "{} bytes: {}",
        issue.message.len(),
        issue.message
    );
    let (line, column) = issue.place(source);
    assert!(line >= 1 && column >= 1);
}

fn evaluated(program: &Program, bound: &Bound) {
    bound.read.borrow_mut().clear();
    let mut budget = Budget::new(UNITS);
    let value = program.evaluate(bound, &mut budget);
    assert!(budget.left() <= UNITS);
    for id in bound.read.borrow().iter() {
        assert!(program.reads().has(*id), "{id} is read, and was not told");
    }
    if let Ok(value) = &value {
        let told = program.kind();
        assert!(is_of(value, told), "{value:?} is no {told}");
    }
    let mut more = Budget::new(UNITS * 2);
    let again = program.evaluate(bound, &mut more);
    if !matches!(value, Err(Fault::TooCostly)) {
        assert_eq!(show(&value), show(&again), "two values of one expression");
        assert_eq!(
            UNITS - budget.left(),
            2 * UNITS - more.left(),
            "two costs of one expression"
        );
    }
    let holds = program.holds(bound, &mut Budget::new(UNITS * 2));
    match (&again, holds) {
        (Ok(Value::Bool(value)), Ok(holds)) => assert_eq!(*value, holds),
        (Ok(Value::Bool(value)), Err(fault)) => panic!("{value}, and then {fault}"),
        (Ok(_), Ok(_)) => panic!("a condition that is no truth value"),
        (Ok(_), Err(_)) => {}
        (Err(_), holds) => assert!(holds.is_err(), "no value, and yet {holds:?}"),
    }
}

fn show(value: &Result<Value<'_>, Fault>) -> String {
    format!("{value:?}")
}

/// Whether a value is of this type, down to its items.
fn is_of(value: &Value<'_>, kind: &Type) -> bool {
    match (kind, value) {
        (Type::Dyn, _)
        | (Type::Null, Value::Null)
        | (Type::Bool, Value::Bool(_))
        | (Type::Int, Value::Int(_))
        | (Type::Uint, Value::Uint(_))
        | (Type::Double, Value::Double(_))
        | (Type::String, Value::String(_))
        | (Type::Bytes, Value::Bytes(_))
        | (Type::Timestamp, Value::Timestamp(_))
        | (Type::Duration, Value::Duration(_))
        | (Type::Ip, Value::Ip(_))
        | (Type::Cidr, Value::Cidr(_))
        | (Type::Version, Value::Version(_))
        | (Type::Type, Value::Type(_)) => true,
        (Type::List(of), Value::List(list)) => list.iter().take(100).all(|item| is_of(&item, of)),
        (Type::Map(key, of), Value::Map(map)) => {
            let pairs = map.pairs().expect("a map that is there");
            pairs.iter().take(100).all(|(k, v)| is_of(k, key) && is_of(v, of))
        }
        _ => false,
    }
}

const FIELD: u16 = 100;
const OPEN: u16 = 200;

struct Bound {
    claims: Json,
    /// The ids of what was read.
    read: RefCell<Vec<u16>>,
}

impl Variables for Bound {
    fn read(&self, id: u16, _: &mut Budget) -> Result<Value<'_>, Fault> {
        self.read.borrow_mut().push(id);
        Ok(match id {
            0 => Value::Int(-7),
            1 => Value::Uint(7),
            2 => Value::Double(0.5),
            3 => Value::text("Übung/42"),
            4 => Value::Bytes(Held::Borrowed(b"\x00\xff")),
            5 => Value::list((0..50).map(Value::Int).collect()),
            6 => Value::map(vec![
                (Value::text("a"), Value::text("b")),
                (Value::text("é"), Value::text("")),
            ]),
            7 => Value::Timestamp(Timestamp::new(
                std::time::Duration::from_secs(1_795_000_000)
                    .try_into()
                    .map_err(|_| Fault::Overflow)?,
            )?),
            8 => Value::duration(
                std::time::Duration::from_millis(90_500)
                    .try_into()
                    .map_err(|_| Fault::Overflow)?,
            )?,
            9 => Value::Ip([192, 0, 2, 7].into()),
            10 => Value::Cidr("192.0.2.0/24".parse().map_err(|_| Fault::Absent)?),
            11 => Value::Version("14.2".into()),
            12 => Value::of_json(&self.claims),
            FIELD => match self.claims.get("sub").map(Value::of_json) {
                Some(text @ Value::String(_)) => text,
                _ => return Err(Fault::Absent),
            },
            101 => match self.claims.get("roles") {
                Some(Json::Array(roles)) if roles.iter().all(Json::is_string) => Value::of_json(&self.claims["roles"]),
                _ => return Err(Fault::Absent),
            },
            _ => return Err(Fault::Absent),
        })
    }

    fn member(&self, id: u16, name: &str) -> Result<Value<'_>, Fault> {
        self.read.borrow_mut().push(id);
        self.claims.get(name).map(Value::of_json).ok_or(Fault::Absent)
    }
}
