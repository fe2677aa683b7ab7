//! Signals as the supervisor takes them: through a descriptor, in its loop, never in a handler.

use std::os::fd::{AsFd, BorrowedFd};

use mainstay_system::process::{
    block_realtime_signals, ignore_realtime_signals_but, restore_default_signals,
};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// What keepalived's signals ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// HUP.
    Reload,
    /// TERM, INT.
    Stop,
    /// USR1: write `keepalived.data`.
    DumpData,
    /// USR2: write `keepalived.stats`.
    DumpStatistics,
    /// RTMAX-1: the same, and count from zero again.
    DumpStatisticsAndClear,
    /// RTMIN+2: write `keepalived.json`.
    DumpJson,
    /// CHLD: somebody of ours ended.
    ChildEnded,
}

/// The signals as a descriptor to poll.
#[derive(Debug)]
pub struct Signals {
    fd: SignalFd,
}

impl Signals {
    /// Takes the signals from now on. With `ignore_interrupt` INT is left ignored.
    ///
    /// # Errors
    /// When the kernel has no descriptor for us.
    pub fn take(ignore_interrupt: bool) -> nix::Result<Self> {
        let mut taken = vec![
            Signal::SIGHUP,
            Signal::SIGTERM,
            Signal::SIGUSR1,
            Signal::SIGUSR2,
            Signal::SIGCHLD,
            Signal::SIGINT,
        ];
        // A started daemon may have inherited them as ignored (`nohup`), and then they would never be seen.
        restore_default_signals(&taken);
        ignore_realtime_signals_but(&[json(), clear()]);
        let mut mask: SigSet = taken.iter().copied().collect();
        mask.thread_block()?;
        if ignore_interrupt {
            // Blocked and not read: without effect.
            taken.retain(|signal| *signal != Signal::SIGINT);
            mask = taken.iter().copied().collect();
        }
        let mask = block_realtime_signals(mask, &[json(), clear()])?;
        Ok(Self { fd: SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)? })
    }

    /// The next signal that arrived, with the process that sent it (0: the kernel).
    pub fn next(&self) -> Option<(Request, u32)> {
        loop {
            let info = self.fd.read_signal().ok().flatten()?;
            match i32::try_from(info.ssi_signo) {
                Ok(number) if number == json() => return Some((Request::DumpJson, info.ssi_pid)),
                Ok(number) if number == clear() => {
                    return Some((Request::DumpStatisticsAndClear, info.ssi_pid));
                }
                _ => {}
            }
            let signal = i32::try_from(info.ssi_signo).ok().and_then(|number| Signal::try_from(number).ok());
            let request = match signal {
                Some(Signal::SIGHUP) => Request::Reload,
                Some(Signal::SIGTERM | Signal::SIGINT) => Request::Stop,
                Some(Signal::SIGUSR1) => Request::DumpData,
                Some(Signal::SIGUSR2) => Request::DumpStatistics,
                Some(Signal::SIGCHLD) => Request::ChildEnded,
                _ => continue,
            };
            return Some((request, info.ssi_pid));
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// keepalived's signal for `keepalived.json`.
fn json() -> i32 {
    libc::SIGRTMIN() + 2
}

/// keepalived's signal for `keepalived.stats` after which counting begins anew.
fn clear() -> i32 {
    libc::SIGRTMAX() - 1
}

/// The number behind keepalived's name for a signal (`--signum=NAME`).
#[must_use]
pub fn number_of(name: &str) -> Option<i32> {
    Some(match name {
        "STOP" => libc::SIGTERM,
        "RELOAD" => libc::SIGHUP,
        "DATA" => libc::SIGUSR1,
        "STATS" => libc::SIGUSR2,
        "STATS_CLEAR" => clear(),
        "JSON" => json(),
        "TDATA" => libc::SIGRTMAX(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keepalived_s_names_have_its_numbers() {
        // `keepalived --signum=...` of 2.2.7 on Debian.
        let numbers =
            [("STOP", 15), ("RELOAD", 1), ("DATA", 10), ("STATS", 12), ("STATS_CLEAR", 63), ("JSON", 36)];
        for (name, number) in numbers {
            assert_eq!(number_of(name), Some(number), "{name}");
        }
        assert_eq!(number_of("NONSENSE"), None);
    }
}
