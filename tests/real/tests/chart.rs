//! The Helm chart, the kustomize base and the files that `regionguard render` writes make the same objects. Needs no mesh, only `helm` and `kubectl`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use regionguard_harness::tools::{envoy_config, tools_dir};
use serde_json::Value;

/// Objects by kind and name.
type Objects = BTreeMap<(String, String), Value>;

/// A part of a name with more than 63 characters.
const LONG_LABEL: &str = "name=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// The annotation by which Helm leaves an object where it takes a release away.
const KEEP: &str = "helm.sh/resource-policy";

#[test]
fn the_chart_makes_the_objects_of_the_base() {
    assert_same(&helm(&[]), &everything());
}

#[test]
fn kustomize_makes_the_objects_of_the_base() {
    let mut made = kustomize("base");
    made.append(&mut kustomize("cluster"));
    assert_same(&made, &everything());
}

#[test]
fn the_overlay_moves_everything_and_changes_the_image() {
    let objects = kustomize("overlays/shop");
    assert_eq!(
        objects.keys().collect::<Vec<_>>(),
        files("base", &["kustomization.yaml"]).keys().collect::<Vec<_>>()
    );
    for ((kind, name), object) in &objects {
        assert_eq!(object["metadata"]["namespace"], "shop", "{kind} {name}");
    }
    let plugin = &objects[&("WasmPlugin".to_owned(), "regionguard".to_owned())];
    assert_eq!(
        plugin["spec"]["url"],
        "oci://registry.shop.example/regionguard/http-authz:0.1.0"
    );
}

#[test]
fn the_chart_takes_the_policy_from_a_config_map() {
    let args = [
        "--set",
        "scope=workload",
        "--set",
        "selector.app=api",
        "--set",
        "policyFrom=configmap",
    ];
    assert_same(&helm(&args), &files("policy-from-configmap", &[]));
}

/// Another release may need what guards the ConfigMaps of the cluster, and one of another name makes an object of its own.
#[test]
fn helm_leaves_the_guard_of_the_cluster() {
    for (config_map, name) in [
        ("regionguard-policy", "regionguard-policy"),
        ("edge", "edge-regionguard"),
    ] {
        let output = helm_command(&["--set", &format!("policy.configMap={config_map}")])
            .output()
            .expect("helm runs");
        let documents: Vec<Value> =
            serde_saphyr::from_multiple(&String::from_utf8(output.stdout).expect("UTF-8")).expect("YAML");
        for kind in ["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"] {
            let guard = documents.iter().find(|document| document["kind"] == kind).expect(kind);
            assert_eq!(guard["metadata"]["name"], name);
            assert_eq!(guard["metadata"]["annotations"][KEEP], "keep", "{kind}");
        }
    }
}

#[test]
fn the_chart_knows_every_scope() {
    let rows: [(&str, &str, &[&str]); 4] = [
        ("workload", "us-east-1", &["--set", "selector.app=api"]),
        ("mesh", "istio-system", &[]),
        ("gateway", "istio-ingress", &["--set", "selector.istio=ingressgateway"]),
        ("waypoint", "us-east-1", &["--set", "gateway=waypoint"]),
    ];
    for (scope, namespace, more) in rows {
        let scope_is = format!("scope={scope}");
        let mut args = vec!["--namespace", namespace, "--set", &scope_is];
        args.extend(more);
        let objects = helm(&args);
        for (key, expected) in files(scope, &[]) {
            assert_eq!(objects.get(&key), Some(&expected), "{scope}: {key:?}");
        }
    }
}

#[test]
fn the_chart_makes_a_traffic_extension_instead() {
    let args = [
        "--set",
        "scope=workload",
        "--set",
        "selector.app=api",
        "--set",
        "resource=TrafficExtension",
    ];
    let objects = helm(&args);
    assert!(!objects.keys().any(|(kind, _)| kind == "WasmPlugin"));
    for (key, expected) in files("trafficextension", &[]) {
        assert_eq!(objects.get(&key), Some(&expected), "{key:?}");
    }
}

#[test]
fn the_chart_refuses_values_that_do_not_fit() {
    for (value, said) in [
        ("name=a: b", "/name"),
        ("image.sha256=0", "/image/sha256"),
        ("image.url=https://x/y", "/image/url"),
        ("policy.file=relative", "/policy/file"),
        ("scope=workload", "/selector"),
        ("scope=waypoint", "/gateway"),
        ("selector.app=api", "/selector"),
        ("scope=everywhere", "/scope"),
        ("unknown=1", "unknown"),
        ("name=a..b", "/name"),
        (LONG_LABEL, "/name"),
        ("image.url=oci://a..b/c", "/image/url"),
        ("image.url=oci://a:65536/c", "/image/url"),
        ("image.pullSecret=a..b", "/image/pullSecret"),
        ("policy.file=/a/../b", "/policy/file"),
        ("policy.file=/a/..", "/policy/file"),
        ("policy.moduleFile=/./a", "/policy/moduleFile"),
        ("policy.configMap=a/b", "/policy/configMap"),
        ("admission.operatorUsers[0]=a\u{9b}b", "/admission/operatorUsers/0"),
        ("centers[0].identity=spiffe://a/b/../c", "/centers/0/identity"),
        ("centers[0].identity=spiffe://a/b/.", "/centers/0/identity"),
        ("centers[0].identity=spiffe://a", "/centers/0/identity"),
        ("centers[0].host=a..b", "/centers/0/host"),
    ] {
        let output = helm_command(&["--set", value]).output().expect("helm runs");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && error.contains(said), "{value}: {error}");
    }
}

/// What `regionguard render` takes.
#[test]
fn the_chart_takes_values_that_fit() {
    for value in [
        "name=a.b-c",
        "image.url=oci://registry.example.com:5000/a/b.c_d:v1",
        "image.pullSecret=a.b",
        "policy.file=/a/..b/.c/d..e@f",
        "admission.operatorUsers[0]=日本",
        "centers[0].name=a,centers[0].host=a,centers[0].port=1,centers[0].identity=spiffe://a.b_c/..d/e.f",
    ] {
        let output = helm_command(&["--set", value]).output().expect("helm runs");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{value}: {error}");
    }
}

/// Helm merges maps: what the chart had of its own would stay in a policy that leaves it away.
#[test]
fn the_chart_has_no_policy_of_its_own() {
    let output = chart_alone(&[]).output().expect("helm runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && error.contains("set bundle: `regionguard render helm-values"),
        "{error}"
    );
    let bundle = r#"bundle={"metadata": {"name": "mine", "version": 1}, "documents": []}"#;
    let objects = run(chart_alone(&["--set-json", bundle]));
    let plugin = &objects[&("WasmPlugin".to_owned(), "regionguard".to_owned())];
    let expected = serde_json::json!({"metadata": {"name": "mine", "version": 1}, "documents": []});
    assert_eq!(plugin["spec"]["pluginConfig"], expected);
    assert!(!objects.keys().any(|(kind, _)| kind == "ServiceEntry"));
}

fn helm(more: &[&str]) -> Objects {
    run(helm_command(more))
}

/// With the shipped example of a policy.
fn helm_command(more: &[&str]) -> Command {
    let mut command = chart_alone(&[]);
    command
        .arg("--values")
        .arg(istio("chart").join("values-policy.yaml"))
        .args(more);
    command
}

/// With the chart's own values.
fn chart_alone(more: &[&str]) -> Command {
    let mut command = program("helm");
    command.args(["template", "regionguard"]).arg(istio("chart"));
    // What this Helm takes for the version of a server that it does not ask is older than all that the chart runs on.
    command
        .args(["--kube-version", "1.37.2", "--namespace", "us-east-1"])
        .args(more);
    command
}

fn kustomize(folder: &str) -> Objects {
    let mut command = program("kubectl");
    command.arg("kustomize").arg(istio(folder));
    run(command)
}

/// What is in a namespace, and what a cluster has once.
fn everything() -> Objects {
    let mut objects = files("base", &["kustomization.yaml"]);
    objects.append(&mut files("cluster", &["kustomization.yaml"]));
    objects
}

/// The objects of a folder, less the files that hold none.
fn files(folder: &str, without: &[&str]) -> Objects {
    let entries = std::fs::read_dir(istio(folder)).expect("the folder");
    let mut objects = Objects::new();
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        if !without.iter().any(|name| path.ends_with(name)) {
            objects.append(&mut parse(&std::fs::read_to_string(&path).expect("a file")));
        }
    }
    objects
}

fn program(name: &str) -> Command {
    let path = tools_dir().join("real").join(name);
    assert!(
        path.is_file(),
        "no `{}`: run `make setup-real`, which builds it",
        path.display()
    );
    Command::new(path)
}

fn istio(folder: &str) -> PathBuf {
    envoy_config(&Path::new("istio").join(folder).to_string_lossy())
}

fn run(mut command: Command) -> Objects {
    let output = command.output().expect("runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    parse(&String::from_utf8(output.stdout).expect("UTF-8"))
}

fn parse(text: &str) -> Objects {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).expect("YAML");
    let objects = documents.into_iter().filter(|document| !document.is_null());
    objects.map(|object| (key(&object), meaning(object))).collect()
}

fn key(object: &Value) -> (String, String) {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    (text(&object["kind"]), text(&object["metadata"]["name"]))
}

/// A text that is itself YAML counts as what it says: Helm leaves other quotes in it. What is for Helm alone is left away.
fn meaning(mut object: Value) -> Value {
    if let Some(annotations) = object
        .pointer_mut("/metadata/annotations")
        .and_then(Value::as_object_mut)
        && annotations.remove(KEEP).is_some()
        && annotations.is_empty()
        && let Some(metadata) = object["metadata"].as_object_mut()
    {
        metadata.remove("annotations");
    }
    if let Some(file) = object.pointer_mut("/data/regionguard.yaml") {
        let text = file.as_str().expect("a text").to_owned();
        *file = serde_saphyr::from_str(&text).expect("YAML");
    }
    object
}

fn assert_same(made: &Objects, expected: &Objects) {
    assert_eq!(made.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (key, object) in expected {
        assert_eq!(&made[key], object, "{key:?}");
    }
}
