//! What the server posts to others, by the rules of Standard Webhooks.

use utoipa::openapi::path::{
    HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn, PathItem, Paths, PathsBuilder,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::{ContentBuilder, Required, ResponseBuilder, SecurityRequirement};

use crate::http::schema::{Shape, some_text, whole};
use crate::limits::MAX_ID;
use crate::view::order::FulfillmentEventView;
use crate::view::schema;

/// The schemas that they refer to, by name.
pub(super) fn shapes() -> Vec<(String, Shape)> {
    schema::named::<FulfillmentEventView<'_>>()
}

/// The posts to the fulfilment service.
pub(super) fn all() -> Paths {
    let placed = operation(
        "onOrderPlaced",
        "An order without a hold was placed",
        "Sent to FULFILLMENT_URL: 2xx confirms the order. Rejected for good, or out of attempts, it is failed, its \
         units return, and its job is a dead letter.",
    );
    let confirmed = operation(
        "onOrderConfirmed",
        "A held order was confirmed",
        "Sent to FULFILLMENT_URL. The order is paid and stays confirmed whatever the response is. Rejected for good, \
         or out of attempts, its job is a dead letter, from where it can be posted again.",
    );
    PathsBuilder::new().path("order.placed", placed).path("order.confirmed", confirmed).build()
}

fn operation(id: &str, summary: &str, about: &str) -> PathItem {
    let body = ContentBuilder::new().schema(Some(schema::reference::<FulfillmentEventView<'_>>())).build();
    let body = RequestBodyBuilder::new().required(Some(Required::True)).content("application/json", body).build();
    let response = |about: &str| ResponseBuilder::new().description(about).build();
    let mut operation = OperationBuilder::new().operation_id(Some(id)).summary(Some(summary)).description(Some(about));
    for (name, is_required, about, shape) in [
        ("webhook-id", Required::True, "The job's id: the same for all attempts, and for a retry.", some_text()),
        ("webhook-timestamp", Required::True, "When it was sent, in seconds since 1970.", whole(0, MAX_ID as i64)),
        ("webhook-signature", Required::False, "Of the body, if FULFILLMENT_SECRET is set.", some_text()),
    ] {
        let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Header).required(is_required);
        operation = operation.parameter(parameter.description(Some(about)).schema(Some(shape)));
    }
    let operation = operation
        .request_body(Some(body))
        .response("2XX", response("The service has the order."))
        .response("default", response("400, 409, 410, 413, 415 and 422 reject it for good. All else is tried again."))
        // Its receiver decides whom it believes: by the signature.
        .securities(Some([SecurityRequirement::default()]));
    PathItem::new(HttpMethod::Post, operation)
}
