//! The history of an order as a timeline: what happened, when, by whom, and how long it waited between.

use std::time::Duration;

use crate::domain::change::{Actor, Change};
use crate::domain::clock::Timestamp;
use crate::domain::order::Order;
use crate::domain::transition::Transition;
use crate::operator::order_history::Step;

use super::super::text;

/// Waits that are shown.
const SHOWN_WAIT: Duration = Duration::from_millis(20);

/// A line of the timeline.
pub(in crate::dashboard) struct Entry {
    /// The time, or how long after the order was placed.
    pub(super) at: String,
    /// How long after, where the line has a time.
    pub(super) after: String,
    /// The moment, for machines.
    pub(super) datetime: String,
    pub(super) icon: &'static str,
    pub(super) is_bad: bool,
    pub(super) title: String,
    pub(super) text: String,
    pub(super) detail: String,
    pub(super) who: &'static str,
    /// What it waited for before this, if it did.
    pub(super) wait: Option<String>,
}

/// How a change reads.
struct Wording {
    icon: &'static str,
    is_bad: bool,
    /// Whether it has its own time of day.
    is_mark: bool,
    title: String,
    text: String,
    detail: String,
}

/// The lines of an order's history.
pub(super) fn entries(order: &Order, product: &str, steps: &[Step], now: Timestamp) -> Vec<Entry> {
    let mut last = None::<&Step>;
    let mut lines = Vec::new();
    for step in steps {
        let wording = wording(order, product, step);
        let after = text::span(step.at.since(order.created_at));
        let time = text::moment_millis(step.at, now);
        let (at, after) = match (last, wording.is_mark) {
            (None, _) => (time, String::new()),
            (Some(_), true) => (time, format!("+{after}")),
            (Some(_), false) => (format!("+{after}"), String::new()),
        };
        lines.push(Entry {
            at,
            after,
            datetime: step.at.to_string(),
            icon: wording.icon,
            is_bad: wording.is_bad,
            title: wording.title,
            text: wording.text,
            detail: wording.detail,
            who: step.change.actor().as_str(),
            wait: last.and_then(|last| wait(last, step)),
        });
        last = Some(step);
    }
    lines
}

/// How long an order waited between two changes, and for what.
fn wait(before: &Step, step: &Step) -> Option<String> {
    let waited = step.at.since(before.at);
    let span = text::span(waited);
    (waited >= SHOWN_WAIT).then(|| match (&before.change, step.change.actor()) {
        (Change::OrderPlaced { order, .. }, Actor::Worker) if order.expires_at.is_none() => {
            format!("waits {span} in the queue")
        }
        (Change::OrderPlaced { .. }, _) => format!("held for {span}"),
        (Change::OrderMoved { transition: Transition::AttemptFailed { .. }, .. }, Actor::Worker) => {
            format!("waits {span}")
        }
        (Change::OrderMoved { transition: Transition::Reopened, .. }, Actor::Worker) => {
            format!("waits {span} in the queue")
        }
        _ => format!("{span} pass"),
    })
}

fn wording(order: &Order, product: &str, step: &Step) -> Wording {
    let units = text::counted(order.quantity.into(), "unit", "units");
    let record = format!("Ledger {}", text::whole(step.sequence));
    let mark = |icon, title: &str, text: String| Wording {
        icon,
        is_bad: false,
        is_mark: true,
        title: title.to_owned(),
        text,
        detail: record.clone(),
    };
    let bad = |title: &str, text: String, detail: &str| Wording {
        is_bad: true,
        detail: if detail.is_empty() { record.clone() } else { format!("{detail}. {record}") },
        ..mark("stop", title, text)
    };
    match &step.change {
        Change::OrderPlaced { order: placed, .. } => {
            let price = text::money(placed.unit_price);
            let beside = text::counted(step.beside, "other change", "other changes");
            let detail = format!("On disk in commit {}, with {beside}", text::whole(step.sequence));
            Wording {
                detail,
                ..mark("ring", "Order taken.", format!("{units} of {product} reserved at {price} each."))
            }
        }
        Change::OrderMoved { transition, units: None, .. } if is_of_delivery(transition) => {
            delivery(transition, record)
        }
        Change::OrderMoved { transition, .. } => match transition {
            Transition::Fulfilled | Transition::Confirmed { .. } => {
                let text = format!("{units} sold for {}.", text::money(order.total()));
                Wording {
                    is_mark: matches!(transition, Transition::Confirmed { .. }),
                    ..mark("check", "Confirmed.", text)
                }
            }
            Transition::ConfirmedLate { .. } => {
                let text = format!("Its hold had expired; {units} reserved again and sold.");
                mark("check", "Confirmed late.", text)
            }
            Transition::AttemptFailed { error, retry_after, .. } => Wording {
                icon: "cross",
                is_bad: true,
                is_mark: false,
                title: "An attempt failed:".to_owned(),
                text: error.clone(),
                detail: format!("The next one is due {} later. {record}", text::span(*retry_after)),
            },
            Transition::Rejected { error } => {
                bad("Rejected by the service.", format!("{units} given back. The job is a dead letter."), error)
            }
            Transition::AttemptsExhausted { error } => {
                bad("Failed, out of attempts.", format!("{units} given back. The job is a dead letter."), error)
            }
            Transition::Cancelled => mark("stop", "Cancelled.", format!("{units} given back.")),
            Transition::Expired => mark("stop", "Hold expired.", format!("{units} given back.")),
            Transition::Reopened => mark("ring", "Retried from the dead letters.", format!("{units} reserved again.")),
        },
        Change::DeadLetterDeleted(_) => mark("cross", "Dead letter discarded.", "The order stays as it is.".to_owned()),
        // No other change is one of an order.
        _ => mark("dot", "Changed.", String::new()),
    }
}

/// Whether a transition that moves no units is about posting an order that is confirmed already.
const fn is_of_delivery(transition: &Transition) -> bool {
    !matches!(transition, Transition::AttemptFailed { .. })
}

fn delivery(transition: &Transition, record: String) -> Wording {
    let said = |icon, title: &str, text: &str| Wording {
        icon,
        is_bad: false,
        is_mark: true,
        title: title.to_owned(),
        text: text.to_owned(),
        detail: record.clone(),
    };
    match transition.error() {
        Some(error) => Wording {
            is_bad: true,
            detail: format!("{error}. {record}"),
            ..said("stop", "Not delivered.", "The order stays confirmed. The job is a dead letter.")
        },
        None if *transition == Transition::Reopened => {
            said("ring", "Retried from the dead letters.", "The order is posted again.")
        }
        None => said("check", "Delivered.", "The fulfilment service has the order."),
    }
}
