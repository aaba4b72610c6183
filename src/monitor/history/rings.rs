//! The three tiers in memory. Each is a ring whose slots are named by time: the point of a step is in the slot of its
//! number, modulo the number of slots, and says which step it is. So a gap needs no entry, the clock may be set
//! as it likes, and a slot that was not written again after a round is not taken for a new one.

use crate::domain::series::Series;
use crate::limits::HISTORY_TIERS;

use super::point::Point;

/// A slot of a tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SlotId {
    pub(super) tier: usize,
    pub(super) slot: usize,
}

/// All points, of the last hour, day and month in which the server ran. Memory is taken as slots are filled.
#[derive(Debug)]
pub(super) struct Rings([Vec<Option<Box<Point>>>; HISTORY_TIERS.len()]);

impl Default for Rings {
    fn default() -> Self {
        Self(HISTORY_TIERS.map(|tier| vec![None; tier.slots]))
    }
}

impl Rings {
    /// Adds what was measured in a second, and gives the slots that changed. A second that comes again, as the clock
    /// was set back, replaces the one before; in the upper tiers both count.
    pub(super) fn record(
        &mut self,
        second: i64,
        values: &[Option<f32>; Series::COUNT],
    ) -> [SlotId; HISTORY_TIERS.len()] {
        let point = Point::of(second, values);
        std::array::from_fn(|tier| {
            let number = second.div_euclid(HISTORY_TIERS[tier].step_seconds);
            let id = slot_of(tier, number);
            let slot = &mut self.0[tier][id.slot];
            match slot.as_deref_mut().filter(|known| tier > 0 && known.number == number) {
                Some(known) => known.add(&point),
                None => *slot = Some(Box::new(Point::of(number, values))),
            }
            id
        })
    }

    /// Puts a point that was read from the file into its slot.
    pub(super) fn put(&mut self, id: SlotId, point: Point) {
        if slot_of(id.tier, point.number) == id {
            self.0[id.tier][id.slot] = Some(Box::new(point));
        }
    }

    /// The point in a slot.
    pub(super) fn slot(&self, id: SlotId) -> Option<&Point> {
        self.0[id.tier][id.slot].as_deref()
    }

    /// What was measured in a span of whole seconds. It is put together from the coarsest tier whose steps fit the
    /// span. Where finer steps were written over, it is put together from all coarser ones that it touches; where they
    /// were not, nothing was measured.
    pub(super) fn fold(&self, start: i64, seconds: i64) -> Option<Point> {
        let fits = |tier: &usize| {
            let step = HISTORY_TIERS[*tier].step_seconds;
            seconds % step == 0 && start.rem_euclid(step) == 0
        };
        let (fitting, coarser): (Vec<usize>, Vec<usize>) = (0..HISTORY_TIERS.len()).partition(fits);
        let exact = fitting.into_iter().rev().find_map(|tier| self.fold_tier(tier, start, seconds));
        exact.or_else(|| {
            let mut left = coarser.into_iter().take_while(|tier| self.was_written_over(tier - 1, start, seconds));
            left.find_map(|tier| self.fold_tier(tier, start, seconds))
        })
    }

    /// Whether later steps are in the slots of a span.
    fn was_written_over(&self, tier: usize, start: i64, seconds: i64) -> bool {
        let step = HISTORY_TIERS[tier].step_seconds;
        let mut numbers = start.div_euclid(step)..=(start + seconds - 1).div_euclid(step);
        numbers.any(|number| self.slot(slot_of(tier, number)).is_some_and(|point| point.number > number))
    }

    fn fold_tier(&self, tier: usize, start: i64, seconds: i64) -> Option<Point> {
        let step = HISTORY_TIERS[tier].step_seconds;
        let (first, last) = (start.div_euclid(step), (start + seconds - 1).div_euclid(step));
        let points = (first..=last).filter_map(|number| self.point(tier, number));
        let mut folded = None;
        for point in points {
            folded.get_or_insert_with(|| Point::empty(start)).add(point);
        }
        folded
    }

    fn point(&self, tier: usize, number: i64) -> Option<&Point> {
        self.slot(slot_of(tier, number)).filter(|point| point.number == number)
    }
}

/// The slot of a step.
fn slot_of(tier: usize, number: i64) -> SlotId {
    let slots = HISTORY_TIERS[tier].slots as i64;
    SlotId { tier, slot: number.rem_euclid(slots) as usize }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(series: Series, value: f32) -> [Option<f32>; Series::COUNT] {
        let mut values = [None; Series::COUNT];
        values[series as usize] = Some(value);
        values
    }

    fn queue(point: Option<Point>) -> Option<(f32, f32, f32)> {
        let figures = point?.figures(Series::QueueLength)?;
        Some((figures.min, figures.mean, figures.max))
    }

    #[test]
    fn every_tier_says_the_least_the_mean_and_the_most_of_what_was_measured() {
        let mut rings = Rings::default();
        for second in 600..720 {
            rings.record(second, &with(Series::QueueLength, second as f32));
        }
        assert_eq!(queue(rings.fold(605, 1)), Some((605.0, 605.0, 605.0)));
        assert_eq!(queue(rings.fold(605, 4)), Some((605.0, 606.5, 608.0)), "seconds where ten do not fit");
        assert_eq!(queue(rings.fold(610, 20)), Some((610.0, 619.5, 629.0)));
        assert_eq!(queue(rings.fold(600, 120)), Some((600.0, 659.5, 719.0)));
        assert_eq!(queue(rings.fold(720, 60)), None);
        assert!(rings.fold(600, 60).unwrap().figures(Series::CpuPercent).is_none(), "another series");
    }

    #[test]
    fn a_ring_that_went_round_has_no_old_points_and_the_coarser_tier_still_has_them() {
        let mut rings = Rings::default();
        let hour = HISTORY_TIERS[0].slots as i64;
        for second in [0, 5, hour] {
            rings.record(second, &with(Series::QueueLength, second as f32));
        }
        assert_eq!(queue(rings.fold(hour, 1)), Some((hour as f32, hour as f32, hour as f32)));
        assert_eq!(queue(rings.fold(0, 1)), Some((0.0, 2.5, 5.0)), "of the ten seconds that it is in");
        assert_eq!(queue(rings.fold(5, 1)), Some((5.0, 5.0, 5.0)), "its slot was not taken");
        assert_eq!(queue(rings.fold(4, 1)), None, "its slot was not taken either: nothing was measured");
        assert_eq!(queue(rings.fold(70, 1)), None);
    }

    #[test]
    fn a_clock_that_goes_back_replaces_seconds_and_counts_both_in_the_upper_tiers() {
        let mut rings = Rings::default();
        rings.record(100, &with(Series::QueueLength, 1.0));
        rings.record(100, &with(Series::QueueLength, 4.0));
        assert_eq!(queue(rings.fold(100, 1)), Some((4.0, 4.0, 4.0)));
        assert_eq!(queue(rings.fold(100, 10)), Some((1.0, 2.5, 4.0)));
        // Before 1970 as well.
        rings.record(-5, &with(Series::QueueLength, 7.0));
        assert_eq!(queue(rings.fold(-60, 60)), Some((7.0, 7.0, 7.0)));
    }

    #[test]
    fn a_point_comes_back_from_its_bytes_and_other_bytes_are_no_point() {
        let mut point = Point::of(7, &with(Series::Visitors, 2.5));
        point.add(&Point::of(8, &with(Series::Visitors, 0.1)));
        let mut bytes = Vec::new();
        point.encode(&mut bytes);
        assert_eq!(bytes.len(), super::super::point::POINT_BYTES);
        assert_eq!(Point::decode(&bytes), Some(point));
        bytes[8..12].copy_from_slice(&f32::NAN.to_le_bytes());
        assert_eq!(Point::decode(&bytes), None);
        assert_eq!(Point::decode(&bytes[1..]), None);
    }
}
