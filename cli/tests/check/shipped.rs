//! What the project ships passes its own check.

use std::fs;

use crate::run::{folder, folder_of, regionguard, workspace};

#[test]
fn the_ecds_file_to_start_from_passes() {
    let run = regionguard(&workspace(), &["check", "envoy-config/ecds"]);
    assert_eq!(run.code, 0, "{}", run.stdout);
    assert!(run.stdout.contains("\nok: bundle `shop@1+"), "{}", run.stdout);
}

/// What is meant says so in comments.
#[test]
fn the_folders_to_start_from_have_no_warning() {
    for folder in ["envoy-config/documents", "envoy-config/istio/documents"] {
        let run = regionguard(&workspace(), &["check", "--strict", folder]);
        assert_eq!(run.code, 0, "{}", run.stdout);
        assert!(run.stdout.starts_with("ok: bundle `shop@1+"), "{}", run.stdout);
    }
}

#[test]
fn the_bundle_of_the_readme_passes() {
    let readme = fs::read_to_string(workspace().join("README.md")).expect("the README");
    let (_, after) = readme
        .split_once("```yaml title=bundle\n")
        .expect("a bundle in the README");
    let (bundle, _) = after.split_once("```").expect("the end of the bundle");
    let folder = folder_of("readme", &[("bundle.yaml", bundle.as_bytes())]);
    let run = regionguard(&folder, &["check", "."]);
    assert_eq!(run.code, 0, "{}", run.stdout);
    assert!(run.stdout.starts_with("ok: bundle"), "{}", run.stdout);
}

/// The demo fills in the keys of a run; without them each placeholder is an error that says so.
#[test]
fn the_policies_of_the_demo_pass_once_they_have_keys() {
    let shipped = workspace().join("examples/two-regions/policies");
    let run = regionguard(&shipped, &["check", "."]);
    assert_eq!(run.code, 1);
    assert!(
        run.stdout
            .contains("this looks like a placeholder that nothing filled in"),
        "{}",
        run.stdout
    );

    let keys = [
        ("us-east-1", "x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"),
        ("eu-west-1", "x: h2lx9FcXZGXxm66dZaMjc5TMMTVAXGJqBrsAVEmftOc"),
        ("ap-southeast-1", "x: PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw"),
    ];
    let filled = folder("demo");
    for region in ["us-east-1.yaml", "eu-west-1.yaml"] {
        let mut text = fs::read_to_string(shipped.join(region)).expect("a policy");
        for (name, key) in keys {
            let jwks = format!("{{keys: [{{kty: OKP, crv: Ed25519, kid: one, {key}}}]}}");
            text = text.replace(&format!("\"${{JWKS:{name}}}\""), &jwks);
        }
        fs::write(filled.join(region), text.replace("ES256", "EdDSA")).expect("a filled policy");
    }
    let run = regionguard(&filled, &["check", "."]);
    assert_eq!(run.code, 0, "{}", run.stdout);
    assert_eq!(run.stdout.matches("ok: bundle `shop@1+").count(), 2, "{}", run.stdout);
}
