//! What a plain scalar means: the core schema of YAML 1.2 (§10.3.2), where all readers on the way to a proxy agree.
//!
//! Three others read the same text: `kubectl` and Istio by YAML 1.1, and Envoy, which takes each fraction for text and `NO` for `false`. What any of them would read otherwise is refused, so that
//! what is checked is what serves.

use serde_json::Number;

use super::node::Data;

/// What a plain scalar means, or why that depends on who reads it.
pub(super) fn resolve(text: &str) -> Result<Data, String> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Data::Null),
        "true" | "True" | "TRUE" => return Ok(Data::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Data::Bool(false)),
        _ => {}
    }
    if is_old_boolean(text) {
        return Err(format!(
            "`{text}` is text in YAML 1.2, and `true` or `false` to other readers"
        ));
    }
    if let Some(number) = integer(text) {
        return Ok(Data::Number(number));
    }
    if looks_like_a_number(text) {
        return Err(format!(
            "`{text}` is a number to some readers, and another number or text to others"
        ));
    }
    Ok(Data::Text(text.to_owned()))
}

/// The booleans of YAML 1.1 that YAML 1.2 does not have.
pub(super) fn is_old_boolean(text: &str) -> bool {
    const WORDS: [&str; 6] = ["y", "n", "yes", "no", "on", "off"];
    let lower = text.to_ascii_lowercase();
    WORDS.contains(&lower.as_str())
}

/// A whole number in the one form that everybody reads alike: `0`, or digits without a leading zero.
fn integer(text: &str) -> Option<Number> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let one_form = digits == "0" || !digits.starts_with('0');
    if digits.is_empty() || !one_form || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let signed = text.parse::<i64>().ok().map(Number::from);
    // More digits than an integer has are still a number, which the bundle's limit refuses.
    signed.or_else(|| text.parse::<f64>().ok().and_then(Number::from_f64))
}

/// A fraction, an exponent, another base, a leading zero, a sign, an underscore, infinity, not a number.
fn looks_like_a_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if [".inf", ".nan"].contains(&unsigned.to_ascii_lowercase().as_str()) {
        return true;
    }
    if !unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return false;
    }
    let plain: String = unsigned.chars().filter(|character| *character != '_').collect();
    let based = |prefix: &str, base: u32| {
        let digits = plain.strip_prefix(prefix).unwrap_or_default();
        !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(base))
    };
    let decimal = plain.bytes().any(|byte| byte.is_ascii_digit()) && plain.parse::<f64>().is_ok();
    decimal || based("0x", 16) || based("0X", 16) || based("0o", 8) || based("0b", 2) || based("0B", 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_read_alike_is_read() {
        for text in ["0", "7", "-3", "41", "9007199254740992", "99999999999999999999"] {
            assert!(matches!(resolve(text), Ok(Data::Number(_))), "{text}");
        }
        for text in [
            "us-east-1",
            "09:00",
            "10.1.0.0/16",
            "24h",
            "-",
            ".",
            "..",
            "-O680v",
            "1.2.3",
            "0xyz",
            "2026-01-01",
            "e3",
            "nope",
        ] {
            assert!(matches!(resolve(text), Ok(Data::Text(_))), "{text}");
        }
        for text in ["", "~", "null"] {
            assert!(matches!(resolve(text), Ok(Data::Null)), "{text}");
        }
    }

    #[test]
    fn what_some_read_otherwise_is_refused() {
        for text in [
            "NO", "no", "Yes", "on", "OFF", "y", "N", "18.10", "1.", ".5", "1e3", "010", "0o17", "0x1F", "0b11", "+5",
            "1_000", ".inf", "-.INF", ".nan", "-0.5", "00",
        ] {
            assert!(resolve(text).is_err(), "{text}");
        }
    }
}
