//! When buyers arrive: an open loop, which never waits for responses. Buyers are evenly spaced at the rate of their
//! moment.

use std::time::Duration;

use super::scenario::{Phase, Scenario};

/// The moments at which buyers arrive, from the start of the run on, in order.
#[derive(Debug)]
pub(super) struct Arrivals {
    phases: std::vec::IntoIter<Phase>,
    phase: Option<Phase>,
    /// When the phase begins, in seconds.
    begins: f64,
    /// Buyers that were due before the phase, as a sum of fractions.
    before: f64,
    next: u64,
}

impl Arrivals {
    pub(super) fn of(scenario: &Scenario) -> Self {
        let mut phases = scenario.phases.clone().into_iter();
        let phase = phases.next();
        Self { phases, phase, begins: 0.0, before: 0.0, next: 0 }
    }
}

impl Iterator for Arrivals {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        loop {
            let phase = self.phase.as_ref()?;
            // The buyer is due when half of it has come.
            let wanted = self.next as f64 + 0.5 - self.before;
            if wanted < phase.arrivals() {
                self.next += 1;
                return Some(Duration::from_secs_f64(self.begins + reached(phase, wanted)));
            }
            self.begins += phase.seconds;
            self.before += phase.arrivals();
            self.phase = self.phases.next();
        }
    }
}

/// When so many buyers of a phase have come, in seconds from its start: `rate·t + (ramp_to − rate)·t² / 2·seconds`
/// solved for `t`, in the form that does not cancel for small slopes.
fn reached(phase: &Phase, buyers: f64) -> f64 {
    let [from, to] = phase.rates();
    let slope = (to - from) / phase.seconds;
    2.0 * buyers / (from + (from * from + 2.0 * slope * buyers).max(0.0).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scenario(phases: Vec<Phase>) -> Scenario {
        Scenario { phases, ..Scenario::built_in("limited").unwrap() }
    }

    fn phase(seconds: f64, rate: f64, ramp_to: Option<f64>) -> Phase {
        Phase { name: String::new(), seconds, rate, ramp_to }
    }

    #[test]
    fn buyers_of_a_steady_phase_are_evenly_spaced() {
        let all: Vec<_> = Arrivals::of(&scenario(vec![phase(2.0, 2.0, None)])).map(|at| at.as_millis()).collect();
        assert_eq!(all, [250, 750, 1_250, 1_750]);
    }

    proptest! {
        #[test]
        fn as_many_buyers_arrive_as_the_phases_say_in_order_and_in_time(
            parts in proptest::collection::vec((0.1..5.0, 0.0..200.0, proptest::option::of(0.0..200.0)), 1..5),
        ) {
            let phases: Vec<_> = parts.into_iter().map(|(seconds, rate, to)| phase(seconds, rate, to)).collect();
            let scenario = scenario(phases);
            let all: Vec<_> = Arrivals::of(&scenario).collect();
            prop_assert!(all.is_sorted());
            prop_assert!(all.last().is_none_or(|last| *last <= scenario.duration()));
            prop_assert!((all.len() as f64 - scenario.phases.iter().map(Phase::arrivals).sum::<f64>()).abs() <= 1.0);
            let first = scenario.phases[0].clone();
            let early = all.iter().filter(|at| at.as_secs_f64() < first.seconds).count() as f64;
            prop_assert!((early - first.arrivals()).abs() <= 1.0);
        }
    }
}
