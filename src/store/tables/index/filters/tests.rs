//! The filters of an index.

use crate::store::tables::index::filter::tests::hash;

use super::*;

#[test]
fn every_whole_run_is_looked_into_where_its_filter_may_have_the_hash_or_it_has_none() {
    let mut filters = Filters::none_of(vec![10, 20]);
    assert_eq!(filters.runs_with(hash(1)), [20, 10]);
    filters.add(&[(hash(1), 21)]);
    assert_eq!(filters.runs_with(hash(1)), [20, 10], "the run is not whole yet");
    assert!(filters.may_be_in_memory(hash(1)) && !filters.may_be_in_memory(hash(2)));
    filters.add_run(21, 30, own([1]));
    assert_eq!(filters.runs_with(hash(1)), [30, 20, 10]);
    assert!(!filters.may_be_in_memory(hash(1)), "the run is whole");
    assert_eq!(filters.runs_with(hash(2)), [20, 10]);
    add_bare(&mut filters, 20, [2, 3]);
    assert_eq!(filters.may_have(&[hash(9)]), [0], "one has none yet");
    add_bare(&mut filters, 10, [2]);
    assert_eq!(filters.runs_with(hash(1)), [30]);
    assert_eq!(filters.runs_with(hash(2)), [20, 10]);
    assert_eq!(filters.runs_with(hash(3)), [20]);
    assert_eq!(filters.may_have(&[4, 2, 1, 4].map(hash)), [1, 2]);
    filters.forget_below(20);
    assert_eq!(filters.runs_with(hash(2)), [20]);
    filters.forget_below(31);
    assert_eq!((filters.run_count(), filters.full.len()), (0, 0));
}

/// The filter of a run that has these.
fn own<const N: usize>(numbers: [u64; N]) -> Filter {
    Filter::of_run(numbers.into_iter().map(hash))
}

/// Adds a run without a filter that has these.
fn add_bare<const N: usize>(filters: &mut Filters, run: u64, numbers: [u64; N]) {
    assert!(filters.begin_adding(run), "it has none");
    assert!(filters.add_some(&numbers.map(hash)));
    filters.end_adding(Some(own(numbers)));
}

#[test]
fn of_the_runs_of_a_filter_hardly_any_is_read_that_does_not_have_the_hash() {
    let (runs, each) = (16, INDEX_RUN as u64);
    let mut filters = Filters::default();
    for run in 1..=runs {
        let numbers = (run - 1) * each..run * each;
        filters.add(&numbers.clone().map(|number| (hash(number), 1 + number)).collect::<Vec<_>>());
        let hashes: Vec<_> = numbers.map(hash).collect();
        filters.add_run(1 + (run - 1) * each, run * each, Filter::of_run(hashes.into_iter()));
    }
    let numbers = (0..runs * each).step_by(997);
    let read = numbers.clone().map(|number| {
        let found = filters.runs_with(hash(number));
        assert!(found.contains(&((number / each + 1) * each)), "{number}");
        found.len()
    });
    let (read, all) = (read.sum::<usize>(), numbers.count());
    assert!(read < all + all / 8, "{read} runs for {all} hashes of {runs} runs");
    filters.forget_below(runs * each);
    assert_eq!((filters.of_runs.len(), filters.runs_with(hash(0)).len()), (1, 0));
}

/// Adds the entries of so many orders after `last`, which share a hash; its new last.
fn add_orders(filters: &mut Filters, last: u64, count: usize) -> u64 {
    let (hash, end) = (hash(0), last + count as u64);
    filters.add(&(last + 1..=end).map(|order| (hash, order)).collect::<Vec<_>>());
    end
}

#[test]
fn a_run_that_begins_in_one_filter_and_ends_in_the_next_is_found_by_either() {
    let mut filters = Filters::default();
    let last = add_orders(&mut filters, 0, FILTER_ENTRIES - 2);
    filters.add_run(1, last, own([0]));
    let (one, other) = (last + 1, last + INDEX_RUN as u64);
    filters.add(&[(hash(1), one)]);
    add_orders(&mut filters, one, INDEX_RUN - 2);
    filters.add(&[(hash(2), other)]);
    assert!(filters.full.len() == 1 && filters.may_have(&[1, 2].map(hash)) == [0, 1], "from memory");
    filters.add_run(one, other, own([0, 1, 2]));
    assert_eq!(filters.runs_with(hash(1)), [other], "the first filter has both runs, and one of them has it");
    assert_eq!(filters.runs_with(hash(2)), [other]);
    assert_eq!(filters.runs_with(hash(0)), [other, last]);
}

#[test]
fn hashes_that_the_index_may_have_are_named_by_their_places_in_a_long_list() {
    let mut filters = Filters::default();
    let strange: Vec<u64> = (1_000..1_000 + 3 * AT_ONCE as u64).map(hash).collect();
    let (one, other) = (AT_ONCE + 6, 2 * AT_ONCE + 1);
    filters.add(&[(strange[other], 1), (strange[one], 2), (hash(0), 3)]);
    assert_eq!(filters.may_have(&strange), [one, other]);
    assert_eq!(Filters::none_of(vec![10]).may_have(&strange).len(), strange.len(), "runs without filters");
}

#[test]
fn a_filter_stays_while_it_has_entries_in_memory_though_its_runs_are_gone() {
    let mut filters = Filters::default();
    let last = add_orders(&mut filters, 0, FILTER_ENTRIES - 1);
    filters.add_run(1, last, own([0]));
    filters.add(&[(hash(1), last + 1), (hash(0), last + 2)]);
    filters.forget_below(last + 1);
    assert!(filters.may_have(&[hash(1)]) == [0] && filters.run_count() == 0);
}

#[test]
fn a_run_that_is_removed_while_it_gets_a_filter_is_forgotten() {
    let mut filters = Filters::none_of(vec![10, 20]);
    add_bare(&mut filters, 20, [1]);
    filters.begin_adding(10);
    assert!(filters.add_some(&[hash(2)]));
    filters.forget_below(11);
    assert!(!filters.add_some(&[hash(3)]));
    filters.end_adding(Some(own([2, 3])));
    filters.begin_adding(10);
    assert!(!filters.add_some(&[hash(2)]));
    assert_eq!((filters.run_count(), filters.of_runs.len()), (1, 1));
    assert!(filters.runs_with(hash(2)).is_empty());
}

#[test]
fn a_run_that_loses_entries_while_it_gets_a_filter_stays_without() {
    let mut filters = Filters::none_of(vec![1]);
    filters.begin_adding(1);
    assert!(filters.add_some(&[hash(1)]));
    let mut last = 1;
    while filters.groups().any(|group| group.filter.may_have(Mark::of(hash(1)))) {
        assert_eq!(filters.adding, Some(1));
        fill(&mut filters);
        last += 1;
        filters.add(&[(hash(last), last)]);
    }
    assert!(!filters.add_some(&[hash(2)]));
    filters.end_adding(Some(own([1, 2])));
    assert_eq!((filters.runs_with(hash(1)), filters.may_have(&[hash(1)])), (vec![1], vec![0]), "it is read");
}

/// Fills the filter that takes what comes, and gives its size.
fn fill(filters: &mut Filters) -> usize {
    let open = filters.open.as_mut().unwrap();
    open.entries = open.filter.capacity();
    open.entries / FILTER_ENTRIES
}

#[test]
fn filters_grow_to_a_bound_and_the_oldest_runs_go_without() {
    let mut filters = Filters::default();
    let (mut capacities, mut run) = (Vec::new(), 0);
    while filters.bare.is_empty() {
        run += 1;
        filters.add(&[(hash(run), run)]);
        capacities.push(fill(&mut filters));
        filters.add_run(run, run, own([run]));
        assert!(filters.capacity() <= MAX_FILTERED_ENTRIES);
    }
    assert_eq!(capacities, [1, 4, 16, 16, 16]);
    assert_eq!((filters.bare.as_slice(), filters.run_count()), ([1, 2, 3].as_slice(), capacities.len()));
}

#[test]
fn the_runs_of_a_store_that_is_opened_share_the_filter_that_takes_what_comes() {
    for (runs, capacity) in [(1, 1), (15, 1), (16, 4), (16 * 4, 16), (16 * 15, 16)] {
        let mut filters = Filters::none_of((1..=runs).collect());
        while let Some(run) = filters.next_bare(u64::MAX) {
            add_bare(&mut filters, run, [run]);
        }
        filters.add(&[(hash(0), runs + 1)]);
        assert_eq!(
            filters.groups().map(|group| group.filter.capacity() / FILTER_ENTRIES).collect::<Vec<_>>(),
            [capacity]
        );
        let there: Vec<u64> = (0..=runs).map(hash).collect();
        assert_eq!(filters.may_have(&there).len(), there.len());
        assert!(filters.may_have(&[hash(runs + 1)]).is_empty());
    }
}

#[test]
fn the_runs_of_a_filter_that_is_outgrown_go_into_the_one_that_takes_what_comes() {
    let mut filters = Filters::default();
    filters.add(&[(hash(1), 1)]);
    filters.add_run(1, 1, own([1]));
    filters.add(&[(hash(2), 2)]);
    fill(&mut filters);
    filters.add(&[(hash(3), 3)]);
    assert_eq!(filters.next_outgrown(), None, "it has an entry in memory");
    // Begins in one filter and ends in the other.
    filters.add_run(2, 3, own([2, 3]));
    let open = filters.open.as_mut().unwrap();
    let entries = std::mem::replace(&mut open.entries, 4 * FILTER_ENTRIES - 2 * INDEX_RUN + 1);
    assert_eq!(filters.next_outgrown(), None, "there is too little room");
    filters.open.as_mut().unwrap().entries = entries;
    filters.begin_adding(1);
    assert!(!filters.add_some(&[hash(1)]), "it is not the next one");
    for (run, numbers) in [(3, [2, 3].as_slice()), (1, &[1])] {
        assert_eq!((filters.next_outgrown(), filters.groups().count()), (Some(run), 2));
        let hashes: Vec<u64> = numbers.iter().copied().map(hash).collect();
        assert!(!filters.begin_adding(run), "it has its own filter");
        assert!(filters.add_some(&hashes));
        filters.end_adding(None);
    }
    assert_eq!((filters.next_outgrown(), filters.groups().count()), (None, 1));
    assert_eq!(filters.may_have(&[1, 2, 3, 4].map(hash)), [0, 1, 2]);
    assert_eq!([1, 2, 3].map(|number| filters.runs_with(hash(number))), [[1], [3], [3]]);
}

#[test]
fn runs_that_find_the_filter_full_get_others_as_long_as_there_is_room() {
    let runs = 100;
    let mut filters = Filters::none_of((1..=runs).collect());
    filters.add(&[(hash(0), runs + 1)]);
    filters.open.as_mut().unwrap().entries = 16 * FILTER_ENTRIES - 1;
    // One entry in the filter that takes what comes, and one in the next.
    add_bare(&mut filters, runs, [1, 2]);
    assert_eq!((filters.runs_with(hash(1)).first(), filters.runs_with(hash(2)).first()), (Some(&runs), Some(&runs)));
    let capacities = |filters: &Filters| -> Vec<usize> {
        filters.groups().map(|group| group.filter.capacity() / FILTER_ENTRIES).collect()
    };
    assert_eq!(capacities(&filters), [7, 16]);
    for _ in 0..2 {
        let oldest = &mut filters.full[0];
        oldest.entries = oldest.filter.capacity();
        assert_eq!(filters.next_bare(runs), Some(runs - 1));
        filters.begin_adding(runs - 1);
        assert!(filters.add_some(&[hash(3)]));
    }
    assert_eq!(capacities(&filters), [7, 7, 7, 16]);
    let oldest = &mut filters.full[0];
    oldest.entries = oldest.filter.capacity();
    assert!(!filters.add_some(&[hash(4)]) && filters.next_bare(runs).is_none());
    assert!(filters.bare.contains(&(runs - 1)), "it is read");
}
