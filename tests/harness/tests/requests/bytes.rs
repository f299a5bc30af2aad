//! Any bytes in header lines, and more lines than a host hands over.

use regionguard_harness::config::Config;
use regionguard_harness::message::escaped;
use serde_json::json;

use super::scene::Scene;
use super::{API, OPEN, PUBLIC, assert_outcome, get, on_the_shipped_chain, policies};

#[test]
fn bytes_that_are_not_text_never_trap() {
    on_the_shipped_chain(async |scene| {
        for value in [
            &b"\xE9"[..],
            b"\xFF\xFE",
            b"caf\xE9",
            b"\xC3\x28",
            b"\xED\xA0\x80",
            b"\xF8\x88\x80\x80\x80",
            b"a\x80",
        ] {
            for name in [
                "user-agent",
                "x-request-id",
                "cookie",
                "referer",
                "x-forwarded-for",
                "content-type",
                "te",
                "x-user",
                "x-regionguard-subject",
                "accept",
            ] {
                let line = [name.as_bytes(), b": ", value, b"\r\n"].concat();
                assert_outcome(
                    &format!("{name}: {}", escaped(value)),
                    &scene.bytes(&get("/x", OPEN, &line)).await,
                    PUBLIC,
                );
            }
            let bearer = [b"authorization: Bearer ", value, b"\r\n"].concat();
            assert_outcome("a token", &scene.bytes(&get("/x", OPEN, &bearer)).await, PUBLIC);
            assert_outcome(
                "a token",
                &scene.bytes(&get("/v1/profiles/1", API, &bearer)).await,
                (401, "identity.malformed", false),
            );
            let other = [b"authorization: ", value, b"\r\n"].concat();
            assert_outcome(
                "a scheme",
                &scene.bytes(&get("/v1/profiles/1", API, &other)).await,
                (401, "identity.scheme", false),
            );
            // Envoy's own parser refuses these.
            assert_outcome(
                "a path",
                &scene.bytes(&get([b"/", value].concat(), OPEN, b"")).await,
                (400, "-", false),
            );
            let host = [b"GET /x HTTP/1.1\r\nHost: ", value, b".shop.internal\r\n\r\n"].concat();
            assert_outcome("a host", &scene.bytes(&host).await, (400, "-", false));
            let name = [b"x-", value, b": 1\r\n"].concat();
            assert_outcome("a name", &scene.bytes(&get("/x", OPEN, &name)).await, (400, "-", false));
        }
        scene.assert_never_trapped().await;
    });
}

/// Envoy's limits for headers, raised beyond what the host can hand to a module.
fn large(config: Config) -> Config {
    config.concurrency(2).edit_http(|http| {
        http["max_request_headers_kb"] = json!(1024);
        http["common_http_protocol_options"]["max_headers_count"] = json!(5000);
    })
}

#[tokio::test]
async fn header_lines_beyond_what_the_host_hands_over_are_refused() {
    let scene = Scene::start("requests-lines", policies, large).await;
    let lines = |count: usize| {
        (0..count)
            .flat_map(|index| format!("x-{index}: v\r\n").into_bytes())
            .collect::<Vec<_>>()
    };
    for (count, expected) in [
        (10, PUBLIC),
        (1000, PUBLIC),
        (1100, (400, "request.malformed", false)),
        (4000, (400, "request.malformed", false)),
    ] {
        assert_outcome(
            &format!("{count} lines"),
            &scene.bytes(&get("/x", OPEN, &lines(count))).await,
            expected,
        );
        assert_outcome("the next request", &scene.bytes(&get("/x", OPEN, b"")).await, PUBLIC);
    }
    let long = |name: usize, value: usize| format!("x-{}: {}\r\n", "n".repeat(name), "v".repeat(value)).into_bytes();
    for (name, value) in [(60_000, 1), (1, 900_000), (500_000, 200_000)] {
        assert_outcome(
            "a long line",
            &scene.bytes(&get("/x", OPEN, &long(name, value))).await,
            PUBLIC,
        );
    }
    // A thousand spellings of a header that only the filter may write.
    let spellings = |index: usize| {
        format!(
            "x{}regionguard{}h-{index}: v\r\n",
            if index.is_multiple_of(2) { '-' } else { '_' },
            if index.is_multiple_of(3) { '-' } else { '_' }
        )
    };
    let outcome = scene
        .bytes(&get(
            "/x",
            OPEN,
            &(0..900)
                .flat_map(|index| spellings(index).into_bytes())
                .collect::<Vec<_>>(),
        ))
        .await;
    assert_outcome("its own headers", &outcome, PUBLIC);
    assert!(
        !outcome.response().text().contains("regionguard"),
        "{}",
        outcome.response().text()
    );
    let repeated = b"x-regionguard-subject: root\r\nX-User: root\r\nx_user: root\r\n".repeat(300);
    let outcome = scene.bytes(&get("/x", OPEN, &repeated)).await;
    assert_outcome("repeated", &outcome, PUBLIC);
    assert!(
        !outcome.response().text().contains("root"),
        "{}",
        outcome.response().text()
    );
    scene.assert_never_trapped().await;
}
