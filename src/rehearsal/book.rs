//! What buyers heard and what the server has, in the order in which the two are compared.

use super::facts::Facts;
use super::heard::{Acknowledged, Heard};
use super::name::User;

/// Both sides, sorted once: tables of millions of orders would take several times their memory.
#[derive(Debug)]
pub(super) struct Book<'a> {
    /// Acknowledgements are by order, and then by the time at which they were received.
    pub(super) heard: Heard,
    pub(super) facts: &'a Facts,
    /// The keys that users sent, by user and key, with the order that was acknowledged; several for a key that got
    /// several orders, and none for one whose user does not know of any.
    keys: Vec<(User, u16, Option<u64>)>,
}

impl<'a> Book<'a> {
    pub(super) fn of(mut heard: Heard, facts: &'a Facts) -> Self {
        heard.acknowledged.sort_unstable_by_key(|told| (told.order, told.received));
        let acknowledged = heard.acknowledged.iter().map(|told| (told.user, told.nth, Some(told.order)));
        let unsure = heard.unsure.iter().map(|(user, nth)| (*user, *nth, None));
        let mut keys: Vec<_> = acknowledged.chain(unsure).collect();
        keys.sort_unstable();
        keys.dedup();
        Self { heard, facts, keys }
    }

    /// The acknowledgements of each order, by order.
    pub(super) fn by_order(&self) -> impl Iterator<Item = &[Acknowledged]> {
        self.heard.acknowledged.chunk_by(|one, next| one.order == next.order)
    }

    /// The first acknowledgement of each order, by order.
    pub(super) fn granted(&self) -> impl Iterator<Item = &Acknowledged> {
        self.by_order().filter_map(<[Acknowledged]>::first)
    }

    /// The first acknowledgement of an order.
    pub(super) fn first_told(&self, order: u64) -> Option<&Acknowledged> {
        let at = self.heard.acknowledged.partition_point(|told| told.order < order);
        self.heard.acknowledged.get(at).filter(|told| told.order == order)
    }

    /// Each key that was sent: its user, and how many orders were acknowledged under it.
    pub(super) fn by_key(&self) -> impl Iterator<Item = (User, usize)> {
        let keys = self.keys.chunk_by(|one, next| (one.0, one.1) == (next.0, next.1));
        keys.map(|same| (same[0].0, same.iter().filter(|(.., order)| order.is_some()).count()))
    }

    /// How many orders a user may have: one for each key that it sent.
    pub(super) fn expected(&self, user: User) -> usize {
        let from = self.keys.partition_point(|(other, ..)| *other < user);
        let until = from + self.keys[from..].partition_point(|(other, ..)| *other == user);
        self.keys[from..until].chunk_by(|one, next| one.1 == next.1).count()
    }
}
