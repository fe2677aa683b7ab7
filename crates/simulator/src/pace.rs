//! Watches the timers from outside: when a master must advertise again, and when a backup must take over, computed
//! from what went over the wire. Neither may be planned later, and no backup may take over earlier.

use std::net::IpAddr;
use std::time::Duration;

use mainstay_core::router::State;
use mainstay_core::router::plan::{InstancePlan, Preempt, Version};
use mainstay_core::time::Instant;

use crate::fault::NodeId;
use crate::judge::Hearing;

/// So many adverts of lower standing a master answers for every advert of its own accord, and for every interval; no more.
const ANSWERS: u32 = 8;

/// Rounding of timers: v3 counts in centiseconds, the skew in microseconds.
const ROUNDING: Duration = Duration::from_millis(1);

/// What is known of every router's timers, in its node's own time.
#[derive(Debug)]
pub struct Pace {
    routers: usize,
    /// Node by node, the routers of each in their order.
    known: Vec<Known>,
}

/// What is known of one router's timers.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    /// When it sent its last advert, or its interval changed.
    advertised: Option<Instant>,
    wait: Option<Wait>,
    /// Since when it is master.
    master_since: Option<Instant>,
    /// Since when it is backup.
    backup_since: Option<Instant>,
    /// When the last advert was ordered that did leave.
    left: Option<Instant>,
    /// The kernel refused an advert, and no master's has left since.
    refused: bool,
    /// When it last tried whether an advert leaves.
    tried: Option<Instant>,
    turns: Turns,
}

/// How often a router advertised: in this interval and in the one before. With several peers, those to one of them.
/// These intervals are not those it counts by itself: one of the latter may begin in one of these.
#[derive(Debug, Clone, Copy, Default)]
struct Turns {
    since: Instant,
    to: Option<IpAddr>,
    count: u32,
    /// How many of them were answers to adverts.
    answers: u32,
    before: u32,
}

impl Turns {
    fn move_on(&mut self, now: Instant, interval: Duration) {
        let passed = now.saturating_since(self.since);
        if passed >= interval {
            self.before = if passed < interval * 2 { self.count } else { 0 };
            (self.since, self.count, self.answers) = (now, 0, 0);
        }
    }
}

/// What a backup waits for.
#[derive(Debug, Clone, Copy)]
struct Wait {
    since: Instant,
    interval: Duration,
    /// Who resigned, if somebody did.
    resigned: Option<IpAddr>,
}

impl Pace {
    /// Nothing is known of so many nodes with so many routers each.
    #[must_use]
    pub fn new(nodes: usize, routers: usize) -> Self {
        Self { routers, known: vec![Known::default(); nodes * routers] }
    }

    fn known(&mut self, node: NodeId, router: usize) -> &mut Known {
        &mut self.known[node * self.routers + router]
    }

    /// A router sent an advert, or its interval changed.
    pub fn advertised(&mut self, node: NodeId, router: usize, now: Instant) {
        self.known(node, router).advertised = Some(now);
    }

    /// A router sends an advert, for whatever reason.
    pub fn take_turn(&mut self, node: NodeId, router: usize, now: Instant, interval: Duration, to: IpAddr) {
        let turns = &mut self.known(node, router).turns;
        turns.move_on(now, interval);
        turns.count += u32::from(*turns.to.get_or_insert(to) == to);
    }

    /// A master is about to answer an advert. Whether it has answered too many: more than what was left to it when this
    /// interval began, and what came with one of its own and with each advert of its own accord. (One that the kernel refuses
    /// is tried again soon, so that there may be several of these.)
    #[must_use]
    pub fn answers_too_many(
        &mut self,
        node: NodeId,
        router: usize,
        now: Instant,
        interval: Duration,
    ) -> bool {
        let turns = &mut self.known(node, router).turns;
        turns.move_on(now, interval);
        let of_its_own_accord = turns.count.saturating_sub(turns.answers);
        turns.answers += 1;
        turns.answers > ANSWERS * (2 + of_its_own_accord)
    }

    /// A master heard an advert of lower standing, or of one that resigns, and did not answer: whether it should have.
    #[must_use]
    pub fn owes_an_answer(&mut self, node: NodeId, router: usize, now: Instant, plan: &InstancePlan) -> bool {
        let turns = &mut self.known(node, router).turns;
        turns.move_on(now, plan.advert_interval);
        !plan.lower_priority_no_advert && turns.count + turns.before < ANSWERS
    }

    /// A process started or took up another configuration: nothing is known of its timers.
    pub fn forget(&mut self, node: NodeId) {
        for known in &mut self.known[node * self.routers..][..self.routers] {
            *known = Known { advertised: None, wait: None, ..*known };
        }
    }

    /// A router was in one state and is in another, or the same.
    pub fn note_mastership(
        &mut self,
        node: NodeId,
        router: usize,
        now: Instant,
        before: Option<State>,
        after: State,
    ) {
        let known = self.known(node, router);
        match (before, after) {
            (Some(State::Master), State::Master) => {}
            (_, State::Master) => known.master_since = Some(now),
            (_, State::Init | State::Backup | State::Fault) => known.master_since = None,
        }
        match (before, after) {
            (Some(State::Backup), State::Backup) => {}
            (_, State::Backup) => known.backup_since = Some(now),
            (_, State::Init | State::Master | State::Fault) => known.backup_since = None,
        }
    }

    /// Since when a router is master, if that was seen.
    #[must_use]
    pub fn master_since(&self, node: NodeId, router: usize) -> Option<Instant> {
        self.known[node * self.routers + router].master_since
    }

    /// Since when a router is backup, if that was seen.
    #[must_use]
    pub fn backup_since(&self, node: NodeId, router: usize) -> Option<Instant> {
        self.known[node * self.routers + router].backup_since
    }

    /// An advert that was ordered at `ordered` leaves.
    pub fn advert_left(&mut self, node: NodeId, router: usize, ordered: Instant) {
        let known = self.known(node, router);
        known.left = Some(ordered);
        // With several peers one may leave and the next be refused.
        known.refused &= known.master_since.is_none();
    }

    /// The kernel refuses an advert.
    pub fn advert_refused(&mut self, node: NodeId, router: usize) {
        self.known(node, router).refused = true;
    }

    /// A backup sends an advert. One whose adverts were refused may do so when its time has come, and take over when it sees
    /// fit: it finds out whether they leave. False if it has no such reason.
    pub fn tries(&mut self, node: NodeId, router: usize, now: Instant) -> bool {
        let known = self.known(node, router);
        known.wait = None;
        if known.refused {
            known.tried = Some(now);
        }
        // With several peers each gets one, and the first may have left already.
        known.tried == Some(now)
    }

    /// Whether it has tried in this time as a backup whether an advert leaves: that one speaks of no mastership.
    #[must_use]
    pub fn is_trying(&self, node: NodeId, router: usize) -> bool {
        let tried = self.known[node * self.routers + router].tried;
        tried.is_some_and(|tried| self.backup_since(node, router).is_some_and(|since| tried >= since))
    }

    /// What the lease of a master counts from: its last advert that left, or the beginning of its mastership.
    #[must_use]
    pub fn lease_counts_from(&self, node: NodeId, router: usize) -> Option<Instant> {
        let known = self.known[node * self.routers + router];
        Some(known.left.unwrap_or_default().max(known.master_since?))
    }

    /// Whether an advert of its present mastership has left.
    #[must_use]
    pub fn has_advertised(&self, node: NodeId, router: usize) -> bool {
        let known = self.known[node * self.routers + router];
        known.left.zip(known.master_since).is_some_and(|(left, since)| left >= since)
    }

    /// The routers, one bit each, that became master no longer ago than a slow loop is late.
    #[must_use]
    pub fn new_masters(&self, node: NodeId, now: Instant, late: Duration) -> u32 {
        let is_new = |router: &usize| {
            self.master_since(node, *router).is_some_and(|since| now.saturating_since(since) <= late)
        };
        if late.is_zero() {
            0
        } else {
            (0..self.routers).filter(is_new).fold(0, |bits, router| bits | 1 << router)
        }
    }

    /// A router took in an advert and is in this state afterwards.
    pub fn heard(
        &mut self,
        node: NodeId,
        now: Instant,
        hearing: &Hearing,
        plan: &InstancePlan,
        after: State,
    ) {
        if after != State::Backup || !hearing.acceptable {
            return;
        }
        let (before, own) = hearing.before;
        let interval = if plan.version == Version::V3 { hearing.interval } else { plan.advert_interval };
        let accepted = hearing.priority >= own || (plan.preempt == Preempt::Never && own < 255);
        let Known { wait, tried, .. } = self.known(node, hearing.router);
        let yields_to_a_trial = tried
            .is_some_and(|tried| now.saturating_since(tried) <= plan.advert_interval)
            && hearing.priority == own
            && hearing.source < hearing.own;
        if yields_to_a_trial
            || hearing.standing.unsure
            || (hearing.standing.may_be_deaf && !accepted && hearing.priority > 0)
        {
            // It may wait for this one, and it may not.
            *wait = None;
        } else if hearing.priority == 0 {
            *wait = wait.map(|wait| Wait { since: now, resigned: Some(hearing.source), ..wait });
        } else if accepted || before == State::Master {
            *wait = Some(Wait { since: now, interval, resigned: None });
        } else if matches!(plan.preempt, Preempt::After(delay) if !delay.is_zero()) {
            // Whether a running preempt_delay tolerates it is not known here.
            *wait = None;
        }
    }

    /// A router changed state other than by an advert of its own.
    pub fn changed(&mut self, node: NodeId, router: usize, now: Instant, plan: &InstancePlan, to: State) {
        self.known(node, router).wait = match to {
            // An owner waits for nobody when it starts.
            State::Backup if plan.priority.get() == 255 => None,
            State::Backup => Some(Wait { since: now, interval: plan.advert_interval, resigned: None }),
            State::Init | State::Master | State::Fault => None,
        };
    }

    /// A backup whose time has come waits for its kernel: for how long is not known here.
    pub fn waits_for_kernel(&mut self, node: NodeId, router: usize) {
        self.known(node, router).wait = None;
    }

    /// When a backup is to take over, if that is known.
    #[must_use]
    pub fn takes_over_at(
        &self,
        node: NodeId,
        router: usize,
        plan: &InstancePlan,
        own: u8,
    ) -> Option<Instant> {
        let wait = self.known[node * self.routers + router].wait?;
        let of = if plan.version == Version::V3 { wait.interval } else { Duration::from_secs(1) };
        let skew = Duration::from_nanos(of.as_nanos() as u64 * (256 - u64::from(own)) / 256);
        let silence = if wait.resigned.is_some() { Duration::ZERO } else { wait.interval * 3 };
        Some(wait.since + silence + skew)
    }

    /// Whether a take-over at `now` is too early. After a resignation a router need not wait for the skew if it knows of
    /// nobody but itself and the one that resigned; `knows_others` says whether it does.
    #[must_use]
    pub fn is_early(
        &self,
        (node, router): (NodeId, usize),
        plan: &InstancePlan,
        own: u8,
        now: Instant,
        knows_others: impl Fn(IpAddr) -> bool,
    ) -> bool {
        let resigned = self.known[node * self.routers + router].wait.and_then(|wait| wait.resigned);
        let may_hurry = resigned.is_some_and(|resigned| !knows_others(resigned));
        !may_hurry && self.takes_over_at(node, router, plan, own).is_some_and(|at| now + ROUNDING < at)
    }

    /// What is wrong with a node's next deadline, given the state of one of its routers.
    #[must_use]
    pub fn complaint(
        &self,
        node: NodeId,
        router: usize,
        plan: &InstancePlan,
        (state, own): (State, u8),
        deadline: Option<Instant>,
    ) -> Option<&'static str> {
        let later_than = |at: Instant| deadline.is_none_or(|deadline| deadline > at + ROUNDING);
        match state {
            State::Master => {
                let last = self.known[node * self.routers + router].advertised?;
                later_than(last + plan.advert_interval).then_some("plans its next advert too late")
            }
            State::Backup => {
                let at = self.takes_over_at(node, router, plan, own)?;
                later_than(at).then_some("plans its take-over too late")
            }
            State::Init | State::Fault => None,
        }
    }
}
