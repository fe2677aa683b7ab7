//! Being on time: scheduling, locked memory, CPU affinity; and the name under which `ps` shows us.
//!
//! Scheduling belongs to a thread and is inherited by those it makes later: call these before making threads.

use std::ffi::CString;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::mman::{MlockAllFlags, mlockall};
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::Pid;

use crate::error::{Error, Result, check};

/// `SCHED_RR` with a priority of 1 to 99. Children start with ordinary scheduling (`SCHED_RESET_ON_FORK` is not set:
/// threads of ours must inherit; the process that runs scripts is never real-time).
///
/// # Errors
/// Without `CAP_SYS_NICE`, or for a priority the kernel does not have.
pub fn round_robin(priority: u8) -> Result<()> {
    let parameters = libc::sched_param { sched_priority: priority.into() };
    // SAFETY: the kernel reads one `sched_param` that lives until the call returns; 0 is the calling thread.
    let result = unsafe { libc::sched_setscheduler(0, libc::SCHED_RR, &raw const parameters) };
    check(result)
        .map(drop)
        .map_err(Error::of("use real-time scheduling with", format!("priority {priority}")))
}

/// Keeps all memory, present and future, from being swapped out.
///
/// # Errors
/// Without `CAP_IPC_LOCK` beyond `RLIMIT_MEMLOCK`.
pub fn lock_memory() -> Result<()> {
    mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE)
        .map_err(Error::of("lock", "the memory of this process"))
}

/// Nice value of the calling thread, -20 (most urgent) to 19.
///
/// # Errors
/// Without `CAP_SYS_NICE` for a lower value than now.
pub fn nice(value: i8) -> Result<()> {
    // SAFETY: only integers are passed; `PRIO_PROCESS` and 0 mean the calling thread.
    let result = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, value.into()) };
    check(result).map(drop).map_err(Error::of("use", format!("nice value {value}")))
}

/// Runs the calling thread on these CPUs only. None given: nothing changes.
///
/// # Errors
/// When a CPU does not exist.
pub fn affinity(cpus: &[u32]) -> Result<()> {
    if cpus.is_empty() {
        return Ok(());
    }
    let set = || {
        let mut set = CpuSet::new();
        for cpu in cpus {
            set.set(usize::try_from(*cpu).map_err(|_| nix::errno::Errno::EINVAL)?)?;
        }
        sched_setaffinity(Pid::from_raw(0), &set)
    };
    set().map_err(Error::of("run on", format!("CPUs {cpus:?}")))
}

/// Most CPU time a real-time thread may use without sleeping, in microseconds; beyond it the kernel signals.
///
/// # Errors
/// For more than the hard limit.
pub fn limit_real_time(microseconds: u64) -> Result<()> {
    setrlimit(Resource::RLIMIT_RTTIME, microseconds, microseconds)
        .map_err(Error::of("limit real-time CPU use to", format!("{microseconds} us")))
}

/// Lets timers of the calling thread be as exact as the hardware is, instead of up to 50 us late to save power.
///
/// # Errors
/// Never on Linux.
pub fn exact_timers() -> Result<()> {
    prctl::set_timerslack(1).map_err(Error::of("set", "the timer slack"))
}

/// The name `ps -o comm` and `/proc/PID/comm` show: of the calling thread, the first 15 bytes.
///
/// # Errors
/// When it contains a zero byte.
pub fn name(name: &str) -> Result<()> {
    let text = CString::new(name).map_err(Error::of("use as a process name", name))?;
    prctl::set_name(&text).map_err(Error::of("use as a process name", name))
}

/// Asks the kernel for a signal when the parent process ends.
///
/// # Errors
/// Never on Linux.
pub fn signal_when_parent_dies(signal: nix::sys::signal::Signal) -> Result<()> {
    prctl::set_pdeathsig(signal).map_err(Error::of("ask for a signal on", "the end of the parent"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// In a thread of its own, so that other tests keep their scheduling.
    fn apart<T: Send>(test: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| scope.spawn(test).join().expect("no panic"))
    }

    #[test]
    fn a_thread_made_later_inherits_round_robin() {
        apart(|| {
            round_robin(3).expect("root may");
            // SAFETY: only an integer is passed; 0 is the calling thread.
            let policy = || unsafe { libc::sched_getscheduler(0) };
            assert_eq!(policy(), libc::SCHED_RR);
            assert_eq!(apart(policy), libc::SCHED_RR);
            let error = round_robin(100).expect_err("there is no such priority");
            assert_eq!(error.errno(), libc::EINVAL);
            assert!(error.to_string().contains("priority 100"), "{error}");
        });
    }

    #[test]
    fn the_name_is_shown_by_proc() {
        apart(|| {
            name("mainstay-router").expect("sets");
            assert_eq!(fs::read_to_string("/proc/thread-self/comm").expect("reads"), "mainstay-router\n");
            name("a name that is longer than fifteen bytes").expect("cuts");
            assert_eq!(fs::read_to_string("/proc/thread-self/comm").expect("reads"), "a name that is \n");
            assert!(name("zero\0byte").is_err());
        });
    }

    #[test]
    fn affinity_and_nice_belong_to_the_thread() {
        apart(|| {
            affinity(&[0]).expect("there is a first CPU");
            nice(5).expect("being less urgent is always allowed");
            let status = fs::read_to_string("/proc/thread-self/status").expect("reads");
            let allowed = status.lines().find(|line| line.starts_with("Cpus_allowed_list:")).expect("a line");
            assert_eq!(allowed.split_whitespace().last(), Some("0"));
            let stat = fs::read_to_string("/proc/thread-self/stat").expect("reads");
            let behind_name = stat.rsplit(')').next().expect("a name in parentheses");
            assert_eq!(behind_name.split_whitespace().nth(16), Some("5"));
            assert!(affinity(&[100_000]).is_err());
            assert!(affinity(&[]).is_ok());
        });
    }
}
