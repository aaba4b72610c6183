//! Orders from before the measurement.
//!
//! A server's memory grows with its first some hundred thousand orders, until its caches are full. That has nothing to
//! do with overload, and so it is done before memory is looked at: with orders that are held and cancelled, which no
//! worker touches.

use tokio::task::JoinSet;

use crate::driver::client::post;
use crate::driver::load::{self, Orders, Trip};
use crate::driver::server::{Server, json, number};

/// Connections that cancel.
const CONNECTIONS: u32 = 32;
/// The most orders in one request.
const BATCH: u64 = 1_000;
/// Longer than the measurement.
const HOLD_SECONDS: u64 = 24 * 60 * 60;

/// Places and cancels so many orders of a product of their own, at most `places` at once, which rounds their number
/// down. Gives their number.
pub(crate) async fn fill(server: &Server, orders: u64, places: u64) -> u64 {
    let size = BATCH.min(places);
    let product = Orders::of(server.create_held_product(size, HOLD_SECONDS).await);
    let mut request = product.request(Trip::Batch(size as usize));
    let mut connections = load::connect(server.port, CONNECTIONS).await;
    for _ in 0..orders / size {
        let placed = json(&connections[0].ask(request.next(&product)).await, 200);
        let receipts = placed["results"].as_array().expect("results");
        let placed: Vec<u64> = receipts.iter().map(|receipt| number(receipt, "/orderId")).collect();
        let mut cancelling = JoinSet::new();
        for (mut connection, placed) in connections.drain(..).zip(shares(&placed)) {
            cancelling.spawn(async move {
                for order in placed {
                    let cancelled = connection.ask(&post(&format!("/api/v1/orders/{order}/cancel"), "")).await;
                    assert_eq!(cancelled.status, 200, "{}", String::from_utf8_lossy(cancelled.body));
                }
                connection
            });
        }
        connections = cancelling.join_all().await;
    }
    orders / size * size
}

/// A share of the orders for each connection.
fn shares(placed: &[u64]) -> impl Iterator<Item = Vec<u64>> {
    let step = CONNECTIONS as usize;
    (0..step).map(move |first| placed.iter().skip(first).step_by(step).copied().collect())
}
