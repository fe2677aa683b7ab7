//! A plain snapshot of a director, and what a successor of its process needs.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::judge::Verdict;
use super::plan::VirtualServerKey;
use crate::histogram::Histogram;
use crate::ipvs::{DestinationKey, ServiceKey};

/// What a director looks like at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Report {
    /// Every virtual server, in plan order.
    pub virtual_servers: Vec<VirtualServerReport>,
    /// Whether the kernel's table is there.
    pub table: bool,
    /// Distinct checkers; what several real servers ask alike is asked once.
    pub checkers: u32,
    /// What came of all questions since the process began, by kind of check.
    pub tallies: Vec<CheckTally>,
}

/// What came of the questions of one kind of check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckTally {
    /// Its keyword: `TCP_CHECK`.
    pub kind: String,
    /// How long good answers took; nothing for scripts.
    pub took: Histogram,
    /// How many questions came to what ([`Outcome::word`](super::Outcome::word)).
    pub results: Vec<(String, u64)>,
}

/// One virtual server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualServerReport {
    /// Which.
    pub key: VirtualServerKey,
    /// What people call it (`snmp_name`).
    pub label: Option<String>,
    /// It has its quorum.
    pub up: bool,
    /// Weights of the real servers in service.
    pub weight: u64,
    /// What is needed.
    pub quorum: u32,
    /// Too few live, and some that fail stay in service.
    pub panic: bool,
    /// Not checked: its address is not on this machine.
    pub suspended: bool,
    /// Its real servers, in plan order.
    pub real_servers: Vec<RealServerReport>,
}

/// One real server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RealServerReport {
    /// Which.
    pub key: DestinationKey,
    /// What people call it (`snmp_name`).
    pub label: Option<String>,
    /// None of its checkers finds it down.
    pub good: bool,
    /// It serves.
    pub serving: bool,
    /// Effective weight.
    pub weight: u32,
    /// Its checkers, in plan order.
    pub checkers: Vec<CheckerReport>,
}

/// One checker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckerReport {
    /// What it asks.
    pub question: String,
    /// What it came to.
    pub verdict: Verdict,
    /// Answers so far.
    pub answers: u32,
    /// How long the last good answer took, in microseconds.
    pub took_us: Option<u32>,
    /// Why the last answer was not good; `None` if it was.
    pub trouble: Option<String>,
}

/// One thing worth keeping for a successor of the process, told when it changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Memory {
    /// The verdict of a checker, by a digest of its question.
    Verdict(u64, Verdict),
    /// Nobody asks this any more.
    Forget(u64),
    /// A virtual server has its quorum, or not; `None` if it is no longer there.
    Quorum(VirtualServerKey, Option<bool>),
    /// A service in the kernel's table is ours, or no longer.
    Service(ServiceKey, bool),
}

/// What a restarted director needs to take up where its predecessor was: all memories together.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Resume {
    /// Verdicts of checkers, by a digest of their question.
    pub verdicts: BTreeMap<u64, Verdict>,
    /// Virtual servers with or without quorum.
    pub quorums: BTreeMap<VirtualServerKey, bool>,
    /// Services that are ours: those the successor's plan no longer has are deleted.
    pub services: BTreeSet<ServiceKey>,
}

impl Resume {
    /// Takes in one more memory.
    pub fn remember(&mut self, memory: Memory) {
        match memory {
            Memory::Verdict(question, verdict) => drop(self.verdicts.insert(question, verdict)),
            Memory::Forget(question) => drop(self.verdicts.remove(&question)),
            Memory::Quorum(server, Some(up)) => drop(self.quorums.insert(server, up)),
            Memory::Quorum(server, None) => drop(self.quorums.remove(&server)),
            Memory::Service(service, true) => drop(self.services.insert(service)),
            Memory::Service(service, false) => drop(self.services.remove(&service)),
        }
    }
}
