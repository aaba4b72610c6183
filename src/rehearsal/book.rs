//! What buyers heard and what the server has, in the order in which the two are compared.

use super::facts::Facts;
use super::heard::{Acknowledged, Heard};
use super::name::User;

/// Both sides, sorted once.
#[derive(Debug)]
pub(super) struct Book<'a> {
    pub(super) heard: &'a Heard,
    pub(super) facts: &'a Facts,
    /// All acknowledgements, by order and then by the time at which they were received.
    pub(super) told: Vec<Acknowledged>,
    /// Orders that each user may have, by user and key: those that were acknowledged, and those that it does not know
    /// of.
    expected: Vec<(User, u16)>,
}

impl<'a> Book<'a> {
    pub(super) fn of(heard: &'a Heard, facts: &'a Facts) -> Self {
        let mut told = heard.acknowledged.clone();
        told.sort_by_key(|told| (told.order, told.received));
        let acknowledged = heard.acknowledged.iter().map(|told| (told.user, told.nth));
        let mut expected: Vec<_> = acknowledged.chain(heard.unsure.iter().copied()).collect();
        expected.sort_unstable();
        expected.dedup();
        Self { heard, facts, told, expected }
    }

    /// The first acknowledgement of each order, by order.
    pub(super) fn granted(&self) -> impl Iterator<Item = &Acknowledged> {
        self.told.chunk_by(|one, next| one.order == next.order).filter_map(<[Acknowledged]>::first)
    }

    /// The first acknowledgement of an order.
    pub(super) fn first_told(&self, order: u64) -> Option<&Acknowledged> {
        let at = self.told.partition_point(|told| told.order < order);
        self.told.get(at).filter(|told| told.order == order)
    }

    /// How many orders a user may have.
    pub(super) fn expected(&self, user: User) -> usize {
        let from = self.expected.partition_point(|(other, _)| *other < user);
        self.expected[from..].partition_point(|(other, _)| *other == user)
    }
}
