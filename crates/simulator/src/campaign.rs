//! Many seeds on all cores, and what came of them in all.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::draw;
use crate::fault::Cause;
use crate::judge::Violation;
use crate::trace::Mode;
use crate::world::World;

/// Seeds that once showed a fault of ours: kernel events lost (33, 149), a restarted master without an address (603),
/// a crash during a reload (2055), a long contest that was no longer answered (305234).
pub const REGRESSIONS: [u64; 5] = [33, 149, 603, 2055, 305_234];

/// What to run.
#[derive(Debug, Clone, Copy)]
pub struct Campaign {
    /// The first seed.
    pub first: u64,
    /// How many.
    pub seeds: u64,
    /// Threads; each runs whole seeds.
    pub jobs: usize,
    /// Whether a failing seed does not end it.
    pub keep_going: bool,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Summary {
    /// Seeds run.
    pub seeds: u64,
    /// Time simulated, times nodes.
    pub node_time: Duration,
    /// Events handled.
    pub events: u64,
    /// Time in which two or more held one address, by cause.
    pub dual: BTreeMap<Cause, Duration>,
    /// Failing seeds in ascending order, each with the rule it broke first.
    pub failures: Vec<(u64, Violation)>,
    /// Time it took.
    pub took: Duration,
}

impl Campaign {
    /// Runs it.
    #[must_use]
    pub fn run(&self) -> Summary {
        let start = Instant::now();
        let (next, done, ended) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
        let talks = std::io::stderr().is_terminal();
        let work = |talks: bool| {
            let mut summary = Summary::default();
            while !ended.load(Ordering::Relaxed) {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= self.seeds {
                    break;
                }
                summary.take_in(self.first + number);
                if !summary.failures.is_empty() && !self.keep_going {
                    ended.store(true, Ordering::Relaxed);
                }
                let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                if talks && done.is_multiple_of(64) {
                    eprint!("\r{:3} %  {done} seeds", done * 100 / self.seeds);
                }
            }
            summary
        };
        let mut all = std::thread::scope(|scope| {
            let others: Vec<_> = (1..self.jobs.max(1)).map(|_| scope.spawn(|| work(false))).collect();
            let mut all = work(talks);
            for other in others {
                match other.join() {
                    Ok(summary) => all.add(summary),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            all
        });
        if talks {
            eprint!("\r                              \r");
        }
        all.failures.sort_by_key(|(seed, _)| *seed);
        all.took = start.elapsed();
        all
    }
}

impl Summary {
    fn take_in(&mut self, seed: u64) {
        let outcome = World::new(draw::scenario(seed), Mode::Silent).run();
        self.seeds += 1;
        self.node_time += outcome.node_time;
        self.events += outcome.events;
        for (cause, time) in outcome.dual {
            *self.dual.entry(cause).or_default() += time;
        }
        if let Some(violation) = outcome.violations.into_iter().next() {
            self.failures.push((seed, violation));
        }
    }

    fn add(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.node_time += other.node_time;
        self.events += other.events;
        for (cause, time) in other.dual {
            *self.dual.entry(cause).or_default() += time;
        }
        self.failures.extend(other.failures);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_threads_changes_nothing_but_the_time() {
        let run = |jobs| Campaign { first: 0, seeds: 40, jobs, keep_going: true }.run();
        let (one, three) = (run(1), run(3));
        assert_eq!(one.failures, three.failures);
        assert_eq!((one.seeds, one.events, one.dual), (three.seeds, three.events, three.dual));
    }
}
