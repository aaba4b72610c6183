//! The part of an order's row that filters and sums look at.

use crate::clock::Timestamp;
use crate::order::{OrderId, OrderStatus};
use crate::product::ProductId;

use super::super::StoreError;
use super::super::read::OrderFields;
use super::{JOB_ENDS, OrderRow, one_of};

impl<'a> OrderRow<'a> {
    /// What filters and sums look at.
    pub(in crate::store) fn fields(&self, id: OrderId) -> Result<OrderFields<'a>, StoreError> {
        Ok(OrderFields {
            id,
            product: ProductId(self.product),
            user: self.user,
            quantity: self.quantity,
            status: one_of(&OrderStatus::ALL, self.status)?,
            job: one_of(&JOB_ENDS, self.job)?,
            created_at: Timestamp::from_millis(self.created_at),
        })
    }
}
