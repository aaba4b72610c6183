//! What the system says of this process. A thread of its own asks, as a disk that hangs must not stop the samples.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use parking_lot::Mutex;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use crate::limits::{FILES_SAMPLE_PERIOD, FIRST_READING_TIMEOUT, SAMPLE_PERIOD};
use crate::metrics::ProcessFigures;
use crate::store::free_bytes;

/// The latest figures, and the thread that asks for them. Dropping it ends the thread.
#[derive(Debug)]
pub(super) struct ProcessWatch {
    latest: Arc<Mutex<Reading>>,
    cores: usize,
    #[expect(dead_code, reason = "the thread waits for its drop")]
    stop: Sender<()>,
}

/// What was read last.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Reading {
    /// What the system says.
    pub(super) figures: ProcessFigures,
    /// Percent of the time of all processors, over the last second.
    pub(super) cpu_percent: Option<f64>,
}

impl ProcessWatch {
    /// Starts to ask, and waits for the first reading, so that the first look at what a sale needs has it; for
    /// [`FIRST_READING_TIMEOUT`] at most. Where no thread can be started, nothing is known.
    pub(super) fn start(data_dir: PathBuf, max_open_files: Option<u64>, started_at: i64) -> Self {
        let figures = ProcessFigures { started_at, max_open_files, ..ProcessFigures::default() };
        let latest = Arc::new(Mutex::new(Reading { figures, cpu_percent: None }));
        let (stop, stopped) = crossbeam_channel::bounded(0);
        let (has_read, first) = crossbeam_channel::bounded(1);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let shared = Arc::clone(&latest);
        let ask = move || {
            let system = match System::new() {
                Ok(system) => system,
                Err(error) => return tracing::warn!(%error, "the use of processor and memory cannot be watched"),
            };
            Asker { data_dir, cores, latest: shared, system, before: None }.ask(&stopped, has_read);
        };
        if let Err(error) = std::thread::Builder::new().name("process-watch".to_owned()).spawn(ask) {
            tracing::warn!(%error, "the use of processor and memory cannot be watched");
        }
        // The channel also ends with a thread that could not ask.
        let _ = first.recv_timeout(FIRST_READING_TIMEOUT);
        Self { latest, cores, stop }
    }

    /// What was read last.
    pub(super) fn latest(&self) -> Reading {
        *self.latest.lock()
    }

    /// Processors that this process may use.
    pub(super) const fn cores(&self) -> usize {
        self.cores
    }
}

struct Asker {
    data_dir: PathBuf,
    cores: usize,
    latest: Arc<Mutex<Reading>>,
    system: System,
    /// When the processor time was read last, and what it was.
    before: Option<(Instant, Duration)>,
}

impl Asker {
    fn ask(mut self, stopped: &Receiver<()>, has_read: Sender<()>) {
        let Ok(pid) = sysinfo::get_current_pid() else { return };
        let mut looked: Option<Instant> = None;
        loop {
            let looks = looked.is_none_or(|looked| looked.elapsed() >= FILES_SAMPLE_PERIOD);
            if looks {
                looked = Some(Instant::now());
            }
            self.read(pid, looks);
            let _ = has_read.try_send(());
            if stopped.recv_timeout(SAMPLE_PERIOD) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    }

    /// Reads processor and memory, and less often what takes longer the more connections there are.
    fn read(&mut self, pid: Pid, with_files: bool) {
        let kind = ProcessRefreshKind::nothing().with_cpu().with_memory();
        self.system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, kind);
        let now = Instant::now();
        let Some(process) = self.system.process(pid) else { return };
        let cpu = Duration::from_millis(process.accumulated_cpu_time());
        let cpu_percent =
            self.before.and_then(|(at, before)| percent(cpu.saturating_sub(before), now - at, self.cores));
        self.before = Some((now, cpu));
        let memory = process.memory();
        let files = with_files.then(|| (process.open_files(), free_bytes(&self.data_dir)));
        let mut latest = self.latest.lock();
        latest.cpu_percent = cpu_percent;
        latest.figures.cpu = Some(cpu);
        latest.figures.memory_bytes = Some(memory);
        if let Some((open_files, free)) = files {
            latest.figures.open_files = open_files.map(|files| files as u64);
            latest.figures.disk_free_bytes = free;
        }
    }
}

/// Percent of the time of all processors.
fn percent(used: Duration, passed: Duration, cores: usize) -> Option<f64> {
    let all = passed.as_secs_f64() * cores as f64;
    (all > 0.0).then(|| (used.as_secs_f64() * 100.0 / all).clamp(0.0, 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_of_all_processors() {
        let second = Duration::from_secs(1);
        assert_eq!(percent(second, second, 4), Some(25.0));
        assert_eq!(percent(8 * second, second, 4), Some(100.0));
        assert_eq!(percent(second, Duration::ZERO, 4), None);
    }

    #[test]
    fn a_start_knows_at_once_the_memory_and_files_of_this_process_and_the_room_on_its_disk() {
        let watch = ProcessWatch::start(std::env::temp_dir(), Some(1_024), 7);
        let figures = watch.latest().figures;
        assert!(figures.memory_bytes.unwrap() > 1_000_000 && figures.open_files.unwrap() > 2, "{figures:?}");
        assert!(figures.disk_free_bytes.unwrap() > 0 && figures.cpu.is_some(), "{figures:?}");
        assert_eq!((figures.started_at, figures.max_open_files), (7, Some(1_024)));
    }
}
