//! Why something happened: the same value is printed by logs, the event history, `mainstay why` and metrics labels.

use alloc::string::String;
use core::fmt;
use core::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::alarm::Alarm;
use crate::bfd::{self, BfdRejection};
use crate::heartbeat::HeartbeatRejection;
use crate::time::Duration;
use crate::vrrp::packet::Rejection;

/// Why something happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// An instance or group changed state.
    StateChanged {
        /// State left.
        from: State,
        /// State entered.
        to: State,
        /// Why.
        cause: Cause,
    },
    /// The effective priority changed.
    PriorityChanged {
        /// Before.
        from: u8,
        /// After.
        to: u8,
    },
    /// As master, heard a master of lower priority (or equal priority and lower address).
    LowerPriorityAdvert {
        /// Its address.
        source: IpAddr,
        /// Its priority.
        priority: u8,
    },
    /// Packets were not accepted. Told at most once a minute for a (source, rejection).
    PacketsRejected {
        /// Who sent them.
        source: IpAddr,
        /// Why not.
        rejection: Rejection,
        /// How many since it was last told.
        count: u64,
    },
    /// Something is wrong and will stay so until somebody looks at it.
    AlarmBegan {
        /// What.
        alarm: Alarm,
    },
    /// It was not seen for long, or its ground is gone.
    AlarmOver {
        /// What.
        alarm: Alarm,
        /// From the first time it was seen to the last.
        lasted: Duration,
        /// How often it was seen.
        count: u64,
    },
    /// Heartbeats were not believed. Told at most once a minute for a (source, rejection).
    HeartbeatsRejected {
        /// Who sent them.
        source: IpAddr,
        /// Why not.
        rejection: HeartbeatRejection,
        /// How many since it was last told.
        count: u64,
    },
    /// BFD control packets were discarded. Told at most once a minute for a (source, rejection).
    ControlPacketsRejected {
        /// Who sent them.
        source: IpAddr,
        /// Why.
        rejection: BfdRejection,
        /// How many since it was last told.
        count: u64,
    },
    /// A BFD session changed its state.
    SessionChanged(bfd::Change),
    /// Heartbeats of a node arrive on a path.
    PathUp {
        /// The path.
        path: String,
        /// The node's address on it.
        peer: IpAddr,
    },
    /// Heartbeats of a node arrive on a path no more.
    PathDown {
        /// The path.
        path: String,
        /// The node's address on it.
        peer: IpAddr,
        /// Whether it said that it ends.
        left: bool,
    },
    /// A tracker's verdict changed.
    TrackerChanged {
        /// Good or bad now.
        up: bool,
        /// In words: `exited with status 1`, `timed out`, `link down`, ...
        detail: String,
    },
    /// A virtual address, route or rule of ours was removed by somebody and has been put back.
    Restored(String),
    /// A link for virtual addresses is there.
    LinkMade {
        /// The link it is built on.
        parent: String,
    },
    /// The kernel refused something.
    Refused {
        /// What: `add address 192.0.2.1/24 dev eth0`.
        operation: String,
        /// Errno.
        errno: i32,
    },
    /// The loop was so late that peers may have acted in the meantime.
    LoopLate(Duration),
    /// A living peer is known: the VIP lease counts from now on.
    LeaseArmed {
        /// The peer.
        peer: IpAddr,
    },
    /// No living peer is known any more: the VIP lease does not count.
    LeaseWithoutPeer,
    /// It would preempt, and first waits until the kernel has taken off what it held before.
    LettingGo,
    /// The kernel would not make the gates of the VIP lease. Told once.
    LeaseRefused {
        /// Errno.
        errno: i32,
    },
    /// This machine cannot make the gates of the VIP lease; told by whoever tried.
    LeaseUnusable {
        /// What is missing, in words.
        why: String,
    },
    /// A reload was applied.
    Reloaded {
        /// Instances added.
        added: u32,
        /// Instances removed.
        removed: u32,
        /// Instances changed.
        changed: u32,
        /// Instances untouched.
        unchanged: u32,
    },
}

/// Why a state changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// The router started, or was added by a reload.
    Started,
    /// It was restarted after a crash and took up what it had.
    Resumed,
    /// It owns the addresses (priority 255).
    Owner,
    /// No advert for the master-down interval.
    NoAdvertFor {
        /// How long nothing was heard.
        silence: Duration,
    },
    /// The master gave up: an advert of priority zero.
    MasterResigned {
        /// The old master.
        source: IpAddr,
    },
    /// Took over from a living master of lower priority.
    Preempted {
        /// The master's address.
        source: IpAddr,
        /// The master's priority.
        priority: u8,
    },
    /// Another master has a higher priority.
    HigherPriority {
        /// Its address.
        source: IpAddr,
        /// Its priority.
        priority: u8,
    },
    /// Another master has the same priority and a higher address.
    HigherAddress {
        /// Its address.
        source: IpAddr,
    },
    /// A master of lower standing does not hear us on any path, so it cannot yield: we do.
    NotHeard {
        /// Its address.
        source: IpAddr,
    },
    /// Something it follows failed: what, in words.
    TrackerFailed(String),
    /// Its interface is down or absent.
    InterfaceDown(String),
    /// Everything it follows is good again.
    Recovered,
    /// Its sync group moves together; the member that moved first.
    SyncGroup(String),
    /// A virtual address, route or rule could not be installed or restored.
    Refused(String),
    /// The loop was so late that a peer may have taken over (`timer_expired_backup`).
    LoopLate(Duration),
    /// Its last advert is older than its VIP lease: the kernel has closed the gate, and a peer may have taken over.
    LeaseExpired {
        /// How old the last advert is.
        age: Duration,
    },
    /// The daemon is ending.
    Shutdown,
    /// The configuration no longer has it, or changed so that it starts anew.
    Reload,
}

/// States of an instance or group as users see them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum State {
    /// Not started, or ended (`INIT`).
    Init,
    /// `BACKUP`.
    Backup,
    /// `MASTER`.
    Master,
    /// `FAULT`.
    Fault,
}

/// What a peer and we should agree about and do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Mismatch {
    /// The list of virtual addresses. Its adverts are accepted.
    Addresses,
    /// The advert interval: learned in v3, rejected in v2.
    Interval,
    /// The VRRP version. Its adverts are rejected.
    Version,
    /// Authentication: its type, the password or the key. Its adverts are rejected.
    Authentication,
    /// The time of day, by more than half of what `auth_hmac` allows. By more than all of it its adverts are rejected.
    Clock,
    /// The checksum is wrong in every form we know: another key or address under it, or damage. Rejected.
    Checksum,
    /// The message is longer or shorter than we understand, as with an extension we do not speak. Rejected.
    Length,
    /// TTL or hop limit: a router stands between, or its kernel was not told to send 255. Rejected.
    Ttl,
    /// The checksum leaves out the pseudo-header (RFC 9568) while ours has it (RFC 5798).
    ChecksumForm,
    /// Our own address and priority: a loop, or a duplicate address.
    OwnAddress,
    /// It claims to own the addresses, and so do we.
    TwoOwners,
    /// A master of lower priority that does not hear us, so that we do not preempt it.
    DoesNotHear,
}

impl Mismatch {
    /// What a rejected packet of a *peer* means; `None` if it means nothing about the peer.
    #[must_use]
    pub const fn of(rejection: Rejection) -> Option<Self> {
        match rejection {
            Rejection::Version => Some(Self::Version),
            Rejection::AuthTypeUnknown | Rejection::AuthTypeMismatch | Rejection::AuthFailed => {
                Some(Self::Authentication)
            }
            Rejection::SignatureMissing
            | Rejection::SignatureMalformed
            | Rejection::SignatureKeyUnknown
            | Rejection::SignatureWrong => Some(Self::Authentication),
            Rejection::SignatureStale => Some(Self::Clock),
            Rejection::Interval => Some(Self::Interval),
            Rejection::NoAddress | Rejection::LinkLocal => Some(Self::Addresses),
            Rejection::Checksum => Some(Self::Checksum),
            Rejection::Length => Some(Self::Length),
            Rejection::Ttl => Some(Self::Ttl),
            // Whoever has recorded an advert can send it again.
            Rejection::AuthReplayed
            | Rejection::SignatureReplayed
            | Rejection::Truncated
            | Rejection::Type
            | Rejection::Vrid
            | Rejection::Destination
            | Rejection::UnknownPeer
            | Rejection::OwnerIgnores => None,
        }
    }

    /// The word for it in metrics, events and `mainstay why`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Addresses => "address_list_mismatch",
            Self::Interval => "interval_mismatch",
            Self::Version => "version_mismatch",
            Self::Authentication => "authentication_mismatch",
            Self::Clock => "clock_mismatch",
            Self::Checksum => "checksum_wrong",
            Self::Length => "length_wrong",
            Self::Ttl => "ttl_mismatch",
            Self::ChecksumForm => "checksum_form_mismatch",
            Self::OwnAddress => "own_address",
            Self::TwoOwners => "two_owners",
            Self::DoesNotHear => "does_not_hear_us",
        }
    }
}

impl Cause {
    /// The word for it in metrics.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Resumed => "resumed",
            Self::Owner => "owner",
            Self::NoAdvertFor { .. } => "no_advert",
            Self::MasterResigned { .. } => "master_resigned",
            Self::Preempted { .. } => "preempted",
            Self::HigherPriority { .. } => "higher_priority",
            Self::HigherAddress { .. } => "higher_address",
            Self::NotHeard { .. } => "not_heard",
            Self::TrackerFailed(_) => "tracker_failed",
            Self::InterfaceDown(_) => "interface_down",
            Self::Recovered => "recovered",
            Self::SyncGroup(_) => "sync_group",
            Self::Refused(_) => "refused",
            Self::LoopLate(_) => "loop_late",
            Self::LeaseExpired { .. } => "lease_expired",
            Self::Shutdown => "shutdown",
            Self::Reload => "reload",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Init => "INIT",
            Self::Backup => "BACKUP",
            Self::Master => "MASTER",
            Self::Fault => "FAULT",
        })
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Addresses => "its list of virtual addresses differs from ours",
            Self::Interval => "its advert interval differs from ours",
            Self::Version => "it speaks another VRRP version",
            Self::Authentication => "its authentication differs from ours",
            Self::Clock => {
                "its clock differs from ours, and the stamps of its signatures are not or soon not believed"
            }
            Self::Checksum => "its checksums are wrong",
            Self::Length => "its messages have another length than ours: an extension we do not know?",
            Self::Ttl => "its adverts do not arrive with the TTL they should have",
            Self::ChecksumForm => "its IPv4 checksum leaves out the pseudo-header (RFC 9568 form)",
            Self::OwnAddress => "it has our own address",
            Self::DoesNotHear => "it does not hear us on any path, so we do not preempt it",
            Self::TwoOwners => "it has priority 255 as we have: two owners of the addresses",
        })
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started => formatter.write_str("started"),
            Self::Resumed => formatter.write_str("took up its state after a restart of the process"),
            Self::Owner => formatter.write_str("owns the addresses (priority 255)"),
            Self::NoAdvertFor { silence } => {
                write!(formatter, "no advert for {}.{:03} s", silence.as_secs(), silence.subsec_millis())
            }
            Self::MasterResigned { source } => write!(formatter, "master {source} gave up (priority 0)"),
            Self::Preempted { source, priority } => {
                write!(formatter, "preempted master {source} of lower priority {priority}")
            }
            Self::HigherPriority { source, priority } => {
                write!(formatter, "master {source} has higher priority {priority}")
            }
            Self::HigherAddress { source } => {
                write!(formatter, "master {source} has equal priority and a higher address")
            }
            Self::NotHeard { source } => {
                write!(formatter, "master {source} of lower standing does not hear us on any path")
            }
            Self::TrackerFailed(what) => formatter.write_str(what),
            Self::InterfaceDown(link) => write!(formatter, "interface {link} is down or absent"),
            Self::Recovered => formatter.write_str("everything it follows is good again"),
            Self::SyncGroup(member) => write!(formatter, "its sync group moves with {member}"),
            Self::Refused(what) => write!(formatter, "the kernel refused: {what}"),
            Self::LoopLate(late) => {
                write!(formatter, "our own loop was {}.{:03} s late", late.as_secs(), late.subsec_millis())
            }
            Self::LeaseExpired { age } => write!(
                formatter,
                "its VIP lease is over: its last advert left {}.{:03} s ago",
                age.as_secs(),
                age.subsec_millis()
            ),
            Self::Shutdown => formatter.write_str("the daemon is ending"),
            Self::Reload => formatter.write_str("the configuration changed"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StateChanged { from, to, cause } => write!(formatter, "{from} to {to}: {cause}"),
            Self::PriorityChanged { from, to } => write!(formatter, "effective priority from {from} to {to}"),
            Self::LowerPriorityAdvert { source, priority } => {
                write!(formatter, "received advert of {source} with lower priority {priority}")
            }
            Self::PacketsRejected { source, rejection, count } => {
                write!(formatter, "{count} packets of {source} not accepted: {rejection}")
            }
            Self::AlarmBegan { alarm } => write!(formatter, "alarm {alarm}"),
            Self::AlarmOver { alarm, lasted, count } => write!(
                formatter,
                "alarm over: {alarm} (seen {count} times in {}.{:03} s)",
                lasted.as_secs(),
                lasted.subsec_millis()
            ),
            Self::HeartbeatsRejected { source, rejection, count } => {
                write!(formatter, "{count} heartbeats of {source} not believed: {rejection}")
            }
            Self::ControlPacketsRejected { source, rejection, count } => {
                write!(formatter, "{count} BFD packets of {source} discarded: {rejection}")
            }
            Self::SessionChanged(change) => change.fmt(formatter),
            Self::PathUp { path, peer } => write!(formatter, "heartbeats of {peer} arrive on {path}"),
            Self::PathDown { path, peer, left: true } => {
                write!(formatter, "no more heartbeats of {peer} on {path}: it has ended")
            }
            Self::PathDown { path, peer, left: false } => {
                write!(formatter, "no more heartbeats of {peer} on {path}")
            }
            Self::TrackerChanged { up, detail } => {
                write!(formatter, "{}: {detail}", if *up { "up" } else { "down" })
            }
            Self::Restored(what) => write!(formatter, "{what} was removed by somebody and put back"),
            Self::LinkMade { parent } => write!(formatter, "made on {parent}"),
            Self::Refused { operation, errno } => {
                write!(formatter, "the kernel refused to {operation} (errno {errno})")
            }
            Self::LoopLate(late) => {
                write!(formatter, "our own loop was {}.{:03} s late", late.as_secs(), late.subsec_millis())
            }
            Self::LeaseArmed { peer } => {
                write!(formatter, "the VIP lease counts from now on: {peer} is alive and could take over")
            }
            Self::LeaseWithoutPeer => {
                formatter.write_str("the VIP lease does not count: no other router is known to be alive")
            }
            Self::LettingGo => formatter
                .write_str("does not preempt yet: the kernel has not taken off the addresses it held before"),
            Self::LeaseUnusable { why } => {
                write!(formatter, "this machine cannot make the gates of the VIP lease: {why}")
            }
            Self::LeaseRefused { errno } => write!(
                formatter,
                "the VIP lease is off: the kernel does not make its gates (errno {errno}); VRRP works without it"
            ),
            Self::Reloaded { added, removed, changed, unchanged } => write!(
                formatter,
                "reloaded: {added} instances added, {removed} removed, {changed} changed, {unchanged} unchanged"
            ),
        }
    }
}
