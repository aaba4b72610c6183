//! The mirrors: they follow the store to databases and services outside of this process, and decide nothing.
//!
//! Each is a thread of its own with a low scheduling priority and a runtime of its own, so that nothing of it, a name
//! that does not resolve included, takes what orders need. It reads the journal from the position that its target
//! keeps, copies the rows that a record touched as they are now, and keeps the new position in the same transaction. So
//! whatever comes twice is as if it came once, and what is lost is copied again.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use crate::limits::{MIRROR_LINGER, MIRROR_LOOK_UPS, MIRROR_MAX_DELAY};
use crate::store::lower_priority;

mod causes;
mod certificates;
mod deps;
mod error;
mod events;
mod follow;
mod kept;
mod pace;
mod position;
mod postgres;
mod redis;
mod rows;
mod source;
mod target;
mod targets;

pub use deps::Deps;
pub use error::MirrorError;
pub use postgres::database::{Copied, Database, DatabaseError, DatabaseStatus};
pub use postgres::{Migration, MigrationFileError, Step, generate};
pub use targets::Targets;

use events::Events;
use follow::follow;
use postgres::Postgres;
use redis::Redis;
use source::Source;
use target::Target;

/// The mirrors that run.
#[derive(Debug)]
pub struct Mirrors {
    source: Source,
    stop: watch::Sender<bool>,
    running: Vec<oneshot::Receiver<()>>,
}

impl Mirrors {
    /// Starts one for each target. The journal keeps at most `most_kept` records for one that is away. Whether the
    /// targets are there does not matter.
    pub fn start(deps: Deps, targets: Targets, most_kept: u64) -> Result<Self, MirrorError> {
        let source = Source { deps, most_kept, linger: MIRROR_LINGER };
        let mut mirrors = Self { source, stop: watch::Sender::new(false), running: Vec::new() };
        if let Some(settings) = targets.postgres {
            mirrors.run(Postgres::new(settings, mirrors.source.clone()))?;
        }
        if let Some(webhook) = targets.events {
            mirrors.run(Events::new(mirrors.source.clone(), webhook))?;
        }
        if let Some(settings) = targets.redis {
            mirrors.run(Redis::new(settings, mirrors.source.clone()))?;
        }
        Ok(mirrors)
    }

    /// Runs a mirror on a thread of its own. One that panics is a defect, and no reason to end the server: it begins
    /// anew from the position of its target.
    fn run<T: Target + Send + 'static>(&mut self, mut target: T) -> Result<(), io::Error> {
        let (source, stopped) = (self.source.clone(), self.stop.subscribe());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(MIRROR_LOOK_UPS)
            .thread_name("mirror-names")
            .build()?;
        source.deps.metrics.mirrors().of(T::MIRROR).set(source.now());
        let (ended, running) = oneshot::channel();
        std::thread::Builder::new().name(format!("mirror-{}", T::MIRROR)).spawn(move || {
            lower_priority();
            let mut follow = || runtime.block_on(follow(&mut target, &source, stopped.clone()));
            while catch_unwind(AssertUnwindSafe(&mut follow)).is_err() {
                tracing::error!(mirror = %T::MIRROR, "a mirror panicked and begins anew");
                let figures = source.deps.metrics.mirrors().of(T::MIRROR);
                figures.fail("the mirror panicked, which is a defect", source.now());
                runtime.block_on(tokio::time::sleep(MIRROR_MAX_DELAY));
            }
            // A name that is just being looked up is not waited for.
            runtime.shutdown_background();
            let _ = ended.send(());
        })?;
        self.running.push(running);
        Ok(())
    }

    /// Stops them: what their targets lack they may still copy, for a moment, and for `patience` at most.
    pub async fn stop(self, patience: Duration) {
        self.stop.send_replace(true);
        let all_ended = async {
            for mirror in self.running {
                let _ = mirror.await;
            }
        };
        if tokio::time::timeout(patience, all_ended).await.is_err() {
            tracing::warn!("a mirror had not ended in time; it continues from its position at the next start");
        }
    }
}
