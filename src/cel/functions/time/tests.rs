use jiff::SignedDuration;

use super::{offset, text_of_duration, text_of_time, timestamp};
use crate::cel::fault::Fault;
use crate::cel::value::Value;

fn duration(text: &str) -> Result<SignedDuration, Fault> {
    match Value::duration(super::duration(text)?)? {
        Value::Duration(duration) => Ok(duration),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_point_in_time_is_rfc_3339() {
    let read = |text: &str| timestamp(text).and_then(text_of_time);
    assert_eq!(read("2009-02-13T23:31:30Z").as_deref(), Ok("2009-02-13T23:31:30Z"));
    assert_eq!(
        read("2009-02-14T01:31:30.5+02:00").as_deref(),
        Ok("2009-02-13T23:31:30.5Z")
    );
    assert_eq!(read("0001-01-01T00:00:00Z").as_deref(), Ok("0001-01-01T00:00:00Z"));
    assert_eq!(
        read("9999-12-31T23:59:59.999999999Z").as_deref(),
        Ok("9999-12-31T23:59:59.999999999Z")
    );
    assert_eq!(read("9999-12-31T23:59:59-00:01"), Err(Fault::Overflow));
    assert_eq!(read("0001-01-01T00:00:00+00:01"), Err(Fault::Overflow));
    assert_eq!(read("0000-12-31T23:59:59.9Z"), Err(Fault::Overflow));
    for text in [
        "",
        "2009-02-13",
        "2009-02-13T23:31:30",
        "2009-02-13 23:31:30Z",
        "2009-02-30T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "1234567890",
    ] {
        assert!(matches!(read(text), Err(Fault::InvalidArgument(_))), "{text}");
    }
}

#[test]
fn a_duration_is_numbers_with_units() {
    let read = |text: &str| duration(text).map(text_of_duration);
    for (text, shown) in [
        ("0", "0s"),
        ("0s", "0s"),
        ("-0", "0s"),
        ("1h45m47s", "6347s"),
        ("1000000s", "1000000s"),
        ("1.5h", "5400s"),
        (".5s", "0.5s"),
        ("1.s", "1s"),
        ("-1.5s", "-1.5s"),
        ("-1500ms", "-1.5s"),
        ("+1ms2us3ns", "0.001002003s"),
        ("1µs", "0.000001s"),
        ("1μs", "0.000001s"),
        ("0.1234567891234s", "0.123456789s"),
        ("00000000000000000000000000001s", "1s"),
        ("315576000000s", "315576000000s"),
    ] {
        assert_eq!(read(text).as_deref(), Ok(shown), "{text}");
    }
    for text in [
        "", "-", "1", "s", ".s", "1d", "1S", "1s ", " 1s", "1s-1s", "1,5s", "0x1s", "1e3s", "--1s",
    ] {
        assert!(matches!(read(text), Err(Fault::InvalidArgument(_))), "{text}");
    }
    let digits = "9".repeat(60);
    for text in [
        "315576000001s",
        "-320000000000s",
        &format!("{digits}h"),
        &format!("{digits}ns"),
        "315576000000s1ns",
    ] {
        assert_eq!(read(text), Err(Fault::Overflow), "{text}");
    }
    assert_eq!(duration("-0.000000001s"), Ok(SignedDuration::new(0, -1)));
    assert_eq!(duration(&"0h".repeat(128)), Ok(SignedDuration::ZERO));
    assert!(matches!(duration(&"0h".repeat(129)), Err(Fault::InvalidArgument(_))));
}

#[test]
fn an_offset_is_hours_and_minutes() {
    let seconds = |text: &str| offset(text).map(jiff::tz::Offset::seconds);
    for (text, expected) in [
        ("+11:00", 39_600),
        ("-02:30", -9_000),
        ("02:00", 7_200),
        ("-00:00", 0),
        ("+23:59", 86_340),
    ] {
        assert_eq!(seconds(text), Some(expected), "{text}");
    }
    for text in [
        "", ":", "11", "1:00", "+24:00", "+11:60", "+11:0", "++1:00", "UTC", "+1100", "-+1:00",
    ] {
        assert_eq!(seconds(text), None, "{text}");
    }
}
