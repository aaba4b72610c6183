//! A server as a child process, and what can be asked of it from outside.

use std::convert::Infallible;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::time::sleep;

use super::client::{Answer, Connection, get, post};
use super::machine;

/// How long a server may take from its start until it is ready.
const START: Duration = Duration::from_secs(30);
/// How long a queue may take to drain after a round.
pub(crate) const DRAIN: Duration = Duration::from_secs(60);
/// Between two looks at the queue during a round.
const SAMPLE_EVERY: Duration = Duration::from_millis(100);
/// Between two looks at something awaited.
const POLL_EVERY: Duration = Duration::from_millis(10);
/// Lines of a server's log that a failed run shows.
const LOG_LINES: usize = 20;

/// Where a product's units are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stock {
    pub(crate) current: u64,
    pub(crate) held: u64,
    pub(crate) sold: u64,
}

/// A server in a process of its own, killed when this is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    log: PathBuf,
}

impl Server {
    /// `flashsale serve` on a new store in `dir`, with no limit on how fast one client may order.
    pub(crate) async fn real(dir: &Path) -> Self {
        Self::real_with(dir, &[]).await
    }

    /// The same with further settings, by the names of their variables.
    pub(crate) async fn real_with(dir: &Path, settings: &[(&str, String)]) -> Self {
        Self::of(Path::new(env!("CARGO_BIN_EXE_flashsale")), dir, settings).await
    }

    /// The same of another build, `program`.
    pub(crate) async fn of(program: &Path, dir: &Path, settings: &[(&str, String)]) -> Self {
        let port = free_port();
        let mut command = Command::new(program);
        // The caller's own settings, a token or a mirror, must not reach the measured server: neither by its
        // environment nor by a `.env` file in a directory above.
        fs::write(dir.join(".env"), "").expect("a file in the data directory");
        command.arg("serve").env_clear().current_dir(dir);
        command.env("PORT", port.to_string()).env("DATA_DIR", dir.join("data"));
        command.env("RATE_LIMIT_PER_USER", "0").env("RATE_LIMIT_PER_IP", "0").env("MAX_CONNECTIONS_PER_IP", "0");
        command.envs(settings.iter().map(|(name, value)| (name, value)));
        let mut server = Self::start(command, port, dir.join("real.log"));
        let ready = async |port| match Connection::open(port).await {
            Ok(mut connection) => connection.ask(&get("/readyz")).await.status == 200,
            Err(_) => false,
        };
        server.wait_for("ready", ready).await;
        server
    }

    /// Starts a server that will listen on `port` and whose output goes to `log`.
    pub(crate) fn start(mut command: Command, port: u16, log: PathBuf) -> Self {
        let out = File::create(&log).expect("a log file");
        let error = out.try_clone().expect("a log file");
        command.stdin(Stdio::null()).stdout(out).stderr(error);
        let child = command.spawn().expect("the server's executable starts");
        Self { child, port, log }
    }

    /// Waits until the server on its port has reached a state, which `state` names.
    pub(crate) async fn wait_for(&mut self, state: &str, reached: impl AsyncFn(u16) -> bool) {
        let start = Instant::now();
        while !reached(self.port).await {
            let ended = self.child.try_wait().expect("a child's state");
            assert!(ended.is_none() && start.elapsed() < START, "the server is not {state}");
            sleep(POLL_EVERY).await;
        }
    }

    /// The last lines of what the server wrote.
    fn log(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }

    /// Processor time of the process so far, all its threads, user and system, exact to a clock tick.
    pub(crate) fn cpu(&self) -> Duration {
        machine::cpu(&self.child.id().to_string())
    }

    /// The same of its threads with this name.
    pub(crate) fn thread_cpu(&self, name: &str) -> Duration {
        machine::thread_cpu(self.child.id(), name)
    }

    /// Bytes of the process's memory that are resident.
    pub(crate) fn resident_bytes(&self) -> u64 {
        machine::resident_bytes(&self.child.id().to_string())
    }

    /// The most bytes of the process's memory that were resident at any time.
    pub(crate) fn peak_bytes(&self) -> u64 {
        machine::peak_bytes(&self.child.id().to_string()).expect("a server that runs")
    }

    /// Bytes that the process has sent to the disk so far.
    pub(crate) fn written_bytes(&self) -> u64 {
        machine::written_bytes(&self.child.id().to_string())
    }

    /// Creates a product in the sale and gives its id.
    pub(crate) async fn create_product(&self, stock: u64) -> u64 {
        self.create(&format!(r#"{{"name":"Hot","price":"9.99","initialStock":{stock},"flashSaleActive":true}}"#)).await
    }

    /// The same for a product whose orders are held for so many seconds.
    pub(crate) async fn create_held_product(&self, stock: u64, seconds: u64) -> u64 {
        let terms = format!(r#""initialStock":{stock},"flashSaleActive":true,"holdSeconds":{seconds}"#);
        self.create(&format!(r#"{{"name":"Held","price":"9.99",{terms}}}"#)).await
    }

    async fn create(&self, json: &str) -> u64 {
        let product = self.ask(&post("/api/v1/inventory", json), 201).await;
        number(&product, "/id")
    }

    /// Units of a product that can be bought, are held, and are sold.
    pub(crate) async fn stock(&self, product: u64) -> Stock {
        let product = self.ask(&get(&format!("/api/v1/inventory/{product}")), 200).await;
        Stock {
            current: number(&product, "/currentStock"),
            held: number(&product, "/heldStock"),
            sold: number(&product, "/soldStock"),
        }
    }

    /// How many jobs are not finished yet.
    pub(crate) async fn queue_length(&self) -> u64 {
        length(&self.ask(&get("/api/v1/queue"), 200).await)
    }

    /// Keeps the largest queue seen in `longest`, until it is dropped.
    pub(crate) async fn watch_queue(&self, longest: &mut u64) -> Infallible {
        let mut connection = Connection::open(self.port).await.expect("the server accepts a connection");
        let request = get("/api/v1/queue");
        loop {
            let queue = json(&connection.ask(&request).await, 200);
            *longest = length(&queue).max(*longest);
            sleep(SAMPLE_EVERY).await;
        }
    }

    /// Waits until no job is left.
    pub(crate) async fn drain(&self) {
        let start = Instant::now();
        loop {
            let length = self.queue_length().await;
            if length == 0 {
                return;
            }
            assert!(start.elapsed() < DRAIN, "{length} jobs are left {DRAIN:?} after the round");
            sleep(POLL_EVERY).await;
        }
    }

    /// Panics unless exactly the acknowledged orders are confirmed and the stock adds up. The queue must be drained.
    /// Gives the counts of orders by status.
    pub(crate) async fn settle(&self, acknowledged: u64) -> Value {
        let metrics = self.ask(&get("/api/v1/orders/admin/metrics"), 200).await;
        let confirmed = number(&metrics, "/confirmedOrders");
        assert_eq!(confirmed, acknowledged, "confirmed and acknowledged orders differ: {metrics}");
        let audit = self.ask(&get("/api/v1/inventory/audit"), 200).await;
        assert_eq!(audit["ok"], true, "stock does not add up: {audit}");
        metrics
    }

    /// Asks on a connection of its own.
    pub(crate) async fn ask(&self, request: &[u8], status: u16) -> Value {
        let mut connection = Connection::open(self.port).await.expect("the server accepts a connection");
        json(&connection.ask(request).await, status)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}:\n{}", self.log.display(), self.log());
        }
        // Either fails only if the process has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// The JSON body of an answer that must have this status.
pub(crate) fn json(answer: &Answer<'_>, status: u16) -> Value {
    let body = String::from_utf8_lossy(answer.body);
    assert_eq!(answer.status, status, "{body}");
    serde_json::from_str(&body).expect("a JSON body")
}

fn length(queue: &Value) -> u64 {
    ["waiting", "prioritized", "delayed", "active"].iter().map(|state| number(queue, &format!("/counts/{state}"))).sum()
}

/// The integer at a JSON pointer.
pub(crate) fn number(json: &Value, pointer: &str) -> u64 {
    json.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("no integer at {pointer} in {json}"))
}
