//! A product's ledger: every change of its stock and of its terms.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;

use crate::api::route::{self, Route};
use crate::domain::product::ProductId;
use crate::domain::refusal::Refusal;
use crate::http::{Cursors, PathParam, Query, page_response};
use crate::inventory::Inventory;
use crate::operator::ledger::{self, Entry};
use crate::store::Store;
use crate::view::change::LedgerEntryView;
use crate::view::schema::of;
use crate::view::text::Id;

pub(super) fn route() -> Route {
    let description = route::operator("/inventory/{id}/ledger", "readLedger", "Read every change of a product's stock")
        .part("id", "The product.", of::<Id>())
        .about("Newest first.")
        .responds_page::<LedgerEntryView<'_>>("A page of the ledger.")
        .refuses(|refusal| matches!(refusal, Refusal::ProductNotFound))
        .scans();
    route::get(read, description)
}

async fn read(
    State(store): State<Arc<Store>>,
    State(inventory): State<Arc<Inventory>>,
    State(cursors): State<Arc<Cursors>>,
    id: PathParam,
    uri: Uri,
) -> Result<Response, Refusal> {
    let product = ProductId(id.id()?);
    let list = format!("ledger {product}");
    let mut query = Query::of(&uri, &["limit", "cursor"]);
    let (limit, position) = query.page(&cursors, &list);
    query.finish()?;
    inventory.item(product).ok_or(Refusal::ProductNotFound)?;
    let page = ledger::page(&store, product, position, limit).await?;
    let rows: Vec<_> = page.rows.iter().filter_map(Entry::view).collect();
    Ok(page_response(&rows, page.next, &uri, &cursors, &list))
}
