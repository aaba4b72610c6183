//! The row of a kept answer.

use serde::{Deserialize, Serialize};

use crate::domain::change::KeptAnswer;

/// A kept answer; the order is in the row's place or beside it. The key is random: as a number it would be longer.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(in crate::store) struct AnswerRow {
    key: [u8; 16],
    queue_position: u64,
    estimated_wait: u64,
}

impl AnswerRow {
    pub(in crate::store) const fn of(answer: &KeptAnswer) -> Self {
        let KeptAnswer { key, queue_position, estimated_wait } = *answer;
        Self { key: key.to_le_bytes(), queue_position, estimated_wait }
    }

    pub(in crate::store) const fn answer(self) -> KeptAnswer {
        let Self { key, queue_position, estimated_wait } = self;
        KeptAnswer { key: u128::from_le_bytes(key), queue_position, estimated_wait }
    }
}
