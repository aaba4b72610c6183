//! Tens of thousands of dead letters: grouped, counted and moved within bounds.

use std::time::Instant;

use flashsale::committer::{Edit, OperatorMove, Settlement};
use flashsale::domain::change::Actor;
use flashsale::domain::filter::{DeadLetterFilter, Picked};
use flashsale::domain::money::Money;
use flashsale::domain::order::OrderId;
use flashsale::domain::product::{ProductId, Terms};
use flashsale::domain::transition::Transition;
use flashsale::operator::dead_letters;
use flashsale::operator::dead_letters::groups::groups;
use flashsale::store::{Medium, file_in};

use crate::harness::engine::{Engine, block_on, clock, request};

const LETTERS: usize = 30_000;
/// Less than the queue has slots.
const AT_ONCE: usize = 5_000;
const PRODUCT: ProductId = ProductId(1);

async fn create_product(engine: &Engine) -> Result<(), String> {
    let terms =
        Terms { name: "lamp".to_owned(), price: Money::from_cents(999), flash_sale_active: true, ..Terms::default() };
    let stock = LETTERS as u64;
    let made = engine.intake.edit(Edit::Create { terms, initial: stock, current: stock }).await;
    made.map(drop).map_err(|refusal| format!("a product: {refusal:?}"))
}

/// Places orders and lets each fail: one in ten is rejected, the others are out of attempts.
async fn fail(engine: &Engine, orders: usize) -> Result<(), String> {
    for first in (0..orders).step_by(AT_ONCE) {
        let order = |number: usize| request(PRODUCT, &format!("user-{number}"), None);
        let mut settlements = Vec::new();
        for part in (first..(first + AT_ONCE).min(orders)).step_by(1_000) {
            let placed = engine.admission.place_many((part..(part + 1_000).min(orders)).map(order).collect()).await;
            for accepted in placed {
                let order = accepted.map_err(|refusal| format!("an order: {refusal:?}"))?.receipt.order;
                settlements.push(Settlement { order, transition: failure(order), actor: Actor::Worker });
            }
        }
        while !settlements.is_empty() {
            let some = settlements.split_off(settlements.len().saturating_sub(500));
            engine.intake.settle(some).await;
        }
    }
    engine.intake.flushed().await.map_err(|refusal| format!("{refusal:?}"))
}

fn failure(order: OrderId) -> Transition {
    match order.0 % 10 {
        0 => Transition::Rejected { error: format!("order {order} is outside the area") },
        _ => Transition::AttemptsExhausted { error: format!("no response for order {order}") },
    }
}

#[test]
fn tens_of_thousands_of_dead_letters_are_grouped_counted_and_moved() {
    block_on(async {
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        let clock = clock();
        let engine = Engine::start_on(Medium::File(file_in(directory.path())), &clock)?;
        create_product(&engine).await?;
        fail(&engine, LETTERS).await?;
        let refused = |refusal| format!("{refusal:?}");
        let all = DeadLetterFilter::default();
        clock.advance(std::time::Duration::from_secs(1));

        let begun = Instant::now();
        let found = groups(&engine.store, &all, clock.now()).await.map_err(refused)?;
        let grouped = begun.elapsed();
        let counts: Vec<_> = found.largest().iter().map(|(error, group)| ((*error).to_owned(), group.count)).collect();
        let rejected = "rejected: order # is outside the area".to_owned();
        assert_eq!(counts, [("no response for order #".to_owned(), 27_000), (rejected.clone(), 3_000)]);

        let picked = Some(Picked { groups: vec![rejected], orders: Vec::new() });
        let filter = DeadLetterFilter { picked, ..DeadLetterFilter::default() };
        let preview = dead_letters::preview(&engine.store, &engine.intake, &clock, &filter).await.map_err(refused)?;
        assert_eq!((preview.matched, preview.later, preview.needs[&PRODUCT].units), (3_000, 0, 3_000));

        clock.advance(std::time::Duration::from_secs(1));
        fail(&engine, 100).await?;
        let filter = DeadLetterFilter { failed_before: Some(preview.counted_at), ..filter };
        let (store, intake) = (&engine.store, &engine.intake);
        let later = dead_letters::preview(store, intake, &clock, &filter).await.map_err(refused)?;
        assert_eq!((later.matched, later.later), (3_000, 10));
        let begun = Instant::now();
        let (one, two) = tokio::join!(
            dead_letters::move_all(store, intake, &clock, &filter, OperatorMove::Forget),
            dead_letters::move_all(store, intake, &clock, &filter, OperatorMove::Forget),
        );
        let moved = begun.elapsed();
        assert_eq!(one.map_err(refused)?.done + two.map_err(refused)?.done, 3_000);
        assert_eq!(store.head().totals.dead_letters, 27_100);
        println!("{LETTERS} letters grouped in {grouped:?}; 3000 moved in {moved:?}");
        engine.stop().await;
        Ok(())
    })
    .unwrap();
}
