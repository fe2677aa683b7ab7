//! How late our own loop was.
//!
//! A probe that waits measures its server with our clock. If our process, or the whole machine, stood still meanwhile,
//! the measure is worthless. So a task of its own takes the pulse of the runtime: it sleeps for a short while, again
//! and again, and writes down whenever it woke too late.
//!
//! It does so only while somebody waits ([`Pulse::follow`]). Most servers answer before the first beat, and on a machine
//! with few checks most of what one costs is to wake up: a pulse that nobody needs would cost a fifth of it. For the same
//! reason a probe sets no timer of its own before it has heard a beat: each one would make tokio wake itself by a
//! system call.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mainstay_core::time::Duration;
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

/// Time between two beats.
pub(super) const PERIOD: Duration = Duration::from_millis(100);
/// Less than this is the ordinary unpunctuality of timers.
const WORTH_NOTING: Duration = Duration::from_millis(20);
/// How many stalls are remembered. More of them within one timeout, and the last ones will do.
const REMEMBERED: usize = 64;

/// The pulse of the runtime in which it was started. It ends with the value.
#[derive(Debug)]
pub(super) struct Pulse {
    shared: Arc<Shared>,
    task: AbortHandle,
}

/// Somebody who waits. While there is one the pulse is taken.
#[derive(Debug)]
pub(super) struct Follower(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    beats: Mutex<Beats>,
    /// For the task: the first follower has come, or the last one has gone.
    changed: Notify,
    /// For the followers.
    beaten: Arc<Notify>,
}

#[derive(Debug)]
struct Beats {
    followers: usize,
    /// Of the last beat, or of the first follower after a time without.
    last: Instant,
    stalls: VecDeque<Stall>,
}

#[derive(Debug, Clone, Copy)]
struct Stall {
    ended: Instant,
    length: Duration,
}

impl Pulse {
    /// Takes it from now on, whenever somebody follows.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub(super) fn start() -> Self {
        let shared = Arc::new(Shared {
            beats: Mutex::new(Beats::new()),
            changed: Notify::new(),
            beaten: Arc::new(Notify::new()),
        });
        let task = tokio::spawn(take(Arc::clone(&shared)));
        Self { shared, task: task.abort_handle() }
    }

    /// Begins to wait.
    pub(super) fn follow(&self) -> Follower {
        if self.shared.beats().follow(Instant::now()) {
            self.shared.changed.notify_one();
        }
        Follower(Arc::clone(&self.shared))
    }

    /// How much of the time after `start` nothing ran here, all stalls together: of a loop that is a little late again
    /// and again, an exchange of many steps has all of it.
    pub(super) fn stalled_since(&self, start: Instant) -> Duration {
        self.shared.beats().stalled_since(start, Instant::now())
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn take(shared: Arc<Shared>) {
    loop {
        while shared.beats().followers == 0 {
            shared.changed.notified().await;
        }
        let mut sleep = pin!(sleep(PERIOD));
        loop {
            tokio::select! {
                biased;
                () = &mut sleep => {
                    shared.beats().beat(Instant::now());
                    shared.beaten.notify_waiters();
                    break;
                }
                () = shared.changed.notified() => if shared.beats().followers == 0 { break },
            }
        }
    }
}

impl Follower {
    /// The next beat: within a [`PERIOD`] unless everything stands still.
    pub(super) fn beat(&self) -> OwnedNotified {
        Arc::clone(&self.0.beaten).notified_owned()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        if self.0.beats().leave(Instant::now()) {
            self.0.changed.notify_one();
        }
    }
}

impl Shared {
    fn beats(&self) -> MutexGuard<'_, Beats> {
        self.beats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Beats {
    fn new() -> Self {
        Self { followers: 0, last: Instant::now(), stalls: VecDeque::new() }
    }

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

    /// True for the first one.
    fn follow(&mut self, now: Instant) -> bool {
        if self.followers == 0 {
            self.last = now;
        }
        self.followers += 1;
        self.followers == 1
    }

    /// True for the last one. The stall for which it leaves may not be written down yet.
    fn leave(&mut self, now: Instant) -> bool {
        if overdue(self.last, now) >= WORTH_NOTING {
            self.beat(now);
        }
        self.followers -= 1;
        self.followers == 0
    }

    /// A stall that has just ended may not be written down yet: the task with the pulse wakes like any other.
    fn stalled_since(&self, start: Instant, now: Instant) -> Duration {
        let length = if self.followers == 0 { Duration::ZERO } else { overdue(self.last, now) };
        let current = Stall { ended: now, length };
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, milliseconds: u64) -> Instant {
        start + Duration::from_millis(milliseconds)
    }

    /// Followed since `start`.
    fn followed(start: Instant) -> Beats {
        let mut beats = Beats::new();
        assert!(beats.follow(start), "the first");
        beats
    }

    #[test]
    fn a_stall_counts_for_those_who_waited_during_it() {
        let start = Instant::now();
        let mut beats = followed(start);
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
        let mut beats = followed(start);
        for number in 1..=5 {
            beats.beat(at(start, number * 180));
        }
        assert_eq!(beats.stalled_since(start, at(start, 900)), Duration::from_millis(400));
        assert_eq!(beats.stalled_since(at(start, 500), at(start, 900)), Duration::from_millis(200));
    }

    #[test]
    fn a_stall_is_seen_before_the_beat_that_writes_it_down() {
        let start = Instant::now();
        let beats = followed(start);
        assert_eq!(beats.stalled_since(start, at(start, 1_000)), Duration::from_millis(900));
    }

    #[test]
    fn many_stalls_do_not_fill_the_memory() {
        let start = Instant::now();
        let mut beats = followed(start);
        for number in 1..1_000 {
            beats.beat(at(start, number * 500));
        }
        assert_eq!(beats.stalls.len(), REMEMBERED);
    }

    #[test]
    fn time_in_which_nobody_waits_is_no_stall() {
        let start = Instant::now();
        let mut beats = followed(start);
        assert!(beats.leave(at(start, 50)), "the last");
        assert_eq!(beats.stalled_since(start, at(start, 9_000)), Duration::ZERO);
        assert!(beats.follow(at(start, 9_000)), "the first again");
        assert_eq!(beats.stalled_since(start, at(start, 9_001)), Duration::ZERO);
    }

    #[test]
    fn a_stall_that_many_leave_for_is_written_down_once() {
        let start = Instant::now();
        let mut beats = followed(start);
        beats.follow(at(start, 10));
        assert!(!beats.leave(at(start, 1_600)));
        assert!(beats.leave(at(start, 1_601)));
        let known = beats.stalled_since(start, at(start, 1_601));
        assert_eq!(known, Duration::from_millis(1_500));
    }

    #[tokio::test]
    async fn it_beats_while_somebody_follows() {
        let pulse = Pulse::start();
        for _ in 0..2 {
            let follower = pulse.follow();
            for _ in 0..2 {
                tokio::time::timeout(Duration::from_secs(20), follower.beat()).await.expect("a beat");
            }
        }
    }
}
