//! The backlog: what was committed and is on its way into the tables.

pub(super) mod filters;
pub(super) mod shared;
pub(super) mod writer;
