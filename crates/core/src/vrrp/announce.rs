//! When a master announces its addresses (gratuitous ARP, unsolicited neighbour advertisement).
//!
//! keepalived's schedule: a burst of rounds on becoming master, a second burst `garp_master_delay` later because a
//! switch or host may have missed the first, an optional refresh, and bursts after another master was heard, whose
//! own announcements may be newer than ours.
//!
//! DIFFERS: keepalived announces twice after a contest, at once and `garp_lower_prio_delay` (5 s) later. If the first
//! burst crosses the last announcement of the other one, hosts send to the wrong router for those 5 s. Three single
//! rounds between the two (`AFTER_CONTEST`) shorten that; `garp_lower_prio_repeat 0` turns off all of it.

use crate::router::plan::AnnouncePlan;
use crate::time::{Duration, Instant};

/// When one more round goes out after a contest, counted from its first burst: the other router may be slow to hear us,
/// and what it has sent until then is newer than what we have.
const AFTER_CONTEST: [Duration; 3] =
    [Duration::from_millis(50), Duration::from_millis(200), Duration::from_secs(1)];

/// What is still to be announced by one master.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Schedule {
    second_burst: Option<(Instant, u32)>,
    contest: Option<Contest>,
    refresh: Option<Instant>,
    extra_interface: Option<Instant>,
}

/// A contest that is being answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Contest {
    at: Instant,
    /// Rounds of `AFTER_CONTEST` that have gone out.
    done: usize,
}

impl Contest {
    fn next(&self) -> Option<Instant> {
        AFTER_CONTEST.get(self.done).map(|after| self.at + *after)
    }
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Due {
    /// Rounds over all addresses.
    pub rounds: u32,
    /// One round over the addresses on other links than the adverts'.
    pub extra_interface: bool,
}

impl Schedule {
    /// The schedule after the first burst (of `plan.repeat` rounds) went out at `now`.
    #[must_use]
    pub fn after_first_burst(now: Instant, plan: &AnnouncePlan) -> Self {
        let mut schedule = Self::default();
        schedule.begin(now, plan);
        schedule
    }

    /// The first burst went out at `now`; a contest that is being answered goes on.
    pub fn begin(&mut self, now: Instant, plan: &AnnouncePlan) {
        self.second_burst = burst(now, plan.delay, plan.repeat);
        self.refresh = period(now, plan.refresh);
        self.extra_interface = period(now, plan.extra_interface);
    }

    /// Another master was heard and is to yield: after the burst of `plan.lower_priority_repeat` rounds that goes out
    /// at once, single rounds (`AFTER_CONTEST`) and a second burst follow. The last contest counts.
    pub fn contested(&mut self, now: Instant, plan: &AnnouncePlan) {
        if let Some(burst) = burst(now, plan.lower_priority_delay, plan.lower_priority_repeat) {
            self.second_burst = Some(burst);
        }
        self.contest = (plan.lower_priority_repeat > 0).then_some(Contest { at: now, done: 0 });
    }

    /// A reload changed the intervals: running ones start anew.
    pub fn replan(&mut self, now: Instant, plan: &AnnouncePlan) {
        self.refresh = period(now, plan.refresh);
        self.extra_interface = period(now, plan.extra_interface);
    }

    /// A second burst follows, as after becoming master (addresses were added).
    pub fn again(&mut self, now: Instant, plan: &AnnouncePlan) {
        self.second_burst = burst(now, plan.delay, plan.repeat);
    }

    /// When something is due next.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let burst = self.second_burst.map(|(at, _)| at);
        let contest = self.contest.and_then(|contest| contest.next());
        [burst, contest, self.refresh, self.extra_interface].iter().flatten().min().copied()
    }

    /// Takes what is due at `now`.
    pub fn take_due(&mut self, now: Instant, plan: &AnnouncePlan) -> Due {
        let mut due = Due::default();
        if let Some((at, rounds)) = self.second_burst
            && at <= now
        {
            due.rounds += rounds;
            self.second_burst = None;
        }
        if let Some(contest) = &mut self.contest {
            while contest.next().is_some_and(|at| at <= now) {
                contest.done += 1;
                // However late we are, one round is as good as two.
                due.rounds = due.rounds.max(1);
            }
        }
        if self.refresh.is_some_and(|at| at <= now) {
            due.rounds = due.rounds.max(plan.refresh_repeat);
            self.refresh = period(now, plan.refresh);
        }
        if self.extra_interface.is_some_and(|at| at <= now) {
            due.extra_interface = true;
            self.extra_interface = period(now, plan.extra_interface);
        }
        due
    }
}

fn burst(now: Instant, delay: Duration, rounds: u32) -> Option<(Instant, u32)> {
    (!delay.is_zero() && rounds > 0).then(|| (now + delay, rounds))
}

fn period(now: Instant, period: Duration) -> Option<Instant> {
    (!period.is_zero()).then(|| now + period)
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn the_default_is_one_more_burst_after_five_seconds_and_then_silence() {
        let plan = AnnouncePlan::default();
        let mut schedule = Schedule::after_first_burst(at(0), &plan);
        assert_eq!(schedule.deadline(), Some(at(5)));
        assert_eq!(schedule.take_due(at(4), &plan), Due::default());
        assert_eq!(schedule.take_due(at(5), &plan), Due { rounds: 5, extra_interface: false });
        assert_eq!(schedule.deadline(), None);
    }

    #[test]
    fn a_refresh_repeats_for_as_long_as_we_are_master() {
        let plan = AnnouncePlan {
            delay: Duration::ZERO,
            refresh: Duration::from_secs(10),
            refresh_repeat: 2,
            ..AnnouncePlan::default()
        };
        let mut schedule = Schedule::after_first_burst(at(0), &plan);
        for turn in 1..4 {
            assert_eq!(schedule.deadline(), Some(at(10 * turn)));
            assert_eq!(schedule.take_due(at(10 * turn), &plan).rounds, 2);
        }
    }

    #[test]
    fn a_contest_brings_single_rounds_and_another_second_burst() {
        let plan = AnnouncePlan { lower_priority_repeat: 3, ..AnnouncePlan::default() };
        let mut schedule = Schedule::after_first_burst(at(0), &plan);
        let _ = schedule.take_due(at(5), &plan);
        schedule.contested(at(20), &plan);
        let mut rounds = Vec::new();
        while let Some(at) = schedule.deadline() {
            rounds.push((at.saturating_since(self::at(20)).as_millis(), schedule.take_due(at, &plan).rounds));
        }
        assert_eq!(rounds, [(50, 1), (200, 1), (1000, 1), (5000, 3)]);
    }

    #[test]
    fn a_late_loop_sends_one_round_for_all_it_missed() {
        let plan = AnnouncePlan::default();
        let mut schedule = Schedule::default();
        schedule.contested(at(20), &plan);
        assert_eq!(schedule.take_due(at(23), &plan).rounds, 1);
        assert_eq!(schedule.deadline(), Some(at(25)));
    }

    #[test]
    fn who_wants_no_announcements_after_a_contest_gets_none() {
        let plan = AnnouncePlan { lower_priority_repeat: 0, ..AnnouncePlan::default() };
        let mut schedule = Schedule::default();
        schedule.contested(at(20), &plan);
        assert_eq!(schedule.deadline(), None);
    }

    #[test]
    fn a_contest_without_delay_leaves_a_running_burst_alone() {
        let plan = AnnouncePlan { lower_priority_delay: Duration::ZERO, ..AnnouncePlan::default() };
        let mut schedule = Schedule::after_first_burst(at(0), &plan);
        schedule.contested(at(1), &plan);
        let _ = schedule.take_due(at(2), &plan);
        assert_eq!(schedule.deadline(), Some(at(5)));
    }
}
