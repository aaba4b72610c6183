//! The settings of the server: resolved, checked, and independent of where they come from.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

use crate::limits::MAX_SETTING_FILE_BYTES;
use crate::regular_file;

mod url;

pub use url::ServerUrl;

use url::origin;

/// The settings of a server.
#[derive(Clone, Debug)]
pub struct Config {
    /// The address to listen on.
    pub address: SocketAddr,
    /// The directory of the store.
    pub data_dir: PathBuf,
    /// The token that operator routes require. `None` leaves them open.
    pub admin_token: Option<Secret>,
    /// The token that placing orders requires. `None` leaves it open.
    pub storefront_token: Option<Secret>,
    /// Origins whose pages may use the routes of buyers.
    pub cors_origins: Option<CorsOrigins>,
    /// Where a proxy shows the server.
    pub public_url: Option<ServerUrl>,
    /// Whether the sample products are created in an empty store.
    pub sample_data: bool,
    /// Number of workers that fulfil orders.
    pub workers: usize,
    /// Most unfinished jobs, holds not counted.
    pub queue_capacity: usize,
    /// Most held orders.
    pub hold_capacity: usize,
    /// Most connections at once.
    pub max_connections: usize,
    /// Most connections at once from one client address; 0 for no limit.
    pub max_per_address: usize,
    /// Most clients of the live feed at once.
    pub max_feed_clients: usize,
    /// The fulfilment service. Without one, orders are confirmed at once.
    pub fulfillment: Option<FulfillmentConfig>,
    /// Journal records older than this are trimmed. `None` keeps all.
    pub journal_keep: Option<Duration>,
    /// Longest time from the signal to stop until the store is closed.
    pub shutdown_timeout: Duration,
    /// How many requests are accepted.
    pub rate_limits: RateLimitConfig,
    /// What is shown to browsers.
    pub pages: PagesConfig,
    /// From where on alerts are raised.
    pub alerts: AlertConfig,
    /// What follows the store.
    pub mirrors: MirrorsConfig,
}

/// What follows the store outside of this process.
#[derive(Clone, Debug)]
pub struct MirrorsConfig {
    /// The PostgreSQL database.
    pub database: Option<DatabaseConfig>,
    /// The Redis server.
    pub redis: Option<RedisConfig>,
    /// Where events are posted.
    pub events: Option<EventsConfig>,
    /// Journal records that are kept from being trimmed for each of these while it is away.
    pub kept_records: u64,
}

/// How to reach a PostgreSQL database.
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    /// A `postgres://` URL, or the parts below.
    pub url: Option<Secret>,
    /// A host name, an IP address or the directory of a socket.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The database.
    pub name: String,
    /// The role.
    pub user: String,
    /// Its password.
    pub password: Option<Secret>,
    /// Whether the connection is encrypted. A URL says it itself.
    pub tls: DatabaseTls,
    /// A directory with migrations of one's own.
    pub migrations: Option<PathBuf>,
    /// A file with the certificates, in PEM, that may sign the server's; those of the system if unset.
    pub ca_file: Option<PathBuf>,
}

/// Whether the connection to a database is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum DatabaseTls {
    /// Never.
    Disable,
    /// Where the server offers it.
    #[default]
    Prefer,
    /// Always; the server's certificate is checked, its name included.
    Require,
}

/// How to reach a Redis server.
#[derive(Clone, Debug)]
pub struct RedisConfig {
    /// A `redis://` or `rediss://` URL, or the parts below.
    pub url: Option<Secret>,
    /// A host name or an IP address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Its password.
    pub password: Option<Secret>,
    /// Whether the connection is encrypted. A URL says it itself.
    pub tls: bool,
    /// What all keys begin with.
    pub prefix: String,
    /// A file with the certificates, in PEM, that may sign the server's; those of the system if unset.
    pub ca_file: Option<PathBuf>,
}

/// Where events are posted.
#[derive(Clone, Debug)]
pub struct EventsConfig {
    /// The URL.
    pub url: Secret,
    /// The key that signs the posts.
    pub secret: Option<Secret>,
    /// Whether the receiver may be on an IP address outside of the public internet.
    pub allow_private: bool,
}

/// From where on alerts are raised; 0 switches an alert off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlertConfig {
    /// Percent of the queue's capacity.
    pub queue_percent: u32,
    /// Age of the oldest job.
    pub oldest_job_seconds: u32,
    /// Percent of a product's units below which its stock is low.
    pub stock_percent: u32,
    /// Percent of failed orders among those that were settled in the last ten seconds.
    pub error_percent: u32,
    /// New dead letters within a minute.
    pub dead_letters: u32,
    /// Milliseconds of a commit that one in a hundred exceeds.
    pub commit_ms: u32,
    /// Free space of the disk in MiB.
    pub disk_free_mib: u32,
    /// Percent of the limit of open files.
    pub open_files_percent: u32,
    /// Seconds by which a mirror is behind.
    pub mirror_lag_seconds: u32,
    /// Minutes before the start of a sale.
    pub sale_soon_minutes: u32,
}

impl AlertConfig {
    /// The thresholds where none are set.
    pub const DEFAULT: Self = Self {
        queue_percent: 80,
        oldest_job_seconds: 30,
        stock_percent: 10,
        error_percent: 5,
        dead_letters: 10,
        commit_ms: 100,
        disk_free_mib: 1_024,
        open_files_percent: 80,
        mirror_lag_seconds: 60,
        sale_soon_minutes: 10,
    };
}

impl Default for AlertConfig {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What is shown to browsers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PagesConfig {
    /// The dashboard.
    pub dashboard: DashboardAccess,
    /// The API's page and its description.
    pub docs: DocsAccess,
}

/// Whether there is a dashboard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum DashboardAccess {
    /// At `/`.
    #[default]
    On,
    /// Its pages do not exist.
    Off,
}

/// Who may read `/docs` and `/openapi.json`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum DocsAccess {
    /// Anyone.
    #[default]
    Public,
    /// Operators.
    Operator,
    /// Nobody: they do not exist.
    Off,
}

/// How many requests are accepted.
#[derive(Clone, Debug, Default)]
pub struct RateLimitConfig {
    /// Orders per second for each user; 0 for no limit.
    pub per_user: u32,
    /// Requests per second for each client address; 0 for no limit.
    pub per_address: u32,
    /// Peers whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Vec<ipnet::IpNet>,
}

/// Origins whose pages may use the routes of buyers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CorsOrigins {
    /// All.
    Any,
    /// These, as browsers write them.
    Exact(Vec<String>),
}

impl CorsOrigins {
    /// Reads the list of `CORS_ORIGINS`; none if it is empty.
    pub fn parse(list: &[String]) -> Result<Option<Self>, ConfigError> {
        let list: Vec<&str> = list.iter().map(|origin| origin.trim()).filter(|origin| !origin.is_empty()).collect();
        match list[..] {
            [] => Ok(None),
            ["*"] => Ok(Some(Self::Any)),
            _ => {
                let origins =
                    list.into_iter().map(|text| origin(text).ok_or_else(|| ConfigError::Origin(text.to_owned())));
                Ok(Some(Self::Exact(origins.collect::<Result<_, _>>()?)))
            }
        }
    }

    /// Whether pages of this origin are among them.
    pub fn allow(&self, origin: &[u8]) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(origins) => origins.iter().any(|allowed| allowed.as_bytes() == origin),
        }
    }
}

/// The fulfilment service.
#[derive(Clone, Debug)]
pub struct FulfillmentConfig {
    /// The URL that orders are posted to.
    pub url: Secret,
    /// The key that signs the posts.
    pub secret: Option<Secret>,
    /// Longest time for one attempt.
    pub timeout: Duration,
    /// Number of attempts before a job fails.
    pub attempts: u32,
    /// Pause after the first failed attempt.
    pub first_delay: Duration,
    /// Longest pause between two attempts.
    pub max_delay: Duration,
    /// Whether the service may be on an address outside of the public internet.
    pub allow_private: bool,
}

/// A text that must not be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, to use it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Neither an IP address nor a name that is known.
    #[error("HOST {0:?} cannot be resolved to an address; set HOST to an IP address such as 127.0.0.1 or 0.0.0.0")]
    Host(String),
    /// Other machines could use operator routes.
    #[error("other machines can reach HOST {0}, and operator routes would be open to them; set ADMIN_TOKEN as well")]
    OpenToOthers(String),
    /// Not the origin of a page.
    #[error(
        "CORS_ORIGINS: {0:?} is not an origin; write scheme, host and port, such as https://shop.example, or * alone"
    )]
    Origin(String),
    /// Not an address under which a proxy can show the server.
    #[error("PUBLIC_URL {0}, as https://shop.example/flash does")]
    PublicUrl(&'static str),
    /// The storefront's token would open all.
    #[error("STOREFRONT_TOKEN and ADMIN_TOKEN are the same; the shop's server would be an operator: set another one")]
    SameTokens,
    /// A token that is easy to guess, or that no header can have.
    #[error("{0} must be at least 8 visible ASCII characters; `openssl rand -hex 16` makes a good one")]
    WeakToken(String),
    /// The file of a secret cannot be read.
    #[error("{variable}_FILE names {path}, which cannot be read: {error}")]
    SecretFile {
        /// The variable of the secret.
        variable: &'static str,
        /// The file.
        path: String,
        /// Why not.
        error: std::io::Error,
    },
    /// A key that would sign nothing.
    #[error("{secret} is set, and {url} is not; set the URL that is posted to, or unset both")]
    SecretWithoutUrl {
        /// The variable of the key.
        secret: &'static str,
        /// The variable that is missing.
        url: &'static str,
    },
    /// A server that is set twice.
    #[error("{0}_URL and {0}_HOST are both set; unset one of them")]
    UrlAndHost(&'static str),
    /// A secret that is set twice.
    #[error("{0} and {0}_FILE are both set; unset one of them")]
    SecretTwice(&'static str),
}

/// Reads `PUBLIC_URL`; none if it is unset or empty.
pub fn public_url(text: Option<&str>) -> Result<Option<ServerUrl>, ConfigError> {
    text.filter(|text| !text.is_empty()).map(ServerUrl::parse).transpose().map_err(ConfigError::PublicUrl)
}

/// Finds the address to listen on. Without a token, it must be one that only this machine can reach.
pub fn address(host: &str, port: u16, token: Option<&Secret>) -> Result<SocketAddr, ConfigError> {
    let found = match host.parse::<IpAddr>() {
        Ok(address) => Some(SocketAddr::new(address, port)),
        // The system would read `127.1`, `0x7f000001` and `017700000001` as addresses in forms of old.
        Err(_) if is_numeric(host) => None,
        Err(_) => (host, port).to_socket_addrs().ok().and_then(|mut addresses| addresses.next()),
    };
    let address = found.ok_or_else(|| ConfigError::Host(host.to_owned()))?;
    match address.ip().is_loopback() || token.is_some() {
        true => Ok(address),
        false => Err(ConfigError::OpenToOthers(host.to_owned())),
    }
}

/// Whether a host ends in a number, which no name does (WHATWG URL, "ends in a number").
fn is_numeric(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let last = host.rsplit('.').next().unwrap_or_default();
    last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x") || last.starts_with("0X")
}

/// A token, checked, from a variable or from the file that the variable with `_FILE` at its end names.
pub fn token(
    variable: &'static str,
    value: Option<String>,
    file: Option<PathBuf>,
) -> Result<Option<Secret>, ConfigError> {
    let token = secret(variable, value, file.clone())?;
    if token.as_ref().is_none_or(is_strong) {
        return Ok(token);
    }
    Err(ConfigError::WeakToken(match file {
        Some(file) => format!("the token in the file of {variable}_FILE, {},", file.display()),
        None => variable.to_owned(),
    }))
}

fn is_strong(token: &Secret) -> bool {
    token.0.len() >= 8 && token.0.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A secret from a variable, or from the file that the variable with `_FILE` at its end names. An empty variable counts
/// as unset.
pub fn secret(
    variable: &'static str,
    value: Option<String>,
    file: Option<PathBuf>,
) -> Result<Option<Secret>, ConfigError> {
    let value = value.filter(|value| !value.is_empty());
    let Some(file) = file.filter(|file| !file.as_os_str().is_empty()) else { return Ok(value.map(Secret)) };
    if value.is_some() {
        return Err(ConfigError::SecretTwice(variable));
    }
    match regular_file::read_text(&file, MAX_SETTING_FILE_BYTES) {
        Ok(text) => Ok(Some(Secret(text.trim_end_matches(['\r', '\n']).to_owned()))),
        Err(error) => Err(ConfigError::SecretFile { variable, path: file.display().to_string(), error }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_open_without_a_token() {
        let token = Secret::new("long-enough".to_owned());
        assert!(address("127.0.0.1", 3000, None).is_ok());
        assert!(address("::1", 3000, None).is_ok());
        assert!(matches!(address("0.0.0.0", 3000, None), Err(ConfigError::OpenToOthers(_))));
        assert!(address("0.0.0.0", 3000, Some(&token)).is_ok());
        for wrong in
            ["no such host", "127.1", "1", "0x7f.1", "0x7f000001", "127.0.0.1.", "127.0.0.01", " 127.0.0.1", "[::1]"]
        {
            assert!(matches!(address(wrong, 3000, None), Err(ConfigError::Host(_))), "{wrong}");
        }
    }

    #[test]
    fn an_origin_is_what_browsers_send_and_nothing_more() {
        let parse = |list: &[&str]| CorsOrigins::parse(&list.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
        assert_eq!([parse(&[]).unwrap(), parse(&["", " "]).unwrap()], [None, None]);
        assert_eq!(parse(&["*"]).unwrap(), Some(CorsOrigins::Any));
        for (given, kept) in [
            ("https://Shop.example", "https://shop.example"),
            ("https://shop.example:443", "https://shop.example"),
            ("http://localhost:5173", "http://localhost:5173"),
            ("http://[::1]:80", "http://[::1]"),
        ] {
            let origins = parse(&[given]).unwrap().unwrap();
            assert!(origins.allow(kept.as_bytes()) && !origins.allow(b"https://other.example"), "{given}");
        }
        for wrong in [
            "null",
            "shop.example",
            "https://shop.example/",
            "https://shop.example/a",
            "ftp://shop.example",
            "https://me@shop.example",
            "https://shop.example:0",
            "https://*.example?",
            "https://",
        ] {
            assert!(matches!(parse(&[wrong]), Err(ConfigError::Origin(_))), "{wrong}");
        }
        assert!(parse(&["https://shop.example", "*"]).is_err());
    }

    #[test]
    fn a_secret_is_never_shown_and_a_weak_token_is_refused() {
        let secret = Secret::new("hunter2hunter2".to_owned());
        assert_eq!(format!("{secret:?}"), "***");
        assert!(token("ADMIN_TOKEN", Some("hunter2hunter2".to_owned()), None).is_ok());
        assert!(token("ADMIN_TOKEN", None, None).is_ok());
        let file = tempfile::NamedTempFile::new().unwrap();
        for weak in ["short", "with a space in it", "ünïcödé-töken"] {
            let error = token("ADMIN_TOKEN", Some(weak.to_owned()), None).unwrap_err().to_string();
            assert!(error.starts_with("ADMIN_TOKEN must be at least 8"), "{weak}: {error}");
            std::fs::write(file.path(), weak).unwrap();
            let error = token("ADMIN_TOKEN", None, Some(file.path().to_owned())).unwrap_err().to_string();
            assert!(error.contains("ADMIN_TOKEN_FILE") && !error.contains(weak), "{weak}: {error}");
        }
    }

    #[test]
    fn a_secret_comes_from_its_variable_or_its_file_and_not_from_both() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "from-the-file\n").unwrap();
        let path = || Some(file.path().to_owned());
        let value = || Some("from-the-variable".to_owned());
        assert_eq!(secret("T", value(), None).unwrap().unwrap().expose(), "from-the-variable");
        assert_eq!(secret("T", None, path()).unwrap().unwrap().expose(), "from-the-file");
        assert_eq!(secret("T", Some(String::new()), path()).unwrap().unwrap().expose(), "from-the-file");
        assert!(matches!(secret("T", value(), path()), Err(ConfigError::SecretTwice("T"))));
        let missing = secret("T", None, Some("/no/such/file".into())).unwrap_err().to_string();
        assert!(missing.starts_with("T_FILE names /no/such/file, which cannot be read"), "{missing}");
        assert!(secret("T", Some(String::new()), None).unwrap().is_none());
    }
}
