//! Time: the world's, and what a node's own clock makes of it.

use std::fmt;
use std::ops::Add;
use std::time::Duration;

use mainstay_core::time::Instant;

/// A point in the world's time: nanoseconds since the beginning. No node can read it; they have a [`Clock`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(pub u64);

impl Moment {
    /// How long after `earlier` this is; zero if it is before.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:4}.{:06}", self.0 / 1_000_000_000, self.0 % 1_000_000_000 / 1_000)
    }
}

const MILLION: i128 = 1_000_000;

/// A node's monotonic clock: it may run fast or slow, stand still (a paused virtual machine) and leap ahead.
#[derive(Debug, Clone)]
pub struct Clock {
    world: Moment,
    local: u64,
    rate_ppm: i64,
    stopped: bool,
}

impl Clock {
    /// A clock that shows `local` at `world` and runs `rate_ppm` parts in a million fast.
    #[must_use]
    pub const fn new(world: Moment, local: Instant, rate_ppm: i64) -> Self {
        Self { world, local: local.as_nanos(), rate_ppm, stopped: false }
    }

    /// What it shows.
    #[must_use]
    pub fn read(&self, now: Moment) -> Instant {
        if self.stopped {
            return Instant::from_nanos(self.local);
        }
        let passed = now.0.saturating_sub(self.world.0);
        if self.rate_ppm == 0 {
            return Instant::from_nanos(self.local.saturating_add(passed));
        }
        let passed = i128::from(passed);
        let shown = passed * (MILLION + i128::from(self.rate_ppm)) / MILLION;
        Instant::from_nanos(self.local.saturating_add(u64::try_from(shown).unwrap_or(u64::MAX)))
    }

    /// The first moment at which it shows `local` or more; `None` while it stands still.
    #[must_use]
    pub fn when(&self, local: Instant) -> Option<Moment> {
        if self.stopped {
            return None;
        }
        let ahead = local.as_nanos().saturating_sub(self.local);
        if self.rate_ppm == 0 {
            return Some(Moment(self.world.0.saturating_add(ahead)));
        }
        let ahead = i128::from(ahead);
        let rate = MILLION + i128::from(self.rate_ppm);
        let world = (ahead * MILLION + rate - 1) / rate;
        Some(Moment(self.world.0.saturating_add(u64::try_from(world).unwrap_or(u64::MAX))))
    }

    /// From now on it runs so many parts in a million fast.
    pub fn set_rate(&mut self, now: Moment, rate_ppm: i64) {
        self.rebase(now);
        self.rate_ppm = rate_ppm;
    }

    /// It stands still.
    pub fn stop(&mut self, now: Moment) {
        self.rebase(now);
        self.stopped = true;
    }

    /// It runs again, after a leap.
    pub fn start(&mut self, now: Moment, leap: Duration) {
        self.rebase(now);
        self.stopped = false;
        self.local = self.local.saturating_add(u64::try_from(leap.as_nanos()).unwrap_or(u64::MAX));
    }

    fn rebase(&mut self, now: Moment) {
        self.local = self.read(now).as_nanos();
        self.world = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_has_passed_at_the_moment_the_clock_says_and_not_before() {
        for rate in [-500, -1, 0, 3, 499] {
            let clock = Clock::new(Moment(77), Instant::from_nanos(5), rate);
            for local in [5, 6, 1_000_000_007, 3_600_000_000_001] {
                let deadline = Instant::from_nanos(local);
                let at = clock.when(deadline).expect("it runs");
                assert!(clock.read(at) >= deadline, "{rate} {local}");
                assert!(local <= 5 || clock.read(Moment(at.0 - 1)) < deadline, "{rate} {local}");
            }
        }
    }

    #[test]
    fn a_stopped_clock_goes_on_from_where_it_stood() {
        let mut clock = Clock::new(Moment(0), Instant::ZERO, 0);
        clock.stop(Moment(10));
        assert_eq!(clock.read(Moment(1000)).as_nanos(), 10);
        assert_eq!(clock.when(Instant::from_nanos(11)), None);
        clock.start(Moment(1000), Duration::from_nanos(5));
        assert_eq!(clock.read(Moment(1001)).as_nanos(), 16);
    }
}
