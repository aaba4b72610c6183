//! The load itself: shards that send buyers on their way when they are due, and figures of each second.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::task::yield_now;
use tokio::time::{sleep_until, timeout};

use super::RehearsalError;
use super::arrivals::Arrivals;
use super::buyer::Buyer;
use super::heard::Heard;
use super::shop::Shop;
use super::window::Window;
use crate::limits::{MAX_LIVE_BUYERS, REHEARSAL_TIMEOUT};
use crate::view::load_test::SecondView;

/// Things that are begun at once before those before them get their turn.
const AT_ONCE: usize = 32;
/// One point of the figures.
const SECOND: Duration = Duration::from_secs(1);
/// Bytes of a shard's stack.
const STACK: usize = 2 * 1024 * 1024;

/// A load that runs.
#[derive(Debug)]
pub(super) struct Load {
    shops: Vec<Arc<Shop>>,
    threads: Vec<JoinHandle<()>>,
    ended: Receiver<()>,
    start: Instant,
    /// Ends the arrivals early.
    pub(super) stop: Arc<AtomicBool>,
}

/// What a load gave.
#[derive(Debug)]
pub(super) struct Measured {
    /// One for each second: histograms of each would not be bounded.
    pub(super) seconds: Vec<SecondView>,
    /// All together.
    pub(super) total: Window,
    pub(super) heard: Heard,
    pub(super) duration: Duration,
}

impl Load {
    /// Starts one thread for each shop. The seed and the scenario decide which buyers come and what they do.
    pub(super) fn start(shops: Vec<Arc<Shop>>, seed: u64, start: Instant) -> Result<Self, RehearsalError> {
        let (done, ended) = bounded(shops.len());
        let stop = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        for (index, shop) in shops.iter().enumerate() {
            let shard = Shard { shop: Arc::clone(shop), index, shards: shops.len(), seed, stop: Arc::clone(&stop) };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(RehearsalError::Machine)?;
            let done = done.clone();
            let run = move || {
                shard.run(&runtime);
                // Fails only if nobody waits any more.
                let _ = done.send(());
            };
            let thread = Builder::new().name(format!("load-{index}")).stack_size(STACK).spawn(run);
            threads.push(thread.map_err(RehearsalError::Machine)?);
        }
        Ok(Self { shops, threads, ended, start, stop })
    }

    /// Waits for the end, and gives the figures of each second when it is over to `look`, with those of the whole run.
    pub(super) fn watch(self, mut look: impl FnMut(&Window, &Window, Duration)) -> Measured {
        let (mut seconds, mut total) = (Vec::new(), Window::default());
        let mut running = self.shops.len();
        while running > 0 {
            let next = self.start + SECOND * (seconds.len() as u32 + 1);
            match self.ended.recv_deadline(next) {
                Ok(()) => running -= 1,
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    let last = self.take(&mut total);
                    seconds.push(last.second());
                    look(&last, &total, self.start.elapsed());
                }
            }
        }
        let duration = self.start.elapsed();
        seconds.push(self.take(&mut total).second());
        let mut heard = Heard::default();
        for shop in &self.shops {
            heard.append(std::mem::take(&mut shop.heard.lock()));
        }
        for thread in self.threads {
            // A panic of a shard has been printed by then.
            let _ = thread.join();
        }
        Measured { seconds, total, heard, duration }
    }

    /// The figures since the last call, which are added to those of the whole run.
    fn take(&self, total: &mut Window) -> Window {
        let mut all = Window::default();
        for shop in &self.shops {
            let window = std::mem::take(&mut *shop.window.lock());
            all.add(&window);
        }
        total.add(&all);
        all
    }
}

/// An open loop: calls `act` with each thing at its moment, `start` and its time later, however long the ones before it
/// take. Ends early if `act` breaks. Things that are due are not held back, but let tasks of this thread run between.
pub async fn pace<T>(
    start: Instant,
    things: impl Iterator<Item = (T, Duration)>,
    mut act: impl FnMut(T, Instant) -> ControlFlow<()>,
) {
    let mut at_once = 0;
    for (thing, at) in things {
        let due = start + at;
        if due > Instant::now() {
            // The timer is exact to a millisecond: what falls due meanwhile is done together.
            sleep_until(due.into()).await;
            at_once = 0;
        } else {
            at_once += 1;
            if at_once % AT_ONCE == 0 {
                yield_now().await;
            }
        }
        if act(thing, due).is_break() {
            return;
        }
    }
}

/// Every so-manieth buyer.
struct Shard {
    shop: Arc<Shop>,
    index: usize,
    shards: usize,
    seed: u64,
    stop: Arc<AtomicBool>,
}

impl Shard {
    fn run(&self, runtime: &Runtime) {
        runtime.block_on(async {
            let most = MAX_LIVE_BUYERS / self.shards;
            let live = Arc::new(Semaphore::new(most));
            self.send_buyers(&live).await;
            // The last ones may wait for a hold, and try again after each time-out.
            let all = live.acquire_many(most as u32);
            let _ = timeout(self.patience(), all).await;
        });
    }

    async fn send_buyers(&self, live: &Arc<Semaphore>) {
        let arrivals = (0_u64..).zip(Arrivals::of(&self.shop.scenario)).skip(self.index).step_by(self.shards);
        pace(self.shop.start, arrivals, |arrival, due| {
            if self.stop.load(Ordering::Relaxed) || self.shop.heard.lock().is_full() {
                return ControlFlow::Break(());
            }
            let permit = Arc::clone(live).try_acquire_owned();
            {
                let mut window = self.shop.window.lock();
                window.due += 1;
                window.started += u64::from(permit.is_ok());
            }
            if let Ok(permit) = permit {
                let buyer = Buyer::new(&self.shop, self.seed, arrival, due);
                tokio::spawn(async move {
                    buyer.visit().await;
                    drop(permit);
                });
            }
            ControlFlow::Continue(())
        })
        .await;
    }

    /// How long the last buyer may take.
    fn patience(&self) -> Duration {
        let holds = self.shop.scenario.products.iter().filter_map(|product| product.hold_seconds).max();
        REHEARSAL_TIMEOUT * 2 + Duration::from_secs(holds.unwrap_or(0).into()) * 2
    }
}
