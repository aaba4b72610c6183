//! Watches the sale and the machine: samples the figures once a second, and raises the alerts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

use crate::domain::clock::Timestamp;
use crate::domain::product::ProductId;
use crate::domain::refusal::Refusal;
use crate::domain::series::EventKind;
use crate::limits::SAMPLE_PERIOD;
use crate::metrics::ProcessFigures;
use crate::view::benchmark::BenchmarkView;
use crate::view::history::HistoryView;
use crate::view::metrics::MetricsView;
use crate::view::readiness::ReadinessView;
use crate::view::verdict::VerdictView;

mod benchmark;
mod clock_watch;
mod deps;
mod follow;
mod history;
mod people;
mod process;
mod readiness;
mod rules;
mod sale_windows;
mod sampler;
mod series;
mod verdict;
mod watcher;
mod window;

pub use clock_watch::ClockWatch;
pub use deps::{Deps, Facts};
pub use history::{History, HistoryRange, LastRun};
pub use sale_windows::WindowWatch;
pub use series::{Sample, Series};

use sampler::Sampler;
use watcher::Watch;

/// The figures of the moment and of the time since the last reset. Cheap to share; dropping it ends its tasks.
#[derive(Debug)]
pub struct Monitor {
    sampler: Arc<Mutex<Sampler>>,
    latest: watch::Sender<Arc<MetricsView>>,
    /// Says that a measurement began, so that the next sample is of a whole second.
    restarted: Arc<Notify>,
    sampling: JoinHandle<()>,
    watch: Watch,
}

impl Monitor {
    /// Takes a first sample, and starts the task that takes one each second.
    pub fn start(deps: Deps) -> Self {
        let mut sampler = Sampler::new(deps.clone());
        let latest = watch::Sender::new(Arc::new(sampler.sample()));
        let sampler = Arc::new(Mutex::new(sampler));
        let restarted = Arc::<Notify>::default();
        let sampling = tokio::spawn(sample(Arc::clone(&sampler), latest.clone(), Arc::clone(&restarted)));
        let watch = Watch::start(deps, latest.subscribe());
        Self { sampler, latest, restarted, sampling, watch }
    }

    /// The sample of the last second.
    pub fn latest(&self) -> Arc<MetricsView> {
        Arc::clone(&self.latest.borrow())
    }

    /// The samples: changes once a second, and when a new measurement begins.
    pub fn samples(&self) -> watch::Receiver<Arc<MetricsView>> {
        self.latest.subscribe()
    }

    /// What the system says of this process.
    pub fn process(&self) -> ProcessFigures {
        self.sampler.lock().process()
    }

    /// What was measured since the last reset.
    pub fn benchmark(&self) -> BenchmarkView {
        self.sampler.lock().benchmark()
    }

    /// Begins a new measurement. Prometheus counters and the history stay.
    pub fn reset(&self) {
        let mut sampler = self.sampler.lock();
        self.latest.send_replace(Arc::new(sampler.reset()));
        self.restarted.notify_one();
    }

    /// The time series of a range, in steps of whole seconds, and what happened meanwhile.
    pub async fn history(&self, from: Timestamp, to: Timestamp, step: Duration) -> Result<HistoryView, Refusal> {
        let range = HistoryRange::of(to, Some(from), Some(to), Some(step))?;
        self.history_of(range).await
    }

    /// The same of a range that is checked.
    pub async fn history_of(&self, range: HistoryRange) -> Result<HistoryView, Refusal> {
        let history = Arc::clone(self.watch.history());
        tokio::task::spawn_blocking(move || history.read(range)).await.map_err(|_| Refusal::Internal)
    }

    /// When products were sold out last, to the second, as far as the events are kept. Some may have units again.
    pub fn sold_out_at(&self) -> BTreeMap<ProductId, Timestamp> {
        let moments = self.watch.history().moments(EventKind::SoldOut).into_iter();
        moments.filter_map(|(product, at)| Some((product?, at))).collect()
    }

    /// Whether a sale can begin, as it was seen a few seconds ago.
    pub fn readiness(&self) -> Arc<ReadinessView> {
        self.watch.readiness()
    }

    /// Whether the sale held. Goes over all orders.
    pub async fn verdict(&self) -> Result<VerdictView, Refusal> {
        let (metrics, benchmark) = (self.latest(), self.benchmark());
        verdict::verdict(self.watch.deps(), &metrics, &benchmark, self.watch.busy_for_sold_out()).await
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.sampling.abort();
    }
}

/// Takes a sample each second, and a second after each reset.
async fn sample(sampler: Arc<Mutex<Sampler>>, latest: watch::Sender<Arc<MetricsView>>, restarted: Arc<Notify>) {
    let mut ticks = tokio::time::interval_at(Instant::now() + SAMPLE_PERIOD, SAMPLE_PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = restarted.notified() => ticks.reset(),
            _ = ticks.tick() => {
                let mut sampler = sampler.lock();
                latest.send_replace(Arc::new(sampler.sample()));
            }
        }
    }
}
