//! Orders a router gives, in the order in which they are to take effect.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::reason::Reason;
use crate::address::{InterfaceAddress, LinkIndex, NoAccept, Route, Rule};
use crate::lease::{Gate, GateId};
use crate::link::{FoundSetting, VirtualLink};
use crate::time::Instant;
use crate::vrrp::ah::Envelope;

/// One order.
///
/// Adverts may be sent at once, ahead of the others; all other actions are performed in order, because a protocol
/// says so: advert, addresses, routes, rules, announcements, notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Send a VRRP message.
    SendAdvert(Advert),
    /// Send a heartbeat; behind the adverts ordered with it, ahead of everything else.
    SendHeartbeat(Datagram),
    /// Add an address; one that exists already is adopted.
    AddAddress(Arc<InterfaceAddress>),
    /// Remove an address; one that is gone already is no error. When that is done it comes back as
    /// [`Input::AddressReleased`](super::Input::AddressReleased).
    RemoveAddress(Arc<InterfaceAddress>),
    /// Add a route.
    AddRoute(Arc<Route>),
    /// Remove a route; one that is gone already is no error.
    RemoveRoute(Arc<Route>),
    /// Add a rule.
    AddRule(Arc<Rule>),
    /// Remove a rule; one that is gone already is no error.
    RemoveRule(Arc<Rule>),
    /// All gates that are wanted now, sorted by number: what is not among them is taken away, what is there already
    /// stays open as long as it was. Empty: none, and nothing of ours stays behind.
    SetGates(Arc<[Gate]>),
    /// Close a gate at once; the addresses behind it are about to be removed. One that is closed is no error.
    CloseGate(GateId),
    /// All virtual addresses that take no packets, sorted. Empty: none, and nothing of ours stays behind.
    SetNoAccept(Arc<[NoAccept]>),
    /// Make a link and bring it up, with the settings of the kernel that go with it; one that is there already is
    /// adopted. Comes back as [`Input::LinkMade`](super::Input::LinkMade) or
    /// [`Input::LinkRefused`](super::Input::LinkRefused).
    MakeLink(Arc<VirtualLink>),
    /// Remove a link that was made; one that is gone, or is another's, is left alone.
    RemoveLink(Arc<VirtualLink>),
    /// Give settings the values they had before a link was made.
    RestoreSettings(Arc<[FoundSetting]>),
    /// Tell the link whose hardware address an address has: gratuitous ARP or unsolicited neighbour advertisement.
    Announce {
        /// Link to send it on.
        link: LinkIndex,
        /// Its hardware address.
        mac: [u8; 6],
        /// Address announced.
        address: IpAddr,
    },
    /// Ask the link who has an address, without claiming it: an ARP probe (RFC 5227 section 2.1.1) or a neighbour
    /// solicitation from the unspecified address (RFC 4862 section 5.4). To be sent at once, ahead of the effects.
    ProbeAddress {
        /// Link to ask on.
        link: LinkIndex,
        /// Its hardware address.
        mac: [u8; 6],
        /// Address asked for.
        address: IpAddr,
    },
    /// Set `net.ipv4.conf.LINK.promote_secondaries`.
    PromoteSecondaries(String),
    /// Start a run of this tracking script.
    RunScript(String),
    /// Tell scripts, FIFOs and mail of a change.
    Notify(Notification),
    /// Something happened that a log and the event history should know.
    Tell(Event),
    /// [`Router::wanted_sockets`](super::Router::wanted_sockets) or
    /// [`Router::watched_claims`](super::Router::watched_claims) changed; open and close before anything else is sent.
    SocketsChanged,
    /// Everything was handed over: the process may end.
    Finished,
}

/// A VRRP message to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advert {
    /// Whose it is, for [`Input::AdvertRefused`](super::Input::AdvertRefused).
    pub instance: Arc<str>,
    /// Output link; `None` leaves it to the routing table (unicast without an interface).
    pub link: Option<LinkIndex>,
    /// IP source.
    pub source: IpAddr,
    /// IP destination: group or peer.
    pub destination: IpAddr,
    /// TTL or hop limit; `None` is the kernel's default.
    pub ttl: Option<u8>,
    /// What stands before the message.
    pub envelope: Envelope,
    /// The VRRP message with its checksum, in its envelope. (Over IPv6 the kernel may write the same checksum again.)
    pub payload: Arc<[u8]>,
    /// From then on it must not be sent any more, and counts as refused: the lease is over, and a late advert would
    /// take it up again. `None` without a lease that counts.
    pub not_after: Option<Instant>,
}

/// A heartbeat to be sent as a UDP datagram, with TTL or hop limit 255.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagram {
    /// Which leg it takes, for [`Input::HeartbeatRefused`](super::Input::HeartbeatRefused).
    pub leg: u32,
    /// Output link; `None` leaves it to the routing table.
    pub link: Option<LinkIndex>,
    /// IP source.
    pub source: IpAddr,
    /// IP destination: group or peer.
    pub destination: IpAddr,
    /// UDP port of the destination.
    pub port: u16,
    /// What it says.
    pub payload: Arc<[u8]>,
}

/// One socket pair the router needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Socket {
    /// Link; `None` for unicast without an interface.
    pub link: Option<LinkIndex>,
    /// What it listens to.
    pub listen: Listen,
    /// What it listens for.
    pub carries: Carries,
}

/// What arrives on a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Carries {
    /// VRRP messages: [`Input::PacketReceived`](super::Input::PacketReceived).
    Adverts,
    /// VRRP messages in authentication headers: the same input.
    AdvertsInAh,
    /// UDP datagrams to this port: [`Input::HeartbeatReceived`](super::Input::HeartbeatReceived).
    Heartbeats(u16),
}

/// What a receiving socket is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Listen {
    /// A multicast group, joined on the link.
    Group(IpAddr),
    /// A local unicast address.
    Address(IpAddr),
}

/// A change that scripts, FIFOs and mail are told of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// Whose change.
    pub object: NotifyObject,
    /// What it changed to.
    pub state: NotifyState,
    /// Effective priority, 0 for groups.
    pub priority: u8,
}

/// An object notifications are about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum NotifyObject {
    /// A `vrrp_instance`.
    Instance(String),
    /// A `vrrp_sync_group`.
    Group(String),
}

/// What a notification says, in keepalived's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum NotifyState {
    /// `MASTER`.
    Master,
    /// `BACKUP`.
    Backup,
    /// `FAULT`.
    Fault,
    /// `STOP`.
    Stop,
    /// `DELETED`.
    Deleted,
    /// `MASTER_RX_LOWER_PRI`: only its own script and the FIFOs.
    MasterRxLowerPriority,
    /// `MASTER_PRIORITY`: FIFOs only.
    MasterPriority,
    /// `BACKUP_PRIORITY`: FIFOs only.
    BackupPriority,
}

impl NotifyState {
    /// keepalived's word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Master => "MASTER",
            Self::Backup => "BACKUP",
            Self::Fault => "FAULT",
            Self::Stop => "STOP",
            Self::Deleted => "DELETED",
            Self::MasterRxLowerPriority => "MASTER_RX_LOWER_PRI",
            Self::MasterPriority => "MASTER_PRIORITY",
            Self::BackupPriority => "BACKUP_PRIORITY",
        }
    }
}

/// Something that happened, with its reason: one value for logs, history, `mainstay why` and metrics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at: Instant,
    /// Whom it is about.
    pub subject: Subject,
    /// What happened and why.
    pub reason: Reason,
}

/// Whom an event is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Subject {
    /// The node itself.
    Node,
    /// A `vrrp_instance`.
    Instance(String),
    /// A `vrrp_sync_group`.
    Group(String),
    /// A tracker, by name.
    Tracker(String),
    /// A link, by name.
    Link(String),
    /// A `bfd_instance`.
    Bfd(String),
}

/// An ordered stream of actions.
pub type Actions = Vec<Action>;
