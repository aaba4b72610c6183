//! What a check of a store found, in words.

use std::fmt;

use crate::domain::change::Fork;
use crate::store;

use super::words::counted;

/// The most forks that are listed, the newest ones.
const MAX_LISTED: usize = 20;

/// What a check found.
#[derive(Debug)]
pub struct Report {
    found: store::Report,
}

impl Report {
    pub(super) const fn new(found: store::Report) -> Self {
        Self { found }
    }

    /// Whether nothing is wrong.
    pub const fn is_sound(&self) -> bool {
        self.found.problems.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let store::Report { history, forks, records, orders, products, trimmed_through, problems } = &self.found;
        let (records, orders) = (counted(*records, "record"), counted(*orders, "order"));
        writeln!(f, "checked {records} of the history, {orders} and {}", counted(*products, "product"))?;
        writeln!(f, "the history is {history}")?;
        for Fork { after, previous, first_order, .. } in forks.iter().skip(forks.len().saturating_sub(MAX_LISTED)) {
            writeln!(
                f,
                "  it forked from {previous} after record {after}; its orders continue with number {first_order}"
            )?;
        }
        match trimmed_through {
            None => writeln!(f, "the history is complete; every table was compared with it")?,
            Some(cut) => writeln!(
                f,
                "the history was trimmed up to record {cut}: the rest of it and the counts were checked, but the \
                 tables could not be compared with it"
            )?,
        }
        for problem in problems {
            writeln!(f, "  wrong: {problem}")?;
        }
        match problems.len() {
            0 => write!(f, "everything adds up"),
            1 => write!(f, "1 thing does not add up"),
            wrong => write!(f, "{wrong} things do not add up"),
        }
    }
}
