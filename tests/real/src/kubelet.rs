//! The kubelet's part that the tests need: ConfigMaps and Secrets, written into folders and kept up to date there.
//!
//! A folder changes as a kubelet changes it (`AtomicWriter` in `k8s.io/kubernetes/pkg/volume/util`): the files of a version stand
//! in a folder of their own, `..data` is a symlink to it, each visible file is a symlink through `..data`, and a new version is
//! one rename of that symlink. Unlike a kubelet, which may take a minute, it writes a change as soon as the API tells of it.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::Result;
use crate::error::Context as _;
use crate::kube::{Change, Kube};

const WAIT: Duration = Duration::from_secs(60);

/// What a volume is made from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Source {
    /// `ConfigMap` or `Secret`.
    pub kind: &'static str,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// Keeps mounted folders up to date until it is dropped.
#[derive(Debug)]
pub struct Kubelet {
    state: Arc<State>,
    _watches: JoinSet<()>,
}

type Files = BTreeMap<String, Vec<u8>>;

#[derive(Debug, Default)]
struct State {
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    objects: HashMap<Source, Files>,
    mounts: Vec<(Source, PathBuf)>,
    errors: Vec<String>,
}

impl Kubelet {
    /// Begins to follow the API.
    #[must_use]
    pub(crate) fn start(kube: &Kube) -> Self {
        let state = Arc::new(State::default());
        let mut watches = JoinSet::new();
        for (kind, plural) in [("ConfigMap", "configmaps"), ("Secret", "secrets")] {
            let (mut watch, state) = (kube.watch(plural), Arc::clone(&state));
            watches.spawn(async move {
                loop {
                    state.take(kind, watch.next().await);
                }
            });
        }
        Self {
            state,
            _watches: watches,
        }
    }

    /// Mounts a volume at `dir`: waits until its source is there, as a pod would, and writes it.
    ///
    /// # Errors
    /// When the source is not there within 20 s, or cannot be written.
    pub async fn mount(&self, source: Source, dir: &Path) -> Result<()> {
        std::fs::create_dir_all(dir).context(|| format!("cannot make the folder `{}`", dir.display()))?;
        let found = tokio::time::timeout(WAIT, async {
            loop {
                let changed = self.state.changed.notified();
                if self.state.begin(&source, dir)? {
                    return Ok(());
                }
                changed.await;
            }
        });
        let Source { kind, namespace, name } = &source;
        found
            .await
            .context(|| format!("no {kind} `{namespace}/{name}` to mount within {WAIT:?}"))?
    }

    /// No longer keeps what is mounted under `dir` up to date.
    pub(crate) fn forget(&self, dir: &Path) {
        self.state
            .lock()
            .mounts
            .retain(|(_, mounted)| !mounted.starts_with(dir));
    }

    /// What could not be written since the start.
    #[must_use]
    pub fn errors(&self) -> Vec<String> {
        self.state.lock().errors.clone()
    }
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, kind: &'static str, change: Change) {
        let object = match change {
            Change::Present(object) => object,
            // What is deleted stays in the folders where it is mounted, as with a kubelet.
            Change::Gone(object) => {
                self.lock().objects.remove(&source(kind, &object));
                return;
            }
        };
        let source = source(kind, &object);
        let files = files(kind, &object);
        let mut inner = self.lock();
        let dirs = inner.mounts.iter().filter(|(mounted, _)| *mounted == source);
        let errors: Vec<String> = dirs
            .filter_map(|(_, dir)| write(dir, &files).err().map(|error| error.to_string()))
            .collect();
        inner.errors.extend(errors);
        inner.objects.insert(source, files);
        drop(inner);
        self.changed.notify_waiters();
    }

    /// Writes the volume for the first time, where its source is there.
    fn begin(&self, source: &Source, dir: &Path) -> Result<bool> {
        let mut inner = self.lock();
        let Some(files) = inner.objects.get(source) else {
            return Ok(false);
        };
        write(dir, files)?;
        inner.mounts.push((source.clone(), dir.to_owned()));
        Ok(true)
    }
}

fn source(kind: &'static str, object: &Value) -> Source {
    let field = |name: &str| object["metadata"][name].as_str().unwrap_or_default().to_owned();
    Source {
        kind,
        namespace: field("namespace"),
        name: field("name"),
    }
}

fn files(kind: &str, object: &Value) -> Files {
    let entries = |field: &str| object[field].as_object().into_iter().flatten();
    let mut files = Files::new();
    for (name, value) in entries("data") {
        let value = value.as_str().unwrap_or_default();
        let content = if kind == "Secret" {
            decoded(value)
        } else {
            value.as_bytes().to_vec()
        };
        files.insert(name.clone(), content);
    }
    for (name, value) in entries("binaryData") {
        files.insert(name.clone(), decoded(value.as_str().unwrap_or_default()));
    }
    files
}

fn write(dir: &Path, files: &Files) -> Result<()> {
    swap(dir, files).context(|| format!("cannot write the volume `{}`", dir.display()))
}

fn swap(dir: &Path, files: &Files) -> std::io::Result<()> {
    use std::os::unix::fs::symlink;

    let data = dir.join("..data");
    let before = std::fs::read_link(&data).ok();
    if before.is_some() && current(&data)? == *files {
        return Ok(());
    }
    let version = version_name();
    std::fs::create_dir(dir.join(&version))?;
    for (name, content) in files {
        std::fs::write(dir.join(&version).join(name), content)?;
    }
    let link = dir.join("..data_tmp");
    symlink(&version, &link)?;
    std::fs::rename(&link, &data)?;
    for name in files.keys() {
        let visible = dir.join(name);
        if visible.symlink_metadata().is_err() {
            symlink(Path::new("..data").join(name), visible)?;
        }
    }
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with("..") && !files.contains_key(&name) {
            std::fs::remove_file(entry.path())?;
        }
    }
    match before {
        Some(before) => std::fs::remove_dir_all(dir.join(before)),
        None => Ok(()),
    }
}

fn current(data: &Path) -> std::io::Result<Files> {
    let mut files = Files::new();
    for entry in std::fs::read_dir(data)? {
        let entry = entry?;
        files.insert(
            entry.file_name().to_string_lossy().into_owned(),
            std::fs::read(entry.path())?,
        );
    }
    Ok(files)
}

/// As a kubelet's, it begins with two dots, names the moment, and is never used twice.
fn version_name() -> String {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    format!("..{}.{:09}", now.as_secs(), now.subsec_nanos())
}

fn decoded(text: &str) -> Vec<u8> {
    use base64::Engine as _;

    // The API gives only what it has encoded itself.
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use regionguard_harness::RunDir;
    use serde_json::json;

    use super::{Files, files, swap};

    fn of(entries: &[(&str, &str)]) -> Files {
        entries
            .iter()
            .map(|(name, content)| ((*name).to_owned(), content.as_bytes().to_vec()))
            .collect()
    }

    #[test]
    fn a_version_replaces_the_one_before_as_a_whole() {
        let run = RunDir::new("kubelet").unwrap();
        let dir = run.path();
        swap(dir, &of(&[("a", "1"), ("b", "1")])).unwrap();
        let first = std::fs::read_link(dir.join("..data")).unwrap();
        swap(dir, &of(&[("a", "1"), ("b", "1")])).unwrap();
        assert_eq!(
            std::fs::read_link(dir.join("..data")).unwrap(),
            first,
            "nothing changed"
        );
        swap(dir, &of(&[("a", "2"), ("c", "2")])).unwrap();
        assert_ne!(std::fs::read_link(dir.join("..data")).unwrap(), first);
        assert_eq!(std::fs::read_to_string(dir.join("a")).unwrap(), "2");
        assert_eq!(
            std::fs::read_link(dir.join("c")).unwrap(),
            std::path::Path::new("..data/c")
        );
        assert!(dir.join("b").symlink_metadata().is_err());
        assert!(!dir.join(first).exists());
    }

    #[test]
    fn a_secret_is_decoded_and_a_config_map_is_not() {
        let secret = json!({"data": {"key": "aGVsbG8="}});
        assert_eq!(files("Secret", &secret), of(&[("key", "hello")]));
        let map = json!({"data": {"key": "aGVsbG8="}, "binaryData": {"raw": "aGVsbG8="}});
        assert_eq!(files("ConfigMap", &map), of(&[("key", "aGVsbG8="), ("raw", "hello")]));
    }
}
