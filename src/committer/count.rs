//! Counting what each user has of a limited product with orders: outside of the committer, which would reply to nobody
//! meanwhile, and after a start, which would not be one.
//!
//! A thread of its own, of a lower priority, reads all orders of one snapshot. Until it is done, a user who is not
//! counted yet is counted alone, through the index by user, when the first order comes.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use parking_lot::Mutex;

use crate::domain::order::{Order, OrderId, UserId};
use crate::domain::product::ProductId;
use crate::domain::refusal::Refusal;
use crate::inventory::{Base, Inventory, Purchases};
use crate::limits::{REOPEN_PAUSE, USER_RETRY_AFTER};
use crate::store::{Snapshot, Store, StoreError, lower_priority};

/// Orders read between two checks for a stop.
const ORDERS_A_LOOK: u64 = 1_024;

/// What is counted at present, and from what.
#[derive(Debug)]
pub struct Counts {
    store: Arc<Store>,
    inventory: Arc<Inventory>,
    /// By the purchases that they are for. Emptied when they are counted and before the store is opened again: a
    /// snapshot keeps space, and files open.
    sources: Mutex<Sources>,
    /// Held while all orders are read.
    pass: Mutex<()>,
    /// Wakes the thread.
    work: Sender<()>,
}

#[derive(Debug, Default)]
struct Sources {
    of: HashMap<ProductId, (Arc<Purchases>, Arc<Source>)>,
    /// Nothing may be read: the store is being opened again, or closed.
    closed: bool,
}

/// What bases are read from.
#[derive(Debug)]
struct Source {
    snapshot: Snapshot,
    /// The last order in it.
    through: OrderId,
    stopped: AtomicBool,
}

/// The running thread.
#[derive(Debug)]
pub(super) struct Counter {
    counts: Arc<Counts>,
    thread: JoinHandle<()>,
    /// Dropped to end it.
    alive: Sender<()>,
}

impl Counts {
    /// Counts a user of a product for whom an order was [`LimitError::Uncounted`].
    ///
    /// [`LimitError::Uncounted`]: crate::inventory::LimitError::Uncounted
    pub async fn count_user(
        self: &Arc<Self>,
        product: ProductId,
        purchases: Arc<Purchases>,
        user: UserId,
    ) -> Result<(), Refusal> {
        let counts = Arc::clone(self);
        self.read(move || counts.load(product, &purchases, &user)).await
    }

    /// Counts the users of orders that are about to take units again.
    pub(super) async fn count_users_of(self: &Arc<Self>, orders: &[OrderId]) -> Result<(), Refusal> {
        if !self.inventory.is_counting() {
            return Ok(());
        }
        let (counts, orders) = (Arc::clone(self), orders.to_vec());
        self.read(move || {
            for order in orders {
                if let Some(order) = counts.store.order(order)? {
                    counts.load_of(&order)?;
                }
            }
            Ok(true)
        })
        .await
    }

    async fn read(&self, load: impl FnOnce() -> Result<bool, StoreError> + Send + 'static) -> Result<(), Refusal> {
        let loaded = match self.store.caught_up().await {
            Ok(()) => self.store.query(move |_| load()).await,
            Err(error) => Err(error),
        };
        match loaded {
            Ok(true) => Ok(()),
            Ok(false) => Err(Refusal::Overloaded { retry_after: USER_RETRY_AFTER }),
            Err(error) => {
                tracing::warn!(%error, "what a user has bought could not be read");
                Err(Refusal::StorageUnavailable)
            }
        }
    }

    fn load_of(&self, order: &Order) -> Result<bool, StoreError> {
        let item = self.inventory.item(order.product);
        let Some(purchases) = item.and_then(|item| item.purchases()) else { return Ok(true) };
        self.load(order.product, &purchases, &order.user)
    }

    /// Adds a user's share of the base. False where the user has too many orders for that, or too many were counted
    /// one by one: then the whole base has to be waited for.
    fn load(&self, product: ProductId, purchases: &Arc<Purchases>, user: &UserId) -> Result<bool, StoreError> {
        if purchases.knows(user) {
            return Ok(true);
        }
        // Without a source, all were counted meanwhile.
        let Some(source) = self.source(product, purchases)? else { return Ok(purchases.knows(user)) };
        let Some(orders) = self.store.order_ids_of_user(user.as_str(), source.through)? else { return Ok(false) };
        let units = source.snapshot.units_of_user(user.as_str(), product, &orders)?;
        Ok(purchases.count(user, units))
    }

    /// What the base of a product is read from, unless it is complete. The first one who asks takes a snapshot, for all
    /// products that have none.
    fn source(&self, product: ProductId, purchases: &Arc<Purchases>) -> Result<Option<Arc<Source>>, StoreError> {
        let known = |sources: &Sources| match sources.of.get(&product) {
            Some((known, source)) if Arc::ptr_eq(known, purchases) => Some(Arc::clone(source)),
            _ => None,
        };
        if let Some(source) = known(&self.sources.lock()) {
            return Ok(Some(source));
        }
        // It has all that was shown when the limit came, as that is before this.
        let snapshot = self.store.snapshot()?;
        let head = snapshot.head()?;
        let source = Arc::new(Source { snapshot, through: OrderId(head.last_order), stopped: AtomicBool::new(false) });
        let mut sources = self.sources.lock();
        if sources.closed {
            return Err(StoreError::Closed);
        }
        if let Some(source) = known(&sources) {
            return Ok(Some(source));
        }
        let limited = self.uncounted().into_iter().chain([(product, Arc::clone(purchases))]);
        for (product, purchases) in limited {
            let without = sources.of.get(&product).is_none_or(|(known, _)| !Arc::ptr_eq(known, &purchases));
            if without && purchases.choose_base(head.sequence) {
                sources.of.insert(product, (purchases, Arc::clone(&source)));
            }
        }
        Ok(known(&sources))
    }

    /// Products whose purchases are not counted.
    fn uncounted(&self) -> Vec<(ProductId, Arc<Purchases>)> {
        let limited = self.inventory.items().into_iter().filter_map(|item| Some((item.id(), item.purchases()?)));
        limited.filter(|(_, purchases)| !purchases.is_complete()).collect()
    }

    /// Counts the products that have the same source. False where there are none.
    fn count_all(&self) -> Result<bool, StoreError> {
        let _pass = self.pass.lock();
        let uncounted = self.uncounted();
        let Some((product, purchases)) = uncounted.first() else { return Ok(false) };
        let Some(source) = self.source(*product, purchases)? else { return Err(StoreError::Closed) };
        let mut bases = HashMap::new();
        for (product, purchases) in uncounted {
            if self.source(product, &purchases)?.is_some_and(|other| Arc::ptr_eq(&source, &other)) {
                bases.insert(product, (purchases, Base::default()));
            }
        }
        let mut stopped = false;
        source.snapshot.each_fields(|order| {
            if let Some((_, base)) = bases.get_mut(&order.product)
                && order.status.counts_as_purchase()
            {
                base.add(order.user, order.quantity);
            }
            stopped = order.id.0.is_multiple_of(ORDERS_A_LOOK) && source.stopped.load(Ordering::Relaxed);
            if stopped { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        if stopped {
            return Err(StoreError::Closed);
        }
        for (product, (purchases, base)) in bases {
            purchases.complete(base);
            self.sources.lock().of.retain(|id, (known, _)| *id != product || !Arc::ptr_eq(known, &purchases));
        }
        Ok(true)
    }

    /// Wakes the thread: a product may have come that is not counted.
    pub(super) fn wake(&self) {
        // Full, it wakes anyway.
        let _ = self.work.try_send(());
    }

    /// Lets go of all snapshots and takes none until [`Counts::open`].
    pub(super) fn close(&self) {
        let sources = {
            let mut sources = self.sources.lock();
            sources.closed = true;
            std::mem::take(&mut sources.of)
        };
        sources.values().for_each(|(_, source)| source.stopped.store(true, Ordering::Relaxed));
        drop(sources);
        drop(self.pass.lock());
    }

    /// Continues with a store that is open again.
    pub(super) fn open(&self) {
        self.sources.lock().closed = false;
        self.wake();
    }
}

impl Counter {
    /// Starts the thread.
    pub(super) fn start(store: Arc<Store>, inventory: Arc<Inventory>) -> std::io::Result<Self> {
        let ((work, notices), (alive, ended)) = (bounded(1), bounded(0));
        let (sources, pass) = (Mutex::default(), Mutex::default());
        let counts = Arc::new(Counts { store, inventory, sources, pass, work });
        let run = {
            let counts = Arc::clone(&counts);
            move || {
                lower_priority();
                run(&counts, &notices, &ended);
            }
        };
        let thread = std::thread::Builder::new().name("counter".to_owned()).spawn(run)?;
        Ok(Self { counts, thread, alive })
    }

    pub(super) const fn counts(&self) -> &Arc<Counts> {
        &self.counts
    }

    /// Ends the thread.
    pub(super) fn stop(self) {
        drop(self.alive);
        self.counts.close();
        self.counts.wake();
        if self.thread.join().is_err() {
            tracing::error!("the thread that counts purchases panicked");
        }
    }
}

fn run(counts: &Counts, notices: &Receiver<()>, ended: &Receiver<()>) {
    loop {
        // What could not be counted is tried again after a pause.
        if let Err(RecvTimeoutError::Disconnected) = notices.recv_timeout(REOPEN_PAUSE) {
            return;
        }
        loop {
            if ended.try_recv() == Err(crossbeam_channel::TryRecvError::Disconnected) {
                return;
            }
            match counts.count_all() {
                Ok(true) => {}
                Ok(false) | Err(StoreError::Closed) => break,
                Err(error) => {
                    tracing::warn!(%error, "what users have bought could not be counted yet");
                    break;
                }
            }
        }
    }
}
