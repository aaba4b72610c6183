//! The bounds of what follows the store.

use std::time::Duration;

/// How long a mirror gathers records, so that what comes one by one is copied together.
pub const MIRROR_LINGER: Duration = Duration::from_millis(100);
/// Records that a mirror reads at once.
pub const MIRROR_RECORDS: usize = 1_024;
/// Changes beyond which a mirror gathers no more.
pub const MIRROR_BATCH_CHANGES: usize = 8 * 1_024;
/// Orders that a mirror reads at once where it copies everything.
pub const MIRROR_PAGE: usize = 4 * 1_024;
/// Changes a second that a mirror with rows in PostgreSQL copies while orders come on a machine that is busy.
pub const POSTGRES_BUSY_CHANGES: u32 = 20_000;
/// The same of the mirror in Redis, which takes more time for a change.
pub const REDIS_BUSY_CHANGES: u32 = 10_000;
/// The same of events, each of which is a request.
pub const EVENTS_BUSY_CHANGES: u32 = 4_000;
/// A machine is busy from this share of its processors' time on, in percent. Orders whose commits wait for a disk fill
/// no more than 80 to 90.
pub const MIRROR_BUSY_PERCENT: f32 = 75.0;
/// How often a mirror looks whether the machine is busy; no less than what the clock of the processors' time resolves.
pub const MIRROR_BUSY_SAMPLE: Duration = Duration::from_millis(250);
/// How often a mirror notes how far it is behind, and looks after its target.
pub const MIRROR_TICK: Duration = Duration::from_millis(500);
/// The longest time for one step of a target; then it is connected to anew.
pub const MIRROR_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest time for a connection to a target.
pub const MIRROR_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The pause before a target is tried again; it doubles up to [`MIRROR_MAX_DELAY`].
pub const MIRROR_FIRST_DELAY: Duration = Duration::from_millis(200);
/// See [`MIRROR_FIRST_DELAY`].
pub const MIRROR_MAX_DELAY: Duration = Duration::from_secs(5);
/// How long a mirror may copy what its target lacks once the server stops.
pub const MIRROR_DRAIN: Duration = Duration::from_secs(1);
/// How often rows are tried again that a target rejected.
pub const MIRROR_RETRY: Duration = Duration::from_secs(10);
/// Bytes of one migration.
pub const MAX_MIGRATION_BYTES: usize = 1024 * 1024;
/// Changes that are written to Redis in one transaction, which Redis runs alone; a record with more is written in
/// several.
pub const REDIS_CHANGES: usize = 1_000;
/// Keys that Redis looks through, removes or is given anew in one command.
pub const REDIS_KEYS: usize = 1_000;
/// Entries of the stream in Redis, about: the oldest go first.
pub const REDIS_STREAM_ENTRIES: usize = 1_000_000;
/// Rows that Redis may reject; where there are more, the mirror does not continue.
pub const REDIS_REJECTED: u64 = 1_000;
/// How long Redis is ours after the last word of this server.
pub const REDIS_OWNED: Duration = Duration::from_secs(10);
/// How long the live figures are in Redis after they were last written.
pub const REDIS_LIVE: Duration = Duration::from_secs(5);
/// How often Redis is asked how many reads found their key.
pub const REDIS_READS: Duration = Duration::from_secs(5);
/// How long what is not in the store is looked for in Redis, before what is new is copied.
pub const REDIS_SWEEP: Duration = Duration::from_millis(200);
/// Bytes of a file with certificates that are trusted; those of a whole system have some hundred thousand.
pub const MAX_CA_FILE_BYTES: usize = 2 * 1024 * 1024;
/// Bytes of the prefix of the keys in Redis.
pub const MAX_REDIS_PREFIX: usize = 64;
/// Threads of one mirror that look up names.
pub const MIRROR_LOOK_UPS: usize = 2;
/// Posts of events that are under way at once: those of one order, and of one product, are made one after the other.
pub const EVENTS_LANES: usize = 32;
/// Events beyond which those that were delivered are noted before more are derived.
pub const EVENTS_AT_ONCE: usize = 512;
/// The longest time for one post of an event.
pub const EVENTS_TIMEOUT: Duration = Duration::from_secs(15);
/// The longest time that a receiver of events may ask to wait.
pub const EVENTS_MAX_RETRY_AFTER: Duration = Duration::from_mins(15);
/// Bytes of a file with events that the receiver rejected; there are two such files at most.
pub const EVENTS_ASIDE_BYTES: u64 = 8 * 1024 * 1024;
/// Bytes of the file with the position of events.
pub const EVENTS_POSITION_BYTES: usize = 256;
/// Records that are kept from being trimmed for a target that is away, unless another number is set.
pub const DEFAULT_MIRROR_KEPT_RECORDS: u32 = 5_000_000;
