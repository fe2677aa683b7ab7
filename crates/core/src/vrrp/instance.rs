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
//!
//! Here are its state and the table of (state, fact); `backup`, `mastership`, `probing`, `trial`, `letting_go`, `change` and
//! `wire` beside it say what each line of the table does; `observed` is for metrics.

mod backup;
mod change;
mod letting_go;
mod mastership;
mod observed;
mod probing;
mod renewal;
mod trial;
mod wire;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use self::backup::MasterEnd;
use self::mastership::Mastership;
pub use self::observed::Observed;
use self::probing::Probing;
use self::trial::Trial;
use self::wire::Wire;
use super::ah::Sequence;
use super::announce::Due;
use super::election::Heard;
use super::signature::Marks;
use super::timers;
use crate::address::LinkIndex;
use crate::heartbeat::AddressDigest;
use crate::router::alarm::{Alarm, Mac};
use crate::router::peers::Peers;
use crate::router::plan::{InstancePlan, WantedState};
use crate::router::reason::{Cause, State};
use crate::router::report::Counters;
use crate::time::{Duration, Instant, WallClock};

/// Priority of an owner that found another owner with a lower address that does not yield.
const LOWERED_OWNER: u8 = 254;

/// One virtual router.
#[derive(Debug, Clone)]
pub struct Instance {
    /// What it was asked to be.
    pub plan: InstancePlan,
    /// Its name, shared with its adverts.
    pub name: Arc<str>,
    /// Its link, when it exists.
    pub link: Option<LinkIndex>,
    /// Its address, when it has one.
    pub source: Option<IpAddr>,
    /// What is known of the other routers of this virtual router.
    pub peers: Peers,
    /// Counters.
    pub counters: Counters,
    /// Sequence numbers of its authentication headers.
    pub sequence: Sequence,
    /// What metrics want to know of the adverts of others.
    pub observed: Observed,
    /// Stamps of its signatures.
    pub marks: Marks,
    /// The time of day, if it is known.
    pub wall_clock: WallClock,
    machine: Machine,
    since: Instant,
    cause: Cause,
    weighted_priority: u8,
    owner_lowered: bool,
    /// The kernel refused its last adverts.
    muted: bool,
    master_advert_interval: Duration,
    last_heard: Option<LastHeard>,
    /// Addresses as they are advertised, in the order of the file.
    advertised: Vec<IpAddr>,
    /// Their digest.
    digest: AddressDigest,
    wire: Wire,
}

/// State with the timers that live in it. There is no other place for a timer, so none can outlive its state.
#[derive(Debug, Clone)]
enum Machine {
    Init,
    Backup { master_down_timer: Instant, preempt_at: Option<Instant>, ending: MasterEnd, stage: Stage },
    Master(Mastership),
    Fault,
}

/// What a backup waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The master-down timer.
    Timer,
    /// The timer has fired, and the link is asked who else has the addresses.
    Probing(Probing),
    /// The timer has fired, and it is found out whether adverts leave.
    Trial(Trial),
    /// The timer has fired, and what was given up before is still being taken off. If nothing is heard of the master until
    /// then, there is nobody to preempt and nothing to wait for.
    LettingGo { until: Instant },
    /// The timer has fired, and the sync group is not ready to be master.
    Group,
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
    /// Somebody else claims one of its addresses.
    ClaimHeard {
        /// The address.
        address: IpAddr,
        /// Who claims it.
        mac: Mac,
    },
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
    /// Take the addresses, which a preempted master has let go by now.
    Take,
    /// Announce the addresses.
    Announce(Due),
    /// Another master of lower standing was heard: announce, and tell.
    Contested {
        /// What was heard.
        heard: Heard,
        /// Whether this contest is to be announced (a flood is not).
        announce: bool,
    },
    /// Ask the link who has the addresses.
    AskForAddresses,
    /// Announce this address once: somebody else claims it.
    Defend(IpAddr),
    /// Something is wrong.
    Alarm(Alarm),
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
            peers: Peers::default(),
            counters: Counters::default(),
            sequence: Sequence::default(),
            observed: Observed::default(),
            marks: Marks::default(),
            wall_clock: WallClock::default(),
            machine: Machine::Init,
            since: now,
            cause: Cause::Started,
            weighted_priority: plan.priority.get(),
            owner_lowered: false,
            muted: false,
            master_advert_interval: plan.advert_interval,
            last_heard: None,
            digest: AddressDigest::of(&wire::advertised(&plan)),
            advertised: wire::advertised(&plan),
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

    /// Takes up the sequence of a predecessor of this process, which went on with it for so long since it told of it: an
    /// advert an interval, and answers to others.
    pub fn resume_sequence(&mut self, left: Sequence, since: Duration) {
        const ANSWERS: u64 = 8;
        let intervals = 1 + since.as_millis() / self.plan.advert_interval.as_millis().max(1);
        let sent = u64::try_from(intervals).unwrap_or(u64::MAX).saturating_mul(ANSWERS);
        self.sequence = left;
        self.sequence.skip(u32::try_from(sent).unwrap_or(u32::MAX));
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

    /// Whether it is master, or would be if its sync group were ready.
    #[must_use]
    pub const fn wants_to_be_master(&self) -> bool {
        matches!(
            self.machine,
            Machine::Master(_)
                | Machine::Backup { stage: Stage::Group | Stage::Trial(_) | Stage::LettingGo { .. }, .. }
        )
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
            Machine::Backup { stage: Stage::Group, .. } => None,
            Machine::Backup { stage: Stage::Probing(probing), .. } => Some(probing.deadline()),
            Machine::Backup { stage: Stage::Trial(trial), .. } => Some(trial.deadline()),
            Machine::Backup { stage: Stage::LettingGo { until }, .. } => Some(*until),
            Machine::Backup { stage: Stage::Timer, master_down_timer, .. } => Some(*master_down_timer),
            Machine::Master(master) => {
                let others = [master.announcements.deadline(), master.takes_at];
                Some(others.iter().flatten().fold(master.adver_timer, |next, at| next.min(*at)))
            }
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
            (
                Machine::Init,
                Fact::DeadlineReached | Fact::Heard(_) | Fact::ClaimHeard { .. } | Fact::Ending(_),
            ) => {}

            (Machine::Backup { .. }, Fact::Ready) => {}
            (Machine::Backup { .. }, Fact::NotReady(cause)) => wishes.push(Wish::Enter(State::Fault, cause)),
            (Machine::Backup { .. }, Fact::DeadlineReached) => self.backup_deadline(now, wishes),
            (Machine::Backup { .. }, Fact::Heard(heard)) => self.hear_as_backup(now, heard),
            (Machine::Backup { .. }, Fact::ClaimHeard { address, mac }) => {
                self.claim_as_backup(now, address, mac, wishes);
            }
            (Machine::Backup { .. }, Fact::Ending(cause)) => wishes.push(Wish::Enter(State::Init, cause)),

            (Machine::Master(_), Fact::Ready) => {}
            (Machine::Master(_), Fact::NotReady(cause)) => wishes.push(Wish::Enter(State::Fault, cause)),
            (Machine::Master(_), Fact::DeadlineReached) => self.master_deadline(now, wishes),
            (Machine::Master(_), Fact::Heard(heard)) => self.hear_as_master(now, heard, wishes),
            (Machine::Master(_), Fact::ClaimHeard { address, mac }) => {
                self.claim_as_master(now, address, mac, wishes);
            }
            (Machine::Master(_), Fact::Ending(cause)) => wishes.push(Wish::Enter(State::Init, cause)),

            (Machine::Fault, Fact::Ready) => wishes.push(Wish::Enter(State::Backup, Cause::Recovered)),
            (Machine::Fault, Fact::Ending(cause)) => wishes.push(Wish::Enter(State::Init, cause)),
            (
                Machine::Fault,
                Fact::NotReady(_) | Fact::DeadlineReached | Fact::Heard(_) | Fact::ClaimHeard { .. },
            ) => {}
        }
    }
}
