//! Time as the engines see it: a point on a monotonic clock that somebody else reads.

use core::fmt;
use core::ops::{Add, Sub};
pub use core::time::Duration;

use serde::{Deserialize, Serialize};

/// A point in time: nanoseconds on the caller's monotonic clock.
///
/// The origin is the caller's (the daemon uses `CLOCK_MONOTONIC`, the simulator starts at zero), so two instants
/// compare only if they come from the same node. Arithmetic saturates: an instant never wraps into the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Instant(u64);

impl Instant {
    /// The clock's origin.
    pub const ZERO: Self = Self(0);

    /// The instant `nanoseconds` after the clock's origin.
    #[must_use]
    pub const fn from_nanos(nanoseconds: u64) -> Self {
        Self(nanoseconds)
    }

    /// Nanoseconds since the clock's origin.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; zero if it is before.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanos(duration)))
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(duration)))
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{:06}s", self.0 / 1_000_000_000, self.0 % 1_000_000_000 / 1_000)
    }
}

/// The time of day, as somebody else read it last: it goes on from there as the monotonic clock does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WallClock {
    read_at: Instant,
    since_1970: Duration,
}

impl WallClock {
    /// It was so long after 1970 at this moment.
    #[must_use]
    pub const fn read(read_at: Instant, since_1970: Duration) -> Self {
        Self { read_at, since_1970 }
    }

    /// How long after 1970 it is at `now`.
    #[must_use]
    pub fn at(self, now: Instant) -> Duration {
        self.since_1970.saturating_add(now.saturating_since(self.read_at))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
