//! The queue.

use serde::Serialize;
use utoipa::ToSchema;

use super::text::{AsText, Id};
use crate::domain::clock::Timestamp;

/// Counts of jobs by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = JobCounts)]
pub struct JobCountsView {
    pub(crate) active: u64,
    pub(crate) completed: u64,
    pub(crate) delayed: u64,
    pub(crate) failed: u64,
    pub(crate) prioritized: u64,
    pub(crate) waiting: u64,
}

/// The queue at a glance.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Queue)]
pub struct QueueView {
    /// Jobs that may be unfinished, without holds.
    pub(crate) capacity: u64,
    #[schema(minimum = 0)]
    pub(crate) completed_per_second: f64,
    pub(crate) counts: JobCountsView,
    pub(crate) dead_letters: u64,
    /// Orders that may be held.
    pub(crate) hold_capacity: u64,
    /// 0 if no job is ready or active.
    pub(crate) oldest_job_age_ms: u64,
    pub(crate) paused: bool,
}

/// What became of the dead letters that match.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Moved)]
pub struct MovedView {
    /// Fewer where some could not be moved; 0 on a dry run.
    pub(crate) done: u64,
    pub(crate) matched: u64,
    /// Only on a dry run: when it counted. Sent as `failedBefore`, it makes the act mean the same letters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) counted_at: Option<AsText<Timestamp>>,
    /// Only on a dry run of a retry: the units that it needs, by product.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, inline)]
    pub(crate) needs: Option<Vec<NeedView>>,
}

/// The units of a product that a retry of dead letters needs.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Need)]
pub struct NeedView {
    pub(crate) product_id: Id,
    pub(crate) name: String,
    pub(crate) letters: u64,
    pub(crate) units_needed: u64,
    /// Units that could be bought when it was counted.
    pub(crate) units_left: u64,
}

/// Dead letters with the same last error, without what differs from one order to the next.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DeadLetterGroup)]
pub struct DeadLetterGroupView {
    /// The error with `#` for ids, numbers and addresses: what `group` takes.
    pub(crate) error: String,
    #[schema(minimum = 1)]
    pub(crate) count: u64,
    /// Letters that came in the last ten seconds, a second.
    #[schema(minimum = 0)]
    pub(crate) growth_per_second: f64,
    /// When the first of them failed.
    pub(crate) first: AsText<Timestamp>,
    /// When the last of them failed.
    pub(crate) last: AsText<Timestamp>,
    /// How many products they are of.
    pub(crate) product_count: u64,
    /// These products, or the first fifty of them.
    pub(crate) products: Vec<Id>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::from_millis(1_769_860_800_000);

    fn shown(view: &impl Serialize) -> String {
        serde_json::to_string(view).unwrap()
    }

    #[test]
    fn a_dry_run_says_when_it_counted_and_what_a_retry_needs() {
        let moved = MovedView { done: 1, matched: 2, counted_at: None, needs: None };
        assert_eq!(shown(&moved), r#"{"done":1,"matched":2}"#);
        let need = NeedView { product_id: Id(1), name: "lamp".to_owned(), letters: 2, units_needed: 3, units_left: 4 };
        let counted = MovedView { done: 0, matched: 2, counted_at: Some(AsText(AT)), needs: Some(vec![need]) };
        assert_eq!(
            shown(&counted),
            r#"{"done":0,"matched":2,"countedAt":"2026-01-31T12:00:00.000Z","needs":[{"productId":1,"name":"lamp","#
                .to_owned()
                + r#""letters":2,"unitsNeeded":3,"unitsLeft":4}]}"#
        );
    }

    #[test]
    fn a_group_has_its_error_its_count_and_its_products() {
        let group = DeadLetterGroupView {
            error: "order # is unknown".to_owned(),
            count: 2,
            growth_per_second: 0.2,
            first: AsText(AT),
            last: AsText(AT),
            product_count: 1,
            products: vec![Id(1)],
        };
        assert_eq!(
            shown(&group),
            r#"{"error":"order # is unknown","count":2,"growthPerSecond":0.2,"first":"2026-01-31T12:00:00.000Z","#
                .to_owned()
                + r#""last":"2026-01-31T12:00:00.000Z","productCount":1,"products":[1]}"#
        );
    }
}
