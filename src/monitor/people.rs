//! Distinct users and addresses, over a sliding window and since the last reset.

use std::collections::VecDeque;
use std::time::Duration;

use crate::domain::clock::Steady;
use crate::limits::{PEOPLE_SLICES, PEOPLE_SPAN};
use crate::metrics::{Metrics, Sketch};

/// Who was seen.
#[derive(Debug, Default)]
pub(super) struct People {
    users: Sliding,
    addresses: Sliding,
    /// Users since the last reset.
    tried: Sketch,
}

/// What was seen in the last [`PEOPLE_SPAN`], forgotten slice by slice.
#[derive(Debug, Default)]
struct Sliding {
    /// Slices that are full, oldest first, with their beginnings.
    full: VecDeque<(Steady, Sketch)>,
    /// Their union.
    union: Sketch,
    current: Sketch,
    began: Steady,
}

impl People {
    /// Takes in who was seen since the last call.
    pub(super) fn advance(&mut self, metrics: &Metrics, now: Steady) {
        let (mut users, mut addresses) = (Sketch::default(), Sketch::default());
        metrics.drain_people(&mut users, &mut addresses);
        self.tried.merge(&users);
        self.users.add(&users, now);
        self.addresses.add(&addresses, now);
    }

    /// Distinct users in the window.
    pub(super) fn active_users(&self) -> u64 {
        self.users.estimate()
    }

    /// Distinct addresses in the window.
    pub(super) fn visitors(&self) -> u64 {
        self.addresses.estimate()
    }

    /// Distinct users since the last reset.
    pub(super) fn tried(&self) -> u64 {
        self.tried.estimate()
    }

    /// Forgets who tried before.
    pub(super) fn reset(&mut self) {
        self.tried.clear();
    }
}

impl Sliding {
    fn add(&mut self, seen: &Sketch, now: Steady) {
        let slice: Duration = PEOPLE_SPAN / PEOPLE_SLICES;
        if now.since(self.began) >= slice {
            let full = std::mem::take(&mut self.current);
            self.full.push_back((self.began, full));
            self.began = now;
            // A slice is kept while its end lies in the window, however long it was.
            let ends = self.full.iter().skip(1).map(|(began, _)| *began).chain([now]);
            let old = ends.take_while(|end| now.since(*end) >= PEOPLE_SPAN).count();
            self.full.drain(..old);
            self.union.clear();
            self.full.iter().for_each(|(_, slice)| self.union.merge(slice));
        }
        self.current.merge(seen);
    }

    fn estimate(&self) -> u64 {
        let mut all = self.union.clone();
        all.merge(&self.current);
        all.estimate()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Steady {
        Steady::default().after(Duration::from_secs(seconds))
    }

    #[test]
    fn people_are_forgotten_after_the_window_and_tried_only_by_a_reset() {
        let (metrics, mut people) = (Metrics::default(), People::default());
        metrics.note_user("ada");
        metrics.note_user("ada");
        metrics.note_user("eve");
        metrics.note_address([192, 0, 2, 1].into());
        people.advance(&metrics, at(1));
        assert_eq!((people.active_users(), people.visitors(), people.tried()), (2, 1, 2));
        for second in 2..300 {
            if second == 200 {
                metrics.note_user("bob");
            }
            people.advance(&metrics, at(second));
            assert_eq!(people.active_users(), if second < 200 { 2 } else { 3 }, "at {second}");
        }
        for second in 300..312 {
            people.advance(&metrics, at(second));
        }
        assert_eq!((people.active_users(), people.visitors(), people.tried()), (1, 0, 3));
        people.reset();
        assert_eq!((people.active_users(), people.tried()), (1, 0));
        people.advance(&metrics, at(10_000));
        people.advance(&metrics, at(10_301));
        people.advance(&metrics, at(10_302));
        assert_eq!(people.active_users(), 0);
    }

    #[test]
    fn slices_are_as_many_as_the_window_has() {
        let (metrics, mut people) = (Metrics::default(), People::default());
        (0..2_000).for_each(|second| people.advance(&metrics, at(second)));
        assert!(people.users.full.len() <= PEOPLE_SLICES as usize + 1, "{}", people.users.full.len());
    }
}
