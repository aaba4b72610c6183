//! The jobs of orders, and the dead letters.

mod counts;
mod dead_letters;
mod jobs;
mod one_dead_letter;

use super::route::Group;

/// All routes of the queue.
pub(super) fn group() -> Group {
    let routes = [counts::routes(), jobs::routes(), dead_letters::routes(), one_dead_letter::routes()];
    Group {
        tag: "queue",
        about: "The jobs of orders, and the dead letters",
        routes: routes.into_iter().flatten().collect(),
    }
}
