//! MASTER: advertising, and meeting other masters (RFC 9568 section 6.4.3).

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::renewal::Renewal;
use super::{Instance, LastHeard, Machine, Wish};
use crate::router::plan::{InstancePlan, Preempt};
use crate::router::reason::{Cause, State};
use crate::time::{Duration, Instant};
use crate::vrrp::announce::{Due, Schedule};
use crate::vrrp::election::{Heard, ToMaster, judge_as_master};
use crate::vrrp::timers;

/// Answers to adverts of lower priority that one advert interval may see; a flood gets no more.
const ANSWERS_PER_INTERVAL: u8 = 8;

/// Other masters told apart; further ones are contests without a memory.
const MOST_RIVALS: usize = 4;

/// What a master keeps in mind.
#[derive(Debug, Clone)]
pub(super) struct Mastership {
    pub(super) adver_timer: Instant,
    pub(super) renewal: Renewal,
    /// It holds back until then: a living master was preempted and must have let go before we answer.
    pub(super) takes_at: Option<Instant>,
    pub(super) announcements: Schedule,
    pub(super) answers_left: u8,
    /// When the interval began in which those answers may be given.
    pub(super) answers_since: Instant,
    pub(super) contest_announced: Option<Instant>,
    pub(super) rival_owner: Option<RivalOwner>,
    pub(super) rivals: Vec<Rival>,
    /// When an address was last defended against somebody who claims it.
    pub(super) defended: BTreeMap<IpAddr, Instant>,
}

/// Another master of lower standing, which yields as soon as it hears us.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rival {
    source: IpAddr,
    last_heard: Instant,
    /// When we first advertised after hearing it; and after it said that it had heard that, if it did.
    answered: Option<Instant>,
}

/// Another router with priority 255 and a lower address, which therefore should yield.
#[derive(Debug, Clone, Copy)]
pub(super) struct RivalOwner {
    pub(super) first_heard: Instant,
    pub(super) last_heard: Instant,
}

impl Mastership {
    /// A mastership that begins at `now` with an advert. With it goes the first burst of announcements, unless the
    /// addresses are taken only after a `pause`.
    pub(super) fn begin(now: Instant, plan: &InstancePlan, pause: Option<Duration>) -> Self {
        let announcements = match pause {
            Some(_) => Schedule::default(),
            None => Schedule::after_first_burst(now, &plan.announce),
        };
        Self {
            adver_timer: now + plan.advert_interval,
            renewal: Renewal::begin(now, plan.lease.map(|lease| lease.length)),
            takes_at: pause.map(|pause| now + pause),
            announcements,
            answers_left: ANSWERS_PER_INTERVAL,
            answers_since: now,
            contest_announced: None,
            rival_owner: None,
            rivals: Vec::new(),
            defended: BTreeMap::new(),
        }
    }

    /// An advert of ours leaves: whoever hears it knows of us.
    fn advertised(&mut self, now: Instant) {
        for rival in &mut self.rivals {
            rival.answered = rival.answered.or(Some(now));
        }
    }

    /// A master of lower standing was heard; when it was answered, if it was before.
    fn meet(&mut self, now: Instant, heard: &Heard, forgotten_after: Duration) -> Option<Instant> {
        self.rivals.retain(|rival| now.saturating_since(rival.last_heard) <= forgotten_after);
        if let Some(rival) = self.rivals.iter_mut().find(|rival| rival.source == heard.source) {
            rival.last_heard = now;
            // It has heard that one. If it is master all the same, then since a silence that we know nothing of (it yielded, and
            // we did not hear so): what it hears of the next one counts.
            rival.answered = rival.answered.filter(|answered| !heard.hears.has_heard(*answered));
            return rival.answered;
        }
        if self.rivals.len() < MOST_RIVALS {
            self.rivals.push(Rival { source: heard.source, last_heard: now, answered: None });
        }
        None
    }
}

impl Instance {
    pub(super) fn master_deadline(&mut self, now: Instant, wishes: &mut Vec<Wish>) {
        let interval = self.plan.advert_interval;
        let late_limit = self
            .plan
            .timer_expired_backup
            .filter(|_| self.plan.preempt == Preempt::Never)
            .map(|peer| interval * 2 + timers::skew_time(self.plan.version, peer.get(), interval));
        let announce = self.plan.announce;
        let Machine::Master(master) = &mut self.machine else { return };
        let late = now.saturating_since(master.adver_timer);
        if late_limit.is_some_and(|limit| late >= limit) {
            wishes.push(Wish::Enter(State::Backup, Cause::LoopLate(late)));
            return;
        }
        if master.adver_timer <= now {
            // In step with the first advert unless we were late, so that instances sharing a phase keep sharing it.
            let in_step = master.adver_timer + interval;
            master.adver_timer = if in_step > now { in_step } else { now + interval };
            master.answers_left = ANSWERS_PER_INTERVAL;
            master.answers_since = now;
            master.advertised(now);
            wishes.push(Wish::Advertise);
        }
        if master.takes_at.is_some_and(|at| at <= now) {
            master.takes_at = None;
            master.announcements.begin(now, &announce);
            wishes.push(Wish::Take);
        }
        let due = master.announcements.take_due(now, &announce);
        if due != Due::default() {
            wishes.push(Wish::Announce(due));
        }
    }

    pub(super) fn hear_as_master(&mut self, now: Instant, heard: Heard, wishes: &mut Vec<Wish>) {
        let Some(own) = self.source else { return };
        self.last_heard = Some(LastHeard { at: now, source: heard.source, priority: heard.priority });
        match judge_as_master(&heard, self.priority(), own) {
            ToMaster::OtherResigned => {
                self.counters.priority_zero_received += 1;
                self.answer(now, wishes);
            }
            ToMaster::HigherPriority => {
                let cause = Cause::HigherPriority { source: heard.source, priority: heard.priority };
                self.yield_to(heard, cause, wishes);
            }
            ToMaster::HigherAddress => {
                self.yield_to(heard, Cause::HigherAddress { source: heard.source }, wishes)
            }
            ToMaster::Lower if self.is_unheard_by(now, &heard) => {
                self.learn(&heard);
                wishes.push(Wish::Enter(State::Backup, Cause::NotHeard { source: heard.source }));
            }
            ToMaster::Lower => {
                if !self.plan.lower_priority_no_advert {
                    self.answer(now, wishes);
                }
                self.contest(now, heard, wishes);
            }
        }
    }

    fn yield_to(&mut self, heard: Heard, cause: Cause, wishes: &mut Vec<Wish>) {
        if self.plan.higher_priority_send_advert {
            wishes.push(Wish::Advertise);
        }
        self.learn(&heard);
        wishes.push(Wish::Enter(State::Backup, cause));
    }

    /// Sends an advert out of turn, unless this interval has seen enough of them.
    fn answer(&mut self, now: Instant, wishes: &mut Vec<Wish>) {
        let interval = self.plan.advert_interval;
        let Machine::Master(master) = &mut self.machine else { return };
        // Each answer puts off the advert timer, so that timer alone could leave a long contest without answers.
        if now.saturating_since(master.answers_since) >= interval {
            master.answers_left = ANSWERS_PER_INTERVAL;
            master.answers_since = now;
        }
        if let Some(left) = master.answers_left.checked_sub(1) {
            master.answers_left = left;
            master.adver_timer = now + interval;
            master.advertised(now);
            wishes.push(Wish::Advertise);
        }
    }

    /// One-way loss (`reference/ha.md` 3.2, row 5): a master of lower standing was answered, had the time to hear the
    /// answer, and says that it did not. It cannot yield, because it cannot hear; so the one that hears gives up.
    fn is_unheard_by(&mut self, now: Instant, heard: &Heard) -> bool {
        let slowest = self.plan.advert_interval.max(heard.interval);
        let Machine::Master(master) = &mut self.machine else { return false };
        // Its next heartbeat comes an interval after the one we answered, give or take what the way there takes.
        let transit = heard.interval * 3 / 4;
        master.meet(now, heard, slowest * 3).is_some_and(|answered| heard.hears.missed(answered, transit))
    }

    /// A router said that it is no master any more.
    pub fn forget_rival(&mut self, source: IpAddr) {
        if let Machine::Master(master) = &mut self.machine {
            master.rivals.retain(|rival| rival.source != source);
        }
    }

    fn contest(&mut self, now: Instant, heard: Heard, wishes: &mut Vec<Wish>) {
        let (own_interval, announce_plan) = (self.plan.advert_interval, self.plan.announce);
        let rivals = heard.priority == 255 && self.priority() == 255;
        let Machine::Master(master) = &mut self.machine else { return };
        let announce = master.contest_announced.is_none_or(|last| now.saturating_since(last) >= own_interval);
        if announce {
            master.contest_announced = Some(now);
            master.announcements.contested(now, &announce_plan);
        }
        wishes.push(Wish::Contested { heard, announce });
        if rivals {
            let slowest = own_interval.max(heard.interval);
            let rival = match master.rival_owner {
                Some(rival) if now.saturating_since(rival.last_heard) <= slowest * 3 => {
                    RivalOwner { last_heard: now, ..rival }
                }
                Some(_) | None => RivalOwner { first_heard: now, last_heard: now },
            };
            master.rival_owner = Some(rival);
            if now.saturating_since(rival.first_heard) >= own_interval * 2 + slowest * 6 / 5 {
                wishes.push(Wish::LowerOwner(heard.source));
            }
        }
    }

    /// Lowers an owner's priority to 254, so that the other owner is the higher one.
    pub const fn lower_owner(&mut self) {
        self.owner_lowered = true;
    }

    /// Addresses were added while master: a second burst follows, as after becoming master.
    pub fn announce_again(&mut self, now: Instant) {
        let plan = self.plan.announce;
        if let Machine::Master(master) = &mut self.machine {
            master.announcements.again(now, &plan);
        }
    }

    /// A master of the same group met another one: our announcements may be older than that one's.
    pub fn announce_after_contest(&mut self, now: Instant) {
        let plan = self.plan.announce;
        if let Machine::Master(master) = &mut self.machine {
            master.announcements.contested(now, &plan);
        }
    }

    /// The kernel would not send an advert: it renewed no lease, and is tried once more well before the next one is due.
    /// True if a backup now knows that none of its adverts leaves.
    pub fn advert_refused(&mut self, now: Instant) -> bool {
        let soon = now + self.plan.advert_interval / 4;
        let Machine::Master(master) = &mut self.machine else { return self.trial_refused(now) };
        self.muted |= master.renewal.refused();
        master.adver_timer = master.adver_timer.min(soon);
        false
    }

    /// Until when the last advert of this mastership that left keeps its gate open. `length` is for a lease that there
    /// was not yet when it left.
    #[must_use]
    pub fn gate_open_until(&self, length: Duration) -> Option<Instant> {
        match &self.machine {
            Machine::Master(master) => master.renewal.has_advertised().then(|| master.renewal.end(length)),
            Machine::Init | Machine::Backup { .. } | Machine::Fault => None,
        }
    }

    /// When the lease of this master is over, unless another advert leaves before.
    #[must_use]
    pub fn lease_end(&self, length: Duration) -> Option<Instant> {
        match &self.machine {
            Machine::Master(master) => Some(master.renewal.end(length)),
            Machine::Init | Machine::Backup { .. } | Machine::Fault => None,
        }
    }

    /// What a lease of this master counts from: its last advert, or its beginning while none has left.
    #[must_use]
    pub const fn lease_counts_from(&self) -> Option<Instant> {
        match &self.machine {
            Machine::Master(master) => Some(master.renewal.counts_from()),
            Machine::Init | Machine::Backup { .. } | Machine::Fault => None,
        }
    }

    /// Whether it is master and has not taken the addresses yet.
    #[must_use]
    pub const fn holds_back(&self) -> bool {
        matches!(&self.machine, Machine::Master(master) if master.takes_at.is_some())
    }
}
