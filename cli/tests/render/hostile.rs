//! Values that would be something else than a value if they were put into a text as they are.

use super::{Folder, documents, printed, refused};

const DOCUMENTS: &str = "envoy-config/istio/documents";

/// What ends a value, begins a field, a document or a comment, or is an expression of Helm, of a shell or of YAML.
const HOSTILE: &[&str] = &[
    "a\nspec: {}",
    "a\n---\nkind: Secret",
    "a: b",
    "a #b",
    "a\"b",
    "a'b",
    "{{ .Values.x }}",
    "${HOME}",
    "*a",
    "&a",
    "!a",
    "a,b",
    "a b",
    "..",
    "a/../b",
    "A",
    "",
    "é",
    "a\u{2028}b",
    "a\u{0}b",
];

#[test]
fn options_that_are_names_take_nothing_else() {
    for option in [
        "--name",
        "--namespace",
        "--gateway",
        "--pull-secret",
        "--policy-configmap",
        "--sha256",
        "--image",
        "--policy-file",
        "--module-file",
        "--center-identity",
        "--center",
        "--selector",
    ] {
        for value in HOSTILE.iter().filter(|value| !value.contains('\0')) {
            // The value behind `=`, so that it is never taken for an option of its own.
            let argument = format!("{option}={value}");
            let said = refused(&["istio", DOCUMENTS, "--scope", "gateway", &argument]);
            assert!(said.contains(option), "{argument:?}: {said}");
        }
    }
}

#[test]
fn what_is_nearly_an_image_is_refused() {
    let zeros = "0".repeat(64);
    for image in [
        "registry.example.com/a",
        "https://registry.example.com/a",
        "oci://registry.example.com",
        "oci://registry.example.com/",
        "oci://registry.example.com//a",
        "oci://registry.example.com/A",
        "oci://registry.example.com/a:b:c",
        "oci://registry.example.com/a/..",
        "oci://user:secret@registry.example.com/a",
        "oci://registry.example.com:0/a",
        "oci://registry.example.com:99999/a",
        &format!("oci://registry.example.com/a@sha256:{zeros}"),
    ] {
        refused(&["wasmplugin", DOCUMENTS, "--namespace", "shop", "--image", image]);
    }
    for digest in [
        "",
        "0",
        &zeros[1..],
        &format!("{zeros}0"),
        &"A".repeat(64),
        &format!("sha256:{zeros}"),
    ] {
        refused(&[
            "wasmplugin",
            DOCUMENTS,
            "--namespace",
            "shop",
            &format!("--sha256={digest}"),
        ]);
    }
}

#[test]
fn a_group_may_have_any_name_and_stays_one_string() {
    for group in [
        "a\"] || true || [\"",
        "a\\",
        "team: ops",
        "{{ x }}",
        "---",
        "日本",
        "o'brien",
        "a, b",
    ] {
        let text = printed(&[
            "istio",
            DOCUMENTS,
            "--namespace",
            "shop",
            &format!("--operator-group={group}"),
        ]);
        let policy = documents(&text)
            .into_iter()
            .find(|document| document["kind"] == "ValidatingAdmissionPolicy")
            .expect("a policy");
        let expression = policy["spec"]["variables"][0]["expression"]
            .as_str()
            .expect("an expression");
        let groups: Vec<String> = serde_json::from_str(expression).expect("a list");
        assert_eq!(groups, [group]);
    }
    for group in ["", "a\nb", "a\tb"] {
        refused(&[
            "istio",
            DOCUMENTS,
            "--namespace",
            "shop",
            &format!("--operator-group={group}"),
        ]);
    }
}

/// Texts in documents are anything that the documents may hold; each stands in each form as it was.
#[test]
fn a_text_of_the_documents_stays_the_same_text() {
    let texts = [
        "NO",
        "18.10",
        "09:00",
        "1e3",
        "~",
        "null",
        "- a",
        "a: b",
        "a # b",
        "---",
        "...",
        "{{ .Values.x }}",
        "<<x>>",
        "<<end>>",
        "\"quoted\"",
        "it's",
        "back\\slash",
        "%percent",
        "@at",
        "`tick",
        "=",
        "日本 🦀",
    ];
    for text in texts {
        let quoted = serde_json::Value::from(text).to_string();
        let bundle = format!(
            r#"{{"metadata": {{"name": "shop", "version": 1}}, "documents": [{{"apiVersion": "security.io/v1", "kind": "Region",
            "metadata": {{"name": "us-east-1"}}, "spec": {{"issuer": {quoted}, "audiences": ["a"], "networks": ["10.0.0.0/8"],
            "keys": {{"jwks": {{"keys": [{{"kty": "OKP", "kid": "y", "crv": "Ed25519", "x": "h2lx9FcXZGXxm66dZaMjc5TMMTVAXGJqBrsAVEmftOc"}}]}}}}}}}},
            {{"apiVersion": "security.io/v1", "kind": "ZeroTrustPolicy", "metadata": {{"name": "p"}}, "spec": {{"default": "allow"}}}}]}}"#
        );
        let folder = Folder::new("texts", &[("bundle.json", &bundle)]);
        let written: serde_json::Value = serde_json::from_str(&bundle).expect("JSON");
        let of = |target: &str| documents(&printed(&[target, folder.as_str(), "--namespace", "shop"])).remove(0);
        assert_eq!(of("wasmplugin")["spec"]["pluginConfig"], written, "{text:?}");
        assert_eq!(
            of("trafficextension")["spec"]["wasm"]["pluginConfig"],
            written,
            "{text:?}"
        );
        assert_eq!(of("helm-values")["bundle"], written, "{text:?}");
        let in_file = |file: &serde_json::Value| {
            file.pointer("/resources/0/typed_config/config/configuration/value")
                .cloned()
                .expect("a bundle")
        };
        assert_eq!(in_file(&of("ecds")), written, "{text:?}");
        let map = of("configmap");
        let inner = documents(map["data"]["regionguard.yaml"].as_str().expect("a text")).remove(0);
        assert_eq!(in_file(&inner), written, "{text:?}");
    }
}

/// Whoever may write into the folder must not choose another file that is written.
#[cfg(unix)]
#[test]
fn no_link_is_followed_and_nothing_is_left_half_written() {
    use std::fs;
    use std::os::unix::fs::symlink;

    let folder = Folder::new("links", &[("mine", "mine")]);
    fs::create_dir_all(folder.0.join("elsewhere")).expect("a folder");
    let out = |name: &str| {
        let out = folder.0.join(name);
        fs::create_dir_all(&out).expect("a folder");
        out
    };
    let rendered = |out: &std::path::Path| {
        [
            "kustomize",
            DOCUMENTS,
            "--namespace",
            "shop",
            "--out",
            out.to_str().expect("UTF-8"),
        ]
        .map(str::to_owned)
    };

    let (file, inner, dangling) = (out("file"), out("inner"), out("dangling"));
    fs::create_dir(file.join("base")).expect("a folder");
    symlink(folder.0.join("mine"), file.join("base/interlock.yaml")).expect("a link");
    symlink(folder.0.join("elsewhere"), inner.join("base")).expect("a link");
    symlink(folder.0.join("nowhere"), dangling.join("cluster")).expect("a link");
    for (out, named) in [(&file, "interlock.yaml"), (&inner, "base`"), (&dangling, "cluster`")] {
        let args = rendered(out);
        let said = refused(&args.each_ref().map(String::as_str));
        assert!(
            said.contains(named) && said.contains("links are not followed"),
            "{said}"
        );
        // What came before it was not written either.
        assert!(!out.join("overlays").exists(), "{said}");
    }
    assert_eq!(fs::read_to_string(folder.0.join("mine")).expect("a file"), "mine");
    assert_eq!(fs::read_dir(folder.0.join("elsewhere")).expect("a folder").count(), 0);
    assert!(!folder.0.join("nowhere").exists());

    // A file of before is replaced, and who holds it open, or by another name, keeps what it was.
    let again = out("again");
    fs::create_dir(again.join("base")).expect("a folder");
    fs::hard_link(folder.0.join("mine"), again.join("base/interlock.yaml")).expect("another name");
    let args = rendered(&again);
    printed(&args.each_ref().map(String::as_str));
    assert_eq!(fs::read_to_string(folder.0.join("mine")).expect("a file"), "mine");
    let written = fs::read_to_string(again.join("base/interlock.yaml")).expect("a file");
    assert!(written.contains("regionguard-interlock"));
    let names = fs::read_dir(again.join("base")).expect("a folder");
    for name in names.map(|entry| entry.expect("an entry").file_name()) {
        assert!(!name.as_encoded_bytes().starts_with(b"."), "{name:?} was left behind");
    }
}

#[test]
fn options_that_exclude_each_other_are_refused() {
    for (args, word) in [
        ("--scope namespace --selector a=b", "--selector"),
        ("--scope mesh --selector a=b", "--selector"),
        ("--scope waypoint --selector a=b", "waypoint"),
        ("--scope gateway --gateway g --selector a=b", "--gateway"),
        ("--scope workload --gateway g", "--gateway"),
    ] {
        let mut all = vec!["istio", DOCUMENTS];
        all.extend(args.split(' '));
        let said = refused(&all);
        assert!(said.starts_with("error: ") && said.contains(word), "{args}: {said}");
    }
}
