//! Replies that wait for a commit.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::domain::order::Order;
use crate::domain::product::Product;
use crate::domain::receipt::Receipt;
use crate::domain::refusal::Refusal;

use super::claims::{BatchClaims, KeyClaim};

/// A reply that waits for the commit.
pub(super) enum Reply {
    Placed(oneshot::Sender<Result<Receipt, Refusal>>, Result<Receipt, Refusal>, Option<KeyClaim>),
    PlacedMany(oneshot::Sender<Vec<Result<Receipt, Refusal>>>, Vec<Result<Receipt, Refusal>>, BatchClaims),
    Moved(oneshot::Sender<Vec<Result<Arc<Order>, Refusal>>>, Vec<Result<Arc<Order>, Refusal>>),
    Edited(oneshot::Sender<Result<Box<Product>, Refusal>>, Result<Box<Product>, Refusal>),
    Deleted(oneshot::Sender<Result<(), Refusal>>, Result<(), Refusal>),
    SaleSet(oneshot::Sender<Vec<Product>>, Vec<Product>),
    Paused(oneshot::Sender<()>),
}

impl Reply {
    /// How many orders it acknowledges.
    pub(super) fn acknowledges(&self) -> u64 {
        match self {
            Self::Placed(_, result, _) => u64::from(result.is_ok()),
            Self::PlacedMany(_, results, _) => results.iter().filter(|result| result.is_ok()).count() as u64,
            Self::Moved(..) | Self::Edited(..) | Self::Deleted(..) | Self::SaleSet(..) | Self::Paused(..) => 0,
        }
    }

    /// Sends it. The caller may have gone; what was done stays done.
    pub(super) fn send(self) {
        match self {
            // The key first: a caller that has the reply may ask again.
            Self::Placed(reply, result, key) => {
                if let Some(key) = key {
                    key.finish(&result);
                }
                drop(reply.send(result));
            }
            Self::PlacedMany(reply, results, keys) => {
                keys.finish(&results);
                drop(reply.send(results));
            }
            Self::Moved(reply, results) => drop(reply.send(results)),
            Self::Edited(reply, result) => drop(reply.send(result)),
            Self::Deleted(reply, result) => drop(reply.send(result)),
            Self::SaleSet(reply, products) => drop(reply.send(products)),
            Self::Paused(reply) => drop(reply.send(())),
        }
    }
}
