//! What is known of the risk, in the words of a PolicyTest.

use regionguard::risk::Risk;
use serde_json::{Value, json};

/// More failures than these never count.
const FAILURES: u64 = 1_000;

/// The risk that these members tell of.
///
/// # Errors
/// What is wrong with them.
pub(super) fn read(members: &Value) -> Result<Risk, String> {
    let members = members.as_object().ok_or("`risk` must be an object")?;
    if let Some(name) = members
        .keys()
        .find(|name| !["score", "failures"].contains(&name.as_str()))
    {
        return Err(format!("a risk has no `{name}`; there are score, failures"));
    }
    let score = members.get("score").map(|score| {
        let number = score.as_f64().filter(|score| (0.0..=100.0).contains(score));
        number.ok_or_else(|| format!("`score` must be a number from 0 to 100; found {score}"))
    });
    let failures = members.get("failures").map(|failures| {
        let count = failures.as_u64().filter(|count| *count <= FAILURES);
        count
            .and_then(|count| u32::try_from(count).ok())
            .ok_or_else(|| format!("`failures` must be a whole number up to {FAILURES}; found {failures}"))
    });
    Ok(Risk {
        score: score.transpose()?,
        failures: Some(failures.transpose()?.unwrap_or_default()),
    })
}

/// The members that [`read`] makes this risk of.
pub(super) fn write(risk: Risk) -> Value {
    let mut members = json!({"failures": risk.failures.unwrap_or_default()});
    if let Some(score) = risk.score {
        members["score"] = json!(score);
    }
    members
}

#[cfg(test)]
mod tests {
    use regionguard::risk::Risk;
    use serde_json::json;

    use super::{read, write};

    #[test]
    fn what_is_read_is_written_alike() {
        for (score, failures) in [(None, 0), (Some(25.0), 0), (None, 7), (Some(99.5), 1_000)] {
            let risk = Risk {
                score,
                failures: Some(failures),
            };
            assert_eq!(read(&write(risk)), Ok(risk));
        }
        assert_eq!(read(&json!({"score": 0})).map(|risk| risk.failures), Ok(Some(0)));
    }

    #[test]
    fn what_is_no_risk_is_told() {
        for (members, message) in [
            (json!(0.5), "`risk` must be an object"),
            (json!({"level": 1}), "a risk has no `level`; there are score, failures"),
            (
                json!({"score": 101}),
                "`score` must be a number from 0 to 100; found 101",
            ),
            (
                json!({"score": "50"}),
                "`score` must be a number from 0 to 100; found \"50\"",
            ),
            (
                json!({"failures": -1}),
                "`failures` must be a whole number up to 1000; found -1",
            ),
            (
                json!({"failures": 0.5}),
                "`failures` must be a whole number up to 1000; found 0.5",
            ),
        ] {
            assert_eq!(read(&members), Err(message.to_owned()));
        }
    }
}
