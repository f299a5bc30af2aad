//! What ships, as it ships: both bootstraps and the example bundle, with the real filter on a real Envoy.

use std::time::Duration;

use regionguard_harness::client::Request;
use regionguard_harness::config::{Base, Config};
use regionguard_harness::envoy::Envoy;
use regionguard_harness::policy_folder::PolicyFolder;
use regionguard_harness::tls::Authority;
use regionguard_harness::upstream::Upstream;
use regionguard_harness::{RunDir, tools};
use serde_json::{Value, json};

#[tokio::test]
async fn the_example_serves_on_both_bootstraps() {
    for base in [Base::Sidecar, Base::Gateway] {
        let run = RunDir::new("shipped").unwrap();
        let upstream = Upstream::start().await.unwrap();
        let policy = PolicyFolder::create(run.path().join("policy"), tools::wasm_module().unwrap()).unwrap();
        policy.write_resource(|_| ()).unwrap();
        let config = Config::shipped(base)
            .unwrap()
            .cluster("upstream", upstream.address())
            .policy(&policy)
            .concurrency(2);
        let envoy = Envoy::start("proxy", config, run.path()).await.unwrap();

        let cases = [
            ("api.us-east-1.com", "/healthz", 200),
            ("api.us-east-1.com", "/v1/profiles/42", 401),
            ("elsewhere.com", "/healthz", 421),
        ];
        for (count, (host, path, status)) in cases.into_iter().enumerate() {
            let answer = envoy
                .client()
                .send(&Request::new("GET", path).host(host))
                .await
                .unwrap();
            assert_eq!(
                answer.status,
                status,
                "{base:?} {host}{path}: {}\n{}",
                answer.text(),
                envoy.log()
            );
            let decision = envoy
                .access_log()
                .after(count)
                .await
                .unwrap()
                .decision()
                .expect("a decision line");
            assert_eq!(decision.verdict, if status == 200 { "allow" } else { "deny" });
            assert!(decision.bundle.starts_with("shop@1+"), "{decision:?}");
        }
        assert_eq!(upstream.count(), 1);

        // A deprecated field or a useless rule in what ships would be in the log.
        let log = envoy.log();
        let complaints: Vec<_> = log
            .lines()
            .filter(|line| line.contains("][warning][misc]") || line.contains("][warning][wasm]"))
            .collect();
        assert!(complaints.is_empty(), "{base:?}: {complaints:#?}");
    }
}

#[tokio::test]
async fn what_is_tried_stands_in_the_access_log_of_both_bootstraps() {
    for base in [Base::Sidecar, Base::Gateway] {
        let run = RunDir::new("shipped-tried").unwrap();
        let upstream = Upstream::start().await.unwrap();
        let policy = PolicyFolder::create(run.path().join("policy"), tools::wasm_module().unwrap()).unwrap();
        // Beside the example a candidate that lets nothing in.
        let closed = json!({"rules": [{"name": "closed", "effect": "deny"}]});
        let next = json!({"apiVersion": "security.io/v1", "kind": "ZeroTrustPolicy", "metadata": {"name": "next"}, "spec": closed});
        policy
            .write_resource(|resource| {
                resource["typed_config"]["config"]["configuration"]["value"]["candidate"] =
                    json!({"documents": [next]});
            })
            .unwrap();
        let config = Config::shipped(base)
            .unwrap()
            .cluster("upstream", upstream.address())
            .policy(&policy);
        let envoy = Envoy::start("proxy", config, run.path()).await.unwrap();
        let cases = [
            ("api.us-east-1.com", 200, Some("deny;rule.denied;next/closed;")),
            // A foreign authority is refused before any policy.
            ("elsewhere.com", 421, None),
        ];
        for (count, (host, status, expected)) in cases.into_iter().enumerate() {
            let request = Request::new("GET", "/healthz").host(host);
            assert_eq!(envoy.client().send(&request).await.unwrap().status, status);
            let entry = envoy.access_log().after(count).await.unwrap();
            assert!(entry.decision().is_some(), "{entry:?}");
            assert_eq!(entry.0.get("shadow"), Some(&Value::Null), "{entry:?}");
            let would = entry.0.get("candidate").expect("a member");
            match expected {
                Some(start) => assert!(would.as_str().is_some_and(|line| line.starts_with(start)), "{entry:?}"),
                None => assert!(would.is_null(), "{entry:?}"),
            }
        }
    }
}

#[tokio::test]
async fn the_gateway_for_browsers_sends_pages_to_the_login_and_leaves_tokens_to_the_filter() {
    let run = RunDir::new("shipped-oauth2").unwrap();
    let here = |file: &str| run.path().join(file);
    let server = Authority::new().unwrap().server().unwrap();
    std::fs::write(here("tls.crt"), server.certificate).unwrap();
    std::fs::write(here("tls.key"), server.key).unwrap();
    for secret in ["client-secret", "cookie-secret"] {
        std::fs::write(here(secret), "only for one run").unwrap();
    }
    // The files as they ship, with what is mounted in this folder.
    for file in ["gateway.yaml", "client-secret.yaml", "cookie-secret.yaml"] {
        let mut text = std::fs::read_to_string(tools::envoy_config("oauth2").join(file)).unwrap();
        for folder in ["/etc/regionguard/tls", "/etc/regionguard/login"] {
            text = text.replace(folder, run.path().to_str().unwrap());
        }
        std::fs::write(here(file), text).unwrap();
    }
    let policy = PolicyFolder::create(here("policy"), tools::wasm_module().unwrap()).unwrap();
    policy.write_resource(|_| ()).unwrap();
    let config = Config::read(&here("gateway.yaml")).unwrap().policy(&policy);
    // Whether the client trusts the listener is not the question here.
    let config = config.edit(|bootstrap| {
        let chain = &mut bootstrap["static_resources"]["listeners"][0]["filter_chains"][0];
        assert!(chain.as_object_mut().unwrap().remove("transport_socket").is_some());
    });
    let envoy = Envoy::start("proxy", config, run.path()).await.unwrap();
    let page = Request::new("GET", "/v1/profiles/7").host("api.us-east-1.com");
    let answer = envoy.client().send(&page).await.unwrap();
    let location = answer.header("location").unwrap();
    assert_eq!(answer.status, 302);
    assert!(
        location.starts_with("https://login.us-east-1.com/authorize?"),
        "{location}"
    );
    for part in [
        "code_challenge_method=S256",
        "redirect_uri=https%3A%2F%2Fapi.us-east-1.com%2Foauth2%2Fcallback",
        "scope=openid%20read%3Aprofile",
    ] {
        assert!(location.contains(part), "{part} in {location}");
    }
    for (header, value, judged) in [
        ("sec-fetch-mode", "cors", false),
        ("authorization", "Bearer no.token.here", true),
    ] {
        let before = envoy.access_log().entries().len();
        let answer = envoy.client().send(&page.clone().header(header, value)).await.unwrap();
        assert_eq!((answer.status, answer.header("location")), (401, None), "{header}");
        let entry = envoy.access_log().after(before).await.unwrap();
        assert_eq!(entry.decision().is_some(), judged, "{entry:?}");
    }
}

#[tokio::test]
async fn the_counters_have_labels() {
    let run = RunDir::new("labels").unwrap();
    let policy = PolicyFolder::create(run.path().join("policy"), tools::wasm_module().unwrap()).unwrap();
    policy.write_resource(|_| ()).unwrap();
    let config = Config::shipped(Base::Gateway).unwrap().policy(&policy);
    let envoy = Envoy::start("proxy", config, run.path()).await.unwrap();
    envoy
        .client()
        .send(&Request::new("GET", "/").host("elsewhere.com"))
        .await
        .unwrap();
    let expected = [
        r#"regionguard_decision{verdict="deny",reason=""#,
        r#"regionguard_bundle{result="applied"}"#,
    ];
    let mut text = String::new();
    // The filter adds its counters up and hands them to Envoy on a timer.
    for _ in 0..300 {
        text = envoy.prometheus().await.unwrap();
        if expected.iter().all(|line| text.contains(line)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let ours: Vec<_> = text.lines().filter(|line| line.contains("regionguard")).collect();
    panic!("{ours:#?}");
}
