//! Stopping and starting the whole sale.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use crate::api::route::{self, Route};
use crate::committer::Intake;
use crate::domain::product::Product;
use crate::domain::refusal::Refusal;
use crate::view::ProductView;

pub(super) fn stop_route() -> Route {
    let description = route::operator("/inventory/stop", "stopSale", "Stop the whole sale")
        .about(
            "Takes every product out of the sale in one commit, and remembers which, also over restarts. Once this is \
             answered no order for them is accepted; those that were accepted before stand.",
        )
        .responds_list::<ProductView<'_>>("The products that were in the sale, by number.")
        .writes();
    route::post(stop, description)
}

pub(super) fn start_route() -> Route {
    let description = route::operator("/inventory/start", "startSale", "Start the whole sale again")
        .about(
            "Brings the products back that a stop of the whole sale took out of it, in one commit. A product whose \
             `flashSaleActive` was set since stays as it is.",
        )
        .responds_list::<ProductView<'_>>("The products that are back in the sale, by number.")
        .writes();
    route::post(start, description)
}

async fn stop(State(intake): State<Intake>) -> Result<Response, Refusal> {
    Ok(list(&intake.stop_sale().await?))
}

async fn start(State(intake): State<Intake>) -> Result<Response, Refusal> {
    Ok(list(&intake.start_sale().await?))
}

fn list(products: &[Product]) -> Response {
    let views: Vec<_> = products.iter().map(ProductView::of).collect();
    Json(views).into_response()
}
