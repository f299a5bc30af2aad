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
/// `REGIONGUARD_ENVOY_VERSION` chooses another one than `make setup` installs: a version that is in `envoys/` of the tools, such
/// as `1.36.4`, or the path of a program, which holds a `/`.
///
/// # Errors
/// When it is not installed.
pub fn envoy() -> Result<PathBuf> {
    match std::env::var("REGIONGUARD_ENVOY_VERSION") {
        Err(_) => envoy_of(&tools_dir().join("venv"), "make setup"),
        Ok(chosen) => chosen_envoy(&chosen),
    }
}

fn chosen_envoy(chosen: &str) -> Result<PathBuf> {
    if chosen.contains('/') {
        let program = workspace_root().join(chosen);
        return match program.is_file() {
            true => Ok(program),
            false => Err(format!(
                "`REGIONGUARD_ENVOY_VERSION` is `{chosen}`: there is no such file; name a version, or the path of Envoy's program"
            )
            .into()),
        };
    }
    if chosen.is_empty() || !chosen.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Err(format!(
            "`REGIONGUARD_ENVOY_VERSION` is `{chosen}`: write a version like `1.40.0`, or a path with a `/` in it"
        )
        .into());
    }
    envoy_of(
        &tools_dir().join("envoys").join(chosen),
        &format!("scripts/setup envoy@{chosen}"),
    )
}

/// The program in a Python environment `venv`, which `command` installs.
fn envoy_of(venv: &Path, command: &str) -> Result<PathBuf> {
    let found = read_dir(&venv.join("lib")).into_iter().find_map(|python| {
        let program = python.join("site-packages/envoy/_bin/envoy");
        program.is_file().then_some(program)
    });
    found.ok_or_else(|| format!("no Envoy in `{}`: run `{command}`, which installs it", venv.display()).into())
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
    use super::{chosen_envoy, envoy_config, workspace_root};

    #[test]
    fn the_workspace_root_holds_what_ships() {
        assert!(workspace_root().join("Makefile").is_file());
        assert!(envoy_config("sidecar.yaml").is_file());
        assert!(envoy_config("ecds/regionguard.yaml").is_file());
    }

    #[test]
    fn another_envoy_is_chosen_by_version_or_path() {
        let refusal = |chosen: &str| chosen_envoy(chosen).unwrap_err().to_string();
        assert!(refusal("0.1.2").contains("envoys/0.1.2`: run `scripts/setup envoy@0.1.2`"));
        assert!(refusal("v1.40").contains("`v1.40`: write a version like `1.40.0`"));
        assert!(refusal("").contains("write a version"));
        assert!(refusal("/no/such/envoy").contains("there is no such file"));
        assert_eq!(chosen_envoy("./Makefile").unwrap(), workspace_root().join("./Makefile"));
    }
}
