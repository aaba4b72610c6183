//! Orders: placing them, following them, settling them.

mod batch;
mod fields;
mod follow;
mod get;
mod list;
mod metrics;
mod of_user;
mod place;
mod receipt;
mod settle;

pub(super) use place::PlaceOrder;

use super::route::Group;

/// All routes of orders.
pub(super) fn group() -> Group {
    Group {
        tag: "orders",
        about: "Placing orders, following them, settling them",
        routes: vec![
            place::route(),
            list::route(),
            batch::route(),
            get::route(),
            follow::route(),
            of_user::route(),
            settle::confirm_route(),
            settle::cancel_route(),
            metrics::route(),
        ],
    }
}
