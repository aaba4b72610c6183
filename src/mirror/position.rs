//! How far a target is: the id of a history, and a record of it.

use std::fmt;

use crate::domain::change::HistoryId;

/// Everything through a record of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// The history: the same record of another one says nothing.
    pub(super) history: HistoryId,
    /// The record; 0 is the beginning.
    pub(super) sequence: u64,
}

impl Position {
    /// The position that a target keeps as two texts; `None` if they are none of ours.
    pub(super) fn parse(history: &str, sequence: u64) -> Option<Self> {
        let mut id = [0; 16];
        let digits =
            Some(history).filter(|text| text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        for (byte, digits) in id.iter_mut().zip(digits.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(Self { history: HistoryId(id), sequence })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record {} of the history {}", self.sequence, self.history)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_as_it_is_written() {
        let position = Position { history: HistoryId([0xa7; 16]), sequence: 7 };
        assert_eq!(Position::parse(&position.history.to_string(), 7), Some(position));
        for text in ["", "a7", &"g".repeat(32), &"é".repeat(16)] {
            assert_eq!(Position::parse(text, 7), None, "{text}");
        }
    }
}
