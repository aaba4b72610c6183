//! Who reads when. Buyers' look-ups and operators' scans share neither a permit nor a thread: however many lists are
//! asked for, the answer that is kept under an idempotency key is read at once.
//!
//! A scan runs on one of a few threads of a lower scheduling priority and waits for its turn in a bounded line. What
//! it needs of the tables it waits for before, without holding anything.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use redb::{Database, ReadableDatabase};
use tokio::sync::{Semaphore, oneshot};

use crate::domain::order::{Order, OrderFields, OrderId};
use crate::domain::product::ProductId;
use crate::limits::{MAX_LOOK_UPS, MAX_SCAN_THREADS, MAX_SCANNED_ORDERS, MAX_SCANS_IN_LINE};

use super::follow::Backlog;
use super::read::Page;
use super::record::{self, OrderRow};
use super::{Snapshot, Store, StoreError, index, order_groups, tables};

/// How much nicer than the rest of the process a thread is that nobody waits for: about a tenth of the weight.
const NICE: i32 = 10;

/// How much a scan reads: each kind has threads of its own, so that a page does not wait for a scan of everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scan {
    /// A bounded number of rows.
    Page,
    /// All orders. One at a time.
    Everything,
}

type Job = Box<dyn FnOnce() + Send>;

/// The permits and threads of all who read.
#[derive(Debug)]
pub(super) struct Readers {
    look_ups: Semaphore,
    pages: Sender<Job>,
    everything: Sender<Job>,
}

/// The tables as a scan reads them. They have everything that was shown when the scan was asked for.
#[derive(Debug)]
pub struct Reader {
    pub(super) backlog: Arc<Backlog>,
    pub(super) database: Arc<Database>,
}

impl Readers {
    /// Starts the threads. They end when this is dropped and the line is empty.
    pub(super) fn start() -> std::io::Result<Self> {
        let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get().div_ceil(2));
        let (pages, jobs) = bounded(MAX_SCANS_IN_LINE);
        for _ in 0..threads.min(MAX_SCAN_THREADS) {
            start_thread("pages", jobs.clone())?;
        }
        let (everything, jobs) = bounded(MAX_SCANS_IN_LINE);
        start_thread("scan", jobs)?;
        Ok(Self { look_ups: Semaphore::new(MAX_LOOK_UPS), pages, everything })
    }

    /// For a store that answers no requests.
    pub(super) fn none() -> Self {
        let closed = || bounded(0).0;
        Self { look_ups: Semaphore::new(0), pages: closed(), everything: closed() }
    }

    /// Puts a scan in line.
    fn submit(&self, scan: Scan, job: Job) -> Result<(), StoreError> {
        let line = match scan {
            Scan::Page => &self.pages,
            Scan::Everything => &self.everything,
        };
        line.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::TooManyReaders,
            TrySendError::Disconnected(_) => StoreError::Closed,
        })
    }
}

fn start_thread(name: &str, jobs: Receiver<Job>) -> std::io::Result<()> {
    let run = move || {
        lower_priority();
        for job in jobs {
            // Who waits for the answer of a scan that panicked hears of it, as it is never sent.
            if catch_unwind(AssertUnwindSafe(job)).is_err() {
                tracing::error!("a scan of the store panicked");
            }
        }
    };
    std::thread::Builder::new().name(name.to_owned()).spawn(run).map(drop)
}

/// Lets all other threads go before the calling one, until it ends: what a thread has given up it cannot take back.
pub fn lower_priority() {
    // On Linux this is about the calling thread. Where it is refused, the thread is one like the others.
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "a thread keeps its scheduling priority");
    }
}

impl Store {
    /// Looks something up for a buyer, on a thread that may block; a bounded number at once. For what is found without
    /// waiting for the tables and without reading many rows.
    pub async fn query<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let Ok(_permit) = self.readers.look_ups.acquire().await else { return Err(StoreError::Closed) };
        let store = Arc::clone(self);
        match tokio::task::spawn_blocking(move || read(&store)).await {
            Ok(result) => result,
            Err(panic) => Err(StoreError::System("answer to a reader", panic.to_string())),
        }
    }

    /// Reads the tables for an operator, once they have everything that is shown by now. The line is bounded:
    /// [`StoreError::TooManyReaders`] says that it is full.
    pub async fn scan<T: Send + 'static>(
        self: &Arc<Self>,
        scan: Scan,
        read: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.caught_up().await?;
        let (reply, answer) = oneshot::channel();
        let store = Arc::clone(self);
        self.readers.submit(
            scan,
            Box::new(move || {
                // For one who has gone nothing is read.
                if !reply.is_closed() {
                    let _ = reply.send(store.reader().and_then(|reader| read(&reader)));
                }
            }),
        )?;
        let panicked = || StoreError::System("answer to a reader", "its thread panicked".to_owned());
        answer.await.unwrap_or_else(|_| Err(panicked()))
    }

    /// See [`Reader::orders_of_user`]. Waits for the tables and blocks on file reads.
    pub fn orders_of_user(
        &self,
        user: &str,
        before: Option<OrderId>,
        most: usize,
        keep: impl Fn(&OrderFields<'_>) -> bool,
    ) -> Result<Page<Order>, StoreError> {
        let reader = self.reader()?;
        reader.backlog.catch_up()?;
        reader.orders_of_user(user, before, most, keep)
    }

    /// Returns when the tables have everything that is shown by now.
    pub async fn caught_up(&self) -> Result<(), StoreError> {
        let (backlog, database) = self.parts()?;
        // A store that has failed can be opened again while this waits.
        drop(database);
        backlog.caught_up().await
    }

    /// Orders that a user may have placed up to `through`, newest first; those of users with the same hash are among
    /// them. None where there are more than [`MAX_SCANNED_ORDERS`]. Blocks on file reads.
    pub fn order_ids_of_user(&self, user: &str, through: OrderId) -> Result<Option<Vec<u64>>, StoreError> {
        let reader = self.reader()?;
        let before = OrderId(through.0 + 1);
        let candidates = reader.backlog.users.read().find(index::of_user(user));
        let mut ids = Vec::new();
        if candidates.is_empty() {
            return Ok(Some(ids));
        }
        reader.snapshot()?.each_id_of_user(user, Some(before), candidates, |id| {
            ids.push(id);
            Ok(if ids.len() > MAX_SCANNED_ORDERS { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok((ids.len() <= MAX_SCANNED_ORDERS).then_some(ids))
    }

    fn reader(&self) -> Result<Reader, StoreError> {
        let (backlog, database) = self.parts()?;
        Ok(Reader { backlog, database })
    }
}

impl Reader {
    /// The tables as they are at the moment.
    pub fn snapshot(&self) -> Result<Snapshot, StoreError> {
        Ok(Snapshot::new(self.database.begin_read()?))
    }

    /// Orders of one user that lie below `before` and that `keep` keeps, newest first, at most `most`. Of a user
    /// without orders nothing is read.
    pub fn orders_of_user(
        &self,
        user: &str,
        before: Option<OrderId>,
        most: usize,
        keep: impl Fn(&OrderFields<'_>) -> bool,
    ) -> Result<Page<Order>, StoreError> {
        let candidates = self.backlog.users.read().find(index::of_user(user));
        if candidates.is_empty() {
            return Ok(Page { rows: Vec::new(), next: None });
        }
        // The snapshot comes after the look into memory: what has left memory by now is in the snapshot. An order that
        // is not in it yet was placed after this was asked for.
        self.snapshot()?.orders_of_user(user, before, candidates, most, keep)
    }
}

impl Snapshot {
    /// Units of a product that these orders say a user has.
    pub fn units_of_user(&self, user: &str, product: ProductId, orders: &[u64]) -> Result<u64, StoreError> {
        let table = self.transaction.open_table(tables::ORDERS)?;
        let mut units = 0;
        for id in orders {
            order_groups::find(&table, *id, |row| {
                let order = record::decode::<OrderRow<'_>>(row)?.fields(OrderId(*id))?;
                if order.user == user && order.product == product && order.status.counts_as_purchase() {
                    units += u64::from(order.quantity);
                }
                Ok(())
            })?;
        }
        Ok(units)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::time::Duration;

    use redb::backends::InMemoryBackend;

    use super::super::Medium;
    use super::*;

    /// After this a test is stuck.
    const PATIENCE: Duration = Duration::from_secs(30);

    fn store() -> Arc<Store> {
        let open = Arc::new(|_| Box::new(InMemoryBackend::new()) as Box<dyn redb::StorageBackend>);
        Arc::new(Store::open(Medium::Backend { open, log_half_bytes: 1 << 20 }).unwrap().0)
    }

    fn block_on(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
        runtime.block_on(async { tokio::time::timeout(PATIENCE, test).await.expect("it is stuck") });
    }

    #[test]
    fn look_ups_pass_a_full_line_of_scans_and_scans_beyond_it_are_rejected() {
        block_on(async {
            let store = store();
            let threads = std::thread::available_parallelism().unwrap().get().div_ceil(2).min(MAX_SCAN_THREADS);
            for (kind, threads) in [(Scan::Page, threads), (Scan::Everything, 1)] {
                let (busy, go_on) = (Arc::new(Barrier::new(threads + 1)), Arc::new(Barrier::new(threads + 1)));
                let occupy = || {
                    let (store, busy, go_on) = (Arc::clone(&store), Arc::clone(&busy), Arc::clone(&go_on));
                    tokio::spawn(async move {
                        let read = move |_: &Reader| {
                            busy.wait();
                            go_on.wait();
                            Ok(())
                        };
                        store.scan(kind, read).await
                    })
                };
                let occupied: Vec<_> = (0..threads).map(|_| occupy()).collect();
                tokio::task::spawn_blocking(move || busy.wait()).await.unwrap();
                let mut line: Vec<_> = (0..MAX_SCANS_IN_LINE).map(|_| Box::pin(store.scan(kind, |_| Ok(1)))).collect();
                for waits in &mut line {
                    assert!(futures_poll(waits).is_none());
                }
                let beyond = store.scan(kind, |_| Ok(())).await;
                assert!(matches!(beyond, Err(StoreError::TooManyReaders)), "{beyond:?}");
                assert_eq!(store.query(|store| store.order(OrderId(1))).await.unwrap(), None);
                tokio::task::spawn_blocking(move || go_on.wait()).await.unwrap();
                for waits in line {
                    assert_eq!(waits.await.unwrap(), 1);
                }
                for scan in occupied {
                    scan.await.unwrap().unwrap();
                }
            }
        });
    }

    /// Polls once.
    fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match std::pin::Pin::new(future).poll(&mut context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        }
    }

    #[test]
    fn a_scan_that_panics_fails_alone() {
        block_on(async {
            let store = store();
            for _ in 0..2 * MAX_SCAN_THREADS {
                let panicked = store.scan(Scan::Page, |_| -> Result<(), StoreError> { panic!("on purpose") }).await;
                assert!(matches!(panicked, Err(StoreError::System(..))));
            }
            assert_eq!(store.scan(Scan::Page, |reader| reader.snapshot()?.head()).await.unwrap(), store.head());
        });
    }

    #[test]
    fn the_totals_are_there_while_the_store_is_away_and_nobody_waits_for_it() {
        block_on(async {
            let store = store();
            let before = store.head();
            store.close();
            assert_eq!(store.head(), before);
            assert!(matches!(store.scan(Scan::Page, |_| Ok(())).await, Err(StoreError::Closed)));
        });
    }
}
