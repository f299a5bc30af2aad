//! The folder that `render` writes into.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Component, Path, PathBuf};

use super::{Failure, File};

/// What makes up a folder that is applied as a whole.
const OBJECTS: &[&str] = &[
    "admission.yaml",
    "centers.yaml",
    "servers.yaml",
    "configmap.yaml",
    "direct-peer.yaml",
    "gateway.yaml",
    "http-only.yaml",
    "interlock.yaml",
    "policy.yaml",
    "stats-tags.yaml",
    "telemetry.yaml",
    "trafficextension.yaml",
    "wasmplugin.yaml",
];

/// For a file the ones that must not be applied beside it, where a part of a folder is written: each of the last three brings the filter.
const RIVALS: &[(&str, &[&str])] = &[
    ("interlock.yaml", &["policy.yaml"]),
    ("policy.yaml", &["wasmplugin.yaml", "trafficextension.yaml"]),
    ("wasmplugin.yaml", &["policy.yaml", "trafficextension.yaml"]),
    ("trafficextension.yaml", &["policy.yaml", "wasmplugin.yaml"]),
];

/// Sees that an earlier run left nothing in `folder` that would be applied with `files`. `whole` says that these are all there is to be in it.
///
/// # Errors
/// When it did; all of it is named.
pub(super) fn no_leftovers(files: &[File], folder: &Path, whole: bool) -> Result<(), Failure> {
    let written = |path: &Path| files.iter().any(|file| Path::new(&file.path) == path);
    let mut left = BTreeSet::new();
    for file in files.iter().map(|file| Path::new(&file.path)) {
        let others = match RIVALS.iter().find(|(name, _)| file.ends_with(name)) {
            _ if whole => OBJECTS,
            Some((_, rivals)) => rivals,
            None => &[],
        };
        let beside = others.iter().map(|other| file.with_file_name(other));
        left.extend(beside.filter(|other| !written(other) && fs::symlink_metadata(folder.join(other)).is_ok()));
    }
    if left.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = left.iter().map(|path| format!("`{}`", path.display())).collect();
    Err(Failure::new(format!(
        "error: `{}` holds what was rendered with other options and would be applied with this: {}; remove it, or give another `--out`",
        folder.display(),
        names.join(", ")
    )))
}

/// Writes `files` into `folder`, each as a new file that takes the place of the one before when it is whole. No link is followed below `folder`:
/// whoever may write there could lead it to a file elsewhere.
///
/// # Errors
/// When one cannot be written, or something else than a file is in its way; nothing is written then.
pub(super) fn write(files: &[File], folder: &Path) -> Result<(), Failure> {
    for file in files {
        free(folder, Path::new(&file.path))?;
    }
    for file in files {
        let path = folder.join(&file.path);
        replace(&path, &file.text)
            .map_err(|error| Failure::Unwritable(format!("error: cannot write `{}`: {error}", path.display())))?;
    }
    Ok(())
}

/// Sees that each part of `path` below `folder` is a folder or not there, and the last one a file or not there.
fn free(folder: &Path, path: &Path) -> Result<(), Failure> {
    let parts: Vec<Component<'_>> = path.components().collect();
    let mut place = folder.to_owned();
    for (at, part) in parts.iter().enumerate() {
        place.push(part);
        let (is_right, right) = match fs::symlink_metadata(&place) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => {
                return Err(Failure::Unwritable(format!(
                    "error: cannot write `{}`: {error}",
                    place.display()
                )));
            }
            Ok(found) if at + 1 == parts.len() => (found.is_file(), "a file"),
            Ok(found) => (found.is_dir(), "a folder"),
        };
        if !is_right {
            return Err(Failure::new(format!(
                "error: cannot write `{}`: what is there is not {right} (links are not followed); take it away, or give another `--out`",
                place.display()
            )));
        }
    }
    Ok(())
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let new = beside(path);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&new)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| fs::rename(&new, path));
    if written
        .as_ref()
        .is_err_and(|error| error.kind() != io::ErrorKind::AlreadyExists)
    {
        // What is there is ours, and of no use. Whether it goes away changes nothing in what is said.
        let _ = fs::remove_file(&new);
    }
    written
}

/// A name that no reader of the folder takes for a manifest, and no other run of the command has.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}", std::process::id()))
}
