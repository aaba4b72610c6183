//! A server that lies is caught, each lie by its name.

use std::collections::HashSet;

use super::super::book::Book;
use super::super::facts::{Facts, OrderFact, ProductFact};
use super::super::heard::{Acknowledged, Act, Heard, SoldOut};
use super::super::name::User;
use super::super::scenario::Scenario;
use super::super::window::{ADMITTED, Route, Window};
use super::{Evidence, checks};
use crate::domain::order::OrderStatus;
use crate::view::load_test::CheckView;

/// Units of the product, which all buyers together wanted one more of.
const STOCK: u64 = 10;

/// An honest run: each of ten units is sold to a buyer of its own, one order each millisecond, and an eleventh buyer
/// hears that it is sold out.
struct Run {
    heard: Heard,
    facts: Facts,
    total: Window,
    failed: u64,
    delivered: Option<HashSet<u64>>,
    scenario: Scenario,
}

fn acknowledged(n: u64) -> Acknowledged {
    let at = n * 1_000;
    Acknowledged { order: n, user: User::buyer(n), nth: 0, product: 0, quantity: 1, sent: at, received: at + 500 }
}

fn order(n: u64) -> OrderFact {
    let at = n.cast_signed();
    let status = OrderStatus::Confirmed;
    OrderFact { id: n, user: Some(User::buyer(n)), product: 0, quantity: 1, status, created: at, updated: at }
}

impl Run {
    fn honest() -> Self {
        let product = ProductFact {
            id: 7,
            name: "Lamp".to_owned(),
            initial_stock: STOCK,
            adjusted_stock: 0,
            current_stock: 0,
            held_stock: 0,
            sold_stock: STOCK,
            per_user_limit: Some(2),
        };
        let heard = Heard {
            acknowledged: (1..=STOCK).map(acknowledged).collect(),
            sold_out: vec![SoldOut { product: 0, quantity: 1, sent: 20_000, received: 20_500 }],
            all_sold_out: 1,
            ..Heard::default()
        };
        let orders = (1..=STOCK).map(order).collect();
        let facts = Facts { products: vec![product], orders, is_sound: true, unfinished: 0, own_p99_ms: None };
        let mut total = Window { requests: 11, ..Window::default() };
        total.outcome(Route::Order, (Some(201), ADMITTED));
        let scenario = Scenario::built_in("limited").unwrap();
        Self { heard, facts, total, failed: 0, delivered: Some((1..=STOCK).collect()), scenario }
    }

    fn verdict(&self) -> Vec<CheckView> {
        checks(&Evidence {
            scenario: &self.scenario,
            book: &Book::of(self.heard.clone(), &self.facts),
            total: &self.total,
            failed: self.failed,
            delivered: self.delivered.as_ref(),
            began: 0,
        })
    }

    /// The names of the checks that do not hold after a change.
    fn broken(change: impl FnOnce(&mut Self)) -> Vec<String> {
        let mut run = Self::honest();
        change(&mut run);
        run.verdict().into_iter().filter(|check| !check.holds).map(|check| check.name).collect()
    }
}

#[test]
fn an_honest_server_passes_every_check() {
    assert_eq!(Run::broken(|_| ()), [""; 0]);
    let checks = Run::honest().verdict();
    assert!(checks.iter().all(|check| !check.title.is_empty() && !check.evidence.is_empty()));
}

#[test]
fn one_unit_too_many_is_an_oversell_whatever_the_product_says() {
    let oversell = |run: &mut Run| {
        run.heard.acknowledged.push(acknowledged(11));
        run.facts.orders.push(order(11));
        run.delivered.as_mut().unwrap().insert(11);
    };
    assert_eq!(Run::broken(oversell), ["stock"]);
    let hidden = |run: &mut Run| {
        oversell(run);
        run.facts.products[0].sold_stock = 11;
    };
    assert_eq!(Run::broken(hidden), ["stock"]);
    let denied = |run: &mut Run| run.heard.acknowledged.push(acknowledged(11));
    assert_eq!(Run::broken(denied), ["lost"]);
}

#[test]
fn stock_that_does_not_add_up_is_named_also_where_the_server_says_that_it_does() {
    assert_eq!(Run::broken(|run| run.facts.products[0].current_stock = 1), ["stock"]);
    assert_eq!(Run::broken(|run| run.facts.is_sound = false), ["stock"]);
    assert_eq!(Run::broken(|run| run.facts.products[0].adjusted_stock = -1), ["stock"]);
}

#[test]
fn an_acknowledged_order_that_is_gone_or_changed_is_lost() {
    let gone = |run: &mut Run| {
        run.facts.orders.remove(4);
        run.facts.products[0].sold_stock -= 1;
        run.facts.products[0].current_stock += 1;
    };
    // Its unit lies on the shelf, so who was rejected later was sent away from it.
    assert_eq!(Run::broken(gone), ["lost", "sold_out"]);
    assert_eq!(Run::broken(|run| run.facts.orders[4].user = Some(User::buyer(5_000))), ["lost", "asked"]);
    let smaller = |run: &mut Run| run.heard.acknowledged[4].quantity = 2;
    assert_eq!(Run::broken(smaller), ["lost"]);
}

#[test]
fn an_act_that_was_acknowledged_and_not_done_is_lost() {
    assert_eq!(Run::broken(|run| run.heard.acts.push((3, Act::Confirmed))), [""; 0]);
    assert_eq!(Run::broken(|run| run.heard.acts.push((3, Act::Cancelled))), ["lost"]);
    assert_eq!(Run::broken(|run| run.heard.acts.push((99, Act::Confirmed))), ["lost"]);
}

#[test]
fn a_second_order_for_one_key_is_named_whether_or_not_the_buyer_heard_of_it() {
    let told = |run: &mut Run| run.heard.acknowledged[9].user = User::buyer(9);
    let silent = |run: &mut Run| {
        told(run);
        run.facts.orders[9].user = Some(User::buyer(9));
        run.heard.acknowledged.pop();
    };
    assert_eq!(Run::broken(silent), ["same_key"]);
    assert_eq!(Run::broken(|run| (told(run), run.facts.orders[9].user = Some(User::buyer(9))).1), ["same_key"]);
    // Two orders for two keys are what the buyer wanted.
    let two_keys = |run: &mut Run| {
        told(run);
        run.facts.orders[9].user = Some(User::buyer(9));
        run.heard.acknowledged[9].nth = 1;
    };
    assert_eq!(Run::broken(two_keys), [""; 0]);
}

#[test]
fn a_repeated_response_is_no_second_order() {
    assert_eq!(Run::broken(|run| run.heard.acknowledged.push(acknowledged(10))), [""; 0]);
}

#[test]
fn one_order_that_two_buyers_were_promised_is_named() {
    let promise = |run: &mut Run| {
        let other = Acknowledged { user: User::buyer(50), ..acknowledged(10) };
        run.heard.acknowledged.push(other);
    };
    assert_eq!(Run::broken(promise), ["lost", "one_buyer"]);
}

#[test]
fn an_order_that_nobody_asked_for_is_named() {
    assert_eq!(Run::broken(|run| run.heard.acknowledged.truncate(9)), ["asked"]);
    let unsure = |run: &mut Run| {
        run.heard.acknowledged.pop();
        run.heard.unsure.push((User::buyer(10), 0));
    };
    assert_eq!(Run::broken(unsure), [""; 0]);
    assert_eq!(Run::broken(|run| run.facts.orders[9].user = None), ["lost", "asked"]);
}

#[test]
fn a_buyer_above_the_limit_is_named() {
    let above = |run: &mut Run| {
        for n in [7, 8, 9] {
            run.heard.acknowledged[n] =
                Acknowledged { user: User::buyer(8), nth: n as u16, ..acknowledged(n as u64 + 1) };
            run.facts.orders[n].user = Some(User::buyer(8));
        }
    };
    assert_eq!(Run::broken(above), ["limit"]);
    assert_eq!(Run::broken(|run| (above(run), run.facts.products[0].per_user_limit = None).1), [""; 0]);
}

#[test]
fn a_rejection_as_sold_out_while_units_were_left_is_named() {
    let early =
        |sent, received| move |run: &mut Run| run.heard.sold_out(SoldOut { product: 0, quantity: 1, sent, received });
    assert_eq!(Run::broken(early(5_100, 5_900)), ["sold_out"]);
    // The last unit went between its request and its response.
    assert_eq!(Run::broken(early(9_500, 12_000)), [""; 0]);
    // Somebody's request for the last unit was on its way, and may have been admitted already.
    assert_eq!(Run::broken(early(10_100, 10_200)), [""; 0]);
    let many = |run: &mut Run| run.heard.sold_out(SoldOut { product: 0, quantity: 6, sent: 6_100, received: 6_200 });
    assert_eq!(Run::broken(many), [""; 0]);
}

#[test]
fn a_unit_that_came_back_is_left_only_some_time_after_it_was_written_down() {
    let returned = |received: u64| {
        Run::broken(move |run| {
            run.facts.orders[0].status = OrderStatus::Cancelled;
            run.facts.orders[0].updated = 15;
            (run.facts.products[0].sold_stock, run.facts.products[0].current_stock) = (9, 1);
            let sent = received - 100;
            run.heard.sold_out = vec![SoldOut { product: 0, quantity: 1, sent, received }];
        })
    };
    assert_eq!(returned(100_000), [""; 0]);
    assert_eq!(returned(900_000), ["sold_out"]);
}

#[test]
fn who_asked_after_another_one_was_acknowledged_comes_after_it() {
    let overtaken = |run: &mut Run| {
        (run.heard.acknowledged[2].order, run.heard.acknowledged[7].order) = (8, 3);
        (run.facts.orders[2].user, run.facts.orders[7].user) = (Some(User::buyer(8)), Some(User::buyer(3)));
    };
    assert_eq!(Run::broken(overtaken), ["order"]);
}

#[test]
fn failures_count_against_the_budget_of_the_scenario() {
    assert_eq!(Run::broken(|run| run.failed = 1), ["errors"]);
    assert_eq!(Run::broken(|run| (run.failed = 1, run.scenario.goals.errors_percent = 10.0).1), [""; 0]);
    assert_eq!(Run::broken(|run| run.total.requests = 0), ["errors"], "a run that sent nothing proves nothing");
}

#[test]
fn a_confirmed_order_that_the_service_never_took_is_named() {
    assert_eq!(Run::broken(|run| run.delivered.as_mut().unwrap().retain(|order| *order != 4)), ["delivered"]);
}

#[test]
fn the_goal_for_latency_needs_responses_and_judges_their_p99() {
    let goal = |run: &mut Run| run.scenario.goals.p99_ms = Some(3.0);
    assert_eq!(Run::broken(goal), ["p99"]);
    let fast = |run: &mut Run| {
        goal(run);
        run.total.response(Route::Order, std::time::Duration::from_millis(1));
    };
    assert_eq!(Run::broken(fast), [""; 0]);
    let slow = |run: &mut Run| {
        fast(run);
        run.total.response(Route::Order, std::time::Duration::from_millis(5));
    };
    assert_eq!(Run::broken(slow), ["p99"]);
}
