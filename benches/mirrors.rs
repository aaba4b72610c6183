//! What the mirrors in PostgreSQL and Redis cost orders.
//!
//! Two servers, one of them with its mirrors connected; rounds of accepted orders on both, in alternating order. The
//! services run on the same processors as the server and the client, so the ratio of orders a second is what all
//! of that costs together. The processor time of each mirror is given for an order, that of its thread in the server
//! and that of its service, until the mirror has caught up after the round.
//!
//! Then come rounds with the services stopped, each after one with them: what an outage does to orders.
//! Then PostgreSQL is suspended for a round and continues: how fast the mirror catches up, with nothing else to do.
//! In the end both services must have every order, confirmed, and the stock of the store.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement that cannot go on must stop, and its output is its purpose"
)]

#[path = "driver/driver.rs"]
mod driver;
#[path = "services/services.rs"]
mod services;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use flashsale::limits::MAX_STOCK;
use tokio::time::sleep;

use driver::client::{Connection, get};
use driver::figures::{Spread, us_each};
use driver::load::{self, Keys, Load, Orders, Trip};
use driver::run;
use driver::server::Server;
use services::postgres::Postgres;
use services::redis::Redis;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// With mirrors, orders a second are aimed to be this share of those without.
const AIM: f64 = 0.9;
/// Changes a second that PostgreSQL is aimed to take where it catches up.
const CATCH_UP_AIM: f64 = 20_000.0;
/// How long a mirror may take to catch up.
const CATCH_UP: Duration = Duration::from_mins(5);
const POLL_EVERY: Duration = Duration::from_millis(20);
/// A round in which PostgreSQL is suspended is shorter than the time after which a mirror gives its connection up.
const SUSPENDED: Duration = Duration::from_secs(5);
const WARM_UP: Duration = Duration::from_secs(1);

/// Compares rounds of orders with and without mirrors.
#[derive(Parser)]
struct Options {
    /// Another build of the server.
    #[arg(long, value_name = "PATH")]
    server: Option<PathBuf>,
    /// Pairs of rounds.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Length of a round.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Connections that order.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    connections: u32,
    /// Which mirrors.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "postgres,redis")]
    mirrors: Vec<Mirror>,
    /// `cargo bench` passes it.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mirror {
    Postgres,
    Redis,
}

impl Mirror {
    /// As metrics have it in their label, and threads in their name.
    const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Redis => "redis",
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = Options::parse();
    let round = Duration::from_secs(options.seconds) * 2 + CATCH_UP;
    run::bounded(compare(&options), round * (2 * options.rounds + 2)).await
}

async fn compare(options: &Options) -> ExitCode {
    let (parent, file_system) = run::data_directory();
    println!(
        "{} pairs of rounds of {} s; data in {} ({file_system})",
        options.rounds,
        options.seconds,
        parent.display()
    );
    let dirs = [(); 2].map(|()| tempfile::tempdir_in(parent).expect("a directory for the data"));
    let mut without = Side::start(options, &[], dirs[0].path(), parent).await;
    let mut with = Side::start(options, &options.mirrors, dirs[1].path(), parent).await;
    let time = Duration::from_secs(options.seconds);
    without.round(WARM_UP, options.connections).await;
    with.round(WARM_UP, options.connections).await;
    println!(
        "\n| round | orders/s without | with | ratio | mirror | records behind at the end | caught up after s \
        | CPU µs an order, the server's | the service's |\n|---|---|---|---|---|---|---|---|---|"
    );
    let mut pairs = Vec::new();
    for round in 0..options.rounds {
        let pair = if round % 2 == 0 {
            let plain = without.round(time, options.connections).await;
            (plain, with.round(time, options.connections).await)
        } else {
            let mirrored = with.round(time, options.connections).await;
            (without.round(time, options.connections).await, mirrored)
        };
        print_pair(round + 1, &pair);
        pairs.push(pair);
    }
    let ratio = summarise(&pairs);
    with.outages(options).await;
    let rate = with.catch_up(options.connections).await;
    with.check().await;
    println!("\nevery order is in each mirror, confirmed, with the stock of the store");
    println!("goals: {AIM} of the orders/s: {}", if ratio >= AIM { "met" } else { "missed" });
    if let Some(rate) = rate {
        println!("{CATCH_UP_AIM} changes/s into PostgreSQL: {}", if rate >= CATCH_UP_AIM { "met" } else { "missed" });
    }
    ExitCode::SUCCESS
}

/// What a round gave.
struct Round {
    orders_per_second: f64,
    mirrors: Vec<Behind>,
}

/// A mirror after a round.
struct Behind {
    mirror: Mirror,
    /// Records of the history that its service lacked after the last response.
    records: u64,
    /// Until it lacked none.
    seconds: f64,
    /// Microseconds of processor time for an order, until then.
    thread_us: f64,
    service_us: f64,
}

/// One of the two servers.
struct Side {
    server: Server,
    orders: std::sync::Arc<Orders>,
    mirrors: Vec<Mirror>,
    postgres: Option<Postgres>,
    redis: Option<Redis>,
    acknowledged: u64,
}

impl Side {
    async fn start(options: &Options, mirrors: &[Mirror], dir: &Path, parent: &Path) -> Self {
        let (mut postgres, mut redis, mut settings) = (None, None, Vec::new());
        if mirrors.contains(&Mirror::Postgres) {
            let service = Postgres::start(parent).await;
            settings.push(("DATABASE_HOST", service.host().display().to_string()));
            settings.push(("DATABASE_NAME", "postgres".to_owned()));
            postgres = Some(service);
        }
        if mirrors.contains(&Mirror::Redis) {
            let service = Redis::start(parent).await;
            settings.push(("REDIS_HOST", "127.0.0.1".to_owned()));
            settings.push(("REDIS_PORT", service.port().to_string()));
            redis = Some(service);
        }
        let program = options.server.as_deref().unwrap_or(Path::new(env!("CARGO_BIN_EXE_flashsale")));
        let server = Server::of(program, dir, &settings).await;
        let orders = Orders::of(server.create_product(MAX_STOCK).await);
        let side = Self { server, orders, mirrors: mirrors.to_vec(), postgres, redis, acknowledged: 0 };
        for &mirror in mirrors {
            side.caught_up(mirror).await;
        }
        side
    }

    /// Orders for so long, each acknowledged; then waits for the mirrors.
    async fn round(&mut self, time: Duration, connections: u32) -> Round {
        let before: Vec<_> = self.mirrors.iter().map(|&mirror| self.cpu(mirror)).collect();
        let (orders, elapsed) = self.drive(time, connections).await;
        let mut lags = Vec::new();
        for &mirror in &self.mirrors {
            lags.push(self.figure("mirror_lag_records", mirror).await.expect("a mirror that the server has"));
        }
        let start = Instant::now();
        self.server.drain().await;
        // Side by side: waiting for one first would give its time to the others.
        let side = &*self;
        let waits = side.mirrors.iter().map(|&mirror| async move {
            side.caught_up(mirror).await;
            start.elapsed().as_secs_f64()
        });
        let seconds = futures_util::future::join_all(waits).await;
        let mut mirrors = Vec::new();
        for (((&mirror, (thread, service)), records), seconds) in self.mirrors.iter().zip(before).zip(lags).zip(seconds)
        {
            let now = self.cpu(mirror);
            let (thread_us, service_us) = (us_each(now.0 - thread, orders), us_each(now.1 - service, orders));
            mirrors.push(Behind { mirror, records, seconds, thread_us, service_us });
        }
        Round { orders_per_second: orders as f64 / elapsed.as_secs_f64(), mirrors }
    }

    /// Orders for so long; gives how many there were and the time to the last response.
    async fn drive(&mut self, time: Duration, connections: u32) -> (u64, Duration) {
        let load = Load::accepted(&self.orders, Trip::Single, Keys::None);
        let mut open = load::connect(self.server.port, connections).await;
        let round = load::drive(&mut open, &load, time).await;
        self.acknowledged += round.latency.len();
        (round.latency.len(), round.elapsed)
    }

    /// Processor time so far of a mirror's thread and of its service.
    fn cpu(&self, mirror: Mirror) -> (Duration, Duration) {
        let service = match mirror {
            Mirror::Postgres => self.postgres.as_ref().map(Postgres::cpu),
            Mirror::Redis => self.redis.as_ref().map(Redis::cpu),
        };
        let thread = self.server.thread_cpu(&format!("mirror-{}", mirror.name()));
        (thread, service.expect("a service for each mirror"))
    }

    /// A mirror's metric, of those that have no other label.
    async fn figure(&self, metric: &str, mirror: Mirror) -> Option<u64> {
        let mut connection = Connection::open(self.server.port).await.expect("the server accepts a connection");
        let metrics = connection.ask(&get("/metrics")).await;
        let metrics = String::from_utf8_lossy(metrics.body);
        let line = format!("flash_sale_{metric}{{mirror=\"{}\"}} ", mirror.name());
        metrics.lines().find_map(|text| text.strip_prefix(&line)?.parse().ok())
    }

    /// Waits until a mirror is connected and its service lacks nothing.
    async fn caught_up(&self, mirror: Mirror) {
        let start = Instant::now();
        let figure = async |metric| self.figure(metric, mirror).await;
        while figure("mirror_connected").await != Some(1) || figure("mirror_lag_records").await != Some(0) {
            assert!(start.elapsed() < CATCH_UP, "the mirror in {} is not up to date", mirror.name());
            sleep(POLL_EVERY).await;
        }
    }

    /// Rounds with all services stopped, each after one with them; prints what they gave.
    async fn outages(&mut self, options: &Options) {
        let time = Duration::from_secs(options.seconds);
        println!("\n| outage | orders/s before | meanwhile | ratio | records behind at the end | caught up after s |");
        println!("|---|---|---|---|---|---|");
        let mut ratios = Vec::new();
        for round in 1..=options.rounds {
            let before = self.round(time, options.connections).await.orders_per_second;
            self.stop_services().await;
            let (orders, elapsed) = self.drive(time, options.connections).await;
            let meanwhile = orders as f64 / elapsed.as_secs_f64();
            self.server.drain().await;
            let mut behind = 0;
            for &mirror in &self.mirrors {
                assert_eq!(self.figure("mirror_connected", mirror).await, Some(0), "its service is away");
                behind = behind.max(self.figure("mirror_lag_records", mirror).await.expect("a mirror"));
            }
            let start = Instant::now();
            self.run_services().await;
            futures_util::future::join_all(self.mirrors.iter().map(|&mirror| self.caught_up(mirror))).await;
            let (ratio, seconds) = (meanwhile / before, start.elapsed().as_secs_f64());
            println!("| {round} | {before:.0} | {meanwhile:.0} | {ratio:.3} | {behind} | {seconds:.2} |");
            ratios.push(ratio);
        }
        let Spread { min, median, max } = Spread::of(ratios);
        println!("\norders/s while the services are away, of those before: {median:.3} ({min:.3} to {max:.3})");
    }

    /// Stops the services; returns when the mirrors know.
    async fn stop_services(&mut self) {
        self.postgres.iter_mut().for_each(Postgres::stop);
        self.redis.iter_mut().for_each(Redis::stop);
        for &mirror in &self.mirrors {
            while self.figure("mirror_connected", mirror).await != Some(0) {
                sleep(POLL_EVERY).await;
            }
        }
    }

    async fn run_services(&mut self) {
        if let Some(postgres) = &mut self.postgres {
            postgres.run().await;
        }
        if let Some(redis) = &mut self.redis {
            redis.run().await;
        }
    }

    /// Suspends PostgreSQL for a round; gives how many changes a second it takes while it catches up.
    async fn catch_up(&mut self, connections: u32) -> Option<f64> {
        let (mirror, changes) = (Mirror::Postgres, "mirror_changes_total");
        self.postgres.as_ref()?.suspend();
        self.drive(SUSPENDED, connections).await;
        self.server.drain().await;
        for other in self.mirrors.iter().filter(|&&other| other != mirror) {
            self.caught_up(*other).await;
        }
        let behind = self.figure("mirror_lag_records", mirror).await?;
        let before = self.figure(changes, mirror).await?;
        let start = Instant::now();
        self.postgres.as_ref()?.resume();
        self.caught_up(mirror).await;
        let seconds = start.elapsed().as_secs_f64();
        let copied = self.figure(changes, mirror).await? - before;
        let rate = copied as f64 / seconds;
        println!(
            "\nPostgreSQL suspended for {SUSPENDED:?}: {behind} records behind; {copied} changes in {seconds:.1} s, \
             {rate:.0} changes/s"
        );
        Some(rate)
    }

    /// Panics unless each service has what the store has.
    async fn check(&self) {
        self.server.settle(self.acknowledged).await;
        let stock = self.server.stock(self.orders.product()).await;
        if let Some(postgres) = &self.postgres {
            let query = "SELECT (SELECT count(*) FROM orders WHERE status::text = 'confirmed'), current_stock::bigint \
                         FROM products";
            let row = postgres.connect().await.query_one(query, &[]).await.expect("a product in PostgreSQL");
            let found = [row.get::<_, i64>(0), row.get(1)].map(i64::cast_unsigned);
            assert_eq!(found, [self.acknowledged, stock.current], "orders and stock in PostgreSQL");
        }
        if let Some(redis) = &self.redis {
            let product = self.orders.product().to_string();
            let left: u64 = redis.ask(&["HGET", "flashsale:stock", &product]);
            // The script of the count reads keys in steps; the stream is bounded, the hashes of orders are not.
            let count = "local cursor, found = '0', 0 repeat \
                         local page = redis.call('SCAN', cursor, 'MATCH', 'flashsale:order:*', 'COUNT', 10000) \
                         cursor = page[1] found = found + #page[2] until cursor == '0' return found";
            let found: u64 = redis.ask(&["EVAL", count, "0"]);
            assert_eq!([found, left], [self.acknowledged, stock.current], "orders and stock in Redis");
        }
    }
}

/// A line for each mirror.
fn print_pair(round: u32, (without, with): &(Round, Round)) {
    let (plain, mirrored) = (without.orders_per_second, with.orders_per_second);
    for behind in &with.mirrors {
        println!(
            "| {round} | {plain:.0} | {mirrored:.0} | {:.3} | {} | {} | {:.2} | {:.1} | {:.1} |",
            mirrored / plain,
            behind.mirror.name(),
            behind.records,
            behind.seconds,
            behind.thread_us,
            behind.service_us
        );
    }
}

/// The medians, and of the ratio its spread; gives the ratio.
fn summarise(pairs: &[(Round, Round)]) -> f64 {
    let ratios = pairs.iter().map(|(without, with)| with.orders_per_second / without.orders_per_second);
    let Spread { min, median, max } = Spread::of(ratios.collect());
    println!("\norders/s with mirrors, of those without: {median:.3} ({min:.3} to {max:.3})");
    for (at, behind) in pairs[0].1.mirrors.iter().enumerate() {
        let middle = |figure: fn(&Behind) -> f64| {
            Spread::of(pairs.iter().map(|(_, with)| figure(&with.mirrors[at])).collect()).median
        };
        println!(
            "{}: {:.1} µs an order in the server, {:.1} µs in the service; caught up after {:.2} s",
            behind.mirror.name(),
            middle(|behind| behind.thread_us),
            middle(|behind| behind.service_us),
            middle(|behind| behind.seconds)
        );
    }
    median
}
