//! Of times at which requests may come.

use serde_json::json;

use super::super::*;
use super::{expect, refuses};

const REGION: &str = "documents[0].spec.businessHours";
const POLICY: &str = "documents[2].spec.context";

#[test]
fn of_business_hours() {
    let week = |more: Json| {
        let mut hours = json!({"weekly": [{"days": ["mon"], "from": "09:00", "to": "12:00"}, {"days": ["mon"], "from": "13:00", "to": "17:00"}]});
        if let (Some(hours), Some(more)) = (hours.as_object_mut(), more.as_object()) {
            hours.extend(more.clone());
        }
        hours
    };
    let mut bundle = sample();
    let whole = json!({"holidays": ["12-25", "2027-01-01"], "exceptions": [{"date": "2026-12-24", "hours": [{"from": "09:00", "to": "12:00"}]}]});
    set(&mut bundle, REGION, week(whole));
    parsed(&bundle);

    refuses(
        REGION,
        json!({"holidays": ["12-25"]}),
        "",
        "no hours: give `days`, `from` and `to`, or a list of them as `weekly`",
    );
    refuses(
        REGION,
        week(json!({"from": "09:00"})),
        &format!("{REGION}.from"),
        "there is `weekly` as well",
    );
    refuses(
        REGION,
        json!({"weekly": []}),
        &format!("{REGION}.weekly"),
        "an empty list",
    );
    refuses(
        REGION,
        json!({"weekly": [{"days": ["mon"], "from": "09:00"}]}),
        &format!("{REGION}.weekly[0]"),
        "`to` is missing",
    );
    refuses(
        REGION,
        json!({"weekly": [{"days": ["mon"], "from": "09:00", "to": "9:30"}]}),
        &format!("{REGION}.weekly[0].to"),
        "did you mean `09:30`?",
    );
    refuses(
        REGION,
        json!({"weekly": vec![json!({"days": ["mon"], "from": "09:00", "to": "10:00"}); 65]}),
        &format!("{REGION}.weekly"),
        "too many: 65, 64 at most",
    );
    refuses(
        REGION,
        week(json!({"holiday": ["12-25"]})),
        &format!("{REGION}.holiday"),
        "did you mean `holidays`?",
    );
    refuses(
        REGION,
        week(json!({"timezone": "UTC"})),
        &format!("{REGION}.timezone"),
        "no such field",
    );
    for (date, fragment) in [
        (json!("25.12.2026"), "did you mean `2026-12-25`?"),
        (
            json!("2026-02-30"),
            "`2026-02-30` is no date: write `YYYY-MM-DD`, or `MM-DD` for every year",
        ),
        (json!(20_261_225), "a date in quotes, like `\"2026-12-25\"`"),
        (json!("12-24"), "`12-24` is listed already"),
    ] {
        refuses(
            REGION,
            week(json!({"holidays": ["12-24", date]})),
            &format!("{REGION}.holidays[1]"),
            fragment,
        );
    }
    let exceptions = |exceptions: Json| week(json!({"exceptions": exceptions}));
    let hours = json!([{"from": "09:00", "to": "12:00"}]);
    for (exception, place, fragment) in [
        (
            json!({"date": "2026-12-24"}),
            "",
            "a date without hours is one of `holidays`",
        ),
        (json!({"hours": hours}), "", "`date` is missing"),
        (
            json!({"date": "12-24", "hours": hours}),
            ".date",
            "`12-24` is no date: write `YYYY-MM-DD`, in quotes",
        ),
        (json!({"date": "2026-12-24", "hours": []}), ".hours", "an empty list"),
        (
            json!({"date": "2026-12-24", "hours": [{"from": "09:00", "to": "09:00"}]}),
            ".hours[0].to",
            "are the same",
        ),
        (
            json!({"date": "2026-12-24", "hours": [{"from": "24:00", "to": "01:00"}]}),
            ".hours[0].from",
            "can stand in `to` only",
        ),
        (
            json!({"date": "2026-12-24", "hours": [{"days": ["mon"], "from": "09:00", "to": "10:00"}]}),
            ".hours[0].days",
            "no such field",
        ),
    ] {
        refuses(
            REGION,
            exceptions(json!([exception])),
            &format!("{REGION}.exceptions[0]{place}"),
            fragment,
        );
    }
    let twice = json!([{"date": "2026-12-24", "hours": hours}, {"date": "2026-12-24", "hours": hours}]);
    refuses(
        REGION,
        exceptions(twice),
        &format!("{REGION}.exceptions[1].date"),
        "has an exception already",
    );
}

#[test]
fn of_time_restrictions() {
    let place = |rest: &str| format!("{POLICY}.time_restrictions[0]{rest}");
    let refused = |restriction: Json, rest: &str, fragment: &str| {
        refuses(
            POLICY,
            json!({"time_restrictions": [restriction]}),
            &place(rest),
            fragment,
        );
    };
    refused(json!({}), "", "an empty object");
    refused(json!({"hour": {}}), ".hour", "did you mean `hours`?");
    let hours = json!({"timezone": "Europe/Berlin", "days": ["mon"], "from": "09:00", "to": "10:00"});
    let with = |field: &str, value: Json| {
        let mut hours = hours.clone();
        hours[field] = value;
        json!({"hours": hours})
    };
    refused(
        with("timezone", json!("Berlin")),
        ".hours.timezone",
        "did you mean `Europe/Berlin`?",
    );
    refused(
        json!({"hours": {"days": ["mon"], "from": "09:00", "to": "10:00"}}),
        ".hours",
        "`timezone` is missing",
    );
    refused(json!({"hours": {"timezone": "UTC"}}), ".hours", "no hours: give");
    refused(with("days", json!(["monday"])), ".hours.days[0]", "did you mean `mon`?");

    for (time, fragment) in [
        (json!("2026-12-24"), "not a time: write it as RFC 3339 does"),
        (json!("2026-12-24T00:00:00"), "not a time"),
        (json!(1_800_000_000), "a time in quotes, like"),
        (json!("1969-12-31T23:59:59Z"), "not a time"),
    ] {
        refused(json!({"not_before": time}), ".not_before", fragment);
        refused(json!({"notAfter": time}), ".notAfter", fragment);
    }
    let (early, late) = ("2026-12-24T00:00:00Z", "2026-12-24T01:00:00+01:00");
    refused(
        json!({"notBefore": early, "notAfter": late}),
        ".notAfter",
        "there is no time between",
    );

    let windows = |window: Json, rest: &str, fragment: &str| {
        refused(
            json!({"maintenance": [window]}),
            &format!(".maintenance[0]{rest}"),
            fragment,
        );
    };
    refused(json!({"maintenance": []}), ".maintenance", "an empty list");
    refused(
        json!({"maintenance": vec![hours.clone(); 65]}),
        ".maintenance",
        "too many: 65, 64 at most",
    );
    windows(json!({"notBefore": early}), "", "`notAfter` is missing");
    windows(json!({"notAfter": early}), "", "`notBefore` is missing");
    windows(
        json!({"notBefore": early, "notAfter": early}),
        ".notAfter",
        "there is no time between",
    );
    windows(
        json!({"days": ["mon"], "from": "09:00", "to": "10:00"}),
        "",
        "`timezone` is missing",
    );
    windows(
        json!({"timezone": "UTC", "days": ["mon"], "from": "09:00"}),
        "",
        "`to` is missing",
    );
    windows(
        json!({"timezone": "Mars", "days": ["mon"], "from": "09:00", "to": "10:00"}),
        ".timezone",
        "there is no time zone `Mars`",
    );
    let mut both = hours.clone();
    both["notBefore"] = json!(early);
    windows(both, ".notBefore", "make two of it");
    let mut named = hours;
    named["weekly"] = json!([]);
    windows(named, ".weekly", "no such field");
}

/// All that is wrong is said at once.
#[test]
fn of_several_at_once() {
    let mut bundle = sample();
    let restriction = json!({
        "hours": {"timezone": "Mars", "days": ["x"], "from": "9", "to": "10:00", "holidays": ["x"], "exceptions": [{"date": "y"}]},
        "notBefore": "z",
        "maintenance": [{"days": ["mon"], "from": "9"}],
    });
    set(&mut bundle, POLICY, json!({"time_restrictions": [restriction]}));
    let restriction = format!("{POLICY}.time_restrictions[0]");
    for place in [
        "hours.timezone",
        "hours.days[0]",
        "hours.from",
        "hours.holidays[0]",
        "hours.exceptions[0].date",
        "hours.exceptions[0]",
        "notBefore",
        "maintenance[0]",
    ] {
        expect(&bundle, &format!("{restriction}.{place}"), "");
    }
}
