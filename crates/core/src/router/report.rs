//! A plain snapshot of a router, for people, metrics and a restarted process.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::alarm::Alarm;
use super::peers::{Peers, Told};
use super::reason::{Cause, State};
use crate::address::{InterfaceAddress, Route, Rule};
use crate::bfd::BfdReport;
use crate::heartbeat::{BootId, HeartbeatRejection};
use crate::histogram::Histogram;
use crate::link::{FoundSetting, VirtualLink};
use crate::time::{Duration, Instant};
use crate::vrrp::ah::Sequence;
use crate::vrrp::signature::Marks;

/// What a router looks like at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Report {
    /// Every instance, in plan order.
    pub instances: Vec<InstanceReport>,
    /// Every sync group, in plan order.
    pub groups: Vec<GroupReport>,
    /// Every tracker of the node, sorted by name.
    pub trackers: Vec<TrackerReport>,
    /// Every alarm that stands, by instance.
    pub alarms: Vec<AlarmReport>,
    /// How often the kernel would not make the gates of the VIP lease.
    pub gates_refused: u64,
    /// Every path heartbeats take.
    pub paths: Vec<PathReport>,
    /// The BFD sessions, filled in by whoever keeps them beside the router.
    pub bfd: BfdReport,
    /// How late deadlines of instances were served, since the process began.
    pub lateness: Histogram,
    /// Packets for virtual router ids that nobody here has.
    pub unknown_vrids: u64,
}

/// One instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceReport {
    /// Name.
    pub name: String,
    /// State.
    pub state: State,
    /// Since when.
    pub since: Instant,
    /// Why it is in this state.
    pub cause: Cause,
    /// Base priority.
    pub base_priority: u8,
    /// Effective priority.
    pub effective_priority: u8,
    /// The master last heard (or ourselves).
    pub master: Option<IpAddr>,
    /// Priority of the master last heard.
    pub master_priority: u8,
    /// Advert interval in force: ours as master, the learned one as v3 backup.
    pub master_advert_interval: Duration,
    /// When an advert was last accepted.
    pub last_advert: Option<Instant>,
    /// The VIP lease.
    pub lease: LeaseState,
    /// It is master and has not taken the addresses yet: it waits a moment for the master it preempted to let go.
    pub holds_back: bool,
    /// Counters.
    pub counters: Counters,
    /// Time between adverts of one master, as its backup, since the process began.
    pub advert_gaps: Histogram,
    /// How long it was master and heard another master, since the process began.
    pub contested: Duration,
    /// The other routers of this virtual router, as far as they are known.
    pub peers: Vec<PeerReport>,
}

/// Another router of a virtual router.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerReport {
    /// Source of its adverts.
    pub source: IpAddr,
    /// Whether it is known to be alive.
    pub living: bool,
    /// What it said of itself by heartbeat; `None` for a plain VRRP router.
    pub told: Option<Told>,
    /// When it was last heard on each path; 0 is the link of the adverts, others count the plan's paths from 1.
    pub heard: Vec<(u8, Instant)>,
}

/// One way heartbeats take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathReport {
    /// `dev eth1`, `dev eth1 peer 10.1.0.2`.
    pub name: String,
    /// Whether anybody is heard there.
    pub up: bool,
    /// Datagrams sent.
    pub sent: u64,
    /// Datagrams the kernel refused to send.
    pub send_errors: u64,
    /// Who was heard there.
    pub peers: Vec<PathPeerReport>,
    /// Datagrams not believed, by reason.
    pub rejected: Vec<(HeartbeatRejection, u64)>,
}

/// Somebody heard on a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathPeerReport {
    /// Its address there.
    pub source: IpAddr,
    /// Which life of it.
    pub boot: BootId,
    /// Whether it is still heard.
    pub up: bool,
    /// When it was last heard.
    pub last_heard: Instant,
    /// Datagrams of it that did not arrive.
    pub lost: u64,
}

/// What the VIP lease of an instance is worth at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum LeaseState {
    /// Not configured, or the kernel does not make the gates.
    Off,
    /// It would count if a living peer were known, which could take over.
    NoPeer,
    /// It counts: without adverts the kernel stops answering for the addresses.
    Armed,
}

/// One sync group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupReport {
    /// Name.
    pub name: String,
    /// State.
    pub state: State,
}

/// One tracker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackerReport {
    /// Kind and name: `script chk_nginx`.
    pub name: String,
    /// Its verdict; `None` before the first.
    pub up: Option<bool>,
}

/// An alarm that stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmReport {
    /// Name of the instance.
    pub instance: String,
    /// What is wrong.
    pub alarm: Alarm,
    /// When it was first seen.
    pub since: Instant,
    /// When it was last seen.
    pub last: Instant,
    /// How often it was seen.
    pub count: u64,
}

/// Counters of an instance, named as keepalived's statistics are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Adverts accepted.
    pub adverts_received: u64,
    /// Adverts sent (one per destination).
    pub adverts_sent: u64,
    /// Times it became master.
    pub became_master: u64,
    /// Times it stopped being master.
    pub released_master: u64,
    /// Packets of a wrong length.
    pub packet_length_errors: u64,
    /// Adverts with an interval that v2 must reject.
    pub advert_interval_errors: u64,
    /// Packets with a wrong TTL.
    pub ttl_errors: u64,
    /// Packets that were not advertisements.
    pub invalid_type: u64,
    /// Adverts with another address list (accepted).
    pub address_list_errors: u64,
    /// Packets with an unknown authentication type.
    pub invalid_auth_type: u64,
    /// Packets with another authentication type than ours.
    pub auth_type_mismatch: u64,
    /// Packets with a wrong password.
    pub auth_failures: u64,
    /// Packets that are not signed where they must be (`auth_hmac`).
    pub signatures_missing: u64,
    /// Packets with a signature of no kind we know.
    pub signatures_malformed: u64,
    /// Packets signed with a key we do not have.
    pub signature_keys_unknown: u64,
    /// Packets with a wrong signature.
    pub signatures_wrong: u64,
    /// Packets signed outside of the time window.
    pub signatures_stale: u64,
    /// Packets not signed after the last one of their sender.
    pub signatures_replayed: u64,
    /// Packets with a wrong checksum.
    pub checksum_errors: u64,
    /// Packets of another VRRP version.
    pub version_errors: u64,
    /// Packets rejected for any other reason.
    pub other_errors: u64,
    /// Priority-0 adverts received.
    pub priority_zero_received: u64,
    /// Priority-0 adverts sent.
    pub priority_zero_sent: u64,
    /// v3/IPv4 adverts accepted in the RFC 9568 checksum form.
    pub rfc9568_checksums: u64,
    /// Adverts the kernel refused to send.
    pub send_errors: u64,
    /// Times it was master for longer than its VIP lease without an advert.
    pub leases_expired: u64,
}

/// What a restarted router needs to take up where its predecessor was: small, sent to the supervisor on every change.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Resume {
    /// When it was true.
    pub at: Instant,
    /// Instances by name.
    pub instances: Vec<ResumeInstance>,
    /// Verdicts of trackers by kind and name, as in [`TrackerReport::name`].
    pub trackers: Vec<(String, bool)>,
    /// Addresses held: those that the successor's plan no longer has are removed.
    pub addresses: Vec<Arc<InterfaceAddress>>,
    /// Routes held; likewise.
    pub routes: Vec<Arc<Route>>,
    /// Rules held; likewise.
    pub rules: Vec<Arc<Rule>>,
    /// Links made; likewise.
    pub links: Vec<Arc<VirtualLink>>,
    /// Settings of the kernel that were changed for them, as they were before.
    pub settings: Vec<FoundSetting>,
}

/// State of one instance that survives its process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumeInstance {
    /// Name.
    pub name: String,
    /// State.
    pub state: State,
    /// The learned interval, for a v3 backup.
    pub master_advert_interval: Duration,
    /// The other routers known to be alive.
    pub peers: Peers,
    /// Counters.
    pub counters: Counters,
    /// Sequence numbers of its authentication headers.
    pub sequence: Sequence,
    /// Stamps of its signatures.
    pub marks: Marks,
}

impl fmt::Display for LeaseState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Off => "off",
            Self::NoPeer => "open (no living peer)",
            Self::Armed => "armed",
        })
    }
}
