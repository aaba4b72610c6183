//! The stock that buyers compete for: one lock-free counter for each product.
//!
//! A counter is never above what the store says is available: it runs ahead by the reservations that are not committed
//! yet. Beside it is the product as last committed, which is what readers see, so that they always see an
//! equation that holds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::RwLock;
use tokio::sync::Notify;

use crate::domain::product::{Product, ProductId};

mod atomic;
mod counter;
mod purchases;

pub use counter::StockCounter;
pub use purchases::{Base, LimitError, PurchaseClaim, Purchases};

/// All products, by number.
#[derive(Debug, Default)]
pub struct Inventory {
    /// Replaced as a whole, which is rare: a reader that goes over all of them holds no lock.
    items: RwLock<Arc<StockItems>>,
    /// Counts what is shown: see [`Inventory::version`].
    version: Arc<AtomicU64>,
    /// Limited products whose purchases are not all counted.
    uncounted: Arc<AtomicUsize>,
    /// Wakes those who follow the products' terms.
    edited: Notify,
}

type StockItems = BTreeMap<ProductId, Arc<StockItem>>;

/// One product: what is left of it now, and how it was last committed.
#[derive(Debug)]
pub struct StockItem {
    id: ProductId,
    /// The inventory's.
    version: Arc<AtomicU64>,
    /// The inventory's.
    uncounted: Arc<AtomicUsize>,
    available: StockCounter,
    /// The fewest units that were left after a commit since the start.
    lowest: AtomicU64,
    /// The fewest units that were asked for and not there since the start; `u64::MAX` if that never came.
    least_missed: AtomicU64,
    committed: RwLock<Arc<Product>>,
    /// What each user has, where the product limits it.
    purchases: RwLock<Option<Arc<Purchases>>>,
}

/// Units taken from a stock item. Dropping it puts them back; [`Reservation::keep`] does not.
#[derive(Debug)]
#[must_use = "dropping a reservation returns its stock"]
pub struct Reservation {
    item: Arc<StockItem>,
    quantity: u32,
}

/// Fewer units were available than asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("fewer units are available than asked for")]
pub struct SoldOut;

impl Inventory {
    /// The stock item of a product.
    pub fn item(&self, id: ProductId) -> Option<Arc<StockItem>> {
        self.items.read().get(&id).cloned()
    }

    /// Whether what users have of some limited product is still being counted.
    pub fn is_counting(&self) -> bool {
        self.uncounted.load(Ordering::Acquire) > 0
    }

    /// All products as last committed, newest first.
    pub fn products(&self) -> Vec<Arc<Product>> {
        self.all().values().rev().map(|item| item.product()).collect()
    }

    /// All items.
    pub fn items(&self) -> Vec<Arc<StockItem>> {
        self.all().values().cloned().collect()
    }

    fn all(&self) -> Arc<StockItems> {
        Arc::clone(&self.items.read())
    }

    /// Counts the changes of what [`Inventory::products`] shows. What is read after it has all the changes counted.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Puts other items up. Only the committer does, so that nothing comes between.
    fn replace(&self, items: StockItems) {
        let before = std::mem::replace(&mut *self.items.write(), Arc::new(items));
        self.version.fetch_add(1, Ordering::Release);
        self.note_edit();
        // Not under the lock, which orders wait for.
        drop(before);
    }

    /// How many products there are.
    pub fn len(&self) -> usize {
        self.items.read().len()
    }

    /// Whether there is no product.
    pub fn is_empty(&self) -> bool {
        self.items.read().is_empty()
    }

    /// Puts up the products of a store that was just opened. Reservations and claims from before keep their old
    /// items and counts, so that what they put back is counted nowhere.
    pub fn replace_all(&self, products: impl IntoIterator<Item = Product>) {
        let items = products.into_iter().map(|product| (product.id, self.item_of(product)));
        self.replace(items.collect());
    }

    /// Puts up a new product.
    pub fn add(&self, product: Product) -> Arc<StockItem> {
        let item = self.item_of(product);
        let mut items = StockItems::clone(&self.all());
        items.insert(item.id, Arc::clone(&item));
        self.replace(items);
        item
    }

    fn item_of(&self, product: Product) -> Arc<StockItem> {
        let (id, version, uncounted) = (product.id, Arc::clone(&self.version), Arc::clone(&self.uncounted));
        let available = StockCounter::new(product.stock.current);
        let (lowest, least_missed) = (AtomicU64::new(product.stock.current), AtomicU64::new(u64::MAX));
        let purchases = product.terms.per_user_limit.map(|_| Purchases::of(product.orders, &uncounted));
        let (committed, purchases) = (RwLock::new(Arc::new(product)), RwLock::new(purchases));
        Arc::new(StockItem { id, version, uncounted, available, lowest, least_missed, committed, purchases })
    }

    /// Takes a product down.
    pub fn remove(&self, id: ProductId) {
        let mut items = StockItems::clone(&self.all());
        items.remove(&id);
        self.replace(items);
    }

    /// Says that the terms of a product have changed. Products that come and go are noted by themselves.
    pub fn note_edit(&self) {
        self.edited.notify_one();
    }

    /// Returns after the next edit, or at once where one was noted that nobody has waited for.
    pub async fn edited(&self) {
        self.edited.notified().await;
    }
}

impl StockItem {
    /// The product's number.
    pub const fn id(&self) -> ProductId {
        self.id
    }

    /// The product as last committed.
    pub fn product(&self) -> Arc<Product> {
        self.committed.read().clone()
    }

    /// Shows a newly committed state.
    pub fn publish(&self, product: Product) {
        self.lowest.fetch_min(product.stock.current, Ordering::Relaxed);
        *self.committed.write() = Arc::new(product);
        self.version.fetch_add(1, Ordering::Release);
    }

    /// What each user has, where the product limits it. Claims of a limit that was switched off since hold the
    /// purchases from before, so that what they give back is counted nowhere.
    pub fn purchases(&self) -> Option<Arc<Purchases>> {
        self.purchases.read().clone()
    }

    /// Begins to count what each user has, or ends it. `orders` is how many orders of the product there are.
    pub fn limit_purchases(&self, limited: bool, orders: u64) {
        let mut purchases = self.purchases.write();
        if purchases.is_some() != limited {
            *purchases = limited.then(|| Purchases::of(orders, &self.uncounted));
        }
    }

    /// Units available at this instant: one atomic read.
    pub fn available(&self) -> u64 {
        self.available.get()
    }

    /// Notes that so many units were asked for and that there were fewer. Mostly one atomic read.
    pub fn note_missed(&self, quantity: u32) {
        let quantity = u64::from(quantity);
        if self.least_missed.load(Ordering::Relaxed) > quantity {
            self.least_missed.fetch_min(quantity, Ordering::Relaxed);
        }
    }

    /// The fewest units that were left after a commit, and the fewest that were asked for and not there, if that ever
    /// came; both since the start. Where the second is not above the first, an order was rejected although the store
    /// never had too few units for it.
    pub fn lowest_and_least_missed(&self) -> (u64, Option<u64>) {
        let missed = self.least_missed.load(Ordering::Relaxed);
        (self.lowest.load(Ordering::Relaxed), Some(missed).filter(|missed| *missed != u64::MAX))
    }

    /// Takes units for an order, or says that at this instant there were fewer.
    pub fn reserve(self: &Arc<Self>, quantity: u32) -> Result<Reservation, SoldOut> {
        match self.available.try_take(u64::from(quantity)) {
            true => Ok(Reservation { item: Arc::clone(self), quantity }),
            false => Err(SoldOut),
        }
    }

    /// Puts units up for sale: returned by an order, or added by an operator.
    pub fn put(&self, units: u64) {
        self.available.put(units);
    }

    /// Takes units from the counter, or none.
    pub fn try_take(&self, units: u64) -> bool {
        self.available.try_take(units)
    }

    /// Sets what is available now and returns what was.
    pub fn set_available(&self, units: u64) -> u64 {
        self.available.set(units)
    }
}

impl Reservation {
    /// Where the units come from.
    pub const fn item(&self) -> &Arc<StockItem> {
        &self.item
    }

    /// How many units.
    pub const fn quantity(&self) -> u32 {
        self.quantity
    }

    /// Ends the reservation without returning the units: they belong to a stored order from here on.
    pub fn keep(mut self) {
        self.quantity = 0;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.quantity > 0 {
            self.item.put(u64::from(self.quantity));
        }
    }
}

#[cfg(test)]
mod tests;
