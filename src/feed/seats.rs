//! How many clients the feed has: those that may have it, and those that have not shown yet that they may.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use parking_lot::Mutex;

use crate::limits::MAX_FEED_STRANGERS;
use crate::metrics::{Metrics, OpenConnection};

/// The seats of the feed.
#[derive(Debug)]
pub(super) struct Seats {
    most: usize,
    clients: AtomicUsize,
    strangers: AtomicUsize,
    metrics: Arc<Metrics>,
}

/// One seat, until it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    /// None for a stranger.
    client: Mutex<Option<OpenConnection>>,
}

impl Seats {
    pub(super) fn new(most: usize, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self { most, clients: AtomicUsize::new(0), strangers: AtomicUsize::new(0), metrics })
    }

    /// A seat for a client, if there is one left.
    pub(super) fn take(self: &Arc<Self>) -> Option<Seat> {
        let counted = self.enter()?;
        Some(Seat { seats: Arc::clone(self), client: Mutex::new(Some(counted)) })
    }

    /// A seat for a stranger, if there is one left.
    pub(super) fn take_as_stranger(self: &Arc<Self>) -> Option<Seat> {
        take_one(&self.strangers, MAX_FEED_STRANGERS)
            .then(|| Seat { seats: Arc::clone(self), client: Mutex::new(None) })
    }

    fn enter(&self) -> Option<OpenConnection> {
        take_one(&self.clients, self.most).then(|| self.metrics.count_feed_connection())
    }
}

fn take_one(taken: &AtomicUsize, most: usize) -> bool {
    taken.fetch_update(Relaxed, Relaxed, |taken| (taken < most).then_some(taken + 1)).is_ok()
}

impl Seat {
    /// Whether it is a client's.
    pub(super) fn is_client(&self) -> bool {
        self.client.lock().is_some()
    }

    /// Makes a stranger a client. False if there is no seat left.
    pub(super) fn promote(&self) -> bool {
        let mut client = self.client.lock();
        if client.is_none() {
            *client = self.seats.enter();
            if client.is_some() {
                self.seats.strangers.fetch_sub(1, Relaxed);
            }
        }
        client.is_some()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let taken = if self.is_client() { &self.seats.clients } else { &self.seats.strangers };
        taken.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_are_bounded_and_strangers_take_none_of_the_clients() {
        let metrics = Arc::new(Metrics::default());
        let seats = Seats::new(2, Arc::clone(&metrics));
        let strangers: Vec<_> = (0..MAX_FEED_STRANGERS).map(|_| seats.take_as_stranger().unwrap()).collect();
        assert!(seats.take_as_stranger().is_none());
        let first = seats.take().unwrap();
        assert!(strangers[0].promote() && strangers[0].promote() && !strangers[1].promote());
        assert!(seats.take().is_none() && seats.take_as_stranger().is_some());
        assert_eq!(metrics.feed_connections(), 2);
        drop(first);
        assert!(strangers[1].promote());
        drop(strangers);
        assert_eq!((seats.clients.load(Relaxed), seats.strangers.load(Relaxed)), (0, 0));
        assert_eq!(metrics.feed_connections(), 0);
    }
}
