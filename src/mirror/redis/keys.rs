//! The keys in Redis, all of them below one prefix.

use std::fmt;

use crate::domain::job_id::JobIds;
use crate::domain::order::OrderId;
use crate::domain::product::ProductId;
use crate::limits::MAX_REDIS_PREFIX;

/// Names the keys.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    prefix: String,
}

/// A key, shown as it is in Redis.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key<'k, N>(&'k str, &'static str, N);

impl<N: fmt::Display> fmt::Display for Key<'_, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.0, self.1, self.2)
    }
}

/// What a key is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// The order itself.
    Order(OrderId),
    /// The job of an order; `None` for one that this store has not given.
    Job(Option<OrderId>),
    /// A product.
    Product(ProductId),
}

impl Keys {
    /// Keys with a prefix; the error says what is wrong with it.
    pub(super) fn new(prefix: &str) -> Result<Self, String> {
        // A pattern of Redis must mean what it says, and a key must be easy to write.
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"*?[]\\\"'".contains(&byte);
        match !prefix.is_empty() && prefix.len() <= MAX_REDIS_PREFIX && prefix.bytes().all(is_plain) {
            true => Ok(Self { prefix: prefix.to_owned() }),
            false => Err(format!(
                "REDIS_PREFIX must be 1 to {MAX_REDIS_PREFIX} visible characters of ASCII, without * ? [ ] \\ \
                 and quotes"
            )),
        }
    }

    const fn key<N>(&self, room: &'static str, name: N) -> Key<'_, N> {
        Key(self.prefix.as_str(), room, name)
    }

    /// What all keys begin with.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Which server writes here: a string that expires.
    pub(super) const fn owner(&self) -> Key<'_, &'static str> {
        self.key("owner", "")
    }

    /// How far the mirror is: a hash.
    pub(super) const fn position(&self) -> Key<'_, &'static str> {
        self.key("position", "")
    }

    /// Rows that Redis rejected, with the reasons: a hash.
    pub(super) const fn rejected(&self) -> Key<'_, &'static str> {
        self.key("rejected", "")
    }

    /// The stream of changes.
    pub(super) const fn events(&self) -> Key<'_, &'static str> {
        self.key("events", "")
    }

    /// The live figures: a string with JSON that expires.
    pub(super) const fn metrics(&self) -> Key<'_, &'static str> {
        self.key("metrics", "")
    }

    /// The ids of all products: a sorted set by id.
    pub(super) const fn products(&self) -> Key<'_, &'static str> {
        self.key("products", "")
    }

    /// Units that can be bought, by product: a hash.
    pub(super) const fn stock(&self) -> Key<'_, &'static str> {
        self.key("stock", "")
    }

    /// A product: a hash.
    pub(super) const fn product(&self, id: ProductId) -> Key<'_, u64> {
        self.key("product:", id.0)
    }

    /// An order: a hash.
    pub(super) const fn order(&self, id: OrderId) -> Key<'_, u64> {
        self.key("order:", id.0)
    }

    /// The number of the order of a job: a string.
    pub(super) const fn job<'k>(&'k self, id: &'k str) -> Key<'k, &'k str> {
        self.key("job:", id)
    }

    /// What a key is about, if it is one of ours and about a row.
    pub(super) fn about(&self, key: &[u8], job_ids: &JobIds) -> Option<About> {
        let key = std::str::from_utf8(key).ok()?.strip_prefix(&self.prefix)?;
        let (room, name) = key.split_once(':')?;
        match room {
            "order" => Some(About::Order(OrderId(name.parse().ok()?))),
            "product" => Some(About::Product(ProductId(name.parse().ok()?))),
            "job" => Some(About::Job(job_ids.order(name))),
            _ => None,
        }
    }
}

/// A row, as it is named where Redis rejected it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RowName {
    /// An order.
    Order(OrderId),
    /// A product.
    Product(ProductId),
    /// What belongs to no row.
    Other,
}

impl fmt::Display for RowName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Order(id) => write!(f, "order:{id}"),
            Self::Product(id) => write!(f, "product:{id}"),
            Self::Other => f.write_str("other"),
        }
    }
}

impl RowName {
    /// The row of a name.
    pub(super) fn parse(name: &str) -> Self {
        let row = name.split_once(':').and_then(|(kind, id)| Some((kind, id.parse().ok()?)));
        match row {
            Some(("order", id)) => Self::Order(OrderId(id)),
            Some(("product", id)) => Self::Product(ProductId(id)),
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_says_what_it_is_about() {
        let (keys, job_ids) = (Keys::new("shop:").unwrap(), JobIds::new([7; 32]));
        let about = |key: &dyn fmt::Display| keys.about(key.to_string().as_bytes(), &job_ids);
        let job = job_ids.job_id(OrderId(42));
        assert_eq!(about(&keys.order(OrderId(42))), Some(About::Order(OrderId(42))));
        assert_eq!(about(&keys.product(ProductId(7))), Some(About::Product(ProductId(7))));
        assert_eq!(about(&keys.job(&job)), Some(About::Job(Some(OrderId(42)))));
        assert_eq!(about(&"shop:job:2a-0"), Some(About::Job(None)));
        for other in ["shop:products", "shop:order:x", "other:order:42", "order:42", ""] {
            assert_eq!(about(&other), None, "{other}");
        }
        for row in [RowName::Order(OrderId(42)), RowName::Product(ProductId(7)), RowName::Other] {
            assert_eq!(RowName::parse(&row.to_string()), row);
        }
    }

    #[test]
    fn a_prefix_is_plain() {
        assert!(Keys::new("a").is_ok() && Keys::new("{shop}:").is_ok());
        for wrong in ["", "a b", "a*", "[a]", "a\\", "ä", "\n", &"a".repeat(65)] {
            assert!(Keys::new(wrong).is_err(), "{wrong}");
        }
    }
}
