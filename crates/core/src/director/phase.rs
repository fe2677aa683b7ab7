//! When a checker asks: phases that are spread, and stay where they are.
//!
//! Each checker has its own phase within its period, made from what it asks. So ten thousand checkers of one period
//! never ask together, and a reload or a restarted process finds each where it was.

use core::hash::{Hash, Hasher};

use crate::time::{Duration, Instant};

/// A number made from a value: the same in every process of this program.
#[must_use]
pub fn digest<T: Hash + ?Sized>(value: &T) -> u64 {
    let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
    value.hash(&mut hasher);
    mixed(hasher.finish())
}

/// FNV-1a of 64 bits.
struct Fnv(u64);

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

/// Spreads every bit over all others (the finisher of SplitMix64): values that differ little come far apart.
const fn mixed(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// A part of `whole`, made from a digest: from nothing to just below all of it.
fn share(digest: u64, whole: Duration) -> Duration {
    let nanoseconds = u128::from(digest) * whole.as_nanos() / (u128::from(u64::MAX) + 1);
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

/// The first question of a checker that was never asked: within `warmup`, and within the first period.
#[must_use]
pub fn first(now: Instant, digest: u64, period: Duration, warmup: Duration) -> Instant {
    now + share(digest, warmup.min(period))
}

/// The next question in turn: the first moment after `now` that has the checker's phase.
#[must_use]
pub fn next(now: Instant, digest: u64, period: Duration) -> Instant {
    let length = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX).max(1);
    let phase = u64::try_from(share(digest, period).as_nanos()).unwrap_or(0);
    let since_phase = (now.as_nanos() % length + (length - phase)) % length;
    now + Duration::from_nanos(length - since_phase)
}

/// By how much question number `count` comes late on purpose: up to `percent` of the period.
#[must_use]
pub fn jitter(digest: u64, count: u32, period: Duration, percent: u8) -> Duration {
    share(mixed(digest ^ u64::from(count)), period * u32::from(percent) / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn questions_in_turn_are_one_period_apart() {
        let mut now = Instant::from_nanos(17_000_000_003);
        let first = next(now, digest("a"), MINUTE);
        assert!(first.saturating_since(now) <= MINUTE);
        now = first;
        for _ in 0..5 {
            let then = next(now, digest("a"), MINUTE);
            assert_eq!(then.saturating_since(now), MINUTE);
            now = then;
        }
    }

    #[test]
    fn a_late_answer_does_not_move_the_phase() {
        let on_time = next(Instant::ZERO, digest("a"), MINUTE);
        let late = next(on_time + Duration::from_secs(59), digest("a"), MINUTE);
        assert_eq!(late.saturating_since(on_time), MINUTE);
    }

    #[test]
    fn ten_thousand_checkers_never_ask_together() {
        let mut slots = [0_u32; 60];
        for number in 0..10_000_u32 {
            let at = first(Instant::ZERO, digest(&number), MINUTE, MINUTE);
            slots[usize::try_from(at.as_nanos() / 1_000_000_000).expect("small")] += 1;
        }
        assert!(slots.iter().all(|count| (100..=240).contains(count)), "{slots:?}");
    }

    #[test]
    fn warmup_bounds_the_first_question_and_zero_asks_at_once() {
        for number in 0..100_u32 {
            let second = Duration::from_secs(1);
            assert!(first(Instant::ZERO, digest(&number), MINUTE, second) < Instant::ZERO + second);
            assert_eq!(first(Instant::ZERO, digest(&number), MINUTE, Duration::ZERO), Instant::ZERO);
        }
    }

    #[test]
    fn jitter_stays_within_its_share() {
        let most = (0..1000).map(|count| jitter(digest("a"), count, MINUTE, 10)).max();
        assert!(most.is_some_and(|most| most < Duration::from_secs(6) && most > Duration::from_secs(5)));
        assert_eq!(jitter(digest("a"), 1, MINUTE, 0), Duration::ZERO);
    }
}
