use serde_json::{Value, json};

use super::{Bundle, CenterAddress, File, ImageUrl, ListenerPort, Node, Place, files};

fn node(value: &Value) -> Node {
    match value {
        Value::Null => Node::Null,
        Value::Bool(value) => Node::Bool(*value),
        Value::Number(number) => Node::Number(number.clone()),
        Value::String(text) => Node::Text(text.clone()),
        Value::Array(items) => Node::List(items.iter().map(node).collect()),
        Value::Object(fields) => Node::Map(fields.iter().map(|(name, value)| (name.clone(), node(value))).collect()),
    }
}

fn rendered(bundle: &Value, ports: &[&str], centers: &[&str]) -> Result<Vec<File>, String> {
    let image: ImageUrl = "oci://registry.example.com:5000/regionguard:1".parse()?;
    let sha256 = "1".repeat(64).parse()?;
    let centers: Result<Vec<CenterAddress>, String> = centers.iter().map(|center| center.parse()).collect();
    let (namespace, gateway) = ("no".parse()?, "on".parse()?);
    let centers = centers?;
    let ports: Vec<ListenerPort> = ports.iter().map(|port| port.parse()).collect::<Result<_, _>>()?;
    let place = Place {
        namespace: Some(&namespace),
        gateway: Some(&gateway),
        ports: &ports,
        image: &image,
        sha256: Some(&sha256),
        centers: &centers,
        servers: &[],
    };
    let bundle = Bundle {
        node: node(bundle),
        bytes: 0,
    };
    files(&place, &bundle).map_err(|failure| format!("{failure:?}"))
}

fn documents(files: &[File], name: &str) -> Vec<Value> {
    let file = files
        .iter()
        .find(|file| file.path == name)
        .unwrap_or_else(|| panic!("no {name}"));
    let read = |document| serde_saphyr::from_str(document).unwrap_or_else(|error| panic!("{name}: {error}"));
    file.text.split("\n---\n").map(read).collect()
}

fn with_centers(centers: &[(&str, &str)]) -> Value {
    let region = |(cluster, authority): &(&str, &str)| {
        let center = match *authority {
            "" => json!({"cluster": cluster}),
            authority => json!({"cluster": cluster, "authority": authority}),
        };
        json!({"kind": "Region", "spec": {"center": center}})
    };
    json!({"documents": centers.iter().map(region).collect::<Vec<_>>()})
}

#[test]
fn the_policy_fails_closed_pins_the_module_and_holds_the_bundle_as_it_is() {
    let bundle = json!({"y": "no", "odd": ["09:00", "1e3", "~", "on", "<<image>>", "a\nb: c", "# d"], "documents": []});
    let files = rendered(&bundle, &["80"], &[]).unwrap();
    let policy = &documents(&files, "policy.yaml")[0];
    assert_eq!(policy["metadata"]["namespace"], "no");
    assert_eq!(policy["spec"]["targetRefs"][0]["name"], "on");
    let wasm = &policy["spec"]["wasm"][0];
    assert_eq!(
        (&wasm["failOpen"], &wasm["rootID"], &wasm["name"]),
        (&json!(false), &json!("regionguard"), &json!("regionguard"))
    );
    let image = json!({"url": "registry.example.com:5000/regionguard:1", "sha256": "1".repeat(64)});
    assert_eq!(wasm["code"], json!({"type": "Image", "image": image}));
    assert_eq!(wasm["config"], bundle);
}

#[test]
fn every_port_has_its_peer_its_interlock_and_its_reload() {
    let files = rendered(&json!({}), &["80", "8443", "8443/udp"], &[]).unwrap();
    let [interlock, reload]: [Value; 2] = documents(&files, "interlock.yaml").try_into().unwrap();
    for port in ["tcp-80", "tcp-8443", "udp-8443"] {
        let of_port = |policy: &Value| -> Vec<Value> {
            let patches = policy["spec"]["jsonPatches"].as_array().unwrap().iter();
            patches
                .filter(|patch| patch["name"] == port)
                .map(|patch| patch["operation"]["value"].clone())
                .collect()
        };
        let values = of_port(&interlock);
        assert_eq!(values.len(), 3, "{port}");
        assert_eq!(values[0]["name"], "regionguard-direct-peer", "{port}");
        assert_eq!(values[1]["typed_config"]["rules"]["action"], "ALLOW", "{port}");
        assert_eq!(values[2], false, "{port}");
        assert_eq!(of_port(&reload), [json!("FAIL_RELOAD")], "{port}");
    }
    let gateway = documents(&files, "gateway.yaml")
        .into_iter()
        .find(|document| document["kind"] == "Gateway")
        .unwrap();
    let ports: Vec<_> = gateway["spec"]["listeners"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["port"].clone())
        .collect();
    assert_eq!(ports, [json!(80), json!(8443)]);
    assert_eq!(gateway["spec"]["listeners"][0]["protocol"], "HTTP");
    assert_eq!(gateway["spec"]["listeners"][1]["protocol"], "HTTPS");
}

#[test]
fn http3_is_on_where_its_listener_has_an_interlock() {
    for (ports, http3) in [(&["443"][..], Value::Null), (&["443", "443/udp"], json!({}))] {
        let files = rendered(&json!({}), ports, &[]).unwrap();
        let policy = documents(&files, "gateway.yaml")
            .into_iter()
            .find(|document| document["kind"] == "ClientTrafficPolicy")
            .unwrap();
        assert_eq!(policy["spec"]["http3"], http3);
    }
}

#[test]
fn each_center_is_a_cluster_once_at_its_address() {
    let bundle = with_centers(&[
        ("b", "b.internal:8181"),
        ("a", "a.internal"),
        ("b", "b.internal:8181"),
        ("c", ""),
    ]);
    let files = rendered(&bundle, &["80"], &["c=c.internal:9"]).unwrap();
    let centers = &documents(&files, "centers.yaml")[0];
    let clusters = centers["spec"]["jsonPatches"].as_array().unwrap().iter().map(|patch| {
        let value = &patch["operation"]["value"];
        let address = value
            .pointer("/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address")
            .unwrap();
        assert_eq!(patch["name"], value["name"]);
        assert_eq!(value["transport_socket"]["typed_config"]["sni"], address["address"]);
        format!("{}={}:{}", value["name"], address["address"], address["port_value"]).replace('"', "")
    });
    let clusters: Vec<String> = clusters.collect();
    assert_eq!(clusters, ["b=b.internal:8181", "a=a.internal:443", "c=c.internal:9"]);

    let without = rendered(&json!({"documents": []}), &["80"], &[]).unwrap();
    assert!(without.iter().all(|file| file.path != "centers.yaml"));
    let unknown = rendered(&with_centers(&[("c", "")]), &["80"], &[]).unwrap_err();
    assert!(unknown.contains("where the center `c` is"), "{unknown}");
}

#[test]
fn a_port_is_given_once_and_http3_never_alone() {
    for (ports, said) in [
        (&["80", "80"][..], "more than once"),
        (&["443", "443/udp", "443/udp"], "more than once"),
        (&["443/udp"], "without `--port 443`"),
        (&["80", "443/udp"], "without `--port 443`"),
        (&["0"], "not a listener"),
        (&["+80"], "not a listener"),
        (&["65536"], "not a listener"),
        (&["443/tcp"], "not a listener"),
        (&["443/udp/udp"], "not a listener"),
        (&[""], "not a listener"),
    ] {
        let error = rendered(&json!({}), ports, &[]).unwrap_err();
        assert!(error.contains(said), "{ports:?}: {error}");
    }
}
