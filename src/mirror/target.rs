//! What a mirror needs of the place that it copies to.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::change::Record;
use crate::domain::clock::Timestamp;
use crate::domain::mirror::Mirror;
use crate::domain::order::Order;
use crate::domain::product::Product;
use crate::limits::MIRROR_TIMEOUT;
use crate::store::StoreError;

use super::position::Position;
use super::rows::Rows;

/// Why a mirror cannot continue as it is.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// The target is away, or failed: it is connected to again after a while. A sentence without its period.
    #[error("{0}")]
    Away(String),
    /// The store cannot be read at the moment.
    #[error("the store cannot be read: {0}")]
    Store(#[from] StoreError),
    /// The store is closed: the mirror ends.
    #[error("the store is closed")]
    Closed,
}

/// The next part of the history.
#[derive(Debug)]
pub(super) struct Batch {
    /// Its records, at least one, in order and without a gap.
    pub(super) records: Vec<Arc<Record>>,
    /// The rows that they touched, as they are now; none for a target without rows.
    pub(super) rows: Rows,
    /// How far the target is with it.
    pub(super) position: Position,
}

/// A place that the store is copied to. It keeps its position itself, in one transaction with what it says.
pub(super) trait Target {
    /// Which mirror it is.
    const MIRROR: Mirror;
    /// Whether it has rows. One without takes records alone, and nothing is copied to it when it is new.
    const HAS_ROWS: bool = true;

    /// Changes a second that are copied while orders come on a busy machine.
    const BUSY_CHANGES: u32;

    /// The longest time for one step; a target that takes longer is away.
    const PATIENCE: Duration = MIRROR_TIMEOUT;

    /// Connects anew, and prepares the target where that is needed. Its position; `None` if it has none.
    async fn connect(&mut self) -> Result<Option<Position>, Fault>;

    /// Writes a batch, all or nothing. The same batch twice is as if it came once. Gives how many rows or events the
    /// target rejected: these are put aside and reported, and do not keep up the others.
    async fn apply(&mut self, batch: &Batch) -> Result<u64, Fault>;

    /// Begins to copy everything: what the target has is replaced once [`finish`](Self::finish) has succeeded, not
    /// before. Gives how many products the target rejected. Not called for a target without rows.
    async fn begin(&mut self, products: &[Product]) -> Result<u64, Fault>;

    /// Copies some orders after [`begin`](Self::begin). Gives how many the target rejected.
    async fn load(&mut self, orders: &[Order]) -> Result<u64, Fault>;

    /// Ends the copying, or begins anew for a target without rows: the target has everything through `position`.
    async fn finish(&mut self, position: Position) -> Result<(), Fault>;

    /// Called about once a second while there is nothing to copy, and between batches.
    async fn tick(&mut self, now: Timestamp) -> Result<(), Fault>;
}
