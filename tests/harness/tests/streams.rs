//! How long WebSockets and tunnels last, on a real Envoy: what ends them that are open, and what does not.

mod common;
#[path = "support/sockets.rs"]
mod sockets;

use std::time::{Duration, Instant};

use bytes::Bytes;
use common::{HOST, ISSUER, Issuers, Site, bundle, claims, policy, sign};
use http_body_util::Empty;
use hyper_util::rt::{TokioExecutor, TokioIo};
use regionguard_harness::config::Base;
use regionguard_harness::envoy::Push;
use regionguard_harness::issuer::now;
use serde_json::{Value, json};
use sockets::{Echo, ask_raw, handshake, says_what_it_hears, upgrading};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::TcpStream;

/// How late a stream may end on a busy machine: a tick of the filter is a second.
const SOON: Duration = Duration::from_secs(6);

fn rules() -> Value {
    let live = json!({"anyOf": ["read:live"]});
    json!([
        {"name": "socket", "paths": ["/ws/live"], "upgrades": ["websocket"], "permissions": live, "effect": "allow"},
        {"name": "tunnel", "hosts": [format!("{HOST}:5432")], "upgrades": ["connect"], "permissions": live, "effect": "allow"},
        {"name": "kept", "paths": ["/ws/kept"], "upgrades": ["websocket"], "streams": "untilClosed", "permissions": live, "effect": "allow"},
        {"name": "asked", "paths": ["/ws/asked"], "upgrades": ["websocket"], "effect": "defer"},
    ])
}

/// The bundle with these rules, and perhaps one document more.
fn version(version: u64, issuers: &Issuers, rules: Value, more: Option<Value>) -> Value {
    let mut documents = vec![policy("shop", json!({"rules": rules}))];
    documents.extend(more);
    bundle(version, &issuers.regions(), &documents)
}

/// A token that says its `jti`, and is let in for so many seconds from now.
fn token(issuers: &Issuers, sub: &str, seconds: u64) -> String {
    let mut claims = claims(&issuers.us, sub, &["read:live"]);
    claims["jti"] = json!(format!("of-{sub}"));
    claims["iat"] = json!(now() - 600);
    // The leeway.
    claims["exp"] = json!(now() + seconds - 30);
    sign(&issuers.us, &claims)
}

async fn socket(site: &Site, path: &str, token: &str) -> TcpStream {
    open(site, 101, &handshake(path, "websocket", Some(token))).await
}

async fn tunnel(site: &Site, token: &str) -> TcpStream {
    let to = format!("{HOST}:5432");
    let head = format!("CONNECT {to} HTTP/1.1\r\nhost: {to}\r\nauthorization: Bearer {token}\r\n\r\n");
    open(site, 200, &head).await
}

async fn open(site: &Site, expected: u16, head: &str) -> TcpStream {
    let (status, mut stream) = ask_raw(site, head).await;
    assert_eq!(status, expected);
    says_what_it_hears(&mut stream).await;
    stream
}

/// Waits until the stream has ended, while it is used.
async fn ends(stream: &mut (impl AsyncRead + Unpin)) {
    let mut heard = [0; 16];
    let ended = async { while stream.read(&mut heard).await.is_ok_and(|count| count > 0) {} };
    tokio::time::timeout(SOON, ended).await.expect("an end");
}

async fn is_pushed(site: &Site, bundle: &Value) {
    let pushed = site.envoy.push(&site.folder, |folder| folder.write(bundle)).await;
    assert_eq!(pushed.unwrap(), Push::Accepted);
}

async fn gauge(site: &Site, expected: u64) {
    let began = Instant::now();
    loop {
        let open = site.envoy.stat("wasmcustom.regionguard.open_streams").await.unwrap();
        if open == expected {
            return;
        }
        assert!(began.elapsed() < SOON, "{open} streams are open, not {expected}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Over HTTP/2, other streams of the connection go on (RFC 8441).
async fn over_http2(site: &Site, issuers: &Issuers) {
    let stream = TcpStream::connect(site.envoy.address()).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let plain = || hyper::Request::get(format!("http://{HOST}/nowhere")).body(Empty::<Bytes>::new());
    // The server's settings say that it takes such a CONNECT: they are there once it has answered something.
    sender.send_request(plain().unwrap()).await.unwrap();
    let mut open = async |token: &str| {
        let request = hyper::Request::builder()
            .method("CONNECT")
            .uri(format!("http://{HOST}/ws/live"))
            .extension(hyper::ext::Protocol::from_static("websocket"))
            .header("authorization", format!("Bearer {token}"));
        let mut answer = sender
            .send_request(request.body(Empty::<Bytes>::new()).unwrap())
            .await
            .unwrap();
        assert_eq!(answer.status().as_u16(), 200);
        let mut stream = TokioIo::new(hyper::upgrade::on(&mut answer).await.unwrap());
        says_what_it_hears(&mut stream).await;
        stream
    };
    let mut short = open(&token(issuers, "dora", 2)).await;
    let mut other = open(&token(issuers, "bob", 3_600)).await;
    ends(&mut short).await;
    says_what_it_hears(&mut other).await;
    drop(other);
    gauge(site, 0).await;
}

#[tokio::test]
async fn streams_end_when_they_would_not_be_let_in() {
    let issuers = Issuers::new();
    let (echo, far) = (Echo::start(true).await, Echo::start(false).await);
    let first = version(1, &issuers, rules(), None);
    let site = Site::start_with("streams", Base::Sidecar, &first, |config| {
        upgrading(config, echo.address, far.address)
    })
    .await;
    let (alice, bob) = (token(&issuers, "alice", 3_600), token(&issuers, "bob", 3_600));

    // The token ends.
    let short = token(&issuers, "carol", 5);
    let began = Instant::now();
    let mut kept = socket(&site, "/ws/kept", &short).await;
    let mut passing = [socket(&site, "/ws/live", &short).await, tunnel(&site, &short).await];
    tokio::time::sleep(Duration::from_secs(3).saturating_sub(began.elapsed())).await;
    for stream in &mut passing {
        says_what_it_hears(stream).await;
    }
    for stream in &mut passing {
        ends(stream).await;
    }
    assert!(began.elapsed() > Duration::from_secs(3), "{:?}", began.elapsed());
    let told = |reason: &str| {
        let log = site.module_log();
        let ended = log
            .iter()
            .filter(|line| line.contains(&format!("stream ended: {reason} ")));
        ended.cloned().collect::<Vec<_>>()
    };
    let lines = told("identity.expired");
    assert_eq!(lines.len(), 2, "{:#?}", site.module_log());
    assert!(lines[0].contains("deny;identity.expired;shop/"), "{lines:?}");
    assert!(!lines.concat().contains("carol"), "{lines:?}");

    over_http2(&site, &issuers).await;

    // It is revoked by a push; the others stay, and so does what the center has let in.
    let mut revoked = [socket(&site, "/ws/live", &alice).await, tunnel(&site, &alice).await];
    let mut asked = socket(&site, "/ws/asked", &bob).await;
    let mut others = [socket(&site, "/ws/live", &bob).await, tunnel(&site, &bob).await];
    gauge(&site, 5).await;
    let calls = site.center.count();
    let revocations = json!({"apiVersion": "security.io/v1", "kind": "Revocations", "metadata": {"name": "stolen"},
        "spec": {"tokens": [{"issuer": ISSUER, "jti": "of-alice"}]}});
    is_pushed(&site, &version(2, &issuers, rules(), Some(revocations))).await;
    for stream in &mut revoked {
        ends(stream).await;
    }
    assert_eq!(told("identity.revoked").len(), 2);
    for stream in others.iter_mut().chain([&mut asked, &mut kept]) {
        says_what_it_hears(stream).await;
    }

    // The policy lets it in no more.
    let only_kept = json!([rules()[2], rules()[3]]);
    is_pushed(&site, &version(3, &issuers, only_kept, None)).await;
    for stream in &mut others {
        ends(stream).await;
    }
    assert_eq!(told("request.upgrade").len(), 2, "{:#?}", site.module_log());
    for stream in [&mut asked, &mut kept] {
        says_what_it_hears(stream).await;
    }
    assert_eq!(site.center.count(), calls, "it is not asked again");

    assert_eq!((echo.count(), far.count()), (7, 3), "each had a connection of its own");
    // Nothing is left of those that have ended on the other side either.
    let tunnels = site.envoy.stat("cluster.tunnel.upstream_cx_active").await.unwrap();
    let sockets = site.envoy.stat("cluster.sockets.upstream_cx_active").await.unwrap();
    assert_eq!((tunnels, sockets), (0, 2));
    // Who hangs up gives up the place; the access log says nothing of why a stream ended.
    gauge(&site, 1).await;
    drop(asked);
    gauge(&site, 0).await;
    for (name, count) in [
        ("stream.opened", 9),
        ("stream_ended.expired", 3),
        ("stream_ended.revoked", 2),
        ("stream_ended.denied", 2),
    ] {
        let name = format!("wasmcustom.regionguard.{name}");
        assert_eq!(site.envoy.stat(&name).await.unwrap(), count, "{name}");
    }
    for entry in site.envoy.access_log().entries() {
        let is_let_in = entry.decision().is_some_and(|line| line.verdict == "allow");
        assert!(is_let_in || entry.text("path") == "/nowhere", "{entry:?}");
        // Who hangs up is told from who is cut off.
        let details = match (entry.text("path"), entry.text("protocol")) {
            (_, "HTTP/2") => continue,
            ("/ws/asked", _) => "downstream_remote_disconnect",
            _ => "via_upstream",
        };
        assert_eq!(entry.text("details"), details, "{entry:?}");
    }
}

/// A VM that is replaced lives as long as the last of its streams: they know of no later push, and end with their tokens.
#[tokio::test]
async fn streams_of_an_earlier_vm_end_with_their_tokens() {
    let issuers = Issuers::new();
    let (echo, far) = (Echo::start(true).await, Echo::start(false).await);
    let first = version(1, &issuers, rules(), None);
    let site = Site::start_with("streams-vm", Base::Sidecar, &first, |config| {
        upgrading(config, echo.address, far.address)
    })
    .await;
    let mut short = socket(&site, "/ws/live", &token(&issuers, "carol", 8)).await;
    let mut long = socket(&site, "/ws/live", &token(&issuers, "alice", 3_600)).await;
    let second = version(2, &issuers, json!([rules()[2]]), None);
    let pushed = site.envoy.push(&site.folder, |folder| {
        folder.write_resource(|resource| {
            let config = &mut resource["typed_config"]["config"];
            config["vm_config"]["vm_id"] = json!("another");
            config["configuration"]["value"] = second;
        })
    });
    assert_eq!(pushed.await.unwrap(), Push::Accepted);
    let alice = token(&issuers, "alice", 3_600);
    let (status, _) = ask_raw(&site, &handshake("/ws/live", "websocket", Some(&alice))).await;
    assert_eq!(status, 403, "what is new is judged by the new one");
    says_what_it_hears(&mut short).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    ends(&mut short).await;
    says_what_it_hears(&mut long).await;
}
