//! The journal: one record for each commit, each carrying the hash of the one before it.

pub(super) mod kept;
pub(super) mod record;
pub(super) mod ring;
pub(super) mod tail;
