//! Stores that somebody has tampered with, by the means of the database itself: every checksum of it is right.

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use super::{eventful, store_in};
use crate::harness::Launch;

type Rows = TableDefinition<'static, u64, &'static [u8]>;

const JOURNAL: Rows = TableDefinition::new("journal");
const ORDERS: Rows = TableDefinition::new("orders");
const PRODUCTS: Rows = TableDefinition::new("products");
const DEAD_LETTERS: TableDefinition<'static, u64, ()> = TableDefinition::new("dead_letters");
const BY_USER: TableDefinition<'static, (u64, u64, u64), &'static [u8]> = TableDefinition::new("orders_by_user");
const BY_KEY: TableDefinition<'static, (u64, u64, u64), &'static [u8]> = TableDefinition::new("orders_by_key");
const ANSWERS: Rows = TableDefinition::new("answers");

fn row(launch: &Launch, table: Rows, key: u64) -> Vec<u8> {
    let database = Database::open(store_in(&launch.data_dir())).unwrap();
    let table = database.begin_read().unwrap().open_table(table).unwrap();
    table.get(key).unwrap().unwrap().value().to_owned()
}

/// Orders in one row of their table.
const GROUP: u64 = 16;

/// The rows of the orders that share a row: each behind its length in two bytes, none of an order that is not there.
fn group(launch: &Launch, group: u64) -> Vec<Vec<u8>> {
    let database = Database::open(store_in(&launch.data_dir())).unwrap();
    let table = database.begin_read().unwrap().open_table(ORDERS).unwrap();
    let whole = table.get(group).unwrap().map_or_else(Vec::new, |row| row.value().to_vec());
    let (mut rest, mut rows) = (whole.as_slice(), Vec::new());
    while let Some((length, after)) = rest.split_first_chunk() {
        let (row, after) = after.split_at(u16::from_le_bytes(*length).into());
        rows.push(row.to_vec());
        rest = after;
    }
    rows.resize(GROUP as usize, Vec::new());
    rows
}

fn order(launch: &Launch, id: u64) -> Vec<u8> {
    group(launch, id / GROUP)[(id % GROUP) as usize].clone()
}

fn put_order(launch: &Launch, id: u64, row: &[u8]) {
    let mut rows = group(launch, id / GROUP);
    rows[(id % GROUP) as usize] = row.to_vec();
    let length = |row: &[u8]| u16::try_from(row.len()).unwrap().to_le_bytes();
    let whole: Vec<u8> = rows.iter().flat_map(|row| [length(row).as_slice(), row].concat()).collect();
    put(launch, ORDERS, &[(id / GROUP, Some(&whole))]);
}

fn last(launch: &Launch, table: Rows) -> u64 {
    let database = Database::open(store_in(&launch.data_dir())).unwrap();
    let table = database.begin_read().unwrap().open_table(table).unwrap();
    table.last().unwrap().unwrap().0.value()
}

/// Writes rows, or removes them.
fn put(launch: &Launch, table: Rows, rows: &[(u64, Option<&[u8]>)]) {
    let database = Database::open(store_in(&launch.data_dir())).unwrap();
    let transaction = database.begin_write().unwrap();
    {
        let mut table = transaction.open_table(table).unwrap();
        for (key, row) in rows {
            match row {
                Some(row) => drop(table.insert(key, row).unwrap()),
                None => drop(table.remove(key).unwrap()),
            }
        }
    }
    transaction.commit().unwrap();
}

/// Fails unless the check finds something wrong and says all of this.
async fn assert_reports(launch: &Launch, problems: &[&str]) {
    let verified = launch.verify().await;
    assert_eq!(verified.code, Some(1), "{verified:?}");
    for problem in problems {
        assert!(verified.stdout.contains(problem), "{problem:?} is not in {}", verified.stdout);
    }
    assert!(verified.stderr.starts_with("error: the store does not add up"), "{verified:?}");
}

#[tokio::test]
async fn an_altered_record_is_named() {
    let launch = eventful().await;
    let end = last(&launch, JOURNAL);
    for sequence in [1, 2, end / 2, end] {
        let whole = row(&launch, JOURNAL, sequence);
        let mut altered = whole.clone();
        // The last byte belongs to what happened, not to the chain.
        *altered.last_mut().unwrap() ^= 1;
        put(&launch, JOURNAL, &[(sequence, Some(&altered))]);
        assert_reports(&launch, &[&format!("the history: record {sequence} was altered")]).await;
        put(&launch, JOURNAL, &[(sequence, Some(&whole))]);
    }
    assert_eq!(launch.verify().await.code, Some(0));
}

#[tokio::test]
async fn a_removed_record_is_named() {
    let launch = eventful().await;
    let end = last(&launch, JOURNAL);
    for sequence in [1, end / 2, end] {
        let whole = row(&launch, JOURNAL, sequence);
        put(&launch, JOURNAL, &[(sequence, None)]);
        assert_reports(&launch, &[&format!("the history: record {sequence} was removed")]).await;
        put(&launch, JOURNAL, &[(sequence, Some(&whole))]);
    }
    let rows: Vec<_> = (6..=end).map(|sequence| row(&launch, JOURNAL, sequence)).collect();
    let mut moved: Vec<_> = (5..end).zip(rows.iter().map(|row| Some(row.as_slice()))).collect();
    moved.push((end, None));
    put(&launch, JOURNAL, &moved);
    assert_reports(&launch, &["1 of the records behind record 4 were removed"]).await;
}

#[tokio::test]
async fn an_added_record_is_named() {
    let launch = eventful().await;
    let end = last(&launch, JOURNAL);
    let copy = row(&launch, JOURNAL, 5);
    put(&launch, JOURNAL, &[(end + 1, Some(&copy))]);
    assert_reports(&launch, &[&format!("the history: record {} was added", end + 1)]).await;
    put(&launch, JOURNAL, &[(end + 1, None), (0, Some(&copy))]);
    assert_reports(&launch, &["the history: record 0 was added"]).await;
    let rows: Vec<_> = (5..=end).map(|sequence| row(&launch, JOURNAL, sequence)).collect();
    let mut moved: Vec<_> = (6..).zip(rows.iter().map(|row| Some(row.as_slice()))).collect();
    moved.push((0, None));
    put(&launch, JOURNAL, &moved);
    // The fifth is there twice now; nothing shows which of the two was there first.
    assert_reports(&launch, &["record 5 was added, and those behind it were renumbered"]).await;
}

#[tokio::test]
async fn every_row_that_differs_from_the_history_is_named() {
    let launch = eventful().await;
    let (order, other) = (order(&launch, 4), order(&launch, 22));
    put_order(&launch, 4, &other);
    assert_reports(&launch, &["order 4: ", "status is Cancelled and should be Confirmed"]).await;
    put_order(&launch, 4, b"\x01nonsense");
    assert_reports(&launch, &["order 4: the store holds a damaged row", "the counts cannot be made"]).await;
    put_order(&launch, 4, b"");
    assert_reports(&launch, &["order 4 is missing", "order 5 is where order 4 belongs"]).await;
    put_order(&launch, 4, &order);
    put_order(&launch, 99, &order);
    assert_reports(&launch, &["order 99 is not in the history"]).await;
    put_order(&launch, 99, b"");

    let (lamp, held) = (row(&launch, PRODUCTS, 1), row(&launch, PRODUCTS, 2));
    put(&launch, PRODUCTS, &[(1, Some(&held))]);
    assert_reports(&launch, &["product 1: terms is Terms", "product 1 counts 6 orders"]).await;
    put(&launch, PRODUCTS, &[(1, None), (7, Some(&lamp))]);
    assert_reports(&launch, &["product 1 is missing", "product 7 is not in the history"]).await;
    put(&launch, PRODUCTS, &[(1, Some(&lamp)), (7, None)]);
    assert_eq!(launch.verify().await.code, Some(0));
}

#[tokio::test]
async fn rows_of_the_smaller_tables_that_differ_are_named() {
    let launch = eventful().await;
    let database = || Database::open(store_in(&launch.data_dir())).unwrap();
    let change = |change: &dyn Fn(&redb::WriteTransaction)| {
        let database = database();
        let transaction = database.begin_write().unwrap();
        change(&transaction);
        transaction.commit().unwrap();
    };
    change(&|all| drop(all.open_table(DEAD_LETTERS).unwrap().insert(3, ()).unwrap()));
    assert_reports(&launch, &["the dead letter of order 3 is not in the history"]).await;
    change(&|all| drop(all.open_table(DEAD_LETTERS).unwrap().remove(3).unwrap()));

    // In a run that is not whole yet: the hash of a user's name, and an order.
    let entry = [1_u64.to_le_bytes(), 2_u64.to_le_bytes()].concat();
    change(&|all| drop(all.open_table(BY_USER).unwrap().insert((99, 1, 2), entry.as_slice()).unwrap()));
    assert_reports(&launch, &["the index by user has order 2 under a user who did not place it"]).await;
    change(&|all| drop(all.open_table(BY_USER).unwrap().insert((99, 1, 1), entry.as_slice()).unwrap()));
    assert_reports(&launch, &["the index by user is out of order in the run that ends with order 99"]).await;
    change(&|all| all.open_table(BY_USER).unwrap().retain(|_, _| false).unwrap());

    // The first order with a key is the twenty-first.
    let entry = [1_u64.to_le_bytes(), 22_u64.to_le_bytes()].concat();
    change(&|all| drop(all.open_table(BY_KEY).unwrap().insert((99, 1, 22), entry.as_slice()).unwrap()));
    assert_reports(&launch, &["the index by key has order 22 under a key that it was not placed under"]).await;
    change(&|all| all.open_table(BY_KEY).unwrap().retain(|_, _| false).unwrap());
    assert_eq!(launch.verify().await.code, Some(0));
}

#[tokio::test]
async fn stored_responses_that_differ_from_the_history_are_named() {
    let launch = eventful().await;
    // Orders 21 to 26, in the group of 16 to 31.
    let answers = row(&launch, ANSWERS, 1);
    put(&launch, ANSWERS, &[(1, None)]);
    assert_reports(&launch, &["the stored response of order 26 is missing"]).await;
    let mut altered = answers.clone();
    *altered.last_mut().unwrap() ^= 1;
    put(&launch, ANSWERS, &[(1, Some(&altered))]);
    assert_reports(&launch, &["the stored response of order 26: differs from what the history says"]).await;
    put(&launch, ANSWERS, &[(1, Some(&answers)), (9, Some(&answers))]);
    assert_reports(&launch, &["the stored response of order 149 is not in the history"]).await;
    put(&launch, ANSWERS, &[(9, None)]);
    assert_eq!(launch.verify().await.code, Some(0));
}

#[tokio::test]
async fn an_analysis_says_which_product_does_not_add_up() {
    let launch = eventful().await;
    let (second, cancelled) = (order(&launch, 2), order(&launch, 22));
    let lamp = row(&launch, PRODUCTS, 1);
    let analyzed = async |problems: &[&str]| {
        let analyzed = launch.command(&["analyze"]).await;
        assert_eq!(analyzed.code, Some(1), "{analyzed:?}");
        for problem in problems {
            assert!(analyzed.stdout.contains(problem), "{problem:?} is not in {}", analyzed.stdout);
        }
        assert!(analyzed.stderr.starts_with("error: the sale does not add up; stop it"), "{analyzed:?}");
        let json = launch.command(&["analyze", "--json"]).await;
        assert!(json.code == Some(1) && json.stdout.starts_with("{\"ok\":false,"), "{json:?}");
    };
    put_order(&launch, 2, b"");
    let fewer = ["NO: 1 of 2 products wrong.", "product 1 (Lantern):"];
    analyzed(
        &[&fewer[..], &["counts 20 orders, and its orders say 19", "counts 19 units sold, and its orders say 18"]]
            .concat(),
    )
    .await;
    // Its order was of the other product.
    put_order(&launch, 2, &cancelled);
    analyzed(&["NO: 2 of 2 products wrong.", "counts 6 orders, and its orders say 7"]).await;
    put_order(&launch, 2, &second);
    put(&launch, PRODUCTS, &[(1, None), (7, Some(&lamp))]);
    analyzed(&["product 7 (Lantern):", "20 orders of products that do not exist"]).await;
    put_order(&launch, 2, b"\x01nonsense");
    let unreadable = launch.command(&["analyze"]).await;
    assert!(unreadable.code == Some(1) && unreadable.stderr.contains("cannot be read"), "{unreadable:?}");
}
