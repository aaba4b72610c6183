//! What is read from the text of a flag or a variable. Each error says what must be there instead.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use ipnet::IpNet;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::clock::Timestamp;

/// A number within bounds.
pub(super) fn within<T>(bounds: RangeInclusive<T>) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static
where
    T: FromStr + PartialOrd + Display + Clone + Send + Sync + 'static,
{
    move |text: &str| {
        let number = text.trim().parse().ok().filter(|number| bounds.contains(number));
        number.ok_or_else(|| format!("must be a whole number from {} to {}", bounds.start(), bounds.end()))
    }
}

/// A network, or one address as the network that has only it.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    let network = text.trim().parse().or_else(|_| text.trim().parse::<std::net::IpAddr>().map(IpNet::from));
    network.map_err(|_| "must be an address or a network such as 10.0.0.0/8".to_owned())
}

/// A moment.
pub(super) fn moment(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).map_err(|error| error.to_string())
}

/// A log filter. A lone word is a level or a part of this program: anything else would log nothing, and is mostly a
/// level with a wrong letter.
pub(super) fn log_filter(text: &str) -> Result<String, String> {
    let lone = text.split(',').map(str::trim).filter(|part| !part.contains(['=', '[']));
    let known = |word: &str| word.parse::<LevelFilter>().is_ok() || word.split("::").next() == Some("flashsale");
    match EnvFilter::try_new(text).is_ok() && lone.into_iter().all(known) {
        true => Ok(text.to_owned()),
        false => {
            Err("must be a level (off, error, warn, info, debug, trace) or parts of the program with levels, such \
                      as flashsale=debug,hyper=warn"
                .to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_whole_and_within_its_bounds() {
        let number = within(1..=4096_u32);
        assert_eq!((number("1"), number(" 4096 ")), (Ok(1), Ok(4096)));
        for wrong in ["", "x", "0", "4097", "-1", "1.5", "99999999999999999999"] {
            assert_eq!(number(wrong), Err("must be a whole number from 1 to 4096".to_owned()), "{wrong}");
        }
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
