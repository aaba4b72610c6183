//! What the page Orders is asked for, which is in its URL.

use crate::domain::clock::Timestamp;
use crate::domain::filter::{OrderFilter, Span};
use crate::domain::order::OrderStatus;
use crate::http::Query;
use crate::view::text::Words;

use super::super::search::{product as product_of, url};
use super::super::text::day;

/// The names in the URL.
pub(super) const NAMES: [&str; 8] = ["user", "reference", "product", "status", "from", "to", "order", "cursor"];

/// A search. The texts are as they were written, to be shown again.
#[derive(Clone, Debug, Default)]
pub(in crate::dashboard) struct Search {
    pub(super) user: String,
    pub(super) reference: String,
    pub(super) product: String,
    pub(super) status: String,
    pub(super) from: String,
    pub(super) to: String,
    /// The number of an order or a job, if one is asked for.
    pub(super) order: Option<String>,
    /// Which orders are found.
    pub(super) filter: OrderFilter,
}

impl Search {
    /// Reads it from a URL; an empty value, as an empty field of a form sends it, is none. Times without a day are of
    /// the day of `now`.
    pub(super) fn read(query: &mut Query, now: Timestamp) -> Self {
        let mut texts = ["user", "reference", "product", "status", "from", "to", "order"].map(|name| {
            let text = query.read(name, |text| Ok(text.trim().to_owned()));
            text.unwrap_or_default()
        });
        let [user, reference, product, status, from, to, order] = texts.each_mut().map(std::mem::take);
        let status_of = |text: &str| {
            OrderStatus::of_word(text).ok_or_else(|| format!("must be {}", <OrderStatus as Words>::listed()))
        };
        let filter = OrderFilter {
            user: Some(user.clone()).filter(|user| !user.is_empty()),
            reference: Some(reference.clone()).filter(|reference| !reference.is_empty()),
            product: read(query, "product", product_of),
            status: read(query, "status", status_of),
            reason: None,
            accepted: Span {
                from: read(query, "from", |text| moment(text, now)),
                to: read(query, "to", |text| moment(text, now)),
            },
        };
        let order = Some(order).filter(|order| !order.is_empty());
        Self { user, reference, product, status, from, to, order, filter }
    }

    /// Whether it leaves something out.
    pub(super) fn is_set(&self) -> bool {
        self.filter != OrderFilter::default()
    }

    /// The words of an order's status.
    pub(super) fn statuses(&self) -> impl Iterator<Item = &'static str> {
        OrderStatus::ALL.into_iter().map(OrderStatus::as_str)
    }

    /// What it leaves out, in words.
    pub(super) fn words(&self) -> String {
        let [user, reference] = [("user", &self.user), ("reference", &self.reference)];
        let all = [user, reference, ("product", &self.product), ("status", &self.status)];
        let times = [("from", &self.from), ("to", &self.to)];
        let set = all.into_iter().chain(times).filter(|(_, text)| !text.is_empty());
        set.map(|(name, text)| format!("{name} {text}")).collect::<Vec<_>>().join(", ")
    }

    /// This search at a path.
    pub(super) fn url(&self, path: &str) -> String {
        self.page_url(path, "")
    }

    /// The same from a position in the list on.
    pub(super) fn page_url(&self, path: &str, cursor: &str) -> String {
        let Self { user, reference, product, status, from, to, .. } = self;
        let [user, reference] = [("user", user), ("reference", reference)];
        let fields = [user, reference, ("product", product), ("status", status), ("from", from), ("to", to)];
        let fields = fields.map(|(name, value)| (name, value.as_str()));
        url(path, &[fields.as_slice(), &[("cursor", cursor)]].concat())
    }
}

fn read<T>(query: &mut Query, name: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
    let value = query.read(name, |text| match text.trim() {
        "" => Ok(None),
        text => read(text).map(Some),
    });
    value.flatten()
}

/// A moment as people write it: `12:00`, `12:00:14.9`, `2026-11-25 12:00`, or RFC 3339.
fn moment(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let error = || "must be a time such as 12:00:14, perhaps after a day such as 2026-11-25, in UTC".to_owned();
    if let Ok(at) = Timestamp::parse(text) {
        return Ok(at);
    }
    let (day, time) = match text.split_once([' ', 'T']) {
        Some((day, time)) => (day.to_owned(), time.trim_end_matches('Z')),
        None if text.contains(':') => (day(now), text),
        None => (text.to_owned(), "00:00"),
    };
    let seconds = if time.matches(':').count() == 1 { ":00" } else { "" };
    Timestamp::parse(&format!("{day}T{time}{seconds}Z")).map_err(|_| error())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(query: &str) -> (Search, bool) {
        let now = Timestamp::parse("2026-11-25T13:00:00.000Z").unwrap();
        let uri = format!("/orders?{query}").parse().unwrap();
        let mut query = Query::of(&uri, &NAMES);
        let search = Search::read(&mut query, now);
        (search, query.finish().is_ok())
    }

    #[test]
    fn empty_fields_leave_nothing_out_and_the_url_says_the_rest() {
        let (all, is_right) = search("user=&product=&status=&from=&to=&order=");
        assert!(is_right && !all.is_set() && all.url("/orders") == "/orders");
        let (some, is_right) = search("user=a%26b&reference=cart-7&status=failed&from=12:00&product=7");
        assert!(is_right && some.is_set());
        assert_eq!(some.url("/orders/1"), "/orders/1?user=a%26b&reference=cart-7&product=7&status=failed&from=12%3A00");
        assert_eq!(some.words(), "user a&b, reference cart-7, product 7, status failed, from 12:00");
        for wrong in ["status=gone", "product=x", "product=0", "from=noon", "to=25:00", "limit=1"] {
            assert!(!search(wrong).1, "{wrong}");
        }
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, expected) in [
            ("12:00", "2026-11-25T12:00:00.000Z"),
            ("12:00:14.9", "2026-11-25T12:00:14.900Z"),
            ("2026-11-24", "2026-11-24T00:00:00.000Z"),
            ("2026-11-24%2012:30", "2026-11-24T12:30:00.000Z"),
            ("2026-11-24T12:30:01.5Z", "2026-11-24T12:30:01.500Z"),
        ] {
            let (search, is_right) = search(&format!("from={text}"));
            assert!(is_right, "{text}");
            assert_eq!(search.filter.accepted.from.unwrap().to_string(), expected);
        }
    }
}
