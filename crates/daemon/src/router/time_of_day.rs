//! The time of day, for the stamps of signatures: the router is told when it is not what it can know already.

use mainstay_core::time::{Duration, Instant, WallClock};

/// A clock that is corrected by less than this needs no word: stamps have windows of seconds.
const TOLERANCE: Duration = Duration::from_millis(10);

/// What the router knows.
#[derive(Debug, Default)]
pub struct TimeOfDay(Option<WallClock>);

impl TimeOfDay {
    /// What to tell it, if the clock was set since it was told, or went at another speed.
    pub fn news(&mut self, now: Instant, since_1970: Duration) -> Option<Duration> {
        let is_known = self.0.is_some_and(|clock| clock.at(now).abs_diff(since_1970) <= TOLERANCE);
        if is_known {
            return None;
        }
        self.0 = Some(WallClock::read(now, since_1970));
        Some(since_1970)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> Instant {
        Instant::ZERO + Duration::from_secs_f64(seconds)
    }

    #[test]
    fn the_time_of_day_is_told_once_and_whenever_it_is_set() {
        let mut known = TimeOfDay::default();
        let seconds = Duration::from_secs_f64;
        assert_eq!(known.news(at(1.0), seconds(1000.0)), Some(seconds(1000.0)));
        assert_eq!(known.news(at(9.0), seconds(1008.0)), None);
        assert_eq!(known.news(at(10.0), seconds(1009.009)), None, "slewed");
        assert_eq!(known.news(at(11.0), seconds(1010.02)), Some(seconds(1010.02)));
        assert_eq!(known.news(at(12.0), seconds(500.0)), Some(seconds(500.0)), "set back");
        assert_eq!(known.news(at(13.0), seconds(501.0)), None);
    }
}
