//! The store on a disk that tears, drops and fails writes.

mod audit;
mod disk;
mod engine;
mod failures;
mod ledger;
mod power;
mod rng;
mod script;
