//! The index of orders by user beside the orders.
//!
//! The two stand in different orders, so they are compared by what their rows add up to: each row counts as its keyed
//! hash, and sums of 128 bits are equal by chance as good as never. Only where they differ, the rows are looked for.

use std::ops::ControlFlow;

use redb::ReadableTable;

use crate::order::OrderId;

use super::findings::{Complaints, Findings};
use super::record::{self, OrderRow};
use super::user_blocks::BlockKey;
use super::user_index::{self, Entry};
use super::{Snapshot, StoreError, order_groups, read, tables, user_blocks};

/// Checks that the index has every order up to where it says, and no row that is wrong.
pub(super) fn check(snapshot: &Snapshot, findings: &mut Findings) -> Result<(), StoreError> {
    let through = snapshot.head()?.indexed_through;
    // Chosen anew each time, so that no one can make rows that add up.
    let key = blake3::derive_key("flashsale index check", &read::random::<32>()?);
    let mut expected = 0_u128;
    each_expected(snapshot, through, |entry| {
        expected = expected.wrapping_add(weight(&key, entry));
        Ok(())
    })?;
    let mut complaints = Complaints::about("the index by user");
    let mut found = 0_u128;
    each_block(snapshot, |(run, hash, order), block| {
        if block.first() != Some(&(hash, order)) || !block.is_sorted() {
            complaints.add(format!("the index by user is out of order in the run that ends with order {run}"));
        }
        for entry in block {
            match run <= through {
                true => found = found.wrapping_add(weight(&key, *entry)),
                // A run that was being written when the store was closed; there is at most one.
                false => check_row(snapshot, *entry, &mut complaints)?,
            }
        }
        Ok(())
    })?;
    if expected != found {
        find_differences(snapshot, through, &mut complaints)?;
    }
    complaints.file(findings);
    Ok(())
}

fn weight(key: &[u8; 32], entry: Entry) -> u128 {
    let mut row = [0; 16];
    row[..8].copy_from_slice(&entry.0.to_le_bytes());
    row[8..].copy_from_slice(&entry.1.to_le_bytes());
    let mut half = [0; 16];
    half.copy_from_slice(&blake3::keyed_hash(key, &row).as_bytes()[..16]);
    u128::from_le_bytes(half)
}

/// The rows that the orders up to `through` must have. Orders that cannot be read are complained of elsewhere.
fn each_expected(
    snapshot: &Snapshot,
    through: u64,
    mut visit: impl FnMut(Entry) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    order_groups::each(&snapshot.transaction.open_table(tables::ORDERS)?, 0, |id, row| {
        if id > through {
            return Ok(ControlFlow::Break(()));
        }
        if let Ok(order) = record::decode::<OrderRow<'_>>(row) {
            visit((user_index::hash(order.user()), id))?;
        }
        Ok(ControlFlow::Continue(()))
    })
}

/// Calls `visit` with the key of each block and its entries.
fn each_block(
    snapshot: &Snapshot,
    mut visit: impl FnMut(BlockKey, &[Entry]) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    for row in snapshot.transaction.open_table(tables::ORDERS_BY_USER)?.iter()? {
        let (key, row) = row?;
        visit(key.value(), &user_blocks::entries(row.value()).collect::<Vec<_>>())?;
    }
    Ok(())
}

fn check_row(snapshot: &Snapshot, entry: Entry, complaints: &mut Complaints) -> Result<(), StoreError> {
    let order = snapshot.order(OrderId(entry.1)).ok().flatten();
    if order.is_none_or(|order| user_index::hash(order.user.as_str()) != entry.0) {
        complaints.add(format!("the index by user has order {} under a user who did not place it", entry.1));
    }
    Ok(())
}

fn find_differences(snapshot: &Snapshot, through: u64, complaints: &mut Complaints) -> Result<(), StoreError> {
    let index = snapshot.transaction.open_table(tables::ORDERS_BY_USER)?;
    each_expected(snapshot, through, |entry| {
        if !user_blocks::contains(&index, entry)? {
            complaints.add(format!("the index by user lacks order {}", entry.1));
        }
        Ok(())
    })?;
    each_block(snapshot, |(run, ..), block| match run <= through {
        true => block.iter().try_for_each(|entry| check_row(snapshot, *entry, complaints)),
        false => Ok(()),
    })
}
