//! CONNECT and `Upgrade`.

use regionguard_harness::config::Config;
use serde_json::{Value, json};

use super::scene::Scene;
use super::{Expected, OPEN, PUBLIC, assert_outcome, get, on_the_shipped_chain, over_h2, policies};

/// A chain that lets tunnels and WebSockets come as far as the filter, on both protocols.
fn tunnels(config: Config) -> Config {
    config.edit_http(|http| {
        http["upgrade_configs"] = json!([{"upgrade_type": "websocket"}, {"upgrade_type": "CONNECT"}]);
        http["http2_protocol_options"]["allow_connect"] = json!(true);
        let routes = http.pointer_mut("/route_config/virtual_hosts/0/routes").and_then(Value::as_array_mut);
        let connect = json!({"match": {"connect_matcher": {}}, "route": {"cluster": "upstream", "upgrade_configs": [{"upgrade_type": "CONNECT", "connect_config": {}}]}});
        routes.expect("routes").insert(0, connect);
    })
}

#[tokio::test]
async fn tunnels_and_upgrades_are_refused() {
    const REFUSED: Expected = (403, "request.upgrade", false);
    let scene = Scene::start("requests-upgrades", policies, tunnels).await;
    let upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
    assert_outcome("websocket", &scene.bytes(&get("/x", OPEN, upgrade)).await, REFUSED);
    let connect = b"CONNECT open.shop.internal:443 HTTP/1.1\r\nHost: open.shop.internal:443\r\n\r\n";
    assert_outcome("CONNECT", &scene.bytes(connect).await, REFUSED);
    let extended: &[(&[u8], &[u8])] = &[
        (b":method", b"CONNECT"),
        (b":protocol", b"websocket"),
        (b":scheme", b"http"),
        (b":path", b"/x"),
        (b":authority", OPEN.as_bytes()),
    ];
    assert_outcome("extended CONNECT", &over_h2(&scene, extended).await, REFUSED);
    let plain: &[(&[u8], &[u8])] = &[(b":method", b"CONNECT"), (b":authority", b"open.shop.internal:443")];
    assert_outcome("CONNECT over HTTP/2", &over_h2(&scene, plain).await, REFUSED);
    scene.assert_never_trapped().await;
}

#[test]
fn the_shipped_chain_refuses_upgrades_by_itself() {
    on_the_shipped_chain(async |scene| {
        let upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\n";
        let outcome = scene.bytes(&get("/x", OPEN, upgrade)).await;
        assert_outcome("websocket", &outcome, (403, "-", false));
        assert_eq!(outcome.entry.text("details"), "upgrade_failed");
        let connect = b"CONNECT open.shop.internal:443 HTTP/1.1\r\nHost: open.shop.internal:443\r\n\r\n";
        assert_outcome("CONNECT", &scene.bytes(connect).await, (403, "request.upgrade", false));
        // HTTP/2 by upgrade is no other protocol to the filter: Envoy ignores it.
        let h2c =
            b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n";
        assert_outcome("h2c", &scene.bytes(&get("/x", OPEN, h2c)).await, PUBLIC);
    });
}
