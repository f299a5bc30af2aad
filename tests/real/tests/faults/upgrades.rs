//! The module is exchanged for the next version of it, and back, while requests come in.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use regionguard_harness::tools;
use regionguard_mesh::{Mesh, Result};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::load::Load;
use crate::oracle::{Push, judge};
use crate::scene::WAIT;
use crate::site::{Modules, Site, WORKERS};
use crate::way::{self, Way, config_map, set_bundle};

pub async fn by_file(mesh: Arc<Mesh>) -> Result<()> {
    let site = Site::start(&mesh, "upgrade-file", Way::ConfigMap).await?;
    std::fs::write(site.api.dir().join("etc/regionguard/module/next.wasm"), next()?)?;
    let naming = |file_name: &str| {
        config_map(&site.namespace, |file| {
            set_bundle(file, &site.signer.bundle(0, 1));
            let code = &mut file["resources"][0]["typed_config"]["config"]["vm_config"]["code"];
            code["local"]["filename"] = json!(format!("./etc/regionguard/module/{file_name}"));
        })
    };
    there_and_back(&site, [naming("next.wasm")?, naming("plugin.wasm")?], ["next.wasm", "plugin.wasm"]).await
}

pub async fn by_plugin(mesh: Arc<Mesh>) -> Result<()> {
    let site = Site::start(&mesh, "upgrade-plugin", Way::WasmPlugin).await?;
    let modules = [next()?, current()?];
    let digests = modules.each_ref().map(|module| format!("{:x}", Sha256::digest(module)));
    let [next, current] = modules;
    let servers = [Modules::serve(next).await?, Modules::serve(current).await?];
    let naming = |index: usize| -> Result<Value> {
        let mut plugin = site.object(&site.signer.bundle(0, 1))?;
        plugin["spec"]["url"] = json!(servers[index].url());
        plugin["spec"]["sha256"] = json!(digests[index]);
        Ok(plugin)
    };
    let plugins = [naming(0)?, naming(1)?];
    // The agent keeps a module in a file that is named by its digest.
    there_and_back(&site, plugins, digests.each_ref().map(|digest| digest.as_str())).await
}

/// Applies each of the objects under load, and waits until every worker has a VM of the module in a file of this name.
async fn there_and_back(site: &Site, objects: [Value; 2], files: [&str; 2]) -> Result<()> {
    let load = Load::start(site).await?;
    let exchanged: Result<()> = async {
        for (object, file) in objects.iter().zip(files) {
            let before = fresh(site).await?;
            way::kubectl_apply(&site.mesh, object).await?;
            let in_force = |config: &str| config.contains(&format!("/{file}")) || config.contains(&format!("/{file}.wasm"));
            site.api.wait_for_config(in_force).await?;
            // A new VM knows no token: each of the workers verifies the one of the load again.
            let deadline = Instant::now() + WAIT;
            while fresh(site).await? < before + WORKERS as u64 {
                if Instant::now() > deadline {
                    return Err(format!("not all workers run `{file}`: {}", site.api.log()).into());
                }
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
        Ok(())
    }
    .await;
    let seen = load.finish(site).await?;
    exchanged?;
    let last = judge(&[Push::new("the only bundle", 1, true)], &seen)?;
    assert_eq!(last, [0; WORKERS]);
    assert_eq!(site.pushes("update_rejected").await?, 0);
    Ok(())
}

/// How often a worker has verified a token that it did not know.
async fn fresh(site: &Site) -> Result<u64> {
    site.counter("wasmcustom.regionguard.token_cache.miss").await
}

fn current() -> Result<Vec<u8>> {
    let path = tools::wasm_module()?;
    read(&path)
}

/// The same filter as another file: a custom section more, which does nothing.
fn next() -> Result<Vec<u8>> {
    const NAME: &[u8] = b"\x0cnext-version";
    let mut module = current()?;
    module.extend([0, u8::try_from(NAME.len())?]);
    module.extend_from_slice(NAME);
    Ok(module)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| format!("`{}`: {error}", path.display()).into())
}
