//! The image on disk: an OCI image layout, as a folder or as one tar.

use std::ffi::OsString;
use std::path::Path;

use super::layer::{self, File};
use super::manifest::Image;
use super::{Result, at};

const MARKER: &str = "oci-layout";

/// Writes the layout into the folder `out`. An earlier layout is replaced; a folder with anything else in it is left alone.
pub(super) fn write(out: &Path, image: &Image, tag: &str) -> Result<()> {
    clear(out)?;
    for (path, content) in files(image, tag)? {
        let path = out.join(path);
        let folder = path.parent().unwrap_or(out);
        std::fs::create_dir_all(folder).map_err(|error| at(folder, "create", error))?;
        std::fs::write(&path, content).map_err(|error| at(&path, "write", error))?;
    }
    Ok(())
}

/// Writes the layout as the tar `file`.
pub(super) fn write_tar(file: &Path, image: &Image, tag: &str, seconds: u64) -> Result<()> {
    let files = files(image, tag)?;
    let files: Vec<File> = files.iter().map(|(path, content)| File::new(path, content)).collect();
    std::fs::write(file, layer::tar(&files, seconds)?).map_err(|error| at(file, "write", error))
}

fn files(image: &Image, tag: &str) -> Result<Vec<(String, Vec<u8>)>> {
    let mut files = vec![
        (MARKER.to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
        ("index.json".to_owned(), image.index(tag)?),
    ];
    for blob in image.blobs() {
        let path = format!("blobs/{}", blob.descriptor.digest.replacen(':', "/", 1));
        files.push((path, blob.content.clone()));
    }
    Ok(files)
}

/// Removes an earlier layout from `out`, and nothing else.
fn clear(out: &Path) -> Result<()> {
    let entries = match std::fs::read_dir(out) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(|error| at(out, "write into", error))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.map_err(|error| at(out, "list", error))?.file_name());
    }
    if names.is_empty() {
        return Ok(());
    }
    let known = |name: &OsString| ["blobs", "index.json", MARKER].iter().any(|known| name == known);
    let is_layout = names.iter().any(|name| name == MARKER);
    if let Some(name) = names.iter().find(|name| !is_layout || !known(name)) {
        return Err(format!(
            "`{}` holds `{}`, which is no part of an image: name a folder that is new, empty, or an earlier image",
            out.display(),
            name.display()
        ));
    }
    // The marker goes last: a removal that was broken off can be taken up again.
    for name in ["index.json", "blobs", MARKER] {
        remove(&out.join(name))?;
    }
    Ok(())
}

fn remove(path: &Path) -> Result<()> {
    let removed = match path.symlink_metadata() {
        Ok(data) if data.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(at(path, "remove", error)),
        _ => Ok(()),
    }
}
