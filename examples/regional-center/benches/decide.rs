//! What a decision costs without the network: `cargo bench -p regional-center`.

use std::hint::black_box;
use std::time::Instant;

use regional_center::{Center, Question};

/// How often each step is timed. `cargo test --benches` only sees that it runs.
fn rounds() -> u32 {
    if std::env::args().any(|argument| argument == "--bench") {
        20_000
    } else {
        1
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let center = Center::embedded("us-east-1")?.quiet();
    for (name, method, template, id) in [
        ("GDPR, allowed by consent", "GET", "/v1/profiles/{id}", "43"),
        ("GDPR, denied", "GET", "/v1/profiles/{id}", "42"),
        ("SOX, denied", "POST", "/v1/postings/{id}/approve", "1001"),
        ("no policy", "GET", "/other", "1"),
    ] {
        let body = format!(
            r#"{{"subject":{{"type":"identity","id":"alice","properties":{{"home":"us-east-1","iss":"identity.global.com","roles":["clerk"],"permissions":["read:profile"]}}}},"action":{{"name":"{method}","properties":{{}}}},"resource":{{"type":"route","id":"{template}","properties":{{"host":"api.us-east-1.com","path":"/x","captures":{{"id":"{id}"}}}}}},"context":{{"time":"2026-01-01T00:00:00Z","local":"us-east-1","source":{{"address":"127.0.1.1","region":"us-east-1"}},"request_id":"r-1","policy":"p","rule":"r","bundle":"shop@41+abcdef012345"}}}}"#
        );
        let parse = micros(|| drop(black_box(Question::parse(black_box(body.as_bytes())))));
        let question = Question::parse(body.as_bytes())?;
        let decide = micros(|| drop(black_box(center.decide(black_box(&question)))));
        println!("{name:26} read {parse:5.1} µs, decide {decide:5.1} µs");
    }
    Ok(())
}

fn micros(work: impl Fn()) -> f64 {
    let rounds = rounds();
    let start = Instant::now();
    for _ in 0..rounds {
        work();
    }
    start.elapsed().as_secs_f64() * 1e6 / f64::from(rounds)
}
