//! How often the loop turns when very much happens.
//!
//! A thousand instances at a tenth of a second are ten thousand deadlines a second, each due a tenth of a millisecond
//! after the last. Woken for each, the loop spends its time on being woken. So deadlines that follow closely on a turn
//! wait until [`SPACING`] after it and are then served together. A deadline that comes after a pause is
//! served at its exact time: with few instances nothing is ever late.

use mainstay_core::time::{Duration, Instant};

/// Least time between turns caused by deadlines: a tenth of the shortest advert interval there is.
pub const SPACING: Duration = Duration::from_millis(1);

/// When to be woken for `deadline`, if the last deadline was served at `last`.
pub fn wake_at(deadline: Instant, last: Option<Instant>) -> Instant {
    last.map_or(deadline, |last| deadline.max(last + SPACING))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(microseconds: u64) -> Instant {
        Instant::from_nanos(microseconds * 1000)
    }

    #[test]
    fn a_deadline_after_a_pause_is_served_at_its_time() {
        assert_eq!(wake_at(at(10_000), None), at(10_000));
        assert_eq!(wake_at(at(10_000), Some(at(9_000))), at(10_000));
    }

    #[test]
    fn deadlines_that_follow_closely_are_served_together() {
        assert_eq!(wake_at(at(10_100), Some(at(10_000))), at(11_000));
        assert_eq!(wake_at(at(10_900), Some(at(10_000))), at(11_000));
    }
}
