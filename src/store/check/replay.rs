//! The history replayed from its first record: what every table must say if it is true.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use redb::{Database, ReadableTable, Table, WriteTransaction};

use crate::domain::change::{Change, Fork, Record, StoredResponse};
use crate::domain::clock::Timestamp;
use crate::domain::effect::{Effect, OrderEffect};
use crate::domain::job::AttemptError;
use crate::domain::job::JobOutcome;
use crate::domain::order::{Order, OrderId, OrderStatus};
use crate::domain::product::{Product, ProductId};
use crate::limits::REPLAY_ORDERS;
use crate::store::error::StoreError;
use crate::store::head::Head;
use crate::store::rows::attempt::{attempts, encode_attempts};
use crate::store::rows::encoding;
use crate::store::rows::order::OrderRow;
use crate::store::rows::response::StoredResponseRow;

use super::report::{Problems, Report};
use super::scratch;

/// What the history adds up to. Products and the numbers of pending orders are in memory, the rest is in the scratch
/// tables.
pub(in crate::store) struct Replay<'s> {
    database: &'s Database,
    /// The first order whose response the store still keeps.
    first_response: u64,
    /// Orders that moved lately and are not written yet; bounded by [`REPLAY_ORDERS`] and one record.
    moving: HashMap<u64, Arc<Order>>,
    open: BTreeSet<u64>,
    products: BTreeMap<ProductId, Product>,
    head: Head,
    last_swept: Option<(OrderId, Timestamp)>,
    problems: Problems,
}

/// What a replay leaves behind beside the scratch tables.
pub(in crate::store) struct Replayed {
    /// All products.
    pub(in crate::store) products: BTreeMap<ProductId, Product>,
    /// The head as the history leaves it: all but its hash, its cut and how far the indexes go.
    pub(in crate::store) head: Head,
    /// The last order with a response that the store keeps no longer.
    pub(in crate::store) last_swept: Option<(OrderId, Timestamp)>,
}

/// The scratch tables in one transaction.
struct Scratch<'t> {
    orders: Table<'t, u64, &'static [u8]>,
    attempts: Table<'t, u64, &'static [u8]>,
    dead_letters: Table<'t, u64, ()>,
    responses: Table<'t, u64, &'static [u8]>,
    buffer: Vec<u8>,
}

impl<'t> Scratch<'t> {
    fn open(transaction: &'t WriteTransaction) -> Result<Self, StoreError> {
        Ok(Self {
            orders: transaction.open_table(scratch::ORDERS)?,
            attempts: transaction.open_table(scratch::ATTEMPTS)?,
            dead_letters: transaction.open_table(scratch::DEAD_LETTERS)?,
            responses: transaction.open_table(scratch::RESPONSES)?,
            buffer: Vec::new(),
        })
    }

    fn order(&self, id: OrderId) -> Result<Option<Order>, StoreError> {
        let Some(row) = self.orders.get(id.0)? else { return Ok(None) };
        encoding::decode::<OrderRow<'_>>(row.value())?.order(id).map(Some)
    }

    fn add_attempt(&mut self, order: OrderId, attempt: AttemptError) -> Result<(), StoreError> {
        let mut all = match self.attempts.get(order.0)? {
            Some(row) => attempts(row.value())?,
            None => Vec::new(),
        };
        all.push(attempt);
        encode_attempts(&all, &mut self.buffer)?;
        self.attempts.insert(order.0, self.buffer.as_slice())?;
        Ok(())
    }

    /// Puts a job on the list of dead letters or removes it. False if there was none to remove.
    fn list_dead_letter(&mut self, order: OrderId, listed: bool) -> Result<bool, StoreError> {
        Ok(match listed {
            true => {
                self.dead_letters.insert(order.0, ())?;
                true
            }
            false => self.dead_letters.remove(order.0)?.is_some(),
        })
    }

    fn keep_response(&mut self, order: OrderId, response: &StoredResponse) -> Result<(), StoreError> {
        encoding::encode(&StoredResponseRow::of(response), &mut self.buffer)?;
        self.responses.insert(order.0, self.buffer.as_slice())?;
        Ok(())
    }
}

impl<'s> Replay<'s> {
    /// A replay into empty scratch tables. Responses below `first_response` are not kept.
    pub(in crate::store) fn new(database: &'s Database, first_response: u64) -> Self {
        Self {
            database,
            first_response,
            moving: HashMap::new(),
            open: BTreeSet::new(),
            products: BTreeMap::new(),
            head: Head::default(),
            last_swept: None,
            problems: Problems::about("the history"),
        }
    }

    /// Replays records until they end; `next` gives one after the other, and none at the end.
    pub(in crate::store) fn run(
        &mut self,
        mut next: impl FnMut() -> Result<Option<Record>, StoreError>,
    ) -> Result<(), StoreError> {
        let mut ended = false;
        while !ended {
            let transaction = self.database.begin_write()?;
            {
                let mut scratch = Scratch::open(&transaction)?;
                while self.moving.len() < REPLAY_ORDERS {
                    let Some(record) = next()? else {
                        ended = true;
                        break;
                    };
                    self.apply(&record, &mut scratch)?;
                }
                self.flush(&mut scratch)?;
            }
            transaction.commit()?;
        }
        Ok(())
    }

    /// Says what in the history contradicts itself, and what it adds up to.
    pub(in crate::store) fn finish(self, report: &mut Report) -> Replayed {
        self.problems.add_to(report);
        Replayed { products: self.products, head: self.head, last_swept: self.last_swept }
    }

    /// Writes the moving orders in the order of their numbers, where neighbours share pages.
    fn flush(&mut self, scratch: &mut Scratch<'_>) -> Result<(), StoreError> {
        let mut orders: Vec<_> = self.moving.drain().collect();
        orders.sort_unstable_by_key(|(id, _)| *id);
        for (id, order) in orders {
            encoding::encode(&OrderRow::of(&order), &mut scratch.buffer)?;
            scratch.orders.insert(id, scratch.buffer.as_slice())?;
        }
        Ok(())
    }

    fn apply(&mut self, record: &Record, scratch: &mut Scratch<'_>) -> Result<(), StoreError> {
        for change in &record.changes {
            self.apply_change(record, change, scratch)?;
        }
        self.head.oldest_open = self.open.first().copied().unwrap_or(self.head.last_order + 1);
        self.head.advance(record.sequence, self.head.hash, record.at);
        Ok(())
    }

    fn wrong(&mut self, record: &Record, what: impl fmt::Display) {
        self.problems.add(format!("record {} {what}", record.sequence));
    }

    fn apply_change(&mut self, record: &Record, change: &Change, scratch: &mut Scratch<'_>) -> Result<(), StoreError> {
        self.check(record, change);
        let before = match change {
            Change::OrderMoved { order, .. } => match self.moving.get(&order.0) {
                Some(order) => Some(Arc::clone(order)),
                None => scratch.order(*order)?.map(Arc::new),
            },
            _ => None,
        };
        match Effect::of(change, before.as_deref(), record.at) {
            Ok(effect) => self.apply_effect(record, effect, scratch),
            Err(contradiction) => {
                self.wrong(record, contradiction);
                Ok(())
            }
        }
    }

    /// What a record says of the state before it must be what the records before it say.
    fn check(&mut self, record: &Record, change: &Change) {
        match change {
            Change::ProductCreated(product) => {
                if product.id.0 != self.head.last_product + 1 {
                    let last = self.head.last_product;
                    self.wrong(record, format_args!("creates product {} after product {last}", product.id));
                }
                self.check_conserved(record, product);
            }
            Change::ProductEdited { before, after } => {
                self.expect_product(record, before);
                self.check_conserved(record, after);
            }
            Change::ProductDeleted(product) => self.expect_product(record, product),
            Change::OrderPlaced { order, .. } => {
                if order.id.0 != self.head.last_order + 1 {
                    let last = self.head.last_order;
                    self.wrong(record, format_args!("places order {} after order {last}", order.id));
                }
                if order.status != OrderStatus::Pending || order.created_at != record.at {
                    self.wrong(record, format_args!("places order {} in a state that no order is placed in", order.id));
                }
            }
            Change::HistoryForked(fork) => self.check_fork(record, fork),
            Change::ProductStopped(_) | Change::ProductStarted(_) | Change::OrderMoved { .. } => {}
            Change::DeadLetterDeleted(_) | Change::QueuePaused | Change::QueueResumed => {}
        }
    }

    fn check_fork(&mut self, record: &Record, fork: &Fork) {
        let Head { last_order, last_product, .. } = self.head;
        if (fork.after + 1, fork.last_order, fork.last_product) != (record.sequence, last_order, last_product) {
            self.wrong(record, "forks the history at a state that it was not in");
        }
        if fork.first_order <= last_order || fork.first_product <= last_product {
            self.wrong(record, "forks the history and gives numbers again");
        }
    }

    fn check_conserved(&mut self, record: &Record, product: &Product) {
        if !product.stock.is_conserved() {
            self.wrong(record, format_args!("leaves product {} with a stock that does not add up", product.id));
        }
    }

    fn expect_product(&mut self, record: &Record, before: &Product) {
        if self.products.get(&before.id) != Some(before) {
            self.wrong(record, format_args!("changes product {} from a state that it was not in", before.id));
        }
    }

    /// Applies what a change does. Only here a history that contradicts itself is applied as far as it can be.
    fn apply_effect(
        &mut self,
        record: &Record,
        effect: Effect<'_>,
        scratch: &mut Scratch<'_>,
    ) -> Result<(), StoreError> {
        self.head.apply(&effect);
        match effect {
            Effect::ProductPut(product) => drop(self.products.insert(product.id, product.clone())),
            Effect::ProductRemoved(id) => drop(self.products.remove(&id)),
            Effect::ProductSale { product: id, on } => {
                let product = self.products.get_mut(&id);
                if !product.is_some_and(|product| product.set_on_sale(on, record.at)) {
                    let what = if on { "starts" } else { "stops" };
                    self.wrong(record, format_args!("{what} the sale of product {id}, which it cannot"));
                }
            }
            Effect::Order(effect) => self.apply_order(record, effect, scratch)?,
            Effect::DeadLetterRemoved(order) => {
                if !scratch.list_dead_letter(order, false)? {
                    self.wrong(record, format_args!("deletes the dead letter of order {order}, which is none"));
                }
            }
            // In the head.
            Effect::Paused(_) | Effect::Forked(_) => {}
        }
        Ok(())
    }

    fn apply_order(
        &mut self,
        record: &Record,
        effect: OrderEffect,
        scratch: &mut Scratch<'_>,
    ) -> Result<(), StoreError> {
        self.apply_stock(record, &effect);
        let OrderEffect { order, before: _, units: _, attempt, dead_letter, response } = effect;
        let id = order.id;
        if let Some(attempt) = attempt {
            scratch.add_attempt(id, attempt)?;
        }
        if let Some(listed) = dead_letter
            && !scratch.list_dead_letter(id, listed)?
        {
            self.wrong(record, format_args!("reopens order {id}, which is no dead letter"));
        }
        match response {
            Some(response) if id.0 >= self.first_response => scratch.keep_response(id, &response)?,
            Some(_) => self.last_swept = Some((id, order.created_at)),
            None => {}
        }
        match order.job {
            JobOutcome::Open => self.open.insert(id.0),
            _ => self.open.remove(&id.0),
        };
        self.moving.insert(id.0, order);
        Ok(())
    }

    fn apply_stock(&mut self, record: &Record, effect: &OrderEffect) {
        let order = &effect.order;
        match self.products.get_mut(&order.product).map(|product| product.apply(effect)) {
            Some(Ok(())) => {}
            Some(Err(below_zero)) => {
                self.wrong(record, format_args!("moves the units of order {}: {below_zero}", order.id));
            }
            None => {
                let product = order.product;
                self.wrong(record, format_args!("moves order {} for product {product}, which is not there", order.id));
            }
        }
    }
}
