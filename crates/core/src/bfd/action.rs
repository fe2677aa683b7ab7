//! What BFD is told, and what it orders.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::num::NonZeroU32;

use super::packet::LENGTH;
use super::plan::SessionPlan;
use crate::router::{Event, Packet};

/// One fact. The order in which facts are told is the order in which they happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input<'a> {
    /// Time has passed; every deadline up to now is due. To be told after everything that was waiting to be read.
    Tick,
    /// A datagram arrived on one of [`Sessions::listens`](super::Sessions::listens).
    PacketReceived {
        /// It.
        packet: Packet<'a>,
        /// It came to the port of sessions over several hops.
        multihop: bool,
    },
    /// The source port of a transmission belongs to somebody else.
    PortTaken(SessionId),
    /// The kernel would not send a transmission.
    SendRefused {
        /// Of which session.
        session: SessionId,
        /// Errno.
        errno: i32,
    },
    /// A new plan was accepted.
    Reloaded(Vec<SessionPlan>),
    /// The daemon is to end: take leave of the neighbours.
    ShutdownRequested,
}

/// One order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Send a control packet.
    Send(Transmission),
    /// Tell those who follow a session whether it is up.
    TellVerdict(Verdict),
    /// Something happened that a log and the event history should know.
    Tell(Event),
    /// [`Sessions::listens`](super::Sessions::listens) changed, or [`Sessions::has`](super::Sessions::has): open and
    /// close before anything else is sent.
    SocketsChanged,
}

/// An ordered stream of actions.
pub type Actions = Vec<Action>;

/// Which session: its local discriminator. No two sessions of one life of a node have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub NonZeroU32);

/// A control packet to be sent, from a socket that belongs to its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transmission {
    /// Whose it is.
    pub session: SessionId,
    /// Source address; `None` leaves it to the routing table.
    pub source: Option<IpAddr>,
    /// Source port; the same as long as the session lives, unless it is taken.
    pub source_port: u16,
    /// The neighbour.
    pub destination: IpAddr,
    /// Its port.
    pub port: u16,
    /// TTL or hop limit.
    pub ttl: u8,
    /// The packet.
    pub payload: [u8; LENGTH],
}

/// Whether a session is up, for those who follow it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Name of the session.
    pub session: Arc<str>,
    /// Good or bad now.
    pub up: bool,
    /// Whether virtual routers are to be told.
    pub vrrp: bool,
    /// Whether health checks are to be told.
    pub checkers: bool,
}

/// Where control packets are to be heard. Sorted, each once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Listen {
    /// Local address; unspecified is every address of its family.
    pub address: IpAddr,
    /// The port of sessions over several hops, rather than that of neighbours on the link.
    pub multihop: bool,
}
