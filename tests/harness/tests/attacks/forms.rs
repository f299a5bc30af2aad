//! Tokens that are properly signed, and could be read in two ways, or in none.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use regionguard_harness::issuer::{Alg, Issuer, now};
use regionguard_harness::raw::RawRequest;
use serde_json::{Value, json};

use crate::common::{HOST, Issuers, Site, US, claims, sign};
use crate::scene::{refused, site, site_with, unharmed};

/// Signs what is to be signed, whatever it is.
struct Pen<'a> {
    issuer: &'a Issuer,
    kid: &'a str,
    claims: Value,
}

impl<'a> Pen<'a> {
    fn new(issuer: &'a Issuer) -> Self {
        let kid = issuer.kid(Alg::Es256).unwrap();
        let claims = claims(issuer, "alice", &["read:profile"]);
        Self { issuer, kid, claims }
    }

    /// With further members in the header.
    fn header(&self, more: Value) -> String {
        let mut header = json!({"alg": "ES256", "kid": self.kid});
        header
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        self.issuer
            .mint_with_header(Alg::Es256, self.kid, &header, &self.claims)
            .unwrap()
    }

    /// With these bytes as the header.
    fn header_text(&self, header: &str) -> String {
        self.bytes(header.as_bytes(), self.claims.to_string().as_bytes())
    }

    /// With these bytes as the claims.
    fn claims_text(&self, claims: &[u8]) -> String {
        let header = json!({"alg": "ES256", "kid": self.kid}).to_string();
        self.bytes(header.as_bytes(), claims)
    }

    /// With one claim written as it stands here.
    fn claim(&self, name: &str, text: &str) -> String {
        let mut claims = self.claims.clone();
        claims[name] = json!("THE VALUE");
        self.claims_text(claims.to_string().replace("\"THE VALUE\"", text).as_bytes())
    }

    fn bytes(&self, header: &[u8], claims: &[u8]) -> String {
        self.issuer.sign_bytes(Alg::Es256, self.kid, header, claims).unwrap()
    }

    /// With a header and a payload that are spelled by `spell`, and signed as they are spelled.
    fn spelled(&self, spell: impl Fn(&[u8]) -> String) -> String {
        let header = json!({"alg": "ES256", "kid": self.kid}).to_string();
        let text = format!(
            "{}.{}",
            spell(header.as_bytes()),
            spell(self.claims.to_string().as_bytes())
        );
        let signature = self.issuer.sign(Alg::Es256, self.kid, text.as_bytes()).unwrap();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

#[tokio::test]
async fn a_header_with_another_meaning() {
    let issuers = Issuers::new();
    let site = site("attacks-header", &issuers).await;
    let pen = Pen::new(&issuers.us);
    let kid = pen.kid;
    let mut cases = Vec::new();
    for kind in [
        "JWE",
        "logout+jwt",
        "dpop+jwt",
        "secevent+jwt",
        "statuslist+jwt",
        "id_token",
        "at+jwt ",
        "application/at",
        "application/application/jwt",
        "",
        "JOSE",
        "jwt\0",
    ] {
        cases.push((
            format!("typ `{kind}`"),
            pen.header(json!({"typ": kind})),
            "identity.type",
        ));
    }
    for kind in [json!(null), json!(["JWT"]), json!(1)] {
        cases.push((
            format!("typ {kind}"),
            pen.header(json!({"typ": kind})),
            "identity.malformed",
        ));
    }
    for extension in [
        json!({"crit": ["exp"], "exp": now()}),
        json!({"crit": []}),
        json!({"crit": ["b64"], "b64": false}),
        json!({"crit": "b64"}),
        json!({"crit": null}),
        json!({"b64": false}),
        json!({"b64": true}),
        json!({"crit": ["http://example.com/UNDEFINED"], "http://example.com/UNDEFINED": true}),
    ] {
        cases.push((format!("{extension}"), pen.header(extension), "identity.critical"));
    }
    for header in [
        format!(r#"{{"alg":"ES256","kid":"{kid}","alg":"ES256"}}"#),
        format!(r#"{{"alg":"none","kid":"{kid}","alg":"ES256"}}"#),
        format!(r#"{{"alg":"ES256","\u0061lg":"none","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"ES256","kid":"other","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"ES256","kid":"{kid}","x":{{"y":1,"y":2}}}}"#),
        format!(
            r#"{{"alg":"ES256","kid":"{kid}","x":{}{}}}"#,
            "[".repeat(16),
            "]".repeat(16)
        ),
        format!(r#"{{"alg":"ES256","kid":"{kid}","x":{}}}"#, "[".repeat(2000)),
        format!(r#"{{"alg":"ES256","kid":"{kid}"}}{{}}"#),
        format!(r#"{{"alg":"ES256","kid":"{kid}",}}"#),
        format!("\u{feff}{{\"alg\":\"ES256\",\"kid\":\"{kid}\"}}"),
        format!(r#"[{{"alg":"ES256","kid":"{kid}"}}]"#),
        format!("{{'alg':'ES256','kid':'{kid}'}}"),
        format!(r#"{{"alg":"ES256","kid":"{kid}","x":1e400}}"#),
        format!(r#"{{"alg":"ES256","kid":"{kid}","x":"{}"}}"#, "x".repeat(4096)),
        format!(r#"{{"kid":"{kid}"}}"#),
        "\"ES256\"".to_owned(),
        "null".to_owned(),
        "{}".to_owned(),
        "{".to_owned(),
    ] {
        let what = header.chars().take(80).collect();
        cases.push((what, pen.header_text(&header), "identity.malformed"));
    }
    let not_text = [br#"{"alg":"ES256","x":""#, &b"\xff\xfe"[..], b"\"}"].concat();
    cases.push(("no text".to_owned(), pen.bytes(&not_text, b"{}"), "identity.malformed"));
    refused(&site, cases).await;
    unharmed(&site, &issuers).await;
}

#[tokio::test]
async fn claims_with_another_meaning() {
    let issuers = Issuers::new();
    let site = site("attacks-claims", &issuers).await;
    let pen = Pen::new(&issuers.us);
    let good = pen.claims.to_string();
    let with = |more: &str| pen.claims_text(good.replacen('{', &format!("{{{more},"), 1).as_bytes());
    let mut cases = Vec::new();
    for twice in [
        r#""sub":"root""#,
        r#""s\u0075b":"root""#,
        r#""exp":99999999999"#,
        r#""permissions":{"global":["*"]}"#,
        r#""aud":"api.us-east-1.com""#,
        r#""x":{"a":1,"a":2}"#,
        r#""x":[[[{"a":1,"\u0061":2}]]]"#,
        r#""x":1e400"#,
        r#""x":-1e400"#,
        r#""x":01"#,
        r#""x":NaN"#,
        r#""x":Infinity"#,
        r#""x":0x10"#,
        r#""x":"\ud800""#,
        "\"x\":\"a\nb\"",
        "/* sub */\"x\":1",
    ] {
        cases.push((twice.to_owned(), with(twice), "identity.malformed"));
    }
    for (open, close, levels) in [
        ("[", "]", 16),
        ("[", "]", 5000),
        ("{\"a\":", "}", 16),
        ("{\"a\":", "}", 1500),
    ] {
        let inner = if open == "[" { "" } else { "1" };
        let deep = format!("\"x\":{}{inner}{}", open.repeat(levels), close.repeat(levels));
        cases.push((
            format!("{levels} levels of `{open}`"),
            with(&deep),
            "identity.malformed",
        ));
    }
    for text in ["[]", "null", "1", "\"claims\"", "{", "{}x", "{}{}"] {
        cases.push((
            format!("claims `{text}`"),
            pen.claims_text(text.as_bytes()),
            "identity.malformed",
        ));
    }
    cases.push(("no text".to_owned(), pen.claims_text(&[0xff; 40]), "identity.malformed"));

    // Numbers and dates. What is no date is no date that has come or gone.
    let hour = now() + 3600;
    for (name, text, reason) in [
        ("exp", format!("\"{hour}\""), "identity.claims"),
        ("exp", "-1".to_owned(), "identity.claims"),
        ("exp", format!("-{hour}"), "identity.claims"),
        ("exp", "-0".to_owned(), "identity.claims"),
        ("exp", "1e400".to_owned(), "identity.malformed"),
        ("exp", "1e308".to_owned(), "identity.claims"),
        ("exp", "9007199254740994".to_owned(), "identity.claims"),
        ("exp", "18446744073709551616".to_owned(), "identity.claims"),
        ("exp", "9".repeat(400), "identity.malformed"),
        ("exp", "null".to_owned(), "identity.claims"),
        ("exp", "true".to_owned(), "identity.claims"),
        ("exp", format!("[{hour}]"), "identity.claims"),
        ("exp", format!("{{\"$numberLong\":{hour}}}"), "identity.claims"),
        ("exp", "0".to_owned(), "identity.expired"),
        ("exp", "1e-300".to_owned(), "identity.expired"),
        ("exp", format!("{}.9", now() - 32), "identity.expired"),
        ("exp", "4102444800".to_owned(), "identity.lifetime"),
        ("iat", "\"0\"".to_owned(), "identity.claims"),
        ("iat", "-1".to_owned(), "identity.claims"),
        ("iat", "0".to_owned(), "identity.lifetime"),
        ("iat", "1e400".to_owned(), "identity.malformed"),
        ("iat", format!("{}", now() + 600), "identity.not_yet_valid"),
        ("nbf", "\"soon\"".to_owned(), "identity.claims"),
        ("nbf", "1e15".to_owned(), "identity.not_yet_valid"),
        ("nbf", format!("{}.5", now() + 600), "identity.not_yet_valid"),
        ("sub", "\"\"".to_owned(), "identity.claims"),
        ("sub", "null".to_owned(), "identity.claims"),
        ("sub", "[\"alice\"]".to_owned(), "identity.claims"),
        ("sub", "{\"name\":\"alice\"}".to_owned(), "identity.claims"),
        ("iss", "[\"identity.global.com\"]".to_owned(), "identity.claims"),
        ("iss", "null".to_owned(), "identity.claims"),
        (
            "iss",
            "\"identity.global.com\\u0000.attacker\"".to_owned(),
            "identity.issuer_unknown",
        ),
        ("iss", "\"Identity.Global.com\"".to_owned(), "identity.issuer_unknown"),
        ("iss", "\"identity.global.com/\"".to_owned(), "identity.issuer_unknown"),
        ("aud", "[\"api.us-east-1.com\",7]".to_owned(), "identity.claims"),
        ("aud", "{\"api.us-east-1.com\":1}".to_owned(), "identity.claims"),
        ("aud", "[[\"api.us-east-1.com\"]]".to_owned(), "identity.claims"),
        (
            "aud",
            "\"api.us-east-1.com api.eu-west-1.com\"".to_owned(),
            "identity.audience",
        ),
        ("aud", "\"*\"".to_owned(), "identity.audience"),
        ("aud", "[]".to_owned(), "identity.audience"),
        (
            "permissions",
            "{\"global\":\"read:profile\"}".to_owned(),
            "identity.claims",
        ),
        ("permissions", "[1]".to_owned(), "identity.claims"),
        ("permissions", "true".to_owned(), "identity.claims"),
        ("roles", "{\"admin\":true}".to_owned(), "identity.claims"),
        ("roles", "[null]".to_owned(), "identity.claims"),
        ("jti", "7".to_owned(), "identity.claims"),
        ("region", "[\"us-east-1\"]".to_owned(), "region.mismatch"),
        ("region", "\"us-east-1 \"".to_owned(), "region.mismatch"),
        ("region", "\"US-EAST-1\"".to_owned(), "region.mismatch"),
        ("region", "null".to_owned(), "region.mismatch"),
    ] {
        let what = format!("{name}: {}", text.chars().take(60).collect::<String>());
        cases.push((what, pen.claim(name, &text), reason));
    }
    refused(&site, cases).await;
    unharmed(&site, &issuers).await;
}

#[tokio::test]
async fn one_spelling_of_a_token_counts() {
    let issuers = Issuers::new();
    let site = site("attacks-spelling", &issuers).await;
    let pen = Pen::new(&issuers.us);
    let valid = sign(&issuers.us, &pen.claims);
    let [header, payload, signature] = valid.split('.').collect::<Vec<_>>().try_into().unwrap();
    let mut cases = Vec::new();
    let mut malformed = |what: &str, token: String| cases.push((what.to_owned(), token, "identity.malformed"));
    // Base64 in other spellings, each properly signed as it is spelled.
    let padded = |bytes: &[u8]| {
        let blanks = [b"", &b" "[..], b"  "].map(|blanks| URL_SAFE.encode([bytes, blanks].concat()));
        blanks.into_iter().find(|text| text.ends_with('=')).unwrap()
    };
    malformed("padded", pen.spelled(padded));
    malformed(
        "the other alphabet",
        pen.spelled(|bytes| STANDARD.encode(bytes).replace('=', "+")),
    );
    malformed(
        "percent-encoded",
        pen.spelled(|bytes| URL_SAFE_NO_PAD.encode(bytes).replace('A', "%41")),
    );
    malformed(
        "not encoded",
        pen.spelled(|bytes| String::from_utf8_lossy(bytes).replace(['.', ','], " ")),
    );
    malformed(
        "encoded twice",
        pen.spelled(|bytes| URL_SAFE_NO_PAD.encode(URL_SAFE_NO_PAD.encode(bytes))),
    );
    malformed(
        "a blank inside",
        pen.spelled(|bytes| URL_SAFE_NO_PAD.encode(bytes).replacen('I', "I ", 1)),
    );
    malformed("empty parts", pen.spelled(|_| String::new()));
    // And with the spelling changed behind the signer's back.
    for end in ["0", "8", "-", "_", "z"] {
        if let Some(twin) = with_other_bits(signature, end) {
            malformed("unused bits in the signature", format!("{header}.{payload}.{twin}"));
        }
    }
    malformed("padding behind", format!("{valid}="));
    malformed("two of it", format!("{valid}=="));
    malformed("padding in the header", format!("{header}=.{payload}.{signature}"));
    malformed("a tab inside", format!("{header}\t.{payload}.{signature}"));
    malformed(
        "a blank behind the first dot",
        format!("{header}. {payload}.{signature}"),
    );
    malformed("a no-break space behind", format!("{valid}\u{a0}"));
    malformed(
        "a zero-width space inside",
        format!("{header}\u{200b}.{payload}.{signature}"),
    );
    malformed("upper case", valid.to_uppercase());
    malformed("quoted", format!("\"{valid}\""));
    malformed("one part", header.to_owned());
    malformed("two parts", format!("{header}.{payload}"));
    malformed("no payload (detached)", format!("{header}..{signature}"));
    malformed("no header", format!(".{payload}.{signature}"));
    malformed("a dot in front", format!(".{valid}"));
    malformed("a dot behind", format!("{valid}."));
    malformed("four parts", format!("{valid}.{signature}"));
    malformed("five parts, as a JWE has", format!("{valid}.{payload}.{signature}"));
    malformed(
        "five parts, three of them empty",
        format!("{header}...{payload}.{signature}"),
    );
    malformed("two tokens", format!("{valid}.{valid}"));
    malformed("many dots", ".".repeat(5000));
    malformed("a word", "token".to_owned());
    malformed("nested", URL_SAFE_NO_PAD.encode(&valid));
    // The JSON forms have commas, for which there is an answer of its own; without any, they are no token.
    malformed("JSON form", json!({"payload": payload}).to_string());
    refused(&site, cases).await;

    let form = json!({"protected": header, "payload": payload, "signature": signature}).to_string();
    let general =
        json!({"payload": payload, "signatures": [{"protected": header, "signature": signature}]}).to_string();
    for several in [
        form,
        general,
        format!("{valid},{valid}"),
        format!("{valid}, Bearer {valid}"),
    ] {
        let seen = site.ask(crate::scene::profile(&several)).await;
        seen.denied(400, "request.token_ambiguous", "inline");
    }
    // White space around the scheme and the token.
    for (what, value) in [
        ("two blanks", format!("Bearer  {valid}")),
        ("a tab", format!("Bearer\t{valid}")),
        ("none", format!("Bearer{valid}")),
        ("a line break that was encoded", format!("Bearer %0d%0a{valid}")),
    ] {
        let request = crate::common::get("/v1/profiles/42").header("authorization", value);
        let seen = site.ask(request).await;
        assert_eq!((seen.answer.status, seen.upstream.len()), (401, 0), "{what}: {seen:?}");
    }
    // Around the value, it is HTTP's: this is the one token, in the one spelling.
    let raw = RawRequest::new("GET", "/v1/profiles/42").header("Host", HOST);
    let raw = raw.header("Authorization", format!("  bEaReR {valid} \t"));
    let answer = raw.send(site.envoy.address(), Some(US.parse().unwrap())).await.unwrap();
    assert_eq!(answer.status, 200);
    unharmed(&site, &issuers).await;
}

/// Large tokens: Envoy's own limit stands before the filter, and the filter's where an operator has raised that.
#[tokio::test]
async fn a_token_of_a_megabyte() {
    let issuers = Issuers::new();
    let roomy = site_with("attacks-large", &issuers, |config| {
        config.edit_http(|http| {
            http["max_request_headers_kb"] = json!(8192);
        })
    })
    .await;
    let usual = site("attacks-large-usual", &issuers).await;
    let pen = Pen::new(&issuers.us);
    let send = async |site: &Site, token: &str| {
        let raw = RawRequest::new("GET", "/v1/profiles/42").header("Host", HOST);
        let raw = raw.header("Authorization", format!("Bearer {token}"));
        raw.send(site.envoy.address(), Some(US.parse().unwrap()))
            .await
            .unwrap()
            .status
    };
    // Properly signed, every one of them.
    let of = |bytes: usize| pen.claim("x", &format!("\"{}\"", "x".repeat(bytes)));
    let large = of(1 << 20);
    assert!(large.len() > 1 << 20);
    assert_eq!(send(&usual, &large).await, 431, "Envoy refuses it");
    assert_eq!(usual.upstream.count(), 0);
    for bytes in [13_000, 20_000, 100_000, 700_000] {
        assert_eq!(send(&roomy, &of(bytes)).await, 401, "{bytes} bytes");
    }
    // More than the host hands to a module in one piece: the filter cannot see the request, and lets nothing through that it cannot see.
    for _ in 0..3 {
        assert_eq!(send(&roomy, &large).await, 400);
    }
    for junk in [".".repeat(1 << 19), "A".repeat(1 << 19), "[".repeat(1 << 19)] {
        assert_eq!(send(&roomy, &junk).await, 401);
    }
    assert_eq!(roomy.upstream.count(), 0);
    let lines = roomy.lines(10).await;
    let reasons: Vec<_> = lines.iter().map(|line| line.decision().unwrap().reason).collect();
    let (large, unseen) = ("identity.too_large", "request.malformed");
    assert_eq!(
        reasons,
        [large, large, large, large, unseen, unseen, unseen, large, large, large]
    );
    for site in [&usual, &roomy] {
        unharmed(site, &issuers).await;
    }
}

/// The last character of a base64url text of 64 bytes has four bits that count and two that do not.
fn with_other_bits(text: &str, end: &str) -> Option<String> {
    let twin = format!("{}{end}", &text[..text.len() - 1]);
    (twin != text && URL_SAFE_NO_PAD.decode(&twin).is_err()).then_some(twin)
}
