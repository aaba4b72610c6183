//! A PostgreSQL server of a test's own, in a temporary directory.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

use super::{Process, eventually};

/// Where Debian puts the programs of the server, by version.
const PROGRAMS: &str = "/usr/lib/postgresql";

/// Names a directory with the programs `initdb` and `postgres` of another version.
const NAMED_PROGRAMS: &str = "FLASHSALE_TEST_POSTGRES";

/// A database server, and its directory, which lives as long as this does.
#[derive(Debug)]
pub(crate) struct Postgres {
    directory: TempDir,
    port: u16,
    settings: Vec<String>,
    process: Option<Process>,
}

/// The directory of the server's programs: the one that is named, or that of the newest server.
fn programs() -> PathBuf {
    if let Some(named) = std::env::var_os(NAMED_PROGRAMS).filter(|named| !named.is_empty()) {
        return named.into();
    }
    let version = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let versions = fs::read_dir(PROGRAMS).into_iter().flatten().flatten().map(|entry| entry.path());
    let newest = versions.filter(|path| path.join("bin/postgres").exists()).max_by_key(|path| version(path));
    newest
        .unwrap_or_else(|| panic!("PostgreSQL is not installed below {PROGRAMS}: install the package postgresql"))
        .join("bin")
}

/// The server refuses to run as root: then it runs as the user of the package.
fn owner() -> Option<(u32, u32)> {
    let id = |option: &str, of: &[&str]| {
        let output = Command::new("id").arg(option).args(of).output().expect("the id command");
        String::from_utf8_lossy(&output.stdout).trim().parse::<u32>().ok()
    };
    (id("-u", &[]) == Some(0)).then(|| {
        let user = ["postgres"];
        (id("-u", &user).expect("the user postgres"), id("-g", &user).expect("the group postgres"))
    })
}

fn command(program: &str) -> Command {
    let mut command = Command::new(programs().join(program));
    if let Some((user, group)) = owner() {
        command.uid(user).gid(group);
    }
    command.env("LC_ALL", "C");
    command
}

impl Postgres {
    /// A server that runs, with these settings beside the usual ones.
    pub(crate) async fn start(settings: &[&str]) -> Self {
        let directory = TempDir::new().unwrap();
        if let Some((user, group)) = owner() {
            std::os::unix::fs::chown(directory.path(), Some(user), Some(group)).unwrap();
        }
        let settings = settings.iter().map(|&setting| setting.to_owned()).collect();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = Self { directory, port, settings, process: None };
        server.run().await;
        server
    }

    /// Takes all that it has; it does not run.
    pub(crate) fn clear(&self) {
        fs::remove_dir_all(self.file("data")).unwrap();
    }

    fn make(&self) {
        let made = command("initdb")
            .args(["-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "-D"])
            .arg(self.file("data"))
            .output();
        let made = made.expect("initdb");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
    }

    /// A file of the server, which it owns.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Starts the server, on its port and its data.
    pub(crate) async fn run(&mut self) {
        if !self.file("data").exists() {
            self.make();
        }
        let port = self.port.to_string();
        let sockets = self.directory.path().to_str().unwrap().to_owned();
        let mut postgres = command("postgres");
        postgres.arg("-D").arg(self.file("data")).args(["-p", &port, "-k", &sockets]);
        for setting in ["listen_addresses=127.0.0.1", "fsync=off", "max_connections=20", "shared_buffers=16MB"] {
            postgres.args(["-c", setting]);
        }
        self.settings.iter().for_each(|setting| _ = postgres.args(["-c", setting]));
        self.process = Some(Process::spawn(&mut postgres, None));
        eventually("a database server", async || self.try_connect("postgres").await).await;
    }

    /// Sends a signal by name to the server and to the processes of its sessions.
    pub(crate) fn signal(&self, name: &str) {
        let process = self.process.as_ref().expect("a server that runs");
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", process.id())).unwrap();
        let all = children.split_whitespace().map(str::to_owned).chain([process.id().to_string()]);
        for id in all {
            // One of them may have ended.
            let _ = Command::new("kill").arg(format!("-{name}")).arg(id).status().expect("the kill command");
        }
    }

    /// Hands a file to the server, which nobody else may read.
    pub(crate) fn owns(&self, file: &Path) {
        fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
        if let Some((user, group)) = owner() {
            std::os::unix::fs::chown(file, Some(user), Some(group)).unwrap();
        }
    }

    /// Adds a setting for the next start.
    pub(crate) fn with_setting(&mut self, setting: &str) {
        self.settings.push(setting.to_owned());
    }

    /// The URL of a database.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    async fn try_connect(&self, database: &str) -> Option<Client> {
        let (client, connection) = tokio_postgres::connect(&self.url(database), NoTls).await.ok()?;
        tokio::spawn(connection);
        Some(client)
    }

    /// A connection to a database.
    pub(crate) async fn connect(&self, database: &str) -> Client {
        eventually("a connection to the database", async || self.try_connect(database).await).await
    }

    /// Stops the server as its own commands do.
    pub(crate) async fn stop(&mut self) {
        self.end("INT").await;
    }

    /// Stops it at once, without writing anything: its next start is a recovery.
    pub(crate) async fn kill(&mut self) {
        self.end("QUIT").await;
    }

    async fn end(&mut self, signal: &str) {
        let mut process = self.process.take().expect("a server that runs");
        process.signal(signal);
        process.exit().await;
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // The processes of its sessions end with it only where it is asked to end.
        if let Some(mut process) = self.process.take() {
            process.signal("QUIT");
            while process.try_exit().is_none() {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        }
    }
}
