//! The frame of all pages: the top with the pages and the clock, and the strip with the phase of the sale, the worst
//! alert and the two acts.

use crate::domain::alert::{Alert, Severity};
use crate::domain::clock::Timestamp;
use crate::domain::sale::{Phase, Sale};

use super::assets;
use super::notice::Notice;
use super::phase::PhaseLine;
use super::state::Shared;
use super::text;
use super::theme::{Theme, Zone};
use super::visit::{Visit, encoded};

/// The pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    /// What happens now.
    Live,
    /// What is sold, on which terms.
    Products,
    /// Orders, and one of them.
    Orders,
    /// Jobs and dead letters.
    Queue,
    /// The measurement since the last reset.
    Benchmark,
    /// A page that the navigation does not have.
    Other,
}

impl Page {
    /// Those of the navigation.
    pub(super) const ALL: [Self; 5] = [Self::Live, Self::Products, Self::Orders, Self::Queue, Self::Benchmark];

    /// Its name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Live => "Live",
            Self::Products => "Products",
            Self::Orders => "Orders",
            Self::Queue => "Queue",
            Self::Benchmark => "Benchmark",
            Self::Other => "flashsale",
        }
    }

    /// Its name where there is little room.
    pub(super) const fn short_name(self) -> &'static str {
        match self {
            Self::Benchmark => "Bench",
            _ => self.name(),
        }
    }

    /// Its path.
    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Live | Self::Other => "/",
            Self::Products => "/products",
            Self::Orders => "/orders",
            Self::Queue => "/queue",
            Self::Benchmark => "/benchmark",
        }
    }
}

/// What the slot beside the phase shows: what became of the last act, or the worst alert.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    /// `critical`, `warning`, `done`, or nothing.
    pub(super) kind: &'static str,
    /// Its sign.
    pub(super) icon: &'static str,
    /// A sentence or two.
    pub(super) text: String,
    /// Whether it is about an act.
    pub(super) is_notice: bool,
    /// How many alerts are raised, if the text does not say.
    pub(super) counts: String,
}

/// What `templates/frame.html` needs.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    /// The page inside.
    pub(super) page: Page,
    /// The theme of the visitor.
    pub(super) theme: Theme,
    /// Whether single keys act.
    pub(super) has_keys: bool,
    /// The zone of times.
    pub(super) zone: Zone,
    /// The host that the browser asked for.
    pub(super) host: String,
    /// The moment of the page.
    pub(super) now: Timestamp,
    /// The phase of the sale.
    pub(super) phase: PhaseLine,
    /// The slot.
    pub(super) slot: Slot,
    /// Whether the queue is paused.
    pub(super) is_paused: bool,
    /// Where the sale is.
    sale: Phase,
    /// Whether one can log out.
    pub(super) has_login: bool,
    /// Where a form leads back to.
    pub(super) back: String,
}

impl Frame {
    /// The frame of a page as it is now.
    pub(super) fn of(shared: &Shared, visit: &Visit, page: Page) -> Self {
        let now = shared.clock.now();
        let sale = sale(shared, now);
        Self {
            page,
            theme: visit.theme,
            has_keys: visit.has_keys,
            zone: visit.zone,
            host: visit.host.clone(),
            now,
            phase: PhaseLine::of(&sale, since(shared), now),
            slot: Slot::of(visit.notice.as_ref(), &shared.alerts.alerts()),
            is_paused: shared.queue.counts().paused,
            sale: sale.phase,
            has_login: shared.token.is_set(),
            back: visit.here.clone(),
        }
    }

    /// The URL of a file of `assets/`.
    pub(super) fn asset(&self, name: &str) -> String {
        assets::url(name)
    }

    /// [`Self::back`] as a value in a query.
    pub(super) fn back_query(&self) -> String {
        encoded(&self.back)
    }

    /// The version of the server.
    pub(super) const fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    /// The pages of the navigation.
    pub(super) const fn pages(&self) -> [Page; 5] {
        Page::ALL
    }

    /// Whether the sale was stopped, and can start again.
    pub(super) fn is_stopped(&self) -> bool {
        self.sale == Phase::Stopped
    }

    /// Whether there is a sale that can be stopped.
    pub(super) fn has_sale(&self) -> bool {
        self.sale != Phase::None
    }

    /// The time of the clock.
    pub(super) fn clock(&self) -> String {
        text::clock(self.now)
    }
}

/// The sale at this moment; the monitor's is up to a second old.
fn sale(shared: &Shared, now: Timestamp) -> Sale {
    let products = shared.inventory.products();
    Sale::of(products.iter().map(|product| &**product), now)
}

/// Which phase the monitor has seen last, and since when.
fn since(shared: &Shared) -> Option<(Phase, Timestamp)> {
    let sale = shared.monitor.latest().sale;
    sale.since.map(|since| (sale.phase.0, since.0))
}

impl Slot {
    fn of(notice: Option<&Notice>, alerts: &[Alert]) -> Self {
        let counts = counts(alerts);
        if let Some(notice) = notice {
            let (kind, icon) = if notice.is_done { ("done", "check") } else { ("critical", "cross") };
            return Self { kind, icon, text: notice.text.clone(), is_notice: true, counts };
        }
        match worst(alerts).filter(|alert| alert.code.severity() != Severity::Info) {
            Some(alert) => {
                let kind = alert.code.severity().as_str();
                Self { kind, icon: kind, text: alert.message.clone(), is_notice: false, counts }
            }
            None => {
                let text = if counts.is_empty() { "No alert.".to_owned() } else { format!("No alert. {counts}.") };
                Self { kind: "", icon: "check", text, is_notice: false, counts: String::new() }
            }
        }
    }
}

fn rank(alert: &Alert) -> usize {
    Severity::ALL.iter().position(|severity| *severity == alert.code.severity()).unwrap_or(0)
}

/// The worst alert; the oldest of those.
fn worst(alerts: &[Alert]) -> Option<&Alert> {
    alerts.iter().max_by_key(|alert| (rank(alert), std::cmp::Reverse(alert.since)))
}

/// Such as `1 warning, 2 notes`.
fn counts(alerts: &[Alert]) -> String {
    let of = |severity: Severity| alerts.iter().filter(|alert| alert.code.severity() == severity).count() as u64;
    let parts = Severity::ALL.iter().rev().filter_map(|severity| match (severity.as_str(), of(*severity)) {
        (_, 0) => None,
        ("info", count) => Some(text::counted(count, "note", "notes")),
        (word, 1) => Some(format!("1 {word}")),
        ("warning", count) => Some(format!("{} warnings", text::whole(count))),
        (word, count) => Some(format!("{} {word}", text::whole(count))),
    });
    parts.collect::<Vec<_>>().join(", ")
}
