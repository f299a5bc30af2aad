//! What fuzzers found worth keeping holds, without a fuzzer.

use std::fs;
use std::path::Path;

#[test]
fn token() {
    replay("token", regionguard_fuzz::token);
}

#[test]
fn jwks() {
    replay("jwks", regionguard_fuzz::jwks);
}

#[test]
fn status_list() {
    replay("status_list", regionguard_fuzz::status_list);
}

#[test]
fn revocations() {
    replay("revocations", regionguard_fuzz::revocations);
}

#[test]
fn bundle() {
    replay("bundle", regionguard_fuzz::bundle);
}

#[test]
fn edge() {
    replay("edge", regionguard_fuzz::edge);
}

#[test]
fn path() {
    replay("path", regionguard_fuzz::path);
}

#[test]
fn proof() {
    replay("proof", regionguard_fuzz::proof);
}

#[test]
fn cel() {
    replay("cel", regionguard_fuzz::cel);
}

fn replay(name: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("`{}`: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    assert!(files.len() >= 10, "{name}: only {} files", files.len());
    for file in &files {
        // So that the name of the file stands above what it broke.
        println!("{}", file.display());
        target(&fs::read(file).expect("readable"));
    }
}
