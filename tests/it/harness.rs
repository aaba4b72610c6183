//! Starts, stops and kills real servers, and checks at the end of each test that nothing was lost or made up.

mod checks;
mod client;
pub(crate) mod disk;
mod endpoint;
pub(crate) mod engine;
pub(crate) mod gate;
mod operations;
pub(crate) mod postgres;
mod problem;
mod process;
mod proxy;
pub(crate) mod redis;
pub(crate) mod rng;
mod wait;
mod wire;

use std::fs::File;
use std::ops::Deref;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::HeaderValue;
use hyper::{Method, Request};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) use checks::{assert_adds_up, assert_conserved, products};
pub(crate) use client::{Answer, Client, Connection, request};
pub(crate) use endpoint::{Delivery, Endpoint, Reply};
pub(crate) use operations::{Operation, operations};
pub(crate) use problem::{assert_is_problem, assert_problem, assert_refused, assert_time, named_fields};
pub(crate) use process::{Exited, Process};
pub(crate) use proxy::{Proxy, Way};
pub(crate) use wait::{eventually, within};
pub(crate) use wire::{read_answer, write_all};

/// How a server is started: its arguments, its environment and its directory, which lives as long as this does.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    args: Vec<String>,
    env: Vec<(String, String)>,
    /// What a shell does before it becomes the server.
    prelude: Option<String>,
    directory: Arc<TempDir>,
    /// Where standard error goes if it is not to be read.
    errors: Option<Arc<File>>,
}

impl Launch {
    /// The binary with these arguments and nothing set in the environment but its data directory.
    pub(crate) fn bare(args: &[&str]) -> Self {
        let directory = Arc::new(TempDir::new().unwrap());
        let launch = Self {
            args: args.iter().map(|&arg| arg.into()).collect(),
            env: Vec::new(),
            directory,
            errors: None,
            prelude: None,
        };
        let data = launch.data_dir().to_str().unwrap().to_owned();
        launch.env("DATA_DIR", &data)
    }

    /// Sets a variable of the server's environment.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.set(name, value);
        self
    }

    /// Sets a variable for the next start.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.into(), value.into()));
    }

    /// Sends standard error there instead of reading it.
    pub(crate) fn errors_to(mut self, file: impl Into<OwnedFd>) -> Self {
        self.errors = Some(Arc::new(File::from(file.into())));
        self
    }

    /// Lets processes make files of so many of the shell's blocks at most, of 512 or 1,024 bytes.
    pub(crate) fn file_blocks(self, blocks: u32) -> Self {
        Self { prelude: Some(format!("ulimit -f {blocks}")), ..self }
    }

    /// Lets a hang-up end the server also where the tests run with hang-ups ignored, as under `nohup`.
    pub(crate) fn hears_hang_up(self) -> Self {
        Self { prelude: Some("exec env --default-signal=HUP \"$0\" \"$@\"".to_owned()), ..self }
    }

    /// Adds an argument.
    pub(crate) fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Bounds the files that the server may open.
    pub(crate) fn open_files(self, most: u32) -> Self {
        Self { prelude: Some(format!("ulimit -n {most}")), ..self }
    }

    /// The same, but so that the server may raise the bound.
    pub(crate) fn soft_open_files(self, most: u32) -> Self {
        Self { prelude: Some(format!("ulimit -S -n {most}")), ..self }
    }

    /// The directory that the server is started in; nothing else is there but its data.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// The admin token that is set.
    fn token(&self) -> Option<&str> {
        self.env.iter().find(|(name, _)| name == "ADMIN_TOKEN").map(|(_, token)| token.as_str())
    }

    /// Starts the process, whatever it is to do.
    pub(crate) fn spawn(&self) -> Process {
        let binary = env!("CARGO_BIN_EXE_flashsale");
        let mut command = match &self.prelude {
            None => Command::new(binary),
            Some(prelude) => {
                let mut shell = Command::new("/bin/sh");
                shell.arg("-c").arg(format!("{prelude} && exec \"$0\" \"$@\"")).arg(binary);
                shell
            }
        };
        command.args(&self.args).env_clear().envs(self.env.iter().cloned()).current_dir(self.directory.path());
        Process::spawn(&mut command, self.errors.as_deref())
    }

    /// Starts a server that is ready to serve.
    pub(crate) async fn start(self) -> Server {
        self.try_start().await.unwrap_or_else(|exited| panic!("the server did not start: {exited:?}"))
    }

    /// Starts a server, or says how it went when it did not want to.
    pub(crate) async fn try_start(self) -> Result<Server, Exited> {
        let (process, client) = self.bring_up().await?;
        Ok(Server { process: Some(process), client, launch: self })
    }

    async fn bring_up(&self) -> Result<(Process, Client), Exited> {
        let mut process = self.spawn();
        let address = eventually("the server's address", async || {
            match (process.address(&self.foreign_addresses()), process.try_exit()) {
                (Some(address), _) => Some(Ok(address)),
                (None, Some(exited)) => Some(Err(exited)),
                (None, None) => None,
            }
        })
        .await?;
        let client = Client::new(&address).with_token(self.token());
        eventually("a ready server", async || {
            match client.try_send(request(Method::GET, "/readyz", None, b"")).await {
                Ok(answer) if answer.status == 200 => Some(Ok(())),
                _ => process.try_exit().map(Err),
            }
        })
        .await?;
        Ok((process, client))
    }

    /// All that was configured; an address in there is not where the server listens.
    fn foreign_addresses(&self) -> String {
        let values = self.env.iter().map(|(_, value)| value);
        values.chain(&self.args).fold(String::new(), |all, value| all + value + " ")
    }

    /// Runs a server that is expected to end by itself.
    pub(crate) async fn run(&self) -> Exited {
        let mut process = self.spawn();
        process.exit().await
    }

    /// Runs another command on the data.
    pub(crate) async fn command(&self, args: &[&str]) -> Exited {
        let mut other = self.clone();
        other.args = args.iter().map(|&arg| arg.into()).collect();
        other.run().await
    }

    /// Runs `flashsale verify` on the data.
    pub(crate) async fn verify(&self) -> Exited {
        self.command(&["verify"]).await
    }

    /// Starts the server and kills it at once, wherever it was.
    pub(crate) async fn start_and_kill(&self) {
        let mut process = self.spawn();
        process.kill();
        process.exit().await;
    }
}

/// A running server. When it is dropped, its stock must add up, it must go with exit code 0, and what it leaves must
/// pass `flashsale verify`.
#[derive(Debug)]
pub(crate) struct Server {
    process: Option<Process>,
    client: Client,
    /// Changes apply to the next start.
    pub(crate) launch: Launch,
}

impl Deref for Server {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Server {
    /// A server with an empty store and rate limits off.
    pub(crate) async fn start() -> Self {
        Self::with().start().await
    }

    /// The same, to be changed before it starts.
    pub(crate) fn with() -> Launch {
        Launch::bare(&["serve"])
            .env("HOST", "127.0.0.1")
            .env("PORT", "0")
            .env("RATE_LIMIT_PER_USER", "0")
            .env("RATE_LIMIT_PER_IP", "0")
    }

    /// A client to take into a task.
    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    /// What the server has written so far, to both of its outputs.
    pub(crate) fn output(&self) -> String {
        self.process.as_ref().expect("a running server").output()
    }

    /// Waits until the server has written these words: what it logs comes after what it does.
    pub(crate) async fn writes(&self, words: &str) {
        eventually(words, async || self.output().contains(words).then_some(())).await;
    }

    /// The number of the server's process.
    pub(crate) fn process_id(&self) -> u32 {
        self.process.as_ref().expect("a running server").id()
    }

    /// Kills the server as a power cut would.
    pub(crate) async fn kill9(&mut self) {
        let mut process = self.process.take().expect("a running server");
        process.kill();
        process.exit().await;
    }

    /// Asks the server to go, without waiting for it.
    pub(crate) fn signal_term(&self) {
        self.signal("TERM");
    }

    /// Sends the server a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        self.process.as_ref().expect("a running server").signal(name);
    }

    /// Sets how many bytes a file of the server may have, or lifts that bound.
    pub(crate) fn limit_file_size(&self, most: Option<u64>) {
        self.process.as_ref().expect("a running server").limit_file_size(most);
    }

    /// Sets how many files the server may have open, from the next one that it opens on.
    pub(crate) fn limit_files(&self, most: u32) {
        self.process.as_ref().expect("a running server").limit_files(most);
    }

    /// Waits until the server has gone.
    pub(crate) async fn exit(&mut self) -> Exited {
        self.process.take().expect("a running server").exit().await
    }

    /// Asks the server to go and fails unless it does so cleanly.
    pub(crate) async fn terminate(&mut self) {
        self.signal_term();
        let exited = self.exit().await;
        assert_eq!(exited.code, Some(0), "{exited:?}");
    }

    /// Stops the server if it runs, and starts it again on the same data.
    pub(crate) async fn restart(&mut self) {
        if self.process.is_some() {
            self.terminate().await;
        }
        let started = self.launch.bring_up().await;
        let (process, client) = started.unwrap_or_else(|exited| panic!("the server did not start again: {exited:?}"));
        self.process = Some(process);
        self.client = client;
    }

    /// Creates a product in the sale with `stock` units and gives its id.
    pub(crate) async fn create(&self, stock: u64) -> u64 {
        self.create_with(json!({"initialStock": stock})).await
    }

    /// Creates a product in the sale; `fields` are added to what it needs at least.
    pub(crate) async fn create_with(&self, fields: Value) -> u64 {
        let mut product = json!({"name": "Lamp", "price": "10.00", "initialStock": 10, "flashSaleActive": true});
        product.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.post("/inventory", product).await.expect(201).body["id"].as_u64().expect("an id")
    }

    /// Waits until an order has this status, and gives it.
    pub(crate) async fn order_becomes(&self, order: u64, status: &str) -> Value {
        let path = format!("/orders/{order}");
        eventually(&format!("order {order} to be {status}"), async || {
            let answer = self.get(&path).await.expect(200);
            (answer.body["status"] == status).then_some(answer.body)
        })
        .await
    }

    /// `[currentStock, heldStock, soldStock]` of a product.
    pub(crate) async fn stock(&self, product: u64) -> [i64; 3] {
        let answer = self.get(&format!("/inventory/{product}")).await.expect(200);
        assert_conserved(&answer.body);
        ["currentStock", "heldStock", "soldStock"].map(|field| answer.body[field].as_i64().unwrap())
    }

    fn leave_in_order(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        if std::thread::panicking() {
            eprintln!("the server wrote:\n{}", process.output());
            return;
        }
        let (address, launch) = (self.client.address(), &self.launch);
        // A thread of its own: a drop within one runtime cannot wait on it, and must not starve the test's endpoint.
        let checked = std::thread::scope(|scope| scope.spawn(|| check_and_stop(&mut process, address, launch)).join());
        if let Err(panic) = checked {
            eprintln!("the server wrote:\n{}", process.output());
            std::panic::resume_unwind(panic);
        }
    }
}

fn check_and_stop(process: &mut Process, address: &str, launch: &Launch) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        checks::settle(&Client::new(address).with_token(launch.token())).await;
        process.signal("TERM");
        let exited = process.exit().await;
        assert_eq!(exited.code, Some(0), "{exited:?}");
        let verified = launch.verify().await;
        assert_eq!(verified.code, Some(0), "{verified:?}");
    });
}

impl Drop for Server {
    fn drop(&mut self) {
        self.leave_in_order();
    }
}

/// The id in an answer to a placed order.
pub(crate) fn order_id(answer: &Answer) -> u64 {
    answer.body["orderId"].as_u64().unwrap_or_else(|| panic!("no orderId: {answer}"))
}

/// The id of the job in an answer to a placed order.
pub(crate) fn job_id(answer: &Answer) -> String {
    answer.body["jobId"].as_str().unwrap_or_else(|| panic!("no jobId: {answer}")).to_owned()
}

/// A request that places an order and comes with these idempotency keys, a header each.
pub(crate) fn keyed_request(keys: &[&[u8]], order: &Value) -> Request<Full<Bytes>> {
    let body = order.to_string();
    let mut request = request(Method::POST, "/api/v1/orders", Some("application/json"), body.as_bytes());
    for key in keys {
        request.headers_mut().append("idempotency-key", HeaderValue::from_bytes(key).unwrap());
    }
    request
}

/// Places an order under an idempotency key.
pub(crate) async fn place_keyed(client: &Client, key: &str, order: &Value) -> Answer {
    client.try_send(keyed_request(&[key.as_bytes()], order)).await.unwrap()
}
