//! The store on a disk that tears, drops and fails writes.

mod audit;
pub(crate) mod disk;
pub(crate) mod engine;
mod failures;
mod ledger;
mod power;
mod rng;
mod script;
mod stalls;
mod tail;
