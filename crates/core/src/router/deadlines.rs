//! When each instance is due, found without asking all of them.
//!
//! The timers live in the instances' states. This is only an index of hints: an entry may be too early (the timer was
//! put off, or is gone) and then costs one look; it is never too late, because whoever changes an instance calls
//! [`Deadlines::hint`] afterwards. A backup that hears an advert every 100 ms thus costs one entry per master-down
//! interval rather than one per advert.

use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Reverse;

use crate::time::Instant;

/// The index.
#[derive(Debug, Clone, Default)]
pub struct Deadlines {
    heap: BinaryHeap<Reverse<(Instant, usize)>>,
    hinted: Vec<Option<Instant>>,
}

impl Deadlines {
    /// Forgets everything; there are `instances` instances now.
    pub fn reset(&mut self, instances: usize) {
        self.heap.clear();
        self.hinted.clear();
        self.hinted.resize(instances, None);
    }

    /// The instance is due at `deadline`, as of now.
    pub fn hint(&mut self, instance: usize, deadline: Option<Instant>) {
        let Some(deadline) = deadline else { return };
        if self.hinted[instance].is_none_or(|hinted| deadline < hinted) {
            self.hinted[instance] = Some(deadline);
            self.heap.push(Reverse((deadline, instance)));
        }
    }

    /// The earliest moment at which an instance may be due.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes one instance that may be due at `now`; the caller hints again after looking at it.
    pub fn take_due(&mut self, now: Instant) -> Option<usize> {
        while let Some(Reverse((at, instance))) = self.heap.peek().copied() {
            if at > now {
                return None;
            }
            let _ = self.heap.pop();
            if self.hinted[instance] == Some(at) {
                self.hinted[instance] = None;
                return Some(instance);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Duration;

    fn at(milliseconds: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(milliseconds)
    }

    #[test]
    fn an_earlier_deadline_replaces_a_hint_and_a_later_one_waits_for_it() {
        let mut deadlines = Deadlines::default();
        deadlines.reset(2);
        deadlines.hint(0, Some(at(100)));
        deadlines.hint(0, Some(at(300)));
        deadlines.hint(1, Some(at(200)));
        deadlines.hint(1, Some(at(50)));
        assert_eq!(deadlines.next(), Some(at(50)));
        assert_eq!(deadlines.take_due(at(50)), Some(1));
        assert_eq!(deadlines.take_due(at(50)), None);
        assert_eq!(deadlines.take_due(at(100)), Some(0));
        deadlines.hint(0, Some(at(300)));
        assert_eq!(deadlines.take_due(at(200)), None, "the replaced hint of instance 1 is dropped");
        assert_eq!(deadlines.next(), Some(at(300)));
    }
}
