//! A policy folder that changes as a mounted ConfigMap does: the files of one version stand in a folder of their own, `..data`
//! is a symlink to it, each visible file is a symlink through `..data`, and a new version is one rename of that symlink.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use crate::{Context as _, Result, config, tools};

const FILE: &str = "regionguard.yaml";

/// The folder that an Envoy watches, and the module that its file names.
#[derive(Debug)]
pub struct PolicyFolder {
    path: PathBuf,
    module: PathBuf,
    versions: AtomicU32,
}

impl PolicyFolder {
    /// Makes the folder `path` without a version in it yet: call one of the `write` functions before Envoy starts.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn create(path: impl Into<PathBuf>, module: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        std::fs::create_dir_all(&path).context(|| format!("cannot make the folder `{}`", path.display()))?;
        Ok(Self {
            path,
            module: module.into(),
            versions: AtomicU32::new(0),
        })
    }

    /// The watched folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file that Envoy reads, for people who edit it by hand.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.path.join(FILE)
    }

    /// Writes a version with this bundle in the ECDS file that ships.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, bundle: &Value) -> Result<()> {
        self.write_resource(|resource| resource["typed_config"]["config"]["configuration"]["value"] = bundle.clone())
    }

    /// [`write`](Self::write) with a bundle as YAML text.
    ///
    /// # Errors
    /// When the text is not YAML, or a file cannot be written.
    pub fn write_yaml(&self, bundle: &str) -> Result<()> {
        self.write(&config::parse_yaml(bundle)?)
    }

    /// Writes a version of the ECDS file that ships, its one resource changed by `edit` (the module's path is filled in).
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write_resource(&self, edit: impl FnOnce(&mut Value)) -> Result<()> {
        let mut file = config::read_yaml(&tools::envoy_config("ecds/regionguard.yaml"))?;
        let version = self.versions.load(Ordering::Relaxed) + 1;
        file["version_info"] = json!(version.to_string());
        let resource = file
            .pointer_mut("/resources/0")
            .ok_or("the ECDS file that ships has no resource")?;
        resource["typed_config"]["config"]["vm_config"]["code"]["local"]["filename"] = json!(self.module);
        edit(resource);
        self.write_text(&config::to_yaml(&file)?)
    }

    /// Writes a version whose file is exactly `text`, valid or not.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write_text(&self, text: &str) -> Result<()> {
        let version = self.versions.fetch_add(1, Ordering::Relaxed) + 1;
        let folder = format!("..version_{version}");
        self.swap(&folder, text)
            .context(|| format!("cannot write version {version} in `{}`", self.path.display()))
    }

    fn swap(&self, folder: &str, text: &str) -> std::io::Result<()> {
        use std::os::unix::fs::symlink;

        let data = self.path.join("..data");
        let before = std::fs::read_link(&data).ok();
        std::fs::create_dir(self.path.join(folder))?;
        std::fs::write(self.path.join(folder).join(FILE), text)?;
        let link = self.path.join("..data_tmp");
        symlink(folder, &link)?;
        std::fs::rename(&link, &data)?;
        if before.is_none() {
            symlink(Path::new("..data").join(FILE), self.file())?;
        }
        match before {
            Some(before) => std::fs::remove_dir_all(self.path.join(before)),
            None => Ok(()),
        }
    }
}

/// The example bundle of the ECDS file that ships, for tests that change one thing in it.
///
/// # Errors
/// When the file cannot be read.
pub fn shipped_bundle() -> Result<Value> {
    let file = config::read_yaml(&tools::envoy_config("ecds/regionguard.yaml"))?;
    let bundle = file.pointer("/resources/0/typed_config/config/configuration/value");
    bundle
        .cloned()
        .ok_or_else(|| "the ECDS file that ships holds no bundle".into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{PolicyFolder, shipped_bundle};
    use crate::{RunDir, config};

    #[test]
    fn a_version_replaces_the_one_before_through_the_same_link() {
        let run = RunDir::new("policy-folder").unwrap();
        let folder = PolicyFolder::create(run.path().join("policy"), "/module.wasm").unwrap();
        for name in ["first", "second"] {
            folder
                .write(&json!({"metadata": {"name": name}, "odd": ["NO", "18.10", "09:00", "0x1F", "~", "1e3"]}))
                .unwrap();
            let file = config::read_yaml(&folder.file()).unwrap();
            let bundle = &file["resources"][0]["typed_config"]["config"]["configuration"]["value"];
            assert_eq!(bundle["metadata"]["name"], name);
            assert_eq!(bundle["odd"][1], "18.10");
        }
        let versions = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(versions, 3, "the folder of one version, `..data`, and the file");
        assert!(std::fs::read_link(folder.file()).unwrap().starts_with("..data"));
    }

    #[test]
    fn the_shipped_bundle_is_text_and_numbers_as_written() {
        let bundle = shipped_bundle().unwrap();
        assert_eq!(bundle["metadata"], json!({"name": "shop", "version": 1}));
        assert_eq!(bundle["documents"][0]["spec"]["businessHours"]["from"], "09:00");
    }
}
