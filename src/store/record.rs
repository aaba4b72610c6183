//! How rows are written: a version byte, then postcard. The shapes here are the file's; the domain's are elsewhere.

use std::sync::Arc;
use std::time::Duration;

use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Serialize};

use crate::domain::change::{Actor, Change, Record};
use crate::domain::clock::Timestamp;
use crate::domain::job::{AttemptError, JobOutcome};
use crate::domain::money::Money;
use crate::domain::order::{Failure, Order, OrderId, OrderStatus, Priority, UserId};
use crate::domain::product::{Product, ProductId, Stock, StockMove, Terms};
use crate::domain::transition::Transition;

use super::StoreError;
use super::fork::ForkRow;

mod answer;
mod fields;

pub(super) use answer::StoredResponseRow;

/// The version that every row starts with.
const VERSION: u8 = 1;

/// Writes a row.
pub(super) fn encode(row: &impl Serialize, buffer: &mut Vec<u8>) -> Result<(), StoreError> {
    buffer.clear();
    append(row, buffer)
}

/// Writes a row behind what the buffer holds.
pub(super) fn append(row: &impl Serialize, buffer: &mut Vec<u8>) -> Result<(), StoreError> {
    buffer.push(VERSION);
    let written = postcard::serialize_with_flavor(row, Behind(buffer));
    written.map_err(|error| StoreError::Damaged(format!("a row cannot be written: {error}")))
}

/// Bytes go behind those that are there. Postcard's own extends any collection, and so byte by byte.
struct Behind<'b>(&'b mut Vec<u8>);

impl Flavor for Behind<'_> {
    type Output = ();

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Reads a row.
pub(super) fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, StoreError> {
    postcard::from_bytes(body(bytes)?).map_err(unreadable)
}

/// Reads the first fields of a row.
pub(super) fn decode_start<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, StoreError> {
    postcard::take_from_bytes(body(bytes)?).map(|(start, _)| start).map_err(unreadable)
}

fn body(bytes: &[u8]) -> Result<&[u8], StoreError> {
    match bytes.split_first() {
        Some((&VERSION, row)) => Ok(row),
        Some((version, _)) => Err(StoreError::Damaged(format!("unknown row version {version}"))),
        None => Err(StoreError::Damaged("an empty row".to_owned())),
    }
}

fn unreadable(error: postcard::Error) -> StoreError {
    StoreError::Damaged(format!("unreadable: {error}"))
}

/// Times of an order are written as milliseconds after its acceptance, which are mostly small.
type Offset = i64;

#[derive(Serialize, Deserialize)]
pub(super) struct OrderRow<'a> {
    product: u64,
    user: &'a str,
    quantity: u32,
    unit_price: u128,
    priority: u8,
    status: u8,
    job: u8,
    attempts: u32,
    #[serde(borrow)]
    failure: Option<FailureRow<'a>>,
    created_at: i64,
    reserved: Offset,
    updated: Offset,
    expires: Option<Offset>,
    retry: Option<Offset>,
    processed: Option<Offset>,
    finished: Option<Offset>,
}

#[derive(Serialize, Deserialize)]
enum FailureRow<'a> {
    Expired,
    Cancelled,
    Rejected(&'a str),
    AttemptsExhausted(&'a str),
}

impl<'a> OrderRow<'a> {
    pub(super) fn of(order: &'a Order) -> Self {
        let start = order.created_at.millis();
        let offset = |at: Timestamp| at.millis() - start;
        Self {
            product: order.product.0,
            user: order.user.as_str(),
            quantity: order.quantity,
            unit_price: order.unit_price.cents(),
            priority: order.priority as u8,
            status: order.status as u8,
            job: order.job as u8,
            attempts: order.attempts,
            failure: order.failure.as_ref().map(|failure| match failure {
                Failure::Expired => FailureRow::Expired,
                Failure::CancelledByOperator => FailureRow::Cancelled,
                Failure::Rejected(error) => FailureRow::Rejected(error),
                Failure::AttemptsExhausted(error) => FailureRow::AttemptsExhausted(error),
            }),
            created_at: start,
            reserved: offset(order.reserved_at),
            updated: offset(order.updated_at),
            expires: order.expires_at.map(offset),
            retry: order.retry_at.map(offset),
            processed: order.processed_at.map(offset),
            finished: order.finished_at.map(offset),
        }
    }

    /// The user's name, without making an order of the row.
    pub(super) const fn user(&self) -> &'a str {
        self.user
    }

    pub(super) fn order(&self, id: OrderId) -> Result<Order, StoreError> {
        let at = |offset: Offset| Timestamp::from_millis(self.created_at.saturating_add(offset));
        Ok(Order {
            id,
            product: ProductId(self.product),
            user: UserId::stored(self.user),
            quantity: self.quantity,
            unit_price: Money::from_cents(self.unit_price),
            priority: one_of(&Priority::ALL, self.priority)?,
            status: one_of(&OrderStatus::ALL, self.status)?,
            job: one_of(&JOB_OUTCOMES, self.job)?,
            attempts: self.attempts,
            failure: self.failure.as_ref().map(|failure| match failure {
                FailureRow::Expired => Failure::Expired,
                FailureRow::Cancelled => Failure::CancelledByOperator,
                FailureRow::Rejected(error) => Failure::Rejected((*error).to_owned()),
                FailureRow::AttemptsExhausted(error) => Failure::AttemptsExhausted((*error).to_owned()),
            }),
            reserved_at: at(self.reserved),
            expires_at: self.expires.map(at),
            retry_at: self.retry.map(at),
            processed_at: self.processed.map(at),
            finished_at: self.finished.map(at),
            created_at: at(0),
            updated_at: at(self.updated),
        })
    }
}

/// By the number in the row.
const JOB_OUTCOMES: [JobOutcome; 3] = [JobOutcome::Open, JobOutcome::Completed, JobOutcome::Failed];

fn one_of<T: Copy>(all: &[T], number: u8) -> Result<T, StoreError> {
    all.get(usize::from(number)).copied().ok_or_else(|| StoreError::Damaged(format!("unknown word number {number}")))
}

#[derive(Serialize, Deserialize)]
pub(super) struct ProductRow<'a> {
    name: &'a str,
    price: u128,
    flash_sale_active: bool,
    per_user_limit: Option<u32>,
    sale_starts_at: Option<i64>,
    sale_ends_at: Option<i64>,
    hold_seconds: Option<u32>,
    initial: u64,
    adjusted: i64,
    current: u64,
    held: u64,
    sold: u64,
    orders: u64,
    created_at: i64,
    updated_at: i64,
}

impl<'a> ProductRow<'a> {
    pub(super) fn of(product: &'a Product) -> Self {
        let Product { terms, stock, .. } = product;
        Self {
            name: &terms.name,
            price: terms.price.cents(),
            flash_sale_active: terms.flash_sale_active,
            per_user_limit: terms.per_user_limit,
            sale_starts_at: terms.sale_starts_at.map(Timestamp::millis),
            sale_ends_at: terms.sale_ends_at.map(Timestamp::millis),
            hold_seconds: terms.hold_seconds,
            initial: stock.initial,
            adjusted: stock.adjusted,
            current: stock.current,
            held: stock.held,
            sold: stock.sold,
            orders: product.orders,
            created_at: product.created_at.millis(),
            updated_at: product.updated_at.millis(),
        }
    }

    pub(super) fn product(&self, id: ProductId) -> Product {
        Product {
            id,
            terms: Terms {
                name: self.name.to_owned(),
                price: Money::from_cents(self.price),
                flash_sale_active: self.flash_sale_active,
                per_user_limit: self.per_user_limit,
                sale_starts_at: self.sale_starts_at.map(Timestamp::from_millis),
                sale_ends_at: self.sale_ends_at.map(Timestamp::from_millis),
                hold_seconds: self.hold_seconds,
            },
            stock: Stock {
                initial: self.initial,
                adjusted: self.adjusted,
                current: self.current,
                held: self.held,
                sold: self.sold,
            },
            orders: self.orders,
            created_at: Timestamp::from_millis(self.created_at),
            updated_at: Timestamp::from_millis(self.updated_at),
        }
    }
}

/// A record as it is read.
#[derive(Deserialize)]
pub(super) struct RecordRow<'a> {
    previous: [u8; 32],
    at: i64,
    #[serde(borrow)]
    changes: Vec<ChangeRow<'a>>,
}

/// The same as it is written: without a copy of its changes.
#[derive(Serialize)]
pub(super) struct NewRecordRow<'a> {
    pub(super) previous: [u8; 32],
    pub(super) at: i64,
    pub(super) changes: ChangeRows<'a>,
}

/// Changes that become rows one by one.
pub(super) struct ChangeRows<'a>(pub(super) &'a [Change]);

impl Serialize for ChangeRows<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(ChangeRow::of))
    }
}

#[derive(Serialize, Deserialize)]
enum ChangeRow<'a> {
    ProductCreated(u64, #[serde(borrow)] ProductRow<'a>),
    ProductEdited {
        id: u64,
        #[serde(borrow)]
        before: ProductRow<'a>,
        #[serde(borrow)]
        after: ProductRow<'a>,
    },
    ProductDeleted(u64, #[serde(borrow)] ProductRow<'a>),
    OrderPlaced(u64, #[serde(borrow)] OrderRow<'a>, Option<StoredResponseRow>),
    OrderMoved {
        order: u64,
        product: u64,
        quantity: u32,
        #[serde(borrow)]
        transition: TransitionRow<'a>,
        units: Option<u8>,
        actor: ActorRow,
    },
    DeadLetterDeleted(u64),
    QueuePaused,
    QueueResumed,
    HistoryForked(ForkRow),
}

#[derive(Serialize, Deserialize)]
enum TransitionRow<'a> {
    Fulfilled,
    Confirmed,
    ConfirmedLate,
    AttemptFailed { error: &'a str, retry_after: u64 },
    Rejected { error: &'a str },
    AttemptsExhausted { error: &'a str },
    Cancelled,
    Expired,
    Reopened,
}

#[derive(Serialize, Deserialize)]
enum ActorRow {
    Buyer,
    Operator,
    Worker,
    Clock,
}

impl RecordRow<'_> {
    pub(super) fn record(&self, sequence: u64) -> Result<Record, StoreError> {
        let changes = self.changes.iter().map(ChangeRow::change).collect::<Result<_, _>>()?;
        Ok(Record { sequence, previous: self.previous, at: Timestamp::from_millis(self.at), changes })
    }
}

impl<'a> ChangeRow<'a> {
    fn of(change: &'a Change) -> Self {
        match change {
            Change::ProductCreated(product) => Self::ProductCreated(product.id.0, ProductRow::of(product)),
            Change::ProductEdited { before, after } => {
                Self::ProductEdited { id: after.id.0, before: ProductRow::of(before), after: ProductRow::of(after) }
            }
            Change::ProductDeleted(product) => Self::ProductDeleted(product.id.0, ProductRow::of(product)),
            Change::OrderPlaced { order, answer } => {
                Self::OrderPlaced(order.id.0, OrderRow::of(order), answer.as_ref().map(StoredResponseRow::of))
            }
            Change::OrderMoved { order, product, quantity, transition, units, actor } => Self::OrderMoved {
                order: order.0,
                product: product.0,
                quantity: *quantity,
                transition: TransitionRow::of(transition),
                units: units.map(|units| units as u8),
                actor: ActorRow::of(*actor),
            },
            Change::DeadLetterDeleted(order) => Self::DeadLetterDeleted(order.0),
            Change::QueuePaused => Self::QueuePaused,
            Change::QueueResumed => Self::QueueResumed,
            Change::HistoryForked(fork) => Self::HistoryForked(ForkRow::of(fork)),
        }
    }

    fn change(&self) -> Result<Change, StoreError> {
        Ok(match self {
            Self::ProductCreated(id, row) => Change::ProductCreated(Box::new(row.product(ProductId(*id)))),
            Self::ProductEdited { id, before, after } => Change::ProductEdited {
                before: Box::new(before.product(ProductId(*id))),
                after: Box::new(after.product(ProductId(*id))),
            },
            Self::ProductDeleted(id, row) => Change::ProductDeleted(Box::new(row.product(ProductId(*id)))),
            Self::OrderPlaced(id, row, answer) => Change::OrderPlaced {
                order: Arc::new(row.order(OrderId(*id))?),
                answer: answer.map(StoredResponseRow::answer),
            },
            Self::OrderMoved { order, product, quantity, transition, units, actor } => Change::OrderMoved {
                order: OrderId(*order),
                product: ProductId(*product),
                quantity: *quantity,
                transition: transition.transition(),
                units: units.map(|units| one_of(&StockMove::ALL, units)).transpose()?,
                actor: actor.actor(),
            },
            Self::DeadLetterDeleted(order) => Change::DeadLetterDeleted(OrderId(*order)),
            Self::QueuePaused => Change::QueuePaused,
            Self::QueueResumed => Change::QueueResumed,
            Self::HistoryForked(row) => Change::HistoryForked(Box::new(row.fork())),
        })
    }
}

impl<'a> TransitionRow<'a> {
    fn of(transition: &'a Transition) -> Self {
        match transition {
            Transition::Fulfilled => Self::Fulfilled,
            Transition::Confirmed => Self::Confirmed,
            Transition::ConfirmedLate => Self::ConfirmedLate,
            Transition::AttemptFailed { error, retry_after } => {
                Self::AttemptFailed { error, retry_after: u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX) }
            }
            Transition::Rejected { error } => Self::Rejected { error },
            Transition::AttemptsExhausted { error } => Self::AttemptsExhausted { error },
            Transition::Cancelled => Self::Cancelled,
            Transition::Expired => Self::Expired,
            Transition::Reopened => Self::Reopened,
        }
    }

    fn transition(&self) -> Transition {
        match self {
            Self::Fulfilled => Transition::Fulfilled,
            Self::Confirmed => Transition::Confirmed,
            Self::ConfirmedLate => Transition::ConfirmedLate,
            Self::AttemptFailed { error, retry_after } => Transition::AttemptFailed {
                error: (*error).to_owned(),
                retry_after: Duration::from_millis(*retry_after),
            },
            Self::Rejected { error } => Transition::Rejected { error: (*error).to_owned() },
            Self::AttemptsExhausted { error } => Transition::AttemptsExhausted { error: (*error).to_owned() },
            Self::Cancelled => Transition::Cancelled,
            Self::Expired => Transition::Expired,
            Self::Reopened => Transition::Reopened,
        }
    }
}

impl ActorRow {
    const fn of(actor: Actor) -> Self {
        match actor {
            Actor::Buyer => Self::Buyer,
            Actor::Operator => Self::Operator,
            Actor::Worker => Self::Worker,
            Actor::Clock => Self::Clock,
        }
    }

    const fn actor(&self) -> Actor {
        match self {
            Self::Buyer => Actor::Buyer,
            Self::Operator => Actor::Operator,
            Self::Worker => Actor::Worker,
            Self::Clock => Actor::Clock,
        }
    }
}

/// One failed attempt in the row of an order.
#[derive(Serialize, Deserialize)]
pub(super) struct AttemptRow<'a> {
    attempt: u32,
    at: i64,
    error: &'a str,
}

impl<'a> AttemptRow<'a> {
    pub(super) fn of(attempt: &'a AttemptError) -> Self {
        Self { attempt: attempt.attempt, at: attempt.at.millis(), error: &attempt.error }
    }

    pub(super) fn attempt(&self) -> AttemptError {
        AttemptError { attempt: self.attempt, at: Timestamp::from_millis(self.at), error: self.error.to_owned() }
    }
}

#[cfg(test)]
mod tests;
