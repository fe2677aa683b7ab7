//! When the last advert of a master left: what its VIP lease counts from.

use crate::time::Instant;

/// The adverts of one mastership, as far as its lease is concerned.
#[derive(Debug, Clone, Copy)]
pub(super) struct Renewal {
    last: Mark,
    /// What comes back if no advert of the last turn left.
    before: Mark,
    /// Adverts of the last turn (one a destination) that were not refused.
    left: usize,
}

/// What a lease counts from.
#[derive(Debug, Clone, Copy)]
enum Mark {
    /// The beginning of the mastership: no advert has left.
    Beginning(Instant),
    /// An advert that left.
    Advert(Instant),
}

impl Renewal {
    /// A mastership that begins at `now`, before its first advert.
    pub(super) const fn begin(now: Instant) -> Self {
        Self { last: Mark::Beginning(now), before: Mark::Beginning(now), left: 0 }
    }

    /// A turn of so many adverts leaves. Turns of one moment are one: the refusals come after all of them.
    pub(super) fn advertised(&mut self, now: Instant, adverts: usize) {
        if adverts == 0 {
            return;
        }
        if self.last() == Some(now) {
            self.left += adverts;
            return;
        }
        self.before = self.last;
        self.last = Mark::Advert(now);
        self.left = adverts;
    }

    /// The kernel would not send one of them. As long as another one of the same turn left (unicast has one a peer), the
    /// kernel has seen an advert and the lease is renewed.
    pub(super) const fn refused(&mut self) {
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            self.last = self.before;
        }
    }

    /// When the last advert left.
    pub(super) const fn last(&self) -> Option<Instant> {
        match self.last {
            Mark::Advert(at) => Some(at),
            Mark::Beginning(_) => None,
        }
    }

    /// What the lease counts from: the last advert, or the beginning while none has left.
    pub(super) const fn counts_from(&self) -> Instant {
        match self.last {
            Mark::Advert(at) | Mark::Beginning(at) => at,
        }
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
        let mut renewal = Renewal::begin(at(1));
        renewal.advertised(at(1), 1);
        renewal.advertised(at(2), 1);
        renewal.refused();
        assert_eq!((renewal.last(), renewal.counts_from()), (Some(at(1)), at(1)));
    }

    #[test]
    fn two_refused_turns_of_one_moment_do_not_renew() {
        let mut renewal = Renewal::begin(at(1));
        renewal.advertised(at(1), 1);
        renewal.advertised(at(2), 1);
        renewal.advertised(at(2), 1);
        renewal.refused();
        assert_eq!(renewal.counts_from(), at(2), "one of them left");
        renewal.refused();
        assert_eq!(renewal.counts_from(), at(1));
    }

    #[test]
    fn many_refused_turns_in_a_row_leave_the_last_that_left() {
        let mut renewal = Renewal::begin(at(1));
        renewal.advertised(at(1), 1);
        for second in 2..10 {
            renewal.advertised(at(second), 1);
            renewal.refused();
        }
        assert_eq!(renewal.counts_from(), at(1));
    }

    #[test]
    fn with_several_peers_one_advert_that_left_renews() {
        let mut renewal = Renewal::begin(at(1));
        renewal.advertised(at(1), 3);
        renewal.advertised(at(2), 3);
        renewal.refused();
        renewal.refused();
        assert_eq!(renewal.counts_from(), at(2));
        renewal.refused();
        assert_eq!(renewal.counts_from(), at(1));
    }

    #[test]
    fn before_any_advert_left_the_lease_counts_from_the_beginning() {
        let mut renewal = Renewal::begin(at(1));
        renewal.advertised(at(1), 1);
        renewal.refused();
        assert_eq!((renewal.last(), renewal.counts_from()), (None, at(1)));
    }
}
