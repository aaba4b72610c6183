//! Look-ups that hang, for tests of what they hold up.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Runtime;

use crate::outbound::lookup::{LookupError, Resolved};

/// Look-ups that hang until what is returned is dropped.
pub(crate) fn look_ups() -> (SyncSender<()>, impl Fn(&str) -> Resolved) {
    let (release, hangs) = sync_channel(0);
    let hangs = Mutex::new(hangs);
    (release, move |_: &str| {
        let _ = hangs.lock().recv();
        Err(LookupError::Failed("too late".to_owned()))
    })
}

/// Drops a runtime, which waits for its blocking threads, while look-ups still hang; panics if that takes longer than
/// `patience`.
pub(crate) fn end(runtime: Runtime, release: SyncSender<()>, patience: Duration) {
    let (ended, ends) = sync_channel(1);
    std::thread::spawn(move || {
        drop(runtime);
        ended.send(()).unwrap();
    });
    ends.recv_timeout(patience).unwrap();
    drop(release);
}
