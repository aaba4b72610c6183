//! What the server posts to others, by the rules of Standard Webhooks.

use utoipa::openapi::path::{
    HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn, PathItem, Paths, PathsBuilder,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::{ContentBuilder, Required, ResponseBuilder, SecurityRequirement};

use crate::http::schema::{Shape, some_text, whole};
use crate::limits::MAX_ID;
use crate::view::event::{OrderEventView, ProductEventView};
use crate::view::order::FulfillmentEventView;
use crate::view::schema;

/// The schemas that they refer to, by name.
pub(super) fn shapes() -> Vec<(String, Shape)> {
    let mut shapes = schema::named::<FulfillmentEventView<'_>>();
    shapes.extend(schema::named::<OrderEventView<'_>>());
    shapes.extend(schema::named::<ProductEventView<'_>>());
    shapes
}

/// Those who get posts.
struct Receiver {
    /// The `webhook-id`, and the setting of the key.
    id: &'static str,
    secret: &'static str,
    /// What a success means, and what a rejection.
    taken: &'static str,
    rejected: &'static str,
}

const SERVICE: Receiver = Receiver {
    id: "The job's id: the same for all attempts, and for a retry.",
    secret: "Of the body, if FULFILLMENT_SECRET is set.",
    taken: "The service has the order.",
    rejected: "400, 409, 410, 413, 415 and 422 reject it for good. All else is tried again.",
};

const EVENTS: Receiver = Receiver {
    id: "The event's id: the same if the event comes again.",
    secret: "Of the body, if EVENTS_SECRET is set.",
    taken: "The receiver has the event.",
    rejected: "400, 409, 410, 413, 415 and 422 reject the event, which is put aside. All else delays all events.",
};

/// The events, and the posts to the fulfilment service.
pub(super) fn all() -> Paths {
    let events = [
        ("order.placed", "onOrderPlacedEvent", "An order was placed, or taken back from the dead letters"),
        ("order.confirmed", "onOrderConfirmedEvent", "An order is confirmed"),
        ("order.failed", "onOrderFailedEvent", "An order failed"),
        ("order.cancelled", "onOrderCancelledEvent", "An order was cancelled"),
        ("order.expired", "onOrderExpiredEvent", "The hold of an order ran out"),
        ("product.sold_out", "onProductSoldOutEvent", "The last unit of a product was taken"),
        ("product.restocked", "onProductRestockedEvent", "A product has units again"),
        ("sale.started", "onSaleStartedEvent", "A product can be bought from now on"),
        ("sale.ended", "onSaleEndedEvent", "A product cannot be bought any more"),
    ];
    let mut paths = PathsBuilder::new();
    for (name, id, summary) in events {
        let body = match name.starts_with("order.") {
            true => schema::reference::<OrderEventView<'_>>(),
            false => schema::reference::<ProductEventView<'_>>(),
        };
        let about = "Sent to EVENTS_URL at least once; those of one order come in their order, and of one product.";
        paths = paths.path(name, operation(&EVENTS, body, id, summary, about));
    }
    let order = schema::reference::<FulfillmentEventView<'_>>;
    let placed = operation(
        &SERVICE,
        order(),
        "onOrderPlaced",
        "An order without a hold was placed",
        "Sent to FULFILLMENT_URL: 2xx confirms the order. Rejected for good, or out of attempts, it is failed, its \
         units return, and its job is a dead letter.",
    );
    let confirmed = operation(
        &SERVICE,
        order(),
        "onOrderConfirmed",
        "A held order was confirmed",
        "Sent to FULFILLMENT_URL. The order is paid and stays confirmed whatever the response is. Rejected for good, \
         or out of attempts, its job is a dead letter, from where it can be posted again.",
    );
    paths.path("fulfillment.order.placed", placed).path("fulfillment.order.confirmed", confirmed).build()
}

fn operation(to: &Receiver, body: Shape, id: &str, summary: &str, about: &str) -> PathItem {
    let body = ContentBuilder::new().schema(Some(body)).build();
    let body = RequestBodyBuilder::new().required(Some(Required::True)).content("application/json", body).build();
    let response = |about: &str| ResponseBuilder::new().description(about).build();
    let mut operation = OperationBuilder::new().operation_id(Some(id)).summary(Some(summary)).description(Some(about));
    for (name, is_required, about, shape) in [
        ("webhook-id", Required::True, to.id, some_text()),
        ("webhook-timestamp", Required::True, "When it was sent, in seconds since 1970.", whole(0, MAX_ID as i64)),
        ("webhook-signature", Required::False, to.secret, some_text()),
    ] {
        let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Header).required(is_required);
        operation = operation.parameter(parameter.description(Some(about)).schema(Some(shape)));
    }
    let operation = operation
        .request_body(Some(body))
        .response("2XX", response(to.taken))
        .response("default", response(to.rejected))
        // Its receiver decides whom it believes: by the signature.
        .securities(Some([SecurityRequirement::default()]));
    PathItem::new(HttpMethod::Post, operation)
}
