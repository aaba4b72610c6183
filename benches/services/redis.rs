//! Redis, of the package of Debian.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use redis::{Client, Cmd, Connection, FromRedisValue};
use rustix::process::Signal;
use tempfile::TempDir;

use super::process::Service;
use crate::driver::server::free_port;

/// Every write is on disk before its response, as with the others. The file is not rewritten during a run, and there
/// are no snapshots beside it. Threads for input and output are for machines with four processors and more.
const SETTINGS: [&str; 10] = [
    "--appendonly",
    "yes",
    "--appendfsync",
    "always",
    "--auto-aof-rewrite-percentage",
    "0",
    "--save",
    "",
    "--io-threads",
    "1",
];

/// A Redis server, stopped when this is dropped.
pub(crate) struct Redis {
    /// None while it is stopped.
    process: Option<Service>,
    sockets: TempDir,
    port: u16,
    data: TempDir,
}

impl Redis {
    /// A new server with its data below `parent`.
    pub(crate) async fn start(parent: &Path) -> Self {
        let data = TempDir::new_in(parent).expect("a directory");
        let sockets = TempDir::new().expect("a directory");
        let mut server = Self { process: None, sockets, port: free_port(), data };
        server.run().await;
        server
    }

    /// Starts it with the data that it has.
    pub(crate) async fn run(&mut self) {
        let (socket, data) = (self.socket(), self.data.path());
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &self.port.to_string()]).arg("--unixsocket").arg(&socket);
        command.arg("--dir").arg(data).args(SETTINGS);
        let mut process = Service::start(command, &data.join("log"), Signal::TERM);
        let ready = || redis::cmd("PING").exec(&mut connect(&socket)?).ok();
        process.wait_for(async || ready()).await;
        self.process = Some(process);
    }

    /// Stops it; its data stay.
    pub(crate) fn stop(&mut self) {
        self.process = None;
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.sockets.path().join("redis")
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn cpu(&self) -> Duration {
        self.process.as_ref().expect("a Redis that runs").cpu()
    }

    /// What it responds to a command, given as words.
    pub(crate) fn ask<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let mut command = Cmd::new();
        words.iter().for_each(|word| _ = command.arg(word));
        let mut connection = connect(&self.socket()).expect("a connection to Redis");
        command.query(&mut connection).expect("a response of Redis")
    }
}

/// The URL of a socket.
pub(crate) fn url(socket: &Path) -> String {
    format!("unix://{}", socket.display())
}

fn connect(socket: &Path) -> Option<Connection> {
    Client::open(url(socket)).ok()?.get_connection().ok()
}
