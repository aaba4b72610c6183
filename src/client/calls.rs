//! Calls for a thread that may block: one request, one whole response.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::header::{ETAG, HeaderValue, LINK};
use tokio::runtime::Runtime;

use super::call::Call;
use super::{Client, ClientError};
use crate::limits::{CLIENT_TIMEOUT, MAX_RESPONSE_BYTES};

/// A whole response.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The body: JSON, or empty where there is nothing to say.
    pub body: Bytes,
    /// The `ETag`.
    pub tag: Option<HeaderValue>,
    /// The query that leads to the next page.
    next: Option<String>,
}

/// A client with a runtime of its own. Outside of a runtime only.
#[derive(Debug)]
pub struct Calls {
    runtime: Runtime,
    client: Client,
}

impl Calls {
    /// Calls to the server of a client. Nothing is sent yet.
    pub fn new(client: Client) -> Result<Self, ClientError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(Self { runtime: runtime.map_err(ClientError::Runtime)?, client })
    }

    /// The server's URL.
    pub fn server(&self) -> &str {
        self.client.server()
    }

    /// Sends a request, and reads the response, of at most [`MAX_RESPONSE_BYTES`].
    pub fn call(&self, call: &Call) -> Result<Reply, ClientError> {
        self.runtime.block_on(async {
            let response = self.client.send(call).await?;
            let tag = response.headers().get(ETAG).cloned();
            let link = response.headers().get(LINK).and_then(|link| link.to_str().ok());
            let next = link.and_then(next_query).map(str::to_owned);
            let body = Limited::new(response.into_body(), MAX_RESPONSE_BYTES).collect();
            let body = tokio::time::timeout(CLIENT_TIMEOUT, body).await.map_err(|_| ClientError::TimedOut)?;
            let body = body.map_err(|_| ClientError::TooLarge)?.to_bytes();
            Ok(Reply { body, tag, next })
        })
    }

    /// Lets some time pass, between two looks at something that the server is doing.
    pub fn pause(&self, time: Duration) {
        // Made inside: a timer belongs to the runtime that it is made in.
        self.runtime.block_on(async { tokio::time::sleep(time).await });
    }

    /// Asks for a list, page by page. Ends after an error.
    pub fn pages(&self, first: Call) -> impl Iterator<Item = Result<Reply, ClientError>> {
        pages_by(first, |call| self.call(call))
    }
}

/// Asks for a list, page by page, in a way of one's own. Ends after an error.
pub fn pages_by(
    first: Call,
    mut send: impl FnMut(&Call) -> Result<Reply, ClientError>,
) -> impl Iterator<Item = Result<Reply, ClientError>> {
    let mut next = Some(first);
    std::iter::from_fn(move || {
        let call = next.take()?;
        let page = send(&call);
        // Only the query of the link: the path may be the one that a proxy shows.
        let query = page.as_ref().ok().and_then(|page| page.next.as_ref());
        next = query.map(|query| {
            let path = call.path.split('?').next().unwrap_or_default();
            Call::get(&format!("{path}?{query}"))
        });
        Some(page)
    })
}

/// The query in a `Link` header's target to the next page.
fn next_query(link: &str) -> Option<&str> {
    let next = link.split(',').find(|link| link.contains("rel=\"next\""))?;
    let target = next.trim_start().strip_prefix('<')?.split('>').next()?;
    Some(target.split_once('?')?.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_under_any_path() {
        let link = "</shop/api/v1/orders?limit=2&cursor=x>; rel=\"next\"";
        assert_eq!(next_query(link), Some("limit=2&cursor=x"));
        for other in ["", "</orders?x>; rel=\"prev\"", "</orders>; rel=\"next\"", "rel=\"next\""] {
            assert_eq!(next_query(other), None, "{other}");
        }
    }
}
