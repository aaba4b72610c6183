//! What is kept of a run, and how it is shown.

use serde::Serialize;

use crate::driver::figures::{Spread, Used, us_each};
use crate::driver::load::Round;

/// One server's round.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Measurement {
    pub(crate) answers: u64,
    pub(crate) answers_per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// Processor time of the server for each answer, in microseconds.
    pub(crate) server_us: f64,
    /// Processor time of the client for each answer, in microseconds.
    pub(crate) client_us: f64,
    /// Processor time of the rest of the machine for each answer, in microseconds: the kernel's threads that write to
    /// the disk, and whatever else runs here and disturbs the measurement.
    pub(crate) rest_us: f64,
    /// The real server's queue; the bare one has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) queue: Option<Queue>,
}

/// What the round left behind for the workers.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Queue {
    pub(crate) longest: u64,
    /// Right after the round's last answer.
    pub(crate) at_end: u64,
    pub(crate) drain_seconds: f64,
    /// As `server_us`, with the time spent on draining added.
    pub(crate) server_us_with_drain: f64,
}

/// A bare round and the real round beside it.
#[derive(Serialize)]
pub(crate) struct Pair {
    pub(crate) bare: Measurement,
    pub(crate) real: Measurement,
}

/// All rounds of one workload on so many connections.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Case {
    pub(crate) workload: &'static str,
    pub(crate) connections: u32,
    /// Length of an answer's body in bytes.
    pub(crate) bare_body: usize,
    pub(crate) real_body: usize,
    /// Orders answered 201 by the real server, warm-up included; every one was found confirmed.
    pub(crate) confirmed: u64,
    pub(crate) pairs: Vec<Pair>,
    /// Real over bare, each from the rounds of one pair.
    pub(crate) ratios: Ratios,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ratios {
    throughput: Spread,
    server_us: Spread,
    server_us_with_drain: Spread,
    p50: Spread,
    p99: Spread,
}

impl Measurement {
    pub(crate) fn new(round: &Round, used: Used) -> Self {
        let answers = round.latency.len();
        let ms = |quantile| round.latency.value_at_quantile(quantile) as f64 / 1_000.0;
        Self {
            answers,
            answers_per_second: answers as f64 / round.elapsed.as_secs_f64(),
            p50_ms: ms(0.50),
            p99_ms: ms(0.99),
            server_us: us_each(used.server, answers),
            client_us: us_each(used.client, answers),
            rest_us: us_each(used.rest(), answers),
            queue: None,
        }
    }

    fn server_us_with_drain(&self) -> f64 {
        self.queue.as_ref().map_or(self.server_us, |queue| queue.server_us_with_drain)
    }

    fn print(&self, round: usize, server: &str) {
        print!(
            "{round:>6}  {server:<6} {:>10.0} {:>8.2} {:>8.2} {:>10.1} {:>10.1} {:>8.1}",
            self.answers_per_second, self.p50_ms, self.p99_ms, self.server_us, self.client_us, self.rest_us
        );
        match &self.queue {
            None => println!(),
            Some(queue) => println!(
                " {:>9} {:>9} {:>8.2} {:>11.1}",
                queue.longest, queue.at_end, queue.drain_seconds, queue.server_us_with_drain
            ),
        }
    }
}

impl Ratios {
    pub(crate) fn of(pairs: &[Pair]) -> Self {
        let spread = |figure: fn(&Measurement) -> f64| {
            Spread::of(pairs.iter().map(|pair| figure(&pair.real) / figure(&pair.bare)).collect())
        };
        Self {
            throughput: spread(|side| side.answers_per_second),
            server_us: spread(|side| side.server_us),
            server_us_with_drain: spread(Measurement::server_us_with_drain),
            p50: spread(|side| side.p50_ms),
            p99: spread(|side| side.p99_ms),
        }
    }
}

impl Case {
    pub(crate) fn print(&self) {
        println!("\n{}, {} connections", self.workload, self.connections);
        println!(
            " round  server  answers/s   p50 ms   p99 ms  server us  client us  rest us {:>9} {:>9} {:>8} {:>11}",
            "max queue", "at end", "drain s", "with drain"
        );
        for (round, pair) in (1..).zip(&self.pairs) {
            pair.bare.print(round, "bare");
            pair.real.print(round, "real");
        }
        println!("  {:<30} {:>6} {:>6} {:>6}", "real / bare", "min", "median", "max");
        self.ratios.throughput.print("answers/s");
        self.ratios.server_us.print("server us an answer");
        self.ratios.server_us_with_drain.print("server us an answer, with drain");
        self.ratios.p50.print("p50");
        self.ratios.p99.print("p99");
        println!("  body of an answer: bare {} bytes, real {} bytes", self.bare_body, self.real_body);
        println!("  {} orders acknowledged, every one confirmed; the audit is ok", self.confirmed);
    }

    /// One line for the end of the run.
    pub(crate) fn print_headline(&self) {
        let Spread { min, median, max } = self.ratios.throughput;
        let (name, connections) = (self.workload, self.connections);
        let spread = format!("{median:.3} ({min:.3} to {max:.3})");
        println!("{name:<9} {connections:>5} connections: {spread} of the bare handler's throughput");
    }
}
