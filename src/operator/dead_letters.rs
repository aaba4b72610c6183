//! The dead letters: listing them, counting what an act would do, moving one, moving all that match.

pub mod groups;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::committer::{Intake, OperatorMove};
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::filter::DeadLetterFilter;
use crate::domain::job::AttemptError;
use crate::domain::job_id::JobIds;
use crate::domain::order::{Order, OrderId, OrderStatus};
use crate::domain::product::ProductId;
use crate::domain::refusal::Refusal;
use crate::inventory::Inventory;
use crate::limits::MAX_PAGE;
use crate::store::{Page, Scan, Store, StoreError};
use crate::view::job::DeadLetterView;
use crate::view::queue::{MovedView, NeedView};
use crate::view::text::{AsText, Id};

use super::orders;

/// The order of a job that failed for good, and its latest attempts, oldest first.
#[derive(Debug)]
pub struct DeadLetter {
    /// The order.
    pub order: Order,
    /// The attempts that failed.
    pub attempts: Vec<AttemptError>,
}

/// A page of the dead letters that a filter keeps, newest first, below `before`.
pub async fn page(
    store: &Arc<Store>,
    filter: DeadLetterFilter,
    before: Option<OrderId>,
    limit: usize,
) -> Result<Page<DeadLetter>, Refusal> {
    let page = store.scan(Scan::Page, move |reader| {
        let snapshot = reader.snapshot()?;
        let page = snapshot.dead_letters(before, limit, |order| filter.keeps(order))?;
        let letter = |order: Order| Ok(DeadLetter { attempts: snapshot.attempts(order.id)?, order });
        let rows: Result<_, StoreError> = page.rows.into_iter().map(letter).collect();
        Ok(Page { rows: rows?, next: page.next })
    });
    Ok(page.await?)
}

/// Moves one dead letter; gives its order as it is then.
pub async fn move_one(
    intake: &Intake,
    job_ids: &JobIds,
    job_id: &str,
    to: OperatorMove,
) -> Result<Arc<Order>, Refusal> {
    orders::move_one(intake, job_ids.order(job_id).ok_or(Refusal::JobNotFound)?, to).await
}

/// What an act on all dead letters that match would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preview {
    /// Letters that match.
    pub matched: u64,
    /// When they were counted: an act that is bounded by this moment means exactly them, without those that were
    /// retried or deleted since.
    pub counted_at: Timestamp,
    /// Letters that match but for having failed later.
    pub later: u64,
    /// Letters and units, by product.
    pub needs: BTreeMap<ProductId, Need>,
}

/// The letters of one product, and the units that a retry of them reserves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// Letters.
    pub letters: u64,
    /// Units.
    pub units: u64,
}

/// Counts the dead letters that a filter keeps, and what a retry of them needs. If the filter names no moment, it
/// becomes the present one.
pub async fn preview(
    store: &Arc<Store>,
    intake: &Intake,
    clock: &Clock,
    filter: &DeadLetterFilter,
) -> Result<Preview, Refusal> {
    let mut filter = filter.clone();
    let counted_at = match filter.failed_before {
        Some(bound) => bound,
        None => now(intake, clock).await?,
    };
    filter.failed_before = Some(counted_at);
    let preview = Preview { counted_at, ..Preview::default() };
    fold(store, preview, move |preview, order| preview.count(&filter, order)).await
}

/// Visits the orders of all dead letters, from new to old; a bounded number in one look at the store.
async fn fold<T: Send + 'static>(
    store: &Arc<Store>,
    mut state: T,
    visit: impl Fn(&mut T, &Order) + Send + Sync + 'static,
) -> Result<T, Refusal> {
    let (visit, mut before) = (Arc::new(visit), None);
    loop {
        let visit = Arc::clone(&visit);
        let scan = store.scan(Scan::Page, move |reader| {
            let next = reader.snapshot()?.each_dead_letter(before, |order| visit(&mut state, &order))?;
            Ok((state, next))
        });
        let (visited, next) = scan.await?;
        match next {
            Some(next) => (state, before) = (visited, Some(next)),
            None => return Ok(visited),
        }
    }
}

/// A moment by which nothing fails that is not published yet: the present one, less a millisecond, as a later commit
/// can fall into the same.
async fn now(intake: &Intake, clock: &Clock) -> Result<Timestamp, Refusal> {
    let now = Timestamp::from_millis(clock.now().millis() - 1);
    // A commit under way has an earlier time and is not published yet.
    intake.flushed().await?;
    Ok(now)
}

impl Preview {
    fn count(&mut self, filter: &DeadLetterFilter, order: &Order) {
        if !filter.matches(order) {
            return;
        }
        if !filter.is_in_time(order) {
            self.later += 1;
            return;
        }
        self.matched += 1;
        let need = self.needs.entry(order.product).or_default();
        need.letters += 1;
        // A confirmed order has its units, and is only posted again.
        if order.status != OrderStatus::Confirmed {
            need.units += u64::from(order.quantity);
        }
    }

    /// What a retry needs beside what can be bought now, by product.
    pub fn needs(&self, inventory: &Inventory) -> Vec<NeedView> {
        let needs = self.needs.iter().map(|(product, need)| {
            let item = inventory.item(*product);
            NeedView {
                product_id: Id(product.0),
                name: item.as_ref().map(|item| item.product().terms.name.clone()).unwrap_or_default(),
                letters: need.letters,
                units_needed: need.units,
                units_left: item.map_or(0, |item| item.available()),
            }
        });
        needs.collect()
    }

    /// The view of it; with `needs` for a retry.
    pub fn view(&self, needs: Option<Vec<NeedView>>) -> MovedView {
        MovedView { done: 0, matched: self.matched, counted_at: Some(AsText(self.counted_at)), needs }
    }
}

/// What became of the dead letters that an act meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Letters that matched.
    pub matched: u64,
    /// Letters that were moved.
    pub done: u64,
    /// Why the others were not, with how many.
    pub stayed: BTreeMap<&'static str, u64>,
}

impl Moved {
    /// The view of it.
    pub const fn view(&self) -> MovedView {
        MovedView { done: self.done, matched: self.matched, counted_at: None, needs: None }
    }

    fn add(&mut self, moved: &Result<Arc<Order>, Refusal>) {
        match moved {
            Ok(_) => self.done += 1,
            Err(refusal) => *self.stayed.entry(refusal.code()).or_default() += 1,
        }
    }
}

/// Moves all dead letters that a filter keeps, from new to old. If the queue is full, the rest is counted and stays.
/// Those that failed after the filter's moment, or after this began, are not touched: the committer looks again. So
/// the same act twice, also at the same time, acts once.
pub async fn move_all(
    store: &Arc<Store>,
    intake: &Intake,
    clock: &Clock,
    filter: &DeadLetterFilter,
    to: OperatorMove,
) -> Result<Moved, Refusal> {
    let bound = filter.failed_before.unwrap_or_else(|| clock.now());
    let filter = DeadLetterFilter { failed_before: Some(bound), ..filter.clone() };
    let (mut sum, mut before) = (Moved::default(), None);
    loop {
        let filter = filter.clone();
        let scan = store.scan(Scan::Page, move |reader| {
            let mut ids = Vec::new();
            let next = reader.snapshot()?.each_dead_letter(before, |order| {
                if filter.keeps(&order) {
                    ids.push(order.id);
                }
            })?;
            Ok((ids, next))
        });
        let (ids, next) = scan.await?;
        move_these(intake, &ids, to, bound, &mut sum).await?;
        match next {
            Some(next) => before = Some(next),
            None => return Ok(sum),
        }
    }
}

/// Moves these dead letters, a page in one commit, until the queue is full.
async fn move_these(
    intake: &Intake,
    ids: &[OrderId],
    to: OperatorMove,
    bound: Timestamp,
    sum: &mut Moved,
) -> Result<(), Refusal> {
    let overloaded = Refusal::Overloaded { retry_after: Duration::ZERO }.code();
    for page in ids.chunks(MAX_PAGE) {
        sum.matched += page.len() as u64;
        if sum.stayed.contains_key(overloaded) {
            *sum.stayed.entry(overloaded).or_default() += page.len() as u64;
            continue;
        }
        let moved = intake.move_failed_before(page.to_vec(), to, Some(bound)).await?;
        moved.iter().for_each(|moved| sum.add(moved));
    }
    Ok(())
}

impl DeadLetter {
    /// The view of it.
    pub fn view(&self, job_ids: &JobIds) -> DeadLetterView<'_> {
        DeadLetterView::of(&self.order, &self.attempts, job_ids)
    }
}
