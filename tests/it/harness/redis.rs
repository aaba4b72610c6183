//! A Redis server of a test's own, in a temporary directory.

use std::ffi::OsString;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use redis::{Client, Cmd, Connection, FromRedisValue};
use tempfile::TempDir;

use super::{Process, eventually};

/// A Redis server, and its directory, which lives as long as this does.
#[derive(Debug)]
pub(crate) struct Redis {
    directory: TempDir,
    port: u16,
    settings: Vec<String>,
    process: Option<Process>,
}

/// Names the program of another version, or of another server that speaks as Redis does.
const NAMED_PROGRAM: &str = "FLASHSALE_TEST_REDIS";

/// The program of the server: the one that is named, or that of the system.
fn program() -> OsString {
    let named = std::env::var_os(NAMED_PROGRAM).filter(|named| !named.is_empty());
    named.unwrap_or_else(|| "redis-server".into())
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Redis {
    /// A server that runs, with these settings beside the usual ones.
    pub(crate) async fn start(settings: &[&str]) -> Self {
        let mut server = Self::new(settings);
        server.run().await;
        server
    }

    /// A server that is still to be started. It also listens at a socket of its own.
    pub(crate) fn new(settings: &[&str]) -> Self {
        let settings = settings.iter().map(|&setting| setting.to_owned()).collect();
        Self { directory: TempDir::new().unwrap(), port: free_port(), settings, process: None }
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    fn socket(&self) -> PathBuf {
        self.directory().join("redis.sock")
    }

    /// Starts it, with the data that it has.
    pub(crate) async fn run(&mut self) {
        let mut command = Command::new(program());
        let data = self.directory().join("data");
        fs::create_dir_all(&data).unwrap();
        command.args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--appendonly", "yes", "--save", ""]);
        command.arg("--unixsocket").arg(self.socket()).arg("--dir").arg(data).args(&self.settings);
        let found = Command::new(program()).arg("--version").output();
        assert!(found.is_ok(), "{:?} is not installed: install the package redis-server", program());
        let mut process = Process::spawn(&mut command, None);
        eventually("Redis", async || {
            let exited = process.try_exit();
            assert!(exited.is_none(), "redis-server did not start: {exited:?}");
            self.try_ask::<String>(&redis::cmd("PING")).is_some().then_some(())
        })
        .await;
        self.process = Some(process);
    }

    /// Kills it; what it has on disk stays.
    pub(crate) async fn kill(&mut self) {
        let mut process = self.process.take().expect("a running Redis");
        process.kill();
        process.exit().await;
    }

    /// Removes its data. It must not be running.
    pub(crate) fn clear(&self) {
        fs::remove_dir_all(self.directory().join("data")).unwrap();
    }

    /// Sends its process a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        self.process.as_ref().expect("a running Redis").signal(name);
    }

    /// A connection to it, if it runs.
    pub(crate) fn connect(&self) -> Option<Connection> {
        let password = self.settings.iter().skip_while(|setting| *setting != "--requirepass").nth(1);
        let query = password.map_or(String::new(), |password| format!("?pass={password}"));
        Client::open(format!("unix://{}{query}", self.socket().display())).ok()?.get_connection().ok()
    }

    fn try_ask<T: FromRedisValue>(&self, command: &Cmd) -> Option<T> {
        command.query(&mut self.connect()?).ok()
    }

    /// What it responds to a command, given as words.
    pub(crate) fn ask<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let mut command = Cmd::new();
        words.iter().for_each(|word| _ = command.arg(word));
        let mut connection = self.connect().expect("a connection to Redis");
        command.query(&mut connection).unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }
}
