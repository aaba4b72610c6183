//! A wall clock that is set ahead and back, while the server runs, in a commit, and between two runs: what ends goes by
//! it, but never lasts longer than was promised; what is removed for good does not believe it.

mod model;
mod shop;

use std::time::Duration;

use flashsale::committer::Settlement;
use flashsale::domain::change::Actor;
use flashsale::domain::filter::Span;
use flashsale::domain::order::Failure;
use flashsale::domain::order::OrderStatus::{Cancelled, Confirmed, Pending};
use flashsale::domain::transition::Transition;

use crate::harness::engine::block_on;

use shop::{DAY, HOLD, HOUR, Shop};

/// A hold may end so much late where the clock was set back.
const SLACK: Duration = Duration::from_millis(20);

/// Runs a test in a shop that keeps records of the history for `keep`.
fn in_shop(keep: Option<Duration>, test: impl AsyncFnOnce(&mut Shop) -> Result<(), String>) {
    block_on(async {
        let mut shop = Shop::open(keep).await?;
        test(&mut shop).await?;
        shop.close().await
    })
    .unwrap();
}

#[test]
fn one_order_while_the_clock_is_ahead_makes_no_later_hold_longer_and_stops_no_time() {
    in_shop(None, async |shop| {
        shop.clock.step_wall(HOUR);
        let ahead = shop.place_held("ada", None).await?;
        shop.clock.step_wall(-HOUR);
        let (then, order) = (shop.clock.now(), shop.place_held("eve", None).await?);
        let found = shop.order(order)?;
        assert_eq!((found.created_at, found.expires_at), (then, Some(then.after(HOLD))));
        shop.clock.advance(HOLD + SLACK);
        shop.turn().await?;
        assert_eq!([shop.order(order)?.status, shop.order(ahead)?.status], [Cancelled, Cancelled]);

        shop.restart().await?;
        let later = shop.place_held("eve", None).await?;
        assert_eq!(shop.order(later)?.created_at, shop.clock.now());
        shop.clock.advance(HOLD);
        shop.turn().await?;
        assert_eq!(shop.order(later)?.status, Cancelled);
        Ok(())
    });
}

#[test]
fn a_hold_lasts_as_long_as_it_was_placed_for_when_the_clock_is_set_back() {
    in_shop(None, async |shop| {
        let order = shop.place_held("ada", None).await?;
        shop.clock.step_wall(-30_000);
        shop.clock.advance(HOLD - SLACK);
        shop.turn().await?;
        assert_eq!(shop.order(order)?.status, Pending);
        shop.clock.advance(2 * SLACK);
        shop.turn().await?;
        let ended = shop.order(order)?;
        assert_eq!((ended.status, ended.failure.clone()), (Cancelled, Some(Failure::Expired)));
        assert!(ended.updated_at < ended.created_at, "its times are those of the wall clock");
        Ok(())
    });
}

#[test]
fn holds_that_a_buyer_was_told_end_by_then_end_when_the_clock_is_set_ahead() {
    in_shop(None, async |shop| {
        let order = shop.place_held("ada", None).await?;
        shop.clock.step_wall(HOUR);
        shop.turn().await?;
        assert_eq!(shop.order(order)?.status, Cancelled);
        let text = shop.metrics_text();
        assert!(text.contains("flash_sale_hold_expiry_lag_seconds_sum 0.0"), "an hour late it was not: {text}");
        Ok(())
    });
}

#[test]
fn a_payment_at_the_very_end_and_the_end_itself_move_the_order_once_when_the_clock_was_set_back() {
    in_shop(None, async |shop| {
        for paid_first in [true, false] {
            let order = shop.place_held("ada", None).await?;
            shop.clock.step_wall(-30_000);
            shop.clock.advance(HOLD + SLACK);
            assert_eq!(shop.engine().queue.wake_due(10), [order]);
            let ended = vec![Settlement { order, transition: Transition::Expired, actor: Actor::Clock }];
            if paid_first {
                shop.confirm(order).await?;
                shop.engine().intake.settle(ended).await;
            } else {
                shop.engine().intake.settle(ended).await;
                shop.confirm(order).await?;
            }
            assert_eq!(shop.order(order)?.status, Confirmed);
        }
        Ok(())
    });
}

#[test]
fn an_attempt_is_made_after_its_delay_when_the_clock_is_set_back() {
    in_shop(None, async |shop| {
        let order = shop.place_plain("ada", None).await?;
        assert_eq!(shop.engine().queue.try_take(1).len(), 1);
        let transition =
            Transition::AttemptFailed { error: "no".to_owned(), retry_after: Duration::from_secs(100), paid: false };
        shop.engine().intake.settle(vec![Settlement { order, transition, actor: Actor::Worker }]).await;
        shop.trip().await?;
        shop.clock.step_wall(-HOUR);
        shop.clock.advance(Duration::from_secs(99));
        shop.turn().await?;
        assert!(shop.engine().queue.try_take(1).is_empty());
        shop.clock.advance(Duration::from_secs(2));
        shop.turn().await?;
        assert_eq!(shop.engine().queue.try_take(1).len(), 1);
        Ok(())
    });
}

#[test]
fn a_clock_that_is_ahead_for_one_order_makes_no_second_order_of_a_key() {
    in_shop(None, async |shop| {
        let first = shop.place_plain("ada", Some("key-1")).await?;
        shop.clock.step_wall(40 * DAY);
        assert_eq!(shop.place_plain("ada", Some("key-1")).await?, first);
        shop.place_plain("eve", Some("key-2")).await?;
        shop.catch_up()?;
        shop.clock.step_wall(-40 * DAY);
        assert_eq!(shop.place_plain("ada", Some("key-1")).await?, first);
        shop.restart().await?;
        assert_eq!(shop.place_plain("ada", Some("key-1")).await?, first);
        shop.clock.advance(Duration::from_millis(DAY.unsigned_abs()));
        assert_ne!(shop.place_plain("ada", Some("key-1")).await?, first, "after a day it is a new request");
        Ok(())
    });
}

#[test]
fn the_key_of_an_order_outlives_a_neighbour_that_was_accepted_while_the_clock_was_behind() {
    in_shop(None, async |shop| {
        let order = shop.place_plain("ada", Some("key-1")).await?;
        shop.clock.step_wall(-22 * HOUR);
        shop.place_plain("eve", Some("key-2")).await?;
        shop.clock.step_wall(22 * HOUR);
        shop.clock.advance(Duration::from_millis(3 * HOUR.unsigned_abs()));
        shop.trip().await?;
        assert_eq!(shop.place_plain("ada", Some("key-1")).await?, order);
        Ok(())
    });
}

#[test]
fn a_clock_that_is_ahead_trims_no_young_record() {
    in_shop(Some(Duration::from_millis(30 * DAY.unsigned_abs())), async |shop| {
        for _ in 0..240 {
            shop.trip().await?;
        }
        shop.clock.step_wall(40 * DAY);
        for _ in 0..40 {
            shop.trip().await?;
        }
        shop.clock.step_wall(-40 * DAY);
        for _ in 0..40 {
            shop.trip().await?;
        }
        assert_eq!(shop.head()?.cut.sequence, 0);
        Ok(())
    });
}

#[test]
fn a_record_whose_time_is_far_ahead_does_not_stop_the_trimming_of_those_after_it() {
    in_shop(Some(Duration::from_millis(DAY.unsigned_abs())), async |shop| {
        shop.trip().await?;
        shop.clock.step_wall(4_000 * DAY);
        shop.trip().await?;
        shop.clock.step_wall(-4_000 * DAY);
        shop.trip().await?;
        let young = shop.head()?.sequence;
        shop.clock.advance(Duration::from_millis(DAY.unsigned_abs()) + Duration::from_secs(1));
        shop.restart().await?;
        shop.trip().await?;
        shop.trip().await?;
        assert_eq!(shop.head()?.cut.sequence, young, "all that are a day old, and none that is not");
        Ok(())
    });
}

#[test]
fn a_search_by_time_finds_what_was_accepted_then_by_the_clock_of_then() {
    in_shop(None, async |shop| {
        let mut placed = Vec::new();
        for step in [0, 3 * DAY, 0, -3 * DAY, 0, -2_000, 0, -40 * DAY, 0, 40 * DAY] {
            shop.clock.step_wall(step);
            shop.clock.advance(Duration::from_secs(1));
            for _ in 0..3 {
                placed.push((shop.place_plain("ada", None).await?, shop.clock.now()));
            }
        }
        let times: Vec<_> = placed.iter().map(|(_, at)| *at).collect();
        for (from, to) in times.iter().flat_map(|from| times.iter().map(move |to| (*from, *to))) {
            for span in [Span { from: Some(from), to: Some(to) }, Span { from: Some(from), to: None }] {
                let expected: Vec<_> =
                    placed.iter().rev().filter(|(_, at)| span.contains(*at)).map(|(id, _)| *id).collect();
                assert_eq!(shop.search(span)?, expected, "{span:?}");
            }
        }
        Ok(())
    });
}
