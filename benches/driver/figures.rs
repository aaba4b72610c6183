//! Figures that several benchmarks give.

use std::time::Duration;

use serde::Serialize;

use super::machine;
use super::server::Server;

/// Processor time used, so far or since some moment.
pub(crate) struct Used {
    pub(crate) server: Duration,
    pub(crate) client: Duration,
    pub(crate) machine: Duration,
}

/// The least, the middle and the greatest of some values.
#[derive(Serialize)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

impl Used {
    /// So far, by this server, this process and everything.
    pub(crate) fn by(server: &Server) -> Self {
        Self { server: server.cpu(), client: machine::own_cpu(), machine: machine::machine_cpu() }
    }

    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            server: self.server - before.server,
            client: self.client - before.client,
            machine: self.machine - before.machine,
        }
    }

    /// What neither server nor client used.
    pub(crate) fn rest(&self) -> Duration {
        self.machine.saturating_sub(self.server + self.client)
    }
}

/// Microseconds of `time` for each of `count`.
pub(crate) fn us_each(time: Duration, count: u64) -> f64 {
    time.as_secs_f64() * 1e6 / count as f64
}

impl Spread {
    /// Of an even number the median is the mean of the middle two.
    pub(crate) fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let count = values.len();
        let median = f64::midpoint(values[(count - 1) / 2], values[count / 2]);
        Self { min: values[0], median, max: values[count - 1] }
    }

    pub(crate) fn print(&self, name: &str) {
        println!("  {name:<30} {:>6.3} {:>6.3} {:>6.3}", self.min, self.median, self.max);
    }
}
