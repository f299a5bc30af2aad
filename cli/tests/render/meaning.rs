//! What the rendered resources say, read back as YAML.

use serde_json::{Value, json};

use super::{Folder, documents, printed, refused, render, stderr};

const DOCUMENTS: &str = "envoy-config/istio/documents";

/// In `us-east-1`, where no other namespace is given.
fn rendered(args: &str) -> Vec<Value> {
    let place = if args.contains("--namespace") {
        ""
    } else {
        " --namespace us-east-1"
    };
    let args = format!("{args}{place}");
    let args: Vec<&str> = args
        .split(' ')
        .map(|arg| if arg == "DOCUMENTS" { DOCUMENTS } else { arg })
        .collect();
    documents(&printed(&args))
}

fn of_kind<'a>(all: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let found = all
        .iter()
        .find(|one| one["kind"] == kind && one["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("no {kind} {name}"))
}

#[test]
fn each_scope_has_its_namespace_selector_mode_and_context() {
    let rows = [
        (
            "workload",
            "us-east-1",
            json!({"app": "api"}),
            Value::Null,
            "SERVER",
            "SIDECAR_INBOUND",
        ),
        (
            "namespace",
            "us-east-1",
            Value::Null,
            Value::Null,
            "SERVER",
            "SIDECAR_INBOUND",
        ),
        (
            "mesh",
            "istio-system",
            Value::Null,
            Value::Null,
            "SERVER",
            "SIDECAR_INBOUND",
        ),
        (
            "gateway",
            "istio-ingress",
            json!({"istio": "ingressgateway"}),
            Value::Null,
            "CLIENT",
            "GATEWAY",
        ),
        (
            "gateway --gateway edge",
            "istio-ingress",
            Value::Null,
            json!("edge"),
            "CLIENT",
            "GATEWAY",
        ),
        (
            "waypoint --gateway waypoint",
            "us-east-1",
            Value::Null,
            json!("waypoint"),
            "SERVER",
            "SIDECAR_INBOUND",
        ),
    ];
    for (scope, namespace, labels, gateway, mode, context) in rows {
        let selector = |label: &Value| {
            label
                .as_object()
                .map(|one| {
                    one.iter()
                        .map(|(key, value)| format!(" --selector {key}={}", value.as_str().expect("a text")))
                        .collect::<String>()
                })
                .unwrap_or_default()
        };
        let all = rendered(&format!(
            "istio DOCUMENTS --scope {scope} --namespace {namespace}{}",
            selector(&labels)
        ));
        let plugin = of_kind(&all, "WasmPlugin", "regionguard");
        assert_eq!(plugin["metadata"]["namespace"], namespace, "{scope}");
        assert_eq!(plugin["spec"]["selector"]["matchLabels"], labels, "{scope}");
        assert_eq!(plugin["spec"]["targetRefs"][0]["name"], gateway, "{scope}");
        assert_eq!(plugin["spec"]["match"], json!([{"mode": mode}]), "{scope}");
        let mut filters = vec!["regionguard-interlock"];
        if !scope.starts_with("waypoint") {
            filters.push("regionguard-direct-peer");
        }
        for name in filters {
            let filter = of_kind(&all, "EnvoyFilter", name);
            assert_eq!(filter["metadata"]["namespace"], namespace, "{scope}");
            assert_eq!(filter["spec"]["workloadSelector"]["labels"], labels, "{scope}");
            assert_eq!(filter["spec"]["targetRefs"][0]["name"], gateway, "{scope}");
            assert_eq!(
                filter["spec"]["configPatches"][0]["match"]["context"], context,
                "{scope}"
            );
            assert_eq!(
                filter["spec"]["configPatches"].as_array().map(Vec::len),
                Some(1),
                "{scope}"
            );
        }
    }
}

#[test]
fn the_plugin_is_reloaded_and_never_opens() {
    for (target, place) in [("wasmplugin", "/spec"), ("trafficextension", "/spec/wasm")] {
        let all = rendered(&format!(
            "{target} DOCUMENTS --pull-policy always --pull-secret registry"
        ));
        let phase = &all[0]["spec"]["phase"];
        let wasm = all[0].pointer(place).expect("the plugin");
        assert_eq!(phase, "AUTHZ");
        assert_eq!(wasm["failStrategy"], "FAIL_RELOAD");
        assert_eq!(wasm["pluginName"], "regionguard");
        assert_eq!(wasm["imagePullPolicy"], "Always");
        assert_eq!(wasm["imagePullSecret"], "registry");
        assert_eq!(wasm["sha256"], "0".repeat(64));
        assert_eq!(all[0]["spec"]["priority"], Value::Null);
    }
}

#[test]
fn the_interlock_admits_only_what_was_allowed() {
    let all = rendered("envoyfilter");
    let filter = of_kind(&all, "EnvoyFilter", "regionguard-interlock");
    let patch = &filter["spec"]["configPatches"][0];
    assert_eq!(patch["patch"]["operation"], "INSERT_BEFORE");
    assert_eq!(
        patch["match"]["listener"]["filterChain"]["filter"]["subFilter"]["name"],
        "envoy.filters.http.grpc_stats"
    );
    assert_eq!(
        patch["patch"]["value"]["typed_config"]["rules"],
        json!({"action": "ALLOW", "policies": {"allowed-by-regionguard": {
            "permissions": [{"any": true}],
            "principals": [{"filter_state": {"key": "wasm.regionguard", "string_match": {"prefix": "allow;"}}}],
        }}})
    );
}

/// Patches with a lower priority come first, and each stands directly in front of the same anchor: the last one comes to stand behind the others.
#[test]
fn a_filter_with_its_policy_from_a_file_comes_to_stand_in_front_of_the_interlock() {
    let all = rendered("envoyfilter --scope workload --selector app=api --policy-from configmap");
    let policy = of_kind(&all, "EnvoyFilter", "regionguard-policy");
    let interlock = of_kind(&all, "EnvoyFilter", "regionguard-interlock");
    assert!(policy["spec"]["priority"].as_i64() < interlock["spec"]["priority"].as_i64());
    assert!(interlock["spec"]["priority"].as_i64() < Some(0));
    assert_eq!(
        policy["spec"]["configPatches"][0]["match"],
        interlock["spec"]["configPatches"][0]["match"]
    );
    let source = &policy["spec"]["configPatches"][0]["patch"]["value"]["config_discovery"]["config_source"];
    assert_eq!(
        source["path_config_source"],
        json!({"path": "/etc/regionguard/policy/regionguard.yaml", "watched_directory": {"path": "/etc/regionguard/policy"}})
    );
}

#[test]
fn patch_and_filter_agree_on_the_pods() {
    let patch = rendered("deployment-patch").remove(0);
    let labels = &patch["spec"]["template"]["metadata"]["labels"];
    let all = rendered("envoyfilter --policy-from configmap");
    let policy = of_kind(&all, "EnvoyFilter", "regionguard-policy");
    assert_eq!(&policy["spec"]["workloadSelector"]["labels"], labels);
    // A pod that was named and has no mount keeps the listener with the interlock.
    for selector in ["app=api", "app=api --selector security.io/regionguard-policy=other"] {
        let all = rendered(&format!(
            "envoyfilter --policy-from configmap --scope workload --selector {selector}"
        ));
        let policy = of_kind(&all, "EnvoyFilter", "regionguard-policy");
        let found = &policy["spec"]["workloadSelector"]["labels"];
        assert_eq!(
            found,
            &json!({"app": "api", "security.io/regionguard-policy": labels["security.io/regionguard-policy"]})
        );
    }
    let annotations = &patch["spec"]["template"]["metadata"]["annotations"];
    let json_of =
        |key: &str| -> Value { serde_json::from_str(annotations[key].as_str().expect("a text")).expect("JSON") };
    let digest = "0".repeat(64);
    assert_eq!(
        json_of("sidecar.istio.io/userVolume"),
        json!({
            "regionguard-policy": {"configMap": {"name": "regionguard-policy"}},
            "regionguard-module": {"image": {
                "reference": format!("registry.example.com/regionguard/http-authz@sha256:{digest}"),
                "pullPolicy": "IfNotPresent",
            }},
        })
    );
    assert_eq!(
        json_of("sidecar.istio.io/userVolumeMount"),
        json!({
            "regionguard-policy": {"mountPath": "/etc/regionguard/policy", "readOnly": true},
            "regionguard-module": {"mountPath": "/etc/regionguard/module", "readOnly": true},
        })
    );
}

#[test]
fn a_center_becomes_the_service_that_its_cluster_names() {
    let all = rendered("istio DOCUMENTS --center-identity spiffe://example.org/ns/a/sa/b");
    let host = "center.us-east-1.internal";
    let entry = of_kind(&all, "ServiceEntry", host);
    assert_eq!(entry["spec"]["hosts"], json!([host]));
    assert_eq!(entry["spec"]["ports"][0]["number"], 8181);
    let rule = of_kind(&all, "DestinationRule", host);
    assert_eq!(rule["spec"]["host"], host);
    assert_eq!(rule["spec"]["trafficPolicy"]["tls"]["mode"], "ISTIO_MUTUAL");
    assert_eq!(
        rule["spec"]["trafficPolicy"]["tls"]["subjectAltNames"],
        json!(["spiffe://example.org/ns/a/sa/b"])
    );
    let said = refused(&["istio", "envoy-config/documents", "--namespace", "shop"]);
    assert!(
        said.contains("`center-us-east-1`") && said.contains("outbound|PORT||HOST"),
        "{said}"
    );
}

/// Those of another namespace neither see them nor are in their way; what stands in the root namespace is for the whole mesh.
#[test]
fn centers_stay_in_the_namespace_of_the_proxies_that_ask_them() {
    for scope in [
        "workload --selector app=api",
        "namespace",
        "gateway --gateway edge",
        "waypoint --gateway waypoint",
        "mesh",
    ] {
        let all = rendered(&format!("istio DOCUMENTS --scope {scope}"));
        let expected = match scope {
            "mesh" => Value::Null,
            _ => json!(["."]),
        };
        for kind in ["ServiceEntry", "DestinationRule"] {
            let object = of_kind(&all, kind, "center.us-east-1.internal");
            assert_eq!(object["spec"]["exportTo"], expected, "{scope}: {kind}");
        }
    }
}

/// One object for two names would guard the last that was applied by its name, and the other one by its label alone.
#[test]
fn each_name_of_a_config_map_has_a_guard_of_its_own() {
    for (more, name) in [
        ("", "regionguard-policy"),
        (" --policy-configmap edge", "edge-regionguard"),
        (" --policy-configmap shop.edge", "shop.edge-regionguard"),
    ] {
        let all = rendered(&format!("istio DOCUMENTS{more}"));
        let policy = of_kind(&all, "ValidatingAdmissionPolicy", name);
        let binding = of_kind(&all, "ValidatingAdmissionPolicyBinding", name);
        assert_eq!(binding["spec"]["policyName"], name);
        let guarded = policy["spec"]["matchConditions"][0]["expression"].as_str();
        let config_map = name.strip_suffix("-regionguard").unwrap_or(name);
        assert!(
            guarded.is_some_and(|text| text.contains(&format!("[\"{config_map}\", \"regionguard-bootstrap\"]"))),
            "{guarded:?}"
        );
    }
}

#[test]
fn a_proxy_that_knows_only_its_routes_is_told_the_centers() {
    for (scope, told) in [
        ("waypoint --gateway waypoint", true),
        ("gateway --gateway edge", true),
        ("namespace", false),
    ] {
        let all = rendered(&format!("istio DOCUMENTS --scope {scope} --namespace shop"));
        let filter = of_kind(&all, "EnvoyFilter", "regionguard-interlock");
        let services = &filter["metadata"]["annotations"]["envoyfilter.istio.io/referenced-services"];
        let expected = json!("shop/center.us-east-1.internal,shop/center.eu-west-1.internal");
        assert_eq!(*services == expected, told, "{scope}: {services}");
    }
}

/// kustomize moves objects into the namespace of an overlay, and leaves annotations as they are.
#[test]
fn an_overlay_moves_what_the_annotation_says() {
    for (scope, told) in [
        ("waypoint --gateway waypoint", true),
        ("gateway --gateway edge", true),
        ("namespace", false),
    ] {
        let all = rendered(&format!("kustomize DOCUMENTS --scope {scope}"));
        let overlay = all.iter().find(|one| one["namespace"] == "shop").expect("the overlay");
        let patches = overlay["patches"].as_array().expect("patches").iter();
        let patch = patches.map(|patch| &patch["patch"]).find(|patch| {
            let text = patch.as_str().expect("a text");
            text.contains("/metadata/annotations/envoyfilter.istio.io~1referenced-services")
                && text.contains("\n  value: \"shop/center.us-east-1.internal,shop/center.eu-west-1.internal\"")
        });
        assert_eq!(patch.is_some(), told, "{scope}: {overlay}");
    }
}

#[test]
fn a_bootstrap_has_a_cluster_for_each_center() {
    let folder = Folder::new("bootstraps", &[]);
    printed(&[
        "envoy",
        "envoy-config/documents",
        "--out",
        folder.as_str(),
        "--center",
        "center-eu-west-1=pdp.example:9",
    ]);
    for file in ["sidecar.yaml", "gateway.yaml"] {
        let text = std::fs::read_to_string(folder.0.join(file)).expect("a file");
        let bootstrap = documents(&text).remove(0);
        let clusters = bootstrap["static_resources"]["clusters"].as_array().expect("clusters");
        let names: Vec<&str> = clusters.iter().filter_map(|cluster| cluster["name"].as_str()).collect();
        assert_eq!(names, ["upstream", "center-us-east-1", "center-eu-west-1"]);
        let address =
            clusters[2].pointer("/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address");
        assert_eq!(address, Some(&json!({"address": "pdp.example", "port_value": 9})));
    }
}

#[test]
fn documents_that_do_not_compile_are_refused_with_their_place() {
    let folder = Folder::new(
        "broken",
        &[
            ("bundle.yaml", "metadata: {name: shop, version: 1}\n"),
            (
                "policy.yaml",
                "apiVersion: security.io/v1\nkind: ZeroTrustPolicy\nmetadata: {name: shop}\nspec:\n  rules:\n    - {name: a, efect: allow}\n",
            ),
        ],
    );
    for target in [
        "ecds",
        "configmap",
        "wasmplugin",
        "trafficextension",
        "istio",
        "helm",
        "helm-values",
        "kustomize",
        "envoy",
    ] {
        let said = refused(&[target, folder.as_str(), "--namespace", "shop"]);
        assert!(
            said.contains("policy.yaml:6") && said.contains("`effect`"),
            "{target}: {said}"
        );
    }
    let said = refused(&["wasmplugin", "--namespace", "shop"]);
    assert!(said.contains("folder of documents"), "{said}");
}

#[test]
fn what_is_rendered_passes_check() {
    for file in [
        "ecds/regionguard.yaml",
        "istio/base/wasmplugin.yaml",
        "istio/trafficextension/trafficextension.yaml",
        "istio/policy-from-configmap/configmap.yaml",
    ] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_regionguard"))
            .args(["check", "--strict", &format!("envoy-config/{file}")])
            // What is rendered has no comments, which say in the folder that these are meant.
            .args(["--allow", "lint/public-rule", "--allow", "lint/wide-paths"])
            .current_dir(super::root())
            .output()
            .expect("runs");
        assert!(
            output.status.success(),
            "{file}: {}",
            String::from_utf8_lossy(&output.stdout)
        );
    }
}

const FETCHING: &str = r#"{"region": "us-east-1", "metadata": {"name": "shop", "version": 1}, "documents": [
    {"apiVersion": "security.io/v1", "kind": "Region", "metadata": {"name": "us-east-1"}, "spec": {
        "issuer": "https://id.us.example.com/realms/shop", "audiences": ["api"], "keys": {"discovery": {"cluster": "US",
            "jwks": {"cluster": "KEYS", "authority": "keys.us.example.com"}}}}},
    {"apiVersion": "security.io/v1", "kind": "Region", "metadata": {"name": "eu-west-1"}, "spec": {
        "issuer": "b", "audiences": ["api"], "keys": {"remote": {"cluster": "EU", "authority": "id.eu.example.com:8443"}},
        "revocation": {"list": {"cluster": "LIST", "authority": "lists.eu.example.com"},
            "statusLists": {"cluster": "STATE", "uriPrefix": "https://state.eu.example.com/lists/"}}}},
    {"apiVersion": "security.io/v1", "kind": "ZeroTrustPolicy", "metadata": {"name": "p"}, "spec": {"default": "allow"}}]}"#;

#[test]
fn a_bootstrap_has_a_cluster_with_tls_for_each_server_that_is_fetched_from() {
    let text = FETCHING
        .replace("US", "id-us")
        .replace("KEYS", "keys-us")
        .replace("EU", "id-eu")
        .replace("LIST", "lists-eu")
        .replace("STATE", "state-eu");
    let folder = Folder::new("servers", &[("bundle.json", &text)]);
    let out = folder.0.join("out");
    let place = out.to_str().expect("UTF-8");
    let args = [
        "envoy",
        folder.as_str(),
        "--server",
        "keys-us=jwks.internal:9443",
        "--server",
        "id-eu=192.0.2.7:8443",
        "--out",
        place,
    ];
    let output = render(&args);
    assert!(output.status.success(), "{}", stderr(&output));
    for file in ["sidecar.yaml", "gateway.yaml"] {
        let text = std::fs::read_to_string(out.join(file)).expect("a file");
        let bootstrap = documents(&text).remove(0);
        let clusters = bootstrap["static_resources"]["clusters"].as_array().expect("clusters");
        for (name, host, port) in [
            ("id-us", "id.us.example.com", 443),
            ("keys-us", "jwks.internal", 9443),
            ("id-eu", "192.0.2.7", 8443),
            ("lists-eu", "lists.eu.example.com", 443),
            ("state-eu", "state.eu.example.com", 443),
        ] {
            let cluster = clusters.iter().find(|cluster| cluster["name"] == name).expect(name);
            let address = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
            assert_eq!(
                cluster.pointer(address),
                Some(&json!({"address": host, "port_value": port}))
            );
            let tls = &cluster["transport_socket"]["typed_config"];
            // An address is no name: it is not sent as one, and stands in another kind of subject alternative name.
            let (sni, kind) = match name {
                "id-eu" => (json!(null), "IP_ADDRESS"),
                _ => (json!(host), "DNS"),
            };
            assert_eq!(tls["sni"], sni);
            let validation = &tls["common_tls_context"]["validation_context"];
            let shown = &validation["match_typed_subject_alt_names"][0];
            assert_eq!(shown["matcher"]["exact"], host);
            assert_eq!(shown["san_type"], kind);
            assert!(validation["trusted_ca"]["filename"].is_string());
        }
    }
}

/// Envoy takes no bootstrap that names a cluster twice.
#[test]
fn a_center_from_which_keys_are_fetched_has_one_cluster() {
    let text = FETCHING
        .replace("US", "one")
        .replace("KEYS", "one")
        .replace("EU", "one")
        .replace("LIST", "one")
        .replace("STATE", "one")
        .replacen(
            r#""issuer""#,
            r#""center": {"cluster": "one", "authority": "one.internal"}, "issuer""#,
            1,
        );
    let folder = Folder::new("one-server", &[("bundle.json", &text)]);
    let out = folder.0.join("out");
    let output = render(&["envoy", folder.as_str(), "--out", out.to_str().expect("UTF-8")]);
    assert!(output.status.success(), "{}", stderr(&output));
    for file in ["sidecar.yaml", "gateway.yaml"] {
        let text = std::fs::read_to_string(out.join(file)).expect("a file");
        let bootstrap = documents(&text).remove(0);
        let clusters = bootstrap["static_resources"]["clusters"].as_array().expect("clusters");
        assert_eq!(clusters.iter().filter(|cluster| cluster["name"] == "one").count(), 1);
    }
}

#[test]
fn a_server_that_is_fetched_from_becomes_a_service_outside_of_the_mesh() {
    let of = |host: &str| format!("outbound|443||{host}");
    let text = FETCHING
        .replace("US", &of("id.us.example.com"))
        .replace("KEYS", &of("keys.us.example.com"))
        .replace("EU", &of("id.eu.example.com"))
        .replace("LIST", &of("lists.eu.example.com"))
        .replace("STATE", &of("state.eu.example.com"));
    let folder = Folder::new("mesh-servers", &[("bundle.json", &text)]);
    let all = documents(&printed(&["istio", folder.as_str(), "--namespace", "shop"]));
    let servers = ["id.us", "keys.us", "id.eu", "lists.eu", "state.eu"].map(|name| format!("{name}.example.com"));
    for host in servers.iter().map(String::as_str) {
        let entry = of_kind(&all, "ServiceEntry", host);
        assert_eq!(entry["spec"]["location"], "MESH_EXTERNAL");
        assert_eq!(entry["spec"]["ports"][0]["number"], 443);
        let tls = &of_kind(&all, "DestinationRule", host)["spec"]["trafficPolicy"]["tls"];
        assert_eq!(*tls, json!({"mode": "SIMPLE", "sni": host, "subjectAltNames": [host]}));
    }
    let of_gateway = printed(&[
        "istio",
        folder.as_str(),
        "--namespace",
        "shop",
        "--scope",
        "gateway",
        "--gateway",
        "g",
    ]);
    assert!(
        of_gateway.contains(&servers.map(|host| format!("shop/{host}")).join(",")),
        "{of_gateway}"
    );
}

/// The two folders say the same of everything but where the centers are.
#[test]
fn both_examples_are_the_same_policy() {
    let plain = printed(&["wasmplugin", "envoy-config/documents", "--namespace", "shop"]);
    let mesh = printed(&["wasmplugin", DOCUMENTS, "--namespace", "shop"]);
    let mut same = plain;
    for region in ["us-east-1", "eu-west-1"] {
        same = same.replace(
            &format!("cluster: center-{region}"),
            &format!("cluster: \"outbound|8181||center.{region}.internal\""),
        );
    }
    assert_eq!(same, mesh);
}

#[test]
fn a_label_has_one_value() {
    let args = [
        "envoyfilter",
        "--namespace",
        "shop",
        "--scope",
        "workload",
        "--selector",
        "app=api",
        "--selector",
    ];
    let twice = [&args[..], &["app=web"]].concat();
    assert!(refused(&twice).contains("`--selector app=…` is given more than once"));
    printed(&[&args[..], &["tier=web"]].concat());
}

#[cfg(unix)]
#[test]
fn a_reader_that_leaves_early_is_no_error() {
    use std::io::Read as _;
    use std::process::{Command, Stdio};

    let mut child = Command::new(env!("CARGO_BIN_EXE_regionguard"))
        .args(["render", "helm", DOCUMENTS, "--sha256", &"1".repeat(64)])
        .current_dir(super::root())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("runs");
    drop(child.stdout.take());
    let mut said = String::new();
    let mut errors = child.stderr.take().expect("standard error");
    errors.read_to_string(&mut said).expect("UTF-8");
    let status = child.wait().expect("ends");
    assert!(status.success() && said.is_empty(), "{status}: {said}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_is_full_is_an_error() {
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .expect("a device");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_regionguard"))
        .args(["render", "mesh-config"])
        .stdout(full)
        .output()
        .expect("runs");
    let said = stderr(&output);
    assert!(
        output.status.code() == Some(2) && said.starts_with("error: cannot write what was rendered: "),
        "{said}"
    );
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error() {
    let folder = Folder::new("file", &[("out", "")]);
    let output = render(&[
        "envoyfilter",
        "--namespace",
        "shop",
        "--out",
        folder.0.join("out").to_str().expect("UTF-8"),
    ]);
    assert!(
        output.status.code() == Some(2) && stderr(&output).contains("cannot write"),
        "{}",
        stderr(&output)
    );
}

/// As with every command: 2 where the system does not give a file, 1 where what is in it is wrong.
#[test]
fn what_cannot_be_read_and_what_is_wrong_have_exit_codes() {
    let folder = Folder::new("codes", &[("bundle.yaml", "metadata: {name: SHOP, version: 1}\n")]);
    let nowhere = format!("{}/nowhere", folder.as_str());
    for (path, code, said) in [
        (nowhere.as_str(), 2, "error[unreadable]"),
        (folder.as_str(), 1, "error[invalid]"),
    ] {
        let output = render(&["ecds", path]);
        assert_eq!(output.status.code(), Some(code), "{path}: {}", stderr(&output));
        assert!(stderr(&output).contains(said), "{path}: {}", stderr(&output));
    }
}

/// What rules name in `upgrades` is what Envoy is told to upgrade, without a chain of its own.
#[test]
fn envoy_upgrades_what_rules_name() {
    let read =
        |file: &str| std::fs::read_to_string(super::root().join("envoy-config/documents").join(file)).expect("a file");
    let (bundle, regions, plain) = (read("bundle.yaml"), read("regions.yaml"), read("rules.yaml"));
    let policy = |rules: &str| {
        format!(
            "apiVersion: security.io/v1\nkind: ZeroTrustPolicy\nmetadata: {{name: live}}\nspec: {{rules: [{rules}]}}\n"
        )
    };
    let socket = "{name: live, paths: [/live], upgrades: [websocket, spdy/3.1], effect: allow}";
    let tunnel = "{name: tunnel, methods: [CONNECT], effect: allow}";
    for (name, rules, expected) in [
        ("none", String::new(), Value::Null),
        (
            "socket",
            policy(socket),
            json!([{"upgrade_type": "websocket"}, {"upgrade_type": "spdy/3.1"}]),
        ),
        (
            "both",
            policy(&format!("{tunnel}, {socket}")),
            json!([{"upgrade_type": "websocket"}, {"upgrade_type": "CONNECT"}, {"upgrade_type": "spdy/3.1"}]),
        ),
    ] {
        let files = [
            ("bundle.yaml", &*bundle),
            ("regions.yaml", &regions),
            ("rules.yaml", &plain),
            ("live.yaml", &rules),
        ];
        let files: Vec<(&str, &str)> = files.into_iter().filter(|(_, text)| !text.is_empty()).collect();
        let folder = Folder::new(&format!("upgrades-{name}"), &files);
        let out = Folder::new(&format!("upgrades-{name}-out"), &[]);
        printed(&["envoy", folder.as_str(), "--out", out.as_str()]);
        for file in ["gateway.yaml", "sidecar.yaml"] {
            let text = std::fs::read_to_string(std::path::Path::new(out.as_str()).join(file)).expect("a bootstrap");
            let bootstrap = &documents(&text)[0];
            let http = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
            let http = bootstrap.pointer(http).expect("a connection manager");
            assert_eq!(http["upgrade_configs"], expected, "{name} {file}");
            let over_http2 = http["http2_protocol_options"]["allow_connect"] == true;
            assert_eq!(over_http2, expected.is_array(), "{name} {file}");
        }
    }
}
