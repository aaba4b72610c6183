//! The list of all products, encoded once for everyone who asks for it.
//!
//! It is made anew when a product has changed, by one request while others wait for it, and only as often as leaves the
//! processors to orders: a list may be a moment old, see [`MAX_LIST_AGE`]. Products are encoded in groups; the text of
//! a group in which nothing has changed is shared by the old list and the new one, so that slow readers of many
//! versions keep little memory.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use parking_lot::Mutex;

use crate::domain::product::Product;
use crate::inventory::Inventory;
use crate::limits::MAX_LIST_AGE;
use crate::metrics;
use crate::operator::totals::StockTotals;
use crate::view::ProductView;

/// Numbers of products in a group.
const GROUP: u64 = 64;
/// Products that are encoded at once, and not on a thread that may be busy for a while.
const FEW: usize = 256;
/// Making lists takes a tenth of one processor at most, in the long run.
const REST: u32 = 10;
/// What may be made at once and is paid for later: lists that are quickly made are always the latest.
const CREDIT: Duration = Duration::from_secs(1);

/// Where the list is asked for.
#[derive(Debug)]
pub(super) struct ProductLists {
    inventory: Arc<Inventory>,
    latest: Mutex<Option<Arc<ProductList>>>,
    /// Held while a list is made: from when on there is time for the next one.
    making: tokio::sync::Mutex<Instant>,
}

/// All products at one moment.
#[derive(Debug)]
pub(super) struct ProductList {
    /// See [`Inventory::version`].
    version: u64,
    /// Until when it is good although something has changed.
    good_until: Instant,
    groups: Vec<Arc<Group>>,
    /// The document for operators.
    whole: Document,
    /// The same without hidden products.
    shown: Document,
    /// What the products add up to.
    pub(super) totals: StockTotals,
}

/// A document in pieces.
#[derive(Debug)]
struct Document {
    parts: Arc<[Bytes]>,
    /// Bytes of all of them.
    length: u64,
}

impl Document {
    /// A list of what is in these texts, where a comma is before each product.
    fn of<'t>(texts: impl Iterator<Item = &'t Bytes>) -> Self {
        let mut parts = vec![Bytes::from_static(b"[")];
        for text in texts.filter(|text| !text.is_empty()) {
            parts.push(text.slice(usize::from(parts.len() == 1)..));
        }
        parts.push(Bytes::from_static(b"]"));
        let length = parts.iter().map(|part| part.len() as u64).sum();
        Self { parts: parts.into(), length }
    }
}

/// Products whose numbers are neighbours, newest first.
#[derive(Debug)]
struct Group {
    products: Vec<Arc<Product>>,
    /// The products, a comma before each.
    text: Bytes,
    /// The same without hidden products: the same bytes where none is.
    shown: Bytes,
    /// Their lines in the metrics.
    levels: String,
}

impl ProductLists {
    pub(super) fn new(inventory: Arc<Inventory>) -> Self {
        Self { inventory, latest: Mutex::default(), making: tokio::sync::Mutex::new(Instant::now()) }
    }

    /// The products as they are, or were at most [`MAX_LIST_AGE`] ago.
    pub(super) async fn latest(&self) -> Arc<ProductList> {
        if let Some(good) = self.good() {
            return good;
        }
        let mut next = self.making.lock().await;
        if let Some(good) = self.good() {
            return good;
        }
        let before = self.latest.lock().clone();
        let began = Instant::now();
        let made = match self.inventory.len() <= FEW {
            true => Some(ProductList::make(&self.inventory, before.as_deref())),
            false => {
                let inventory = Arc::clone(&self.inventory);
                let make = move || ProductList::make(&inventory, before.as_deref());
                tokio::task::spawn_blocking(make).await.ok()
            }
        };
        // It does not panic; if it did, what is shown is the list as the request itself makes it.
        let mut made = made.unwrap_or_else(|| ProductList::make(&self.inventory, None));
        let now = Instant::now();
        *next = now.max(*next) + ((now - began) * REST).min(MAX_LIST_AGE);
        made.good_until = next.checked_sub(CREDIT).map_or(now, |until| until.min(now + MAX_LIST_AGE));
        let made = Arc::new(made);
        *self.latest.lock() = Some(Arc::clone(&made));
        made
    }

    fn good(&self) -> Option<Arc<ProductList>> {
        let latest = self.latest.lock().clone()?;
        (latest.version == self.inventory.version() || Instant::now() < latest.good_until).then_some(latest)
    }
}

impl ProductList {
    /// Encodes the groups that differ from those of the list before.
    fn make(inventory: &Inventory, before: Option<&Self>) -> Self {
        // First, so that a change that comes while the products are read is seen as one.
        let version = inventory.version();
        let products = inventory.products();
        let mut known = before.map_or(&[][..], |before| &before.groups).iter().peekable();
        let mut groups = Vec::new();
        for products in products.chunk_by(|a, b| a.id.0 / GROUP == b.id.0 / GROUP) {
            let number = products[0].id.0 / GROUP;
            while known.next_if(|group| group.number() > number).is_some() {}
            let same = known.next_if(|group| group.number() == number && group.is_of(products));
            groups.push(same.map_or_else(|| Arc::new(Group::of(products)), Arc::clone));
        }
        let mut totals = StockTotals::default();
        products.iter().for_each(|product| totals.add(product));
        let whole = Document::of(groups.iter().map(|group| &group.text));
        let shown = Document::of(groups.iter().map(|group| &group.shown));
        Self { version, good_until: Instant::now(), groups, whole, shown, totals }
    }

    /// The body of a response with all products; without hidden ones for those who are no operators.
    pub(super) fn body(&self, with_hidden: bool) -> Parts {
        let Document { parts, length } = if with_hidden { &self.whole } else { &self.shown };
        Parts { parts: Arc::clone(parts), next: 0, left: *length }
    }

    /// What the metrics say of each product.
    pub(super) fn levels(&self) -> String {
        let mut text = String::with_capacity(self.groups.iter().map(|group| group.levels.len()).sum());
        self.groups.iter().rev().for_each(|group| text.push_str(&group.levels));
        text
    }
}

impl Group {
    fn of(products: &[Arc<Product>]) -> Self {
        let mut levels = String::with_capacity(products.len() * 64);
        let text = encoded(products.iter());
        let shown = match products.iter().any(|product| product.terms.hidden) {
            true => encoded(products.iter().filter(|product| !product.terms.hidden)),
            false => text.clone(),
        };
        for product in products.iter().rev() {
            metrics::push_inventory_level(&mut levels, product.id, product.stock.current);
        }
        Self { products: products.to_vec(), text, shown, levels }
    }

    fn number(&self) -> u64 {
        self.products.first().map_or(0, |product| product.id.0 / GROUP)
    }

    /// Whether it is of these very states of these products.
    fn is_of(&self, products: &[Arc<Product>]) -> bool {
        self.products.len() == products.len()
            && self.products.iter().zip(products).all(|(known, product)| Arc::ptr_eq(known, product))
    }
}

/// These products, a comma before each.
fn encoded<'p>(products: impl Iterator<Item = &'p Arc<Product>>) -> Bytes {
    let mut text = Vec::with_capacity(products.size_hint().1.unwrap_or_default() * 400);
    for product in products {
        text.push(b',');
        // Texts and numbers only, into memory: this cannot fail.
        let _ = serde_json::to_writer(&mut text, &ProductView::of(product));
    }
    text.into()
}

/// The body of a response, sent piece by piece.
#[derive(Debug)]
pub(super) struct Parts {
    parts: Arc<[Bytes]>,
    next: usize,
    /// Bytes.
    left: u64,
}

impl hyper::body::Body for Parts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(part) = self.parts.get(self.next).cloned() else { return Poll::Ready(None) };
        self.next += 1;
        self.left -= part.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::product::ProductId;

    fn block_on<T>(test: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(test)
    }

    async fn shown(list: &ProductList) -> Vec<Value> {
        let body = list.body(true);
        assert_eq!(hyper::body::Body::size_hint(&body).exact(), Some(list.whole.length));
        serde_json::from_slice(&to_bytes(Body::new(body), usize::MAX).await.unwrap()).unwrap()
    }

    fn expected(inventory: &Inventory) -> Vec<Value> {
        inventory.products().iter().map(|product| json!(ProductView::of(product))).collect()
    }

    #[test]
    fn a_list_is_what_its_products_are_whichever_of_them_have_changed() {
        block_on(async {
            let inventory = Arc::new(Inventory::default());
            let make = |before: Option<&ProductList>| ProductList::make(&inventory, before);
            let empty = make(None);
            assert_eq!(shown(&empty).await, expected(&inventory));
            for id in (1..=3 * GROUP).filter(|id| id % 7 != 0) {
                inventory.add(Product::example(id, id));
            }
            let mut list = make(Some(&empty));
            assert_eq!(shown(&list).await, expected(&inventory));
            let changes: [&dyn Fn(); 4] = [
                &|| inventory.item(ProductId(1)).unwrap().publish(Product::example(1, 77)),
                &|| inventory.remove(ProductId(3 * GROUP)),
                &|| drop(inventory.add(Product::example(3 * GROUP + 1, 5))),
                &|| (GROUP..2 * GROUP).for_each(|id| inventory.remove(ProductId(id))),
            ];
            for change in changes {
                change();
                let next = make(Some(&list));
                assert_eq!(shown(&next).await, expected(&inventory));
                let units = inventory.products().iter().map(|product| product.stock.current).sum::<u64>();
                assert_eq!((next.totals.current, next.totals.products), (units, inventory.len() as u64));
                assert_eq!(next.levels().lines().count(), inventory.len());
                let is_shared = |group: &&Arc<Group>| list.groups.iter().any(|known| Arc::ptr_eq(known, group));
                assert!(next.groups.iter().filter(is_shared).count() >= 2, "what has not changed is not encoded again");
                list = next;
            }
        });
    }

    #[test]
    fn a_list_of_few_products_is_always_the_latest_and_one_that_has_not_changed_is_the_same() {
        block_on(async {
            let inventory = Arc::new(Inventory::default());
            let lists = ProductLists::new(Arc::clone(&inventory));
            inventory.add(Product::example(1, 1));
            let first = lists.latest().await;
            assert!(Arc::ptr_eq(&first, &lists.latest().await));
            inventory.item(ProductId(1)).unwrap().publish(Product::example(1, 2));
            assert_eq!(lists.latest().await.totals.current, 2);
        });
    }

    #[test]
    fn a_list_that_takes_long_is_good_for_a_moment_and_then_made_once_for_all() {
        block_on(async {
            let inventory = Arc::new(Inventory::default());
            let lists = ProductLists::new(Arc::clone(&inventory));
            inventory.add(Product::example(1, 1));
            // As if many lists had been made just before.
            *lists.making.lock().await = Instant::now() + CREDIT + MAX_LIST_AGE;
            let first = lists.latest().await;
            inventory.item(ProductId(1)).unwrap().publish(Product::example(1, 2));
            assert!(Arc::ptr_eq(&first, &lists.latest().await), "it is good although something has changed");
            tokio::time::sleep(2 * MAX_LIST_AGE).await;
            let (second, third) = tokio::join!(lists.latest(), lists.latest());
            assert_eq!(second.totals.current, 2);
            assert!(Arc::ptr_eq(&second, &third));
        });
    }
}
