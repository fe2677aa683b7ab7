//! How long to wait before a dead child is started again.

use std::time::{Duration, Instant};

/// A child that lived this long was well: its next death counts as the first, and costs nobody an address.
const WELL_AFTER: Duration = Duration::from_secs(10);

/// Longest wait.
const MAXIMUM: Duration = Duration::from_secs(60);

/// keepalived's ladder: at once, then 1, 2, 4 ... 60 seconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Backoff {
    /// Deaths in a row without a long life between them.
    deaths: u32,
}

impl Backoff {
    /// A child that was started at `started` has died: when to start the next.
    pub fn died(&mut self, started: Instant, now: Instant) -> Instant {
        if now.saturating_duration_since(started) >= WELL_AFTER {
            self.deaths = 0;
        }
        let wait = match self.deaths {
            0 => Duration::ZERO,
            deaths => MAXIMUM.min(Duration::from_secs(1) * 2u32.saturating_pow(deaths.min(16) - 1)),
        };
        self.deaths += 1;
        now + wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_restart_is_immediate_and_the_next_ones_wait_longer_and_longer() {
        let (mut backoff, now) = (Backoff::default(), Instant::now());
        let waits: Vec<u64> = (0..10).map(|_| (backoff.died(now, now) - now).as_secs()).collect();
        assert_eq!(waits, [0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[test]
    fn a_long_life_wipes_the_slate() {
        let (mut backoff, now) = (Backoff::default(), Instant::now());
        backoff.died(now, now);
        backoff.died(now, now);
        let later = now + WELL_AFTER;
        assert_eq!(backoff.died(now, later), later);
    }
}
