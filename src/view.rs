//! Every JSON shape that the API, the exports and the webhooks show, and its schema.
//!
//! A view is a plain struct: its fields are serialized in their order, and its doc comments are the descriptions in
//! the schema. Views that are lists at the client are slices here.

pub mod alert;
pub mod analysis;
pub mod audit;
pub mod benchmark;
pub mod change;
pub mod event;
pub mod feed;
pub mod health;
pub mod history;
pub mod job;
pub mod load_test;
pub mod metrics;
pub mod order;
pub mod problem;
pub mod product;
pub mod queue;
pub mod readiness;
pub mod receipt;
pub mod rows;
pub mod schema;
pub mod text;
pub mod verdict;

#[cfg(test)]
mod tests;

pub use job::{FollowedJobView, JobView};
pub use order::OrderView;
pub use product::ProductView;
