//! The harness against itself: what it sends arrives, what it counts is true, and an Envoy whose filter cannot load lets nothing
//! in. No Wasm module is needed.

use std::net::IpAddr;
use std::time::Duration;

use regionguard_harness::client::{Client, Protocol, Request, Response};
use regionguard_harness::config::{Base, Config};
use regionguard_harness::envoy::{Envoy, Push};
use regionguard_harness::fault::{Behaviour, FaultServer};
use regionguard_harness::policy_folder::{PolicyFolder, shipped_bundle};
use regionguard_harness::raw::{RawRequest, exchange};
use regionguard_harness::upstream::Upstream;
use regionguard_harness::{Result, RunDir};
use serde_json::{Value, json};

type Expected = fn(&Result<Response>) -> bool;

fn headers_of(echo: &Value, name: &str) -> Vec<String> {
    let all = echo["headers"].as_array().unwrap().iter();
    all.filter(|pair| pair[0] == name)
        .map(|pair| pair[1].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn the_upstream_echoes_and_counts_on_both_protocols() {
    let upstream = Upstream::start().await.unwrap();
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let client = Client::new(upstream.address())
            .over(protocol)
            .from("127.0.1.9".parse().unwrap());
        let mut connection = client.connect().await.unwrap();
        for _ in 0..2 {
            let request = Request::new("POST", "/a?b")
                .host("api.us-east-1.com")
                .header("x", b"caf\xE9")
                .header("x", "2")
                .body("hi");
            let answer = connection.send(&request).await.unwrap();
            let echo = answer.json().unwrap();
            assert_eq!(
                (answer.status, &echo["method"], &echo["path"]),
                (200, &json!("POST"), &json!("/a?b"))
            );
            assert_eq!(headers_of(&echo, "x"), ["caf\\xE9", "2"]);
            assert_eq!(echo["body"], "hi");
        }
    }
    assert_eq!(upstream.count(), 4);
    assert_eq!(upstream.seen().len(), 4);
}

#[tokio::test]
async fn the_upstream_answers_grpc_with_trailers() {
    let upstream = Upstream::start().await.unwrap();
    let client = Client::new(upstream.address()).over(Protocol::Http2);
    let request = Request::new("POST", "/shop.Orders/Get")
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    let answer = client.send(&request).await.unwrap();
    assert_eq!(answer.header("content-type").unwrap(), "application/grpc");
    assert_eq!(answer.trailer("grpc-status").unwrap(), "0");
}

#[tokio::test]
async fn raw_requests_arrive_byte_by_byte() {
    let upstream = Upstream::start().await.unwrap();
    let request = RawRequest::new("GET", b"/a\\b//%2f;x\xE9")
        .header("Host", "a")
        .header("host", "b")
        .header("x", b"\xFF");
    let answer = request.send(upstream.address(), None).await.unwrap();
    let echo = answer.json().unwrap();
    assert_eq!(echo["path"], "/a\\b//%2f;x\\xE9");
    assert_eq!(headers_of(&echo, "host"), ["a", "b"]);
    assert_eq!(headers_of(&echo, "x"), ["\\xFF"]);
}

#[tokio::test]
async fn a_dropped_upstream_is_gone() {
    let upstream = Upstream::start_constant("ok").await.unwrap();
    let address = upstream.address();
    let mut connection = Client::new(address).connect().await.unwrap();
    assert_eq!(connection.send(&Request::new("GET", "/")).await.unwrap().text(), "ok");
    drop(upstream);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(connection.send(&Request::new("GET", "/")).await.is_err());
    assert!(Client::new(address).get("/").await.is_err());
}

#[tokio::test]
async fn the_fault_server_does_as_it_is_told() {
    let server = FaultServer::start(Behaviour::decide(true)).await.unwrap();
    let client = Client::new(server.address()).timeout(Duration::from_millis(500));
    let ask = || async {
        let request = Request::new("POST", "/access/v1/evaluation")
            .header("x-request-id", "q1")
            .body(r#"{"subject":1}"#);
        client.send(&request).await
    };
    let answer = ask().await.unwrap();
    assert_eq!(
        (answer.json().unwrap(), answer.header("x-request-id").unwrap()),
        (json!({"decision": true}), "q1".to_owned())
    );
    let cases: [(Behaviour, Expected); 9] = [
        (Behaviour::CloseAtOnce, |answer| answer.is_err()),
        (Behaviour::Hang, |answer| answer.is_err()),
        (Behaviour::HangInBody, |answer| answer.is_err()),
        (Behaviour::NotHttp, |answer| answer.is_err()),
        (Behaviour::Status(500), |answer| answer.as_ref().unwrap().status == 500),
        (Behaviour::Garbage, |answer| answer.as_ref().unwrap().json().is_err()),
        (Behaviour::Huge(100_000), |answer| {
            answer.as_ref().unwrap().body.len() > 100_000
        }),
        (Behaviour::WrongRequestId, |answer| {
            answer.as_ref().unwrap().header("x-request-id").unwrap() != "q1"
        }),
        (Behaviour::Redirect, |answer| {
            answer.as_ref().unwrap().header("location").is_some()
        }),
    ];
    let count = cases.len() + 1;
    for (behaviour, expected) in cases {
        server.set(behaviour.clone());
        let answer = ask().await;
        assert!(expected(&answer), "{behaviour:?}: {answer:?}");
    }
    assert_eq!(server.count(), count);
    assert_eq!(server.calls()[0].body, json!({"subject": 1}));
}

#[tokio::test]
async fn without_a_module_nothing_is_let_in() {
    for base in [Base::Sidecar, Base::Gateway] {
        let run = RunDir::new("no-module").unwrap();
        let upstream = Upstream::start().await.unwrap();
        let policy = PolicyFolder::create(run.path().join("policy"), "/nonexistent.wasm").unwrap();
        policy.write(&shipped_bundle().unwrap()).unwrap();
        let config = Config::shipped(base)
            .unwrap()
            .cluster("upstream", upstream.address())
            .policy(&policy);
        let envoy = Envoy::start("proxy", config, run.path()).await.unwrap();
        let answer = envoy
            .client()
            .send(&Request::new("GET", "/healthz").host("api.us-east-1.com"))
            .await
            .unwrap();
        assert_eq!(
            answer.status, 500,
            "{base:?}: Envoy answers for the filter that it has not got"
        );
        assert_eq!(upstream.count(), 0);
        let entry = envoy.access_log().after(0).await.unwrap();
        assert_eq!((entry.status(), entry.decision()), (500, None));
        // And still not after another configuration that cannot load.
        assert_eq!(
            envoy
                .push(&policy, |folder| folder.write_text("resources: ]["))
                .await
                .unwrap(),
            Push::Refused
        );
        assert_eq!(envoy.client().get("/healthz").await.unwrap().status, 500);
        assert_eq!(upstream.count(), 0);
    }
}

#[tokio::test]
async fn without_the_filter_the_interlock_lets_nothing_in() {
    let run = RunDir::new("interlock").unwrap();
    let upstream = Upstream::start().await.unwrap();
    let shipped = || {
        Config::shipped(Base::Sidecar)
            .unwrap()
            .cluster("upstream", upstream.address())
            .without_filter("regionguard")
    };
    let envoy = Envoy::start("closed", shipped(), run.path()).await.unwrap();
    assert_eq!(envoy.client().get("/healthz").await.unwrap().status, 403);
    let upgrade = b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    let answer = exchange(envoy.address(), None, upgrade).await.unwrap();
    assert_eq!(answer.status, 403);
    assert_eq!(upstream.count(), 0);
    assert_eq!(
        envoy
            .stat("http.inbound.rbac.regionguard_interlock.denied")
            .await
            .unwrap(),
        1
    );

    // The same chain with both taken out reaches the upstream: what refused above was the interlock.
    let open = Envoy::start("open", shipped().without_filter("regionguard-interlock"), run.path())
        .await
        .unwrap();
    let source: IpAddr = "127.0.2.7".parse().unwrap();
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let answer = open
            .client()
            .over(protocol)
            .from(source)
            .send(&Request::new("GET", "/x?access_token=t"))
            .await
            .unwrap();
        assert_eq!(answer.status, 200);
    }
    assert_eq!(upstream.count(), 2);
    let entry = open.access_log().after(1).await.unwrap();
    assert_eq!(
        (entry.text("peer"), entry.text("path"), entry.text("protocol")),
        ("127.0.2.7", "/x", "HTTP/2")
    );
    assert!(open.cpu_time().unwrap().total() < Duration::from_secs(30));
    assert!(
        open.prometheus()
            .await
            .unwrap()
            .contains("envoy_http_downstream_rq_total")
    );
    assert!(open.config_dump().await.unwrap()["configs"].is_array());
}

#[tokio::test]
async fn the_gateway_refuses_header_names_with_underscores_and_too_many_lines() {
    let run = RunDir::new("limits").unwrap();
    let upstream = Upstream::start().await.unwrap();
    let config = Config::shipped(Base::Gateway)
        .unwrap()
        .cluster("upstream", upstream.address());
    let config = config
        .without_filter("regionguard")
        .without_filter("regionguard-interlock");
    let envoy = Envoy::start("gateway", config, run.path()).await.unwrap();
    let request = || RawRequest::new("GET", "/").header("host", "a");
    assert_eq!(
        request()
            .header("x-y", "1")
            .send(envoy.address(), None)
            .await
            .unwrap()
            .status,
        200
    );
    assert_eq!(
        request()
            .header("x_y", "1")
            .send(envoy.address(), None)
            .await
            .unwrap()
            .status,
        400
    );
    let many = (0..1000).fold(request(), |request, index| request.header(format!("x-{index}"), "1"));
    assert_eq!(many.send(envoy.address(), None).await.unwrap().status, 431);
    assert_eq!(upstream.count(), 1);
}

#[tokio::test]
async fn an_envoy_that_cannot_start_says_why() {
    let run = RunDir::new("bad-bootstrap").unwrap();
    let config = Config::shipped(Base::Sidecar)
        .unwrap()
        .edit(|bootstrap| bootstrap["nonsense"] = json!(1));
    let error = Envoy::start("bad", config, run.path()).await.unwrap_err().to_string();
    assert!(error.contains("nonsense"), "{error}");

    // The shipped path of the policy is not there: Envoy does not start without the file.
    let error = Envoy::start("no-policy", Config::shipped(Base::Sidecar).unwrap(), run.path())
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("/etc/regionguard/policy/regionguard.yaml"), "{error}");
}
