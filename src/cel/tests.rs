use core::time::Duration;

use serde_json::json;

use super::value::Value;
use super::{
    Budget, Declared, Entries, Environment, Fault, Field, Issue, MAX_BYTES, MAX_NODES, Program, Sig, Type, Variable,
    Variables,
};

const TEXTS: Sig = Sig::Map(&Sig::String, &Sig::String);

fn variables() -> [Variable<'static>; 6] {
    const REQUEST: &[Field<'static>] = &[
        Field::new("method", Sig::String, 10),
        Field::new("headers", TEXTS, 11),
        Field {
            refused: Some("`later` is not there yet"),
            ..Field::new("later", Sig::Bool, 12)
        },
    ];
    const TOKEN: &[Field<'static>] = &[
        Field::new("sub", Sig::String, 20),
        Field::new("exp", Sig::Timestamp, 21),
    ];
    let variable = |name, declared| Variable { name, declared };
    [
        variable("x", Declared::Value(Type::Dyn, 1)),
        variable("n", Declared::Value(Type::Int, 2)),
        variable("absent", Declared::Value(Type::Bool, 3)),
        variable(
            "request",
            Declared::Object {
                fields: REQUEST,
                open: None,
            },
        ),
        variable(
            "token",
            Declared::Object {
                fields: TOKEN,
                open: Some(5),
            },
        ),
        variable("device", Declared::Refused("`device` is not supported yet")),
    ]
}

struct Given(serde_json::Value);

impl Variables for Given {
    fn read(&self, id: u16, _: &mut Budget) -> Result<Value<'_>, Fault> {
        let name = match id {
            1 => "x",
            2 => "n",
            10 => "method",
            11 => "headers",
            20 => "sub",
            _ => return Err(Fault::Absent),
        };
        self.0.get(name).map(Value::of_json).ok_or(Fault::Absent)
    }

    fn member(&self, id: u16, name: &str) -> Result<Value<'_>, Fault> {
        assert_eq!(id, 5);
        self.0["token"].get(name).map(Value::of_json).ok_or(Fault::Absent)
    }
}

fn given() -> Given {
    Given(json!({
        "x": {"a": [1, 2.5, "t", null, true, {"b": 18_446_744_073_709_551_615_u64}]},
        "n": 7,
        "method": "GET",
        "headers": {"x-a": "1", "host": "h"},
        "sub": "alice",
        "token": {"department": "finance", "level": 3, "https://e.com/r": ["a", "b"]},
    }))
}

fn compile(source: &str) -> Result<Program, Vec<Issue>> {
    Program::compile(source, &Environment::new(&variables()))
}

/// `true`, `false`, or the fault.
fn holds(source: &str) -> String {
    let program = compile(source).unwrap_or_else(|issues| panic!("{source}: {issues:?}"));
    match program.holds(&given(), &mut Budget::new(1_000)) {
        Ok(holds) => holds.to_string(),
        Err(fault) => format!("{fault:?}"),
    }
}

#[test]
fn expressions_have_their_values() {
    for source in [
        "1 + 2 * 3 == 7 && (1 + 2) * 3 == 9 && 7 % 4 == 3 && -7 / 2 == -3 && 10 - 4 - 3 == 3",
        "n == 7 && n > 6 && n >= 7 && !(n < 7) && n <= 7 && n != 8 && -n == -7 && --n == 7",
        "0x1F == 31 && -0x10 == -16 && 1u == 1 && 0xFFu == 255u && 1e3 == 1000 && .5 == 0.5 && 1.5e-1 == 0.15",
        "-9223372036854775808 < -9223372036854775807 && 18446744073709551615u > 9223372036854775807",
        "1 == 1.0 && 1u == 1.0 && 9007199254740993 > 9007199254740992.0 && 2 < 2.5 && 2.5 > 2u",
        "x.a[0] == 1 && x.a[1] == 2.5 && x['a'][2] == 't' && x.a[3] == null && x.a[4]",
        "x.a[5].b == 18446744073709551615u && x.a[5].b > 1 && size(x.a) == 6 && x.a.size() == 6",
        "'a' + 'b' == 'ab' && b'a' + b'b' == b'ab' && [1] + [2] == [1, 2] && [] + [1] == [1]",
        r#""a\"b" == 'a"b' && '\x41\u00e9\U0001F600\101' == "A\u00e9\U0001F600A" && r'\n' == "\\n" && R"\" == '\\'"#,
        "'''a\n'b' ''' == \"a\\n'b' \" && \"\"\"\"a\"b\"\"\" == '\"a\"b' && b'\\xff\\377' == b'\\xFF\\xff' && br'\\x' == b'\\\\x'",
        "b'\u{e9}' == b'\\xc3\\xa9' && size('\u{e9}') == 1 && size(b'\u{e9}') == 2",
        "request.method in ['GET', 'HEAD'] && !(request.method in []) && 'x-a' in request.headers",
        "request.headers['x-a'] == '1' && request.headers.host == 'h' && has(request.headers.host)",
        "has(request.headers['x-a']) && !has(request.headers['x-b']) && !has(request.headers.`x-b`)",
        "token.department == 'finance' && token.level >= 3 && token.sub == 'alice' && token['sub'] == 'alice'",
        "has(token.department) && !has(token.other) && !has(token.exp) && has(token.sub)",
        "'a' in token['https://e.com/r'] && token.`https://e.com/r`.exists(r, r == 'b')",
        "token['dep' + 'artment'] == 'finance' && token[request.method == 'GET' ? 'department' : 'x'] == 'finance'",
        "[1, 2, 3].all(i, i > 0) && [1, 2, 3].exists(i, i > 2) && [1, 2, 3].exists_one(i, i > 2)",
        "[1, 2, 3].map(i, i * n) == [7, 14, 21] && [1, 2, 3].filter(i, i > 1) == [2, 3] && [1, 2].map(i, i > 1, -i) == [-2]",
        "[1, 2].all(i, [3, 4].all(j, j > i)) && [[1], [2]].exists(l, l.exists(i, i == 2))",
        "{'a': 1}.all(k, k == 'a') && {'a': 1}.all(k, v, k == 'a' && v == 1) && {'a': n}['a'] == 7 && {1: 2}[1u] == 2",
        "[5, 6].transformList(i, v, i + v) == [5, 7] && {'a': 2}.transformMap(k, v, v * v) == {'a': 4}",
        "{'a': 1, 2: 'b', true: null} == {2.0 == 2.0 ? 2 : 3: 'b', true: null, 'a': 1u}",
        "type(1) == int && type('') == string && type(null) == null_type && type([]) == list && type(type(1)) == type",
        "n > 5 ? true : false",
        "// a comment\n true // another",
        ".n == 7 && [1].all(n, .n == 7 && n == 1)",
        "dyn(1) == 1 && 'x' != dyn(1) && [1, 'a'].exists(v, v == 'a')",
    ] {
        assert_eq!(holds(source), "true", "{source}");
    }
}

#[test]
fn an_error_is_absorbed_by_what_settles_the_matter_on_either_side() {
    for (source, expected) in [
        ("absent || true", "true"),
        ("true || absent", "true"),
        ("absent && false", "false"),
        ("false && absent", "false"),
        ("absent || false", "Absent"),
        ("absent && true", "Absent"),
        ("absent || absent || n == 7", "true"),
        ("!absent", "Absent"),
        ("absent ? true : true", "Absent"),
        ("[1, 2].exists(i, i == 2 || absent)", "true"),
        ("[1, 2].all(i, i == 1 && absent)", "false"),
        ("[1, 2].exists(i, i == 3 || absent)", "Absent"),
        ("[1, 2].exists_one(i, i == 1 || absent)", "Absent"),
        ("token.nothing == 1", "Absent"),
        ("token.nothing == 1 || true", "true"),
        ("x.nothing == 1", "NoSuchKey"),
        ("x.a[9] == 1", "OutOfRange"),
        ("x.a[-1] == 1", "OutOfRange"),
        ("x.a.b == 1", "NoSuchOverload"),
        ("x.a[0] == 'text'", "false"),
        ("x.a[0] < 'text'", "NoSuchOverload"),
        ("x.a[0]", "NoSuchOverload"),
        ("x.a[0] && false", "false"),
        ("n / (n - 7) == 1", "DivisionByZero"),
        ("n % (n - 7) == 1", "DivisionByZero"),
        ("9223372036854775807 + n > 0", "Overflow"),
        ("9223372036854775800 * n > 0", "Overflow"),
        ("-(n - 7 - 9223372036854775807 - 1) > 0", "Overflow"),
        (
            "{'a': 1, request.method == 'GET' ? 'a' : 'b': 2} == {}",
            "InvalidArgument(\"a key stands in a map once\")",
        ),
    ] {
        assert_eq!(holds(source), expected, "{source}");
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let mut wrong = Vec::new();
    for (source, place, message) in [
        (
            "tokn.sub == 'a'",
            0..4,
            "no such variable `tokn`: did you mean `token`?",
        ),
        (
            "n == 7 && zzzzz",
            10..15,
            "no such variable `zzzzz`: there is x, n, absent, request, token, device",
        ),
        (
            "request.metod == 'GET'",
            8..13,
            "`request` has no field `metod`: did you mean `method`?",
        ),
        ("request.later", 8..13, "`later` is not there yet"),
        ("device.os == 'x'", 0..6, "`device` is not supported yet"),
        (
            "request == 1",
            0..7,
            "`request` is no value by itself: name one of its fields, as in `request.method`",
        ),
        (
            "request.method == 1",
            0..19,
            "a `string` is compared with an `int`, which it can never be",
        ),
        (
            "request.method > 1",
            0..18,
            "a `string` is compared with an `int`, which it can never be",
        ),
        (
            "token.exp > 1",
            0..13,
            "a `timestamp` is compared with an `int`, which it can never be: `int(…)` makes seconds since 1970 of the timestamp",
        ),
        (
            "[1] > [2]",
            0..9,
            "`>` does not take a `list(int)`: there is no order among them",
        ),
        (
            "request.method in 'GET'",
            0..23,
            "`in` looks into a list or a map: `.contains()` looks into a text",
        ),
        (
            "request.method in [1]",
            0..21,
            "a `string` is looked for in a `list(int)`, which never holds one",
        ),
        (
            "request.method + 1 == ''",
            0..18,
            "`+` does not take a `string` and an `int`",
        ),
        (
            "1 + 1.0 == 2.0",
            0..7,
            "`+` does not take an `int` and a `double`: convert one of them, as in `double(1)`",
        ),
        ("n && true", 0..1, "this is of type `int`, and not true or false"),
        ("!n", 1..2, "this is of type `int`, and not true or false"),
        (
            "-request.method == ''",
            0..15,
            "`-` takes an `int` or a `double`, not a `string`",
        ),
        ("n ? 1 : 2", 0..1, "this is of type `int`, and not true or false"),
        (
            "true ? 1 : 'a'",
            11..14,
            "this is of type `string`, and the other case of type `int`",
        ),
        ("n.foo == 1", 2..5, "an `int` has no field `foo`"),
        ("n[0] == 1", 0..1, "an `int` has no index: lists and maps have"),
        (
            "[1]['a'] == 1",
            4..7,
            "this index is a `string`, and `list(int)` takes an `int`",
        ),
        (
            "n.all(i, true)",
            0..1,
            "a loop goes over a list or a map, not over an `int`",
        ),
        ("[1].all(i, i)", 11..12, "this is of type `int`, and not true or false"),
        ("[1].al(i, true)", 4..6, "no such function `al`: did you mean `all`?"),
        ("siez('a') == 1", 0..4, "no such function `siez`: did you mean `size`?"),
        (
            "size(1) == 1",
            0..4,
            "there is no `size(int)`: there is `size(string)`, `size(bytes)`, `size(list(dyn))`, `size(map(dyn, dyn))`",
        ),
        ("has(n)", 4..5, "`has()` takes a field, as in `has(token.department)`"),
        ("1 / 0 == 1", 0..5, "this can never have a value: division by zero"),
        (
            "{1.5: 2} == {}",
            1..4,
            "a key is a bool, an int, a uint or a string, not a `double`",
        ),
        ("", 0..0, "the expression ends where a value should be"),
        ("n ==", 4..4, "the expression ends where a value should be"),
        ("n = 7", 2..3, "`=` has no meaning here: did you mean `==`?"),
        ("n == 7 & true", 7..8, "`&` has no meaning here: did you mean `&&`?"),
        (
            "n == 7 and true",
            7..10,
            "expected an operator, or the end; found `and`: did you mean `&&`?",
        ),
        ("(n == 7", 7..7, "the expression ends where `)` should be"),
        ("[1, 2", 5..5, "the expression ends where `,` or `]` should be"),
        ("'abc", 0..4, "this text has no end: ' is missing"),
        (
            "'a\nb'",
            2..3,
            "a text of several lines stands in three quotes on each side",
        ),
        (
            "'\\q'",
            1..3,
            "no such escape: `\\\\` is a backslash, `r'…'` takes them as they are",
        ),
        ("'\\ud800'", 1..7, "this escape is no character here"),
        ("b'\\u0041'", 2..8, "this escape is no character here"),
        (
            "9223372036854775808 == 1",
            0..19,
            "this is no `int`, which has 64 bits: a `uint` has a `u` at its end",
        ),
        ("18446744073709551616 == 1", 0..20, "this is no whole number of 64 bits"),
        ("0x == 1", 0..2, "this is no whole number of 64 bits"),
        (
            "12a == 1",
            0..3,
            "a number ends before a letter, but for the `u` of an unsigned one",
        ),
        ("1e999 == 1.0", 0..5, "this number is beyond what a `double` holds"),
        (
            "Foo{a: 1}",
            3..4,
            "messages are not part of this language: a map is `{key: value}`",
        ),
        (
            "x.?a == 1",
            2..3,
            "optional values are not part of this language: ask with `has()`",
        ),
        ("if == 1", 0..2, "`if` is a reserved word, and no name"),
        (
            "\u{201c}a\u{201d} == n",
            0..3,
            "`\u{201c}` has no meaning here: texts stand in straight quotes, `'` or `\"`",
        ),
    ] {
        let issues = compile(source).expect_err(source);
        assert_eq!(issues.len(), 1, "{source}: {issues:?}");
        let told = (issues[0].range.clone(), issues[0].message.as_str());
        if told != (place, message) {
            wrong.push(format!("{source}: {told:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let issues = compile("tokn.a == 1 && request.metod == 1 && n == 'a'").expect_err("three");
    let places: Vec<usize> = issues.iter().map(|issue| issue.range.start).collect();
    assert_eq!(places, [0, 23, 37]);
    let source = "true &&\n  '\u{e9}' == n";
    assert_eq!(compile(source).expect_err("one")[0].place(source), (2, 3));
    assert!(compile(&"zz && ".repeat(100)).is_err());
    let many = format!("{}true", "n == '' && ".repeat(100));
    assert_eq!(compile(&many).expect_err("many").len(), 20);
}

#[test]
fn a_condition_is_true_or_false() {
    let condition = |source| Program::condition(source, &Environment::new(&variables()));
    assert!(condition("n == 7").is_ok());
    assert!(condition("token.admin").is_ok());
    let issues = condition("n + 1").expect_err("a number");
    assert_eq!(
        issues[0].message,
        "a condition is true or false, and this is of type `int`"
    );
}

#[test]
fn length_size_and_depth_are_bounded() {
    let deep = |before: &str, middle: &str, after: &str, levels: usize| {
        format!("{}{middle}{}", before.repeat(levels), after.repeat(levels))
    };
    for (before, middle, after) in [
        ("(", "true", ")"),
        ("[", "", "]"),
        ("!", "true", ""),
        ("-", "n", ""),
        ("{1:", "1", "}"),
        ("size([", "1", "])"),
        ("true ? true : ", "true", ""),
        ("", "x", ".a"),
        ("", "x", "[0]"),
        ("1 + ", "1", ""),
        ("[1].all(i, ", "true", ")"),
        ("(true || false) && (", "true", ")"),
    ] {
        assert!(compile(&deep(before, middle, after, 20)).is_ok(), "{before} {after}");
        for levels in [1_000, 1_300] {
            let issues = compile(&deep(before, middle, after, levels)).expect_err(before);
            assert!(
                issues[0].message.contains("levels at most") || issues[0].message.contains("bytes at most"),
                "{before} {after}: {issues:?}"
            );
        }
    }
    assert!(
        compile(&deep("true && ", "true", "", 1_000)).is_ok(),
        "a chain is no depth"
    );
    let long = format!("'{}' == ''", "a".repeat(MAX_BYTES));
    assert!(compile(&long).expect_err("long")[0].message.contains("bytes at most"));
    let many = format!("[{}] == []", "1,".repeat(MAX_NODES));
    assert!(compile(&many).expect_err("many")[0].message.contains("too long"));
}

#[test]
fn work_and_memory_are_bounded() {
    let list = format!("[{}]", (0..200).map(|i| i.to_string()).collect::<Vec<_>>().join(","));
    let dear = [
        format!("{list}.all(a, {list}.all(b, {list}.all(c, {list}.all(d, a + b + c + d >= 0))))"),
        format!("{list}.map(a, {list}.map(b, {list}.map(c, {list}))) == []"),
        format!(
            "{list}.map(a, request.method + request.method) == [{}]",
            "'GETGET',".repeat(200)
        ),
    ];
    for source in dear {
        let program = compile(&source).expect("an expression");
        let mut budget = Budget::new(500);
        assert_eq!(program.holds(&given(), &mut budget), Err(Fault::TooCostly), "{source}");
        assert_eq!(budget.left(), 0);
    }
    // What is settled is not absorbed by a budget that has run out.
    let source = format!("{list}.all(a, {list}.all(b, a + b >= 0)) || true");
    let program = compile(&source).expect("an expression");
    assert_eq!(program.holds(&given(), &mut Budget::new(500)), Err(Fault::TooCostly));
    assert_eq!(program.holds(&given(), &mut Budget::new(1_000_000)), Ok(true));
    // Texts double in each step: what is made of them is paid for.
    let mut source = "request.method".to_owned();
    for _ in 0..20 {
        source = format!("[{source}].map(t, t + t)[0]");
    }
    let program = compile(&format!("size({source}) > 0")).expect("an expression");
    assert_eq!(program.holds(&given(), &mut Budget::new(20_000)), Err(Fault::TooCostly));
}

/// Each text is made when it is read.
struct Made(String);

impl Made {
    fn text(&self) -> Value<'static> {
        Value::String(self.0.clone().into())
    }
}

impl Variables for Made {
    fn read(&self, id: u16, _: &mut Budget) -> Result<Value<'_>, Fault> {
        Ok(if id == 11 { Value::lazy(self) } else { self.text() })
    }

    fn member(&self, _: u16, _: &str) -> Result<Value<'_>, Fault> {
        Ok(self.text())
    }
}

impl Entries for Made {
    fn get(&self, _: &str) -> Result<Option<Value<'_>>, Fault> {
        Ok(Some(self.text()))
    }

    fn look_up_cost(&self) -> usize {
        0
    }

    fn pairs(&self) -> Result<Vec<(Value<'_>, Value<'_>)>, Fault> {
        Ok(vec![(Value::text("a"), self.text())])
    }
}

#[test]
fn a_text_that_a_read_makes_is_paid_for() {
    let items = format!("[{}]", "1,".repeat(1_000));
    let cost = |source: &str, variables: &dyn Variables| {
        let program = compile(source).unwrap_or_else(|issues| panic!("{source}: {issues:?}"));
        let mut budget = Budget::new(20_000);
        program.holds(variables, &mut budget).map(|_| 20_000 - budget.left())
    };
    let (short, long) = (Made("a".to_owned()), Made("a".repeat(50_000)));
    for read in [
        "request.method != 'b'",
        "has(request.method)",
        "token.department != 'b'",
        "has(token.department)",
        "token[string(i)] != 'b'",
        "request.headers.a != 'b'",
        "request.headers[string(i)] != 'b'",
        "has(request.headers.a)",
        "'a' in request.headers",
        "size(request.headers) == 1",
        "request.headers.all(k, k == 'a')",
        "request.headers.all(k, v, v != 'b')",
        "request.headers != {'a': 'b'}",
        "{'a': 'b'} != request.headers",
    ] {
        let source = format!("{items}.all(i, {read})");
        assert!(cost(&source, &short).is_ok(), "{source}");
        assert_eq!(cost(&source, &long), Err(Fault::TooCostly), "{read}");
    }
    // What a loop holds is made once.
    let source = format!("[request.method].all(t, {items}.all(i, t != 'b'))");
    assert!(cost(&source, &long).is_ok());
    // What is borrowed costs no more than it did.
    let mut borrowed = given();
    borrowed.0["method"] = json!("a".repeat(50_000));
    let source = format!("{items}.all(i, request.method != 'b')");
    assert_eq!(cost(&source, &borrowed), cost(&source, &given()));
}

#[test]
fn a_program_tells_what_it_reads() {
    let program =
        compile("token.department == 'a' && has(token.level) && request.headers['x-a'] == '' && token.sub == ''");
    let program = program.expect("an expression");
    let reads = program.reads();
    assert_eq!(reads.ids, [5, 11, 20]);
    assert_eq!(
        reads.members,
        [(5, Some("department".into())), (5, Some("level".into()))]
    );
    assert_eq!(reads.keys, [(11, "x-a".into())]);
    assert!(reads.has(20) && !reads.has(10));
    let program = compile("token[request.method] == 1").expect("an expression");
    assert_eq!(program.reads().members, [(5, None)]);
    assert!(compile("1 == 1").expect("an expression").reads().ids.is_empty());
}

#[test]
fn a_time_is_what_it_is_in_seconds() {
    let time = super::Timestamp::new(jiff::SignedDuration::from_secs(5)).expect("a time");
    assert_eq!(time.since_epoch(), Duration::from_secs(5).try_into().expect("short"));
    for seconds in [-62_135_596_801, 253_402_300_800] {
        assert_eq!(
            super::Timestamp::new(jiff::SignedDuration::from_secs(seconds)),
            Err(Fault::Overflow)
        );
    }
}
