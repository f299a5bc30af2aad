//! The image: what was built is what a registry hands out, the real agent takes it by digest and by tag, and with a digest that
//! does not fit, by a tag that there is not, or without the registry nothing is let in, visibly.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

use regionguard_harness::RunDir;
use regionguard_harness::client::Request;
use regionguard_mesh::process::output_of;
use regionguard_mesh::registry::{Image, Registry, crane};
use regionguard_mesh::{Mesh, Result, Spec, Workload, shipped, suite};
use serde_json::{Value, json};

const TAG: &str = "1.2.3";
/// The host that the policy serves.
const HOST: &str = "api.us-east-1.com";
const WAIT: Duration = Duration::from_secs(40);

fn main() -> ExitCode {
    suite::run([
        suite::test("a_registry_hands_out_what_was_built", pushed_and_pulled),
        suite::test(
            "the_agent_takes_the_image_by_digest_and_by_tag_and_no_other",
            taken_by_the_agent,
        ),
        suite::test(
            "an_agent_that_has_nothing_yet_takes_the_image_by_tag_alone",
            async |mesh| by_tag(mesh, "image-tag", false).await,
        ),
        suite::test(
            "an_agent_that_has_nothing_yet_takes_the_image_by_tag_and_digest",
            async |mesh| by_tag(mesh, "image-tag-digest", true).await,
        ),
        suite::test(
            "an_image_that_is_not_there_lets_nothing_in_until_it_is",
            missing_at_first,
        ),
    ])
}

async fn pushed_and_pulled(_: Arc<Mesh>) -> Result<()> {
    let run = RunDir::new("image-registry")?;
    let (registry, image) = (Registry::start(run.path()).await?, Image::build(run.path(), TAG)?);
    registry.push(&image, TAG)?;
    let references = [registry.tag(TAG), registry.by_digest(&image)];
    for (number, reference) in references.iter().enumerate() {
        assert_eq!(crane(["digest", reference])?.trim(), image.digest());
        crane(["validate", "--remote", reference])?;
        let pulled = run.path().join(format!("pulled-{number}"));
        let pull = ["pull", "--format", "oci", reference].map(OsStr::new);
        crane(pull.into_iter().chain([pulled.as_os_str()]))?;
        let (ours, theirs) = (blobs(image.layout())?, blobs(&pulled)?);
        assert!(ours == theirs, "{:?}, {:?}", ours.keys(), theirs.keys());
    }
    let exported = run.path().join("exported.tar");
    crane([OsStr::new("export"), OsStr::new(&references[0]), exported.as_os_str()])?;
    assert_eq!(
        output_of(Command::new("tar").arg("-tf").arg(&exported))?
            .lines()
            .collect::<Vec<_>>(),
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
    const NAMESPACE: &str = "image";
    let run = RunDir::new("image-agent")?;
    let (registry, image) = (Registry::start(run.path()).await?, Image::build(run.path(), TAG)?);
    let kept = registry.kept_by_agents()?;
    registry.push(&image, TAG)?;
    mesh.namespace(NAMESPACE).await?;
    let (by_digest, by_tag) = (registry.by_digest(&image), registry.tag(TAG));
    let apply = async |version: u32, reference: &str, sha256: Option<&str>| {
        let plugin = plugin(NAMESPACE, version, reference, sha256)?;
        mesh.kube().apply_object(&plugin).await.map(drop)
    };

    mesh.kube().apply_object(&interlock(NAMESPACE)?).await?;
    apply(1, &by_digest, None).await?;
    let (web, mut api) = pair(&mesh, NAMESPACE).await?;
    decided_by(&web, &api, 1).await?;
    assert!(kept.path().is_dir(), "the agent keeps it elsewhere than in {kept:?}");
    let right = Some(image.digest_hex());
    apply(2, &by_tag, right).await?;
    decided_by(&web, &api, 2).await?;
    let fetched = api.prometheus().await?;
    assert!(counted(&fetched, "success") >= 1, "{fetched}");
    assert_eq!(counted(&fetched, "checksum_mismatched"), 0);

    // The digest of the module, which is easily taken for the image's.
    let wrong = image.module_hex();
    apply(3, &by_tag, Some(wrong)).await?;
    until(async || counted(&api.prometheus().await.unwrap_or_default(), "checksum_mismatched") >= 1).await?;
    until(async || matches!(ask(&web).await, Ok(403))).await?;
    nothing_gets_in(&web, &api).await?;
    let reason = format!("has checksum {}, which does not match: {wrong}", image.digest_hex());
    assert!(api.log().contains(&reason), "no `{reason}` in the agent's log");

    apply(4, &by_tag, right).await?;
    decided_by(&web, &api, 4).await?;

    // An agent remembers nothing of what it had before it ended: it asks the registry again, and lives by what that says.
    api.restart_agent().await?;
    decided_by(&web, &api, 4).await?;
    let fetched = api.prometheus().await?;
    let counts = ["success", "checksum_mismatched"].map(|result| counted(&fetched, result));
    assert_eq!(counts, [1, 0], "what was fetched since it began again");
    drop(registry);
    let logged = api.log().len();
    api.restart_agent().await?;
    without_manifest(&web, &api, logged).await
}

/// A pair of its own, whose agent has fetched nothing before: first by a tag that there is not, then by the one of the image.
async fn by_tag(mesh: Arc<Mesh>, namespace: &str, with_digest: bool) -> Result<()> {
    let run = RunDir::new(namespace)?;
    let (registry, image) = (Registry::start(run.path()).await?, Image::build(run.path(), TAG)?);
    let _kept = registry.kept_by_agents()?;
    registry.push(&image, TAG)?;
    mesh.namespace(namespace).await?;
    let sha256 = with_digest.then(|| image.digest_hex());
    let plugin = |version: u32, tag: &str| plugin(namespace, version, &registry.tag(tag), sha256);

    mesh.kube().apply_object(&interlock(namespace)?).await?;
    mesh.kube().apply_object(&plugin(1, "9.9.9")?).await?;
    let (web, api) = pair(&mesh, namespace).await?;
    without_manifest(&web, &api, 0).await?;
    assert_eq!(counted(&api.prometheus().await?, "success"), 0);

    mesh.kube().apply_object(&plugin(2, TAG)?).await?;
    decided_by(&web, &api, 2).await?;
    assert_eq!(counted(&api.prometheus().await?, "success"), 1);
    Ok(())
}

async fn missing_at_first(mesh: Arc<Mesh>) -> Result<()> {
    const NAMESPACE: &str = "image-missing";
    let run = RunDir::new("image-missing")?;
    let (registry, image) = (Registry::start(run.path()).await?, Image::build(run.path(), TAG)?);
    let _kept = registry.kept_by_agents()?;
    mesh.namespace(NAMESPACE).await?;
    let plugin = |version: u32| plugin(NAMESPACE, version, &registry.by_digest(&image), None);

    mesh.kube().apply_object(&interlock(NAMESPACE)?).await?;
    mesh.kube().apply_object(&plugin(1)?).await?;
    let (web, api) = pair(&mesh, NAMESPACE).await?;
    without_manifest(&web, &api, 0).await?;

    // The agent asks again when istiod sends the plugin again, as it does after each edit.
    registry.push(&image, TAG)?;
    mesh.kube().apply_object(&plugin(2)?).await?;
    decided_by(&web, &api, 2).await
}

/// The WasmPlugin that ships, with this version of its bundle and this image.
fn plugin(namespace: &str, version: u32, reference: &str, sha256: Option<&str>) -> Result<Value> {
    let mut plugin = shipped::manifest("istio/workload/wasmplugin.yaml", namespace)?;
    shipped::set_module(&mut plugin, &format!("oci://{reference}"), sha256);
    plugin["spec"]["pluginConfig"]["metadata"]["version"] = json!(version);
    Ok(plugin)
}

fn interlock(namespace: &str) -> Result<Value> {
    shipped::manifest("istio/workload/interlock.yaml", namespace)
}

/// Who asks, and the workload that the plugin selects.
async fn pair(mesh: &Mesh, namespace: &str) -> Result<(Workload, Workload)> {
    tokio::try_join!(
        mesh.workload(Spec::new(namespace, "web")),
        mesh.workload(Spec::new(namespace, "api").region("us-east-1").host(HOST)),
    )
}

/// The agent has asked for the image in vain and says why, behind so many bytes of its log; meanwhile nothing is let in.
async fn without_manifest(web: &Workload, api: &Workload, logged: usize) -> Result<()> {
    until(async || counted(&api.prometheus().await.unwrap_or_default(), "manifest_failure") >= 1).await?;
    until(async || matches!(ask(web).await, Ok(403))).await?;
    nothing_gets_in(web, api).await?;
    let (log, reason) = (api.log(), "could not fetch Wasm OCI image: could not fetch manifest: ");
    assert!(log[logged..].contains(reason), "no `{reason}` in the agent's log");
    Ok(())
}

/// Twenty requests are refused, and none of them reaches the service.
async fn nothing_gets_in(web: &Workload, api: &Workload) -> Result<()> {
    let before = api.upstream().count();
    for _ in 0..20 {
        assert_eq!(ask(web).await?, 403);
    }
    assert_eq!(api.upstream().count(), before);
    Ok(())
}

/// The status that one request through both sidecars is answered with.
async fn ask(web: &Workload) -> Result<u16> {
    Ok(web.call_host(HOST, &Request::new("GET", "/healthz")).await?.status)
}

/// Waits until a request is let in by the bundle of this version.
async fn decided_by(web: &Workload, api: &Workload, version: u32) -> Result<()> {
    let wanted = format!(";shop@{version}+");
    until(async || {
        let lines = api.access_log().entries().len();
        let Ok(status) = ask(web).await else {
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
