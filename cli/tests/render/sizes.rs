//! What fits into one object of Kubernetes, and what is said where it does not.

use super::{Folder, printed, refused, render, stderr};

/// A folder whose bundle has about so many KiB.
fn folder(name: &str, kibibytes: usize) -> Folder {
    // About a KiB for each policy.
    let path = "x".repeat(800);
    let mut policies = String::new();
    for number in 0..kibibytes {
        policies.push_str(&format!(
            "---\napiVersion: security.io/v1\nkind: ZeroTrustPolicy\nmetadata: {{name: policy-{number}}}\nspec:\n  rules:\n    - {{name: a, paths: [\"/{number}/{path}\"], methods: [GET], permissions: {{anyOf: [\"read:a\"]}}, effect: allow}}\n"
        ));
    }
    let head = "region: us-east-1\nmetadata: {name: shop, version: 1}\ntrust: {hosts: [api.example.com]}\n";
    let region = "apiVersion: security.io/v1\nkind: Region\nmetadata: {name: us-east-1}\nspec:\n  issuer: i\n  audiences: [a]\n  keys: {jwks: {keys: [{kty: OKP, kid: k, crv: Ed25519, x: h2lx9FcXZGXxm66dZaMjc5TMMTVAXGJqBrsAVEmftOc}]}}\n";
    Folder::new(
        name,
        &[
            ("bundle.yaml", head),
            ("regions.yaml", region),
            ("rules.yaml", &policies),
        ],
    )
}

#[test]
fn a_small_one_needs_nothing() {
    let folder = folder("small", 100);
    for target in ["wasmplugin", "trafficextension", "configmap"] {
        let output = render(&[
            target,
            folder.as_str(),
            "--namespace",
            "shop",
            "--sha256",
            &"1".repeat(64),
        ]);
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{target}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn a_large_one_needs_server_side_apply() {
    let folder = folder("large", 400);
    for target in ["wasmplugin", "trafficextension", "configmap"] {
        let output = render(&[target, folder.as_str(), "--namespace", "shop"]);
        assert!(output.status.success(), "{target}: {}", stderr(&output));
        assert!(
            stderr(&output).contains("--server-side"),
            "{target}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn one_that_no_api_server_takes_is_refused() {
    let folder = folder("too-large", 960);
    for target in [
        "wasmplugin",
        "trafficextension",
        "configmap",
        "istio",
        "kustomize",
        "helm",
        "helm-values",
    ] {
        let said = refused(&[target, folder.as_str(), "--namespace", "shop"]);
        assert!(
            said.contains("900 KiB") && said.contains("split the bundle"),
            "{target}: {said}"
        );
    }
    // A file on disk has no such limit.
    assert!(printed(&["ecds", folder.as_str()]).len() > 900 << 10);
}
