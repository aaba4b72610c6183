//! What Linux says about this machine, its processes and its disks. Where it says nothing, values are empty or zero.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crossbeam_channel::after;

/// Linux reports processor time in ticks of this many milliseconds: `USER_HZ` is 100 wherever this runs.
const CLOCK_TICK_MS: u64 = 10;

/// Blocks this thread for some time.
pub(super) fn pause(time: Duration) {
    // The channel gives one message, when the time is over.
    let _ = after(time).recv();
}

/// Processor time of a process so far, all its threads, user and system, exact to a clock tick.
pub(super) fn cpu(process: &str) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The second field, the name, may hold spaces; it ends at the last bracket. The first field behind it is the third.
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let ticks: u64 = fields.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * CLOCK_TICK_MS)
}

/// The most bytes of a process's memory that were resident at any time.
pub(super) fn peak_bytes(process: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    kilobytes(&status, "VmHWM:")
}

/// Bytes of the machine's memory.
pub(super) fn memory_bytes() -> u64 {
    kilobytes(&fs::read_to_string("/proc/meminfo").unwrap_or_default(), "MemTotal:")
}

/// What the processor calls itself.
pub(super) fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    model.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

/// The operating system and its version.
pub(super) fn system() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{} {}", std::env::consts::OS, release.trim()).trim().to_owned()
}

/// The type of the file system that a directory is on.
pub(super) fn file_system(path: &Path) -> Option<String> {
    let path = path.canonicalize().ok()?;
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let on_path = mounts.lines().filter_map(|mount| {
        let mut fields = mount.split(' ').skip(1);
        let (point, kind) = (fields.next()?, fields.next()?);
        path.starts_with(point).then_some((point.len(), kind))
    });
    // Of mounts on the same point the last one is seen, and `max_by_key` gives the last of equals.
    on_path.max_by_key(|(len, _)| *len).map(|(_, kind)| kind.to_owned())
}

fn kilobytes(text: &str, field: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    number.unwrap_or(0) * 1024
}
