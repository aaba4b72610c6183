//! The rules by which alerts are raised: one table. What an alert means, how much it matters and what to do about it is
//! in [`AlertCode`].
//!
//! Nothing flaps: a condition must hold for a while before its alert is raised, and to end it the figure must stay
//! clearly on the other side of the threshold for a while.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::alerts::Alerts;
use crate::config::AlertConfig;
use crate::domain::alert::{Alert, AlertCode};
use crate::domain::clock::{Moment, Steady};
use crate::domain::mirror::Mirror;
use crate::domain::product::{Product, ProductId};
use crate::domain::sale::Phase;
use crate::limits::{DEAD_LETTERS_WINDOW, SUSPEND_AFTER};
use crate::view::metrics::MetricsView;

/// What the rules look at.
pub(super) struct Look<'l> {
    pub(super) now: Moment,
    pub(super) metrics: &'l MetricsView,
    pub(super) products: &'l [Arc<Product>],
    /// Whether fulfilment is suspended.
    pub(super) suspended: bool,
    /// Dead letters that came within [`DEAD_LETTERS_WINDOW`].
    pub(super) new_dead_letters: u64,
    pub(super) thresholds: &'l AlertConfig,
}

/// Where a figure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    /// Beyond the threshold.
    Beyond,
    /// On the good side, too near to end an alert.
    Near,
    /// Clearly on the good side.
    Clear,
}

/// One row of the table.
struct Rule {
    code: AlertCode,
    /// How long the condition must hold before the alert is raised.
    hold: Duration,
    /// How long it must be clearly over before the alert ends.
    release: Duration,
    side: fn(&Look<'_>) -> Side,
    /// A sentence that is true for as long as the alert is raised.
    say: fn(&Look<'_>) -> String,
}

/// The table of the alerts about the server as a whole. [`PRODUCT_RULES`] has those about products; those about windows
/// and about the clock are raised where these are watched.
const RULES: [Rule; 12] = [
    Rule {
        code: AlertCode::QueueFull,
        hold: Duration::from_secs(2),
        release: Duration::from_secs(5),
        side: |look| {
            let jobs = look.metrics.queue_length as f64;
            above(Some(jobs * 100.0 / look.metrics.queue_capacity.max(1) as f64), look.thresholds.queue_percent)
        },
        say: |look| format!("The queue is more than {} % full.", look.thresholds.queue_percent),
    },
    Rule {
        code: AlertCode::OldestJob,
        hold: Duration::from_secs(2),
        release: Duration::from_secs(5),
        side: |look| above(Some(look.metrics.oldest_job_age_ms as f64 / 1_000.0), look.thresholds.oldest_job_seconds),
        say: |look| format!("The oldest job has waited for more than {} s.", look.thresholds.oldest_job_seconds),
    },
    Rule {
        code: AlertCode::ErrorRate,
        hold: Duration::from_secs(3),
        release: Duration::from_secs(10),
        side: |look| above(look.metrics.error_rate, look.thresholds.error_percent),
        say: |look| format!("More than {} % of the orders that were settled failed.", look.thresholds.error_percent),
    },
    Rule {
        code: AlertCode::DeadLetters,
        hold: Duration::ZERO,
        release: Duration::from_secs(10),
        side: |look| above(Some(look.new_dead_letters as f64), look.thresholds.dead_letters),
        say: |look| format!("More than {} dead letters came within a minute.", look.thresholds.dead_letters),
    },
    Rule {
        code: AlertCode::FulfillmentSuspended,
        hold: Duration::ZERO,
        release: Duration::ZERO,
        side: |look| if look.suspended { Side::Beyond } else { Side::Clear },
        say: |_| {
            format!(
                "Fulfilment is suspended: the service failed for {SUSPEND_AFTER} orders in a row. One order at a time \
                 tries it."
            )
        },
    },
    Rule {
        code: AlertCode::CommitSlow,
        hold: Duration::from_secs(3),
        release: Duration::from_secs(5),
        side: |look| above(look.metrics.commit.p99, look.thresholds.commit_ms),
        say: |look| format!("One commit in a hundred takes longer than {} ms.", look.thresholds.commit_ms),
    },
    Rule {
        code: AlertCode::DiskFull,
        hold: Duration::ZERO,
        release: Duration::from_secs(5),
        side: |look| {
            let free = look.metrics.disk_free_bytes.map(|bytes| bytes as f64 / (1024.0 * 1024.0));
            below(free, look.thresholds.disk_free_mib)
        },
        say: |look| format!("Less than {} MiB are free on the disk.", look.thresholds.disk_free_mib),
    },
    Rule {
        code: AlertCode::OpenFiles,
        hold: Duration::from_secs(2),
        release: Duration::from_secs(5),
        side: |look| {
            let both = look.metrics.open_files.zip(look.metrics.max_open_files);
            let percent = both.map(|(open, most)| open as f64 * 100.0 / most.max(1) as f64);
            above(percent, look.thresholds.open_files_percent)
        },
        say: |look| format!("More than {} % of the allowed files are open.", look.thresholds.open_files_percent),
    },
    Rule {
        code: AlertCode::MirrorAway,
        // Longer than a restart of a database takes.
        hold: Duration::from_secs(4),
        release: Duration::from_secs(2),
        side: |look| match look.metrics.mirrors.0.values().all(|mirror| mirror.connected) {
            true => Side::Clear,
            false => Side::Beyond,
        },
        say: |look| {
            let away = look.metrics.mirrors.0.iter().filter(|(_, mirror)| !mirror.connected);
            let names: Vec<_> = away.map(|(word, _)| Mirror::from_word(word).map_or(*word, Mirror::name)).collect();
            format!("The target of a mirror is away: {}.", names.join(", "))
        },
    },
    Rule {
        code: AlertCode::MirrorBehind,
        hold: Duration::from_secs(2),
        release: Duration::from_secs(5),
        side: |look| {
            let lags = look.metrics.mirrors.0.values().map(|mirror| mirror.lag_seconds);
            above(lags.reduce(f64::max), look.thresholds.mirror_lag_seconds)
        },
        say: |look| format!("A mirror is more than {} s behind.", look.thresholds.mirror_lag_seconds),
    },
    Rule {
        code: AlertCode::NotConserved,
        hold: Duration::ZERO,
        release: Duration::from_secs(5),
        side: |look| match look.products.iter().all(|product| product.stock.is_conserved()) {
            true => Side::Clear,
            false => Side::Beyond,
        },
        say: |look| {
            let broken = look.products.iter().find(|product| !product.stock.is_conserved());
            let name = broken.map_or("a product", |product| product.terms.name.as_str());
            format!("The units of {name} do not add up.")
        },
    },
    Rule {
        code: AlertCode::SaleSoon,
        hold: Duration::ZERO,
        release: Duration::ZERO,
        side: |look| {
            let sale = &look.metrics.sale;
            let starts = sale.starts_at.filter(|_| sale.phase.0 == Phase::Before);
            let soon = Duration::from_secs(u64::from(look.thresholds.sale_soon_minutes) * 60);
            match starts.is_some_and(|starts| starts.0.since(look.now.wall) <= soon) && !soon.is_zero() {
                true => Side::Beyond,
                false => Side::Clear,
            }
        },
        say: |look| match look.metrics.sale.starts_at {
            Some(starts) => format!("The sale starts at {}.", starts.0),
            None => "The sale starts soon.".to_owned(),
        },
    },
];

/// One row of the table of alerts about products.
struct ProductRule {
    code: AlertCode,
    hold: Duration,
    release: Duration,
    side: fn(&Product, &AlertConfig) -> Side,
    say: fn(&Product, &AlertConfig) -> String,
}

const PRODUCT_RULES: [ProductRule; 2] = [
    ProductRule {
        code: AlertCode::SoldOut,
        hold: Duration::ZERO,
        // Units of holds come and go at the end of a sale.
        release: Duration::from_secs(10),
        side: |product, _| if product.stock.current == 0 { Side::Beyond } else { Side::Clear },
        say: |product, _| format!("{} is sold out.", product.terms.name),
    },
    ProductRule {
        code: AlertCode::StockLow,
        hold: Duration::from_secs(1),
        release: Duration::from_secs(5),
        side: |product, thresholds| {
            let stock = &product.stock;
            let all = stock.total().max(1);
            match stock.current {
                0 => Side::Clear,
                left => below(Some(left as f64 * 100.0 / all as f64), thresholds.stock_percent),
            }
        },
        say: |product, thresholds| {
            format!("Less than {} % of {} is left.", thresholds.stock_percent, product.terms.name)
        },
    },
];

/// A figure that is bad above a threshold: it is clear of it again below nine tenths. 0 switches a rule off.
fn above(figure: Option<f64>, threshold: u32) -> Side {
    let threshold = f64::from(threshold);
    match figure.filter(|_| threshold > 0.0) {
        Some(figure) if figure > threshold => Side::Beyond,
        Some(figure) if figure > threshold * 0.9 => Side::Near,
        Some(_) | None => Side::Clear,
    }
}

/// The same of a figure that is bad below: it is clear of it again a tenth above.
fn below(figure: Option<f64>, threshold: u32) -> Side {
    let threshold = f64::from(threshold);
    match figure.filter(|_| threshold > 0.0) {
        Some(figure) if figure < threshold => Side::Beyond,
        Some(figure) if figure < threshold * 1.1 => Side::Near,
        Some(_) | None => Side::Clear,
    }
}

/// Whether an alert is raised, and since when that should change.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    raised: bool,
    changing: Option<Steady>,
}

impl State {
    /// Takes in where the figure is now; true when the alert is to be raised, false when it is to end.
    fn step(&mut self, side: Side, now: Steady, hold: Duration, release: Duration) -> Option<bool> {
        let (change, wait) = match self.raised {
            false => (side == Side::Beyond, hold),
            true => (side == Side::Clear, release),
        };
        if !change {
            self.changing = None;
            return None;
        }
        let since = *self.changing.get_or_insert(now);
        if now.since(since) < wait {
            return None;
        }
        *self = Self { raised: !self.raised, changing: None };
        Some(self.raised)
    }
}

/// The rules and what they have raised. Bounded by the products.
#[derive(Debug)]
pub(super) struct Rules {
    alerts: Arc<Alerts>,
    states: [State; RULES.len()],
    products: BTreeMap<ProductId, [State; PRODUCT_RULES.len()]>,
}

impl Rules {
    pub(super) fn new(alerts: Arc<Alerts>) -> Self {
        Self { alerts, states: [State::default(); RULES.len()], products: BTreeMap::new() }
    }

    /// Raises and ends alerts by what is seen.
    pub(super) fn look(&mut self, look: &Look<'_>) {
        let steady = look.now.steady;
        for (rule, state) in RULES.iter().zip(&mut self.states) {
            let changed = state.step((rule.side)(look), steady, rule.hold, rule.release);
            self.alerts.change(changed, rule.code, None, look.now, || (rule.say)(look));
        }
        for product in look.products {
            // Of a product that nobody can buy, the stock is nobody's concern.
            let on_sale = product.terms.check_open(look.now.wall).is_ok();
            if !on_sale && !self.products.contains_key(&product.id) {
                continue;
            }
            let states = self.products.entry(product.id).or_default();
            for (rule, state) in PRODUCT_RULES.iter().zip(states.iter_mut()) {
                let side = if on_sale { (rule.side)(product, look.thresholds) } else { Side::Clear };
                let changed = state.step(side, steady, rule.hold, rule.release);
                let say = || (rule.say)(product, look.thresholds);
                self.alerts.change(changed, rule.code, Some(product.id), look.now, say);
            }
        }
        self.forget_deleted(look.products);
    }

    fn forget_deleted(&mut self, products: &[Arc<Product>]) {
        let is_there = |id: &ProductId| products.binary_search_by_key(id, |product| product.id).is_ok();
        for (product, _) in self.products.extract_if(.., |id, _| !is_there(id)) {
            PRODUCT_RULES.iter().for_each(|rule| self.alerts.resolve(Some(product), rule.code));
        }
    }
}

impl Alerts {
    /// Raises an alert, ends it, or leaves it as it is.
    fn change(
        &self,
        changed: Option<bool>,
        code: AlertCode,
        product: Option<ProductId>,
        now: Moment,
        say: impl FnOnce() -> String,
    ) {
        match changed {
            Some(true) => self.raise(Alert { code, product, message: say(), since: now.wall }),
            Some(false) => self.resolve(product, code),
            None => {}
        }
    }
}

/// How many dead letters came of late. Bounded by the samples of the window.
#[derive(Debug, Default)]
pub(super) struct NewDeadLetters(VecDeque<(Steady, u64)>);

impl NewDeadLetters {
    /// Takes in how many there are now, and gives by how many they grew within [`DEAD_LETTERS_WINDOW`].
    pub(super) fn grown(&mut self, now: Steady, count: u64) -> u64 {
        // A list that was cleared starts from there.
        if self.0.back().is_some_and(|(_, before)| count < *before) {
            self.0.clear();
        }
        self.0.push_back((now, count));
        while self.0.front().is_some_and(|(at, _)| now.since(*at) > DEAD_LETTERS_WINDOW) {
            self.0.pop_front();
        }
        self.0.front().map_or(0, |(_, oldest)| count.saturating_sub(*oldest))
    }
}

#[cfg(test)]
mod tests;
