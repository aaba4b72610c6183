//! What Linux says about processes and disks.

use std::fs;
use std::path::Path;
use std::time::Duration;

use flashsale::rehearsal::machine;

/// Linux reports processor time in ticks of this many milliseconds: `USER_HZ` is 100 wherever this runs.
const CLOCK_TICK_MS: u64 = 10;

/// The type of the file system that `path`, an absolute one, is on.
pub(crate) fn file_system(path: &Path) -> String {
    machine::file_system(path).expect("Linux's /proc")
}

/// Processor time of this process, which is the client, so far.
pub(crate) fn own_cpu() -> Duration {
    cpu("self")
}

/// Processor time of a process so far, all its threads, user and system, exact to a clock tick.
pub(crate) fn cpu(process: &str) -> Duration {
    machine::cpu(process).expect("Linux's /proc")
}

/// The numbers of the processes that a process started and that run.
pub(crate) fn children(process: u32) -> Vec<String> {
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).expect("Linux's /proc");
    children.split_whitespace().map(str::to_owned).collect()
}

/// Processor time of a process and of those that it started, ended ones included.
pub(crate) fn tree_cpu(process: u32) -> Duration {
    // One that ends meanwhile is counted the next time.
    let running: Duration = children(process).iter().filter_map(|child| machine::cpu(child)).sum();
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).expect("a process that runs");
    let (_, fields) = stat.rsplit_once(") ").expect("a name in brackets");
    // `cutime` and `cstime`.
    let ended = ticks(fields.split(' ').skip(13).take(2));
    running + ended + cpu(&process.to_string())
}

/// Processor time of the threads of a process that have this name.
pub(crate) fn thread_cpu(process: u32, name: &str) -> Duration {
    let threads = fs::read_dir(format!("/proc/{process}/task")).expect("a process that runs");
    let named = threads
        .flatten()
        .filter(|thread| fs::read_to_string(thread.path().join("comm")).is_ok_and(|comm| comm.trim_end() == name));
    named.filter_map(|thread| machine::cpu(&format!("{process}/task/{}", thread.file_name().display()))).sum()
}

/// Processor time of everything on this machine so far: processes, the kernel's own threads, interrupts.
pub(crate) fn machine_cpu() -> Duration {
    let stat = fs::read_to_string("/proc/stat").expect("Linux's /proc");
    let (all, _) = stat.split_once('\n').expect("a line for all processors");
    // Of `user nice system idle iowait irq softirq steal` all but the two that wait.
    let used = all.split_ascii_whitespace().skip(1).take(8).enumerate().filter(|(at, _)| ![3, 4].contains(at));
    ticks(used.map(|(_, field)| field))
}

/// Bytes of a process's memory that are resident.
pub(crate) fn resident_bytes(process: &str) -> u64 {
    machine::memory(process, "VmRSS:").expect("the resident size")
}

/// The most bytes of a process's memory that were resident at any time; none of one that has ended.
pub(crate) fn peak_bytes(process: &str) -> Option<u64> {
    machine::peak_bytes(process)
}

/// Bytes that a process has sent to the disk so far.
pub(crate) fn written_bytes(process: &str) -> u64 {
    let io = fs::read_to_string(format!("/proc/{process}/io")).expect("Linux's /proc");
    let bytes = io.lines().find_map(|line| line.strip_prefix("write_bytes: ")).expect("the bytes written");
    bytes.parse().expect("a number of bytes")
}

/// The time that these fields of a `stat` file sum up to.
fn ticks<'a>(fields: impl Iterator<Item = &'a str>) -> Duration {
    let ticks: u64 = fields.map(|field| field.parse::<u64>().expect("a number of ticks")).sum();
    Duration::from_millis(ticks * CLOCK_TICK_MS)
}
