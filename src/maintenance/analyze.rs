//! `flashsale analyze`: what became of a sale, from a stopped store or a running server.

use std::io::BufReader;
use std::ops::ControlFlow;
use std::path::Path;

use crate::client::{Client, Download};
use crate::store::Store;
use crate::store::archive::{self, Reader, Row};
use crate::view::analysis::AnalysisView;

use super::analysis::{Analysis, Scope};
use super::backup::{ROUTE, Source};
use super::error::MaintenanceError;
use super::place::lock_instead_of_server;
use super::progress::Bar;

/// Bytes that are read at once.
const BUFFER_BYTES: usize = 256 * 1024;
/// Orders between two updates of the bar.
const PROGRESS_STEP: u64 = 4_096;

/// Goes over all orders once, all of one moment. A running server gives that moment as its backup, which is analyzed as
/// it arrives and kept nowhere. Memory is bounded by the products, and by one frame of the backup.
pub fn analyze(source: &Source<'_>, scope: Scope) -> Result<AnalysisView, MaintenanceError> {
    let mut bar = Bar::new();
    let product = scope.product;
    let view = match source {
        Source::Stopped(data_dir) => of_store(data_dir, Analysis::of(scope), &mut bar),
        Source::Running(client) => of_server(client, Analysis::of(scope), &mut bar),
    }?;
    match product.filter(|_| view.products.is_empty()) {
        Some(missing) => Err(MaintenanceError::NoProduct(missing)),
        None => Ok(view),
    }
}

fn of_store(data_dir: &Path, mut analysis: Analysis, bar: &mut Bar) -> Result<AnalysisView, MaintenanceError> {
    bar.show("checking the pages of the file", 0, 0);
    let (_lock, file) = lock_instead_of_server(data_dir)?;
    let store = Store::inspect(&file)?;
    let snapshot = store.snapshot()?;
    snapshot.products()?.into_iter().for_each(|product| analysis.add_product(product));
    let (mut done, total) = (0, snapshot.head()?.totals.all_orders());
    snapshot.each_fields(|order| {
        analysis.add_order(order);
        done += 1;
        if done % PROGRESS_STEP == 0 {
            bar.show("reading the sale", done, total);
        }
        ControlFlow::Continue(())
    })?;
    Ok(analysis.finish(&snapshot.contents()?))
}

fn of_server(client: &Client, mut analysis: Analysis, bar: &mut Bar) -> Result<AnalysisView, MaintenanceError> {
    let server = || client.server().to_owned();
    bar.show("connecting to the server", 0, 0);
    let download = Download::start(client, ROUTE).map_err(|error| MaintenanceError::Server(server(), error))?;
    let reader = Reader::new(BufReader::with_capacity(BUFFER_BYTES, download));
    let contents = reader.and_then(|reader| {
        let contents = reader.contents();
        let add = |row: Row<'_>| match row {
            Row::Product(product) => analysis.add_product(product),
            Row::Order(order) => analysis.add_order(&order),
        };
        archive::each(reader, add, &mut |what, done, of| bar.show(what, done, of)).map(|()| contents)
    });
    let contents = contents.map_err(|error| MaintenanceError::Received(server(), error))?;
    Ok(analysis.finish(&contents))
}
