use core::time::Duration;

use serde_json::{Value, json};

use super::{ClaimMapping, ClaimPath, LEEWAY_SECONDS, RegionClaim, Standard, Times, permissions, words};
use crate::identity::strict_json::{self, Json};
use crate::reason::Reason;

/// What `value` is when it is read from a token.
fn read<T>(value: &Value, f: impl FnOnce(&Json<'_>) -> T) -> T {
    let text = json!({ "x": value }).to_string();
    let object = strict_json::object(&text).expect("an object");
    f(object.get("x").expect("a member"))
}

fn read_object<T>(value: &Value, f: impl FnOnce(&strict_json::Object<'_>) -> T) -> T {
    read(value, |value| f(value.as_object().expect("an object")))
}

#[test]
fn standard_claims() {
    let base = || json!({"sub": "a", "exp": 100});
    let audiences = |claims: &Value| {
        read_object(claims, |claims| {
            Standard::read(claims, &ClaimMapping::default()).map(|standard| standard.audiences.len())
        })
    };
    let with = |name: &str, value: Value| {
        let mut claims = base();
        claims[name] = value;
        audiences(&claims)
    };
    read_object(&base(), |claims| {
        let standard = Standard::read(claims, &ClaimMapping::default()).expect("valid");
        assert_eq!((standard.subject, standard.times.expires), ("a", 100.0));
    });
    assert_eq!(with("aud", json!("x")), Ok(1));
    assert_eq!(with("aud", json!(["x", "y"])), Ok(2));
    assert_eq!(with("aud", json!([])), Ok(0));
    assert_eq!(with("exp", json!(100.25)), Ok(0));
    assert_eq!(with("exp", json!(9_007_199_254_740_992_u64)), Ok(0));
    for (name, value) in [
        ("sub", json!("")),
        ("sub", json!(5)),
        ("sub", json!(null)),
        ("aud", json!(5)),
        ("aud", json!(null)),
        ("aud", json!({"x": 1})),
        ("aud", json!(["x", 5])),
        ("exp", json!("100")),
        ("exp", json!(null)),
        ("exp", json!(true)),
        ("exp", json!([100])),
        ("exp", json!(-1)),
        ("exp", json!(-0.0)),
        ("exp", json!(1e300)),
        ("exp", json!(9_007_199_254_740_994_u64)),
        ("exp", json!(u64::MAX)),
        ("nbf", json!("1")),
        ("nbf", json!(-1)),
        ("iat", json!("1")),
        ("iat", json!(null)),
        ("jti", json!(5)),
        ("jti", json!(null)),
    ] {
        assert_eq!(with(name, value.clone()), Err(Reason::TokenClaims), "{name}: {value}");
    }
    assert!(audiences(&json!({"sub": "a"})).is_err());
    assert!(audiences(&json!({"exp": 1})).is_err());
}

#[test]
fn times() {
    let times = |expires: f64, not_before: Option<f64>, issued: Option<f64>| Times {
        expires,
        not_before,
        issued,
    };
    let minute = Some(Duration::from_secs(60));
    assert_eq!(LEEWAY_SECONDS, 30.0);
    let cases = [
        (times(1000.0, None, None), 1029.999, None, Ok(())),
        (times(1000.0, None, None), 1030.0, None, Err(Reason::TokenExpired)),
        (times(1000.5, None, None), 1030.4, None, Ok(())),
        (times(1000.5, None, None), 1030.5, None, Err(Reason::TokenExpired)),
        (times(2000.0, Some(1000.0), None), 970.0, None, Ok(())),
        (
            times(2000.0, Some(1000.5), None),
            970.4,
            None,
            Err(Reason::TokenNotYetValid),
        ),
        (times(2000.0, None, Some(1000.5)), 970.5, None, Ok(())),
        (
            times(2000.0, None, Some(1000.5)),
            970.4,
            None,
            Err(Reason::TokenNotYetValid),
        ),
        (times(1060.0, None, Some(1000.0)), 1000.0, minute, Ok(())),
        (
            times(1060.5, None, Some(1000.0)),
            1000.0,
            minute,
            Err(Reason::TokenLifetime),
        ),
        (times(1060.0, None, None), 1000.0, minute, Err(Reason::TokenLifetime)),
        (times(1060.0, None, None), 1059.0, minute, Err(Reason::TokenLifetime)),
        (times(1060.0, None, None), 1000.0, None, Ok(())),
    ];
    for (times, now, limit, expected) in cases {
        assert_eq!(times.check(now, limit), expected, "{times:?} at {now}");
    }
}

#[test]
fn permissions_in_each_form() {
    let read = |value: Value| read(&value, |value| permissions(Some(value)));
    let all = read(json!({"global": ["b", "a", "b"], "regional": {"x": ["c"], "y": []}})).expect("valid");
    assert_eq!(all.global, ["a", "b"]);
    assert_eq!(
        all.regional,
        [("x".to_owned(), vec!["c".to_owned()]), ("y".to_owned(), Vec::new())]
    );
    assert_eq!(read(json!(["b", "a"])).expect("valid").global, ["a", "b"]);
    assert_eq!(read(json!("b  a ")).expect("valid").global, ["a", "b"]);
    assert_eq!(permissions(None), Ok(Default::default()));
    for refused in [
        json!(null),
        json!(5),
        json!(true),
        json!([5]),
        json!([["a"]]),
        json!({"global": "a"}),
        json!({"global": null}),
        json!({"global": {"a": true}}),
        json!({"global": ["a", 5]}),
        json!({"regional": ["a"]}),
        json!({"regional": {"x": "a"}}),
        json!({"regional": {"x": [null]}}),
        json!({"regional": {"x": {"global": []}}}),
        json!({"global": [], "other": []}),
    ] {
        assert_eq!(read(refused.clone()), Err(Reason::TokenClaims), "{refused}");
    }
}

#[test]
fn roles() {
    let words_of = |value: &Value| read(value, |value| words(Some(value)));
    assert_eq!(words_of(&json!("b a")), Ok(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(words_of(&json!("")), Ok(Vec::new()));
    assert_eq!(words(None), Ok(Vec::new()));
    for refused in [json!(null), json!({"a": true}), json!(1), json!(["a", {}])] {
        assert_eq!(words_of(&refused), Err(Reason::TokenClaims), "{refused}");
    }
}

#[test]
fn paths() {
    let claims = json!({
        "https://example.com/region": "whole", "a.b": "whole", "a": {"b": "nested", "c": {"d": "deep"}}, "list": [{"x": 1}],
    });
    let find = |path: &str| {
        let path = ClaimPath::new(path).expect("a path");
        read_object(&claims, |claims| {
            path.find(claims).and_then(Json::as_str).map(str::to_owned)
        })
    };
    assert_eq!(find("https://example.com/region").as_deref(), Some("whole"));
    assert_eq!(find("a.b").as_deref(), Some("whole"));
    assert_eq!(find("a.c.d").as_deref(), Some("deep"));
    for absent in ["x", "a.x", "a.c.x", "a.c", "a.", ".a", "a..b", "list.0.x", "."] {
        assert_eq!(find(absent), None, "{absent}");
    }
    assert_eq!(ClaimPath::new(""), None);
    assert_eq!(ClaimPath::new(&"x".repeat(257)), None);
}

#[test]
fn the_region_claim_is_a_string_that_equals_the_name() {
    let by = |path: &str| RegionClaim::Claim(ClaimPath::new(path).expect("a path"));
    read_object(
        &json!({"region": "a", "list": ["a"], "nested": {"region": "b"}}),
        |claims| {
            assert!(by("region").names(claims, "a"));
            assert!(by("nested.region").names(claims, "b"));
            assert!(!by("region").names(claims, "A"));
            assert!(!by("list").names(claims, "a"));
            assert!(!by("absent").names(claims, "a"));
            assert!(RegionClaim::FromIssuer.names(claims, "anything"));
        },
    );
}
