//! The mirrors: what follows the store, by the history of its changes.

use std::fmt;

/// A follower of the store outside of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mirror {
    /// Products and orders as tables in PostgreSQL.
    Postgres,
    /// Stock, orders and a stream of events in Redis.
    Redis,
    /// Events, posted to a URL.
    Events,
}

impl Mirror {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Postgres, Self::Redis, Self::Events];

    /// Its word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Redis => "redis",
            Self::Events => "events",
        }
    }
}

impl fmt::Display for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
