//! Settling an order: confirming and cancelling it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use crate::api::route::{self, Route};
use crate::committer::{Intake, OperatorMove};
use crate::domain::job_id::JobIds;
use crate::domain::order::OrderId;
use crate::domain::refusal::Refusal;
use crate::http::PathParam;
use crate::operator::orders;
use crate::view::OrderView;
use crate::view::schema::of;
use crate::view::text::Id;

pub(super) fn confirm_route() -> Route {
    let description = route::operator("/orders/{id}/confirm", "confirmOrder", "Confirm an order")
        .about(
            "The buyer has paid. An order whose hold has expired is confirmed all the same while units are left: they \
             are reserved again; else the refusal is `hold_expired`, and the buyer's money goes back. Confirming a \
             confirmed order changes nothing.",
        )
        .part("id", "The order.", of::<Id>())
        .responds::<OrderView<'_>>("The order, confirmed.")
        .refuses(|refusal| matches!(refusal, Refusal::OrderNotFound | Refusal::OrderNotPending { .. }))
        .refuses(|refusal| matches!(refusal, Refusal::HoldExpired | Refusal::PurchaseLimitExceeded { .. }))
        .writes();
    route::post(confirm, description)
}

pub(super) fn cancel_route() -> Route {
    let description = route::operator("/orders/{id}/cancel", "cancelOrder", "Cancel an order")
        .about(
            "Its units return to the stock, also those of a confirmed order. Cancelling a cancelled order changes \
             nothing.",
        )
        .part("id", "The order.", of::<Id>())
        .responds::<OrderView<'_>>("The order, cancelled.")
        .refuses(|refusal| matches!(refusal, Refusal::OrderNotFound | Refusal::OrderNotPending { .. }))
        .writes();
    route::post(cancel, description)
}

async fn confirm(intake: State<Intake>, job_ids: State<Arc<JobIds>>, id: PathParam) -> Result<Response, Refusal> {
    settle(&intake, &job_ids, &id, OperatorMove::Confirm).await
}

async fn cancel(intake: State<Intake>, job_ids: State<Arc<JobIds>>, id: PathParam) -> Result<Response, Refusal> {
    settle(&intake, &job_ids, &id, OperatorMove::Cancel).await
}

async fn settle(intake: &Intake, job_ids: &JobIds, id: &PathParam, to: OperatorMove) -> Result<Response, Refusal> {
    let order = orders::move_one(intake, OrderId(id.id()?), to).await?;
    Ok(Json(OrderView::of(&order, job_ids)).into_response())
}
