//! Tokens: from the Authorization header to the decision.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use regionguard::bundle::Generation;
use regionguard::decision::{Action, Decision};
use regionguard::engine::{Effects, Outcome};
use regionguard::reason::Verdict;
use serde_json::{Value, json};

use crate::driven::{Driven, START, block, compiled};
use crate::oracle::{members_are_unique, object, parts, percent_decoded};

/// The longest answer to a caller, headers included.
const ANSWER_MAX: usize = 4096;
/// The longest decision line: names of the bundle, and words of ours.
const LINE_MAX: usize = 1024;

thread_local! {
    static GENERATION: Rc<Generation> = compiled(&json!({
        "forward": {"token": "strip", "claims": {"x-user": "sub", "x-groups": "roles"}},
        "rules": [{"name": "all", "paths": ["/**"], "effect": "allow"}],
    }));
}

/// A token. `data` is one as it is, or, where there is a line feed in it, its header and its claims, which are spelled and signed here: what fuzzers change best is not base64.
///
/// Whoever is let in has a token in which nothing has a second meaning, as a naive reading finds it too; and a second request with the same token, which the cache
/// knows by then, ends in the same way.
pub fn token(data: &[u8]) {
    let token = spelled(data);
    let value = [b"Bearer ", &token[..]].concat();
    let mut driven = GENERATION.with(Driven::over);
    let (first, again) = (ask(&mut driven, &value), ask(&mut driven, &value));
    assert_eq!(
        (first.reason, &first.line),
        (again.reason, &again.line),
        "the second time it is judged otherwise"
    );
    for decision in [&first, &again] {
        bounded(decision);
        if decision.reason.verdict() == Verdict::Allow {
            holds(&token, decision);
        }
    }
}

fn spelled(data: &[u8]) -> Vec<u8> {
    let Some(line) = data.iter().position(|byte| *byte == b'\n') else {
        return data.to_vec();
    };
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let (header, claims) = (part(&data[..line]), part(&data[line + 1..]));
    format!("{header}.{claims}.{}", part(&[1; 64])).into_bytes()
}

fn ask(driven: &mut Driven, authorization: &[u8]) -> Decision {
    // A header block is bytes; `block` wants text, so the value takes the place of one.
    let mut headers = block("/v1/things", &[]);
    let lines = regionguard::request::Headers::parse(&headers)
        .expect("a block")
        .iter()
        .collect::<Vec<_>>();
    let with: Vec<(&[u8], &[u8])> = lines
        .into_iter()
        .chain([(&b"authorization"[..], authorization)])
        .collect();
    headers = regionguard::request::encode(&with);
    match driven.begin(&headers, &mut Effects::default()) {
        Outcome::Done(decision) => decision,
        waits => panic!("nothing here has to wait: {waits:?}"),
    }
}

/// What goes out is short and can be shown.
fn bounded(decision: &Decision) {
    let shown = |text: &str| text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    assert!(
        decision.line.len() <= LINE_MAX && shown(&decision.line),
        "the line `{}`",
        decision.line
    );
    let headers: Vec<(&str, &str)> = match &decision.action {
        Action::Answer(answer) => {
            let size: usize = answer
                .headers
                .iter()
                .map(|(name, value)| name.len() + value.len())
                .sum();
            assert!(
                size + answer.body.len() + answer.details.len() <= ANSWER_MAX,
                "{answer:?}"
            );
            answer
                .headers
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect()
        }
        Action::Continue(forwarded) => forwarded
            .iter()
            .flat_map(|forwarded| &forwarded.headers)
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect(),
    };
    assert!(
        headers.iter().all(|(name, value)| shown(name) && shown(value)),
        "{headers:?}"
    );
}

/// The token of a request that was let in, read again.
fn holds(token: &[u8], decision: &Decision) {
    let [header, claims, _signature] = parts(token).expect("three parts, each in its one spelling");
    for json in [&header, &claims] {
        assert!(
            members_are_unique(json),
            "a member twice: {}",
            String::from_utf8_lossy(json)
        );
    }
    let (header, claims) = (object(&header).expect("a header"), object(&claims).expect("claims"));
    assert_eq!(header.get("alg"), Some(&json!("EdDSA")), "the key's algorithm");
    assert!(header.get("kid").is_none_or(|kid| kid == "k"), "the key's name");
    assert!(
        !header.contains_key("crit") && !header.contains_key("b64"),
        "an extension"
    );
    let kind = header
        .get("typ")
        .map(|kind| kind.as_str().expect("a text").to_ascii_lowercase());
    let kinds = ["jwt", "at+jwt", "application/jwt", "application/at+jwt"];
    assert!(
        kind.is_none_or(|kind| kinds.contains(&kind.as_str())),
        "a token for another purpose"
    );

    assert_eq!(claims.get("iss"), Some(&json!("identity.global.com")));
    assert_eq!(claims.get("region"), Some(&json!("us-east-1")));
    let audience = json!("api.us-east-1.com");
    assert!(
        claims
            .get("aud")
            .is_some_and(|aud| *aud == audience || aud.as_array().is_some_and(|list| list.contains(&audience)))
    );
    let date = |name: &str| claims.get(name).map(|date| date.as_f64().expect("a number"));
    let now = START as f64;
    assert!(date("exp").expect("an end") > now - 31.0, "expired");
    assert!(
        [date("nbf"), date("iat")]
            .into_iter()
            .flatten()
            .all(|date| date < now + 31.0),
        "from the future"
    );
    assert!(!claims.contains_key("cnf"), "bound to a sender who showed nothing");
    let subject = claims
        .get("sub")
        .and_then(Value::as_str)
        .filter(|sub| !sub.is_empty())
        .expect("a subject");
    let forwarded = decision.forwarded().expect("let in, and answered");
    for header in ["x-regionguard-subject", "x-user"] {
        let lines = forwarded.headers.iter().filter(|(name, _)| name == header);
        let told: Vec<String> = lines.map(|(_, value)| percent_decoded(value)).collect();
        assert_eq!(told, [subject], "`{header}` tells the upstream of another subject");
    }
}
