//! Rows and changes as Redis has them: every field is a text, and what a row lacks is an empty one.

use std::fmt::Display;

use super::keys::{Keys, RowName};
use super::part::Numbered;
use super::transaction::{Transaction, Words};
use crate::domain::change::HistoryId;
use crate::domain::job_id::JobIds;
use crate::domain::order::Order;
use crate::domain::product::{Product, ProductId};
use crate::view::change::ChangeView;

/// A value that may be missing, to be shown.
fn shown<T: Display>(value: &Option<T>) -> Option<&dyn Display> {
    value.as_ref().map(|value| value as &dyn Display)
}

/// The fields of an order: those of its JSON.
fn order_fields(order: &Order, job_id: &str, words: &mut Words) {
    let metadata = order.metadata().and_then(|metadata| serde_json::to_string(metadata.pairs()).ok());
    words.field("id", Some(&order.id));
    words.field("job_id", Some(&job_id));
    words.field("product_id", Some(&order.product));
    words.field("user_id", Some(&order.user.as_str()));
    words.field("reference", shown(&order.reference()));
    words.field("metadata", shown(&metadata));
    words.field("quantity", Some(&order.quantity));
    words.field("unit_price", Some(&order.unit_price));
    words.field("total_price", Some(&order.total()));
    words.field("status", Some(&order.status.as_str()));
    words.field("priority", Some(&order.priority.as_str()));
    words.field("reserved_at", Some(&order.reserved_at));
    words.field("expires_at", shown(&order.expires_at));
    words.field("attempts", Some(&order.attempts));
    words.field("failure_reason", shown(&order.failure));
    words.field("created_at", Some(&order.created_at));
    words.field("updated_at", Some(&order.updated_at));
}

/// The fields of a product: those of its JSON.
fn product_fields(product: &Product, words: &mut Words) {
    let Product { id, terms, stock, .. } = product;
    words.field("id", Some(id));
    words.field("name", Some(&terms.name));
    words.field("sku", shown(&terms.sku));
    words.field("price", Some(&terms.price));
    words.field("initial_stock", Some(&stock.initial));
    words.field("current_stock", Some(&stock.current));
    words.field("held_stock", Some(&stock.held));
    words.field("sold_stock", Some(&stock.sold));
    words.field("adjusted_stock", Some(&stock.adjusted));
    words.field("flash_sale_active", Some(&terms.flash_sale_active));
    words.field("hidden", Some(&terms.hidden));
    words.field("per_user_limit", shown(&terms.per_user_limit));
    words.field("sale_starts_at", shown(&terms.sale_starts_at));
    words.field("sale_ends_at", shown(&terms.sale_ends_at));
    words.field("hold_seconds", shown(&terms.hold_seconds));
    words.field("created_at", Some(&product.created_at));
    words.field("updated_at", Some(&product.updated_at));
}

/// Writes an order, whether it is there or not.
pub(super) fn put_order(transaction: &mut Transaction, keys: &Keys, order: &Order, job_ids: &JobIds) {
    let job_id = job_ids.job_id(order.id);
    transaction.row(RowName::Order(order.id), |row| {
        row.run("HSET", keys.order(order.id), |words| order_fields(order, &job_id, words));
        row.run("SET", keys.job(&job_id), |words| _ = words.add(order.id));
    });
}

/// Writes a product, whether it is there or not.
pub(super) fn put_product(transaction: &mut Transaction, keys: &Keys, product: &Product) {
    let id = product.id;
    transaction.row(RowName::Product(id), |row| {
        row.run("HSET", keys.product(id), |words| product_fields(product, words));
        row.run("ZADD", keys.products(), |words| _ = words.add(id).add(id));
        row.run("HSET", keys.stock(), |words| _ = words.add(id).add(product.stock.current));
    });
}

/// Removes a product.
pub(super) fn remove_product(transaction: &mut Transaction, keys: &Keys, id: ProductId) {
    transaction.row(RowName::Product(id), |row| {
        row.run("UNLINK", keys.product(id), |_| {});
        row.run("ZREM", keys.products(), |words| _ = words.add(id));
        row.run("HDEL", keys.stock(), |words| _ = words.add(id));
    });
}

/// Adds a change of a record to the stream.
pub(super) fn add_change(transaction: &mut Transaction, (record, number, change): Numbered<'_>, history: HistoryId) {
    transaction.entry(record.sequence, number, |words| {
        words.field("history", Some(&history));
        words.field("sequence", Some(&record.sequence));
        words.field("at", Some(&record.at));
        ChangeView::of(change).each_text(|name, value| words.field(name, value));
    });
}
