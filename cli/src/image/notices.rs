//! The licences of the crates of others: their texts have to go wherever the module goes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::crates::{Crates, Package};
use super::{Result, at};

/// How the names of files with licences begin, in upper case.
const NAMES: [&str; 6] = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"];

/// How deep the licences of code that a crate took over may lie.
const DEPTH: usize = 4;

/// A text with each licence that the crates of others carry, once, and the crates that it is for.
pub(super) fn of(crates: &Crates) -> Result<String> {
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut list = String::new();
    for (key, package) in &crates.packages {
        if package.checksum.is_none() {
            continue;
        }
        let name = format!("{} {}", key.name, key.version);
        list.push_str(&format!(
            "  {name}: {}\n",
            package.licence.as_deref().unwrap_or("see its text")
        ));
        for text in carried_by(package)? {
            texts.entry(text).or_default().push(name.clone());
        }
    }
    let mut by_crates: Vec<(Vec<String>, String)> = texts.into_iter().map(|(text, names)| (names, text)).collect();
    by_crates.sort();
    let mut all = format!(
        "The module holds code of these crates, and of the standard library of Rust {} (MIT OR Apache-2.0):\n\n{list}",
        crates.rust
    );
    for (names, text) in by_crates {
        all.push_str(&format!(
            "\n{}\n{}\n\n{}\n",
            "=".repeat(80),
            names.join(", "),
            text.trim_end()
        ));
    }
    Ok(all)
}

/// The texts of the licences in a crate's sources, in the order of their paths.
fn carried_by(package: &Package) -> Result<Vec<String>> {
    let mut files = Vec::new();
    collect(&package.directory, DEPTH, &mut files)?;
    files.sort();
    let read = |path: PathBuf| {
        let bytes = std::fs::read(&path).map_err(|error| at(&path, "read", error))?;
        Ok(String::from_utf8_lossy(&bytes).replace("\r\n", "\n"))
    };
    files.into_iter().map(read).collect()
}

fn collect(directory: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = std::fs::read_dir(directory).map_err(|error| at(directory, "list", error))?;
    for entry in entries {
        let entry = entry.map_err(|error| at(directory, "list", error))?;
        let kind = entry.file_type().map_err(|error| at(&entry.path(), "read", error))?;
        let name = entry.file_name().to_string_lossy().to_uppercase();
        if kind.is_dir() && depth > 0 {
            collect(&entry.path(), depth - 1, files)?;
        } else if kind.is_file() && NAMES.iter().any(|begin| name.starts_with(begin)) {
            files.push(entry.path());
        }
    }
    Ok(())
}
