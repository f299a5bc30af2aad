use super::{TABLE, text_of_double};
use crate::cel::fault::{Budget, Fault};
use crate::cel::functions::{Arguments, Call};
use crate::cel::value::Value;

/// The conversion of this name, for a value of this type, as text.
fn convert(name: &str, value: Value<'_>) -> Result<String, Fault> {
    let function = TABLE
        .iter()
        .find(|function| function.name == name && function.takes(std::slice::from_ref(&value)))
        .unwrap_or_else(|| panic!("{name} of {value:?}"));
    let mut budget = Budget::new(1000);
    let mut call = Call {
        budget: &mut budget,
        prepared: None,
    };
    let made = (function.run)(&mut call, Arguments(&[value]))?;
    Ok(format!("{made:?}"))
}

#[test]
fn numbers_fit_or_are_no_value() {
    for (double, int, uint) in [
        (1.9, Some("1"), Some("1")),
        (-7.9, Some("-7"), None),
        (-0.5, Some("0"), None),
        (-0.0, Some("0"), Some("0")),
        (
            9_223_372_036_854_774_784.0,
            Some("9223372036854774784"),
            Some("9223372036854774784"),
        ),
        (9_223_372_036_854_775_808.0, None, Some("9223372036854775808")),
        (-9_223_372_036_854_775_808.0, None, None),
        (18_446_744_073_709_551_616.0, None, None),
        (f64::NAN, None, None),
        (f64::INFINITY, None, None),
        (f64::NEG_INFINITY, None, None),
    ] {
        let wanted =
            |kind: &str, number: Option<&str>| number.map(|number| format!("{kind}({number})")).ok_or(Fault::Overflow);
        assert_eq!(convert("int", Value::Double(double)), wanted("Int", int), "{double}");
        assert_eq!(convert("uint", Value::Double(double)), wanted("Uint", uint), "{double}");
    }
    assert_eq!(convert("int", Value::Uint(u64::MAX)), Err(Fault::Overflow));
    assert_eq!(convert("uint", Value::Int(-1)), Err(Fault::Overflow));
    assert_eq!(convert("int", Value::Uint(7)).as_deref(), Ok("Int(7)"));
}

#[test]
fn a_double_is_written_in_its_shortest_form() {
    for (number, text) in [
        (123.456, "123.456"),
        (-4.5e-3, "-0.0045"),
        (1.0, "1"),
        (0.0, "0"),
        (-0.0, "-0"),
        (0.1, "0.1"),
        (f64::NAN, "NaN"),
        (f64::INFINITY, "+Inf"),
        (f64::NEG_INFINITY, "-Inf"),
    ] {
        assert_eq!(text_of_double(number), text);
        if number.is_finite() {
            assert_eq!(text.parse(), Ok(number), "{text}");
        }
    }
    for number in [1e300, 5e-324, f64::MAX] {
        assert_eq!(text_of_double(number).parse(), Ok(number));
        assert!(text_of_double(number).len() < 30);
    }
}

#[test]
fn only_what_says_so_is_true() {
    for (text, expected) in [
        ("true", "Bool(true)"),
        ("T", "Bool(true)"),
        ("0", "Bool(false)"),
        ("False", "Bool(false)"),
    ] {
        assert_eq!(convert("bool", Value::text(text)).as_deref(), Ok(expected));
    }
    for text in ["", "TrUe", "yes", "2", " true"] {
        assert!(convert("bool", Value::text(text)).is_err(), "{text}");
    }
}

#[test]
fn the_second_of_a_time_before_1970_is_the_one_that_it_is_in() {
    let at = |text: &str| {
        let since = crate::time::rfc3339(text).expect(text);
        Value::Timestamp(crate::cel::value::Timestamp::new(since).expect(text))
    };
    assert_eq!(convert("int", at("1970-01-01T00:00:00.5Z")).as_deref(), Ok("Int(0)"));
    assert_eq!(convert("int", at("1969-12-31T23:59:59.5Z")).as_deref(), Ok("Int(-1)"));
    assert_eq!(convert("int", at("1969-12-31T23:59:58Z")).as_deref(), Ok("Int(-2)"));
}

#[test]
fn a_text_is_a_double_only_where_it_is_a_number() {
    for (text, expected) in [
        ("1.5", "Double(1.5)"),
        ("-1.5e3", "Double(-1500.0)"),
        ("+2E-1", "Double(0.2)"),
        (".5", "Double(0.5)"),
        ("5.", "Double(5.0)"),
        ("1e-999", "Double(0.0)"),
        ("00", "Double(0.0)"),
    ] {
        assert_eq!(convert("double", Value::text(text)).as_deref(), Ok(expected), "{text}");
    }
    for text in [
        "nan", "NaN", "-nan", "inf", "-inf", "+Inf", "Infinity", "infinity", "1e999", "-1e999", "", ".", "e", "1 ",
        "0x1", "1_0", "--1",
    ] {
        let made = convert("double", Value::text(text));
        assert!(matches!(made, Err(Fault::InvalidArgument(_))), "{text}: {made:?}");
    }
}
