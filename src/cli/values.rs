//! Reads values from the text of a flag or a variable. Each error says what must be there instead.

use std::convert::Infallible;
use std::fmt::Display;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;

use ipnet::IpNet;
use serde_json::Value;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::domain::clock::{TimeError, Timestamp};
use crate::view::text::Words;

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
    #[error("must be a whole number, or none")]
    NumberOrNone,
    #[error("must be a time such as 2026-11-27T18:00:00Z, or none")]
    TimeOrNone,
    #[error("must be ID=N, such as 1=100")]
    Units,
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

/// A word of a closed list.
pub(super) fn word<T: Words>(text: &str) -> Result<T, String> {
    T::of_word(text).ok_or_else(|| format!("must be {}", T::listed()))
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

/// A value that a field is set to: JSON, `null` for the word `none`.
#[derive(Clone, Debug)]
pub(super) struct OrNone(Value);

impl OrNone {
    /// The JSON.
    pub(super) fn value(self) -> Value {
        self.0
    }
}

/// A whole number, or `none`. Its bounds are for the server to know.
pub(super) fn number_or_none(text: &str) -> Result<OrNone, ValueError> {
    match text {
        "none" => Ok(OrNone(Value::Null)),
        text => text.parse::<u64>().map(|number| OrNone(number.into())).map_err(|_| ValueError::NumberOrNone),
    }
}

/// A text, or `none`. Its form is for the server to know.
pub(super) fn text_or_none(text: &str) -> Result<OrNone, Infallible> {
    Ok(OrNone(if text == "none" { Value::Null } else { text.into() }))
}

/// A moment, or `none`.
pub(super) fn time_or_none(text: &str) -> Result<OrNone, ValueError> {
    match (text, moment(text)) {
        ("none", _) => Ok(OrNone(Value::Null)),
        (text, Ok(_)) => Ok(OrNone(text.into())),
        _ => Err(ValueError::TimeOrNone),
    }
}

/// The number of a product and its units: `1=100`.
pub(super) fn units(text: &str) -> Result<(u64, u64), ValueError> {
    let (id, units) = text.split_once('=').ok_or(ValueError::Units)?;
    let number = within(0..=u64::MAX);
    number(id).and_then(|id| Ok((id, number(units)?))).map_err(|_| ValueError::Units)
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
    fn units_have_a_product_and_none_is_null() {
        assert_eq!(units("12=0"), Ok((12, 0)));
        for wrong in ["", "1", "=1", "1=", "1=-1", "1=1=1", "1 =1", "a=1"] {
            assert_eq!(units(wrong), Err(ValueError::Units), "{wrong}");
        }
        assert_eq!(number_or_none("none").map(OrNone::value).unwrap(), Value::Null);
        assert_eq!(time_or_none("2026-11-27T18:00:00Z").map(OrNone::value).unwrap(), "2026-11-27T18:00:00Z");
        assert_eq!(["none", "A-1"].map(|text| text_or_none(text).unwrap().value()), [Value::Null, "A-1".into()]);
        assert!(number_or_none("many").is_err() && time_or_none("soon").is_err());
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
