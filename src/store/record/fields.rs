//! The part of an order's row that filters and sums look at.

use crate::domain::clock::Timestamp;
use crate::domain::order::{OrderFields, OrderId, OrderStatus};
use crate::domain::product::ProductId;

use super::super::StoreError;
use super::{JOB_OUTCOMES, OrderRow, one_of};

impl<'a> OrderRow<'a> {
    /// What filters and sums look at.
    pub(in crate::store) fn fields(&self, id: OrderId) -> Result<OrderFields<'a>, StoreError> {
        Ok(OrderFields {
            id,
            product: ProductId(self.product),
            user: self.user,
            quantity: self.quantity,
            status: one_of(&OrderStatus::ALL, self.status)?,
            job: one_of(&JOB_OUTCOMES, self.job)?,
            created_at: Timestamp::from_millis(self.created_at),
        })
    }
}
