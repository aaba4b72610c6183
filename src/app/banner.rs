//! What a start says once the server listens.

use std::fmt;
use std::net::SocketAddr;

use crate::config::DocsAccess;
use crate::domain::change::HistoryId;
use crate::domain::mirror::Mirror;
use crate::engine::Found;
use crate::maintenance::counted;

use super::in_force::InForce;

/// What a start found, and what is in force.
#[derive(Clone, Debug)]
pub struct Banner {
    /// Where the server listens.
    pub address: SocketAddr,
    pub(super) store: String,
    pub(super) history: HistoryId,
    pub(super) products: usize,
    pub(super) orders: u64,
    pub(super) open: usize,
    pub(super) found: Found,
    pub(super) in_force: InForce,
}

impl Banner {
    /// Logs it with its parts as fields.
    pub fn log(&self) {
        let Self { address, store, history, products, orders, open, found, in_force } = self;
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            address = %format!("http://{address}"),
            docs = self.docs(),
            store,
            %history,
            products,
            orders,
            open_orders = open,
            found = found.as_str(),
            admin_token = in_force.has_admin_token,
            storefront_token = in_force.has_storefront_token,
            cors_origins = in_force.origins(),
            trusted_proxies = in_force.proxies(),
            public_url = in_force.public_url.as_ref().map(tracing::field::display),
            fulfillment = in_force.signs_posts.is_some(),
            fulfillment_signed = in_force.signs_posts,
            max_connections = in_force.max_connections,
            max_connections_per_ip = Some(in_force.max_per_address).filter(|most| *most < usize::MAX),
            max_feed_clients = in_force.max_feed_clients,
            max_open_files = in_force.max_open_files,
            connections_memory_bytes = in_force.connections_memory(),
            memory_bytes = in_force.memory,
            workers = in_force.workers,
            queue_capacity = in_force.queue_capacity,
            hold_capacity = in_force.hold_capacity,
            rate_limit_per_user = in_force.rate_per_user,
            rate_limit_per_ip = in_force.rate_per_address,
            journal_keep_days = in_force.journal_keep_days,
            mirror_postgres = in_force.mirror(Mirror::Postgres),
            mirror_redis = in_force.mirror(Mirror::Redis),
            mirror_events = in_force.mirror(Mirror::Events),
            "started"
        );
    }

    /// Where the page of the API is, if it is shown.
    fn docs(&self) -> Option<String> {
        let shown = match &self.in_force.public_url {
            Some(url) => url.to_string(),
            None => format!("http://{}", self.address),
        };
        (self.in_force.docs != DocsAccess::Off).then(|| format!("{shown}/docs"))
    }
}

impl fmt::Display for Banner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "flashsale {}", env!("CARGO_PKG_VERSION"))?;
        // Before the addresses of others, so that a script finds it first.
        writeln!(f, "  listening   http://{}", self.address)?;
        let (products, orders) = (counted(self.products as u64, "product"), counted(self.orders, "order"));
        let new = if self.found == Found::Nothing { "new; " } else { "" };
        writeln!(f, "  store       {} ({new}{products}, {orders})", self.store)?;
        writeln!(f, "  history     {}", self.history)?;
        let open = counted(self.open as u64, "open order");
        match self.found {
            Found::Nothing => {}
            Found::Closed => writeln!(f, "  recovery    clean shutdown; {open} resumed")?,
            Found::Killed => writeln!(f, "  recovery    unclean shutdown; {open} resumed")?,
        }
        writeln!(f, "{}", self.in_force)?;
        let for_whom = if self.in_force.docs == DocsAccess::Operator { ", for operators" } else { "" };
        match self.docs() {
            Some(docs) => write!(f, "  API         {docs}{for_whom}"),
            None => write!(f, "  API         no page of it: DOCS is off"),
        }
    }
}
