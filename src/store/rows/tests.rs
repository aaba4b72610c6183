//! What is written reads back the same; what is cut or foreign is rejected.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::change::{Actor, Change, Fork, HistoryId, Record, StoredResponse};
use crate::domain::clock::Timestamp;
use crate::domain::idempotency_key::IdempotencyKey;
use crate::domain::job::JobOutcome;
use crate::domain::money::Money;
use crate::domain::order::{Attached, Failure, Metadata, Order, OrderId, OrderStatus, Priority, UserId};
use crate::domain::product::{Product, ProductId, Stock, StockMove, Terms};
use crate::domain::transition::Transition;
use crate::store::error::StoreError;

use super::encoding::{decode, encode};
use super::order::OrderRow;
use super::product::ProductRow;
use super::record::{ChangeRows, NewRecordRow, RecordRow};

fn order() -> Order {
    let at = |millis: i64| Timestamp::from_millis(1_700_000_000_000 + millis);
    Order {
        id: OrderId(7),
        product: ProductId(3),
        user: UserId::new("山田 太郎").unwrap(),
        quantity: 2,
        unit_price: Money::from_cents(99_999),
        attached: None,
        priority: Priority::Critical,
        status: OrderStatus::Failed,
        job: JobOutcome::Failed,
        attempts: 3,
        failure: Some(Failure::AttemptsExhausted("timed out".to_owned())),
        reserved_at: at(5),
        expires_at: Some(at(60_000)),
        retry_at: None,
        processed_at: Some(at(900)),
        finished_at: Some(at(901)),
        created_at: at(0),
        updated_at: at(901),
    }
}

fn product() -> Product {
    Product {
        id: ProductId(3),
        terms: Terms {
            name: "Größe \"M\"".to_owned(),
            price: Money::from_cents(1),
            flash_sale_active: true,
            per_user_limit: Some(2),
            sale_starts_at: Some(Timestamp::from_millis(1)),
            sale_ends_at: None,
            sku: None,
            hidden: false,
            hold_seconds: Some(600),
        },
        stopped: false,
        stock: Stock { initial: 10, adjusted: -3, current: 4, held: 2, sold: 1 },
        orders: 9,
        created_at: Timestamp::from_millis(5),
        updated_at: Timestamp::from_millis(6),
    }
}

#[test]
fn orders_and_products_read_back_as_they_were_written() {
    let mut bytes = Vec::new();
    encode(&OrderRow::of(&order()), &mut bytes).unwrap();
    assert_eq!(decode::<OrderRow<'_>>(&bytes).unwrap().order(OrderId(7)).unwrap(), order());
    encode(&ProductRow::of(&product()), &mut bytes).unwrap();
    assert_eq!(decode::<ProductRow<'_>>(&bytes).unwrap().product(ProductId(3)), product());
}

#[test]
fn what_few_orders_and_products_have_costs_the_others_no_byte() {
    let (mut plain, mut more) = (Vec::new(), Vec::new());
    encode(&OrderRow::of(&order()), &mut plain).unwrap();
    let metadata = Metadata::new([("gift", "yes"), ("山", "")]).unwrap();
    for (reference, metadata) in [(Some("cart-7"), None), (None, metadata.clone()), (Some("cart-7"), metadata)] {
        let order = Order { attached: Attached::new(reference.map(str::to_owned), metadata), ..order() };
        encode(&OrderRow::of(&order), &mut more).unwrap();
        let row = decode::<OrderRow<'_>>(&more).unwrap();
        assert_eq!(row.order(OrderId(7)).unwrap(), order);
        assert_eq!(row.fields(OrderId(7)).unwrap(), order.fields());
        assert!(more.len() > plain.len());
    }
    encode(&ProductRow::of(&product()), &mut plain).unwrap();
    for (sku, hidden) in [(Some("IP15-128"), false), (None, true), (Some("IP15-128"), true)] {
        let mut product = product();
        (product.terms.sku, product.terms.hidden) = (sku.map(str::to_owned), hidden);
        encode(&ProductRow::of(&product), &mut more).unwrap();
        assert_eq!(decode::<ProductRow<'_>>(&more).unwrap().product(ProductId(3)), product);
        assert_eq!(more.len(), plain.len() + 2 + sku.map_or(0, |sku| 1 + sku.len()));
    }
}

/// Written before a whole sale could be stopped, when a product was in the sale or was not.
#[test]
fn whether_a_product_is_in_the_sale_is_written_as_ever() {
    let (mut out, mut bytes) = (product(), Vec::new());
    out.terms.flash_sale_active = false;
    let at = 1 + 1 + product().terms.name.len() + varint_len(product().terms.price.cents());
    for (product, byte) in [(&product(), 1), (&out, 0), (&Product { stopped: true, ..out.clone() }, 2)] {
        encode(&ProductRow::of(product), &mut bytes).unwrap();
        assert_eq!(bytes[at], byte, "{product:?}");
        assert_eq!(decode::<ProductRow<'_>>(&bytes).unwrap().product(ProductId(3)), *product);
    }
}

/// How many bytes postcard writes a number in.
fn varint_len(number: u128) -> usize {
    (128 - number.leading_zeros() as usize).div_ceil(7).max(1)
}

#[test]
fn every_kind_of_change_reads_back_as_it_was_written() {
    let error = || "it broke".to_owned();
    let transitions = [
        Transition::Fulfilled,
        Transition::Confirmed { post: false },
        Transition::Confirmed { post: true },
        Transition::ConfirmedLate { post: false },
        Transition::ConfirmedLate { post: true },
        Transition::AttemptFailed { error: error(), retry_after: Duration::from_millis(77), paid: false },
        Transition::AttemptFailed { error: error(), retry_after: Duration::from_millis(77), paid: true },
        Transition::Rejected { error: error() },
        Transition::AttemptsExhausted { error: error() },
        Transition::Cancelled,
        Transition::Expired,
        Transition::Reopened,
    ];
    let actors = [Actor::Buyer, Actor::Operator, Actor::Worker, Actor::Clock];
    let moves = StockMove::ALL.into_iter().map(Some).chain([None]).cycle();
    let moved =
        transitions.into_iter().zip(actors.into_iter().cycle()).zip(moves).map(|((transition, actor), units)| {
            Change::OrderMoved { order: OrderId(7), product: ProductId(3), quantity: 2, transition, units, actor }
        });
    let response = StoredResponse { key: IdempotencyKey::from_bytes([255; 16]), queue_position: 3, estimated_wait: 9 };
    let mut changes = vec![
        Change::ProductCreated(Box::new(product())),
        Change::ProductEdited { before: Box::new(product()), after: Box::new(Product { orders: 10, ..product() }) },
        Change::ProductDeleted(Box::new(product())),
        Change::OrderPlaced { order: Arc::new(order()), response: Some(response) },
        Change::OrderPlaced { order: Arc::new(order()), response: None },
        Change::OrderPlaced {
            order: Arc::new(Order { attached: Attached::new(Some("cart-7".to_owned()), None), ..order() }),
            response: Some(response),
        },
        Change::ProductStopped(ProductId(3)),
        Change::ProductStarted(ProductId(3)),
        Change::DeadLetterDeleted(OrderId(7)),
        Change::QueuePaused,
        Change::QueueResumed,
        Change::HistoryForked(Box::new(Fork {
            after: 11,
            previous: HistoryId([1; 16]),
            id: HistoryId([2; 16]),
            last_order: 7,
            first_order: 1 << 50,
            last_product: 3,
            first_product: 1 << 51,
        })),
    ];
    changes.extend(moved);
    let record = Record { sequence: 12, previous: [7; 32], at: Timestamp::from_millis(99), changes };
    let mut bytes = Vec::new();
    let (previous, at) = (record.previous, record.at.millis());
    encode(&NewRecordRow { previous, at, changes: ChangeRows(&record.changes) }, &mut bytes).unwrap();
    assert_eq!(decode::<RecordRow<'_>>(&bytes).unwrap().record(12).unwrap(), record);
}

#[test]
fn a_cut_row_and_a_foreign_version_are_refused() {
    let mut bytes = Vec::new();
    encode(&OrderRow::of(&order()), &mut bytes).unwrap();
    for cut in 0..bytes.len() {
        let row = decode::<OrderRow<'_>>(&bytes[..cut]);
        assert!(matches!(row, Err(StoreError::Damaged(_))), "cut at {cut}");
    }
    bytes[0] = 2;
    assert!(decode::<OrderRow<'_>>(&bytes).is_err());
}

#[test]
fn an_id_that_is_stored_is_read_whatever_the_rule_for_new_ones() {
    for id in ["ada ", "ada\u{200b}", "e\u{301}"] {
        assert!(UserId::new(id).is_err());
        let order = Order { user: UserId::stored(id), ..order() };
        let mut bytes = Vec::new();
        encode(&OrderRow::of(&order), &mut bytes).unwrap();
        assert_eq!(decode::<OrderRow<'_>>(&bytes).unwrap().order(order.id).unwrap(), order);
    }
}
