//! Placing many orders in one trip, each with a result of its own.

use std::fmt;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::response::Response;
use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::json;

use crate::admission::{Accepted, Admission, OrderRequest};
use crate::api::route::{self, Route};
use crate::domain::idempotency_key::KeyText;
use crate::domain::job_id::JobIds;
use crate::domain::order::Priority;
use crate::domain::refusal::Refusal;
use crate::http::schema::{any_of, anything, closed, list_of, named};
use crate::http::{self, AdminToken, As, BatchBody, Form, Name, Value};
use crate::limits::{MAX_BATCH_BODY_BYTES, MAX_BATCH_ORDERS};
use crate::metrics::Metrics;
use crate::view::receipt::{BatchRefusedView, BatchResultsView};

use super::fields::{BATCH_ORDER, KEY, read_order};
use super::receipt;

/// The one field of a batch.
const ORDERS: &str = "orders";

pub(super) fn route() -> Route {
    // Each entry is read for itself, so a value of another shape does not fail the batch.
    let other = anything("A malformed order is rejected in its own result.");
    let orders = list_of(1, MAX_BATCH_ORDERS, any_of([named(BATCH_ORDER.name), other]));
    let example = json!({
        ORDERS: [
            { "productId": 1, "userId": "ada", "quantity": 1 },
            { "productId": 2, "userId": "grace", "quantity": 1, "idempotencyKey": "a-1" },
        ],
    });
    let description = route::storefront("/orders/batch", "placeOrders", "Place many orders in one trip")
        .about("Each order has its own result, at its own place: one that is rejected does not hold up the others.")
        .shape(BATCH_ORDER.name, BATCH_ORDER.shape())
        .shape("Batch", closed("Orders to place in one trip.", false, [(ORDERS, "", true, orders)]))
        .body_of("Batch", MAX_BATCH_BODY_BYTES, [("orders", example)])
        .responds::<BatchResultsView<'_>>("The results.");
    route::post(place, description)
}

/// An object with the one field `orders`.
struct Batch<'de> {
    orders: Entries<'de>,
}

impl<'de, const EXACT: bool> Deserialize<'de> for As<EXACT, Batch<'de>>
where
    As<EXACT, Value<'de>>: Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BatchVisitor<const EXACT: bool>;
        impl<'de, const EXACT: bool> Visitor<'de> for BatchVisitor<EXACT>
        where
            As<EXACT, Value<'de>>: Deserialize<'de>,
        {
            type Value = Batch<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with a list of orders")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Batch<'de>, A::Error> {
                let mut orders = None;
                while let Some(Name(name)) = map.next_key()? {
                    match (&*name, &orders) {
                        (ORDERS, None) => {
                            let As::<EXACT, Entries>(read) = map.next_value()?;
                            orders = Some(read);
                        }
                        (ORDERS, Some(_)) => return Err(A::Error::duplicate_field(ORDERS)),
                        (unknown, _) => return Err(A::Error::unknown_field(unknown, &[ORDERS])),
                    }
                }
                orders.map(|orders| Batch { orders }).ok_or_else(|| A::Error::missing_field(ORDERS))
            }
        }
        deserializer.deserialize_map(BatchVisitor::<EXACT>).map(Self)
    }
}

/// Each entry is read for itself: a wrong one does not hold up the others.
#[derive(Default)]
struct Entries<'de> {
    /// At most [`MAX_BATCH_ORDERS`].
    read: Vec<Result<Keyed<'de>, Refusal>>,
    /// Whether there were more.
    more: bool,
}

/// An order without its key, and the key if it has one.
type Keyed<'de> = (OrderRequest, Option<KeyText<'de>>);

struct Entry<'de>(Result<Keyed<'de>, Refusal>);

impl<'de, const EXACT: bool> Deserialize<'de> for As<EXACT, Entry<'de>>
where
    As<EXACT, Value<'de>>: Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntryVisitor<const EXACT: bool>;
        impl<'de, const EXACT: bool> Visitor<'de> for EntryVisitor<EXACT>
        where
            As<EXACT, Value<'de>>: Deserialize<'de>,
        {
            type Value = Entry<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON value")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Entry<'de>, A::Error> {
                Form::of_map::<EXACT, A>(map).map(|form| Entry(read_entry(form)))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Entry<'de>, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Entry::no_object())
            }
            fn visit_unit<E>(self) -> Result<Entry<'de>, E> {
                Ok(Entry::no_object())
            }
            fn visit_bool<E>(self, _: bool) -> Result<Entry<'de>, E> {
                Ok(Entry::no_object())
            }
            fn visit_u64<E>(self, _: u64) -> Result<Entry<'de>, E> {
                Ok(Entry::no_object())
            }
            fn visit_i64<E>(self, _: i64) -> Result<Entry<'de>, E> {
                Ok(Entry::no_object())
            }
            fn visit_f64<E>(self, _: f64) -> Result<Entry<'de>, E> {
                Ok(Entry::no_object())
            }
            fn visit_str<E>(self, _: &str) -> Result<Entry<'de>, E> {
                Ok(Entry::no_object())
            }
        }
        deserializer.deserialize_any(EntryVisitor::<EXACT>).map(Self)
    }
}

impl Entry<'_> {
    fn no_object() -> Self {
        Self(Err(Refusal::invalid("body", "must be an object")))
    }
}

impl<'de, const EXACT: bool> Deserialize<'de> for As<EXACT, Entries<'de>>
where
    As<EXACT, Value<'de>>: Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor<const EXACT: bool>;
        impl<'de, const EXACT: bool> Visitor<'de> for EntriesVisitor<EXACT>
        where
            As<EXACT, Value<'de>>: Deserialize<'de>,
        {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of orders")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Entries<'de>, A::Error> {
                let mut entries = Entries::default();
                while entries.read.len() < MAX_BATCH_ORDERS {
                    let Some(As::<EXACT, Entry>(Entry(entry))) = seq.next_element()? else { return Ok(entries) };
                    entries.read.push(entry);
                }
                // The rest must be JSON as well, and nothing is kept of it.
                while seq.next_element::<IgnoredAny>()?.is_some() {
                    entries.more = true;
                }
                Ok(entries)
            }
        }
        deserializer.deserialize_seq(EntriesVisitor::<EXACT>).map(Self)
    }
}

fn read_entry(entry: Form<'_>) -> Result<Keyed<'_>, Refusal> {
    let mut reader = entry.reader(&BATCH_ORDER);
    let key = reader.read(&KEY);
    Ok((read_order(reader)?, key.flatten()))
}

async fn place(
    State(admission): State<Arc<Admission>>,
    State(job_ids): State<Arc<JobIds>>,
    State(metrics): State<Arc<Metrics>>,
    State(token): State<AdminToken>,
    headers: HeaderMap,
    BatchBody(body): BatchBody,
) -> Result<Response, Refusal> {
    let Batch { orders } = http::parse(&body).map_err(|error| http::not_json(&error))?;
    if orders.read.is_empty() || orders.more {
        return Err(Refusal::invalid(ORDERS, format!("must have 1 to {MAX_BATCH_ORDERS} entries")));
    }
    // Priorities above normal are for operators.
    let is_operator = token.allows(&Method::POST, &headers);
    let most = if is_operator { Priority::Critical } else { Priority::Normal };
    let mut requests = Vec::with_capacity(orders.read.len());
    let allowed = orders.read.into_iter().map(|entry| match entry {
        Ok((request, _)) if request.priority > most => Err(Refusal::Unauthorized),
        entry => entry.map(|(request, key)| OrderRequest {
            key: key.map(|key| admission.key_hasher().key(&key)),
            is_operators: is_operator,
            ..request
        }),
    });
    let read = allowed.map(|entry| entry.map(|request| requests.push(request)));
    let read: Vec<Result<(), Refusal>> = read.collect();
    requests.iter().for_each(|request| metrics.note_user(request.user.as_str()));
    let mut placed = admission.place_many(requests).await.into_iter();
    let results = read.into_iter().map(|entry| entry.and_then(|()| placed.next().unwrap_or(Err(Refusal::Internal))));
    let counted = results.inspect(|result| {
        if let Err(refusal) = result {
            metrics.count_rejected(refusal);
        }
    });
    let mut response = Response::new(Body::from(document(counted, &job_ids)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// The response to a batch.
fn document(results: impl ExactSizeIterator<Item = Result<Accepted, Refusal>>, job_ids: &JobIds) -> String {
    let mut text = String::with_capacity(results.len() * receipt::TYPICAL_BYTES + 16);
    text.push_str("{\"results\":[");
    for (at, result) in results.enumerate() {
        if at > 0 {
            text.push(',');
        }
        match result {
            Ok(accepted) => receipt::push_entry(&mut text, &accepted, job_ids),
            Err(refusal) => push_refused(&mut text, &refusal),
        }
    }
    text.push_str("]}");
    text
}

/// Appends the result of an order that was rejected.
fn push_refused(text: &mut String, refusal: &Refusal) {
    let message = http::message(refusal);
    let status = http::status(refusal).as_u16();
    let view = BatchRefusedView::of(refusal, status, &message, http::retry_after(refusal));
    // Texts and numbers only: this cannot fail.
    text.push_str(&serde_json::to_string(&view).unwrap_or_default());
}
