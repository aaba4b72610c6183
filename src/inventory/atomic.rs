//! The counter's integers; the model checker puts its own in their place.

pub(super) use std::sync::atomic::{AtomicU64, Ordering};
