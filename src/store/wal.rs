//! The write-ahead log.

pub(super) mod file;
pub(super) mod frames;
