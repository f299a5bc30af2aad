//! What ztunnel does on a client's node: each connection goes through a tunnel of its own (HBONE: CONNECT over HTTP/2 over mutual TLS) to a waypoint.
//! An Envoy does it here.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use regionguard_harness::client::Client;
use serde_json::{Value, json};

use crate::mesh::Mesh;
use crate::plane::{self, TRUST_DOMAIN, loopback};
use crate::process::Process;
use crate::{Result, Spec, Workload, places};

/// Where a workload's agent leaves its certificate, below the workload's folder.
const CERTIFICATES: &str = "etc/istio-output-certs";
const LIMIT: Duration = Duration::from_secs(60);

/// The end of tunnels at a client; they are closed when this is dropped.
#[derive(Debug)]
pub struct Tunnel {
    _envoy: Process,
    address: SocketAddr,
}

/// A workload that can be the client of a tunnel: its agent writes its certificate to files.
#[must_use]
pub fn client(spec: Spec) -> Spec {
    spec.env("OUTPUT_CERTS", CERTIFICATES)
}

impl Tunnel {
    /// Tunnels with the identity of the workload `from`, which was started from a [`client`], to the waypoint `to`, and through it to `destination`: address
    /// and port of a service of the mesh.
    ///
    /// # Errors
    /// When Envoy does not start, or the certificate is not there.
    pub async fn start(mesh: &Mesh, from: &Workload, to: &Workload, destination: &str) -> Result<Self> {
        let dir = mesh.dir().join("tunnels").join(destination.replace(':', "-"));
        plane::make_dir(&dir)?;
        let address = loopback(places::port()?);
        let bootstrap = bootstrap(address, from, to, destination);
        let file = dir.join("envoy.json");
        plane::write(&file, format!("{bootstrap:#}\n"))?;
        let mut command = plane::command(mesh.envoy(), &dir);
        command.arg("--config-path").arg(file);
        command.args(["--disable-hot-restart", "--concurrency", "1", "--log-level", "warning"]);
        let mut envoy = Process::start("the Envoy of a tunnel", command, &dir.join("envoy.log"))?;
        envoy
            .wait_until(LIMIT, async || tokio::net::TcpStream::connect(address).await.ok())
            .await?;
        Ok(Self { _envoy: envoy, address })
    }

    /// A client whose connections go through the tunnel, without TLS inside it.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(self.address)
    }
}

fn bootstrap(address: SocketAddr, from: &Workload, to: &Workload, destination: &str) -> Value {
    let proxy = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": "tunnel",
        "cluster": "waypoint",
        "tunneling_config": {"hostname": destination},
    });
    let http2 = json!({
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    });
    json!({
        "static_resources": {
            "listeners": [{
                "name": "tunnel",
                "address": socket(address),
                "filter_chains": [{"filters": [{"name": "tcp_proxy", "typed_config": proxy}]}],
            }],
            "clusters": [{
                "name": "waypoint",
                "type": "STATIC",
                "load_assignment": {
                    "cluster_name": "waypoint",
                    "endpoints": [{"lb_endpoints": [{"endpoint": {"address": socket(to.tunnels())}}]}],
                },
                "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2},
                "transport_socket": {"name": "tls", "typed_config": mutual_tls(&from.dir().join(CERTIFICATES), to.spec())},
            }],
        },
    })
}

/// The certificate of the client, and nobody but the waypoint at the other end.
fn mutual_tls(certificates: &Path, waypoint: &Spec) -> Value {
    let file = |name: &str| -> Value { json!({"filename": PathBuf::from(certificates).join(name)}) };
    let identity = format!(
        "spiffe://{TRUST_DOMAIN}/ns/{}/sa/{}",
        waypoint.namespace, waypoint.service_account
    );
    json!({
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "common_tls_context": {
            "alpn_protocols": ["h2"],
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"},
            "tls_certificates": [{"certificate_chain": file("cert-chain.pem"), "private_key": file("key.pem")}],
            "validation_context": {
                "trusted_ca": file("root-cert.pem"),
                "match_typed_subject_alt_names": [{"san_type": "URI", "matcher": {"exact": identity}}],
            },
        },
    })
}

fn socket(address: SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}})
}
