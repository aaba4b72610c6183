//! The holds of one round, from their placing to the return of their units.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use flashsale::domain::clock::{Clock, Timestamp};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::driver::client::{Connection, get};
use crate::driver::load::{Orders, Trip};
use crate::driver::server::{Server, Stock, json, number};

/// What placing all holds of a round takes where they are spread, and takes at most where they are not.
pub(crate) const PLACING: Duration = Duration::from_secs(3);
/// Connections that place holds one by one.
const PLACERS: u64 = 16;
/// Holds in one request where they end together.
const BATCH: u64 = 1_000;
/// Between two readings of the product.
const READ_EVERY: Duration = Duration::from_millis(2);
/// Units that are not back so long after the last hold's end have not come back at all.
const PATIENCE: Duration = Duration::from_secs(30);

/// How the ends of a round's holds lie.
#[derive(Clone, Copy)]
pub(crate) enum Spacing {
    /// All but at once.
    Together,
    /// Evenly over [`PLACING`].
    Spread,
}

/// The holds of one round, one unit each, all there are of a product.
pub(crate) struct Holds<'s> {
    pub(crate) server: &'s Server,
    pub(crate) product: u64,
    pub(crate) count: u64,
    pub(crate) spacing: Spacing,
}

/// A hold that was placed.
pub(crate) struct Hold {
    order: u64,
    ends: Timestamp,
}

/// How late some holds were, in milliseconds each.
#[derive(Default)]
pub(crate) struct Lags(Vec<u64>);

impl Spacing {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Together => "together",
            Self::Spread => "spread",
        }
    }
}

impl Holds<'_> {
    /// Places all holds and waits until all their units can be bought again. Gives the holds by their end, and how
    /// late each unit was seen.
    pub(crate) async fn until_back(&self) -> (Vec<Hold>, Lags) {
        let orders = Orders::of(self.product);
        let mut placed = match self.spacing {
            Spacing::Together => self.place_together(&orders).await,
            Spacing::Spread => self.place_spread(&orders).await,
        };
        placed.sort_by_key(|hold| hold.ends);
        assert!(Clock::system().now() < placed[0].ends, "the first hold ended before the last was placed");
        let seen = self.watch(&placed).await;
        (placed, seen)
    }

    async fn place_together(&self, orders: &Orders) -> Vec<Hold> {
        let mut connection = Connection::open(self.server.port).await.expect("the server accepts a connection");
        let mut placed = Vec::new();
        while (placed.len() as u64) < self.count {
            let size = BATCH.min(self.count - placed.len() as u64);
            let mut request = orders.request(Trip::Batch(size as usize));
            let answer = json(&connection.ask(request.next(orders)).await, 200);
            placed.extend(answer["results"].as_array().expect("results").iter().map(Hold::of));
        }
        placed
    }

    async fn place_spread(&self, orders: &Arc<Orders>) -> Vec<Hold> {
        let (start, each) = (Instant::now(), PLACING.div_f64(self.count as f64));
        let mut placers = JoinSet::new();
        for placer in 0..PLACERS {
            let (orders, port) = (Arc::clone(orders), self.server.port);
            let moments = (placer..self.count).step_by(PLACERS as usize).map(move |hold| start + each * hold as u32);
            placers.spawn(async move {
                let mut connection = Connection::open(port).await.expect("the server accepts a connection");
                let mut request = orders.request(Trip::Single);
                let mut placed = Vec::new();
                for moment in moments {
                    tokio::time::sleep_until(moment.into()).await;
                    placed.push(Hold::of(&json(&connection.ask(request.next(&orders)).await, 201)));
                }
                placed
            });
        }
        placers.join_all().await.into_iter().flatten().collect()
    }

    /// Reads the product from the first end on until all units are back.
    async fn watch(&self, placed: &[Hold]) -> Lags {
        let clock = Clock::system();
        let mut connection = Connection::open(self.server.port).await.expect("the server accepts a connection");
        let request = get(&format!("/api/v1/inventory/{}", self.product));
        tokio::time::sleep(placed[0].ends.since(clock.now())).await;
        let (mut lags, mut seen) = (Vec::new(), 0);
        let last = placed[placed.len() - 1].ends;
        while seen < placed.len() {
            let back = number(&json(&connection.ask(&request).await, 200), "/currentStock") as usize;
            let now = clock.now();
            for hold in &placed[seen..back] {
                assert!(now >= hold.ends, "a unit was back before its hold ended");
                lags.push(now.since(hold.ends).as_millis() as u64);
            }
            seen = back;
            assert!(now.since(last) < PATIENCE, "{} units are not back", placed.len() - seen);
            tokio::time::sleep(READ_EVERY).await;
        }
        Lags(lags)
    }

    /// Reads how late each hold's cancellation was committed. Panics where an order is not expired or the stock is not
    /// whole.
    pub(crate) async fn lags_at_commit(&self, placed: &[Hold]) -> Lags {
        let mut connection = Connection::open(self.server.port).await.expect("the server accepts a connection");
        let mut lags = Vec::with_capacity(placed.len());
        for hold in placed {
            let order = json(&connection.ask(&get(&format!("/api/v1/orders/{}", hold.order))).await, 200);
            let expired = order["status"] == "cancelled" && order["failureReason"] == "expired";
            let moment = time(&order["updatedAt"]);
            assert!(expired && moment >= hold.ends, "not expired, or too early: {order}");
            lags.push(moment.since(hold.ends).as_millis() as u64);
        }
        let whole = Stock { current: self.count, held: 0, sold: 0 };
        assert_eq!(self.server.stock(self.product).await, whole, "not all units are back");
        Lags(lags)
    }
}

impl Hold {
    /// From a receipt, alone or in a batch's answer.
    fn of(receipt: &Value) -> Self {
        Self { order: number(receipt, "/orderId"), ends: time(&receipt["expiresAt"]) }
    }
}

/// From the end of the first hold to that of the last.
pub(crate) fn span(placed: &[Hold]) -> Duration {
    placed[placed.len() - 1].ends.since(placed[0].ends)
}

fn time(json: &Value) -> Timestamp {
    json.as_str().and_then(|text| Timestamp::parse(text).ok()).unwrap_or_else(|| panic!("not a time: {json}"))
}

impl Lags {
    pub(crate) fn count(&self) -> u64 {
        self.0.len() as u64
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

/// The median, the ninety-ninth percentile and the greatest.
impl fmt::Display for Lags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        // The least value that so many of them do not exceed.
        let quantile = |share: f64| sorted[((sorted.len() as f64 * share).ceil() as usize).saturating_sub(1)];
        write!(f, "{:>6} {:>6} {:>6}", quantile(0.50), quantile(0.99), quantile(1.0))
    }
}
