//! The orders that a search finds, as a CSV file. It is read page by page, as fast as the client takes it, so that one
//! export holds one page in memory, however many orders there are.

use std::io;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderValue, Uri};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};

use crate::domain::filter::OrderFilter;
use crate::domain::order::OrderId;
use crate::domain::refusal::Refusal;
use crate::http::Query;
use crate::limits::EXPORT_PAGE;
use crate::operator::orders;
use crate::view::rows::{Format, Sink};
use crate::view::{OrderView, schema};

use super::super::page::{attachment, stamp};
use super::super::state::Shared;
use super::filter::{NAMES, Search};

/// The orders of a filter, newest first.
#[derive(Clone, Debug)]
struct Export {
    shared: Shared,
    filter: OrderFilter,
}

/// A part of the file, and below which order the next part begins; none at the end.
type Part = (Bytes, Option<OrderId>);

/// Orders that come while the file is read are not in it. A file that breaks off ends without the end of the response,
/// so that no client takes it for whole.
pub(super) async fn csv(State(shared): State<Shared>, uri: Uri) -> Result<Response, Refusal> {
    let mut query = Query::of(&uri, &NAMES);
    let now = shared.clock.now();
    let filter = Search::read(&mut query, now).filter;
    query.finish()?;
    let export = Export { shared, filter };
    // Before the response begins: what is refused here is an error page, not a torn file.
    let (first, next) = export.part(None).await?;
    let rest = stream::try_unfold((export, next), |(export, next)| async move {
        let Some(before) = next else { return Ok(None) };
        let (part, next) = export.part(Some(before)).await.map_err(|refusal| broken_off(&refusal))?;
        Ok(Some((part, (export, next))))
    });
    let begin = [names()?, first].map(Ok::<_, io::Error>);
    let body = Body::from_stream(stream::iter(begin).chain(rest));
    let kind = HeaderValue::from_static("text/csv; charset=utf-8; header=present");
    Ok((
        [(CONTENT_TYPE, kind), (CONTENT_DISPOSITION, attachment(&format!("flashsale-orders-{}Z.csv", stamp(now))))],
        body,
    )
        .into_response())
}

impl Export {
    /// The rows of the next orders below `before`.
    async fn part(&self, mut before: Option<OrderId>) -> Result<Part, Refusal> {
        loop {
            let page = orders::page(&self.shared.store, self.filter.clone(), before, EXPORT_PAGE).await?;
            before = page.next.map(OrderId);
            // A page can be empty and yet have a next one.
            if !page.rows.is_empty() || before.is_none() {
                let mut part = Vec::new();
                let mut sink = Sink::new(Format::Csv, &mut part);
                let job_ids = &self.shared.job_ids;
                let written =
                    page.rows.iter().try_for_each(|order| sink.row(&OrderView::of(order, job_ids).in_cells()?));
                written.and_then(|()| sink.finish()).map_err(unwritten)?;
                return Ok((part.into(), before));
            }
        }
    }
}

/// The first line.
fn names() -> Result<Bytes, Refusal> {
    let mut line = Vec::new();
    let mut sink = Sink::new(Format::Csv, &mut line);
    sink.names(&schema::columns::<OrderView<'_>>()).and_then(|()| sink.finish()).map_err(unwritten)?;
    Ok(line.into())
}

fn unwritten(error: io::Error) -> Refusal {
    tracing::error!(%error, "a row could not be written");
    Refusal::Internal
}

fn broken_off(refusal: &Refusal) -> io::Error {
    tracing::warn!(code = refusal.code(), "an export of orders broke off");
    io::Error::other("the export broke off")
}
