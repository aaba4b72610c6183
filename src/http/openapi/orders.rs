//! The operations on orders.

use axum::routing::MethodFilter;
use serde_json::json;

use crate::domain::order::OrderStatus;
use crate::domain::refusal::Refusal;
use crate::limits::{MAX_BATCH_BODY_BYTES, MAX_BODY_BYTES};

use super::super::Access;
use super::bodies;
use super::operation::{Described, api};
use super::schema::{id, job_id, named, sent_moment, some_text, text, with_example, word};

const GET: MethodFilter = MethodFilter::GET;
const POST: MethodFilter = MethodFilter::POST;

/// All of them.
pub(super) fn operations() -> Vec<Described> {
    let operations = vec![
        place(),
        filtered(),
        place_batch(),
        api(Access::Operator, GET, "/orders/{id}", "getOrder", "Read an order, with its product")
            .part("id", "The order.", id())
            .answers("The order.", named("Order"))
            .refuses(|refusal| matches!(refusal, Refusal::OrderNotFound))
            .reads(),
        api(Access::Public, GET, "/orders/queue/{jobId}", "followOrder", "Follow an order")
            .about("The buyer's way to an order: whoever has the `jobId` of the receipt needs no credential.")
            .part("jobId", "The `jobId` of the receipt.", job_id())
            .answers("The job.", named("Job"))
            .refuses(|refusal| matches!(refusal, Refusal::JobNotFound))
            .reads(),
        api(Access::Operator, GET, "/orders/user/{userId}", "listOrdersOfUser", "List a user's orders, newest first")
            .part("userId", "The user, as orders name it.", with_example(some_text(), json!("ada")))
            .answers_page("A page of orders.", "Order")
            .scans(),
        confirm(),
        cancel(),
        api(Access::Operator, GET, "/orders/admin/metrics", "getOrderMetrics", "Count orders and jobs")
            .answers("The counts.", named("OrderMetrics")),
    ];
    operations.into_iter().map(|operation| operation.tag("orders")).collect()
}

fn place() -> Described {
    api(Access::Public, POST, "/orders", "placeOrder", "Place an order")
        .about(
            "Answered only after the order is on disk. The same `Idempotency-Key` with the same body gives the first \
             answer again for 24 hours, also after a restart and while the first is still in flight.",
        )
        .header("Idempotency-Key", "Makes a repetition of the request safe.", bodies::key())
        .body("NewOrder", MAX_BODY_BYTES)
        .creates("The order is accepted.", named("Receipt"), &["Idempotency-Replayed"])
        .leads_to(&["followOrder"], "jobId", "jobId")
        .leads_to(&["getOrder", "confirmOrder", "cancelOrder"], "id", "orderId")
        .sells()
        .refuses(|refusal| {
            matches!(
                refusal,
                // Unauthorized: for priorities above normal.
                Refusal::Unauthorized
                    | Refusal::ProductNotFound
                    | Refusal::RequestInFlight
                    | Refusal::IdempotencyKeyReused
                    | Refusal::Overloaded { .. }
            )
        })
        .writes()
}

fn place_batch() -> Described {
    api(Access::Operator, POST, "/orders/batch", "placeOrders", "Place many orders in one trip")
        .about("Each order has its own result, at its own place: one that is refused does not hold up the others.")
        .body("Batch", MAX_BATCH_BODY_BYTES)
        .answers("The results.", named("BatchResults"))
}

fn filtered() -> Described {
    api(Access::Operator, GET, "/orders", "listOrders", "List orders, newest first")
        .query("status", "Only orders of this status.", word(OrderStatus::ALL.map(OrderStatus::as_str)))
        .query("productId", "Only orders of this product.", id())
        .query("userId", "Only orders of this user.", text())
        .query("from", "Only orders accepted at this moment or later.", sent_moment())
        .query("to", "Only orders accepted at this moment or earlier.", sent_moment())
        .answers_page("A page of orders.", "Order")
        .scans()
}

fn confirm() -> Described {
    api(Access::Operator, POST, "/orders/{id}/confirm", "confirmOrder", "Confirm an order")
        .about(
            "The buyer has paid. An order whose hold has expired is confirmed all the same while units are left: they \
             are reserved again.",
        )
        .part("id", "The order.", id())
        .answers("The order, confirmed.", named("Order"))
        .refuses(|refusal| matches!(refusal, Refusal::OrderNotFound | Refusal::OrderNotPending { .. }))
        .refuses(|refusal| matches!(refusal, Refusal::PurchaseLimitExceeded { .. }))
        .writes()
}

fn cancel() -> Described {
    api(Access::Operator, POST, "/orders/{id}/cancel", "cancelOrder", "Cancel an order")
        .about("Its units return to the stock, also those of a confirmed order.")
        .part("id", "The order.", id())
        .answers("The order, cancelled.", named("Order"))
        .refuses(|refusal| matches!(refusal, Refusal::OrderNotFound | Refusal::OrderNotPending { .. }))
        .writes()
}
