//! TLS with certificates on both sides.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use regionguard_harness::Result;
use regionguard_harness::client::Client;
use regionguard_harness::tls::{Authority, ClientCertificates, Identity, SERVER};
use rustls::{ClientConfig, ClientConnection, StreamOwned};

/// An authority, and the one client that it knows.
pub struct Mutual {
    authority: Authority,
    client: Identity,
    config: Arc<ClientConfig>,
}

/// A connection of either kind.
pub trait Stream: Read + Write + Send {}

impl Stream for TcpStream {}
impl Stream for StreamOwned<ClientConnection, TcpStream> {}

impl Mutual {
    /// New ones.
    pub fn new() -> Result<Self> {
        let authority = Authority::new()?;
        let client = authority.workload(&[])?;
        let config = authority.client(Some(&client))?;
        Ok(Self {
            authority,
            client,
            config,
        })
    }

    /// The transport socket of a listener.
    pub fn listener(&self) -> Result<serde_json::Value> {
        self.authority.listener(ClientCertificates::Required)
    }

    /// What a token is bound to the client by (RFC 8705).
    pub fn thumbprint(&self) -> Result<[u8; 32]> {
        self.client.sha256()
    }

    /// The same connection, with TLS on it.
    pub fn over(&self, stream: TcpStream) -> Result<StreamOwned<ClientConnection, TcpStream>> {
        let connection = ClientConnection::new(Arc::clone(&self.config), SERVER.try_into()?)?;
        Ok(StreamOwned::new(connection, stream))
    }

    /// A client with another certificate of the same authority.
    pub fn stranger(&self, client: &Client) -> Result<Client> {
        client.tls(&self.authority, Some(&self.authority.workload(&[])?))
    }

    /// The same client, over TLS.
    pub fn client(&self, client: &Client) -> Result<Client> {
        client.tls(&self.authority, Some(&self.client))
    }
}
