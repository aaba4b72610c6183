//! The sale in a backup: its products and orders, as they come.

use std::io::Read;

use redb::TableHandle;

use crate::domain::order::{OrderFields, OrderId};
use crate::domain::product::{Product, ProductId};

use crate::store::error::StoreError;
use crate::store::progress::OnProgress;
use crate::store::rows::encoding;
use crate::store::rows::order::OrderRow;
use crate::store::rows::product::ProductRow;
use crate::store::tables::definitions::{NAMES, ORDERS, PRODUCTS};
use crate::store::tables::order_groups;

use super::error::ArchiveError;
use super::reader::Reader;

/// One of them.
#[derive(Debug)]
pub enum Row<'r> {
    /// A product.
    Product(Product),
    /// What is summed up of an order.
    Order(OrderFields<'r>),
}

/// Reads a backup to its end, checks every byte, and calls `visit` with each product and then with each order, both by
/// their numbers. One frame is in memory. What was visited counts only if there is no error.
pub fn each<R: Read>(
    mut reader: Reader<R>,
    mut visit: impl FnMut(Row<'_>),
    progress: &mut OnProgress<'_>,
) -> Result<(), ArchiveError> {
    let total = reader.contents().rows;
    while let Some(frame) = reader.next()? {
        let name = NAMES.get(usize::from(frame.table)).copied().unwrap_or_default();
        for (key, value) in frame.rows {
            if name == PRODUCTS.name() {
                let id = ProductId(number(key)?);
                visit(Row::Product(encoding::decode::<ProductRow<'_>>(value)?.product(id)));
            } else if name == ORDERS.name() {
                order_groups::each_of(number(key)?, value, |id, row| {
                    visit(Row::Order(encoding::decode::<OrderRow<'_>>(row)?.fields(OrderId(id))?));
                    Ok(())
                })?;
            }
        }
        progress("reading the sale", reader.rows_read(), total);
    }
    Ok(())
}

/// A key of these tables.
fn number(key: &[u8]) -> Result<u64, StoreError> {
    let number = key.try_into().map(u64::from_le_bytes);
    number.map_err(|_| StoreError::Damaged("a row of a backup does not fit its table".to_owned()))
}
