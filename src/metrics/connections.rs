//! Connections, while they are open and when the server closes them.

use prometheus_client::metrics::gauge::Gauge;

/// Why the server closed a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// No whole request came in time.
    Idle,
    /// Its client did not read.
    Unread,
    /// Another one needed the room.
    MadeRoom,
    /// Its address had as many as it may.
    AddressFull,
}

impl Closed {
    pub(super) const ALL: [Self; 4] = [Self::Idle, Self::Unread, Self::MadeRoom, Self::AddressFull];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Unread => "unread",
            Self::MadeRoom => "made_room",
            Self::AddressFull => "address_full",
        }
    }
}

/// A connection that is counted as open until this is dropped.
#[derive(Debug)]
pub struct OpenConnection(pub(super) Gauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}
