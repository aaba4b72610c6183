//! PostgreSQL, of the package of Debian.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

use super::process::Service;

/// Where Debian puts the programs of the server, by version.
const PROGRAMS: &str = "/usr/lib/postgresql";

/// What its manual recommends, and what keeps housekeeping out of a short run. `fsync`, `synchronous_commit` and
/// `full_page_writes` are on, as they are by default, and are written out because the measurement depends on them.
const SETTINGS: [&str; 14] = [
    "fsync=on",
    "synchronous_commit=on",
    "full_page_writes=on",
    // Only its own socket: less work for each query than TCP.
    "listen_addresses=",
    "max_connections=200",
    // All data fit.
    "shared_buffers=512MB",
    "wal_buffers=16MB",
    // No checkpoint during a run: each would make the pages behind it be logged in full once more.
    "max_wal_size=8GB",
    "checkpoint_timeout=1h",
    "wal_level=minimal",
    "max_wal_senders=0",
    // Statements are too short for it.
    "jit=off",
    // Versions of a hot row are collected while they are few.
    "autovacuum_naptime=2s",
    "autovacuum_vacuum_cost_delay=0",
];

/// A database server, stopped when this is dropped.
pub(crate) struct Postgres {
    /// None while it is stopped.
    process: Option<Service>,
    sockets: TempDir,
    data: TempDir,
}

impl Postgres {
    /// A new server with its data below `parent`.
    pub(crate) async fn start(parent: &Path) -> Self {
        let (data, sockets) = (owned(TempDir::new_in(parent)), owned(TempDir::new()));
        let mut make = command("initdb");
        make.args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "-D"]).arg(data.path().join("data"));
        let made = make.output().expect("initdb");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let mut server = Self { process: None, sockets, data };
        server.run().await;
        server
    }

    /// Starts it with the data that it has.
    pub(crate) async fn run(&mut self) {
        let mut postgres = command("postgres");
        postgres.arg("-D").arg(self.data.path().join("data")).arg("-k").arg(self.sockets.path());
        SETTINGS.iter().for_each(|setting| _ = postgres.args(["-c", setting]));
        // Fast shutdown: ends the sessions, and writes what it has.
        let mut process = Service::start(postgres, &self.data.path().join("log"), Signal::INT);
        let directory = self.sockets.path();
        process.wait_for(async || connect(directory).await.ok()).await;
        self.process = Some(process);
    }

    /// Stops it; its data stay.
    pub(crate) fn stop(&mut self) {
        self.process = None;
    }

    fn process(&self) -> &Service {
        self.process.as_ref().expect("a database server that runs")
    }

    /// The directory of the socket, which is what a client gets as host.
    pub(crate) fn host(&self) -> &Path {
        self.sockets.path()
    }

    pub(crate) async fn connect(&self) -> Client {
        connect(self.host()).await.expect("a connection to PostgreSQL")
    }

    pub(crate) fn cpu(&self) -> Duration {
        self.process().cpu()
    }

    /// Suspends all of it: whatever is asked of it waits.
    pub(crate) fn suspend(&self) {
        self.process().signal_all(Signal::STOP);
    }

    pub(crate) fn resume(&self) {
        self.process().signal_all(Signal::CONT);
    }
}

/// A connection as the superuser to the server with its socket in a directory.
pub(crate) async fn connect(host: &Path) -> Result<Client, tokio_postgres::Error> {
    let mut config = tokio_postgres::Config::new();
    let (client, connection) = config.host_path(host).user("postgres").connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// The server does not run as root: then it runs as the user of the package.
fn owner() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| {
        let output = Command::new("id").args(arguments).output().expect("the command id");
        String::from_utf8_lossy(&output.stdout).trim().parse::<u32>().ok()
    };
    let user = || id(&["-u", "postgres"]).zip(id(&["-g", "postgres"])).expect("the user postgres");
    (id(&["-u"]) == Some(0)).then(user)
}

/// Hands a directory to the user that the server runs as.
fn owned(directory: std::io::Result<TempDir>) -> TempDir {
    let directory = directory.expect("a directory");
    if let Some((user, group)) = owner() {
        chown(directory.path(), Some(user), Some(group)).expect("the directory of another user");
    }
    directory
}

/// One of the programs of the newest version.
fn command(program: &str) -> Command {
    let version = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let versions = fs::read_dir(PROGRAMS).into_iter().flatten().flatten().map(|entry| entry.path());
    let newest = versions.max_by_key(version).expect("PostgreSQL: install the package postgresql");
    let mut command = Command::new(newest.join("bin").join(program));
    if let Some((user, group)) = owner() {
        command.uid(user).gid(group);
    }
    command.env("LC_ALL", "C");
    command
}
