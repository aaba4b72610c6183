//! What the server has in the end, asked for through its API like anyone would.

use std::thread::Builder;
use std::time::{Duration, Instant};

use crossbeam_channel::bounded;
use serde::Deserialize;
use serde_json::Value;

use super::RehearsalError;
use super::name::User;
use crate::client::{Call, Calls, ClientError, OPEN_STATES, Reply, jobs};
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::order::OrderStatus;
use crate::limits::{MAX_PAGE, MAX_REMEMBERED_ORDERS, REHEARSAL_SETTLE_TIMEOUT};
use crate::view::text::Words;

/// Between two looks at the queue.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Looks at the server's clock, of which the quickest counts.
const CLOCK_LOOKS: u32 = 5;
/// Pages of the list that wait to be read while the next one is asked for.
const PAGES_AHEAD: usize = 2;

/// A product in the end.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProductFact {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) initial_stock: u64,
    pub(super) adjusted_stock: i64,
    pub(super) current_stock: u64,
    pub(super) held_stock: u64,
    pub(super) sold_stock: u64,
    pub(super) per_user_limit: Option<u64>,
}

/// An order of one of the run's products in the end. Times are milliseconds by this machine's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OrderFact {
    pub(super) id: u64,
    /// None if it is not one of our buyers.
    pub(super) user: Option<User>,
    /// The place of the product in the scenario.
    pub(super) product: u16,
    pub(super) quantity: u32,
    pub(super) status: OrderStatus,
    pub(super) created: i64,
    pub(super) updated: i64,
}

/// Everything that is compared with what buyers heard.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Facts {
    /// In the order of the scenario.
    pub(super) products: Vec<ProductFact>,
    /// By id, ascending.
    pub(super) orders: Vec<OrderFact>,
    /// Whether the server's own audit finds that everything adds up.
    pub(super) is_sound: bool,
    /// Jobs that were still to be done when this was asked.
    pub(super) unfinished: u64,
    /// p99 of orders in milliseconds from the server's own histogram.
    pub(super) own_p99_ms: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OrderRow<'a> {
    id: u64,
    product_id: u64,
    user_id: std::borrow::Cow<'a, str>,
    quantity: u32,
    status: &'a str,
    created_at: &'a str,
    updated_at: &'a str,
}

/// Asks for everything about these products, once no job is left to do. `since` is when the run began, and there are
/// about so many `orders`, for which memory is taken at once.
pub(super) fn collect(
    calls: &Calls,
    products: &[u64],
    since: Timestamp,
    orders: usize,
) -> Result<Facts, RehearsalError> {
    let unfinished = settle(calls)?;
    let offset = clock_offset(calls)?;
    let mut facts = Facts { unfinished, ..Facts::default() };
    for id in products {
        facts.products.push(get(calls, &format!("/inventory/{id}"))?);
    }
    let audit: Value = get(calls, "/inventory/audit")?;
    facts.is_sound = audit["ok"] == true;
    let benchmark: Value = get(calls, "/monitoring/benchmark")?;
    facts.own_p99_ms = benchmark["p99Latency"].as_f64();
    facts.orders = Vec::with_capacity(orders);
    read_all(calls, products, [since.millis(), offset], &mut facts.orders)?;
    Ok(facts)
}

/// Units of a product that can be bought now.
pub(super) fn left_of(calls: &Calls, product: u64) -> Result<u64, RehearsalError> {
    get(calls, &format!("/inventory/{product}")).map(|product: ProductFact| product.current_stock)
}

fn get<T: serde::de::DeserializeOwned>(calls: &Calls, path: &str) -> Result<T, RehearsalError> {
    let reply = calls.call(&Call::get(path))?;
    serde_json::from_slice(&reply.body).map_err(|_| ClientError::NotTheApi.into())
}

/// Waits until nothing is left to do; gives the jobs that are left when the patience ends.
fn settle(calls: &Calls) -> Result<u64, RehearsalError> {
    let began = Instant::now();
    loop {
        let queue: Value = get(calls, "/queue")?;
        let open = jobs(&queue, &OPEN_STATES);
        if open == 0 || began.elapsed() > REHEARSAL_SETTLE_TIMEOUT {
            return Ok(open);
        }
        calls.pause(LOOK_EVERY);
    }
}

/// How far the server's clock is ahead of this machine's, in milliseconds.
fn clock_offset(calls: &Calls) -> Result<i64, RehearsalError> {
    let clock = Clock::system();
    let mut best = (Duration::MAX, 0);
    for _ in 0..CLOCK_LOOKS {
        let (began, before) = (Instant::now(), clock.now());
        let health: Value = get(calls, "/monitoring/health")?;
        let took = began.elapsed();
        let theirs = health["timestamp"].as_str().and_then(|text| Timestamp::parse(text).ok());
        let theirs = theirs.ok_or(ClientError::NotTheApi)?;
        let middle = before.millis() + took.as_millis() as i64 / 2;
        if took < best.0 {
            best = (took, theirs.millis() - middle);
        }
    }
    Ok(best.1)
}

impl Facts {
    /// An order by its number.
    pub(super) fn order(&self, id: u64) -> Option<&OrderFact> {
        let at = self.orders.binary_search_by_key(&id, |order| order.id).ok()?;
        self.orders.get(at)
    }
}

/// Finds all orders of these products since a moment, oldest first. A thread reads each page while the next one is
/// asked for: for a million orders both take seconds.
fn read_all(
    calls: &Calls,
    products: &[u64],
    [since, offset]: [i64; 2],
    found: &mut Vec<OrderFact>,
) -> Result<(), RehearsalError> {
    // The list has no order by product: only what came since the run began is read.
    let from = Timestamp::from_millis(since + offset - 1_000).to_string();
    let first = Call::get("/orders").query([("limit", Some(MAX_PAGE.to_string())), ("from", Some(from))]);
    std::thread::scope(|scope| {
        let (sender, pages) = bounded::<Reply>(PAGES_AHEAD);
        let read = || pages.into_iter().try_for_each(|page| read_page(&page, products, offset, found));
        let reader = Builder::new().name("orders".to_owned()).spawn_scoped(scope, read);
        let reader = reader.map_err(RehearsalError::Machine)?;
        for page in calls.pages(first) {
            // Only a reader that gave up takes no more.
            if sender.send(page?).is_err() {
                break;
            }
        }
        drop(sender);
        reader.join().unwrap_or(Err(RehearsalError::Panicked))
    })?;
    found.sort_unstable_by_key(|order| order.id);
    Ok(())
}

/// Adds the orders of these products that are on a page.
fn read_page(page: &Reply, products: &[u64], offset: i64, found: &mut Vec<OrderFact>) -> Result<(), RehearsalError> {
    let rows: Vec<OrderRow<'_>> = serde_json::from_slice(&page.body).map_err(|_| ClientError::NotTheApi)?;
    for row in rows {
        let Some(product) = products.iter().position(|id| *id == row.product_id) else { continue };
        found.push(fact(&row, product, offset).ok_or(ClientError::NotTheApi)?);
    }
    match found.len() > MAX_REMEMBERED_ORDERS * 2 {
        true => Err(RehearsalError::TooManyOrders),
        false => Ok(()),
    }
}

fn fact(row: &OrderRow<'_>, product: usize, offset: i64) -> Option<OrderFact> {
    let at = |text: &str| Some(Timestamp::parse(text).ok()?.millis() - offset);
    Some(OrderFact {
        id: row.id,
        user: User::parse(&row.user_id),
        product: u16::try_from(product).ok()?,
        quantity: row.quantity,
        status: OrderStatus::of_word(row.status)?,
        created: at(row.created_at)?,
        updated: at(row.updated_at)?,
    })
}
