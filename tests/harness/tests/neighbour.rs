//! A hostile neighbour: another Wasm filter in the same chain, whose VM has the same id as ours and so the same shared data.

mod common;

use common::{AP, CENTER, EU, Issuers, Site, US, bundle, get, policy, token};
use regionguard_harness::access_log::Entry;
use regionguard_harness::config::Base;
use regionguard_harness::fault::Behaviour;
use regionguard_harness::policy_folder::PolicyFolder;
use regionguard_harness::{RunDir, neighbour, tools};
use serde_json::{Value, json};

/// Where the neighbour stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In front of ours, behind the filter that tells the direct peer.
    Front,
    /// Between ours and the interlock.
    Between,
    /// In the place of ours.
    Instead,
}

fn rules() -> Value {
    json!({"forward": {"token": "pass"}, "rules": [
        {"name": "open", "paths": ["/open"], "identity": "none", "effect": "allow"},
        {"name": "read", "paths": ["/read"], "permissions": {"anyOf": ["read:profile"]}, "effect": "allow"},
        {"name": "near", "paths": ["/near"], "from": {"sourceRegions": ["us-east-1"]}, "effect": "allow"},
        {"name": "closed", "paths": ["/closed"], "effect": "deny"},
        {"name": "ask", "paths": ["/ask/{id}"], "effect": "defer", "defer": {"cache": "60s"}},
    ]})
}

/// A proxy with the neighbour in its chain; `told` to forge the decision line or not.
async fn site(name: &str, issuers: &Issuers, place: Place, told: bool) -> Site {
    let bundle = bundle(41, &issuers.regions(), &[policy("shop", rules())]);
    let run = RunDir::new(name).unwrap();
    let path = run.path().join("neighbour.wasm");
    std::fs::write(&path, neighbour::module().unwrap()).unwrap();
    let folder = PolicyFolder::create(run.path().join("policy"), tools::wasm_module().unwrap()).unwrap();
    folder.write(&bundle).unwrap();
    Site::start_in(run, folder, name, Base::Sidecar, |config| {
        let filter = json!({
            "name": "neighbour",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
                "config": {
                    "name": "neighbour",
                    "root_id": "regionguard",
                    "configuration": {
                        "@type": "type.googleapis.com/google.protobuf.StringValue",
                        "value": if told { "forge" } else { "" },
                    },
                    "vm_config": {
                        "vm_id": "regionguard",
                        "runtime": "envoy.wasm.runtime.v8",
                        "code": {"local": {"filename": path}},
                    },
                },
            },
        });
        config.edit_http(|http| {
            let filters = http["http_filters"].as_array_mut().unwrap();
            let ours = filters
                .iter()
                .position(|filter| filter["name"] == "regionguard")
                .unwrap();
            match place {
                Place::Front => filters.insert(ours, filter),
                Place::Between => filters.insert(ours + 1, filter),
                Place::Instead => filters[ours] = filter,
            }
        })
    })
    .await
}

/// It floods shared data and queues, and writes filter state and headers that are ours. Nothing is decided otherwise than without it.
#[tokio::test]
async fn a_neighbour_that_floods_what_we_share_changes_no_decision() {
    let issuers = Issuers::new();
    let alice = token(&issuers.us, "alice", &["read:profile"]);
    let poor = token(&issuers.us, "mallory", &[]);
    for (name, place) in [("neighbour-front", Place::Front), ("neighbour-between", Place::Between)] {
        let site = site(name, &issuers, place, false).await;
        for round in 0..3 {
            site.ask(get("/open")).await.allowed("rule.public", "inline");
            site.ask(get("/read").bearer(&alice))
                .await
                .allowed("rule.allowed", "inline");
            site.ask(get("/read").bearer(&poor))
                .await
                .denied(403, "permission.missing", "inline");
            site.ask(get("/read")).await.denied(401, "identity.missing", "inline");
            site.ask(get("/closed").bearer(&alice))
                .await
                .denied(403, "rule.denied", "inline");
            // It says that every request comes from us-east-1.
            site.ask_from(US, get("/near").bearer(&alice))
                .await
                .allowed("rule.allowed", "inline");
            for elsewhere in [EU, AP] {
                let seen = site.ask_from(elsewhere, get("/near").bearer(&alice)).await;
                seen.denied(403, "rule.source", "inline");
            }
            // What the center has said is kept in the VM, where nobody else can change it.
            let decided_by = if round == 0 { CENTER } else { "cache" };
            site.center.set(Behaviour::decide(true));
            site.ask(get("/ask/yes").bearer(&alice))
                .await
                .allowed("center.allowed", decided_by);
            site.center.set(Behaviour::decide(false));
            site.ask(get("/ask/no").bearer(&alice))
                .await
                .denied(403, "center.denied", decided_by);
            site.center.set(Behaviour::decide(true));
        }
        let seen = site.ask(get("/read").bearer(&alice)).await;
        let subject = seen.forwarded("x-regionguard-subject");
        if place == Place::Front {
            assert_eq!(subject, ["alice"], "its own is removed");
        } else {
            assert!(
                subject.contains(&"127.0.1.9".to_owned()),
                "it is there, and does what it says"
            );
        }
    }
}

/// It says `allow` before we have decided: at worst everything is refused.
#[tokio::test]
async fn a_neighbour_that_forges_the_line_in_front_is_a_denial() {
    let issuers = Issuers::new();
    let alice = token(&issuers.us, "alice", &["read:profile"]);
    let site = site("neighbour-forges", &issuers, Place::Front, true).await;
    for request in [get("/open"), get("/closed"), get("/nowhere"), get("/a//b")] {
        for request in [request.clone(), request.bearer(&alice)] {
            site.ask(request).await.denied(500, "config.duplicate_filter", "inline");
        }
    }
    assert_eq!(site.upstream.count(), 0);
}

/// It stands where only what we let go on passes, so what we refuse stays refused, whatever line it sets.
#[tokio::test]
async fn behind_ours_it_cannot_let_in_what_we_refuse() {
    let issuers = Issuers::new();
    let site = site("neighbour-behind", &issuers, Place::Between, true).await;
    for (path, status) in [("/closed", 403), ("/read", 401), ("/a//b", 400)] {
        let lines = site.envoy.access_log().entries().len();
        let answer = site.client(US).send(&get(path)).await.unwrap();
        let entry: Entry = site.envoy.access_log().after(lines).await.unwrap();
        assert_eq!(
            (answer.status, entry.decision().unwrap().verdict.as_str()),
            (status, "deny")
        );
    }
    assert_eq!(site.upstream.count(), 0);
}

/// What stands between ours and the interlock is trusted: it can do for a filter that is missing what the interlock asks of it. The documentation says so.
#[tokio::test]
async fn in_front_of_the_interlock_it_is_trusted() {
    let issuers = Issuers::new();
    for (told, status) in [(true, 200), (false, 403)] {
        let site = site("neighbour-instead", &issuers, Place::Instead, told).await;
        let answer = site.client(US).send(&get("/closed")).await.unwrap();
        assert_eq!(answer.status, status);
    }
}
