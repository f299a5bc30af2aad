//! Envoy Gateway: the manifests that ship, on the real API server, translated by the real control plane, in a real Envoy.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};
use regionguard_harness::client::{Client, Request};
use regionguard_harness::config::parse_yaml;
use regionguard_harness::issuer::{Alg, Issuer};
use regionguard_harness::policy_folder::shipped_bundle;
use regionguard_harness::upstream::Upstream;
use regionguard_harness::{Result, tools};
use regionguard_mesh::gateway::{EnvoyGateway, Proxy, UPSTREAM};
use regionguard_mesh::kube::documents;
use regionguard_mesh::places;
use regionguard_mesh::process::Process;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::Mutex;

const API: &str = "gateway.envoyproxy.io/v1alpha1";
const NAMESPACE: &str = "edge";
const HOST: &str = "api.us-east-1.com";
const WAIT: Duration = Duration::from_secs(20);

type Check = fn(Arc<Mutex<Option<Stage>>>, &Runtime) -> Result<()>;

macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        [$((stringify!($name), (|stage, runtime| {
            runtime.block_on(async {
                let mut stage = stage.lock().await;
                if stage.is_none() {
                    *stage = Some(Stage::start().await?);
                }
                let stage = stage.as_mut().ok_or("no stage")?;
                let begun = stage.restore().await;
                begun.map_err(|error| format!("cannot begin: {error}"))?;
                $name(stage).await
            })
        }) as Check)),*]
    };
}

fn main() -> ExitCode {
    // One control plane, whose ports are fixed, and one policy that tests change: one test at a time.
    let arguments = Arguments {
        test_threads: Some(1),
        ..Arguments::from_args()
    };
    let runtime = match Runtime::new() {
        Ok(runtime) => Arc::new(runtime),
        Err(error) => {
            eprintln!("no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let stage = Arc::new(Mutex::new(None));
    let trials = tests![
        the_control_plane_takes_every_manifest,
        a_request_that_the_policy_allows_reaches_the_upstream_and_others_are_told_why,
        the_filter_judges_the_path_as_it_was_received,
        decisions_are_in_the_metrics_with_labels,
        every_chain_has_the_direct_peer_first_and_the_interlock_before_the_router,
        an_edit_of_the_policy_is_in_force_without_a_restart,
        a_policy_that_does_not_compile_changes_nothing,
        an_image_of_another_digest_lets_nothing_in,
        an_image_that_is_not_there_lets_nothing_in,
        without_the_policy_nothing_is_let_in,
        a_route_with_a_policy_of_its_own_lets_nothing_in,
        the_module_can_come_from_a_web_server,
        a_request_that_no_route_takes_is_refused,
    ]
    .map(|(name, check)| {
        let (stage, runtime) = (Arc::clone(&stage), Arc::clone(&runtime));
        Trial::test(name, move || {
            check(stage, &runtime).map_err(|error| Failed::from(error.to_string()))
        })
    });
    let conclusion = libtest_mimic::run(&arguments, trials.into());
    // Dropped within the runtime, which its connections belong to.
    let _within = runtime.enter();
    drop(runtime.block_on(stage.lock()).take());
    conclusion.exit_code()
}

async fn the_control_plane_takes_every_manifest(stage: &mut Stage) -> Result<()> {
    for name in ["regionguard-interlock", "regionguard-reload", "regionguard-centers"] {
        stage.has("EnvoyPatchPolicy", name, "Programmed", "True").await?;
    }
    stage
        .has("EnvoyExtensionPolicy", "regionguard", "Accepted", "True")
        .await?;
    stage
        .has("ClientTrafficPolicy", "regionguard", "Accepted", "True")
        .await?;
    // Without an address: nobody gives the Service one here.
    let route = stage
        .gateway
        .kube()
        .get("gateway.networking.k8s.io/v1", "HTTPRoute", NAMESPACE, "api")
        .await?;
    let route = route.ok_or("no route")?;
    let conditions = route
        .pointer("/status/parents/0/conditions")
        .and_then(Value::as_array)
        .ok_or("a route without a status")?;
    assert!(
        conditions.iter().all(|condition| condition["status"] == "True"),
        "{conditions:#?}"
    );
    Ok(())
}

async fn a_request_that_the_policy_allows_reaches_the_upstream_and_others_are_told_why(
    stage: &mut Stage,
) -> Result<()> {
    let token = stage.token(&["read:profile"])?;
    let near = stage.client().from([127, 0, 1, 9].into());
    let allowed = near.send(&get("/v1/profiles/7").bearer(&token)).await?;
    assert_eq!(allowed.status, 200, "{}", allowed.text());
    let headers = allowed.json()?["headers"].to_string();
    assert!(
        headers.contains(r#"["x-user","alice"]"#) && !headers.contains("authorization"),
        "{headers}"
    );
    let line = stage
        .proxy
        .access_log()
        .wait_for(|line| line.text("path") == "/v1/profiles/7" && line.status() == 200)
        .await?;
    let decision = line.decision().ok_or("no decision line")?;
    assert_eq!(
        (decision.verdict.as_str(), decision.rule.as_str()),
        ("allow", "shop/read-profile"),
        "{line:?}"
    );
    // The source region by the connection's own address: the native filter in front has told it.
    assert_eq!(decision.regions, "us-east-1>us-east-1>us-east-1", "{line:?}");
    let far = stage.client().send(&get("/v1/profiles/7").bearer(&token)).await?;
    assert_eq!(far.status, 403, "{}", far.text());

    let count = stage.upstream.count();
    let without = stage.token(&[])?;
    for (path, request, status, reason) in [
        ("/v1/profiles/8", get("/v1/profiles/8"), 401, "identity.missing"),
        (
            "/v1/profiles/9",
            get("/v1/profiles/9").bearer(&without),
            403,
            "permission.missing",
        ),
        (
            "/v1/profiles/10",
            get("/v1/profiles/10").host("other.example.com"),
            421,
            "request.authority_not_served",
        ),
    ] {
        let answer = near.send(&request).await?;
        assert_eq!(answer.status, status, "{}", answer.text());
        let line = stage
            .proxy
            .access_log()
            .wait_for(|line| line.text("path") == path)
            .await?;
        let decision = line.decision().ok_or("no decision line")?;
        assert_eq!(
            (line.status(), decision.verdict.as_str(), decision.reason.as_str()),
            (status, "deny", reason),
            "{line:?}"
        );
    }
    assert_eq!(stage.upstream.count(), count);
    Ok(())
}

async fn the_filter_judges_the_path_as_it_was_received(stage: &mut Stage) -> Result<()> {
    for (path, status) in [
        ("/x/../healthz", 200),
        ("/h%65althz", 200),
        ("//healthz", 400),
        ("/a%2fb", 400),
    ] {
        let answer = stage.client().send(&get(path)).await?;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        if status == 200 {
            assert_eq!(answer.json()?["path"], "/healthz", "{path}");
        }
    }
    assert_eq!(
        stage.client().send(&get("/healthz").header("a_b", "c")).await?.status,
        400
    );
    Ok(())
}

async fn decisions_are_in_the_metrics_with_labels(stage: &mut Stage) -> Result<()> {
    assert_eq!(stage.client().send(&get("/healthz")).await?.status, 200);
    let wanted = r#"regionguard_decision{verdict="allow",reason="rule.public"}"#;
    wait("the counter of the decision", async || {
        Ok(stage
            .proxy
            .prometheus()
            .await?
            .lines()
            .any(|line| line.starts_with(wanted)))
    })
    .await
}

async fn every_chain_has_the_direct_peer_first_and_the_interlock_before_the_router(stage: &mut Stage) -> Result<()> {
    let listener = stage.proxy.listener(&format!("tcp-{}", stage.port)).await?;
    let manager = listener
        .pointer("/default_filter_chain/filters/0/typed_config")
        .ok_or("no chain")?;
    let filters = manager["http_filters"].as_array().ok_or("no filters")?;
    let names: Vec<_> = filters.iter().filter_map(|filter| filter["name"].as_str()).collect();
    let wasm = "envoy.filters.http.wasm/envoyextensionpolicy/edge/regionguard/wasm/0";
    let expected = [
        "regionguard-direct-peer",
        wasm,
        "regionguard-interlock",
        "envoy.filters.http.router",
    ];
    assert_eq!(names, expected);
    let plugin = &filters[1]["typed_config"]["config"];
    assert_eq!(
        (&plugin["failure_policy"], &plugin["root_id"]),
        (&json!("FAIL_RELOAD"), &json!("regionguard"))
    );
    assert_ne!(plugin["fail_open"], true);
    assert_ne!(manager["normalize_path"], true);
    Ok(())
}

async fn an_edit_of_the_policy_is_in_force_without_a_restart(stage: &mut Stage) -> Result<()> {
    assert_eq!(stage.client().send(&get("/healthz")).await?.status, 200);
    let version = stage
        .edit(|wasm| rule(wasm, "health")["paths"] = json!(["/alive"]))
        .await?;
    wait("the edit to be in force", async || {
        Ok(stage.client().send(&get("/alive")).await?.status == 200)
    })
    .await?;
    assert_eq!(stage.client().send(&get("/healthz")).await?.status, 401);
    stage.line_of_version(version).await
}

async fn a_policy_that_does_not_compile_changes_nothing(stage: &mut Stage) -> Result<()> {
    let before = stage.version;
    let refused = stage.proxy.stat("listener_manager.lds.update_rejected").await?;
    stage
        .edit(|wasm| rule(wasm, "health")["effekt"] = json!("deny"))
        .await?;
    wait("Envoy to refuse it", async || {
        Ok(stage.proxy.stat("listener_manager.lds.update_rejected").await? > refused)
    })
    .await?;
    assert!(stage.proxy.log().contains("effekt"), "{}", stage.proxy.log());
    // Envoy Gateway does not know the bundle, and says nothing of it.
    stage
        .has("EnvoyExtensionPolicy", "regionguard", "Accepted", "True")
        .await?;
    for _ in 0..20 {
        assert_eq!(stage.client().send(&get("/healthz")).await?.status, 200);
    }
    assert_eq!(stage.client().send(&get("/v1/profiles/7")).await?.status, 401);
    stage.line_of_version(before).await
}

async fn an_image_of_another_digest_lets_nothing_in(stage: &mut Stage) -> Result<()> {
    // At an address of its own: after ten failures at one, Envoy Gateway does not ask there again for an hour.
    let image = json!({"url": stage.registry.tag("again"), "sha256": "1".repeat(64)});
    stage.edit(|wasm| wasm["code"]["image"] = image).await?;
    stage.refuses_by_the_interlock().await?;
    let policy = stage
        .has("EnvoyExtensionPolicy", "regionguard", "Accepted", "False")
        .await?;
    assert!(policy.to_string().contains("which does not match"), "{policy:#}");
    // The interlock stays where there is no filter in front of it.
    stage
        .has("EnvoyPatchPolicy", "regionguard-interlock", "Programmed", "True")
        .await?;
    stage
        .has("EnvoyPatchPolicy", "regionguard-reload", "Programmed", "False")
        .await?;
    Ok(())
}

async fn an_image_that_is_not_there_lets_nothing_in(stage: &mut Stage) -> Result<()> {
    // Another repository: with a digest, Envoy Gateway takes what it has of the same one, whatever the tag.
    let url = format!("127.0.0.1:{}/absent:dev", stage.registry.port);
    stage.edit(|wasm| wasm["code"]["image"]["url"] = json!(url)).await?;
    stage.refuses_by_the_interlock().await
}

async fn without_the_policy_nothing_is_let_in(stage: &mut Stage) -> Result<()> {
    stage.gateway.kube().delete(&stage.policy.to_string()).await?;
    stage.refuses_by_the_interlock().await
}

async fn a_route_with_a_policy_of_its_own_lets_nothing_in(stage: &mut Stage) -> Result<()> {
    let own = json!({
        "apiVersion": API, "kind": "EnvoyExtensionPolicy", "metadata": {"name": "own", "namespace": NAMESPACE},
        "spec": {"targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "api"}]},
    });
    stage.gateway.kube().apply_object(&own).await?;
    let refused = stage.refuses_by_the_interlock().await;
    stage.gateway.kube().delete(&own.to_string()).await?;
    refused
}

async fn the_module_can_come_from_a_web_server(stage: &mut Stage) -> Result<()> {
    // A registry is one: it hands out the layer, and Envoy Gateway unpacks what is packed.
    let code = |sha256: &str| json!({"type": "HTTP", "http": {"url": stage.registry.layer, "sha256": sha256}});
    let (right, wrong) = (code(&stage.registry.module), code(&"1".repeat(64)));
    let version = stage.edit(|wasm| wasm["code"] = right).await?;
    stage.serves(version).await?;
    stage.edit(|wasm| wasm["code"] = wrong).await?;
    stage.refuses_by_the_interlock().await
}

async fn a_request_that_no_route_takes_is_refused(stage: &mut Stage) -> Result<()> {
    let route = stage.named("HTTPRoute", "api");
    let mut narrow = route.clone();
    narrow["spec"]["rules"][0]["matches"] = json!([{"path": {"type": "PathPrefix", "value": "/v1"}}]);
    stage.gateway.kube().apply_object(&narrow).await?;
    let refused = stage.refuses_by_the_interlock().await;
    stage.gateway.kube().apply_object(&route).await?;
    refused
}

/// What all tests share.
struct Stage {
    proxy: Proxy,
    gateway: EnvoyGateway,
    registry: Registry,
    upstream: Upstream,
    issuer: Issuer,
    port: u16,
    /// All that was applied but the policy.
    manifests: Vec<Value>,
    /// The EnvoyExtensionPolicy as it is at the beginning of each test.
    policy: Value,
    /// The last version of the bundle that was applied.
    version: u64,
}

impl Stage {
    async fn start() -> Result<Self> {
        let settings = parse_yaml(&shipped("values.yaml")?)?["config"]["envoyGateway"].clone();
        // The manifests name a Backend instead of a Service, which would need pods.
        let mut settings = settings;
        settings["extensionApis"]["enableBackend"] = json!(true);
        let gateway = EnvoyGateway::start(&settings).await?;
        let registry = Registry::start(gateway.dir()).await?;
        let upstream = Upstream::start().await?;
        let issuer = Issuer::new("identity.global.com", "us-east-1")?;
        let port = places::port()?;
        let kube = gateway.kube().clone();
        kube.apply_object(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}))
            .await?;
        // As they ship, first: unknown fields are refused, and every rule of the kinds is kept.
        let files = ["gateway.yaml", "interlock.yaml", "centers.yaml", "policy.yaml"];
        let mut manifests = Vec::new();
        for file in files {
            let text = shipped(file)?;
            kube.apply(&text).await?;
            manifests.extend(documents(&text)?);
        }
        let policy = manifests.pop().ok_or("no policy")?;
        let backend = json!({
            "apiVersion": API, "kind": "Backend", "metadata": {"name": "api", "namespace": NAMESPACE},
            "spec": {"endpoints": [{"fqdn": {"hostname": UPSTREAM, "port": upstream.address().port()}}]},
        });
        manifests.push(backend);
        for manifest in &mut manifests {
            here(manifest, port);
            kube.apply_object(manifest).await?;
        }
        let policy = own_policy(policy, &registry, &issuer)?;
        kube.apply_object(&policy).await?;
        let wanted = |gateway: &Value| gateway.to_string().contains(&format!("\"port\":{port}"));
        gateway
            .wait_for("gateway.networking.k8s.io/v1", "Gateway", NAMESPACE, "edge", wanted)
            .await?;
        let proxy = gateway.proxy(NAMESPACE, "edge").await?;
        let mut stage = Self {
            proxy,
            gateway,
            registry,
            upstream,
            issuer,
            port,
            manifests,
            policy,
            version: 1,
        };
        stage.restore().await?;
        Ok(stage)
    }

    /// Applies the policy as it was, as a newer version, and waits until it serves.
    async fn restore(&mut self) -> Result<()> {
        let version = self.edit(|_| {}).await?;
        self.serves(version).await
    }

    /// Applies the policy with one change, as a newer version.
    async fn edit(&mut self, change: impl FnOnce(&mut Value)) -> Result<u64> {
        self.version += 1;
        let mut policy = self.policy.clone();
        let wasm = &mut policy["spec"]["wasm"][0];
        wasm["config"]["metadata"]["version"] = json!(self.version);
        change(wasm);
        self.gateway.kube().apply_object(&policy).await?;
        Ok(self.version)
    }

    /// Waits until decisions are made by this version of the bundle.
    async fn serves(&self, version: u64) -> Result<()> {
        wait(&format!("version {version} to serve"), async || {
            let answered = self
                .client()
                .send(&get("/healthz"))
                .await
                .is_ok_and(|answer| answer.status == 200);
            Ok(answered
                && self
                    .last_bundle()
                    .is_some_and(|bundle| bundle.starts_with(&format!("shop@{version}+"))))
        })
        .await
    }

    /// Waits until the last decision is one of this version.
    async fn line_of_version(&self, version: u64) -> Result<()> {
        wait(&format!("a decision by version {version}"), async || {
            Ok(self
                .last_bundle()
                .is_some_and(|bundle| bundle.starts_with(&format!("shop@{version}+"))))
        })
        .await
    }

    fn last_bundle(&self) -> Option<String> {
        Some(self.proxy.access_log().entries().last()?.decision()?.bundle)
    }

    /// Waits until a public request is answered 403 by the interlock, and looks whether the upstream got nothing.
    async fn refuses_by_the_interlock(&self) -> Result<()> {
        let counter = format!("http.http-{}.rbac.regionguard_interlock.denied", self.port);
        let denied = self.proxy.stat(&counter).await?;
        wait("the interlock to refuse", async || {
            Ok(self.client().send(&get("/healthz")).await?.status == 403)
        })
        .await?;
        let count = self.upstream.count();
        assert_eq!(self.client().send(&get("/healthz?again")).await?.status, 403);
        assert_eq!(self.upstream.count(), count);
        assert!(self.proxy.stat(&counter).await? > denied);
        let line = self
            .proxy
            .access_log()
            .wait_for(|line| line.text("details").starts_with("rbac_access_denied"))
            .await?;
        assert!(line.decision().is_none(), "{line:?}");
        Ok(())
    }

    /// Waits until a condition of an object's first ancestor is this.
    async fn has(&self, kind: &str, name: &str, condition: &str, status: &str) -> Result<Value> {
        let wanted = |object: &Value| {
            let conditions = object
                .pointer("/status/ancestors/0/conditions")
                .and_then(Value::as_array);
            let found = conditions.into_iter().flatten().find(|one| one["type"] == condition);
            found.is_some_and(|one| {
                one["status"] == status && one["observedGeneration"] == object["metadata"]["generation"]
            })
        };
        self.gateway.wait_for(API, kind, NAMESPACE, name, wanted).await
    }

    fn named(&self, kind: &str, name: &str) -> Value {
        let found = self
            .manifests
            .iter()
            .find(|object| object["kind"] == kind && object["metadata"]["name"] == name);
        found.cloned().unwrap_or_default()
    }

    fn client(&self) -> Client {
        self.proxy.client(self.port)
    }

    fn token(&self, permissions: &[&str]) -> Result<String> {
        let mut claims = self.issuer.claims("alice");
        claims["permissions"]["global"] = json!(permissions);
        self.issuer.mint(Alg::Es256, self.issuer.kid(Alg::Es256)?, &claims)
    }
}

fn shipped(name: &str) -> Result<String> {
    let path = tools::envoy_config("envoy-gateway").join(name);
    std::fs::read_to_string(&path).map_err(|error| format!("cannot read `{}`: {error}", path.display()).into())
}

/// What an operator changes, and what this machine lacks.
fn here(manifest: &mut Value, port: u16) {
    match manifest["kind"].as_str() {
        Some("Gateway") => manifest["spec"]["listeners"][0]["port"] = json!(port),
        Some("HTTPRoute") => {
            manifest["spec"]["rules"][0]["backendRefs"] =
                json!([{"group": "gateway.envoyproxy.io", "kind": "Backend", "name": "api"}]);
        }
        // Access log lines at once instead of within ten seconds.
        Some("EnvoyProxy") => manifest["spec"]["extraArgs"] = json!(["--file-flush-interval-msec", "10"]),
        Some("EnvoyPatchPolicy") => {
            for patch in manifest["spec"]["jsonPatches"].as_array_mut().into_iter().flatten() {
                if patch["name"] == "tcp-80" {
                    patch["name"] = json!(format!("tcp-{port}"));
                }
            }
        }
        _ => {}
    }
}

fn own_policy(mut policy: Value, registry: &Registry, issuer: &Issuer) -> Result<Value> {
    let mut bundle = shipped_bundle()?;
    assert_eq!(
        policy["spec"]["wasm"][0]["config"], bundle,
        "the example is not the one that ships"
    );
    let region = &mut bundle["documents"][0]["spec"];
    region["keys"] = json!({"algorithms": ["ES256"], "jwks": issuer.jwks()});
    region["networks"] = json!(["127.0.1.0/24"]);
    let wasm = &mut policy["spec"]["wasm"][0];
    wasm["config"] = bundle;
    // A rule that only a request can meet whose direct peer is told.
    rule(wasm, "read-profile")["from"] = json!({"sourceRegions": ["us-east-1"]});
    wasm["code"]["image"] = json!({"url": registry.tag("dev"), "sha256": registry.digest});
    Ok(policy)
}

fn rule<'a>(wasm: &'a mut Value, name: &str) -> &'a mut Value {
    let documents = wasm["config"]["documents"].as_array_mut().into_iter().flatten();
    let lists = documents.filter_map(|document| document.pointer_mut("/spec/rules")?.as_array_mut());
    let found = lists.flatten().find(|rule| rule["name"] == name);
    found.expect("the example has this rule")
}

fn get(path: &str) -> Request {
    Request::new("GET", path).host(HOST)
}

async fn wait(what: &str, mut done: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + WAIT;
    while !done().await? {
        if Instant::now() > deadline {
            return Err(format!("waited {WAIT:?} in vain for {what}").into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// A registry without TLS on loopback, with the image of the module.
struct Registry {
    port: u16,
    /// The digest of the image's manifest, in hexadecimal.
    digest: String,
    /// The digest of the module, in hexadecimal.
    module: String,
    /// Where the layer with the module is to be had.
    layer: String,
    _process: Process,
}

impl Registry {
    async fn start(dir: &Path) -> Result<Self> {
        let (mut command, log) = (Command::new(program("registry")), dir.join("registry.log"));
        command.args(["-port", "0"]);
        let mut process = Process::start("registry", command, &log)?;
        let port = process
            .wait_until(WAIT, async || {
                let log = std::fs::read_to_string(&log).ok()?;
                log.lines()
                    .find_map(|line| line.split_once("serving on port ")?.1.parse::<u16>().ok())
            })
            .await?;
        let (layout, module) = build_image(dir)?;
        let tag = format!("127.0.0.1:{port}/regionguard:dev");
        run(Command::new(program("crane")).arg("push").arg(layout).arg(&tag))?;
        run(Command::new(program("crane")).args(["tag", &tag, "again"]))?;
        let digest = run(Command::new(program("crane")).args(["digest", &tag]))?;
        let manifest = run(Command::new(program("crane")).args(["manifest", &tag]))?;
        let manifest: Value = serde_json::from_str(&manifest)?;
        let layers = manifest["layers"].as_array().ok_or("an image without layers")?;
        let blob = layers
            .last()
            .and_then(|layer| layer["digest"].as_str())
            .ok_or("a layer without a digest")?;
        Ok(Self {
            port,
            digest: digest.trim().trim_start_matches("sha256:").to_owned(),
            module,
            layer: format!("http://127.0.0.1:{port}/v2/regionguard/blobs/{blob}"),
            _process: process,
        })
    }

    fn tag(&self, tag: &str) -> String {
        format!("127.0.0.1:{}/regionguard:{tag}", self.port)
    }
}

/// The image of the module under test as a layout, built with the command that operators use, and the module's SHA-256.
fn build_image(dir: &Path) -> Result<(std::path::PathBuf, String)> {
    let layout = dir.join("image");
    let mut command = Command::new(env!("CARGO"));
    command.args([
        "run",
        "--quiet",
        "--package",
        "regionguard-cli",
        "--",
        "image",
        "--version",
        "dev",
        "--module",
    ]);
    command
        .arg(tools::wasm_module()?)
        .arg("--out")
        .arg(&layout)
        .current_dir(tools::workspace_root());
    let said = run(&mut command)?;
    let module = said
        .lines()
        .find_map(|line| line.strip_prefix("module ")?.split_whitespace().next());
    let module = module.ok_or("no digest was printed")?.trim_start_matches("sha256:");
    Ok((layout, module.to_owned()))
}

fn run(command: &mut Command) -> Result<String> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout)?);
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)).into())
}

fn program(name: &str) -> std::path::PathBuf {
    tools::tools_dir().join("real").join(name)
}
