//! What every mirror with rows must do, whatever it copies to.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::past::{Past, trims};
use crate::harness::{Client, Launch, Server, eventually, order_id};

/// Rows by number, each with its fields as texts; an empty text is none.
pub(crate) type Rows = BTreeMap<u64, BTreeMap<String, String>>;

/// A target that a test runs for itself.
pub(crate) trait Target {
    /// The mirror in metrics.
    const MIRROR: &'static str;
    /// An empty one that runs.
    async fn start() -> Self;
    /// Where it listens.
    fn port(&self) -> u16;
    /// The settings of a server that mirrors into it, at its own port or at that of a proxy.
    fn settings(&self, port: u16) -> Vec<(&'static str, String)>;
    /// Kills it.
    async fn kill(&mut self);
    /// Starts it again with what it has on disk.
    async fn run(&mut self);
    /// Makes it empty; it is killed.
    fn clear(&mut self);
    /// Sends its processes a signal by name.
    fn signal(&self, name: &str);
    /// Its orders, with the fields of the API.
    async fn orders(&self) -> Rows;
    /// Its products, with the fields of the API.
    async fn products(&self) -> Rows;
    /// Makes it reject an order that it does not have yet.
    async fn reject(&self, order: u64);
    /// Makes it accept the order again.
    async fn accept(&self, order: u64);
}

/// A server that mirrors into a target.
pub(crate) fn with<T: Target>(target: &T, port: u16) -> Launch {
    target.settings(port).iter().fold(Server::with(), |launch, (name, value)| launch.env(name, value))
}

async fn serve<T: Target>(target: &T) -> Server {
    with(target, target.port()).start().await
}

/// Rows of the API as texts, under the names that databases use.
pub(crate) fn as_texts(rows: Vec<Value>) -> Rows {
    let name = |field: &str| {
        field.chars().fold(String::new(), |name, char| match char.is_ascii_uppercase() {
            true => name + "_" + &char.to_ascii_lowercase().to_string(),
            false => name + &char.to_string(),
        })
    };
    let text = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    let texts =
        |row: &Value| row.as_object().unwrap().iter().map(|(field, value)| (name(field), text(value))).collect();
    rows.iter().map(|row| (row["id"].as_u64().unwrap(), texts(row))).collect()
}

/// Waits until the target is the store, row by row.
pub(crate) async fn assert_equal<T: Target>(target: &T, server: &Client) {
    let mut difference = String::new();
    let equal = eventually("the target to equal the store", async || {
        let stored = as_texts(server.all("/orders?limit=500").await);
        let products = as_texts(server.all("/inventory").await);
        let found = (target.orders().await, target.products().await);
        let differing = found.0.iter().find(|(id, row)| stored.get(id) != Some(row));
        difference = format!("{} of {} orders; {differing:?}", found.0.len(), stored.len());
        // Rows are there before the position that says so.
        let is_kept = figure::<T>(server, "connected").await == 1.0 && figure::<T>(server, "lag_records").await == 0.0;
        (found == (stored, products) && is_kept).then_some(())
    });
    let waited = tokio::time::timeout(Duration::from_secs(90), equal).await;
    assert!(waited.is_ok(), "the target differs: {difference}");
}

/// A figure of the mirror.
pub(crate) async fn figure<T: Target>(server: &Client, name: &str) -> f64 {
    let text = server.get("/metrics").await.expect(200).body.as_str().unwrap().to_owned();
    let line = format!("flash_sale_mirror_{name}{{mirror=\"{}\"}} ", T::MIRROR);
    let value = text.lines().find_map(|shown| shown.strip_prefix(&line)).unwrap_or_else(|| panic!("no {line}: {text}"));
    value.parse().unwrap()
}

/// Places some orders at once; gives their numbers.
pub(crate) async fn place(server: &Client, product: u64, count: usize) -> Vec<u64> {
    let order = |buyer| json!({"productId": product, "userId": format!("buyer-{buyer}"), "quantity": 1});
    let orders: Vec<_> = (0..count).map(order).collect();
    let placed = server.post("/orders/batch", json!({"orders": orders})).await.expect(200).body;
    let results = placed["results"].as_array().unwrap();
    results.iter().map(|result| result["orderId"].as_u64().unwrap_or_else(|| panic!("{result}"))).collect()
}

/// What every target must do, each fact as a test.
macro_rules! conforms {
    ($target:ty) => {
        conforms!(
            $target:
            all_is_copied,
            a_killed_server_continues,
            a_killed_target_gets_all,
            a_batch_that_comes_twice_is_one,
            a_slow_target_delays_no_order,
            a_rejected_row_is_put_aside,
            everything_is_copied_where_the_position_says_nothing,
            a_target_behind_which_the_journal_was_trimmed_gets_everything,
            what_a_target_lacks_is_not_trimmed,
        );
    };
    ($target:ty: $($fact:ident),* $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $fact() {
            $crate::mirror::conformance::$fact::<$target>().await;
        }
    )*};
}

pub(crate) use conforms;

/// Everything that can happen to orders and products.
pub(crate) async fn all_is_copied<T: Target>() {
    let target = T::start().await;
    let server = serve(&target).await;
    let plain = server.create_with(json!({"name": "Läufer \"7\"", "sku": "L-7", "initialStock": 500})).await;
    let held = server.create_with(json!({"holdSeconds": 3600, "perUserLimit": 5})).await;
    let gone = server.create(3).await;
    assert_equal(&target, &server).await;
    place(&server, plain, 100).await;
    for (user, act) in [("ada", "confirm"), ("bob", "cancel"), ("cyd", "")] {
        let order = json!({
            "productId": held, "userId": user, "quantity": 2, "reference": format!("ref-{user}"),
            "metadata": {"gift": "yes", "note": "{\"a\": 1}"},
        });
        let order = order_id(&server.post("/orders", order).await.expect(201));
        if !act.is_empty() {
            server.act(&format!("/orders/{order}/{act}")).await.expect(200);
        }
    }
    for change in [json!({"price": "12.50", "sku": null}), json!({"currentStock": 7})] {
        server.put(&format!("/inventory/{plain}"), change).await.expect(200);
    }
    server.delete(&format!("/inventory/{gone}")).await.expect(204);
    assert_equal(&target, &server).await;
    assert_eq!(figure::<T>(&server, "put_aside_total").await, 0.0);
}

/// A server that is killed amid orders continues from the position, and copies nothing else.
pub(crate) async fn a_killed_server_continues<T: Target>() {
    let target = T::start().await;
    let mut server = serve(&target).await;
    let product = server.create(100_000).await;
    // One that is killed amid the first copy of everything begins it again.
    assert_equal(&target, &server).await;
    for _ in 0..3 {
        place(&server, product, 200).await;
        server.kill9().await;
        server.restart().await;
        place(&server, product, 50).await;
        assert_equal(&target, &server).await;
        assert_eq!(figure::<T>(&server, "rebuilds_total").await, 0.0);
    }
}

/// A target that is killed amid batches, and is away for a while, costs no order, and gets all of them.
pub(crate) async fn a_killed_target_gets_all<T: Target>() {
    let mut target = T::start().await;
    let server = serve(&target).await;
    let product = server.create(100_000).await;
    place(&server, product, 1).await;
    assert_equal(&target, &server).await;
    let rebuilds = figure::<T>(&server, "rebuilds_total").await;
    let outage = std::env::var("OUTAGE_SECONDS").map_or(0, |seconds| seconds.parse().expect("whole seconds"));
    for seconds in [0, 0, outage] {
        let client = server.client();
        let load = tokio::spawn(async move {
            for _ in 0..10 {
                assert_eq!(place(&client, product, 200).await.len(), 200);
            }
        });
        target.kill().await;
        load.await.unwrap();
        eventually("the loss of the target", async || (figure::<T>(&server, "connected").await == 0.0).then_some(()))
            .await;
        assert!(figure::<T>(&server, "lag_records").await > 0.0);
        let end = Instant::now() + Duration::from_secs(seconds);
        loop {
            orders_wait_for_no_target::<T>(&server, product).await;
            if Instant::now() >= end {
                break;
            }
            tokio::time::sleep(OUTAGE_PAUSE).await;
        }
        target.run().await;
        assert_equal(&target, &server).await;
    }
    assert_eq!(figure::<T>(&server, "rebuilds_total").await, rebuilds);
    assert_eq!(server.get_root("/readyz").await.status, 200);
}

/// Between the orders of a long outage, so that the comparison of all rows stays short.
const OUTAGE_PAUSE: Duration = Duration::from_millis(250);

/// Orders one by one and together are accepted and confirmed, each at its first attempt, and in all that time the
/// target has got nothing.
async fn orders_wait_for_no_target<T: Target>(server: &Server, product: u64) {
    let lag = figure::<T>(server, "lag_records").await;
    let one = order_id(&server.order(product, "ada", 1).await.expect(201));
    let many = place(server, product, 20).await;
    for order in [one, many[0], many[19]] {
        server.order_becomes(order, "confirmed").await;
    }
    assert_eq!(figure::<T>(server, "connected").await, 0.0);
    assert!(figure::<T>(server, "lag_records").await >= lag + 2.0, "something waited for the target, or was copied");
}

/// A batch whose reply is lost is written once.
pub(crate) async fn a_batch_that_comes_twice_is_one<T: Target>() {
    let target = T::start().await;
    let lossy = Lossy::start(target.port()).await;
    let server = with(&target, lossy.port).start().await;
    let product = server.create(100_000).await;
    assert_equal(&target, &server).await;
    for _ in 0..3 {
        place(&server, product, 100).await;
        lossy.lose().await;
    }
    assert_equal(&target, &server).await;
    assert_eq!(figure::<T>(&server, "rebuilds_total").await, 1.0);
}

/// A target that does not respond for a while delays itself and nothing else.
pub(crate) async fn a_slow_target_delays_no_order<T: Target>() {
    let target = T::start().await;
    let server = serve(&target).await;
    let product = server.create(100_000).await;
    assert_equal(&target, &server).await;
    target.signal("STOP");
    // More than is written at once.
    for _ in 0..4 {
        let orders = place(&server, product, 500).await;
        server.order_becomes(orders[499], "confirmed").await;
    }
    eventually("a lag", async || (figure::<T>(&server, "lag_seconds").await > 0.0).then_some(())).await;
    target.signal("CONT");
    assert_equal(&target, &server).await;
}

/// A row that the target rejects is put aside, the others are not, and it is tried again.
pub(crate) async fn a_rejected_row_is_put_aside<T: Target>() {
    let target = T::start().await;
    let server = serve(&target).await;
    let product = server.create(100_000).await;
    let first = place(&server, product, 1).await[0];
    assert_equal(&target, &server).await;
    target.reject(first + 2).await;
    place(&server, product, 5).await;
    eventually("the others", async || {
        let orders = target.orders().await;
        let others: Vec<_> = (first..=first + 5).filter(|id| *id != first + 2).collect();
        others.iter().all(|id| orders.get(id).is_some_and(|row| row["status"] == "confirmed")).then_some(())
    })
    .await;
    let put_aside = async || figure::<T>(&server, "put_aside_total").await;
    eventually("the row to be counted", async || (put_aside().await > 0.0).then_some(())).await;
    assert_eq!(figure::<T>(&server, "connected").await, 1.0);
    target.accept(first + 2).await;
    assert_equal(&target, &server).await;
}

/// A target that has lost everything, or has another history, gets everything.
pub(crate) async fn everything_is_copied_where_the_position_says_nothing<T: Target>() {
    let mut target = T::start().await;
    let mut server = serve(&target).await;
    let product = server.create_with(json!({"initialStock": 100_000, "holdSeconds": 3600})).await;
    place(&server, product, 700).await;
    server.launch.command(&["backup", "-o", "a.backup", "--server", &format!("http://{}", server.address())]).await;
    place(&server, product, 300).await;
    server.create(1).await;
    assert_equal(&target, &server).await;
    target.kill().await;
    target.clear();
    target.run().await;
    assert_equal(&target, &server).await;
    server.terminate().await;
    let restored = server.launch.command(&["restore", "a.backup", "--force"]).await;
    assert_eq!(restored.code, Some(0), "{restored:?}");
    server.restart().await;
    place(&server, product, 10).await;
    assert_equal(&target, &server).await;
    assert_eq!(figure::<T>(&server, "rebuilds_total").await, 1.0);
}

/// A server with days of history behind the position of a target that is away. It keeps so many records for it, and
/// trims all others.
async fn long_away<T: Target>(target: &mut T, kept: u32) -> Server {
    let launch = with(target, target.port());
    let past = Past::open(&launch, 4);
    let (product, deleted) = (past.create(10_000).await, past.create(5).await);
    past.place(product, 30).await;
    past.close().await;
    let mut server = launch.start().await;
    assert_equal(target, &server).await;
    server.terminate().await;
    target.kill().await;
    let past = Past::open(&server.launch, 3);
    past.delete(deleted).await;
    let added = past.create(100).await;
    for _ in 0..20 {
        past.place(product, 3).await;
        past.place(added, 1).await;
    }
    past.close().await;
    trims(&mut server.launch, kept);
    server.restart().await;
    // Each record lets up to eight go.
    for _ in 0..30 {
        place(&server, product, 1).await;
    }
    server
}

/// The words of a server that has let records go for a target that is away.
pub(crate) const LET_GO: &str = "the journal keeps nothing for it any more";

/// A target that was away for longer than the journal keeps records for it gets everything.
pub(crate) async fn a_target_behind_which_the_journal_was_trimmed_gets_everything<T: Target>() {
    let mut target = T::start().await;
    let mut server = long_away(&mut target, 20).await;
    server.writes(LET_GO).await;
    place(&server, 1, 20).await;
    for _ in 0..30 {
        place(&server, 1, 1).await;
    }
    target.run().await;
    server.writes("the history was trimmed up to record").await;
    assert_equal(&target, &server).await;
    assert_eq!(figure::<T>(&server, "rebuilds_total").await, 1.0);
    place(&server, 1, 20).await;
    assert_equal(&target, &server).await;
    assert_eq!(figure::<T>(&server, "rebuilds_total").await, 1.0);
    // There are more records than are kept, and the target lacks none of them.
    server.restart().await;
    place(&server, 1, 20).await;
    assert_equal(&target, &server).await;
    assert!(!server.output().contains(LET_GO), "{}", server.output());
}

/// What a target lacks that is away is kept, however old it is.
pub(crate) async fn what_a_target_lacks_is_not_trimmed<T: Target>() {
    let mut target = T::start().await;
    let server = long_away(&mut target, 5_000_000).await;
    target.run().await;
    assert_equal(&target, &server).await;
    assert_eq!(figure::<T>(&server, "rebuilds_total").await, 0.0);
    assert!(!server.output().contains(LET_GO), "{}", server.output());
}

/// A proxy that loses responses when it is asked to.
#[derive(Debug)]
pub(crate) struct Lossy {
    /// Where it listens.
    pub(crate) port: u16,
    lose: watch::Sender<u64>,
    lost: watch::Receiver<u64>,
    accepting: JoinHandle<()>,
}

impl Lossy {
    /// A proxy of a port.
    pub(crate) async fn start(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (lose, wanted) = watch::channel(0);
        let (done, lost) = watch::channel(0);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (wanted, done) = (wanted.clone(), done.clone());
                tokio::spawn(async move {
                    if let Ok(server) = TcpStream::connect(("127.0.0.1", target)).await {
                        pass(client, server, wanted, &done).await;
                    }
                });
            }
        });
        Self { port, lose, lost, accepting }
    }

    /// Loses the next response, and the connection with it.
    pub(crate) async fn lose(&self) {
        self.lose.send_modify(|count| *count += 1);
        let (count, mut lost) = (*self.lose.borrow(), self.lost.clone());
        lost.wait_for(|lost| *lost >= count).await.unwrap();
    }
}

impl Drop for Lossy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn pass(client: TcpStream, server: TcpStream, wanted: watch::Receiver<u64>, done: &watch::Sender<u64>) {
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let forth = tokio::spawn(async move { copy(&mut from_client, &mut to_server).await });
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from_server.read(&mut bytes).await {
        let wanted = *wanted.borrow();
        if *done.borrow() < wanted {
            done.send_replace(wanted);
            break;
        }
        if to_client.write_all(&bytes[..count]).await.is_err() {
            break;
        }
    }
    forth.abort();
}
