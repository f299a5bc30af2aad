//! JWS vectors that others wrote, under this project's strict profile: Project Wycheproof's 401 cases and the JOSE cookbook (RFC 7520, RFC 8037, RFC 7797).
//!
//! They are read from the folder that `REGIONGUARD_VECTORS` names, or `../shared/vectors` beside the checkout. Without it the tests say that they were left out;
//! with `REGIONGUARD_REQUIRE_VECTORS=1` they fail. A valid case that the profile refuses is a skip, and stands with its reason in `tests/vectors/`.
#![cfg(feature = "ring")]
#![expect(
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test says what is wrong by panicking"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use regionguard::identity::{Crypto, KeyRing, RingVerifier, SignatureVerifier, verify_compact};
use regionguard::reason::Reason;
use serde_json::Value;

/// The folder of the vectors, where it is.
fn folder() -> Option<PathBuf> {
    let folder = match std::env::var_os("REGIONGUARD_VECTORS") {
        Some(named) => PathBuf::from(named),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors"),
    };
    if folder.join("wycheproof").is_dir() && folder.join("jose-cookbook").is_dir() {
        return Some(folder);
    }
    assert!(
        std::env::var_os("REGIONGUARD_REQUIRE_VECTORS").is_none_or(|required| required != "1"),
        "REGIONGUARD_REQUIRE_VECTORS=1, but there are no vectors in `{}`: name their folder in REGIONGUARD_VECTORS",
        folder.display()
    );
    println!(
        "LEFT OUT: there are no vectors in `{}`; name their folder in REGIONGUARD_VECTORS",
        folder.display()
    );
    None
}

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("`{}`: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("`{}`: {error}", path.display()))
}

/// The skips of a list, one a line: the case's name, the code with which it is refused and, behind a colon, why that is right.
fn skips(list: &'static str) -> BTreeMap<&'static str, (&'static str, &'static str)> {
    let lines = list.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let named: Vec<_> = lines
        .map(|line| {
            let (case, why) = line
                .split_once(": ")
                .unwrap_or_else(|| panic!("`{line}` gives no reason"));
            let (name, code) = case
                .rsplit_once(' ')
                .unwrap_or_else(|| panic!("`{line}` gives no code"));
            (name, (code, why))
        })
        .collect();
    let skips: BTreeMap<_, _> = named.iter().copied().collect();
    assert_eq!(skips.len(), named.len(), "a case is listed twice");
    skips
}

/// What became of the cases of one suite.
struct Suite {
    skips: BTreeMap<&'static str, (&'static str, &'static str)>,
    used: Vec<String>,
    problems: Vec<String>,
    accepted: usize,
    refused: usize,
}

impl Suite {
    fn new(list: &'static str) -> Self {
        Self {
            skips: skips(list),
            used: Vec::new(),
            problems: Vec::new(),
            accepted: 0,
            refused: 0,
        }
    }

    /// Counts one case: `valid` as its authors see it, `result` as we do.
    fn case(&mut self, name: &str, valid: bool, result: Result<(), Reason>) {
        let listed = self.skips.get(name).map(|(code, _)| *code);
        match (valid, result) {
            (true, Ok(())) => self.accepted += 1,
            (false, Err(_)) => self.refused += 1,
            (true, Err(reason)) if listed == Some(reason.code()) => self.used.push(name.to_owned()),
            (true, Err(reason)) => self.problems.push(format!(
                "{name}: valid, but refused ({}), and not listed as such a skip",
                reason.code()
            )),
            (false, Ok(())) => self.problems.push(format!("{name}: invalid, but accepted")),
        }
    }

    fn finish(self, title: &str, total: usize) {
        let mut problems = self.problems;
        let stale = self
            .skips
            .keys()
            .filter(|name| !self.used.iter().any(|used| used == *name));
        problems.extend(stale.map(|name| format!("{name}: listed as a skip, but it is none (any more)")));
        assert!(problems.is_empty(), "{title}:\n{}", problems.join("\n"));
        let seen = self.accepted + self.refused + self.used.len();
        assert_eq!(seen, total, "{title}: cases");
        println!(
            "{title}: {} accepted, {} refused, {} valid ones skipped by the profile",
            self.accepted,
            self.refused,
            self.used.len()
        );
        for name in &self.used {
            println!("  skipped {name}: {}", self.skips[name.as_str()].1);
        }
    }
}

/// What the strict profile says of `token` under one JWK.
fn verify(token: &str, jwk: Option<&Value>) -> Result<Vec<u8>, Reason> {
    let verifier: Rc<dyn SignatureVerifier> = Rc::new(RingVerifier);
    let set: Vec<Value> = jwk.into_iter().map(public).collect();
    let keys = KeyRing::from_json(&set, None).ring;
    verify_compact(
        token.as_bytes(),
        &keys,
        Crypto::install().expect("our provider"),
        &verifier,
    )
}

/// The public part of a JWK: the cookbook gives pairs. A symmetric key stays as it is, and is refused.
fn public(jwk: &Value) -> Value {
    let mut public = jwk.clone();
    if public["kty"] != "oct" {
        for name in ["d", "p", "q", "dp", "dq", "qi"] {
            public.as_object_mut().expect("a JWK").remove(name);
        }
    }
    public
}

/// The key for the algorithm with which the example uses it: without an `alg` of its own an RSA key verifies the usual ones only.
fn bound(key: &Value, algorithm: Value) -> Value {
    let mut key = key.clone();
    key["alg"] = algorithm;
    key
}

fn several(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_else(|| vec![value.clone()])
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[test]
fn wycheproof() {
    let Some(folder) = folder() else { return };
    let suite = read(&folder.join("wycheproof/json_web_signature_test.json"));
    let mut outcome = Suite::new(include_str!("vectors/wycheproof-jws-skips.txt"));
    for group in suite["testGroups"].as_array().expect("groups") {
        let jwk = group.get("public").or(group.get("private"));
        for case in group["tests"].as_array().expect("tests") {
            let result = verify(&text(&case["jws"]), jwk).map(drop);
            outcome.case(&case["tcId"].to_string(), case["result"] == "valid", result);
        }
    }
    outcome.finish("Wycheproof JWS", 401);
}

#[test]
fn jose_cookbook() {
    let Some(folder) = folder() else { return };
    let mut outcome = Suite::new(include_str!("vectors/jose-cookbook-skips.txt"));
    let mut total = 0;
    for part in ["jws", "curve25519", "rfc7797"] {
        let directory = folder.join("jose-cookbook").join(part);
        let mut files: Vec<_> = std::fs::read_dir(&directory)
            .expect("a folder")
            .map(|entry| entry.expect("an entry").path())
            .collect();
        files.sort();
        for file in files.iter().filter(|file| !file.ends_with("ecdh-es.json")) {
            let example = read(file);
            let name = format!("{part}/{}", file.file_stem().expect("a name").to_string_lossy());
            let (keys, algorithms) = (several(&example["input"]["key"]), several(&example["input"]["alg"]));
            let keys: Vec<_> = keys
                .iter()
                .zip(algorithms)
                .map(|(key, algorithm)| bound(key, algorithm))
                .collect();
            // Each serialization that the example gives is a case of its own; where it gives several keys, any of them may do.
            for (form, token) in example["output"].as_object().expect("output") {
                let expected = text(&example["input"]["payload"]);
                let answers = keys.iter().map(|key| verify(&text(token), Some(key)));
                let accepted = answers.reduce(Result::or).expect("a key");
                if let Ok(payload) = &accepted {
                    assert_eq!(String::from_utf8_lossy(payload), expected, "{name}");
                }
                total += 1;
                outcome.case(&format!("{name} {form}"), true, accepted.map(drop));
            }
        }
    }
    assert!(total >= 20, "{total} examples only");
    outcome.finish("JOSE cookbook", total);
}
