//! The ready jobs of one priority, sorted by order number.
//!
//! They are kept in chunks, so that a job which returns to the middle moves its neighbours in one chunk and not half of
//! the line, and a rank is the sum of the chunks before it.

use std::collections::VecDeque;

use crate::domain::order::OrderId;

use super::job::Job;

/// Jobs in a chunk, at most.
const CHUNK: usize = 512;

/// A line.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// Sorted within and among each other. None is empty, but for the only one.
    chunks: VecDeque<VecDeque<Job>>,
    len: usize,
}

impl Line {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The job with the lowest order number.
    pub(super) fn front(&self) -> Option<&Job> {
        self.chunks.front().and_then(VecDeque::front)
    }

    /// Puts a job into its place. New orders come in number order; only one that returns belongs further ahead.
    pub(super) fn put(&mut self, job: Job) {
        let at = self.chunk_of(job.order);
        let Some(chunk) = self.chunks.get_mut(at) else { return self.append(job) };
        match chunk.binary_search_by_key(&job.order, |other| other.order) {
            Ok(same) => chunk[same] = job,
            Err(place) => {
                chunk.insert(place, job);
                self.len += 1;
                if chunk.len() > CHUNK {
                    let upper = chunk.split_off(CHUNK / 2);
                    self.chunks.insert(at + 1, upper);
                }
            }
        }
    }

    /// Adds a job behind all others.
    fn append(&mut self, job: Job) {
        self.len += 1;
        match self.chunks.back_mut().filter(|last| last.len() < CHUNK) {
            Some(last) => last.push_back(job),
            None => self.chunks.push_back(VecDeque::from([job])),
        }
    }

    /// Removes the job of an order; whether it was there.
    pub(super) fn remove(&mut self, order: OrderId) -> bool {
        let at = self.chunk_of(order);
        let Some(chunk) = self.chunks.get_mut(at) else { return false };
        let Ok(place) = chunk.binary_search_by_key(&order, |job| job.order) else { return false };
        chunk.remove(place);
        self.len -= 1;
        // Small neighbours become one, so that there are never many more chunks than the jobs need: but for the first,
        // any two in a row have more than half a chunk of jobs together.
        if self.are_small(at) {
            self.join(at);
        } else if at > 0 && self.are_small(at - 1) {
            self.join(at - 1);
        } else if self.chunks[at].is_empty() && self.chunks.len() > 1 {
            self.chunks.remove(at);
        }
        true
    }

    /// Whether a chunk and the one behind it have few jobs together.
    fn are_small(&self, at: usize) -> bool {
        self.chunks.get(at + 1).is_some_and(|next| self.chunks[at].len() + next.len() <= CHUNK / 2)
    }

    /// Makes one of a chunk and the one behind it.
    fn join(&mut self, at: usize) {
        if let Some(mut next) = self.chunks.remove(at + 1) {
            self.chunks[at].append(&mut next);
        }
    }

    /// Moves up to `most` jobs from the front into `taken`.
    pub(super) fn take(&mut self, most: usize, taken: &mut Vec<Job>) {
        let mut room = most.min(self.len);
        self.len -= room;
        while let Some(first) = self.chunks.front_mut().filter(|_| room > 0) {
            let some = first.len().min(room);
            room -= some;
            taken.extend(first.drain(..some));
            if first.is_empty() && self.chunks.len() > 1 {
                self.chunks.pop_front();
            }
        }
    }

    /// How many jobs go before that of an order, if it is in line.
    pub(super) fn rank(&self, order: OrderId) -> Option<usize> {
        let at = self.chunk_of(order);
        let place = self.chunks.get(at)?.binary_search_by_key(&order, |job| job.order).ok()?;
        Some(self.chunks.iter().take(at).map(VecDeque::len).sum::<usize>() + place)
    }

    /// Orders in line with a number above `after`, the lowest first.
    pub(super) fn above(&self, after: Option<OrderId>) -> impl Iterator<Item = OrderId> {
        let at = after.map_or(0, |after| self.chunk_of(after));
        let orders = self.chunks.iter().skip(at).flatten().map(|job| job.order);
        orders.skip_while(move |order| after.is_some_and(|after| *order <= after))
    }

    /// The first chunk that does not end before this order; past the last one where all do.
    fn chunk_of(&self, order: OrderId) -> usize {
        self.chunks.partition_point(|chunk| chunk.back().is_none_or(|last| last.order < order))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::clock::Steady;
    use crate::domain::order::Priority;

    fn job(order: u64) -> Job {
        Job { order: OrderId(order), priority: Priority::Normal, due: None, placed: Steady::default(), paid: false }
    }

    /// What a test does to a line. Numbers are taken from the model where the job has to be there.
    #[derive(Clone, Debug)]
    enum Step {
        Append(u64),
        Return(u64),
        Remove(usize),
        RemoveRun { from: usize, many: usize },
        Take(usize),
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (1..2_000_u64).prop_map(Step::Append),
            3 => any::<u64>().prop_map(Step::Return),
            2 => any::<usize>().prop_map(Step::Remove),
            1 => (any::<usize>(), 1..1_500_usize).prop_map(|(from, many)| Step::RemoveRun { from, many }),
            2 => (1..1_500_usize).prop_map(Step::Take),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_line_does_what_a_sorted_set_would(steps in prop::collection::vec(any_step(), 1..60)) {
            let (mut line, mut model) = (Line::default(), BTreeSet::<u64>::new());
            let mut last = 0;
            for step in steps {
                match step {
                    // Every other number stays free for those who return.
                    Step::Append(many) => for _ in 0..many {
                        last += 2;
                        line.put(job(last));
                        model.insert(last);
                    },
                    Step::Return(number) => {
                        let number = number % (last + 1);
                        line.put(job(number));
                        model.insert(number);
                    }
                    Step::Remove(which) => {
                        let number = model.iter().copied().nth(which % model.len().max(1)).unwrap_or(7);
                        prop_assert_eq!(line.remove(OrderId(number)), model.remove(&number));
                        prop_assert!(!line.remove(OrderId(number)));
                    }
                    Step::RemoveRun { from, many } => {
                        let run = model.iter().copied().skip(from % model.len().max(1)).take(many);
                        for number in run.collect::<Vec<_>>() {
                            prop_assert!(line.remove(OrderId(number)) && model.remove(&number));
                        }
                    }
                    Step::Take(most) => {
                        let mut taken = Vec::new();
                        line.take(most, &mut taken);
                        let expected: Vec<_> = (0..most).map_while(|_| model.pop_first()).collect();
                        prop_assert_eq!(taken.iter().map(|job| job.order.0).collect::<Vec<_>>(), expected);
                    }
                }
                prop_assert_eq!(line.len(), model.len());
                prop_assert_eq!(line.is_empty(), model.is_empty());
                prop_assert_eq!(line.front().map(|job| job.order.0), model.first().copied());
                prop_assert!(line.chunks.len() <= 2 + 4 * model.len() / CHUNK, "{} chunks", line.chunks.len());
                for number in [0, 1, last / 3, last / 2, last] {
                    let rank = model.contains(&number).then(|| model.range(..number).count());
                    prop_assert_eq!(line.rank(OrderId(number)), rank);
                    let above: Vec<_> = line.above(Some(OrderId(number))).take(5).map(|order| order.0).collect();
                    prop_assert_eq!(above, model.range(number + 1..).take(5).copied().collect::<Vec<_>>());
                }
                prop_assert!(line.above(None).map(|order| order.0).eq(model.iter().copied()));
            }
        }
    }
}
