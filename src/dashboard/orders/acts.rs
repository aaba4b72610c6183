//! Confirming and cancelling one order.

use axum::extract::State;
use axum::response::Response;

use crate::committer::OperatorMove;
use crate::domain::order::{Order, OrderStatus};
use crate::domain::refusal::Refusal;
use crate::http::{FormBody, PathParam};
use crate::operator::orders;

use super::super::error::sentence;
use super::super::frame::{Frame, Page};
use super::super::notice::Notice;
use super::super::page::AskPage;
use super::super::state::Shared;
use super::super::text;
use super::super::visit::{Visit, local};
use super::one::find;

pub(super) async fn confirm(
    State(shared): State<Shared>,
    visit: Visit,
    PathParam(id): PathParam,
    form: FormBody,
) -> Result<Response, Refusal> {
    let order = find(&shared, &id).await?;
    let notice = match orders::move_one(&shared.intake, order.id, OperatorMove::Confirm).await {
        Ok(order) => Notice::done(format!("Order {} is confirmed.", text::whole(order.id.0))),
        Err(refusal) => not_done("confirmed", &order, &refusal),
    };
    Ok(visit.back(&form, &shared, &notice))
}

pub(super) async fn cancel(
    State(shared): State<Shared>,
    visit: Visit,
    PathParam(id): PathParam,
    form: FormBody,
) -> Result<Response, Refusal> {
    let order = find(&shared, &id).await?;
    if form.get("sure").is_none() && order.status == OrderStatus::Confirmed {
        return ask(&shared, &visit, &form, &order);
    }
    let units = text::counted(order.quantity.into(), "unit went", "units went");
    let notice = match orders::move_one(&shared.intake, order.id, OperatorMove::Cancel).await {
        Ok(order) => Notice::done(format!("Order {} is cancelled; {units} back.", text::whole(order.id.0))),
        Err(refusal) => not_done("cancelled", &order, &refusal),
    };
    Ok(visit.back(&form, &shared, &notice))
}

/// A confirmed order is sold: cancelling it cannot be undone.
fn ask(shared: &Shared, visit: &Visit, form: &FormBody, order: &Order) -> Result<Response, Refusal> {
    let (number, units) = (text::whole(order.id.0), text::counted(order.quantity.into(), "unit", "units"));
    let product = shared.product_name(order.product);
    visit.html(&AskPage {
        frame: Frame::of(shared, visit, Page::Other),
        title: format!("Cancel order {number}?"),
        lines: vec![
            format!("It is confirmed: {units} of {product} for {}.", text::money(order.total())),
            format!("{units} can be bought again at once. A cancelled order stays cancelled."),
        ],
        action: format!("/orders/{}/cancel", order.id),
        fields: vec![("sure".to_owned(), "yes".to_owned())],
        keep: "Keep the order".to_owned(),
        act: format!("Cancel order {number}"),
        is_danger: true,
        typed: None,
        back: form.get("back").and_then(local).unwrap_or("/orders").to_owned(),
    })
}

fn not_done(what: &str, order: &Order, refusal: &Refusal) -> Notice {
    Notice::failed(format!("Order {} was not {what}. {}", text::whole(order.id.0), sentence(refusal)))
}
