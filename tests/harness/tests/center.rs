//! Who else is asked: deferred requests and the regional center, well and in each of the ways that a center goes wrong.

mod common;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use common::{EU, HOST, Issuers, Seen, Site, US, bundle, claims, get, policy, sign, token};
use regionguard_harness::client::{Client, Protocol, Request, Response};
use regionguard_harness::config::{Base, Config};
use regionguard_harness::fault::{Behaviour, FaultServer};
use regionguard_harness::message::Reader;
use regionguard_harness::tools;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Where decisions of the local region's center are said to come from.
const CENTER: &str = "center:us-east-1";
/// The center's time to answer, where a scenario lets it pass. Elsewhere it is long enough for a busy machine.
const DEADLINE: Duration = Duration::from_millis(1000);

fn deferring() -> Value {
    let rule = |name: &str, defer: Value| json!({"name": name, "paths": [format!("/{name}/{{id}}")], "effect": "defer", "defer": defer});
    let mut demanding = rule("demanding", json!({"onUnavailable": "deny"}));
    demanding["permissions"] = json!({"anyOf": ["read:profile"]});
    let mut public = rule("public", json!({"onUnavailable": "deny"}));
    public["identity"] = json!("none");
    let mut grpc = rule("grpc", json!({"onUnavailable": "deny"}));
    grpc["paths"] = json!(["/shop.Orders/*"]);
    policy(
        "center",
        json!({
            "forward": {"token": "strip", "claims": {"x-user": "sub"}},
            "rules": [
                rule("strict", json!({"cache": "30s", "onUnavailable": "deny"})),
                rule("lenient", json!({"cache": "30s", "onUnavailable": "allow"})),
                rule("plain", json!({"claims": ["department", "absent"]})),
                rule("cached", json!({"cache": "2s"})),
                rule("telling", json!({"reasonUser": "pass"})),
                demanding,
                public,
                grpc,
                {"name": "closed", "paths": ["/plain/closed"], "effect": "deny"},
            ],
        }),
    )
}

async fn site(name: &str, issuers: &Issuers) -> Site {
    Site::start(name, &bundle(41, &issuers.regions(), &[deferring()])).await
}

/// A site whose center has no more than [`DEADLINE`].
async fn hurried_site(name: &str, issuers: &Issuers) -> Site {
    let mut regions = issuers.regions();
    regions[0]["spec"]["center"]["timeout"] = json!(format!("{}ms", DEADLINE.as_millis()));
    Site::start(name, &bundle(41, &regions, &[deferring()])).await
}

#[tokio::test]
async fn a_deferred_request_is_what_the_center_says() {
    let issuers = Issuers::new();
    let site = site("center-says", &issuers).await;
    let alice = token(&issuers.us, "alice", &[]);
    let ask = async |path: &str| site.ask(get(path).bearer(&alice)).await;

    let seen = ask("/plain/1").await;
    seen.allowed("center.allowed", CENTER);
    assert_eq!((seen.asked, seen.forwarded("x-user")), (1, vec!["alice".to_owned()]));
    assert_eq!(seen.forwarded("authorization"), [""; 0]);
    assert_eq!(seen.decision().rule, "center/plain");
    // The question holds the source, so it was looked for.
    assert_eq!(seen.decision().regions, "us-east-1>us-east-1>us-east-1");

    let told = json!({"decision": false, "context": {
        "reason_admin": {"en": "profile 1 belongs to\n somebody else"}, "reason_user": {"en": "This is not yours."}}});
    site.center.set(Behaviour::Answer(told));
    let seen = ask("/plain/1").await;
    seen.denied(403, "center.denied", CENTER);
    assert_eq!(seen.asked, 1);
    assert!(!seen.answer.text().contains("not yours"), "{seen:#?}");
    let seen = ask("/telling/1").await;
    seen.denied(403, "center.denied", CENTER);
    assert_eq!(seen.answer.json().unwrap()["detail"], "This is not yours.");
    let log = site.module_log().join("\n");
    assert!(log.contains("center denies center/plain (request "), "{log}");
    assert!(log.contains("profile 1 belongs to%0A somebody else"), "{log}");
    assert!(!seen.answer.text().contains("somebody else"), "{seen:#?}");

    // What can be decided here is not asked: no identity, a permission that is not there, a deny.
    for (request, status, reason) in [
        (get("/plain/1"), 401, "identity.missing"),
        (get("/demanding/1").bearer(&alice), 403, "permission.missing"),
        (get("/plain/closed").bearer(&alice), 403, "rule.denied"),
    ] {
        let seen = site.ask(request).await;
        seen.denied(status, reason, "inline");
        assert_eq!(seen.asked, 0, "{reason}");
    }
    site.center.set(Behaviour::decide(true));
    let seen = site.ask(get("/public/1")).await;
    seen.allowed("center.allowed", CENTER);
    assert_eq!(site.center.calls().last().unwrap().body["subject"]["type"], "anonymous");
    assert_eq!(site.counter("callout.answered").await, 4);
}

#[tokio::test]
async fn an_answer_is_kept_for_as_long_as_rule_and_center_say() {
    let issuers = Issuers::new();
    let site = site("center-cache", &issuers).await;
    let (alice, bob) = (token(&issuers.us, "alice", &[]), token(&issuers.us, "bob", &[]));
    let ask = async |path: &str, token: &str| site.ask(get(path).bearer(token)).await;

    ask("/cached/1", &alice).await.allowed("center.allowed", CENTER);
    let kept = ask("/cached/1", &alice).await;
    kept.allowed("center.allowed", "cache");
    assert_eq!((kept.asked, kept.forwarded("x-user")), (0, vec!["alice".to_owned()]));
    // Another question, in each of its parts.
    ask("/cached/2", &alice).await.allowed("center.allowed", CENTER);
    ask("/cached/1?a=b", &alice).await.allowed("center.allowed", CENTER);
    ask("/cached/1", &bob).await.allowed("center.allowed", CENTER);
    let head = Request::new("HEAD", "/cached/1").host(HOST).bearer(&alice);
    site.ask(head).await.allowed("center.allowed", CENTER);
    site.ask_from(EU, get("/cached/1").bearer(&alice))
        .await
        .allowed("center.allowed", CENTER);
    // All that comes before the center comes before the cache.
    let mut expired = claims(&issuers.us, "alice", &[]);
    expired["exp"] = json!(regionguard_harness::issuer::now() - 60);
    let expired = sign(&issuers.us, &expired);
    ask("/cached/1", &expired)
        .await
        .denied(401, "identity.expired", "inline");

    tokio::time::sleep(Duration::from_millis(2100)).await;
    site.center.set(Behaviour::decide(false));
    ask("/cached/1", &alice).await.denied(403, "center.denied", CENTER);
    let kept = ask("/cached/1", &alice).await;
    kept.denied(403, "center.denied", "cache");
    assert_eq!(kept.asked, 0);

    // The center's own word, where it is the shorter one.
    site.center
        .set(Behaviour::Answer(json!({"decision": true, "context": {"ttl": 0}})));
    for _ in 0..2 {
        ask("/cached/3", &alice).await.allowed("center.allowed", CENTER);
    }
    // A new bundle, even if it says the same: what was kept belonged to the old one.
    site.center.set(Behaviour::decide(true));
    ask("/cached/4", &alice).await.allowed("center.allowed", CENTER);
    ask("/cached/4", &alice).await.allowed("center.allowed", "cache");
    let next = bundle(42, &issuers.regions(), &[deferring()]);
    site.envoy
        .push(&site.folder, |folder| folder.write(&next))
        .await
        .unwrap();
    ask("/cached/4", &alice).await.allowed("center.allowed", CENTER);
    assert_eq!(site.counter("decision_cache.hit").await, 3);
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
    let bundle_of = |version: u64, cluster: &str| {
        let mut regions = issuers.regions();
        regions[0]["spec"]["center"]["cluster"] = json!(cluster);
        bundle(version, &regions, &[deferring()])
    };
    let edit = |config: Config| {
        let config = config
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
    push(4, "center-empty").await;
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
    let site = self::site("center-waiting", &issuers).await;
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

#[tokio::test]
async fn the_question_is_what_was_agreed_and_has_the_published_form() {
    let issuers = Issuers::new();
    let site = site("center-question", &issuers).await;
    let mut alice = claims(&issuers.us, "alice", &["read:profile"]);
    for (claim, value) in [
        ("roles", json!(["clerk"])),
        ("department", json!({"name": "sales", "floors": [1, 2]})),
        ("secret", json!("not asked for")),
        ("acr", json!("urn:example:mfa")),
        ("amr", json!(["pwd", "otp"])),
    ] {
        alice[claim] = value;
    }
    let alice = sign(&issuers.us, &alice);
    let seen = site.ask(get("/plain/a%20b?x=1&y=%C3%A9").bearer(&alice)).await;
    seen.allowed("center.allowed", CENTER);
    let call = site.center.calls().pop().unwrap();
    assert_eq!(call.line, "POST /access/v1/evaluation HTTP/1.1");
    let header = |name: &str| {
        call.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.clone())
    };
    assert_eq!(header("content-type").unwrap(), "application/json");
    assert_eq!(header("host").unwrap(), "center-us-east-1");
    assert_eq!(header("authorization"), None);
    let id = seen.entry.text("request_id").to_owned();
    assert_eq!(header("x-request-id").unwrap(), id);
    let mut question = call.body.clone();
    let time = question["context"]["time"].take();
    assert!(
        time.as_str()
            .is_some_and(|time| time.starts_with("20") && time.ends_with('Z')),
        "{time}"
    );
    assert_eq!(
        question,
        json!({
            "subject": {"type": "identity", "id": "alice", "properties": {
                "home": "us-east-1", "iss": "identity.global.com", "roles": ["clerk"], "permissions": ["read:profile"],
                "acr": "urn:example:mfa", "amr": ["pwd", "otp"], "department": {"name": "sales", "floors": [1, 2]}}},
            "action": {"name": "GET"},
            "resource": {"type": "route", "id": "/plain/{id}", "properties": {
                "host": HOST, "path": "/plain/a%20b", "captures": {"id": "a b"}, "query": "x=1&y=%C3%A9"}},
            "context": {"time": null, "local": "us-east-1", "source": {"address": US, "region": "us-east-1"},
                "request_id": id, "policy": "center", "rule": "plain", "bundle": seen.decision().bundle},
        })
    );

    // Of somebody of another region, the question holds what counts here; of an unknown source, its address.
    let mut bob = claims(&issuers.eu, "bob", &["read:profile", "write:profile"]);
    bob["roles"] = json!(["viewer", "admin"]);
    let seen = site
        .ask_from("127.0.0.1", get("/plain/1").bearer(&sign(&issuers.eu, &bob)))
        .await;
    seen.allowed("center.allowed", CENTER);
    let foreign = site.center.calls().pop().unwrap().body;
    assert_eq!(foreign["subject"]["properties"]["home"], "eu-west-1");
    assert_eq!(foreign["subject"]["properties"]["permissions"], json!(["read:profile"]));
    assert_eq!(foreign["subject"]["properties"]["roles"], json!(["viewer"]));
    assert_eq!(foreign["context"]["source"], json!({"address": "127.0.0.1"}));
    site.ask(get("/public/1")).await.allowed("center.allowed", CENTER);

    let vectors = tools::workspace_root().join(
        std::env::var_os("REGIONGUARD_VECTORS").map_or_else(|| PathBuf::from("../shared/vectors"), PathBuf::from),
    );
    let schema = vectors.join("authzen/schemas/evaluation-request.schema.json");
    let Ok(schema) = std::fs::read(&schema) else {
        let required = std::env::var("REGIONGUARD_REQUIRE_VECTORS").is_ok_and(|value| value == "1");
        assert!(
            !required,
            "the published schema is required, and `{}` is not there",
            schema.display()
        );
        let written = format!("left out: the published schema is not at `{}`\n", schema.display());
        // Past the capture of the test runner: what is left out must not look like what passed.
        std::io::Write::write_all(&mut std::io::stderr(), written.as_bytes()).unwrap();
        return;
    };
    let schema = jsonschema::validator_for(&serde_json::from_slice(&schema).unwrap()).unwrap();
    let calls = site.center.calls();
    assert_eq!(calls.len(), 3);
    for call in calls {
        let findings: Vec<_> = schema.iter_errors(&call.body).map(|error| error.to_string()).collect();
        assert_eq!(findings, [""; 0], "{}", call.body);
    }
    let mut none = question;
    none["subject"].take();
    assert!(!schema.is_valid(&none), "the schema tells");
}

#[tokio::test]
async fn the_regional_center_judges_by_gdpr_and_sox() {
    let issuers = Issuers::new();
    let (_regional, site) = regional_site("center-regional", &issuers).await;
    let (alice, carol) = (token(&issuers.us, "alice", &[]), token(&issuers.us, "carol", &[]));
    let bob = token(&issuers.eu, "bob", &[]);
    let read = |id: u32, token: &str| get(&format!("/v1/profiles/{id}")).bearer(token);
    let approve = |id: u32, token: &str| {
        Request::new("POST", &format!("/v1/postings/{id}/approve"))
            .host(HOST)
            .bearer(token)
    };

    for (what, source, request) in [
        ("outside of the EU anyway", US, read(41, &alice)),
        ("by consent", US, read(43, &alice)),
        ("by contract", US, read(44, &alice)),
        ("somebody of eu-west-1, by consent", EU, read(43, &bob)),
        ("prepared by another", US, approve(1001, &carol)),
        (
            "prepared by a namesake of another region",
            US,
            approve(1002, &token(&issuers.us, "bob", &[])),
        ),
    ] {
        println!("{what}");
        site.ask_from(source, request).await.allowed("center.allowed", CENTER);
    }
    for (what, source, request, told) in [
        (
            "stays in the EU",
            US,
            read(42, &alice),
            "This data may not leave the EU without consent or a contract.",
        ),
        (
            "the resource stands in us-east-1, whoever asks",
            EU,
            read(42, &bob),
            "This data may not leave the EU without consent or a contract.",
        ),
        (
            "no such profile",
            US,
            read(99, &alice),
            "There is nothing here that you may see.",
        ),
        (
            "prepared by oneself",
            US,
            approve(1001, &alice),
            "You prepared this posting: somebody else has to approve it.",
        ),
        (
            "prepared by oneself, of eu-west-1",
            EU,
            approve(1002, &bob),
            "You prepared this posting: somebody else has to approve it.",
        ),
        (
            "nobody prepared it",
            US,
            approve(1004, &carol),
            "This posting cannot be approved yet.",
        ),
    ] {
        println!("{what}");
        let seen = site.ask_from(source, request).await;
        seen.denied(403, "center.denied", CENTER);
        assert_eq!(seen.answer.json().unwrap()["detail"], told, "{what}");
    }
    let log = site.module_log().join("\n");
    assert!(
        log.contains("GDPR: profile 42 resides in eu-west-1 and may not go to us-east-1"),
        "{log}"
    );
    assert!(
        log.contains("SOX: alice of us-east-1 prepared posting 1001 and may not approve it"),
        "{log}"
    );
    // The center says for how long: its answers about data are kept, those about postings never.
    site.ask(read(43, &alice)).await.allowed("center.allowed", "cache");
    site.ask(read(42, &alice)).await.denied(403, "center.denied", "cache");
    site.ask(approve(1001, &carol)).await.allowed("center.allowed", CENTER);
}

/// A proxy whose center is the one that ships as an example.
async fn regional_site(name: &str, issuers: &Issuers) -> (tokio::task::JoinHandle<()>, Site) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let center = regional_center::Center::embedded("us-east-1").unwrap().quiet();
    let served = tokio::spawn(async move {
        regional_center::serve(listener, center, std::future::pending())
            .await
            .unwrap();
    });
    let policy = policy(
        "regimes",
        json!({"rules": [
            {"name": "profile", "methods": ["GET"], "paths": ["/v1/profiles/{id}"], "effect": "defer",
             "defer": {"reasonUser": "pass"}},
            {"name": "approve", "methods": ["POST"], "paths": ["/v1/postings/{id}/approve"], "effect": "defer",
             "defer": {"cache": "30s", "reasonUser": "pass"}},
        ]}),
    );
    let bundle = bundle(41, &issuers.regions(), &[policy]);
    let site = Site::start_with(name, Base::Sidecar, &bundle, |config| {
        config.cluster("center-us-east-1", address)
    })
    .await;
    (served, site)
}

#[tokio::test]
async fn a_deferred_grpc_request_gets_a_grpc_status() {
    let issuers = Issuers::new();
    let site = site("center-grpc", &issuers).await;
    let alice = token(&issuers.us, "alice", &[]);
    let client = site.client(US).over(Protocol::Http2);
    let call = Request::new("POST", "/shop.Orders/Get")
        .host(HOST)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .bearer(&alice)
        .body(vec![0; 5]);
    let ask = async |behaviour: Behaviour| {
        site.center.set(behaviour);
        site.observe(async { client.send(&call).await.unwrap() }).await
    };

    let seen = ask(Behaviour::AnswerAfter(
        Duration::from_millis(100),
        json!({"decision": true}),
    ))
    .await;
    seen.allowed("center.allowed", CENTER);
    assert_eq!(seen.answer.trailer("grpc-status").unwrap(), "0");
    assert_eq!(seen.forwarded("x-user"), ["alice"]);
    let question = site.center.calls().pop().unwrap().body;
    assert_eq!(
        question["action"],
        json!({"name": "POST", "properties": {"service": "shop.Orders", "method": "Get"}})
    );

    for (behaviour, grpc_status, reason) in [
        (Behaviour::decide(false), "7", "center.denied"),
        (Behaviour::Status(503), "14", "center.unavailable"),
        (Behaviour::Garbage, "14", "center.error"),
    ] {
        let seen = ask(behaviour).await;
        let decision = seen.decision();
        assert_eq!(
            (decision.reason.as_str(), decision.by.as_str()),
            (reason, CENTER),
            "{seen:#?}"
        );
        assert_eq!((seen.answer.status, seen.upstream.len()), (200, 0), "{seen:#?}");
        assert_eq!(seen.answer.trailer("grpc-status").unwrap(), grpc_status, "{seen:#?}");
        assert_eq!(seen.answer.header("content-type").unwrap(), "application/grpc");
    }
}

#[tokio::test]
async fn the_body_of_a_request_that_waits_is_not_lost() {
    let issuers = Issuers::new();
    for base in [Base::Sidecar, Base::Gateway] {
        let bundle = bundle(41, &issuers.regions(), &[deferring()]);
        let site = Site::start_with("center-body", base, &bundle, |config| config).await;
        let alice = token(&issuers.us, "alice", &[]);
        // More than a connection buffers: 64 KiB in the sidecar, 32 in the gateway.
        let body: String = (0..20_000).map(|count| format!("{count:05}")).collect();
        let post = Request::new("POST", "/plain/1")
            .host(HOST)
            .bearer(&alice)
            .body(body.clone());
        for protocol in [Protocol::Http1, Protocol::Http2] {
            let send = async || -> Seen {
                let client: Client = site.client(US).over(protocol);
                site.observe(async {
                    let answer: Response = client.send(&post).await.unwrap();
                    answer
                })
                .await
            };
            site.center.set(Behaviour::AnswerAfter(
                Duration::from_millis(200),
                json!({"decision": true}),
            ));
            let seen = send().await;
            seen.allowed("center.allowed", CENTER);
            assert!(
                seen.upstream[0]["body"] == *body,
                "{base:?} {protocol:?}: {} bytes",
                seen.upstream[0]["body"].as_str().unwrap().len()
            );
            site.center.set(Behaviour::AnswerAfter(
                Duration::from_millis(200),
                json!({"decision": false}),
            ));
            send().await.denied(403, "center.denied", CENTER);
        }
    }
}
