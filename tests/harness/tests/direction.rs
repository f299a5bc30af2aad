//! Where the filter stands: it refuses to stand where a sidecar's own workload sends, unless it is told.

mod common;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use common::{Issuers, Site, bundle, get, policy};
use regionguard_harness::client::Client;
use regionguard_harness::config::{Base, Config};
use serde_json::{Value, json};

const SIDECAR: &str = "sidecar~10.0.0.1~web-1.us-east-1~us-east-1.svc.cluster.local";
const GATEWAY: &str = "router~10.0.0.2~edge-1.istio-system~istio-system.svc.cluster.local";
const WAYPOINT: &str = "waypoint~10.0.0.3~waypoint-1.us-east-1~us-east-1.svc.cluster.local";

fn open(direction: Option<&str>) -> Value {
    let rule = json!([{"name": "open", "identity": "none", "effect": "allow"}]);
    let mut bundle = bundle(41, &Issuers::new().regions(), &[policy("shop", json!({"rules": rule}))]);
    if let Some(direction) = direction {
        bundle["trust"]["direction"] = json!(direction);
    }
    bundle
}

fn standing(config: Config, direction: Option<&str>, node: Option<&str>) -> Config {
    config.edit(|bootstrap| {
        if let Some(direction) = direction {
            bootstrap["static_resources"]["listeners"][0]["traffic_direction"] = json!(direction);
        }
        if let Some(node) = node {
            bootstrap["node"]["id"] = json!(node);
        }
    })
}

#[tokio::test]
async fn a_listener_is_served_or_refused_by_its_direction() {
    for (direction, node, told, served) in [
        (None, None, None, true),
        (Some("UNSPECIFIED"), Some(SIDECAR), None, true),
        (Some("INBOUND"), Some(SIDECAR), None, true),
        (Some("OUTBOUND"), Some(SIDECAR), None, false),
        (Some("OUTBOUND"), None, Some("inbound"), false),
        (Some("OUTBOUND"), Some(WAYPOINT), None, false),
        (Some("OUTBOUND"), Some(GATEWAY), None, true),
        (Some("OUTBOUND"), Some(SIDECAR), Some("any"), true),
    ] {
        println!("{direction:?} {node:?} {told:?}");
        let site = Site::start_with("direction", Base::Sidecar, &open(told), |config| {
            standing(config, direction, node)
        })
        .await;
        for _ in 0..3 {
            let seen = site.ask(get("/a")).await;
            if served {
                seen.allowed("rule.public", "inline");
            } else {
                seen.denied(500, "config.direction", "inline");
                assert_eq!(seen.answer.json().unwrap()["code"], "misconfigured");
            }
        }
        let refused = if served { 0 } else { 3 };
        assert_eq!(site.counter("decision.deny.config.direction").await, refused);
    }
}

/// One plugin in both chains of a sidecar, as a WasmPlugin without a `match` puts it: each chain is judged for itself, whichever is asked first.
#[tokio::test]
async fn one_plugin_in_both_chains_is_told_apart() {
    for outbound_first in [true, false] {
        let (site, inbound, outbound) = both(Some(SIDECAR)).await;
        for round in 0..4 {
            let order = if outbound_first {
                [(outbound, 500), (inbound, 200)]
            } else {
                [(inbound, 200), (outbound, 500)]
            };
            for (address, status) in order {
                let answer = Client::new(address).send(&get("/a")).await.unwrap();
                assert_eq!(answer.status, status, "{round}: {}", answer.text());
            }
        }
        assert_eq!(site.counter("decision.deny.config.direction").await, 4);
    }
}

/// On a node that is not Istio's, one stream in a while is asked: an outbound one is noticed, and from then on each is told apart.
#[tokio::test]
async fn an_outbound_listener_of_a_plain_envoy_is_noticed() {
    let (site, inbound, outbound) = both(None).await;
    let send = async |address| Client::new(address).send(&get("/a")).await.unwrap().status;
    assert_eq!(send(inbound).await, 200);
    let began = Instant::now();
    while send(outbound).await == 200 {
        assert!(began.elapsed() < Duration::from_secs(10), "{}", site.envoy.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for _ in 0..30 {
        assert_eq!((send(inbound).await, send(outbound).await), (200, 500));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// An Envoy with an inbound and an outbound listener, both with the filter from one file, and where they listen.
async fn both(node: Option<&str>) -> (Site, SocketAddr, SocketAddr) {
    let site = Site::start_with("direction-both", Base::Sidecar, &open(None), |config| {
        standing(config, Some("INBOUND"), node).edit(|bootstrap| {
            let listeners = bootstrap["static_resources"]["listeners"].as_array_mut().unwrap();
            let mut outbound = listeners[0].clone();
            outbound["name"] = json!("outbound");
            outbound["traffic_direction"] = json!("OUTBOUND");
            listeners.push(outbound);
        })
    })
    .await;
    let outbound = listener(&site, "outbound").await;
    let inbound = site.envoy.address();
    (site, inbound, outbound)
}

/// Where the listener of this name listens.
async fn listener(site: &Site, name: &str) -> SocketAddr {
    let answer = Client::new(site.envoy.admin())
        .get("/listeners?format=json")
        .await
        .unwrap();
    let listeners = answer.json().unwrap();
    let all = listeners["listener_statuses"].as_array().unwrap();
    let found = all.iter().find(|listener| listener["name"] == name).unwrap();
    let port = &found["local_address"]["socket_address"]["port_value"];
    SocketAddr::from(([127, 0, 0, 1], u16::try_from(port.as_u64().unwrap()).unwrap()))
}
