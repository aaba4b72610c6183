//! `flashsale products`.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::client::Call;

use super::confirm::confirm;
use super::remote::{Remote, RemoteArgs, product};
use super::run::{CommandError, Definition, Run};
use super::table::Column;
use super::values::{OrNone, number_or_none, text_or_none, time_or_none};

const COLUMNS: &[Column] = &[
    ("ID", "id"),
    ("NAME", "name"),
    ("SKU", "sku"),
    ("PRICE", "price"),
    ("LEFT", "currentStock"),
    ("HELD", "heldStock"),
    ("SOLD", "soldStock"),
    ("IN SALE", "flashSaleActive"),
    ("STARTS", "saleStartsAt"),
    ("ENDS", "saleEndsAt"),
];

/// List, show and change the products of a running server, and stop and start its sale
#[derive(Debug, Args)]
pub(super) struct Products {
    #[command(subcommand)]
    act: Act,
    #[command(flatten)]
    server: RemoteArgs,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// List all products, newest first
    List,
    /// Show one product
    Show(IdArg),
    /// Create a product
    Create(Create),
    /// Change fields of a product; fails if somebody else changes it at the same time
    Update(Update),
    /// Add units to a product, or take some away
    Restock(Restock),
    /// Delete a product that never had an order
    Delete(Sure),
    /// Take every product out of the sale, and remember which were in it
    Stop(SureOnly),
    /// Bring the products back that `stop` took out of the sale
    Start,
}

#[derive(Debug, Args)]
struct IdArg {
    /// Number of the product
    id: u64,
}

#[derive(Debug, Args)]
struct Sure {
    /// Number of the product
    id: u64,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Args)]
struct SureOnly {
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Args)]
struct Create {
    /// Name, 1 to 255 characters
    name: String,
    /// Price of one unit, such as 999.99
    #[arg(long)]
    price: String,
    /// Units that can be sold
    #[arg(long, value_name = "N")]
    stock: u64,
    #[command(flatten)]
    fields: Fields,
}

#[derive(Debug, Args)]
struct Update {
    /// Number of the product
    id: u64,
    /// Name, 1 to 255 characters
    #[arg(long)]
    name: Option<String>,
    /// Price of one unit, such as 999.99
    #[arg(long)]
    price: Option<String>,
    /// Units of the product at its start; what can be bought changes by the same number
    #[arg(long, value_name = "N")]
    initial_stock: Option<u64>,
    /// Units that can be bought now; the difference is booked as an adjustment
    #[arg(long, value_name = "N")]
    current_stock: Option<u64>,
    #[command(flatten)]
    fields: Fields,
}

#[derive(Debug, Args)]
struct Fields {
    /// Whether it is in the sale
    #[arg(long, value_name = "true|false")]
    in_sale: Option<bool>,
    /// Units that one user may have, or none for no limit
    #[arg(long, value_name = "N", value_parser = number_or_none)]
    per_user_limit: Option<OrNone>,
    /// When the sale starts (RFC 3339), or none
    #[arg(long, value_name = "TIME", value_parser = time_or_none)]
    sale_starts_at: Option<OrNone>,
    /// When the sale ends (RFC 3339), or none
    #[arg(long, value_name = "TIME", value_parser = time_or_none)]
    sale_ends_at: Option<OrNone>,
    /// Seconds for which an order waits to be paid, or none to confirm orders at once
    #[arg(long, value_name = "S", value_parser = number_or_none)]
    hold_seconds: Option<OrNone>,
    /// Stock-keeping unit of the shop, which no other product has, or none
    #[arg(long, value_name = "SKU", value_parser = text_or_none)]
    sku: Option<OrNone>,
    /// Whether it exists for operators only
    #[arg(long, value_name = "true|false")]
    hidden: Option<bool>,
}

#[derive(Debug, Args)]
struct Restock {
    /// Number of the product
    id: u64,
    /// Units to add; below 0, units to take away
    #[arg(allow_negative_numbers = true)]
    units: i64,
}

impl Run for Products {
    fn run(self, _: Definition) -> Result<(), CommandError> {
        let server = self.server.connect()?;
        match self.act {
            Act::List => server.print_all(&Call::get("/inventory"), COLUMNS),
            Act::Show(IdArg { id }) => server.print_members(&Call::get(&path(id))),
            Act::Create(create) => {
                let call = Call::post("/inventory").json(&create.body());
                server.act(&call, |made| format!("created {}", product(made)))
            }
            Act::Update(update) => update.run(&server),
            Act::Restock(Restock { id, units }) => {
                let call = Call::post(&format!("{}/restock", path(id))).json(&json!({ "quantity": units }));
                server.act(&call, |now| format!("{} has {} units left", product(now), now["currentStock"]))
            }
            Act::Delete(Sure { id, yes }) => delete(&server, id, yes),
            Act::Stop(SureOnly { yes }) => {
                confirm("take every product out of the sale", yes)?;
                server.act(&Call::post("/inventory/stop"), |list| moved(list, "out of the sale"))
            }
            Act::Start => server.act(&Call::post("/inventory/start"), |list| moved(list, "back in the sale")),
        }
    }
}

impl Create {
    fn body(self) -> Value {
        let Self { name, price, stock, fields } = self;
        let mut body = fields.body();
        body.extend([("name", json!(name)), ("price", json!(price)), ("initialStock", json!(stock))].map(named));
        Value::Object(body)
    }
}

impl Update {
    /// Changes the state that was read, and no other.
    fn run(self, server: &Remote) -> Result<(), CommandError> {
        let Self { id, name, price, initial_stock, current_stock, fields } = self;
        let mut body = fields.body();
        let more = [
            ("name", name.map(Value::from)),
            ("price", price.map(Value::from)),
            ("initialStock", initial_stock.map(Value::from)),
            ("currentStock", current_stock.map(Value::from)),
        ];
        body.extend(more.into_iter().filter_map(|(name, value)| Some(named((name, value?)))));
        let read = server.call(&Call::get(&path(id)))?;
        let call = Call::put(&path(id)).json(&Value::Object(body)).if_match(read.tag);
        server.act(&call, |now| format!("updated {}", product(now)))
    }
}

impl Fields {
    /// Those that are given.
    fn body(self) -> Map<String, Value> {
        let fields = [
            ("flashSaleActive", self.in_sale.map(Value::from)),
            ("perUserLimit", self.per_user_limit.map(OrNone::value)),
            ("saleStartsAt", self.sale_starts_at.map(OrNone::value)),
            ("saleEndsAt", self.sale_ends_at.map(OrNone::value)),
            ("holdSeconds", self.hold_seconds.map(OrNone::value)),
            ("sku", self.sku.map(OrNone::value)),
            ("hidden", self.hidden.map(Value::from)),
        ];
        fields.into_iter().filter_map(|(name, value)| Some(named((name, value?)))).collect()
    }
}

fn named((name, value): (&str, Value)) -> (String, Value) {
    (name.to_owned(), value)
}

fn path(id: u64) -> String {
    format!("/inventory/{id}")
}

fn delete(server: &Remote, id: u64, yes: bool) -> Result<(), CommandError> {
    let read = server.call(&Call::get(&path(id)))?;
    let deleted = product(&server.parsed(&read)?);
    confirm(&format!("delete {deleted}"), yes)?;
    server.act(&Call::delete(&path(id)).if_match(read.tag), |_| format!("deleted {deleted}"))
}

/// Which products were stopped or started.
fn moved(list: &Value, state: &str) -> String {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    match list {
        [] => format!("no product had to be put {state}"),
        list => list.iter().map(|it| format!("{} is {state}", product(it))).collect::<Vec<_>>().join("\n"),
    }
}
