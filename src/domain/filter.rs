//! Which orders a list, an export or an operator's act is about.

use crate::domain::clock::Timestamp;
use crate::domain::error_group;
use crate::domain::order::{Order, OrderFields, OrderId, OrderStatus};
use crate::domain::product::ProductId;

/// A span of time, both ends in it; a missing end does not bound it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Nothing earlier.
    pub from: Option<Timestamp>,
    /// Nothing later.
    pub to: Option<Timestamp>,
}

impl Span {
    /// Whether a moment lies in it.
    pub fn contains(&self, moment: Timestamp) -> bool {
        self.from.is_none_or(|from| moment >= from) && self.to.is_none_or(|to| moment <= to)
    }
}

/// What an order must be to be kept; a field that is unset keeps all. Exports of products and of the history use the
/// fields that apply to them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrderFilter {
    /// Its status.
    pub status: Option<OrderStatus>,
    /// Its product.
    pub product: Option<ProductId>,
    /// Its user, character by character.
    pub user: Option<String>,
    /// The shop's own id for it, character by character.
    pub reference: Option<String>,
    /// Lower-case text that its failure reason contains, in whatever case.
    pub reason: Option<String>,
    /// When it was accepted; a product, when it was created; a record of the history, when it was written.
    pub accepted: Span,
}

impl OrderFilter {
    /// Whether it keeps an order, by these fields: all but its reason.
    pub fn keeps_fields(&self, order: &OrderFields<'_>) -> bool {
        self.status.is_none_or(|status| order.status == status)
            && self.product.is_none_or(|product| order.product == product)
            && self.user.as_ref().is_none_or(|user| order.user == user)
            && self.reference.as_ref().is_none_or(|reference| order.reference == Some(reference))
            && self.accepted.contains(order.created_at)
    }

    /// Whether it keeps an order.
    pub fn keeps(&self, order: &Order) -> bool {
        let fails_for = |reason: &String| {
            order.failure.as_ref().is_some_and(|failure| failure.to_string().to_lowercase().contains(reason.as_str()))
        };
        self.keeps_fields(&order.fields()) && self.reason.as_ref().is_none_or(fails_for)
    }
}

/// Which dead letters a list or an act is about; a field that is unset keeps all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadLetterFilter {
    /// What its order must be.
    pub order: OrderFilter,
    /// When it failed at the latest. A letter that fails again later is another one: nobody has seen it.
    pub failed_before: Option<Timestamp>,
    /// What was picked among them, if not all.
    pub picked: Option<Picked>,
}

/// Dead letters that were picked: by group, or one by one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picked {
    /// The texts of groups: see [`error_group`].
    pub groups: Vec<String>,
    /// Orders.
    pub orders: Vec<OrderId>,
}

impl DeadLetterFilter {
    /// Whether it keeps the dead letter of an order, whenever it failed.
    pub fn matches(&self, order: &Order) -> bool {
        self.order.keeps(order) && self.picked.as_ref().is_none_or(|picked| picked.has(order))
    }

    /// Whether it keeps the dead letter of an order.
    pub fn keeps(&self, order: &Order) -> bool {
        self.is_in_time(order) && self.matches(order)
    }

    /// Whether the dead letter of an order failed early enough.
    pub fn is_in_time(&self, order: &Order) -> bool {
        self.failed_before.is_none_or(|bound| order.failed_by(bound))
    }
}

impl Picked {
    fn has(&self, order: &Order) -> bool {
        let group_is_picked = |group: String| self.groups.contains(&group);
        self.orders.contains(&order.id)
            || (!self.groups.is_empty() && order.failure.as_ref().map(error_group::of).is_some_and(group_is_picked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::order::{Attached, Failure};

    #[test]
    fn a_dead_letter_is_kept_that_failed_in_time_and_was_picked_by_its_group_or_by_itself() {
        let at = Timestamp::from_millis;
        let failure = Some(Failure::AttemptsExhausted("no response after 84 ms".to_owned()));
        let letter = Order { failure, finished_at: Some(at(5)), ..Order::example(OrderId(7), "ada", at(1)) };
        let keeps = |failed_before: Option<Timestamp>, picked: Option<(&[&str], &[u64])>| {
            let picked = picked.map(|(groups, orders)| Picked {
                groups: groups.iter().map(|group| (*group).to_owned()).collect(),
                orders: orders.iter().copied().map(OrderId).collect(),
            });
            DeadLetterFilter { failed_before, picked, ..DeadLetterFilter::default() }.keeps(&letter)
        };
        assert!(keeps(None, None) && keeps(Some(at(5)), None) && !keeps(Some(at(4)), None));
        assert!(keeps(None, Some((&["no response after # ms"], &[]))) && !keeps(None, Some((&["no response"], &[]))));
        assert!(
            keeps(None, Some((&["another"], &[7])))
                && !keeps(None, Some((&[], &[8])))
                && !keeps(None, Some((&[], &[])))
        );
    }

    #[test]
    fn an_order_is_kept_that_is_all_of_what_is_asked_for() {
        let at = Timestamp::from_millis;
        let failure = Some(Failure::Rejected("No such ADDRESS".to_owned()));
        let attached = Attached::new(Some("cart-7".to_owned()), None);
        let order =
            Order { status: OrderStatus::Failed, failure, attached, ..Order::example(OrderId(1), "ada", at(5)) };
        let all = OrderFilter {
            status: Some(OrderStatus::Failed),
            product: Some(ProductId(1)),
            user: Some("ada".to_owned()),
            reference: Some("cart-7".to_owned()),
            reason: Some("rejected: no such addr".to_owned()),
            accepted: Span { from: Some(at(5)), to: Some(at(5)) },
        };
        assert!(all.keeps(&order) && OrderFilter::default().keeps(&order));
        for other in [
            OrderFilter { status: Some(OrderStatus::Pending), ..all.clone() },
            OrderFilter { product: Some(ProductId(2)), ..all.clone() },
            OrderFilter { user: Some("Ada".to_owned()), ..all.clone() },
            OrderFilter { reference: Some("cart-8".to_owned()), ..all.clone() },
            OrderFilter { reason: Some("expired".to_owned()), ..all.clone() },
            OrderFilter { accepted: Span { from: Some(at(6)), to: None }, ..all.clone() },
            OrderFilter { accepted: Span { from: None, to: Some(at(4)) }, ..all.clone() },
        ] {
            assert!(!other.keeps(&order), "{other:?}");
        }
    }
}
