//! The mesh itself: Envoy to Envoy over mTLS, volumes as a kubelet writes them, and nothing left behind.

use std::process::ExitCode;
use std::sync::Arc;

use regionguard_harness::client::Request;
use regionguard_mesh::{Mesh, Result, Spec, suite};

fn main() -> ExitCode {
    suite::run([suite::test("a_request_passes_from_envoy_to_envoy_over_mtls", passes)])
}

async fn passes(mesh: Arc<Mesh>) -> Result<()> {
    mesh.namespace("passes").await?;
    let (web, api) = tokio::try_join!(
        mesh.workload(Spec::new("passes", "web")),
        mesh.workload(Spec::new("passes", "api").region("us-east-1")),
    )?;
    let answer = web.call(&api, &Request::new("GET", "/v1/orders/7")).await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    Ok(())
}
