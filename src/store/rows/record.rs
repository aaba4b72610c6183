//! The row of a record of the history, and of each change in it.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::change::{Actor, Change, Record};
use crate::domain::clock::Timestamp;
use crate::domain::order::OrderId;
use crate::domain::product::{ProductId, StockMove};
use crate::domain::transition::Transition;
use crate::store::error::StoreError;

use super::encoding::one_of;
use super::fork::ForkRow;
use super::order::OrderRow;
use super::product::ProductRow;
use super::response::StoredResponseRow;

/// A record as it is read.
#[derive(Deserialize)]
pub(in crate::store) struct RecordRow<'a> {
    previous: [u8; 32],
    at: i64,
    #[serde(borrow)]
    changes: Vec<ChangeRow<'a>>,
}

/// The same as it is written: without a copy of its changes.
#[derive(Serialize)]
pub(in crate::store) struct NewRecordRow<'a> {
    pub(in crate::store) previous: [u8; 32],
    pub(in crate::store) at: i64,
    pub(in crate::store) changes: ChangeRows<'a>,
}

/// Changes that become rows one by one.
pub(in crate::store) struct ChangeRows<'a>(pub(in crate::store) &'a [Change]);

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
    ProductStopped(u64),
    ProductStarted(u64),
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
    ConfirmedToPost,
    ConfirmedLateToPost,
    PaidAttemptFailed { error: &'a str, retry_after: u64 },
}

#[derive(Serialize, Deserialize)]
enum ActorRow {
    Buyer,
    Operator,
    Worker,
    Clock,
}

impl RecordRow<'_> {
    pub(in crate::store) fn record(&self, sequence: u64) -> Result<Record, StoreError> {
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
            Change::OrderPlaced { order, response } => {
                Self::OrderPlaced(order.id.0, OrderRow::of(order), response.as_ref().map(StoredResponseRow::of))
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
            Change::ProductStopped(product) => Self::ProductStopped(product.0),
            Change::ProductStarted(product) => Self::ProductStarted(product.0),
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
            Self::OrderPlaced(id, row, response) => Change::OrderPlaced {
                order: Arc::new(row.order(OrderId(*id))?),
                response: response.map(StoredResponseRow::response),
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
            Self::ProductStopped(product) => Change::ProductStopped(ProductId(*product)),
            Self::ProductStarted(product) => Change::ProductStarted(ProductId(*product)),
        })
    }
}

impl<'a> TransitionRow<'a> {
    fn of(transition: &'a Transition) -> Self {
        match transition {
            Transition::Fulfilled => Self::Fulfilled,
            Transition::Confirmed { post: false } => Self::Confirmed,
            Transition::Confirmed { post: true } => Self::ConfirmedToPost,
            Transition::ConfirmedLate { post: false } => Self::ConfirmedLate,
            Transition::ConfirmedLate { post: true } => Self::ConfirmedLateToPost,
            Transition::AttemptFailed { error, retry_after, paid } => {
                let retry_after = u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX);
                match paid {
                    false => Self::AttemptFailed { error, retry_after },
                    true => Self::PaidAttemptFailed { error, retry_after },
                }
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
            Self::Confirmed => Transition::Confirmed { post: false },
            Self::ConfirmedToPost => Transition::Confirmed { post: true },
            Self::ConfirmedLate => Transition::ConfirmedLate { post: false },
            Self::ConfirmedLateToPost => Transition::ConfirmedLate { post: true },
            Self::AttemptFailed { error, retry_after } => failed_attempt(error, *retry_after, false),
            Self::PaidAttemptFailed { error, retry_after } => failed_attempt(error, *retry_after, true),
            Self::Rejected { error } => Transition::Rejected { error: (*error).to_owned() },
            Self::AttemptsExhausted { error } => Transition::AttemptsExhausted { error: (*error).to_owned() },
            Self::Cancelled => Transition::Cancelled,
            Self::Expired => Transition::Expired,
            Self::Reopened => Transition::Reopened,
        }
    }
}

fn failed_attempt(error: &str, retry_after: u64, paid: bool) -> Transition {
    Transition::AttemptFailed { error: error.to_owned(), retry_after: Duration::from_millis(retry_after), paid }
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
