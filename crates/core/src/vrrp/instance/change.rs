//! Entering states, and changing parameters without leaving one.

use super::backup::MasterEnd;
use super::mastership::Mastership;
use super::wire::{Wire, advertised};
use super::{Instance, Machine, Stage};
use crate::heartbeat::AddressDigest;
use crate::router::plan::{InstancePlan, Version};
use crate::router::reason::Cause;
use crate::time::{Duration, Instant};

impl Instance {
    /// Enters BACKUP; the timer starts at `from`, which is later than now only while a startup delay runs.
    pub fn enter_backup(&mut self, now: Instant, from: Instant, cause: Cause) {
        let owner_waits_for = match self.machine {
            Machine::Init if self.starts_as_master() => Some(Duration::ZERO),
            Machine::Fault if self.starts_as_master() => Some(self.plan.advert_interval + self.skew_time()),
            Machine::Init | Machine::Backup { .. } | Machine::Master(_) | Machine::Fault => None,
        };
        if matches!(self.machine, Machine::Fault) {
            self.master_advert_interval = self.plan.advert_interval;
        }
        let wait = owner_waits_for.unwrap_or_else(|| self.master_down_interval());
        self.leave();
        self.machine = Machine::Backup {
            master_down_timer: from + wait,
            preempt_at: None,
            ending: MasterEnd::Silence,
            stage: Stage::Timer,
        };
        self.since = now;
        self.cause = cause;
    }

    /// Enters MASTER; the caller sends the advert. It also announces the first burst, unless there is a `pause` at the end
    /// of which [`Wish::Take`](super::Wish::Take) says so.
    pub fn enter_master(&mut self, now: Instant, cause: Cause, pause: Option<Duration>) {
        self.leave();
        self.owner_lowered = false;
        self.master_advert_interval = self.plan.advert_interval;
        self.counters.became_master += 1;
        self.machine = Machine::Master(Mastership::begin(now, &self.plan, pause));
        self.since = now;
        self.cause = cause;
    }

    /// Enters FAULT.
    pub fn enter_fault(&mut self, now: Instant, cause: Cause) {
        self.leave();
        self.muted = false;
        self.machine = Machine::Fault;
        self.since = now;
        self.cause = cause;
    }

    /// Enters INIT.
    pub fn enter_init(&mut self, now: Instant, cause: Cause) {
        self.leave();
        self.muted = false;
        self.machine = Machine::Init;
        self.since = now;
        self.cause = cause;
    }

    fn leave(&mut self) {
        if self.is_master() {
            self.counters.released_master += 1;
        }
    }

    /// Sets the effective priority (1 to 254; an owner keeps 255). A running master-down timer is shifted by the
    /// difference of the skew times. Returns the old and new effective priority if it changed.
    pub fn set_priority(&mut self, priority: u8) -> Option<(u8, u8)> {
        let (before, skew_before) = (self.priority(), self.skew_time());
        self.weighted_priority = priority.clamp(1, 254);
        let (after, skew_after) = (self.priority(), self.skew_time());
        if before == after {
            return None;
        }
        if let Machine::Backup { master_down_timer, .. } = &mut self.machine {
            *master_down_timer = *master_down_timer + skew_after - skew_before;
        }
        Some((before, after))
    }

    /// Takes up changed parameters without leaving its state. Identity (VRID, link, family, version) is the same.
    pub fn replan(&mut self, now: Instant, plan: InstancePlan) {
        let interval_changed = plan.advert_interval != self.plan.advert_interval;
        let announce_changed = plan.announce != self.plan.announce;
        let adverts_changed = plan.down_timer_adverts != self.plan.down_timer_adverts;
        let (old_down, version) = (self.master_down_interval(), plan.version);
        self.wire = Wire::default();
        self.advertised = advertised(&plan);
        self.digest = AddressDigest::of(&self.advertised);
        self.plan = plan;
        if !self.is_owner() {
            self.weighted_priority = self.weighted_priority.min(254);
        }
        let interval = self.plan.advert_interval;
        if interval_changed && (self.is_master() || version == Version::V2) {
            self.master_advert_interval = interval;
        }
        let new_down = self.master_down_interval();
        let announce = self.plan.announce;
        match &mut self.machine {
            Machine::Master(master) => {
                master.adver_timer = master.adver_timer.min(now + interval);
                if announce_changed {
                    master.announcements.replan(now, &announce);
                }
            }
            Machine::Backup { master_down_timer, .. } if interval_changed || adverts_changed => {
                *master_down_timer = (*master_down_timer + new_down - old_down).max(now);
            }
            Machine::Backup { .. } | Machine::Init | Machine::Fault => {}
        }
    }
}
