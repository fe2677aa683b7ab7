//! When the loop has something to do by itself.
//!
//! A timer of the kernel's rather than of tokio's: the loop's deadline is nearly always the earliest of all, and each
//! such timer makes tokio wake itself by a system call, and its wheel wakes up on the way to it.

use std::io;
use std::time::Duration;

use mainstay_core::time::Instant;
use mainstay_system::readiness::Readiness;
use mainstay_system::wait::Timer;

/// Deadlines are met so late at most, and what is due within this time is done together. With few checks most of what
/// one costs is to wake up for it; with thousands a second they come in handfuls anyway.
const GRAIN: Duration = Duration::from_millis(16);

/// Wakes the loop at its deadline.
pub struct Alarm {
    timer: Timer,
    ready: Readiness,
    expired: bool,
}

impl Alarm {
    /// An alarm that is not set.
    ///
    /// # Errors
    /// When there is no descriptor to be had.
    pub fn new() -> io::Result<Self> {
        let timer = Timer::new().map_err(io::Error::other)?;
        let ready = Readiness::of(&timer)?;
        Ok(Self { timer, ready, expired: false })
    }

    /// Waits for the deadline; for ever if there is none. Dropping the future loses nothing. It may wake too early.
    ///
    /// # Errors
    /// When the runtime is ending.
    pub async fn at(&mut self, deadline: Option<Instant>) -> io::Result<()> {
        self.timer.arm(deadline.map(grained), self.expired).map_err(io::Error::other)?;
        self.expired = false;
        self.ready.readable().await?.clear_ready();
        self.expired = true;
        Ok(())
    }
}

/// The end of the grain a moment is in.
fn grained(at: Instant) -> Instant {
    let grain = GRAIN.as_nanos() as u64;
    Instant::from_nanos(at.as_nanos().div_ceil(grain).saturating_mul(grain))
}

#[cfg(test)]
mod tests {
    use mainstay_system::clock;

    use super::*;

    #[test]
    fn what_is_due_within_a_grain_is_done_together_and_never_early() {
        let at = |us: u64| Instant::from_nanos(us * 1000);
        assert_eq!(grained(at(16_001)), at(32_000));
        assert_eq!(grained(at(31_999)), at(32_000));
        assert_eq!(grained(at(32_000)), at(32_000));
    }

    #[tokio::test]
    async fn it_wakes_at_its_deadline_again_and_again() {
        let mut alarm = Alarm::new().expect("a timer");
        for _ in 0..3 {
            let deadline = clock::now() + Duration::from_millis(10);
            let wake = async {
                while clock::now() < deadline {
                    alarm.at(Some(deadline)).await.expect("a runtime");
                }
            };
            tokio::time::timeout(Duration::from_secs(20), wake).await.expect("in time");
        }
        let never = tokio::time::timeout(Duration::from_millis(30), alarm.at(None)).await;
        assert!(never.is_err(), "an alarm that is not set does not ring");
        let past = alarm.at(Some(Instant::ZERO));
        tokio::time::timeout(Duration::from_secs(20), past).await.expect("in time").expect("a runtime");
    }
}
