//! What an operator asks and does, independent of HTTP: the API, the dashboard and the command line call it.

pub mod audit;
pub mod dead_letters;
pub mod jobs;
pub mod ledger;
pub mod order_history;
pub mod orders;
pub mod totals;
mod unreadable;
