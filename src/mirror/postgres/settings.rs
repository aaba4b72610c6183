//! How a database is reached.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::config::{DatabaseConfig, DatabaseTls};
use crate::limits::MIRROR_CONNECT_TIMEOUT;
use crate::mirror::causes::with_causes;
use crate::mirror::certificates;
use crate::mirror::error::MirrorError;

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
