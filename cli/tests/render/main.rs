//! `regionguard render`: what is shipped is what it writes, and nothing that is put in becomes anything but a value.

mod drift;
mod hostile;
mod meaning;
mod place;
mod sizes;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace")
}

/// `regionguard render …` from the root of the repository.
fn render(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_regionguard"))
        .arg("render")
        .args(args)
        .current_dir(root())
        .output()
        .expect("runs")
}

/// What it prints, where it succeeds.
fn printed(args: &[&str]) -> String {
    let output = render(args);
    assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// What it says where it fails.
fn refused(args: &[&str]) -> String {
    let output = render(args);
    assert!(!output.status.success(), "{args:?} was not refused");
    assert!(output.stdout.is_empty(), "{args:?} printed something");
    stderr(&output)
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// All documents of a YAML text.
fn documents(text: &str) -> Vec<serde_json::Value> {
    let all: Vec<serde_json::Value> =
        serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    all.into_iter().filter(|document| !document.is_null()).collect()
}

/// A folder of documents made for one test, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        for (file, text) in files {
            std::fs::write(path.join(file), text).expect("a file");
        }
        Self(path)
    }

    fn as_str(&self) -> &str {
        self.0.to_str().expect("UTF-8")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
