//! The verdict: what buyers heard, compared with what the server has. Pure, so that each lie can be tested.

use std::collections::HashSet;

use super::book::Book;
use super::facts::{Facts, OrderFact, ProductFact};
use super::heard::{Acknowledged, Act, Heard};
use super::name::User;
use super::scenario::{Goals, Scenario};
use super::stock_line::StockLines;
use super::window::{Route, Window};
use crate::domain::digits::grouped;
use crate::domain::order::OrderStatus;
use crate::view::load_test::CheckView;

/// Everything that is compared.
#[derive(Debug)]
pub(super) struct Evidence<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) book: &'a Book<'a>,
    pub(super) total: &'a Window,
    /// Failed requests in seconds without a kill or an outage.
    pub(super) failed: u64,
    /// Orders that the fulfilment service of the rehearsal's own took.
    pub(super) delivered: Option<&'a HashSet<u64>>,
    /// When the run began, in milliseconds by this machine's clock.
    pub(super) began: i64,
}

/// All checks. The verdict holds if each of them does.
pub(super) fn checks(evidence: &Evidence<'_>) -> Vec<CheckView> {
    let book = evidence.book;
    let mut checks = vec![
        sold_equals_stock(book.facts),
        nobody_above_the_limit(book.facts),
        nothing_lost(book),
        one_key_one_order(book),
        one_order_one_buyer(book),
        nothing_unasked(book),
        nobody_sent_away(book, evidence.began),
        first_come_first_served(book),
        no_failures(evidence),
    ];
    checks.extend(evidence.delivered.map(|delivered| everything_delivered(book.facts, delivered)));
    checks.extend(latency_goal(evidence));
    checks
}

fn check(name: &str, title: impl Into<String>, holds: bool, evidence: String) -> CheckView {
    CheckView { name: name.to_owned(), title: title.into(), holds, evidence }
}

fn sold_equals_stock(facts: &Facts) -> CheckView {
    let Facts { products, orders, is_sound, .. } = facts;
    let mut sums = vec![[0_u64; 2]; products.len()];
    for order in orders {
        let at = match order.status {
            OrderStatus::Confirmed => 0,
            OrderStatus::Pending => 1,
            OrderStatus::Failed | OrderStatus::Cancelled => continue,
        };
        sums[usize::from(order.product)][at] += u64::from(order.quantity);
    }
    let mut wrong = Vec::new();
    for (product, [sold, held]) in products.iter().zip(sums) {
        let stock = product.initial_stock.saturating_add_signed(product.adjusted_stock);
        let in_all = product.sold_stock + product.held_stock + product.current_stock;
        if sold + held > stock {
            wrong.push(format!("{}: {} units sold of {}", product.name, grouped(sold + held), grouped(stock)));
        } else if in_all != stock || [sold, held] != [product.sold_stock, product.held_stock] {
            wrong.push(format!(
                "{}: its orders have {} sold and {} held, the product says {}, {} and {} left of {}",
                product.name,
                grouped(sold),
                grouped(held),
                grouped(product.sold_stock),
                grouped(product.held_stock),
                grouped(product.current_stock),
                grouped(stock)
            ));
        }
    }
    if wrong.is_empty() && !is_sound {
        wrong.push("the server's own audit says that it does not add up".to_owned());
    }
    let all = |units: fn(&ProductFact) -> u64| grouped(products.iter().map(units).sum());
    let text = match wrong.first() {
        Some(first) => first.clone(),
        None => format!(
            "{} sold, {} held, {} left of {}",
            all(|product| product.sold_stock),
            all(|product| product.held_stock),
            all(|product| product.current_stock),
            all(|product| product.initial_stock.saturating_add_signed(product.adjusted_stock)),
        ),
    };
    check("stock", "Sold equals stock", wrong.is_empty(), text)
}

fn nobody_above_the_limit(facts: &Facts) -> CheckView {
    let Facts { products, orders, .. } = facts;
    let limit = |product: u16| products[usize::from(product)].per_user_limit;
    let is_limited = |order: &&OrderFact| order.status.counts_as_purchase() && limit(order.product).is_some();
    let mut bought: Vec<_> =
        orders.iter().filter(is_limited).map(|order| (order.user, order.product, order.quantity)).collect();
    bought.sort_unstable();
    let (mut buyers, mut above) = (0, Vec::new());
    for by_one in bought.chunk_by(|one, next| (one.0, one.1) == (next.0, next.1)) {
        let (user, product, _) = by_one[0];
        let units = by_one.iter().map(|(.., units)| u64::from(*units)).sum::<u64>();
        buyers += 1;
        if limit(product).is_some_and(|limit| units > limit) {
            above.push((user, product, units));
        }
    }
    let most = products.iter().filter_map(|product| product.per_user_limit).max();
    let text = match (above.first(), most) {
        (Some((user, product, units)), _) => format!(
            "{} has {} units of {}; {} buyers are above the limit",
            user.map_or_else(|| "a stranger".to_owned(), User::name),
            grouped(*units),
            products[usize::from(*product)].name,
            grouped(above.len() as u64)
        ),
        (None, Some(most)) => format!("{} buyers, at most {} units each", grouped(buyers), grouped(most)),
        (None, None) => "no product of the scenario has a limit".to_owned(),
    };
    check("limit", "Nobody above the limit", above.is_empty(), text)
}

/// Each acknowledged order is there as it was asked for, and each acknowledged act was done.
fn nothing_lost(book: &Book<'_>) -> CheckView {
    let Heard { acknowledged, acts, .. } = &book.heard;
    let is_there = |told: &&Acknowledged| {
        book.facts.order(told.order).is_some_and(|order| {
            (order.user, order.product, order.quantity) == (Some(told.user), told.product, told.quantity)
        })
    };
    let lost: Vec<_> = acknowledged.iter().filter(|told| !is_there(told)).collect();
    let cancelled: HashSet<u64> = acts.iter().filter(|(_, act)| *act == Act::Cancelled).map(|(id, _)| *id).collect();
    let is_done = |(id, act): &&(u64, Act)| match (act, book.facts.order(*id).map(|order| order.status)) {
        (Act::Cancelled, Some(status)) => status == OrderStatus::Cancelled,
        (Act::Confirmed, Some(status)) => status == OrderStatus::Confirmed || cancelled.contains(id),
        (_, None) => false,
    };
    let undone: Vec<_> = acts.iter().filter(|act| !is_done(act)).collect();
    let text = match (lost.first(), undone.first()) {
        (Some(told), _) => format!(
            "order {} of {} was acknowledged, and the server does not have it so; {} of them",
            told.order,
            told.user.name(),
            grouped(lost.len() as u64)
        ),
        (None, Some((id, act))) => {
            format!("order {id} was acknowledged as {act:?}, and is not; {} of them", grouped(undone.len() as u64))
                .to_lowercase()
        }
        (None, None) => format!(
            "{} acknowledged, {0} found, and {} payments and cancellations",
            grouped(book.granted().count() as u64),
            grouped(acts.len() as u64)
        ),
    };
    check("lost", "No acknowledged order lost", lost.is_empty() && undone.is_empty(), text)
}

/// A key that was sent more than once got one order, and no buyer has more orders than it sent keys.
fn one_key_one_order(book: &Book<'_>) -> CheckView {
    let (mut repeated, mut second) = (book.heard.acknowledged.len(), Vec::new());
    for (user, orders) in book.by_key() {
        repeated -= orders.min(1);
        if orders > 1 {
            second.push(user);
        }
    }
    let mut owners: Vec<_> = book.facts.orders.iter().filter_map(|order| order.user).collect();
    owners.sort_unstable();
    let has_more = |own: &&[User]| (1..own.len()).contains(&book.expected(own[0]));
    second.extend(owners.chunk_by(User::eq).filter(has_more).map(|own| own[0]));
    second.sort_unstable();
    second.dedup();
    let text = match second.first() {
        Some(user) => {
            format!("{} has a second order for one key; {} such buyers", user.name(), grouped(second.len() as u64))
        }
        None => format!("{} repeated responses, 0 second orders", grouped(repeated as u64)),
    };
    check("same_key", "The same key, one order", second.is_empty(), text)
}

fn one_order_one_buyer(book: &Book<'_>) -> CheckView {
    let shared = book.by_order().flat_map(|told| {
        let is_others = |other: &&Acknowledged| (other.user, other.nth) != (told[0].user, told[0].nth);
        told.iter().filter(is_others).map(|other| (told[0].user, other))
    });
    let shared: Vec<_> = shared.collect();
    let text = match shared.first() {
        Some((owner, told)) => format!(
            "order {} was acknowledged to {} and to {}; {} such responses",
            told.order,
            owner.name(),
            told.user.name(),
            grouped(shared.len() as u64)
        ),
        None => format!("{} orders, each acknowledged to one buyer", grouped(book.granted().count() as u64)),
    };
    check("one_buyer", "One order, one buyer", shared.is_empty(), text)
}

fn nothing_unasked(book: &Book<'_>) -> CheckView {
    let orders = &book.facts.orders;
    let is_asked = |order: &&OrderFact| order.user.is_some_and(|user| book.expected(user) > 0);
    let unasked: Vec<_> = orders.iter().filter(|order| !is_asked(order)).collect();
    let unheard = orders.iter().filter(|order| book.first_told(order.id).is_none()).count();
    let text = match unasked.first() {
        Some(order) => format!("order {} was asked for by none of the buyers; {} of them", order.id, unasked.len()),
        None => format!(
            "{} orders, {} of them of buyers who had left or got no response",
            grouped(orders.len() as u64),
            grouped(unheard as u64)
        ),
    };
    check("asked", "Every order was asked for", unasked.is_empty(), text)
}

/// A rejection as sold out is wrong if more units than it asked for were surely left all the time from its request to
/// its response.
fn nobody_sent_away(book: &Book<'_>, began: i64) -> CheckView {
    let Heard { sold_out, all_sold_out, .. } = &book.heard;
    let lines = StockLines::of(book, began);
    let wrong: Vec<_> = sold_out.iter().filter(|rejection| lines.had_enough_for(rejection)).collect();
    let unchecked = all_sold_out - sold_out.len() as u64;
    let text = match (wrong.first(), book.heard.first_sold_out()) {
        (Some(rejection), _) => format!(
            "{} units of {} were left when {} was rejected, {} into the run; {} such responses",
            grouped(lines.left_for(rejection)),
            book.facts.products[usize::from(rejection.product)].name,
            rejection.quantity,
            seconds(rejection.received),
            grouped(wrong.len() as u64)
        ),
        (None, None) => "nobody was told that a product is sold out".to_owned(),
        (None, Some(first)) if unchecked == 0 => {
            format!("{} rejections checked, the first one {} into the run", grouped(*all_sold_out), seconds(first))
        }
        (None, Some(_)) => {
            format!("{} rejections checked, {} more were not", grouped(sold_out.len() as u64), grouped(unchecked))
        }
    };
    check("sold_out", "Nobody sent away while units were left", wrong.is_empty(), text)
}

/// Who was acknowledged before another one asked has the smaller number.
fn first_come_first_served(book: &Book<'_>) -> CheckView {
    let (mut earliest, mut inversions) = (u64::MAX, 0_u64);
    let mut last = None;
    for told in book.heard.acknowledged.iter().rev() {
        // Repetitions of one order come later than it did.
        if last != Some(told.order) && earliest < told.sent {
            inversions += 1;
        }
        earliest = earliest.min(told.received);
        last = Some(told.order);
    }
    let text = match inversions {
        1 => "1 inversion in the history".to_owned(),
        more => format!("{} inversions in the history", grouped(more)),
    };
    check("order", "Order of grants is order of arrival", inversions == 0, text)
}

fn no_failures(evidence: &Evidence<'_>) -> CheckView {
    let Goals { errors_percent, .. } = evidence.scenario.goals;
    let (failed, all) = (evidence.failed, evidence.total.requests);
    let holds = all > 0 && failed as f64 * 100.0 <= errors_percent * all as f64;
    let title = match errors_percent {
        0.0 => "No 5xx, no lost response".to_owned(),
        percent => format!("At most {percent} % of the requests failed"),
    };
    let others = evidence.total.failed.saturating_sub(failed);
    let text = match (all, others) {
        (0, _) => "no request was sent".to_owned(),
        (_, 0) => format!("{} of {}", grouped(failed), grouped(all)),
        _ => format!("{} of {}, and {} around the kill or the outage", grouped(failed), grouped(all), grouped(others)),
    };
    check("errors", title, holds, text)
}

fn everything_delivered(facts: &Facts, delivered: &HashSet<u64>) -> CheckView {
    let confirmed = facts.orders.iter().filter(|order| order.status == OrderStatus::Confirmed);
    let (mut all, mut missing) = (0_u64, Vec::new());
    for order in confirmed {
        all += 1;
        if !delivered.contains(&order.id) {
            missing.push(order.id);
        }
    }
    let text = match missing.first() {
        Some(id) => format!("the service never took order {id}; {} of {}", grouped(missing.len() as u64), grouped(all)),
        None => format!("the service took all {} confirmed orders; {} jobs are left", grouped(all), facts.unfinished),
    };
    check("delivered", "Every confirmed order was delivered", missing.is_empty(), text)
}

fn latency_goal(evidence: &Evidence<'_>) -> Option<CheckView> {
    let goal = evidence.scenario.goals.p99_ms?;
    let orders = &evidence.total.routes[Route::Order as usize];
    let p99 = orders.value_at_quantile(0.99) as f64 / 1e3;
    let text = match orders.len() {
        0 => "no order got a response".to_owned(),
        count => format!("{p99:.2} ms over {} responses", grouped(count)),
    };
    Some(check("p99", format!("p99 of orders below {goal} ms"), !orders.is_empty() && p99 < goal, text))
}

fn seconds(micros: u64) -> String {
    format!("{:.3} s", micros as f64 / 1e6)
}

#[cfg(test)]
mod tests;
