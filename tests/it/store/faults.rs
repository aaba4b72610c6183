//! The store on a disk that tears, drops and fails writes.

mod audit;
mod deed;
mod failures;
mod ledger;
mod power;
mod script;
mod stalls;
mod tail;
