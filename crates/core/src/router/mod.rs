//! All virtual routers of one node, and the contract of the crate.
//!
//! ```text
//! router.step(now, input, &mut actions)   inputs are facts, actions are orders, in one ordered stream
//! router.next_deadline()                  a query over the state; nothing is ever cancelled
//! router.report()                         a plain snapshot
//! ```
//!
//! An action that failed comes back as an input, so error paths are stepped through like any other.
//!
//! The files: the vocabulary ([`plan`], [`input`], [`action`], [`reason`], [`report`]); then what a router does with
//! it: `receive` (packets), `standing` (what keeps an instance from taking part, and its priority), `transition`
//! (entering and leaving states with their effects, sync groups), `holdings` (addresses, routes and rules that must
//! be in the kernel), `lease` and `gates` (the VIP lease), `accept` (`no_accept`), `start`, `links`, `claims` (who else has our addresses),
//! `virtual_links` (links made for the addresses), `entries` and `trackers` (facts of each kind), `reload`, and the small books (`deadlines`, `agenda`, `limits`, `alarms`,
//! `announcer`, `kernel`).

mod accept;
pub mod action;
mod agenda;
pub mod alarm;
mod alarms;
mod announcer;
mod claims;
pub(crate) mod deadlines;
mod entries;
mod gates;
mod heartbeats;
mod holdings;
pub mod input;
mod kernel;
mod lease;
mod legs;
pub(crate) mod limits;
mod links;
pub mod peers;
pub mod plan;
pub mod reason;
mod receive;
mod reload;
pub mod report;
mod snapshot;
mod standing;
mod start;
mod trackers;
mod transition;
mod virtual_links;

pub use action::{
    Action, Actions, Advert, Carries, Datagram, Event, Listen, Notification, NotifyObject, NotifyState,
    Socket, Subject,
};
pub use alarm::{Alarm, Mac};
pub use claims::Watched;
pub use input::{Input, Link, Listening, Packet, ScriptOutcome};
pub use plan::RouterPlan;
pub use reason::{Cause, Mismatch, Reason, State};
pub use report::{Report, Resume};

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use self::accept::Unaccepted;
use self::alarms::Alarms;
use self::announcer::Announcer;
use self::deadlines::Deadlines;
use self::entries::Refusal;
use self::gates::Gates;
use self::holdings::{Entries, Holdings};
use self::kernel::Kernel;
use self::legs::Legs;
use self::limits::{Key, Limits, Noise};
use self::plan::{Settings, SyncGroupPlan, TrackGroupPlan};
use self::virtual_links::VirtualLinks;
use crate::address::Family;
use crate::heartbeat::BootId;
use crate::histogram::Histogram;
use crate::time::{Duration, Instant, WallClock};
use crate::track::{Process, Script};
use crate::vrrp::Instance;
use crate::vrrp::instance::{Fact, Wish};

/// One node's routers.
#[derive(Debug, Clone)]
pub struct Router {
    settings: Settings,
    instances: Vec<Instance>,
    groups: Vec<Group>,
    /// Sync group of each instance.
    group_of: Vec<Option<usize>>,
    /// Instances by what a packet says.
    by_vrid: BTreeMap<(Family, u8), Vec<usize>>,
    /// Every virtual address of the plan: never the source of an advert.
    virtual_addresses: BTreeSet<IpAddr>,
    scripts: BTreeMap<String, Script>,
    files: BTreeMap<String, TrackedFile>,
    processes: BTreeMap<String, Process>,
    /// Whether BFD sessions are up; `None` if a reload brought one that had no time yet to come up.
    sessions: BTreeMap<String, Option<bool>>,
    track_groups: Vec<TrackGroupPlan>,
    /// Addresses, routes and rules that exist as long as the daemon runs.
    static_entries: Entries,
    /// Static entries that are lost, by their track group.
    lost_static: BTreeSet<(String, String)>,
    /// What the kernel would not give an instance.
    refusals: BTreeMap<usize, Refusal>,
    /// What is being put back after somebody removed it, in the words of [`entries`].
    restoring: BTreeSet<String>,
    kernel: Kernel,
    virtual_links: VirtualLinks,
    /// The ways heartbeats take.
    legs: Legs,
    /// Before this moment no peer can count as silent.
    no_silence_before: Instant,
    holdings: Holdings,
    announcer: Announcer,
    limits: Limits,
    alarms: Alarms,
    deadlines: Deadlines,
    /// When each master's lease is over.
    lease_ends: Deadlines,
    gates: Gates,
    unaccepted: Unaccepted,
    sockets: Vec<Socket>,
    /// Whose claims to which addresses are to be heard, sorted.
    watches: Vec<claims::Watch>,
    /// Sockets nothing is heard on yet, with the errno if the kernel refused them.
    deaf: BTreeMap<Socket, Option<i32>>,
    /// Adverts heard before this are not believed, and timers start here (`vrrp_startup_delay`).
    quiet_until: Instant,
    /// Where it is in its life.
    phase: Phase,
    /// What a crashed predecessor left, until the kernel was listed.
    predecessor: Option<Resume>,
    /// The virtual addresses whose gates were open when it died, if there were gates.
    found_open: Option<BTreeSet<IpAddr>>,
    /// Packets for virtual router ids that nobody here has.
    unknown_vrids: u64,
    /// How late deadlines of instances were served.
    lateness: Histogram,
    /// The time of day.
    wall_clock: WallClock,
}

/// A tracked file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct TrackedFile {
    path: String,
    /// What it holds; `None` if a reload brought it and it has not been read yet.
    value: Option<i64>,
}

/// A sync group.
#[derive(Debug, Clone)]
struct Group {
    plan: SyncGroupPlan,
    members: Vec<usize>,
    state: State,
}

/// Where the router is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The kernel has not been listed.
    New,
    /// The kernel has not been listed, and what a predecessor left is to be handed over as soon as it is.
    Leaving,
    /// At work.
    Running,
    /// Handed over; nothing has an effect any more.
    Finished,
}

impl Router {
    /// A router for this plan. Nothing happens until it is told [`Input::KernelListed`].
    ///
    /// `since_boot` is the machine's uptime at `now`; `resume` is the last state a crashed predecessor told.
    #[must_use]
    pub fn new(now: Instant, since_boot: Duration, plan: RouterPlan, resume: Option<&Resume>) -> Self {
        let after_boot = plan.settings.delay_after_boot.saturating_sub(since_boot);
        let quiet =
            if resume.is_some() { Duration::ZERO } else { plan.settings.startup_delay.max(after_boot) };
        let mut router = Self {
            settings: Settings::default(),
            instances: Vec::new(),
            groups: Vec::new(),
            group_of: Vec::new(),
            by_vrid: BTreeMap::new(),
            virtual_addresses: BTreeSet::new(),
            scripts: BTreeMap::new(),
            files: BTreeMap::new(),
            processes: BTreeMap::new(),
            sessions: BTreeMap::new(),
            track_groups: Vec::new(),
            static_entries: Entries::default(),
            lost_static: BTreeSet::new(),
            refusals: BTreeMap::new(),
            restoring: BTreeSet::new(),
            kernel: Kernel::default(),
            virtual_links: VirtualLinks::default(),
            legs: Legs::new(now, plan.heartbeats.clone()),
            no_silence_before: now,
            holdings: Holdings::default(),
            announcer: Announcer::default(),
            limits: Limits::default(),
            alarms: Alarms::default(),
            deadlines: Deadlines::default(),
            lease_ends: Deadlines::default(),
            gates: Gates::default(),
            unaccepted: Unaccepted::default(),
            sockets: Vec::new(),
            watches: Vec::new(),
            deaf: BTreeMap::new(),
            quiet_until: now + quiet,
            phase: Phase::New,
            predecessor: resume.cloned(),
            found_open: None,
            unknown_vrids: 0,
            lateness: Histogram::default(),
            wall_clock: WallClock::default(),
        };
        router.adopt_plan(now, plan);
        router
    }

    /// Gives it the id of this life, which its heartbeats carry. Two routers without one do not believe each other's.
    #[must_use]
    pub fn with_boot_id(mut self, boot: BootId) -> Self {
        self.legs.boot = boot;
        self
    }

    /// Tells it which virtual addresses the kernel answers for at this moment, by the gates that a predecessor left
    /// there (`None`: there are no gates). A mastership whose lease ran out before its process died is not taken up.
    #[must_use]
    pub fn with_open_gates(mut self, open: Option<BTreeSet<IpAddr>>) -> Self {
        self.found_open = open;
        self
    }

    /// Takes in one fact and appends the orders that follow from it.
    pub fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions) {
        self.legs.now = now;
        let begin = actions.len();
        // Before anything is judged: who was held up for too long is master no more.
        self.expire_leases(now, actions);
        self.take_in(now, input, actions);
        self.settle_unaccepted(begin, actions);
        self.settle_gates(now, begin, actions);
    }

    fn take_in(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions) {
        match (self.phase, input) {
            (_, Input::ClockRead { since_1970 }) => self.read_clock(WallClock::read(now, since_1970)),
            (Phase::New, Input::KernelListed { links, addresses }) => {
                self.phase = Phase::Running;
                self.start(now, links, addresses, actions);
            }
            (Phase::Leaving, Input::KernelListed { links, addresses }) => {
                self.phase = Phase::Running;
                self.start(now, links, addresses, actions);
                self.shut_down(now, actions);
            }
            (Phase::New, Input::Reloaded(plan)) => self.adopt_plan(now, *plan),
            (Phase::New, Input::ShutdownRequested) if self.predecessor.is_some() => {
                self.phase = Phase::Leaving
            }
            (Phase::New, Input::ShutdownRequested) => {
                self.phase = Phase::Finished;
                // Whatever a predecessor left behind.
                self.gates.touch();
                self.unaccepted.touch();
                actions.push(Action::Finished);
            }
            (Phase::New, Input::FileRead { file, value }) => self.file_read(now, &file, value, actions),
            (Phase::New, Input::SessionBecame { session, up }) => {
                self.session_became(now, &session, up, actions);
            }
            (
                Phase::New,
                Input::Tick
                | Input::PacketReceived(_)
                | Input::HeartbeatReceived(_)
                | Input::LinkChanged(_)
                | Input::LinkRemoved(_)
                | Input::AddressAdded(..)
                | Input::AddressRemoved(..)
                | Input::RouteRemoved(_)
                | Input::RuleRemoved { .. }
                | Input::AddressRefused { .. }
                | Input::AddressReleased(_)
                | Input::RouteRefused { .. }
                | Input::RuleRefused { .. }
                | Input::AdvertRefused { .. }
                | Input::GatesRefused { .. }
                | Input::LinkMade { .. }
                | Input::LinkRefused { .. }
                | Input::HeartbeatRefused { .. }
                | Input::ClaimHeard { .. }
                | Input::SocketBecame { .. }
                | Input::ScriptFinished { .. }
                | Input::ProcessesCounted { .. },
            )
            | (Phase::Leaving | Phase::Finished, _) => {}
            (Phase::Running, input) => {
                self.step_running(now, input, actions);
                self.say_heartbeats(now, false, actions);
            }
        }
    }

    fn step_running(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions) {
        match input {
            Input::Tick => self.tick(now, actions),
            // Taken in whatever the phase.
            Input::ClockRead { .. } => {}
            Input::PacketReceived(packet) => self.receive(now, &packet, actions),
            Input::HeartbeatReceived(packet) => self.receive_heartbeat(now, &packet, actions),
            Input::KernelListed { links, addresses } => self.resynchronise(now, links, addresses, actions),
            Input::LinkChanged(link) => self.link_changed(now, link, actions),
            Input::LinkRemoved(index) => self.link_removed(now, index, actions),
            Input::AddressAdded(index, address) => self.address_added(now, index, address, actions),
            Input::AddressRemoved(index, address) => self.address_removed(now, index, address, actions),
            Input::RouteRemoved(key) => self.route_removed(now, &key, actions),
            Input::RuleRemoved { preference, table } => self.rule_removed(now, preference, table, actions),
            Input::AddressRefused { address, errno } => self.address_refused(now, &address, errno, actions),
            Input::AddressReleased(address) => self.address_released(address.address),
            Input::RouteRefused { route, errno } => self.route_refused(now, &route, errno, actions),
            Input::RuleRefused { rule, errno } => self.rule_refused(now, &rule, errno, actions),
            Input::AdvertRefused { instance, errno } => self.advert_refused(now, &instance, errno, actions),
            Input::GatesRefused { errno } => self.gates_refused(now, errno, actions),
            Input::LinkMade { link, found } => self.link_made(now, &link, found, actions),
            Input::LinkRefused { link, errno } => self.link_refused(now, &link, errno, actions),
            Input::HeartbeatRefused { leg, errno } => self.heartbeat_refused(now, leg, errno, actions),
            Input::ClaimHeard { link, address, mac } => self.claim_heard(now, link, address, mac, actions),
            Input::SocketBecame { socket, listening } => self.socket_became(now, socket, listening, actions),
            Input::ScriptFinished { script, outcome } => {
                self.script_finished(now, &script, &outcome, actions)
            }
            Input::FileRead { file, value } => self.file_read(now, &file, value, actions),
            Input::ProcessesCounted { process, count } => {
                self.processes_counted(now, &process, count, actions)
            }
            Input::SessionBecame { session, up } => self.session_became(now, &session, up, actions),
            Input::Reloaded(plan) => self.reload(now, *plan, actions),
            Input::ShutdownRequested => self.shut_down(now, actions),
        }
    }

    fn read_clock(&mut self, clock: WallClock) {
        self.wall_clock = clock;
        self.instances.iter_mut().for_each(|instance| instance.wall_clock = clock);
    }

    /// When [`Input::Tick`] is due next; `None` if only a fact can change anything.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        if self.phase != Phase::Running {
            return None;
        }
        let scripts = self.scripts.values().map(Script::deadline).min();
        let processes = self.processes.values().filter_map(Process::deadline).min();
        let refusals = self.refusals.values().map(|refusal| refusal.retry_at).min();
        [
            self.deadlines.next(),
            scripts,
            processes,
            refusals,
            self.kernel.deadline(),
            self.announcer.deadline(),
            self.virtual_links.deadline(),
            self.gates.deadline(),
            self.limits.deadline(),
            self.alarms.deadline(),
            self.heartbeat_deadline(),
        ]
        .iter()
        .flatten()
        .min()
        .copied()
    }

    fn tick(&mut self, now: Instant, actions: &mut Actions) {
        self.note_lateness(now, actions);
        // Adverts first: nothing else that is due may delay them.
        while let Some(id) = self.deadlines.take_due(now) {
            if self.instances[id].deadline().is_some_and(|deadline| deadline <= now) {
                if self.is_deaf(id) && !self.instances[id].starts_as_master() {
                    // Silence says nothing to a router that cannot hear.
                    self.instances[id].wait_anew(now);
                }
                self.step_instance(now, id, Fact::DeadlineReached, actions);
            }
            self.hint(id);
        }
        self.take_heartbeat_turns(now, actions);
        self.believe_links(now, actions);
        self.believe_processes(now, actions);
        self.retry_links(now, actions);
        self.retry_refused(now, actions);
        for announcement in self.announcer.take_due(now) {
            self.send_announcement(announcement, actions);
        }
        for (key, count) in self.limits.take_due(now) {
            self.tell_noise(now, key, count, actions);
        }
        self.review_alarms(now, actions);
        self.run_scripts(now, actions);
    }

    /// A loop so late that a peer may have taken over in the meantime is worth knowing.
    fn note_lateness(&mut self, now: Instant, actions: &mut Actions) {
        let Some(due) = self.deadlines.next().filter(|due| *due <= now) else { return };
        let late = now.saturating_since(due);
        self.lateness.count(late);
        if late < Duration::from_millis(20) {
            return;
        }
        let masters_late = self.instances.iter().any(|instance| {
            instance
                .next_advert()
                .is_some_and(|advert| now.saturating_since(advert) >= instance.plan.advert_interval)
        });
        if masters_late {
            let key = Key { instance: None, source: None, noise: Noise::Late };
            if self.limits.admit(now, key).is_some() {
                self.tell(now, Subject::Node, Reason::LoopLate(late), actions);
            }
        }
    }

    /// Tells one instance a fact and makes its wishes come true.
    fn step_instance(&mut self, now: Instant, id: usize, fact: Fact, actions: &mut Actions) {
        let mut wishes = Vec::new();
        self.instances[id].step(now, fact, &mut wishes);
        for wish in wishes {
            match wish {
                Wish::Advertise => self.advertise(now, id, actions),
                Wish::Enter(state, cause) => self.enter(now, id, state, cause, actions),
                Wish::Take => self.take_addresses(now, id, actions),
                Wish::Announce(due) => self.announce_due(now, id, due, actions),
                Wish::Contested { heard, announce } => self.contested(now, id, &heard, announce, actions),
                Wish::AskForAddresses => self.ask_for_addresses(id, actions),
                Wish::Defend(address) => self.defend(id, address, actions),
                Wish::Alarm(alarm) => {
                    let _ = self.alarm(now, id, alarm, actions);
                }
                Wish::LowerOwner(rival) => self.lower_owner(now, id, rival, actions),
            }
        }
        self.hint(id);
    }

    fn hint(&mut self, id: usize) {
        self.deadlines.hint(id, self.instances[id].deadline());
        self.lease_ends.hint(id, self.lease_end(id));
    }

    fn hint_all(&mut self) {
        (0..self.instances.len()).for_each(|id| self.hint(id));
    }

    fn tell(&self, now: Instant, subject: Subject, reason: Reason, actions: &mut Actions) {
        actions.push(Action::Tell(Event { at: now, subject, reason }));
    }

    fn subject(&self, id: usize) -> Subject {
        Subject::Instance(self.instances[id].plan.name.clone())
    }

    /// The sockets adverts and heartbeats are received on, sorted.
    #[must_use]
    pub fn wanted_sockets(&self) -> Vec<Socket> {
        self.sockets.clone()
    }

    /// Packets received for virtual router ids that nobody here has.
    #[must_use]
    pub const fn unknown_vrids(&self) -> u64 {
        self.unknown_vrids
    }
}
