//! What the configuration asks of BFD.

use alloc::sync::Arc;
use core::net::IpAddr;
use core::num::NonZeroU8;

use serde::{Deserialize, Serialize};

use super::timers::Intervals;
use crate::time::Duration;

/// UDP port of sessions with a neighbour on the same link (RFC 5881 section 4).
pub const SINGLE_HOP_PORT: u16 = 3784;

/// UDP port of sessions over several hops (RFC 5883 section 5).
pub const MULTIHOP_PORT: u16 = 4784;

/// One `bfd_instance`: a session with one neighbour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionPlan {
    /// Its name, unique in a plan: the key of a reload.
    pub name: Arc<str>,
    /// `neighbor_ip`: the other end.
    pub neighbour: IpAddr,
    /// `source_ip`: our end; `None` leaves it to the routing table. Of the family of the neighbour.
    pub source: Option<IpAddr>,
    /// `multihop`: the neighbour may be behind routers, on port [`MULTIHOP_PORT`].
    pub multihop: bool,
    /// `min_tx` and `min_rx`, 1 microsecond or more.
    pub intervals: Intervals,
    /// `idle_tx`: time between packets while the session is not up, 1 s or more.
    pub idle_tx: Duration,
    /// `multiplier`: how many missing packets of ours tell the neighbour that the path is down.
    pub multiplier: NonZeroU8,
    /// `passive`: say nothing before the neighbour was heard.
    pub passive: bool,
    /// `ttl` or `hoplimit`: TTL or hop limit of what we send.
    pub ttl: u8,
    /// The lowest TTL or hop limit accepted, from `max_hops`; 0 accepts all.
    pub least_ttl: u8,
    /// Who follows it.
    pub audience: Audience,
}

impl SessionPlan {
    /// The port both ends listen on.
    #[must_use]
    pub const fn port(&self) -> u16 {
        if self.multihop { MULTIHOP_PORT } else { SINGLE_HOP_PORT }
    }

    /// Time between our packets, and between those of the neighbour that we can take, while the session is not up.
    ///
    /// RFC 5880 section 6.8.3 asks for a second at least.
    #[must_use]
    pub fn idle_intervals(&self) -> Intervals {
        let desired_min_tx = self.idle_tx.max(Duration::from_secs(1));
        Intervals { desired_min_tx, required_min_rx: self.intervals.required_min_rx }
    }

    /// Whether a session of this plan can go on with the other one: the same two ends.
    #[must_use]
    pub fn is_same_session(&self, other: &Self) -> bool {
        self.name == other.name
            && self.neighbour == other.neighbour
            && self.source == other.source
            && self.multihop == other.multihop
    }
}

/// `vrrp` and `checker`: who is told of changes. Both, if neither is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audience {
    /// Virtual routers.
    pub vrrp: bool,
    /// Health checks of real servers.
    pub checkers: bool,
}

impl Default for Audience {
    fn default() -> Self {
        Self { vrrp: true, checkers: true }
    }
}
