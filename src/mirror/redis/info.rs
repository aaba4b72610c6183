//! What Redis says about itself.

use std::collections::HashMap;

use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, ServerErrorKind, cmd};

use super::fault::{CLUSTER, away, fault};
use crate::mirror::target::Fault;

/// Names and values, as the command `INFO` has them.
#[derive(Debug)]
pub(super) struct Info(HashMap<String, String>);

impl Info {
    /// Reads a section; none where the user may not.
    pub(super) async fn read(connection: &mut MultiplexedConnection, section: &str) -> Result<Option<Self>, Fault> {
        match cmd("INFO").arg(section).query_async::<String>(connection).await {
            Ok(text) => Ok(Some(Self::parse(&text))),
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm) => Ok(None),
            Err(error) => Err(fault(&error)),
        }
    }

    fn parse(text: &str) -> Self {
        let pairs = text.lines().filter_map(|line| line.trim_end().split_once(':'));
        Self(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// A number; 0 where there is none.
    pub(super) fn number(&self, name: &str) -> u64 {
        self.text(name).parse().unwrap_or(0)
    }

    /// Whether it is a Redis that the mirror can use.
    pub(super) fn check(&self) -> Result<(), Fault> {
        let version = self.text("redis_version");
        let major: u32 = version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0);
        if major < 6 {
            return Err(away(format!("it is version {version}; the mirror needs 6 or newer")));
        }
        if self.text("cluster_enabled") == "1" {
            return Err(away(CLUSTER));
        }
        let policy = self.text("maxmemory_policy");
        // The policies that begin so remove only what expires: the live figures.
        let keeps_rows = policy == "noeviction" || policy.starts_with("volatile");
        if self.number("maxmemory") > 0 && !keeps_rows {
            tracing::warn!(policy, "Redis may remove rows of the mirror when its memory is full; set noeviction");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_redis_and_a_cluster_are_rejected() {
        let check = |text: &str| Info::parse(text).check().map_err(|fault| fault.to_string());
        assert_eq!(check("# Server\r\nredis_version:6.0.16\r\ncluster_enabled:0\r\n"), Ok(()));
        assert_eq!(check("redis_version:7.2.4\r\nserver_name:valkey\r\n"), Ok(()));
        assert!(check("redis_version:5.0.14\r\n").unwrap_err().contains("needs 6 or newer"));
        assert!(check("redis_version:7.0.15\r\ncluster_enabled:1\r\n").unwrap_err().contains("Cluster"));
        assert_eq!(Info::parse("keyspace_hits:12\r\n").number("keyspace_hits"), 12);
    }
}
