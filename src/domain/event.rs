//! The events that are posted outside: what happened to an order, and to a product in the sale.

use crate::domain::order::OrderStatus;
use crate::domain::product::StockMove;
use crate::domain::transition::Transition;

/// What happened to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderEventType {
    /// It was accepted, or taken back from the dead letters: it is pending.
    Placed,
    /// It is confirmed, also after its hold had run out.
    Confirmed,
    /// It was rejected for good, or is out of attempts.
    Failed,
    /// An operator cancelled it.
    Cancelled,
    /// Its hold ran out.
    Expired,
}

impl OrderEventType {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Placed, Self::Confirmed, Self::Failed, Self::Cancelled, Self::Expired];

    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Placed => "order.placed",
            Self::Confirmed => "order.confirmed",
            Self::Failed => "order.failed",
            Self::Cancelled => "order.cancelled",
            Self::Expired => "order.expired",
        }
    }

    /// The status of the order with it.
    pub const fn status(self) -> OrderStatus {
        match self {
            Self::Placed => OrderStatus::Pending,
            Self::Confirmed => OrderStatus::Confirmed,
            Self::Failed => OrderStatus::Failed,
            Self::Cancelled | Self::Expired => OrderStatus::Cancelled,
        }
    }

    /// What a transition that moved `units` is outside; `None` where the order keeps its status, as with an attempt
    /// that is repeated, or with what becomes of the job of an order that is confirmed already.
    pub const fn of(transition: &Transition, units: Option<StockMove>) -> Option<Self> {
        use OrderStatus::{Cancelled, Confirmed, Failed, Pending};
        match transition.statuses(units) {
            [Confirmed, Confirmed] | [Pending, Pending] => None,
            [_, Pending] => Some(Self::Placed),
            [_, Confirmed] => Some(Self::Confirmed),
            [_, Failed] => Some(Self::Failed),
            [_, Cancelled] if matches!(transition, Transition::Expired) => Some(Self::Expired),
            [_, Cancelled] => Some(Self::Cancelled),
        }
    }
}

/// What happened to a product in the sale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProductEventType {
    /// Its last unit was taken.
    SoldOut,
    /// There are units again.
    Restocked,
    /// It can be bought from now on.
    SaleStarted,
    /// It cannot be bought any more.
    SaleEnded,
}

impl ProductEventType {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::SoldOut, Self::Restocked, Self::SaleStarted, Self::SaleEnded];

    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SoldOut => "product.sold_out",
            Self::Restocked => "product.restocked",
            Self::SaleStarted => "sale.started",
            Self::SaleEnded => "sale.ended",
        }
    }

    /// What a change of the units that can be bought is, if it is an event.
    pub const fn of_units(before: u64, after: u64) -> Option<Self> {
        match (before, after) {
            (1.., 0) => Some(Self::SoldOut),
            (0, 1..) => Some(Self::Restocked),
            _ => None,
        }
    }

    /// What a change of whether the product is on sale is, if it is one.
    pub const fn of_sale(before: bool, after: bool) -> Option<Self> {
        match (before, after) {
            (false, true) => Some(Self::SaleStarted),
            (true, false) => Some(Self::SaleEnded),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_transition_is_an_event_only_where_the_status_changes() {
        let error = || "no".to_owned();
        let failed = |paid| Transition::AttemptFailed { error: error(), retry_after: Duration::ZERO, paid };
        use StockMove::{Hold, Release, Resell, Sell, TakeBack};
        for (transition, units, expected) in [
            (Transition::Fulfilled, Some(Sell), Some(OrderEventType::Confirmed)),
            (Transition::Fulfilled, None, None),
            (Transition::Confirmed { post: true }, Some(Sell), Some(OrderEventType::Confirmed)),
            (Transition::ConfirmedLate { post: false }, Some(Resell), Some(OrderEventType::Confirmed)),
            (failed(false), None, None),
            (failed(true), None, None),
            (Transition::Rejected { error: error() }, Some(Release), Some(OrderEventType::Failed)),
            (Transition::Rejected { error: error() }, None, None),
            (Transition::AttemptsExhausted { error: error() }, Some(Release), Some(OrderEventType::Failed)),
            (Transition::AttemptsExhausted { error: error() }, None, None),
            (Transition::Cancelled, Some(Release), Some(OrderEventType::Cancelled)),
            (Transition::Cancelled, Some(TakeBack), Some(OrderEventType::Cancelled)),
            (Transition::Expired, Some(Release), Some(OrderEventType::Expired)),
            (Transition::Reopened, Some(Hold), Some(OrderEventType::Placed)),
            (Transition::Reopened, None, None),
        ] {
            let found = OrderEventType::of(&transition, units);
            assert_eq!(found, expected, "{transition:?} {units:?}");
            let status = transition.statuses(units)[1];
            assert!(found.is_none_or(|event| event.status() == status), "{transition:?}");
        }
    }
}
