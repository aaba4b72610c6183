//! Look-ups and scans, each in its own line.

use std::sync::Arc;
use std::sync::Barrier;
use std::time::Duration;

use redb::backends::InMemoryBackend;

use crate::domain::order::OrderId;
use crate::limits::{MAX_SCAN_THREADS, MAX_SCANS_IN_LINE};
use crate::store::{Medium, Reader, Scan, Store, StoreError};

/// After this a test is stuck.
const PATIENCE: Duration = Duration::from_secs(30);

fn store() -> Arc<Store> {
    let open = Arc::new(|_| Box::new(InMemoryBackend::new()) as Box<dyn redb::StorageBackend>);
    Arc::new(Store::open(Medium::Backend { open, wal_segment_bytes: 1 << 20 }).unwrap().0)
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
