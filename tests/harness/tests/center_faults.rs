//! The ways in which a regional center goes wrong, clients that go away meanwhile, and many that wait at once.

mod common;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use common::{CENTER, Issuers, Site, US, bundle, deferring, deferring_site, get, regional_site, token};
use regionguard_harness::client::Protocol;
use regionguard_harness::config::{Base, Config};
use regionguard_harness::fault::{Behaviour, FaultServer};
use regionguard_harness::message::Reader;
use regionguard_harness::shelf::{Document, Shelf};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// The center's time to answer, where a scenario lets it pass. Elsewhere it is long enough for a busy machine.
const DEADLINE: Duration = Duration::from_millis(1000);

/// Where the keys of a Region are.
const KEYS: &str = "/.well-known/jwks.json";

/// A site whose center has no more than [`DEADLINE`].
async fn hurried_site(name: &str, issuers: &Issuers) -> Site {
    let mut regions = issuers.regions();
    regions[0]["spec"]["center"]["timeout"] = json!(format!("{}ms", DEADLINE.as_millis()));
    Site::start(name, &bundle(41, &regions, &[deferring()])).await
}

/// What a fault comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Nobody was there to decide.
    Away,
    /// Somebody answered, and it is no answer.
    Wrong,
}

/// Asks under the rule that denies and under the one that allows while the center is away.
async fn check_fault(site: &Site, what: &str, id: usize, token: &str, fault: Fault) {
    println!("{what}");
    let strict = site.ask(get(&format!("/strict/{id}")).bearer(token)).await;
    let lenient = site.ask(get(&format!("/lenient/{id}")).bearer(token)).await;
    match fault {
        Fault::Away => {
            strict.denied(503, "center.unavailable", CENTER);
            lenient.allowed("center.unavailable_allowed", CENTER);
            assert_eq!(
                lenient.forwarded("x-regionguard-reason"),
                ["center.unavailable_allowed"],
                "{what}"
            );
            assert_eq!(lenient.forwarded("x-user"), ["alice"], "{what}");
        }
        Fault::Wrong => {
            strict.denied(503, "center.error", CENTER);
            lenient.denied(503, "center.error", CENTER);
        }
    }
    assert_eq!(strict.answer.header("retry-after").unwrap(), "5", "{what}");
    let limit = DEADLINE + Duration::from_millis(800);
    assert!(strict.answer.elapsed < limit, "{what}: {:?}", strict.answer.elapsed);
}

#[tokio::test]
async fn each_fault_of_a_center_is_away_or_wrong_and_never_kept() {
    let issuers = Issuers::new();
    let site = hurried_site("center-faults", &issuers).await;
    let alice = token(&issuers.us, "alice", &[]);
    let mut faults = vec![
        (Behaviour::CloseAtOnce, Fault::Away),
        (Behaviour::Hang, Fault::Away),
        (Behaviour::HangInBody, Fault::Away),
        (
            Behaviour::AnswerAfter(DEADLINE + Duration::from_millis(300), json!({"decision": true})),
            Fault::Away,
        ),
        // Bytes that are not HTTP reach the filter as a lost connection: nothing tells one from the other.
        (Behaviour::NotHttp, Fault::Away),
        (Behaviour::Garbage, Fault::Wrong),
        (Behaviour::Huge(66_000), Fault::Wrong),
        (Behaviour::Huge(1_000_000), Fault::Wrong),
        (Behaviour::WrongRequestId, Fault::Wrong),
        (Behaviour::Redirect, Fault::Wrong),
        (Behaviour::Answer(json!({"decision": "true"})), Fault::Wrong),
        (Behaviour::Answer(json!({})), Fault::Wrong),
        (Behaviour::Answer(json!([true])), Fault::Wrong),
    ];
    faults.extend([502, 503, 504].map(|status| (Behaviour::Status(status), Fault::Away)));
    faults.extend(
        [201, 206, 400, 401, 403, 404, 413, 429, 500, 501].map(|status| (Behaviour::Status(status), Fault::Wrong)),
    );
    let mut sums = BTreeMap::from([("callout.away", 0), ("callout.wrong", 0)]);
    for (id, (behaviour, fault)) in faults.iter().enumerate() {
        site.center.set(behaviour.clone());
        check_fault(&site, &format!("{behaviour:?}"), id, &alice, *fault).await;
        *sums
            .get_mut(if *fault == Fault::Away {
                "callout.away"
            } else {
                "callout.wrong"
            })
            .unwrap() += 2;
    }
    for (name, sum) in sums {
        assert_eq!(site.counter(name).await, sum, "{name}");
    }
    // Each of these paths has been asked for before: nothing of it was kept, though the rules would keep an answer.
    site.center.set(Behaviour::decide(true));
    for id in 0..faults.len() {
        for path in ["strict", "lenient"] {
            let seen = site.ask(get(&format!("/{path}/{id}")).bearer(&alice)).await;
            seen.allowed("center.allowed", CENTER);
            assert_eq!(seen.asked, 1);
            assert_eq!(seen.forwarded("x-regionguard-reason"), [""; 0]);
        }
    }
    site.center.set(Behaviour::NoRequestId);
    site.ask(get("/plain/1").bearer(&alice))
        .await
        .allowed("center.allowed", CENTER);
}

#[tokio::test]
async fn a_center_that_is_not_there_in_each_way() {
    let issuers = Issuers::new();
    let html = start_html_server().await;
    let center = FaultServer::start(Behaviour::decide(true)).await.unwrap();
    let address = center.address();
    let shelf = Shelf::start().await.unwrap();
    shelf.put(KEYS, Document::Hang);
    let keys = shelf.address();
    let bundle_of = |version: u64, cluster: &str| {
        let mut regions = issuers.regions();
        regions[0]["spec"]["center"]["cluster"] = json!(cluster);
        // That other calls are on their way says nothing of the center.
        regions[1]["spec"]["keys"] = json!({"remote": {"cluster": "identity-eu", "timeout": "30s"}});
        bundle(version, &regions, &[deferring()])
    };
    let edit = |config: Config| {
        let config = config
            .cluster("identity-eu", keys)
            .cluster("center-us-east-1", address)
            .cluster("center-html", html)
            .cluster("center-empty", address);
        config.edit(|bootstrap| {
            let clusters = bootstrap["static_resources"]["clusters"].as_array_mut().unwrap();
            let empty = clusters
                .iter_mut()
                .find(|cluster| cluster["name"] == "center-empty")
                .unwrap();
            empty["load_assignment"]["endpoints"] = json!([]);
        })
    };
    let site = Site::start_with("center-absent", Base::Sidecar, &bundle_of(1, "center-us-east-1"), edit).await;
    let alice = token(&issuers.us, "alice", &[]);
    let push = async |version: u64, cluster: &str| {
        let bundle = bundle_of(version, cluster);
        site.envoy
            .push(&site.folder, |folder| folder.write(&bundle))
            .await
            .unwrap();
    };
    site.ask(get("/strict/1").bearer(&alice))
        .await
        .allowed("center.allowed", CENTER);

    push(2, "center-html").await;
    check_fault(&site, "a page of HTML", 2, &alice, Fault::Wrong).await;
    push(3, "center-nowhere").await;
    check_fault(&site, "an unknown cluster", 3, &alice, Fault::Wrong).await;
    assert_eq!(site.counter("callout.refused").await, 2);
    let before = shelf.count(KEYS);
    push(4, "center-empty").await;
    // The workers' calls for the keys of eu-west-1, which ended with the root context before, are made again, and hang.
    let began = Instant::now();
    while shelf.count(KEYS) < before + 2 {
        assert!(began.elapsed() < Duration::from_secs(20), "{}", shelf.count(KEYS));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    check_fault(&site, "a cluster without hosts", 4, &alice, Fault::Away).await;

    // Stopped, and back again.
    push(5, "center-us-east-1").await;
    site.ask(get("/strict/5").bearer(&alice))
        .await
        .allowed("center.allowed", CENTER);
    drop(center);
    tokio::time::sleep(Duration::from_millis(100)).await;
    check_fault(&site, "stopped", 6, &alice, Fault::Away).await;
    let kept = site.ask(get("/strict/5").bearer(&alice)).await;
    kept.allowed("center.allowed", "cache");
    let _center = FaultServer::start_at(address, Behaviour::decide(true)).await.unwrap();
    site.ask(get("/strict/6").bearer(&alice))
        .await
        .allowed("center.allowed", CENTER);
}

/// Answers every request with a decision, as if it were a page for people.
async fn start_html_server() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut reader = Reader::new(stream);
                let answer =
                    b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 17\r\n\r\n{\"decision\":true}";
                while let Ok(Some(_)) = reader.request().await {
                    reader.stream().write_all(answer).await.unwrap();
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn a_client_that_goes_away_changes_nothing_for_others() {
    let issuers = Issuers::new();
    let site = hurried_site("center-gone", &issuers).await;
    let alice = token(&issuers.us, "alice", &[]);

    // The center answers when some of those who asked are gone.
    site.center.set(Behaviour::AnswerAfter(
        Duration::from_millis(250),
        json!({"decision": true}),
    ));
    let mut others = JoinSet::new();
    for id in 0..20 {
        let impatient = id % 2 == 0;
        let timeout = if impatient {
            Duration::from_millis(60)
        } else {
            Duration::from_secs(5)
        };
        let (client, request) = (
            site.client(US).timeout(timeout),
            get(&format!("/plain/{id}")).bearer(&alice),
        );
        others.spawn(async move { (impatient, client.send(&request).await) });
    }
    for (impatient, answer) in others.join_all().await {
        match (impatient, answer) {
            (true, answer) => assert!(answer.is_err(), "{answer:?}"),
            (false, answer) => assert_eq!(answer.unwrap().status, 200),
        }
    }
    assert_eq!(site.upstream.count(), 10, "who is gone is not served");

    // The center never answers, and they are all gone: it is not for them to say that the center is away.
    site.center.set(Behaviour::Hang);
    for id in 0..5 {
        let client = site.client(US).timeout(Duration::from_millis(60));
        assert!(
            client
                .send(&get(&format!("/lenient/{id}")).bearer(&alice))
                .await
                .is_err()
        );
    }
    for id in 0..5 {
        let path = format!("/lenient/{id}");
        let entry = site
            .envoy
            .access_log()
            .wait_for(|entry| entry.text("path") == path)
            .await
            .unwrap();
        assert_eq!(
            (entry.status(), entry.text("flags"), entry.decision()),
            (0, "DC", None),
            "{entry:#?}"
        );
    }
    // A push takes the plugin away that made their calls, and nobody is told of how these end.
    let mut regions = issuers.regions();
    regions[0]["spec"]["center"]["timeout"] = json!(format!("{}ms", DEADLINE.as_millis()));
    let next = bundle(42, &regions, &[deferring()]);
    site.envoy
        .push(&site.folder, |folder| folder.write(&next))
        .await
        .unwrap();
    // Until the deadline, the grace after it and the next turn of the timer have passed.
    tokio::time::sleep(Duration::from_millis(2800)).await;
    let stats = site.envoy.stats().await.unwrap();
    let ours: BTreeMap<_, _> = stats
        .iter()
        .filter(|(name, _)| name.starts_with("wasmcustom.regionguard."))
        .collect();
    assert_eq!(
        stats.get("wasmcustom.regionguard.callout.away").copied().unwrap_or(0),
        0,
        "{ours:?}"
    );
    let decided: u64 = stats
        .iter()
        .filter(|(name, _)| name.starts_with("wasmcustom.regionguard.decision."))
        .map(|(_, value)| value)
        .sum();
    assert_eq!(decided, 10, "nobody is left to be decided: {ours:?}");
    assert_eq!(site.upstream.count(), 10);
    site.center.set(Behaviour::decide(true));
    site.ask(get("/plain/1").bearer(&alice))
        .await
        .allowed("center.allowed", CENTER);
}

#[tokio::test]
async fn many_wait_at_once_and_each_gets_its_own_answer() {
    let issuers = Issuers::new();
    let (regional, site) = regional_site("center-many", &issuers).await;
    let alice = token(&issuers.us, "alice", &[]);
    let mut asking = JoinSet::new();
    for count in 0..200 {
        // 41 and 43 may be read in us-east-1, 42 and 45 with the consent or contract that they have: 45 too.
        let (id, status) = [(41, 200), (42, 403), (43, 200), (99, 403)][count % 4];
        let protocol = if count % 8 < 4 {
            Protocol::Http1
        } else {
            Protocol::Http2
        };
        let client = site.client(US).over(protocol);
        // The query makes each question one of its own.
        let request = get(&format!("/v1/profiles/{id}?count={count}")).bearer(&alice);
        asking.spawn(async move { (count, status, client.send(&request).await.unwrap()) });
    }
    let mut allowed = 0;
    for (count, expected, answer) in asking.join_all().await {
        assert_eq!(answer.status, expected, "request {count}: {}", answer.text());
        if expected == 200 {
            allowed += 1;
            let path = answer.json().unwrap()["path"].as_str().unwrap().to_owned();
            assert!(path.ends_with(&format!("?count={count}")), "{path}");
        }
    }
    assert_eq!((allowed, site.upstream.count()), (100, 100));
    regional.abort();

    // And all of them waiting at the same time.
    let site = deferring_site("center-waiting", &issuers).await;
    site.center.set(Behaviour::AnswerAfter(
        Duration::from_millis(400),
        json!({"decision": true}),
    ));
    let began = Instant::now();
    let mut waiting = JoinSet::new();
    for count in 0..200 {
        let (client, request) = (site.client(US), get(&format!("/plain/{count}")).bearer(&alice));
        waiting.spawn(async move { client.send(&request).await.unwrap().status });
    }
    let answers = waiting.join_all().await;
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert_eq!(answers, [200; 200]);
    assert_eq!((site.center.count(), site.upstream.count()), (200, 200));
}
