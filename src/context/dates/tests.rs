use proptest::prelude::*;

use super::*;

#[test]
fn dates_are_read_in_one_form() {
    for text in ["2026-12-24", "2024-02-29", "0001-01-01"] {
        assert_eq!(parse_date(text).map(|date| date.to_string()), Ok(text.to_owned()));
        assert_eq!(
            Holiday::parse(text).map(|holiday| holiday.to_string()),
            Ok(text.to_owned())
        );
    }
    for text in ["12-24", "02-29", "01-01"] {
        assert_eq!(
            Holiday::parse(text).map(|holiday| holiday.to_string()),
            Ok(text.to_owned())
        );
        assert!(parse_date(text).is_err(), "{text}");
    }
    for (text, meant) in [
        ("2026-2-9", Some("2026-02-09")),
        ("2026/12/24", Some("2026-12-24")),
        ("2026.12.24", Some("2026-12-24")),
        ("2026 12 24", Some("2026-12-24")),
        ("24.12.2026", Some("2026-12-24")),
        ("4.2.2026", Some("2026-02-04")),
        ("--12-24", Some("12-24")),
        ("1-6", Some("01-06")),
        // Nobody can tell which of them is the day.
        ("12/11/2026", None),
        ("24.12", None),
        ("12/24", None),
        ("2026-02-30", None),
        ("2025-02-29", None),
        ("2026-13-01", None),
        ("13-01", None),
        ("02-30", None),
        ("20261224", None),
        ("2026-W52-4", None),
        ("2026-12-24T00:00:00Z", None),
        ("christmas", None),
        ("", None),
        ("-", None),
        ("٢٠٢٦-12-24", None),
    ] {
        let error = Holiday::parse(text).expect_err(text);
        assert_eq!(error.suggestion(), meant, "{text}");
        let said = error.to_string();
        match meant {
            Some(meant) => assert!(said.ends_with(&format!("did you mean `{meant}`?")), "{said}"),
            None => assert!(
                said.ends_with("write `YYYY-MM-DD`, or `MM-DD` for every year, in quotes"),
                "{said}"
            ),
        }
        assert!(parse_date(text).is_err(), "{text}");
    }
}

#[test]
fn a_span_holds_from_its_beginning_until_before_its_end() {
    let span = |from: Option<u64>, until: Option<u64>| Span {
        from: from.map(WallTime),
        until: until.map(WallTime),
    };
    for (span, at, expected) in [
        (span(Some(5), Some(9)), 4, false),
        (span(Some(5), Some(9)), 5, true),
        (span(Some(5), Some(9)), 8, true),
        (span(Some(5), Some(9)), 9, false),
        (span(Some(5), None), u64::MAX, true),
        (span(Some(5), None), 4, false),
        (span(None, Some(9)), 0, true),
        (span(None, Some(9)), 9, false),
        (span(None, None), 0, true),
    ] {
        assert_eq!(span.holds(WallTime(at)), expected, "{span:?} {at}");
        assert_eq!(
            MaintenanceWindow::Once(span).holds(WallTime(at)),
            expected,
            "{span:?} {at}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(text in "[-0-9./ ]{0,12}|\\PC{0,12}") {
        if let Ok(holiday) = Holiday::parse(&text) {
            prop_assert_eq!(holiday.to_string(), text);
        } else if let Err(error) = Holiday::parse(&text)
            && let Some(meant) = error.suggestion()
        {
            prop_assert!(Holiday::parse(meant).is_ok(), "{} for {}", meant, text);
        }
    }
}
