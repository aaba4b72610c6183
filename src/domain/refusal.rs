//! Every way to say no: one closed enum that is the wire code, the metric label and the tests' vocabulary.

use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::domain::order::OrderStatus;
use crate::domain::product::NotOnSale;
use crate::domain::product_tag::ProductTag;
use crate::domain::transition::NotPossible;
use crate::limits::MAX_BODY_BYTES;

/// Why a request was refused. A refused request has changed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The request does not say what it must; one entry for each field.
    InvalidRequest(Vec<FieldError>),
    /// A credential is missing or wrong.
    Unauthorized,
    /// The request comes from a page of another server, or by a name that is not this server's. What is wrong with it.
    Forbidden(&'static str),
    /// No such product.
    ProductNotFound,
    /// No such order.
    OrderNotFound,
    /// No such job.
    JobNotFound,
    /// No such route.
    NotFound,
    /// At some instant within the request, fewer units than asked for were available.
    SoldOut,
    /// The product is not in the sale.
    SaleNotActive,
    /// The sale begins later.
    SaleNotStarted {
        /// When it begins.
        starts_at: Timestamp,
    },
    /// The sale is over.
    SaleEnded {
        /// When it ended.
        ended_at: Timestamp,
    },
    /// The user would have more units than one user may.
    PurchaseLimitExceeded {
        /// Units one user may have.
        limit: u32,
        /// Units this user may still order.
        left: u32,
    },
    /// The order was paid after its hold had run out, and too few units are left to reserve them again.
    HoldExpired,
    /// The order is not where the request needs it.
    OrderNotPending {
        /// Its status.
        status: OrderStatus,
    },
    /// Another product has this SKU.
    SkuTaken,
    /// A product that has orders cannot be deleted.
    ProductHasOrders,
    /// The first request with this idempotency key has no response yet.
    RequestInFlight,
    /// Another backup is being read.
    BackupInFlight,
    /// The idempotency key came before with another body.
    IdempotencyKeyReused,
    /// The caller sends more than it may.
    RateLimited(RateLimited),
    /// The route exists, the method does not.
    MethodNotAllowed,
    /// The request took too long to arrive.
    RequestTimeout,
    /// The body is larger than allowed.
    PayloadTooLarge {
        /// Bytes allowed.
        limit: usize,
    },
    /// The address is longer than allowed.
    UriTooLong,
    /// The body is not declared as JSON.
    UnsupportedMediaType,
    /// The body is coded, such as compressed.
    UnsupportedContentCoding,
    /// The request came in a transfer coding other than chunks.
    UnsupportedTransferCoding,
    /// The headers are larger than allowed.
    HeadersTooLarge,
    /// The product is not in the state that the request depends on.
    PreconditionFailed {
        /// Its tag as it is.
        tag: ProductTag,
    },
    /// The request depends on the state of the product, and does not say which state it was made for.
    PreconditionRequired {
        /// Its tag as it is.
        tag: ProductTag,
    },
    /// Too much is waiting. It says nothing about the stock.
    Overloaded {
        /// When to try again.
        retry_after: Duration,
    },
    /// The server is on its way down.
    ShuttingDown,
    /// The store cannot be written; what became of the request is not known until it can be read again.
    StorageUnavailable,
    /// A defect of ours; the log has the detail.
    Internal,
}

/// What is wrong with one field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The field as the client wrote it, or `body`.
    pub field: String,
    /// A sentence part that follows the field's name.
    pub message: String,
}

/// The figures behind a `429`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimited {
    /// Which limit: `user` or `ip`.
    pub policy: &'static str,
    /// Requests a second.
    pub limit: u32,
    /// When one more request will pass.
    pub retry_after: Duration,
}

/// The one list of the codes: each kind of refusal, an example of it, and its code. It does not compile while a kind
/// is missing, so the examples show every code.
macro_rules! codes {
    ($($kind:pat, $example:expr => $code:literal;)*) => {
        impl Refusal {
            /// Its code on the wire.
            pub const fn code(&self) -> &'static str {
                match self {
                    $($kind => $code,)*
                }
            }

            /// One of each kind, for the description of the API.
            pub fn examples() -> Vec<Self> {
                vec![$($example,)*]
            }
        }
    };
}

codes! {
    Self::InvalidRequest(_), Self::invalid("quantity", "is missing") => "invalid_request";
    Self::Unauthorized, Self::Unauthorized => "unauthorized";
    Self::Forbidden(_), Self::Forbidden("Origin must be this server") => "forbidden";
    Self::ProductNotFound, Self::ProductNotFound => "product_not_found";
    Self::OrderNotFound, Self::OrderNotFound => "order_not_found";
    Self::JobNotFound, Self::JobNotFound => "job_not_found";
    Self::NotFound, Self::NotFound => "not_found";
    Self::SoldOut, Self::SoldOut => "sold_out";
    Self::SaleNotActive, Self::SaleNotActive => "sale_not_active";
    Self::SaleNotStarted { .. }, Self::SaleNotStarted { starts_at: EXAMPLE_TIME } => "sale_not_started";
    Self::SaleEnded { .. }, Self::SaleEnded { ended_at: EXAMPLE_TIME } => "sale_ended";
    Self::PurchaseLimitExceeded { .. }, Self::PurchaseLimitExceeded { limit: 2, left: 1 } => "purchase_limit_exceeded";
    Self::HoldExpired, Self::HoldExpired => "hold_expired";
    Self::OrderNotPending { .. }, Self::OrderNotPending { status: OrderStatus::Failed } => "order_not_pending";
    Self::SkuTaken, Self::SkuTaken => "sku_taken";
    Self::ProductHasOrders, Self::ProductHasOrders => "product_has_orders";
    Self::RequestInFlight, Self::RequestInFlight => "request_in_flight";
    Self::BackupInFlight, Self::BackupInFlight => "request_in_flight";
    Self::IdempotencyKeyReused, Self::IdempotencyKeyReused => "idempotency_key_reused";
    Self::RateLimited(_), Self::RateLimited(EXAMPLE_RATE) => "rate_limited";
    Self::MethodNotAllowed, Self::MethodNotAllowed => "method_not_allowed";
    Self::RequestTimeout, Self::RequestTimeout => "request_timeout";
    Self::PayloadTooLarge { .. }, Self::PayloadTooLarge { limit: MAX_BODY_BYTES } => "payload_too_large";
    Self::UriTooLong, Self::UriTooLong => "uri_too_long";
    Self::UnsupportedMediaType, Self::UnsupportedMediaType => "unsupported_media_type";
    Self::UnsupportedContentCoding, Self::UnsupportedContentCoding => "unsupported_media_type";
    Self::UnsupportedTransferCoding, Self::UnsupportedTransferCoding => "not_implemented";
    Self::HeadersTooLarge, Self::HeadersTooLarge => "headers_too_large";
    Self::PreconditionFailed { .. }, Self::PreconditionFailed { tag: EXAMPLE_TAG } => "precondition_failed";
    Self::PreconditionRequired { .. }, Self::PreconditionRequired { tag: EXAMPLE_TAG } => "precondition_required";
    Self::Overloaded { .. }, Self::Overloaded { retry_after: Duration::from_secs(1) } => "overloaded";
    Self::ShuttingDown, Self::ShuttingDown => "shutting_down";
    Self::StorageUnavailable, Self::StorageUnavailable => "storage_unavailable";
    Self::Internal, Self::Internal => "internal";
}

/// The moment in the examples, `2026-01-31T12:00:00.000Z`.
const EXAMPLE_TIME: Timestamp = Timestamp::from_millis(1_769_860_800_000);

/// The tag in the examples.
const EXAMPLE_TAG: ProductTag = ProductTag::EXAMPLE;

/// The limit in the examples.
const EXAMPLE_RATE: RateLimited = RateLimited { policy: "user", limit: 10, retry_after: Duration::from_secs(1) };

impl Refusal {
    /// A refusal for one field.
    pub fn invalid(field: &str, message: impl Into<String>) -> Self {
        Self::InvalidRequest(vec![FieldError { field: field.to_owned(), message: message.into() }])
    }
}

impl From<NotOnSale> for Refusal {
    fn from(reason: NotOnSale) -> Self {
        match reason {
            NotOnSale::Inactive => Self::SaleNotActive,
            NotOnSale::NotStarted { starts_at } => Self::SaleNotStarted { starts_at },
            NotOnSale::Ended { ended_at } => Self::SaleEnded { ended_at },
        }
    }
}

impl From<NotPossible> for Refusal {
    fn from(NotPossible(status): NotPossible) -> Self {
        Self::OrderNotPending { status }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::mem::discriminant;

    #[test]
    fn every_kind_has_an_example_of_its_own() {
        let examples = Refusal::examples();
        let kinds: HashSet<_> = examples.iter().map(discriminant).collect();
        assert_eq!(kinds.len(), examples.len());
    }
}
