//! How rows are written. The shapes here are the file's; the domain's are elsewhere.

pub(super) mod attempt;
pub(super) mod encoding;
mod flagged;
pub(super) mod fork;
pub(super) mod order;
pub(super) mod product;
pub(super) mod record;
pub(super) mod response;
pub(super) mod wal_mark;

#[cfg(test)]
mod tests;
