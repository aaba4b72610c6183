//! Requests of clients and the replies to them, against what the store says.

use std::collections::BTreeMap;

use flashsale::admission::{Accepted, OrderRequest};
use flashsale::committer::Receipt;
use flashsale::domain::money::Money;
use flashsale::domain::order::{Order, OrderId};
use flashsale::domain::refusal::Refusal;

use super::audit::History;
use super::deed::Deed;

/// What a client knows of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Rejected, or not found afterwards: there must be no order.
    Refused,
    /// The reply left it open: there may be one order.
    Unknown,
    /// Accepted: there must be this order.
    Accepted(Receipt),
    /// The reply left it open, and it was found in the store since: there must be this order.
    Found(OrderId),
}

#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) order: OrderRequest,
    pub(super) fate: Fate,
}

/// How often a deed was acknowledged, and how often its outcome is open.
#[derive(Clone, Copy, Debug, Default)]
struct Acknowledged {
    done: u64,
    unknown: u64,
}

#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) requests: Vec<Request>,
    deeds: BTreeMap<Deed, Acknowledged>,
}

impl Ledger {
    /// Orders that clients know of.
    pub(super) fn orders(&self) -> Vec<OrderId> {
        self.requests.iter().filter_map(Request::order_id).collect()
    }

    /// How many requests are in this state.
    pub(super) fn count(&self, is: impl Fn(Fate) -> bool) -> usize {
        self.requests.iter().filter(|request| is(request.fate)).count()
    }

    /// Writes down the answer to a request, which may have been answered before.
    pub(super) fn answered(&mut self, request: usize, answer: &Result<Accepted, Refusal>) -> Result<(), String> {
        let Request { order, fate } = &mut self.requests[request];
        let reply = match answer {
            Ok(accepted) => Fate::Accepted(accepted.receipt),
            Err(refusal) if is_open(refusal) => Fate::Unknown,
            Err(_) => Fate::Refused,
        };
        match (*fate, reply) {
            (Fate::Accepted(before), Fate::Accepted(now)) if before != now => {
                return Err(format!("{order:?} was answered {before:?} and then {now:?}"));
            }
            (Fate::Found(id), Fate::Accepted(now)) if id != now.order => {
                return Err(format!("{order:?} made order {id} and was answered {now:?}"));
            }
            (Fate::Accepted(_) | Fate::Found(_), Fate::Refused) => {
                return Err(format!("{order:?} made an order and was then refused: {answer:?}"));
            }
            (Fate::Accepted(_) | Fate::Found(_), Fate::Unknown) => {}
            _ => *fate = reply,
        }
        Ok(())
    }

    /// Writes down the answer to an operator.
    pub(super) fn did<T>(&mut self, deed: Deed, answer: &Result<T, Refusal>) {
        let counted = self.deeds.entry(deed).or_default();
        match answer {
            Ok(_) => counted.done += 1,
            Err(refusal) if is_open(refusal) => counted.unknown += 1,
            Err(_) => {}
        }
    }

    /// Compares with what the store says, and learns from it what became of the rest.
    pub(super) fn check(&mut self, history: &History) -> Result<(), String> {
        let mut orders = history.orders.clone();
        for request in &self.requests {
            let Some(id) = request.order_id() else { continue };
            let order = orders.remove(&id).ok_or_else(|| format!("the acknowledged order {id} is lost"))?;
            request.compare(&order, history)?;
        }
        for order in orders.values() {
            let maker = self.requests.iter_mut().find(|request| request.fate == Fate::Unknown && request.asked(order));
            let maker = maker.ok_or_else(|| format!("nobody was left who asked for {order:?}"))?;
            maker.fate = Fate::Found(order.id);
            maker.compare(order, history)?;
        }
        for request in self.requests.iter_mut().filter(|request| request.fate == Fate::Unknown) {
            request.fate = Fate::Refused;
        }
        self.check_deeds(history)
    }

    fn check_deeds(&mut self, history: &History) -> Result<(), String> {
        for deed in history.deeds.keys() {
            self.deeds.entry(*deed).or_default();
        }
        for (deed, counted) in &mut self.deeds {
            let times = history.deeds.get(deed).copied().unwrap_or(0);
            let least = if history.reached.contains(deed) { 0 } else { counted.done };
            if times < least || times > counted.done + counted.unknown {
                return Err(format!("{deed:?} was done {times} times; acknowledged: {counted:?}"));
            }
            *counted = Acknowledged { done: times, unknown: 0 };
        }
        Ok(())
    }
}

impl Request {
    fn order_id(&self) -> Option<OrderId> {
        match self.fate {
            Fate::Accepted(receipt) => Some(receipt.order),
            Fate::Found(id) => Some(id),
            Fate::Refused | Fate::Unknown => None,
        }
    }

    fn asked(&self, order: &Order) -> bool {
        let OrderRequest { product, user, quantity, priority, .. } = &self.order;
        (*product, user, quantity.get(), *priority) == (order.product, &order.user, order.quantity, order.priority)
    }

    fn compare(&self, order: &Order, history: &History) -> Result<(), String> {
        let price = history.products.get(&order.product).map_or(Money::default(), |product| product.terms.price);
        let expires_as_told = match self.fate {
            Fate::Accepted(receipt) => receipt.expires_at == order.expires_at,
            _ => true,
        };
        match self.asked(order) && order.unit_price == price && expires_as_told {
            true => Ok(()),
            false => Err(format!("{self:?} is stored as {order:?}")),
        }
    }
}

/// Whether a refusal leaves open what became of the request.
const fn is_open(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::StorageUnavailable | Refusal::RequestInFlight)
}
