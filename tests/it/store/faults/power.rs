//! The power goes, or the process dies, at any moment.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flashsale::domain::clock::Clock;
use flashsale::domain::order::OrderStatus;
use parking_lot::Mutex;

use super::audit::{audit, check_started};
use super::ledger::{Fate, Ledger};
use super::script;
use crate::harness::disk::{Disk, Fault, Loss};
use crate::harness::engine::{Engine, block_on, clock};
use crate::harness::rng::Rng;

/// Seeds of a normal run; the variable asks for more, or for a single one.
const SEEDS: u64 = 300;
const SEEDS_VARIABLE: &str = "STORE_FAULT_SEEDS";
const ONE_SEED_VARIABLE: &str = "STORE_FAULT_SEED";

/// What a run has seen, so that a run that tests nothing is noticed.
#[derive(Debug, Default)]
struct Seen {
    starts: u64,
    failed_starts: u64,
    faults: u64,
    accepted: u64,
    found: u64,
    lost: u64,
}

#[test]
fn every_acknowledged_order_survives_a_cut_at_any_moment_once_and_whole() {
    let seen = Mutex::new(Seen::default());
    for_each_seed(|seed| {
        let own = block_on(survive(seed))?;
        let mut seen = seen.lock();
        seen.starts += own.starts;
        seen.failed_starts += own.failed_starts;
        seen.faults += own.faults;
        seen.accepted += own.accepted;
        seen.found += own.found;
        seen.lost += own.lost;
        Ok(())
    });
    let seen = seen.into_inner();
    // A single seed need not see everything.
    if variable(ONE_SEED_VARIABLE).is_none() {
        let all = [seen.starts, seen.failed_starts, seen.faults, seen.accepted, seen.found, seen.lost];
        assert!(all.iter().all(|count| *count > 0), "{seen:?}");
    }
}

/// A log begins with a head of its own, and the tables learn of it last: wherever the power goes between, the next
/// start has everything.
#[test]
fn a_cut_at_any_moment_of_a_start_loses_nothing_and_the_next_start_goes_well() {
    let failed = AtomicU64::new(0);
    // More operations than a start has.
    let moments = 40;
    for_seeds(0, 4 * moments, |seed| {
        let mut rng = Rng::new(seed);
        let (disk, clock) = (Disk::new(rng.next()), clock());
        let mut ledger = Ledger::default();
        block_on(async {
            let engine = Engine::start(&disk, &clock)?;
            script::create_products(&engine).await.map_err(|refusal| format!("{refusal:?}"))?;
            for _ in 0..6 {
                script::step(&engine, &mut ledger, &mut rng).await?;
            }
            match rng.chance(1, 2) {
                true => disk.cut(Loss::Chance),
                false => disk.arm(Fault::Kill { after: 0 }),
            }
            engine.stop().await;
            disk.restart();
            disk.arm(Fault::PowerCut { after: seed % moments });
            match Engine::start(&disk, &clock) {
                Ok(engine) => engine.stop().await,
                Err(_) => _ = failed.fetch_add(1, Ordering::Relaxed),
            }
            disk.cut(Loss::Chance);
            disk.restart();
            let engine = Engine::start(&disk, &clock)?;
            ledger.check(&audit(&engine.store)?)?;
            engine.stop().await;
            Ok(())
        })
    });
    assert!(failed.into_inner() > 20, "no start was cut off");
}

/// The test's own test: a disk that acknowledges what it then forgets must be found out.
#[test]
fn a_disk_that_lies_about_its_syncs_is_found_out() {
    let mut noticed = 0;
    for seed in 0..40 {
        let complaint = block_on(trust_a_liar(seed, Loss::All)).unwrap_err();
        assert!(complaint.ends_with("is lost"), "seed {seed}: {complaint}");
        // By chance everything may survive. Torn pages may make the database itself panic: no way to miss them either.
        let outcome = catch_unwind(|| block_on(trust_a_liar(seed, Loss::Chance)));
        noticed += u32::from(outcome.map_or(true, |checked| checked.is_err()));
    }
    assert!(noticed > 10, "in only {noticed} of 40 runs anyone noticed that something was forgotten or torn");
}

/// A few lives of one store, each with its end at a random moment, and a last one that ends well.
async fn survive(seed: u64) -> Result<Seen, String> {
    let mut rng = Rng::new(seed);
    let (disk, clock) = (Disk::new(rng.next()), clock());
    let (mut ledger, mut seen) = (Ledger::default(), Seen::default());
    // A file is made beside its place and put there whole.
    Engine::start(&disk, &clock)?.stop().await;
    for life in (0..=rng.below(4)).rev() {
        if life > 0 {
            // Early ones hit the opening of a store and its recovery.
            let after = rng.below(*rng.clone().pick(&[8, 60, 600]));
            disk.arm(*rng.pick(&[Fault::PowerCut { after }, Fault::Kill { after }]));
        }
        seen.starts += 1;
        match live(&disk, &clock, &mut ledger, &mut rng).await {
            Ok(()) => {}
            Err(_) if !disk.is_running() => seen.failed_starts += 1,
            Err(error) => return Err(error),
        }
        seen.faults += u64::from(!disk.is_running());
        seen.lost += ledger.count(|fate| fate == Fate::Unknown) as u64;
        disk.restart();
    }
    let engine = Engine::start(&disk, &clock)?;
    let history = audit(&engine.store)?;
    ledger.check(&history)?;
    engine.stop().await;
    seen.accepted = ledger.count(|fate| matches!(fate, Fate::Accepted(_))) as u64;
    seen.found = ledger.count(|fate| matches!(fate, Fate::Found(_))) as u64;
    Ok(seen)
}

/// One life: recover, check, work, end. An error before the work means that the store did not open.
async fn live(disk: &Arc<Disk>, clock: &Clock, ledger: &mut Ledger, rng: &mut Rng) -> Result<(), String> {
    let mut engine = Engine::start(disk, clock)?;
    let history = audit(&engine.store)?;
    ledger.check(&history)?;
    check_started(&engine, &history)?;
    engine.start_workers();
    let made = script::create_products(&engine).await;
    if disk.is_running() {
        made.map_err(|refusal| format!("products: {refusal:?}"))?;
    }
    for _ in 0..5 + rng.below(30) {
        let unavailable = script::step(&engine, ledger, rng).await?;
        match (unavailable, disk.is_running()) {
            (true, true) => return Err("unavailable while the disk is well".to_owned()),
            (_, false) => break,
            (false, true) => {}
        }
    }
    if disk.is_running() && rng.chance(1, 2) {
        drain(&engine, disk).await?;
    } else if rng.chance(1, 2) {
        // In the middle of what the workers are doing.
        disk.cut(Loss::Chance);
    }
    engine.stop().await;
    Ok(())
}

/// Lets workers finish what is not held or delayed; unless the disk goes meanwhile.
async fn drain(engine: &Engine, disk: &Disk) -> Result<(), String> {
    let drained = engine.drain().await;
    if !disk.is_running() {
        return Ok(());
    }
    drained?;
    let history = audit(&engine.store)?;
    let mut pending = history.orders.values().filter(|order| order.status == OrderStatus::Pending);
    let left = pending.find(|order| order.due_at().is_none());
    left.map_or(Ok(()), |order| Err(format!("no job is left, and {order:?} is pending")))
}

/// Works on a disk whose syncs do nothing from some moment on, cuts the power and says what the checks say.
async fn trust_a_liar(seed: u64, loss: Loss) -> Result<(), String> {
    let mut rng = Rng::new(seed);
    let (disk, clock) = (Disk::new(rng.next()), clock());
    let mut ledger = Ledger::default();
    let engine = Engine::start(&disk, &clock)?;
    script::create_products(&engine).await.map_err(|refusal| format!("{refusal:?}"))?;
    for _ in 0..5 {
        script::step(&engine, &mut ledger, &mut rng).await?;
    }
    disk.lie_after(disk.syncs());
    let accepted = |ledger: &Ledger| ledger.count(|fate| matches!(fate, Fate::Accepted(_)));
    let before = accepted(&ledger);
    while accepted(&ledger) == before {
        script::step(&engine, &mut ledger, &mut rng).await?;
    }
    disk.cut(loss);
    engine.stop().await;
    disk.restart();
    let engine = Engine::start(&disk, &clock)?;
    let checked = audit(&engine.store).and_then(|history| ledger.check(&history));
    engine.stop().await;
    checked
}

/// Runs a test for many seeds.
fn for_each_seed(test: impl Fn(u64) -> Result<(), String> + Sync) {
    match variable(ONE_SEED_VARIABLE) {
        Some(seed) => for_seeds(seed, seed + 1, test),
        None => for_seeds(0, variable(SEEDS_VARIABLE).unwrap_or(SEEDS), test),
    }
}

/// Runs a test for these seeds on all processors, and fails with the seeds that failed.
fn for_seeds(first: u64, end: u64, test: impl Fn(u64) -> Result<(), String> + Sync) {
    let next = AtomicU64::new(first);
    let failures = Mutex::new(Vec::new());
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return;
            }
            let outcome = catch_unwind(AssertUnwindSafe(|| test(seed)));
            if let Err(error) = outcome.unwrap_or_else(|_| Err("it panicked".to_owned())) {
                failures.lock().push(format!("seed {seed}: {error}"));
            }
        }
    };
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..processors).for_each(|_| drop(scope.spawn(work))));
    let failures = failures.into_inner();
    assert!(failures.is_empty(), "{} seeds failed:\n{}", failures.len(), failures.join("\n"));
}

#[allow(clippy::disallowed_methods, reason = "a test's own setting, not the server's")]
fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}
