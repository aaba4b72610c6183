//! How much one user and one client address may send: token buckets (GCRA, by the `governor` crate).

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::config::RateLimitConfig;
use crate::domain::order::UserId;
use crate::domain::refusal::{RateLimited, Refusal};
use crate::limits::RATE_WINDOW_SECONDS;

/// The two limits. Memory is bounded by the requests of a few seconds: [`RateLimits::forget_idle`] removes every
/// bucket that is full again.
#[derive(Debug)]
pub struct RateLimits {
    users: Option<Limit>,
    addresses: Option<Limit>,
    clock: DefaultClock,
}

#[derive(Debug)]
struct Limit {
    policy: &'static str,
    per_second: NonZeroU32,
    /// By a hash of the caller.
    buckets: DefaultKeyedRateLimiter<u64>,
}

impl RateLimits {
    /// The limits that are not 0.
    pub fn new(config: &RateLimitConfig) -> Self {
        let limit = |policy, per_second| NonZeroU32::new(per_second).map(|per_second| Limit::new(policy, per_second));
        Self {
            users: limit("user", config.per_user),
            addresses: limit("ip", config.per_address),
            clock: DefaultClock::default(),
        }
    }

    /// Counts an order of a user.
    pub fn check_user(&self, user: &UserId) -> Result<(), Refusal> {
        self.users.as_ref().map_or(Ok(()), |limit| limit.check(user.as_str().as_bytes(), &self.clock))
    }

    /// Counts a request of a client address, as [`network`] distinguishes them.
    pub fn check_address(&self, address: IpAddr) -> Result<(), Refusal> {
        let Some(limit) = &self.addresses else { return Ok(()) };
        match network(address) {
            IpAddr::V4(address) => limit.check(&address.octets(), &self.clock),
            IpAddr::V6(address) => limit.check(&address.octets(), &self.clock),
        }
    }

    /// Removes the buckets that are full again. To be called every second or so.
    pub fn forget_idle(&self) {
        for limit in [&self.users, &self.addresses].into_iter().flatten() {
            limit.buckets.retain_recent();
            limit.buckets.shrink_to_fit();
        }
    }
}

/// What a client is known by: its IPv4 address, or the first 64 bits of an IPv6 address, as one client has all of it.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

impl Limit {
    fn new(policy: &'static str, per_second: NonZeroU32) -> Self {
        let burst = per_second.saturating_mul(NonZeroU32::MIN.saturating_add(RATE_WINDOW_SECONDS - 1));
        let quota = Quota::per_second(per_second).allow_burst(burst);
        Self { policy, per_second, buckets: RateLimiter::keyed(quota) }
    }

    fn check(&self, caller: &[u8], clock: &DefaultClock) -> Result<(), Refusal> {
        let mut key = [0; 8];
        key.copy_from_slice(&blake3::hash(caller).as_bytes()[..8]);
        self.buckets.check_key(&u64::from_le_bytes(key)).map_err(|not_yet| {
            let wait = not_yet.wait_time_from(clock.now());
            Refusal::RateLimited(RateLimited {
                policy: self.policy,
                limit: self.per_second.get(),
                retry_after: wait.max(Duration::from_millis(1)),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(per_user: u32, per_address: u32) -> RateLimits {
        RateLimits::new(&RateLimitConfig { per_user, per_address, trusted_proxies: Vec::new() })
    }

    fn passes(limits: &RateLimits, address: &str, requests: u32) -> u32 {
        let address: IpAddr = address.parse().unwrap();
        (0..requests).filter(|_| limits.check_address(address).is_ok()).count() as u32
    }

    #[test]
    fn a_burst_passes_and_a_script_does_not() {
        let limits = limits(1, 0);
        let (ada, eve) = (UserId::new("ada").unwrap(), UserId::new("eve").unwrap());
        let passed = (0..1_000).filter(|_| limits.check_user(&ada).is_ok()).count() as u32;
        assert!((RATE_WINDOW_SECONDS..RATE_WINDOW_SECONDS + 5).contains(&passed), "{passed}");
        assert!(limits.check_user(&eve).is_ok(), "one user's script is not another's fault");
        let Err(Refusal::RateLimited(limited)) = limits.check_user(&ada) else { panic!() };
        assert_eq!((limited.policy, limited.limit), ("user", 1));
    }

    #[test]
    fn zero_is_no_limit() {
        assert_eq!(passes(&limits(0, 0), "192.0.2.1", 10_000), 10_000);
    }

    #[test]
    fn an_ipv6_network_is_one_client_and_a_mapped_address_is_its_ipv4_one() {
        let limits = limits(0, 1);
        passes(&limits, "2001:db8:1:2::1", 100);
        assert_eq!(passes(&limits, "2001:db8:1:2:ffff::9", 1), 0);
        assert_eq!(passes(&limits, "2001:db8:1:3::1", 1), 1);
        passes(&limits, "192.0.2.1", 100);
        assert_eq!(passes(&limits, "::ffff:192.0.2.1", 1), 0);
    }

    #[test]
    fn idle_callers_are_forgotten() {
        let limits = limits(0, 4_000_000_000);
        passes(&limits, "192.0.2.1", 1);
        limits.forget_idle();
        assert_eq!(limits.addresses.as_ref().unwrap().buckets.len(), 0);
    }
}
