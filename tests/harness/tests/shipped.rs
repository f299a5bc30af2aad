//! What ships, as it ships: both bootstraps and the example bundle, with the real filter on a real Envoy.

use std::time::Duration;

use regionguard_harness::client::Request;
use regionguard_harness::config::{Base, Config};
use regionguard_harness::envoy::Envoy;
use regionguard_harness::policy_folder::PolicyFolder;
use regionguard_harness::upstream::Upstream;
use regionguard_harness::{RunDir, tools};

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
