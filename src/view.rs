//! Every JSON shape that the API, the exports, the webhooks and the live feed show, and its schema.
//!
//! A view is a plain struct: its fields are serialized in their order, and its doc comments are the descriptions in
//! the schema. Views that are lists at the client are slices here.

use utoipa::openapi::{RefOr, Schema};

pub mod alert;
pub mod audit;
pub mod change;
pub mod health;
pub mod job;
pub mod order;
pub mod problem;
pub mod product;
pub mod queue;
pub mod receipt;
pub mod schema;
pub mod text;

#[cfg(test)]
mod tests;

pub use job::JobView;
pub use order::OrderView;
pub use product::ProductView;
pub use text::AsText;

/// The schemas of all views that the API describes by name, each with those that it refers to; no name twice.
pub fn schemas() -> Vec<(String, RefOr<Schema>)> {
    let groups = [
        schema::named::<receipt::ReceiptView>(),
        schema::named::<receipt::BatchResultsView>(),
        schema::named::<OrderView>(),
        schema::named::<JobView>(),
        schema::named::<job::DeadLetterView>(),
        schema::named::<queue::QueueView>(),
        schema::named::<queue::MovedView>(),
        schema::named::<order::OrderMetricsView>(),
        schema::named::<product::StockMetricsView>(),
        schema::named::<audit::AuditView>(),
        schema::named::<change::LedgerEntryView>(),
        schema::named::<alert::AlertsView>(),
        schema::named::<problem::ProblemView>(),
    ];
    let mut all: Vec<(String, RefOr<Schema>)> = Vec::new();
    for (name, schema) in groups.into_iter().flatten() {
        if all.iter().all(|(known, _)| *known != name) {
            all.push((name, schema));
        }
    }
    all
}
