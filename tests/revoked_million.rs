//! A million revoked tokens: what they take of memory, how long a look-up takes, and that nobody else is taken for one of them.
#![cfg(not(target_arch = "wasm32"))]
#![expect(
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    reason = "a test says what is wrong by panicking, and what it measured"
)]

mod holding;

use std::hint::black_box;
use std::time::Instant;

use holding::{forget_most, held};
use regionguard::identity::{FingerprintKey, Kind, RevokedSet, SetBuilder};

const COUNT: u64 = 1_000_000;
/// As many come in one part of a list.
const PART: u64 = 32_768;

/// The `jti` of a revoked token, as issuers make them: a UUID.
fn revoked(number: u64) -> String {
    format!(
        "{:08x}-0000-4000-8000-{number:012x}",
        number.wrapping_mul(0x9E37_79B9) & 0xFFFF_FFFF
    )
}

fn other(number: u64) -> String {
    format!("{number:08x}-0000-4000-9000-{number:012x}")
}

fn seconds(number: u64) -> u32 {
    1_800_000_000 + u32::try_from(number % 86_400).expect("a day")
}

#[test]
fn a_million_in_sixteen_megabytes() {
    let (before, _) = held();
    forget_most();
    let mut builder = SetBuilder::new(FingerprintKey::new(b"0123456789abcdef"));
    for part in 0..COUNT.div_ceil(PART) {
        let numbers = part * PART..COUNT.min((part + 1) * PART);
        for number in numbers {
            builder
                .add(Kind::Token, &revoked(number), seconds(number))
                .expect("room");
        }
        builder.settle();
    }
    let set = builder.build();
    let (after, most) = held();
    assert_eq!(set.len(), RevokedSet::MOST);
    let (bytes, peak) = (after - before, most - before);
    println!("{COUNT} revoked tokens take {bytes} bytes, and {peak} at most while they are taken in");
    assert!(bytes <= 12_300_000, "{bytes}");
    assert!(peak <= 36_000_000, "{peak}");

    // What was printed is kept, too.
    let (kept, _) = held();
    for number in 0..COUNT {
        assert_eq!(
            set.get(Kind::Token, &revoked(number)),
            Some(seconds(number)),
            "{number}"
        );
    }
    let mistaken = (0..COUNT)
        .filter(|number| set.get(Kind::Token, &other(*number)).is_some())
        .count();
    assert_eq!(mistaken, 0);
    assert_eq!(held().0, kept, "a look-up keeps nothing");
}

/// Without optimisation this is some times as slow; `make bench` has the figure that counts.
#[test]
fn a_look_up_takes_microseconds_at_most() {
    let mut builder = SetBuilder::new(FingerprintKey::new(b"0123456789abcdef"));
    for number in 0..COUNT {
        builder
            .add(Kind::Token, &revoked(number), seconds(number))
            .expect("room");
    }
    let set = builder.build();
    let texts: Vec<String> = (0..200_000)
        .flat_map(|number| [revoked(number * 5), other(number)])
        .collect();
    let mut best = u128::MAX;
    for _ in 0..3 {
        let begin = Instant::now();
        for text in &texts {
            black_box(set.get(Kind::Token, black_box(text)));
        }
        best = best.min(begin.elapsed().as_nanos() / u128::try_from(texts.len()).expect("a number"));
    }
    println!("a look-up among {COUNT}: {best} ns");
    assert!(best < 10_000, "{best} ns");
}
