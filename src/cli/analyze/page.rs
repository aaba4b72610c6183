//! The analysis as people read it, in 80 columns.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::table::{Column, Table, block, plain, shown};
use crate::domain::clock::Timestamp;
use crate::domain::digits::with_commas;
use crate::domain::figures::{percent, span};
use crate::view::analysis::{AnalysisView, AnalyzedProductView, BusySecondView, RatesView};
use crate::view::text::{AsText, Words};

/// Cells of a full bar.
const BAR: usize = 40;
/// Eighths of a cell, beginning with one.
const EIGHTHS: [char; 7] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉'];
/// Most characters of a buyer's or a product's name.
const NAME: usize = 20;
/// Most products in the table of stock: the most sold ones. Those that do not add up are all named below it.
const PRODUCTS: usize = 20;
/// Most products that are named because they do not add up.
const NAMED: usize = 20;

const BUYERS: [Column; 7] = [
    ("#", "place"),
    ("BUYER", "user"),
    ("ORDER", "order"),
    ("PRODUCT", "product"),
    ("UNITS", "units"),
    ("STATUS", "status"),
    ("AFTER", "after"),
];

const STOCK: [Column; 8] = [
    ("ID", "id"),
    ("PRODUCT", "name"),
    ("STOCK", "stock"),
    ("SOLD", "sold"),
    ("      %", "share"),
    ("HELD", "held"),
    ("LEFT", "left"),
    ("SOLD OUT IN", "gone"),
];

/// All of it.
pub(super) fn of(view: &AnalysisView) -> String {
    let as_of = format!("{}, record {}", time(view.as_of), with_commas(view.sequence));
    let mut lines = vec![("as of", as_of), ("history", view.history.0.to_string())];
    if view.from.is_some() || view.to.is_some() {
        let end = |end: Option<AsText<_>>| end.map_or_else(|| "any time".to_owned(), time);
        lines.push(("orders", format!("from {} to {}", end(view.from), end(view.to))));
    }
    let mut page = block(&lines);
    if view.total_orders == 0 {
        let _ = writeln!(
            page,
            "\nThere are no {}.",
            if view.products.is_empty() { "products and no orders" } else { "orders" }
        );
    } else {
        outcome(view, &mut page);
        pace(view, &mut page);
        buyers(view, &mut page);
    }
    stock(view, &mut page);
    verdict(view, &mut page);
    page
}

fn heading(page: &mut String, title: &str) {
    let _ = writeln!(page, "\n{title}");
}

fn outcome(view: &AnalysisView, page: &mut String) {
    heading(page, "OUTCOME");
    let mut lines = vec![("orders", with_commas(view.total_orders))];
    let width = lines[0].1.len();
    lines.extend(view.outcome.iter().map(|of| {
        let orders = with_commas(of.orders);
        let share = of.share.map_or_else(String::new, percent);
        let bar = bar(of.orders, view.total_orders);
        (of.status.0.word(), format!("{orders:>width$}  {share:>5} %  {bar}").trim_end().to_owned())
    }));
    lines.push(("revenue", shown(&json!(view.revenue))));
    page.push_str(&block(&lines));
}

/// How fast it was.
fn pace(view: &AnalysisView, page: &mut String) {
    let RatesView { first_order_at, last_order_at, seconds, mean, peak } = &view.rates;
    heading(page, "RATES");
    let at = |at: &Option<AsText<_>>| at.map_or_else(String::new, time);
    let after = seconds.map_or_else(String::new, |after| format!(", {} later", lasted(after)));
    let mean = mean.map_or_else(|| "-".to_owned(), |mean| format!("{} orders/s", rate(mean)));
    page.push_str(&block(&[
        ("first order", at(first_order_at)),
        ("last order", at(last_order_at) + &after),
        ("mean", mean),
        ("peak", format!("{} orders/s", with_commas(*peak))),
    ]));
    heading(page, "BUSIEST SECONDS");
    let orders = view.busiest_seconds.iter().map(|second| with_commas(second.orders));
    let width = orders.map(|orders| orders.len()).max().unwrap_or_default();
    let line = |second: &BusySecondView| {
        let orders = with_commas(second.orders);
        (seconds_of(second.at), format!("{orders:>width$}  {}", bar(second.orders, *peak)))
    };
    page.push_str(&block(&view.busiest_seconds.iter().map(line).collect::<Vec<_>>()));
}

fn buyers(view: &AnalysisView, page: &mut String) {
    if view.first_buyers.is_empty() {
        return;
    }
    heading(page, "FIRST BUYERS");
    let rows = view.first_buyers.iter().map(|buyer| {
        json!({
            "place": buyer.place,
            "user": clipped(&buyer.user_id),
            "order": buyer.order_id,
            "product": buyer.product_id,
            "units": buyer.quantity,
            "status": buyer.status,
            "after": format!("+{}", lasted(buyer.after_seconds)),
        })
    });
    page.push_str(&Table::new(&BUYERS).page(&rows.collect::<Vec<_>>()));
}

fn stock(view: &AnalysisView, page: &mut String) {
    if view.products.is_empty() {
        return;
    }
    heading(page, "STOCK");
    let mut products: Vec<_> = view.products.iter().collect();
    products.sort_by_key(|product| u64::MAX - product.sold_stock);
    products.truncate(PRODUCTS);
    products.sort_by_key(|product| product.id.0);
    page.push_str(&Table::new(&STOCK).page(&products.into_iter().map(row).collect::<Vec<_>>()));
    if let more @ 1.. = view.products.len().saturating_sub(PRODUCTS) {
        let _ = writeln!(page, "and {} products of which fewer were sold; --json has all", with_commas(more as u64));
    }
}

fn row(product: &AnalyzedProductView) -> Value {
    let share = product.sold_share.map_or_else(|| "-".to_owned(), |share| format!("{} %", percent(share)));
    json!({
        "id": product.id,
        "name": clipped(&product.name),
        "stock": i128::from(product.initial_stock) + i128::from(product.adjusted_stock),
        "sold": product.sold_stock,
        "share": format!("{share:>7}"),
        "held": product.held_stock,
        "left": product.current_stock,
        "gone": product.sold_out_after.map(lasted),
    })
}

fn verdict(view: &AnalysisView, page: &mut String) {
    if view.ok && view.products.is_empty() {
        return;
    }
    heading(page, "DOES IT ADD UP?");
    let products = counted(view.products.len() as u64, "product");
    let sum = |units: fn(&AnalyzedProductView) -> u64| view.products.iter().map(units).fold(0, u64::saturating_add);
    if view.ok {
        let left = sum(|product| product.current_stock);
        let (held, sold) = (sum(|product| product.held_by_orders), sum(|product| product.sold_by_orders));
        let put_in = left.saturating_add(held).saturating_add(sold);
        let [left, held, sold, put_in] = [left, held, sold, put_in].map(with_commas);
        let orders = counted(sum(|product| product.counted_orders), "order");
        let _ = writeln!(page, "Yes: {products}, held and sold recounted from {orders}.");
        let _ = writeln!(page, "{put_in} put in = {left} left + {held} held + {sold} sold");
        return;
    }
    let wrong: Vec<_> = view.products.iter().filter(|product| !product.ok).collect();
    let _ = writeln!(page, "NO: {} of {products} wrong.", with_commas(wrong.len() as u64));
    for product in wrong.iter().take(NAMED) {
        let _ = writeln!(page, "product {} ({}):", product.id.0, clipped(&product.name));
        page.push_str(&evidence(product));
    }
    if let more @ 1.. = wrong.len().saturating_sub(NAMED) {
        let _ = writeln!(page, "and {} more; --json has all", with_commas(more as u64));
    }
    if view.stray_orders > 0 {
        let _ = writeln!(page, "{} of products that do not exist", counted(view.stray_orders, "order"));
    }
}

/// What is wrong with a product.
fn evidence(product: &AnalyzedProductView) -> String {
    let AnalyzedProductView { initial_stock, adjusted_stock, current_stock, held_stock, sold_stock, .. } = *product;
    let sign = if adjusted_stock < 0 { '-' } else { '+' };
    let put_in = i128::from(initial_stock) + i128::from(adjusted_stock);
    let found = i128::from(current_stock) + i128::from(held_stock) + i128::from(sold_stock);
    let mut lines = String::new();
    if put_in != found {
        let [initial, current, held, sold] = [initial_stock, current_stock, held_stock, sold_stock].map(with_commas);
        let adjusted = with_commas(adjusted_stock.unsigned_abs());
        let _ = writeln!(
            lines,
            "  {initial} initial {sign} {adjusted} adjusted is not {current} left + {held} held + {sold} sold"
        );
    }
    for (what, counts, orders_say) in [
        ("orders", product.orders, product.counted_orders),
        ("units held", held_stock, product.held_by_orders),
        ("units sold", sold_stock, product.sold_by_orders),
    ] {
        if counts != orders_say {
            let [counts, orders_say] = [counts, orders_say].map(with_commas);
            let _ = writeln!(lines, "  counts {counts} {what}, and its orders say {orders_say}");
        }
    }
    lines
}

/// A part of the whole as a bar, to an eighth of a cell. Only nothing is empty, and only the whole is full.
fn bar(part: u64, whole: u64) -> String {
    let most = BAR * 8;
    let eighths = match (part, whole) {
        (0, _) | (_, 0) => 0,
        (part, whole) if part >= whole => most,
        (part, whole) => ((most as f64 * part as f64 / whole as f64) as usize).clamp(1, most - 1),
    };
    let mut bar = "█".repeat(eighths / 8);
    bar.extend((eighths % 8).checked_sub(1).map(|last| EIGHTHS[last]));
    bar
}

/// A name that cannot steer a terminal, cut to fit.
fn clipped(name: &str) -> String {
    let name = plain(name);
    match name.char_indices().nth(NAME) {
        Some(_) => name.chars().take(NAME - 1).chain(['…']).collect(),
        None => name,
    }
}

fn counted(number: u64, thing: &str) -> String {
    format!("{} {thing}{}", with_commas(number), if number == 1 { "" } else { "s" })
}

fn lasted(seconds: f64) -> String {
    span(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

/// Orders a second: whole ones, and below ten with two digits.
fn rate(orders: f64) -> String {
    if orders < 9.995 { format!("{orders:.2}") } else { with_commas(orders.round() as u64) }
}

/// `2026-11-25 12:00:38.123Z`
fn time(at: AsText<Timestamp>) -> String {
    at.0.to_string().replace('T', " ")
}

/// `2026-11-25 12:00:38Z`
fn seconds_of(at: AsText<Timestamp>) -> String {
    shown(&json!(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_empty_or_full_only_if_its_part_is() {
        assert_eq!([bar(0, 9), bar(0, 0), bar(9, 9)], [String::new(), String::new(), "█".repeat(BAR)]);
        assert_eq!(bar(1, 1_000_000), "▏");
        assert_eq!(bar(999_999, 1_000_000), format!("{}▉", "█".repeat(BAR - 1)));
        assert_eq!(bar(1, 2), "█".repeat(BAR / 2));
        assert_eq!(bar(17, 320), "██▏");
    }

    #[test]
    fn a_name_is_cut_to_fit_and_steers_nothing() {
        assert_eq!(clipped("iPhone 15 Pro"), "iPhone 15 Pro");
        assert_eq!(clipped(&"n".repeat(300)).chars().count(), NAME);
        assert_eq!(clipped("a\u{1b}[2J"), "a\\u{1b}[2J");
    }

    #[test]
    fn slow_sales_have_rates_with_digits() {
        assert_eq!([0.0123, 9.994, 9.996, 29_340.4].map(rate), ["0.01", "9.99", "10", "29,340"]);
    }
}
