//! Alerts as the page lists them.

use std::cmp::Reverse;

use crate::domain::alert::{Alert, Severity};

use super::super::text;

/// Rows that are always there, so that nothing moves when an alert comes or goes.
pub(in super::super) const SLOTS: usize = 3;

/// One alert.
#[derive(Debug)]
pub(in super::super) struct AlertRow {
    /// The name of its icon.
    pub(in super::super) icon: &'static str,
    pub(in super::super) tone: &'static str,
    pub(in super::super) message: String,
    pub(in super::super) action: &'static str,
    pub(in super::super) since: String,
}

/// The alerts that are raised, the worst first, then the latest.
pub(in super::super) fn sorted(mut alerts: Vec<Alert>) -> Vec<AlertRow> {
    alerts.sort_by_key(|alert| Reverse((alert.code.severity(), alert.since)));
    alerts.into_iter().map(AlertRow::of).collect()
}

/// Such as `5 open, the 3 worst are shown`.
pub(in super::super) fn open(alerts: usize) -> String {
    let count = text::whole(alerts as u64);
    if alerts > SLOTS { format!("{count} open, the {SLOTS} worst are shown") } else { format!("{count} open") }
}

impl AlertRow {
    fn of(alert: Alert) -> Self {
        let severity = alert.code.severity();
        Self {
            icon: severity.as_str(),
            tone: match severity {
                Severity::Critical => "bad",
                Severity::Warning => "warn",
                Severity::Info => "dim",
            },
            message: sentence(alert.message),
            action: alert.code.action(),
            since: text::clock(alert.since),
        }
    }
}

/// A message with a full stop, as another sentence follows it.
fn sentence(mut message: String) -> String {
    if !message.ends_with(['.', '!', '?']) {
        message.push('.');
    }
    message
}
