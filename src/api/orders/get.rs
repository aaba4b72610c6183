//! Reading one order, with its product.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use crate::api::route::{self, Route};
use crate::domain::job_id::JobIds;
use crate::domain::order::OrderId;
use crate::domain::refusal::Refusal;
use crate::http::PathParam;
use crate::inventory::Inventory;
use crate::operator::orders;
use crate::store::Store;
use crate::view::OrderView;
use crate::view::schema::of;
use crate::view::text::Id;

pub(super) fn route() -> Route {
    let description = route::operator("/orders/{id}", "getOrder", "Read an order, with its product")
        .part("id", "The order.", of::<Id>())
        .responds::<OrderView<'_>>("The order.")
        .refuses(|refusal| matches!(refusal, Refusal::OrderNotFound))
        .reads();
    route::get(read, description)
}

async fn read(
    State(store): State<Arc<Store>>,
    State(inventory): State<Arc<Inventory>>,
    State(job_ids): State<Arc<JobIds>>,
    id: PathParam,
) -> Result<Response, Refusal> {
    let order = orders::find(&store, OrderId(id.id()?)).await?.ok_or(Refusal::OrderNotFound)?;
    let product = inventory.item(order.product).map(|item| item.product());
    Ok(Json(OrderView::of(&order, &job_ids).with_product(product.as_deref())).into_response())
}
