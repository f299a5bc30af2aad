//! A policy center that can be stopped and started again where it was.

use std::net::{Ipv4Addr, SocketAddr};

use regional_center::Center;
use regionguard_harness::Result;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The center of one region, on an address that it keeps.
pub(crate) struct RegionalCenter {
    region: String,
    address: SocketAddr,
    running: Option<Running>,
}

struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
}

impl RegionalCenter {
    /// Starts the center of `region` on this port of loopback; 0 takes a free one.
    pub(crate) async fn start(region: &str, port: u16) -> Result<Self> {
        let mut center = Self {
            region: region.to_owned(),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            running: None,
        };
        center.resume().await?;
        Ok(center)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Starts it again, where it was; does nothing where it runs.
    pub(crate) async fn resume(&mut self) -> Result<()> {
        if self.is_running() {
            return Ok(());
        }
        let center = Center::embedded(&self.region)?.quiet();
        let listener = TcpListener::bind(self.address).await.map_err(|error| {
            format!(
                "the center of {} cannot listen on {}: {error}",
                self.region, self.address
            )
        })?;
        self.address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(regional_center::serve(listener, center, async {
            // A dropped sender ends it as well.
            let _ = stopped.await;
        }));
        self.running = Some(Running { stop, task });
        Ok(())
    }

    /// Stops it: connections are refused from now on.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        if let Some(Running { stop, task }) = self.running.take() {
            // Where nobody listens any more, it has ended by itself.
            let _ = stop.send(());
            task.await??;
        }
        Ok(())
    }
}
