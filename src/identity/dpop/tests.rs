use core::cell::Cell;
use core::time::Duration;
use std::rc::Rc;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    AHEAD_SECONDS, ALGORITHMS, DpopOptions, Judge, MAX_JTI_BYTES, MAX_PROOF_BYTES, NONCE_SECONDS, Presented, Proof,
    Proofs,
};
use crate::identity::base64url::encode;
use crate::identity::budget::FailureBudget;
use crate::identity::keys::{Algorithm, PublicKey};
use crate::identity::testing::{NOW, Signer};
use crate::identity::verify::{RingVerifier, SignatureVerifier};
use crate::reason::Reason;
use crate::request::{PathOptions, Scheme, canonicalise};
use crate::time::{Monotonic, Now, WallTime};

const TOKEN: &[u8] = b"a.b.c";

/// Counts the signatures that are verified.
struct Counting(Cell<u32>);

impl SignatureVerifier for Counting {
    fn verify(&self, algorithm: Algorithm, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
        self.0.set(self.0.get() + 1);
        RingVerifier.verify(algorithm, key, message, signature)
    }
}

/// A worker that takes requests.
struct Worker {
    proofs: Proofs,
    budget: FailureBudget,
    counting: Rc<Counting>,
    options: DpopOptions,
    now: u64,
    method: &'static str,
    scheme: Scheme,
    authority: &'static str,
    path: &'static str,
    key: [u8; 32],
    token: &'static [u8],
    /// How many keys of nonces were made.
    nonce_keys: u8,
}

impl Worker {
    /// One that began long ago, for the holder of this key.
    fn new(signer: &Signer) -> Self {
        let mut worker = Self::just_begun(signer);
        worker.proofs.begin(at(NOW - 3_600));
        worker
    }

    fn just_begun(signer: &Signer) -> Self {
        Self {
            proofs: Proofs::new(7),
            budget: FailureBudget::new(7),
            counting: Rc::new(Counting(Cell::new(0))),
            options: DpopOptions::default(),
            now: NOW,
            method: "GET",
            scheme: Scheme::Https,
            authority: "api.example.com",
            path: "/v1/a",
            key: thumbprint(signer),
            token: TOKEN,
            nonce_keys: 0,
        }
    }

    fn take(&mut self, proof: &str) -> Result<(), Reason> {
        self.take_all(&[proof.as_bytes()])
    }

    fn take_all(&mut self, proofs: &[&[u8]]) -> Result<(), Reason> {
        let paths = PathOptions::default();
        let path = canonicalise(self.path.as_bytes(), &paths).expect("a path");
        let read = || Monotonic(1);
        let presented = Presented {
            proofs,
            key: &self.key,
            token: &Sha256::digest(self.token).into(),
            subject: ("us-east-1", "alice"),
            method: self.method,
            scheme: Some(self.scheme),
            authority: self.authority.as_bytes(),
            path: &path,
            paths: &paths,
        };
        let verifier: Rc<dyn SignatureVerifier> = Rc::clone(&self.counting) as _;
        let mut judge = Judge {
            options: &self.options,
            now: &Now::new(at(self.now), &read),
            verifier: &verifier,
            budget: &mut self.budget,
            peer: &|| None,
        };
        self.proofs.check(&presented, &mut judge)
    }

    fn nonce(&mut self) -> String {
        let mut key = || {
            self.nonce_keys += 1;
            Some([self.nonce_keys; 32])
        };
        self.proofs.nonce(at(self.now), &mut key).expect("random bytes")
    }
}

fn at(seconds: u64) -> WallTime {
    WallTime(seconds * 1_000_000_000)
}

fn thumbprint(signer: &Signer) -> [u8; 32] {
    let ring = crate::identity::KeyRing::from_json(&[signer.jwk()], None).ring;
    *ring.thumbprints().next().expect("a key")
}

fn header(signer: &Signer) -> Value {
    json!({"typ": "dpop+jwt", "alg": signer.algorithm().name(), "jwk": signer.jwk()})
}

fn claims() -> Value {
    json!({"jti": "one", "htm": "GET", "htu": "https://api.example.com/v1/a", "iat": NOW, "ath": encode(&Sha256::digest(TOKEN))})
}

fn with(mut base: Value, name: &str, value: Value) -> Value {
    match value {
        Value::Null => base.as_object_mut().expect("an object").remove(name),
        value => base.as_object_mut().expect("an object").insert(name.to_owned(), value),
    };
    base
}

fn proof(signer: &Signer, claims: &Value) -> String {
    signer.token_with(&header(signer).to_string(), &claims.to_string())
}

fn signer() -> Signer {
    Signer::ed25519("k", 1)
}

/// RFC 9449 §7.1, figures 12 and 13, with the key of §4.1; and its §4.1 example, which is for a token endpoint and has no `ath`.
#[test]
fn the_examples_of_the_standard() {
    let resource = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";
    let token_endpoint = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";
    let jkt = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
    let mut worker = Worker::just_begun(&signer());
    worker.proofs.begin(at(1_562_000_000));
    worker.key = crate::identity::base64url::decode(jkt)
        .and_then(|key| key.try_into().ok())
        .expect("a thumbprint");
    worker.now = 1_562_262_618;
    worker.authority = "resource.example.org";
    worker.path = "/protectedresource";
    worker.token = b"Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
    assert_eq!(worker.take(resource), Ok(()));
    assert_eq!(worker.take(resource), Err(Reason::ProofReplayed));
    (worker.method, worker.authority, worker.path) = ("POST", "server.example.com", "/token");
    assert_eq!(worker.take(token_endpoint), Err(Reason::ProofInvalid));
}

#[test]
fn a_proof_of_each_algorithm_counts_once() {
    for signer in [
        Signer::p256("a"),
        Signer::p384("b"),
        Signer::ed25519("c", 1),
        Signer::rsa("d"),
    ] {
        let mut worker = Worker::new(&signer);
        let good = proof(&signer, &claims());
        assert_eq!(worker.take(&good), Ok(()), "{:?}", signer.algorithm());
        assert_eq!(worker.take(&good), Err(Reason::ProofReplayed));
        assert_eq!(worker.counting.0.get(), 1, "a replay costs no signature");
        let second = proof(&signer, &with(claims(), "jti", json!("two")));
        assert_eq!(worker.take(&second), Ok(()));
    }
    let rsa = Signer::rsa("d");
    let input = with(header(&rsa), "alg", json!("PS256")).to_string();
    let input = format!(
        "{}.{}",
        encode(input.as_bytes()),
        encode(claims().to_string().as_bytes())
    );
    let signature = encode(&rsa.sign(Algorithm::PS256, input.as_bytes()));
    assert_eq!(Worker::new(&rsa).take(&format!("{input}.{signature}")), Ok(()));
    assert!(ALGORITHMS.iter().all(|algorithm| !algorithm.name().starts_with("HS")));
}

/// A second signature of the same proof, which whoever has one can make from it for ECDSA (r, n - s), is no second proof.
#[test]
fn another_signature_of_a_used_proof_is_a_replay() {
    let signer = Signer::p256("a");
    let mut worker = Worker::new(&signer);
    let text = proof(&signer, &claims());
    worker.take(&text).expect("good");
    let (input, signature) = text.rsplit_once('.').expect("three parts");
    let mut bytes = crate::identity::base64url::decode(signature).expect("base64url");
    let order = crate::request::parse_digest(b"ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551")
        .expect("hexadecimal");
    let mut borrow = 0_i16;
    for place in (0..32).rev() {
        let difference = i16::from(order[place]) - i16::from(bytes[32 + place]) - borrow;
        borrow = i16::from(difference < 0);
        bytes[32 + place] = u8::try_from(difference.rem_euclid(256)).expect("a byte");
    }
    let other = format!("{input}.{}", encode(&bytes));
    assert_ne!(other, text);
    assert_eq!(Worker::new(&signer).take(&other), Ok(()), "it verifies");
    assert_eq!(worker.take(&other), Err(Reason::ProofReplayed));
}

#[test]
fn exactly_one_proof() {
    let signer = signer();
    let mut worker = Worker::new(&signer);
    let (one, two) = (
        proof(&signer, &claims()),
        proof(&signer, &with(claims(), "jti", json!("two"))),
    );
    assert_eq!(worker.take_all(&[]), Err(Reason::ProofMissing));
    assert_eq!(
        worker.take_all(&[one.as_bytes(), two.as_bytes()]),
        Err(Reason::ProofInvalid)
    );
    assert_eq!(
        worker.take_all(&[one.as_bytes(), one.as_bytes()]),
        Err(Reason::ProofInvalid)
    );
    assert_eq!(worker.take(&format!("{one},{two}")), Err(Reason::ProofInvalid));
    assert_eq!(worker.take(&format!("{one} ")), Err(Reason::ProofInvalid));
    assert_eq!(worker.take(""), Err(Reason::ProofInvalid));
    assert_eq!(worker.counting.0.get(), 0);
    assert_eq!(worker.take(&one), Ok(()));
}

#[test]
fn headers_that_are_none_of_a_proof() {
    let signer = signer();
    let mut worker = Worker::new(&signer);
    let secret = with(signer.jwk(), "d", json!("AAAA"));
    let other = Signer::ed25519("o", 2).jwk();
    for (name, value) in [
        ("typ", json!(null)),
        ("typ", json!("JWT")),
        ("typ", json!("at+jwt")),
        ("typ", json!("DPOP+JWT")),
        ("typ", json!("application/dpop+jwt")),
        ("typ", json!(1)),
        ("alg", json!(null)),
        ("alg", json!("none")),
        ("alg", json!("NONE")),
        ("alg", json!("HS256")),
        ("alg", json!("eddsa")),
        ("alg", json!("ES256")),
        ("alg", json!("RS512")),
        ("alg", json!(["EdDSA"])),
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
        ("jwk", json!(null)),
        ("jwk", json!("AAAA")),
        ("jwk", json!({})),
        ("jwk", secret.clone()),
        ("jwk", with(signer.jwk(), "d", json!([]))),
        ("jwk", with(signer.jwk(), "k", json!("AAAA"))),
        ("jwk", with(signer.jwk(), "use", json!("enc"))),
        ("jwk", with(signer.jwk(), "key_ops", json!(["sign"]))),
        ("jwk", with(signer.jwk(), "alg", json!("ES256"))),
        ("jwk", with(signer.jwk(), "crv", json!("Ed448"))),
        ("jwk", with(signer.jwk(), "x", json!("AAAA"))),
        ("jwk", json!({"kty": "oct", "k": "AAAA"})),
        ("jwk", other),
    ] {
        let header = with(header(&signer), name, value.clone());
        let text = signer.token_with(&header.to_string(), &claims().to_string());
        assert_eq!(worker.take(&text), Err(Reason::ProofInvalid), "{name}: {value}");
    }
    let twice = header(&signer).to_string().replacen('{', r#"{"typ":"dpop+jwt","#, 1);
    let twice = signer.token_with(&twice, &claims().to_string());
    assert_eq!(worker.take(&twice), Err(Reason::ProofInvalid));
    let keys = header(&signer)
        .to_string()
        .replacen(r#""jwk":{"#, r#""jwk":{"kty":"OKP","#, 1);
    assert_eq!(
        worker.take(&signer.token_with(&keys, &claims().to_string())),
        Err(Reason::ProofInvalid)
    );
    assert_eq!(worker.counting.0.get(), 0, "none of them costs a signature");
    // What names the key otherwise is not looked at.
    let header = with(with(header(&signer), "kid", json!("x")), "jku", json!("https://evil"));
    assert_eq!(
        worker.take(&signer.token_with(&header.to_string(), &claims().to_string())),
        Ok(())
    );
}

/// A short RSA key is not taken, whatever the token says.
#[test]
fn a_short_key_is_refused() {
    let jwk = json!({"kty": "RSA", "e": "AQAB", "n": encode(&[0xC1; 128])});
    let header = json!({"typ": "dpop+jwt", "alg": "RS256", "jwk": jwk});
    let canonical = format!(r#"{{"e":"AQAB","kty":"RSA","n":"{}"}}"#, encode(&[0xC1; 128]));
    let text = signer().token_with(&header.to_string(), &claims().to_string());
    let bound = Sha256::digest(canonical.as_bytes()).into();
    assert!(Proof::read(text.as_bytes(), &bound).is_none());
}

#[test]
fn claims_that_are_none_of_this_request() {
    let signer = signer();
    let mut worker = Worker::new(&signer);
    let long = "j".repeat(MAX_JTI_BYTES + 1);
    for (name, value) in [
        ("jti", json!(null)),
        ("jti", json!("")),
        ("jti", json!(1)),
        ("jti", json!(long)),
        ("htm", json!(null)),
        ("htm", json!("POST")),
        ("htm", json!("get")),
        ("htu", json!(null)),
        ("htu", json!("")),
        ("htu", json!("https://api.example.com/v1/b")),
        ("htu", json!("https://api.example.com/v1/A")),
        ("htu", json!("https://api.example.com/v1/a/")),
        ("htu", json!("https://api.example.com")),
        ("htu", json!("https://other.example.com/v1/a")),
        ("htu", json!("https://api.example.com.evil.com/v1/a")),
        ("htu", json!("https://api.example.com:8443/v1/a")),
        ("htu", json!("https://api.example.com:80/v1/a")),
        ("htu", json!("https://user@api.example.com/v1/a")),
        ("htu", json!("https://evil.com#@api.example.com/v1/a")),
        ("htu", json!("https://evil.com?@api.example.com/v1/a")),
        ("htu", json!("http://api.example.com/v1/a")),
        ("htu", json!("ftp://api.example.com/v1/a")),
        ("htu", json!("//api.example.com/v1/a")),
        ("htu", json!("/v1/a")),
        ("htu", json!("https:/api.example.com/v1/a")),
        ("htu", json!("https://api.example.com\\v1\\a")),
        ("htu", json!("https://api.example.com/v1%2fa")),
        ("iat", json!(null)),
        ("iat", json!("1800000000")),
        ("iat", json!(-1)),
        ("iat", json!(NOW + AHEAD_SECONDS + 1)),
        ("ath", json!(null)),
        ("ath", json!("")),
        ("ath", json!(encode(&Sha256::digest(b"another token")))),
        ("ath", json!(format!("{}=", encode(&Sha256::digest(TOKEN))))),
        ("nonce", json!(1)),
    ] {
        let text = proof(&signer, &with(claims(), name, value.clone()));
        assert_eq!(worker.take(&text), Err(Reason::ProofInvalid), "{name}: {value:.80}");
    }
    let large = proof(&signer, &with(claims(), "x", json!("y".repeat(MAX_PROOF_BYTES))));
    assert_eq!(worker.take(&large), Err(Reason::ProofInvalid));
    assert_eq!(worker.counting.0.get(), 0, "none of them costs a signature");
}

/// RFC 9449 §4.3: without query and fragment, after RFC 3986 §6.2.2 and §6.2.3.
#[test]
fn a_target_may_be_spelt_in_several_ways() {
    let signer = signer();
    for (htu, scheme, authority, path) in [
        (
            "https://api.example.com/v1/a?x=1",
            Scheme::Https,
            "api.example.com",
            "/v1/a",
        ),
        (
            "https://api.example.com/v1/a#x",
            Scheme::Https,
            "api.example.com",
            "/v1/a?y=2",
        ),
        (
            "HTTPS://API.example.COM:443/v1/a",
            Scheme::Https,
            "api.example.com",
            "/v1/a",
        ),
        (
            "https://api.example.com/v1/%61",
            Scheme::Https,
            "API.example.com:443",
            "/v1/a",
        ),
        (
            "https://api.example.com/v1/b/../a",
            Scheme::Https,
            "api.example.com",
            "/v1/./a",
        ),
        ("https://api.example.com", Scheme::Https, "api.example.com", "/"),
        ("https://api.example.com?x", Scheme::Https, "api.example.com", "/"),
        (
            "https://api.example.com:8443/",
            Scheme::Https,
            "api.example.com:8443",
            "/",
        ),
        ("https://[2001:DB8::1]/", Scheme::Https, "[2001:db8:0::1]", "/"),
        // TLS ended before this proxy, and whoever ended it may leave the port in.
        ("https://api.example.com/", Scheme::Http, "api.example.com", "/"),
        ("https://api.example.com/", Scheme::Http, "api.example.com:443", "/"),
        ("http://api.example.com/", Scheme::Http, "api.example.com:80", "/"),
    ] {
        let mut worker = Worker::new(&signer);
        (worker.scheme, worker.authority, worker.path) = (scheme, authority, path);
        let text = proof(&signer, &with(claims(), "htu", json!(htu)));
        assert_eq!(worker.take(&text), Ok(()), "{htu} {authority} {path}");
    }
}

#[test]
fn a_bad_signature_is_no_proof_and_has_a_budget() {
    let (signer, other) = (signer(), Signer::ed25519("o", 2));
    let mut worker = Worker::new(&signer);
    let forged = other.token_with(&header(&signer).to_string(), &claims().to_string());
    for _ in 0..20 {
        assert_eq!(worker.take(&forged), Err(Reason::ProofInvalid));
    }
    assert_eq!(worker.counting.0.get(), 20);
    assert_eq!(worker.take(&forged), Err(Reason::VerificationBudget));
    assert_eq!(worker.counting.0.get(), 20);
    // Somebody else's forgery takes nobody's `jti` away.
    worker.budget = FailureBudget::new(7);
    assert_eq!(worker.take(&proof(&signer, &claims())), Ok(()));
}

#[test]
fn a_proof_is_good_for_a_while() {
    let signer = signer();
    for (iat, outcome) in [
        (json!(NOW - 61), Err(Reason::ProofNonce)),
        (json!(NOW as f64 - 60.5), Err(Reason::ProofNonce)),
        (json!(NOW - 60), Ok(())),
        (json!(NOW - 1), Ok(())),
        (json!(NOW as f64 + 0.5), Ok(())),
        (json!(NOW + AHEAD_SECONDS), Ok(())),
        (
            json!(NOW as f64 + AHEAD_SECONDS as f64 + 0.5),
            Err(Reason::ProofInvalid),
        ),
        (json!(NOW + 31_536_000), Err(Reason::ProofInvalid)),
    ] {
        let mut worker = Worker::new(&signer);
        assert_eq!(
            worker.take(&proof(&signer, &with(claims(), "iat", iat.clone()))),
            outcome,
            "{iat}"
        );
    }
    let mut patient = Worker::new(&signer);
    patient.options.max_age = Duration::from_secs(300);
    let old = proof(&signer, &with(claims(), "iat", json!(NOW - 299)));
    assert_eq!(patient.take(&old), Ok(()));
}

/// Throughout the time in which it counts by its own time, and in whichever second it was used first.
#[test]
fn a_replay_never_counts() {
    let signer = signer();
    for first in [0, 1, 30, 59, 60] {
        let mut worker = Worker::new(&signer);
        let text = proof(&signer, &claims());
        worker.now = NOW + first;
        assert_eq!(worker.take(&text), Ok(()));
        for later in first..200 {
            worker.now = NOW + later;
            assert!(worker.take(&text).is_err(), "{first} {later}");
        }
        // A clock that is set back brings nothing back.
        for later in (0..200).rev() {
            worker.now = NOW + later;
            assert!(worker.take(&text).is_err(), "{first} {later}");
        }
    }
}

/// A proof from before this VM, or from so short a time after it that an earlier one may have taken it already, wants a nonce.
#[test]
fn a_proof_from_before_wants_a_nonce() {
    let signer = signer();
    let mut worker = Worker::just_begun(&signer);
    assert_eq!(
        worker.take(&proof(&signer, &claims())),
        Err(Reason::ProofNonce),
        "nobody said when it began"
    );
    worker.proofs.begin(at(NOW));
    for iat in [NOW - 1, NOW, NOW + AHEAD_SECONDS - 1] {
        let text = proof(&signer, &with(claims(), "iat", json!(iat)));
        assert_eq!(worker.take(&text), Err(Reason::ProofNonce), "{iat}");
    }
    worker.now = NOW + AHEAD_SECONDS;
    let text = proof(&signer, &with(claims(), "iat", json!(NOW + AHEAD_SECONDS)));
    assert_eq!(worker.take(&text), Ok(()));

    let mut worker = Worker::just_begun(&signer);
    worker.proofs.begin(at(NOW));
    let nonce = worker.nonce();
    let text = proof(&signer, &with(claims(), "nonce", json!(nonce)));
    assert_eq!(worker.take(&text), Ok(()));
    assert_eq!(worker.take(&text), Err(Reason::ProofReplayed));
    assert_eq!(worker.counting.0.get(), 1);
}

/// With a nonce the client's own clock does not matter, as long as it is not ahead; and the proof counts once, until nonce and time are both over.
#[test]
fn a_nonce_stands_in_for_a_clock_that_is_slow() {
    let signer = signer();
    for iat in [0, NOW - 86_400, NOW - 61, NOW, NOW + AHEAD_SECONDS] {
        for required in [false, true] {
            let mut worker = Worker::new(&signer);
            worker.options.nonce_required = required;
            worker.options.max_age = Duration::from_secs(300);
            let nonce = worker.nonce();
            let text = proof(&signer, &with(with(claims(), "nonce", json!(nonce)), "iat", json!(iat)));
            assert_eq!(worker.take(&text), Ok(()), "{iat}");
            for later in 0..600 {
                worker.now = NOW + later;
                assert!(worker.take(&text).is_err(), "{iat} {later}");
            }
        }
    }
    let mut worker = Worker::new(&signer);
    let nonce = worker.nonce();
    let ahead = with(
        with(claims(), "nonce", json!(nonce)),
        "iat",
        json!(NOW + AHEAD_SECONDS + 1),
    );
    assert_eq!(worker.take(&proof(&signer, &ahead)), Err(Reason::ProofInvalid));
}

#[test]
fn where_a_nonce_is_required_no_other_proof_counts() {
    let signer = signer();
    let mut worker = Worker::new(&signer);
    worker.options.nonce_required = true;
    assert_eq!(worker.take(&proof(&signer, &claims())), Err(Reason::ProofNonce));
    let nonce = worker.nonce();
    let of_another = Worker::new(&signer)
        .proofs
        .nonce(at(NOW), || Some([4; 32]))
        .expect("random bytes");
    for wrong in ["", "x", of_another.as_str()] {
        let text = proof(&signer, &with(claims(), "nonce", json!(wrong)));
        assert_eq!(worker.take(&text), Err(Reason::ProofNonce), "{wrong}");
    }
    let text = proof(&signer, &with(claims(), "nonce", json!(nonce)));
    let end = NOW + u64::try_from(NONCE_SECONDS).expect("positive");
    worker.now = end + 1;
    assert_eq!(worker.take(&text), Err(Reason::ProofNonce), "too old");
    assert_eq!(worker.counting.0.get(), 0);
    let mut worker = Worker::new(&signer);
    worker.options.nonce_required = true;
    let nonce = worker.nonce();
    worker.now = end;
    assert_eq!(
        worker.take(&proof(&signer, &with(claims(), "nonce", json!(nonce)))),
        Ok(())
    );
}

/// Where no nonce is demanded, one of another worker is left alone: the proof's own time decides.
#[test]
fn a_nonce_of_another_worker_does_no_harm() {
    let signer = signer();
    let mut worker = Worker::new(&signer);
    let text = proof(&signer, &with(claims(), "nonce", json!("from elsewhere")));
    assert_eq!(worker.take(&text), Ok(()));
    assert_eq!(worker.take(&text), Err(Reason::ProofReplayed));
}

/// Nor does one of ours that is too old: a client that got one keeps it for all of its proofs.
#[test]
fn an_old_nonce_does_no_harm() {
    let signer = signer();
    let mut worker = Worker::new(&signer);
    let nonce = worker.nonce();
    worker.now = NOW + 125;
    let claims = with(with(claims(), "nonce", json!(nonce)), "iat", json!(worker.now));
    let text = proof(&signer, &claims);
    assert_eq!(worker.take(&text), Ok(()));
    assert_eq!(worker.take(&text), Err(Reason::ProofReplayed));
}

/// A longer `maxAge` makes nothing good again that was forgotten by the shorter one.
#[test]
fn a_longer_age_brings_nothing_back() {
    let signer = signer();
    let mut worker = Worker::new(&signer);
    let text = proof(&signer, &claims());
    assert_eq!(worker.take(&text), Ok(()));
    for second in 0..80 {
        worker.now = NOW + second;
        let other = with(
            with(claims(), "jti", json!(second.to_string())),
            "iat",
            json!(worker.now),
        );
        assert_eq!(worker.take(&proof(&signer, &other)), Ok(()));
    }
    worker.options.max_age = Duration::from_secs(300);
    assert_eq!(worker.take(&text), Err(Reason::ProofNonce));
}

/// A clock that was wrong for a moment costs the clients a nonce, not their service, and no proof counts twice for it.
#[test]
fn a_clock_that_is_set_back_costs_a_nonce() {
    let signer = signer();
    let mut worker = Worker::new(&signer);
    let proof_at = |id: &str, time: u64, nonce: Option<&str>| {
        let claims = with(with(claims(), "jti", json!(id)), "iat", json!(time));
        let claims = nonce.map_or(claims.clone(), |nonce| with(claims, "nonce", json!(nonce)));
        proof(&signer, &claims)
    };
    let early = proof_at("early", NOW, Some(&worker.nonce()));
    assert_eq!(worker.take(&early), Ok(()));
    worker.now = NOW + 86_400;
    let wrong = proof_at("wrong", worker.now, None);
    let with_nonce = proof_at("wrong too", worker.now, Some(&worker.nonce()));
    assert_eq!((worker.take(&wrong), worker.take(&with_nonce)), (Ok(()), Ok(())));
    worker.now = NOW + 5;
    for used in [&early, &proof_at("by time", NOW + 5, None)] {
        assert_eq!(worker.take(used), Err(Reason::ProofNonce));
    }
    let nonce = worker.nonce();
    let again = proof_at("early", NOW + 5, Some(&nonce));
    assert_eq!(worker.take(&again), Ok(()));
    assert_eq!(worker.take(&again), Err(Reason::ProofReplayed));
    // What was used while the clock was wrong stays used when that time comes.
    worker.now = NOW + 86_400;
    for used in [&wrong, &with_nonce] {
        assert_eq!(worker.take(used), Err(Reason::ProofNonce));
    }
    worker.now += AHEAD_SECONDS + 1;
    let fresh = proof_at("fresh", worker.now, None);
    assert_eq!(
        (worker.take(&fresh), worker.take(&wrong)),
        (Ok(()), Err(Reason::ProofNonce))
    );
    assert_eq!(worker.nonce_keys, 2);
}

#[test]
fn without_random_bytes_there_is_no_nonce() {
    let mut proofs = Proofs::new(7);
    assert_eq!(proofs.nonce(at(NOW), || None), None);
    assert!(proofs.nonce(at(NOW), || Some([1; 32])).is_some());
}
