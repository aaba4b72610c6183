//! The template of a route's path, `/orders/{id}`: the label of response times, as paths have no bound.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::MethodRouter;

use super::access::Access;

/// What a response is of, in its extensions.
#[derive(Clone, Debug)]
pub struct RouteTemplate {
    /// The template.
    pub path: Arc<str>,
    /// Whether the route is for operators only.
    pub is_operators: bool,
}

/// Marks the responses of a route, which needs this access, with its template.
pub fn with_template<S: Clone + Send + Sync + 'static>(
    handler: MethodRouter<S>,
    path: &str,
    access: Access,
) -> MethodRouter<S, Infallible> {
    let template = RouteTemplate { path: path.into(), is_operators: access == Access::Operator };
    handler.layer(middleware::from_fn(move |request: Request, next: Next| {
        let template = template.clone();
        async move {
            let mut response: Response = next.run(request).await;
            response.extensions_mut().insert(template);
            response
        }
    }))
}
