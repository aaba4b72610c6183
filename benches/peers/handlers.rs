//! What people build instead: an axum handler that takes stock and writes the order in Redis or PostgreSQL, in a
//! process of its own. Each does in one round trip what its store can do in one.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use clap::{Args, ValueEnum};
use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_postgres::{Client, Statement};

use crate::bare::{OrderAnswer, OrderRequest};
use crate::driver::client::Connection;
use crate::driver::server::{Server, free_port};
use crate::services::{postgres, redis as redis_server};

/// Checks the stock, takes it and appends the order, whose id it gives; nothing where too little is left.
const PLACE_IN_REDIS: &str = "
if tonumber(redis.call('GET', KEYS[1]) or '0') < tonumber(ARGV[2]) then return false end
redis.call('DECRBY', KEYS[1], ARGV[2])
return redis.call('XADD', KEYS[2], '*', 'user', ARGV[1], 'quantity', ARGV[2])";

/// Takes stock from the one row of the product and inserts the order, or neither.
const PLACE_ON_HOT_ROW: &str = "
WITH taken AS (UPDATE products SET stock = stock - $2 WHERE id = $1 AND stock >= $2 RETURNING id)
INSERT INTO orders (product_id, user_id, quantity) SELECT id, $3, $2 FROM taken RETURNING id";

/// Takes rows of units that no other transaction has locked, and inserts the order, or neither.
const PLACE_ON_UNITS: &str = "
WITH free AS (
    SELECT id FROM units WHERE product_id = $1 ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED
), taken AS (
    DELETE FROM units WHERE product_id = $1 AND id = ANY (ARRAY(SELECT id FROM free))
        AND (SELECT count(*) FROM free) = $2 RETURNING id
)
INSERT INTO orders (product_id, user_id, quantity)
SELECT $1, $3, $2 WHERE (SELECT count(*) FROM taken) = $2 RETURNING id";

type Placed = Result<(StatusCode, Json<OrderAnswer>), StatusCode>;

/// Which of them.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    Redis,
    HotRow,
    Units,
}

/// A handler, as the arguments of its process say.
#[derive(Args)]
pub(crate) struct Handler {
    /// Be this handler.
    #[arg(long, hide = true, requires_all = ["port", "store", "pool"])]
    handler: Option<Kind>,
    #[arg(long, hide = true, default_value_t = 0)]
    port: u16,
    /// The socket of Redis, or the directory of PostgreSQL's.
    #[arg(long, hide = true)]
    store: Option<PathBuf>,
    /// Connections to the store.
    #[arg(long, hide = true, default_value_t = 1)]
    pool: usize,
}

impl Kind {
    /// Starts the handler in a process of its own: this executable again.
    pub(crate) async fn start(self, store: &Path, pool: usize, logs: &Path) -> Server {
        let port = free_port();
        let name = self.to_possible_value().expect("none is hidden").get_name().to_owned();
        let mut command = Command::new(std::env::current_exe().expect("the path of this executable"));
        command.args(["--handler", &name, "--port", &port.to_string(), "--pool", &pool.to_string(), "--store"]);
        command.arg(store);
        let mut server = Server::start(command, port, logs.join(format!("{name}.log")));
        server.wait_for("listening", async |port| Connection::open(port).await.is_ok()).await;
        server
    }

    /// Keys in Redis of what is left of a product, and of its orders.
    pub(crate) fn keys(product: u64) -> [String; 2] {
        [format!("stock:{product}"), format!("orders:{product}")]
    }
}

impl Handler {
    /// Serves until the process is killed. Gives whether it is a handler at all.
    pub(crate) fn serve(&self) -> bool {
        let (Some(kind), Some(store)) = (self.handler, &self.store) else { return false };
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let routes = match kind {
                Kind::Redis => in_redis(store, self.pool).await,
                Kind::HotRow => in_postgres(store, self.pool, PLACE_ON_HOT_ROW).await,
                Kind::Units => in_postgres(store, self.pool, PLACE_ON_UNITS).await,
            };
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).await.expect("a free port");
            axum::serve(listener, routes).await.expect("serving continues");
        });
        true
    }
}

/// Connections that pipeline the requests of all, taken in turn.
struct Multiplexed {
    connections: Vec<MultiplexedConnection>,
    next: AtomicUsize,
    script: String,
}

async fn in_redis(socket: &Path, pool: usize) -> Router {
    let client = redis::Client::open(redis_server::url(socket)).expect("a URL");
    let mut connections = Vec::new();
    for _ in 0..pool {
        connections.push(client.get_multiplexed_async_connection().await.expect("a connection to Redis"));
    }
    let mut load = redis::cmd("SCRIPT");
    let load = load.arg("LOAD").arg(PLACE_IN_REDIS).query_async(&mut connections[0]);
    let script = load.await.expect("a script that Redis takes");
    let state = Arc::new(Multiplexed { connections, next: AtomicUsize::new(0), script });
    Router::new().route("/api/v1/orders", post(place_in_redis)).with_state(state)
}

async fn place_in_redis(State(redis): State<Arc<Multiplexed>>, Json(order): Json<OrderRequest>) -> Placed {
    let next = redis.next.fetch_add(1, Ordering::Relaxed) % redis.connections.len();
    let mut connection = redis.connections[next].clone();
    let mut place = redis::cmd("EVALSHA");
    place.arg(&redis.script).arg(2).arg(&Kind::keys(order.product_id));
    place.arg(&order.user_id).arg(order.quantity);
    let entry: Option<String> = place.query_async(&mut connection).await.expect("Redis responds");
    let entry = entry.ok_or(StatusCode::CONFLICT)?;
    // The id of an entry has two parts, milliseconds and a number within them.
    let (time, number) = entry.split_once('-').expect("the id of an entry of a stream");
    let [time, number] = [time, number].map(|part| part.parse::<u64>().expect("a number"));
    Ok((StatusCode::CREATED, Json(OrderAnswer::of(time << 20 | number, order.quantity))))
}

/// Connections of which each has one statement under way, with a fair line in front of them.
struct Pool {
    permits: Semaphore,
    free: Mutex<Vec<Session>>,
}

struct Session {
    client: Client,
    place: Statement,
}

async fn in_postgres(host: &Path, pool: usize, place: &str) -> Router {
    let mut free = Vec::new();
    for _ in 0..pool {
        let client = postgres::connect(host).await.expect("a connection to PostgreSQL");
        // It would be planned anew for each order: the plan for any quantity seems to cost more, and is the same one.
        client.batch_execute("SET plan_cache_mode = force_generic_plan").await.expect("a setting");
        let place = client.prepare(place).await.expect("a statement that PostgreSQL takes");
        free.push(Session { client, place });
    }
    let state = Arc::new(Pool { permits: Semaphore::new(pool), free: Mutex::new(free) });
    Router::new().route("/api/v1/orders", post(place_in_postgres)).with_state(state)
}

async fn place_in_postgres(State(pool): State<Arc<Pool>>, Json(order): Json<OrderRequest>) -> Placed {
    let _permit = pool.permits.acquire().await.expect("never closed");
    let session = pool.free.lock().pop().expect("a session for each permit");
    let (product, quantity) = (order.product_id.cast_signed(), i64::from(order.quantity));
    let placed = session.client.query_opt(&session.place, &[&product, &quantity, &order.user_id]).await;
    pool.free.lock().push(session);
    let row = placed.expect("PostgreSQL responds").ok_or(StatusCode::CONFLICT)?;
    let order_id: i64 = row.get(0);
    Ok((StatusCode::CREATED, Json(OrderAnswer::of(order_id.cast_unsigned(), order.quantity))))
}
