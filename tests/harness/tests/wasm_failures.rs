//! What happens when the filter itself is not there, is not ours, or traps: nothing is let in.

#[path = "support/foreign_module.rs"]
mod foreign_module;

use std::path::PathBuf;

use foreign_module::Behaviour;
use regionguard_harness::RunDir;
use regionguard_harness::access_log::Entry;
use regionguard_harness::client::{Client, Protocol, Request};
use regionguard_harness::config::{Base, Config, read_yaml};
use regionguard_harness::envoy::{Envoy, Push};
use regionguard_harness::policy_folder::{PolicyFolder, shipped_bundle};
use regionguard_harness::tools::{envoy_config, wasm_module};
use regionguard_harness::upstream::Upstream;
use serde_json::{Value, json};

const INTERLOCK: &str = "rbac.regionguard_interlock.denied";

/// An Envoy whose filter may not work, and an upstream that nothing should reach.
struct Scene {
    upstream: Upstream,
    folder: PolicyFolder,
    envoy: Envoy,
    run: RunDir,
}

impl Scene {
    async fn start(name: &str, base: Base, module: impl FnOnce(&RunDir) -> PathBuf, bundle: &Value) -> Self {
        let run = RunDir::new(name).expect("a folder");
        let upstream = Upstream::start().await.expect("an upstream");
        let folder = PolicyFolder::create(run.path().join("policy"), module(&run)).expect("a folder");
        folder.write(bundle).expect("a policy");
        let config = Config::shipped(base).expect("the bootstrap").policy(&folder);
        let config = config.cluster("upstream", upstream.address());
        let envoy = Envoy::start("envoy", config, run.path()).await.expect("Envoy");
        Self {
            upstream,
            folder,
            envoy,
            run,
        }
    }

    /// The status and the access log's line of a request that the shipped policy makes public.
    async fn ask(&self, protocol: Protocol) -> (u16, Entry) {
        let lines = self.envoy.access_log().entries().len();
        let request = Request::new("GET", "/healthz").host("api.us-east-1.com");
        let answer = self
            .envoy
            .client()
            .over(protocol)
            .send(&request)
            .await
            .expect("an answer");
        let entry = self
            .envoy
            .access_log()
            .after(lines)
            .await
            .expect("a line in the access log");
        assert_eq!(entry.status(), answer.status);
        (answer.status, entry)
    }

    /// Everything is answered with `status`, without a decision, and nothing reaches the upstream.
    async fn assert_closed(&self, status: u16) {
        for protocol in [Protocol::Http1, Protocol::Http2] {
            let (answered, entry) = self.ask(protocol).await;
            assert_eq!((answered, entry.decision()), (status, None), "{entry:?}");
        }
        assert_eq!(self.upstream.count(), 0);
    }

    async fn interlocked(&self) -> u64 {
        let stats = self.envoy.stats().await.expect("the admin interface");
        stats
            .iter()
            .filter(|(name, _)| name.ends_with(INTERLOCK))
            .map(|(_, value)| value)
            .sum()
    }
}

fn ours(_: &RunDir) -> PathBuf {
    wasm_module().expect("the module")
}

fn write(run: &RunDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = run.path().join(name);
    std::fs::write(&path, bytes).expect("written");
    path
}

#[tokio::test]
async fn a_module_that_is_missing_or_no_module_lets_nothing_in_until_it_is_there() {
    let bundle = shipped_bundle().expect("the shipped bundle");
    let scene = Scene::start(
        "failures-missing",
        Base::Gateway,
        |run| run.path().join("missing.wasm"),
        &bundle,
    )
    .await;
    scene.assert_closed(500).await;
    assert_eq!(
        Client::new(scene.envoy.admin())
            .get("/ready")
            .await
            .expect("an answer")
            .status,
        200,
        "it is ready and closed"
    );

    let garbage = write(
        &scene.run,
        "garbage.wasm",
        b"\0asm\x01\0\0\0 and then nothing of the kind",
    );
    let set_module = |path: PathBuf| {
        move |resource: &mut Value| {
            resource["typed_config"]["config"]["vm_config"]["code"]["local"]["filename"] = json!(path);
        }
    };
    let pushed = scene
        .envoy
        .push(&scene.folder, |folder| folder.write_resource(set_module(garbage)))
        .await;
    assert_eq!(pushed.expect("a push"), Push::Refused);
    scene.assert_closed(500).await;

    let pushed = scene
        .envoy
        .push(&scene.folder, |folder| {
            folder.write_resource(set_module(ours(&scene.run)))
        })
        .await;
    assert_eq!(pushed.expect("a push"), Push::Accepted);
    let (status, entry) = scene.ask(Protocol::Http1).await;
    assert_eq!(
        (status, entry.decision().map(|decision| decision.reason)),
        (200, Some("rule.public".to_owned()))
    );
    assert_eq!(scene.upstream.count(), 1);
}

/// `make test-envoys` runs this on a build of Envoy without V8 as well.
#[tokio::test]
async fn our_module_decides_and_nothing_is_let_in_where_the_host_cannot_run_it() {
    let bundle = shipped_bundle().expect("the shipped bundle");
    for base in [Base::Sidecar, Base::Gateway] {
        let scene = Scene::start("failures-no-v8", base, ours, &bundle).await;
        if scene.envoy.log().contains("compiled without support for it") {
            scene.assert_closed(500).await;
        } else {
            let (status, entry) = scene.ask(Protocol::Http1).await;
            let reason = entry.decision().map(|decision| decision.reason);
            assert_eq!((status, reason.as_deref()), (200, Some("rule.public")));
        }
    }
}

#[tokio::test]
async fn a_module_that_is_not_ours_meets_the_interlock() {
    let bundle = shipped_bundle().expect("the shipped bundle");
    let module = |run: &RunDir| write(run, "foreign.wasm", &foreign_module::module(Behaviour::Continue));
    let scene = Scene::start("failures-foreign", Base::Sidecar, module, &bundle).await;
    scene.assert_closed(403).await;
    assert_eq!(
        scene.interlocked().await,
        2,
        "the module let both go on, and the interlock did not"
    );
}

#[tokio::test]
async fn a_module_that_traps_is_loaded_anew_and_lets_nothing_in() {
    let bundle = shipped_bundle().expect("the shipped bundle");
    let module = |run: &RunDir| write(run, "trapping.wasm", &foreign_module::module(Behaviour::Trap));
    let scene = Scene::start("failures-trap", Base::Gateway, module, &bundle).await;
    // A trap is answered by the host; while the VM is away, so is every request.
    scene.assert_closed(503).await;
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    scene.assert_closed(503).await;
    scene
        .envoy
        .wait_for_stat("wasm.regionguard.vm_reload_success", 1)
        .await
        .expect("FAIL_RELOAD makes a new VM");
    // The module that does not trap takes over.
    let pushed = scene.envoy.push(&scene.folder, |folder| {
        folder.write_resource(|resource| {
            resource["typed_config"]["config"]["vm_config"]["code"]["local"]["filename"] = json!(ours(&scene.run));
        })
    });
    assert_eq!(pushed.await.expect("a push"), Push::Accepted);
    assert_eq!(scene.ask(Protocol::Http1).await.0, 200);
}

#[tokio::test]
async fn a_first_bundle_that_is_refused_lets_nothing_in_and_the_log_says_why() {
    let mut bundle = shipped_bundle().expect("the shipped bundle");
    bundle["documents"][3]["spec"]["rules"][1]["effect"] = json!("alow");
    let scene = Scene::start("failures-bundle", Base::Sidecar, ours, &bundle).await;
    scene.assert_closed(500).await;
    let log = scene.envoy.log();
    let said: Vec<_> = log
        .lines()
        .filter(|line| line.contains("regionguard: ") && line.contains("wasm log"))
        .collect();
    let expected = [
        "the bundle is refused",
        "ZeroTrustPolicy shop: documents[3].spec.rules[1].effect",
        "`alow`",
        "did you mean",
        "allow",
    ];
    for part in expected {
        assert!(said.iter().any(|line| line.contains(part)), "{part}: {said:#?}");
    }
    assert_eq!(
        scene
            .envoy
            .stat("extension_config_discovery.http_filter.regionguard.config_fail")
            .await
            .expect("a stat"),
        1
    );

    // Once it is mended, it serves: a refusal leaves nothing behind.
    bundle["documents"][3]["spec"]["rules"][1]["effect"] = json!("allow");
    let pushed = scene.envoy.push(&scene.folder, |folder| folder.write(&bundle)).await;
    assert_eq!(pushed.expect("a push"), Push::Accepted);
    assert_eq!(scene.ask(Protocol::Http1).await.0, 200);
}

#[test]
fn what_ships_fails_closed() {
    let file = read_yaml(&envoy_config("ecds/regionguard.yaml")).expect("the ECDS file");
    let plugin = &file["resources"][0]["typed_config"]["config"];
    assert_eq!(
        plugin["failure_policy"], "FAIL_RELOAD",
        "not FAIL_OPEN, and not a worker that stays away"
    );
    assert_eq!(plugin.get("fail_open"), None);
    assert_eq!(
        (&plugin["root_id"], &plugin["vm_config"]["vm_id"]),
        (&json!("regionguard"), &json!("regionguard"))
    );
    assert_eq!(plugin["vm_config"]["allow_precompiled"], false);
    assert_eq!(plugin["vm_config"]["code"].get("remote"), None);
    for base in [Base::Sidecar, Base::Gateway] {
        let config = Config::shipped(base).expect("the bootstrap");
        let text = config.bootstrap().to_string();
        assert!(!text.contains("fail_open") && !text.contains("FAIL_OPEN"), "{base:?}");
        // A default that the filter would start with before its file is read must not be there: it would be no policy.
        assert!(
            !text.contains("default_config") && !text.contains("apply_default_config_without_warming"),
            "{base:?}"
        );
    }
}
