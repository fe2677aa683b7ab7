//! How often the loop turns when very much happens.
//!
//! A thousand instances at a tenth of a second are ten thousand deadlines a second, each due a tenth of a millisecond
//! after the last, or as many adverts heard. Woken for each, the loop spends its time on being woken. So when turns
//! follow closely on each other, the next one waits until [`SPACING`] after the last and serves what has come together.
//! After a pause everything is served at its exact time: with few instances nothing is ever late.

use mainstay_core::time::{Duration, Instant};

/// Least time between turns of a busy loop: a tenth of the shortest advert interval there is, a thirtieth of the
/// shortest time after which a silent master is replaced.
const SPACING: Duration = Duration::from_millis(1);

/// A loop is busy when its last [`TURNS`] turns came within [`BUSY`]: more than two thousand a second.
const BUSY: Duration = Duration::from_millis(4);
const TURNS: usize = 8;

/// Remembers the last turns.
#[derive(Debug, Default)]
pub struct Pace {
    /// When the last turns were, the oldest at `oldest`.
    turns: [Instant; TURNS],
    oldest: usize,
    /// When a deadline was last served.
    ticked: Option<Instant>,
}

impl Pace {
    /// The loop turned; `ticked` if a deadline was served.
    pub fn turned(&mut self, now: Instant, ticked: bool) {
        self.turns[self.oldest] = now;
        self.oldest = (self.oldest + 1) % TURNS;
        if ticked {
            self.ticked = Some(now);
        }
    }

    /// When to be woken for a deadline.
    pub fn wake_at(&self, deadline: Instant) -> Instant {
        self.ticked.map_or(deadline, |ticked| deadline.max(ticked + SPACING))
    }

    /// How long to sleep, whatever is waiting, before the next turn; `wake` is when a deadline will wake us.
    pub fn nap(&self, now: Instant, wake: Option<Instant>) -> Option<Duration> {
        let busy = self.turns[self.oldest] + BUSY > now;
        let last = self.turns[(self.oldest + TURNS - 1) % TURNS];
        let until = wake.map_or(last + SPACING, |wake| wake.min(last + SPACING));
        (busy && until > now).then(|| until.saturating_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(microseconds: u64) -> Instant {
        Instant::from_nanos(microseconds * 1000)
    }

    #[test]
    fn a_deadline_after_a_pause_is_served_at_its_time() {
        let mut pace = Pace::default();
        assert_eq!(pace.wake_at(at(10_000)), at(10_000));
        pace.turned(at(9_000), true);
        pace.turned(at(9_999), false);
        assert_eq!(pace.wake_at(at(10_000)), at(10_000));
    }

    #[test]
    fn deadlines_that_follow_closely_are_served_together() {
        let mut pace = Pace::default();
        pace.turned(at(10_000), true);
        assert_eq!(pace.wake_at(at(10_100)), at(11_000));
        assert_eq!(pace.wake_at(at(10_900)), at(11_000));
    }

    #[test]
    fn a_busy_loop_naps_and_a_quiet_one_does_not() {
        let mut pace = Pace::default();
        for turn in 0..8 {
            assert_eq!(pace.nap(at(1_000_000 + turn * 400), None), None, "turn {turn}");
            pace.turned(at(1_000_000 + turn * 400), false);
        }
        let now = at(1_000_000 + 7 * 400 + 50);
        assert_eq!(pace.nap(now, None), Some(Duration::from_micros(950)));
        assert_eq!(pace.nap(now, Some(now + Duration::from_micros(100))), Some(Duration::from_micros(100)));
        assert_eq!(pace.nap(now, Some(now)), None, "a deadline that is due is served");
        assert_eq!(pace.nap(at(1_010_000), None), None, "after a pause");
    }
}
