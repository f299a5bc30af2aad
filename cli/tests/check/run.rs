//! Running the binary.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What a run wrote and how it ended.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs `regionguard` with these arguments in `folder`, with no terminal and none of the variables that colours depend on.
pub(crate) fn regionguard(folder: &Path, arguments: &[&str]) -> Run {
    with_variables(folder, arguments, &[])
}

/// As [`regionguard`], with these environment variables.
pub(crate) fn with_variables(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_regionguard"));
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
        command.env_remove(name);
    }
    let Output { status, stdout, stderr } = command
        .current_dir(folder)
        .args(arguments)
        .envs(variables.iter().copied())
        .output()
        .expect("the binary runs");
    Run {
        code: status.code().expect("an exit code"),
        stdout: String::from_utf8(stdout).expect("UTF-8"),
        stderr: String::from_utf8(stderr).expect("UTF-8"),
    }
}

/// The root of the workspace.
pub(crate) fn workspace() -> PathBuf {
    let cli = Path::new(env!("CARGO_MANIFEST_DIR"));
    cli.parent().expect("a workspace around the crate").to_owned()
}

/// A folder of this test's own, empty.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("check").join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("the folder of an earlier run goes away");
    }
    fs::create_dir_all(&folder).expect("a folder for the test");
    folder
}

/// A folder with these files.
pub(crate) fn folder_of(name: &str, files: &[(&str, &[u8])]) -> PathBuf {
    let folder = folder(name);
    for (file, bytes) in files {
        fs::write(folder.join(file), bytes).expect("a file for the test");
    }
    folder
}
