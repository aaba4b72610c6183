//! The indexes beside what they are about: the orders, and the stored responses.
//!
//! The two have different orders, so they are compared by what their rows add up to: each row counts as its keyed
//! hash, and sums of 128 bits are practically never equal by chance. Only where they differ, the rows are looked for.

use std::ops::ControlFlow;

use redb::{ReadOnlyTable, ReadableTable};

use crate::store::error::StoreError;
use crate::store::random::random;
use crate::store::rows::encoding;
use crate::store::rows::order::OrderRow;
use crate::store::rows::response::StoredResponseRow;
use crate::store::snapshot::Snapshot;
use crate::store::tables::definitions::{self, BlockKey};
use crate::store::tables::index::entry::{Entry, of_key, of_user};
use crate::store::tables::index::runs;
use crate::store::tables::order_groups;

use super::report::{Problems, Report};

/// An index and the table that it is about.
struct Checked {
    name: &'static str,
    /// What is wrong with an order in the wrong place.
    misplaced: &'static str,
    index: ReadOnlyTable<BlockKey, &'static [u8]>,
    orders: ReadOnlyTable<u64, &'static [u8]>,
    /// The index has all orders up to this one.
    through: u64,
    /// Of older orders it may have entries or not: what they are about is kept no longer.
    first: u64,
    /// The hash in the row of an order; none in one that cannot be read, which is reported elsewhere.
    hash: fn(&[u8]) -> Option<u64>,
}

/// Checks that the indexes have every order up to where they say, and no row that is wrong.
pub(in crate::store) fn check(snapshot: &Snapshot, report: &mut Report) -> Result<(), StoreError> {
    let head = snapshot.head()?;
    let all = &snapshot.transaction;
    let users = Checked {
        name: "the index by user",
        misplaced: "under a user who did not place it",
        index: all.open_table(definitions::ORDERS_BY_USER)?,
        orders: all.open_table(definitions::ORDERS)?,
        through: head.indexed_through,
        first: 0,
        hash: |row| encoding::decode::<OrderRow<'_>>(row).ok().map(|order| of_user(order.user())),
    };
    users.check(report)?;
    let responses = all.open_table(definitions::RESPONSES)?;
    let first = order_groups::first(&responses)?;
    let keys = Checked {
        name: "the index by key",
        misplaced: "under a key that it was not placed under",
        index: all.open_table(definitions::ORDERS_BY_KEY)?,
        orders: responses,
        through: head.keyed_through,
        first: first.map_or(u64::MAX, |order| order.0),
        hash: |row| encoding::decode::<StoredResponseRow>(row).ok().map(|row| of_key(row.response().key)),
    };
    keys.check(report)
}

impl Checked {
    fn check(&self, report: &mut Report) -> Result<(), StoreError> {
        // Chosen anew each time, so that no one can make rows that add up.
        let key = blake3::derive_key("flashsale index check", &random::<32>()?);
        let mut expected = 0_u128;
        self.each_expected(|entry| {
            expected = expected.wrapping_add(weight(&key, entry));
            Ok(())
        })?;
        let mut problems = Problems::about(self.name);
        let mut found = 0_u128;
        self.each_block(|(run, hash, order), block| {
            if block.first() != Some(&(hash, order)) || !block.is_sorted() {
                let name = self.name;
                problems.add(format!("{name} is out of order in the run that ends with order {run}"));
            }
            for entry in block.iter().filter(|entry| entry.1 >= self.first) {
                match run <= self.through {
                    true => found = found.wrapping_add(weight(&key, *entry)),
                    // A run that was being written when the store was closed; there is at most one.
                    false => self.check_row(*entry, &mut problems)?,
                }
            }
            Ok(())
        })?;
        if expected != found {
            self.find_differences(&mut problems)?;
        }
        problems.add_to(report);
        Ok(())
    }

    /// The rows that the orders must have.
    fn each_expected(&self, mut visit: impl FnMut(Entry) -> Result<(), StoreError>) -> Result<(), StoreError> {
        order_groups::each(&self.orders, 0, |id, row| {
            if id > self.through {
                return Ok(ControlFlow::Break(()));
            }
            if let Some(hash) = (self.hash)(row) {
                visit((hash, id))?;
            }
            Ok(ControlFlow::Continue(()))
        })
    }

    /// Calls `visit` with the key of each block and its entries.
    fn each_block(
        &self,
        mut visit: impl FnMut(BlockKey, &[Entry]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        for row in self.index.iter()? {
            let (key, row) = row?;
            visit(key.value(), &runs::entries(row.value()).collect::<Vec<_>>())?;
        }
        Ok(())
    }

    fn check_row(&self, (hash, order): Entry, problems: &mut Problems) -> Result<(), StoreError> {
        let own = order_groups::find(&self.orders, order, |row| Ok((self.hash)(row)))?;
        if own.flatten() != Some(hash) {
            problems.add(format!("{} has order {order} {}", self.name, self.misplaced));
        }
        Ok(())
    }

    fn find_differences(&self, problems: &mut Problems) -> Result<(), StoreError> {
        self.each_expected(|entry| {
            if !runs::contains(&self.index, entry)? {
                problems.add(format!("{} lacks order {}", self.name, entry.1));
            }
            Ok(())
        })?;
        self.each_block(|(run, ..), block| match run <= self.through {
            true => {
                let mut entries = block.iter().filter(|entry| entry.1 >= self.first);
                entries.try_for_each(|entry| self.check_row(*entry, problems))
            }
            false => Ok(()),
        })
    }
}

fn weight(key: &[u8; 32], entry: Entry) -> u128 {
    let mut row = [0; 16];
    row[..8].copy_from_slice(&entry.0.to_le_bytes());
    row[8..].copy_from_slice(&entry.1.to_le_bytes());
    let mut first = [0; 16];
    first.copy_from_slice(&blake3::keyed_hash(key, &row).as_bytes()[..16]);
    u128::from_le_bytes(first)
}
