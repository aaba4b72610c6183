//! draft
pub mod change;
pub mod clock;
pub mod money;
pub mod order;
pub mod product;
pub mod refusal;
