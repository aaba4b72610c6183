//! The six states and the line of rates.

use std::time::Duration;

use crate::view::metrics::MetricsView;
use crate::view::queue::QueueView;

use super::super::text;

/// Jobs in one state.
#[derive(Clone, Debug)]
pub(in crate::dashboard) struct StateFigure {
    /// Its word.
    pub(super) name: &'static str,
    /// How many.
    pub(super) count: u64,
    /// What is to be said of it.
    pub(super) note: String,
    /// Whether it is a reason to look.
    pub(super) is_bad: bool,
}

impl StateFigure {
    /// The number as it is shown.
    pub(super) fn shown(&self) -> String {
        text::whole(self.count)
    }
}

/// Something that is measured, in words, under a name by which a script finds it.
#[derive(Clone, Debug)]
pub(in crate::dashboard) struct Rate {
    /// The name.
    pub(super) name: &'static str,
    /// The words.
    pub(super) text: String,
}

/// The six states, with the number that the API has.
pub(super) fn states(queue: &QueueView, sample: &MetricsView) -> [StateFigure; 6] {
    let counts = queue.counts;
    let figure = |name, count, note| StateFigure { name, count, note, is_bad: false };
    let dead = queue.dead_letters;
    let growth = match sample.dead_letters_per_second {
        0.0 => String::new(),
        growth => format!(", +{} a second", per_second(growth)),
    };
    let dead = StateFigure {
        name: "failed",
        count: counts.failed,
        note: format!("{}{growth}", text::counted(dead, "dead letter", "dead letters")),
        is_bad: dead > 0,
    };
    [
        figure("waiting", counts.waiting, "in line".to_owned()),
        figure("prioritized", counts.prioritized, "above or below normal".to_owned()),
        figure("delayed", counts.delayed, "retries and holds".to_owned()),
        figure("active", counts.active, format!("of {}", text::counted(sample.workers, "worker", "workers"))),
        figure("completed", counts.completed, format!("{} a second", per_second(sample.throughput))),
        dead,
    ]
}

/// The line of rates.
pub(super) fn rates(queue: &QueueView, sample: &MetricsView) -> Vec<Rate> {
    let unfinished = queue.counts.waiting + queue.counts.prioritized + queue.counts.delayed + queue.counts.active;
    let holds = match queue.counts.delayed {
        0 => String::new(),
        _ => " with holds".to_owned(),
    };
    let oldest = match queue.oldest_job_age_ms {
        0 => "nothing in line".to_owned(),
        age => format!("oldest job {}", text::span(Duration::from_millis(age))),
    };
    let capacity = text::whole(queue.capacity);
    vec![
        Rate { name: "state", text: if queue.paused { "Paused" } else { "Running" }.to_owned() },
        Rate { name: "oldest", text: oldest },
        Rate {
            name: "unfinished",
            text: format!("unfinished {}{holds}, room for {capacity}", text::whole(unfinished)),
        },
        Rate {
            name: "rates",
            text: format!(
                "completed {} a second, accepted {} a second",
                per_second(queue.completed_per_second),
                per_second(sample.orders_per_second)
            ),
        },
    ]
}

/// A rate: one digit after the point below ten, and zero only if it is.
pub(super) fn per_second(rate: f64) -> String {
    match rate {
        0.0 => "0".to_owned(),
        ..0.05 => "<0.1".to_owned(),
        ..9.95 => format!("{rate:.1}"),
        _ => text::whole(rate.round() as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_zero_only_if_it_is() {
        for (rate, shown) in [(0.0, "0"), (0.01, "<0.1"), (0.1, "0.1"), (9.96, "10"), (1_234.6, "1\u{202f}235")] {
            assert_eq!(per_second(rate), shown);
        }
    }
}
