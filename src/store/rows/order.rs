//! The row of an order and its job.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::clock::Timestamp;
use crate::domain::job::JobOutcome;
use crate::domain::money::Money;
use crate::domain::order::{Attached, Failure, Metadata, Order, OrderFields, OrderId, OrderStatus, Priority, UserId};
use crate::domain::product::ProductId;
use crate::store::error::StoreError;

use super::encoding::one_of;
use super::flagged::Flagged;

/// Times of an order are written as milliseconds after its acceptance, which are mostly small.
type Offset = i64;

#[derive(Serialize, Deserialize)]
pub(in crate::store) struct OrderRow<'a> {
    product: u64,
    user: &'a str,
    quantity: u32,
    unit_price: u128,
    #[serde(borrow)]
    priority: Flagged<AttachedRow<'a>, { Priority::Critical as u8 }>,
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

/// What the shop attached to an order, behind its priority.
#[derive(Serialize, Deserialize)]
struct AttachedRow<'a> {
    reference: Option<&'a str>,
    #[serde(borrow)]
    metadata: BTreeMap<&'a str, &'a str>,
}

impl<'a> AttachedRow<'a> {
    fn of(attached: &'a Attached) -> Self {
        let pairs = attached.metadata.iter().flat_map(Metadata::pairs);
        let metadata = pairs.map(|(key, value)| (key.as_str(), value.as_str())).collect();
        Self { reference: attached.reference.as_deref(), metadata }
    }

    fn attached(&self) -> Option<Arc<Attached>> {
        let pairs = self.metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let metadata = (!self.metadata.is_empty()).then(|| Metadata::stored(pairs.collect()));
        Attached::new(self.reference.map(str::to_owned), metadata)
    }
}

#[derive(Serialize, Deserialize)]
enum FailureRow<'a> {
    Expired,
    Cancelled,
    Rejected(&'a str),
    AttemptsExhausted(&'a str),
}

impl<'a> OrderRow<'a> {
    pub(in crate::store) fn of(order: &'a Order) -> Self {
        let start = order.created_at.millis();
        let offset = |at: Timestamp| at.millis() - start;
        Self {
            product: order.product.0,
            user: order.user.as_str(),
            quantity: order.quantity,
            unit_price: order.unit_price.cents(),
            priority: Flagged { byte: order.priority as u8, more: order.attached.as_deref().map(AttachedRow::of) },
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
    pub(in crate::store) const fn user(&self) -> &'a str {
        self.user
    }

    /// What filters and sums look at.
    pub(in crate::store) fn fields(&self, id: OrderId) -> Result<OrderFields<'a>, StoreError> {
        Ok(OrderFields {
            id,
            product: ProductId(self.product),
            user: self.user,
            reference: self.priority.more.as_ref().and_then(|attached| attached.reference),
            quantity: self.quantity,
            unit_price: Money::from_cents(self.unit_price),
            status: one_of(&OrderStatus::ALL, self.status)?,
            job: one_of(&JOB_OUTCOMES, self.job)?,
            reserved_at: Timestamp::from_millis(self.created_at.saturating_add(self.reserved)),
            created_at: Timestamp::from_millis(self.created_at),
        })
    }

    pub(in crate::store) fn order(&self, id: OrderId) -> Result<Order, StoreError> {
        let at = |offset: Offset| Timestamp::from_millis(self.created_at.saturating_add(offset));
        Ok(Order {
            id,
            product: ProductId(self.product),
            user: UserId::stored(self.user),
            quantity: self.quantity,
            unit_price: Money::from_cents(self.unit_price),
            attached: self.priority.more.as_ref().and_then(AttachedRow::attached),
            priority: one_of(&Priority::ALL, self.priority.byte)?,
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
