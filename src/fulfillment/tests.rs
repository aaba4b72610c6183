use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::runtime::Handle;

use super::poster::caught;
use super::*;
use crate::admission::OrderRequest;
use crate::domain::clock::Clock;
use crate::domain::idempotency_key::KeyText;
use crate::domain::order::{OrderId, OrderStatus, Quantity, UserId};
use crate::domain::product::ProductId;
use crate::engine::{Engine, EngineConfig, OpenedStore};
use crate::outbound::tests::hanging;
use crate::outbound::{self, LookupError, Resolved, WebhookConfig};
use crate::store::{Medium, file_in};

/// After this a test is stuck.
const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_panic_ends_an_attempt_and_not_its_worker() {
    assert_eq!(caught(async { 1 }).await, Some(1));
    let panicking = caught(async {
        tokio::task::yield_now().await;
        panic!("on purpose")
    });
    assert_eq!(panicking.await, None::<()>);
}

/// A shop with the sample products, whose orders are posted to a name.
struct Shop {
    engine: Engine,
    _directory: tempfile::TempDir,
}

impl Shop {
    async fn open(workers: usize, look_up: impl Fn(&str) -> Resolved + Send + Sync + 'static) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let opened = OpenedStore::open(Medium::File(file_in(directory.path()))).unwrap();
        let config = EngineConfig { queue_capacity: 1_000, ..EngineConfig::default() };
        let mut engine = Engine::start(opened, &config, Clock::system(), &Handle::current()).unwrap();
        for product in crate::sample::products() {
            engine.intake.edit(product).await.unwrap();
        }
        let url = "http://shop.example/".to_owned();
        let config = WebhookConfig { to: &SERVICE, url, secret: None, timeout: LONG, allow_private: false };
        let webhook = Arc::new(Webhook::new(outbound::Webhook::with_lookup(config, look_up).unwrap()));
        let policy = RetryPolicy { attempts: 1, first_delay: Duration::from_millis(1), max_delay: LONG };
        engine.start_workers(&Method::Webhook(webhook, policy), workers);
        Self { engine, _directory: directory }
    }

    async fn order(&self, key: Option<&str>) -> OrderId {
        let hasher = self.engine.admission.key_hasher();
        let request = OrderRequest {
            attached: None,
            product: ProductId(1),
            user: UserId::new("ada").unwrap(),
            quantity: Quantity::new(1).unwrap(),
            priority: Default::default(),
            key: key.map(|key| hasher.key(&KeyText::new(key).unwrap())),
            is_operators: true,
        };
        let placed = tokio::time::timeout(LONG, self.engine.admission.place(request));
        placed.await.expect("an order that is not held up").unwrap().receipt.order
    }

    /// Stops as a server does; all orders must be as they were placed.
    async fn close(mut self, orders: &[OrderId]) {
        // Less than an attempt may take.
        tokio::time::timeout(LONG / 2, self.engine.stop_workers(LONG)).await.expect("a stop that is not held up");
        for id in orders {
            let order = self.engine.store.order(*id).unwrap().unwrap();
            assert_eq!((order.status, order.attempts), (OrderStatus::Pending, 0), "{id}");
        }
        self.engine.close();
    }
}

#[test]
fn look_ups_that_hang_hold_up_no_order_no_keyed_order_and_no_stop() {
    let (release, hangs) = hanging::look_ups();
    // Fewer threads for blocking work than workers: were look-ups among it, they would take them all.
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).max_blocking_threads(4).enable_all().build().unwrap();
    runtime.block_on(async {
        let shop = Shop::open(16, hangs).await;
        let mut orders = Vec::new();
        for _ in 0..32 {
            orders.push(shop.order(None).await);
        }
        while shop.engine.queue.counts().active < 16 {
            tokio::task::yield_now().await;
        }
        for number in 0..16 {
            orders.push(shop.order(Some(&format!("key-{number}"))).await);
        }
        shop.close(&orders).await;
    });
    hanging::end(runtime, release, LONG);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_up_that_this_machine_cannot_make_is_counted_and_costs_no_attempt() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let shop = Shop::open(4, move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        Err(LookupError::Local("no memory".to_owned()))
    })
    .await;
    let orders = [shop.order(None).await, shop.order(None).await];
    // The second look-up is that of jobs which went back and were taken again.
    while asked.load(Ordering::SeqCst) < 2 {
        tokio::task::yield_now().await;
    }
    let text = shop.engine.metrics.text(&Default::default(), crate::metrics::Format::OpenMetrics);
    let counted = text.lines().find_map(|line| line.strip_prefix("flash_sale_fulfillment_local_faults_total "));
    assert!(counted.unwrap().parse::<u32>().unwrap() >= 2, "{counted:?}");
    shop.close(&orders).await;
}
