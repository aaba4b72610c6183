//! Posts orders to the fulfilment service, and logs when that begins to fail and when it succeeds again.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

use crate::domain::clock::Timestamp;
use crate::domain::order::OrderId;
use crate::outbound::{self, Receiver, Verdict};

/// The fulfilment service in error texts.
pub const SERVICE: Receiver = Receiver {
    name: "the fulfilment service",
    setting: "fulfilment",
    posts: "orders",
    allow_private: "--fulfillment-allow-private (FULFILLMENT_ALLOW_PRIVATE)",
};

/// Posts orders to the fulfilment service.
#[derive(Debug)]
pub struct Webhook {
    posts: outbound::Webhook,
    /// Whether the last attempt failed, and whether an order was rejected since one was taken.
    failing: AtomicBool,
    rejecting: AtomicBool,
}

impl Webhook {
    /// Posts that way.
    pub const fn new(posts: outbound::Webhook) -> Self {
        Self { posts, failing: AtomicBool::new(false), rejecting: AtomicBool::new(false) }
    }

    /// Makes no more connections; see [`outbound::Webhook::stop`].
    pub fn stop(&self) {
        self.posts.stop();
    }

    /// Posts the event of an order; see [`outbound::Webhook::post`]. `order` is what the log names.
    pub async fn deliver(&self, id: &str, order: OrderId, at: Timestamp, body: Bytes) -> Verdict {
        let verdict = self.posts.post(id, at, body).await;
        self.log(order, &verdict);
        verdict
    }

    /// Logs that attempts begin to fail, or orders to be rejected, and that they succeed again; a line for each would
    /// fill the log.
    fn log(&self, order: OrderId, verdict: &Verdict) {
        let order = order.0;
        match verdict {
            Verdict::Accepted => {
                self.rejecting.store(false, Ordering::Relaxed);
                if self.failing.swap(false, Ordering::Relaxed) {
                    tracing::info!(order, "orders are fulfilled again");
                }
            }
            Verdict::Rejected(error) => {
                self.failing.store(false, Ordering::Relaxed);
                if !self.rejecting.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        order,
                        error,
                        "the fulfilment service rejected order {order}; further rejections are logged after the next \
                         success"
                    );
                }
            }
            Verdict::Retry { error, .. } => {
                if !self.failing.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        order,
                        error,
                        "an attempt to fulfil order {order} failed; further failures are logged after the next success"
                    );
                }
            }
            Verdict::NotMade(_) => {}
        }
    }
}
