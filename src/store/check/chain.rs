//! The history's chain of hashes, walked from its beginning to the head, and the first place where it is broken.

/// A record's place: its sequence and its hash.
pub(in crate::store) type Link = (u64, [u8; 32]);

/// Walks a chain. Fed with every record in order, it knows at the end which one is not as it was written.
#[derive(Debug)]
pub(in crate::store) struct Chain {
    /// The record that the first one follows, which is not there: the cut, or zeros.
    start: Link,
    /// The record that the last one must be.
    head: Link,
    last: Link,
    first_break: Option<Break>,
    breaks: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Break {
    /// A record where none can be.
    Extra(u64),
    /// Records that are missing: from, to.
    Gap(u64, u64),
    Unreadable(u64),
    /// This record does not carry the hash of the one before it.
    Link(u64),
    /// Neither does this record carry the hash of the one before it, nor does the next one carry its hash.
    BothLinks(u64),
}

impl Chain {
    /// A chain that starts behind `start` and ends with `head`.
    pub(in crate::store) const fn between(start: Link, head: Link) -> Self {
        Self { start, head, last: start, first_break: None, breaks: 0 }
    }

    /// The next record: its sequence, the hash that it carries of the one before it (none where it cannot be read),
    /// and its own.
    pub(in crate::store) fn check_next(&mut self, sequence: u64, previous: Option<[u8; 32]>, hash: [u8; 32]) {
        if sequence <= self.start.0 || self.last == self.head {
            return self.note(Break::Extra(sequence));
        }
        let expected = self.last.0 + 1;
        let found = match previous {
            _ if sequence != expected => Some(Break::Gap(expected, sequence - 1)),
            None => Some(Break::Unreadable(sequence)),
            Some(previous) if previous != self.last.1 => Some(Break::Link(sequence)),
            Some(_) => None,
        };
        self.last = (sequence, hash);
        if let Some(found) = found {
            self.note(found);
        }
    }

    fn note(&mut self, found: Break) {
        self.breaks += 1;
        match (self.first_break, found) {
            (None, found) => self.first_break = Some(found),
            (Some(Break::Link(first)), Break::Link(second)) if second == first + 1 => {
                self.first_break = Some(Break::BothLinks(first));
            }
            _ => {}
        }
    }

    /// What is wrong with the chain; nothing if it is whole.
    pub(in crate::store) fn finish(mut self) -> Option<String> {
        let ends_well = self.last.1 == self.head.1;
        let (last, end) = (self.last.0, self.head.0);
        if let Some(Break::Link(at)) = self.first_break
            && at == last
            && !ends_well
        {
            self.first_break = Some(Break::BothLinks(at));
        }
        let Some(first) = self.first_break else {
            return match (last, ends_well) {
                _ if last < end => Some(format!("{} removed from the end", were(last + 1, end))),
                (_, true) => None,
                _ => Some(format!("record {end} was altered: the head carries another hash of it")),
            };
        };
        // With as many records too few or too many at the end, all behind the break have moved.
        let moved = if ends_well { i128::from(last) - i128::from(end) } else { 0 };
        let what = self.describe(first, moved);
        let more = self.breaks - 1;
        Some(if more == 0 { what } else { format!("{what}; {more} more breaks follow") })
    }

    fn describe(&self, first: Break, moved: i128) -> String {
        let renumbered = "and those behind it were renumbered";
        match first {
            Break::Extra(at) if at > self.head.0 => format!("record {at} was added at the end"),
            Break::Extra(at) => format!("record {at} was added: the history starts with record {}", self.start.0 + 1),
            Break::Gap(from, to) => format!("{} removed", were(from, to)),
            Break::Unreadable(at) => format!("record {at} was altered: it cannot be read"),
            Break::Link(at) if moved < 0 => {
                format!("{} of the records behind record {} were removed, {renumbered}", -moved, at - 1)
            }
            Break::BothLinks(at) if moved > 0 => format!("record {at} was added, {renumbered}"),
            Break::Link(at) if moved > 0 => format!("record {} was added, {renumbered}", at - 1),
            Break::Link(at) if at == self.start.0 + 1 => {
                format!("record {at} was altered: it does not follow from where the history starts")
            }
            Break::Link(at) => format!("record {} was altered: record {at} carries another hash of it", at - 1),
            Break::BothLinks(at) => {
                format!("record {at} was altered: it does not follow from the one before it, nor the next one from it")
            }
        }
    }
}

fn were(from: u64, to: u64) -> String {
    if from == to { format!("record {from} was") } else { format!("records {from} to {to} were") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Link = (0, [0; 32]);

    /// A record as the chain sees it.
    type Seen = (u64, Option<[u8; 32]>, [u8; 32]);

    fn hash(n: u8) -> [u8; 32] {
        [n; 32]
    }

    fn whole(records: u8) -> Vec<Seen> {
        (1..=records).map(|n| (u64::from(n), Some(hash(n - 1)), hash(n))).collect()
    }

    fn verdict(records: &[Seen]) -> String {
        let mut chain = Chain::between(START, (9, hash(9)));
        records.iter().for_each(|&(sequence, previous, hash)| chain.check_next(sequence, previous, hash));
        chain.finish().unwrap_or_default()
    }

    #[test]
    fn a_whole_chain_is_sound_and_an_empty_one_as_well() {
        assert_eq!(verdict(&whole(9)), "");
        assert_eq!(Chain::between(START, START).finish(), None);
        assert_eq!(Chain::between((9, hash(9)), (9, hash(9))).finish(), None);
    }

    #[test]
    fn an_altered_record_is_named_wherever_it_stands() {
        for at in 1..=9u64 {
            let index = at as usize - 1;
            let mut content = whole(9);
            content[index].2 = hash(99);
            assert!(verdict(&content).starts_with(&format!("record {at} was altered")), "{}", verdict(&content));
            let mut replaced = whole(9);
            replaced[index] = (at, Some(hash(98)), hash(99));
            assert!(verdict(&replaced).starts_with(&format!("record {at} was altered")), "{}", verdict(&replaced));
            let mut unreadable = whole(9);
            unreadable[index] = (at, None, hash(99));
            assert!(verdict(&unreadable).starts_with(&format!("record {at} was altered")), "{}", verdict(&unreadable));
        }
    }

    #[test]
    fn removed_records_are_named_also_when_the_others_were_renumbered() {
        for at in 1..=9u64 {
            let mut gap = whole(9);
            gap.remove(at as usize - 1);
            let found = verdict(&gap);
            assert!(found.starts_with(&format!("record {at} was removed")), "{found}");
        }
        let mut renumbered = whole(9);
        renumbered.remove(4);
        renumbered[4..].iter_mut().for_each(|record| record.0 -= 1);
        assert!(verdict(&renumbered).starts_with("1 of the records behind record 4 were removed"));
    }

    #[test]
    fn added_records_are_named() {
        let mut behind = whole(9);
        behind.push((10, Some(hash(9)), hash(10)));
        assert_eq!(verdict(&behind), "record 10 was added at the end");
        behind[9] = (12, None, hash(10));
        assert_eq!(verdict(&behind), "record 12 was added at the end");
        behind[8].2 = hash(99);
        behind[9] = (10, Some(hash(99)), hash(10));
        assert!(verdict(&behind).starts_with("record 9 was altered"));
        let mut before = whole(9);
        before.insert(0, (0, Some(hash(0)), hash(77)));
        assert!(verdict(&before).starts_with("record 0 was added"));
        for previous in [hash(4), hash(66)] {
            let mut within = whole(9);
            within[4..].iter_mut().for_each(|record| record.0 += 1);
            within.insert(4, (5, Some(previous), hash(77)));
            assert!(verdict(&within).starts_with("record 5 was added"), "{}", verdict(&within));
        }
    }

    #[test]
    fn a_cut_history_is_followed_from_its_cut() {
        let mut chain = Chain::between((4, hash(4)), (9, hash(9)));
        whole(9)[4..].iter().for_each(|&(sequence, previous, hash)| chain.check_next(sequence, previous, hash));
        assert_eq!(chain.finish(), None);
    }
}
