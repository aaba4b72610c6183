//! The settings of a server, as its commands take them.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::BoolishValueParser;
use ipnet::IpNet;

use crate::config::{
    self, Config, ConfigError, CorsOrigins, DashboardAccess, DocsAccess, FulfillmentConfig, PagesConfig,
    RateLimitConfig,
};
use crate::limits::{
    self, DEFAULT_CONNECTIONS_PER_ADDRESS, DEFAULT_FEED_CLIENTS, DEFAULT_HOLD_CAPACITY, DEFAULT_MAX_CONNECTIONS,
    DEFAULT_QUEUE_CAPACITY, DEFAULT_RATE_PER_ADDRESS, DEFAULT_RATE_PER_USER, DEFAULT_WORKERS,
};

use super::alert_args::AlertArgs;
use super::mirror_args::MirrorArgs;
use super::shared_args::{LogArgs, StoreArgs};
use super::values::{network, within};

/// The settings of a server.
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// IP address or host name to listen on; any except loopback requires an admin token
    #[arg(long, env = "HOST", default_value = "127.0.0.1")]
    host: String,
    /// Port to listen on; 0 picks a free one
    #[arg(long, env = "PORT", default_value_t = 3000, value_parser = within::<u16>(0..=u16::MAX))]
    pub(super) port: u16,
    #[command(flatten)]
    store: StoreArgs,
    /// Create the five sample products if the store is empty
    #[arg(long)]
    pub(super) sample_data: bool,
    /// Token that operator routes require: at least 8 visible ASCII characters
    #[arg(long, env = "ADMIN_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    admin_token: Option<String>,
    /// File that holds this token; use it instead of --admin-token
    #[arg(long, env = "ADMIN_TOKEN_FILE", value_name = "FILE")]
    admin_token_file: Option<PathBuf>,
    /// Token that placing orders requires, for the shop's own server: at least 8 visible ASCII characters; if unset,
    /// anyone who reaches the server can order
    #[arg(long, env = "STOREFRONT_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    storefront_token: Option<String>,
    /// File that holds this token; use it instead of --storefront-token
    #[arg(long, env = "STOREFRONT_TOKEN_FILE", value_name = "FILE")]
    storefront_token_file: Option<PathBuf>,
    /// Origins whose pages may use the routes of buyers, such as https://shop.example,https://www.shop.example; * for
    /// all
    #[arg(long, env = "CORS_ORIGINS", value_delimiter = ',', value_name = "ORIGINS")]
    cors_origins: Vec<String>,
    /// URL under which a proxy shows the server, path included, such as https://shop.example/flash; the proxy may take
    /// the path off or leave it on
    #[arg(long, env = "PUBLIC_URL", value_name = "URL")]
    public_url: Option<String>,
    /// Number of workers that fulfil orders
    #[arg(long, env = "WORKERS", default_value_t = DEFAULT_WORKERS, value_parser = within::<u32>(1..=4096))]
    workers: u32,
    /// Maximum number of unfinished jobs, holds not counted; beyond it, orders are rejected with 503
    #[arg(
        long, env = "QUEUE_CAPACITY", default_value_t = DEFAULT_QUEUE_CAPACITY,
        value_parser = within::<u32>(1..=10_000_000)
    )]
    queue_capacity: u32,
    /// Maximum number of held orders, in addition to these jobs; beyond it, orders that would be held are rejected
    /// with 503
    #[arg(
        long, env = "HOLD_CAPACITY", default_value_t = DEFAULT_HOLD_CAPACITY,
        value_parser = within::<u32>(1..=10_000_000)
    )]
    hold_capacity: u32,
    /// Maximum number of connections; beyond it, connections without a request so far are closed first
    #[arg(
        long, env = "MAX_CONNECTIONS", default_value_t = DEFAULT_MAX_CONNECTIONS,
        value_parser = within::<u32>(1..=1_000_000)
    )]
    max_connections: u32,
    /// Maximum number of connections from one client address, at most half of all; 0 for no limit
    #[arg(
        long, env = "MAX_CONNECTIONS_PER_IP", default_value_t = DEFAULT_CONNECTIONS_PER_ADDRESS, value_name = "N",
        value_parser = within::<u32>(0..=1_000_000)
    )]
    max_connections_per_ip: u32,
    /// Maximum number of clients of the live feed at once, at most half of all connections
    #[arg(
        long, env = "MAX_FEED_CLIENTS", default_value_t = DEFAULT_FEED_CLIENTS, value_name = "N",
        value_parser = within::<u32>(1..=1_000_000)
    )]
    max_feed_clients: u32,
    /// Trim journal records older than this many days; if unset, all are kept
    #[arg(long, env = "JOURNAL_KEEP_DAYS", value_name = "DAYS", value_parser = within::<u32>(1..=36_500))]
    journal_keep_days: Option<u32>,
    /// URL of the fulfilment service, to which each order is posted; if unset, orders are confirmed at once
    #[arg(long, env = "FULFILLMENT_URL", hide_env_values = true, value_name = "URL")]
    fulfillment_url: Option<String>,
    /// Key that signs these posts: base64, with or without the prefix whsec_
    #[arg(long, env = "FULFILLMENT_SECRET", hide_env_values = true, value_name = "SECRET")]
    fulfillment_secret: Option<String>,
    /// File that holds this key; use it instead of --fulfillment-secret
    #[arg(long, env = "FULFILLMENT_SECRET_FILE", value_name = "FILE")]
    fulfillment_secret_file: Option<PathBuf>,
    /// Longest time for one attempt, in milliseconds
    #[arg(
        long, env = "FULFILLMENT_TIMEOUT_MS", default_value_t = 10_000, value_name = "MS",
        value_parser = within::<u64>(1..=600_000)
    )]
    fulfillment_timeout_ms: u64,
    /// Number of attempts before a job goes to the dead letters
    #[arg(
        long, env = "FULFILLMENT_ATTEMPTS", default_value_t = 12, value_name = "N",
        value_parser = within::<u32>(1..=20)
    )]
    fulfillment_attempts: u32,
    /// Pause after the first failed attempt, in milliseconds; it doubles after each further one
    #[arg(
        long, env = "FULFILLMENT_RETRY_DELAY_MS", default_value_t = 2_000, value_name = "MS",
        value_parser = within::<u64>(1..=3_600_000)
    )]
    fulfillment_retry_delay_ms: u64,
    /// Longest pause between two attempts, in milliseconds, also where the service asks for more with Retry-After
    #[arg(
        long, env = "FULFILLMENT_MAX_RETRY_DELAY_MS", default_value_t = 900_000, value_name = "MS",
        value_parser = within::<u64>(1..=86_400_000)
    )]
    fulfillment_max_retry_delay_ms: u64,
    /// Allow a fulfilment service on a loopback or private address; the variable takes true, yes, on, 1 or their
    /// opposites
    #[arg(long, env = "FULFILLMENT_ALLOW_PRIVATE", value_parser = BoolishValueParser::new())]
    fulfillment_allow_private: bool,
    /// Orders per second for each user, in bursts of up to ten seconds' worth; 0 for no limit
    #[arg(
        long, env = "RATE_LIMIT_PER_USER", default_value_t = DEFAULT_RATE_PER_USER, value_name = "N",
        value_parser = within::<u32>(0..=u32::MAX)
    )]
    rate_limit_per_user: u32,
    /// Requests per second for each client address, in bursts of up to ten seconds' worth; 0 for no limit
    #[arg(
        long, env = "RATE_LIMIT_PER_IP", default_value_t = DEFAULT_RATE_PER_ADDRESS, value_name = "N",
        value_parser = within::<u32>(0..=u32::MAX)
    )]
    rate_limit_per_ip: u32,
    /// Proxies whose X-Forwarded-For header is trusted: IP addresses and networks without host bits, such as
    /// 10.0.0.0/8,192.0.2.7
    #[arg(long, env = "TRUSTED_PROXIES", value_delimiter = ',', value_parser = network, value_name = "NETWORKS")]
    trusted_proxies: Vec<IpNet>,
    /// Whether the dashboard is shown at /
    #[arg(long, env = "DASHBOARD", default_value = "on", value_enum)]
    dashboard: DashboardAccess,
    /// Who may read the page of the API at /docs, and /openapi.json
    #[arg(long, env = "DOCS", default_value = "public", value_enum)]
    docs: DocsAccess,
    #[command(flatten)]
    mirrors: MirrorArgs,
    #[command(flatten)]
    alerts: AlertArgs,
    #[command(flatten)]
    pub(super) log: LogArgs,
}

impl ServeArgs {
    /// Checks the settings, and gives them in the types that the server works with.
    pub(super) fn resolve(self) -> Result<Config, ConfigError> {
        let admin_token = config::token("ADMIN_TOKEN", self.admin_token, self.admin_token_file)?;
        let storefront_token = config::token("STOREFRONT_TOKEN", self.storefront_token, self.storefront_token_file)?;
        if storefront_token.is_some() && storefront_token == admin_token {
            return Err(ConfigError::SameTokens);
        }
        let signing = config::secret("FULFILLMENT_SECRET", self.fulfillment_secret, self.fulfillment_secret_file)?;
        let url = self.fulfillment_url.filter(|url| !url.is_empty());
        if signing.is_some() && url.is_none() {
            return Err(ConfigError::SecretWithoutUrl { secret: "FULFILLMENT_SECRET", url: "FULFILLMENT_URL" });
        }
        let fulfillment = url.map(|url| FulfillmentConfig {
            url: config::Secret::new(url),
            secret: signing,
            timeout: Duration::from_millis(self.fulfillment_timeout_ms),
            attempts: self.fulfillment_attempts,
            first_delay: Duration::from_millis(self.fulfillment_retry_delay_ms),
            max_delay: Duration::from_millis(self.fulfillment_max_retry_delay_ms),
            allow_private: self.fulfillment_allow_private,
        });
        Ok(Config {
            address: config::address(&self.host, self.port, admin_token.as_ref())?,
            data_dir: self.store.data_dir,
            admin_token,
            storefront_token,
            cors_origins: CorsOrigins::parse(&self.cors_origins)?,
            public_url: config::public_url(self.public_url.as_deref())?,
            sample_data: self.sample_data,
            workers: self.workers as usize,
            queue_capacity: self.queue_capacity as usize,
            hold_capacity: self.hold_capacity as usize,
            max_connections: self.max_connections as usize,
            max_per_address: self.max_connections_per_ip as usize,
            max_feed_clients: self.max_feed_clients as usize,
            fulfillment,
            journal_keep: self.journal_keep_days.map(|days| Duration::from_hours(u64::from(days) * 24)),
            shutdown_timeout: limits::SHUTDOWN_TIMEOUT,
            rate_limits: RateLimitConfig {
                per_user: self.rate_limit_per_user,
                per_address: self.rate_limit_per_ip,
                trusted_proxies: self.trusted_proxies,
            },
            pages: PagesConfig { dashboard: self.dashboard, docs: self.docs },
            alerts: self.alerts.thresholds(),
            mirrors: self.mirrors.resolve()?,
        })
    }
}
