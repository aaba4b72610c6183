//! Connections to the server, each for one request at a time.

use std::net::{Ipv4Addr, SocketAddr};

use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::wire::{Connection, Response, WireError};

/// A bounded number of kept connections. Who needs one waits for its turn, first come, first served.
#[derive(Debug)]
pub struct Pool {
    server: SocketAddr,
    idle: Mutex<Vec<Slot>>,
    permits: Semaphore,
}

/// Which IP addresses connections come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sources {
    /// The machine's own.
    Own,
    /// Each connection has a loopback address of its own, the first of them this.
    Each(Ipv4Addr),
    /// All have this loopback address.
    One(Ipv4Addr),
}

/// A place for a connection.
#[derive(Debug)]
struct Slot {
    from: Option<Ipv4Addr>,
    connection: Option<Connection>,
}

/// A connection in use. It is closed when this is dropped, unless its last response allows another request.
#[derive(Debug)]
pub struct Lease<'a> {
    pool: &'a Pool,
    /// Present until it is dropped.
    slot: Option<Slot>,
    keep: bool,
    /// Released after the slot is back.
    _permit: SemaphorePermit<'a>,
}

impl Sources {
    fn nth(self, n: u32) -> Option<Ipv4Addr> {
        match self {
            Self::Own => None,
            Self::Each(first) => Some(Ipv4Addr::from_bits(first.to_bits() + n)),
            Self::One(address) => Some(address),
        }
    }
}

impl Pool {
    /// At most so many connections; none is opened yet.
    pub fn new(server: SocketAddr, sources: Sources, connections: u32) -> Self {
        let idle = (0..connections).rev().map(|n| Slot { from: sources.nth(n), connection: None }).collect();
        Self { server, idle: Mutex::new(idle), permits: Semaphore::new(connections as usize) }
    }

    /// The next free place, with an open connection.
    pub async fn take(&self) -> Result<Lease<'_>, WireError> {
        let permit = self.permits.acquire().await.map_err(|_| WireError::Closed)?;
        let slot = self.idle.lock().pop();
        let mut lease = Lease { pool: self, slot, keep: false, _permit: permit };
        let slot = lease.slot.as_mut().ok_or(WireError::Closed)?;
        // A connection that the server closed while it idled is no failed request.
        slot.connection.take_if(|connection| !connection.is_open());
        if slot.connection.is_none() {
            slot.connection = Some(Connection::open(self.server, slot.from).await?);
        }
        Ok(lease)
    }
}

impl Lease<'_> {
    /// Sends a request and reads its response.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<Response<'_>, WireError> {
        self.keep = false;
        let connection = self.slot.as_mut().and_then(|slot| slot.connection.as_mut()).ok_or(WireError::Closed)?;
        let response = connection.exchange(request).await?;
        self.keep = response.keep;
        Ok(response)
    }

    /// Sends a request, and hangs up.
    pub async fn hang_up_after(mut self, request: &[u8]) -> Result<(), WireError> {
        let connection = self.slot.as_mut().and_then(|slot| slot.connection.as_mut()).ok_or(WireError::Closed)?;
        connection.send(request).await
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let Some(mut slot) = self.slot.take() else { return };
        if !self.keep {
            slot.connection = None;
        }
        self.pool.idle.lock().push(slot);
    }
}
