//! Strangers and operators that ask and ask again, as fast as they are answered. They have a thread of their own, so
//! that reading what they get takes nothing from the buyers' clocks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::driver::client::{Connection, get};

/// A pause of one whose request was rejected.
const PAUSE: Duration = Duration::from_millis(100);

/// Those who ask.
pub(crate) struct Askers {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Askers {
    /// Starts one connection for each of `many`; they ask for the paths in turn.
    pub(crate) fn start(port: u16, many: usize, paths: &'static [&'static str]) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&answered));
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let mut asking = JoinSet::new();
                for number in 0..many {
                    asking.spawn(ask(port, paths[number % paths.len()], Arc::clone(&stopped), Arc::clone(&counted)));
                }
                while let Some(asker) = asking.join_next().await {
                    asker.expect("one who asks");
                }
            });
        };
        Self { stop, answered, thread: std::thread::spawn(run) }
    }

    /// Ends them and says how many answers of 200 they got.
    pub(crate) fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the thread of those who ask");
        self.answered.load(Ordering::Relaxed)
    }
}

async fn ask(port: u16, path: &str, stop: Arc<AtomicBool>, answered: Arc<AtomicU64>) {
    let mut connection = Connection::open(port).await.expect("a connection");
    let request = get(path);
    while !stop.load(Ordering::Relaxed) {
        match connection.exchange(&request).await.status {
            200 => drop(answered.fetch_add(1, Ordering::Relaxed)),
            503 => sleep(PAUSE).await,
            other => panic!("{path} is answered {other}"),
        }
    }
}
