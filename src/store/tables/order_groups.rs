//! Orders in the table of orders, several to a row, and in the same way the stored responses to those who placed them.
//! Neighbours are mostly written together, so that one row for a group costs a fraction of a row for each.
//!
//! A group's row holds the rows of its orders one after the other, each behind its length in two bytes, little end
//! first; a length of zero where there is no order.

use std::iter::Peekable;
use std::ops::{Bound, ControlFlow};

use redb::{ReadableTable, Table};
use serde::Serialize;

use crate::domain::change::StoredResponse;
use crate::domain::order::{Order, OrderId};

use crate::store::error::StoreError;
use crate::store::rows::encoding;
use crate::store::rows::order::OrderRow;
use crate::store::rows::response::StoredResponseRow;

/// Orders in a group. Small enough that some groups share a page, as one order of a group may move alone.
const GROUP: u64 = 16;

/// What a table of orders holds for a number of a group.
pub(in crate::store) type Groups<'t> = Table<'t, u64, &'static [u8]>;

/// The rows of one group: the orders' numbers and their rows.
fn rows(group: u64, mut bytes: &[u8]) -> impl DoubleEndedIterator<Item = (u64, &[u8])> {
    let mut found = [(0, [].as_slice()); GROUP as usize];
    let mut count = 0;
    for place in 0..GROUP {
        let Some((length, rest)) = bytes.split_first_chunk() else { break };
        // One that is cut short is not read: it is complained of as a row that is not whole.
        let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
        let (row, rest) = rest.split_at(length);
        bytes = rest;
        if !row.is_empty() {
            found[count] = (group * GROUP + place, row);
            count += 1;
        }
    }
    found.into_iter().take(count)
}

/// Calls `visit` with the rows of one group, oldest first.
pub(in crate::store) fn each_of(
    group: u64,
    bytes: &[u8],
    mut visit: impl FnMut(u64, &[u8]) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    rows(group, bytes).try_for_each(|(id, row)| visit(id, row))
}

/// Calls `read` with the row of one order, if it is there.
pub(in crate::store) fn find<T>(
    table: &impl ReadableTable<u64, &'static [u8]>,
    id: u64,
    read: impl FnOnce(&[u8]) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    let Some(group) = table.get(id / GROUP)? else { return Ok(None) };
    let found = rows(id / GROUP, group.value()).find(|(other, _)| *other == id);
    found.map(|(_, row)| read(row)).transpose()
}

/// The stored response to the one who placed an order.
pub(in crate::store) fn response(
    table: &impl ReadableTable<u64, &'static [u8]>,
    id: OrderId,
) -> Result<Option<StoredResponse>, StoreError> {
    find(table, id.0, |row| Ok(encoding::decode::<StoredResponseRow>(row)?.response()))
}

/// The orders that have a row in a group.
pub(in crate::store) fn ids(group: u64, row: &[u8]) -> impl DoubleEndedIterator<Item = OrderId> {
    rows(group, row).map(|(id, _)| OrderId(id))
}

/// The first order in a table.
pub(in crate::store) fn first(table: &impl ReadableTable<u64, &'static [u8]>) -> Result<Option<OrderId>, StoreError> {
    for entry in table.iter()? {
        let (group, row) = entry?;
        if let Some(first) = ids(group.value(), row.value()).next() {
            return Ok(Some(first));
        }
    }
    Ok(None)
}

/// One order.
pub(in crate::store) fn order(
    table: &impl ReadableTable<u64, &'static [u8]>,
    id: OrderId,
) -> Result<Option<Order>, StoreError> {
    find(table, id.0, |row| encoding::decode::<OrderRow<'_>>(row)?.order(id))
}

/// Calls `visit` with the orders from `first` on, oldest first, until it breaks.
pub(in crate::store) fn each(
    table: &impl ReadableTable<u64, &'static [u8]>,
    first: u64,
    mut visit: impl FnMut(u64, &[u8]) -> Result<ControlFlow<()>, StoreError>,
) -> Result<(), StoreError> {
    for entry in table.range(first / GROUP..)? {
        let (group, bytes) = entry?;
        for (id, row) in rows(group.value(), bytes.value()).filter(|(id, _)| *id >= first) {
            if visit(id, row)?.is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Calls `visit` with the orders below `end`, newest first, until it breaks.
pub(in crate::store) fn each_back(
    table: &impl ReadableTable<u64, &'static [u8]>,
    end: u64,
    mut visit: impl FnMut(u64, &[u8]) -> Result<ControlFlow<()>, StoreError>,
) -> Result<(), StoreError> {
    for entry in table.range(..=end / GROUP)?.rev() {
        let (group, bytes) = entry?;
        for (id, row) in rows(group.value(), bytes.value()).rev().filter(|(id, _)| *id < end) {
            if visit(id, row)?.is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The orders of a range of groups, oldest first, with a copy of their rows.
pub(in crate::store) fn copied(
    groups: redb::Range<'static, u64, &'static [u8]>,
) -> impl Iterator<Item = Result<(u64, Vec<u8>), StoreError>> {
    groups.flat_map(|entry| match entry {
        Ok((group, bytes)) => {
            rows(group.value(), bytes.value()).map(|(id, row)| Ok((id, row.to_vec()))).collect::<Vec<_>>()
        }
        Err(error) => vec![Err(error.into())],
    })
}

/// The group that an order is in.
pub(in crate::store) const fn group_of(id: OrderId) -> u64 {
    id.0 / GROUP
}

/// Puts the rows of orders, which must come in the order of their numbers. The orders beside them in their groups stay
/// as they are.
pub(in crate::store) fn put<R: Serialize>(
    table: &mut Groups<'_>,
    orders: impl Iterator<Item = (OrderId, R)>,
) -> Result<(), StoreError> {
    let mut orders = orders.peekable();
    let mut bytes = Vec::new();
    let last = table.last()?.map(|(group, _)| group.value());
    while orders.peek().is_some_and(|(id, _)| Some(group_of(*id)) <= last)
        && let Some((group, count)) = next_group(&mut orders, &mut bytes)?
    {
        if count < GROUP
            && let Some(before) = table.get(group)?
        {
            bytes = merged(group, before.value(), &bytes);
        }
        table.insert(group, bytes.as_slice())?;
    }
    // What comes behind all that is there goes in page by page, without a search for the place of each row.
    let mut end = table.upper_bound_mut(Bound::<u64>::Unbounded)?;
    while let Some((group, _)) = next_group(&mut orders, &mut bytes)? {
        end.insert_before(group, bytes.as_slice())?;
    }
    Ok(end.close()?)
}

/// Writes the rows of the orders that come next and are in one group. The group, and how many they are.
fn next_group<R: Serialize>(
    orders: &mut Peekable<impl Iterator<Item = (OrderId, R)>>,
    bytes: &mut Vec<u8>,
) -> Result<Option<(u64, u64)>, StoreError> {
    let Some((first, _)) = orders.peek() else { return Ok(None) };
    let group = group_of(*first);
    let (mut next, mut count) = (0, 0);
    bytes.clear();
    while let Some((id, row)) = orders.next_if(|(id, _)| group_of(*id) == group) {
        let place = id.0 % GROUP;
        (next..place).for_each(|_| bytes.extend([0, 0]));
        append(&row, bytes)?;
        (next, count) = (place + 1, count + 1);
    }
    Ok(Some((group, count)))
}

/// Writes the row of one order behind those before it in its group.
fn append(row: &impl Serialize, bytes: &mut Vec<u8>) -> Result<(), StoreError> {
    let start = bytes.len();
    bytes.extend([0, 0]);
    encoding::append(row, bytes)?;
    let length = u16::try_from(bytes.len() - start - 2);
    let length = length.map_err(|_| StoreError::Damaged("a long order".to_owned()))?;
    bytes[start..start + 2].copy_from_slice(&length.to_le_bytes());
    Ok(())
}

/// A group with these rows in the place of those that it had.
fn merged(group: u64, before: &[u8], changed: &[u8]) -> Vec<u8> {
    let mut all = [[].as_slice(); GROUP as usize];
    rows(group, before).chain(rows(group, changed)).for_each(|(id, row)| all[(id % GROUP) as usize] = row);
    let end = all.iter().rposition(|row| !row.is_empty()).map_or(0, |last| last + 1);
    let mut bytes = Vec::with_capacity(before.len() + changed.len());
    for row in &all[..end] {
        // No longer than it was.
        bytes.extend((row.len() as u16).to_le_bytes());
        bytes.extend_from_slice(row);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use redb::backends::InMemoryBackend;
    use redb::{Builder, ReadableDatabase};

    use crate::domain::clock::Timestamp;

    use super::super::definitions::ORDERS;
    use super::*;

    fn an_order(id: u64, quantity: u32) -> Order {
        let at = Timestamp::from_millis(1_700_000_000_000);
        let user = "u".repeat(1 + id as usize % 255);
        Order { quantity, ..Order::example(OrderId(id), &user, at) }
    }

    proptest! {
        /// Transactions that add some orders and change some of those that are there.
        #[test]
        fn orders_are_read_back_as_they_were_last_put(
            steps in prop::collection::vec((1..40_u64, prop::collection::vec(0..1_000_u64, 0..20)), 1..8),
            from in 0..320_u64,
        ) {
            let database = Builder::new().create_with_backend(InMemoryBackend::new()).unwrap();
            let mut model = BTreeMap::new();
            for (step, (added, changed)) in (1..).zip(steps) {
                let before = model.len() as u64;
                let mut changes: BTreeMap<u64, Order> = BTreeMap::new();
                for id in changed.into_iter().filter(|_| before > 0).map(|n| 1 + n % before) {
                    changes.insert(id, an_order(id, step));
                }
                changes.extend((before + 1..=before + added).map(|id| (id, an_order(id, step))));
                let transaction = database.begin_write().unwrap();
                let rows = changes.values().map(|order| (order.id, OrderRow::of(order)));
                put(&mut transaction.open_table(ORDERS).unwrap(), rows).unwrap();
                transaction.commit().unwrap();
                model.extend(changes);
            }
            let table = database.begin_read().unwrap().open_table(ORDERS).unwrap();
            for id in 0..=model.len() as u64 + 1 {
                prop_assert_eq!(&order(&table, OrderId(id)).unwrap(), &model.get(&id).cloned());
            }
            let mut forth = Vec::new();
            each(&table, from, |id, _| { forth.push(id); Ok(ControlFlow::Continue(())) }).unwrap();
            prop_assert_eq!(forth, model.range(from..).map(|(id, _)| *id).collect::<Vec<_>>());
            let mut back = Vec::new();
            each_back(&table, from, |id, _| { back.push(id); Ok(ControlFlow::Continue(())) }).unwrap();
            prop_assert_eq!(back, model.range(..from).rev().map(|(id, _)| *id).collect::<Vec<_>>());
        }
    }
}
