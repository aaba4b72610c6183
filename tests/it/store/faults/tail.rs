//! Followers of the journal, while the disk fails and the store is opened again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use flashsale::domain::change::Record;
use flashsale::store::Store;

use super::failures::{at_the_same_time, start, wait_until_open};
use super::ledger::Ledger;
use super::script;
use crate::harness::disk::{Fault, Until};
use crate::harness::engine::block_on;
use crate::harness::rng::Rng;

/// Runs; each waits for a pause of the server's, so they all run at the same time.
const SEEDS: u64 = 12;
/// Failures in one run.
const FAILURES: usize = 2;
/// Steps of a script within which a fault must have been met.
const MOST_STEPS: usize = 500;

#[test]
fn followers_miss_and_repeat_nothing_while_the_store_is_opened_again() {
    at_the_same_time(SEEDS, |seed| block_on(follow_through_failures(seed)));
}

/// Follows on a thread of its own until it has everything through a record that is only known at the end.
fn follow(
    store: &Arc<Store>,
    most: usize,
    pause: Duration,
    through: &Arc<AtomicU64>,
) -> JoinHandle<Result<Vec<Record>, String>> {
    let (mut tail, through) = (store.tail(0), Arc::clone(through));
    std::thread::spawn(move || {
        block_on(async move {
            let mut records = Vec::new();
            while tail.position() < through.load(Ordering::Relaxed) {
                // What is cancelled here must not be lost.
                if let Ok(next) = tokio::time::timeout(Duration::from_millis(20), tail.next(most)).await {
                    let next = next.map_err(|error| format!("behind {}: {error}", tail.position()))?;
                    records.extend(next.iter().map(|record| Record::clone(record)));
                    tokio::time::sleep(pause).await;
                }
            }
            Ok(records)
        })
    })
}

async fn follow_through_failures(seed: u64) -> Result<(), String> {
    let mut rng = Rng::new(2_000 + seed);
    let (disk, mut engine) = start(rng.next()).await?;
    let (mut ledger, through) = (Ledger::default(), Arc::new(AtomicU64::new(u64::MAX)));
    let followers = [
        follow(&engine.store, 64, Duration::ZERO, &through),
        follow(&engine.store, 1, Duration::from_millis(1), &through),
        follow(&engine.store, 1_000, Duration::from_millis(300), &through),
    ];
    engine.start_workers();
    for failure in 0..FAILURES {
        for _ in 0..5 {
            script::step(&engine, &mut ledger, &mut rng).await?;
        }
        let until = if failure == 0 { Until::Once } else { Until::Repaired };
        let after = rng.below(6);
        disk.arm(match rng.below(2) {
            0 => Fault::WriteFails { after, until },
            _ => Fault::SyncFails { after, until },
        });
        let mut steps = 0..MOST_STEPS;
        while !script::step(&engine, &mut ledger, &mut rng).await? {
            steps.next().ok_or("the fault was never met")?;
        }
        disk.repair();
        wait_until_open(&engine, &disk)?;
    }
    for _ in 0..5 {
        script::step(&engine, &mut ledger, &mut rng).await?;
    }
    engine.drain().await?;
    // One more, that is published while all learn where to end.
    engine.intake.set_paused(true).await.map_err(|refusal| format!("{refusal:?}"))?;
    through.store(engine.store.head().sequence, Ordering::Relaxed);
    let history = || engine.store.snapshot()?.records()?.map(|record| Ok(record?.0)).collect::<Result<Vec<_>, _>>();
    let history: Vec<Record> = history().map_err(|error: flashsale::store::StoreError| error.to_string())?;
    for (follower, thread) in followers.into_iter().enumerate() {
        let found = thread.join().map_err(|_| "a follower panicked")??;
        if found != history {
            let sequences: Vec<_> = found.iter().map(|record| record.sequence).collect();
            return Err(format!("follower {follower} found {sequences:?} of {} records", history.len()));
        }
    }
    engine.stop().await;
    Ok(())
}
