//! Numbers and moments in words.

use crate::store::archive::Contents;

/// Which moment of a store a backup holds, in words.
pub fn moment(contents: &Contents) -> String {
    let rows = counted(contents.rows, "row");
    format!("as of record {} of the history {}, {} ({rows})", contents.sequence, contents.history, contents.at)
}

/// A number of things, in words: `1 order`, `2 orders`.
pub fn counted(number: u64, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}
