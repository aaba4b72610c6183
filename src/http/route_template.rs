//! The template of a route's path, `/orders/{id}`: the label of response times, as paths have no bound.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::MethodRouter;

/// The template, in the extensions of a response.
#[derive(Clone, Debug)]
pub struct RouteTemplate(pub Arc<str>);

/// Marks the responses of a route with its template.
pub fn with_template<S: Clone + Send + Sync + 'static>(
    handler: MethodRouter<S>,
    template: &str,
) -> MethodRouter<S, Infallible> {
    let template = RouteTemplate(template.into());
    handler.layer(middleware::from_fn(move |request: Request, next: Next| {
        let template = template.clone();
        async move {
            let mut response: Response = next.run(request).await;
            response.extensions_mut().insert(template);
            response
        }
    }))
}
