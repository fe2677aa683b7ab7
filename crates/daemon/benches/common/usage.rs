//! What processes cost: CPU time and memory, as the kernel counts them.

use std::fs;
use std::time::Duration;

/// Memory of some processes, in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Memory {
    /// Resident set sizes added up: shared pages count once for each process.
    pub rss: u64,
    /// Proportional set sizes added up: a page shared by two counts half for each.
    pub pss: u64,
}

/// CPU time of all threads of these processes since their start, from `/proc/PID/task/TID/schedstat`, whose first word
/// is in nanoseconds. (The file of the process itself only speaks of its first thread.)
pub fn cpu_time(pids: &[u32]) -> Duration {
    let of_thread = |path: std::path::PathBuf| -> Option<u64> {
        fs::read_to_string(path.join("schedstat")).ok()?.split_whitespace().next()?.parse().ok()
    };
    let nanoseconds = pids
        .iter()
        .filter_map(|pid| fs::read_dir(format!("/proc/{pid}/task")).ok())
        .flat_map(|threads| threads.flatten())
        .filter_map(|thread| of_thread(thread.path()))
        .sum();
    Duration::from_nanos(nanoseconds)
}

/// Memory of these processes now, from `/proc/PID/smaps_rollup`, whose figures are in units of 1,024 bytes.
pub fn memory(pids: &[u32]) -> Memory {
    let mut sum = Memory::default();
    for pid in pids {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        let figure = |name: &str| -> u64 {
            let line = text.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0) * 1024
        };
        sum.rss += figure("Rss:");
        sum.pss += figure("Pss:");
    }
    sum
}
