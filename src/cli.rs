//! The command line: flags, then environment, then a `.env` file, then defaults.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use ipnet::IpNet;

use crate::config::{self, Config, ConfigError, FulfillmentConfig, RateLimitConfig};
use crate::limits::{
    self, DEFAULT_CONNECTIONS_PER_ADDRESS, DEFAULT_HOLD_CAPACITY, DEFAULT_MAX_CONNECTIONS, DEFAULT_QUEUE_CAPACITY,
    DEFAULT_RATE_PER_ADDRESS, DEFAULT_RATE_PER_USER, DEFAULT_WORKERS,
};

mod env_file;
mod maintenance;
mod misspelt;
mod parse;
mod values;

pub use maintenance::{BackupArgs, DropLogArgs, ExportArgs, RestoreArgs, VerifyArgs};
pub use parse::{Parsed, parse};

use values::{log_filter, network, within};

/// A flash-sale backend in one binary: sells every unit exactly once, and never one too many.
#[derive(Debug, Parser)]
#[command(
    name = "flashsale",
    version,
    max_term_width = 100,
    override_usage = "flashsale [COMMAND] [OPTIONS]",
    after_help = "Without a command it is serve, whose options `flashsale serve --help` has."
)]
struct Cli {
    /// What to do.
    #[command(subcommand)]
    command: Command,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "parsed once")]
pub enum Command {
    /// Run the server
    Serve(ServeArgs),
    /// Check a stopped store: is the history unbroken, does every table say the same, does everything add up
    Verify(VerifyArgs),
    /// Write everything in a store to one file, from a stopped store or through the running server
    Backup(BackupArgs),
    /// Put the store of a backup into place, after checking all of it
    Restore(RestoreArgs),
    /// Say what is lost of a stopped store whose log is gone, and with --yes go on without it
    DropLog(DropLogArgs),
    /// Write orders, products, jobs or the history of a stopped store as CSV or NDJSON
    Export(ExportArgs),
    /// Print the description of the API (OpenAPI 3.1), as a server with an admin token serves it
    Openapi,
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Print the version
    Version,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Where the store is.
#[derive(Debug, Args)]
pub struct StoreArgs {
    /// Where the store is
    #[arg(long, env = "DATA_DIR", default_value = "./flashsale-data", value_name = "DIR")]
    pub data_dir: PathBuf,
}

/// The settings of the server.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// IP address or host name to listen on; any but loopback needs an admin token
    #[arg(long, env = "HOST", default_value = "127.0.0.1")]
    host: String,
    /// Port to listen on; 0 takes a free one
    #[arg(long, env = "PORT", default_value_t = 3000, value_parser = within::<u16>(0..=u16::MAX))]
    port: u16,
    #[command(flatten)]
    store: StoreArgs,
    /// Fill an empty store with the five sample products
    #[arg(long)]
    sample_data: bool,
    /// Token that operator routes need, at least 8 visible ASCII characters
    #[arg(long, env = "ADMIN_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    admin_token: Option<String>,
    /// File with that token, in its place
    #[arg(long, env = "ADMIN_TOKEN_FILE", value_name = "FILE")]
    admin_token_file: Option<PathBuf>,
    /// Workers that fulfil orders
    #[arg(long, env = "WORKERS", default_value_t = DEFAULT_WORKERS, value_parser = within::<u32>(1..=4096))]
    workers: u32,
    /// Jobs that may be unfinished, without holds; beyond it orders are answered 503
    #[arg(
        long, env = "QUEUE_CAPACITY", default_value_t = DEFAULT_QUEUE_CAPACITY,
        value_parser = within::<u32>(1..=10_000_000)
    )]
    queue_capacity: u32,
    /// Orders that may be held at once, beside those jobs; beyond it orders of held products are answered 503
    #[arg(
        long, env = "HOLD_CAPACITY", default_value_t = DEFAULT_HOLD_CAPACITY,
        value_parser = within::<u32>(1..=10_000_000)
    )]
    hold_capacity: u32,
    /// Connections at once; where there are more, those that have sent no request make room
    #[arg(
        long, env = "MAX_CONNECTIONS", default_value_t = DEFAULT_MAX_CONNECTIONS,
        value_parser = within::<u32>(1..=1_000_000)
    )]
    max_connections: u32,
    /// Connections at once of one client address, never more than half of all; 0 for no limit
    #[arg(
        long, env = "MAX_CONNECTIONS_PER_IP", default_value_t = DEFAULT_CONNECTIONS_PER_ADDRESS, value_name = "N",
        value_parser = within::<u32>(0..=1_000_000)
    )]
    max_connections_per_ip: u32,
    /// Days after which records of the history are trimmed; all are kept unless said otherwise
    #[arg(long, env = "JOURNAL_KEEP_DAYS", value_name = "DAYS", value_parser = within::<u32>(1..=36_500))]
    journal_keep_days: Option<u32>,
    /// Service that each order is posted to; without one, orders are confirmed at once
    #[arg(long, env = "FULFILLMENT_URL", hide_env_values = true, value_name = "URL")]
    fulfillment_url: Option<String>,
    /// Key that posts are signed with: base64, with or without whsec_ before it
    #[arg(long, env = "FULFILLMENT_SECRET", hide_env_values = true, value_name = "SECRET")]
    fulfillment_secret: Option<String>,
    /// File with that key, in its place
    #[arg(long, env = "FULFILLMENT_SECRET_FILE", value_name = "FILE")]
    fulfillment_secret_file: Option<PathBuf>,
    /// Longest time for one attempt, in milliseconds
    #[arg(
        long, env = "FULFILLMENT_TIMEOUT_MS", default_value_t = 10_000, value_name = "MS",
        value_parser = within::<u64>(1..=600_000)
    )]
    fulfillment_timeout_ms: u64,
    /// Attempts in all before an order fails
    #[arg(
        long, env = "FULFILLMENT_ATTEMPTS", default_value_t = 3, value_name = "N",
        value_parser = within::<u32>(1..=20)
    )]
    fulfillment_attempts: u32,
    /// Pause after the first failed attempt, in milliseconds; it doubles each time
    #[arg(
        long, env = "FULFILLMENT_RETRY_DELAY_MS", default_value_t = 2_000, value_name = "MS",
        value_parser = within::<u64>(1..=3_600_000)
    )]
    fulfillment_retry_delay_ms: u64,
    /// Let the service be on a loopback or private address; as a variable: true, yes, on, 1 or their opposites
    #[arg(long, env = "FULFILLMENT_ALLOW_PRIVATE", value_parser = BoolishValueParser::new())]
    fulfillment_allow_private: bool,
    /// Orders a second that one user may send, ten seconds' worth at once; 0 for no limit
    #[arg(
        long, env = "RATE_LIMIT_PER_USER", default_value_t = DEFAULT_RATE_PER_USER, value_name = "N",
        value_parser = within::<u32>(0..=u32::MAX)
    )]
    rate_limit_per_user: u32,
    /// Requests a second that one client address may send, ten seconds' worth at once; 0 for no limit
    #[arg(
        long, env = "RATE_LIMIT_PER_IP", default_value_t = DEFAULT_RATE_PER_ADDRESS, value_name = "N",
        value_parser = within::<u32>(0..=u32::MAX)
    )]
    rate_limit_per_ip: u32,
    /// Proxies whose X-Forwarded-For is believed: IP addresses and networks without host bits, such as
    /// 10.0.0.0/8,192.0.2.7
    #[arg(long, env = "TRUSTED_PROXIES", value_delimiter = ',', value_parser = network, value_name = "NETWORKS")]
    trusted_proxies: Vec<IpNet>,
    #[command(flatten)]
    log: LogArgs,
}

/// What is logged, and how.
#[derive(Clone, Debug, Args)]
pub struct LogArgs {
    /// What to log, such as info or flashsale=debug,hyper=warn
    #[arg(long, env = "RUST_LOG", default_value = "info", value_name = "FILTER", value_parser = log_filter)]
    pub log: String,
    /// How log lines look
    #[arg(long, env = "LOG_FORMAT", default_value = "text", value_enum)]
    pub log_format: LogFormat,
}

impl ServeArgs {
    /// What to log, and how.
    pub const fn log(&self) -> &LogArgs {
        &self.log
    }

    /// Checks the settings and puts them together.
    pub fn resolve(self) -> Result<Config, ConfigError> {
        let admin_token = config::admin_token(self.admin_token, self.admin_token_file)?;
        let signing = config::secret("FULFILLMENT_SECRET", self.fulfillment_secret, self.fulfillment_secret_file)?;
        let url = self.fulfillment_url.filter(|url| !url.is_empty());
        let fulfillment = url.map(|url| FulfillmentConfig {
            url: config::Secret::new(url),
            secret: signing,
            timeout: Duration::from_millis(self.fulfillment_timeout_ms),
            attempts: self.fulfillment_attempts,
            first_delay: Duration::from_millis(self.fulfillment_retry_delay_ms),
            allow_private: self.fulfillment_allow_private,
        });
        Ok(Config {
            address: config::address(&self.host, self.port, admin_token.as_ref())?,
            data_dir: self.store.data_dir,
            admin_token,
            sample_data: self.sample_data,
            workers: self.workers as usize,
            queue_capacity: self.queue_capacity as usize,
            hold_capacity: self.hold_capacity as usize,
            max_connections: self.max_connections as usize,
            max_per_address: self.max_connections_per_ip as usize,
            fulfillment,
            journal_keep: self.journal_keep_days.map(|days| Duration::from_hours(u64::from(days) * 24)),
            shutdown_timeout: limits::SHUTDOWN_TIMEOUT,
            rate_limits: RateLimitConfig {
                per_user: self.rate_limit_per_user,
                per_address: self.rate_limit_per_ip,
                trusted_proxies: self.trusted_proxies,
            },
        })
    }
}

/// The whole command line, for completion scripts.
pub fn definition() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_has_no_contradictions() {
        definition().debug_assert();
    }
}
