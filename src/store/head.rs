//! The one row that every transaction of the tables rewrites: where the history ends, and the totals up to there.

use serde::{Deserialize, Serialize};

use crate::domain::change::{Fork, HistoryId};
use crate::domain::clock::Timestamp;
use crate::domain::effect::Effect;
use crate::domain::order::OrderId;
use crate::domain::product::ProductId;
use crate::domain::totals::Totals;

pub(super) mod times;

use times::Times;

/// The end of the history and the totals up to there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The sequence of the last record; 0 before the first.
    pub sequence: u64,
    /// The hash of the last record; zeros before the first.
    pub hash: [u8; 32],
    /// When the last record was written, in milliseconds since the epoch; it can be before an earlier one.
    at: i64,
    /// Where to look for the records and orders of a time.
    pub(in crate::store) times: Times,
    /// The id of the history.
    history: [u8; 16],
    /// The highest number that an order has or that was skipped: no count, as numbers jump where a history forks.
    pub last_order: u64,
    /// The same for products.
    pub last_product: u64,
    /// All orders below this number are closed.
    pub oldest_open: u64,
    /// All orders up to this number are in the index by user.
    pub indexed_through: u64,
    /// All orders up to this number whose response is stored are in the index by idempotency key.
    pub keyed_through: u64,
    /// Whether the queue is paused.
    pub paused: bool,
    /// Where the history was cut: the last record that was trimmed; zeros while there is all of it.
    pub cut: Cut,
    /// Orders and jobs by what became of them.
    pub totals: Totals,
}

/// The last record before the history that is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// Its sequence.
    pub sequence: u64,
    /// Its hash, which the first kept record carries.
    pub hash: [u8; 32],
}

impl Head {
    /// Before the first record of a history.
    pub(in crate::store) fn of_new(history: HistoryId) -> Self {
        Self { history: history.0, ..Self::default() }
    }

    /// The id of the history.
    pub const fn history(&self) -> HistoryId {
        HistoryId(self.history)
    }

    /// Applies what a change does to the numbers, the totals and the queue's state.
    pub fn apply(&mut self, effect: &Effect<'_>) {
        match effect {
            Effect::ProductPut(product) => self.last_product = self.last_product.max(product.id.0),
            Effect::Order(effect) if effect.before.is_none() => {
                self.last_order = self.last_order.max(effect.order.id.0);
            }
            Effect::Paused(paused) => self.paused = *paused,
            Effect::Forked(fork) => self.fork(fork),
            Effect::Order(_)
            | Effect::ProductRemoved(_)
            | Effect::ProductSale { .. }
            | Effect::DeadLetterRemoved(_) => {}
        }
        self.totals.apply(effect);
    }

    /// Takes the id and the numbers from which a fork continues. Without open orders, those below the next number are
    /// closed.
    pub(in crate::store) const fn fork(&mut self, fork: &Fork) {
        // Before the first order nothing says so.
        if self.oldest_open > self.last_order || self.last_order == 0 {
            self.oldest_open = fork.first_order;
        }
        self.history = fork.id.0;
        self.last_order = fork.first_order.saturating_sub(1);
        self.last_product = fork.first_product.saturating_sub(1);
    }

    /// When the last record was written.
    pub const fn at(&self) -> Timestamp {
        Timestamp::from_millis(self.at)
    }

    /// The latest time that any record was written at. After a jump of the clock that can be later than the last one's.
    pub fn latest(&self) -> Timestamp {
        self.times.latest()
    }

    /// Moves the end of the history, after the orders of its last record.
    pub fn advance(&mut self, sequence: u64, hash: [u8; 32], at: Timestamp) {
        (self.sequence, self.hash, self.at) = (sequence, hash, at.millis());
        self.times.note(sequence, self.last_order, at);
    }

    /// The next product's number.
    pub const fn next_product(&mut self) -> ProductId {
        self.last_product += 1;
        ProductId(self.last_product)
    }

    /// The next order's number.
    pub const fn next_order(&mut self) -> OrderId {
        self.last_order += 1;
        OrderId(self.last_order)
    }
}
