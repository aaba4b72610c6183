//! How a database is reached.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::config::{DatabaseConfig, DatabaseTls};
use crate::limits::MIRROR_CONNECT_TIMEOUT;
use crate::mirror::causes::with_causes;
use crate::mirror::certificates;
use crate::mirror::error::MirrorError;

use super::migrations::{self, MigrationFileError};

/// The port of a database whose URL has none.
const DEFAULT_PORT: u16 = 5432;

/// How a database is reached: settings that were checked.
#[derive(Clone)]
pub(crate) struct Settings {
    config: Config,
    /// A directory with migrations of one's own.
    pub(crate) migrations: Option<PathBuf>,
    /// None where connections are never encrypted.
    tls: Option<MakeRustlsConnect>,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Settings")
    }
}

/// A connection. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) client: Client,
    io: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.io.abort();
    }
}

impl Settings {
    /// Checks the settings, without the network.
    pub(crate) fn new(database: &DatabaseConfig) -> Result<Self, MirrorError> {
        let mut config = match &database.url {
            // What is wrong with it is said without the URL, which has a password in it.
            Some(url) => url.expose().parse::<Config>().map_err(|error| {
                settings_error(format!("DATABASE_URL is not a URL of PostgreSQL: {}", with_causes(&error)))
            })?,
            None => from_parts(database),
        };
        if config.get_hosts().is_empty() {
            return Err(settings_error("DATABASE_URL names no host".to_owned()));
        }
        if config.get_dbname().is_none() {
            config.dbname(&database.name);
        }
        if config.get_user().is_none() {
            config.user(&database.user);
        }
        if let (None, Some(password)) = (config.get_password(), &database.password) {
            config.password(password.expose());
        }
        // A peer that is gone is noticed by the time-out of each step; this ends what waits on the side of the server.
        config.application_name("flashsale").connect_timeout(MIRROR_CONNECT_TIMEOUT);
        config.keepalives_idle(Duration::from_secs(30));
        let tls = match config.get_ssl_mode() {
            SslMode::Disable => None,
            _ => Some(connector(database.ca_file.as_deref())?),
        };
        Ok(Self { config, migrations: database.migrations.clone(), tls })
    }

    /// The same with another database of the server.
    pub(crate) fn with_database(&self, name: &str) -> Self {
        let mut other = self.clone();
        other.config.dbname(name);
        other
    }

    /// The name of the database.
    pub(crate) fn database(&self) -> &str {
        self.config.get_dbname().unwrap_or_default()
    }

    /// Where the database is, without a secret.
    pub(crate) fn place(&self) -> String {
        let ports = self.config.get_ports();
        let port = |at: usize| ports.get(at).or(ports.first()).copied().unwrap_or(DEFAULT_PORT);
        let host = |(at, host): (usize, &Host)| match host {
            Host::Tcp(host) if host.contains(':') => format!("[{host}]:{}", port(at)),
            Host::Tcp(host) => format!("{host}:{}", port(at)),
            #[cfg(unix)]
            Host::Unix(directory) => directory.display().to_string(),
        };
        let hosts: Vec<_> = self.config.get_hosts().iter().enumerate().map(host).collect();
        let encrypted = match self.config.get_ssl_mode() {
            SslMode::Disable => "not encrypted",
            SslMode::Prefer => "encrypted if the server offers it",
            _ => "encrypted",
        };
        format!("{}, database {}, {encrypted}", hosts.join(" or "), self.database())
    }

    /// Why migrations of one's own cannot be applied, if they cannot be read.
    pub(crate) fn check_migrations(&self) -> Result<(), MigrationFileError> {
        migrations::all(self.migrations.as_deref()).map(drop)
    }

    /// Connects. A certificate that cannot be trusted is an error, never a reason to connect without encryption.
    pub(crate) async fn connect(&self) -> Result<Connection, tokio_postgres::Error> {
        // Names are looked up on threads of the runtime that runs this.
        let (client, io) = match &self.tls {
            Some(tls) => {
                let (client, connection) = self.config.connect(tls.clone()).await?;
                (client, tokio::spawn(run(connection)))
            }
            None => {
                let (client, connection) = self.config.connect(NoTls).await?;
                (client, tokio::spawn(run(connection)))
            }
        };
        Ok(Connection { client, io })
    }
}

async fn run<C: Future<Output = Result<(), tokio_postgres::Error>>>(connection: C) {
    if let Err(error) = connection.await {
        tracing::debug!(error = with_causes(&error), "the connection to PostgreSQL ended");
    }
}

fn from_parts(database: &DatabaseConfig) -> Config {
    let mut config = Config::new();
    config.host(&database.host).port(database.port).dbname(&database.name).user(&database.user);
    config.ssl_mode(match database.tls {
        DatabaseTls::Disable => SslMode::Disable,
        DatabaseTls::Prefer => SslMode::Prefer,
        DatabaseTls::Require => SslMode::Require,
    });
    config
}

/// Trusts the certificates of a file, or those of the system.
fn connector(ca_file: Option<&Path>) -> Result<MakeRustlsConnect, MirrorError> {
    let mut roots = rustls::RootCertStore::empty();
    match ca_file {
        Some(file) => {
            for certificate in certificates::read("DATABASE_CA_FILE", file).map_err(settings_error)?.1 {
                let unfit = |error| format!("DATABASE_CA_FILE {} cannot be used: {error}", file.display());
                roots.add(certificate).map_err(|error| settings_error(unfit(error)))?;
            }
        }
        // A system without certificates can still connect without encryption, and fails to connect with it.
        None => {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
        }
    }
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| settings_error(format!("TLS cannot be used: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

const fn settings_error(text: String) -> MirrorError {
    MirrorError::Settings(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn settings(url: Option<&str>) -> Settings {
        let database = DatabaseConfig {
            url: url.map(|url| Secret::new(url.to_owned())),
            host: "db.example".to_owned(),
            port: 6543,
            name: "flashsale".to_owned(),
            user: "ada".to_owned(),
            password: Some(Secret::new("hunter2".to_owned())),
            tls: DatabaseTls::Require,
            migrations: None,
            ca_file: None,
        };
        Settings::new(&database).unwrap()
    }

    #[test]
    fn a_place_has_host_and_database_and_no_password() {
        let offered = "encrypted if the server offers it";
        for (url, place) in [
            (None, "db.example:6543, database flashsale, encrypted".to_owned()),
            (Some("postgres://ada:hunter2@db.example/shop"), format!("db.example:5432, database shop, {offered}")),
            (Some("postgres://db.example:1?sslmode=disable"), "db.example:1, database flashsale, not encrypted".into()),
            (Some("postgres://a,b:7/shop"), format!("a:5432 or b:7, database shop, {offered}")),
            (Some("host=/run/postgresql user=ada"), format!("/run/postgresql, database flashsale, {offered}")),
        ] {
            assert_eq!(settings(url).place(), place);
        }
    }
}
