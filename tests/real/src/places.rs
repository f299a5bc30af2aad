//! Ports and loopback addresses that no other mesh on the machine uses at the same time.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::error::Context as _;
use crate::{Error, Result};

/// Below the ports that Linux gives to outgoing connections, so that none of those takes a port between its choice and its use.
const FIRST_PORT: u16 = 20_000;
const PORTS: u16 = 200;
const BLOCKS: u8 = 60;

/// Block `n` has the addresses 127.(100+n).0.0/16.
const FIRST_NETWORK: u8 = 100;

/// A port that nothing listens on, at any local address, and that is given once only.
///
/// # Errors
/// When all ports of this process are given, or no block of ports is left on the machine.
pub fn port() -> Result<u16> {
    let block = block()?;
    loop {
        let index = block.ports.fetch_add(1, Ordering::Relaxed);
        if index >= PORTS {
            return Err(format!("all {PORTS} ports of this process are given").into());
        }
        let port = FIRST_PORT + u16::from(block.index) * PORTS + index;
        if TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() {
            return Ok(port);
        }
    }
}

/// A loopback address that no other workload has.
///
/// # Errors
/// When all addresses of this process are given, or no block of them is left on the machine.
pub fn address() -> Result<Ipv4Addr> {
    let block = block()?;
    let [high, low] = block.addresses.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    if high == u8::MAX {
        return Err("all loopback addresses of this process are given".into());
    }
    Ok(Ipv4Addr::new(127, FIRST_NETWORK + block.index, high, low))
}

/// Whether this port is to be had at each of our addresses: a program that listens on it at the wildcard address keeps it from all.
///
/// # Errors
/// When it is taken.
pub(crate) fn check_own(port: u16) -> Result<()> {
    let taken =
        || format!("port {port}, which each workload needs at an address of its own, is taken at all addresses");
    TcpListener::bind((address()?, port)).context(taken).map(drop)
}

struct Block {
    index: u8,
    ports: AtomicU16,
    addresses: AtomicU16,
    /// Locked for as long as this process lives: the kernel lets go of it, however the process ends.
    _lock: File,
}

fn block() -> Result<&'static Block> {
    static BLOCK: OnceLock<Block> = OnceLock::new();
    static FIRST: Mutex<()> = Mutex::new(());
    let _one_at_a_time = FIRST.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(block) = BLOCK.get() {
        return Ok(block);
    }
    let block = take_block()?;
    Ok(BLOCK.get_or_init(|| block))
}

fn take_block() -> Result<Block> {
    let dir = std::env::temp_dir().join("regionguard-mesh-places");
    std::fs::create_dir_all(&dir).context(|| format!("cannot make the folder `{}`", dir.display()))?;
    for index in 0..BLOCKS {
        let path = dir.join(format!("{index}.lock"));
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .context(|| format!("cannot open `{}`", path.display()))?;
        if lock.try_lock().is_ok() {
            return Ok(Block {
                index,
                ports: AtomicU16::new(0),
                addresses: AtomicU16::new(1),
                _lock: lock,
            });
        }
    }
    Err(Error::from(format!(
        "{BLOCKS} processes with a mesh run on this machine already"
    )))
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_given_is_given_once() {
        let first = super::port().unwrap();
        assert_ne!(super::port().unwrap(), first);
        let address = super::address().unwrap();
        assert!(address.is_loopback());
        assert_ne!(super::address().unwrap(), address);
    }
}
