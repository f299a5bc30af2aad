use super::{Jws, MAX_HEADER_BYTES, MAX_TOKEN_BYTES};
use crate::identity::base64url::encode;
use crate::reason::Reason;

fn with_header(header: &str) -> String {
    format!("{}.{}.{}", encode(header.as_bytes()), encode(b"{}"), encode(&[1; 64]))
}

fn refusal(token: &str) -> Option<Reason> {
    Jws::parse(token.as_bytes())
        .and_then(|jws| jws.header.algorithm())
        .err()
}

#[test]
fn the_parts_are_told_apart() {
    let token = with_header(r#"{"alg":"ES256","kid":"k","jwk":{"kty":"EC"},"x5c":["x"]}"#);
    let jws = Jws::parse(token.as_bytes()).expect("valid");
    assert_eq!(
        (jws.payload.as_slice(), jws.header.kid.as_deref()),
        (&b"{}"[..], Some("k"))
    );
    assert_eq!(format!("{}.{}", jws.signing_input, jws.signature), token);
}

#[test]
fn only_one_form_is_read() {
    let (header, payload, signature) = (encode(br#"{"alg":"ES256"}"#), encode(b"{}"), encode(&[1; 64]));
    for refused in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "....".to_owned(),
        header.clone(),
        format!("{header}.{payload}"),
        format!("{header}.{payload}."),
        format!("{header}..{signature}"),
        format!(".{payload}.{signature}"),
        format!("{header}.{payload}.{signature}."),
        format!(".{header}.{payload}.{signature}"),
        format!("{header}.{payload}.{signature}.{signature}"),
        format!("{header}.{payload}.{signature}.{signature}.{signature}"),
        format!("{header}=.{payload}.{signature}"),
        format!("{header}.{payload}=.{signature}"),
        format!("{header}.{payload}.{signature}=="),
        format!("{header} .{payload}.{signature}"),
        format!("{header}.{payload}.{signature}\n"),
        format!("{header}.\u{e9}{payload}.{signature}"),
        format!(
            "{header}.{payload}.{}B",
            signature.strip_suffix('Q').expect("two unused bits")
        ),
        format!("{header}.{payload}.+{signature}"),
        format!(r#"{{"payload":"{payload}","protected":"{header}","signature":"{signature}"}}"#),
    ] {
        assert_eq!(refusal(&refused), Some(Reason::TokenMalformed), "{refused}");
    }
    assert_eq!(refusal(&format!("{header}.{payload}.{signature}")), None);
    assert_eq!(Jws::parse(b"\xff.\xfe.\xfd").err(), Some(Reason::TokenMalformed));
}

#[test]
fn headers() {
    let none = None;
    let cases: &[(&str, Option<Reason>)] = &[
        (r#"{"alg":"RS256"}"#, none),
        (r#"{"alg":"ES256","typ":"JWT"}"#, none),
        (r#"{"alg":"ES256","typ":"jwt"}"#, none),
        (r#"{"alg":"ES256","typ":"at+jwt"}"#, none),
        (r#"{"alg":"ES256","typ":"application/at+jwt"}"#, none),
        (r#"{"alg":"ES256","typ":"Application/AT+JWT"}"#, none),
        (r#"{"alg":"ES256","typ":"dpop+jwt"}"#, Some(Reason::TokenType)),
        (r#"{"alg":"ES256","typ":"logout+jwt"}"#, Some(Reason::TokenType)),
        (r#"{"alg":"ES256","typ":"secevent+jwt"}"#, Some(Reason::TokenType)),
        (r#"{"alg":"ES256","typ":"JOSE+JSON"}"#, Some(Reason::TokenType)),
        (r#"{"alg":"ES256","typ":""}"#, Some(Reason::TokenType)),
        (
            r#"{"alg":"ES256","typ":"application/application/jwt"}"#,
            Some(Reason::TokenType),
        ),
        (r#"{"alg":"ES256","typ":["JWT"]}"#, Some(Reason::TokenMalformed)),
        (r#"{"alg":"ES256","typ":null}"#, Some(Reason::TokenMalformed)),
        (r#"{"alg":"none"}"#, Some(Reason::TokenAlgorithm)),
        (r#"{"alg":"None"}"#, Some(Reason::TokenAlgorithm)),
        (r#"{"alg":"NONE"}"#, Some(Reason::TokenAlgorithm)),
        (r#"{"alg":"nOnE"}"#, Some(Reason::TokenAlgorithm)),
        (r#"{"alg":""}"#, Some(Reason::TokenAlgorithm)),
        (r#"{"alg":"HS256"}"#, Some(Reason::TokenAlgorithm)),
        (r#"{"alg":"HS512"}"#, Some(Reason::TokenAlgorithm)),
        (r#"{"alg":"ES512"}"#, Some(Reason::TokenAlgorithm)),
        (r#"{"alg":"ES256K"}"#, Some(Reason::TokenAlgorithm)),
        (r#"{"alg":"rs256"}"#, Some(Reason::TokenAlgorithm)),
        (r#"{"alg":"RS256 "}"#, Some(Reason::TokenAlgorithm)),
        (r#"{"alg":"RSA-OAEP"}"#, Some(Reason::TokenAlgorithm)),
        (r#"{}"#, Some(Reason::TokenMalformed)),
        (r#"{"alg":null}"#, Some(Reason::TokenMalformed)),
        (r#"{"alg":["ES256"]}"#, Some(Reason::TokenMalformed)),
        (r#"{"ALG":"ES256"}"#, Some(Reason::TokenMalformed)),
        (r#"{"alg":"none","alg":"ES256"}"#, Some(Reason::TokenMalformed)),
        (r#"{"alg":"ES256","kid":"a","kid":"b"}"#, Some(Reason::TokenMalformed)),
        (r#"{"alg":"ES256","\u0061lg":"ES256"}"#, Some(Reason::TokenMalformed)),
        (r#"{"alg":"ES256","x":{"y":1,"y":2}}"#, Some(Reason::TokenMalformed)),
        (r#"{"alg":"ES256","kid":5}"#, Some(Reason::TokenMalformed)),
        (r#"{"alg":"ES256","kid":null}"#, Some(Reason::TokenMalformed)),
        (r#"{"alg":"ES256","crit":["exp"]}"#, Some(Reason::TokenCritical)),
        (r#"{"alg":"ES256","crit":[]}"#, Some(Reason::TokenCritical)),
        (r#"{"alg":"ES256","crit":null}"#, Some(Reason::TokenCritical)),
        (
            r#"{"alg":"ES256","b64":false,"crit":["b64"]}"#,
            Some(Reason::TokenCritical),
        ),
        (r#"{"alg":"ES256","b64":true}"#, Some(Reason::TokenCritical)),
        (r#"[]"#, Some(Reason::TokenMalformed)),
        (r#""alg""#, Some(Reason::TokenMalformed)),
        (r#"{"alg":"ES256"}x"#, Some(Reason::TokenMalformed)),
    ];
    for (header, expected) in cases {
        assert_eq!(refusal(&with_header(header)), *expected, "{header}");
    }
}

#[test]
fn sizes() {
    let kid = |length: usize| with_header(&format!(r#"{{"alg":"ES256","kid":"{}"}}"#, "k".repeat(length)));
    assert_eq!(refusal(&kid(256)), None);
    assert_eq!(refusal(&kid(257)), Some(Reason::TokenMalformed));
    assert_eq!(refusal(&kid(10_240)), Some(Reason::TokenMalformed));

    let header = |length: usize| with_header(&format!(r#"{{"alg":"ES256","x":"{}"}}"#, "x".repeat(length)));
    let largest = MAX_HEADER_BYTES / 4 * 3 - r#"{"alg":"ES256","x":""}"#.len();
    assert_eq!(refusal(&header(largest)), None);
    assert_eq!(refusal(&header(largest + 1)), Some(Reason::TokenMalformed));

    assert_eq!(refusal(&"a".repeat(MAX_TOKEN_BYTES + 1)), Some(Reason::TokenTooLarge));
    assert_eq!(refusal(&"a".repeat(MAX_TOKEN_BYTES)), Some(Reason::TokenMalformed));
}
