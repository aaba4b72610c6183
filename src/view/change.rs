//! A change of the history: its kind, who made it, what it is about, what it found and left. The ledger of a product
//! and the export of the journal show the same changes, each with words and fields of its own; both are made here.

use std::fmt::Display;

use serde::{Serialize, Serializer};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::order::OrderView;
use super::product::ProductView;
use super::text::{AsText, Id, Word, Words, one_of};
use crate::domain::change::{Actor, Change, Fork, HistoryId, Record};
use crate::domain::clock::Timestamp;
use crate::domain::job_id::JobIds;
use crate::domain::order::{Order, OrderId, OrderStatus};
use crate::domain::product::{Product, ProductId};
use crate::domain::transition::Transition;

/// The one table of the kinds: each with its word in the journal, and its word in a product's ledger if it is there.
macro_rules! kinds {
    ($($(#[$about:meta])* $kind:ident => $journal:literal $(, $ledger:literal)?;)*) => {
        /// What kind a change is of.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum ChangeKind {
            $($(#[$about])* $kind,)*
        }

        impl ChangeKind {
            /// Its word in the ledger; none for what no ledger shows.
            const fn ledger_word(self) -> Option<&'static str> {
                match self {
                    $(Self::$kind => kinds!(@ $($ledger)?),)*
                }
            }
        }

        impl Words for ChangeKind {
            const ALL: &'static [Self] = &[$(Self::$kind,)*];

            fn word(self) -> &'static str {
                match self {
                    $(Self::$kind => $journal,)*
                }
            }
        }
    };
    (@) => { None };
    (@ $ledger:literal) => { Some($ledger) };
}

kinds! {
    /// A product was created.
    ProductCreated => "product_created", "created";
    /// An operator changed a product's stock, perhaps with its terms.
    ProductAdjusted => "product_edited", "adjusted";
    /// An operator changed a product's terms.
    ProductEdited => "product_edited", "edited";
    /// A product was deleted, and its ledger with it.
    ProductDeleted => "product_deleted";
    /// A stop of the whole sale took a product out of it.
    ProductStopped => "product_stopped", "stopped";
    /// The sale started again, and the product is back in it.
    ProductStarted => "product_started", "started";
    /// An order was accepted.
    OrderPlaced => "order_placed", "reserved";
    /// A worker fulfilled an order, or delivered a confirmed one.
    OrderFulfilled => "order_fulfilled", "sold";
    /// An operator confirmed an order.
    OrderConfirmed => "order_confirmed", "sold";
    /// An operator confirmed an order after its hold had expired.
    OrderConfirmedLate => "order_confirmed_late", "sold_late";
    /// An attempt failed and another follows; no unit moves.
    AttemptFailed => "attempt_failed";
    /// The fulfilment service rejected an order for good.
    OrderRejected => "order_rejected", "failed";
    /// The last attempt of an order failed.
    AttemptsExhausted => "attempts_exhausted", "failed";
    /// An operator cancelled an order.
    OrderCancelled => "order_cancelled", "cancelled";
    /// A hold expired.
    OrderExpired => "order_expired", "expired";
    /// An order was taken back from the dead letters.
    OrderReopened => "order_reopened", "reserved_again";
    /// A dead letter was deleted.
    DeadLetterDeleted => "dead_letter_deleted";
    /// The queue was paused.
    QueuePaused => "queue_paused";
    /// The queue was resumed.
    QueueResumed => "queue_resumed";
    /// The history left another one.
    HistoryForked => "history_forked";
}

impl PartialSchema for ChangeKind {
    fn schema() -> RefOr<Schema> {
        one_of(Self::ALL.iter().map(|kind| kind.word())).into()
    }
}

impl ToSchema for ChangeKind {}

impl ChangeKind {
    /// The kind of a change.
    pub(super) fn of(change: &Change) -> Self {
        match change {
            Change::ProductCreated(_) => Self::ProductCreated,
            Change::ProductEdited { before, after } if before.stock != after.stock => Self::ProductAdjusted,
            Change::ProductEdited { .. } => Self::ProductEdited,
            Change::ProductDeleted(_) => Self::ProductDeleted,
            Change::ProductStopped(_) => Self::ProductStopped,
            Change::ProductStarted(_) => Self::ProductStarted,
            Change::OrderPlaced { .. } => Self::OrderPlaced,
            Change::OrderMoved { transition, .. } => Self::of_transition(transition),
            Change::DeadLetterDeleted(_) => Self::DeadLetterDeleted,
            Change::QueuePaused => Self::QueuePaused,
            Change::QueueResumed => Self::QueueResumed,
            Change::HistoryForked(_) => Self::HistoryForked,
        }
    }

    const fn of_transition(transition: &Transition) -> Self {
        match transition {
            Transition::Fulfilled => Self::OrderFulfilled,
            Transition::Confirmed { .. } => Self::OrderConfirmed,
            Transition::ConfirmedLate { .. } => Self::OrderConfirmedLate,
            Transition::AttemptFailed { .. } => Self::AttemptFailed,
            Transition::Rejected { .. } => Self::OrderRejected,
            Transition::AttemptsExhausted { .. } => Self::AttemptsExhausted,
            Transition::Cancelled => Self::OrderCancelled,
            Transition::Expired => Self::OrderExpired,
            Transition::Reopened => Self::OrderReopened,
        }
    }
}

/// One change of the history, in the words of its views: what [`LedgerEntryView`] and [`JournalEntryView`] are made of.
#[derive(Clone, Debug)]
pub struct ChangeView<'c> {
    /// What kind it is of.
    kind: ChangeKind,
    /// Who made it.
    actor: Actor,
    /// The product that it is about, if it is about one.
    pub product: Option<ProductId>,
    /// The order that it is about, if it is about one.
    pub order: Option<OrderId>,
    /// Units of that order, where the change has them.
    quantity: Option<u32>,
    /// What it added to the product's current, held and sold units.
    deltas: Option<[i64; 3]>,
    /// What went wrong in the attempt that it reports.
    error: Option<&'c str>,
    /// What it found and what it left.
    sides: [Option<Side<'c>>; 2],
}

/// What a change found or left.
#[derive(Clone, Copy, Debug)]
enum Side<'c> {
    /// A product.
    Product(&'c Product),
    /// An order, whole.
    Order(&'c Order),
    /// An order of this status.
    Status(OrderStatus),
    /// A job that is a dead letter, or is none.
    DeadLetter(bool),
    /// A queue that is paused, or is not.
    Paused(bool),
    /// A history and the next numbers in it.
    History {
        /// Which.
        id: HistoryId,
        /// The number of the next order.
        next_order: u64,
        /// The number of the next product.
        next_product: u64,
    },
}

impl<'c> ChangeView<'c> {
    /// The view of a change.
    pub fn of(change: &'c Change) -> Self {
        let mut view = Self {
            kind: ChangeKind::of(change),
            actor: change.actor(),
            product: change.product(),
            order: change.order(),
            quantity: None,
            deltas: change.deltas(),
            error: None,
            sides: [None, None],
        };
        match change {
            Change::ProductCreated(product) => view.sides = [None, Some(Side::Product(product))],
            Change::ProductEdited { before, after } => {
                view.sides = [before, after].map(|product| Some(Side::Product(product)));
            }
            Change::ProductDeleted(product) => view.sides = [Some(Side::Product(product)), None],
            Change::ProductStopped(_) | Change::ProductStarted(_) => {}
            Change::OrderPlaced { order, .. } => {
                view.quantity = Some(order.quantity);
                view.sides = [None, Some(Side::Order(order))];
            }
            Change::OrderMoved { quantity, transition, units, .. } => {
                view.quantity = Some(*quantity);
                view.error = transition.error();
                view.sides = transition.statuses(*units).map(|status| Some(Side::Status(status)));
            }
            Change::DeadLetterDeleted(_) => view.sides = [true, false].map(|dead| Some(Side::DeadLetter(dead))),
            Change::QueuePaused => view.sides = [false, true].map(|paused| Some(Side::Paused(paused))),
            Change::QueueResumed => view.sides = [true, false].map(|paused| Some(Side::Paused(paused))),
            Change::HistoryForked(fork) => view.sides = forked(fork).map(Some),
        }
        view
    }

    /// The user whose order it placed. Of other changes of an order, the user is not known here.
    pub fn placed_by(&self) -> Option<&'c str> {
        match self.sides[1] {
            Some(Side::Order(order)) => Some(order.user.as_str()),
            _ => None,
        }
    }

    /// Its fields as texts, for entries that are flat: each of them always, and `None` for what it lacks.
    pub fn each_text(&self, mut field: impl FnMut(&'static str, Option<&dyn Display>)) {
        let status = match self.sides[1] {
            Some(Side::Status(status)) => Some(status.as_str()),
            Some(Side::Order(order)) => Some(order.status.as_str()),
            _ => None,
        };
        field("type", Some(&self.kind.word()));
        field("actor", Some(&self.actor.as_str()));
        field("product_id", self.product.as_ref().map(|id| id as _));
        field("order_id", self.order.as_ref().map(|id| id as _));
        field("user_id", self.placed_by().as_ref().map(|user| user as _));
        field("quantity", self.quantity.as_ref().map(|units| units as _));
        field("status", status.as_ref().map(|status| status as _));
        let deltas = self.deltas.as_ref();
        for (index, name) in ["current_delta", "held_delta", "sold_delta"].into_iter().enumerate() {
            field(name, deltas.map(|deltas| &deltas[index] as _));
        }
        field("error", self.error.as_ref().map(|error| error as _));
    }

    /// Its entry in the ledger of its product, if it has one: it is about a product, and an order has moved units.
    pub fn ledger_entry(&self, sequence: u64, at: Timestamp) -> Option<LedgerEntryView<'c>> {
        let [current_delta, held_delta, sold_delta] =
            self.deltas.filter(|deltas| self.order.is_none() || *deltas != [0; 3])?;
        let [before, after] = self.sides.map(|side| side.and_then(LedgerSide::of));
        Some(LedgerEntryView {
            sequence,
            at: AsText(at),
            kind: LedgerWord(self.kind.ledger_word()?),
            actor: Word(self.actor),
            order_id: self.order.map(|order| Id(order.0)),
            current_delta,
            held_delta,
            sold_delta,
            before,
            after,
        })
    }

    /// Its entry in the export of the journal. `hash` is that of its record.
    pub fn journal_entry(
        &self,
        record: &Record,
        hash: [u8; 32],
        job_ids: &JobIds,
    ) -> JournalEntryView<'c, JournalSide<'c>> {
        self.entry(record, hash, self.journal_sides(job_ids))
    }

    /// The same as cells. No object is one, so the sides are JSON as text.
    pub fn journal_cells(
        &self,
        record: &Record,
        hash: [u8; 32],
        job_ids: &JobIds,
    ) -> serde_json::Result<JournalEntryView<'c, String>> {
        let text = |side: Option<JournalSide<'_>>| side.as_ref().map(serde_json::to_string).transpose();
        let [before, after] = self.journal_sides(job_ids).map(text);
        Ok(self.entry(record, hash, [before?, after?]))
    }

    fn journal_sides(&self, job_ids: &JobIds) -> [Option<JournalSide<'c>>; 2] {
        self.sides.map(|side| side.map(|side| JournalSide::of(side, job_ids)))
    }

    fn entry<S>(&self, record: &Record, hash: [u8; 32], [before, after]: [Option<S>; 2]) -> JournalEntryView<'c, S> {
        let [current_delta, held_delta, sold_delta] = self.deltas.map_or([None; 3], |deltas| deltas.map(Some));
        JournalEntryView {
            sequence: record.sequence,
            at: AsText(record.at),
            hash: hex(hash),
            previous_hash: hex(record.previous),
            kind: Word(self.kind),
            actor: Word(self.actor),
            product_id: self.product.map(|product| Id(product.0)),
            order_id: self.order.map(|order| Id(order.0)),
            quantity: self.quantity,
            current_delta,
            held_delta,
            sold_delta,
            error: self.error,
            before,
            after,
        }
    }
}

fn forked(fork: &Fork) -> [Side<'static>; 2] {
    let side = |id, next_order, next_product| Side::History { id, next_order, next_product };
    [
        side(fork.previous, fork.last_order + 1, fork.last_product + 1),
        side(fork.id, fork.first_order, fork.first_product),
    ]
}

fn hex(hash: [u8; 32]) -> String {
    blake3::Hash::from_bytes(hash).to_hex().to_string()
}

/// One change of a product.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LedgerEntry)]
pub struct LedgerEntryView<'c> {
    /// The record of the history that it is in.
    sequence: u64,
    at: AsText<Timestamp>,
    kind: LedgerWord,
    actor: Word<Actor>,
    #[schema(required)]
    order_id: Option<Id>,
    current_delta: i64,
    held_delta: i64,
    sold_delta: i64,
    /// The product as an operator found it, or the status that an order moved from.
    #[serde(serialize_with = "sorted")]
    #[schema(inline, required)]
    before: Option<LedgerSide<'c>>,
    /// The product as an operator left it, or the status that an order moved to.
    #[serde(serialize_with = "sorted")]
    #[schema(inline, required)]
    after: Option<LedgerSide<'c>>,
}

/// The word of a kind in the ledger.
#[derive(Clone, Copy, Debug, Serialize)]
struct LedgerWord(&'static str);

impl PartialSchema for LedgerWord {
    fn schema() -> RefOr<Schema> {
        one_of(ChangeKind::ALL.iter().filter_map(|kind| kind.ledger_word())).into()
    }
}

impl ToSchema for LedgerWord {}

/// What a change of a product found or left.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
enum LedgerSide<'c> {
    /// The product.
    Product(ProductView<'c>),
    /// An order that moved.
    Order {
        /// Where it was, or is now.
        status: Word<OrderStatus>,
    },
}

impl<'c> LedgerSide<'c> {
    fn of(side: Side<'c>) -> Option<Self> {
        match side {
            Side::Product(product) => Some(Self::Product(ProductView::of(product))),
            Side::Order(order) => Some(Self::Order { status: Word(order.status) }),
            Side::Status(status) => Some(Self::Order { status: Word(status) }),
            Side::DeadLetter(_) | Side::Paused(_) | Side::History { .. } => None,
        }
    }
}

/// Writes an object with its fields in alphabetical order, as the sides in a ledger have always been.
fn sorted<S: Serializer>(side: &Option<LedgerSide<'_>>, serializer: S) -> Result<S::Ok, S::Error> {
    serde_json::to_value(side).map_err(serde::ser::Error::custom)?.serialize(serializer)
}

/// One change of the history. Times and hashes are those of its record.
// A side `S` is an object, or the text of one in a cell.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = JournalEntry)]
pub struct JournalEntryView<'c, S> {
    sequence: u64,
    at: AsText<Timestamp>,
    hash: String,
    previous_hash: String,
    kind: Word<ChangeKind>,
    actor: Word<Actor>,
    #[schema(required)]
    product_id: Option<Id>,
    #[schema(required)]
    order_id: Option<Id>,
    #[schema(required)]
    quantity: Option<u32>,
    #[schema(required)]
    current_delta: Option<i64>,
    #[schema(required)]
    held_delta: Option<i64>,
    #[schema(required)]
    sold_delta: Option<i64>,
    #[schema(required)]
    error: Option<&'c str>,
    #[schema(inline, required)]
    before: Option<S>,
    #[schema(inline, required)]
    after: Option<S>,
}

/// What a change of the history found or left: a product, an order, or the one thing that it turned.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum JournalSide<'c> {
    /// A product.
    Product(ProductView<'c>),
    /// An order, whole.
    Order(Box<OrderView<'c>>),
    /// An order that moved.
    Status {
        /// Where it was, or is now.
        status: Word<OrderStatus>,
    },
    /// A job.
    DeadLetter {
        /// Whether it is a dead letter.
        #[serde(rename = "deadLetter")]
        dead_letter: bool,
    },
    /// The queue.
    Queue {
        /// Whether workers take no jobs.
        paused: bool,
    },
    /// A history.
    History {
        /// Its id.
        #[serde(rename = "historyId")]
        history_id: AsText<HistoryId>,
        /// The number of the next order.
        #[serde(rename = "nextOrderId")]
        next_order_id: u64,
        /// The number of the next product.
        #[serde(rename = "nextProductId")]
        next_product_id: u64,
    },
}

impl<'c> JournalSide<'c> {
    fn of(side: Side<'c>, job_ids: &JobIds) -> Self {
        match side {
            Side::Product(product) => Self::Product(ProductView::of(product)),
            Side::Order(order) => Self::Order(Box::new(OrderView::of(order, job_ids))),
            Side::Status(status) => Self::Status { status: Word(status) },
            Side::DeadLetter(dead_letter) => Self::DeadLetter { dead_letter },
            Side::Paused(paused) => Self::Queue { paused },
            Side::History { id, next_order, next_product } => {
                Self::History { history_id: AsText(id), next_order_id: next_order, next_product_id: next_product }
            }
        }
    }
}
