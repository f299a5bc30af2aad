//! Istio's sample of an external authorizer, for CUSTOM policies.

use std::process::Command;
use std::time::Duration;

use regionguard_harness::tools;
use regionguard_mesh::process::Process;
use regionguard_mesh::{Mesh, Result};
use serde_json::{Value, json};

const PORT: u16 = 9000;

/// The provider of MeshConfig with this name.
pub(crate) fn provider(name: &str) -> Value {
    json!({"name": name, "envoyExtAuthzGrpc": {"service": host(name), "port": PORT}})
}

fn host(name: &str) -> String {
    format!("{name}.authorizers.internal")
}

/// It allows what carries `x-ext-authz: allow`, and nothing that carries another value.
pub(crate) struct Authorizer {
    name: String,
    port: u16,
    _process: Process,
}

impl Authorizer {
    /// Starts the one behind the provider with this name.
    pub(crate) async fn start(mesh: &Mesh, name: &str) -> Result<Self> {
        let mut command = Command::new(tools::tools_dir().join("real/extauthz"));
        let log = mesh.dir().join(format!("extauthz-{name}.log"));
        command.args(["-http", "0", "-grpc", "0"]);
        let mut process = Process::start("extauthz", command, &log)?;
        let port = process
            .wait_until(Duration::from_secs(60), async || {
                let log = std::fs::read_to_string(&log).ok()?;
                let address = log
                    .lines()
                    .find_map(|line| Some(line.split_once("gRPC server at ")?.1))?;
                address.rsplit_once(':')?.1.parse().ok()
            })
            .await?;
        Ok(Self {
            name: name.to_owned(),
            port,
            _process: process,
        })
    }

    /// How the mesh finds it.
    pub(crate) fn service(&self, namespace: &str) -> String {
        json!({
            "apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry", "metadata": {"namespace": namespace, "name": "authorizer"},
            "spec": {
                "hosts": [host(&self.name)],
                "resolution": "STATIC",
                "ports": [{"number": PORT, "name": "grpc", "protocol": "GRPC"}],
                "endpoints": [{"address": "127.0.0.1", "ports": {"grpc": self.port}}],
            },
        })
        .to_string()
    }
}
