//! The analysis, compared with a count that remembers every order.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::domain::change::HistoryId;
use crate::domain::order::{Order, OrderId, UserId};
use crate::limits::BUSIEST_SECONDS;

const AT: Timestamp = Timestamp::from_millis(0);

fn analyzed(scope: Scope, products: &[Product], orders: &[Order]) -> AnalysisView {
    let mut analysis = Analysis::of(scope);
    products.iter().for_each(|product| analysis.add_product(product.clone()));
    orders.iter().for_each(|order| analysis.add_order(&order.fields()));
    analysis.finish(&Contents { format: 1, sequence: 9, at: AT, rows: 0, history: HistoryId::default() })
}

/// A product as these orders leave it.
fn product(id: u64, units: u64, orders: &[Order]) -> Product {
    let mut product = Product::example(id, units);
    let own = orders.iter().filter(|order| order.product == product.id);
    for order in own {
        let quantity = u64::from(order.quantity);
        product.orders += 1;
        match order.status {
            OrderStatus::Pending => product.stock.held += quantity,
            OrderStatus::Confirmed => product.stock.sold += quantity,
            OrderStatus::Failed | OrderStatus::Cancelled => continue,
        }
        product.stock.current -= quantity;
    }
    product
}

/// Orders of two products: user, status, quantity, and milliseconds after the one before, which may be negative.
fn orders(rows: &[(u8, u8, u32, i64)]) -> Vec<Order> {
    let mut at = 1_000_000;
    let order = |(id, row): (u64, &(u8, u8, u32, i64))| {
        let (user, status, quantity, step) = *row;
        at += step;
        let at = Timestamp::from_millis(at);
        Order {
            product: ProductId(1 + u64::from(user % 2)),
            user: UserId::stored(&format!("user {user}")),
            quantity,
            status: OrderStatus::ALL[usize::from(status)],
            ..Order::example(OrderId(id), "ada", at)
        }
    };
    (1..).zip(rows).map(order).collect()
}

proptest! {
    #[test]
    fn every_figure_is_that_of_a_count_of_all_orders(
        rows in prop::collection::vec((0..9_u8, 0..4_u8, 1..5_u32, -900..5_000_i64), 0..300),
        first in 0..12_usize,
    ) {
        let orders = orders(&rows);
        let products = [1, 2].map(|id| product(id, 10_000, &orders));
        let view = analyzed(Scope { first, ..Scope::default() }, &products, &orders);
        prop_assert!(view.ok && view.stray_orders == 0);
        prop_assert_eq!(view.total_orders, orders.len() as u64);
        prop_assert_eq!(view.outcome.iter().map(|of| of.orders).sum::<u64>(), view.total_orders);
        for of in &view.outcome {
            let own = orders.iter().filter(|order| order.status == of.status.0);
            prop_assert_eq!(of.units, own.map(|order| u64::from(order.quantity)).sum::<u64>());
            let whole = of.share.is_some_and(|share| share == 0.0 || share == 100.0);
            prop_assert_eq!(whole, view.total_orders > 0 && (of.orders == 0 || of.orders == view.total_orders));
        }
        let shares: f64 = view.outcome.iter().filter_map(|of| of.share).sum();
        prop_assert!(orders.is_empty() || (shares - 100.0).abs() < 1e-9, "{}", shares);

        let sold = orders.iter().filter(|order| order.status == OrderStatus::Confirmed);
        let cents: u128 = sold.map(|order| order.total().cents()).sum();
        prop_assert_eq!(view.revenue.0.cents(), cents);
        prop_assert_eq!(view.products.iter().map(|product| product.revenue.0.cents()).sum::<u128>(), cents);

        let mut seconds = BTreeMap::<i64, u64>::new();
        orders.iter().for_each(|order| *seconds.entry(order.created_at.millis().div_euclid(1_000)).or_default() += 1);
        let mut seconds: Vec<_> = seconds.into_iter().map(|(second, orders)| (orders, second * 1_000)).collect();
        seconds.sort_by_key(|(orders, at)| (u64::MAX - orders, *at));
        seconds.truncate(BUSIEST_SECONDS);
        let found: Vec<_> = view.busiest_seconds.iter().map(|second| (second.orders, second.at.0.millis())).collect();
        prop_assert_eq!(found, seconds);

        let mut buyers = Vec::new();
        for order in orders.iter().filter(|order| order.status.counts_as_purchase()) {
            if !buyers.iter().any(|(user, _)| *user == order.user.as_str()) {
                buyers.push((order.user.as_str(), order.id.0));
            }
        }
        buyers.truncate(first);
        let found: Vec<_> = view.first_buyers.iter().map(|buyer| (buyer.user_id.as_str(), buyer.order_id.0)).collect();
        prop_assert_eq!(found, buyers);
    }
}

#[test]
fn a_store_without_orders_adds_up_and_has_no_shares_and_no_rates() {
    let view = analyzed(Scope::default(), &[Product::example(1, 5), Product::example(2, 0)], &[]);
    assert!(view.ok && view.outcome.iter().all(|of| of.share.is_none()));
    assert_eq!(view.rates, RatesView::default());
    assert_eq!(view.products.iter().map(|product| product.sold_share).collect::<Vec<_>>(), [Some(0.0), None]);
    assert!(view.products.iter().all(|product| product.sold_out_at.is_none()));
    assert!(analyzed(Scope::default(), &[], &[]).ok);
}

#[test]
fn what_does_not_add_up_is_found_whatever_the_span() {
    let orders = orders(&[(1, 1, 2, 0), (1, 0, 1, 0)]);
    let whole = product(2, 10, &orders);
    let scope =
        Scope { accepted: Span { from: Some(Timestamp::from_millis(9_000_000)), to: None }, ..Scope::default() };
    assert!(analyzed(scope, std::slice::from_ref(&whole), &orders).ok);
    let spoiled: [fn(&mut Product); 5] = [
        |product| product.stock.current += 1,
        |product| (product.stock.sold, product.stock.current) = (3, 6),
        |product| (product.stock.held, product.stock.sold) = (2, 1),
        |product| product.stock.adjusted = -1,
        |product| product.orders += 1,
    ];
    for spoil in spoiled {
        let mut product = whole.clone();
        spoil(&mut product);
        let view = analyzed(scope, &[product], &orders);
        assert!(!view.ok && !view.products[0].ok && view.total_orders == 0, "{view:?}");
    }
    let view = analyzed(Scope::default(), &[], &orders);
    assert!(!view.ok && view.stray_orders == 2, "{view:?}");
}

#[test]
fn a_product_is_sold_out_when_the_last_of_the_units_that_it_has_not_any_more_was_reserved() {
    let start = Timestamp::from_millis(999_000);
    // The last order was cancelled, and its units are others' by now.
    let mut orders = orders(&[(1, 1, 2, 0), (3, 0, 3, 500), (5, 3, 1, 500)]);
    orders[0].reserved_at = Timestamp::from_millis(1_002_000);
    let mut sold = product(2, 5, &orders);
    let after = |product: &Product, orders: &[Order]| {
        let view = analyzed(Scope { first: 9, ..Scope::default() }, std::slice::from_ref(product), orders);
        (view.products[0].sold_out_after, view.first_buyers.iter().map(|buyer| buyer.after_seconds).collect::<Vec<_>>())
    };
    assert_eq!(after(&sold, &orders), (Some(2.0), vec![0.0, 0.5]));
    sold.terms.sale_starts_at = Some(start);
    assert_eq!(after(&sold, &orders), (Some(3.0), vec![1.0, 1.5]));
    // A start that was set later is not the one that these buyers saw.
    sold.terms.sale_starts_at = Some(Timestamp::from_millis(1_000_001));
    assert_eq!(after(&sold, &orders), (Some(2.0), vec![0.0, 0.5]));
    sold.stock.current = 1;
    assert_eq!(after(&sold, &orders).0, None);
}
