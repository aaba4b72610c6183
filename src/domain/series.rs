//! What is measured over time, and the moments that explain it.

/// Makes an enum of words for the wire, with all values and their words in one list.
macro_rules! worded {
    ($(#[$about:meta])* $type:ident { $($(#[$doc:meta])* $name:ident = $word:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $type {
            $($(#[$doc])* $name,)*
        }

        impl $type {
            /// How many there are.
            pub const COUNT: usize = [$(Self::$name),*].len();

            /// All of them.
            pub const ALL: [Self; Self::COUNT] = [$(Self::$name),*];

            /// Its word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }
    };
}

worded! {
    /// A figure that is kept for each second. Files know a series by its position here, and note all words, so that a
    /// file with other ones is not read.
    Series {
        /// Orders that were accepted.
        AcceptedPerSecond = "acceptedPerSecond",
        /// Orders that were rejected.
        RejectedPerSecond = "rejectedPerSecond",
        /// Of these, the orders that came before the sale.
        EarlyPerSecond = "earlyPerSecond",
        /// Failed orders of those that were confirmed or failed, in percent.
        FailedPercent = "failedPercent",
        /// Jobs that workers completed.
        CompletedPerSecond = "completedPerSecond",
        /// Milliseconds until an order has its response: the median.
        ResponseP50 = "responseP50",
        /// The time that 95 % do not exceed.
        ResponseP95 = "responseP95",
        /// The time that 99 % do not exceed.
        ResponseP99 = "responseP99",
        /// Jobs that are ready or active.
        QueueLength = "queueLength",
        /// Seconds since the oldest of them was placed.
        OldestJobAge = "oldestJobAge",
        /// Commits.
        CommitsPerSecond = "commitsPerSecond",
        /// Milliseconds that 99 % of the commits do not exceed.
        CommitP99 = "commitP99",
        /// Processor time, of all cores.
        CpuPercent = "cpuPercent",
        /// Resident memory.
        MemoryBytes = "memoryBytes",
        /// Open connections.
        Connections = "connections",
        /// Clients of the live feed.
        FeedConnections = "feedConnections",
        /// Users that tried to order in the last five minutes.
        ActiveUsers = "activeUsers",
        /// Client addresses in the last five minutes.
        Visitors = "visitors",
        /// Units that can be bought.
        UnitsLeft = "unitsLeft",
        /// Dead letters.
        DeadLetters = "deadLetters",
    }
}

worded! {
    /// What kind of moment it was. Files know a kind by its position here: append, and never reorder.
    EventKind {
        /// The server started.
        Start = "start",
        /// The server stopped in order.
        Stop = "stop",
        /// A product can be bought from this moment on.
        SaleStarted = "sale_started",
        /// A product can no longer be bought.
        SaleEnded = "sale_ended",
        /// An operator stopped the sale.
        SaleStopped = "sale_stopped",
        /// The last unit of a product was taken.
        SoldOut = "sold_out",
        /// The queue was paused.
        Paused = "paused",
        /// The queue was resumed.
        Resumed = "resumed",
        /// The store was restored from a backup.
        Restored = "restored",
        /// The server started after it had been killed.
        Restart = "restart",
        /// Fulfilment was suspended, as the service was away.
        FulfilmentSuspended = "fulfilment_suspended",
        /// The measurement was reset.
        Reset = "reset",
    }
}
