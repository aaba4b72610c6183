//! Asking the engine for something for many orders at once, and what is answered.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use flashsale::admission::OrderRequest;
use flashsale::committer::{OperatorMove, Settlement};
use flashsale::domain::change::Actor;
use flashsale::domain::order::{Order, OrderId, OrderStatus, Priority, Quantity, UserId};
use flashsale::domain::product::ProductId;
use flashsale::domain::refusal::Refusal;
use flashsale::domain::transition::Transition;

use crate::harness::engine::Engine;

use super::event::Action;
use super::model::{Answer, Kind, UNITS};

/// Who places the order of a case.
pub(super) const BUYER: &str = "ada";
/// Who competes for its units.
pub(super) const RIVAL: &str = "eve";
/// How long after a failed attempt the next one is due: before the next step.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// One thing that is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask {
    pub(super) action: Action,
    /// The number of the case that it is for.
    pub(super) case: usize,
    pub(super) order: OrderId,
    pub(super) product: ProductId,
    /// The other buyer's order, if it has units.
    pub(super) rival: Option<OrderId>,
}

/// What was answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reply {
    pub(super) action: Action,
    pub(super) case: usize,
    pub(super) answer: Answer,
    /// The order that the other buyer has by now, if it is about them.
    pub(super) rival: Option<OrderId>,
}

/// Something that was submitted and is not awaited yet.
pub(super) type Asked = Pin<Box<dyn Future<Output = Result<Vec<Reply>, Refusal>>>>;

/// Begins something: what it has for the committer is submitted when this returns.
pub(super) fn submit(future: impl Future<Output = Result<Vec<Reply>, Refusal>> + 'static) -> Asked {
    // Without a budget, as a future that has used it up yields before it submits.
    let mut future = Box::pin(tokio::task::unconstrained(future));
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Box::pin(std::future::ready(done)),
        Poll::Pending => future,
    }
}

pub(super) fn order_request(product: ProductId, user: &str) -> OrderRequest {
    OrderRequest {
        attached: None,
        product,
        user: UserId::new(user).unwrap(),
        quantity: Quantity::new(UNITS).unwrap(),
        priority: Priority::Normal,
        key: None,
        is_operators: true,
    }
}

/// Submits everything that is asked for, the same for many orders in one command.
pub(super) fn ask_all(engine: &Engine, kind: Kind, asks: impl Iterator<Item = Ask>) -> Vec<Asked> {
    let mut by_action = BTreeMap::<_, Vec<_>>::new();
    for ask in asks {
        by_action.entry(ask.action).or_default().push(ask);
    }
    let submit_same = |(action, asks): (Action, Vec<Ask>)| match action {
        Action::Confirm => vec![move_orders(engine, OperatorMove::Confirm, asks)],
        Action::Cancel => vec![move_orders(engine, OperatorMove::Cancel, asks)],
        Action::Retry => vec![move_orders(engine, OperatorMove::Retry, asks)],
        Action::Forget => vec![move_orders(engine, OperatorMove::Forget, asks)],
        Action::Rival => {
            let (leaving, coming): (Vec<_>, Vec<_>) = asks.into_iter().partition(|ask| ask.rival.is_some());
            let coming = coming.into_iter().map(|ask| place_rival(engine, ask));
            coming.chain([cancel_rivals(engine, leaving)]).collect()
        }
        report => vec![settle(engine, kind, report, asks)],
    };
    by_action.into_iter().flat_map(submit_same).collect()
}

fn move_orders(engine: &Engine, to: OperatorMove, asks: Vec<Ask>) -> Asked {
    let intake = engine.intake.clone();
    submit(async move {
        let results = intake.move_orders(asks.iter().map(|ask| ask.order).collect(), to).await?;
        Ok(asks.into_iter().zip(results).map(|(ask, result)| ask.answered(answer(&result), None)).collect())
    })
}

fn cancel_rivals(engine: &Engine, asks: Vec<Ask>) -> Asked {
    let intake = engine.intake.clone();
    submit(async move {
        let rivals = asks.iter().filter_map(|ask| ask.rival).collect();
        let results = intake.move_orders(rivals, OperatorMove::Cancel).await?;
        Ok(asks.into_iter().zip(results).map(|(ask, result)| ask.answered(answer(&result), None)).collect())
    })
}

fn place_rival(engine: &Engine, ask: Ask) -> Asked {
    let admission = engine.admission.clone();
    submit(async move {
        let placed = admission.place(order_request(ask.product, RIVAL)).await;
        Ok(vec![match placed {
            Ok(accepted) => ask.answered(Answer::Done(OrderStatus::Pending), Some(accepted.receipt.order)),
            Err(refusal) => ask.answered(refused(&refusal), None),
        }])
    })
}

fn settle(engine: &Engine, kind: Kind, report: Action, asks: Vec<Ask>) -> Asked {
    let error = || "a bad gateway".to_owned();
    let (transition, actor) = match report {
        Action::Fulfilled => (Transition::Fulfilled, Actor::Worker),
        Action::Rejected => (Transition::Rejected { error: error() }, Actor::Worker),
        Action::Exhausted => (Transition::AttemptsExhausted { error: error() }, Actor::Worker),
        Action::AttemptFailed => {
            let (error, paid) = (error(), kind == Kind::Posted);
            (Transition::AttemptFailed { error, retry_after: RETRY_DELAY, paid }, Actor::Worker)
        }
        Action::Expired => (Transition::Expired, Actor::Clock),
        other => unreachable!("{other:?} is no report"),
    };
    let settlements = asks.iter().map(|ask| Settlement { order: ask.order, transition: transition.clone(), actor });
    let (intake, settlements) = (engine.intake.clone(), settlements.collect());
    submit(async move {
        intake.settle(settlements).await;
        Ok(asks.into_iter().map(|ask| ask.answered(Answer::Nothing, None)).collect())
    })
}

impl Ask {
    const fn answered(self, answer: Answer, rival: Option<OrderId>) -> Reply {
        Reply { action: self.action, case: self.case, answer, rival }
    }
}

fn answer(result: &Result<Arc<Order>, Refusal>) -> Answer {
    match result {
        Ok(order) => Answer::Done(order.status),
        Err(refusal) => refused(refusal),
    }
}

fn refused(refusal: &Refusal) -> Answer {
    match refusal {
        Refusal::OrderNotPending { status } => Answer::NotPending(*status),
        Refusal::HoldExpired => Answer::HoldExpired,
        Refusal::SoldOut => Answer::SoldOut,
        Refusal::JobNotFound => Answer::NoSuchJob,
        other => Answer::Other(other.code()),
    }
}
