//! One IPVS service: what clients connect to.

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::address::Family;

/// Transport protocol of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// The number in the IP header (`IPPROTO_*`).
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }

    /// The protocol of a number in the IP header, if IPVS balances it.
    #[must_use]
    pub const fn of_number(number: u8) -> Option<Self> {
        match number {
            6 => Some(Self::Tcp),
            17 => Some(Self::Udp),
            132 => Some(Self::Sctp),
            _ => None,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

/// What makes a service itself: the kernel has at most one of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ServiceKey {
    /// Packets to an address. Port 0 is every port, which needs [`Persistence`].
    Address {
        /// Transport protocol.
        protocol: Protocol,
        /// Virtual address.
        address: IpAddr,
        /// Virtual port.
        port: u16,
    },
    /// Packets that netfilter has marked.
    Mark {
        /// Family of the packets.
        family: Family,
        /// The mark, at least 1.
        mark: u32,
    },
}

impl ServiceKey {
    /// The family of the packets of the service.
    #[must_use]
    pub const fn family(&self) -> Family {
        match self {
            Self::Address { address, .. } => Family::of(*address),
            Self::Mark { family, .. } => *family,
        }
    }

    /// The virtual port; 0 for every port and for marks.
    #[must_use]
    pub const fn port(&self) -> u16 {
        match self {
            Self::Address { port, .. } => *port,
            Self::Mark { .. } => 0,
        }
    }
}

impl fmt::Display for ServiceKey {
    /// keepalived's form: `[192.0.2.1]:tcp:80`, `FWM 7`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { protocol, address, port } => write!(formatter, "[{address}]:{protocol}:{port}"),
            Self::Mark { mark, .. } => write!(formatter, "FWM {mark}"),
        }
    }
}

/// A service with everything `ipvsadm --add-service` can say about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Which one.
    pub key: ServiceKey,
    /// How a connection finds its destination.
    pub scheduler: Scheduler,
    /// The three flags of the scheduler.
    pub flags: SchedulerFlags,
    /// One-packet scheduling (`ops`): every datagram is scheduled on its own. UDP and marks only.
    pub one_packet: bool,
    /// Clients stay with their destination.
    pub persistence: Option<Persistence>,
}

impl Service {
    /// A service without persistence and flags.
    #[must_use]
    pub const fn new(key: ServiceKey, scheduler: Scheduler) -> Self {
        Self { key, scheduler, flags: SchedulerFlags::NONE, one_packet: false, persistence: None }
    }
}

/// How long, and who, stays with a destination.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Persistence {
    /// Seconds since the last connection of the client, 1 to 2678400 (31 days).
    pub timeout_s: u32,
    /// Which clients count as one.
    pub granularity: Granularity,
    /// Persistence engine, `sip`.
    pub engine: Option<Arc<str>>,
}

/// Which clients count as one client: those that are equal in these bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Granularity {
    /// IPv4: a netmask. The kernel takes any, contiguous or not.
    Netmask(Ipv4Addr),
    /// IPv6: a prefix length, 1 to 128.
    Prefix(u8),
}

impl Granularity {
    /// Every client for itself.
    #[must_use]
    pub const fn host(family: Family) -> Self {
        match family {
            Family::V4 => Self::Netmask(Ipv4Addr::BROADCAST),
            Family::V6 => Self::Prefix((Ipv6Addr::BITS) as u8),
        }
    }
}

/// The scheduling methods of the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Scheduler {
    /// Round robin.
    RoundRobin,
    /// Weighted round robin.
    WeightedRoundRobin,
    /// Least connections.
    LeastConnection,
    /// Weighted least connections, the default of keepalived and ipvsadm.
    #[default]
    WeightedLeastConnection,
    /// Locality-based least connections.
    LocalityLeastConnection,
    /// Locality-based least connections with replication.
    LocalityReplication,
    /// Source hashing.
    SourceHash,
    /// Destination hashing.
    DestinationHash,
    /// Maglev hashing.
    MaglevHash,
    /// Weighted failover.
    Failover,
    /// Weighted overflow.
    Overflow,
    /// Shortest expected delay.
    ShortestDelay,
    /// Never queue.
    NeverQueue,
    /// Power of two random choices.
    TwoChoices,
    /// One this program has no name for: a module of the site's own.
    Other(Arc<str>),
}

/// The schedulers with their names.
const SCHEDULERS: [(Scheduler, &str); 14] = [
    (Scheduler::RoundRobin, "rr"),
    (Scheduler::WeightedRoundRobin, "wrr"),
    (Scheduler::LeastConnection, "lc"),
    (Scheduler::WeightedLeastConnection, "wlc"),
    (Scheduler::LocalityLeastConnection, "lblc"),
    (Scheduler::LocalityReplication, "lblcr"),
    (Scheduler::SourceHash, "sh"),
    (Scheduler::DestinationHash, "dh"),
    (Scheduler::MaglevHash, "mh"),
    (Scheduler::Failover, "fo"),
    (Scheduler::Overflow, "ovf"),
    (Scheduler::ShortestDelay, "sed"),
    (Scheduler::NeverQueue, "nq"),
    (Scheduler::TwoChoices, "twos"),
];

/// No scheduler of the kernel has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a scheduler of the kernel")]
pub struct UnknownScheduler(pub String);

impl Scheduler {
    /// The kernel's name, at most 15 bytes.
    #[must_use]
    pub fn name(&self) -> &str {
        if let Self::Other(name) = self {
            return name;
        }
        SCHEDULERS.iter().find(|(scheduler, _)| scheduler == self).map_or("", |(_, name)| name)
    }

    /// The scheduler of a name, whether known here or not.
    #[must_use]
    pub fn named(name: &str) -> Self {
        name.parse().unwrap_or_else(|_| Self::Other(name.into()))
    }
}

impl core::str::FromStr for Scheduler {
    type Err = UnknownScheduler;

    fn from_str(name: &str) -> Result<Self, UnknownScheduler> {
        SCHEDULERS
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(scheduler, _)| scheduler.clone())
            .ok_or_else(|| UnknownScheduler(name.into()))
    }
}

impl fmt::Display for Scheduler {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// `IP_VS_SVC_F_SCHED1` to `3`; what they mean is the scheduler's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct SchedulerFlags {
    /// `flag-1`; `sh-fallback`, `mh-fallback`.
    pub first: bool,
    /// `flag-2`; `sh-port`, `mh-port`.
    pub second: bool,
    /// `flag-3`.
    pub third: bool,
}

impl SchedulerFlags {
    /// None of them.
    pub const NONE: Self = Self { first: false, second: false, third: false };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scheduler_is_found_by_its_name() {
        for (scheduler, name) in SCHEDULERS {
            assert_eq!(scheduler.name(), name);
            assert_eq!(name.parse(), Ok(scheduler));
        }
        assert_eq!("wcl".parse::<Scheduler>(), Err(UnknownScheduler("wcl".into())));
        assert_eq!(Scheduler::named("ours").name(), "ours");
    }

    #[test]
    fn every_protocol_is_found_by_its_number() {
        for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Sctp] {
            assert_eq!(Protocol::of_number(protocol.number()), Some(protocol));
        }
        assert_eq!(Protocol::of_number(1), None);
    }
}
