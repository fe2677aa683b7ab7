//! Waiting: many descriptors (epoll), a deadline (timerfd), another thread (eventfd).

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use mainstay_core::time::Instant;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use crate::error::{Error, Result};

/// Waits for any of many descriptors.
#[derive(Debug)]
pub struct Poll(Epoll);

/// A descriptor that is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ready {
    /// The number it was added with.
    pub token: u64,
    /// It can be read, or has ended, or has an error to be read.
    pub readable: bool,
    /// It can be written.
    pub writable: bool,
}

/// What to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// Something to read.
    Read,
    /// Something to read, or room to write.
    ReadWrite,
}

impl Interest {
    fn flags(self) -> EpollFlags {
        match self {
            Self::Read => EpollFlags::EPOLLIN,
            Self::ReadWrite => EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT,
        }
    }
}

impl Poll {
    /// An empty set, level-triggered.
    ///
    /// # Errors
    /// When the process has no descriptors left.
    pub fn new() -> Result<Self> {
        Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map(Self).map_err(Error::of("create", "an epoll set"))
    }

    /// Adds a descriptor. It leaves the set by itself when it is closed.
    ///
    /// # Errors
    /// When it is in the set already, or cannot be waited for.
    pub fn add(&self, fd: impl AsFd, token: u64, interest: Interest) -> Result<()> {
        self.0
            .add(fd, EpollEvent::new(interest.flags(), token))
            .map_err(Error::of("wait for", "a descriptor"))
    }

    /// Changes what is waited for.
    ///
    /// # Errors
    /// When the descriptor is not in the set.
    pub fn change(&self, fd: impl AsFd, token: u64, interest: Interest) -> Result<()> {
        let mut event = EpollEvent::new(interest.flags(), token);
        self.0.modify(fd, &mut event).map_err(Error::of("wait for", "a descriptor"))
    }

    /// Takes a descriptor out of the set while it stays open elsewhere.
    ///
    /// # Errors
    /// When the descriptor is not in the set.
    pub fn remove(&self, fd: impl AsFd) -> Result<()> {
        self.0.delete(fd).map_err(Error::of("stop waiting for", "a descriptor"))
    }

    /// Waits until something is ready and appends it to `ready` (cleared first). A signal is no error: nothing is
    /// ready then. `block` false only looks.
    ///
    /// # Errors
    /// When the set itself is broken.
    pub fn wait(&self, ready: &mut Vec<Ready>, block: bool) -> Result<()> {
        ready.clear();
        let mut events = [EpollEvent::empty(); 256];
        let timeout = if block { EpollTimeout::NONE } else { EpollTimeout::ZERO };
        let count = match self.0.wait(&mut events, timeout) {
            Ok(count) => count,
            Err(nix::errno::Errno::EINTR) => 0,
            Err(error) => return Err(Error::of("wait on", "an epoll set")(error)),
        };
        ready.extend(events[..count].iter().map(|event| {
            let flags = event.events();
            Ready {
                token: event.data(),
                readable: flags.intersects(EpollFlags::EPOLLIN | EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR),
                writable: flags.intersects(EpollFlags::EPOLLOUT),
            }
        }));
        Ok(())
    }
}

/// One absolute deadline on `CLOCK_MONOTONIC`: readable from then on, until it is armed again.
#[derive(Debug)]
pub struct Timer {
    timer: TimerFd,
    armed: Option<Instant>,
}

impl Timer {
    /// A timer without a deadline.
    ///
    /// # Errors
    /// When the process has no descriptors left.
    pub fn new() -> Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)
            .map_err(Error::of("create", "a timer descriptor"))?;
        Ok(Self { timer, armed: None })
    }

    /// Sets the deadline, or none. An unchanged deadline costs no system call unless it has `expired`: arming a timer
    /// anew is what makes it unreadable again.
    ///
    /// # Errors
    /// Never for a deadline that was read from the same clock.
    pub fn arm(&mut self, deadline: Option<Instant>, expired: bool) -> Result<()> {
        if deadline == self.armed && !expired {
            return Ok(());
        }
        let done = match deadline {
            None => self.timer.unset(),
            Some(deadline) => {
                // Zero would disarm it: a deadline at the clock's origin is as past as one a nanosecond later.
                let nanos = deadline.as_nanos().max(1);
                let at = std::time::Duration::from_nanos(nanos);
                self.timer.set(
                    Expiration::OneShot(TimeSpec::from_duration(at)),
                    TimerSetTimeFlags::TFD_TIMER_ABSTIME,
                )
            }
        };
        done.map_err(Error::of("arm", "a timer descriptor"))?;
        self.armed = deadline;
        Ok(())
    }

    /// The deadline it is armed for.
    #[must_use]
    pub const fn armed(&self) -> Option<Instant> {
        self.armed
    }
}

impl AsFd for Timer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }
}

/// Wakes a loop from another thread.
#[derive(Debug)]
pub struct Waker(EventFd);

impl Waker {
    /// A waker nobody has rung.
    ///
    /// # Errors
    /// When the process has no descriptors left.
    pub fn new() -> Result<Self> {
        EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
            .map(Self)
            .map_err(Error::of("create", "an event descriptor"))
    }

    /// Makes it readable. Never waits.
    pub fn wake(&self) {
        // The only failure is a counter at its maximum, which is readable already.
        let _ = self.0.write(1);
    }

    /// Makes it unreadable again.
    pub fn quiet(&self) {
        // The only failure is that nobody has rung.
        let _ = self.0.read();
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Waker {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl From<Waker> for OwnedFd {
    fn from(waker: Waker) -> Self {
        waker.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use std::time::Duration;

    fn ready_tokens(poll: &Poll) -> Vec<u64> {
        let mut ready = Vec::new();
        poll.wait(&mut ready, false).expect("polls");
        ready.iter().filter(|ready| ready.readable).map(|ready| ready.token).collect()
    }

    #[test]
    fn a_waker_is_ready_from_its_ringing_to_its_quieting() {
        let (poll, waker) = (Poll::new().expect("epoll"), Waker::new().expect("eventfd"));
        poll.add(&waker, 7, Interest::Read).expect("added");
        assert_eq!(ready_tokens(&poll), []);
        waker.wake();
        waker.wake();
        assert_eq!(ready_tokens(&poll), [7]);
        waker.quiet();
        assert_eq!(ready_tokens(&poll), []);
    }

    #[test]
    fn a_timer_is_ready_after_its_deadline_until_it_is_armed_anew() {
        let (poll, mut timer) = (Poll::new().expect("epoll"), Timer::new().expect("timerfd"));
        poll.add(&timer, 1, Interest::Read).expect("added");
        timer.arm(Some(clock::now() + Duration::from_secs(3600)), false).expect("armed");
        assert_eq!(ready_tokens(&poll), []);
        timer.arm(Some(Instant::ZERO), false).expect("armed");
        assert_eq!(ready_tokens(&poll), [1], "a deadline in the past is due at once");
        timer.arm(Some(clock::now() + Duration::from_secs(3600)), true).expect("armed");
        assert_eq!(ready_tokens(&poll), []);
        timer.arm(None, false).expect("disarmed");
        assert_eq!(timer.armed(), None);
    }

    #[test]
    fn a_descriptor_with_room_is_writable_only_for_those_who_ask() {
        let poll = Poll::new().expect("epoll");
        let (ours, _theirs) = std::os::unix::net::UnixStream::pair().expect("a pair");
        poll.add(&ours, 3, Interest::Read).expect("added");
        let mut ready = Vec::new();
        poll.wait(&mut ready, false).expect("polls");
        assert_eq!(ready, []);
        poll.change(&ours, 3, Interest::ReadWrite).expect("changed");
        poll.wait(&mut ready, false).expect("polls");
        assert_eq!(ready, [Ready { token: 3, readable: false, writable: true }]);
        poll.remove(&ours).expect("removed");
        poll.wait(&mut ready, false).expect("polls");
        assert_eq!(ready, []);
    }
}
