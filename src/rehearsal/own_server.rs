//! A server of the rehearsal's own: a process that can be killed and started again.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::RehearsalError;
use super::machine;
use crate::client::{Call, Calls, Client};
use crate::limits::REHEARSAL_START_TIMEOUT;

/// Between two looks at a server that starts or ends.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Lines of its log that are shown when it fails.
const LOG_LINES: usize = 10;

/// How the server is started.
#[derive(Clone, Debug)]
pub struct ServerPlan {
    /// This program.
    pub program: PathBuf,
    /// An empty directory, for its store and its log.
    pub dir: PathBuf,
    /// Further settings, by the names of their variables.
    pub settings: Vec<(String, String)>,
}

/// A server on loopback, killed when this is dropped.
#[derive(Debug)]
pub(super) struct OwnServer {
    plan: ServerPlan,
    pub(super) address: SocketAddr,
    child: Mutex<Child>,
    /// Of the processes that were killed.
    spent: Mutex<Spent>,
}

/// What processes used.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spent {
    pub(super) cpu: Duration,
    pub(super) peak_bytes: u64,
}

impl OwnServer {
    /// Starts it, and waits until it takes orders.
    pub(super) fn start(plan: ServerPlan) -> Result<Self, RehearsalError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(RehearsalError::Machine)?;
        let address = listener.local_addr().map_err(RehearsalError::Machine)?;
        drop(listener);
        // Settings of a `.env` file above must not reach it.
        fs::write(plan.dir.join(".env"), "").map_err(RehearsalError::Machine)?;
        let child = Mutex::new(spawn(&plan, address).map_err(RehearsalError::Machine)?);
        let server = Self { plan, address, child, spent: Mutex::default() };
        server.wait_until_ready()?;
        Ok(server)
    }

    /// Its URL.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Kills it as a power cut does, starts it again on the same store, and gives how long it took no orders.
    pub(super) fn kill_and_restart(&self) -> Result<Duration, RehearsalError> {
        let began = Instant::now();
        {
            let mut child = self.child.lock();
            self.spent.lock().add(of(&child));
            child.kill().map_err(RehearsalError::Machine)?;
            child.wait().map_err(RehearsalError::Machine)?;
            *child = spawn(&self.plan, self.address).map_err(RehearsalError::Machine)?;
        }
        self.wait_until_ready()?;
        Ok(began.elapsed())
    }

    /// What it has used so far, over its restarts.
    pub(super) fn spent(&self) -> Spent {
        let mut spent = *self.spent.lock();
        spent.add(of(&self.child.lock()));
        spent
    }

    /// Where its store is.
    pub(super) fn dir(&self) -> &Path {
        &self.plan.dir
    }

    fn wait_until_ready(&self) -> Result<(), RehearsalError> {
        let calls = Calls::new(Client::new(&self.url(), None)?)?;
        let began = Instant::now();
        while calls.call(&Call::get("/monitoring/health")).is_err() {
            let ended = self.child.lock().try_wait().map_err(RehearsalError::Machine)?;
            if ended.is_some() || began.elapsed() > REHEARSAL_START_TIMEOUT {
                return Err(RehearsalError::OwnServer(self.log()));
            }
            calls.pause(LOOK_EVERY);
        }
        Ok(())
    }

    /// The last lines that it wrote.
    fn log(&self) -> String {
        let log = fs::read_to_string(log_file(&self.plan)).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        let child = self.child.get_mut();
        // Either fails only if it has ended already.
        let _ = child.kill();
        let _ = child.wait();
    }
}

impl Spent {
    fn add(&mut self, other: Self) {
        self.cpu += other.cpu;
        self.peak_bytes = self.peak_bytes.max(other.peak_bytes);
    }
}

fn of(child: &Child) -> Spent {
    let process = child.id().to_string();
    Spent { cpu: machine::cpu(&process).unwrap_or_default(), peak_bytes: machine::peak_bytes(&process).unwrap_or(0) }
}

fn log_file(plan: &ServerPlan) -> PathBuf {
    plan.dir.join("server.log")
}

fn spawn(plan: &ServerPlan, address: SocketAddr) -> io::Result<Child> {
    let log = File::options().create(true).append(true).open(log_file(plan))?;
    let mut command = Command::new(&plan.program);
    command.arg("serve").env_clear().current_dir(&plan.dir);
    command.env("HOST", address.ip().to_string()).env("PORT", address.port().to_string());
    command.env("DATA_DIR", plan.dir.join("store"));
    command.envs(plan.settings.iter().map(|(name, value)| (name, value)));
    // In a group of its own: an interrupt of this program is no interrupt of the server.
    command.process_group(0).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    command.spawn()
}
