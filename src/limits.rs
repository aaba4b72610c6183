//! The bounds that more than one room lives by, and those of one room that relate to them. What an operator can set has
//! its default here.

use std::time::Duration;

mod mirrors;

pub use mirrors::*;

/// Bytes of an ordinary request body.
pub const MAX_BODY_BYTES: usize = 64 * 1024;
/// Bytes of the body of an order, which has some hundreds.
pub const MAX_ORDER_BODY_BYTES: usize = 16 * 1024;
/// Bytes of the body of a batch of orders.
pub const MAX_BATCH_BODY_BYTES: usize = 1024 * 1024;
/// Orders in one batch request.
pub const MAX_BATCH_ORDERS: usize = 1_000;
/// Fields of a JSON object in a body.
pub const MAX_FIELDS: usize = 32;
/// Fields of a form that a page sends.
pub const MAX_FORM_FIELDS: usize = 2_048;
/// Bytes of memory that an idle connection takes, as measured: 22 KiB before its first request, 24 KiB after it.
pub const CONNECTION_BYTES: u64 = 24 * 1024;
/// How long a login to the dashboard lasts.
pub const SESSION_LIFETIME: Duration = Duration::from_hours(12);
/// Wrong tokens that one client address may try within [`LOGIN_WINDOW`].
pub const MAX_LOGIN_TRIES: u32 = 5;
/// See [`MAX_LOGIN_TRIES`].
pub const LOGIN_WINDOW: Duration = Duration::from_secs(60);
/// Client addresses whose wrong tokens are counted at once.
pub const MAX_LOGIN_ADDRESSES: usize = 10_000;
/// Characters of the message that a page shows after an act.
pub const MAX_NOTICE_CHARS: usize = 400;
/// How long this message waits for its page, and how long an act's way back takes one click.
pub const NOTICE_LIFETIME: Duration = Duration::from_secs(60);
/// Bytes of an address of this server that a form sends back to lead there again.
pub const MAX_BACK_BYTES: usize = 2_048;
/// Bytes of a request's address.
pub const MAX_URI_BYTES: usize = 8 * 1024;
/// Bytes of all headers of a request together.
pub const MAX_HEADER_BYTES: usize = 32 * 1024;
/// Bytes that the HTTP parser may buffer: above the two bounds before it, so that they reject a request and not the
/// parser.
pub const HTTP_BUFFER_BYTES: usize = 64 * 1024;
/// Bytes of requests that are still arriving, over all connections; those of requests below 8 KiB do not count.
pub const MAX_ARRIVING_BYTES: usize = 64 * 1024 * 1024;
/// Bytes of a body, unread by its handler, that are read so that its connection can be used again.
pub const MAX_DRAINED_BYTES: u64 = 16 * 1024;
/// How long they may take to arrive.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);
/// Bytes that are read and thrown away behind the last response of a connection, so that its client sees the response.
pub const MAX_LINGER_BYTES: usize = 64 * 1024 * 1024;
/// How long that may take.
pub const LINGER_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes that the system is asked to keep for a client that does not read; Linux doubles them.
pub const SEND_BUFFER_BYTES: usize = 128 * 1024;
/// Characters of an idempotency key.
pub const MAX_IDEMPOTENCY_KEY_CHARS: usize = 255;

/// Rows on a page where the request does not say.
pub const DEFAULT_PAGE: usize = 50;
/// The most rows on a page.
pub const MAX_PAGE: usize = 500;
/// Orders that an export reads from the store at once: about 100 KiB of CSV.
pub const EXPORT_PAGE: usize = 500;
/// The most buyers that an analysis lists.
pub const MAX_FIRST_BUYERS: usize = 1_000;
/// The busiest seconds that an analysis lists.
pub const BUSIEST_SECONDS: usize = 5;
/// Seconds with orders that an analysis counts at once: more than the steps by which clocks are mostly set back.
pub const OPEN_SECONDS: usize = 128;
/// Orders that one filtered page may look at before it is handed out short, so that no request reads without end.
pub const MAX_SCANNED_ORDERS: usize = 200_000;
/// Records of the history that one page of a ledger may look at.
pub const MAX_SCANNED_RECORDS: usize = 50_000;
/// Changes in those records that it may look at: a busy record holds thousands, and to read this many takes 0.05 s, or
/// 0.3 s where every user has the longest name.
pub const MAX_SCANNED_CHANGES: usize = 200_000;

/// The highest id that is understood: it fits a signed 64-bit integer, whatever language reads it.
pub const MAX_ID: u64 = i64::MAX as u64;
/// A history forks only while its clock gives numbers below this one, which is up to the year 2162: then the numbers
/// after it stay below 2^53.
pub const MAX_FORK_NUMBER: u64 = 1 << 52;
/// Numbers that are skipped at least where a history forks: more than there can be orders in the whole log, as the
/// shortest order takes more than 16 bytes of it.
pub const MIN_NUMBER_JUMP: u64 = 1 << 21;
/// Bytes of a file with a secret, and of the `.env` file.
pub const MAX_SETTING_FILE_BYTES: usize = 64 * 1024;
/// Products in one store.
pub const MAX_PRODUCTS: usize = 10_000;
/// Errors kept for one order; older ones make room.
pub const MAX_KEPT_ATTEMPTS: usize = 20;
/// Characters kept of one error.
pub const MAX_ERROR_CHARS: usize = 300;
/// Characters of the text that dead letters with the same error share.
pub const MAX_ERROR_GROUP_CHARS: usize = 160;
/// Groups of dead letters that are counted at once; letters with further errors are in none.
pub const MAX_ERROR_GROUPS: usize = 10_000;
/// Groups of dead letters that are listed: the largest.
pub const MAX_LISTED_GROUPS: usize = 500;
/// Groups of dead letters that the dashboard shows: the largest.
pub const MAX_SHOWN_GROUPS: usize = 100;
/// Products that the dashboard offers as a list to choose from; where there are more, it asks for the number.
pub const MAX_PRODUCT_CHOICES: usize = 200;
/// Products that are named for one group.
pub const MAX_GROUP_PRODUCTS: usize = 50;
/// The time over which the growth of a group is measured.
pub const GROWTH_WINDOW: Duration = Duration::from_secs(10);

/// Orders on their way to the committer.
pub const INTAKE_ORDERS: usize = 16 * 1024;
/// Other commands on their way to the committer.
pub const INTAKE_COMMANDS: usize = 256;
/// Orders placed or moved in one commit.
pub const MAX_COMMIT_ROWS: usize = 8 * 1024;
/// Events that a subscriber may be behind before it loses the oldest.
pub const MAX_EVENTS_BEHIND: usize = 1_024;
/// Committed batches whose replies wait to be given out.
pub const MAX_UNREPLIED_BATCHES: usize = 16;
/// Jobs that one worker takes at once when there is no service to call.
pub const MAX_JOBS_TAKEN: usize = 512;
/// Due jobs that are woken at once, under the queue's lock; expired holds that one command carries.
pub const MAX_EXPIRED_AT_ONCE: usize = 1_024;
/// Delayed jobs that a list looks at under the queue's lock.
pub const MAX_DELAYED_AT_ONCE: usize = 1_024;

/// Orders kept in memory before they are written to an index, by user or by idempotency key.
pub const INDEX_RUN: usize = 64 * 1024;
/// Entries of an index in a row, at most: with its key and its length such a row fills a page of the tables.
pub const INDEX_ROW: usize = 254;
/// Entries that are written to an index at once, at least.
pub const INDEX_SLICE: usize = 4 * INDEX_ROW;
/// Orders that a start leaves in memory and does not write to an index.
pub const INDEX_REMAINDER: usize = 4 * 1024;
/// Entries of the first filter of an index. The next ones are for four and for sixteen times as many.
pub const FILTER_ENTRIES: usize = 16 * INDEX_RUN;
/// Bits of a filter for each entry.
pub const FILTER_BITS: usize = 32;
/// Entries of one filter, at most: it takes 64 MiB.
pub const MAX_FILTER_ENTRIES: usize = 16 * FILTER_ENTRIES;
/// Entries that the filters of one index are for, at most: two large ones and the two before, in 204 MiB. The runs of
/// older orders are read.
pub const MAX_FILTERED_ENTRIES: usize = 2 * MAX_FILTER_ENTRIES + 5 * FILTER_ENTRIES;
/// Bytes of each of the two segments of the write-ahead log. If one is full, tables are synced and the other is filled.
pub const WAL_SEGMENT_BYTES: u64 = 16 * 1024 * 1024;
/// Bytes by which a segment grows, until it has its full length.
pub const WAL_GROWTH_BYTES: u64 = 1024 * 1024;
/// Rows in the memtable that are written into the tables at once.
pub const MEMTABLE_FLUSH_ROWS: usize = 32 * 1024;
/// How long committed rows wait for others to share a transaction with, unless a reader needs them.
pub const MEMTABLE_LINGER: Duration = Duration::from_millis(100);
/// Committed rows in memory that the tables do not have; the committer waits where there are more.
pub const MAX_MEMTABLE_ROWS: usize = 64 * 1024;
/// Newest records of the history that are kept in memory for those who follow it.
pub const TAIL_RECORDS: usize = 4 * 1024;
/// Changes in all of these records; the newest record is kept whatever it has.
pub const TAIL_CHANGES: usize = 32 * 1024;
/// How long a follower that reads older records waits where too many wait to read.
pub const TAIL_RETRY: Duration = Duration::from_millis(100);
/// Orders kept in memory while the history is replayed.
pub const REPLAY_ORDERS: usize = 64 * 1024;
/// Bytes of the store's page cache.
pub const STORE_CACHE_BYTES: usize = 32 * 1024 * 1024;
/// Users of one limited product who are counted one by one while all are: 32 bytes each.
pub const MAX_COUNTED_USERS: usize = 1_000_000;
/// When to try again for a user who is only counted with all others.
pub const USER_RETRY_AFTER: Duration = Duration::from_secs(5);
/// Threads that look something up in the store at once, for buyers and workers.
pub const MAX_LOOK_UPS: usize = 16;
/// Threads that read pages of lists from the store for operators: half of the processors, and no more than this.
pub const MAX_SCAN_THREADS: usize = 4;
/// Reads for operators that wait for one of these threads. One thread more reads what goes over all orders, with a line
/// of the same length.
pub const MAX_SCANS_IN_LINE: usize = 64;

/// Connections at once.
pub const DEFAULT_MAX_CONNECTIONS: u32 = 20_000;
/// Connections at once of one client address.
pub const DEFAULT_CONNECTIONS_PER_ADDRESS: u32 = 5_000;
/// Connections that have to make room and are not closed yet.
pub const MAX_LEAVING: usize = 64;
/// Open files that connections leave to the store, the log, exports and backups, and the runtime; posts to the
/// fulfilment service come on top, two for each worker.
pub const RESERVED_FILES: usize = 128;
/// Jobs that are not finished, without holds.
pub const DEFAULT_QUEUE_CAPACITY: u32 = 100_000;
/// Held orders. Each takes about half a kilobyte of memory.
pub const DEFAULT_HOLD_CAPACITY: u32 = 1_000_000;
/// Workers that fulfil orders.
pub const DEFAULT_WORKERS: u32 = 16;

/// Clients of the live feed at once; never more than half of all connections.
pub const DEFAULT_FEED_CLIENTS: u32 = 2_000;
/// Connections to the feed that have shown no token yet, where one is set.
pub const MAX_FEED_STRANGERS: usize = 256;
/// How long such a connection has for that, and a Socket.IO connection to reach its namespace.
pub const FEED_ENTRY_TIMEOUT: Duration = Duration::from_secs(10);
/// The shortest time between two rounds of the feed: each client gets what has changed in one go.
pub const FEED_TICK: Duration = Duration::from_millis(100);
/// Clients that get a round in each tick. With more of them a round takes more ticks,
pub const FEED_CLIENTS_PER_TICK: usize = 100;
/// up to so many, which is a second.
pub const FEED_LONGEST_ROUND: u32 = 10;
/// Orders in one frame of the feed.
pub const MAX_FEED_ORDERS: usize = 100;
/// The same where many clients make rounds long.
pub const FEWEST_FEED_ORDERS: usize = 20;
/// Products in one frame of the feed.
pub const MAX_FEED_PRODUCTS: usize = 500;
/// Raised alerts that a client begins with, and the newest frames of alerts that are kept for one that has lost some.
pub const MAX_FEED_ALERTS: usize = 64;
/// The newest orders whose users the feed knows without looking them up.
pub const FEED_RECENT_ORDERS: usize = 8 * 1024;
/// Frames that wait for one client; one that leaves more waiting loses them.
pub const FEED_QUEUE_FRAMES: usize = 128;
/// Messages of all clients that wait for the task of the feed.
pub const FEED_COMMANDS: usize = 256;
/// Bytes of one message of a client.
pub const MAX_FEED_MESSAGE_BYTES: usize = 16 * 1024;
/// Messages of one client in a second.
pub const MAX_FEED_MESSAGES: u32 = 20;
/// Messages that are not requests, after which a client is ended.
pub const MAX_FEED_ERRORS: u32 = 5;
/// The pause between two pings, within which a client must have sent something.
pub const FEED_PING: Duration = Duration::from_secs(20);
/// How long the server waits for a client to return its goodbye.
pub const FEED_GOODBYE: Duration = Duration::from_millis(500);
/// Bytes that are read from a client at once.
pub const FEED_READ_BYTES: usize = 4 * 1024;
/// Bytes that are written to a client at once, but for those of one frame.
pub const FEED_WRITE_BYTES: usize = 32 * 1024;
/// Bytes of packets in one request or response of Socket.IO over polling, but for those of one frame.
pub const FEED_PAYLOAD_BYTES: u64 = 64 * 1024;

/// Orders a second of one user.
pub const DEFAULT_RATE_PER_USER: u32 = 10;
/// Requests a second of one client address.
pub const DEFAULT_RATE_PER_ADDRESS: u32 = 500;
/// Seconds' worth of requests that may come at once.
pub const RATE_WINDOW_SECONDS: u32 = 10;

/// How long the headers of a request may take, and how long a connection may idle.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the body of a request may take.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a client may leave the bytes of a response waiting, beyond what [`MIN_WRITE_RATE`] allows for them.
pub const UNREAD_TIMEOUT: Duration = Duration::from_secs(15);
/// Bytes a second at which a client must take what waits for it.
pub const MIN_WRITE_RATE: u64 = 8 * 1024;
/// How long a server that stops waits for clients to take their last responses.
pub const STOP_SENDING: Duration = Duration::from_secs(1);
/// How long a stop may take in all: within the ten seconds that service managers and container engines give.
pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(8);
/// How long of it the committer and the store have for what was accepted, after connections and workers.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// How much longer than [`SHUTDOWN_TIMEOUT`] a stop may take before a thread of its own ends the process.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(1);
/// Log lines that wait to be written; further ones are lost and counted.
pub const LOG_BUFFER_LINES: usize = 1_024;
/// How long the end of the process waits for the last log lines to be written.
pub const LOG_FLUSH_TIMEOUT: Duration = Duration::from_millis(500);
/// Chunks of a backup on their way to the one who reads it.
pub const BACKUP_CHUNKS: usize = 8;
/// How long the reader of a backup may take nothing before the backup is broken off.
pub const BACKUP_STALL: Duration = Duration::from_secs(30);
/// How long a command waits for a server: for a connection, for a response, and for more of a body.
pub const CLIENT_TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of a server's response that a command reads at once: more than 10,000 products with the longest names.
pub const MAX_RESPONSE_BYTES: usize = 64 * 1024 * 1024;
/// Bytes of the problem in a server's response that a command reads.
pub const MAX_PROBLEM_BYTES: usize = 64 * 1024;
/// How old a list of all products may be; a single product is always as it is.
pub const MAX_LIST_AGE: Duration = Duration::from_millis(100);
/// How long an idempotency key is kept.
pub const IDEMPOTENCY_AGE: Duration = Duration::from_secs(24 * 60 * 60);
/// How long reports of workers wait for orders to share a commit with.
pub const REPORTS_LINGER: Duration = Duration::from_millis(2);
/// The part of a pause between two attempts by which it may be longer by chance.
pub const MAX_JITTER: f64 = 0.25;
/// Orders that fail in a row, without a response to another one between, after which fulfilment is suspended.
pub const SUSPEND_AFTER: usize = 5;
/// The longest pause between two probes of a fulfilment service that is away, unless it asks for more.
pub const PROBE_PAUSE: Duration = Duration::from_secs(30);
/// Orders that were tried while fulfilment is suspended and wait aside, so that others are tried before them.
pub const MAX_ORDERS_ASIDE: usize = 64;
/// Threads that look up the fulfilment service's name at once; more than one only where look-ups hang.
pub const MAX_LOOKUP_THREADS: usize = 4;
/// How long a look-up may be under way before another is started beside it.
pub const LOOKUP_PATIENCE: Duration = Duration::from_secs(10);
/// How long the result of a look-up is used for further connections.
pub const LOOKUP_AGE: Duration = Duration::from_secs(1);
/// Connections to the fulfilment service that are kept open without a request on them.
pub const MAX_IDLE_CONNECTIONS: usize = 32;
/// How long such a connection is kept. Common servers close theirs after five seconds or more; below that few orders
/// are posted into a connection that the other side is closing.
pub const IDLE_CONNECTION_AGE: Duration = Duration::from_secs(4);
/// Bytes of the head of the fulfilment service's response.
pub const MAX_RESPONSE_HEAD_BYTES: usize = 64 * 1024;
/// Bytes of its body that are read; the connection of a longer one is closed.
pub const MAX_RESPONSE_BODY_BYTES: usize = 4 * 1024;
/// How long that body is read: for the words in an error, and so that the connection can be used again.
pub const RESPONSE_BODY_TIMEOUT: Duration = Duration::from_millis(500);
/// How long a worker waits after a fault of this machine, but for its jitter.
pub const LOCAL_FAULT_PAUSE: Duration = Duration::from_secs(1);
/// The pause between two tries to open a failed store again.
pub const REOPEN_PAUSE: Duration = Duration::from_secs(1);
/// How long a commit may take before orders are rejected and those that wait learn that their outcome is unknown.
pub const COMMIT_STALL: Duration = Duration::from_secs(5);
/// The pause between two looks at how long the commit under way has taken.
pub const STALL_LOOK: Duration = Duration::from_millis(500);
/// The pause between two looks at whether the store's files are still where their names say.
pub const FILES_LOOK: Duration = Duration::from_secs(1);
/// Bytes that a full disk must have free before the store is opened again.
pub const REOPEN_ROOM_BYTES: u64 = 1024 * 1024;
/// Series of response times, by route, method and status; further ones have the route `other`.
pub const MAX_REQUEST_SERIES: usize = 512;
/// Orders whose user and price are kept for the figures, until they are confirmed; those of others are read again.
pub const MAX_FOLLOWED_ORDERS: usize = 64 * 1024;
/// Records of the history that the figures take in at once.
pub const FOLLOWED_RECORDS: usize = 256;
/// Time over which response times, commits and the error rate are taken.
pub const RATE_SPAN: Duration = Duration::from_secs(10);
/// Time over which active users and visitors are counted.
pub const PEOPLE_SPAN: Duration = Duration::from_secs(5 * 60);
/// Parts of [`PEOPLE_SPAN`] in which people are forgotten.
pub const PEOPLE_SLICES: u32 = 30;
/// The pause between two looks at open files and at the free space of the disk.
pub const FILES_SAMPLE_PERIOD: Duration = Duration::from_secs(5);
/// How long a start waits for the first of these: it takes milliseconds, unless the disk hangs.
pub const FIRST_READING_TIMEOUT: Duration = Duration::from_millis(500);
/// The time between two samples of the figures.
pub const SAMPLE_PERIOD: Duration = Duration::from_secs(1);
/// Longest timer sleep: bounds how late a changed clock or a suspend is noticed.
pub const CLOCK_LOOK: Duration = Duration::from_secs(1);
/// A difference between the two clocks that appears from one look to the next, beyond which the wall clock was set.
pub const CLOCK_STEP: Duration = Duration::from_secs(1);
/// How long the alert about a clock that was set stays, unless the clock is set back again.
pub const STEP_ALERT: Duration = Duration::from_secs(60 * 60);
/// Stretches of the history between which the wall clock was set back far; beyond that the oldest become one, in which
/// a search by time looks at more.
pub const MAX_STRETCHES: usize = 64;
/// A step back of the wall clock up to which a search by time looks at a little more, instead of at one stretch more.
pub const MAX_SLACK: Duration = Duration::from_secs(60);
/// Distances between the two clocks that delayed jobs are sorted by: more are there only while a wall clock that is set
/// again and again finds delayed jobs each time, and then a job can be late by as much as the clock was set back.
pub const MAX_DELAY_LINES: usize = 16;
/// How late a job may come due where the wall clock was set back; where it was not, none is.
pub const DELAY_SLACK: Duration = Duration::from_millis(20);
/// Records of the history that may be trimmed for each new one: more than one, so that trimming catches up.
pub const MAX_TRIMMED_PER_RECORD: u64 = 8;
/// Rows of stored responses that are too old, and of their index, that may be removed in one transaction, if few come
/// in.
pub const MAX_SWEPT_AT_ONCE: usize = 64;

/// The time in which new dead letters are counted for their alert.
pub const DEAD_LETTERS_WINDOW: Duration = Duration::from_secs(60);
/// How often it is checked whether a sale can begin.
pub const READINESS_PERIOD: Duration = Duration::from_secs(5);

/// A tier of the history of the figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryTier {
    /// Seconds of one point.
    pub step_seconds: i64,
    /// Points that are kept.
    pub slots: usize,
}

/// The tiers, finest first: a second for an hour, ten seconds for a day, a minute for 31 days. In all they take 17 MiB,
/// on disk and in memory, once they are full.
pub const HISTORY_TIERS: [HistoryTier; 3] = [
    HistoryTier { step_seconds: 1, slots: 3_600 },
    HistoryTier { step_seconds: 10, slots: 8_640 },
    HistoryTier { step_seconds: 60, slots: 44_640 },
];
/// Moments that are kept with them, the newest.
pub const HISTORY_EVENTS: usize = 1_024;
/// Bytes of what is said of such a moment.
pub const MAX_EVENT_MESSAGE_BYTES: usize = 320;
/// Points that one request for the history may ask for.
pub const MAX_HISTORY_POINTS: u64 = 1_500;
/// The longest step that it may ask for.
pub const MAX_HISTORY_STEP: Duration = Duration::from_secs(24 * 60 * 60);
/// How much of the history is shown where the request does not say.
pub const DEFAULT_HISTORY_SPAN: Duration = Duration::from_secs(120);
/// How long a stop waits for the last points of the history to be written.
pub const HISTORY_CLOSE_TIMEOUT: Duration = Duration::from_millis(500);

/// The most characters of a user's or a product's name.
pub const MAX_NAME_CHARS: usize = 255;
/// The most characters of a product's stock-keeping unit.
pub const MAX_SKU_CHARS: usize = 64;
/// The most pairs of an order's metadata.
pub const MAX_METADATA_PAIRS: usize = 20;
/// The most characters of a key of an order's metadata.
pub const MAX_METADATA_KEY_CHARS: usize = 40;
/// The most characters of a value of an order's metadata.
pub const MAX_METADATA_VALUE_CHARS: usize = 500;
/// The most bytes of all keys and values of an order's metadata.
pub const MAX_METADATA_BYTES: usize = 4 * 1024;
/// The most units of one order.
pub const MAX_QUANTITY: u32 = 1_000_000_000;
/// The most units that a product can have, so that sums of stock never overflow.
pub const MAX_STOCK: u64 = 1_000_000_000;
/// The longest hold, in seconds: thirty days.
pub const MAX_HOLD_SECONDS: u32 = 30 * 24 * 60 * 60;
/// The most units one user can be allowed.
pub const MAX_PER_USER_LIMIT: u32 = 1_000_000;

/// Changes of a product that its page shows.
pub const SHOWN_CHANGES: usize = 8;

const _: () = assert!(MAX_URI_BYTES + MAX_HEADER_BYTES < HTTP_BUFFER_BYTES);
const _: () = assert!(MAX_PAGE < MAX_SCANNED_ORDERS);
const _: () = assert!(EVENTS_LANES <= MAX_IDLE_CONNECTIONS);
// What a client begins with, twice over, fits its queue.
const _: () = assert!(MAX_PRODUCTS / MAX_FEED_PRODUCTS + 2 * MAX_FEED_ALERTS + 1 < 2 * FEED_QUEUE_FRAMES);
const _: () = assert!(MAX_PRODUCTS / MAX_FEED_PRODUCTS + MAX_FEED_ALERTS + 1 < FEED_QUEUE_FRAMES);
const _: () = assert!(MAX_BATCH_ORDERS <= MAX_COMMIT_ROWS && MAX_BATCH_ORDERS <= INTAKE_ORDERS);
/// The most bytes of an order's row without what is attached to it: the longest name, four bytes a character, and its
/// fixed part.
pub const MAX_ROW_BYTES: usize = MAX_NAME_CHARS * 4 + 160;
/// The most bytes of what is attached to an order beside its texts: their lengths.
pub const MAX_ATTACHED_FRAME_BYTES: usize = 4 * (MAX_METADATA_PAIRS + 1);

// The longest record fits a segment of the log: the rows of a commit, as many more as its last command can have, and
// the errors of as many reports as there can be. What is attached to an order counts as rows of its length, rounded up,
// and a batch attaches no more than its body has.
const _: () = assert!(
    (MAX_COMMIT_ROWS + larger(3 * MAX_BATCH_ORDERS + MAX_BATCH_BODY_BYTES / MAX_ROW_BYTES, MAX_EXPIRED_AT_ONCE))
        * MAX_ROW_BYTES
        + INTAKE_COMMANDS * MAX_ERROR_CHARS * 4
        < WAL_SEGMENT_BYTES as usize
);
const _: () = assert!(MIN_NUMBER_JUMP * 16 >= 2 * WAL_SEGMENT_BYTES);
const _: () = assert!(MAX_ORDER_BODY_BYTES <= MAX_BODY_BYTES && MAX_BODY_BYTES <= MAX_BATCH_BODY_BYTES);
const _: () = assert!(MAX_BATCH_BODY_BYTES * 16 <= MAX_ARRIVING_BYTES);
// Orders that wait for a disk that hangs get their response before a stop gives their connections up.
const _: () = assert!(
    COMMIT_STALL.as_millis() + STALL_LOOK.as_millis() + CLOSE_TIMEOUT.as_millis() < SHUTDOWN_TIMEOUT.as_millis()
);
// Service managers and container engines kill after ten seconds.
const _: () =
    assert!((SHUTDOWN_TIMEOUT.as_millis() + SHUTDOWN_GRACE.as_millis()) + LOG_FLUSH_TIMEOUT.as_millis() < 10_000);
const _: () = assert!(INDEX_SLICE <= INDEX_REMAINDER && INDEX_REMAINDER <= INDEX_RUN && INDEX_RUN <= FILTER_ENTRIES);

const fn larger(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
}

/// Products that the Live page lists.
pub const STOCK_ROWS: usize = 20;

/// Orders that the Live page lists; its script takes as many of each second.
pub const LATEST_ORDERS: usize = 13;

/// A sale without an order is quiet for so long before the Live page asks whether the shop points at this server.
pub const QUIET_START: Duration = Duration::from_secs(5);

/// The goal for the response time of orders that 99 % do not exceed, in milliseconds.
pub const RESPONSE_GOAL_MS: u32 = 3;

/// Bytes of the results of a load test that a report is made of: a day of seconds is 20 MiB.
pub const MAX_REPORT_BYTES: u64 = 64 << 20;

/// Periods from the first to the last one of results that a report is made of.
pub const MAX_REPORT_POINTS: u64 = 100_000;

/// Points of a line in a report, and rows of its table; further ones are taken together.
pub const REPORT_POINTS: usize = 600;

/// Rows of a table in a report, the largest ones first where it has an order of size.
pub const REPORT_ROWS: usize = 20;

/// The pause between two looks of `status --watch`.
pub const STATUS_PERIOD: Duration = Duration::from_secs(2);

/// How long preparing a server for a load test waits for its old jobs, and for a server that asks for patience.
pub const PREPARE_TIMEOUT: Duration = Duration::from_mins(1);
/// The pause between two looks meanwhile.
pub const PREPARE_LOOK: Duration = Duration::from_millis(100);
/// Bytes of a load test's scenario.
pub const MAX_SCENARIO_BYTES: usize = 64 * 1024;
/// Buyers a second in a load test.
pub const MAX_SCENARIO_RATE: f64 = 1_000_000.0;
/// How long buyers of a load test may arrive.
pub const MAX_SCENARIO_TIME: Duration = Duration::from_hours(24);
/// How long a request of a load test may take before it has failed.
pub const REHEARSAL_TIMEOUT: Duration = Duration::from_secs(30);
/// Buyers of a load test that are under way at once.
pub const MAX_LIVE_BUYERS: usize = 100_000;
/// Acknowledged orders that a load test remembers, of 40 bytes each; when it has as many, no more buyers come.
pub const MAX_REMEMBERED_ORDERS: usize = 4_000_000;
/// Rejections as sold out that a load test remembers, of 24 bytes each; later ones are counted and not checked.
pub const MAX_REMEMBERED_REJECTIONS: usize = 8_000_000;
/// How long a load test's own server may take from its start until it takes orders.
pub const REHEARSAL_START_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a load test waits in the end until no job is left to do.
pub const REHEARSAL_SETTLE_TIMEOUT: Duration = Duration::from_mins(5);
