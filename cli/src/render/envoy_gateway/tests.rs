use std::path::Path;

use serde_json::{Value, json};

use super::{File, Module, Options, files};

fn options() -> Options {
    Options {
        namespace: "edge".to_owned(),
        class: "envoy-gateway".to_owned(),
        gateway: "edge".to_owned(),
        ports: vec![80],
        module: Module::Image {
            url: "registry.example.com/regionguard:0.1.0".to_owned(),
            sha256: "0".repeat(64),
        },
    }
}

fn folder(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../envoy-config").join(name)
}

/// The bundle of the ECDS file that ships.
fn bundle() -> Value {
    let text = std::fs::read_to_string(folder("ecds/regionguard.yaml")).unwrap();
    let file: Value = serde_saphyr::from_str(&text).unwrap();
    let value = file.pointer("/resources/0/typed_config/config/configuration/value");
    value.unwrap().clone()
}

fn documents(file: &File) -> Vec<Value> {
    file.text
        .split("\n---\n")
        .map(|document| serde_saphyr::from_str(document).unwrap_or_else(|error| panic!("{}: {error}", file.name)))
        .collect()
}

fn named<'a>(files: &'a [File], name: &str) -> &'a File {
    files.iter().find(|file| file.name == name).unwrap()
}

fn operations(patch: &Value) -> Vec<&Value> {
    patch["spec"]["jsonPatches"].as_array().unwrap().iter().collect()
}

#[test]
fn the_files_that_ship_are_the_rendered_ones() {
    for file in files(&bundle(), &options()).unwrap() {
        let path = folder("envoy-gateway").join(file.name);
        if std::env::var_os("REGIONGUARD_WRITE_RENDERED").is_some() {
            std::fs::create_dir_all(folder("envoy-gateway")).unwrap();
            std::fs::write(&path, &file.text).unwrap();
        }
        let shipped = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            shipped == file.text,
            "`{}` is not what is rendered: run this test with REGIONGUARD_WRITE_RENDERED=1 and look at the difference",
            path.display()
        );
    }
}

#[test]
fn the_bundle_arrives_as_it_is_and_every_string_of_it_is_quoted() {
    let bundle = json!({"metadata": {"name": "no", "version": 3}, "odd": ["09:00", "1e3", "~", "on", "@NAMESPACE@", "a\nb"], "y": 1});
    let files = files(&bundle, &options()).unwrap();
    let policy = named(&files, "policy.yaml");
    assert_eq!(documents(policy)[0]["spec"]["wasm"][0]["config"], bundle);
    for quoted in ["'no'", "'09:00'", "'on'", "'@NAMESPACE@'", "\"y\": "] {
        assert!(policy.text.contains(quoted), "{quoted} is not in\n{}", policy.text);
    }
}

#[test]
fn the_policy_fails_closed_and_pins_the_module() {
    let mut options = options();
    let wasm = |options: &Options| {
        let files = files(&bundle(), options).unwrap();
        documents(named(&files, "policy.yaml"))[0]["spec"]["wasm"][0].clone()
    };
    let image = wasm(&options);
    assert_eq!(image["failOpen"], false);
    assert_eq!((&image["name"], &image["rootID"]), (&json!("regionguard"), &json!("regionguard")));
    let pinned = json!({"type": "Image", "image": {"url": "registry.example.com/regionguard:0.1.0", "sha256": "0".repeat(64)}});
    assert_eq!(image["code"], pinned);

    options.module = Module::Http { url: "https://files.example.com/a.wasm".to_owned(), sha256: "a".repeat(64) };
    let pinned = json!({"type": "HTTP", "http": {"url": "https://files.example.com/a.wasm", "sha256": "a".repeat(64)}});
    assert_eq!(wasm(&options)["code"], pinned);
}

#[test]
fn every_port_has_its_peer_its_interlock_and_its_reload() {
    let mut options = options();
    options.ports = vec![80, 8443];
    let files = files(&bundle(), &options).unwrap();
    let [interlock, reload]: [Value; 2] = documents(named(&files, "interlock.yaml")).try_into().unwrap();
    for port in ["tcp-80", "tcp-8443"] {
        let of_port = |patch: &Value| -> Vec<Value> {
            let operations = operations(patch).into_iter().filter(|operation| operation["name"] == port);
            operations.map(|operation| operation["operation"]["value"].clone()).collect()
        };
        let values = of_port(&interlock);
        assert_eq!(values.len(), 3, "{port}");
        assert_eq!(values[0]["name"], "regionguard-direct-peer", "{port}");
        assert_eq!(values[1]["typed_config"]["rules"]["action"], "ALLOW", "{port}");
        assert_eq!(values[2], false, "{port}");
        assert_eq!(of_port(&reload), [json!("FAIL_RELOAD")], "{port}");
    }
    let gateway = documents(named(&files, "gateway.yaml"));
    let listeners = gateway.iter().find(|document| document["kind"] == "Gateway").unwrap();
    let ports: Vec<_> = listeners["spec"]["listeners"].as_array().unwrap().iter().map(|one| &one["port"]).collect();
    assert_eq!(ports, [&json!(80), &json!(8443)]);
}

#[test]
fn each_center_is_a_cluster_once_at_the_address_of_its_authority() {
    let region = |cluster: &str, authority: Option<&str>| {
        json!({"kind": "Region", "spec": {"center": {"cluster": cluster, "authority": authority}}})
    };
    let bundle = json!({"documents": [
        region("b", Some("b.internal:8181")), region("a", Some("a.internal")), region("b", Some("b.internal:8181")),
        json!({"kind": "Region", "spec": {}}),
    ]});
    let files = files(&bundle, &options()).unwrap();
    let centers = &documents(named(&files, "centers.yaml"))[0];
    let clusters: Vec<_> = operations(centers)
        .into_iter()
        .map(|operation| {
            let value = &operation["operation"]["value"];
            let address = value.pointer("/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address");
            let address = address.unwrap();
            assert_eq!(operation["name"], value["name"]);
            assert_eq!(value["transport_socket"]["typed_config"]["sni"], address["address"]);
            (value["name"].as_str().unwrap(), address["address"].as_str().unwrap(), address["port_value"].as_u64().unwrap())
        })
        .collect();
    assert_eq!(clusters, [("a", "a.internal", 443), ("b", "b.internal", 8181)]);

    let without = super::files(&json!({"documents": []}), &options()).unwrap();
    assert!(without.iter().all(|file| file.name != "centers.yaml"));
}

#[test]
fn what_would_change_the_manifest_around_it_is_refused() {
    let refused = |change: &dyn Fn(&mut Options)| {
        let mut options = options();
        change(&mut options);
        files(&bundle(), &options).unwrap_err()
    };
    for name in ["", "Edge", "a b", "-a", "a-", "a\nb: c", "a/b", &"a".repeat(64)] {
        assert!(refused(&|options| options.namespace = name.to_owned()).contains("the namespace"), "{name:?}");
        assert!(refused(&|options| options.class = name.to_owned()).contains("the gateway class"), "{name:?}");
        assert!(refused(&|options| options.gateway = name.to_owned()).contains("the gateway `"), "{name:?}");
    }
    assert!(refused(&|options| options.ports.clear()).contains("no port"));
    for url in ["", "a b", "a\"b", "a #b", "a\nb"] {
        let module = Module::Image { url: url.to_owned(), sha256: "0".repeat(64) };
        assert!(refused(&|options| options.module = module.clone()).contains("the module's address"), "{url:?}");
    }
    for sha256 in ["", "0", &"0".repeat(65), &"A".repeat(64), &"g".repeat(64)] {
        let module = Module::Http { url: "https://a/b".to_owned(), sha256: sha256.to_owned() };
        assert!(refused(&|options| options.module = module.clone()).contains("the module's digest"), "{sha256:?}");
    }
    let bad_port = json!({"documents": [{"spec": {"center": {"cluster": "a", "authority": "a:b"}}}]});
    assert!(files(&bad_port, &options()).unwrap_err().contains("found `b`"));
}
