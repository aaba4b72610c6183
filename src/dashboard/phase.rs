//! The phase of the sale, in the words of the strip.

use crate::domain::clock::Timestamp;
use crate::domain::sale::{Phase, Sale};

use super::text::{clock_millis, counted, counter, moment};

/// A phase with its time, and a line below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PhaseLine {
    /// The phase.
    pub(super) title: &'static str,
    /// How long it lasts already, or, after a minus, until it comes; as digits.
    pub(super) time: String,
    /// The moment from or to which that time counts.
    pub(super) counts: Option<Timestamp>,
    /// What comes next.
    pub(super) note: String,
}

impl PhaseLine {
    /// A sale in words. `seen` is which phase was seen last, and since when.
    pub(super) fn of(sale: &Sale, seen: Option<(Phase, Timestamp)>, now: Timestamp) -> Self {
        let since = seen.filter(|(phase, _)| *phase == sale.phase).map(|(_, since)| since);
        let products = counted(sale.products, "product", "products");
        let (title, counts, note) = match sale.phase {
            Phase::None => ("No sale", None, "No product is in the sale".to_owned()),
            Phase::Before => {
                let starts = sale.starts_at.map(|at| format!("starts {}, {products}", moment(at, now)));
                ("Before the sale", sale.starts_at, starts.unwrap_or(products))
            }
            Phase::Running => ("Sale running", sale.starts_at.filter(|at| *at <= now).or(since), running(sale, now)),
            Phase::Stopped => {
                let at = since.map_or("by an operator".to_owned(), |at| format!("at {}", clock_millis(at)));
                ("Sale stopped", None, format!("stopped {at}"))
            }
            Phase::SoldOut => ("Sold out", None, ended(since, &products, now)),
            Phase::Ended => ("Sale over", None, ended(sale.ends_at.or(since), &products, now)),
        };
        let time = counts.map_or_else(String::new, |at| match at > now {
            true => format!("\u{2212}{}", counter(at.since(now))),
            false => counter(now.since(at)),
        });
        Self { title, time, counts, note }
    }
}

fn running(sale: &Sale, now: Timestamp) -> String {
    match sale.ends_at {
        Some(at) => format!("ends {}, in {}", moment(at, now), counter(at.since(now))),
        None => format!("{}, no end set", counted(sale.products, "product", "products")),
    }
}

fn ended(at: Option<Timestamp>, products: &str, now: Timestamp) -> String {
    at.map_or_else(|| products.to_owned(), |at| format!("since {}, {products}", moment(at, now)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(phase: Phase) -> PhaseLine {
        let at = |text: &str| Some(Timestamp::parse(&format!("2026-11-25T{text}Z")).unwrap());
        let sale = Sale { phase, starts_at: at("12:00:00"), ends_at: at("12:30:00"), products: 5, units: 9 };
        let now = if phase == Phase::Before { at("11:55:51") } else { at("12:00:38") };
        PhaseLine::of(&sale, Some((phase, at("12:00:39.120").unwrap())), now.unwrap())
    }

    #[test]
    fn each_phase_says_what_it_counts_and_what_comes_next() {
        for (phase, title, time, note) in [
            (Phase::None, "No sale", "", "No product is in the sale"),
            (Phase::Before, "Before the sale", "\u{2212}04:09", "starts 12:00:00, 5 products"),
            (Phase::Running, "Sale running", "00:38", "ends 12:30:00, in 29:22"),
            (Phase::Stopped, "Sale stopped", "", "stopped at 12:00:39.120"),
            (Phase::SoldOut, "Sold out", "", "since 12:00:39, 5 products"),
            (Phase::Ended, "Sale over", "", "since 12:30:00, 5 products"),
        ] {
            let line = line(phase);
            assert_eq!((line.title, line.time.as_str(), line.note.as_str()), (title, time, note));
        }
    }
}
