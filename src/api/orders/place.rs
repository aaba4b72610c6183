//! Placing an order: the path that a stampede takes.

use std::sync::Arc;

use axum::BoxError;
use axum::body::{Body, HttpBody};
use axum::extract::{FromRef, Request, State};
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use serde_json::json;

use crate::admission::{Accepted, Admission};
use crate::api::route::{self, Route};
use crate::api::state::Shared;
use crate::domain::digits::push_decimal;
use crate::domain::idempotency_key::KeyText;
use crate::domain::job_id::JobIds;
use crate::domain::order::Priority;
use crate::domain::refusal::Refusal;
use crate::http::{self, Access, Form, IDEMPOTENCY_KEY, PublicUrl, Reader, Rule, Tokens};
use crate::limits::MAX_ORDER_BODY_BYTES;
use crate::metrics::Metrics;
use crate::view::receipt::ReceiptView;

use super::fields::{Key, NEW_ORDER, read_order};
use super::receipt;

/// Where orders are placed.
pub(super) const PATH: &str = "/api/v1/orders";

pub(super) fn route() -> Route {
    let order = json!({ "productId": 1, "userId": "ada", "quantity": 1 });
    let text_numbers = json!({ "productId": "2", "userId": "grace", "quantity": "2", "priority": "low" });
    let description = route::buyer("/orders", "placeOrder", "Place an order")
        .about(
            "Responds only after the order is on disk. The same `Idempotency-Key` with the same body gives the first \
             response again for 24 hours, also after a restart and while the first is still in flight.",
        )
        .takes_idempotency_key("Makes a repetition of the request safe.", Key.shape())
        .body(&NEW_ORDER, MAX_ORDER_BODY_BYTES, [("order", order), ("textNumbers", text_numbers)])
        .creates::<ReceiptView>("The order is accepted.", &["Idempotency-Replayed"])
        .leads_to(&["followOrder"], "jobId", "jobId")
        .leads_to(&["getOrder", "confirmOrder", "cancelOrder"], "id", "orderId")
        .sells()
        .refuses(|refusal| {
            matches!(
                refusal,
                Refusal::ProductNotFound
                    | Refusal::RequestInFlight
                    | Refusal::IdempotencyKeyReused
                    | Refusal::Overloaded { .. }
            )
        })
        .writes();
    route::post(place, description)
}

const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// What placing an order needs, in one piece: each connection shares one of it.
#[derive(Debug)]
pub(crate) struct PlaceOrder {
    admission: Arc<Admission>,
    job_ids: Arc<JobIds>,
    tokens: Tokens,
    metrics: Arc<Metrics>,
    /// The document of the refusal that is made most often.
    sold_out: Bytes,
}

impl FromRef<Shared> for PlaceOrder {
    fn from_ref(shared: &Shared) -> Self {
        let path = PublicUrl::from_ref(shared).shown(PATH).into_owned();
        Self {
            admission: FromRef::from_ref(shared),
            job_ids: FromRef::from_ref(shared),
            tokens: FromRef::from_ref(shared),
            metrics: FromRef::from_ref(shared),
            sold_out: http::problem_document(&Refusal::SoldOut, &path).into(),
        }
    }
}

/// For a request that comes through the router, which none does: the short cut is for all of them.
async fn place(State(place_order): State<PlaceOrder>, request: Request) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    place_order.respond(&head, body).await
}

impl PlaceOrder {
    /// Whether a request places an order.
    pub(crate) fn is_for(head: &Parts) -> bool {
        head.method == Method::POST && head.uri.path() == PATH
    }

    /// Places the order in a request's body.
    pub(crate) async fn respond<B>(&self, head: &Parts, body: B) -> Result<Response, Refusal>
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>>,
    {
        match self.accept(head, body).await {
            Ok(accepted) => Ok(self.created(&accepted)),
            Err(refusal) => {
                self.metrics.count_rejected(&refusal);
                if refusal == Refusal::SoldOut { Ok(self.sold_out()) } else { Err(refusal) }
            }
        }
    }

    async fn accept<B>(&self, Parts { uri, headers, .. }: &Parts, body: B) -> Result<Accepted, Refusal>
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>>,
    {
        http::check_none(uri)?;
        if !self.tokens.allow(Access::Buyer, &Method::POST, headers) {
            return Err(Refusal::Unauthorized);
        }
        let body = http::read_body(headers, body, MAX_ORDER_BODY_BYTES).await?;
        let mut reader = Form::parse(&body)?.reader(&NEW_ORDER);
        let key = read_key(headers, &mut reader);
        let mut request = read_order(reader)?;
        request.key = key.map(|key| self.admission.key_hasher().key(&key));
        self.metrics.note_user(request.user.as_str());
        request.is_operators = self.tokens.admin.allows(&Method::POST, headers);
        // Priorities above normal are for operators.
        if request.priority > Priority::Normal && !request.is_operators {
            return Err(Refusal::Unauthorized);
        }
        self.admission.place(request).await
    }

    /// What a stampede gets by the hundred thousand: the response to an order that comes too late.
    fn sold_out(&self) -> Response {
        http::document_response(&Refusal::SoldOut, Bytes::clone(&self.sold_out))
    }

    fn created(&self, accepted: &Accepted) -> Response {
        let order = accepted.receipt.order;
        let mut response = Response::new(Body::from(receipt::document(accepted, &self.job_ids)));
        *response.status_mut() = StatusCode::CREATED;
        let headers = response.headers_mut();
        headers.reserve(4);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let mut location = String::with_capacity(PATH.len() + 1 + 20);
        location.push_str(PATH);
        location.push('/');
        push_decimal(&mut location, order.0);
        if let Ok(location) = HeaderValue::from_maybe_shared(Bytes::from(location)) {
            headers.insert(LOCATION, location);
        }
        if accepted.replayed {
            headers.insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
        }
        response
    }
}

fn read_key<'h>(headers: &'h HeaderMap, reader: &mut Reader<'_>) -> Option<KeyText<'h>> {
    let mut given = headers.get_all(&IDEMPOTENCY_KEY).iter();
    let key = given.next()?;
    if given.next().is_some() {
        reader.complain("Idempotency-Key", "comes twice");
        return None;
    }
    // Bytes beyond ASCII have no text; the check of the key rejects them like other bad characters.
    match KeyText::new(key.to_str().unwrap_or_default()) {
        Ok(key) => Some(key),
        Err(message) => {
            reader.complain("Idempotency-Key", message);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_cut_leads_to_a_route_of_the_table() {
        let route = route();
        assert_eq!((route.description().path(), route.description().access()), (PATH, Access::Buyer));
    }
}
