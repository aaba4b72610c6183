//! What this machine is, and what Linux says about its processes and disks: nothing where it says nothing.

use std::fs;
use std::path::Path;
use std::time::Duration;

use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

/// Linux reports processor time in ticks of this many milliseconds: `USER_HZ` is 100 wherever this runs.
const CLOCK_TICK_MS: u64 = 10;

/// What a machine is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Machine {
    /// What its processor calls itself.
    pub(super) processor: String,
    pub(super) memory_bytes: u64,
    /// The operating system and its version.
    pub(super) system: String,
}

impl Machine {
    /// This one.
    pub(super) fn here() -> Self {
        let what = RefreshKind::nothing();
        let what = what.with_cpu(CpuRefreshKind::nothing()).with_memory(MemoryRefreshKind::everything());
        let found = System::new_with_specifics(what).ok();
        let cpu = found.as_ref().and_then(|system| system.cpus().first());
        let brand = cpu.map(|cpu| cpu.brand().trim().to_owned()).filter(|brand| !brand.is_empty());
        let parts = [System::name(), System::kernel_version()];
        Self {
            processor: brand.unwrap_or_else(System::cpu_arch),
            memory_bytes: found.map_or(0, |system| system.total_memory()),
            system: parts.into_iter().flatten().collect::<Vec<_>>().join(", kernel "),
        }
    }
}

/// Processor time of a process so far, all its threads, user and system, exact to a clock tick. The process is a number
/// or `self`.
pub fn cpu(process: &str) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The second field, the name, may hold spaces; it ends at the last bracket. The first field behind it is the third.
    let (_, fields) = stat.rsplit_once(") ")?;
    let ticks: Option<u64> = fields.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().ok()).sum();
    Some(Duration::from_millis(ticks? * CLOCK_TICK_MS))
}

/// The most bytes of a process's memory that were resident at any time; none of one that has ended.
pub fn peak_bytes(process: &str) -> Option<u64> {
    memory(process, "VmHWM:")
}

/// Bytes of a process's memory in a field of its status.
pub fn memory(process: &str, field: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let kilobytes = status.lines().find_map(|line| line.strip_prefix(field))?.split_whitespace().next()?;
    Some(kilobytes.parse::<u64>().ok()? * 1024)
}

/// The type of the file system that a directory is on.
pub fn file_system(path: &Path) -> Option<String> {
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
