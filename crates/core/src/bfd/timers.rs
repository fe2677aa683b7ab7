//! The arithmetic of intervals (RFC 5880 sections 6.8.2 to 6.8.4, 6.8.7), and the poll sequence (section 6.5).

use core::num::NonZeroU8;

use serde::{Deserialize, Serialize};

use super::random::Random;
use crate::time::Duration;

/// A million: jitter is drawn in millionths of an interval.
const WHOLE: u32 = 1_000_000;

/// What one end says of the packets it sends and takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intervals {
    /// It would like to send one packet in this time.
    pub desired_min_tx: Duration,
    /// It can take one packet in this time.
    pub required_min_rx: Duration,
}

/// Time from one packet of ours to the next, before jitter: neither end is asked for more than it wants.
#[must_use]
pub fn transmit_interval(desired_min_tx: Duration, remote_min_rx: Duration) -> Duration {
    desired_min_tx.max(remote_min_rx)
}

/// After so much silence the other end counts as gone. The multiplier is the *other* end's: it says how many of its
/// packets have to be missing (RFC 5880 section 6.8.4, asynchronous mode).
#[must_use]
pub fn detection_time(
    remote_multiplier: NonZeroU8,
    required_min_rx: Duration,
    remote_desired_min_tx: Duration,
) -> Duration {
    required_min_rx.max(remote_desired_min_tx) * u32::from(remote_multiplier.get())
}

/// How much of an interval passes until the next packet, in millionths: 75 to 100 %, so that sessions do not fall into
/// step; with a multiplier of 1 at most 90 %, or each packet that is a little late would mean the end.
///
/// DIFFERS: keepalived keeps to 90 % whatever the multiplier. See the tests.
pub fn draw_jitter(multiplier: NonZeroU8, random: &mut Random) -> u32 {
    let (least, most) = if multiplier.get() == 1 { (750_000, 900_000) } else { (750_000, WHOLE) };
    least + random.up_to(most - least)
}

/// So many millionths of an interval.
#[must_use]
pub fn jittered(interval: Duration, millionths: u32) -> Duration {
    let nanoseconds = interval.as_nanos() * u128::from(millionths) / u128::from(WHOLE);
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

/// What we say of our intervals, and what of it counts already.
///
/// The other end must have heard of a change before we do what it does not expect: send less often than it was told,
/// or believe in its absence sooner. Whether it has heard is asked by a poll sequence.
#[derive(Debug, Clone)]
pub struct Timing {
    said: Intervals,
    in_force: Intervals,
    poll: Poll,
}

/// A poll sequence: packets with the poll bit, until one with the final bit comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Poll {
    /// None goes on.
    Idle,
    /// One goes on.
    Asking,
    /// One goes on, and the intervals changed in the meantime: its answer may be about the old ones. There are never
    /// two at a time, so another one follows.
    AskingAgain,
}

impl Timing {
    /// These intervals are said, and count.
    #[must_use]
    pub const fn new(intervals: Intervals) -> Self {
        Self { said: intervals, in_force: intervals, poll: Poll::Idle }
    }

    /// What we say.
    #[must_use]
    pub const fn said(&self) -> Intervals {
        self.said
    }

    /// What counts.
    #[must_use]
    pub const fn in_force(&self) -> Intervals {
        self.in_force
    }

    /// Whether packets carry the poll bit.
    #[must_use]
    pub fn polls(&self) -> bool {
        self.poll != Poll::Idle
    }

    /// Changes intervals of a session that is up, and asks the other end whether it has heard.
    pub fn change(&mut self, to: Intervals) {
        if to == self.said {
            return;
        }
        self.poll = match self.poll {
            Poll::Idle => Poll::Asking,
            Poll::Asking | Poll::AskingAgain => Poll::AskingAgain,
        };
        self.said = to;
        self.in_force = Intervals {
            desired_min_tx: self.in_force.desired_min_tx.min(to.desired_min_tx),
            required_min_rx: self.in_force.required_min_rx.max(to.required_min_rx),
        };
    }

    /// The other end has heard.
    pub const fn answered(&mut self) {
        match self.poll {
            Poll::Idle => {}
            Poll::Asking => {
                self.poll = Poll::Idle;
                self.in_force = self.said;
            }
            Poll::AskingAgain => self.poll = Poll::Asking,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intervals(tx: u64, rx: u64) -> Intervals {
        Intervals { desired_min_tx: Duration::from_millis(tx), required_min_rx: Duration::from_millis(rx) }
    }

    fn multiplier(number: u8) -> NonZeroU8 {
        NonZeroU8::new(number).expect("not zero")
    }

    /// Case B08: neither end is asked for more than it wants.
    #[test]
    fn we_send_as_often_as_we_like_and_the_other_end_can_take() {
        let ms = Duration::from_millis;
        assert_eq!(transmit_interval(ms(10), ms(10)), ms(10));
        assert_eq!(transmit_interval(ms(10), ms(50)), ms(50));
        assert_eq!(transmit_interval(ms(100), ms(50)), ms(100));
    }

    /// Case B10: detection counts the other end's packets.
    #[test]
    fn the_detection_time_is_the_other_ends_multiplier_times_the_slower_of_both() {
        let ms = Duration::from_millis;
        assert_eq!(detection_time(multiplier(3), ms(10), ms(10)), ms(30));
        assert_eq!(detection_time(multiplier(3), ms(20), ms(10)), ms(60));
        assert_eq!(detection_time(multiplier(5), ms(10), ms(1_000)), ms(5_000));
        assert_eq!(detection_time(multiplier(255), ms(1_000), ms(1)), ms(255_000));
    }

    /// Case B09: 75 to 100 % of the interval, 75 to 90 % with a multiplier of 1, and all of that range is used.
    #[test]
    fn jitter_fills_the_range_that_the_rfc_gives_it() {
        let mut random = Random::new(5880);
        for (number, most) in [(1, 900_000), (2, 1_000_000), (3, 1_000_000), (255, 1_000_000)] {
            let drawn = core::iter::repeat_with(|| draw_jitter(multiplier(number), &mut random));
            let (low, high) =
                drawn.take(20_000).fold((u32::MAX, 0), |(low, high), draw| (low.min(draw), high.max(draw)));
            assert!((750_000..752_000).contains(&low), "multiplier {number}: {low}");
            assert!((most - 2_000..=most).contains(&high), "multiplier {number}: {high}");
        }
        assert_eq!(jittered(Duration::from_millis(10), 750_000), Duration::from_micros(7_500));
        assert_eq!(jittered(Duration::MAX, WHOLE), Duration::from_nanos(u64::MAX));
    }

    /// Case B12: an increase of TX and a decrease of RX wait for the answer, their opposites count at once.
    #[test]
    fn what_the_other_end_does_not_expect_waits_for_its_answer() {
        let mut timing = Timing::new(intervals(100, 100));
        timing.change(intervals(200, 50));
        assert_eq!(
            (timing.said(), timing.in_force(), timing.polls()),
            (intervals(200, 50), intervals(100, 100), true)
        );
        timing.answered();
        assert_eq!((timing.in_force(), timing.polls()), (intervals(200, 50), false));
        timing.change(intervals(20, 80));
        assert_eq!((timing.in_force(), timing.polls()), (intervals(20, 80), true));
        timing.answered();
        timing.answered();
        assert_eq!((timing.in_force(), timing.polls()), (intervals(20, 80), false));
        timing.change(intervals(20, 80));
        assert!(!timing.polls(), "nothing changed");
    }

    #[test]
    fn a_change_during_a_poll_sequence_is_asked_about_in_one_of_its_own() {
        let mut timing = Timing::new(intervals(100, 100));
        timing.change(intervals(200, 100));
        timing.change(intervals(300, 100));
        timing.answered();
        assert!(timing.polls(), "this answer may be about 200");
        assert_eq!(timing.in_force(), intervals(100, 100));
        timing.answered();
        assert_eq!((timing.in_force(), timing.polls()), (intervals(300, 100), false));
    }
}
