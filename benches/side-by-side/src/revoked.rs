//! A million revoked tokens: as a list that a proxy fetches, and as a set to look into outside of it.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use regionguard_harness::Result;
use regionguard_harness::shelf::{Document, Shelf};
use serde_json::{Value, json};

use regionguard::identity::{FingerprintKey, Kind, RevokedSet, SetBuilder};

/// Where the list is.
pub const CLUSTER: &str = "revocations";
const LOOK_UPS: u64 = 200_000;
const PARTS: u64 = 16;

/// `revocation` of the Region whose list it is.
pub fn source() -> Value {
    json!({"list": {"cluster": CLUSTER, "path": path(0), "refresh": "1h", "staleFor": "24h"}, "onUnavailable": "deny"})
}

/// Serves the list, in parts.
pub async fn serve() -> Result<Shelf> {
    let shelf = Shelf::start().await?;
    let share = RevokedSet::MOST as u64 / PARTS;
    for part in 0..PARTS {
        let mut entries = String::new();
        for number in part * share..(part + 1) * share {
            let comma = if entries.is_empty() { "" } else { "," };
            write!(entries, r#"{comma}{{"jti":"{}","exp":4102444800}}"#, name(number))?;
        }
        let next = match part + 1 {
            PARTS => String::new(),
            next => format!(r#","next":"{}""#, path(next)),
        };
        let body = format!(r#"{{"tokens":[{entries}]{next}}}"#);
        shelf.put(&path(part), Document::status(200, body));
    }
    Ok(shelf)
}

fn path(part: u64) -> String {
    format!("/revocations/{part}")
}

/// Nanoseconds of one look-up, of a token that is not revoked: the median of so many measurements as a run has rounds, 20 at most.
pub fn look_up_nanoseconds(rounds: usize) -> Option<f64> {
    let mut builder = SetBuilder::new(FingerprintKey::new(b"a key of this run"));
    for number in 0..RevokedSet::MOST as u64 {
        builder.add(Kind::Token, &name(number), u32::MAX).ok()?;
    }
    let set = builder.build();
    let others: Vec<String> = (0..1024).map(|number| name(u64::MAX - number)).collect();
    let mut times: Vec<f64> = (0..rounds.clamp(1, 20))
        .map(|_| {
            let begin = Instant::now();
            for other in others.iter().cycle().take(LOOK_UPS as usize) {
                black_box(set.get(Kind::Token, black_box(other)));
            }
            begin.elapsed().as_nanos() as f64 / LOOK_UPS as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied()
}

/// A `jti` as issuers make them: like a UUID.
fn name(number: u64) -> String {
    let spread = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    format!(
        "{:08x}-{:04x}-4000-8000-{number:012x}",
        spread >> 32,
        spread >> 16 & 0xffff
    )
}
