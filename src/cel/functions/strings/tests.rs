use super::{MAX_PARTS, MAX_TEXT, char_at, index_of, last_index_of, replace, split, substring};
use crate::cel::fault::{Budget, Fault};

fn plenty() -> Budget {
    Budget::new(1_000_000)
}

#[test]
fn places_are_counted_in_code_points() {
    assert_eq!(char_at("©αT", 1), Ok("α"));
    assert_eq!(char_at("©αT", 3), Ok(""));
    assert_eq!(index_of("ta©o©αT", "©", 0), Ok(2));
    assert_eq!(index_of("ta©o©αT", "©", 3), Ok(4));
    assert_eq!(index_of("ta©o©αT", "©α", 5), Ok(-1));
    assert_eq!(index_of("taco", "", 4), Ok(4));
    assert_eq!(last_index_of("ta©o©αT", "©", None), Ok(4));
    assert_eq!(last_index_of("ta©o©αT", "©", Some(3)), Ok(2));
    assert_eq!(last_index_of("ta©o©αT", "©α", Some(4)), Ok(4));
    assert_eq!(last_index_of("©ab©", "aé", Some(1)), Ok(-1));
    assert_eq!(last_index_of("bananananana", "nana", Some(7)), Ok(6));
    assert_eq!(last_index_of("taco", "", None), Ok(4));
    assert_eq!(last_index_of("", "@@", None), Ok(-1));
    assert_eq!(substring("ta©o©αT", 2, Some(6)), Ok("©o©α"));
    assert_eq!(substring("ta©o©αT", 7, None), Ok(""));
    assert_eq!(substring("ta©o©αT", 4, Some(4)), Ok(""));
}

#[test]
fn a_place_that_is_not_there_is_no_value() {
    let is_refused = |fault: Fault| matches!(fault, Fault::InvalidArgument(_));
    for place in [-1, 5, i64::MIN, i64::MAX] {
        assert!(char_at("taco", place).is_err_and(is_refused), "{place}");
        assert!(index_of("taco", "a", place).is_err_and(is_refused), "{place}");
        assert!(
            last_index_of("taco", "a", Some(place)).is_err_and(is_refused),
            "{place}"
        );
        assert!(substring("taco", place, None).is_err_and(is_refused), "{place}");
        assert!(substring("taco", 0, Some(place)).is_err_and(is_refused), "{place}");
    }
    assert!(substring("taco", 3, Some(2)).is_err_and(is_refused));
    assert!(substring("taco", i64::MAX, Some(i64::MIN)).is_err_and(is_refused));
}

#[test]
fn texts_are_replaced_from_the_left() {
    let replaced = |text, old, new, most| replace(text, old, new, most, &mut plenty());
    assert_eq!(
        replaced("{0} days {0} hours", "{0}", "2", -1).as_deref(),
        Ok("2 days 2 hours")
    );
    assert_eq!(
        replaced("{0} days {0} hours", "{0}", "2", 1).as_deref(),
        Ok("2 days {0} hours")
    );
    assert_eq!(replaced("aa", "a", "aa", -1).as_deref(), Ok("aaaa"));
    assert_eq!(replaced("aa", "a", "b", 0).as_deref(), Ok("aa"));
    assert_eq!(replaced("é1", "", "-", -1).as_deref(), Ok("-é-1-"));
    assert_eq!(replaced("ab", "", "-", 2).as_deref(), Ok("-a-b"));
}

#[test]
fn texts_are_split_as_often_as_wanted() {
    let parts = |text, separator, most| split(text, separator, most, &mut plenty()).expect("parts");
    assert_eq!(parts("a,b,,c", ",", -1), ["a", "b", "", "c"]);
    assert_eq!(parts("a,b,c", ",", 2), ["a", "b,c"]);
    assert_eq!(parts("a,b,c", ",", 1), ["a,b,c"]);
    assert_eq!(parts("a,b", ",", 0), [""; 0]);
    assert_eq!(parts("", ",", -1), [""]);
    assert_eq!(parts("", "", -1), [""; 0]);
    assert_eq!(parts("aé©", "", -1), ["a", "é", "©"]);
    assert_eq!(parts("aé©", "", 2), ["a", "é©"]);
    assert_eq!(parts("o©o©", "©", -1), ["o", "o", ""]);
}

#[test]
fn no_text_grows_without_bound_or_for_nothing() {
    let long = "a".repeat(1000);
    let grown = replace(&long, "a", &long, -1, &mut plenty());
    assert!(
        matches!(grown, Err(Fault::InvalidArgument(_))),
        "1000 times 1000 is more than {MAX_TEXT}"
    );
    assert_eq!(
        replace(&long, "a", &long, 30, &mut plenty()).map(|text| text.len()),
        Ok(30 * 1000 + 970)
    );
    assert_eq!(
        replace(&long, "a", &long, 30, &mut Budget::new(100)),
        Err(Fault::TooCostly)
    );
    let parts = split(&long, "", -1, &mut Budget::new(100));
    assert_eq!(parts, Err(Fault::TooCostly));
    let many = ",".repeat(MAX_PARTS);
    assert!(matches!(
        split(&many, ",", -1, &mut plenty()),
        Err(Fault::InvalidArgument(_))
    ));
    assert_eq!(split(&many, ",", 3, &mut plenty()).map(|parts| parts.len()), Ok(3));
}
