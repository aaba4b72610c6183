//! Products, their stock, and its history.

mod audit;
mod create;
mod delete;
mod fields;
mod get;
mod ledger;
mod list;
mod metrics;
mod restock;
mod sale;
mod tagged;
mod update;

use super::route::Group;

/// All routes of products.
pub(super) fn group() -> Group {
    Group {
        tag: "inventory",
        about: "Products, their stock, and its history",
        routes: vec![
            list::route(),
            create::route(),
            get::route(),
            update::route(),
            delete::route(),
            restock::route(),
            sale::stop_route(),
            sale::start_route(),
            ledger::route(),
            metrics::route(),
            audit::route(),
        ],
    }
}
