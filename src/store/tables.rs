//! The tables: one redb file.

pub(super) mod create;
pub(super) mod database;
pub(super) mod definitions;
pub(super) mod head_row;
pub(super) mod index;
pub(super) mod order_groups;
pub(super) mod write;
