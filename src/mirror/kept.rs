//! What the journal keeps for one mirror.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::store::{KeptTail, Store};

/// Keeps the records that a target lacks from being trimmed, up to a number of them: a target that is away for longer
/// is copied to anew when it is back.
#[derive(Debug)]
pub(super) struct Kept {
    store: Arc<Store>,
    most: u64,
    tail: Mutex<Tail>,
}

#[derive(Debug)]
struct Tail {
    through: u64,
    /// None once they were too many.
    kept: Option<KeptTail>,
}

impl Kept {
    /// Keeps all that there are, until it is known what the target has.
    pub(super) fn all(store: &Arc<Store>, most: u64) -> Self {
        let through = store.head().cut.sequence;
        let tail = Tail { through, kept: Some(store.keep(through)) };
        Self { store: Arc::clone(store), most, tail: Mutex::new(tail) }
    }

    /// The target has everything through a record.
    pub(super) fn advance(&self, through: u64) {
        let mut tail = self.tail.lock();
        match &tail.kept {
            Some(kept) if through >= tail.through => kept.advance(through),
            // Lower than before where everything was copied anew.
            _ => tail.kept = Some(self.store.keep(through)),
        }
        tail.through = through;
    }

    /// Lets the records go if they are too many; true if that is so now.
    pub(super) fn has_let_go(&self) -> bool {
        let last = self.store.head().sequence;
        let mut tail = self.tail.lock();
        last.saturating_sub(tail.through) > self.most && tail.kept.take().is_some()
    }
}
