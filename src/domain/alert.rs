//! Conditions that an operator should know of while they hold.

use crate::domain::clock::Timestamp;
use crate::domain::product::ProductId;

/// How much a condition matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Someone should look.
    Warning,
}

impl Severity {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Info, Self::Warning];

    /// Its word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
        }
    }
}

/// The kinds of conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlertCode {
    /// A sale has started and has not ended.
    SaleStarted,
    /// A sale has ended.
    SaleEnded,
    /// The wall clock was set.
    ClockStepped,
}

impl AlertCode {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::SaleStarted, Self::SaleEnded, Self::ClockStepped];

    /// Its word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SaleStarted => "sale_started",
            Self::SaleEnded => "sale_ended",
            Self::ClockStepped => "clock_stepped",
        }
    }

    /// How much it matters.
    pub const fn severity(self) -> Severity {
        match self {
            Self::SaleStarted | Self::SaleEnded => Severity::Info,
            Self::ClockStepped => Severity::Warning,
        }
    }
}

/// A condition that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// What kind it is.
    pub code: AlertCode,
    /// The product that it is about, if it is about one.
    pub product: Option<ProductId>,
    /// A sentence for people.
    pub message: String,
    /// Since when it holds.
    pub since: Timestamp,
}
