//! `regionguard fmt` as people and CI run it.

#[path = "check/run.rs"]
mod run;

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use run::{folder_of, regionguard, workspace};

const ODD: &str = "# Ours.\nmetadata: { version: 1, name: shop }   # by hand\nregion: a\n";
const FORMED: &str = "# Ours.\nregion: a\nmetadata: {name: shop, version: 1} # by hand\n";
const MANIFEST: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\n";

#[test]
fn files_are_changed_in_place_or_only_named() {
    let files = [
        ("a.yaml", ODD),
        ("b.yaml", MANIFEST),
        ("c.json", "{ }"),
        ("d.yaml", FORMED),
    ];
    let folder = folder_of("fmt", &files.map(|(name, text)| (name, text.as_bytes())));
    let read = |name: &str| fs::read_to_string(folder.join(name)).expect("a file");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(folder.join("a.yaml"), fs::Permissions::from_mode(0o640)).expect("permissions");
    }
    let run = regionguard(&folder, &["fmt", "--check", "."]);
    assert_eq!((run.code, run.stdout.as_str()), (1, "./a.yaml: would be changed\n"));
    assert!(run.stderr.contains("./b.yaml: left as it is: "), "{}", run.stderr);
    assert_eq!(read("a.yaml"), ODD);

    let run = regionguard(&folder, &["fmt", "."]);
    assert_eq!((run.code, run.stdout.as_str()), (0, "./a.yaml: changed\n"));
    assert_eq!((read("a.yaml").as_str(), read("b.yaml").as_str()), (FORMED, MANIFEST));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(folder.join("a.yaml"))
            .expect("a file")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o640);
    }
    assert_eq!(
        fs::read_dir(&folder).expect("the folder").count(),
        4,
        "nothing is left behind"
    );

    let run = regionguard(&folder, &["fmt", "--check", "."]);
    assert_eq!((run.code, run.stdout.as_str()), (0, ""));
}

#[test]
fn programs_are_told_of_each_file() {
    let files = [
        ("a.yaml", ODD),
        ("b.yaml", MANIFEST),
        ("d.yaml", FORMED),
        ("e.yaml", "a: [\n"),
    ];
    let folder = folder_of("fmt-json", &files.map(|(name, text)| (name, text.as_bytes())));
    let told = |arguments: &[&str], code: i32| {
        let run = regionguard(&folder, arguments);
        assert_eq!(run.code, code, "{}", run.stderr);
        let all: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
        let files = all["files"].as_array().expect("files").iter();
        let states: Vec<String> = files
            .map(|file| format!("{} {}", file["file"], file["state"]))
            .collect();
        (all, states.join(", ").replace('"', ""))
    };
    let (all, states) = told(&["fmt", "--check", "--format", "json", "."], 1);
    assert_eq!(
        states,
        "./a.yaml would-change, ./b.yaml left, ./d.yaml same, ./e.yaml wrong"
    );
    assert_eq!(
        all["files"][1]["why"],
        "it holds more than the head of a bundle and documents"
    );
    let wrong = &all["files"][3]["errors"][0];
    assert_eq!(
        (&wrong["file"], &wrong["line"]),
        (&"./e.yaml".into(), &1.into()),
        "{all:#}"
    );
    let (_, states) = told(&["fmt", "--format", "json", "a.yaml"], 0);
    assert_eq!(states, "a.yaml changed");
    let (all, states) = told(&["fmt", "--format", "json", "none.yaml"], 2);
    assert_eq!((states.as_str(), all["errors"].as_array().map(Vec::len)), ("", Some(1)));
    let run = regionguard(&folder, &["fmt", "--format", "json", "-"]);
    assert_eq!(run.code, 2);
}

#[cfg(unix)]
#[test]
fn a_link_stays_one() {
    let folder = folder_of("fmt-link", &[("a.yaml", ODD.as_bytes())]);
    std::os::unix::fs::symlink("a.yaml", folder.join("link.yaml")).expect("a link");
    assert_eq!(regionguard(&folder, &["fmt", "link.yaml"]).code, 0);
    assert!(
        fs::symlink_metadata(folder.join("link.yaml"))
            .expect("a link")
            .is_symlink()
    );
    assert_eq!(fs::read_to_string(folder.join("a.yaml")).expect("a file"), FORMED);
}

#[test]
fn what_is_no_yaml_and_what_is_not_there_are_told() {
    let folder = folder_of("fmt-wrong", &[("a.yaml", b"metadata: {name: a\n")]);
    let run = regionguard(&folder, &["fmt", "."]);
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("error[yaml-syntax]"), "{}", run.stderr);
    assert_eq!(regionguard(&folder, &["fmt", "missing"]).code, 2);
}

#[test]
fn an_editor_may_ask_by_standard_input() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_regionguard"))
        .args(["fmt", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(ODD.as_bytes())
        .expect("written");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stdout).expect("UTF-8"), FORMED);
}

/// The policies to start from are in form.
#[test]
fn the_examples_are_in_form() {
    let run = regionguard(&workspace(), &["fmt", "--check", "examples/policies"]);
    assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (0, "", ""));
}
