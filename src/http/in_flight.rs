//! Requests under way, by client, where proxies carry those of many clients over connections of their own.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::RandomState;
use parking_lot::Mutex;

use crate::admission::network;

/// So many clients at once meet no other's lock, mostly.
const SHARDS: usize = 16;

/// How many requests of each forwarded address are under way.
#[derive(Debug)]
pub(super) struct InFlight {
    most: usize,
    hasher: RandomState,
    /// A client is here while it has a request under way, so there are no more of them than connections.
    shards: [Mutex<HashMap<IpAddr, usize, RandomState>>; SHARDS],
}

/// One request under way, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    of: Arc<InFlight>,
    client: IpAddr,
}

impl InFlight {
    pub(super) fn new(most: usize) -> Self {
        Self { most, hasher: RandomState::default(), shards: Default::default() }
    }

    /// One more request of a client, unless it has as many as it may.
    pub(super) fn enter(self: &Arc<Self>, client: IpAddr) -> Option<Turn> {
        let client = network(client);
        let mut shard = self.shard(client).lock();
        let requests = shard.entry(client).or_default();
        if *requests >= self.most {
            return None;
        }
        *requests += 1;
        Some(Turn { of: Arc::clone(self), client })
    }

    fn shard(&self, client: IpAddr) -> &Mutex<HashMap<IpAddr, usize, RandomState>> {
        &self.shards[self.hasher.hash_one(client) as usize % SHARDS]
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut shard = self.of.shard(self.client).lock();
        if let Some(requests) = shard.get_mut(&self.client) {
            *requests -= 1;
            if *requests == 0 {
                shard.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_so_many_requests_under_way_and_is_forgotten_after_the_last() {
        let in_flight = Arc::new(InFlight::new(2));
        let enter = |client: &str| in_flight.enter(client.parse().unwrap());
        let (first, _second) = (enter("192.0.2.1"), enter("192.0.2.1"));
        assert!(first.is_some() && enter("192.0.2.1").is_none());
        assert!(enter("192.0.2.2").is_some(), "another client");
        drop(first);
        let again = enter("::ffff:192.0.2.1");
        assert!(again.is_some() && enter("192.0.2.1").is_none());
        drop((again, _second));
        assert!(in_flight.shards.iter().all(|shard| shard.lock().is_empty()));
    }
}
