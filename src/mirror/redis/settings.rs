//! How Redis is reached.

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisError, TlsCertificates,
};

use super::keys::Keys;
use crate::config::{RedisConfig, Secret};
use crate::limits::MIRROR_CONNECT_TIMEOUT;
use crate::mirror::certificates;

/// How Redis is reached, and the names of the keys there: settings that were checked.
#[derive(Clone)]
pub(crate) struct Settings {
    client: Client,
    pub(super) keys: Keys,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Settings")
    }
}

impl Settings {
    /// Checks the settings, without the network.
    pub(crate) fn new(redis: &RedisConfig) -> Result<Self, String> {
        let keys = Keys::new(&redis.prefix)?;
        let info = match &redis.url {
            Some(url) => from_url(url, redis.tls)?,
            None => from_parts(redis)?,
        };
        let mut access = info.redis_settings().clone().set_skip_set_lib_name();
        if let (None, Some(password)) = (access.password(), &redis.password) {
            access = access.set_password(password.expose());
        }
        let info = info.set_redis_settings(access);
        let is_encrypted = matches!(info.addr(), ConnectionAddr::TcpTls { .. });
        let client = match &redis.ca_file {
            Some(_) if !is_encrypted => {
                return Err("REDIS_CA_FILE is set, and the connection is not encrypted; set REDIS_TLS=true \
                     or write rediss:// in REDIS_URL"
                    .to_owned());
            }
            Some(file) => {
                let (text, _) = certificates::read("REDIS_CA_FILE", file)?;
                let trusted = TlsCertificates { client_tls: None, root_cert: Some(text.into_bytes()) };
                Client::build_with_tls(info, trusted)
            }
            None => Client::open(info),
        };
        let client = client.map_err(|error| format!("Redis cannot be used: {error}"))?;
        Ok(Self { client, keys })
    }

    /// Where Redis is, and what is used there, without a secret.
    pub(crate) fn place(&self) -> String {
        let info = self.client.get_connection_info();
        let encrypted = match info.addr() {
            ConnectionAddr::TcpTls { .. } => "encrypted",
            _ => "not encrypted",
        };
        let (database, prefix) = (info.redis_settings().db(), self.keys.prefix());
        format!("{}, database {database}, keys {prefix}*, {encrypted}", info.addr())
    }

    /// What lists the rows that Redis rejected.
    pub(crate) fn aside(&self) -> String {
        format!("HGETALL {}", self.keys.rejected())
    }

    /// Connects.
    pub(super) async fn connect(&self) -> Result<MultiplexedConnection, RedisError> {
        // How long a response may take, the loop of the mirrors says.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(MIRROR_CONNECT_TIMEOUT))
            .set_response_timeout(None);
        self.client.get_multiplexed_async_connection_with_config(&config).await
    }
}

/// What is wrong with a URL is said without the URL, which has a password in it.
fn from_url(url: &Secret, tls: bool) -> Result<ConnectionInfo, String> {
    let info = url
        .expose()
        .into_connection_info()
        .map_err(|error| format!("REDIS_URL is not a URL of Redis, such as rediss://redis.example:6379/0: {error}"))?;
    match info.addr() {
        ConnectionAddr::TcpTls { insecure: true, .. } => {
            Err("REDIS_URL ends with #insecure; name the certificate with REDIS_CA_FILE instead".to_owned())
        }
        ConnectionAddr::Tcp(..) if tls => {
            Err("REDIS_TLS is set, and REDIS_URL begins with redis://; write rediss://".to_owned())
        }
        _ => Ok(info),
    }
}

fn from_parts(redis: &RedisConfig) -> Result<ConnectionInfo, String> {
    let host = redis.host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let address = match redis.tls {
        true => ConnectionAddr::TcpTls { host, port: redis.port, insecure: false, tls_params: None },
        false => ConnectionAddr::Tcp(host, redis.port),
    };
    let info = address.into_connection_info();
    info.map_err(|error| format!("REDIS_HOST cannot be used: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str, tls: bool) -> Result<Settings, String> {
        let url = Some(Secret::new(url.to_owned()));
        let prefix = "flashsale:".to_owned();
        let config = RedisConfig { url, host: String::new(), port: 0, password: None, tls, prefix, ca_file: None };
        Settings::new(&config)
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said_without_it() {
        for url in ["redis://db.example", "rediss://ada:hunter2@db.example:6380/3", "unix:///run/redis.sock"] {
            assert!(settings(url, false).is_ok(), "{url}");
        }
        for (url, tls) in [
            ("http://:hunter2@db.example", false),
            ("redis://:hunter2@", false),
            ("redis://:hunter2@db.example/first", false),
            ("redis://:hunter2@db.example", true),
            ("rediss://:hunter2@db.example#insecure", true),
        ] {
            let error = settings(url, tls).expect_err(url);
            assert!(error.contains("REDIS_URL") && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_place_has_host_database_and_keys_and_no_password() {
        for (url, place) in [
            ("redis://cache.example", "cache.example:6379, database 0, keys flashsale:*, not encrypted"),
            ("rediss://ada:hunter2@10.0.0.7:6380/3", "10.0.0.7:6380, database 3, keys flashsale:*, encrypted"),
            ("unix:///run/redis.sock?pass=hunter2", "/run/redis.sock, database 0, keys flashsale:*, not encrypted"),
        ] {
            assert_eq!(settings(url, false).unwrap().place(), place);
        }
        assert_eq!(settings("redis://cache.example", false).unwrap().aside(), "HGETALL flashsale:rejected");
    }
}
