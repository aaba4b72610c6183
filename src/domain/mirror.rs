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

    /// The mirror of a word on the wire.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mirror| mirror.as_str() == word)
    }

    /// Its name, as people read it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::Redis => "Redis",
            Self::Events => "Events",
        }
    }

    /// Why it is away, without its name, with which its errors may begin.
    pub fn reason(self, error: &str) -> &str {
        error.strip_prefix(self.name()).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(error)
    }

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

/// A mirror that is set: where it goes, without a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirrorPlace {
    /// Which one.
    pub mirror: Mirror,
    /// Its target: host, port and what is used there.
    pub target: String,
    /// What lists the rows or events that the target rejected: a statement, a command or a file.
    pub aside: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_a_mirror_is_away_begins_with_what_happened() {
        assert_eq!(Mirror::Redis.reason("Redis: no connection"), "no connection");
        assert_eq!(Mirror::Redis.reason("PostgreSQL: no connection"), "PostgreSQL: no connection");
        assert_eq!(Mirror::Events.reason("Events"), "Events");
    }

    #[test]
    fn each_mirror_has_a_word_of_its_own() {
        assert_eq!(Mirror::ALL.map(|mirror| Mirror::from_word(mirror.as_str())), Mirror::ALL.map(Some));
        assert_eq!(Mirror::from_word("mysql"), None);
    }
}
