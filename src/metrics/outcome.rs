//! How a request for an order can end: a closed list, which is the same in the figures, in the report and for
//! Prometheus.

use crate::domain::refusal::Refusal;

/// The statuses and codes, accepted orders first.
pub const OUTCOMES: [(u16, &str); 23] = [
    (201, "admitted"),
    (409, "sold_out"),
    (409, "sale_not_started"),
    (409, "sale_ended"),
    (409, "sale_not_active"),
    (409, "purchase_limit_exceeded"),
    (429, "rate_limited"),
    (503, "overloaded"),
    (400, "invalid_request"),
    (401, "unauthorized"),
    (403, "forbidden"),
    (404, "product_not_found"),
    (408, "request_timeout"),
    (409, "request_in_flight"),
    (413, "payload_too_large"),
    (414, "uri_too_long"),
    (415, "unsupported_media_type"),
    (422, "idempotency_key_reused"),
    (431, "headers_too_large"),
    (501, "not_implemented"),
    (503, "shutting_down"),
    (503, "storage_unavailable"),
    (500, "internal"),
];

/// How many there are.
pub const OUTCOME_COUNT: usize = OUTCOMES.len();

/// How a request for an order ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome(u8);

impl Outcome {
    /// The order was accepted, now or by the same request before.
    pub const ADMITTED: Self = Self(0);
    /// The most frequent refusal.
    pub const SOLD_OUT: Self = Self(1);

    /// The outcome of a request that was refused. One that no order gets counts as `internal`.
    pub fn of(refusal: &Refusal) -> Self {
        if *refusal == Refusal::SoldOut {
            return Self::SOLD_OUT;
        }
        let code = refusal.code();
        let at = OUTCOMES.iter().position(|(_, known)| *known == code).unwrap_or(OUTCOME_COUNT - 1);
        Self(u8::try_from(at).unwrap_or_default())
    }

    /// Its place in [`OUTCOMES`].
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_that_are_frequent_are_where_they_are_looked_for_and_no_code_comes_twice() {
        assert_eq!(OUTCOMES[Outcome::ADMITTED.index()], (201, "admitted"));
        assert_eq!(Outcome::of(&Refusal::SoldOut), Outcome::SOLD_OUT);
        assert_eq!(OUTCOMES[Outcome::SOLD_OUT.index()].1, Refusal::SoldOut.code());
        let codes: std::collections::BTreeSet<_> = OUTCOMES.iter().map(|(_, code)| code).collect();
        assert_eq!(codes.len(), OUTCOME_COUNT);
    }

    #[test]
    fn refusals_of_orders_have_an_outcome_of_their_own() {
        let not_of_orders = [
            "order_not_found",
            "job_not_found",
            "not_found",
            "hold_expired",
            "order_not_pending",
            "sku_taken",
            "product_has_orders",
        ];
        let known: Vec<_> = OUTCOMES.iter().map(|(_, code)| *code).collect();
        for refusal in Refusal::examples() {
            let outcome = Outcome::of(&refusal);
            if known.contains(&refusal.code()) {
                assert_eq!(OUTCOMES[outcome.index()].1, refusal.code());
            } else {
                assert_eq!(OUTCOMES[outcome.index()].1, "internal");
            }
        }
        assert!(not_of_orders.iter().all(|code| !known.contains(code)));
    }
}
