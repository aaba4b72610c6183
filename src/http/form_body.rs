//! The body of a form that a page sends: `name=value` pairs.

use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;

use crate::domain::refusal::Refusal;
use crate::limits::{MAX_BODY_BYTES, MAX_FORM_FIELDS};

use super::body::read_any;
use super::path::MALFORMED;
use super::query::decoded;

/// The fields of a form (`application/x-www-form-urlencoded`), decoded, in the order of the page.
#[derive(Debug, Default)]
pub struct FormBody(Vec<(String, String)>);

impl FormBody {
    /// The value of a field; the first one if it comes more than once.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// All values of a field, as check boxes send them.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// All fields.
    pub fn fields(&self) -> &[(String, String)] {
        &self.0
    }

    fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let malformed = || Refusal::invalid("body", MALFORMED);
        let text = std::str::from_utf8(body).map_err(|_| malformed())?;
        let mut fields = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            if fields.len() == MAX_FORM_FIELDS {
                return Err(Refusal::invalid("body", format!("has more than {MAX_FORM_FIELDS} fields")));
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            fields.push((decoded(name).ok_or_else(malformed)?, decoded(value).ok_or_else(malformed)?));
        }
        Ok(Self(fields))
    }
}

impl<S: Sync> FromRequest<S> for FormBody {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        let body = read_any(&parts.headers, body, MAX_BODY_BYTES).await?;
        match body.is_empty() || is_form(&parts.headers) {
            true => Self::parse(&body),
            false => Err(Refusal::UnsupportedMediaType),
        }
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_decoded_and_those_of_one_name_kept_in_order() {
        let form = FormBody::parse(b"a=1+2&b=%3Cb%3E&a=&c").unwrap();
        assert_eq!(form.all("a").collect::<Vec<_>>(), ["1 2", ""]);
        assert_eq!((form.get("b"), form.get("c"), form.get("d")), (Some("<b>"), Some(""), None));
    }

    #[test]
    fn what_cannot_be_decoded_or_has_no_end_is_refused() {
        for body in [&b"a=%"[..], b"a=%zz", b"%ff=1", b"\xff"] {
            assert!(FormBody::parse(body).is_err(), "{body:?}");
        }
        assert!(FormBody::parse("a=1&".repeat(MAX_FORM_FIELDS).as_bytes()).is_ok());
        assert!(FormBody::parse("a=1&".repeat(MAX_FORM_FIELDS + 1).as_bytes()).is_err());
    }
}
