//! Facts a router is told.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::action::Socket;
use super::plan::RouterPlan;
use crate::address::{InterfaceAddress, LinkIndex, Route, RouteKey, Rule};
use crate::link::FoundSetting;
use crate::time::Duration;
use crate::vrrp::ah::Envelope;

/// One fact. The order in which facts are told is the order in which they happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input<'a> {
    /// Time has passed; every deadline up to now is due.
    Tick,
    /// The time of day was read: at the beginning, and when the clock was set. Only signatures need it.
    ClockRead {
        /// Time since 1970.
        since_1970: Duration,
    },
    /// A VRRP message arrived on a socket.
    PacketReceived(#[serde(borrow)] Packet<'a>),
    /// A heartbeat arrived on a socket.
    HeartbeatReceived(#[serde(borrow)] Packet<'a>),
    /// All links and addresses the kernel has: at start and after events were lost (`ENOBUFS`).
    KernelListed {
        /// Every link.
        links: Vec<Link>,
        /// Every address with its link.
        addresses: Vec<(LinkIndex, IpAddr)>,
    },
    /// A link appeared or changed.
    LinkChanged(Link),
    /// A link is gone.
    LinkRemoved(LinkIndex),
    /// An address appeared on a link (also the echo of our own adding).
    AddressAdded(LinkIndex, IpAddr),
    /// An address left a link (also the echo of our own removing).
    AddressRemoved(LinkIndex, IpAddr),
    /// A route was deleted (also the echo of our own removing).
    RouteRemoved(RouteKey),
    /// A rule was deleted (also the echo of our own removing); identified by preference and table.
    RuleRemoved {
        /// Preference of the rule.
        preference: u32,
        /// Table it pointed to, zero if none.
        table: u32,
    },
    /// The kernel would not add an address.
    AddressRefused {
        /// What was to be added.
        address: Arc<InterfaceAddress>,
        /// Errno.
        errno: i32,
    },
    /// An order to remove an address was carried out, and with it everything ordered before it. Every
    /// [`Action::RemoveAddress`](super::Action::RemoveAddress) comes back like this, also one that found nothing or that the
    /// kernel refused: unlike the kernel's own event it cannot be lost.
    AddressReleased(Arc<InterfaceAddress>),
    /// The kernel would not add a route.
    RouteRefused {
        /// What was to be added.
        route: Arc<Route>,
        /// Errno.
        errno: i32,
    },
    /// The kernel would not add a rule.
    RuleRefused {
        /// What was to be added.
        rule: Arc<Rule>,
        /// Errno.
        errno: i32,
    },
    /// The kernel would not send an advert of this instance.
    AdvertRefused {
        /// Instance name.
        instance: Arc<str>,
        /// Errno.
        errno: i32,
    },
    /// The kernel would not make the gates of the VIP lease.
    GatesRefused {
        /// Errno.
        errno: i32,
    },
    /// A link that was to be made is there, and up.
    LinkMade {
        /// Its name.
        link: String,
        /// What was changed for it on other links, as it was before.
        found: Vec<FoundSetting>,
    },
    /// A link could not be made.
    LinkRefused {
        /// Its name.
        link: String,
        /// Errno; `EEXIST` if there is one of that name that is not like ours.
        errno: i32,
    },
    /// The kernel would not send a heartbeat.
    HeartbeatRefused {
        /// Which leg it was for.
        leg: u32,
        /// Errno.
        errno: i32,
    },
    /// Somebody on a link claimed an address that is watched ([`Router::watched_claims`](super::Router::watched_claims)):
    /// it is the sender of an ARP packet, or the target of a neighbour advertisement. Our own claims may be among them.
    ClaimHeard {
        /// The link.
        link: LinkIndex,
        /// The address.
        address: IpAddr,
        /// Hardware address of who claims it.
        mac: [u8; 6],
    },
    /// A socket of [`Router::wanted_sockets`](super::Router::wanted_sockets) is being opened, is open, or could not be
    /// opened. A performer that opens sockets at once need not say so.
    SocketBecame {
        /// Which.
        socket: Socket,
        /// What.
        listening: Listening,
    },
    /// A run of a tracking script has ended.
    ScriptFinished {
        /// Script name.
        script: String,
        /// How.
        outcome: ScriptOutcome,
    },
    /// A tracked file was read; `None` if it is absent or does not hold a number (counts as 0).
    FileRead {
        /// File name in the plan.
        file: String,
        /// Its value.
        value: Option<i64>,
    },
    /// Tracked processes were counted.
    ProcessesCounted {
        /// Process name in the plan.
        process: String,
        /// How many run.
        count: u32,
    },
    /// A BFD session came up or went down ([`crate::bfd::Action::TellVerdict`]).
    SessionBecame {
        /// Its name in the plan.
        session: Arc<str>,
        /// Up.
        up: bool,
    },
    /// A new plan was accepted.
    Reloaded(Box<RouterPlan>),
    /// The daemon is to end: hand over politely.
    ShutdownRequested,
}

/// Whether adverts can be heard on a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Listening {
    /// Not yet: joining a group may take long when somebody holds the kernel's lock.
    Opening,
    /// Yes.
    Open,
    /// The kernel would not open it: errno.
    Refused(i32),
}

/// A received VRRP message, after the IP header, or the payload of a heartbeat's datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packet<'a> {
    /// Link it came in on.
    pub link: LinkIndex,
    /// IP source.
    pub source: IpAddr,
    /// IP destination.
    pub destination: IpAddr,
    /// TTL or hop limit as received.
    pub ttl: u8,
    /// What stands before the message; a heartbeat has nothing.
    pub envelope: Envelope,
    /// VRRP message in its envelope, or heartbeat; any length, untrusted.
    pub payload: &'a [u8],
}

/// A network interface as the kernel describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Kernel index.
    pub index: LinkIndex,
    /// Name.
    pub name: String,
    /// `IFF_UP`.
    pub up: bool,
    /// `IFF_RUNNING`: carrier.
    pub running: bool,
    /// `IFF_NOARP` or `IFF_LOOPBACK`: nothing is announced there.
    pub no_arp: bool,
    /// Hardware address if it has six bytes.
    pub mac: Option<[u8; 6]>,
    /// MTU in bytes.
    pub mtu: u32,
    /// The link this one is built on, if it is in this namespace.
    pub parent: Option<LinkIndex>,
}

/// How a run of a script ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ScriptOutcome {
    /// Exit status.
    Exited(u8),
    /// Ended by this signal.
    Signalled(i32),
    /// Ran longer than its timeout.
    TimedOut,
    /// Could not be started; why, in words.
    NotStarted(String),
}

impl ScriptOutcome {
    /// Whether the run counts as a success.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        matches!(self, Self::Exited(0))
    }
}
