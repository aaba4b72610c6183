//! The engine without HTTP: what the benchmarks place their orders with.
#![allow(dead_code, reason = "each benchmark uses another part of it")]

use std::sync::Arc;

use flashsale::admission::OrderRequest;
use flashsale::committer::{Edit, Settlement};
use flashsale::domain::change::Actor;
use flashsale::domain::clock::Clock;
use flashsale::domain::idempotency_key::KeyText;
use flashsale::domain::money::Money;
use flashsale::domain::order::{OrderId, Priority, Quantity, UserId};
use flashsale::domain::product::{ProductId, Terms};
use flashsale::domain::transition::Transition;
use flashsale::engine::{Engine, EngineConfig, OpenedStore};
use flashsale::inventory::StockItem;
use flashsale::limits::MAX_STOCK;
use flashsale::store::Medium;
use tokio::runtime::Runtime;

/// Unfinished jobs: more than a benchmark has.
const CAPACITY: usize = 1_000_000;
/// Orders in a commit of [`Shop::fill`].
const FILL_BATCH: usize = 4096;

/// A started engine without workers.
pub(crate) struct Shop {
    pub(crate) runtime: Runtime,
    pub(crate) engine: Engine,
    users: u64,
}

impl Shop {
    /// Opens the store, rebuilds everything from it and starts the committer.
    pub(crate) fn open(medium: Medium) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().expect("a runtime");
        let opened = OpenedStore::open(medium).expect("a store");
        let config = EngineConfig { queue_capacity: CAPACITY, ..EngineConfig::default() };
        let engine = Engine::start(opened, &config, Clock::system(), runtime.handle()).expect("an engine");
        Self { runtime, engine, users: 0 }
    }

    /// A product with all the units there can be.
    pub(crate) fn add_product(&self, per_user_limit: Option<u32>) -> ProductId {
        let terms = Terms {
            name: "iPhone 15 Pro".to_owned(),
            price: Money::from_cents(99_999),
            flash_sale_active: true,
            per_user_limit,
            ..Terms::default()
        };
        let create = Edit::Create { terms, initial: MAX_STOCK, current: MAX_STOCK };
        self.runtime.block_on(self.engine.intake.edit(create)).expect("a product").id
    }

    pub(crate) fn item(&self, product: ProductId) -> Arc<StockItem> {
        self.engine.inventory.item(product).expect("a stock item")
    }

    /// Requests of users who have not ordered before, for one unit each.
    pub(crate) fn requests(&mut self, product: ProductId, count: usize) -> Vec<OrderRequest> {
        (0..count).map(|_| self.request(product)).collect()
    }

    /// The same with an idempotency key each.
    pub(crate) fn keyed_requests(&mut self, product: ProductId, count: usize) -> Vec<OrderRequest> {
        let mut requests = self.requests(product, count);
        let hasher = self.engine.admission.key_hasher();
        for request in &mut requests {
            request.key = Some(hasher.key(&KeyText::new(request.user.as_str()).expect("a key")));
        }
        requests
    }

    pub(crate) fn request(&mut self, product: ProductId) -> OrderRequest {
        self.users += 1;
        OrderRequest {
            attached: None,
            product,
            user: UserId::new(&format!("user{:08}", self.users)).expect("a name"),
            quantity: Quantity::new(1).expect("a quantity"),
            priority: Priority::Normal,
            key: None,
            is_operators: true,
        }
    }

    /// Places orders in one commit; when this returns, they are on disk.
    pub(crate) fn place(&self, requests: Vec<OrderRequest>) -> Vec<OrderId> {
        let placed = self.runtime.block_on(self.engine.admission.place_many(requests));
        placed.into_iter().map(|placed| placed.expect("an order").receipt.order).collect()
    }

    /// Confirms orders as workers do, and waits until that is on disk.
    pub(crate) fn confirm(&self, orders: Vec<OrderId>) {
        let fulfilled = |order| Settlement { order, transition: Transition::Fulfilled, actor: Actor::Worker };
        self.runtime.block_on(async {
            self.engine.intake.settle(orders.into_iter().map(fulfilled).collect()).await;
            // Changes nothing, and its reply comes after those before it.
            self.engine.intake.set_paused(false).await.expect("a reply");
        });
    }

    /// Places and confirms so many orders, each of another user.
    pub(crate) fn fill(&mut self, product: ProductId, orders: usize) {
        self.fill_with(product, orders, Self::requests);
    }

    /// The same with an idempotency key each.
    pub(crate) fn fill_keyed(&mut self, product: ProductId, orders: usize) {
        self.fill_with(product, orders, Self::keyed_requests);
    }

    fn fill_with(
        &mut self,
        product: ProductId,
        orders: usize,
        requests: fn(&mut Self, ProductId, usize) -> Vec<OrderRequest>,
    ) {
        let mut left = orders;
        while left > 0 {
            let requests = requests(self, product, left.min(FILL_BATCH));
            left -= requests.len();
            let placed = self.place(requests);
            self.confirm(placed);
        }
    }

    /// Stops as a shutdown does.
    pub(crate) fn close(self) {
        self.engine.close();
    }
}
