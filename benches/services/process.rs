//! A service as a child process.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::sleep;

use crate::driver::machine;

/// How long a service may take from its start until it can be connected to: Redis reads its whole file first.
const START: Duration = Duration::from_mins(2);
/// Between two attempts to connect.
const POLL_EVERY: Duration = Duration::from_millis(20);

/// A service that runs, stopped by `stop` when this is dropped.
pub(crate) struct Service {
    child: Child,
    stop: Signal,
}

impl Service {
    /// Starts a service whose output goes to `log`.
    pub(crate) fn start(mut command: Command, log: &Path, stop: Signal) -> Self {
        let out = File::create(log).expect("a log file");
        let error = out.try_clone().expect("a log file");
        command.stdin(Stdio::null()).stdout(out).stderr(error);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { child, stop }
    }

    /// Waits for what `attempt` gives once the service is there.
    pub(crate) async fn wait_for<T>(&mut self, attempt: impl AsyncFn() -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(found) = attempt().await {
                return found;
            }
            let ended = self.child.try_wait().expect("a child's state");
            assert!(ended.is_none() && start.elapsed() < START, "the service did not start: {ended:?}");
            sleep(POLL_EVERY).await;
        }
    }

    /// Processor time so far, with that of all processes that it started.
    pub(crate) fn cpu(&self) -> Duration {
        machine::tree_cpu(self.child.id())
    }

    /// Sends a signal to it and to all processes that it started.
    pub(crate) fn signal_all(&self, signal: Signal) {
        let children = machine::children(self.child.id());
        let children = children.iter().filter_map(|child| Pid::from_raw(child.parse().ok()?));
        for process in children.chain([Pid::from_child(&self.child)]) {
            // Fails for one that has ended meanwhile.
            let _ = kill_process(process, signal);
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Either fails only if the process has ended already. A suspended one must continue to see the signal.
        let _ = kill_process(Pid::from_child(&self.child), self.stop);
        self.signal_all(Signal::CONT);
        let _ = self.child.wait();
    }
}
