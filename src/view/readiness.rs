//! What a sale needs, and whether it is there.

use serde::Serialize;
use utoipa::ToSchema;

use super::text::AsText;
use crate::domain::clock::Timestamp;

/// Whether a sale can begin.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Readiness)]
pub struct ReadinessView {
    /// Whether nothing blocks.
    pub(crate) ready: bool,
    pub(crate) checked_at: AsText<Timestamp>,
    /// Checks that are `not_ready`.
    pub(crate) blocking: u64,
    /// Checks that are `look`.
    pub(crate) looking: u64,
    /// Worst first.
    #[schema(inline)]
    pub(crate) checks: Vec<ReadinessCheckView>,
}

impl ReadinessView {
    /// The verdict over these checks, which it sorts: the worst come first, and those alike stay in their order.
    pub fn of(checked_at: Timestamp, mut checks: Vec<ReadinessCheckView>) -> Self {
        checks.sort_by_key(|check| check.status);
        let count = |status| checks.iter().filter(|check| check.status == status).count() as u64;
        let (blocking, looking) = (count(ReadinessStatus::NotReady), count(ReadinessStatus::Look));
        Self { ready: blocking == 0, checked_at: AsText(checked_at), blocking, looking, checks }
    }
}

/// How one of them is, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReadinessStatus {
    /// A sale would fail by it.
    NotReady,
    /// An operator should look at it.
    Look,
    /// It is there.
    Ready,
}

/// What the evidence of the check `rate_limits` has where there is no limit for an IP address. What prepares a load
/// test looks for it.
pub const ANY_REQUESTS: &str = "any number of requests/s from an address";

/// One thing that a sale needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReadinessCheckView {
    /// Its name, for programs.
    pub(crate) name: &'static str,
    pub(crate) status: ReadinessStatus,
    /// Its name, for people.
    pub(crate) title: &'static str,
    /// What was found, with figures.
    pub(crate) evidence: String,
    /// The page of the dashboard where it can be mended.
    #[schema(required)]
    pub(crate) link: Option<String>,
    /// What to do about it.
    #[schema(required)]
    pub(crate) action: Option<String>,
}
