//! The image: what was built is what a registry hands out, the real agent takes it by digest and by tag, and with a digest that
//! does not fit nothing is let in, visibly.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

use regionguard_harness::client::Request;
use regionguard_harness::{RunDir, tools};
use regionguard_mesh::process::Process;
use regionguard_mesh::{Mesh, Result, Spec, Workload, suite};
use serde_json::json;
use sha2::{Digest as _, Sha256};

const TAG: &str = "1.2.3";
const WAIT: Duration = Duration::from_secs(40);
/// Where an agent keeps the modules that it fetched; the path is fixed in its code.
const AGENT_DATA: &str = "/var/lib/istio/data";

fn main() -> ExitCode {
    suite::run([
        suite::test("a_registry_hands_out_what_was_built", pushed_and_pulled),
        suite::test(
            "the_agent_takes_the_image_by_digest_and_by_tag_and_no_other",
            taken_by_the_agent,
        ),
        suite::test(
            "an_image_that_is_not_there_lets_nothing_in_until_it_is",
            missing_at_first,
        ),
    ])
}

async fn pushed_and_pulled(_: Arc<Mesh>) -> Result<()> {
    let run = RunDir::new("image-registry")?;
    let (registry, image) = (Registry::start(run.path()).await?, Image::build(run.path())?);
    registry.push(&image)?;
    let references = [registry.tag(), registry.by_digest(&image)];
    for (number, reference) in references.iter().enumerate() {
        assert_eq!(crane(&["digest", reference])?.trim(), image.digest);
        crane(&["validate", "--remote", reference])?;
        let pulled = run.path().join(format!("pulled-{number}"));
        crane(&["pull", "--format", "oci", reference, text(&pulled)?])?;
        let (ours, theirs) = (blobs(&image.layout)?, blobs(&pulled)?);
        assert!(ours == theirs, "{:?}, {:?}", ours.keys(), theirs.keys());
    }
    let exported = run.path().join("exported.tar");
    crane(&["export", &references[0], text(&exported)?])?;
    let listed = Command::new("tar").arg("-tf").arg(&exported).output()?;
    assert_eq!(
        String::from_utf8_lossy(&listed.stdout).lines().collect::<Vec<_>>(),
        [
            "plugin.wasm",
            "regionguard/LICENSE",
            "regionguard/THIRD-PARTY-LICENSES",
            "regionguard/sbom.cdx.json"
        ]
    );
    Ok(())
}

async fn taken_by_the_agent(mesh: Arc<Mesh>) -> Result<()> {
    let run = RunDir::new("image-agent")?;
    let (registry, image) = (Registry::start(run.path()).await?, Image::build(run.path())?);
    let _kept = Kept::by_agents(&registry)?;
    registry.push(&image)?;
    mesh.namespace("image").await?;
    let (by_digest, by_tag) = (registry.by_digest(&image), registry.tag());
    let hex = image.digest.trim_start_matches("sha256:");
    let plugin = |version: u32, url: &str, sha256: &str| plugin("image", version, url, sha256);

    mesh.apply(&interlock("image")).await?;
    mesh.apply(&plugin(1, &by_digest, "")).await?;
    let (web, api) = tokio::try_join!(
        mesh.workload(Spec::new("image", "web")),
        mesh.workload(Spec::new("image", "api").region("us-east-1")),
    )?;
    decided_by(&web, &api, 1).await?;
    mesh.apply(&plugin(2, &by_tag, hex)).await?;
    decided_by(&web, &api, 2).await?;
    let fetched = api.prometheus().await?;
    assert!(counted(&fetched, "success") >= 1, "{fetched}");
    assert_eq!(counted(&fetched, "checksum_mismatched"), 0);

    // The digest of the module, which is easily taken for the image's.
    mesh.apply(&plugin(3, &by_tag, &image.module)).await?;
    until(async || counted(&api.prometheus().await.unwrap_or_default(), "checksum_mismatched") >= 1).await?;
    until(async || matches!(ask(&web, &api).await, Ok(403))).await?;
    nothing_gets_in(&web, &api).await?;
    let reason = format!("has checksum {hex}, which does not match: {}", image.module);
    assert!(api.log().contains(&reason), "no `{reason}` in the agent's log");

    mesh.apply(&plugin(4, &by_tag, hex)).await?;
    decided_by(&web, &api, 4).await
}

async fn missing_at_first(mesh: Arc<Mesh>) -> Result<()> {
    let run = RunDir::new("image-missing")?;
    let (registry, image) = (Registry::start(run.path()).await?, Image::build(run.path())?);
    let _kept = Kept::by_agents(&registry)?;
    mesh.namespace("image-missing").await?;
    let plugin = |version: u32| plugin("image-missing", version, &registry.by_digest(&image), "");

    mesh.apply(&interlock("image-missing")).await?;
    mesh.apply(&plugin(1)).await?;
    let (web, api) = tokio::try_join!(
        mesh.workload(Spec::new("image-missing", "web")),
        mesh.workload(Spec::new("image-missing", "api").region("us-east-1")),
    )?;
    until(async || counted(&api.prometheus().await.unwrap_or_default(), "manifest_failure") >= 1).await?;
    nothing_gets_in(&web, &api).await?;
    let reason = "could not fetch Wasm OCI image: could not fetch manifest: ";
    assert!(api.log().contains(reason), "no `{reason}` in the agent's log");

    // The agent asks again when istiod sends the plugin again, as it does after each edit.
    registry.push(&image)?;
    mesh.apply(&plugin(2)).await?;
    decided_by(&web, &api, 2).await
}

/// Twenty requests are refused, and none of them reaches the service.
async fn nothing_gets_in(web: &Workload, api: &Workload) -> Result<()> {
    let before = api.upstream().count();
    for _ in 0..20 {
        assert_eq!(ask(web, api).await?, 403);
    }
    assert_eq!(api.upstream().count(), before);
    Ok(())
}

/// The status that one request through both sidecars is answered with.
async fn ask(web: &Workload, api: &Workload) -> Result<u16> {
    Ok(web.call(api, &Request::new("GET", "/v1/orders/7")).await?.status)
}

/// Waits until a request is let in by the bundle of this version.
async fn decided_by(web: &Workload, api: &Workload, version: u32) -> Result<()> {
    let wanted = format!(";image@{version}+");
    until(async || {
        let lines = api.access_log().entries().len();
        let Ok(status) = ask(web, api).await else {
            return false;
        };
        let Ok(entry) = api.access_log().after(lines).await else {
            return false;
        };
        let decision = entry.text("decision");
        status == 200 && decision.starts_with("allow;rule.public;") && decision.contains(&wanted)
    })
    .await
    .map_err(|error| {
        format!(
            "version {version}: {error}; the end of the log:\n{}",
            end_of(&api.log())
        )
        .into()
    })
}

async fn until(mut reached: impl AsyncFnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + WAIT;
    while !reached().await {
        if Instant::now() > deadline {
            return Err(format!("not within {WAIT:?}").into());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// How often the agent fetched a module with this result.
fn counted(prometheus: &str, result: &str) -> u64 {
    let name = format!("istio_agent_wasm_remote_fetch_count{{result=\"{result}\"}} ");
    let value = prometheus.lines().find_map(|line| line.strip_prefix(&name));
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}

fn plugin(namespace: &str, version: u32, url: &str, sha256: &str) -> String {
    let mut plugin = json!({
        "apiVersion": "extensions.istio.io/v1alpha1",
        "kind": "WasmPlugin",
        "metadata": {"name": "regionguard", "namespace": namespace},
        "spec": {
            "selector": {"matchLabels": {"app": "api"}},
            "url": format!("oci://{url}"),
            "phase": "AUTHZ",
            "failStrategy": "FAIL_RELOAD",
            "match": [{"mode": "SERVER"}],
            "pluginName": "regionguard",
            "pluginConfig": {
                "region": "us-east-1",
                "metadata": {"name": "image", "version": version},
                "documents": [
                    {
                        "apiVersion": "security.io/v1", "kind": "Region", "metadata": {"name": "us-east-1"},
                        "spec": {
                            "issuer": "identity.global.com",
                            "audiences": ["api.us-east-1.com"],
                            "keys": {"algorithms": ["ES256"], "jwks": {"keys": [{
                                "kty": "EC", "kid": "us-east-1-ec-1", "use": "sig", "crv": "P-256",
                                "x": "-O680vIC77eLv_olhevWrE11gYJ82JSJDSf8mWRITqk",
                                "y": "6HLJAJWUyUJclL9XbllFezF1EsV56ckFMnM7ehrMEiw",
                            }]}},
                        },
                    },
                    {
                        "apiVersion": "security.io/v1", "kind": "ZeroTrustPolicy", "metadata": {"name": "open"},
                        "spec": {"rules": [{"name": "all", "identity": "none", "effect": "allow"}]},
                    },
                ],
            },
        },
    });
    if !sha256.is_empty() {
        plugin["spec"]["sha256"] = json!(sha256);
    }
    plugin.to_string()
}

fn interlock(namespace: &str) -> String {
    let interlock = json!({
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"name": "regionguard-interlock", "namespace": namespace},
        "spec": {
            "workloadSelector": {"labels": {"app": "api"}},
            "configPatches": [{
                "applyTo": "HTTP_FILTER",
                "match": {
                    "context": "SIDECAR_INBOUND",
                    "listener": {"filterChain": {"filter": {
                        "name": "envoy.filters.network.http_connection_manager",
                        "subFilter": {"name": "envoy.filters.http.router"},
                    }}},
                },
                "patch": {"operation": "INSERT_BEFORE", "value": {
                    "name": "regionguard-interlock",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
                        "rules_stat_prefix": "regionguard_interlock.",
                        "rules": {"action": "ALLOW", "policies": {"allowed-by-regionguard": {
                            "permissions": [{"any": true}],
                            "principals": [{"filter_state": {"key": "wasm.regionguard", "string_match": {"prefix": "allow;"}}}],
                        }}},
                    },
                }},
            }],
        },
    });
    interlock.to_string()
}

/// The image of the module under test.
struct Image {
    layout: PathBuf,
    /// `sha256:…`
    digest: String,
    /// The SHA-256 of the module, in hexadecimal.
    module: String,
}

impl Image {
    /// Builds it with the command that operators use.
    fn build(dir: &Path) -> Result<Self> {
        let layout = dir.join("image");
        let output = Command::new(env!("CARGO"))
            .args([
                "run",
                "--quiet",
                "--package",
                "regionguard-cli",
                "--",
                "image",
                "--version",
                TAG,
                "--module",
            ])
            .arg(tools::wasm_module()?)
            .arg("--out")
            .arg(&layout)
            .current_dir(tools::workspace_root())
            .output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into());
        }
        let line = |name: &str| {
            said.lines()
                .find_map(|line| line.strip_prefix(name)?.split_whitespace().next())
        };
        let (digest, module) = line("image ").zip(line("module ")).ok_or("no digests were printed")?;
        Ok(Self {
            layout,
            digest: digest.to_owned(),
            module: module.trim_start_matches("sha256:").to_owned(),
        })
    }
}

/// A registry without TLS, on loopback.
struct Registry {
    port: u16,
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
                    .find_map(|line| line.split_once("serving on port ")?.1.parse().ok())
            })
            .await?;
        Ok(Self {
            port,
            _process: process,
        })
    }

    fn push(&self, image: &Image) -> Result<()> {
        let reference = crane(&["push", text(&image.layout)?, &self.tag()])?;
        assert_eq!(reference.trim(), self.by_digest(image));
        Ok(())
    }

    fn tag(&self) -> String {
        format!("127.0.0.1:{}/regionguard:{TAG}", self.port)
    }

    fn by_digest(&self, image: &Image) -> String {
        format!("127.0.0.1:{}/regionguard@{}", self.port, image.digest)
    }
}

/// What agents keep of a registry's image; it goes with the test.
struct Kept(PathBuf);

impl Kept {
    fn by_agents(registry: &Registry) -> Result<Self> {
        std::fs::create_dir_all(AGENT_DATA)
            .map_err(|error| format!("Istio's agent keeps modules in `{AGENT_DATA}`, which cannot be made: {error}"))?;
        let name = format!("oci://127.0.0.1:{}/regionguard", registry.port);
        Ok(Self(Path::new(AGENT_DATA).join(format!("{:x}", Sha256::digest(name)))))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn crane(arguments: &[&str]) -> Result<String> {
    let output = Command::new(program("crane")).args(arguments).output()?;
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout)?),
        false => Err(format!(
            "crane {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        )
        .into()),
    }
}

fn program(name: &str) -> PathBuf {
    tools::tools_dir().join("real").join(name)
}

fn text(path: &Path) -> Result<&str> {
    path.to_str()
        .ok_or_else(|| format!("`{}` is not UTF-8", path.display()).into())
}

/// What a layout stores, by digest.
fn blobs(layout: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let entries = std::fs::read_dir(layout.join("blobs/sha256"))?;
    entries
        .map(|entry| {
            let entry = entry?;
            Ok((
                entry.file_name().to_string_lossy().into_owned(),
                std::fs::read(entry.path())?,
            ))
        })
        .collect()
}

fn end_of(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
