//! The headers that make a request depend on the state of a product, or on whether it came before.

use axum::extract::Request;
use axum::http::header::{IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;

use crate::domain::product_tag::{Expected, ProductTag, TagPart};
use crate::domain::refusal::Refusal;

/// Gives a repetition of the request the same response.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

const NOT_TAKEN: &str = "is not taken by this route. Each order of a batch has an idempotencyKey; confirming, \
    cancelling and retrying act once however often they are asked for; If-Match keeps a product from being changed \
    twice";

/// Wraps a handler that keeps no responses: a request with `Idempotency-Key` is rejected, as its client would rely on
/// one.
pub fn without_idempotency_key<S>(handler: MethodRouter<S>) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    handler.route_layer(middleware::from_fn(async |request: Request, next: Next| -> Response {
        match !request.method().is_safe() && request.headers().contains_key(IDEMPOTENCY_KEY) {
            true => Refusal::invalid("Idempotency-Key", NOT_TAKEN).into_response(),
            false => next.run(request).await,
        }
    }))
}

/// The states that `If-Match` names; none where the header is not there. A tag that is not one of ours, and a weak one,
/// matches nothing.
pub fn if_match(headers: &HeaderMap) -> Option<Expected> {
    if !headers.contains_key(IF_MATCH) {
        return None;
    }
    if tags(headers, &IF_MATCH).any(|tag| tag == "*") {
        return Some(Expected::Any);
    }
    Some(Expected::OneOf(tags(headers, &IF_MATCH).filter_map(ProductTag::parse).collect()))
}

/// Whether `If-None-Match` names this state, so that it need not be sent again.
pub fn is_known(headers: &HeaderMap, tag: ProductTag) -> bool {
    let same = |known: ProductTag| known.matches(tag, TagPart::Whole);
    tags(headers, &IF_NONE_MATCH)
        .any(|text| text == "*" || ProductTag::parse(text.strip_prefix("W/").unwrap_or(text)).is_some_and(same))
}

/// The tags of all headers of this name, as they are written. Ours have no comma.
fn tags<'h>(headers: &'h HeaderMap, name: &'h axum::http::HeaderName) -> impl Iterator<Item = &'h str> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::product::Product;

    fn headers(name: axum::http::HeaderName, values: &[String]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn tags_are_read_from_lists_and_from_several_headers() {
        let (one, two) = (Product::example(1, 5), Product::example(2, 6));
        let (one, two) = (ProductTag::of(&one), ProductTag::of(&two));
        assert_eq!(if_match(&HeaderMap::new()), None);
        assert_eq!(if_match(&headers(IF_MATCH, &["*".to_owned()])), Some(Expected::Any));
        let given = [format!("\"other\", {one}"), two.to_string(), format!("W/{one}")];
        assert_eq!(if_match(&headers(IF_MATCH, &given)), Some(Expected::OneOf(vec![one, two])));
        assert_eq!(if_match(&headers(IF_MATCH, &["gibberish".to_owned()])), Some(Expected::OneOf(Vec::new())));
        assert!(is_known(&headers(IF_NONE_MATCH, &[format!("\"x\",W/{one}")]), one));
        assert!(is_known(&headers(IF_NONE_MATCH, &["*".to_owned()]), one));
        assert!(!is_known(&headers(IF_NONE_MATCH, &[two.to_string()]), one) && !is_known(&HeaderMap::new(), one));
    }
}
