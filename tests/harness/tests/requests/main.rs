//! Requests that no ordinary client sends, on a real Envoy: each is decided for the reason that it deserves, none traps the module,
//! and the upstream sees only what was judged.

mod answers;
mod bytes;
#[path = "../support/h2.rs"]
mod h2;
mod http2;
#[path = "../support/scene.rs"]
mod scene;
mod targets;
mod tunnels;

use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use regionguard_harness::issuer::Issuer;
use scene::{Outcome, Scene, bundle};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// Where everything is public but `/admin`.
const OPEN: &str = "open.shop.internal";
/// Where a token is needed.
const API: &str = "api.us-east-1.com";

fn policies(issuer: &Issuer) -> Value {
    let trust = json!({"hosts": [API, "*.shop.internal"]});
    let open = json!({
        "selector": {"hosts": [OPEN]},
        "forward": {"claims": {"x-user": "sub"}},
        "rules": [
            {"name": "all", "paths": ["/**"], "identity": "none", "effect": "allow"},
            {"name": "no-admin", "paths": ["/admin/**"], "effect": "deny"},
            {"name": "hidden", "paths": ["/hidden/**"], "effect": "deny", "response": {"status": 404, "hide": true}},
        ],
    });
    let api = json!({
        "selector": {"hosts": [API]},
        "forward": {"token": "strip", "claims": {"x-user": "sub"}},
        "rules": [
            {
                "name": "read", "methods": ["GET"], "paths": ["/v1/profiles/{id}", "/second/{id}"],
                "permissions": {"anyOf": ["read:profile"]}, "effect": "allow",
            },
            {
                "name": "grpc", "methods": ["POST"], "paths": ["/shop.Profiles/Get"],
                "permissions": {"anyOf": ["read:profile"]}, "effect": "allow",
            },
            {"name": "ask", "paths": ["/ask", "/shop.Profiles/Ask"], "effect": "defer"},
        ],
    });
    bundle(issuer, &trust, &[("open", open), ("api", api)])
}

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));
/// The one Envoy of all tests that need nothing special of it; it ends with the last test that waits for it.
static SHARED: Mutex<Weak<Mutex<Scene>>> = Mutex::new(Weak::new());

/// Runs a test on the chain that ships, one after the other.
fn on_the_shipped_chain(test: impl AsyncFnOnce(&Scene)) {
    let shared = {
        let mut known = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        known.upgrade().unwrap_or_else(|| {
            let scene = RUNTIME.block_on(Scene::start("requests", policies, |config| config));
            let scene = Arc::new(Mutex::new(scene));
            *known = Arc::downgrade(&scene);
            scene
        })
    };
    // A test that failed has spoiled nothing for the next one.
    let scene = shared.lock().unwrap_or_else(PoisonError::into_inner);
    RUNTIME.block_on(test(&scene));
}

/// `GET target` to `host` with these header lines.
fn get(target: impl AsRef<[u8]>, host: &str, lines: &[u8]) -> Vec<u8> {
    [
        b"GET ",
        target.as_ref(),
        b" HTTP/1.1\r\nHost: ",
        host.as_bytes(),
        b"\r\n",
        lines,
        b"\r\n",
    ]
    .concat()
}

/// Status, reason, and whether an upstream was reached.
type Expected = (u16, &'static str, bool);

const PUBLIC: Expected = (200, "rule.public", true);

fn assert_outcome(what: &str, outcome: &Outcome, (status, reason, reached): Expected) {
    assert_eq!(
        outcome.summary(),
        (status, reason.to_owned(), u64::from(reached)),
        "{what}: {:?}",
        outcome.entry
    );
    if !reached && reason != "-" {
        assert_eq!(outcome.entry.text("details"), format!("regionguard.{reason}"), "{what}");
    }
}

fn echoed(outcome: &Outcome, name: &str) -> Vec<String> {
    let echo = outcome.response().json().expect("an echo");
    let headers = echo["headers"].as_array().expect("headers").iter();
    let values = headers.filter(|pair| pair[0] == name);
    values.map(|pair| pair[1].as_str().expect("text").to_owned()).collect()
}

fn echoed_path(outcome: &Outcome) -> String {
    outcome.response().json().expect("an echo")["path"]
        .as_str()
        .expect("a path")
        .to_owned()
}

/// Sends header fields over HTTP/2.
async fn over_h2(scene: &Scene, fields: &[(&[u8], &[u8])]) -> Outcome {
    let address = scene.envoy.address();
    let answer = async {
        h2::send(address, fields)
            .await
            .map(|ended| Err(format!("{ended:?}").into()))
            .expect("an answer")
    };
    scene.watch(answer).await
}
