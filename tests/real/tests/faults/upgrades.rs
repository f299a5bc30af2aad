//! The module is exchanged for the next version of it, and back, while requests come in.

use std::path::Path;
use std::sync::Arc;

use regionguard_harness::tools;
use regionguard_mesh::live::modules::Modules;
use regionguard_mesh::live::site::Site;
use regionguard_mesh::live::watched::Watched;
use regionguard_mesh::live::way::{Way, config_map, set_bundle};
use regionguard_mesh::{Mesh, Result};
use serde_json::{Value, json};

pub async fn by_file(mesh: Arc<Mesh>) -> Result<()> {
    let site = Site::start(&mesh, "upgrade-file", Way::ConfigMap).await?;
    std::fs::write(site.api.dir().join("etc/regionguard/module/next.wasm"), next()?)?;
    let files = ["next.wasm", "plugin.wasm"];
    there_and_back(&site, files, |index, bundle| {
        config_map(&site.namespace, |file| {
            set_bundle(file, bundle);
            let code = &mut file["resources"][0]["typed_config"]["config"]["vm_config"]["code"];
            code["local"]["filename"] = json!(format!("./etc/regionguard/module/{}", files[index]));
        })
    })
    .await
}

pub async fn by_plugin(mesh: Arc<Mesh>) -> Result<()> {
    let site = Site::start(&mesh, "upgrade-plugin", Way::WasmPlugin).await?;
    let modules = [Modules::serve(next()?).await?, Modules::serve(current()?).await?];
    // The agent keeps a module in a file that is named by its digest.
    let files = modules
        .each_ref()
        .map(|served| format!("{}.wasm", served.module.sha256));
    there_and_back(&site, files.each_ref().map(String::as_str), |index, bundle| {
        site.way.object(&site.namespace, bundle, &modules[index].module)
    })
    .await
}

/// Applies, under load, each of two objects, which `object` makes of its number and of a bundle; waits until every worker serves
/// the bundle that came with the module of this file, and so runs that module.
async fn there_and_back(site: &Site, files: [&str; 2], object: impl Fn(usize, &Value) -> Result<Value>) -> Result<()> {
    let mut watched = Watched::new(site).await?;
    for (index, file) in files.into_iter().enumerate() {
        watched.apply(object(index, &watched.next())?).await?;
        watched.in_force().await?;
        let config = site.api.ask("/config_dump?resource=ecds_filters").await?;
        assert!(config.contains(&format!("/{file}\"")), "no `{file}` in {config}");
    }
    watched.judge().await?;
    assert_eq!(site.pushes("update_rejected").await?, 0);
    assert_eq!(site.pushes("config_fail").await?, 0);
    Ok(())
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
