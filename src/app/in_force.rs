//! What is in force at a server: whom it lets in, its limits, what stands behind them, and what it is connected to.

use std::fmt;

use ipnet::IpNet;
use sysinfo::System;

use crate::config::{Config, CorsOrigins, DocsAccess, ServerUrl};
use crate::domain::digits::with_commas;
use crate::domain::mirror::{Mirror, MirrorPlace};
use crate::limits::CONNECTION_BYTES;
use crate::maintenance::counted;
use crate::mirror::Targets;
use crate::open_files;

/// The settings as they are in force on this machine, without a secret.
#[derive(Clone, Debug)]
pub struct InForce {
    /// Files that the process may have open; `None` is no limit.
    pub(super) max_open_files: Option<u64>,
    /// Most connections: what is wanted, or fewer, as open files allow.
    pub(super) max_connections: usize,
    /// What is wanted.
    pub(super) wanted_connections: usize,
    /// Most connections from one client address; `usize::MAX` is no limit.
    pub(super) max_per_address: usize,
    /// Most clients of the live feed.
    pub(super) max_feed_clients: usize,
    /// Bytes of memory that this process can have, if the system says.
    pub(super) memory: Option<u64>,
    pub(super) workers: usize,
    pub(super) queue_capacity: usize,
    pub(super) hold_capacity: usize,
    pub(super) rate_per_user: u32,
    pub(super) rate_per_address: u32,
    pub(super) trusted_proxies: Vec<IpNet>,
    pub(super) public_url: Option<ServerUrl>,
    pub(super) has_admin_token: bool,
    pub(super) has_storefront_token: bool,
    pub(super) cors_origins: Option<CorsOrigins>,
    /// Whether posts to the fulfilment service are signed; `None` without one.
    pub(super) signs_posts: Option<bool>,
    pub(super) attempts: u32,
    pub(super) journal_keep_days: Option<u64>,
    pub(super) docs: DocsAccess,
    /// Where the mirrors go.
    pub(super) mirrors: Vec<MirrorPlace>,
}

impl InForce {
    /// What these settings come to on this machine, with mirrors into these targets. Raises the limit of open files as
    /// far as the system allows.
    pub fn of(config: &Config, targets: &Targets) -> Self {
        let max_open_files = open_files::raise();
        let max_connections = open_files::connections(config.max_connections, max_open_files, config.workers);
        let half = max_connections.div_ceil(2);
        Self {
            max_open_files,
            max_connections,
            wanted_connections: config.max_connections,
            // Never more than half of all, so that no address has all of them.
            max_per_address: if config.max_per_address == 0 { usize::MAX } else { config.max_per_address.min(half) },
            max_feed_clients: config.max_feed_clients.min(half),
            memory: memory(),
            workers: config.workers,
            queue_capacity: config.queue_capacity,
            hold_capacity: config.hold_capacity,
            rate_per_user: config.rate_limits.per_user,
            rate_per_address: config.rate_limits.per_address,
            trusted_proxies: config.rate_limits.trusted_proxies.clone(),
            public_url: config.public_url.clone(),
            has_admin_token: config.admin_token.is_some(),
            has_storefront_token: config.storefront_token.is_some(),
            cors_origins: config.cors_origins.clone(),
            signs_posts: config.fulfillment.as_ref().map(|service| service.secret.is_some()),
            attempts: config.fulfillment.as_ref().map_or(0, |service| service.attempts),
            journal_keep_days: config.journal_keep.map(|age| age.as_secs() / 86_400),
            docs: config.pages.docs,
            mirrors: targets.places(),
        }
    }

    /// Whether the limit of open files allows far fewer connections than are wanted.
    pub(super) const fn lacks_files(&self) -> bool {
        self.max_connections < self.wanted_connections / 2
    }

    /// Whether operator routes are open to all that a proxy lets in.
    pub(super) const fn is_open_by_proxy(&self) -> bool {
        self.public_url.is_some() && !self.has_admin_token
    }

    /// Bytes of memory that all connections take together, as measured for idle ones.
    pub(super) const fn connections_memory(&self) -> u64 {
        self.max_connections as u64 * CONNECTION_BYTES
    }

    /// Networks of the proxies that are trusted, as they are set; empty where none is.
    pub(super) fn proxies(&self) -> String {
        self.trusted_proxies.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }

    /// Origins whose pages may order, as they are set; empty where none is.
    pub(super) fn origins(&self) -> String {
        match &self.cors_origins {
            None => String::new(),
            Some(CorsOrigins::Any) => "*".to_owned(),
            Some(CorsOrigins::Exact(origins)) => origins.join(", "),
        }
    }

    /// Where a mirror goes; `None` if it is not set.
    pub(super) fn mirror(&self, mirror: Mirror) -> Option<&str> {
        self.mirrors.iter().find(|place| place.mirror == mirror).map(|place| place.target.as_str())
    }

    fn orders(&self) -> String {
        match self.signs_posts {
            None => "confirmed at once".to_owned(),
            Some(signs) => {
                let signed = if signs { "signed" } else { "unsigned: no FULFILLMENT_SECRET is set" };
                format!("posted to the fulfilment service, up to {}, {signed}", counted(self.attempts.into(), "time"))
            }
        }
    }

    fn access(&self) -> &'static str {
        match self.has_admin_token {
            true => "operator routes need the admin token",
            false => "open to this machine only: no ADMIN_TOKEN is set",
        }
    }

    fn buyers(&self) -> String {
        let who = match self.has_storefront_token {
            true => "placing orders needs the storefront token",
            false => "placing orders needs no token",
        };
        match self.origins().as_str() {
            "" => format!("{who}; pages of no other origin"),
            "*" => format!("{who}; pages of any origin"),
            origins => format!("{who}; pages of {origins}"),
        }
    }

    fn proxy(&self) -> String {
        let trusted = match self.proxies().as_str() {
            "" => "none is trusted".to_owned(),
            proxies => format!("{proxies} trusted"),
        };
        match &self.public_url {
            None => trusted,
            Some(url) => format!("{trusted}; shown at {url}"),
        }
    }

    fn connections(&self) -> String {
        let one = match self.max_per_address {
            usize::MAX => "any number".to_owned(),
            most => with_commas(most as u64),
        };
        let (all, feed) = (with_commas(self.max_connections as u64), with_commas(self.max_feed_clients as u64));
        format!("{all}, of which {one} from one address and {feed} for the live feed")
    }

    fn behind(&self) -> String {
        let files = self
            .max_open_files
            .map_or_else(|| "no limit of open files".to_owned(), |files| format!("{} open files", with_commas(files)));
        let memory = self.memory.map_or_else(String::new, |memory| format!(" of {}", bytes(memory)));
        format!("{files}; {}{memory} of memory when all are open", bytes(self.connections_memory()))
    }

    fn queue(&self) -> String {
        let [queue, holds] = [self.queue_capacity, self.hold_capacity].map(|jobs| with_commas(jobs as u64));
        format!("{queue} jobs and {holds} holds; {}", counted(self.workers as u64, "worker"))
    }

    fn rates(&self) -> String {
        let of = |rate: u32, what: &str, whom: &str| match rate {
            0 => format!("any number of {what} from {whom}"),
            rate => format!("{} {what}/s from {whom}", with_commas(rate.into())),
        };
        let (user, address) =
            (of(self.rate_per_user, "orders", "a user"), of(self.rate_per_address, "requests", "an address"));
        format!("{user}, {address}")
    }

    fn journal(&self) -> String {
        match self.journal_keep_days {
            None => "all of it is kept".to_owned(),
            Some(days) => format!("{} are kept", counted(days, "day")),
        }
    }
}

impl fmt::Display for InForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  orders      {}", self.orders())?;
        writeln!(f, "  access      {}", self.access())?;
        writeln!(f, "  buyers      {}", self.buyers())?;
        writeln!(f, "  proxies     {}", self.proxy())?;
        writeln!(f, "  connections {}", self.connections())?;
        writeln!(f, "  behind them {}", self.behind())?;
        writeln!(f, "  queue       {}", self.queue())?;
        writeln!(f, "  rates       {}", self.rates())?;
        write!(f, "  journal     {}", self.journal())?;
        let mut title = "mirrors";
        for MirrorPlace { mirror, target, .. } in &self.mirrors {
            write!(f, "\n  {title:<11} {}: {target}", mirror.name())?;
            title = "";
        }
        Ok(())
    }
}

/// Bytes in the unit that people would say.
pub(super) fn bytes(bytes: u64) -> String {
    let (mib, gib) = (bytes >> 20, bytes as f64 / f64::from(1_u32 << 30));
    if mib < 1_024 { format!("{mib} MiB") } else { format!("{gib:.1} GiB") }
}

/// Bytes of memory that this process can have: of the machine, or of its control group where that has fewer.
fn memory() -> Option<u64> {
    let mut system = System::new().ok()?;
    system.refresh_memory();
    let all = system.total_memory();
    let memory = system.cgroup_limits().map_or(all, |group| group.total_memory.min(all));
    Some(memory).filter(|memory| *memory > 0)
}
