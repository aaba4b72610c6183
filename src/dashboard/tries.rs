//! How often a wrong token was tried, by client address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use parking_lot::Mutex;

use crate::domain::clock::Steady;
use crate::limits::{LOGIN_WINDOW, MAX_LOGIN_ADDRESSES, MAX_LOGIN_TRIES};

/// Wrong tokens by client address, within [`LOGIN_WINDOW`] from the first. Bounded: where all places are taken by
/// addresses of this minute, nobody else may try before it is over.
#[derive(Debug, Default)]
pub(super) struct Tries(Mutex<HashMap<IpAddr, (Steady, u32)>>);

impl Tries {
    /// How long an address has to wait for its next try, if it has to.
    pub(super) fn wait(&self, address: IpAddr, now: Steady) -> Option<Duration> {
        let mut tries = self.0.lock();
        let left = |first: Steady| LOGIN_WINDOW.saturating_sub(now.since(first));
        match tries.get(&network(address)) {
            Some((first, count)) if *count >= MAX_LOGIN_TRIES => Some(left(*first)).filter(|left| !left.is_zero()),
            Some(_) => None,
            None if tries.len() < MAX_LOGIN_ADDRESSES => None,
            None => {
                tries.retain(|_, (first, _)| !left(*first).is_zero());
                (tries.len() >= MAX_LOGIN_ADDRESSES).then_some(LOGIN_WINDOW)
            }
        }
    }

    /// Counts a wrong token, and gives how many an address may still try.
    pub(super) fn count(&self, address: IpAddr, now: Steady) -> u32 {
        let mut tries = self.0.lock();
        let entry = tries.entry(network(address)).or_insert((now, 0));
        if now.since(entry.0) >= LOGIN_WINDOW {
            *entry = (now, 0);
        }
        entry.1 += 1;
        MAX_LOGIN_TRIES.saturating_sub(entry.1)
    }
}

/// The network of a client: a client with one IPv6 address has 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::{Clock, Timestamp};

    #[test]
    fn an_address_may_try_five_times_a_minute() {
        let (tries, clock) = (Tries::default(), Clock::manual(Timestamp::from_millis(0)));
        let address: IpAddr = "192.0.2.7".parse().unwrap();
        let left: Vec<_> = (0..5).map(|_| tries.count(address, clock.steady())).collect();
        assert_eq!(left, [4, 3, 2, 1, 0]);
        assert_eq!(tries.wait(address, clock.steady()), Some(LOGIN_WINDOW));
        assert_eq!(tries.wait("192.0.2.8".parse().unwrap(), clock.steady()), None);
        clock.advance(LOGIN_WINDOW);
        assert_eq!(tries.wait(address, clock.steady()), None);
        assert_eq!(tries.count(address, clock.steady()), 4);
    }

    #[test]
    fn addresses_of_one_network_count_together_and_their_number_is_bounded() {
        let (tries, clock) = (Tries::default(), Clock::manual(Timestamp::from_millis(0)));
        let of = |text: &str| text.parse::<IpAddr>().unwrap();
        tries.count(of("2001:db8::1"), clock.steady());
        assert_eq!(tries.count(of("2001:db8::2"), clock.steady()), 3);
        for low in 1..MAX_LOGIN_ADDRESSES as u32 {
            tries.count(IpAddr::V4(low.into()), clock.steady());
        }
        assert!(tries.wait(of("192.0.2.7"), clock.steady()).is_some());
        clock.advance(LOGIN_WINDOW);
        assert!(tries.wait(of("192.0.2.7"), clock.steady()).is_none());
    }
}
