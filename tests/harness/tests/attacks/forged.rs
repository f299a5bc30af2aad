//! Tokens that nobody signed who may: no algorithm, another one, a key of one's own, another key's signature, a signature that is none.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use regionguard::identity::{Algorithm, KeyRing, ecdsa_der};
use regionguard_harness::issuer::{Alg, Issuer, Kind, assemble};
use ring::hmac;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::common::{ISSUER, claims, get};
use crate::scene::{every_kind, profile, refused, site, site_with, unharmed};

const ALGORITHMS: [Alg; 4] = [Alg::Rs256, Alg::Es256, Alg::Es384, Alg::EdDsa];

#[tokio::test]
async fn an_algorithm_that_is_none_or_not_the_keys() {
    let issuers = every_kind();
    let site = site("attacks-algorithm", &issuers).await;
    let us = &issuers.us;
    let good = claims(us, "alice", &["read:profile"]);
    let payload = good.to_string();
    let mut cases = Vec::new();
    // RFC 7515 §4.1.1: letter case counts. None of these is an algorithm here, with or without a signature, even one that is right.
    for alg in [
        "none",
        "None",
        "NONE",
        "nOnE",
        "none ",
        " none",
        "no\u{6e}e",
        "none\0",
        "\u{ff4e}one",
        "null",
        "",
    ] {
        for kid in ALGORITHMS.map(|alg| us.kid(alg).unwrap()) {
            let header = json!({"alg": alg, "typ": "JWT", "kid": kid}).to_string();
            let signed = us
                .sign_bytes(kind_of(kid), kid, header.as_bytes(), payload.as_bytes())
                .unwrap();
            cases.push((format!("alg `{alg}`, signed by {kid}"), signed, "identity.algorithm"));
        }
        let header = json!({"alg": alg}).to_string();
        let bare = |signature: &[u8]| assemble(header.as_bytes(), payload.as_bytes(), signature);
        cases.push((format!("alg `{alg}`, no signature"), bare(b""), "identity.malformed"));
        cases.push((
            format!("alg `{alg}`, some signature"),
            bare(&[0; 64]),
            "identity.algorithm",
        ));
    }
    for alg in [
        json!(null),
        json!(["ES256"]),
        json!({"ES256": 1}),
        json!(256),
        json!(true),
    ] {
        let header = json!({"alg": alg, "kid": us.kid(Alg::Es256).unwrap()});
        let signed = us
            .mint_with_header(Alg::Es256, us.kid(Alg::Es256).unwrap(), &header, &good)
            .unwrap();
        cases.push((format!("alg {alg}"), signed, "identity.malformed"));
    }
    // The classic confusion: a public key, in each form in which people have it, as the secret of an HMAC.
    for alg in ALGORITHMS {
        let kid = us.kid(alg).unwrap();
        for (form, secret) in public_key(us, kid) {
            for (name, mac) in [
                ("HS256", hmac::HMAC_SHA256),
                ("HS384", hmac::HMAC_SHA384),
                ("HS512", hmac::HMAC_SHA512),
            ] {
                let header = json!({"alg": name, "typ": "JWT", "kid": kid}).to_string();
                let text = assemble(header.as_bytes(), payload.as_bytes(), b"");
                let tag = hmac::sign(&hmac::Key::new(mac, &secret), text.trim_end_matches('.').as_bytes());
                let forged = assemble(header.as_bytes(), payload.as_bytes(), tag.as_ref());
                cases.push((format!("{name} with {kid} as {form}"), forged, "identity.algorithm"));
            }
        }
    }
    // A right signature of one algorithm that calls itself another.
    let (rsa, p256, p384, ed) = (
        us.kid(Alg::Rs256).unwrap(),
        us.kid(Alg::Es256).unwrap(),
        us.kid(Alg::Es384).unwrap(),
        us.kid(Alg::EdDsa).unwrap(),
    );
    for (by, key, says, named, reason) in [
        (Alg::Rs384, rsa, "RS384", rsa, "identity.algorithm"),
        (Alg::Ps512, rsa, "PS512", rsa, "identity.algorithm"),
        (Alg::Rs256, rsa, "PS256", rsa, "identity.signature"),
        (Alg::Ps256, rsa, "RS256", rsa, "identity.signature"),
        (Alg::Es256, p256, "ES256", p384, "identity.algorithm"),
        (Alg::Es256, p256, "ES384", p384, "identity.signature"),
        (Alg::Es384, p384, "ES256", p256, "identity.signature"),
        (Alg::Es384, p384, "ES384", p256, "identity.algorithm"),
        (Alg::EdDsa, ed, "ES256", p256, "identity.signature"),
        (Alg::Es256, p256, "EdDSA", ed, "identity.signature"),
        (Alg::Es256, p256, "ES512", p256, "identity.algorithm"),
        (Alg::Es256, p256, "ES256K", p256, "identity.algorithm"),
        (Alg::Es256, p256, "es256", p256, "identity.algorithm"),
    ] {
        let header = json!({"alg": says, "kid": named});
        let token = us.mint_with_header(by, key, &header, &good).unwrap();
        cases.push((format!("{by:?} of {key}, which says {says} of {named}"), token, reason));
    }
    refused(&site, cases).await;
    unharmed(&site, &issuers).await;
}

/// A key, an address of keys or a certificate in the header: none is ever looked at, and nothing is fetched.
#[tokio::test]
async fn a_key_of_ones_own_is_neither_used_nor_fetched() {
    let issuers = every_kind();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    let server = tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    // It can be reached by a cluster of its own, which is the most that an attacker could hope for.
    let site = site_with("attacks-own-key", &issuers, |config| {
        config.cluster("attacker", address)
    })
    .await;
    let us = &issuers.us;
    let good = claims(us, "alice", &["read:profile"]);
    let own = Issuer::without_keys(ISSUER, "us-east-1")
        .with_key("own", Kind::P256)
        .unwrap();
    let jwk = own.jwk("own").unwrap();
    let (certificate, pair) = certificate();
    let mut cases = Vec::new();
    for kid in [us.kid(Alg::Es256).unwrap(), "own"] {
        let reason = if kid == "own" {
            "identity.key_unknown"
        } else {
            "identity.signature"
        };
        for offer in [
            json!({"jwk": jwk}),
            json!({"jku": format!("http://{address}/jwks.json")}),
            json!({"jku": "http://attacker/jwks.json"}),
            json!({"x5u": format!("https://{address}/chain.pem")}),
            json!({"x5c": [STANDARD.encode(&certificate)]}),
            json!({"x5t": "AA", "x5t#S256": "AA"}),
            json!({"iss": ISSUER, "jwks": {"keys": [jwk]}, "jwks_uri": format!("http://{address}/")}),
        ] {
            let mut header = json!({"alg": "ES256", "kid": kid});
            header
                .as_object_mut()
                .unwrap()
                .extend(offer.as_object().unwrap().clone());
            let by_key = own.mint_with_header(Alg::Es256, "own", &header, &good).unwrap();
            cases.push((format!("signed by a key of one's own, {header}"), by_key, reason));
            let text = assemble(header.to_string().as_bytes(), good.to_string().as_bytes(), b"");
            let text = text.trim_end_matches('.');
            let signature = pair.sign(&ring::rand::SystemRandom::new(), text.as_bytes()).unwrap();
            let by_certificate = format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()));
            cases.push((
                format!("signed by a certificate of one's own, {header}"),
                by_certificate,
                reason,
            ));
        }
    }
    // Without a `kid`, no key is taken for want of another: the ring has one that fits, and it did not sign.
    let bare = json!({"alg": "ES256", "jwk": jwk});
    let bare = own.mint_with_header(Alg::Es256, "own", &bare, &good).unwrap();
    cases.push(("no kid".to_owned(), bare, "identity.signature"));
    refused(&site, cases).await;
    assert_eq!(connections.load(Ordering::SeqCst), 0, "something was fetched");

    // Whoever signs with the right key may say in the header what he likes.
    let kid = us.kid(Alg::Es256).unwrap();
    let odd =
        json!({"alg": "ES256", "kid": kid, "jku": format!("http://{address}/"), "jwk": jwk, "x5u": "x", "x5c": ["y"]});
    let honest = us.mint_with_header(Alg::Es256, kid, &odd, &good).unwrap();
    site.ask(profile(&honest)).await.allowed("rule.allowed", "inline");
    assert_eq!(connections.load(Ordering::SeqCst), 0, "something was fetched");
    unharmed(&site, &issuers).await;
    server.abort();
}

#[tokio::test]
async fn a_kid_is_a_name_and_nothing_else() {
    let issuers = every_kind();
    let site = site("attacks-kid", &issuers).await;
    let us = &issuers.us;
    let kid = us.kid(Alg::Es256).unwrap();
    let good = claims(us, "alice", &["read:profile"]);
    let with = |kid: &Value| {
        let header = json!({"alg": "ES256", "kid": kid});
        us.mint_with_header(Alg::Es256, us.kid(Alg::Es256).unwrap(), &header, &good)
            .unwrap()
    };
    let mut cases = Vec::new();
    for named in [
        "../../../../etc/passwd",
        "/dev/null",
        "file:///dev/null",
        "..\\..\\keys",
        "' OR '1'='1' --",
        "x' UNION SELECT 'key' --",
        "$(id)",
        "`id`",
        "|cat /etc/passwd",
        "%2e%2e%2f",
        "http://attacker/jwks.json",
        "*",
        "",
        " ",
        "\0",
        "0",
        "{{7*7}}",
        "\u{202e}652p-1-tsae-su",
    ] {
        cases.push((
            format!("kid `{}`", named.escape_debug()),
            with(&json!(named)),
            "identity.key_unknown",
        ));
    }
    let spellings = [
        format!("{kid} "),
        format!("{kid}\0"),
        format!("./{kid}"),
        kid.to_uppercase(),
        kid[..kid.len() - 1].to_owned(),
        format!("{kid}{}", "x".repeat(200)),
    ];
    for named in spellings {
        cases.push((
            format!("kid `{}`", named.escape_debug()),
            with(&json!(named)),
            "identity.key_unknown",
        ));
    }
    for (what, named) in [
        ("10 KB", json!("k".repeat(10_240))),
        ("257 bytes", json!("k".repeat(257))),
        ("a list", json!([kid])),
        ("an object", json!({"kid": kid})),
        ("a number", json!(1)),
        ("null", json!(null)),
    ] {
        cases.push((format!("kid is {what}"), with(&named), "identity.malformed"));
    }
    refused(&site, cases).await;
    unharmed(&site, &issuers).await;
}

#[tokio::test]
async fn a_signature_that_is_none() {
    let issuers = every_kind();
    let site = site("attacks-signature", &issuers).await;
    let us = &issuers.us;
    let good = claims(us, "alice", &["read:profile"]);
    let mut cases = Vec::new();
    for alg in [Alg::Rs256, Alg::Ps256, Alg::Es256, Alg::Es384, Alg::EdDsa] {
        let token = us.mint(alg, us.kid(alg).unwrap(), &good).unwrap();
        let (text, signature) = token.rsplit_once('.').unwrap();
        let right = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let (length, half) = (right.len(), right.len() / 2);
        let (first, second) = right.split_at(half);
        let zeros = vec![0; half];
        let mut turned = right.clone();
        turned[length - 1] ^= 1;
        let signatures = [
            ("zeros", vec![0; length]),
            ("ones", vec![0xff; length]),
            ("one byte", vec![1]),
            ("too short", right[..length - 1].to_vec()),
            ("too short at the front", right[1..].to_vec()),
            ("too long", [&right[..], &[0]].concat()),
            ("too long at the front", [&[0], &right[..]].concat()),
            ("twice", [&right[..], &right].concat()),
            ("one bit turned", turned),
            ("the first half only", [first, &zeros].concat()),
            ("the second half only", [&zeros, second].concat()),
            ("its halves changed", [second, first].concat()),
            ("as DER", ecdsa_der(&right).unwrap_or_else(|| vec![0x30, 0])),
            ("r and s the order of the group", order(half).repeat(2)),
        ];
        for (what, signature) in signatures {
            let forged = format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature));
            cases.push((format!("{alg:?}: {what}"), forged, "identity.signature"));
        }
        cases.push((format!("{alg:?}: none"), format!("{text}."), "identity.malformed"));
        // It is good for these bytes only: not for other claims, nor for the same header spelled in another way.
        let other = claims(us, "root", &["read:profile"]).to_string();
        let header = text.split('.').next().unwrap();
        let moved = format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(other));
        cases.push((format!("{alg:?}: under other claims"), moved, "identity.signature"));
        let respelled = json!({"typ": "JWT", "kid": us.kid(alg).unwrap(), "alg": alg.name(), "x": 1}).to_string();
        let payload = text.split('.').nth(1).unwrap();
        let respelled = format!("{}.{payload}.{signature}", URL_SAFE_NO_PAD.encode(respelled));
        cases.push((
            format!("{alg:?}: under another header"),
            respelled,
            "identity.signature",
        ));
    }
    refused(&site, cases).await;
    unharmed(&site, &issuers).await;
}

/// Whoever holds a token of ECDSA can make a second signature of it that is as good: (r, n-s). It is another token, with the same meaning, and wins nothing: the cache
/// compares whole tokens, and what revokes or counts a token goes by its claims, never by its signature or its hash.
#[tokio::test]
async fn a_malleated_signature_is_the_same_token_again() {
    let issuers = every_kind();
    let site = site("attacks-malleated", &issuers).await;
    let us = &issuers.us;
    for alg in [Alg::Es256, Alg::Es384] {
        let token = us
            .mint(alg, us.kid(alg).unwrap(), &claims(us, "alice", &["read:profile"]))
            .unwrap();
        let (text, signature) = token.rsplit_once('.').unwrap();
        let right = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let (r, s) = right.split_at(right.len() / 2);
        let twin = [r, &less(&order(s.len()), s)].concat();
        let twin = format!("{text}.{}", URL_SAFE_NO_PAD.encode(twin));
        assert_ne!(twin, token);
        for token in [&token, &twin, &token, &twin] {
            let seen = site.ask(profile(token)).await;
            seen.allowed("rule.allowed", "inline");
            assert_eq!(seen.forwarded("x-user"), ["alice"]);
            // It opens nothing that the first one does not.
            let local = site.ask(get("/v1/local").bearer(token)).await;
            local.denied(403, "permission.missing", "inline");
        }
    }
    assert_eq!(
        site.counter("token_cache.miss").await,
        4,
        "each of them is verified once"
    );
    unharmed(&site, &issuers).await;
}

/// The algorithm that the key of this id signs with.
fn kind_of(kid: &str) -> Alg {
    *ALGORITHMS
        .iter()
        .find(|alg| kid.ends_with(alg.kind().suffix()))
        .unwrap()
}

/// A public key in each form in which people have it.
fn public_key(issuer: &Issuer, kid: &str) -> Vec<(&'static str, Vec<u8>)> {
    let jwk = issuer.jwk(kid).unwrap();
    let ring = KeyRing::from_json(std::slice::from_ref(&jwk), None).ring;
    let algorithm = Algorithm::named(kind_of(kid).name()).unwrap();
    let key = ring.select(Some(kid), algorithm).unwrap();
    let lines = STANDARD.encode(key.spki());
    let lines: Vec<&str> = lines
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        lines.join("\n")
    );
    vec![
        ("a JWK", jwk.to_string().into_bytes()),
        ("a JWKS", json!({"keys": [jwk]}).to_string().into_bytes()),
        ("PEM", pem.clone().into_bytes()),
        ("PEM without a line end", pem.trim_end().as_bytes().to_vec()),
        ("DER", key.spki().to_vec()),
        ("its own bytes", key.raw().to_vec()),
        ("nothing", Vec::new()),
    ]
}

/// A certificate of one's own, and its key.
fn certificate() -> (Vec<u8>, EcdsaKeyPair) {
    let rcgen::CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed([ISSUER.to_owned()]).unwrap();
    let random = ring::rand::SystemRandom::new();
    let pkcs8 = signing_key.serialize_der();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8, &random).unwrap();
    (cert.der().to_vec(), pair)
}

/// The order of the group of P-256 or P-384 (FIPS 186-4, D.1.2), in so many bytes; of others, some number.
fn order(bytes: usize) -> Vec<u8> {
    let digits = match bytes {
        32 => "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
        48 => "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
        _ => return vec![0x7f; bytes],
    };
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

/// `from` less `number`, big-endian, of the same length.
fn less(from: &[u8], number: &[u8]) -> Vec<u8> {
    let mut borrow = false;
    let mut digits: Vec<u8> = from
        .iter()
        .zip(number)
        .rev()
        .map(|(from, number)| {
            let (digit, under) = from.overflowing_sub(*number);
            let (digit, again) = digit.overflowing_sub(u8::from(borrow));
            borrow = under || again;
            digit
        })
        .collect();
    digits.reverse();
    digits
}

#[test]
fn numbers_are_subtracted() {
    assert_eq!(less(&[2, 0, 1], &[0, 1, 2]), [1, 0xfe, 0xff]);
}
