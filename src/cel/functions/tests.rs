use super::{ALL, Call, Function};
use crate::cel::{Budget, Environment, Fault, Program, Sig, Value};

fn evaluate(source: &str) -> Result<bool, Fault> {
    let program = Program::compile(source, &Environment::new(&[]).lenient())
        .unwrap_or_else(|issues| panic!("{source}: {}", issues[0]));
    match program.evaluate(&super::super::environment::Nothing, &mut Budget::new(10_000))? {
        Value::Bool(holds) => Ok(holds),
        other => panic!("{source}: {other:?}"),
    }
}

fn refused(source: &str) -> (usize, String) {
    let issues = Program::compile(source, &Environment::new(&[])).expect_err(source);
    (issues[0].range.start, issues[0].message.clone())
}

#[test]
fn functions_do_what_they_are_for() {
    for source in [
        "'/v1/profiles/42'.matches(r'^/v1/[a-z]+/\\d+$')",
        "matches('GET', '(?i)get')",
        "!'x/v1/'.matches('^/v1/')",
        "dyn('grey').matches('gr[ae]y')",
        "'a,b'.split(',').join('-').upperAscii().reverse() == 'B-A'",
        "('a' + 'bc').substring(1).charAt(1) == 'c'",
        "(' ' + 'x ').trim() == 'x'",
        "sets.contains([1, 2, 3], [2u, 3.0])",
        "!sets.contains([1], [1, 2])",
        "sets.contains([], []) && sets.contains([1], [])",
        "sets.equivalent(['a', 'b', 'a'], ['b', 'a'])",
        "!sets.equivalent(['a'], ['a', 'b']) && !sets.equivalent(['a', 'b'], ['a'])",
        "sets.intersects(['a', 'b'], ['c', 'b'])",
        "!sets.intersects([], ['c']) && !sets.intersects(['a'], [])",
        "cidr('10.0.0.0/8').containsIP('10.1.2.3') && !cidr('10.0.0.0/8').containsIP(ip('11.0.0.1'))",
        "cidr('10.0.0.0/8').containsIP('::ffff:a01:203')",
        "version('14.10') > version('14.9') && version('14') == version('14.0')",
        "version('14.2-rc.1') < version('14.2') && version(version('1')) <= version('1.0.0')",
        "string(version('14.02')) == '14.02'",
        "timestamp('2026-07-01T22:30:00Z').getHours('America/New_York') == 18",
        "timestamp('2026-01-01T22:30:00Z').getHours('America/New_York') == 17",
        "timestamp('2026-01-01T22:30:00Z').getDayOfWeek('Asia/Tokyo') == 5",
        "timestamp('2026-01-01T22:30:00Z').getDate('-23:00') == 31",
        "timestamp('9999-12-31T23:30:00Z').getFullYear('UTC') == 9999",
        "duration('90m').getHours() == 1 && duration('-90m').getMinutes() == -90",
        "string(duration('1.5s')) == '1.5s' && string(timestamp(0)) == '1970-01-01T00:00:00Z'",
        "string(b'a' + bytes('b')) == 'ab'",
    ] {
        assert_eq!(evaluate(source), Ok(true), "{source}");
    }
}

#[test]
fn what_has_no_value_is_no_value() {
    for source in [
        "version('14.x') == version('14')",
        "timestamp('yesterday') == timestamp(0)",
        "duration('1 day') == duration('1s')",
        "ip('10.0.0.256') == ip('10.0.0.1')",
        "cidr('10.0.0.0/8').containsIP('10.0.0')",
        "int('1.5') == 1",
        "timestamp('9999-12-31T23:30:00Z').getHours('+01:00') == 0",
        "timestamp('9999-12-31T23:30:00Z').getHours('Europe/Berlin') == 0",
        "['a', dyn(1)].join('') == 'a1'",
        "string(b'\\xff') == ''",
    ] {
        assert!(evaluate(source).is_err(), "{source}");
    }
}

#[test]
fn what_can_be_told_when_a_policy_is_loaded_is_told_then() {
    for (source, at, words) in [
        ("'x'.matches('a(')", 12, "at character 2, this group is not closed"),
        ("'x'.matches('é(?=b)')", 12, "at character 2, look-around"),
        ("['a'].exists(x, 'x'.matches(x))", 28, "written out"),
        (
            "timestamp('2026-01-01T00:00:00Z').getHours('New York') == 1",
            43,
            "America/New_York",
        ),
        (
            "timestamp('2026-01-01T00:00:00Z').getHours('+25:00') == 1",
            43,
            "time zone",
        ),
        (
            "timestamp('2026-01-01T00:00:00Z').getHours() == 1",
            34,
            "'America/New_York'",
        ),
    ] {
        let (place, message) = refused(source);
        assert!(message.contains(words), "{source}: {message}");
        assert_eq!(place, at, "{source}: {message}");
    }
}

#[test]
fn nothing_costs_more_than_it_may() {
    let long = "a".repeat(1500);
    for source in [
        format!("'{long}'.split('').map(x, '{long}').join('') != ''"),
        format!("'{long}'.split('').map(x, '{long}'.split('')).size() > 0"),
        format!("sets.contains('{long}'.split('').map(x, x + 'b'), '{long}'.split(''))"),
        format!("'{long}'.split('').all(x, '{long}'.matches('(a?){{100}}b'))"),
        format!("'{long}'.replace('a', '{long}') != ''"),
    ] {
        let start = std::time::Instant::now();
        assert!(evaluate(&source).is_err(), "{source}");
        assert!(start.elapsed().as_secs() < 1, "{source}");
    }
}

#[test]
fn each_item_of_a_set_that_is_looked_at_is_paid_for() {
    let many = || Value::list(vec![Value::Int(1); 4_000]);
    let none = || Value::list(Vec::new());
    for (name, lists, used) in [
        ("sets.contains", [many(), none()], 0),
        // The first item is not there: the others are not looked at.
        ("sets.contains", [none(), many()], 0),
        ("sets.contains", [many(), many()], 4_000),
        ("sets.equivalent", [many(), none()], 0),
        ("sets.equivalent", [none(), many()], 0),
        ("sets.equivalent", [many(), many()], 8_000),
        ("sets.intersects", [many(), none()], 4_000),
        ("sets.intersects", [none(), many()], 0),
        ("sets.intersects", [many(), many()], 2),
    ] {
        let of_name = |function: &&Function| function.name == name;
        let function = ALL.iter().copied().flatten().find(of_name).expect(name);
        let mut budget = Budget::new(10_000);
        let mut call = Call {
            budget: &mut budget,
            prepared: None,
        };
        assert!(function.call(&mut call, &lists).is_ok(), "{name}");
        assert_eq!(10_000 - budget.left(), used, "{name}");
    }
}

#[test]
fn a_text_is_read_at_the_cost_of_its_length() {
    let digits = "0".repeat(40_000);
    for (name, text) in [
        ("int", digits.clone()),
        ("uint", digits.clone()),
        ("double", digits.clone()),
        ("duration", "0h".repeat(20_000)),
        ("timestamp", format!("2026-01-01T00:00:00.{digits}Z")),
        ("cidr", format!("{digits}/8")),
        ("isCIDR", format!("{digits}/8")),
        ("containsCIDR", format!("{digits}/8")),
    ] {
        let of_text = |function: &&Function| {
            function.name == name
                && function
                    .arguments
                    .last()
                    .is_some_and(|last| matches!(last, Sig::String))
        };
        let function = ALL.iter().copied().flatten().find(of_text).expect(name);
        let network = Value::Cidr("10.0.0.0/8".parse().expect("a network"));
        let arguments = [network, Value::text(&text)];
        let arguments = arguments.get(2 - function.arguments.len()..).expect("arguments");
        let mut budget = Budget::new(10_000);
        let mut call = Call {
            budget: &mut budget,
            prepared: None,
        };
        let _ = function.call(&mut call, arguments);
        assert!(budget.left() <= 10_000 - 40_000 / 32, "{name}: {}", budget.left());
    }
}
