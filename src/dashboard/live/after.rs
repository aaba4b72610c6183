//! After the sale: whether it held, and what is left to do.

use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::domain::refusal::Refusal;
use crate::domain::sale::Phase;
use crate::view::metrics::MetricsView;
use crate::view::verdict::{FunnelView, ResponseGoalView, SoldProductView, VerdictCheckView, VerdictView};

use super::super::figures::{Kind, NARROW, lasted, percent, share};
use super::super::state::Shared;
use super::super::text;
use super::during::{in_order, words};

/// What the page shows after a sale.
pub(super) struct After {
    pub(super) holds: bool,
    pub(super) headline: String,
    pub(super) summary: String,
    pub(super) asked: String,
    pub(super) funnel: Vec<Step>,
    pub(super) todo: Vec<Todo>,
    pub(super) checked_at: String,
    pub(super) checks: Vec<Check>,
    pub(super) goal: Goal,
    pub(super) products: Vec<Lasted>,
    /// The range of the chart, for the script.
    pub(super) chart_from: String,
    pub(super) chart_until: String,
    pub(super) chart_words: String,
}

/// One row of the funnel.
pub(super) struct Step {
    pub(super) words: String,
    pub(super) is_loss: bool,
    pub(super) count: u64,
    pub(super) text: String,
    pub(super) share: String,
    pub(super) percent: String,
}

/// Something that is left to do.
pub(super) struct Todo {
    pub(super) what: String,
    pub(super) how: &'static str,
    pub(super) act: &'static str,
    pub(super) link: &'static str,
}

/// One check of the verdict.
pub(super) struct Check {
    pub(super) holds: bool,
    pub(super) title: String,
    pub(super) evidence: String,
}

/// How fast responses were meant to be: beside the verdict, not in it.
pub(super) struct Goal {
    pub(super) is_met: bool,
    pub(super) below_ms: u32,
    pub(super) evidence: String,
}

/// How long the units of a product lasted.
pub(super) struct Lasted {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) sold: String,
    pub(super) share: String,
    pub(super) lasted: String,
}

/// How much the chart shows before the first start and after the last sale.
const MARGIN: Duration = Duration::from_secs(20);

impl After {
    /// The page of the moment.
    pub(super) async fn of(shared: &Shared) -> Result<Self, Refusal> {
        let (m, now) = (shared.monitor.latest(), shared.clock.now());
        let verdict = shared.monitor.verdict().await?;
        let broken = verdict.checks.iter().filter(|check| !check.holds).count() as u64;
        let todo = todo(&m);
        let (from, until, took) = range(&verdict, &m, now);
        let most = verdict.products.iter().filter_map(|product| product.lasted_seconds).fold(0.0, f64::max);
        Ok(Self {
            holds: verdict.held,
            headline: match verdict.held {
                true => "The sale held.".to_owned(),
                false => format!("The sale did not hold: {} broken.", text::counted(broken, "check", "checks")),
            },
            summary: summary(&m, &verdict, &todo, took),
            asked: text::whole(verdict.funnel.asked),
            funnel: funnel(&verdict.funnel),
            todo,
            checked_at: text::moment(verdict.checked_at.0, now),
            checks: verdict.checks.iter().map(Check::of).collect(),
            goal: Goal::of(&verdict.goal),
            products: verdict.products.iter().map(|product| Lasted::of(product, most, now)).collect(),
            chart_from: from.to_string(),
            chart_until: until.to_string(),
            chart_words: format!("{} to {}", text::moment(from, now), text::moment(until, now)),
        })
    }
}

/// From shortly before the first start to shortly after the last unit was sold, or the end; and how long that took.
fn range(verdict: &VerdictView, m: &MetricsView, now: Timestamp) -> (Timestamp, Timestamp, Duration) {
    let started = verdict.products.iter().filter_map(|product| product.started_at).map(|at| at.0).min();
    let ended = verdict.products.iter().filter_map(|product| product.sold_out_at).map(|at| at.0).max();
    let over = m.sale.since.map(|since| since.0).max(ended).unwrap_or(now);
    let start = started.or(m.sale.starts_at.map(|at| at.0)).unwrap_or(Timestamp::from_millis(m.reset_at));
    let from = Timestamp::from_millis(start.millis() - MARGIN.as_millis() as i64);
    (from, over.after(MARGIN).min(now).max(from.after(MARGIN * 2)), over.since(start))
}

fn summary(m: &MetricsView, verdict: &VerdictView, todo: &[Todo], took: Duration) -> String {
    let [sold, units] = [m.units_sold, m.units_total].map(text::whole);
    let took = match m.sale.phase.0 {
        Phase::SoldOut => format!(" in {}", text::span(Duration::from_secs(took.as_secs()))),
        _ => String::new(),
    };
    let books = match verdict.held {
        true => "Everything adds up.",
        false => "The verdict says what did not hold.",
    };
    let goal = match (verdict.goal.met, verdict.goal.p99_ms) {
        (false, Some(p99)) => format!(
            " Responses were slower than the goal: p99 {}, not below {}{NARROW}ms.",
            milliseconds(p99),
            verdict.goal.below_ms
        ),
        _ => String::new(),
    };
    let rest = match todo {
        [] => "Nothing is left to do.".to_owned(),
        [one] => format!("One thing is left to do: {}", one.what),
        all => format!("{} things are left to do.", all.len()),
    };
    format!("{sold} of {units} units sold{took}. {books}{goal} {rest}")
}

fn todo(m: &MetricsView) -> Vec<Todo> {
    let mut todo = Vec::new();
    if m.dead_letters > 0 {
        let how = match m.units_left {
            0 => "Retrying needs stock; none is left.",
            _ => "Retrying reserves stock again.",
        };
        let what = format!("{}.", text::counted(m.dead_letters, "dead letter", "dead letters"));
        todo.push(Todo { what, how, act: "Settle them", link: "/queue" });
    }
    if m.pending_orders > 0 {
        let what = format!("{}.", text::counted(m.pending_orders, "order is pending", "orders are pending"));
        let link = "/orders?status=pending";
        todo.push(Todo { what, how: "Confirm or cancel them, or let their holds run out.", act: "See them", link });
    }
    if m.paused {
        let what = "The queue is paused.".to_owned();
        todo.push(Todo { what, how: "Orders wait until it is resumed.", act: "See the queue", link: "/queue" });
    }
    todo
}

/// Every request once: each loss is named, and what remains after it follows.
fn funnel(funnel: &FunnelView) -> Vec<Step> {
    let whole = funnel.asked;
    let kept = |words: &str, count: u64| Step {
        words: words.to_owned(),
        is_loss: false,
        count,
        text: text::whole(count),
        share: share(count, whole),
        percent: match whole {
            0 => "–".to_owned(),
            _ => format!("{} %", percent(100.0 * count as f64 / whole as f64)),
        },
    };
    let loss = |words: &str, count: u64| Step {
        words: words.to_owned(),
        is_loss: true,
        count,
        text: if count == 0 { "0".to_owned() } else { format!("−{}", text::whole(count)) },
        share: share(count, whole),
        percent: String::new(),
    };
    let rejected = |code: &str| funnel.rejected.0.get(code).copied().unwrap_or_default();
    let mut steps = vec![kept("Asked", funnel.asked)];
    let always = |code: &&'static str| rejected(code) > 0 || matches!(*code, "sold_out" | "overloaded");
    steps.extend(
        in_order(funnel.rejected.0.keys()).into_iter().filter(always).map(|code| loss(&words(code), rejected(code))),
    );
    steps.push(kept("Admitted", funnel.admitted));
    steps.push(loss("cancelled, holds that ran out", funnel.cancelled));
    steps.push(loss("failed", funnel.failed));
    steps.push(loss("still pending", funnel.pending));
    steps.push(kept("Confirmed", funnel.confirmed));
    steps
}

impl Check {
    fn of(check: &VerdictCheckView) -> Self {
        Self { holds: check.holds, title: check.title.clone(), evidence: spaced(&check.evidence) }
    }
}

impl Goal {
    fn of(goal: &ResponseGoalView) -> Self {
        let evidence = match goal.p99_ms {
            None => "No order was asked for.".to_owned(),
            Some(p99) => {
                format!("{} over {}.", milliseconds(p99), text::counted(goal.responses, "response", "responses"))
            }
        };
        Self { is_met: goal.met, below_ms: goal.below_ms, evidence }
    }
}

fn milliseconds(millis: f64) -> String {
    format!("{}{NARROW}ms", Kind::Millis.text(Some(millis)))
}

impl Lasted {
    fn of(product: &SoldProductView, most: f64, now: Timestamp) -> Self {
        let seconds = product.lasted_seconds;
        Self {
            id: product.id.0,
            name: product.name.clone(),
            sold: text::whole(product.sold),
            share: share(seconds.unwrap_or_default().ceil() as u64, most.ceil() as u64),
            lasted: match (seconds, product.sold_out_at) {
                (Some(seconds), _) => lasted(seconds.round() as u64),
                // Its start is not known, as it was in the sale before the events that are kept.
                (None, Some(at)) => format!("until {}", text::moment(at.0, now)),
                (None, None) => "not sold out".to_owned(),
            },
        }
    }
}

/// A sentence with its numbers in groups of three digits; those with a point stay.
fn spaced(sentence: &str) -> String {
    let word = |word: &str| match word.parse::<u64>() {
        Ok(number) => text::whole(number),
        Err(_) => word.to_owned(),
    };
    sentence.split(' ').map(word).collect::<Vec<_>>().join(" ")
}
