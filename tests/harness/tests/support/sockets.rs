//! WebSockets and tunnels: servers that open them, and the bytes with which a client asks.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use regionguard_harness::config::Config;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::common::{HOST, Site};

/// A server that answers every request with 101, or takes what comes for a tunnel, and then says what it hears.
pub struct Echo {
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Echo {
    pub async fn start(upgrades: bool) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    if upgrades {
                        let head = read_head(&mut stream).await;
                        assert!(head.to_ascii_lowercase().contains("upgrade: websocket"), "{head}");
                        let answer =
                            "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n";
                        stream.write_all(answer.as_bytes()).await.unwrap();
                    }
                    let (mut read, mut write) = stream.split();
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                });
            }
        });
        Self { address, connections }
    }

    /// How many have connected.
    pub fn count(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// All up to the empty line.
async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

/// The status of an answer, and the connection behind it.
pub async fn ask_raw(site: &Site, head: &str) -> (u16, TcpStream) {
    let mut stream = TcpStream::connect(site.envoy.address()).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(10), read_head(&mut stream))
        .await
        .unwrap();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("{answer:?}")), stream)
}

pub async fn says_what_it_hears(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    stream.write_all(b"hello").await.unwrap();
    let mut heard = [0; 5];
    tokio::time::timeout(Duration::from_secs(10), stream.read_exact(&mut heard))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&heard, b"hello");
}

pub fn handshake(path: &str, protocol: &str, token: Option<&str>) -> String {
    let token = token.map_or(String::new(), |token| format!("authorization: Bearer {token}\r\n"));
    format!(
        "GET {path} HTTP/1.1\r\nhost: {HOST}\r\nconnection: Upgrade\r\nupgrade: {protocol}\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{token}\r\n"
    )
}

/// Upgrades as `docs/envoy.md` says, two clusters for what is behind them, and a node that tells whom it serves.
pub fn upgrading(config: Config, sockets: SocketAddr, tunnel: SocketAddr) -> Config {
    config
        .cluster("sockets", sockets)
        .cluster("tunnel", tunnel)
        .edit(|bootstrap| {
            bootstrap["node"]["metadata"] = json!({"REGIONGUARD_WORKLOAD": "spiffe://prod/ns/shop/sa/api"})
        })
        .edit_http(|http| {
            http["upgrade_configs"] = json!([{"upgrade_type": "websocket"}, {"upgrade_type": "CONNECT"}]);
            http["http2_protocol_options"]["allow_connect"] = json!(true);
            let routes = &mut http["route_config"]["virtual_hosts"][0]["routes"];
            let mut all = vec![
                json!({"match": {"connect_matcher": {}}, "route": {"cluster": "tunnel",
                    "upgrade_configs": [{"upgrade_type": "CONNECT", "connect_config": {}}]}}),
                json!({"match": {"prefix": "/ws"}, "route": {"cluster": "sockets"}}),
            ];
            all.append(routes.as_array_mut().unwrap());
            *routes = json!(all);
        })
}
