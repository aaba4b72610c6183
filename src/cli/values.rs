//! Reads values from the text of a flag or a variable. Each error says what must be there instead.

use std::fmt::Display;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;

use ipnet::IpNet;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::domain::clock::{TimeError, Timestamp};

/// Why a value cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ValueError {
    #[error("must be a whole number from {least} to {most}")]
    Number { least: String, most: String },
    #[error("must be an IP address or a network such as 10.0.0.0/8 or 2001:db8::/32")]
    Network,
    #[error("must have IPv4 addresses in the form of IPv4: 10.0.0.0/8 instead of ::ffff:10.0.0.0/104")]
    MappedAddress,
    #[error("must be a network without host bits: {0}")]
    HostBits(IpNet),
    #[error(
        "must be a level (off, error, warn, info, debug, trace) or modules with levels, such as \
         flashsale=debug,hyper=warn"
    )]
    LogFilter,
    /// For orders or jobs, whose words these are.
    #[error("--status must be one of {0}")]
    Status(String),
    #[error("--status is for orders and jobs only")]
    NoStatus,
}

/// A number within bounds: decimal digits, without a sign, a space or zeros before it.
pub(super) fn within<T>(
    bounds: RangeInclusive<T>,
) -> impl Fn(&str) -> Result<T, ValueError> + Clone + Send + Sync + 'static
where
    T: FromStr + PartialOrd + Display + Clone + Send + Sync + 'static,
{
    move |text: &str| {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
        let number = is_plain.then(|| text.parse().ok()).flatten().filter(|number| bounds.contains(number));
        number.ok_or_else(|| ValueError::Number { least: bounds.start().to_string(), most: bounds.end().to_string() })
    }
}

/// A network, or one address as the network that has only it. Spaces around it are those of a list. IPv4 addresses in
/// the form of IPv6 are rejected: they would match no client.
pub(super) fn network(text: &str) -> Result<IpNet, ValueError> {
    let text = text.trim_matches(' ');
    // The standard library reads addresses in one form only; the length of a prefix has no sign and no zeros before it.
    let network = match text.split_once('/') {
        None => text.parse::<IpAddr>().ok().map(IpNet::from),
        Some((address, length)) => {
            let network = address.parse().ok().zip(length.parse().ok());
            let network = network.and_then(|(address, length)| IpNet::new(address, length).ok());
            network.filter(|network| network.prefix_len().to_string() == length)
        }
    };
    let network = network.ok_or(ValueError::Network)?;
    if let IpNet::V6(v6) = network
        && v6.addr().to_ipv4_mapped().is_some()
    {
        return Err(ValueError::MappedAddress);
    }
    match network.trunc() {
        whole if whole == network => Ok(network),
        whole => Err(ValueError::HostBits(whole)),
    }
}

/// A moment.
pub(super) fn moment(text: &str) -> Result<Timestamp, TimeError> {
    Timestamp::parse(text)
}

/// A log filter. A lone word must be a level or a module of this program: anything else would log nothing, and is
/// mostly a level with a wrong letter.
pub(super) fn log_filter(text: &str) -> Result<String, ValueError> {
    let lone = text.split(',').map(str::trim).filter(|part| !part.contains(['=', '[']));
    let known = |word: &str| word.parse::<LevelFilter>().is_ok() || word.split("::").next() == Some("flashsale");
    match EnvFilter::try_new(text).is_ok() && lone.into_iter().all(known) {
        true => Ok(text.to_owned()),
        false => Err(ValueError::LogFilter),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_whole_and_within_its_bounds() {
        let number = within(1..=4096_u32);
        assert_eq!((number("1"), number("4096")), (Ok(1), Ok(4096)));
        assert_eq!(within(0..=9_u16)("0"), Ok(0));
        for wrong in [
            "",
            "x",
            "0",
            "4097",
            "-1",
            "+1",
            " 1",
            "1 ",
            "01",
            "1.5",
            "1e3",
            "1_000",
            "0x1",
            "１",
            "99999999999999999999",
        ] {
            let error = number(wrong).unwrap_err().to_string();
            assert_eq!(error, "must be a whole number from 1 to 4096", "{wrong}");
        }
    }

    #[test]
    fn a_network_is_written_in_one_way_only() {
        for good in
            ["10.0.0.0/8", " 10.0.0.0/8 ", "0.0.0.0/0", "192.0.2.7", "192.0.2.7/32", "2001:db8::/32", "::1", "::/0"]
        {
            assert!(network(good).is_ok(), "{good}");
        }
        for wrong in [
            "",
            " ",
            "x",
            "10.0.0.1/8",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.0.0.0/08",
            "10.0.0.0/",
            "10/8",
            "010.0.0.0/8",
            "10.0.0.0/255.0.0.0",
            "2001:db8::1/32",
            "fe80::1%eth0",
            "fe80::%eth0/64",
            "[::1]",
            "::ffff:10.0.0.0/104",
            "::ffff:10.0.0.1",
            "10.0.0.1:80",
            "shop.example",
            "1",
        ] {
            assert!(network(wrong).is_err(), "{wrong}");
        }
        let error = network("10.0.0.1/8").unwrap_err().to_string();
        assert!(error.ends_with("10.0.0.0/8"), "{error}");
    }

    #[test]
    fn a_filter_that_would_log_nothing_by_mistake_is_refused() {
        for good in ["", "info", "OFF", "flashsale", "flashsale=debug,hyper=warn", "warn,flashsale::http=trace"] {
            assert_eq!(log_filter(good), Ok(good.to_owned()));
        }
        for wrong in ["nonsense", "inof", "info,hyper", "flashsale=loud", "flashsale=debug,wran"] {
            assert!(log_filter(wrong).is_err(), "{wrong}");
        }
    }
}
