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
    /// Whether the target was connected to, or could not be: before that, what it lacks is not known.
    was_tried: bool,
}

impl Kept {
    /// Keeps all that there are, until it is known what the target has.
    pub(super) fn all(store: &Arc<Store>, most: u64) -> Self {
        let through = store.head().cut.sequence;
        let tail = Tail { through, kept: Some(store.keep(through)), was_tried: false };
        Self { store: Arc::clone(store), most, tail: Mutex::new(tail) }
    }

    /// The target has everything through a record.
    pub(super) fn advance(&self, through: u64) {
        let mut tail = self.tail.lock();
        match &tail.kept {
            Some(kept) if through >= tail.through => kept.advance(through),
            // Those that were let go are kept again once they are few enough.
            None if self.lacks_too_many(through) => {}
            // Lower than before where everything was copied anew.
            _ => tail.kept = Some(self.store.keep(through)),
        }
        (tail.through, tail.was_tried) = (through, true);
    }

    /// The target is away.
    pub(super) fn miss(&self) {
        self.tail.lock().was_tried = true;
    }

    /// Lets the records go if they are too many; true if that is so now.
    pub(super) fn has_let_go(&self) -> bool {
        let mut tail = self.tail.lock();
        tail.was_tried && self.lacks_too_many(tail.through) && tail.kept.take().is_some()
    }

    fn lacks_too_many(&self, through: u64) -> bool {
        self.store.head().sequence.saturating_sub(through) > self.most
    }
}
