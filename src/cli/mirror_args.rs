//! The settings of what follows the store.

use std::path::PathBuf;

use clap::Args;
use clap::builder::BoolishValueParser;

use crate::config::{self, ConfigError, DatabaseConfig, DatabaseTls, EventsConfig, MirrorsConfig, RedisConfig, Secret};
use crate::limits::DEFAULT_MIRROR_KEPT_RECORDS;

use super::values::within;

/// The settings of a PostgreSQL database.
#[derive(Debug, Args)]
pub(super) struct DatabaseArgs {
    /// URL of a PostgreSQL database that mirrors the store, such as postgres://user@db.example/flashsale; if neither
    /// this nor a host is set, there is none
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    database_url: Option<String>,
    /// File that holds this URL; use it instead of --database-url
    #[arg(long, env = "DATABASE_URL_FILE", value_name = "FILE")]
    database_url_file: Option<PathBuf>,
    /// Host of the database, instead of a URL: a name, an IP address, or the directory of a socket
    #[arg(long, env = "DATABASE_HOST", value_name = "HOST")]
    database_host: Option<String>,
    /// Port of the database
    #[arg(
        long, env = "DATABASE_PORT", default_value_t = 5432, value_name = "PORT",
        value_parser = within::<u16>(1..=u16::MAX)
    )]
    database_port: u16,
    /// Name of the database
    #[arg(long, env = "DATABASE_NAME", default_value = "flashsale", value_name = "NAME")]
    database_name: String,
    /// Role that connects
    #[arg(long, env = "DATABASE_USER", default_value = "postgres", value_name = "USER")]
    database_user: String,
    /// Its password
    #[arg(long, env = "DATABASE_PASSWORD", hide_env_values = true, value_name = "PASSWORD")]
    database_password: Option<String>,
    /// File that holds this password; use it instead of --database-password
    #[arg(long, env = "DATABASE_PASSWORD_FILE", value_name = "FILE")]
    database_password_file: Option<PathBuf>,
    /// Whether the connection is encrypted: never, where the server offers it, or always; a URL says it with sslmode
    #[arg(long, env = "DATABASE_SSLMODE", default_value = "prefer", value_enum, value_name = "MODE")]
    database_sslmode: DatabaseTls,
    /// File with the certificates, in PEM, that may sign the database server's; if unset, those of the system
    #[arg(long, env = "DATABASE_CA_FILE", value_name = "FILE")]
    database_ca_file: Option<PathBuf>,
    /// Directory with migrations of your own, as `flashsale db generate` begins them; the server applies them as well
    #[arg(long, env = "DATABASE_MIGRATIONS", value_name = "DIR")]
    database_migrations: Option<PathBuf>,
}

impl DatabaseArgs {
    /// The database, if one is set.
    pub(super) fn resolve(self) -> Result<Option<DatabaseConfig>, ConfigError> {
        let url = config::secret("DATABASE_URL", self.database_url, self.database_url_file)?;
        let host = self.database_host.filter(|host| !host.is_empty());
        if url.is_some() && host.is_some() {
            return Err(ConfigError::UrlAndHost("DATABASE"));
        }
        let password = config::secret("DATABASE_PASSWORD", self.database_password, self.database_password_file)?;
        Ok((url.is_some() || host.is_some()).then(|| DatabaseConfig {
            url,
            host: host.unwrap_or_default(),
            port: self.database_port,
            name: self.database_name,
            user: self.database_user,
            password,
            tls: self.database_sslmode,
            migrations: self.database_migrations.filter(|directory| !directory.as_os_str().is_empty()),
            ca_file: self.database_ca_file.filter(|file| !file.as_os_str().is_empty()),
        }))
    }
}

/// The settings of all mirrors.
#[derive(Debug, Args)]
pub(super) struct MirrorArgs {
    #[command(flatten)]
    database: DatabaseArgs,
    /// URL of a Redis server that mirrors the store, such as rediss://redis.example; if neither this nor a host is set,
    /// there is none
    #[arg(long, env = "REDIS_URL", hide_env_values = true, value_name = "URL")]
    redis_url: Option<String>,
    /// File that holds this URL; use it instead of --redis-url
    #[arg(long, env = "REDIS_URL_FILE", value_name = "FILE")]
    redis_url_file: Option<PathBuf>,
    /// Host of the Redis server, instead of a URL: a name or an IP address
    #[arg(long, env = "REDIS_HOST", value_name = "HOST")]
    redis_host: Option<String>,
    /// Port of the Redis server
    #[arg(
        long, env = "REDIS_PORT", default_value_t = 6379, value_name = "PORT",
        value_parser = within::<u16>(1..=u16::MAX)
    )]
    redis_port: u16,
    /// Its password
    #[arg(long, env = "REDIS_PASSWORD", hide_env_values = true, value_name = "PASSWORD")]
    redis_password: Option<String>,
    /// File that holds this password; use it instead of --redis-password
    #[arg(long, env = "REDIS_PASSWORD_FILE", value_name = "FILE")]
    redis_password_file: Option<PathBuf>,
    /// Encrypt the connection to the Redis server; a URL says it with rediss://; the variable takes true, yes, on, 1
    /// or their opposites
    #[arg(long, env = "REDIS_TLS", value_parser = BoolishValueParser::new())]
    redis_tls: bool,
    /// What all keys in Redis begin with; servers with different ones can share a Redis
    #[arg(long, env = "REDIS_PREFIX", default_value = "flashsale:", value_name = "PREFIX")]
    redis_prefix: String,
    /// File with the certificates, in PEM, that may sign the Redis server's; if unset, those of the system
    #[arg(long, env = "REDIS_CA_FILE", value_name = "FILE")]
    redis_ca_file: Option<PathBuf>,
    /// URL to which every transition of an order and of a sale is posted; if unset, none is
    #[arg(long, env = "EVENTS_URL", hide_env_values = true, value_name = "URL")]
    events_url: Option<String>,
    /// Key that signs these posts: base64, with or without the prefix whsec_
    #[arg(long, env = "EVENTS_SECRET", hide_env_values = true, value_name = "SECRET")]
    events_secret: Option<String>,
    /// File that holds this key; use it instead of --events-secret
    #[arg(long, env = "EVENTS_SECRET_FILE", value_name = "FILE")]
    events_secret_file: Option<PathBuf>,
    /// Allow a receiver of events on a loopback or private address; the variable takes true, yes, on, 1 or their
    /// opposites
    #[arg(long, env = "EVENTS_ALLOW_PRIVATE", value_parser = BoolishValueParser::new())]
    events_allow_private: bool,
    /// Journal records kept from being trimmed for a mirror, or a receiver of events, that is away; one that is behind
    /// by more is copied to anew
    #[arg(
        long, env = "MIRROR_KEEP_RECORDS", default_value_t = DEFAULT_MIRROR_KEPT_RECORDS, value_name = "N",
        value_parser = within::<u32>(0..=1_000_000_000)
    )]
    mirror_keep_records: u32,
}

impl MirrorArgs {
    /// Checks what can be checked without a target.
    pub(super) fn resolve(self) -> Result<MirrorsConfig, ConfigError> {
        let url = config::secret("REDIS_URL", self.redis_url, self.redis_url_file)?;
        let host = self.redis_host.filter(|host| !host.is_empty());
        if url.is_some() && host.is_some() {
            return Err(ConfigError::UrlAndHost("REDIS"));
        }
        let password = config::secret("REDIS_PASSWORD", self.redis_password, self.redis_password_file)?;
        let server = (url.is_some() || host.is_some()).then(|| RedisConfig {
            url,
            host: host.unwrap_or_default(),
            port: self.redis_port,
            password,
            tls: self.redis_tls,
            prefix: self.redis_prefix,
            ca_file: self.redis_ca_file.filter(|file| !file.as_os_str().is_empty()),
        });
        let secret = config::secret("EVENTS_SECRET", self.events_secret, self.events_secret_file)?;
        let url = self.events_url.filter(|url| !url.is_empty());
        if secret.is_some() && url.is_none() {
            return Err(ConfigError::SecretWithoutUrl { secret: "EVENTS_SECRET", url: "EVENTS_URL" });
        }
        let allow_private = self.events_allow_private;
        let events = url.map(|url| EventsConfig { url: Secret::new(url), secret, allow_private });
        let kept_records = self.mirror_keep_records.into();
        Ok(MirrorsConfig { database: self.database.resolve()?, redis: server, events, kept_records })
    }
}
