//! Conditions that an operator should know of while they hold.

use crate::domain::clock::Timestamp;
use crate::domain::product::ProductId;

/// How much a condition matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Someone should look.
    Warning,
    /// Someone must act now.
    Critical,
}

impl Severity {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Critical];

    /// Its word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// The one list of the conditions: each with its word on the wire, how much it matters, and what to do about it.
macro_rules! alerts {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $severity:ident, $action:literal;)*) => {
        /// The kinds of conditions.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum AlertCode {
            $($(#[$doc])* $name,)*
        }

        impl AlertCode {
            /// All of them.
            pub const ALL: [Self; [$(Self::$name),*].len()] = [$(Self::$name),*];

            /// Its word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }

            /// How much it matters.
            pub const fn severity(self) -> Severity {
                match self {
                    $(Self::$name => Severity::$severity,)*
                }
            }

            /// A sentence on what to do about it.
            pub const fn action(self) -> &'static str {
                match self {
                    $(Self::$name => $action,)*
                }
            }
        }
    };
}

alerts! {
    /// A sale has started and has not ended.
    SaleStarted = "sale_started", Info, "Nothing needs to be done.";
    /// A sale has ended.
    SaleEnded = "sale_ended", Info, "Look at the verdict, and settle what is left.";
    /// A sale starts soon.
    SaleSoon = "sale_starting_soon", Info, "Look at the readiness page before it starts.";
    /// The wall clock was set.
    ClockStepped = "clock_stepped", Warning,
        "Check the time service of this machine, and the start and end of each sale.";
    /// The queue is nearly full.
    QueueFull = "queue_nearly_full", Critical,
        "Orders are rejected once it is full: resume the queue if it is paused, and see whether the fulfilment service \
         keeps up.";
    /// A job waits for too long.
    OldestJob = "oldest_job", Warning,
        "Resume the queue if it is paused, and see whether the fulfilment service responds.";
    /// Nothing of a product can be bought.
    SoldOut = "sold_out", Info, "Add units if there are more; units of holds that end come back by themselves.";
    /// Little of a product can be bought.
    StockLow = "stock_low", Info, "Add units if there are more.";
    /// Many orders fail.
    ErrorRate = "error_rate", Critical,
        "Look at the dead letters and the fulfilment service; pause the queue to lose no more orders.";
    /// Orders become dead letters.
    DeadLetters = "dead_letters_growing", Warning,
        "Look at their errors on the queue page, and pause the queue while the cause lasts.";
    /// The fulfilment service is away.
    FulfillmentSuspended = "fulfillment_suspended", Critical,
        "See whether it runs and can be reached; no order is lost, and posting continues by itself once it responds.";
    /// Commits take long.
    CommitSlow = "commit_slow", Warning, "See what else writes to the disk of the data directory.";
    /// The disk is nearly full.
    DiskFull = "disk_nearly_full", Critical,
        "Free space on the disk of the data directory; orders stop when it is full.";
    /// The limit of open files is nearly reached.
    OpenFiles = "open_files", Warning,
        "Raise the limit of open files (ulimit -n), or lower MAX_CONNECTIONS, and start the server again.";
    /// The target of a mirror is away.
    MirrorAway = "mirror_away", Warning,
        "See whether the target runs and can be reached; orders are not affected, and copying continues by itself.";
    /// A mirror is behind.
    MirrorBehind = "mirror_behind", Warning,
        "See whether its target keeps up: its disk, its locks, and who else uses it; orders are not affected.";
    /// The units of a product do not add up.
    NotConserved = "conservation_broken", Critical,
        "Stop the sale, keep the data directory as it is, and run flashsale verify on a copy of it.";
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
