//! How long a backup waits: the arithmetic of RFC 3768 section 6.1 and RFC 9568 section 6.1.
//!
//! Names are RFC 3768's and RFC 5798's, because users of keepalived know them; RFC 9568's are aliases for the search.
//! "Priority" is the effective priority, 255 for an owner.

use crate::router::plan::Version;
use crate::time::Duration;

/// Adverts a backup misses before the master counts as gone, unless `down_timer_adverts` says otherwise.
pub const DEFAULT_DOWN_TIMER_ADVERTS: u8 = 3;

/// The part of the wait that makes a router of higher priority faster: `Skew_Time`.
///
/// v2: `(256 - priority) / 256` seconds, whatever the interval (RFC 3768 section 6.1). v3: the same fraction of the
/// master's advert interval (RFC 9568 section 6.1), which counts in whole centiseconds. Exact to the microsecond, as
/// keepalived has it; the longest, at 40.95 s, is just below 40.95 s.
#[must_use]
#[doc(alias = "Skew_Time")]
pub const fn skew_time(version: Version, priority: u8, master_interval: Duration) -> Duration {
    let share = 256 - priority as u64;
    Duration::from_micros(match version {
        Version::V2 => share * 1_000_000 / 256,
        Version::V3 => share * centiseconds(master_interval) * 625 / 16,
    })
}

/// How long after the last accepted advert a backup takes the master for gone: `Master_Down_Interval`, which RFC 9568
/// calls `Active_Down_Interval`.
///
/// `adverts` is 3 in the RFCs and `down_timer_adverts` here. `master_interval` is our own in v2 and the one learned
/// from the master (`Master_Adver_Interval`, RFC 9568: `Active_Adver_Interval`) in v3.
#[must_use]
#[doc(alias = "Master_Down_Interval")]
#[doc(alias = "Active_Down_Interval")]
pub fn master_down_interval(
    version: Version,
    adverts: u8,
    master_interval: Duration,
    priority: u8,
) -> Duration {
    master_interval * u32::from(adverts) + skew_time(version, priority, master_interval)
}

/// An interval as v3 has it on the wire; a rest below a centisecond is dropped.
#[must_use]
pub const fn centiseconds(interval: Duration) -> u64 {
    interval.as_secs().saturating_mul(100).saturating_add(interval.subsec_millis() as u64 / 10)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Version::{V2, V3};
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    const fn cs(centiseconds: u64) -> Duration {
        Duration::from_millis(10 * centiseconds)
    }

    #[test]
    fn f01_a_backup_of_priority_100_waits_360_94_cs() {
        assert_eq!(master_down_interval(V3, 3, cs(100), 100), Duration::from_micros(3_609_375));
    }

    #[test]
    fn f04_after_a_resignation_a_backup_of_priority_100_waits_60_94_cs() {
        assert_eq!(skew_time(V3, 100, cs(100)), Duration::from_micros(609_375));
    }

    #[test]
    fn f18_a_learned_interval_of_30_cs_means_108_28_cs() {
        assert_eq!(master_down_interval(V3, 3, cs(30), 100), Duration::from_micros(1_082_812));
    }

    #[test]
    fn f19_the_v2_skew_does_not_grow_with_the_interval() {
        assert_eq!(skew_time(V2, 100, SECOND), skew_time(V2, 100, 5 * SECOND));
        assert_eq!(master_down_interval(V2, 3, 5 * SECOND, 100), Duration::from_micros(15_609_375));
    }

    #[test]
    fn c13_the_longest_interval_means_12285_cs_and_the_skew() {
        let skew = skew_time(V3, 100, cs(4095));
        assert_eq!(skew, Duration::from_micros(24_953_906));
        assert_eq!(master_down_interval(V3, 3, cs(4095), 100), cs(12_285) + skew);
    }

    #[test]
    fn both_versions_agree_at_one_second() {
        for priority in 1..=255 {
            assert_eq!(
                master_down_interval(V2, 3, SECOND, priority),
                master_down_interval(V3, 3, SECOND, priority)
            );
        }
    }

    #[test]
    fn an_owner_waits_one_256th_of_an_interval_more_than_three() {
        assert_eq!(master_down_interval(V3, 3, SECOND, 255), Duration::from_micros(3_003_906));
    }

    #[test]
    fn down_timer_adverts_replaces_the_three() {
        assert_eq!(master_down_interval(V3, 1, SECOND, 100), Duration::from_micros(1_609_375));
        assert_eq!(master_down_interval(V3, 100, SECOND, 100), Duration::from_micros(100_609_375));
    }

    #[test]
    fn a_fraction_of_a_centisecond_is_no_part_of_an_interval() {
        assert_eq!(centiseconds(Duration::from_micros(1_239_999)), 123);
        assert_eq!(skew_time(V3, 1, Duration::from_millis(9)), Duration::ZERO);
    }

    proptest! {
        #[test]
        fn a_higher_priority_never_waits_longer(a in 1..=255_u8, b in 1..=255_u8, interval_cs in 1..=4095_u64) {
            let (low, high) = (a.min(b), a.max(b));
            for version in [V2, V3] {
                prop_assert!(skew_time(version, high, cs(interval_cs)) <= skew_time(version, low, cs(interval_cs)));
            }
        }

        #[test]
        fn the_v3_skew_is_less_than_an_interval(priority in 1..=255_u8, interval_cs in 1..=4095_u64) {
            prop_assert!(skew_time(V3, priority, cs(interval_cs)) < cs(interval_cs));
        }
    }
}
