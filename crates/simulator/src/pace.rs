//! Watches the timers from outside: when a master must advertise again, and when a backup must take over, computed
//! from what went over the wire. Neither may be planned later, and no backup may take over earlier.

use std::collections::BTreeMap;
use std::time::Duration;

use mainstay_core::router::State;
use mainstay_core::router::plan::{InstancePlan, Preempt, Version};
use mainstay_core::time::Instant;

use crate::fault::NodeId;
use crate::judge::Hearing;

/// Rounding of timers: v3 counts in centiseconds, the skew in microseconds.
const ROUNDING: Duration = Duration::from_millis(1);

/// What is known of every router's timers, in its node's own time.
#[derive(Debug, Default)]
pub struct Pace {
    adverts: BTreeMap<(NodeId, usize), Instant>,
    waits: BTreeMap<(NodeId, usize), Wait>,
}

/// What a backup waits for.
#[derive(Debug, Clone, Copy)]
struct Wait {
    since: Instant,
    interval: Duration,
    resigned: bool,
}

impl Pace {
    /// A router sent an advert, or its interval changed.
    pub fn advertised(&mut self, node: NodeId, router: usize, now: Instant) {
        let _ = self.adverts.insert((node, router), now);
    }

    /// A process started or took up another configuration: nothing is known of its timers.
    pub fn forget(&mut self, node: NodeId) {
        self.waits.retain(|(of, _), _| *of != node);
        self.adverts.retain(|(of, _), _| *of != node);
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
        let key = (node, hearing.router);
        if after != State::Backup || !hearing.acceptable {
            return;
        }
        let (before, own) = hearing.before;
        let interval = if plan.version == Version::V3 { hearing.interval } else { plan.advert_interval };
        let accepted = hearing.priority >= own || (plan.preempt == Preempt::Never && own < 255);
        if hearing.priority == 0 {
            match self.waits.get_mut(&key) {
                Some(wait) => *wait = Wait { since: now, resigned: true, ..*wait },
                None => drop(self.waits.remove(&key)),
            }
        } else if accepted || before == State::Master {
            let _ = self.waits.insert(key, Wait { since: now, interval, resigned: false });
        } else if matches!(plan.preempt, Preempt::After(delay) if !delay.is_zero()) {
            // Whether a running preempt_delay tolerates it is not known here.
            let _ = self.waits.remove(&key);
        }
    }

    /// A router changed state other than by an advert of its own.
    pub fn changed(&mut self, node: NodeId, router: usize, now: Instant, plan: &InstancePlan, to: State) {
        let _ = match to {
            // An owner waits for nobody when it starts.
            State::Backup if plan.priority.get() == 255 => self.waits.remove(&(node, router)),
            State::Backup => {
                let wait = Wait { since: now, interval: plan.advert_interval, resigned: false };
                self.waits.insert((node, router), wait)
            }
            State::Init | State::Master | State::Fault => self.waits.remove(&(node, router)),
        };
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
        let wait = self.waits.get(&(node, router))?;
        let of = if plan.version == Version::V3 { wait.interval } else { Duration::from_secs(1) };
        let skew = of * (256 - u32::from(own)) / 256;
        let silence = if wait.resigned { Duration::ZERO } else { wait.interval * 3 };
        Some(wait.since + silence + skew)
    }

    /// Whether a take-over at `now` is too early.
    #[must_use]
    pub fn is_early(&self, node: NodeId, router: usize, plan: &InstancePlan, own: u8, now: Instant) -> bool {
        self.takes_over_at(node, router, plan, own).is_some_and(|at| now + ROUNDING < at)
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
                let last = self.adverts.get(&(node, router))?;
                later_than(*last + plan.advert_interval).then_some("plans its next advert too late")
            }
            State::Backup => {
                let at = self.takes_over_at(node, router, plan, own)?;
                later_than(at).then_some("plans its take-over too late")
            }
            State::Init | State::Fault => None,
        }
    }
}
