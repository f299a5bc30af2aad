//! Lists of revocations, as a region's endpoint answers them.

use regionguard::identity::{FingerprintKey, ListReader, Part, RevokedSet};
use serde_json::Value;

use crate::driven::START;
use crate::oracle::object;

/// The body of a part of a list. What is taken in is at most what is there; a list of nothing is none; what comes next is a path.
pub fn revocations(data: &[u8]) {
    let reader = ListReader::new(FingerprintKey::new(b"0123456789abcdef"));
    let Ok(part) = reader.part(data, START as f64) else {
        return;
    };
    // What is not looked at may hold numbers that are none.
    let Some(naive) = object(data) else { return };
    let lists = ["tokens", "sessions", "subjects", "keys"].map(|name| naive.get(name).and_then(Value::as_array));
    assert!(lists.iter().any(Option::is_some), "a list of nothing");
    let most: usize = lists.into_iter().flatten().map(Vec::len).sum();
    match part {
        Part::Last(list) => {
            assert!(
                list.len() <= most.min(RevokedSet::MOST),
                "{} of {most} entries",
                list.len()
            );
            assert!(naive.get("next").is_none_or(Value::is_null), "the rest is left out");
        }
        Part::Next(_, next) => {
            assert_eq!(naive["next"].as_str(), Some(next.as_str()));
            assert!(next.starts_with('/') && next.len() <= 1024 && next.bytes().all(|byte| byte.is_ascii_graphic()));
        }
    }
}
