//! Which crates are in the module: what cargo links into the filter for its target, asked of cargo itself.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use super::{Result, at};

const FILTER: &str = "regionguard-http-authz";
const TARGET: &str = "wasm32-wasip1";

/// The module's crates.
#[derive(Debug)]
pub(super) struct Crates {
    /// The filter itself.
    pub(super) root: Key,
    /// By name and version, the filter among them.
    pub(super) packages: BTreeMap<Key, Package>,
    /// The Rust release whose standard library is linked.
    pub(super) rust: String,
}

/// A crate's name and version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) version: String,
}

/// What is known of a crate.
#[derive(Debug)]
pub(super) struct Package {
    /// An SPDX expression; absent where the crate gives a file only.
    pub(super) licence: Option<String>,
    pub(super) repository: Option<String>,
    /// The SHA-256 of what the registry delivers; absent for the crates of the checkout.
    pub(super) checksum: Option<String>,
    /// Where its sources are on this machine.
    pub(super) directory: PathBuf,
    pub(super) depends_on: BTreeSet<Key>,
}

/// Asks cargo for the crates that the filter in the checkout `workspace` links, without those that only run at build time.
pub(super) fn linked_into_the_module(workspace: &Path) -> Result<Crates> {
    let lock = workspace.join("Cargo.lock");
    let locked = std::fs::read_to_string(&lock).map_err(|error| {
        let help = "run this in the checkout of Regionguard, or name that by `--workspace`";
        format!("{}; {help}", at(&lock, "read", error))
    })?;
    let checksums = checksums(&locked).map_err(|error| at(&lock, "read", error))?;
    let toolchain = workspace.join("rust-toolchain.toml");
    let rust = std::fs::read_to_string(&toolchain).map_err(|error| at(&toolchain, "read", error))?;
    let rust = channel(&rust).map_err(|error| at(&toolchain, "read", error))?;
    let (root, edges) = tree(&cargo(workspace, &TREE)?)?;
    let described = cargo(workspace, &METADATA)?;
    let described: Metadata = serde_json::from_str(&described).map_err(|error| format!("`cargo metadata`: {error}"))?;
    let described = described.packages.into_iter().map(|package| {
        let key = Key {
            name: package.name.clone(),
            version: package.version.clone(),
        };
        (key, package)
    });
    let mut described: BTreeMap<Key, MetadataPackage> = described.collect();
    let mut packages = BTreeMap::new();
    for (key, depends_on) in edges {
        let known = described
            .remove(&key)
            .ok_or_else(|| format!("`cargo metadata` does not know `{} {}`", key.name, key.version))?;
        let package = Package {
            // The form before SPDX expressions.
            licence: known.license.map(|licence| licence.replace('/', " OR ")),
            repository: known.repository,
            checksum: checksums.get(&key).cloned(),
            directory: known.manifest_path.parent().unwrap_or(workspace).to_owned(),
            depends_on,
        };
        packages.insert(key, package);
    }
    Ok(Crates { root, packages, rust })
}

const TREE: [&str; 13] = [
    "tree",
    "--locked",
    "--package",
    FILTER,
    "--target",
    TARGET,
    "--edges",
    "normal,no-proc-macro",
    "--prefix",
    "depth",
    "--no-dedupe",
    "--format",
    "|{p}",
];
const METADATA: [&str; 5] = [
    "metadata",
    "--locked",
    "--format-version=1",
    "--filter-platform",
    TARGET,
];

/// What `cargo` with these arguments prints, run in the checkout.
fn cargo(workspace: &Path, arguments: &[&str]) -> Result<String> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let output = Command::new(&program)
        .args(arguments)
        .current_dir(workspace)
        .env("CARGO_TERM_COLOR", "never")
        .output()
        .map_err(|error| {
            format!(
                "cannot run `{}` in `{}`: {error}",
                program.display(),
                workspace.display()
            )
        })?;
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(format!(
            "`cargo {}` failed in `{}`, which has to be a checkout of the module's sources:\n{}",
            arguments.join(" "),
            workspace.display(),
            text(&output.stderr).trim_end()
        )),
    }
}

/// The crates of `cargo tree --prefix depth`, each with those that it depends on; the first line is the root.
fn tree(text: &str) -> Result<(Key, BTreeMap<Key, BTreeSet<Key>>)> {
    let mut edges: BTreeMap<Key, BTreeSet<Key>> = BTreeMap::new();
    let mut above: Vec<Key> = Vec::new();
    for line in text.lines() {
        let (depth, key) =
            tree_line(line).ok_or_else(|| format!("`cargo tree` printed `{line}`, which says no crate"))?;
        above.truncate(depth);
        if let Some(dependent) = above.last() {
            edges.entry(dependent.clone()).or_default().insert(key.clone());
        }
        edges.entry(key.clone()).or_default();
        above.push(key);
    }
    let root = above.first().cloned();
    Ok((
        root.ok_or_else(|| format!("`cargo tree` printed nothing for `{FILTER}`"))?,
        edges,
    ))
}

/// `2|serde v1.0.1 (path)`: how deep, and which crate.
fn tree_line(line: &str) -> Option<(usize, Key)> {
    let (depth, package) = line.split_once('|')?;
    let mut words = package.split(' ');
    let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
    let key = Key {
        name: name.to_owned(),
        version: version.to_owned(),
    };
    Some((depth.parse().ok()?, key))
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<MetadataPackage>,
}

#[derive(Deserialize)]
struct MetadataPackage {
    name: String,
    version: String,
    license: Option<String>,
    repository: Option<String>,
    manifest_path: PathBuf,
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<LockPackage>,
}

#[derive(Deserialize)]
struct LockPackage {
    name: String,
    version: String,
    checksum: Option<String>,
}

fn checksums(lock: &str) -> std::result::Result<BTreeMap<Key, String>, toml::de::Error> {
    let packages = toml::from_str::<Lock>(lock)?.package.into_iter();
    let checksums = packages.filter_map(
        |LockPackage {
             name,
             version,
             checksum,
         }| Some((Key { name, version }, checksum?)),
    );
    Ok(checksums.collect())
}

#[derive(Deserialize)]
struct Toolchain {
    toolchain: Channel,
}

#[derive(Deserialize)]
struct Channel {
    channel: String,
}

fn channel(text: &str) -> std::result::Result<String, toml::de::Error> {
    Ok(toml::from_str::<Toolchain>(text)?.toolchain.channel)
}

#[cfg(test)]
mod tests {
    use super::{Key, tree};

    fn key(name: &str, version: &str) -> Key {
        Key {
            name: name.to_owned(),
            version: version.to_owned(),
        }
    }

    #[test]
    fn the_tree_tells_each_crate_what_it_depends_on() {
        let (root, edges) = tree("0|a v1.0.0 (/src/a)\n1|b v2.0.0\n2|c v3.0.0+x\n1|c v3.0.0+x\n1|d v4.0.0\n").unwrap();
        assert_eq!(root, key("a", "1.0.0"));
        let of = |name: &str, version: &str| {
            edges[&key(name, version)]
                .iter()
                .map(|key| key.name.as_str())
                .collect::<Vec<_>>()
        };
        assert_eq!(of("a", "1.0.0"), ["b", "c", "d"]);
        assert_eq!(of("b", "2.0.0"), ["c"]);
        assert!(of("c", "3.0.0+x").is_empty() && of("d", "4.0.0").is_empty());
        assert_eq!(edges.len(), 4);
    }

    #[test]
    fn what_is_no_tree_is_an_error() {
        for text in ["", "a v1.0.0", "0|a", "x|a v1.0.0", "0|a 1.0.0"] {
            assert!(tree(text).is_err(), "{text}");
        }
    }
}
