//! When the last advert of a master left, and how long its VIP lease was then.

use crate::time::{Duration, Instant};

/// The adverts of one mastership, as far as its lease is concerned.
#[derive(Debug, Clone, Copy)]
pub(super) struct Renewal {
    last: Mark,
    /// What comes back if no advert of the last turn left.
    before: Mark,
    /// Adverts of the last turn (one a destination) that were not refused.
    left: u32,
    /// Whether an advert has left, the last turn counted in.
    advertised: bool,
    /// The same before the last turn.
    advertised_before: bool,
}

/// What a lease counts from: an advert that left, or the beginning of the mastership.
#[derive(Debug, Clone, Copy)]
struct Mark {
    at: Instant,
    /// How long the lease was at that moment, if there was one. A reload that changes it changes it for the next advert:
    /// the kernel counts by the old one until then, and so do peers, whom the last advert told the old interval.
    length: Option<Duration>,
}

impl Renewal {
    /// A mastership that begins at `now`, before its first advert, with a lease of this length.
    pub(super) const fn begin(now: Instant, length: Option<Duration>) -> Self {
        let beginning = Mark { at: now, length };
        Self { last: beginning, before: beginning, left: 0, advertised: false, advertised_before: false }
    }

    /// A turn of so many adverts leaves. Turns of one moment are one: the refusals come after all of them.
    pub(super) fn advertised(&mut self, now: Instant, adverts: usize, length: Option<Duration>) {
        if adverts == 0 {
            return;
        }
        let adverts = u32::try_from(adverts).unwrap_or(u32::MAX);
        if self.advertised && self.last.at == now {
            self.left = self.left.saturating_add(adverts);
            return;
        }
        (self.before, self.advertised_before) = (self.last, self.advertised);
        (self.last, self.advertised) = (Mark { at: now, length }, true);
        self.left = adverts;
    }

    /// The kernel would not send one of them. As long as another one of the same turn left (unicast has one a peer), the
    /// kernel has seen an advert and the lease is renewed. True if none is left.
    pub(super) const fn refused(&mut self) -> bool {
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            self.last = self.before;
            self.advertised = self.advertised_before;
        }
        self.left == 0
    }

    /// Whether an advert has left.
    pub(super) const fn has_advertised(&self) -> bool {
        self.advertised
    }

    /// What the lease counts from: the last advert, or the beginning while none has left.
    pub(super) const fn counts_from(&self) -> Instant {
        self.last.at
    }

    /// When the lease is over. `length` is for one that there was not yet when the last advert left.
    pub(super) fn end(&self, length: Duration) -> Instant {
        self.last.at + self.last.length.unwrap_or(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn a_refused_advert_does_not_renew() {
        let mut renewal = Renewal::begin(at(1), None);
        renewal.advertised(at(1), 1, None);
        renewal.advertised(at(2), 1, None);
        renewal.refused();
        assert_eq!((renewal.has_advertised(), renewal.counts_from()), (true, at(1)));
    }

    #[test]
    fn two_refused_turns_of_one_moment_do_not_renew() {
        let mut renewal = Renewal::begin(at(1), None);
        renewal.advertised(at(1), 1, None);
        renewal.advertised(at(2), 1, None);
        renewal.advertised(at(2), 1, None);
        renewal.refused();
        assert_eq!(renewal.counts_from(), at(2), "one of them left");
        renewal.refused();
        assert_eq!(renewal.counts_from(), at(1));
    }

    #[test]
    fn many_refused_turns_in_a_row_leave_the_last_that_left() {
        let mut renewal = Renewal::begin(at(1), None);
        renewal.advertised(at(1), 1, None);
        for second in 2..10 {
            renewal.advertised(at(second), 1, None);
            renewal.refused();
        }
        assert_eq!(renewal.counts_from(), at(1));
    }

    #[test]
    fn with_several_peers_one_advert_that_left_renews() {
        let mut renewal = Renewal::begin(at(1), None);
        renewal.advertised(at(1), 3, None);
        renewal.advertised(at(2), 3, None);
        renewal.refused();
        renewal.refused();
        assert_eq!(renewal.counts_from(), at(2));
        renewal.refused();
        assert_eq!(renewal.counts_from(), at(1));
    }

    #[test]
    fn before_any_advert_left_the_lease_counts_from_the_beginning() {
        let mut renewal = Renewal::begin(at(1), None);
        renewal.advertised(at(1), 1, None);
        renewal.refused();
        assert_eq!((renewal.has_advertised(), renewal.counts_from()), (false, at(1)));
    }

    #[test]
    fn a_lease_is_as_long_as_it_was_when_the_last_advert_left() {
        let second = Duration::from_secs(1);
        let mut renewal = Renewal::begin(at(1), None);
        renewal.advertised(at(1), 1, None);
        assert_eq!(renewal.end(second * 7), at(8), "there was none then: as long as it is now");
        renewal.advertised(at(2), 1, Some(second * 3));
        assert_eq!(renewal.end(second * 7), at(5));
        renewal.advertised(at(3), 1, Some(second * 7));
        renewal.refused();
        assert_eq!(renewal.end(second * 7), at(5), "the one that was to make it longer was refused");
    }
}
