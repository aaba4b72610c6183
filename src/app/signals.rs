//! The signals that end the process, and one that must not.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use libc::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Makes a file that grows beyond a limit (`ulimit -f`) an error of the write, as a full disk is, where it would
/// otherwise end the process.
pub fn survive_file_size_limit() -> io::Result<()> {
    flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false))).map(drop)
}

/// The signals that end the process. Set up before anything is announced, so that none is missed.
pub(super) struct Ends {
    terminate: Signal,
    interrupt: Signal,
    /// `None` if the process was started to ignore hang-ups, as `nohup` does.
    hang_up: Option<Signal>,
    /// Whether the next signal ends the process at once. In the handler itself, so that no thread need be free for it.
    at_once: Arc<AtomicBool>,
}

impl Ends {
    /// Until [`Self::in_order`] a signal ends the process at once: nothing was acknowledged yet.
    pub(super) fn new() -> io::Result<Self> {
        let at_once = Arc::new(AtomicBool::new(true));
        let end = |number: i32| {
            flag::register_conditional_shutdown(number, 128 + number, Arc::clone(&at_once))?;
            // After the look at it: the first signal makes the second one end the process.
            flag::register(number, Arc::clone(&at_once))?;
            signal(SignalKind::from_raw(number))
        };
        let hang_up = if is_ignored(SIGHUP) { None } else { Some(end(SIGHUP)?) };
        let (terminate, interrupt) = (end(SIGTERM)?, end(SIGINT)?);
        Ok(Self { terminate, interrupt, hang_up, at_once })
    }

    /// From here on the first signal is handled by [`Self::next`], and only a second one ends the process at once.
    pub(super) fn in_order(&self) {
        self.at_once.store(false, Ordering::SeqCst);
    }

    pub(super) async fn next(&mut self) -> &'static str {
        let hang_up = async {
            match &mut self.hang_up {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = hang_up => "SIGHUP",
        }
    }
}

/// Whether the process was started with this signal ignored.
fn is_ignored(number: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask & (1 << (number - 1)) != 0
}
