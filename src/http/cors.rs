//! Which pages of other origins may use the routes of buyers (Fetch standard, "CORS protocol").
//!
//! No response allows credentials: these routes need no cookie, and a token comes in a header of its own.

use axum::body::Body;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::Response;

use crate::config::CorsOrigins;

/// The headers that such a page may send.
const ALLOWED: &str = "authorization,content-type,idempotency-key,if-none-match,x-request-id";

/// The headers of responses that such a page may read, beside those that all pages may.
const EXPOSED: &str = "etag,idempotency-replayed,link,location,ratelimit,ratelimit-policy,retry-after,x-request-id";

/// For so many seconds a browser remembers the response to a pre-flight request; two hours are the most that Chromium
/// accepts.
const MAX_AGE: &str = "7200";

/// The pages of other origins that may use the routes of buyers.
#[derive(Debug)]
pub(super) struct Cors(Option<CorsOrigins>);

/// What pages of other origins may do with the path of a request.
#[derive(Debug)]
pub(super) struct Sharing {
    /// The value of `Access-Control-Allow-Origin`, if the request comes from an allowed page.
    origin: Option<HeaderValue>,
    /// The methods that they may use.
    methods: Vec<Method>,
    /// Whether the request, or the one that it asks for beforehand, has one of these.
    is_open: bool,
    is_preflight: bool,
}

impl Cors {
    pub(super) const fn new(origins: Option<CorsOrigins>) -> Self {
        Self(origins)
    }

    /// What such pages may do with a request's path; `methods` are those of its routes that are for buyers. None where
    /// no origin is allowed, or the path has no such route.
    pub(super) fn sharing(&self, head: &Parts, methods: impl FnOnce() -> Vec<Method>) -> Option<Sharing> {
        let origins = self.0.as_ref()?;
        let methods = methods();
        if methods.is_empty() {
            return None;
        }
        // Two are rejected, and that is not for the page of either.
        let mut sent = head.headers.get_all(ORIGIN).iter();
        let origin = sent.next().filter(|origin| sent.next().is_none() && origins.allow(origin.as_bytes()));
        let wanted = head.headers.get(ACCESS_CONTROL_REQUEST_METHOD).filter(|_| head.method == Method::OPTIONS);
        let method = match wanted {
            Some(wanted) => Method::from_bytes(wanted.as_bytes()).ok(),
            None => Some(head.method.clone()),
        };
        // `HEAD` works wherever `GET` does.
        let is_open = method.is_some_and(|method| {
            methods.contains(&method) || (method == Method::HEAD && methods.contains(&Method::GET))
        });
        let origin = origin.map(|origin| match origins {
            CorsOrigins::Any => HeaderValue::from_static("*"),
            CorsOrigins::Exact(_) => origin.clone(),
        });
        Some(Sharing { origin, methods, is_open, is_preflight: wanted.is_some() })
    }
}

impl Sharing {
    /// Whether the request is one that the operator lets this page make.
    pub(super) const fn is_allowed(&self) -> bool {
        self.origin.is_some() && self.is_open
    }

    /// The response to a pre-flight request; none if the request is none, or its page is not allowed.
    pub(super) fn preflight(&self) -> Option<Response> {
        if !self.is_preflight || self.origin.is_none() {
            return None;
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        let methods = self.methods.iter().map(Method::as_str).collect::<Vec<_>>().join(",");
        if let Ok(methods) = HeaderValue::try_from(methods) {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
        }
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(ALLOWED));
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
        Some(response)
    }

    /// Lets an allowed page read the response; and tells caches that it depends on the page.
    pub(super) fn mark(&self, headers: &mut HeaderMap) {
        let vary = match self.is_preflight {
            true => "origin,access-control-request-method",
            false => "origin",
        };
        headers.append(VARY, HeaderValue::from_static(vary));
        let Some(origin) = self.origin.as_ref().filter(|_| self.is_open) else { return };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, Request};

    use super::*;

    const SHOP: &str = "https://shop.example";

    fn sharing(cors: &Cors, method: &str, headers: &[(&'static str, &'static str)]) -> Option<Sharing> {
        let mut request = Request::builder().method(method);
        for (name, value) in headers {
            request = request.header(HeaderName::from_static(name), *value);
        }
        cors.sharing(&request.body(()).unwrap().into_parts().0, || vec![Method::GET, Method::POST])
    }

    fn marked(sharing: &Sharing) -> [Option<String>; 2] {
        let mut headers = HeaderMap::new();
        sharing.mark(&mut headers);
        assert!(!headers.contains_key("access-control-allow-credentials"));
        let value = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap().to_owned());
        [value(ACCESS_CONTROL_ALLOW_ORIGIN), value(VARY)]
    }

    #[test]
    fn an_allowed_page_reads_the_routes_of_buyers_and_every_response_varies_by_its_page() {
        let cors = Cors::new(Some(CorsOrigins::Exact(vec![SHOP.to_owned()])));
        for (method, origin, allowed) in [
            ("POST", Some(SHOP), Some(SHOP)),
            ("HEAD", Some(SHOP), Some(SHOP)),
            ("DELETE", Some(SHOP), None),
            ("GET", Some("https://shop.example:444"), None),
            ("GET", Some("https://shop.example.evil.example"), None),
            ("GET", Some("null"), None),
            ("GET", None, None),
        ] {
            let headers: Vec<_> = origin.map(|origin| ("origin", origin)).into_iter().collect();
            let sharing = sharing(&cors, method, &headers).unwrap();
            assert_eq!(
                marked(&sharing),
                [allowed.map(str::to_owned), Some("origin".to_owned())],
                "{method} {origin:?}"
            );
            assert_eq!(sharing.is_allowed(), allowed.is_some());
            assert!(sharing.preflight().is_none());
        }
    }

    #[test]
    fn a_pre_flight_request_learns_the_methods_of_buyers() {
        let cors = Cors::new(Some(CorsOrigins::Any));
        let ask = |method| [("origin", SHOP), ("access-control-request-method", method)];
        let sharing = |method| sharing(&cors, "OPTIONS", &ask(method)).unwrap();
        let response = sharing("POST").preflight().unwrap();
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_METHODS], "GET,POST");
        assert_eq!(marked(&sharing("POST"))[0].as_deref(), Some("*"));
        assert!(sharing("DELETE").preflight().is_some());
        assert_eq!(marked(&sharing("DELETE"))[0], None);
    }

    #[test]
    fn without_origins_nothing_is_shared() {
        assert!(sharing(&Cors::new(None), "GET", &[("origin", SHOP)]).is_none());
    }
}
