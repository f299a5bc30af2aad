//! The command itself: arguments, colours, exit codes, what is said of wrong paths.

use serde_json::Value;

use crate::run::{Run, folder, folder_of, regionguard, with_variables, workspace};

const BROKEN: &[u8] = b"metadata: {name: SHOP, version: 1}\n";
const WARNED: &[u8] = b"metadata: {name: shop, version: 1}\ndocuments: [{apiVersion: security.io/v1, kind: ZeroTrustPolicy, metadata: {name: shop}, spec: {default: allow, context: {time_restrictions: [{business_hours: true}]}}}]\n";

/// Both examples: one names clusters of plain Envoy, the other one those of Istio.
#[test]
fn what_comes_next_works() {
    for folder in ["envoy-config/documents", "envoy-config/istio/documents"] {
        let said = regionguard(&workspace(), &["check", folder]).stdout;
        let (_, next) = said.split_once("next: `regionguard ").expect("a command");
        let (command, _) = next.split_once('`').expect("its end");
        let command = command.replace("NAMESPACE", "shop");
        let run = regionguard(&workspace(), &command.split(' ').collect::<Vec<_>>());
        assert_eq!(run.code, 0, "{command}: {}", run.stderr);
    }
}

#[test]
fn without_arguments_it_says_how_to_begin() {
    let run = regionguard(&workspace(), &[]);
    assert_eq!(run.code, 2);
    assert!(
        run.stderr.contains("Begin with `regionguard check FOLDER`"),
        "{}",
        run.stderr
    );
    for command in ["check", "render", "image"] {
        assert!(run.stderr.contains(&format!("\n  {command} ")), "{}", run.stderr);
    }
}

#[test]
fn it_says_its_version() {
    let run = regionguard(&workspace(), &["--version"]);
    assert_eq!(run.stdout, concat!("regionguard ", env!("CARGO_PKG_VERSION"), "\n"));
    assert_eq!(run.code, 0);
}

#[test]
fn no_path_is_a_mistake_in_usage() {
    let run = regionguard(&workspace(), &["check"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("<PATH>"), "{}", run.stderr);
}

#[test]
fn paths_that_lead_to_nothing() {
    let empty = folder("nothing");
    let other = folder_of("no-yaml", &[("notes.txt", b"metadata: {}\n")]);
    for (folder, path, said) in [
        (&empty, "missing.yaml", "cannot be read"),
        (&empty, ".", "the folder holds no documents"),
        (&other, ".", "the folder holds no documents"),
    ] {
        let run = regionguard(folder, &["check", path]);
        assert_eq!(run.code, 2, "{}", run.stdout);
        assert!(run.stdout.contains(said) && run.stdout.contains(path), "{}", run.stdout);
    }
}

#[test]
fn colours_are_for_terminals_and_who_asks_for_them() {
    let folder = folder_of("colours", &[("a.yaml", BROKEN)]);
    let coloured = |variables: &[(&str, &str)]| {
        let Run { stdout, .. } = with_variables(&folder, &["check", "."], variables);
        stdout.contains('\u{1b}')
    };
    assert!(!coloured(&[]));
    assert!(!coloured(&[("CLICOLOR", "1")]));
    assert!(coloured(&[("CLICOLOR_FORCE", "1")]));
    assert!(coloured(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "")]));
    assert!(!coloured(&[("CLICOLOR_FORCE", "0")]));
    assert!(!coloured(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
}

#[test]
fn warnings_pass_unless_it_is_strict() {
    let folder = folder_of("warned", &[("a.yaml", WARNED)]);
    let run = regionguard(&folder, &["check", "."]);
    assert_eq!(run.code, 0, "{}", run.stdout);
    assert!(
        run.stdout.contains("warning[suspicious]: there is no Region"),
        "{}",
        run.stdout
    );
    assert!(
        run.stdout
            .contains("next: `regionguard render istio . --namespace NAMESPACE`"),
        "{}",
        run.stdout
    );
    let run = regionguard(&folder, &["check", "--strict", "."]);
    assert_eq!(run.code, 1, "{}", run.stdout);
}

#[test]
fn what_to_do_next_fits_the_centers() {
    for (documents, next) in [
        ("envoy-config/documents", "ecds envoy-config/documents`"),
        (
            "envoy-config/istio/documents",
            "istio envoy-config/istio/documents --namespace NAMESPACE`",
        ),
    ] {
        let run = regionguard(&workspace(), &["check", documents]);
        let next = format!("next: `regionguard render {next}");
        assert!(run.stdout.contains(&next), "{}", run.stdout);
    }
}

#[test]
fn json_is_one_object_whatever_happens() {
    let folder = folder_of("json", &[("a.yaml", WARNED), ("b.txt", b"")]);
    let json = |path: &str| -> Value {
        let run = regionguard(&folder, &["check", "--format", "json", path]);
        serde_json::from_str(&run.stdout).expect("JSON")
    };
    let said = json(".");
    assert_eq!(said["bundle"]["name"], "shop");
    assert_eq!(said["bundle"]["version"], 1);
    assert_eq!(said["bundle"]["digest"].as_str().map(str::len), Some(64));
    assert_eq!(said["warnings"][0]["code"], "suspicious");
    assert_eq!(said["files"], serde_json::json!(["./a.yaml"]));
    let said = json("missing.yaml");
    assert_eq!(said["errors"][0]["code"], "unreadable");
    assert_eq!(said["errors"][0]["file"], "missing.yaml");
    assert_eq!(said["errors"][0]["line"], Value::Null);
    assert_eq!(said["bundle"], Value::Null);
}

#[test]
fn a_large_bundle_is_told_what_it_needs() {
    let rule = |number: usize| {
        format!(
            "        - {{name: rule-{number}, paths: [\"/a-path-that-takes-some-space/{{number}}/{number}\"], identity: none, effect: allow}}\n"
        )
    };
    let of = |rules: usize| {
        let head = "metadata: {name: shop, version: 1}\ndocuments:\n  - apiVersion: security.io/v1\n    kind: ZeroTrustPolicy\n    metadata: {name: shop}\n    spec:\n      rules:\n";
        let rules: String = (0..rules).map(rule).collect();
        format!("{head}{rules}")
    };
    for (rules, said) in [(10, None), (3_000, Some("--server-side")), (9_000, Some("900 KiB"))] {
        let folder = folder_of("size", &[("a.yaml", of(rules).as_bytes())]);
        let run = regionguard(&folder, &["check", "."]);
        assert_eq!(run.code, 0, "{}", run.stdout);
        assert!(run.stdout.contains("KiB as JSON"), "{}", run.stdout);
        match said {
            Some(said) => assert!(run.stdout.contains(said), "{}", run.stdout),
            None => assert!(!run.stdout.contains("\nnote:"), "{}", run.stdout),
        }
    }
}

#[test]
fn kinds_that_are_missing_or_wrong() {
    let head = b"metadata: {name: shop, version: 1}\n";
    for (name, document, said) in [
        (
            "kind-missing",
            "apiVersion: security.io/v1\nmetadata: {name: shop}\nspec: {rules: []}\n",
            "error[missing]: `kind` is missing\n --> ./policy.yaml:1:1\n",
        ),
        (
            "kind-wrong",
            "apiVersion: security.io/v1\nkind: PolicyTests\nmetadata: {name: shop}\nspec: {}\n",
            "help: a `PolicyTest` stands beside them, in a file of its own\n",
        ),
    ] {
        let folder = folder_of(name, &[("head.yaml", head), ("policy.yaml", document.as_bytes())]);
        let run = regionguard(&folder, &["check", "."]);
        assert_eq!(run.code, 1, "{}{}", run.stdout, run.stderr);
        assert!(run.stdout.contains(said), "{}", run.stdout);
        assert!(!run.stdout.contains("several-bundles"), "{}", run.stdout);
    }
    let document: &[u8] = b"metadata: {name: shop, version: 1}\ndocuments: [{apiVersion: security.io/v1, kind: PolicyTest, metadata: {name: shop}, spec: {}}]\n";
    let run = regionguard(&folder_of("kind-inside", &[("bundle.yaml", document)]), &["check", "."]);
    assert!(!run.stdout.contains("help: a `PolicyTest`"), "{}", run.stdout);
}
