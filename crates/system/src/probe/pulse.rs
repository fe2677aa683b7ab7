//! How late our own loop was.
//!
//! A probe that waits measures its server with our clock. If our process, or the whole machine, stood still meanwhile,
//! the measure is worthless. So a task of its own takes the pulse of the runtime: it sleeps for a short while, again
//! and again, and writes down whenever it woke too late.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mainstay_core::time::Duration;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

/// Time between two beats.
const PERIOD: Duration = Duration::from_millis(100);
/// Less than this is the ordinary unpunctuality of timers.
const WORTH_NOTING: Duration = Duration::from_millis(20);
/// How many stalls are remembered. More of them within one timeout, and the last ones will do.
const REMEMBERED: usize = 64;

/// The pulse of the runtime in which it was started. It ends with the value.
#[derive(Debug)]
pub(super) struct Pulse {
    beats: Arc<Mutex<Beats>>,
    task: AbortHandle,
}

#[derive(Debug)]
struct Beats {
    last: Instant,
    stalls: VecDeque<Stall>,
}

#[derive(Debug, Clone, Copy)]
struct Stall {
    ended: Instant,
    length: Duration,
}

impl Pulse {
    /// Starts to take it.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub(super) fn start() -> Self {
        let beats = Arc::new(Mutex::new(Beats { last: Instant::now(), stalls: VecDeque::new() }));
        let ours = Arc::clone(&beats);
        let task = tokio::spawn(async move {
            loop {
                sleep(PERIOD).await;
                lock(&ours).beat(Instant::now());
            }
        });
        Self { beats, task: task.abort_handle() }
    }

    /// How much of the time after `start` nothing ran here, all stalls together: of a loop that is a little late again
    /// and again, an exchange of many steps has all of it.
    pub(super) fn stalled_since(&self, start: Instant) -> Duration {
        lock(&self.beats).stalled_since(start, Instant::now())
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Beats {
    fn beat(&mut self, now: Instant) {
        let length = overdue(self.last, now);
        if length >= WORTH_NOTING {
            if self.stalls.len() == REMEMBERED {
                self.stalls.pop_front();
            }
            self.stalls.push_back(Stall { ended: now, length });
        }
        self.last = now;
    }

    /// A stall that has just ended may not be written down yet: the task with the pulse wakes like any other.
    fn stalled_since(&self, start: Instant, now: Instant) -> Duration {
        let current = Stall { ended: now, length: overdue(self.last, now) };
        self.stalls
            .iter()
            .chain([&current])
            .map(|stall| stall.length.min(stall.ended.saturating_duration_since(start)))
            .sum()
    }
}

fn overdue(last: Instant, now: Instant) -> Duration {
    now.saturating_duration_since(last).saturating_sub(PERIOD)
}

fn lock(beats: &Mutex<Beats>) -> MutexGuard<'_, Beats> {
    beats.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, milliseconds: u64) -> Instant {
        start + Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_stall_counts_for_those_who_waited_during_it() {
        let start = Instant::now();
        let mut beats = Beats { last: start, stalls: VecDeque::new() };
        beats.beat(at(start, 101));
        assert_eq!(beats.stalled_since(start, at(start, 150)), Duration::ZERO);
        beats.beat(at(start, 1_601));
        let now = at(start, 1_650);
        assert_eq!(beats.stalled_since(start, now), Duration::from_millis(1_400));
        assert_eq!(
            beats.stalled_since(at(start, 1_101), now),
            Duration::from_millis(500),
            "only the part after it"
        );
        assert_eq!(beats.stalled_since(at(start, 1_610), now), Duration::ZERO, "began after the stall");
    }

    #[test]
    fn small_stalls_add_up() {
        let start = Instant::now();
        let mut beats = Beats { last: start, stalls: VecDeque::new() };
        for number in 1..=5 {
            beats.beat(at(start, number * 180));
        }
        assert_eq!(beats.stalled_since(start, at(start, 900)), Duration::from_millis(400));
        assert_eq!(beats.stalled_since(at(start, 500), at(start, 900)), Duration::from_millis(200));
    }

    #[test]
    fn a_stall_is_seen_before_the_beat_that_writes_it_down() {
        let start = Instant::now();
        let beats = Beats { last: start, stalls: VecDeque::new() };
        assert_eq!(beats.stalled_since(start, at(start, 1_000)), Duration::from_millis(900));
    }

    #[test]
    fn many_stalls_do_not_fill_the_memory() {
        let start = Instant::now();
        let mut beats = Beats { last: start, stalls: VecDeque::new() };
        for number in 1..1_000 {
            beats.beat(at(start, number * 500));
        }
        assert_eq!(beats.stalls.len(), REMEMBERED);
    }
}
