//! One virtual router: its state, its timers, and what it does with a fact.
//!
//! ```text
//!                      +---------------+
//!           +--------->|     INIT      |<-------------+
//!           |          +---------------+              |
//!           |             |         |                 |
//!           |             v         v                 |
//!      +---------+     not ready   ready         +---------+
//!      |  FAULT  |<-- (any state)    +---------->| BACKUP  |
//!      +---------+                   |           +---------+
//!           |                        v             |     ^
//!           |                  +-----------+       |     |
//!           +-- ready ---->    |  MASTER   |<------+     |
//!            (to BACKUP)       +-----------+-------------+
//! ```
//!
//! RFC 9568 section 6.4 calls INIT Initialize and MASTER Active; FAULT is keepalived's word for "not ready": an
//! interface is down or something it follows has failed.
//!
//! An instance knows nothing of addresses on links, of sync groups or of other instances: it asks to enter a state,
//! and [`Router`](crate::router::Router) makes that happen with all its effects.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::announce::{Due, Schedule};
use super::election::{Heard, ToBackup, ToMaster, judge_as_backup, judge_as_master};
use super::{packet, timers};
use crate::address::LinkIndex;
use crate::router::action::Advert;
use crate::router::plan::{Destination, InstancePlan, Preempt, Version, WantedState};
use crate::router::reason::{Cause, State};
use crate::router::report::Counters;
use crate::time::{Duration, Instant};

/// Priority of an owner that found another owner with a lower address that does not yield.
const LOWERED_OWNER: u8 = 254;

/// Answers to adverts of lower priority that one advert interval may see; a flood gets no more.
const ANSWERS_PER_INTERVAL: u8 = 8;

/// One virtual router.
#[derive(Debug)]
pub struct Instance {
    /// What it was asked to be.
    pub plan: InstancePlan,
    /// Its name, shared with its adverts.
    pub name: Arc<str>,
    /// Its link, when it exists.
    pub link: Option<LinkIndex>,
    /// Its address, when it has one.
    pub source: Option<IpAddr>,
    /// Counters.
    pub counters: Counters,
    machine: Machine,
    since: Instant,
    cause: Cause,
    weighted_priority: u8,
    owner_lowered: bool,
    master_advert_interval: Duration,
    last_heard: Option<LastHeard>,
    /// Addresses as they are advertised, in the order of the file.
    advertised: Vec<IpAddr>,
    wire: Wire,
}

/// State with the timers that live in it. There is no other place for a timer, so none can outlive its state.
#[derive(Debug)]
enum Machine {
    Init,
    Backup { master_down_timer: Instant, preempt_at: Option<Instant>, ending: MasterEnd },
    Master(Mastership),
    Fault,
}

/// What the master-down timer will mean when it fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MasterEnd {
    Silence,
    Resigned(IpAddr),
    Preemption { source: IpAddr, priority: u8 },
}

#[derive(Debug)]
struct Mastership {
    adver_timer: Instant,
    announcements: Schedule,
    answers_left: u8,
    contest_announced: Option<Instant>,
    rival_owner: Option<RivalOwner>,
}

/// Another router with priority 255 and a lower address, which therefore should yield.
#[derive(Debug, Clone, Copy)]
struct RivalOwner {
    first_heard: Instant,
    last_heard: Instant,
}

/// The master this router heard last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastHeard {
    /// When.
    pub at: Instant,
    /// Its address.
    pub source: IpAddr,
    /// Its priority.
    pub priority: u8,
}

/// Messages ready to be sent, one a destination; rebuilt when anything in them changes.
#[derive(Debug, Default)]
struct Wire {
    priority: Option<u8>,
    messages: Vec<(IpAddr, Arc<[u8]>)>,
}

/// A fact about one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// Nothing keeps it from taking part.
    Ready,
    /// Something keeps it from taking part.
    NotReady(Cause),
    /// Its deadline is due.
    DeadlineReached,
    /// An advert that passed every check.
    Heard(Heard),
    /// The daemon ends, or the configuration no longer has it.
    Ending(Cause),
}

/// What an instance asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Send an advert to every destination.
    Advertise,
    /// Enter this state (with its sync group) and perform the effects of leaving the old one.
    Enter(State, Cause),
    /// Announce the addresses.
    Announce(Due),
    /// Another master of lower standing was heard: announce, and tell.
    Contested {
        /// What was heard.
        heard: Heard,
        /// Whether this contest is to be announced (a flood is not).
        announce: bool,
    },
    /// Two owners: lower our priority from 255 to 254, because the other does not yield.
    LowerOwner(IpAddr),
}

impl Instance {
    /// An instance in INIT.
    #[must_use]
    pub fn new(now: Instant, plan: InstancePlan) -> Self {
        Self {
            name: Arc::from(plan.name.as_str()),
            link: None,
            source: None,
            counters: Counters::default(),
            machine: Machine::Init,
            since: now,
            cause: Cause::Started,
            weighted_priority: plan.priority.get(),
            owner_lowered: false,
            master_advert_interval: plan.advert_interval,
            last_heard: None,
            advertised: advertised(&plan),
            wire: Wire::default(),
            plan,
        }
    }

    /// Its state.
    #[must_use]
    pub const fn state(&self) -> State {
        match self.machine {
            Machine::Init => State::Init,
            Machine::Backup { .. } => State::Backup,
            Machine::Master(_) => State::Master,
            Machine::Fault => State::Fault,
        }
    }

    /// Whether it is MASTER.
    #[must_use]
    pub const fn is_master(&self) -> bool {
        matches!(self.machine, Machine::Master(_))
    }

    /// Since when, and why, it is in its state.
    #[must_use]
    pub const fn since(&self) -> (Instant, &Cause) {
        (self.since, &self.cause)
    }

    /// The master last heard.
    #[must_use]
    pub const fn last_heard(&self) -> Option<LastHeard> {
        self.last_heard
    }

    /// The advert interval in force: our own as master, the learned one as a v3 backup.
    #[must_use]
    pub const fn master_advert_interval(&self) -> Duration {
        self.master_advert_interval
    }

    /// Takes up an interval learned by a predecessor of this process.
    pub const fn resume_interval(&mut self, interval: Duration) {
        self.master_advert_interval = interval;
    }

    /// Effective priority: 1 to 254, or 255 for an owner that has no stubborn rival.
    #[must_use]
    pub const fn priority(&self) -> u8 {
        if !self.is_owner() {
            self.weighted_priority
        } else if self.owner_lowered {
            LOWERED_OWNER
        } else {
            255
        }
    }

    /// Whether its base priority says that it owns the addresses.
    #[must_use]
    pub const fn is_owner(&self) -> bool {
        self.plan.priority.get() == 255
    }

    /// Whether it is to be master as soon as it is ready, without waiting for silence.
    #[must_use]
    pub fn starts_as_master(&self) -> bool {
        self.is_owner() && self.plan.wanted == WantedState::Master
    }

    /// When [`Fact::DeadlineReached`] is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        match &self.machine {
            Machine::Init | Machine::Fault => None,
            Machine::Backup { master_down_timer, .. } => Some(*master_down_timer),
            Machine::Master(master) => Some(
                master
                    .announcements
                    .deadline()
                    .map_or(master.adver_timer, |announce| announce.min(master.adver_timer)),
            ),
        }
    }

    /// When the next advert is due, as master.
    #[must_use]
    pub const fn next_advert(&self) -> Option<Instant> {
        match &self.machine {
            Machine::Master(master) => Some(master.adver_timer),
            Machine::Init | Machine::Backup { .. } | Machine::Fault => None,
        }
    }

    /// Skew time with the effective priority and the interval in force.
    #[must_use]
    pub fn skew_time(&self) -> Duration {
        timers::skew_time(self.plan.version, self.priority(), self.master_advert_interval)
    }

    /// How long silence must last until the master counts as gone.
    #[must_use]
    pub fn master_down_interval(&self) -> Duration {
        timers::master_down_interval(
            self.plan.version,
            self.plan.down_timer_adverts,
            self.master_advert_interval,
            self.priority(),
        )
    }

    /// Takes in one fact and appends what follows from it.
    pub fn step(&mut self, now: Instant, fact: Fact, wishes: &mut Vec<Wish>) {
        match (&self.machine, fact) {
            (Machine::Init, Fact::Ready) => {
                let (state, cause) = if self.starts_as_master() {
                    (State::Master, Cause::Owner)
                } else {
                    (State::Backup, Cause::Started)
                };
                wishes.push(Wish::Enter(state, cause));
            }
            (Machine::Init, Fact::NotReady(cause)) => wishes.push(Wish::Enter(State::Fault, cause)),
            (Machine::Init, Fact::DeadlineReached | Fact::Heard(_) | Fact::Ending(_)) => {}

            (Machine::Backup { .. }, Fact::Ready) => {}
            (Machine::Backup { .. }, Fact::NotReady(cause)) => wishes.push(Wish::Enter(State::Fault, cause)),
            (Machine::Backup { .. }, Fact::DeadlineReached) => self.backup_deadline(now, wishes),
            (Machine::Backup { .. }, Fact::Heard(heard)) => self.hear_as_backup(now, heard),
            (Machine::Backup { .. }, Fact::Ending(cause)) => wishes.push(Wish::Enter(State::Init, cause)),

            (Machine::Master(_), Fact::Ready) => {}
            (Machine::Master(_), Fact::NotReady(cause)) => wishes.push(Wish::Enter(State::Fault, cause)),
            (Machine::Master(_), Fact::DeadlineReached) => self.master_deadline(now, wishes),
            (Machine::Master(_), Fact::Heard(heard)) => self.hear_as_master(now, heard, wishes),
            (Machine::Master(_), Fact::Ending(cause)) => wishes.push(Wish::Enter(State::Init, cause)),

            (Machine::Fault, Fact::Ready) => wishes.push(Wish::Enter(State::Backup, Cause::Recovered)),
            (Machine::Fault, Fact::Ending(cause)) => wishes.push(Wish::Enter(State::Init, cause)),
            (Machine::Fault, Fact::NotReady(_) | Fact::DeadlineReached | Fact::Heard(_)) => {}
        }
    }

    fn backup_deadline(&self, now: Instant, wishes: &mut Vec<Wish>) {
        let Machine::Backup { master_down_timer, ending, .. } = &self.machine else { return };
        if now < *master_down_timer {
            return;
        }
        let cause = match *ending {
            MasterEnd::Resigned(source) => Cause::MasterResigned { source },
            MasterEnd::Preemption { source, priority } => Cause::Preempted { source, priority },
            MasterEnd::Silence if self.starts_as_master() => Cause::Owner,
            MasterEnd::Silence => Cause::NoAdvertFor {
                silence: now
                    .saturating_since(self.last_heard.map_or(self.since, |heard| heard.at.max(self.since))),
            },
        };
        wishes.push(Wish::Enter(State::Master, cause));
    }

    fn hear_as_backup(&mut self, now: Instant, heard: Heard) {
        let priority = self.priority();
        let Machine::Backup { preempt_at, .. } = &self.machine else { return };
        let preempt_at = *preempt_at;
        let verdict = judge_as_backup(now, &heard, priority, self.plan.preempt, preempt_at);
        match verdict {
            ToBackup::MasterResigned => self.counters.priority_zero_received += 1,
            ToBackup::Accepted | ToBackup::Tolerated => self.learn(&heard),
            ToBackup::Ignored => {}
        }
        let (skew, down) = (self.skew_time(), self.master_down_interval());
        self.last_heard = Some(LastHeard { at: now, source: heard.source, priority: heard.priority });
        let Machine::Backup { master_down_timer, preempt_at, ending } = &mut self.machine else { return };
        match verdict {
            ToBackup::MasterResigned => {
                *master_down_timer = now + skew;
                *ending = MasterEnd::Resigned(heard.source);
            }
            ToBackup::Accepted => {
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
                *ending = MasterEnd::Preemption { source: heard.source, priority: heard.priority };
            }
        }
    }

    fn master_deadline(&mut self, now: Instant, wishes: &mut Vec<Wish>) {
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
            wishes.push(Wish::Advertise);
        }
        let due = master.announcements.take_due(now, &announce);
        if due != Due::default() {
            wishes.push(Wish::Announce(due));
        }
    }

    fn hear_as_master(&mut self, now: Instant, heard: Heard, wishes: &mut Vec<Wish>) {
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
        if let Some(left) = master.answers_left.checked_sub(1) {
            master.answers_left = left;
            master.adver_timer = now + interval;
            wishes.push(Wish::Advertise);
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

    /// Takes the interval of an accepted advert (RFC 9568 section 6.4: v3 only; v2 rejects a differing one).
    fn learn(&mut self, heard: &Heard) {
        if self.plan.version == Version::V3 {
            self.master_advert_interval = heard.interval;
        }
    }

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
        self.machine =
            Machine::Backup { master_down_timer: from + wait, preempt_at: None, ending: MasterEnd::Silence };
        self.since = now;
        self.cause = cause;
    }

    /// Enters MASTER; the caller sends the advert and announces the first burst.
    pub fn enter_master(&mut self, now: Instant, cause: Cause) {
        self.leave();
        self.owner_lowered = false;
        self.master_advert_interval = self.plan.advert_interval;
        self.counters.became_master += 1;
        self.machine = Machine::Master(Mastership {
            adver_timer: now + self.plan.advert_interval,
            announcements: Schedule::after_first_burst(now, &self.plan.announce),
            answers_left: ANSWERS_PER_INTERVAL,
            contest_announced: None,
            rival_owner: None,
        });
        self.since = now;
        self.cause = cause;
    }

    /// Enters FAULT.
    pub fn enter_fault(&mut self, now: Instant, cause: Cause) {
        self.leave();
        self.machine = Machine::Fault;
        self.since = now;
        self.cause = cause;
    }

    /// Enters INIT.
    pub fn enter_init(&mut self, now: Instant, cause: Cause) {
        self.leave();
        self.machine = Machine::Init;
        self.since = now;
        self.cause = cause;
    }

    fn leave(&mut self) {
        if self.is_master() {
            self.counters.released_master += 1;
        }
    }

    /// Waits the whole master-down interval again: its sync group cannot be master now.
    pub fn wait_again(&mut self, now: Instant) {
        let wait = self.master_down_interval();
        if let Machine::Backup { master_down_timer, .. } = &mut self.machine {
            *master_down_timer = now + wait;
        }
    }

    /// Lowers an owner's priority to 254, so that the other owner is the higher one.
    pub const fn lower_owner(&mut self) {
        self.owner_lowered = true;
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

    /// Addresses were added while master: a second burst follows, as after becoming master.
    pub fn announce_again(&mut self, now: Instant) {
        let plan = self.plan.announce;
        if let Machine::Master(master) = &mut self.machine {
            master.announcements.again(now, &plan);
        }
    }

    /// Its own address is another one now.
    pub fn set_source(&mut self, source: Option<IpAddr>) {
        if self.source != source {
            self.source = source;
            self.wire = Wire::default();
        }
    }

    /// The adverts of one turn, one a destination, with this priority; none without a source address.
    pub fn adverts(&mut self, priority: u8) -> Vec<Advert> {
        let Some(source) = self.source else { return Vec::new() };
        if self.wire.priority != Some(priority) {
            self.wire.messages =
                self.destinations().map(|to| (to, self.message(priority, source, to))).collect();
            self.wire.priority = Some(priority);
        }
        let ttl = match &self.plan.destination {
            Destination::Multicast(_) => Some(255),
            Destination::Unicast { ttl, .. } => *ttl,
        };
        self.counters.adverts_sent += self.wire.messages.len() as u64;
        if priority == 0 {
            self.counters.priority_zero_sent += 1;
        }
        self.wire
            .messages
            .iter()
            .map(|(destination, payload)| Advert {
                instance: Arc::clone(&self.name),
                link: self.link,
                source,
                destination: *destination,
                ttl,
                payload: Arc::clone(payload),
            })
            .collect()
    }

    fn destinations(&self) -> impl Iterator<Item = IpAddr> + '_ {
        let (group, peers) = match &self.plan.destination {
            Destination::Multicast(group) => (Some(*group), &[][..]),
            Destination::Unicast { peers, .. } => (None, peers.as_slice()),
        };
        group.into_iter().chain(peers.iter().map(|peer| peer.address))
    }

    fn message(&self, priority: u8, source: IpAddr, destination: IpAddr) -> Arc<[u8]> {
        Arc::from(packet::emit(&packet::Emit {
            version: self.plan.version,
            vrid: self.plan.vrid.get(),
            priority,
            interval: self.plan.advert_interval,
            addresses: &self.advertised,
            authentication: &self.plan.authentication,
            source,
            destination,
            without_pseudo_header: self.plan.checksum_without_pseudo_header,
        }))
    }

    /// The kernel would not send an advert: try once more well before the next one is due.
    pub fn retry_advert(&mut self, now: Instant) {
        let soon = now + self.plan.advert_interval / 4;
        if let Machine::Master(master) = &mut self.machine {
            master.adver_timer = master.adver_timer.min(soon);
        }
    }

    /// The addresses it advertises.
    #[must_use]
    pub fn advertised(&self) -> &[IpAddr] {
        &self.advertised
    }
}

fn advertised(plan: &InstancePlan) -> Vec<IpAddr> {
    plan.addresses.iter().map(|address| address.address).collect()
}
