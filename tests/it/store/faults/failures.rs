//! The disk fails a write or a sync, and the server lives on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use flashsale::admission::Accepted;
use flashsale::committer::{Edit, OperatorMove, ProductPatch, Status};
use flashsale::domain::order::OrderId;
use flashsale::domain::product::ProductId;
use flashsale::domain::refusal::Refusal;

use super::audit::audit;
use super::ledger::{Fate, Ledger};
use super::script::{self, HELD, PLENTY, SCARCE};
use crate::harness::disk::{Disk, Fault, Loss, Until};
use crate::harness::engine::{Engine, PATIENCE, block_on, clock, request};
use crate::harness::rng::Rng;

/// Runs of each kind of failure. Each waits for a pause of the server's, so they all run at the same time.
const SEEDS: u64 = 8;
/// Steps of a script within which a fault must have been met.
const MOST_STEPS: usize = 500;
pub(super) const FULL: Refusal = Refusal::StorageUnavailable;

#[test]
fn a_disk_that_fails_once_makes_orders_unavailable_until_the_store_is_open_again() {
    at_the_same_time(2 * SEEDS, |seed| {
        let (mut rng, until) = (Rng::new(seed), Until::Once);
        let after = rng.below(12);
        let faults = [Fault::WriteFails { after, until }, Fault::SyncFails { after: after / 3, until }];
        block_on(fail_and_recover(faults[(seed % 2) as usize], rng))
    });
}

#[test]
fn a_disk_that_stays_full_makes_everything_unavailable_until_there_is_room_again() {
    at_the_same_time(2 * SEEDS, |seed| {
        let (mut rng, until) = (Rng::new(1_000 + seed), Until::Repaired);
        let after = rng.below(12);
        let faults = [Fault::WriteFails { after, until }, Fault::SyncFails { after: after / 3, until }];
        block_on(fail_and_recover(faults[(seed % 2) as usize], rng))
    });
}

#[test]
fn the_last_unit_in_a_failed_commit_is_neither_sold_out_nor_on_sale_until_the_store_says_which() {
    at_the_same_time(SEEDS, |seed| block_on(lose_sight_of_the_last_unit(seed)));
}

#[test]
fn a_request_that_looked_for_its_answer_before_the_recovery_makes_no_second_order() {
    at_the_same_time(SEEDS, repeat_across_a_recovery);
}

#[test]
fn reports_that_keep_coming_do_not_put_the_recovery_off() {
    at_the_same_time(1, |seed| {
        block_on(async {
            let (disk, engine) = start(seed).await?;
            let openings = disk.openings();
            disk.arm(Fault::SyncFails { after: 0, until: Until::Repaired });
            expect(place(&engine, PLENTY, "ada", None).await, &Err(FULL))?;
            report_until(&engine, || disk.openings() > openings).await?;
            disk.repair();
            report_until(&engine, || engine.intake.status() == Status::Open).await?;
            engine.stop().await;
            Ok(())
        })
    });
}

/// Sends reports without a pause until something has happened.
async fn report_until(engine: &Engine, happened: impl Fn() -> bool) -> Result<(), String> {
    let stuck = Instant::now() + PATIENCE;
    while !happened() {
        engine.intake.settle(Vec::new()).await;
        if Instant::now() > stuck {
            return Err("it was put off by reports".to_owned());
        }
    }
    Ok(())
}

/// Traffic until the disk fails, while it fails, and after it; and then every promise is checked.
async fn fail_and_recover(fault: Fault, mut rng: Rng) -> Result<(), String> {
    let (disk, mut engine) = start(rng.next()).await?;
    let mut ledger = Ledger::default();
    engine.start_workers();
    for _ in 0..5 {
        script::step(&engine, &mut ledger, &mut rng).await?;
    }
    let openings = disk.openings();
    disk.arm(fault);
    let mut steps = 0..MOST_STEPS;
    while !script::step(&engine, &mut ledger, &mut rng).await? {
        steps.next().ok_or("the fault was never met")?;
    }
    if matches!(
        fault,
        Fault::WriteFails { until: Until::Repaired, .. } | Fault::SyncFails { until: Until::Repaired, .. }
    ) {
        expect_all_unavailable(&engine).await?;
        // A try to open it again fails as well, and changes nothing.
        disk.wait_for_opening(openings, PATIENCE);
        expect_all_unavailable(&engine).await?;
        script::step(&engine, &mut ledger, &mut rng).await?;
        disk.repair();
    }
    wait_until_open(&engine, &disk)?;
    for _ in 0..10 {
        if script::step(&engine, &mut ledger, &mut rng).await? {
            return Err("unavailable after the recovery".to_owned());
        }
    }
    engine.drain().await?;
    ledger.check(&audit(&engine.store)?)?;
    // Nothing of it was only in the cache.
    disk.cut(Loss::All);
    engine.stop().await;
    disk.restart();
    let engine = Engine::start(&disk, &clock())?;
    let checked = audit(&engine.store).and_then(|history| ledger.check(&history));
    engine.stop().await;
    match ledger.count(|fate| matches!(fate, Fate::Accepted(_))) {
        0 => Err("no order was ever accepted".to_owned()),
        _ => checked,
    }
}

/// Whatever needs the store is refused as unavailable: never as sold out, and never done.
async fn expect_all_unavailable(engine: &Engine) -> Result<(), String> {
    for product in [PLENTY, HELD, SCARCE] {
        expect(place(engine, product, "eve", None).await, &Err(FULL))?;
        expect(place(engine, product, "eve", Some("new-key")).await, &Err(FULL))?;
        let orders = vec![request(product, "eve", None), request(product, "eve", Some("other-key"))];
        for answer in engine.admission.place_many(orders).await {
            expect(answer, &Err(FULL))?;
        }
        expect(engine.intake.edit(Edit::Restock { product, delta: 1 }).await.map(drop), &Err(FULL))?;
    }
    expect(engine.intake.move_orders(vec![OrderId(1)], OperatorMove::Cancel).await.map(drop), &Err(FULL))?;
    expect(engine.intake.set_paused(true).await, &Err(FULL))
}

/// One unit, and the commit of its order fails: until the store was read again nobody knows whether it is sold.
async fn lose_sight_of_the_last_unit(seed: u64) -> Result<(), String> {
    let (disk, engine) = start(seed).await?;
    let patch = ProductPatch { current: Some(1), ..ProductPatch::default() };
    let made = engine.intake.edit(Edit::Update { product: SCARCE, patch }).await;
    expect(made.map(|product| product.stock.current), &Ok(1))?;
    let item = engine.inventory.item(SCARCE).ok_or("no item")?;

    disk.arm(Fault::SyncFails { after: 0, until: Until::Repaired });
    expect(place(&engine, SCARCE, "ada", Some("last-one")).await, &Err(FULL))?;
    expect(place(&engine, SCARCE, "eve", None).await, &Err(FULL))?;
    expect(item.available(), &0)?;
    let openings = disk.openings();
    disk.wait_for_opening(openings, PATIENCE);
    expect(place(&engine, SCARCE, "eve", None).await, &Err(FULL))?;
    expect(item.available(), &0)?;
    disk.repair();
    wait_until_open(&engine, &disk)?;

    let sold = audit(&engine.store)?.orders.contains_key(&OrderId(1));
    let eve = place(&engine, SCARCE, "eve", None).await;
    let ada = place(&engine, SCARCE, "ada", Some("last-one")).await;
    let (made, refused) = if sold { (ada, eve) } else { (eve, ada) };
    expect(made.map(|accepted| (accepted.receipt.order, accepted.replayed)), &Ok((OrderId(1), sold)))?;
    expect(refused, &Err(Refusal::SoldOut))?;
    audit(&engine.store)?;
    engine.stop().await;
    Ok(())
}

/// A commit fails and has happened all the same. Its request comes again and looks for its answer just before the
/// store is opened again, and continues just after.
fn repeat_across_a_recovery(seed: u64) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(|e| e.to_string())?;
    let (disk, engine) = runtime.block_on(start(seed))?;
    let openings = disk.openings();
    disk.arm(Fault::SyncFails { after: 0, until: Until::Once });
    expect(runtime.block_on(place(&engine, PLENTY, "ada", Some("once"))), &Err(FULL))?;
    // The look-up runs on a thread of its own; the request continues only when the runtime does.
    let admission = engine.admission.clone();
    let again = runtime.spawn(async move { admission.place(request(PLENTY, "ada", Some("once"))).await });
    runtime.block_on(async {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    });
    disk.wait_for_opening(openings, PATIENCE);
    wait_until_open(&engine, &disk)?;
    let again = runtime.block_on(again).map_err(|panic| panic.to_string())?;
    let orders = audit(&engine.store)?.orders.len();
    if orders > 1 {
        return Err(format!("one request made {orders} orders; the second time it was answered {again:?}"));
    }
    let third = runtime.block_on(place(&engine, PLENTY, "ada", Some("once")));
    expect(third.map(|accepted| accepted.receipt.order), &Ok(OrderId(1)))?;
    runtime.block_on(engine.stop());
    Ok(())
}

/// An engine with the products of the script.
pub(super) async fn start(seed: u64) -> Result<(Arc<Disk>, Engine), String> {
    let disk = Disk::new(seed);
    let engine = Engine::start(&disk, &clock())?;
    script::create_products(&engine).await.map_err(|refusal| format!("{refusal:?}"))?;
    Ok((disk, engine))
}

pub(super) async fn place(
    engine: &Engine,
    product: ProductId,
    user: &str,
    key: Option<&str>,
) -> Result<Accepted, Refusal> {
    engine.admission.place(request(product, user, key)).await
}

pub(super) fn expect<T: PartialEq + std::fmt::Debug>(found: T, expected: &T) -> Result<(), String> {
    match found == *expected {
        true => Ok(()),
        false => Err(format!("found {found:?} where {expected:?} was expected")),
    }
}

/// Returns when the committer has recovered.
pub(super) fn wait_until_open(engine: &Engine, disk: &Disk) -> Result<(), String> {
    let stuck = Instant::now() + PATIENCE;
    // When it was the tables that could not be written, the committer has yet to notice.
    while engine.intake.status() != Status::Open || engine.store.has_failed() {
        if Instant::now() > stuck {
            return Err("the committer does not recover".to_owned());
        }
        // Only to wait without spinning: the state is looked at after every opening, and now and then.
        disk.wait_for_opening(disk.openings(), Duration::from_millis(20));
    }
    Ok(())
}

/// Runs a test for some seeds, each on its own thread.
pub(super) fn at_the_same_time(seeds: u64, test: impl Fn(u64) -> Result<(), String> + Sync) {
    let failures = std::thread::scope(|scope| {
        let run = |seed| {
            let test = &test;
            (seed, scope.spawn(move || test(seed)))
        };
        let threads: Vec<_> = (0..seeds).map(run).collect();
        let outcome = |(seed, thread): (u64, std::thread::ScopedJoinHandle<'_, _>)| match thread.join() {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(format!("seed {seed}: {error}")),
            Err(_) => Some(format!("seed {seed}: it panicked")),
        };
        threads.into_iter().filter_map(outcome).collect::<Vec<_>>()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
