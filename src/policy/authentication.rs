//! How the subject of a token has proved who it is: `acr` and `auth_time` (OpenID Connect Core §2), `amr` (RFC 8176).
//!
//! A claim that is not there, or has another form than its specification gives it, meets nothing.

use serde_json::Value;

use crate::bundle::document::{MultiFactor, StepUp};
use crate::identity::{Claims, LEEWAY_SECONDS};
use crate::time::WallTime;

/// Whether several factors were used, as this requirement wants to read it.
pub(super) fn is_multi_factor(claims: &Claims, wanted: &MultiFactor) -> bool {
    has_class(claims, &wanted.acr) || used_method(claims, &wanted.amr)
}

/// Whether a step-up is met at this time.
pub(super) fn meets(claims: &Claims, wanted: &StepUp, at: WallTime) -> bool {
    is_of_class(claims, wanted) && is_recent(claims, wanted, at)
}

/// Whether the class of the login is one that a step-up wants.
pub(super) fn is_of_class(claims: &Claims, wanted: &StepUp) -> bool {
    wanted.acr.is_empty() || has_class(claims, &wanted.acr)
}

/// Whether the login is as recent as a step-up wants it.
pub(super) fn is_recent(claims: &Claims, wanted: &StepUp, at: WallTime) -> bool {
    let recent = |most: core::time::Duration| {
        auth_time(claims).is_some_and(|time| {
            let now = at.numeric_date();
            // No leeway is given for the age itself; a time in the future is one only as far as two clocks may differ.
            now - time <= most.as_secs_f64() && time <= now + LEEWAY_SECONDS
        })
    };
    wanted.max_age.is_none_or(recent)
}

/// `acr`, compared as it is.
fn has_class(claims: &Claims, accepted: &[String]) -> bool {
    let class = claims.get("acr").and_then(Value::as_str);
    class.is_some_and(|class| accepted.iter().any(|one| one == class))
}

/// `amr`: a list of strings and nothing else.
fn used_method(claims: &Claims, accepted: &[String]) -> bool {
    let Some(Value::Array(methods)) = claims.get("amr") else {
        return false;
    };
    methods.iter().all(Value::is_string)
        && methods
            .iter()
            .filter_map(Value::as_str)
            .any(|method| accepted.iter().any(|one| one == method))
}

/// `auth_time`: a NumericDate.
fn auth_time(claims: &Claims) -> Option<f64> {
    let time = claims.get("auth_time")?.as_f64()?;
    (time >= 0.0).then_some(time)
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use serde_json::{Value, json};

    use super::{is_multi_factor, meets};
    use crate::bundle::document::{MultiFactor, StepUp};
    use crate::identity::Claims;
    use crate::time::WallTime;

    const NOW: u64 = 1_800_000_000;

    fn claims(value: &Value) -> Claims {
        Claims::parse(&value.to_string()).expect("claims")
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn several_factors_are_what_the_policy_says() {
        for (value, by_amr, by_acr, by_either) in [
            (json!({}), false, false, false),
            (json!({"amr": ["pwd", "mfa"]}), true, false, true),
            (json!({"amr": ["mfa"], "acr": "gold"}), true, true, true),
            (json!({"acr": "gold"}), false, true, true),
            (json!({"acr": "Gold"}), false, false, false),
            (json!({"acr": "mfa", "amr": ["gold"]}), false, false, false),
            // Two factors by name are not several as somebody has checked it.
            (json!({"amr": ["pwd", "otp"]}), false, false, false),
            (json!({"amr": []}), false, false, false),
            (json!({"amr": "mfa"}), false, false, false),
            (json!({"amr": {"0": "mfa"}}), false, false, false),
            (json!({"amr": ["mfa", 1]}), false, false, false),
            (json!({"amr": [["mfa"]]}), false, false, false),
            (json!({"amr": ["mfa "]}), false, false, false),
            (json!({"acr": ["gold"]}), false, false, false),
        ] {
            let claims = claims(&value);
            let met = |amr: &[&str], acr: &[&str]| {
                let wanted = MultiFactor {
                    amr: words(amr),
                    acr: words(acr),
                };
                is_multi_factor(&claims, &wanted)
            };
            let found = (met(&["hwk", "mfa"], &[]), met(&[], &["gold"]), met(&["mfa"], &["gold"]));
            assert_eq!(found, (by_amr, by_acr, by_either), "{value}");
        }
    }

    #[test]
    fn an_age_is_counted_to_the_stricter_side() {
        let wanted = StepUp {
            acr: Vec::new(),
            max_age: Some(Duration::from_secs(900)),
        };
        let at = WallTime(NOW * 1_000_000_000);
        for (auth_time, met) in [
            (json!(NOW), true),
            (json!(NOW - 900), true),
            (json!(NOW - 901), false),
            (json!(NOW as f64 - 900.5), false),
            (json!(NOW as f64 - 899.5), true),
            (json!(NOW + 30), true),
            (json!(NOW + 31), false),
            (json!(1e300), false),
            (json!(-1), false),
            (json!(0), false),
            (json!(NOW.to_string()), false),
            (json!(null), false),
            (json!([NOW]), false),
        ] {
            assert_eq!(
                meets(&claims(&json!({"auth_time": auth_time})), &wanted, at),
                met,
                "{auth_time}"
            );
        }
        assert!(!meets(&claims(&json!({})), &wanted, at), "absence is not met");
    }

    #[test]
    fn both_a_class_and_an_age_where_both_are_asked() {
        let wanted = StepUp {
            acr: words(&["silver", "gold"]),
            max_age: Some(Duration::from_secs(900)),
        };
        let at = WallTime(NOW * 1_000_000_000);
        for (value, met) in [
            (json!({"acr": "gold", "auth_time": NOW}), true),
            (json!({"acr": "silver", "auth_time": NOW}), true),
            (json!({"acr": "gold"}), false),
            (json!({"auth_time": NOW}), false),
            (json!({"acr": "bronze", "auth_time": NOW}), false),
            (json!({"acr": "gold", "auth_time": NOW - 901}), false),
            (json!({"acr": 3, "auth_time": NOW}), false),
        ] {
            assert_eq!(meets(&claims(&value), &wanted, at), met, "{value}");
        }
    }
}
