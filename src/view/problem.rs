//! Why a request was rejected.

use serde::Serialize;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::text::{Word, one_of};
use crate::domain::order::OrderStatus;
use crate::domain::refusal::Refusal;

/// Why a request was rejected (RFC 9457), with the members that older clients read. A rejected request has changed
/// nothing, but for `storage_unavailable`: there, only a retry with the same Idempotency-Key shows the outcome.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Problem)]
pub struct ProblemView<'a> {
    /// The code as a URN.
    #[schema(min_length = 1, examples("urn:flashsale:problem:sold_out"))]
    r#type: String,
    /// The status in words.
    #[schema(min_length = 1)]
    title: &'a str,
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// A sentence for people.
    #[schema(min_length = 1)]
    detail: &'a str,
    /// The path of the request.
    instance: &'a str,
    /// What programs decide by.
    code: Code,
    /// As `status`.
    #[schema(minimum = 400, maximum = 599)]
    status_code: u16,
    /// As `detail`.
    #[schema(min_length = 1)]
    message: &'a str,
    /// As `title`.
    #[schema(min_length = 1)]
    error: &'a str,
    /// Where the code is `order_not_pending`: what the order is instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Word<OrderStatus>)]
    order_status: Option<Word<OrderStatus>>,
    /// Where the code is `invalid_request`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    errors: Option<Vec<FieldErrorView<'a>>>,
}

impl<'a> ProblemView<'a> {
    /// The view of a refusal of a request to `path`: `title` is the status in words, `message` a sentence for people.
    pub fn of(refusal: &'a Refusal, status: u16, title: &'a str, message: &'a str, path: &'a str) -> Self {
        let code = Code::of(refusal);
        Self {
            r#type: format!("urn:flashsale:problem:{}", code.0),
            title,
            status,
            detail: message,
            instance: path,
            code,
            status_code: status,
            message,
            error: title,
            order_status: match refusal {
                Refusal::OrderNotPending { status } => Some(Word(*status)),
                _ => None,
            },
            errors: field_errors(refusal),
        }
    }
}

/// What is wrong with one field of a request.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = FieldError)]
pub struct FieldErrorView<'a> {
    /// The field as it was sent, or `body`.
    #[schema(examples("quantity"))]
    field: &'a str,
    /// Follows the field's name.
    #[schema(min_length = 1, examples("is missing"))]
    message: &'a str,
}

/// What is wrong with each field, if that is what was rejected.
pub(super) fn field_errors(refusal: &Refusal) -> Option<Vec<FieldErrorView<'_>>> {
    let Refusal::InvalidRequest(errors) = refusal else { return None };
    Some(errors.iter().map(|error| FieldErrorView { field: &error.field, message: &error.message }).collect())
}

/// The code of a refusal.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Code(&'static str);

impl Code {
    pub(super) const fn of(refusal: &Refusal) -> Self {
        Self(refusal.code())
    }
}

impl PartialSchema for Code {
    fn schema() -> RefOr<Schema> {
        one_of(Refusal::examples().iter().map(Refusal::code)).into()
    }
}

impl ToSchema for Code {}
