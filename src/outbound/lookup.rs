//! Looks up the one host that is posted to, on threads that nobody else needs.
//!
//! The system's resolver blocks, for half a minute if no name server responds. On the runtime's blocking threads,
//! which read the store, it would hold up buyers and the end of the process. Here a look-up has a thread of its own,
//! which is never waited for: all attempts share the one under way, each for as long as its own time-out allows.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use dns_lookup::{AddrInfoHints, LookupErrorKind};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::shortage::is_shortage;
use crate::limits::{LOOKUP_AGE, LOOKUP_PATIENCE, MAX_LOOKUP_THREADS};

/// Why a name led to no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// The name does not exist, or no name server says so.
    #[error("{0}")]
    Failed(String),
    /// This machine could not ask.
    #[error("{0}")]
    Local(String),
}

type Addresses = Result<Arc<[SocketAddr]>, LookupError>;

/// What the system's resolver says.
pub type Resolved = Result<Vec<SocketAddr>, LookupError>;

/// Looks up the addresses of a name, and blocks meanwhile. Their port is not used.
type Resolve = dyn Fn(&str) -> Resolved + Send + Sync;

/// The look-ups of one host.
pub(super) struct Lookups {
    host: String,
    resolve: Box<Resolve>,
    // A blocking mutex: it is never held across an await.
    threads: Mutex<Threads>,
    latest: watch::Sender<Option<Found>>,
}

/// The look-ups under way.
#[derive(Debug, Default)]
struct Threads {
    count: usize,
    /// When the newest began.
    newest: Option<Instant>,
}

/// What a look-up came to.
#[derive(Clone, Debug)]
struct Found {
    at: Instant,
    addresses: Addresses,
}

impl Found {
    fn serves(&self, asked: Instant) -> bool {
        asked.saturating_duration_since(self.at) <= LOOKUP_AGE
    }
}

impl std::fmt::Debug for Lookups {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Lookups").field(&self.host).finish()
    }
}

impl Lookups {
    pub(super) fn new(host: String, resolve: impl Fn(&str) -> Resolved + Send + Sync + 'static) -> Self {
        let (resolve, latest) = (Box::new(resolve), watch::Sender::new(None));
        Self { host, resolve, threads: Mutex::default(), latest }
    }

    /// The addresses of the host, from the look-up under way, from one that has just ended, or from a new one. May take
    /// for ever: the caller bounds it.
    pub(super) async fn find(self: &Arc<Self>) -> Addresses {
        let asked = Instant::now();
        let mut latest = self.latest.subscribe();
        let serves = |found: &Option<Found>| found.as_ref().is_some_and(|found| found.serves(asked));
        let known = serves(&latest.borrow());
        if !known {
            self.start(asked)?;
        }
        match latest.wait_for(serves).await.as_deref() {
            Ok(Some(found)) => found.addresses.clone(),
            _ => Err(LookupError::Local("the look-up of the name ended without a result".to_owned())),
        }
    }

    /// Starts a look-up where none is under way, or where that one hangs and there is a thread left.
    fn start(self: &Arc<Self>, now: Instant) -> Result<(), LookupError> {
        let mut threads = self.threads.lock();
        let hangs = threads.newest.is_none_or(|began| now.saturating_duration_since(began) > LOOKUP_PATIENCE);
        if threads.count > 0 && (!hangs || threads.count >= MAX_LOOKUP_THREADS) {
            return Ok(());
        }
        let lookups = Arc::clone(self);
        // Nobody joins it: one that hangs ends with the process.
        std::thread::Builder::new()
            .name("name-lookup".to_owned())
            .spawn(move || lookups.run())
            .map_err(|error| LookupError::Local(format!("no thread for the look-up of the name: {error}")))?;
        threads.count += 1;
        threads.newest = Some(now);
        Ok(())
    }

    fn run(&self) {
        let resolved = catch_unwind(AssertUnwindSafe(|| (self.resolve)(&self.host)));
        let resolved = resolved.unwrap_or_else(|_| Err(LookupError::Local("the look-up of the name panicked".into())));
        let addresses = resolved.map(Arc::from);
        // In this order: who joins this look-up between the two finds its result.
        self.latest.send_replace(Some(Found { at: Instant::now(), addresses }));
        self.threads.lock().count -= 1;
    }
}

/// Asks the system, as every other program on this machine does: `/etc/hosts`, `nsswitch.conf`, search domains. Blocks.
pub(super) fn system(host: &str) -> Resolved {
    let hints = AddrInfoHints { socktype: libc::SOCK_STREAM, ..AddrInfoHints::default() };
    let error = match dns_lookup::getaddrinfo(Some(host), None, Some(hints)) {
        Ok(found) => return Ok(found.filter_map(Result::ok).map(|info| info.sockaddr).collect()),
        Err(error) => error,
    };
    let local = matches!(error.kind(), LookupErrorKind::Memory | LookupErrorKind::System) || lacks_sockets();
    let text = std::io::Error::from(error).to_string();
    Err(if local { LookupError::Local(text) } else { LookupError::Failed(text) })
}

/// Whether no socket can be had. Without one the C library finds no name server, or no `/etc/hosts`, and says that the
/// name does not exist.
fn lacks_sockets() -> bool {
    std::net::UdpSocket::bind(("0.0.0.0", 0)).is_err_and(|error| is_shortage(&error))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    fn address() -> SocketAddr {
        "192.0.2.1:0".parse().unwrap()
    }

    /// Look-ups that hang until something is sent, and how many were begun.
    fn hanging() -> (Arc<Lookups>, mpsc::SyncSender<Resolved>, Arc<AtomicUsize>) {
        let (sender, receiver) = mpsc::sync_channel(MAX_LOOKUP_THREADS);
        let (receiver, begun) = (Mutex::new(receiver), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&begun);
        let lookups = Lookups::new("shop.example".to_owned(), move |host| {
            assert_eq!(host, "shop.example");
            count.fetch_add(1, Ordering::SeqCst);
            receiver.lock().recv().unwrap()
        });
        (Arc::new(lookups), sender, begun)
    }

    #[tokio::test]
    async fn all_that_wait_share_one_look_up_and_its_result_serves_shortly_after() {
        let (lookups, sender, begun) = hanging();
        let finders: Vec<_> = (0..100)
            .map(|_| {
                let lookups = Arc::clone(&lookups);
                tokio::spawn(async move { lookups.find().await })
            })
            .collect();
        while lookups.latest.receiver_count() < finders.len() {
            tokio::task::yield_now().await;
        }
        sender.send(Ok(vec![address()])).unwrap();
        for finder in finders {
            assert_eq!(&*finder.await.unwrap().unwrap(), [address()]);
        }
        assert!(lookups.find().await.is_ok());
        assert_eq!(begun.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_failure_is_shared_as_well_and_a_panic_is_a_fault_of_this_machine() {
        let (lookups, sender, _) = hanging();
        sender.send(Err(LookupError::Failed("unknown".to_owned()))).unwrap();
        assert_eq!(lookups.find().await, Err(LookupError::Failed("unknown".to_owned())));
        let lookups = Arc::new(Lookups::new("shop.example".to_owned(), |_| panic!("on purpose")));
        assert!(matches!(lookups.find().await, Err(LookupError::Local(_))));
        // Its thread is counted until just after the result.
        while lookups.threads.lock().count > 0 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn look_ups_that_hang_are_left_behind_up_to_a_bound() {
        let (lookups, sender, begun) = hanging();
        let mut now = Instant::now();
        for threads in 1..=2 * MAX_LOOKUP_THREADS {
            lookups.start(now).unwrap();
            lookups.start(now + LOOKUP_PATIENCE).unwrap();
            assert_eq!(lookups.threads.lock().count, threads.min(MAX_LOOKUP_THREADS));
            now += LOOKUP_PATIENCE + Duration::from_millis(1);
        }
        sender.send(Ok(vec![address()])).unwrap();
        // Which of them ends is all the same.
        assert!(lookups.find().await.is_ok());
        assert!(begun.load(Ordering::SeqCst) <= MAX_LOOKUP_THREADS);
    }

    #[test]
    fn the_system_knows_localhost_and_not_what_cannot_exist() {
        assert!(system("localhost").unwrap().iter().all(|address| address.ip().is_loopback()));
        assert!(matches!(system("no such host"), Err(LookupError::Failed(_))));
    }
}
