//! draft
pub mod admission;
pub mod change;
pub mod clock;
pub mod committer;
pub mod fulfillment;
pub mod inventory;
pub mod job_id;
pub mod limits;
pub mod money;
pub mod order;
pub mod product;
pub mod queue;
pub mod refusal;
pub mod store;
pub mod view;
