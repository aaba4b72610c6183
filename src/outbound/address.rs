//! Which IP addresses may be posted to.
//!
//! A name in a URL can lead anywhere and change between two attempts, so the check is made on the very address that is
//! connected to, never on the name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::receiver::Receiver;

/// An address that is not called, because it does not belong to the public internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{address} is not a public address ({kind})")]
pub struct RefusedAddress {
    address: IpAddr,
    kind: &'static str,
}

impl RefusedAddress {
    /// The same, with what to set.
    pub(super) fn text(self, to: &Receiver) -> String {
        format!("{self}; set {} to call it", to.allow_private)
    }
}

/// How far calls may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AddressPolicy {
    /// To public addresses.
    Public,
    /// To every address.
    Everywhere,
}

impl AddressPolicy {
    /// Whether an address may be called.
    pub(super) fn check(self, address: IpAddr) -> Result<(), RefusedAddress> {
        match (self, special_kind(address)) {
            (Self::Public, Some(kind)) => Err(RefusedAddress { address, kind }),
            _ => Ok(()),
        }
    }
}

/// The IPv4 networks that are not the public internet: network, length of its prefix in bits, kind. From the IANA IPv4
/// Special-Purpose Address Registry (RFC 6890), with multicast (RFC 5771) and one address that a cloud uses inside.
const SPECIAL_V4: [(Ipv4Addr, u32, &str); 17] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8, "this network"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "private"),
    (Ipv4Addr::new(100, 64, 0, 0), 10, "shared by a carrier"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "loopback"),
    // Azure answers virtual machines here, as the others do at 169.254.169.254.
    (Ipv4Addr::new(168, 63, 129, 16), 32, "cloud platform"),
    (Ipv4Addr::new(169, 254, 0, 0), 16, "link-local"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "private"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "protocol assignment"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "documentation"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "6to4 relay"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "private"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "benchmarking"),
    (Ipv4Addr::new(198, 51, 100, 0), 24, "documentation"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, "documentation"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "multicast"),
    (Ipv4Addr::BROADCAST, 32, "broadcast"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "reserved"),
];

/// The same for IPv6, from the IANA IPv6 Special-Purpose Address Registry. What lies outside of 2000::/3 is refused in
/// any case; it is here only for its name.
const SPECIAL_V6: [(Ipv6Addr, u32, &str); 11] = [
    (Ipv6Addr::UNSPECIFIED, 128, "unspecified"),
    (Ipv6Addr::LOCALHOST, 128, "loopback"),
    (Ipv6Addr::UNSPECIFIED, 96, "IPv4-compatible"),
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48, "local translation"),
    // Teredo is in here, with an IPv4 address of its own inside.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, "protocol assignment"),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, "documentation"),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, "documentation"),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, "unique local"),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, "link-local"),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, "site-local"),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, "multicast"),
];

/// What an address is, if it is not public.
fn special_kind(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => special_kind_v4(address),
        IpAddr::V6(address) => match embedded_v4(address) {
            Some(inner) => special_kind_v4(inner),
            None => special_kind_v6(address),
        },
    }
}

fn special_kind_v4(address: Ipv4Addr) -> Option<&'static str> {
    let is_in = |network: Ipv4Addr, bits: u32| (address.to_bits() ^ network.to_bits()) >> (32 - bits) == 0;
    SPECIAL_V4.iter().find(|(network, bits, _)| is_in(*network, *bits)).map(|(_, _, kind)| *kind)
}

fn special_kind_v6(address: Ipv6Addr) -> Option<&'static str> {
    let is_in = |network: Ipv6Addr, bits: u32| (address.to_bits() ^ network.to_bits()) >> (128 - bits) == 0;
    let named = SPECIAL_V6.iter().find(|(network, bits, _)| is_in(*network, *bits)).map(|(_, _, kind)| *kind);
    let is_global_unicast = address.segments()[0] >> 13 == 0b001;
    named.or((!is_global_unicast).then_some("not in public use"))
}

/// The IPv4 address that a packet to this one may end at: mapped, translated by NAT64 (RFC 6052) or tunnelled by 6to4
/// (RFC 3056).
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let v4 = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(v4(high, low)),
        [0x2002, high, low, ..] => Some(v4(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_of_special_addresses_is_refused_at_both_of_its_ends() {
        for (addresses, kind) in [
            ("0.0.0.0 0.255.255.255", "this network"),
            ("10.0.0.0 10.255.255.255 172.16.0.0 172.31.255.255 192.168.0.0 192.168.255.255", "private"),
            ("100.64.0.0 100.100.100.200 100.127.255.255", "shared by a carrier"),
            ("127.0.0.0 127.0.0.1 127.255.255.255 ::1", "loopback"),
            ("168.63.129.16", "cloud platform"),
            ("169.254.0.0 169.254.169.254 169.254.255.255 fe80:: fe80::1 febf:ffff::1", "link-local"),
            ("192.0.0.0 192.0.0.192 192.0.0.255 2001:: 2001:0:4136:e378::1 2001:1ff:ffff::1", "protocol assignment"),
            ("192.0.2.0 192.0.2.255 198.51.100.0 198.51.100.255 203.0.113.0 203.0.113.255", "documentation"),
            ("2001:db8:: 2001:db8:ffff:ffff::1 3fff:: 3fff:fff:ffff::1", "documentation"),
            ("192.88.99.0 192.88.99.255", "6to4 relay"),
            ("198.18.0.0 198.19.255.255", "benchmarking"),
            ("224.0.0.0 239.255.255.255 ff00:: ff02::1 ffff:ffff::1", "multicast"),
            ("240.0.0.0 255.255.255.254", "reserved"),
            ("255.255.255.255", "broadcast"),
            ("::", "unspecified"),
            ("::127.0.0.1 ::10.0.0.1 ::8.8.8.8", "IPv4-compatible"),
            ("64:ff9b:1:: 64:ff9b:1:ffff:ffff:ffff:7f00:1", "local translation"),
            ("fc00:: fd00:ec2::254 fdff:ffff::1", "unique local"),
            ("fec0:: feff:ffff::1", "site-local"),
            ("1::1 100::1 1fff:ffff::1 4000:: 5f00::1 ::ffff:0:127.0.0.1", "not in public use"),
        ] {
            for address in addresses.split(' ') {
                let address: IpAddr = address.parse().unwrap();
                assert_eq!(AddressPolicy::Public.check(address), Err(RefusedAddress { address, kind }), "{address}");
                assert_eq!(AddressPolicy::Everywhere.check(address), Ok(()), "{address}");
            }
        }
    }

    #[test]
    fn public_addresses_up_to_the_edges_of_the_special_networks_may_be_called() {
        for addresses in [
            "1.0.0.0 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 168.63.129.15",
            "169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 191.255.255.255 192.0.1.0 192.0.3.0",
            "192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 198.51.99.255 203.0.114.0 223.255.255.255",
            "2000::1 2001:200::1 2001:db7:ffff::1 2001:db9::1 2606:4700:4700::1111 3ffe:ffff::1 3fff:1000::1",
        ] {
            for address in addresses.split(' ') {
                assert_eq!(AddressPolicy::Public.check(address.parse().unwrap()), Ok(()), "{address}");
            }
        }
    }

    #[test]
    fn an_ipv4_address_inside_of_an_ipv6_one_decides() {
        for (inside, kind) in [
            ("127.0.0.1", Some("loopback")),
            ("10.1.2.3", Some("private")),
            ("169.254.169.254", Some("link-local")),
            ("100.64.0.1", Some("shared by a carrier")),
            ("0.0.0.0", Some("this network")),
            ("255.255.255.255", Some("broadcast")),
            ("8.8.8.8", None),
        ] {
            let inside: Ipv4Addr = inside.parse().unwrap();
            let [a, b, c, d] = inside.octets();
            for outside in [
                format!("::ffff:{inside}"),
                format!("64:ff9b::{inside}"),
                format!("2002:{a:02x}{b:02x}:{c:02x}{d:02x}::1"),
            ] {
                assert_eq!(special_kind(outside.parse().unwrap()), kind, "{outside}");
            }
        }
    }
}
