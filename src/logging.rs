//! The log's lines go through a bounded queue to a thread that writes them, so logging never waits for a reader, and a
//! failed write ends nothing. Lines that do not fit the queue, or that cannot be written, are lost and counted.

use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::limits::LOG_BUFFER_LINES;

/// The process's log, once it has been started.
static LOG: OnceLock<Log> = OnceLock::new();

/// A handle to write log lines with; each call of `write` is one line. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Log {
    lines: Sender<Line>,
    lost: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Line {
    Text(Vec<u8>),
    /// Acknowledged when all lines before it were written or lost.
    Flush(Sender<()>),
}

impl Log {
    /// Starts the process's log, which writes to standard error.
    pub fn start() -> io::Result<Self> {
        // A handle of its own: a write that blocks must not hold the lock that other writes to standard error need.
        let out = std::fs::File::from(io::stderr().as_fd().try_clone_to_owned()?);
        let log = Self::over(out)?;
        Ok(LOG.get_or_init(|| log).clone())
    }

    fn over(out: impl Write + Send + 'static) -> io::Result<Self> {
        let (lines, queued) = bounded(LOG_BUFFER_LINES);
        let lost = Arc::new(AtomicU64::new(0));
        let mut writer = Writer { out, lost: Arc::clone(&lost), reported: 0, torn: false };
        std::thread::Builder::new().name("log".to_owned()).spawn(move || writer.run(&queued))?;
        Ok(Self { lines, lost })
    }

    /// Returns when all lines so far were written or lost, or after `at_most`.
    pub fn flush(&self, at_most: Duration) {
        let (done, flushed) = bounded(1);
        if self.lines.send_timeout(Line::Flush(done), at_most / 2).is_ok() {
            let _ = flushed.recv_timeout(at_most / 2);
        }
    }
}

/// The process's log, if it was started.
pub fn started() -> Option<Log> {
    LOG.get().cloned()
}

/// Lines of the process's log that were lost.
pub fn lost_lines() -> u64 {
    LOG.get().map_or(0, |log| log.lost.load(Ordering::Relaxed))
}

/// Flushes the process's log, if it was started: see [`Log::flush`].
pub fn flush(at_most: Duration) {
    if let Some(log) = LOG.get() {
        log.flush(at_most);
    }
}

/// Writes to standard output without waiting for a reader.
pub fn announce(text: String) {
    let write = move || {
        let mut out = io::stdout().lock();
        // If standard output is closed, the text is lost.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    };
    let _ = std::thread::Builder::new().name("banner".to_owned()).spawn(write);
}

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.lines.try_send(Line::Text(line.to_vec())).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The thread's own state.
struct Writer<W> {
    out: W,
    lost: Arc<AtomicU64>,
    /// Lost lines that the log has reported.
    reported: u64,
    /// Whether the last write broke off within a line.
    torn: bool,
}

impl<W: Write> Writer<W> {
    fn run(&mut self, queued: &Receiver<Line>) {
        for line in queued {
            match line {
                Line::Text(line) if self.write(&line).is_ok() => self.report_lost(),
                Line::Text(_) => drop(self.lost.fetch_add(1, Ordering::Relaxed)),
                Line::Flush(done) => drop(done.try_send(())),
            }
        }
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.torn {
            self.out.write_all(b"\n")?;
            self.torn = false;
        }
        let mut left = line;
        while !left.is_empty() {
            match self.out.write(left) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => left = &left[written..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.torn = left.len() < line.len();
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Reports lost lines once, in a line that can get lost like any other.
    fn report_lost(&mut self) {
        let lost = self.lost.load(Ordering::Relaxed);
        if lost > self.reported {
            tracing::warn!(
                lines = lost - self.reported,
                "log lines were lost: standard error could not be written, or was not read fast enough"
            );
            self.reported = lost;
        }
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    /// What a test gives the log to write to.
    #[derive(Clone, Default)]
    struct Out(Arc<Mutex<OutState>>);

    #[derive(Default)]
    struct OutState {
        written: Vec<u8>,
        /// Bytes that still fit. `None` is no limit.
        room: Option<usize>,
    }

    impl Write for Out {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut state = self.0.lock();
            let fits = state.room.unwrap_or(bytes.len()).min(bytes.len());
            if fits == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            if let Some(room) = &mut state.room {
                *room -= fits;
            }
            state.written.extend_from_slice(&bytes[..fits]);
            Ok(fits)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted_and_the_next_one_begins_a_line() {
        let out = Out::default();
        let mut log = Log::over(out.clone()).unwrap();
        out.0.lock().room = Some(10);
        log.write_all(b"written\n").unwrap();
        log.write_all(b"torn\n").unwrap();
        log.write_all(b"lost\n").unwrap();
        log.flush(PATIENCE);
        assert_eq!(log.lost.load(Ordering::Relaxed), 2);
        out.0.lock().room = None;
        log.write_all(b"again\n").unwrap();
        log.flush(PATIENCE);
        assert_eq!(String::from_utf8_lossy(&out.0.lock().written), "written\nto\nagain\n");
    }

    #[test]
    fn a_write_that_blocks_keeps_no_caller_waiting_and_lines_without_room_are_counted() {
        let out = Out::default();
        let mut log = Log::over(out.clone()).unwrap();
        let blocked = out.0.lock();
        // One line is with the thread that writes.
        let lines = LOG_BUFFER_LINES + 1 + 20;
        (0..lines).for_each(|_| log.write_all(b"a line\n").unwrap());
        let lost = log.lost.load(Ordering::Relaxed);
        assert!((20..=21).contains(&lost), "{lost} lines were lost");
        log.flush(Duration::from_millis(10));
        drop(blocked);
        log.flush(PATIENCE);
        let written = out.0.lock().written.len() / b"a line\n".len();
        assert_eq!(written as u64 + lost, lines as u64);
    }
}
