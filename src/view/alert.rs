//! The alerts that are raised.

use serde::Serialize;
use utoipa::ToSchema;

use super::text::{AsText, Id, Word};
use crate::domain::alert::{Alert, AlertCode, Severity};
use crate::domain::clock::Timestamp;

/// The conditions that hold.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Alerts)]
pub struct AlertsView<'a> {
    alerts: Vec<AlertView<'a>>,
}

impl<'a> AlertsView<'a> {
    /// The view of these alerts.
    pub fn of(alerts: &'a [Alert]) -> Self {
        Self { alerts: alerts.iter().map(AlertView::of).collect() }
    }
}

/// A condition that holds.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Alert)]
pub struct AlertView<'a> {
    code: Word<AlertCode>,
    message: &'a str,
    /// What to do about it.
    action: &'static str,
    /// The product that it is about, if it is about one.
    #[schema(required)]
    product_id: Option<Id>,
    severity: Word<Severity>,
    since: AsText<Timestamp>,
}

impl<'a> AlertView<'a> {
    /// The view of an alert.
    pub fn of(alert: &'a Alert) -> Self {
        Self {
            code: Word(alert.code),
            message: &alert.message,
            action: alert.code.action(),
            product_id: alert.product.map(|product| Id(product.0)),
            severity: Word(alert.code.severity()),
            since: AsText(alert.since),
        }
    }
}
