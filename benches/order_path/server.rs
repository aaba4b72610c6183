//! The two servers as child processes, and what can be asked of them from outside.

use std::convert::Infallible;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::time::sleep;

use crate::client::{Answer, Connection, get, post};

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
/// Linux reports processor time in ticks of this many milliseconds: `USER_HZ` is 100 wherever this runs.
const CLOCK_TICK_MS: u64 = 10;

/// A server in a process of its own, killed when this is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    log: PathBuf,
}

impl Server {
    /// The bare handler: this executable again.
    pub(crate) async fn bare(dir: &Path) -> Self {
        let port = free_port();
        let mut command = Command::new(std::env::current_exe().expect("the path of this executable"));
        command.arg("--bare").arg(port.to_string());
        let mut server = Self::start(command, port, dir.join("bare.log"));
        server.wait_for("listening", async |port| Connection::open(port).await.is_ok()).await;
        server
    }

    /// `flashsale serve` on a new store in `dir`, with no limit on how fast one client may order.
    pub(crate) async fn real(dir: &Path) -> Self {
        let port = free_port();
        let mut command = Command::new(env!("CARGO_BIN_EXE_flashsale"));
        // The caller's own settings, a token or a mirror, must not reach the measured server: neither by its
        // environment nor by a `.env` file in a directory above.
        fs::write(dir.join(".env"), "").expect("a file in the data directory");
        command.arg("serve").env_clear().current_dir(dir);
        command.env("PORT", port.to_string()).env("DATA_DIR", dir.join("data"));
        command.env("RATE_LIMIT_PER_USER", "0").env("RATE_LIMIT_PER_IP", "0");
        let mut server = Self::start(command, port, dir.join("real.log"));
        let ready = async |port| match Connection::open(port).await {
            Ok(mut connection) => connection.ask(&get("/readyz")).await.status == 200,
            Err(_) => false,
        };
        server.wait_for("ready", ready).await;
        server
    }

    fn start(mut command: Command, port: u16, log: PathBuf) -> Self {
        let out = File::create(&log).expect("a log file");
        let error = out.try_clone().expect("a log file");
        command.stdin(Stdio::null()).stdout(out).stderr(error);
        let child = command.spawn().expect("the server's executable starts");
        Self { child, port, log }
    }

    async fn wait_for(&mut self, state: &str, reached: impl AsyncFn(u16) -> bool) {
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
        cpu(&self.child.id().to_string())
    }

    /// Creates a product in the sale and gives its id.
    pub(crate) async fn create_product(&self, stock: u64) -> u64 {
        let json = format!(r#"{{"name":"Hot","price":"9.99","initialStock":{stock},"flashSaleActive":true}}"#);
        let product = self.ask(&post("/api/v1/inventory", &json), 201).await;
        number(&product, "/id")
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
    pub(crate) async fn settle(&self, acknowledged: u64) {
        let metrics = self.ask(&get("/api/v1/orders/admin/metrics"), 200).await;
        let confirmed = number(&metrics, "/confirmedOrders");
        assert_eq!(confirmed, acknowledged, "confirmed and acknowledged orders differ: {metrics}");
        let audit = self.ask(&get("/api/v1/inventory/audit"), 200).await;
        assert_eq!(audit["ok"], true, "stock does not add up: {audit}");
    }

    async fn ask(&self, request: &[u8], status: u16) -> Value {
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

/// The type of the file system that `path`, an absolute one, is on.
pub(crate) fn file_system(path: &Path) -> String {
    let mounts = fs::read_to_string("/proc/self/mounts").expect("Linux's /proc");
    let on_path = mounts.lines().filter_map(|mount| {
        let mut fields = mount.split(' ').skip(1);
        let (point, kind) = (fields.next()?, fields.next()?);
        path.starts_with(point).then_some((point, kind))
    });
    // Of mounts on the same point the last one is seen, and `max_by_key` gives the last of equals.
    let (_, kind) = on_path.max_by_key(|(point, _)| point.len()).expect("a root");
    kind.to_owned()
}

/// Processor time of this process, which is the client, so far.
pub(crate) fn own_cpu() -> Duration {
    cpu("self")
}

fn cpu(process: &str) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).expect("Linux's /proc");
    // The second field, the name, may hold spaces; it ends at the last bracket. The first field behind it is the
    // third.
    let (_, fields) = stat.rsplit_once(") ").expect("a name in brackets");
    ticks(fields.split(' ').skip(11).take(2))
}

/// Processor time of everything on this machine so far: processes, the kernel's own threads, interrupts.
pub(crate) fn machine_cpu() -> Duration {
    let stat = fs::read_to_string("/proc/stat").expect("Linux's /proc");
    let (all, _) = stat.split_once('\n').expect("a line for all processors");
    // Of `user nice system idle iowait irq softirq steal` all but the two that wait.
    let used = all.split_ascii_whitespace().skip(1).take(8).enumerate().filter(|(at, _)| ![3, 4].contains(at));
    ticks(used.map(|(_, field)| field))
}

/// The time that these fields of a `stat` file sum up to.
fn ticks<'a>(fields: impl Iterator<Item = &'a str>) -> Duration {
    let ticks: u64 = fields.map(|field| field.parse::<u64>().expect("a number of ticks")).sum();
    Duration::from_millis(ticks * CLOCK_TICK_MS)
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}

fn json(answer: &Answer<'_>, status: u16) -> Value {
    let body = String::from_utf8_lossy(answer.body);
    assert_eq!(answer.status, status, "{body}");
    serde_json::from_str(&body).expect("a JSON body")
}

fn length(queue: &Value) -> u64 {
    ["waiting", "prioritized", "delayed", "active"].iter().map(|state| number(queue, &format!("/counts/{state}"))).sum()
}

/// The integer at a JSON pointer.
fn number(json: &Value, pointer: &str) -> u64 {
    json.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("no integer at {pointer} in {json}"))
}
