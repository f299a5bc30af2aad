//! What callers are told, over HTTP and gRPC, and what they must send.

use regionguard_harness::client::{Protocol, Request};
use regionguard_harness::config::{Config, http_filter};
use regionguard_harness::issuer::Alg;
use serde_json::json;

use super::scene::Scene;
use super::{API, OPEN, assert_outcome, get, on_the_shipped_chain, policies};

#[test]
fn a_refusal_tells_its_caller_as_much_as_it_may() {
    on_the_shipped_chain(async |scene| {
        let http1 = async |request: Request| scene.send(Protocol::Http1, &request).await;
        let path = "/v1/profiles/42";

        let missing = http1(Request::new("GET", path).host(API).header("x-request-id", "r-1")).await;
        assert_outcome("no token", &missing, (401, "identity.missing", false));
        let answer = missing.response();
        assert_eq!(
            answer.header("www-authenticate").as_deref(),
            Some("Bearer realm=\"us-east-1\"")
        );
        assert_eq!(answer.header("cache-control").as_deref(), Some("no-store"));
        assert_eq!(
            answer.header("content-type").as_deref(),
            Some("application/problem+json")
        );
        let problem = json!({
            "type": "urn:regionguard:problem:unauthenticated", "title": "A valid token is required", "status": 401,
            "code": "unauthenticated", "request_id": "r-1",
        });
        assert_eq!(answer.json().expect("a problem"), problem);

        let token = scene.token("alice", &["write:profile"]);
        let forbidden = http1(Request::new("GET", path).host(API).bearer(&token)).await;
        assert_outcome("no permission", &forbidden, (403, "permission.missing", false));
        assert!(
            !forbidden.response().text().contains("permission"),
            "the reason is for the log"
        );
        assert_eq!(forbidden.response().header("www-authenticate"), None);
        assert_eq!(
            forbidden.entry.decision().map(|decision| decision.rule).as_deref(),
            Some("api/read")
        );

        let forged = http1(Request::new("GET", path).host(API).bearer("a.b.c")).await;
        assert_outcome("a bad token", &forged, (401, "identity.malformed", false));
        let challenge = forged.response().header("www-authenticate");
        assert_eq!(
            challenge.as_deref(),
            Some("Bearer realm=\"us-east-1\", error=\"invalid_token\"")
        );
        assert!(!forged.entry.0.to_string().contains("a.b.c"), "no token in a log");

        let away = http1(Request::new("GET", "/ask").host(API).bearer(&token)).await;
        assert_outcome("no center", &away, (503, "center.unavailable", false));
        assert_eq!(away.response().header("retry-after").as_deref(), Some("5"));

        let hidden = http1(Request::new("GET", "/hidden/x").host(OPEN)).await;
        assert_outcome("hidden", &hidden, (404, "rule.denied", false));
        assert_eq!(hidden.response().json().expect("a problem")["code"], "not_found");
        assert!(!hidden.response().text().contains("denied") && hidden.response().header("www-authenticate").is_none());

        // An id that could not stand in a log or a header is not repeated.
        let odd = http1(
            Request::new("GET", path)
                .host(API)
                .header("x-request-id", "\"<script>\" \u{e9}"),
        )
        .await;
        assert!(!odd.response().text().contains("script"), "{}", odd.response().text());
        scene.assert_never_trapped().await;
    });
}

#[test]
fn one_token_of_a_bearable_size_is_read() {
    on_the_shipped_chain(async |scene| {
        let path = "/v1/profiles/42";
        let token = scene.token("alice", &["read:profile"]);
        for method in ["GET", "HEAD"] {
            let request = Request::new(method, path)
                .host(API)
                .bearer(&token)
                .header("x-user", "root");
            let outcome = scene.send(Protocol::Http1, &request).await;
            assert_outcome(method, &outcome, (200, "rule.allowed", true));
            let echo = scene.upstream.seen().pop().expect("an echo");
            let text = echo.to_string();
            assert!(!text.contains(&token) && !text.contains("root"), "{text}");
            let headers = echo["headers"].as_array().expect("headers");
            for (name, value) in [
                ("x-user", "alice"),
                ("x-regionguard-subject", "alice"),
                ("x-regionguard-region", "us-east-1"),
            ] {
                assert!(headers.contains(&json!([name, value])), "{text}");
            }
        }
        let denied = scene
            .send(Protocol::Http1, &Request::new("DELETE", path).host(API).bearer(&token))
            .await;
        assert_outcome("DELETE", &denied, (403, "policy.no_rule", false));

        for (what, lines, reason) in [
            (
                "two headers",
                format!("authorization: Bearer {token}\r\nauthorization: Bearer {token}\r\n"),
                "request.token_ambiguous",
            ),
            (
                "another first",
                format!("authorization: Basic eDp5\r\nauthorization: Bearer {token}\r\n"),
                "request.token_ambiguous",
            ),
            (
                "joined",
                format!("authorization: Bearer {token}, Bearer {token}\r\n"),
                "request.token_ambiguous",
            ),
            (
                "a comma",
                format!("authorization: Bearer {token},\r\n"),
                "request.token_ambiguous",
            ),
        ] {
            assert_outcome(
                what,
                &scene.bytes(&get(path, API, lines.as_bytes())).await,
                (400, reason, false),
            );
        }
        for (what, value, reason) in [
            ("another scheme", format!("Basic {token}"), "identity.scheme"),
            ("no scheme", token.clone(), "identity.scheme"),
            ("two spaces", format!("Bearer  {token}"), "identity.malformed"),
            ("a fourth part", format!("Bearer {token}.AA"), "identity.malformed"),
            (
                "too large",
                format!("Bearer {}", "a".repeat(16 * 1024 + 1)),
                "identity.too_large",
            ),
            (
                "much too large",
                format!("Bearer {token}{}", "a".repeat(40_000)),
                "identity.too_large",
            ),
        ] {
            let line = format!("authorization: {value}\r\n");
            assert_outcome(
                what,
                &scene.bytes(&get(path, API, line.as_bytes())).await,
                (401, reason, false),
            );
        }
        let mut claims = scene.issuer.claims("alice");
        claims["permissions"]["global"] = json!(["read:profile"]);
        claims["padding"] = json!("x".repeat(11_500));
        let large = scene.issuer.mint(Alg::Es256, "p256", &claims).expect("a token");
        assert!((15_000..=16_384).contains(&large.len()), "{}", large.len());
        let outcome = scene
            .send(Protocol::Http1, &Request::new("GET", path).host(API).bearer(&large))
            .await;
        assert_outcome("as large as may be", &outcome, (200, "rule.allowed", true));
        scene.assert_never_trapped().await;
    });
}

#[test]
fn grpc_requests_get_grpc_statuses() {
    on_the_shipped_chain(async |scene| {
        let reader = scene.token("alice", &["read:profile"]);
        let nobody = scene.token("bob", &[]);
        let call = |path: &str, host: &str, token: Option<&str>| {
            let request = Request::new("POST", path)
                .host(host)
                .header("content-type", "application/grpc+proto")
                .header("te", "trailers");
            token.into_iter().fold(request, Request::bearer)
        };
        for (what, request, grpc_status, reason) in [
            (
                "no token",
                call("/shop.Profiles/Get", API, None),
                "16",
                "identity.missing",
            ),
            (
                "no permission",
                call("/shop.Profiles/Get", API, Some(&nobody)),
                "7",
                "permission.missing",
            ),
            (
                "no center",
                call("/shop.Profiles/Ask", API, Some(&reader)),
                "14",
                "center.unavailable",
            ),
            (
                "no meaning",
                call("/shop.Profiles//Get", API, Some(&reader)),
                "3",
                "request.path_empty_segment",
            ),
            (
                "elsewhere",
                call("/shop.Profiles/Get", "other.com", Some(&reader)),
                "5",
                "request.authority_not_served",
            ),
            ("hidden", call("/hidden/Get", OPEN, None), "5", "rule.denied"),
        ] {
            let outcome = scene.send(Protocol::Http2, &request).await;
            assert_outcome(what, &outcome, (200, reason, false));
            let answer = outcome.response();
            assert_eq!(answer.header("grpc-status").as_deref(), Some(grpc_status), "{what}");
            assert_eq!(
                answer.header("content-type").as_deref(),
                Some("application/grpc"),
                "{what}"
            );
            assert!(
                answer
                    .header("grpc-message")
                    .is_some_and(|message| !message.is_empty() && !message.contains(reason)),
                "{what}"
            );
        }
        let allowed = scene
            .send(Protocol::Http2, &call("/shop.Profiles/Get", API, Some(&reader)))
            .await;
        assert_outcome("allowed", &allowed, (200, "rule.allowed", true));
        assert_eq!(allowed.response().trailer("grpc-status").as_deref(), Some("0"));
        scene.assert_never_trapped().await;
    });
}

/// A chain in which the filter stands twice.
fn twice(config: Config) -> Config {
    config.edit_http(|http| {
        let filter = http_filter(http, "regionguard").expect("the filter").clone();
        http["http_filters"].as_array_mut().expect("filters").insert(2, filter);
    })
}

#[tokio::test]
async fn a_second_instance_in_the_chain_denies() {
    let scene = Scene::start("requests-twice", policies, twice).await;
    let outcome = scene.bytes(&get("/x", OPEN, b"")).await;
    assert_outcome("twice", &outcome, (500, "config.duplicate_filter", false));
    assert_outcome(
        "a refusal by the first",
        &scene.bytes(&get("/admin", OPEN, b"")).await,
        (403, "rule.denied", false),
    );
    scene.assert_never_trapped().await;
}
