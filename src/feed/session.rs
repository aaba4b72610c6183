//! What a Socket.IO connection is at.

use parking_lot::Mutex;

use super::asks::Budget;
use super::frames::Namespace;

/// The state of one connection.
#[derive(Debug, Default)]
pub(super) struct Session(pub(super) Mutex<SessionState>);

/// What is behind its lock.
#[derive(Debug, Default)]
pub(super) struct SessionState {
    /// The client in each namespace, in the order of [`Namespace::ALL`].
    clients: [Option<u64>; 2],
    pub(super) budget: Budget,
}

impl SessionState {
    /// The client in a namespace, if it is connected there.
    pub(super) const fn client(&self, namespace: Namespace) -> Option<u64> {
        self.clients[namespace as usize]
    }

    /// Notes the client in a namespace.
    pub(super) const fn connect(&mut self, namespace: Namespace, client: u64) {
        self.clients[namespace as usize] = Some(client);
    }

    /// Forgets the client in a namespace, and says which it was.
    pub(super) const fn disconnect(&mut self, namespace: Namespace) -> Option<u64> {
        self.clients[namespace as usize].take()
    }

    /// Whether it is connected to a namespace.
    pub(super) fn is_connected(&self) -> bool {
        self.clients.iter().any(Option::is_some)
    }
}
