//! A fuzz of every operation in the server's description, with `Host`, `Origin`, tokens, idempotency keys, conditions,
//! paths and bodies varied, against what the contract says of each.
//!
//! A request that must be rejected changes nothing; what the server acknowledged is what it has at the end, once. The
//! products are held, so that nothing moves by itself but the posts of confirmed orders, which are waited for.

mod ask;
mod body;
mod draw;
mod known;
mod setup;
mod verdict;

use std::collections::BTreeMap;

use hyper::Method;
use serde_json::json;

use ask::Ask;
use draw::Drawing;
use known::Known;
use setup::{ADMIN, Setup};
use verdict::Verdict;

use crate::harness::rng::Rng;
use crate::harness::{Answer, Client, Connection, Endpoint, Operation, Reply, Server, operations};

/// Requests to each server.
const REQUESTS: usize = 600;
/// The variable asks for another seed.
const SEED: u64 = 13;
const SEED_VARIABLE: &str = "FUZZ_SEED";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_server_does_what_the_contract_says_whatever_a_request_looks_like() {
    fuzz(Setup::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_server_with_pages_and_a_public_url_does_so_too() {
    fuzz(Setup { cors: true, public: true, ..Setup::default() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_an_admin_token_does_so_too() {
    fuzz(Setup { admin: true, ..Setup::default() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_both_tokens_and_pages_does_so_too() {
    fuzz(Setup { admin: true, storefront: true, cors: true, public: false }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_an_admin_token_behind_a_path_does_so_too() {
    fuzz(Setup { admin: true, public: true, ..Setup::default() }).await;
}

/// Says where a test was, if it fails there.
struct Context(String);

impl Drop for Context {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.0);
        }
    }
}

async fn fuzz(setup: Setup) {
    let seed = seed().unwrap_or(SEED);
    let _context = Context(format!("{SEED_VARIABLE}={seed} {setup:?}"));
    let fulfilment = Endpoint::start().await;
    fulfilment.script([], Reply::Status(400));
    let server = setup.launch(&fulfilment).start().await;
    let mut run = Run::start(setup, &server).await;
    let mut rng = Rng::new(seed);
    for number in 0..REQUESTS {
        let operation = run.operation(&mut rng);
        let address = server.address();
        let is_plain = rng.chance(1, 3);
        let mut drawing = Drawing { rng: &mut rng, setup, known: &run.known, address, number, is_plain };
        let ask = drawing.ask(&operation);
        run.send(number, ask).await;
    }
    run.check().await;
    assert!(!server.output().contains("panicked"), "{}", server.output());
}

#[allow(clippy::disallowed_methods, reason = "a test's own setting, not the server's")]
fn seed() -> Option<u64> {
    std::env::var(SEED_VARIABLE).ok().map(|value| value.parse().unwrap())
}

/// One server, what was asked of it and what it said.
struct Run {
    setup: Setup,
    /// For looking, with all that it takes to be let in.
    operator: Client,
    connection: Connection,
    operations: Vec<Operation>,
    known: Known,
    /// Requests since the last look that must not have changed anything.
    harmless: Vec<String>,
    /// Successes by operation, so that a run that tests nothing is noticed.
    done: BTreeMap<String, usize>,
}

impl Run {
    async fn start(setup: Setup, server: &Server) -> Self {
        let operator = server.client().with_token(setup.admin.then_some(ADMIN));
        let (connection, operations) = (operator.connect().await, operations(&operator).await);
        let (known, harmless, done) = (Known::default(), Vec::new(), BTreeMap::new());
        let mut run = Self { setup, operator, connection, operations, known, harmless, done };
        for _ in 0..4 {
            let lamp =
                json!({"name": "Lamp", "price": 1, "initialStock": 500, "flashSaleActive": true, "holdSeconds": 3600});
            let answer = run.operator.post("/inventory", lamp).await.expect(201);
            let made =
                run.operations.iter().find(|made| made.method == Method::POST && made.path == "/api/v1/inventory");
            run.known.hear(&Ask::new(made.unwrap()), &answer);
        }
        let state = run.known.look(&run.operator).await;
        run.known.take(state);
        run
    }

    /// Any operation; acts more often than reads, and most often those that others need to have happened.
    fn operation(&self, rng: &mut Rng) -> Operation {
        let often = [
            "/orders",
            "/orders/{id}/confirm",
            "/inventory/{id}",
            "/inventory/{id}/restock",
            "/inventory/start",
            "/queue/resume",
            "/queue/dead-letter/{jobId}",
            "/queue/dead-letter/{jobId}/retry",
        ];
        let path = format!("/api/v1{}", rng.pick(&often));
        let kind = rng.below(10);
        let among = self.operations.iter().filter(|one| match kind {
            0..4 => one.path == path,
            4..7 => !one.method.is_safe(),
            _ => true,
        });
        (*rng.pick(&among.collect::<Vec<_>>())).clone()
    }

    async fn send(&mut self, number: usize, ask: Ask) {
        let verdict = Verdict::of(self.setup, &ask, &self.known);
        let mut context = Context(format!("request {number}: {ask}\nexpected {verdict:?}"));
        if verdict.may_change(&ask) {
            self.nothing_changed().await;
        }
        let answer = self.connection.send_as_it_is(ask.request()).await;
        context.0 += &format!("\ngot {answer}\n{:?}", answer.headers);
        verdict.check(self.setup, &ask, &answer);
        if answer.header("connection") == "close" {
            self.connection = self.operator.connect().await;
        }
        self.learn(&verdict, &ask, &answer).await;
    }

    /// Looks at what came of a request.
    async fn learn(&mut self, verdict: &Verdict, ask: &Ask, answer: &Answer) {
        self.harmless.push(format!("{ask}\n  -> {answer}"));
        if answer.status < 300 {
            *self.done.entry(format!("{} {}", ask.method, ask.operation.path)).or_default() += 1;
        }
        if verdict.may_change(ask) && answer.status < 400 {
            self.known.hear(ask, answer);
            let state = self.known.look(&self.operator).await;
            self.known.take(state);
            self.harmless.clear();
        } else if self.harmless.len() > 40 {
            self.nothing_changed().await;
        }
    }

    /// Fails if one of the requests since the last look has changed something.
    async fn nothing_changed(&mut self) {
        if !self.harmless.is_empty() {
            let state = self.known.look(&self.operator).await;
            assert_eq!(state, self.known.state, "one of these has changed something:\n{}", self.harmless.join("\n"));
            self.harmless.clear();
        }
    }

    /// What must hold at the end.
    async fn check(&mut self) {
        self.nothing_changed().await;
        self.known.check(&self.operator).await;
        println!("{} orders, {} keys, done: {:#?}", self.known.orders.len(), self.known.keys.len(), self.done);
        let acts = self.operations.iter().filter(|operation| !operation.method.is_safe());
        let never: Vec<_> = acts
            .map(|operation| format!("{} {}", operation.method, operation.path))
            .filter(|name| !self.done.contains_key(name))
            .collect();
        assert!(never.is_empty(), "never done: {never:?}");
    }
}
