//! `flashsale orders`.

use clap::{Args, Subcommand};

use crate::client::Call;
use crate::domain::clock::Timestamp;
use crate::domain::order::OrderStatus;

use super::confirm::confirm;
use super::remote::{ListArgs, RemoteArgs, order};
use super::run::{CommandError, Definition, Run};
use super::table::Column;
use super::values::{moment, word};

const COLUMNS: &[Column] = &[
    ("ID", "id"),
    ("STATUS", "status"),
    ("PRODUCT", "productId"),
    ("USER", "userId"),
    ("REFERENCE", "reference"),
    ("UNITS", "quantity"),
    ("TOTAL", "totalPrice"),
    ("PLACED", "createdAt"),
    ("EXPIRES", "expiresAt"),
    ("REASON", "failureReason"),
];

/// List, show, confirm and cancel the orders of a running server
#[derive(Debug, Args)]
pub(super) struct Orders {
    #[command(subcommand)]
    act: Act,
    #[command(flatten)]
    server: RemoteArgs,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// List orders, newest first
    List(List),
    /// Show one order with its product
    Show(IdArg),
    /// Confirm a held order: it is paid
    Confirm(IdArg),
    /// Cancel an order and return its units, also a confirmed one
    Cancel(Cancel),
}

#[derive(Debug, Args)]
struct List {
    /// Only orders with this status: pending, confirmed, failed or cancelled
    #[arg(long, value_parser = word::<OrderStatus>)]
    status: Option<OrderStatus>,
    /// Only orders of this product
    #[arg(long, value_name = "ID")]
    product_id: Option<u64>,
    /// Only orders of this user
    #[arg(long, value_name = "USER")]
    user_id: Option<String>,
    /// Only orders with this reference of the shop
    #[arg(long)]
    reference: Option<String>,
    /// Only orders placed from this time on (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Option<Timestamp>,
    /// Only orders placed up to this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    to: Option<Timestamp>,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(Debug, Args)]
struct IdArg {
    /// Number of the order
    id: u64,
}

#[derive(Debug, Args)]
struct Cancel {
    /// Number of the order
    id: u64,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

impl Run for Orders {
    fn run(self, _: Definition) -> Result<(), CommandError> {
        let server = self.server.connect()?;
        match self.act {
            Act::List(List { status, product_id, user_id, reference, from, to, list }) => {
                let call = Call::get("/orders").query([
                    ("status", status.map(|status| status.as_str().to_owned())),
                    ("productId", product_id.map(|id| id.to_string())),
                    ("userId", user_id),
                    ("reference", reference),
                    ("from", from.map(|time| time.to_string())),
                    ("to", to.map(|time| time.to_string())),
                ]);
                server.print_list(call, &list, COLUMNS)
            }
            Act::Show(IdArg { id }) => server.print_members(&Call::get(&format!("/orders/{id}"))),
            Act::Confirm(IdArg { id }) => server.act(&Call::post(&format!("/orders/{id}/confirm")), order),
            Act::Cancel(Cancel { id, yes }) => {
                confirm(&format!("cancel order {id}"), yes)?;
                server.act(&Call::post(&format!("/orders/{id}/cancel")), order)
            }
        }
    }
}
