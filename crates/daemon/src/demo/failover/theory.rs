//! What the protocol itself asks for: no implementation with the same advert interval can be faster than this.

use std::time::Duration;

/// A takeover may take from `least` to `most`, depending on where in the advert interval the failure falls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// If the last advert was sent an interval ago.
    pub least: Duration,
    /// If the last advert was sent just before.
    pub most: Duration,
    /// How it comes about, in words.
    pub because: String,
}

/// `Skew_Time` of RFC 9568 section 6.1: the higher the priority, the sooner a backup takes over.
#[must_use]
pub fn skew_time(priority: u8, advert_interval: Duration) -> Duration {
    advert_interval * u32::from(256 - u16::from(priority)) / 256
}

/// The master falls silent: its backup waits for three intervals and its skew, counted from the last advert.
#[must_use]
pub fn silence(backup_priority: u8, advert_interval: Duration) -> Bounds {
    let skew = skew_time(backup_priority, advert_interval);
    let most = advert_interval * 3 + skew;
    Bounds {
        least: most - advert_interval,
        most,
        because: format!("3 adverts + skew {:.2} s, less the age of the last advert", skew.as_secs_f64()),
    }
}

/// The master gives up with an advert of priority 0: its backup waits for its skew only, and not even that between two
/// Mainstays, which know by their heartbeats that nobody else can follow.
#[must_use]
pub fn resignation(backup_priority: u8, advert_interval: Duration) -> Bounds {
    let skew = skew_time(backup_priority, advert_interval);
    Bounds {
        least: Duration::ZERO,
        most: skew,
        because: format!("at once between two Mainstays, else skew {:.2} s", skew.as_secs_f64()),
    }
}

/// A tracking script notices first: `fall` failures in a row at `interval`, then the master gives up, as in
/// [`resignation`].
#[must_use]
pub fn script(fall: u32, interval: Duration, backup_priority: u8, advert_interval: Duration) -> Bounds {
    let skew = skew_time(backup_priority, advert_interval);
    Bounds {
        least: interval * fall.saturating_sub(1),
        most: interval * fall + skew,
        because: format!(
            "{fall} failed checks, one each {:.0} s, then as with SIGTERM (skew {:.2} s)",
            interval.as_secs_f64(),
            skew.as_secs_f64()
        ),
    }
}

/// Nothing the protocol could notice.
#[must_use]
pub fn nothing() -> Bounds {
    Bounds {
        least: Duration::ZERO,
        most: Duration::ZERO,
        because: "no takeover: the router is back in time".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn skew_falls_with_the_priority() {
        assert_eq!(skew_time(100, SECOND), Duration::from_micros(609_375));
        assert_eq!(skew_time(255, SECOND), Duration::from_nanos(3_906_250));
    }

    #[test]
    fn silence_takes_between_two_and_three_intervals_and_the_skew() {
        let bounds = silence(100, SECOND);
        assert_eq!(bounds.most, Duration::from_micros(3_609_375));
        assert_eq!(bounds.least, Duration::from_micros(2_609_375));
    }

    #[test]
    fn a_resignation_takes_the_skew_at_most() {
        let bounds = resignation(100, SECOND);
        assert_eq!((bounds.least, bounds.most), (Duration::ZERO, Duration::from_micros(609_375)));
    }

    #[test]
    fn a_script_needs_its_failures_before_anybody_gives_up() {
        let bounds = script(2, SECOND, 100, SECOND);
        assert_eq!(bounds.least, SECOND);
        assert_eq!(bounds.most, Duration::from_micros(2_609_375));
    }
}
