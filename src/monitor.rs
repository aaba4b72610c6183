//! Watches the sale and the machine: samples the figures once a second, and raises the alerts.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::limits::SAMPLE_PERIOD;
use crate::view::benchmark::BenchmarkView;
use crate::view::metrics::MetricsView;

mod clock_watch;
mod deps;
mod sale_windows;
mod sampler;
mod series;

pub use clock_watch::ClockWatch;
pub use deps::Deps;
pub use sale_windows::WindowWatch;
pub use series::{Sample, Series};

use sampler::Sampler;

/// The figures of the moment and of the time since the last reset. Cheap to share; dropping it ends its task.
#[derive(Debug)]
pub struct Monitor {
    sampler: Arc<Mutex<Sampler>>,
    latest: watch::Receiver<Arc<MetricsView>>,
    sampling: JoinHandle<()>,
}

impl Monitor {
    /// Takes a first sample, and starts the task that takes one each second.
    pub fn start(deps: Deps) -> Self {
        let mut sampler = Sampler::new(deps);
        let (publish, latest) = watch::channel(Arc::new(sampler.sample()));
        let sampler = Arc::new(Mutex::new(sampler));
        let shared = Arc::clone(&sampler);
        let sampling = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(SAMPLE_PERIOD);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            ticks.tick().await;
            loop {
                ticks.tick().await;
                let sample = shared.lock().sample();
                publish.send_replace(Arc::new(sample));
            }
        });
        Self { sampler, latest, sampling }
    }

    /// The sample of the last second.
    pub fn latest(&self) -> Arc<MetricsView> {
        Arc::clone(&self.latest.borrow())
    }

    /// The samples: changes once a second.
    pub fn samples(&self) -> watch::Receiver<Arc<MetricsView>> {
        self.latest.clone()
    }

    /// What was measured since the last reset.
    pub fn benchmark(&self) -> BenchmarkView {
        self.sampler.lock().benchmark()
    }

    /// Begins a new measurement. Prometheus counters and the history stay.
    pub fn reset(&self) {
        self.sampler.lock().reset();
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.sampling.abort();
    }
}
