//! The history told again, from its first record: what every table must say if it is true.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use redb::{Database, ReadableTable, Table, WriteTransaction};

use crate::domain::change::{Change, Fork, Record, StoredResponse};
use crate::domain::clock::Timestamp;
use crate::domain::job::AttemptError;
use crate::domain::order::{Order, OrderId, OrderStatus};
use crate::domain::product::{Product, ProductId, StockMove};
use crate::domain::transition::Transition;
use crate::limits::{MAX_KEPT_ATTEMPTS, REPLAY_ORDERS};

use super::findings::{Findings, Problems};
use super::record::{self, AttemptRow, OrderRow, StoredResponseRow};
use super::{Head, StoreError, scratch};

/// What the history adds up to. Products and the numbers of pending orders are in memory, the rest is in the scratch
/// tables.
pub(super) struct Replay<'s> {
    database: &'s Database,
    /// The first order whose answer the store still keeps.
    first_answer: u64,
    /// Orders that moved lately and are not written yet; bounded by [`REPLAY_ORDERS`] and one record.
    moving: HashMap<u64, Order>,
    open: BTreeSet<u64>,
    products: BTreeMap<ProductId, Product>,
    head: Head,
    last_swept: Option<(OrderId, Timestamp)>,
    complaints: Problems,
}

/// What a replay leaves behind beside the scratch tables.
pub(super) struct Told {
    /// All products.
    pub(super) products: BTreeMap<ProductId, Product>,
    /// The head as the history leaves it: all but its hash, its cut and the state of the index by user.
    pub(super) head: Head,
    /// The last order with an answer that the store keeps no longer.
    pub(super) last_swept: Option<(OrderId, Timestamp)>,
}

/// The scratch tables in one transaction.
struct Scratch<'t> {
    orders: Table<'t, u64, &'static [u8]>,
    attempts: Table<'t, u64, &'static [u8]>,
    dead_letters: Table<'t, u64, ()>,
    answers: Table<'t, u64, &'static [u8]>,
    buffer: Vec<u8>,
}

impl<'t> Scratch<'t> {
    fn open(transaction: &'t WriteTransaction) -> Result<Self, StoreError> {
        Ok(Self {
            orders: transaction.open_table(scratch::ORDERS)?,
            attempts: transaction.open_table(scratch::ATTEMPTS)?,
            dead_letters: transaction.open_table(scratch::DEAD_LETTERS)?,
            answers: transaction.open_table(scratch::ANSWERS)?,
            buffer: Vec::new(),
        })
    }

    fn order(&self, id: OrderId) -> Result<Option<Order>, StoreError> {
        let Some(row) = self.orders.get(id.0)? else { return Ok(None) };
        record::decode::<OrderRow<'_>>(row.value())?.order(id).map(Some)
    }

    fn add_attempt(&mut self, order: OrderId, attempt: AttemptError) -> Result<(), StoreError> {
        let mut attempts = match self.attempts.get(order.0)? {
            Some(row) => super::read::attempts(row.value())?,
            None => Vec::new(),
        };
        attempts.push(attempt);
        let kept = &attempts[attempts.len().saturating_sub(MAX_KEPT_ATTEMPTS)..];
        record::encode(&kept.iter().map(AttemptRow::of).collect::<Vec<_>>(), &mut self.buffer)?;
        self.attempts.insert(order.0, self.buffer.as_slice())?;
        Ok(())
    }
}

impl<'s> Replay<'s> {
    /// A replay into empty scratch tables. Answers below `first_answer` are not kept.
    pub(super) fn new(database: &'s Database, first_answer: u64) -> Self {
        Self {
            database,
            first_answer,
            moving: HashMap::new(),
            open: BTreeSet::new(),
            products: BTreeMap::new(),
            head: Head::default(),
            last_swept: None,
            complaints: Problems::about("the history"),
        }
    }

    /// Replays records until they end; `next` gives one after the other, and none at the end.
    pub(super) fn run(
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
                    self.follow(&record, &mut scratch)?;
                }
                self.flush(&mut scratch)?;
            }
            transaction.commit()?;
        }
        Ok(())
    }

    /// Says what in the history contradicts itself, and what it adds up to.
    pub(super) fn finish(self, findings: &mut Findings) -> Told {
        self.complaints.file(findings);
        Told { products: self.products, head: self.head, last_swept: self.last_swept }
    }

    /// Writes the moving orders in the order of their numbers, where neighbours share pages.
    fn flush(&mut self, scratch: &mut Scratch<'_>) -> Result<(), StoreError> {
        let mut orders: Vec<_> = self.moving.drain().collect();
        orders.sort_unstable_by_key(|(id, _)| *id);
        for (id, order) in orders {
            record::encode(&OrderRow::of(&order), &mut scratch.buffer)?;
            scratch.orders.insert(id, scratch.buffer.as_slice())?;
        }
        Ok(())
    }

    fn follow(&mut self, record: &Record, scratch: &mut Scratch<'_>) -> Result<(), StoreError> {
        for change in &record.changes {
            self.change(record, change, scratch)?;
        }
        self.head.oldest_open = self.open.first().copied().unwrap_or(self.head.last_order + 1);
        self.head.advance(record.sequence, self.head.hash, record.at);
        Ok(())
    }

    fn wrong(&mut self, record: &Record, what: String) {
        self.complaints.add(format!("record {} {what}", record.sequence));
    }

    fn change(&mut self, record: &Record, change: &Change, scratch: &mut Scratch<'_>) -> Result<(), StoreError> {
        match change {
            Change::ProductCreated(product) => self.create(record, product),
            Change::ProductEdited { before, after } => {
                self.expect_product(record, before);
                if !after.stock.is_conserved() {
                    self.wrong(record, format!("leaves product {} with a stock that does not add up", after.id));
                }
                self.products.insert(after.id, Product::clone(after));
            }
            Change::ProductDeleted(product) => {
                self.expect_product(record, product);
                self.products.remove(&product.id);
            }
            Change::OrderPlaced { order, answer } => self.place(record, order, answer.as_ref(), scratch)?,
            Change::OrderMoved { .. } => self.move_order(record, change, scratch)?,
            Change::DeadLetterDeleted(order) => {
                if scratch.dead_letters.remove(order.0)?.is_none() {
                    self.wrong(record, format!("deletes the dead letter of order {order}, which is none"));
                } else {
                    self.head.totals.dead_letters -= 1;
                }
            }
            Change::QueuePaused => self.head.paused = true,
            Change::QueueResumed => self.head.paused = false,
            Change::HistoryForked(fork) => self.fork(record, fork),
        }
        Ok(())
    }

    fn fork(&mut self, record: &Record, fork: &Fork) {
        let Head { last_order, last_product, .. } = self.head;
        if (fork.after + 1, fork.last_order, fork.last_product) != (record.sequence, last_order, last_product) {
            self.wrong(record, "forks the history at a state that it was not in".to_owned());
        }
        if fork.first_order <= last_order || fork.first_product <= last_product {
            self.wrong(record, "forks the history and gives numbers again".to_owned());
        }
        self.head.fork(fork);
    }

    fn create(&mut self, record: &Record, product: &Product) {
        if product.id.0 != self.head.last_product + 1 {
            self.wrong(record, format!("creates product {} after product {}", product.id, self.head.last_product));
        }
        if !product.stock.is_conserved() {
            self.wrong(record, format!("creates product {} with a stock that does not add up", product.id));
        }
        self.head.last_product = self.head.last_product.max(product.id.0);
        self.products.insert(product.id, product.clone());
    }

    /// What a record says of a product before it changes must be what the records before say.
    fn expect_product(&mut self, record: &Record, before: &Product) {
        if self.products.get(&before.id) != Some(before) {
            self.wrong(record, format!("changes product {} from a state that it was not in", before.id));
        }
    }

    fn place(
        &mut self,
        record: &Record,
        order: &Order,
        answer: Option<&StoredResponse>,
        scratch: &mut Scratch<'_>,
    ) -> Result<(), StoreError> {
        if order.id.0 != self.head.last_order + 1 {
            self.wrong(record, format!("places order {} after order {}", order.id, self.head.last_order));
        }
        if order.status != OrderStatus::Pending || order.created_at != record.at {
            self.wrong(record, format!("places order {} in a state that no order is placed in", order.id));
        }
        self.move_units(record, order, StockMove::Hold);
        if let Some(product) = self.products.get_mut(&order.product) {
            product.orders += 1;
        }
        self.head.last_order = self.head.last_order.max(order.id.0);
        self.head.totals.count(order);
        self.open.insert(order.id.0);
        self.moving.insert(order.id.0, order.clone());
        match answer {
            Some(answer) if order.id.0 >= self.first_answer => {
                record::encode(&StoredResponseRow::of(answer), &mut scratch.buffer)?;
                scratch.answers.insert(order.id.0, scratch.buffer.as_slice())?;
            }
            Some(_) => self.last_swept = Some((order.id, order.created_at)),
            None => {}
        }
        Ok(())
    }

    fn move_units(&mut self, record: &Record, order: &Order, units: StockMove) {
        let product = self.products.get_mut(&order.product);
        let what = match product.map(|product| product.stock.apply(units, u64::from(order.quantity))) {
            Some(Ok(())) => return,
            Some(Err(below_zero)) => format!("moves the units of order {}: {below_zero}", order.id),
            None => format!("moves order {} for product {}, which is not there", order.id, order.product),
        };
        self.wrong(record, what);
    }

    fn move_order(&mut self, record: &Record, change: &Change, scratch: &mut Scratch<'_>) -> Result<(), StoreError> {
        let Change::OrderMoved { order: id, product, quantity, transition, units, .. } = change else { return Ok(()) };
        let known = match self.moving.remove(&id.0) {
            Some(order) => Some(order),
            None => scratch.order(*id)?,
        };
        let Some(before) = known else {
            self.wrong(record, format!("moves order {id}, which was not placed"));
            return Ok(());
        };
        let mut order = before.clone();
        match order.apply(transition, record.at) {
            Ok(moved) if moved == *units && (order.product, order.quantity) == (*product, *quantity) => {}
            Ok(_) => self.wrong(record, format!("moves other units than those of order {id}")),
            Err(refused) => {
                self.wrong(record, format!("moves order {id} ({transition:?}), but {refused}"));
                self.moving.insert(id.0, before);
                return Ok(());
            }
        }
        if let Some(units) = units {
            self.move_units(record, &order, *units);
        }
        self.follow_job(record, &order, transition, scratch)?;
        self.head.totals.uncount(&before);
        self.head.totals.count(&order);
        match order.status {
            OrderStatus::Pending => self.open.insert(id.0),
            _ => self.open.remove(&id.0),
        };
        self.moving.insert(id.0, order);
        Ok(())
    }

    /// Keeps the errors of the attempts and the list of dead letters.
    fn follow_job(
        &mut self,
        record: &Record,
        order: &Order,
        transition: &Transition,
        scratch: &mut Scratch<'_>,
    ) -> Result<(), StoreError> {
        if let Some(error) = transition.error() {
            let attempt = AttemptError { attempt: order.attempts, at: record.at, error: error.to_owned() };
            scratch.add_attempt(order.id, attempt)?;
        }
        match transition.dead_letter() {
            Some(true) => {
                scratch.dead_letters.insert(order.id.0, ())?;
                self.head.totals.dead_letters += 1;
            }
            Some(false) => match scratch.dead_letters.remove(order.id.0)? {
                Some(_) => self.head.totals.dead_letters -= 1,
                None => self.wrong(record, format!("reopens order {}, which is no dead letter", order.id)),
            },
            None => {}
        }
        Ok(())
    }
}
