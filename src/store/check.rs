//! Checking whether a store adds up.

pub(super) mod chain;
pub(super) mod compare;
pub(super) mod indexes;
pub(super) mod order_sums;
pub(super) mod replay;
pub(super) mod report;
pub(super) mod scratch;
pub(super) mod verify;
