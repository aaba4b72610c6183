use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

use super::audit::{AuditView, AuditedProductView};
use super::change::{ChangeView, JournalEntryView, JournalSide, LedgerEntryView};
use super::event::{OrderEventView, ProductEventView};
use super::health::{HealthView, LiveView, Missing, NotReadyView};
use super::job::DeadLetterView;
use super::order::{FulfillmentEventView, OrderMetricsView};
use super::problem::ProblemView;
use super::product::StockMetricsView;
use super::queue::{JobCountsView, MovedView, QueueView};
use super::receipt::{BatchPlacedView, BatchRefusedView, BatchResultView, BatchResultsView, ReceiptView};
use super::text::{AsText, Word};
use super::*;
use crate::domain::change::{Actor, Change, Fork, HistoryId, Record};
use crate::domain::clock::Timestamp;
use crate::domain::event::{OrderEventType, ProductEventType};
use crate::domain::job::{AttemptError, JobState};
use crate::domain::job_id::JobIds;
use crate::domain::money::Money;
use crate::domain::order::{Attached, Failure, Metadata, Order, OrderId, OrderStatus};
use crate::domain::product::{Product, ProductId, StockMove, Terms};
use crate::domain::receipt::Receipt;
use crate::domain::refusal::Refusal;
use crate::domain::totals::{OrderSums, Totals};
use crate::domain::transition::Transition;

mod figures;
mod misfits;
mod watch;

use misfits::misfits;

const AT: Timestamp = Timestamp::from_millis(1_769_860_800_000);
const COUNTS: JobCountsView =
    JobCountsView { active: 1, completed: 2, delayed: 3, failed: 4, prioritized: 5, waiting: 6 };
const RECEIPT: Receipt = Receipt { order: OrderId(1), queue_position: 3, estimated_wait: 9, expires_at: None };
/// The job number of order 1 under a secret of sevens.
const JOB: &str = "1-";

fn job_ids() -> JobIds {
    JobIds::new([7; 32])
}

fn order() -> Order {
    Order::example(OrderId(1), "ada", AT)
}

/// An order that has everything that an order can have.
fn failed_order() -> Order {
    Order {
        status: OrderStatus::Failed,
        attempts: 2,
        failure: Some(Failure::Rejected("no such address".to_owned())),
        attached: Attached::new(Some("cart-7".to_owned()), Metadata::new([("gift", "yes")]).unwrap()),
        expires_at: Some(AT),
        processed_at: Some(AT),
        finished_at: Some(AT),
        ..order()
    }
}

fn product() -> Product {
    Product { created_at: AT, updated_at: AT, ..Product::example(1, 10) }
}

fn product_on_sale() -> Product {
    let terms = Terms {
        per_user_limit: Some(2),
        sale_starts_at: Some(AT),
        sale_ends_at: Some(AT),
        sku: None,
        hidden: false,
        hold_seconds: Some(600),
        ..product().terms
    };
    Product { terms, ..product() }
}

/// The schema of a view as JSON, and those that it refers to by name.
fn schemas_of<T: ToSchema>() -> (Value, BTreeMap<String, Value>) {
    let named = schema::named::<T>().into_iter().map(|(name, schema)| (name, json!(schema)));
    (json!(schema::of::<T>()), named.collect())
}

/// Calls `look` with a schema and all within it.
fn walk(schema: &Value, look: &mut impl FnMut(&Value)) {
    look(schema);
    schema["properties"].as_object().into_iter().flatten().for_each(|(_, schema)| walk(schema, look));
    ["oneOf", "anyOf", "allOf"].iter().filter_map(|key| schema[key].as_array()).flatten().for_each(|it| walk(it, look));
    if schema["items"].is_object() {
        walk(&schema["items"], look);
    }
}

/// Checks a view against its schema and gives its text.
fn shown<T: Serialize + ToSchema>(view: &T) -> String {
    let (schema, named) = schemas_of::<T>();
    let text = serde_json::to_string(view).unwrap();
    let value = serde_json::from_str(&text).unwrap();
    assert_eq!(misfits(&value, &schema, &named, &T::name()), Vec::<String>::new(), "{text}");
    text.replace(&job_ids().job_id(OrderId(1)), JOB)
}

#[test]
fn orders_and_products_are_written_field_by_field_in_this_order() {
    let (ids, order, failed, product) = (job_ids(), order(), failed_order(), product_on_sale());
    assert_eq!(
        shown(&OrderView::of(&order, &ids)),
        r#"{"id":1,"jobId":"1-","productId":1,"userId":"ada","reference":null,"metadata":null,"#.to_owned()
            + r#""quantity":1,"unitPrice":"1.00","totalPrice":"1.00","#
            + r#""status":"pending","priority":"normal","reservedAt":"2026-01-31T12:00:00.000Z","expiresAt":null,"#
            + r#""attempts":0,"failureReason":null,"createdAt":"2026-01-31T12:00:00.000Z","#
            + r#""updatedAt":"2026-01-31T12:00:00.000Z"}"#
    );
    let placed = shown(&FulfillmentEventView::of(&order, AT, &ids));
    assert!(placed.starts_with(r#"{"type":"order.placed","timestamp":"2026-01-31T12:00:00.000Z","data":{"id":1,"#));
    let (timestamp, sequence, history) = (AsText(AT), 7, AsText(HistoryId([0xa7; 16])));
    let (r#type, data) = (Word(OrderEventType::Expired), OrderView::of(&order, &ids));
    let expired = shown(&OrderEventView { r#type, timestamp, sequence, history, data });
    let head = r#""timestamp":"2026-01-31T12:00:00.000Z","sequence":7,"history":"a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7","#;
    assert!(expired.starts_with(&format!(r#"{{"type":"order.expired",{head}"data":{{"id":1,"#)), "{expired}");
    let (r#type, data) = (Word(ProductEventType::SoldOut), ProductView::of(&product));
    let sold_out = shown(&ProductEventView { r#type, timestamp, sequence, history, data });
    assert!(sold_out.starts_with(&format!(r#"{{"type":"product.sold_out",{head}"data":{{"id":1,"#)), "{sold_out}");
    let product_text = r#"{"id":1,"name":"product 1","sku":null,"price":"9.99","initialStock":10,"currentStock":10,"#
        .to_owned()
        + r#""heldStock":0,"soldStock":0,"adjustedStock":0,"flashSaleActive":true,"hidden":false,"perUserLimit":2,"#
        + r#""saleStartsAt":"2026-01-31T12:00:00.000Z","saleEndsAt":"2026-01-31T12:00:00.000Z","holdSeconds":600,"#
        + r#""createdAt":"2026-01-31T12:00:00.000Z","updatedAt":"2026-01-31T12:00:00.000Z"}"#;
    assert_eq!(shown(&ProductView::of(&product)), product_text);
    let whole = shown(&OrderView::of(&failed, &ids).with_product(Some(&product)));
    assert!(whole.contains(r#""expiresAt":"2026-01-31T12:00:00.000Z","attempts":2,"#), "{whole}");
    assert!(whole.contains(r#""reference":"cart-7","metadata":{"gift":"yes"},"#), "{whole}");
    let cells = serde_json::to_string(&OrderView::of(&failed, &ids).in_cells().unwrap()).unwrap();
    assert!(cells.contains(r#""metadata":"{\"gift\":\"yes\"}","#), "{cells}");
    assert!(whole.contains(r#""failureReason":"rejected: no such address","#), "{whole}");
    assert!(whole.ends_with(&format!(r#","product":{product_text}}}"#)), "{whole}");
    let mut totals = Totals::default();
    totals.count(failed.status, failed.job);
    assert_eq!(
        shown(&OrderMetricsView::of(&totals, COUNTS)),
        r#"{"cancelledOrders":0,"confirmedOrders":0,"failedOrders":1,"pendingOrders":0,"queueStats":"#.to_owned()
            + r#"{"active":1,"completed":2,"delayed":3,"failed":4,"prioritized":5,"waiting":6},"totalOrders":1}"#
    );
    let metrics = StockMetricsView {
        low_stock_products: 1,
        out_of_stock_products: 0,
        stock_utilization: text::hundredths(100.0 / 3.0),
        total_current_stock: 20,
        total_initial_stock: 30,
        total_products: 2,
    };
    assert_eq!(
        shown(&metrics),
        r#"{"lowStockProducts":1,"outOfStockProducts":0,"stockUtilization":33.33,"totalCurrentStock":20,"#.to_owned()
            + r#""totalInitialStock":30,"totalProducts":2}"#
    );
}

#[test]
fn jobs_and_the_queue_are_written_field_by_field_in_this_order() {
    let (ids, order, failed) = (job_ids(), order(), failed_order());
    assert_eq!(
        shown(&JobView::of(&order, JobState::Waiting, Some(7), &ids)),
        r#"{"jobId":"1-","orderId":1,"status":"waiting","progress":0,"queuePosition":7,"attemptsMade":0,"#.to_owned()
            + r#""processedOn":null,"finishedOn":null,"failedReason":null}"#
    );
    shown(&JobView::of(&failed, JobState::Failed, None, &ids));
    let followed = FollowedJobView::of(JobView::of(&failed, JobState::Failed, None, &ids), &failed);
    assert!(shown(&followed).ends_with(
        r#""totalPrice":"1.00","createdAt":"2026-01-31T12:00:00.000Z","expiresAt":"2026-01-31T12:00:00.000Z"}"#
    ));
    let attempts = [AttemptError { attempt: 2, at: AT, error: "no".to_owned() }];
    assert_eq!(
        shown(&DeadLetterView::of(&failed, &attempts, &ids)),
        r#"{"jobId":"1-","orderId":1,"productId":1,"userId":"ada","quantity":1,"reason":"rejected","#.to_owned()
            + r#""failedReason":"rejected: no such address","attemptsMade":2,"#
            + r#""attempts":[{"attempt":2,"at":"2026-01-31T12:00:00.000Z","error":"no"}],"#
            + r#""failedAt":"2026-01-31T12:00:00.000Z"}"#
    );
    shown(&DeadLetterView::of(&order, &[], &ids));
    let queue = QueueView {
        capacity: 10,
        completed_per_second: 0.5,
        counts: COUNTS,
        dead_letters: 1,
        hold_capacity: 20,
        oldest_job_age_ms: 0,
        paused: false,
    };
    assert_eq!(
        shown(&queue),
        r#"{"capacity":10,"completedPerSecond":0.5,"counts":{"active":1,"completed":2,"delayed":3,"failed":4,"#
            .to_owned()
            + r#""prioritized":5,"waiting":6},"deadLetters":1,"holdCapacity":20,"oldestJobAgeMs":0,"paused":false}"#
    );
    shown(&MovedView { done: 1, matched: 2, counted_at: None, needs: None });
}

#[test]
fn receipts_and_problems_are_written_field_by_field_in_this_order() {
    let ids = job_ids();
    assert_eq!(
        shown(&ReceiptView::of(RECEIPT, &ids)),
        r#"{"jobId":"1-","orderId":1,"status":"pending","queuePosition":3,"estimatedWaitTime":9,"expiresAt":null}"#
    );
    let held = Receipt { expires_at: Some(AT), ..RECEIPT };
    let invalid = Refusal::invalid("quantity", "is missing");
    let results = vec![
        BatchResultView::Placed(BatchPlacedView::of(RECEIPT, false, &ids)),
        BatchResultView::Placed(BatchPlacedView::of(held, true, &ids)),
        BatchResultView::Refused(BatchRefusedView::of(&invalid, 400, "quantity is missing", None)),
        BatchResultView::Refused(BatchRefusedView::of(&Refusal::ShuttingDown, 503, "Soon.", Some(2))),
    ];
    assert_eq!(
        shown(&BatchResultsView { results }),
        r#"{"results":[{"status":201,"jobId":"1-","orderId":1,"orderStatus":"pending","queuePosition":3,"#.to_owned()
            + r#""estimatedWaitTime":9,"expiresAt":null},{"status":201,"idempotencyReplayed":true,"jobId":"1-","#
            + r#""orderId":1,"orderStatus":"pending","queuePosition":3,"estimatedWaitTime":9,"#
            + r#""expiresAt":"2026-01-31T12:00:00.000Z"},{"code":"invalid_request","#
            + r#""errors":[{"field":"quantity","message":"is missing"}],"message":"quantity is missing","status":400},"#
            + r#"{"code":"shutting_down","message":"Soon.","retryAfter":2,"status":503}]}"#
    );
    assert_eq!(
        shown(&ProblemView::of(&invalid, 400, "Bad Request", "quantity is missing", "/api/v1/orders")),
        r#"{"type":"urn:flashsale:problem:invalid_request","title":"Bad Request","status":400,"#.to_owned()
            + r#""detail":"quantity is missing","instance":"/api/v1/orders","code":"invalid_request","#
            + r#""statusCode":400,"message":"quantity is missing","error":"Bad Request","#
            + r#""errors":[{"field":"quantity","message":"is missing"}]}"#
    );
    for refusal in Refusal::examples() {
        shown(&ProblemView::of(&refusal, 409, "Conflict", "No.", "/"));
    }
}

#[test]
fn health_alerts_and_the_audit_are_written_field_by_field_in_this_order() {
    assert_eq!(shown(&LiveView::OK), r#"{"status":"ok"}"#);
    assert_eq!(shown(&HealthView::at(AT)), r#"{"status":"ok","timestamp":"2026-01-31T12:00:00.000Z"}"#);
    let words = [
        (Missing::ShuttingDown, "shutting_down"),
        (Missing::StorageUnavailable, "storage_unavailable"),
        (Missing::StorageSlow, "storage_slow"),
        (Missing::StorageMissing, "storage_missing"),
    ];
    for (missing, word) in words {
        let expected = format!(r#"{{"notReady":["{word}"],"status":"unavailable"}}"#);
        assert_eq!(shown(&NotReadyView::of(missing)), expected);
    }
    let by_orders = OrderSums { orders: 2, held: 0, sold: 1 };
    assert_eq!(
        shown(&AuditView::of(vec![AuditedProductView::of(&product(), by_orders, false)])),
        r#"{"ok":false,"products":[{"adjustedStock":0,"currentStock":10,"heldByOrders":0,"heldStock":0,"#.to_owned()
            + r#""initialStock":10,"ok":false,"orders":2,"productId":1,"soldByOrders":1,"soldStock":0}]}"#
    );
}

/// A change of each kind: what the journal and the ledger call it.
fn changes() -> Vec<(Change, &'static str, Option<&'static str>)> {
    let product = || Box::new(product());
    let mut restocked = product();
    restocked.stock.current += 5;
    let moved = |transition, units| Change::OrderMoved {
        order: OrderId(1),
        product: ProductId(1),
        quantity: 1,
        transition,
        units,
        actor: Actor::Worker,
    };
    let error = || "no".to_owned();
    let retry_after = std::time::Duration::ZERO;
    let id = HistoryId([7; 16]);
    let fork = Fork { after: 1, previous: id, id, last_order: 1, first_order: 9, last_product: 1, first_product: 9 };
    let freed = Some(StockMove::Release);
    vec![
        (Change::ProductCreated(product()), "product_created", Some("created")),
        (Change::ProductEdited { before: product(), after: restocked }, "product_edited", Some("adjusted")),
        (Change::ProductEdited { before: product(), after: product() }, "product_edited", Some("edited")),
        (Change::ProductDeleted(product()), "product_deleted", None),
        (Change::ProductStopped(ProductId(1)), "product_stopped", Some("stopped")),
        (Change::ProductStarted(ProductId(1)), "product_started", Some("started")),
        (Change::OrderPlaced { order: order().into(), response: None }, "order_placed", Some("reserved")),
        (moved(Transition::Fulfilled, Some(StockMove::Sell)), "order_fulfilled", Some("sold")),
        (moved(Transition::Confirmed { post: false }, Some(StockMove::Sell)), "order_confirmed", Some("sold")),
        (
            moved(Transition::ConfirmedLate { post: false }, Some(StockMove::Resell)),
            "order_confirmed_late",
            Some("sold_late"),
        ),
        (moved(Transition::AttemptFailed { error: error(), retry_after, paid: false }, None), "attempt_failed", None),
        (moved(Transition::Rejected { error: error() }, freed), "order_rejected", Some("failed")),
        (moved(Transition::AttemptsExhausted { error: error() }, freed), "attempts_exhausted", Some("failed")),
        (moved(Transition::Cancelled, Some(StockMove::TakeBack)), "order_cancelled", Some("cancelled")),
        (moved(Transition::Expired, freed), "order_expired", Some("expired")),
        (moved(Transition::Reopened, Some(StockMove::Hold)), "order_reopened", Some("reserved_again")),
        (Change::DeadLetterDeleted(OrderId(1)), "dead_letter_deleted", None),
        (Change::QueuePaused, "queue_paused", None),
        (Change::QueueResumed, "queue_resumed", None),
        (Change::HistoryForked(fork.into()), "history_forked", None),
    ]
}

#[test]
fn the_journal_and_the_ledger_show_the_same_changes_in_words_of_their_own() {
    let changes = changes();
    let kinds: Vec<_> = changes.iter().map(|(change, ..)| change::ChangeKind::of(change)).collect();
    assert_eq!(kinds, <change::ChangeKind as text::Words>::ALL);
    let record = Record { sequence: 3, previous: [0; 32], at: AT, changes: Vec::new() };
    for (change, journal, ledger) in &changes {
        let view = ChangeView::of(change);
        let entry = view.journal_entry(&record, [1; 32], &job_ids());
        let text = shown(&entry);
        assert!(text.contains(&format!(r#""kind":"{journal}","actor":"{}""#, change.actor().as_str())), "{text}");
        let sides = |text: &str| text.split_once(r#","before":"#).unwrap().1.to_owned();
        let cells = shown(&view.journal_cells(&record, [1; 32], &job_ids()).unwrap());
        assert_eq!(sides(&cells).replace('\\', "").replace("\"{", "{").replace("}\"", "}"), sides(&text));
        let entry = view.ledger_entry(3, AT);
        assert_eq!(entry.is_some(), ledger.is_some(), "{journal}");
        if let (Some(entry), Some(ledger)) = (entry, ledger) {
            let text = shown(&entry);
            assert!(text.contains(&format!(r#""kind":"{ledger}","actor":"#)), "{text}");
        }
    }
}

#[test]
fn changes_are_written_field_by_field_in_this_order() {
    let changes = changes();
    let [created, .., placed, sold, _] = &changes[..9] else { panic!() };
    let ledger = |change: &Change| shown(&ChangeView::of(change).ledger_entry(3, AT).unwrap());
    assert_eq!(
        ledger(&created.0),
        r#"{"sequence":3,"at":"2026-01-31T12:00:00.000Z","kind":"created","actor":"operator","orderId":null,"#
            .to_owned()
            + r#""currentDelta":10,"heldDelta":0,"soldDelta":0,"before":null,"after":{"adjustedStock":0,"#
            + r#""createdAt":"2026-01-31T12:00:00.000Z","currentStock":10,"flashSaleActive":true,"heldStock":0,"#
            + r#""hidden":false,"holdSeconds":null,"id":1,"initialStock":10,"name":"product 1","perUserLimit":null,"#
            + r#""price":"9.99","saleEndsAt":null,"saleStartsAt":null,"sku":null,"#
            + r#""soldStock":0,"updatedAt":"2026-01-31T12:00:00.000Z"}}"#
    );
    let text = ledger(&sold.0);
    assert!(text.ends_with(r#","before":{"status":"pending"},"after":{"status":"confirmed"}}"#), "{text}");
    let text = ledger(&placed.0);
    assert!(text.ends_with(r#","before":null,"after":{"status":"pending"}}"#), "{text}");
    let record = Record { sequence: 3, previous: [0; 32], at: AT, changes: Vec::new() };
    let journal = |at: usize| {
        let text = shown(&ChangeView::of(&changes[at].0).journal_entry(&record, [1; 32], &job_ids()));
        text.replace(&"01".repeat(32), "ones").replace(&"00".repeat(32), "zeros")
    };
    assert_eq!(
        journal(7),
        r#"{"sequence":3,"at":"2026-01-31T12:00:00.000Z","hash":"ones","previousHash":"zeros","#.to_owned()
            + r#""kind":"order_fulfilled","actor":"worker","productId":1,"orderId":1,"quantity":1,"currentDelta":0,"#
            + r#""heldDelta":-1,"soldDelta":1,"error":null,"before":{"status":"pending"},"#
            + r#""after":{"status":"confirmed"}}"#
    );
    let ends = [
        (10, r#","error":"no","before":{"status":"pending"},"after":{"status":"pending"}}"#),
        (16, r#","error":null,"before":{"deadLetter":true},"after":{"deadLetter":false}}"#),
        (17, r#","error":null,"before":{"paused":false},"after":{"paused":true}}"#),
        (18, r#","error":null,"before":{"paused":true},"after":{"paused":false}}"#),
        (19, r#","nextOrderId":9,"nextProductId":9}}"#),
    ];
    for (at, end) in ends {
        assert!(journal(at).ends_with(end), "{}", journal(at));
    }
    let history = r#""before":{"historyId":"07070707070707070707070707070707","nextOrderId":2,"nextProductId":2}"#;
    assert!(journal(19).contains(history), "{}", journal(19));
}

#[test]
fn columns_are_the_fields_that_every_row_has() {
    let columns = [
        schema::columns::<OrderView>(),
        schema::columns::<ProductView>(),
        schema::columns::<JobView>(),
        schema::columns::<JournalEntryView<String>>(),
    ];
    assert_eq!(
        columns.map(|names| names.join(",")),
        [
            "id,jobId,productId,userId,reference,metadata,quantity,unitPrice,totalPrice,status,priority,reservedAt,\
             expiresAt,attempts,failureReason,createdAt,updatedAt",
            "id,name,sku,price,initialStock,currentStock,heldStock,soldStock,adjustedStock,flashSaleActive,hidden,\
             perUserLimit,saleStartsAt,saleEndsAt,holdSeconds,createdAt,updatedAt",
            "jobId,orderId,status,progress,queuePosition,attemptsMade,processedOn,finishedOn,failedReason",
            "sequence,at,hash,previousHash,kind,actor,productId,orderId,quantity,currentDelta,heldDelta,soldDelta,\
             error,before,after",
        ]
    );
}

#[test]
fn every_schema_is_closed_and_whole_and_its_examples_fit() {
    let mut all: BTreeMap<_, _> = schemas().into_iter().map(|(name, schema)| (name, json!(schema))).collect();
    let (journal, more) = schemas_of::<JournalEntryView<JournalSide>>();
    all.extend(more);
    let unnamed = [
        ("live", schemas_of::<LiveView>().0),
        ("health", schemas_of::<HealthView>().0),
        ("not ready", schemas_of::<NotReadyView>().0),
        ("journal", journal),
        ("ledger", schemas_of::<LedgerEntryView>().0),
    ];
    let (mut objects, mut examples) = (0, 0);
    for (name, schema) in all
        .iter()
        .map(|(name, schema)| (name.as_str(), schema))
        .chain(unnamed.iter().map(|(name, schema)| (*name, schema)))
    {
        assert!(schema["description"].is_string(), "{name}");
        walk(schema, &mut |schema| {
            if let Some(reference) = schema["$ref"].as_str() {
                assert!(all.contains_key(reference.rsplit('/').next().unwrap()), "{name}: {reference}");
            } else if schema["type"] == "object" {
                objects += 1;
                assert_eq!(schema["additionalProperties"], json!(false), "{name}: {schema}");
                let required = schema["required"].as_array().unwrap();
                assert!(required.iter().all(|field| schema["properties"].get(field.as_str().unwrap()).is_some()));
            } else {
                assert!(schema["oneOf"].is_array() || !schema["type"].is_null(), "{name}: {schema}");
            }
            for example in schema["examples"].as_array().into_iter().flatten() {
                examples += 1;
                assert_eq!(misfits(example, schema, &all, name), Vec::<String>::new());
            }
        });
    }
    assert!(objects >= all.len() - 1 && examples > 20, "{objects} objects, {examples} examples");
}

#[test]
fn the_examples_of_values_are_written_as_values_are() {
    let example = |schema: RefOr<Schema>| json!(schema)["examples"][0].clone();
    assert_eq!(json!(text::AsText(Money::from_cents(99_999))), example(schema::of::<Money>()));
    assert_eq!(json!(text::AsText(AT)), example(schema::of::<Timestamp>()));
    let job_id = job_ids().job_id(OrderId(42));
    let example = example(schema::of::<text::JobId>());
    let example = example.as_str().unwrap();
    assert_eq!((example.len(), &example[..3]), (job_id.len(), &job_id[..3]));
    assert!(example[3..].bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')));
}

/// The schemas of the views that are checked here by name, each with those that it refers to; no name twice. A test of
/// the API checks all that are in its description.
fn schemas() -> Vec<(String, RefOr<Schema>)> {
    let groups = [
        schema::named::<receipt::ReceiptView>(),
        schema::named::<receipt::BatchResultsView>(),
        schema::named::<OrderView>(),
        schema::named::<JobView>(),
        schema::named::<job::DeadLetterView>(),
        schema::named::<queue::QueueView>(),
        schema::named::<queue::MovedView>(),
        schema::named::<order::OrderMetricsView>(),
        schema::named::<product::StockMetricsView>(),
        schema::named::<audit::AuditView>(),
        schema::named::<change::LedgerEntryView>(),
        schema::named::<alert::AlertsView>(),
        schema::named::<problem::ProblemView>(),
    ];
    let mut all: Vec<(String, RefOr<Schema>)> = Vec::new();
    for (name, schema) in groups.into_iter().flatten() {
        if all.iter().all(|(known, _)| *known != name) {
            all.push((name, schema));
        }
    }
    all
}
