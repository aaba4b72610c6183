//! The shop that buyers visit: one shard of the load, with its connections, its figures, and what its buyers heard.

use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::Deserialize;
use tokio::time::timeout;

use super::heard::Heard;
use super::name::User;
use super::pool::Pool;
use super::scenario::{Kind, Scenario};
use super::window::{ADMITTED, Code, HUNG_UP, NO_RESPONSE, Route, Window, micros};
use super::wire::{Response, WireError};
use crate::domain::refusal::Refusal;
use crate::limits::REHEARSAL_TIMEOUT;

/// Where requests go to, and what they carry.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// What comes before the path: empty, or a prefix.
    pub(super) prefix: String,
    pub(super) host: String,
    /// The header of the operator, a whole line or nothing.
    pub(super) operator: String,
    /// The header of the storefront, a whole line or nothing.
    pub(super) storefront: String,
    /// The ids of the scenario's products, in its order.
    pub(super) products: Vec<u64>,
    /// Makes keys of this run differ from those of all others.
    pub(super) run: u64,
}

/// One shard of the load.
#[derive(Debug)]
pub(super) struct Shop {
    pub(super) target: Target,
    pub(super) scenario: Arc<Scenario>,
    pub(super) start: Instant,
    pub(super) buyers: Pool,
    pub(super) bots: Pool,
    /// The second under way.
    pub(super) window: Mutex<Window>,
    pub(super) heard: Mutex<Heard>,
    /// All codes of refusals.
    codes: Vec<&'static str>,
}

/// What came for a request, and when.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) code: Code,
    /// Of a response 201 to an order.
    pub(super) placed: Option<Placed>,
    /// How long the server asked to wait.
    pub(super) retry_after: Option<Duration>,
    /// Microseconds from the start of the run.
    pub(super) sent: u64,
    pub(super) received: u64,
}

/// An order that was acknowledged.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Placed {
    pub(super) order_id: u64,
    pub(super) job_id: String,
}

/// What a refusal or a followed job says.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Said<'a> {
    #[serde(borrow)]
    code: Option<&'a str>,
    #[serde(borrow)]
    order_status: Option<&'a str>,
}

/// An order that a buyer wants.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    pub(super) user: User,
    pub(super) nth: u16,
    pub(super) product: u16,
    pub(super) quantity: u32,
}

/// The status of an order that is followed to its end.
pub(super) const PENDING: &str = "pending";

impl Shop {
    pub(super) fn new(target: Target, scenario: Arc<Scenario>, start: Instant, [buyers, bots]: [Pool; 2]) -> Self {
        let codes = Refusal::examples().iter().map(Refusal::code).collect();
        let (window, heard) = (Mutex::default(), Mutex::default());
        Self { target, scenario, start, buyers, bots, window, heard, codes }
    }

    /// The bytes of a request for an order.
    pub(super) fn order(&self, wish: Wish) -> Vec<u8> {
        let Target { prefix, host, storefront, products, run, .. } = &self.target;
        let Wish { user, nth, product, quantity } = wish;
        let (name, product) = (user.name(), products[usize::from(product)]);
        let body = format!(r#"{{"productId":{product},"userId":"{name}","quantity":{quantity}}}"#);
        let length = body.len();
        format!(
            "POST {prefix}/api/v1/orders HTTP/1.1\r\nhost: {host}\r\n{storefront}content-type: application/json\r\n\
             idempotency-key: {run:x}-{name}-{nth}\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    }

    /// The bytes of another request, for `path` below the API.
    pub(super) fn request(&self, route: Route, path: std::fmt::Arguments<'_>) -> Vec<u8> {
        let Target { prefix, host, operator, .. } = &self.target;
        let (method, operator) = match route {
            Route::Browse | Route::Follow | Route::Order => ("GET", ""),
            Route::Confirm | Route::Cancel => ("POST", operator.as_str()),
        };
        let mut text = format!("{method} {prefix}/api/v1");
        let _ = write!(text, "{path} HTTP/1.1\r\nhost: {host}\r\n{operator}");
        text.push_str(if method == "POST" { "content-length: 0\r\n\r\n" } else { "\r\n" });
        text.into_bytes()
    }

    /// Sends a request that was due at a moment, and counts what comes.
    pub(super) async fn send(&self, pool: &Pool, route: Route, request: &[u8], due: Instant) -> Outcome {
        let began = Instant::now();
        self.window.lock().request(began - due);
        let exchange = async {
            let mut lease = pool.take().await?;
            let response = lease.exchange(request).await?;
            Ok::<_, WireError>(self.read(route, &response))
        };
        let found = timeout(REHEARSAL_TIMEOUT, exchange).await.ok().and_then(Result::ok);
        let now = Instant::now();
        let mut window = self.window.lock();
        if found.is_some() {
            window.response(route, now - due);
        }
        let (code, placed, retry_after) = found.unwrap_or(((None, NO_RESPONSE), None, None));
        window.outcome(route, code);
        drop(window);
        Outcome { code, placed, retry_after, sent: self.since_start(began), received: self.since_start(now) }
    }

    /// Sends an order and hangs up. Whether there is an order then is not known.
    pub(super) async fn order_and_hang_up(&self, request: &[u8], due: Instant) {
        self.window.lock().request(due.elapsed());
        let sent = async { self.buyers.take().await?.hang_up_after(request).await };
        let is_sent = timeout(REHEARSAL_TIMEOUT, sent).await.is_ok_and(|sent| sent.is_ok());
        self.window.lock().outcome(Route::Order, (None, if is_sent { HUNG_UP } else { NO_RESPONSE }));
    }

    /// What a response says.
    fn read(&self, route: Route, response: &Response<'_>) -> (Code, Option<Placed>, Option<Duration>) {
        let (status, body) = (Some(response.status), response.body);
        if route == Route::Order && response.status == 201 {
            return match serde_json::from_slice(body) {
                Ok(placed) => ((status, ADMITTED), Some(placed), None),
                Err(_) => ((status, "unreadable"), None, None),
            };
        }
        let said: Said<'_> = serde_json::from_slice(body).unwrap_or_default();
        let known = |code: &str| self.codes.iter().copied().find(|known| *known == code);
        let code = match (said.code, said.order_status) {
            (Some(code), _) => known(code).unwrap_or("unknown"),
            (None, Some(PENDING)) => PENDING,
            (None, _) => "ok",
        };
        ((status, code), None, response.retry_after)
    }

    pub(super) fn count_asked(&self, kind: Kind) {
        self.window.lock().kinds[kind as usize].asked += 1;
    }

    fn since_start(&self, at: Instant) -> u64 {
        micros(at.saturating_duration_since(self.start))
    }
}
