//! How a server treats connections and requests, whatever their routes.

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use crate::admission::RateLimits;
use crate::config::CorsOrigins;
use crate::metrics::Metrics;

use super::public_url::PublicUrl;

/// How connections are treated.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// Connections at once, in all.
    pub max_connections: usize,
    /// Connections at once of each client address, and requests under way of each address that a proxy names.
    pub max_per_address: usize,
    /// How long connections may stay open once the server stops.
    pub shutdown_timeout: Duration,
    /// What each client address may send.
    pub rate_limits: Arc<RateLimits>,
    /// Peers whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Where a proxy shows the server.
    pub public: PublicUrl,
    /// Whether an admin token is set. Without one, it matters where a request comes from.
    pub has_token: bool,
    /// Origins whose pages may use the routes of buyers.
    pub cors: Option<CorsOrigins>,
    /// Where open connections are counted.
    pub metrics: Arc<Metrics>,
}
