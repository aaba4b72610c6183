//! What the handlers of peers keep their orders in: filled before, checked after.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio_postgres::Client;

use crate::handlers::Kind;
use crate::services::postgres::Postgres;
use crate::services::redis::Redis;

/// The product that is ordered in the rounds.
pub(crate) const HOT: u64 = 1;
/// The one that is sold out in the end.
pub(crate) const FEW: u64 = 2;
/// Units of it.
pub(crate) const FEW_UNITS: u64 = 100;
/// Units of the first where a number costs nothing.
const MANY_UNITS: u64 = 1_000_000_000;
/// Commits by which the ways to sync are compared.
const SYNCS: u32 = 300;

/// The hot row has room on its page for its next versions, and no index on what changes, so that it stays on the page.
const TABLES: &str = "
CREATE TABLE products (id bigint PRIMARY KEY, initial bigint NOT NULL, stock bigint NOT NULL CHECK (stock >= 0))
    WITH (fillfactor = 10);
CREATE TABLE units (product_id bigint, id bigint, PRIMARY KEY (product_id, id));
CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY (CACHE 32) PRIMARY KEY, product_id bigint NOT NULL,
    user_id text NOT NULL, quantity bigint NOT NULL, created_at timestamptz NOT NULL DEFAULT now()
)";

/// Redis, and a PostgreSQL for each way to use it, so that none works on what another has left.
pub(crate) struct Stores {
    redis: Redis,
    hot_row: Postgres,
    units: Postgres,
    /// The way to sync that was faster here.
    pub(crate) wal_sync_method: &'static str,
    rows_of_units: u64,
}

/// What a store says of a product.
#[derive(Clone, Copy)]
pub(crate) struct Sold {
    /// Units that are gone.
    pub(crate) units: u64,
    /// Orders written down.
    pub(crate) orders: u64,
}

impl Stores {
    /// New ones below `parent`, with rows for so many units where each has its own.
    pub(crate) async fn start(parent: &Path, rows_of_units: u64) -> Self {
        let redis = Redis::start(parent).await;
        let (hot_row, units) = (Postgres::start(parent).await, Postgres::start(parent).await);
        for (product, stock) in [(HOT, MANY_UNITS), (FEW, FEW_UNITS)] {
            let [key, _] = Kind::keys(product);
            redis.ask::<String>(&["SET", &key, &stock.to_string()]);
        }
        fill(&hot_row.connect().await, MANY_UNITS, 0).await;
        let client = units.connect().await;
        fill(&client, rows_of_units, rows_of_units).await;
        let wal_sync_method = faster_sync(&client).await;
        set_sync(&hot_row.connect().await, wal_sync_method).await;
        Self { redis, hot_row, units, wal_sync_method, rows_of_units }
    }

    /// Where a handler finds its store.
    pub(crate) fn path(&self, kind: Kind) -> PathBuf {
        match kind {
            Kind::Redis => self.redis.socket(),
            Kind::HotRow => self.hot_row.host().to_owned(),
            Kind::Units => self.units.host().to_owned(),
        }
    }

    /// Processor time of a handler's store so far.
    pub(crate) fn cpu(&self, kind: Kind) -> Duration {
        match kind {
            Kind::Redis => self.redis.cpu(),
            Kind::HotRow => self.hot_row.cpu(),
            Kind::Units => self.units.cpu(),
        }
    }

    /// What was sold of a product.
    pub(crate) async fn sold(&self, kind: Kind, product: u64) -> Sold {
        let initial = match (product, kind) {
            (FEW, _) => FEW_UNITS,
            (_, Kind::Units) => self.rows_of_units,
            (_, Kind::Redis | Kind::HotRow) => MANY_UNITS,
        };
        let left = match kind {
            Kind::Redis => {
                let [stock, orders] = Kind::keys(product);
                let left: u64 = self.redis.ask(&["GET", &stock]);
                return Sold { units: initial - left, orders: self.redis.ask(&["XLEN", &orders]) };
            }
            Kind::HotRow => "SELECT stock FROM products WHERE id = $1",
            Kind::Units => "SELECT count(*) FROM units WHERE product_id = $1",
        };
        let client = if kind == Kind::HotRow { &self.hot_row } else { &self.units }.connect().await;
        let left = count(&client, left, product).await;
        let orders = count(&client, "SELECT count(*) FROM orders WHERE product_id = $1", product).await;
        Sold { units: initial - left, orders }
    }
}

async fn count(client: &Client, query: &str, product: u64) -> u64 {
    let row = client.query_one(query, &[&product.cast_signed()]).await.expect("a number");
    row.get::<_, i64>(0).cast_unsigned()
}

/// Makes the tables, with both products, and `rows` units of the first; leaves nothing to be written later.
async fn fill(client: &Client, stock: u64, rows: u64) {
    let fill = format!(
        "{TABLES};
        INSERT INTO products VALUES ({HOT}, {stock}, {stock}), ({FEW}, {FEW_UNITS}, {FEW_UNITS});
        INSERT INTO units SELECT {HOT}, n FROM generate_series(1, {rows}) n;
        INSERT INTO units SELECT {FEW}, n FROM generate_series(1, {FEW_UNITS}) n"
    );
    client.batch_execute(&fill).await.expect("tables");
    for command in ["VACUUM ANALYZE", "CHECKPOINT"] {
        client.batch_execute(command).await.expect("an order to PostgreSQL");
    }
}

/// The manual says to measure it: the way to sync the log with which commits take less time on this disk.
async fn faster_sync(client: &Client) -> &'static str {
    client.batch_execute("CREATE TABLE syncs (n integer)").await.expect("a table");
    let mut best = (Duration::MAX, "fdatasync");
    for method in ["fdatasync", "open_datasync"] {
        set_sync(client, method).await;
        let start = Instant::now();
        for _ in 0..SYNCS {
            client.batch_execute("INSERT INTO syncs VALUES (1)").await.expect("a row");
        }
        best = best.min((start.elapsed(), method));
    }
    client.batch_execute("DROP TABLE syncs").await.expect("a table");
    set_sync(client, best.1).await;
    best.1
}

async fn set_sync(client: &Client, method: &str) {
    let set = format!("ALTER SYSTEM SET wal_sync_method = {method}");
    client.batch_execute(&set).await.expect("a setting");
    client.batch_execute("SELECT pg_reload_conf()").await.expect("a reload");
    let shown = async || client.query_one("SHOW wal_sync_method", &[]).await.expect("a setting").get::<_, String>(0);
    while shown().await != method {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
