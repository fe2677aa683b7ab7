//! Everything there is to tell at one moment, and what is remembered from one moment to the next.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use mainstay_config::Model;
use mainstay_config::model::NotifyCommands;
use mainstay_core::address::Family;
use mainstay_core::router::plan::{InstancePlan, Preempt, WantedState};
use mainstay_core::router::report::InstanceReport;
use mainstay_core::router::{Cause, Report, State};
use mainstay_core::time::{Duration, Instant};
use serde::{Deserialize, Serialize};

use super::links::Links;

/// What the supervisor knows: the router's report, and what it counts and reads itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RouterSide {
    /// What the router told.
    pub report: Report,
    /// Values of tracked files.
    pub files: BTreeMap<String, Option<i64>>,
    /// Counts of tracked processes.
    pub processes: BTreeMap<String, u32>,
}

/// Everything there is to tell at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// When it was.
    pub at: Instant,
    /// The configuration.
    pub model: Arc<Model>,
    /// Of the router; nothing while it does not run.
    pub router: RouterSide,
    /// The links.
    pub links: Links,
    /// What was remembered of instances.
    pub memory: Memory,
    /// `sysUpTime` of the SNMP agent.
    pub uptime: Duration,
}

/// One instance: what it is asked to be and what it is.
pub struct Instance<'a> {
    /// Its place in the file, counted from 1: its index in KEEPALIVED-MIB.
    pub index: u32,
    /// What it is asked to be.
    pub plan: &'a InstancePlan,
    /// What it is.
    pub report: &'a InstanceReport,
    /// Who is told of it.
    pub notify: Option<&'a NotifyCommands>,
    /// Its sync group.
    pub group: Option<&'a str>,
    /// What was remembered of it.
    pub memory: Remembered,
}

impl Snapshot {
    /// Every instance that is both configured and running.
    pub fn instances(&self) -> impl Iterator<Item = Instance<'_>> {
        let router = &self.model.router;
        (1..).zip(&router.instances).filter_map(|(index, plan)| {
            let report = self.router.report.instances.iter().find(|report| report.name == plan.name)?;
            let group = router.sync_groups.iter().find(|group| group.members.contains(&plan.name));
            Some(Instance {
                index,
                plan,
                report,
                notify: self.model.instance_notify.get(&plan.name),
                group: group.map(|group| group.name.as_str()),
                memory: self.memory.of(&plan.name),
            })
        })
    }

    /// Whether an address is one that we put on links, and so none that adverts come from.
    pub fn is_ours(&self, address: IpAddr) -> bool {
        let router = &self.model.router;
        let virtuals =
            router.instances.iter().flat_map(|plan| plan.addresses.iter().chain(&plan.excluded_addresses));
        router.static_addresses.iter().chain(virtuals).any(|ours| ours.address == address)
    }

    /// The number of a link.
    pub fn link_index(&self, name: Option<&str>) -> Option<u32> {
        name.and_then(|name| self.links.index(name))
    }
}

impl Instance<'_> {
    /// It holds its addresses.
    pub fn holds(&self) -> bool {
        self.report.state == State::Master && !self.report.holds_back
    }

    /// The state it wants to be in, as keepalived sees it.
    pub fn wanted(&self) -> State {
        match (self.report.state, self.plan.wanted) {
            (State::Master, _) | (State::Init, WantedState::Master) => State::Master,
            (State::Fault, _) => State::Fault,
            (State::Init | State::Backup, _) => State::Backup,
        }
    }

    /// Whether it preempts, and after which delay.
    pub const fn preempt(&self) -> (bool, Duration) {
        match self.plan.preempt {
            Preempt::Never => (false, Duration::ZERO),
            Preempt::After(delay) => (true, delay),
        }
    }

    /// Family of its addresses.
    pub const fn family(&self) -> Family {
        self.plan.family
    }
}

/// The state an instance begins in.
pub const fn initial(plan: &InstancePlan) -> State {
    match plan.wanted {
        WantedState::Master => State::Master,
        WantedState::Backup => State::Backup,
    }
}

/// What a report of one moment does not say of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Remembered {
    /// Since when it is neither starting nor at fault.
    pub runs_since: Option<Instant>,
    /// Why it last became master, in the numbers of RFC 6527; 0: it never did.
    pub last_mastership: i32,
    /// What was last wrong with a packet, likewise; 0: nothing.
    pub last_error: i32,
    /// How many packets had each kind of error: a wrong TTL, version, checksum.
    errors: [u64; 3],
}

/// The same of all instances.
#[derive(Debug, Clone, Default)]
pub struct Memory(BTreeMap<String, Remembered>);

impl Memory {
    /// Takes in a report.
    pub fn follow(&mut self, report: &Report) {
        self.0.retain(|name, _| report.instances.iter().any(|instance| instance.name == *name));
        for instance in &report.instances {
            let remembered = self.0.entry(instance.name.clone()).or_default();
            match instance.state {
                State::Init | State::Fault => remembered.runs_since = None,
                State::Backup | State::Master => {
                    remembered.runs_since.get_or_insert(instance.since);
                }
            }
            if instance.state == State::Master {
                remembered.last_mastership = why_master(&instance.cause);
            }
            let counters = &instance.counters;
            let errors = [counters.ttl_errors, counters.version_errors, counters.checksum_errors];
            // ipTtlError(1), versionError(2), checksumError(3).
            for (number, (now, before)) in (1..).zip(errors.iter().zip(&remembered.errors)) {
                if now != before {
                    remembered.last_error = number;
                }
            }
            remembered.errors = errors;
        }
    }

    /// What is remembered of an instance.
    pub fn of(&self, name: &str) -> Remembered {
        self.0.get(name).copied().unwrap_or_default()
    }
}

/// `vrrpv3StatisticsNewMasterReason`: priority(1), preempted(2), masterNoResponse(3).
const fn why_master(cause: &Cause) -> i32 {
    match cause {
        Cause::Owner | Cause::MasterResigned { .. } => 1,
        Cause::Preempted { .. } => 2,
        Cause::Started
        | Cause::Resumed
        | Cause::NoAdvertFor { .. }
        | Cause::HigherPriority { .. }
        | Cause::HigherAddress { .. }
        | Cause::NotHeard { .. }
        | Cause::TrackerFailed(_)
        | Cause::InterfaceDown(_)
        | Cause::Recovered
        | Cause::SyncGroup(_)
        | Cause::Refused(_)
        | Cause::LoopLate(_)
        | Cause::LeaseExpired { .. }
        | Cause::Shutdown
        | Cause::Reload => 3,
    }
}
