//! The page Queue: jobs by state, rates, and the dead letters in groups.

use axum::Router;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use axum::routing::{get, post};

use crate::domain::refusal::Refusal;
use crate::http::Query;
use crate::limits::MAX_SHOWN_GROUPS;
use crate::operator::dead_letters::groups::{Groups, groups};
use crate::operator::{dead_letters, totals};

use super::frame::{Frame, Page};
use super::state::Shared;
use super::visit::Visit;

mod bulk;
mod figures;
mod filter;
mod rows;

use filter::Filter;
use rows::{GroupRow, LetterRow, Opened, QueuePage};

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/queue", get(show))
        .route("/queue/act", post(bulk::act))
        .route("/queue/do", post(bulk::execute))
}

/// Letters of an open group on one page.
const LETTERS: usize = 20;

async fn show(State(shared): State<Shared>, visit: Visit, uri: Uri) -> Result<Response, Refusal> {
    let mut query = Query::of(&uri, &["reason", "productId", "group", "cursor"]);
    let filter = Filter::read(&mut query);
    let list = format!("dead letters of a group {filter:?}");
    let (_, before) = query.page(&shared.cursors, &list);
    query.finish()?;
    let found = groups(&shared.store, &filter.letters(), shared.clock.now()).await?;
    let opened = match &filter.group {
        Some(group) => Some(open(&shared, &filter, group, &list, before, &found).await?),
        None => None,
    };
    // After the letters were read: none of them failed later.
    let as_of = shared.clock.now();
    let largest = found.largest();
    let shown = &largest[..largest.len().min(MAX_SHOWN_GROUPS)];
    let rows: Vec<_> = shown.iter().map(|(error, group)| GroupRow::of(error, group, found.letters, &filter)).collect();
    let in_rows = rows.iter().map(|row| row.count).sum::<u64>();
    let (jobs, sample) = (totals::queue(&shared.store, &shared.queue), shared.monitor.latest());
    visit.html(&QueuePage {
        frame: Frame::of(&shared, &visit, Page::Queue),
        states: figures::states(&jobs, &sample),
        rates: figures::rates(&jobs, &sample),
        products: rows::product_choice(&shared, &filter),
        as_of,
        letters: found.letters,
        other_letters: found.letters.saturating_sub(in_rows),
        rows,
        opened,
        filter,
    })
}

/// The letters of a group, from a position on.
async fn open(
    shared: &Shared,
    filter: &Filter,
    group: &str,
    list: &str,
    before: Option<u64>,
    found: &Groups,
) -> Result<Opened, Refusal> {
    use crate::domain::order::OrderId;
    let picked = filter.letters_of(group);
    let page = dead_letters::page(&shared.store, picked, before.map(OrderId), LETTERS).await?;
    let letters: Vec<_> = page.rows.iter().map(|letter| LetterRow::of(shared, letter)).collect();
    let next = page.next.map(|next| filter.page_url(group, &shared.cursors.make(list, next)));
    Ok(Opened { group: group.to_owned(), count: found.get(group).map_or(0, |group| group.count), letters, next })
}
