//! How long things took, counted by size: what metrics want to know of something that happens often.

use serde::{Deserialize, Serialize};

use crate::time::Duration;

/// Upper ends of the classes in microseconds: 1, 2, 5 and so on from 100 µs to 10 s. They never change, or series of
/// measurements would break off.
pub const BOUNDS_US: [u64; 16] = [
    100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000,
    2_000_000, 5_000_000, 10_000_000,
];

/// Durations, counted by size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Histogram {
    /// How many were in each class of [`BOUNDS_US`]; the last class is everything longer.
    counts: [u64; BOUNDS_US.len() + 1],
    /// All of them together, in microseconds.
    sum_us: u64,
}

impl Histogram {
    /// Counts one.
    pub fn count(&mut self, time: Duration) {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let class = BOUNDS_US.partition_point(|bound| *bound < us);
        self.counts[class] = self.counts[class].saturating_add(1);
        self.sum_us = self.sum_us.saturating_add(us);
    }

    /// How many were counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All of them together.
    #[must_use]
    pub const fn sum(&self) -> Duration {
        Duration::from_micros(self.sum_us)
    }

    /// Upper end of each class with how many are in it; `None` is the class of everything longer.
    pub fn classes(&self) -> impl Iterator<Item = (Option<Duration>, u64)> {
        let bounds = BOUNDS_US.iter().map(|us| Some(Duration::from_micros(*us)));
        bounds.chain([None]).zip(self.counts)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn a_bound_belongs_to_the_class_it_ends() {
        let mut histogram = Histogram::default();
        for us in [0, 100, 101, 10_000_000, 10_000_001] {
            histogram.count(Duration::from_micros(us));
        }
        let counted: Vec<_> = histogram.classes().filter(|(_, count)| *count > 0).collect();
        let us = |us| Some(Duration::from_micros(us));
        assert_eq!(counted, [(us(100), 2), (us(200), 1), (us(10_000_000), 1), (None, 1)]);
        assert_eq!((histogram.total(), histogram.sum()), (5, Duration::from_micros(20_000_202)));
    }

    #[test]
    fn what_does_not_fit_stays_at_the_most() {
        let mut histogram = Histogram::default();
        histogram.count(Duration::MAX);
        histogram.count(Duration::from_secs(1));
        assert_eq!((histogram.total(), histogram.sum()), (2, Duration::from_micros(u64::MAX)));
    }
}
