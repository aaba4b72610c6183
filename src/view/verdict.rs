//! Whether a sale held what was promised.

use serde::Serialize;
use utoipa::ToSchema;

use super::metrics::ByCode;
use super::text::{AsText, Id};
use crate::domain::clock::Timestamp;

/// Whether the sale held.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Verdict)]
pub struct VerdictView {
    /// Whether every check holds.
    pub(crate) held: bool,
    pub(crate) checked_at: AsText<Timestamp>,
    #[schema(inline)]
    pub(crate) checks: Vec<VerdictCheckView>,
    #[schema(inline)]
    pub(crate) goal: ResponseGoalView,
    pub(crate) funnel: FunnelView,
    /// The products in the sale, and those with orders.
    #[schema(inline)]
    pub(crate) products: Vec<SoldProductView>,
}

/// One promise, and what was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerdictCheckView {
    /// Its name, for programs.
    pub(crate) name: &'static str,
    /// Its name, for people.
    pub(crate) title: String,
    pub(crate) holds: bool,
    /// What was found, with figures.
    pub(crate) evidence: String,
}

/// How fast responses were meant to be, and were. It depends on the machine, so it decides nothing about the sale.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResponseGoalView {
    /// The time that 99 % of the responses were meant to be below, in milliseconds.
    pub(crate) below_ms: u32,
    /// The time that 99 % of the responses did not exceed since the last reset; null if there was none.
    #[schema(required, minimum = 0)]
    pub(crate) p99_ms: Option<f64>,
    /// Responses that were measured.
    pub(crate) responses: u64,
    pub(crate) met: bool,
}

/// From asking to owning, since the last reset: `asked` is the sum of `rejected` and `admitted`, and `admitted` the sum
/// of what follows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Funnel)]
pub struct FunnelView {
    /// Orders that were asked for.
    pub(crate) asked: u64,
    /// Orders that were rejected, by the code of the refusal.
    pub(crate) rejected: ByCode,
    /// Orders that were accepted.
    pub(crate) admitted: u64,
    /// Of these: cancelled, also by the end of their hold.
    pub(crate) cancelled: u64,
    /// Of these: failed.
    pub(crate) failed: u64,
    /// Of these: still pending.
    pub(crate) pending: u64,
    /// Of these: confirmed.
    pub(crate) confirmed: u64,
}

/// How long the units of a product lasted.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SoldProductView {
    pub(crate) id: Id,
    pub(crate) name: String,
    /// Units of confirmed orders.
    pub(crate) sold: u64,
    /// When its sale started, if that is known.
    #[schema(required)]
    pub(crate) started_at: Option<AsText<Timestamp>>,
    /// When the last unit was taken, to the second; null if units are left, or if it is not known.
    #[schema(required)]
    pub(crate) sold_out_at: Option<AsText<Timestamp>>,
    /// Seconds between the two.
    #[schema(required, minimum = 0)]
    pub(crate) lasted_seconds: Option<f64>,
}
