//! An order, without I/O. What can happen to it is in `transition`.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::domain::clock::Timestamp;
use crate::domain::job::{JobOutcome, JobState};
use crate::domain::money::Money;
use crate::domain::names;
use crate::domain::product::ProductId;
use crate::limits::{
    MAX_METADATA_BYTES, MAX_METADATA_KEY_CHARS, MAX_METADATA_PAIRS, MAX_METADATA_VALUE_CHARS, MAX_QUANTITY,
};

/// The number of an order, counted from 1 in the order of acceptance. Its job carries the same number inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId(pub u64);

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A map by order. The numbers are given out here and not by callers, so a hash that is not proof against chosen keys
/// does, at a fraction of the cost.
pub type OrderMap<V> = HashMap<OrderId, V, foldhash::fast::RandomState>;

/// A buyer, as the caller names them: what [`names::check_user_id`] lets pass. Ids are compared character by character,
/// so case counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(Arc<str>);

impl UserId {
    /// Checks and keeps an id; the error says what is wrong with it.
    pub fn new(id: &str) -> Result<Self, &'static str> {
        names::check_user_id(id)?;
        Ok(Self(id.into()))
    }

    /// An id that a store already holds: it was checked by the rule of its time, and stays what it is.
    pub fn stored(id: &str) -> Self {
        Self(id.into())
    }

    /// The id as given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Which order a worker takes first; later ones are higher.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// After everything else.
    Low,
    /// The default.
    #[default]
    Normal,
    /// Before normal ones.
    High,
    /// Before all others.
    Critical,
}

impl Priority {
    /// All of them, lowest first.
    pub const ALL: [Self; 4] = [Self::Low, Self::Normal, Self::High, Self::Critical];

    /// Its word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// The state of a job in line at this priority.
    pub const fn ready_state(self) -> JobState {
        match self {
            Self::Normal => JobState::Waiting,
            Self::Low | Self::High | Self::Critical => JobState::Prioritized,
        }
    }
}

/// The status of an order, as its buyer sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OrderStatus {
    /// Its units are held.
    Pending,
    /// Its units are sold.
    Confirmed,
    /// It could not be fulfilled; its units went back.
    Failed,
    /// Called off or expired; its units went back.
    Cancelled,
}

impl OrderStatus {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Confirmed, Self::Failed, Self::Cancelled];

    /// Its word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Confirmed => "confirmed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether its units count against the purchase limit: those that are held or sold.
    pub const fn counts_as_purchase(self) -> bool {
        matches!(self, Self::Pending | Self::Confirmed)
    }
}

/// Why an order failed or was cancelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nobody confirmed it in time.
    Expired,
    /// An operator cancelled it.
    CancelledByOperator,
    /// The fulfilment service refused it for good; its words.
    Rejected(String),
    /// Every attempt failed; the last error.
    AttemptsExhausted(String),
}

impl Failure {
    /// The closed word for this kind of failure.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::CancelledByOperator => "cancelled",
            Self::Rejected(_) => "rejected",
            Self::AttemptsExhausted(_) => "attempts_exhausted",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired | Self::CancelledByOperator => f.write_str(self.code()),
            Self::Rejected(error) | Self::AttemptsExhausted(error) => write!(f, "{}: {error}", self.code()),
        }
    }
}

/// What a shop attaches to an order for itself. Nothing here reads it but to filter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Attached {
    /// The shop's own id for the order: what [`names::check_reference`] lets pass.
    pub reference: Option<String>,
    /// Pairs of the shop's own.
    pub metadata: Option<Metadata>,
}

impl Attached {
    /// What is attached, if anything is.
    pub fn new(reference: Option<String>, metadata: Option<Metadata>) -> Option<Arc<Self>> {
        (reference.is_some() || metadata.is_some()).then(|| Arc::new(Self { reference, metadata }))
    }

    /// Bytes of its texts.
    pub fn bytes(&self) -> usize {
        self.reference.as_ref().map_or(0, String::len) + self.metadata.as_ref().map_or(0, Metadata::bytes)
    }
}

/// Pairs of texts, at least one and at most [`MAX_METADATA_PAIRS`], by key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Metadata(BTreeMap<String, String>);

impl Metadata {
    /// Checks pairs; none at all are no metadata. The error says what is wrong with them.
    pub fn new<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Option<Self>, String> {
        let mut all = BTreeMap::new();
        for (key, value) in pairs {
            if key.is_empty() || key.chars().count() > MAX_METADATA_KEY_CHARS {
                return Err(format!("must have keys of 1 to {MAX_METADATA_KEY_CHARS} characters"));
            }
            if value.chars().count() > MAX_METADATA_VALUE_CHARS {
                return Err(format!("must have values of at most {MAX_METADATA_VALUE_CHARS} characters"));
            }
            if all.insert(key.to_owned(), value.to_owned()).is_some() {
                return Err("must not have a key twice".to_owned());
            }
        }
        if all.len() > MAX_METADATA_PAIRS {
            return Err(format!("must have at most {MAX_METADATA_PAIRS} pairs"));
        }
        let all = Self(all);
        if all.bytes() > MAX_METADATA_BYTES {
            return Err(format!("must have at most {MAX_METADATA_BYTES} bytes of keys and values in all"));
        }
        Ok((!all.0.is_empty()).then_some(all))
    }

    /// Pairs that a store already holds.
    pub fn stored(pairs: BTreeMap<String, String>) -> Self {
        Self(pairs)
    }

    /// The pairs, in the order of their keys.
    pub const fn pairs(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    fn bytes(&self) -> usize {
        self.0.iter().map(|(key, value)| key.len() + value.len()).sum()
    }
}

/// An order as the store has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its number.
    pub id: OrderId,
    /// What is bought.
    pub product: ProductId,
    /// Who buys.
    pub user: UserId,
    /// How many units.
    pub quantity: u32,
    /// The price of one unit when the order was accepted.
    pub unit_price: Money,
    /// What the shop attached to it, if anything.
    pub attached: Option<Arc<Attached>>,
    /// Its rank in the queue.
    pub priority: Priority,
    /// Its status.
    pub status: OrderStatus,
    /// What became of its job.
    pub job: JobOutcome,
    /// Fulfilment attempts made since it was last placed in the queue.
    pub attempts: u32,
    /// Why it is failed or cancelled, or why the job of a confirmed one failed.
    pub failure: Option<Failure>,
    /// When its units were last reserved.
    pub reserved_at: Timestamp,
    /// Until when a held order can be confirmed; without it a worker fulfils the order.
    pub expires_at: Option<Timestamp>,
    /// When the next attempt is due, after one has failed.
    pub retry_at: Option<Timestamp>,
    /// When the last attempt ended.
    pub processed_at: Option<Timestamp>,
    /// When its job ended.
    pub finished_at: Option<Timestamp>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it last moved.
    pub updated_at: Timestamp,
}

impl Order {
    /// What the order costs.
    pub fn total(&self) -> Money {
        self.fields().total()
    }

    /// The shop's own id for it, if it has one.
    pub fn reference(&self) -> Option<&str> {
        self.attached.as_ref().and_then(|attached| attached.reference.as_deref())
    }

    /// The pairs that the shop attached, if any.
    pub fn metadata(&self) -> Option<&Metadata> {
        self.attached.as_ref().and_then(|attached| attached.metadata.as_ref())
    }

    /// Whether its hold ran out, so that it may be confirmed late.
    pub fn is_expired(&self) -> bool {
        self.status == OrderStatus::Cancelled && self.failure == Some(Failure::Expired)
    }

    /// What filters and sums look at.
    pub fn fields(&self) -> OrderFields<'_> {
        OrderFields {
            id: self.id,
            product: self.product,
            user: self.user.as_str(),
            reference: self.reference(),
            quantity: self.quantity,
            unit_price: self.unit_price,
            status: self.status,
            job: self.job,
            reserved_at: self.reserved_at,
            created_at: self.created_at,
        }
    }

    /// Whether its job ended at this moment or earlier.
    pub fn failed_by(&self, bound: Timestamp) -> bool {
        self.finished_at.is_some_and(|finished| finished <= bound)
    }

    /// When the queue has to look at it again: the end of its hold while it waits to be confirmed, or its next attempt.
    pub fn due_at(&self) -> Option<Timestamp> {
        self.hold_ends_at().or(self.retry_at)
    }

    /// The end of its hold, while it waits to be confirmed.
    pub fn hold_ends_at(&self) -> Option<Timestamp> {
        self.expires_at.filter(|_| self.status == OrderStatus::Pending)
    }
}

/// What filters and sums look at of an order: read in place, without making an order of its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderFields<'r> {
    /// Which order.
    pub id: OrderId,
    /// See [`Order::product`].
    pub product: ProductId,
    /// The user's name.
    pub user: &'r str,
    /// See [`Attached::reference`].
    pub reference: Option<&'r str>,
    /// See [`Order::quantity`].
    pub quantity: u32,
    /// See [`Order::unit_price`].
    pub unit_price: Money,
    /// See [`Order::status`].
    pub status: OrderStatus,
    /// See [`Order::job`].
    pub job: JobOutcome,
    /// See [`Order::reserved_at`].
    pub reserved_at: Timestamp,
    /// See [`Order::created_at`].
    pub created_at: Timestamp,
}

impl OrderFields<'_> {
    /// See [`Order::total`].
    pub fn total(&self) -> Money {
        self.unit_price.times(u64::from(self.quantity))
    }
}

/// How many units an order asks for: 1 to [`MAX_QUANTITY`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantity(NonZeroU32);

impl Quantity {
    /// Checks a number of units.
    pub fn new(units: u32) -> Option<Self> {
        NonZeroU32::new(units).filter(|units| units.get() <= MAX_QUANTITY).map(Self)
    }

    /// The number of units.
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

#[cfg(test)]
impl Order {
    /// A pending order of one unit as it is when it was placed, for tests.
    pub(crate) fn example(id: OrderId, user: &str, at: Timestamp) -> Self {
        Self {
            id,
            product: ProductId(1),
            user: UserId::new(user).unwrap(),
            quantity: 1,
            unit_price: Money::from_cents(100),
            attached: None,
            priority: Priority::Normal,
            status: OrderStatus::Pending,
            job: JobOutcome::Open,
            attempts: 0,
            failure: None,
            reserved_at: at,
            expires_at: None,
            retry_at: None,
            processed_at: None,
            finished_at: None,
            created_at: at,
            updated_at: at,
        }
    }
}
