//! BACKUP: waiting for the master to fall silent (RFC 9568 section 6.4.2).

use alloc::vec::Vec;
use core::net::IpAddr;

use super::probing::{Probing, Progress};
use super::trial::Trial;
use super::{Instance, LastHeard, Machine, Stage, Wish};
use crate::router::plan::{Preempt, Version};
use crate::router::reason::{Cause, State};
use crate::time::{Duration, Instant};
use crate::vrrp::election::{Heard, ToBackup, judge_as_backup};
use crate::vrrp::timers;

/// What the master-down timer will mean when it fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MasterEnd {
    Silence,
    Resigned(IpAddr),
    Preemption { source: IpAddr, priority: u8 },
}

impl Instance {
    pub(super) fn backup_deadline(&mut self, now: Instant, wishes: &mut Vec<Wish>) {
        let interval = self.plan.advert_interval;
        let Machine::Backup { master_down_timer, ending, stage, .. } = &mut self.machine else { return };
        let (ending, timer) = (*ending, *master_down_timer);
        let progress = match stage {
            Stage::Group => Progress::Early,
            Stage::Timer if now < timer => Progress::Early,
            Stage::Timer => Progress::Take,
            Stage::Probing(probing) => probing.go_on(now, interval),
            Stage::LettingGo { until } if now < *until => Progress::Early,
            Stage::LettingGo { .. } => {
                self.set_stage(Stage::Timer);
                return wishes.push(Wish::Enter(State::Master, self.silence(now)));
            }
            Stage::Trial(trial) if now < trial.deadline() => Progress::Early,
            Stage::Trial(Trial::Refused { .. }) => Progress::Take,
            Stage::Trial(Trial::Sent { .. }) => {
                self.muted = false;
                Progress::Take
            }
        };
        if *stage == Stage::Timer && progress == Progress::Take && self.asks_before(ending) {
            self.set_stage(Stage::Probing(Probing::begin(now, interval)));
            wishes.push(Wish::AskForAddresses);
            return;
        }
        match progress {
            Progress::Early => {}
            Progress::Ask => wishes.push(Wish::AskForAddresses),
            Progress::Take => wishes.push(Wish::Enter(State::Master, self.cause_of(now, ending))),
        }
    }

    /// Why it takes over when its timer means this.
    fn cause_of(&self, now: Instant, ending: MasterEnd) -> Cause {
        match ending {
            MasterEnd::Resigned(source) => Cause::MasterResigned { source },
            MasterEnd::Preemption { source, priority } => Cause::Preempted { source, priority },
            MasterEnd::Silence if self.starts_as_master() => Cause::Owner,
            MasterEnd::Silence => self.silence(now),
        }
    }

    fn silence(&self, now: Instant) -> Cause {
        let since = self.last_heard.map_or(self.since, |heard| heard.at.max(self.since));
        Cause::NoAdvertFor { silence: now.saturating_since(since) }
    }

    pub(super) const fn set_stage(&mut self, to: Stage) {
        if let Machine::Backup { stage, .. } = &mut self.machine {
            *stage = to;
        }
    }

    /// Whatever it was about to do, it waits for the master-down timer again. A trial that is broken off has told what it
    /// can: two routers whose trials silence each other would otherwise both be on trial for good.
    fn wait_for_timer(&mut self) {
        if let Machine::Backup { stage: Stage::Trial(Trial::Sent { .. }), .. } = &self.machine {
            self.muted = false;
        }
        self.set_stage(Stage::Timer);
    }

    pub(super) fn hear_as_backup(&mut self, now: Instant, heard: Heard) {
        let priority = self.priority();
        let Machine::Backup { preempt_at, .. } = &self.machine else { return };
        let preempt_at = *preempt_at;
        if self.outranks_on_trial(&heard) {
            self.last_heard = Some(LastHeard { at: now, source: heard.source, priority: heard.priority });
            return;
        }
        let unheard = self.unheard_since();
        let verdict = judge_as_backup(now, &heard, priority, self.plan.preempt, preempt_at, unheard);
        match verdict {
            ToBackup::MasterResigned => self.counters.priority_zero_received += 1,
            ToBackup::Accepted | ToBackup::Deaf | ToBackup::Tolerated => self.learn(&heard),
            ToBackup::Ignored => {}
        }
        let (skew, down) = (self.skew_time(), self.master_down_interval());
        self.last_heard = Some(LastHeard { at: now, source: heard.source, priority: heard.priority });
        if verdict != ToBackup::Ignored {
            self.wait_for_timer();
        }
        let Machine::Backup { master_down_timer, preempt_at, ending, stage } = &mut self.machine else {
            return;
        };
        match verdict {
            ToBackup::MasterResigned => {
                *master_down_timer = now + heard.hand_over.map_or(skew, |wait| wait.min(skew));
                *ending = MasterEnd::Resigned(heard.source);
            }
            ToBackup::Accepted | ToBackup::Deaf => {
                *master_down_timer = now + down;
                *preempt_at = None;
                *ending = MasterEnd::Silence;
            }
            ToBackup::Tolerated => {
                *master_down_timer = now + down;
                *ending = MasterEnd::Silence;
                if let (None, Preempt::After(delay)) = (*preempt_at, self.plan.preempt) {
                    *preempt_at = Some(now + delay);
                }
            }
            // The timer runs on: a flood of such adverts cannot postpone our taking over.
            ToBackup::Ignored => {
                if let Stage::LettingGo { until } = stage {
                    *until = now + down;
                }
                *ending = MasterEnd::Preemption { source: heard.source, priority: heard.priority };
            }
        }
    }

    /// When it gave up because it was not heard, if that is why it is backup.
    #[must_use]
    pub const fn unheard_since(&self) -> Option<Instant> {
        match (&self.machine, &self.cause) {
            (Machine::Backup { .. }, Cause::NotHeard { .. }) => Some(self.since),
            (Machine::Init | Machine::Backup { .. } | Machine::Master(_) | Machine::Fault, _) => None,
        }
    }

    /// The master-down timer starts again at `from`: what went before was not silence.
    pub fn wait_anew(&mut self, from: Instant) {
        let down = self.master_down_interval();
        self.wait_for_timer();
        if let Machine::Backup { master_down_timer, .. } = &mut self.machine {
            *master_down_timer = from + down;
        }
    }

    /// A known peer is alive although it cannot be understood (`mismatch_policy hold`): the timer starts again. A
    /// longer interval in its adverts counts, up to ten of ours, or the timer would fire between two of them.
    pub fn hold_back(&mut self, now: Instant, theirs: Duration) {
        let interval = theirs.min(self.plan.advert_interval * 10).max(self.master_advert_interval);
        let adverts = self.plan.down_timer_adverts;
        let down = timers::master_down_interval(self.plan.version, adverts, interval, self.priority());
        self.wait_for_timer();
        if let Machine::Backup { master_down_timer, ending, .. } = &mut self.machine {
            *master_down_timer = (*master_down_timer).max(now + down);
            *ending = MasterEnd::Silence;
        }
    }

    /// Its timer has fired, but its sync group is not ready to be master: it waits for the last member, or for an
    /// advert that starts the timer again.
    pub const fn wait_for_group(&mut self) {
        self.set_stage(Stage::Group);
    }

    /// Its sync group may have changed: the timer that has fired counts again.
    pub const fn ask_group_again(&mut self) {
        if let Machine::Backup { stage: Stage::Group, .. } = &self.machine {
            self.set_stage(Stage::Timer);
        }
    }

    /// Takes the interval of an accepted advert (RFC 9568 section 6.4: v3 only; v2 rejects a differing one).
    pub(super) fn learn(&mut self, heard: &Heard) {
        if self.plan.version == Version::V3 {
            self.master_advert_interval = heard.interval;
        }
    }
}
