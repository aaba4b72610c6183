//! The committer over a real file, under clocks that the tests move by hand.

use std::time::Duration;

use super::*;
use crate::admission::OrderRequest;
use crate::domain::change::Actor;
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::money::Money;
use crate::domain::order::{Quantity, UserId};
use crate::domain::product::{ProductId, Terms};
use crate::domain::transition::Transition;
use crate::engine::{Engine, EngineConfig, OpenedStore};
use crate::store::{Medium, file_in};

fn held_product() -> Edit {
    let terms = Terms {
        name: "cap".to_owned(),
        price: Money::from_cents(999),
        flash_sale_active: true,
        hold_seconds: Some(60),
        ..Terms::default()
    };
    Edit::Create { terms, initial: 1, current: 1 }
}

#[tokio::test]
async fn a_hold_that_is_woken_before_its_time_goes_back_to_wait() {
    let clock = Clock::manual(Timestamp::from_millis(1_000_000));
    let dir = tempfile::tempdir().unwrap();
    let opened = OpenedStore::open(Medium::File(file_in(dir.path()))).unwrap();
    let engine = Engine::start(opened, &EngineConfig::default(), clock.clone(), &Handle::current()).unwrap();
    let Engine { queue, intake, admission, .. } = &engine;
    intake.edit(held_product()).await.unwrap();
    let request = OrderRequest {
        attached: None,
        product: ProductId(1),
        user: UserId::new("ada").unwrap(),
        quantity: Quantity::new(1).unwrap(),
        priority: Default::default(),
        key: None,
        is_operators: true,
    };
    let order = admission.place(request).await.unwrap().receipt.order;

    clock.step_wall(60_000);
    assert_eq!(queue.wake_due(10), [order]);
    // Set back before the committer hears of it.
    clock.step_wall(-60_000);
    assert_eq!(queue.counts().delayed, 0);
    intake.settle(vec![Settlement { order, transition: Transition::Expired, actor: Actor::Clock }]).await;
    // A command with a reply comes after the report before it.
    intake.set_paused(true).await.unwrap();
    assert_eq!(queue.counts().delayed, 1, "it is not forgotten");

    clock.step_wall(-30_000);
    clock.advance(Duration::from_secs(59));
    assert_eq!(queue.wake_due(10), []);
    clock.advance(Duration::from_secs(2));
    assert_eq!(queue.wake_due(10), [order]);
    intake.settle(vec![Settlement { order, transition: Transition::Expired, actor: Actor::Clock }]).await;
    intake.set_paused(false).await.unwrap();
    assert_eq!(queue.counts().delayed, 0);
    engine.close();
}
