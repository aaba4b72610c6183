//! The indexes in memory.

use super::entry::of_user;
use super::*;

fn some(hash: impl Fn(u64) -> u64, orders: impl IntoIterator<Item = u64>) -> Vec<Entry> {
    orders.into_iter().map(|order| (hash(order), order)).collect()
}

#[test]
fn a_name_is_found_in_the_new_and_in_the_sealed_run_newest_first() {
    let index = RwLock::new(Index::default());
    let name = |order: u64| of_user(if order.is_multiple_of(1_000) { "ada" } else { "eve" });
    index.write().add(some(name, 1..=INDEX_RUN as u64));
    mark_written(&index, &Slice::default());
    assert_eq!(index.read().sealed.as_ref().unwrap().sorted.len(), INDEX_RUN);
    index.write().add(some(name, [70_000, 70_001]));
    let found = index.read().find(of_user("ada"));
    assert_eq!(found.orders[..3], [70_000, 65_000, 64_000]);
    assert!(found.runs.is_empty() && !index.read().may_have(of_user("grace")));
}

#[test]
fn a_run_is_sorted_by_hashes_and_then_by_orders() {
    let names: [fn(u64) -> u64; 4] =
        [|order| of_user(&order.to_string()), |order| order % 7, |_| u64::MAX, |order| !order];
    for name in names {
        for length in [0, 1, 2_000] {
            let entries = some(name, 1..=length);
            let mut sorted = entries.clone();
            sorted.sort();
            assert_eq!(sort(&entries), sorted);
        }
    }
}

#[test]
fn a_run_is_done_when_its_last_slice_is_written() {
    let index = RwLock::new(Index::default());
    let name = |order: u64| order % 7;
    index.write().add(some(name, 1..=INDEX_RUN as u64));
    mark_written(&index, &Slice::default());
    assert_eq!(index.read().slice_to_write().through, None);
    let mut rows = 0;
    for order in (INDEX_RUN as u64 + 1..).step_by(300) {
        index.write().add(some(name, order..order + 300));
        let slice = index.read().slice_to_write();
        let length = slice.rows.len();
        assert!(length == 0 || length >= INDEX_SLICE || rows + length == INDEX_RUN, "{length}");
        assert_eq!(slice.first, rows == 0 && length > 0);
        rows += length;
        mark_written(&index, &slice);
        if let Some(through) = slice.through {
            assert_eq!((through, rows), (INDEX_RUN as u64, INDEX_RUN));
            break;
        }
    }
    let index = index.read();
    assert!(index.find(3).orders.iter().all(|order| *order > INDEX_RUN as u64), "what came meanwhile is younger");
    assert_eq!(index.find(3).runs, [INDEX_RUN as u64]);
    assert!(!index.may_have(of_user("ada")), "its filter says no");
}
