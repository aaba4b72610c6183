//! Running a measurement to its end and no longer.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::machine;

/// Where the stores are made: under the target directory, which must be on a disk. Gives the type of the file system
/// as well.
pub(crate) fn data_directory() -> (&'static Path, String) {
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file_system = machine::file_system(parent);
    assert!(
        !["tmpfs", "ramfs"].contains(&file_system.as_str()),
        "{} is in memory: a sync costs nothing",
        parent.display()
    );
    (parent, file_system)
}

/// Runs a measurement, for so long at most, and until the process is stopped. Whichever way it ends, the servers
/// are dropped with the future that owns them.
pub(crate) async fn bounded(measurement: impl Future<Output = ExitCode>, limit: Duration) -> ExitCode {
    let mut terminate = signal(SignalKind::terminate()).expect("a signal handler");
    let mut interrupt = signal(SignalKind::interrupt()).expect("a signal handler");
    tokio::select! {
        code = measurement => code,
        () = tokio::time::sleep(limit) => panic!("the run takes too long"),
        _ = terminate.recv() => ExitCode::FAILURE,
        _ = interrupt.recv() => ExitCode::FAILURE,
    }
}
