//! The shapes of responses. They are closed, so that a field that is not described here fails the tests that
//! compare answers with them.

use crate::alerts::{AlertCode, Severity};
use crate::domain::change::Actor;
use crate::domain::job::JobState;
use crate::domain::order::{OrderStatus, Priority};
use crate::domain::refusal::Refusal;

use crate::http::schema::{
    Shape, any_of, count, delta, fraction, id, job_id, list, moment, money, name, named, object, object_with, or_null,
    some_text, status, text, truth, whole, with_example, word,
};
use serde_json::json;

/// All of them, by name.
pub(super) fn schemas() -> Vec<(&'static str, Shape)> {
    vec![
        ("Receipt", receipt()),
        ("BatchResult", any_of([named("BatchPlaced"), named("BatchRefused")])),
        ("BatchPlaced", batch_placed()),
        ("BatchRefused", batch_refused()),
        ("BatchResults", object("One result for each order, in order.", [("results", "", list(named("BatchResult")))])),
        ("Order", order()),
        ("Product", product()),
        ("Job", job()),
        ("DeadLetter", dead_letter()),
        ("JobCounts", job_counts()),
        ("Queue", queue()),
        ("Moved", moved()),
        ("OrderMetrics", order_metrics()),
        ("StockMetrics", stock_metrics()),
        ("Audit", audit()),
        ("LedgerEntry", ledger_entry()),
        ("Alerts", object("The conditions that hold.", [("alerts", "", list(named("Alert")))])),
        ("Alert", alert()),
        ("Problem", problem()),
        ("FieldError", field_error()),
    ]
}

fn alert() -> Shape {
    object(
        "A condition that holds.",
        [
            ("severity", "", word(Severity::ALL.map(Severity::as_str))),
            ("code", "", word(AlertCode::ALL.map(AlertCode::as_str))),
            ("message", "", text()),
            ("productId", "The product that it is about, if it is about one.", or_null(id())),
            ("since", "", moment()),
        ],
    )
}

fn receipt() -> Shape {
    object(
        "What a buyer is told: the order is on disk.",
        [
            ("jobId", "Follows the order without a credential; cannot be guessed.", job_id()),
            ("orderId", "", id()),
            ("status", "", word(["pending"])),
            ("queuePosition", "1 is next; 0 for an order that waits for its confirmation.", count()),
            ("estimatedWaitTime", "Whole seconds, from the measured rate.", count()),
            ("expiresAt", "Until when the order can be confirmed, where the product holds orders.", or_null(moment())),
        ],
    )
}

fn batch_placed() -> Shape {
    object_with(
        "An order of a batch that was accepted.",
        |field| field != "idempotencyReplayed",
        [
            ("status", "As the answer to a single order would have.", status(201)),
            ("idempotencyReplayed", "Only where an earlier request with the same key made the order.", truth()),
            ("jobId", "", job_id()),
            ("orderId", "", id()),
            ("orderStatus", "", word(["pending"])),
            ("queuePosition", "", count()),
            ("estimatedWaitTime", "Whole seconds.", count()),
            ("expiresAt", "", or_null(moment())),
        ],
    )
}

fn batch_refused() -> Shape {
    object_with(
        "An order of a batch that was refused.",
        |field| !["errors", "retryAfter"].contains(&field),
        [
            ("status", "As the answer to a single order would have.", whole(400, 599)),
            ("code", "", code()),
            ("message", "", text()),
            ("errors", "Where the code is `invalid_request`.", list(named("FieldError"))),
            ("retryAfter", "Whole seconds, where it is worth trying again.", whole(1, 3_600)),
        ],
    )
}

fn order() -> Shape {
    object_with(
        "An order.",
        |field| field != "product",
        [
            ("id", "", id()),
            ("jobId", "", job_id()),
            ("productId", "", id()),
            ("userId", "", name("ada")),
            ("quantity", "", whole(1, crate::limits::MAX_QUANTITY.into())),
            ("unitPrice", "The price of one unit when the order was accepted.", money()),
            ("totalPrice", "", money()),
            ("status", "", word(OrderStatus::ALL.map(OrderStatus::as_str))),
            ("priority", "", word(Priority::ALL.map(Priority::as_str))),
            ("reservedAt", "When its units were last reserved.", moment()),
            ("expiresAt", "Until when it can be confirmed.", or_null(moment())),
            ("attempts", "Fulfilment attempts since it was last queued.", count()),
            ("failureReason", "A code such as `expired`, perhaps with the last error after it.", or_null(text())),
            ("createdAt", "", moment()),
            ("updatedAt", "", moment()),
            ("product", "Only where one order is read by its id.", named("Product")),
        ],
    )
}

fn product() -> Shape {
    object(
        "A product. Always `initialStock + adjustedStock = currentStock + heldStock + soldStock`.",
        [
            ("id", "", id()),
            ("name", "", name("iPhone 15 Pro")),
            ("price", "", money()),
            ("initialStock", "", count()),
            ("currentStock", "What can be bought now.", count()),
            ("heldStock", "Units of pending orders.", count()),
            ("soldStock", "Units of confirmed orders.", count()),
            ("adjustedStock", "What operators added and removed since.", delta()),
            ("flashSaleActive", "", truth()),
            ("perUserLimit", "Units that one user may have.", or_null(count())),
            ("saleStartsAt", "Inclusive.", or_null(moment())),
            ("saleEndsAt", "Exclusive.", or_null(moment())),
            ("holdSeconds", "How long an order waits for its confirmation.", or_null(count())),
            ("createdAt", "", moment()),
            ("updatedAt", "When an operator last changed it.", moment()),
        ],
    )
}

fn job() -> Shape {
    object(
        "The job of an order.",
        [
            ("jobId", "", job_id()),
            ("orderId", "", id()),
            ("status", "", word(JobState::ALL.map(JobState::as_str))),
            ("progress", "Percent.", whole(0, 100)),
            ("queuePosition", "1 is next.", or_null(count())),
            ("attemptsMade", "", count()),
            ("processedOn", "When the last attempt was answered.", or_null(moment())),
            ("finishedOn", "", or_null(moment())),
            ("failedReason", "", or_null(text())),
        ],
    )
}

fn dead_letter() -> Shape {
    let attempt = object(
        "An attempt that failed.",
        [("attempt", "Counted from 1.", count()), ("at", "", moment()), ("error", "", text())],
    );
    object(
        "The job of an order that failed for good.",
        [
            ("jobId", "", job_id()),
            ("orderId", "", id()),
            ("productId", "", id()),
            ("userId", "", name("ada")),
            ("quantity", "", count()),
            ("reason", "", or_null(word(["rejected", "attempts_exhausted"]))),
            ("failedReason", "The reason with the last error after it.", or_null(text())),
            ("attemptsMade", "", count()),
            ("attempts", "The latest ones, oldest first.", list(attempt)),
            ("failedAt", "", or_null(moment())),
        ],
    )
}

fn job_counts() -> Shape {
    object("Counts of jobs by state.", JobState::ALL.map(|state| (state.as_str(), "", count())))
}

fn queue() -> Shape {
    object(
        "The queue at a glance.",
        [
            ("counts", "", named("JobCounts")),
            ("deadLetters", "", count()),
            ("paused", "", truth()),
            ("capacity", "Jobs that may be unfinished, without holds.", count()),
            ("holdCapacity", "Orders that may be held.", count()),
            ("oldestJobAgeMs", "0 where no job waits.", count()),
            ("completedPerSecond", "", fraction()),
        ],
    )
}

fn moved() -> Shape {
    object(
        "What became of the dead letters that match.",
        [("matched", "", count()), ("done", "Fewer where some could not be moved; 0 on a dry run.", count())],
    )
}

fn order_metrics() -> Shape {
    object(
        "Counts of orders.",
        [
            ("totalOrders", "", count()),
            ("confirmedOrders", "", count()),
            ("failedOrders", "", count()),
            ("pendingOrders", "", count()),
            ("cancelledOrders", "", count()),
            ("queueStats", "", named("JobCounts")),
        ],
    )
}

fn stock_metrics() -> Shape {
    object(
        "Totals over all products.",
        [
            ("totalProducts", "", count()),
            ("outOfStockProducts", "", count()),
            ("lowStockProducts", "Products with less than a tenth of their initial stock.", count()),
            ("totalInitialStock", "", count()),
            ("totalCurrentStock", "", count()),
            ("stockUtilization", "Percent of all units that are held or sold.", fraction()),
        ],
    )
}

fn audit() -> Shape {
    let product = object(
        "One product's counts beside those recomputed from its orders.",
        [
            ("productId", "", id()),
            ("ok", "", truth()),
            ("initialStock", "", count()),
            ("adjustedStock", "", delta()),
            ("currentStock", "", count()),
            ("heldStock", "", count()),
            ("soldStock", "", count()),
            ("heldByOrders", "Units of its pending orders.", count()),
            ("soldByOrders", "Units of its confirmed orders.", count()),
            ("orders", "", count()),
        ],
    );
    object(
        "The conservation check.",
        [("ok", "Whether every product adds up.", truth()), ("products", "", list(product))],
    )
}

fn ledger_entry() -> Shape {
    let kinds = [
        "created",
        "adjusted",
        "edited",
        "reserved",
        "sold",
        "sold_late",
        "failed",
        "cancelled",
        "expired",
        "reserved_again",
    ];
    let side = || {
        let moved = object("An order that moved.", [("status", "", word(OrderStatus::ALL.map(OrderStatus::as_str)))]);
        or_null(any_of([named("Product"), moved]))
    };
    object(
        "One change of a product.",
        [
            ("sequence", "The record of the history that it is in.", count()),
            ("at", "", moment()),
            ("kind", "", word(kinds)),
            ("actor", "", word([Actor::Buyer, Actor::Operator, Actor::Worker, Actor::Clock].map(Actor::as_str))),
            ("orderId", "", or_null(id())),
            ("currentDelta", "", delta()),
            ("heldDelta", "", delta()),
            ("soldDelta", "", delta()),
            ("before", "The product as an operator found it, or the status that an order moved from.", side()),
            ("after", "The product as an operator left it, or the status that an order moved to.", side()),
        ],
    )
}

fn code() -> Shape {
    let mut codes: Vec<_> = Refusal::examples().iter().map(Refusal::code).collect();
    codes.dedup();
    word(codes)
}

fn problem() -> Shape {
    object_with(
        "Why a request was refused (RFC 9457), with the members that older clients read. A refused request has changed \
         nothing, but for `storage_unavailable`: there, only a retry with the same Idempotency-Key tells.",
        |field| field != "errors",
        [
            ("type", "The code as a URN.", with_example(some_text(), json!("urn:flashsale:problem:sold_out"))),
            ("title", "The status in words.", some_text()),
            ("status", "", whole(400, 599)),
            ("detail", "A sentence for people.", some_text()),
            ("instance", "The path of the request.", text()),
            ("code", "What programs decide by.", code()),
            ("statusCode", "As `status`.", whole(400, 599)),
            ("message", "As `detail`.", some_text()),
            ("error", "As `title`.", some_text()),
            ("errors", "Where the code is `invalid_request`.", list(named("FieldError"))),
        ],
    )
}

fn field_error() -> Shape {
    object(
        "What is wrong with one field of a request.",
        [
            ("field", "The field as it was sent, or `body`.", with_example(text(), json!("quantity"))),
            ("message", "Follows the field's name.", with_example(some_text(), json!("is missing"))),
        ],
    )
}
