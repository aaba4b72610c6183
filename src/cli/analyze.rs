//! `flashsale analyze`.

use clap::Args;

use crate::domain::clock::Timestamp;
use crate::domain::filter::Span;
use crate::domain::product::ProductId;
use crate::limits::MAX_FIRST_BUYERS;
use crate::maintenance::{self, Scope};

use super::output::{say, write_out};
use super::run::{CommandError, Definition, Run};
use super::server_args::ServerArgs;
use super::shared_args::StoreArgs;
use super::table::safe_json;
use super::values::{moment, within};

mod page;

/// Show what became of a sale: who bought first, what was sold, what is left, and whether it adds up
#[derive(Debug, Args)]
pub(super) struct Analyze {
    /// Only this product and its orders
    #[arg(long, value_name = "ID", value_parser = within::<u64>(0..=u64::MAX))]
    product: Option<u64>,
    /// Only orders accepted from this time on (RFC 3339); stock is checked against all orders
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Option<Timestamp>,
    /// Only orders accepted up to this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    to: Option<Timestamp>,
    /// How many of the first buyers to show
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = within(0..=MAX_FIRST_BUYERS))]
    first: usize,
    /// Print JSON instead of text for people
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    server: ServerArgs,
}

impl Run for Analyze {
    fn run(self, _: Definition) -> Result<(), CommandError> {
        let source = self.server.source_or(&self.store)?;
        let accepted = Span { from: self.from, to: self.to };
        let scope = Scope { product: self.product.map(ProductId), accepted, first: self.first };
        let view = maintenance::analyze(&source, scope)?;
        if self.json {
            // A view always is JSON.
            say(&safe_json(&serde_json::to_string(&view).unwrap_or_default()))?;
        } else {
            write_out(page::of(&view).as_bytes())?;
        }
        if view.ok { Ok(()) } else { Err(CommandError::SaleUnsound) }
    }
}
