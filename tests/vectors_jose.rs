//! JOSE vectors that others wrote, under this project's strict profile: Project Wycheproof's JWS, JWK sets and mixed ones, and the JOSE cookbook (RFC 7520, RFC 8037,
//! RFC 7797).
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

/// The files of a folder, by name.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("`{}`: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
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

/// What the strict profile says of `token` under one JWK, or under a set of them.
fn verify(token: &str, jwk: Option<&Value>) -> Result<Vec<u8>, Reason> {
    let verifier: Rc<dyn SignatureVerifier> = Rc::new(RingVerifier);
    let keys = jwk
        .map(|jwk| several(jwk.get("keys").unwrap_or(jwk)))
        .unwrap_or_default();
    let set: Vec<Value> = keys.iter().map(public).collect();
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
    wycheproof_suite(
        "Wycheproof JWS",
        "json_web_signature_test.json",
        include_str!("vectors/wycheproof-jws-skips.txt"),
        401,
    );
}

#[test]
fn wycheproof_key_sets() {
    wycheproof_suite(
        "Wycheproof JWK sets",
        "json_web_key_test.json",
        include_str!("vectors/wycheproof-jwk-skips.txt"),
        26,
    );
}

#[test]
fn wycheproof_mixed() {
    wycheproof_suite(
        "Wycheproof mixed",
        "json_web_crypto_test.json",
        include_str!("vectors/wycheproof-mixed-skips.txt"),
        83,
    );
}

fn wycheproof_suite(title: &str, file: &str, skips: &'static str, total: usize) {
    let Some(folder) = folder() else { return };
    let suite = read(&folder.join("wycheproof").join(file));
    assert_eq!(suite["numberOfTests"], total, "{file}");
    let mut outcome = Suite::new(skips);
    for group in suite["testGroups"].as_array().expect("groups") {
        let jwk = group.get("public").or(group.get("private"));
        for case in group["tests"].as_array().expect("tests") {
            let token = case.get("jws").or(case.get("jwe")).expect("a token");
            let result = verify(&text(token), jwk).map(drop);
            outcome.case(&case["tcId"].to_string(), case["result"] == "valid", result);
        }
    }
    outcome.finish(title, total);
}

/// An encrypted token (JWE) is none that a signature is on, in whatever form and under whatever key.
#[test]
fn no_encrypted_token_is_read() {
    let Some(folder) = folder() else { return };
    let wycheproof = read(&folder.join("wycheproof/json_web_encryption_test.json"));
    let mut tokens = Vec::new();
    for group in wycheproof["testGroups"].as_array().expect("groups") {
        let jwk = group.get("public").or(group.get("private"));
        let cases = group["tests"].as_array().expect("tests");
        tokens.extend(cases.iter().map(|case| (text(&case["jwe"]), jwk.cloned())));
    }
    for file in files(&folder.join("jose-cookbook/jwe")) {
        let example = read(&file);
        let jwk = example["input"].get("key").cloned();
        let forms = example["output"].as_object().expect("output").values();
        tokens.extend(forms.map(|form| (text(form), jwk.clone())));
    }
    assert!(tokens.len() > 139 + 13, "{} tokens only", tokens.len());
    for (token, jwk) in &tokens {
        assert_eq!(
            verify(token, jwk.as_ref()).err(),
            Some(Reason::TokenMalformed),
            "{token}"
        );
    }
    println!("JWE: {} refused", tokens.len());
}

/// The keys of RFC 7520: what may verify is taken, as it is given, and nothing else.
#[test]
fn jose_cookbook_keys() {
    let Some(folder) = folder() else { return };
    let mut said = Vec::new();
    for file in files(&folder.join("jose-cookbook/jwk")) {
        let built = KeyRing::from_json(&[read(&file)], None);
        let problem = built
            .errors
            .iter()
            .chain(&built.warnings)
            .map(|problem| problem.message.clone());
        let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
        said.push((name, built.ring.len(), problem.collect::<String>()));
    }
    let expected = [
        ("3_1.ec_public_key", 0, "left aside: curve `P-521` is not supported"),
        (
            "3_2.ec_private_key",
            0,
            "`d` is a member of a private or secret key: give the public key only",
        ),
        ("3_3.rsa_public_key", 1, ""),
        (
            "3_4.rsa_private_key",
            0,
            "`d` is a member of a private or secret key: give the public key only",
        ),
        (
            "3_5.symmetric_key_mac_computation",
            0,
            "`k` is a member of a private or secret key: give the public key only",
        ),
        (
            "3_6.symmetric_key_encryption",
            0,
            "`k` is a member of a private or secret key: give the public key only",
        ),
    ];
    assert_eq!(
        said,
        expected.map(|(name, keys, problem)| (name.to_owned(), keys, problem.to_owned()))
    );
}

#[test]
fn jose_cookbook() {
    let Some(folder) = folder() else { return };
    let mut outcome = Suite::new(include_str!("vectors/jose-cookbook-skips.txt"));
    let mut total = 0;
    for part in ["jws", "curve25519", "rfc7797"] {
        // Key agreement is no signature; it is the one file of these folders that holds none.
        let files = files(&folder.join("jose-cookbook").join(part)).into_iter();
        for file in files.filter(|file| !file.ends_with("ecdh-es.json")) {
            let example = read(&file);
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
