//! What is served with the manifests that ship.

use regionguard_harness::Result;
use serde_json::{Value, json};

use crate::manifests::NAMESPACE;
use crate::stage::{Stage, get, wait};

pub(crate) async fn the_control_plane_takes_every_manifest(stage: &mut Stage) -> Result<()> {
    for name in ["regionguard-interlock", "regionguard-reload", "regionguard-centers"] {
        stage.has("EnvoyPatchPolicy", name, "Programmed", "True").await?;
    }
    stage
        .has("EnvoyExtensionPolicy", "regionguard", "Accepted", "True")
        .await?;
    stage
        .has("ClientTrafficPolicy", "regionguard", "Accepted", "True")
        .await?;
    // The status follows the configuration that serves: what it says of the route as it was applied first may stand for a while.
    let settled = |route: &Value| {
        let conditions = route.pointer("/status/parents/0/conditions").and_then(Value::as_array);
        conditions.is_some_and(|conditions| {
            let now = &route["metadata"]["generation"];
            let holds = |one: &Value| one["status"] == "True" && one["observedGeneration"] == *now;
            !conditions.is_empty() && conditions.iter().all(holds)
        })
    };
    stage
        .gateway
        .wait_for("gateway.networking.k8s.io/v1", "HTTPRoute", NAMESPACE, "api", settled)
        .await?;
    Ok(())
}

pub(crate) async fn a_request_that_the_policy_allows_reaches_the_upstream_and_others_are_told_why(
    stage: &mut Stage,
) -> Result<()> {
    let token = stage.token(&["read:profile"])?;
    let near = stage.client().from([127, 0, 1, 9].into());
    let allowed = near.send(&get("/v1/profiles/7").bearer(&token)).await?;
    assert_eq!(allowed.status, 200, "{}", allowed.text());
    let headers = allowed.json()?["headers"].to_string();
    assert!(
        headers.contains(r#"["x-user","alice"]"#) && !headers.contains("authorization"),
        "{headers}"
    );
    let line = stage
        .proxy
        .access_log()
        .wait_for(|line| line.text("path") == "/v1/profiles/7" && line.status() == 200)
        .await?;
    let decision = line.decision().ok_or("no decision line")?;
    assert_eq!(
        (decision.verdict.as_str(), decision.rule.as_str()),
        ("allow", "shop/read-profile"),
        "{line:?}"
    );
    // The source region by the connection's own address: the native filter in front has told it.
    assert_eq!(decision.regions, "us-east-1>us-east-1>us-east-1", "{line:?}");
    let far = stage.client().send(&get("/v1/profiles/7").bearer(&token)).await?;
    assert_eq!(far.status, 403, "{}", far.text());

    let count = stage.upstream.count();
    let without = stage.token(&[])?;
    for (path, request, status, reason) in [
        ("/v1/profiles/8", get("/v1/profiles/8"), 401, "identity.missing"),
        (
            "/v1/profiles/9",
            get("/v1/profiles/9").bearer(&without),
            403,
            "permission.missing",
        ),
        (
            "/v1/profiles/10",
            get("/v1/profiles/10").host("other.example.com"),
            421,
            "request.authority_not_served",
        ),
    ] {
        let answer = near.send(&request).await?;
        assert_eq!(answer.status, status, "{}", answer.text());
        let line = stage
            .proxy
            .access_log()
            .wait_for(|line| line.text("path") == path)
            .await?;
        let decision = line.decision().ok_or("no decision line")?;
        assert_eq!(
            (line.status(), decision.verdict.as_str(), decision.reason.as_str()),
            (status, "deny", reason),
            "{line:?}"
        );
    }
    assert_eq!(stage.upstream.count(), count);
    Ok(())
}

pub(crate) async fn the_filter_judges_the_path_as_it_was_received(stage: &mut Stage) -> Result<()> {
    for (path, status) in [
        ("/x/../healthz", 200),
        ("/h%65althz", 200),
        ("//healthz", 400),
        ("/a%2fb", 400),
    ] {
        let answer = stage.client().send(&get(path)).await?;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        if status == 200 {
            assert_eq!(answer.json()?["path"], "/healthz", "{path}");
        }
    }
    assert_eq!(
        stage.client().send(&get("/healthz").header("a_b", "c")).await?.status,
        400
    );
    Ok(())
}

pub(crate) async fn decisions_are_in_the_metrics_with_labels(stage: &mut Stage) -> Result<()> {
    assert_eq!(stage.client().send(&get("/healthz")).await?.status, 200);
    let wanted = r#"regionguard_decision{verdict="allow",reason="rule.public"}"#;
    wait("the counter of the decision", async || {
        Ok(stage
            .proxy
            .prometheus()
            .await?
            .lines()
            .any(|line| line.starts_with(wanted)))
    })
    .await
}

pub(crate) async fn every_chain_has_the_direct_peer_first_and_the_interlock_before_the_router(
    stage: &mut Stage,
) -> Result<()> {
    let listener = stage.proxy.listener(&format!("tcp-{}", stage.port)).await?;
    let manager = listener
        .pointer("/default_filter_chain/filters/0/typed_config")
        .ok_or("no chain")?;
    let filters = manager["http_filters"].as_array().ok_or("no filters")?;
    let names: Vec<_> = filters.iter().filter_map(|filter| filter["name"].as_str()).collect();
    let wasm = "envoy.filters.http.wasm/envoyextensionpolicy/edge/regionguard/wasm/0";
    let expected = [
        "regionguard-direct-peer",
        wasm,
        "regionguard-interlock",
        "envoy.filters.http.router",
    ];
    assert_eq!(names, expected);
    let plugin = &filters[1]["typed_config"]["config"];
    assert_eq!(
        (&plugin["failure_policy"], &plugin["root_id"]),
        (&json!("FAIL_RELOAD"), &json!("regionguard"))
    );
    assert_ne!(plugin["fail_open"], true);
    assert_ne!(manager["normalize_path"], true);
    Ok(())
}
