//! A fork of the history in a row of the journal.

use serde::{Deserialize, Serialize};

use crate::domain::change::{Fork, HistoryId};

/// A fork in a row of the journal.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(in crate::store) struct ForkRow {
    after: u64,
    previous: [u8; 16],
    id: [u8; 16],
    last_order: u64,
    first_order: u64,
    last_product: u64,
    first_product: u64,
}

impl ForkRow {
    pub(in crate::store) const fn of(fork: &Fork) -> Self {
        let Fork { after, previous, id, last_order, first_order, last_product, first_product } = *fork;
        Self { after, previous: previous.0, id: id.0, last_order, first_order, last_product, first_product }
    }

    pub(in crate::store) const fn fork(self) -> Fork {
        let Self { after, previous, id, last_order, first_order, last_product, first_product } = self;
        let (previous, id) = (HistoryId(previous), HistoryId(id));
        Fork { after, previous, id, last_order, first_order, last_product, first_product }
    }
}
