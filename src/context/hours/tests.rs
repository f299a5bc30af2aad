use proptest::prelude::*;

use super::*;

#[test]
fn what_is_wrong_is_said_with_its_field() {
    let week = ["mon"];
    for (days, from, to, expected) in [
        (&week[..], "09:00", "09:00", vec![("to", SAME)]),
        (&week, "00:00", "00:00", vec![("to", SAME)]),
        (
            &week,
            "24:00",
            "06:00",
            vec![(
                "from",
                "`24:00` is the end of a day and can stand in `to` only: write `00:00`",
            )],
        ),
        (
            &week,
            "9:00",
            "17:30",
            vec![("from", "`9:00` is not a time of the day: did you mean `09:00`?")],
        ),
        (
            &week,
            "09:00",
            "17:30:00",
            vec![("to", "`17:30:00` is not a time of the day: did you mean `17:30`?")],
        ),
        (
            &week,
            " 09:00",
            "7:30:00",
            vec![("from", "did you mean `09:00`?"), ("to", "did you mean `07:30`?")],
        ),
        (
            &week,
            "09:00",
            "24:01",
            vec![("to", "write `HH:MM`, from `00:00` to `24:00`, in quotes")],
        ),
        (
            &week,
            "09:60",
            "25:00",
            vec![("from", "write `HH:MM`"), ("to", "write `HH:MM`")],
        ),
        (
            &week,
            "9",
            "0900",
            vec![("from", "write `HH:MM`"), ("to", "write `HH:MM`")],
        ),
        (
            &week,
            "",
            "+9:00",
            vec![("from", "`` is not a time"), ("to", "write `HH:MM`")],
        ),
        (
            &week,
            "0٩:00",
            "09.00",
            vec![("from", "write `HH:MM`"), ("to", "write `HH:MM`")],
        ),
        (
            &[],
            "09:00",
            "17:30",
            vec![(
                "days",
                "the list is empty: name at least one of `mon`, `tue`, `wed`, `thu`",
            )],
        ),
        (
            &[
                "mon",
                "tue",
                "mon",
                "Mon",
                "monday",
                "thurs",
                "x",
                "",
                "m",
                "mon-fri",
                "mond\u{7}",
            ],
            "x",
            "09:00",
            vec![
                ("days[2]", "`mon` is listed twice: each day once"),
                ("days[3]", "`Mon` is not a day: did you mean `mon`?"),
                ("days[4]", "`monday` is not a day: did you mean `mon`?"),
                ("days[5]", "`thurs` is not a day: did you mean `thu`?"),
                (
                    "days[6]",
                    "name each day by itself, as one of `mon`, `tue`, `wed`, `thu`, `fri`, `sat`, `sun`",
                ),
                ("days[7]", "name each day by itself"),
                ("days[8]", "name each day by itself"),
                ("days[9]", "name each day by itself"),
                ("days[10]", r"`mond\u{7}` is not a day"),
                ("from", "write `HH:MM`"),
            ],
        ),
    ] {
        let errors = BusinessHours::parse(days, from, to).expect_err("an error");
        assert_eq!(errors.len(), expected.len(), "{errors:?}");
        for (error, (field, said)) in errors.iter().zip(expected) {
            assert_eq!(error.field(), field, "{error}");
            assert!(error.to_string().contains(said), "{error}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(days in prop::collection::vec("\\PC{0,10}", 0..9), from in "\\PC{0,9}", to in "[0-9:]{0,8}") {
        let _ = BusinessHours::parse(&days, &from, &to);
    }
}
