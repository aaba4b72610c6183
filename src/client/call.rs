//! A request, before it is sent.

use std::fmt::Write;

use bytes::Bytes;
use hyper::Method;
use hyper::header::HeaderValue;
use serde_json::Value;

/// A request to a route below `/api/v1`.
#[derive(Clone, Debug)]
pub struct Call {
    pub(super) method: Method,
    /// With its query.
    pub(super) path: String,
    pub(super) if_match: Option<HeaderValue>,
    /// Empty for none.
    pub(super) body: Bytes,
}

impl Call {
    /// `GET` of a path such as `/inventory`.
    pub fn get(path: &str) -> Self {
        Self::new(Method::GET, path)
    }

    /// `POST` to a path.
    pub fn post(path: &str) -> Self {
        Self::new(Method::POST, path)
    }

    /// `PUT` to a path.
    pub fn put(path: &str) -> Self {
        Self::new(Method::PUT, path)
    }

    /// `DELETE` of a path.
    pub fn delete(path: &str) -> Self {
        Self::new(Method::DELETE, path)
    }

    fn new(method: Method, path: &str) -> Self {
        Self { method, path: path.to_owned(), if_match: None, body: Bytes::new() }
    }

    /// Adds what to ask for. A value of `None` is left out.
    pub fn query<const N: usize>(mut self, pairs: [(&str, Option<String>); N]) -> Self {
        for (name, value) in pairs {
            let Some(value) = value else { continue };
            self.path.push(if self.path.contains('?') { '&' } else { '?' });
            self.path.push_str(name);
            self.path.push('=');
            self.path.push_str(&encoded(&value));
        }
        self
    }

    /// Adds a JSON body.
    pub fn json(self, body: &Value) -> Self {
        Self { body: body.to_string().into(), ..self }
    }

    /// Changes something only in the state with this `ETag`.
    pub fn if_match(self, tag: Option<HeaderValue>) -> Self {
        Self { if_match: tag, ..self }
    }
}

/// A text as one segment of a path or one value of a query.
pub fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_encoded_and_what_is_unset_is_left_out() {
        let call =
            Call::get("/orders").query([("a", None), ("b", Some("ö &/+".to_owned())), ("c", Some("1".to_owned()))]);
        assert_eq!(call.path, "/orders?b=%C3%B6%20%26%2F%2B&c=1");
    }
}
