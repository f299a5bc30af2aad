//! Where the programs and files are that a run needs. Each error says which `make` target brings what is missing.

use std::path::{Path, PathBuf};

use crate::Result;

/// The checkout's root: the folder of the workspace's `Cargo.toml`.
#[must_use]
pub fn workspace_root() -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.pop();
    root.pop();
    root
}

/// Where `make setup` puts tools: `REGIONGUARD_TOOLS`, or else `.tools` of the checkout.
#[must_use]
pub fn tools_dir() -> PathBuf {
    std::env::var_os("REGIONGUARD_TOOLS").map_or_else(|| workspace_root().join(".tools"), PathBuf::from)
}

/// Cargo's target folder: `CARGO_TARGET_DIR`, or else `target` of the checkout.
#[must_use]
pub fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace_root().join("target"), |dir| workspace_root().join(dir))
}

/// The Envoy program itself. The package installs a Python script that becomes Envoy; the program behind it is run directly,
/// so that process id, signals and CPU time are Envoy's own from the start.
///
/// # Errors
/// When it is not installed.
pub fn envoy() -> Result<PathBuf> {
    let venv = tools_dir().join("venv");
    let found = read_dir(&venv.join("lib")).into_iter().find_map(|python| {
        let program = python.join("site-packages/envoy/_bin/envoy");
        program.is_file().then_some(program)
    });
    found.ok_or_else(|| format!("no Envoy in `{}`: run `make setup`, which installs it", venv.display()).into())
}

/// The filter, compiled: `REGIONGUARD_MODULE`, or else what `make build` leaves in the target folder.
///
/// # Errors
/// When it is not built.
pub fn wasm_module() -> Result<PathBuf> {
    let module = std::env::var_os("REGIONGUARD_MODULE").map_or_else(
        || target_dir().join("wasm32-wasip1/release/regionguard_http_authz.wasm"),
        |path| workspace_root().join(path),
    );
    if module.is_file() {
        return Ok(module);
    }
    Err(format!(
        "no Wasm module at `{}`: run `make build`, which compiles it",
        module.display()
    )
    .into())
}

/// A file that ships in `envoy-config/`.
#[must_use]
pub fn envoy_config(name: &str) -> PathBuf {
    workspace_root().join("envoy-config").join(name)
}

fn read_dir(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten();
    entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{envoy_config, workspace_root};

    #[test]
    fn the_workspace_root_holds_what_ships() {
        assert!(workspace_root().join("Makefile").is_file());
        assert!(envoy_config("sidecar.yaml").is_file());
        assert!(envoy_config("ecds/regionguard.yaml").is_file());
    }
}
