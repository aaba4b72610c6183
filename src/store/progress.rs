//! How far a long piece of work is.

/// Called with what is being done, how much of it is done, and of how much.
pub type OnProgress<'p> = dyn FnMut(&'static str, u64, u64) + 'p;

/// Rows between two calls.
pub(in crate::store) const PROGRESS_STEP: u64 = 4_096;
