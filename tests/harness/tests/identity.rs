//! Who asks: tokens of every algorithm and every way in which one is wrong, on a real Envoy.

mod common;

use common::{EU, HOST, ISSUER, Issuers, Seen, Site, US, bundle, claims, get, policy, sign, token};
use regionguard_harness::client::{Client, Request};
use regionguard_harness::issuer::{Alg, Issuer, assemble, now, unsecured, with_bad_signature, with_other_claims};
use regionguard_harness::raw::RawRequest;
use ring::hmac;
use serde_json::{Value, json};

fn shop() -> Value {
    policy(
        "shop",
        json!({
            "forward": {"token": "strip", "claims": {"x-user": "sub", "x-groups": "roles", "x-city": "address.city", "x-address": "address"}},
            "rules": [
                {"name": "health", "methods": ["GET"], "paths": ["/healthz"], "identity": "none", "effect": "allow"},
                {"name": "read-profile", "methods": ["GET"], "paths": ["/v1/profiles/{id}"],
                 "permissions": {"anyOf": ["read:profile"]}, "effect": "allow"},
                {"name": "write-profile", "methods": ["PUT"], "paths": ["/v1/profiles/{id}"],
                 "permissions": {"allOf": ["write:profile"]}, "effect": "allow"},
                {"name": "report", "methods": ["GET"], "paths": ["/v1/report"], "roles": {"anyOf": ["auditor"]}, "effect": "allow"},
            ],
        }),
    )
}

async fn site(name: &str, issuers: &Issuers) -> Site {
    Site::start(name, &bundle(41, &issuers.regions(), &[shop()])).await
}

fn profile(token: &str) -> Request {
    get("/v1/profiles/42").bearer(token)
}

#[tokio::test]
async fn tokens_of_every_algorithm_are_verified_inline() {
    let issuers = Issuers {
        us: Issuer::new(ISSUER, "us-east-1").unwrap(),
        ..Issuers::new()
    };
    let site = site("identity-algorithms", &issuers).await;
    let algorithms = [
        Alg::Rs256,
        Alg::Rs384,
        Alg::Rs512,
        Alg::Ps256,
        Alg::Ps384,
        Alg::Ps512,
        Alg::Es256,
        Alg::Es384,
        Alg::EdDsa,
    ];
    let mut regions = issuers.regions();
    for (version, alg) in algorithms.into_iter().enumerate() {
        // A JWK without `alg` is for RS256 and PS256 only, by default; each key says here what it is for.
        let kid = issuers.us.kid(alg).unwrap();
        let keys = regions[0]["spec"]["keys"]["jwks"]["keys"].as_array_mut().unwrap();
        let key = keys.iter_mut().find(|key| key["kid"] == kid).unwrap();
        key["alg"] = json!(alg.name());
        let pushed = bundle(42 + version as u64, &regions, &[shop()]);
        site.envoy
            .push(&site.folder, |folder| folder.write(&pushed))
            .await
            .unwrap();

        let token = issuers
            .us
            .mint(alg, kid, &claims(&issuers.us, "alice", &["read:profile"]))
            .unwrap();
        println!("{}", alg.name());
        let seen = site.ask(profile(&token)).await;
        seen.allowed("rule.allowed", "inline");
        let decision = seen.decision();
        assert_eq!(decision.rule, "shop/read-profile");
        assert!(
            decision.bundle.starts_with(&format!("shop@{}+", 42 + version)),
            "{}",
            decision.bundle
        );
        assert_eq!(decision.regions, "us-east-1>->us-east-1");

        let forged = with_bad_signature(&token).unwrap();
        site.ask(profile(&forged))
            .await
            .denied(401, "identity.signature", "inline");
    }
    // The last key names one algorithm, and an otherwise good token of another does not get past it.
    let rsa = issuers.us.kid(Alg::Rs256).unwrap();
    let claims = claims(&issuers.us, "alice", &["read:profile"]);
    let other = issuers.us.mint(Alg::Rs256, rsa, &claims).unwrap();
    site.ask(profile(&other))
        .await
        .denied(401, "identity.algorithm", "inline");
}

#[tokio::test]
async fn each_way_in_which_an_identity_is_wrong_has_its_reason() {
    let issuers = Issuers::new();
    let site = site("identity-wrong", &issuers).await;
    let verbose = Request::new("POST", "/logging?wasm=debug").host("admin");
    Client::new(site.envoy.admin()).send(&verbose).await.unwrap();
    let (us, eu, ap) = (&issuers.us, &issuers.eu, &issuers.ap);
    let (kid, foreign) = (us.kid(Alg::Es256).unwrap(), eu.kid(Alg::Es256).unwrap());
    let good = claims(us, "alice", &["read:profile"]);
    let valid = sign(us, &good);
    // The same token with one claim changed, or with another header.
    let claim = |member: &str, value: Value| {
        let mut claims = good.clone();
        claims[member] = value;
        sign(us, &claims)
    };
    let header = |header: Value| us.mint_with_header(Alg::Es256, kid, &header, &good).unwrap();
    let by_foreign = |kid: &str| {
        let header = json!({"alg": "ES256", "kid": kid});
        eu.mint_with_header(Alg::Es256, foreign, &header, &good).unwrap()
    };
    let root = claims(us, "root", &["read:profile"]);
    let elsewhere = json!({"global": [], "regional": {"eu-west-1": ["read:profile"]}});
    let large = format!("{0}.{0}.{0}", "A".repeat(6000));

    for (what, token, status, reason) in [
        ("missing permission", token(us, "alice", &[]), 403, "permission.missing"),
        (
            "in the other region",
            claim("permissions", elsewhere),
            403,
            "permission.other_region",
        ),
        (
            "home not accepted",
            token(ap, "ann", &["read:profile"]),
            401,
            "region.not_accepted",
        ),
        ("expired", claim("exp", json!(now() - 31)), 401, "identity.expired"),
        ("no end", claim("exp", Value::Null), 401, "identity.claims"),
        (
            "not yet valid",
            claim("nbf", json!(now() + 90)),
            401,
            "identity.not_yet_valid",
        ),
        (
            "from the future",
            claim("iat", json!(now() + 90)),
            401,
            "identity.not_yet_valid",
        ),
        (
            "for too long",
            claim("exp", json!(now() + 90_000)),
            401,
            "identity.lifetime",
        ),
        ("another region's key", by_foreign(foreign), 401, "identity.key_unknown"),
        (
            "another region's key under our id",
            by_foreign(kid),
            401,
            "identity.signature",
        ),
        (
            "other claims",
            with_other_claims(&valid, &root).unwrap(),
            401,
            "identity.signature",
        ),
        ("alg none", unsecured(&good), 401, "identity.malformed"),
        (
            "alg none, signed",
            header(json!({"alg": "none", "kid": kid})),
            401,
            "identity.algorithm",
        ),
        (
            "HS256 with the public key",
            hmac_by_public_key(us, kid, &good),
            401,
            "identity.algorithm",
        ),
        (
            "critical",
            header(json!({"alg": "ES256", "kid": kid, "crit": ["exp"]})),
            401,
            "identity.critical",
        ),
        (
            "no access token",
            header(json!({"alg": "ES256", "kid": kid, "typ": "logout+jwt"})),
            401,
            "identity.type",
        ),
        (
            "wrong audience",
            claim("aud", json!("api.eu-west-1.com")),
            401,
            "identity.audience",
        ),
        (
            "wrong issuer",
            claim("iss", json!("identity.elsewhere.com")),
            401,
            "identity.issuer_unknown",
        ),
        (
            "unknown region",
            claim("region", json!("mars-1")),
            401,
            "region.mismatch",
        ),
        (
            "another region's name",
            claim("region", json!("eu-west-1")),
            401,
            "identity.key_unknown",
        ),
        (
            "bound to a sender",
            claim("cnf", json!({"jkt": "x"})),
            401,
            "identity.bound",
        ),
        (
            "permissions that are none",
            claim("permissions", json!(7)),
            401,
            "identity.claims",
        ),
        ("no token at all", "nonsense".to_owned(), 401, "identity.malformed"),
        ("padded", format!("{valid}="), 401, "identity.malformed"),
        ("a fourth part", format!("{valid}.AA"), 401, "identity.malformed"),
        ("too large", large, 401, "identity.too_large"),
    ] {
        check(&site, what, profile(&token), status, reason, "shop/read-profile").await;
    }

    let write = Request::new("PUT", "/v1/profiles/42").host(HOST);
    let bob = write.bearer(&token(eu, "bob", &["write:profile"]));
    let (missing, scheme) = ("identity.missing", "identity.scheme");
    let (accepted, role) = ("permission.not_accepted", "role.missing");
    let basic = get("/v1/profiles/42").header("authorization", "Basic YWxpY2U6c2VjcmV0");
    let joined = get("/v1/profiles/42").header("authorization", format!("Bearer {valid}, Bearer {valid}"));
    let twice = profile(&valid).header("authorization", format!("Bearer {valid}"));
    check(
        &site,
        "no token",
        get("/v1/profiles/42"),
        401,
        missing,
        "shop/read-profile",
    )
    .await;
    check(&site, "no token, no route", get("/v1/secret"), 401, missing, "-/-").await;
    check(&site, "another scheme", basic, 401, scheme, "shop/read-profile").await;
    check(
        &site,
        "accepted home, dropped permission",
        bob,
        403,
        accepted,
        "shop/write-profile",
    )
    .await;
    check(
        &site,
        "missing role",
        get("/v1/report").bearer(&valid),
        403,
        role,
        "shop/report",
    )
    .await;
    check(
        &site,
        "two tokens in a value",
        joined,
        400,
        "request.token_ambiguous",
        "-/-",
    )
    .await;
    check(&site, "two values", twice, 400, "request.token_ambiguous", "-/-").await;

    // The token that all of these were made from is good, and stays so.
    site.ask(profile(&valid)).await.allowed("rule.allowed", "inline");
    nothing_secret_was_written(&site, &valid);
}

/// The request is denied inline, for this reason and by this rule (`-/-`: by none), and the caller is told what is for callers.
async fn check(site: &Site, what: &str, request: Request, status: u16, reason: &str, rule: &str) {
    println!("{what}");
    let seen = site.ask(request).await;
    seen.denied(status, reason, "inline");
    assert_eq!(seen.decision().rule, rule, "{what}: {seen:#?}");
    let challenge = seen.answer.header("www-authenticate").unwrap_or_default();
    let expected = match (status, reason) {
        (401, "identity.missing" | "identity.scheme") => "Bearer realm=\"us-east-1\"",
        (401, _) => "Bearer realm=\"us-east-1\", error=\"invalid_token\"",
        _ => "",
    };
    assert_eq!(challenge, expected, "{what}");
    assert_eq!(
        seen.answer.header("content-type").unwrap(),
        "application/problem+json",
        "{what}"
    );
    assert_eq!(seen.answer.json().unwrap()["status"], status, "{what}");
    assert!(
        !seen.answer.text().contains(reason),
        "{what}: the reason is not the caller's business"
    );
}

/// Neither in Envoy's log, the module's included, nor in the access log. What comes after the last dot is the signature; the
/// payload of all tokens begins alike.
fn nothing_secret_was_written(site: &Site, token: &str) {
    let log = site.envoy.log();
    assert!(
        log.contains("[wasm]") || log.contains("wasm log"),
        "the module's log lines are there:\n{log}"
    );
    let lines = format!("{:?}", site.envoy.access_log().entries());
    for part in token.split('.') {
        let begin = &part[..24];
        assert!(!log.contains(begin), "`{begin}…` in the log");
        assert!(!lines.contains(begin), "`{begin}…` in the access log");
    }
}

/// The classic confusion: the public key's bytes as the secret of HMAC.
fn hmac_by_public_key(issuer: &Issuer, kid: &str, claims: &Value) -> String {
    let header = json!({"alg": "HS256", "typ": "JWT", "kid": kid}).to_string();
    let claims = claims.to_string();
    let unsigned = assemble(header.as_bytes(), claims.as_bytes(), b"");
    let secret = issuer.jwk(kid).unwrap().to_string();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, unsigned.trim_end_matches('.').as_bytes());
    assemble(header.as_bytes(), claims.as_bytes(), tag.as_ref())
}

#[tokio::test]
async fn what_the_upstream_sees_is_what_the_policy_forwards() {
    let issuers = Issuers::new();
    let site = site("identity-forward", &issuers).await;
    let mut alice = claims(&issuers.us, "alice", &["read:profile"]);
    alice["roles"] = json!(["clerk", "viewer"]);
    alice["address"] = json!({"city": "Cork", "lines": ["1 Quay"]});
    let alice = sign(&issuers.us, &alice);
    let forged = |request: RawRequest| {
        [
            "x-regionguard-subject",
            "X-Regionguard-Region",
            "x_regionguard_reason",
            "X-REGIONGUARD_SUBJECT",
            "x-user",
            "X_User",
            "x_groups",
            "X-Groups",
            "x-city",
            "X_Address",
        ]
        .into_iter()
        .fold(request, |request, name| request.header(name, "root"))
        .header("x-userx", "kept")
    };
    let send = async |request: RawRequest| {
        let target = site.envoy.address();
        site.observe(async { request.send(target, Some(US.parse().unwrap())).await.unwrap() })
            .await
    };

    let request = forged(RawRequest::new("GET", "/v1/profiles/42").header("Host", HOST));
    let seen = send(request.header("Authorization", format!("Bearer {alice}"))).await;
    seen.allowed("rule.allowed", "inline");
    assert_eq!(seen.forwarded("x-regionguard-subject"), ["alice"]);
    assert_eq!(seen.forwarded("x-regionguard-region"), ["us-east-1"]);
    assert_eq!(seen.forwarded("x-user"), ["alice"]);
    assert_eq!(seen.forwarded("x-groups"), ["[\"clerk\",\"viewer\"]"]);
    assert_eq!(seen.forwarded("x-city"), ["Cork"]);
    assert_eq!(
        seen.forwarded("x-address"),
        ["{\"city\":\"Cork\",\"lines\":[\"1%20Quay\"]}"]
    );
    assert_eq!(seen.forwarded("x-userx"), ["kept"]);
    let clean = |seen: &Seen, names: &[&str]| {
        for name in names {
            assert_eq!(seen.forwarded(name), [""; 0], "{name}");
        }
        assert!(!seen.upstream[0].to_string().contains("root"), "{seen:#?}");
    };
    clean(
        &seen,
        &[
            "authorization",
            "x_user",
            "x_groups",
            "x_regionguard_reason",
            "x-regionguard-reason",
            "x-regionguard_subject",
        ],
    );

    // A token that is not valid is as good as none on a public route, and must not look valid behind it.
    let identity = [
        "authorization",
        "x-user",
        "x-groups",
        "x-city",
        "x-address",
        "x-regionguard-subject",
        "x-regionguard-region",
        "x-regionguard-reason",
    ];
    for invalid in [
        with_bad_signature(&alice).unwrap(),
        token(&issuers.ap, "ann", &[]),
        "nonsense".to_owned(),
    ] {
        let request = forged(RawRequest::new("GET", "/healthz").header("Host", HOST));
        let seen = send(request.header("Authorization", format!("Bearer {invalid}"))).await;
        seen.allowed("rule.public", "inline");
        clean(&seen, &identity);
    }
    let seen = send(forged(RawRequest::new("GET", "/healthz").header("Host", HOST))).await;
    seen.allowed("rule.public", "inline");
    clean(&seen, &identity);
    // Credentials of another scheme are the upstream's business there.
    let seen = site
        .ask(get("/healthz").header("authorization", "Basic YWxpY2U6c2VjcmV0"))
        .await;
    seen.allowed("rule.public", "inline");
    assert_eq!(seen.forwarded("authorization"), ["Basic YWxpY2U6c2VjcmV0"]);

    // Somebody of another region is told by both.
    let seen = site
        .ask_from(EU, profile(&token(&issuers.eu, "bob", &["read:profile"])))
        .await;
    seen.allowed("rule.allowed", "inline");
    assert_eq!(seen.forwarded("x-regionguard-region"), ["eu-west-1"]);
    assert_eq!(seen.forwarded("x-user"), ["bob"]);
    assert_eq!(seen.decision().regions, "eu-west-1>->us-east-1");
}

#[tokio::test]
async fn a_token_is_verified_once() {
    let issuers = Issuers::new();
    let site = site("identity-cache", &issuers).await;
    let alice = token(&issuers.us, "alice", &["read:profile"]);
    for (hits, misses) in [(0, 1), (1, 1), (2, 1)] {
        site.ask(profile(&alice)).await.allowed("rule.allowed", "inline");
        assert_eq!(site.counter("token_cache.miss").await, misses);
        assert_eq!(site.counter("token_cache.hit").await, hits);
    }
    // What was not verified is not remembered, however alike it looks.
    let forged = with_bad_signature(&alice).unwrap();
    for misses in [2, 3] {
        site.ask(profile(&forged))
            .await
            .denied(401, "identity.signature", "inline");
        assert_eq!(site.counter("token_cache.miss").await, misses);
    }
    assert_eq!(site.counter("token_cache.hit").await, 2);
    assert_eq!(site.counter("decision.allow.rule.allowed").await, 3);
    assert_eq!(site.counter("decision.deny.identity.signature").await, 2);
}

#[tokio::test]
async fn a_flood_of_bad_signatures_stops_its_sender_alone() {
    let issuers = Issuers::new();
    let site = site("identity-flood", &issuers).await;
    let (attacker, bystander) = ("127.0.1.66", "127.0.1.7");
    let known = token(&issuers.us, "alice", &["read:profile"]);
    site.ask_from(attacker, profile(&known))
        .await
        .allowed("rule.allowed", "inline");

    let mut connection = site.client(attacker).connect().await.unwrap();
    let mut answers = Vec::new();
    for count in 0..60 {
        let forged = with_bad_signature(&token(&issuers.us, &format!("mallory-{count}"), &["read:profile"])).unwrap();
        answers.push(connection.send(&profile(&forged)).await.unwrap().status);
    }
    assert_eq!(answers[..20], [401; 20], "so many may fail");
    let refused = answers.iter().filter(|status| **status == 429).count();
    assert!(refused >= 20, "beyond that there are few: {answers:?}");
    assert!(answers.iter().all(|status| [401, 429].contains(status)), "{answers:?}");

    let fresh = || token(&issuers.us, "carol", &["read:profile"]);
    for _ in 0..30 {
        let forged = with_bad_signature(&fresh()).unwrap();
        connection.send(&profile(&forged)).await.unwrap();
    }
    let seen = site.ask_from(attacker, profile(&fresh())).await;
    seen.denied(429, "identity.verification_budget", "inline");
    assert_eq!(seen.answer.header("retry-after").unwrap(), "5");
    site.ask_from(attacker, profile(&known))
        .await
        .allowed("rule.allowed", "inline");
    site.ask_from(bystander, profile(&fresh()))
        .await
        .allowed("rule.allowed", "inline");
    site.ask_from(bystander, profile(&with_bad_signature(&fresh()).unwrap()))
        .await
        .denied(401, "identity.signature", "inline");
}
