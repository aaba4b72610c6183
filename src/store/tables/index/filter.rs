//! A filter in memory that says of most entries that they are not there, so that nobody looks for these.
//!
//! It is a split block Bloom filter (Putze, Sanders, Singler, "Cache-, Hash- and Space-Efficient Bloom Filters", 2007):
//! an entry sets one bit in each of the eight words of one block, which is a line of the processor's cache, so a look
//! touches one line. With [`FILTER_BITS`] bits an entry about one look in sixty thousand says "perhaps" of a full
//! filter that does not have the hash. A run's own filter has [`RUN_FILTER_BITS`] bits for each entry, and about one
//! look in three hundred is in vain.

use crate::domain::scatter;
use crate::limits::FILTER_BITS;

const WORDS: usize = 8;
/// Entries for each block.
const SHARE: usize = WORDS * 64 / FILTER_BITS;
/// Bits for each entry of a run in the run's own filter.
const RUN_FILTER_BITS: usize = 12;
/// Odd, so that every bit of a hash has a part in the upper bits of the product.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// So many hashes are looked for or added at once: first one word of each block is fetched, then the rest is read.
pub(super) const AT_ONCE: usize = 128;

/// One filter.
#[derive(Default)]
pub(in crate::store) struct Filter {
    words: Vec<u64>,
    /// Where the blocks begin, so that each is one line of the cache.
    first: usize,
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Filter for {}", self.capacity())
    }
}

/// Where a hash is in any filter.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    /// Picks the block, whatever their number.
    upper: u32,
    /// Picks the bits: six bits of it for each word, behind the lowest 16.
    spread: u64,
}

impl Mark {
    pub(super) fn of(hash: u64) -> Self {
        Self { upper: (hash >> 32) as u32, spread: hash.wrapping_mul(SPREAD) }
    }

    /// Its bit of a word.
    const fn bit(self, word: usize) -> u64 {
        1 << ((self.spread >> (16 + 6 * word)) & 63)
    }

    /// Its block of so many.
    fn place(self, blocks: usize) -> usize {
        ((u64::from(self.upper) * blocks as u64) >> 32) as usize
    }
}

impl Filter {
    /// For so many entries, a multiple of [`SHARE`]. Its memory comes as zeros from the system and is taken
    /// page by page as entries come.
    pub(in crate::store) fn for_entries(entries: usize) -> Self {
        let words = vec![0; entries / SHARE * WORDS + WORDS - 1];
        let first = words.as_ptr().align_offset(WORDS * 8).min(WORDS - 1);
        Self { words, first }
    }

    /// A small one for all entries of a run.
    pub(in crate::store) fn of_run(hashes: impl ExactSizeIterator<Item = u64>) -> Self {
        let mut filter =
            Self::for_entries((hashes.len() * RUN_FILTER_BITS).div_ceil(FILTER_BITS).next_multiple_of(SHARE));
        filter.add(hashes);
        filter
    }

    fn blocks(&self) -> &[[u64; WORDS]] {
        self.words[self.first..].as_chunks().0
    }

    /// How many entries it is for.
    pub(super) fn capacity(&self) -> usize {
        self.blocks().len() * SHARE
    }

    pub(in crate::store) fn add(&mut self, hashes: impl Iterator<Item = u64>) {
        let mut marks = Vec::with_capacity(AT_ONCE);
        let mut hashes = hashes.peekable();
        while hashes.peek().is_some() {
            marks.clear();
            marks.extend(hashes.by_ref().take(AT_ONCE).map(Mark::of));
            scatter::fetch(marks.iter().map(|mark| self.first_word(*mark)));
            let blocks = self.words[self.first..].as_chunks_mut().0;
            for mark in &marks {
                let block: &mut [u64; WORDS] = &mut blocks[mark.place(blocks.len())];
                block.iter_mut().enumerate().for_each(|(at, word)| *word |= mark.bit(at));
            }
        }
    }

    /// A word of the block of a mark.
    pub(super) fn first_word(&self, mark: Mark) -> u64 {
        let blocks = self.blocks();
        blocks[mark.place(blocks.len())][0]
    }

    /// Whether the hash may be in it; false is sure.
    pub(super) fn may_have(&self, mark: Mark) -> bool {
        let blocks = self.blocks();
        let block = &blocks[mark.place(blocks.len())];
        block.iter().enumerate().all(|(at, word)| word & mark.bit(at) != 0)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use crate::limits::FILTER_ENTRIES;

    use super::*;

    /// Spreads numbers as the hashes of names are.
    pub(in super::super) fn hash(number: u64) -> u64 {
        let digest = blake3::hash(&number.to_le_bytes());
        u64::from_le_bytes(*digest.as_bytes().first_chunk().unwrap())
    }

    #[test]
    fn a_full_filter_has_its_entries_and_hardly_any_other() {
        let mut filter = Filter::for_entries(FILTER_ENTRIES);
        filter.add((0..FILTER_ENTRIES as u64).map(hash));
        assert!((0..FILTER_ENTRIES as u64).all(|n| filter.may_have(Mark::of(hash(n)))));
        let others = FILTER_ENTRIES as u64..2 * FILTER_ENTRIES as u64;
        let wrong = others.filter(|n| filter.may_have(Mark::of(hash(*n)))).count();
        assert!(wrong < 60, "{wrong} of a million");
    }
}
