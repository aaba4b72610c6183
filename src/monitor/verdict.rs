//! Whether a sale held: what was promised, compared with what is in the store. It goes over all orders once.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::domain::clock::Timestamp;
use crate::domain::digits::grouped;
use crate::domain::order::OrderStatus;
use crate::domain::product::{Product, ProductId};
use crate::domain::refusal::Refusal;
use crate::domain::series::EventKind;
use crate::domain::totals::OrderSums;
use crate::limits::RESPONSE_GOAL_MS;
use crate::store::{Reader, Scan, StoreError};
use crate::view::benchmark::BenchmarkView;
use crate::view::metrics::MetricsView;
use crate::view::text::{AsText, Id};
use crate::view::verdict::{FunnelView, ResponseGoalView, SoldProductView, VerdictCheckView, VerdictView};

use super::deps::Deps;

/// What the orders in the store add up to, all from one snapshot.
struct Recounted {
    products: Vec<Product>,
    sums: BTreeMap<ProductId, OrderSums>,
    /// All orders.
    orders: u64,
    /// Those since the reset, by status, in the order of [`OrderStatus::ALL`].
    since_reset: [u64; 4],
}

/// Compares what was promised with what is in the store. `busy_for_sold_out` is how many orders were rejected as
/// `overloaded` while nothing was left.
pub(super) async fn verdict(
    deps: &Deps,
    metrics: &MetricsView,
    benchmark: &BenchmarkView,
    busy_for_sold_out: u64,
) -> Result<VerdictView, Refusal> {
    // Before the orders are counted: each that was acknowledged by now must be among them.
    let acknowledged = deps.metrics.acknowledged();
    let rejected = metrics.rejected.clone();
    let reset_at = Timestamp::from_millis(metrics.reset_at);
    let recounted = deps.store.scan(Scan::Everything, move |reader| recount(reader, reset_at)).await?;
    let checks = vec![
        sold_equals_stock(&recounted),
        nobody_above_the_limit(deps),
        nobody_sent_away(deps),
        nothing_lost(&recounted, acknowledged, deps.orders_at_start),
        never_busy(metrics, busy_for_sold_out),
    ];
    let [pending, confirmed, failed, cancelled] =
        [OrderStatus::Pending, OrderStatus::Confirmed, OrderStatus::Failed, OrderStatus::Cancelled]
            .map(|status| recounted.since_reset[status as usize]);
    let admitted = pending + confirmed + failed + cancelled;
    let asked = admitted + rejected.0.values().sum::<u64>();
    Ok(VerdictView {
        held: checks.iter().all(|check| check.holds),
        checked_at: AsText(deps.clock.now()),
        checks,
        goal: goal(benchmark),
        funnel: FunnelView { asked, rejected, admitted, cancelled, failed, pending, confirmed },
        products: lasted(deps, &recounted.products),
    })
}

fn recount(reader: &Reader, reset_at: Timestamp) -> Result<Recounted, StoreError> {
    let snapshot = reader.snapshot()?;
    let mut sums = BTreeMap::<ProductId, OrderSums>::new();
    let (mut orders, mut since_reset) = (0, [0; 4]);
    snapshot.each_fields(|order| {
        sums.entry(order.product).or_default().add(order);
        orders += 1;
        since_reset[order.status as usize] += u64::from(order.created_at >= reset_at);
        ControlFlow::Continue(())
    })?;
    Ok(Recounted { products: snapshot.products()?, sums, orders, since_reset })
}

fn check(name: &'static str, title: &str, holds: bool, evidence: String) -> VerdictCheckView {
    VerdictCheckView { name, title: title.to_owned(), holds, evidence }
}

/// Each product's units, recounted from its orders.
fn sold_equals_stock(recounted: &Recounted) -> VerdictCheckView {
    let adds_up = |product: &&Product| recounted.sums.get(&product.id).copied().unwrap_or_default().adds_up(product);
    let broken: Vec<_> = recounted.products.iter().filter(|product| !adds_up(product)).collect();
    let sum = |units: fn(&Product) -> i64| recounted.products.iter().map(units).sum::<i64>().unsigned_abs();
    let sold = sum(|product| product.stock.sold.cast_signed());
    let held = sum(|product| product.stock.held.cast_signed());
    let left = sum(|product| product.stock.current.cast_signed());
    let put_in = sum(|product| product.stock.initial.cast_signed() + product.stock.adjusted);
    let [sold, held, left, put_in] = [sold, held, left, put_in].map(grouped);
    let evidence = match broken.first() {
        None => format!("{sold} sold + {held} held + {left} left = {put_in} put in, recounted from all orders."),
        Some(first) => format!(
            "{} products do not add up, {} first; in all {sold} sold, {held} held, {left} left, {put_in} put in.",
            broken.len(),
            first.terms.name
        ),
    };
    check("stock", "Sold equals stock", broken.is_empty(), evidence)
}

/// What each user has of limited products, as it is counted for the limit.
fn nobody_above_the_limit(deps: &Deps) -> VerdictCheckView {
    let (mut above, mut buyers, mut uncounted) = (0, 0, 0);
    for item in deps.inventory.items() {
        let limit = item.product().terms.per_user_limit;
        let Some((limit, purchases)) = limit.zip(item.purchases()) else { continue };
        match purchases.above(limit) {
            Some((more, all)) => (above, buyers) = (above + more, buyers + all),
            None => uncounted += 1,
        }
    }
    let evidence = match (above, uncounted) {
        (0, 0) => format!("{} buyers of limited products checked.", grouped(buyers)),
        (0, products) => format!("Not known yet: the buyers of {products} limited products are still being counted."),
        (above, _) => format!(
            "{} buyers have more than the limit, of {} checked; a limit that was lowered since allowed it.",
            grouped(above),
            grouped(buyers)
        ),
    };
    check("limit", "Nobody above the limit", above == 0 && uncounted == 0, evidence)
}

/// Two figures that come from different places: admission notes the smallest quantity for which it said `sold_out`, and
/// the committer what was least left in the store. Where the store never had less than was asked for, the rejection was
/// wrong.
fn nobody_sent_away(deps: &Deps) -> VerdictCheckView {
    let (mut wrong, mut checked) = (Vec::new(), 0_u64);
    for item in deps.inventory.items() {
        let (lowest, missed) = item.lowest_and_least_missed();
        if let Some(missed) = missed {
            checked += 1;
            if lowest >= missed {
                wrong
                    .push(format!("{}: {missed} asked for, never fewer than {lowest} left", item.product().terms.name));
            }
        }
    }
    let evidence = match (wrong.first(), checked) {
        (None, 0) => "No order was rejected as sold out since the server started.".to_owned(),
        (None, _) => format!(
            "{} products were sold out for someone; of each the store had fewer units than the smallest of these \
             orders asked for.",
            grouped(checked)
        ),
        (Some(first), _) => format!("{} of {checked} products: {first}.", wrong.len()),
    };
    check("sold_out", "Nobody sent away while units were left", wrong.is_empty(), evidence)
}

/// Orders that were acknowledged since the start, against those that are in the store.
fn nothing_lost(recounted: &Recounted, acknowledged: u64, at_start: u64) -> VerdictCheckView {
    let stored = recounted.orders.saturating_sub(at_start);
    let evidence =
        format!("{} acknowledged since the server started, {} in the store.", grouped(acknowledged), grouped(stored));
    check("acknowledged", "No acknowledged order lost", stored >= acknowledged, evidence)
}

fn never_busy(metrics: &MetricsView, busy_for_sold_out: u64) -> VerdictCheckView {
    let busy = metrics.rejected.0.get("overloaded").copied().unwrap_or_default();
    let evidence = match busy {
        0 => "No order was rejected as overloaded.".to_owned(),
        busy => format!(
            "{} orders were rejected as overloaded, {} of them in seconds in which nothing was left.",
            grouped(busy),
            grouped(busy_for_sold_out)
        ),
    };
    check("busy", "Never said busy for sold out", busy_for_sold_out == 0, evidence)
}

/// No check: a slow machine is no broken sale.
fn goal(benchmark: &BenchmarkView) -> ResponseGoalView {
    let (p99_ms, responses) = (benchmark.p99_latency, benchmark.total_requests);
    let met = p99_ms.is_none_or(|millis| millis < f64::from(RESPONSE_GOAL_MS));
    ResponseGoalView { below_ms: RESPONSE_GOAL_MS, p99_ms, responses, met }
}

/// How long the units of each product lasted: from the start of its sale to the moment when the last one was taken.
fn lasted(deps: &Deps, products: &[Product]) -> Vec<SoldProductView> {
    // Of a product that started several times, the last start counts.
    let started: BTreeMap<_, _> = deps.history.moments(EventKind::SaleStarted).into_iter().collect();
    let sold_out = deps.history.moments(EventKind::SoldOut);
    let shown = products.iter().filter(|product| product.terms.flash_sale_active || product.orders > 0);
    let view = |product: &Product| {
        let started = started.get(&Some(product.id)).copied().or(product.terms.sale_starts_at);
        let gone = sold_out.iter().filter(|(of, at)| *of == Some(product.id) && started.is_none_or(|from| *at >= from));
        let gone = gone.map(|(_, at)| *at).min().filter(|_| product.stock.current == 0);
        SoldProductView {
            id: Id(product.id.0),
            name: product.terms.name.clone(),
            sold: product.stock.sold,
            started_at: started.map(AsText),
            sold_out_at: gone.map(AsText),
            lasted_seconds: started.zip(gone).map(|(from, to)| to.since(from).as_secs_f64()),
        }
    };
    shown.map(view).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_goal_is_missed_from_its_own_time_on_and_met_without_a_response() {
        let met = |p99_latency| goal(&BenchmarkView { p99_latency, ..BenchmarkView::default() }).met;
        assert_eq!([None, Some(2.99), Some(3.0)].map(met), [true, true, false]);
    }
}
