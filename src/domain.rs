//! The domain: what orders and products are and what can happen to them. Pure: no I/O, no lock, no thread.

pub mod alert;
pub mod change;
pub mod clock;
pub mod decimal;
pub mod digits;
pub mod effect;
pub mod error_group;
pub mod event;
pub mod figures;
pub mod filter;
pub mod idempotency_key;
pub mod job;
pub mod job_id;
pub mod mirror;
pub mod money;
pub mod names;
pub mod order;
pub mod product;
pub mod product_tag;
pub mod receipt;
pub mod refusal;
pub mod sale;
pub mod scatter;
pub mod series;
pub mod totals;
pub mod transition;
