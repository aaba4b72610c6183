//! What Rust draws: figures as text, axes, charts over time, and files that open without a network. For the pages of
//! the dashboard, and for reports.

pub(crate) mod axis;
pub(crate) mod chart;
pub(crate) mod figure;
pub(crate) mod offline;
pub(crate) mod points;
pub(crate) mod text;
