//! The lease of the virtual addresses: what the kernel is asked to do, in plain values.
//!
//! A gate stands before the addresses of one virtual router. While it is closed the kernel neither answers for them
//! (ARP, neighbour discovery) nor takes in packets sent to them. **The advert opens it**: each advert of this router
//! that leaves through its link keeps the gate open for the length of the lease, in the kernel itself, without
//! another system call; an advert of priority 0 closes it. So a router that is frozen, starved, killed or cannot send
//! stops holding its addresses when its last advert is as old as the lease, which is shorter than any peer waits
//! before it takes over.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::address::{Family, LinkIndex};
use crate::time::{Duration, Instant};

/// Number of a gate: a hash of the instance's name. It names a gate in orders; the kernel's sets are keyed by address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GateId(pub u32);

/// A gate before the addresses of one virtual router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// Its number.
    pub id: GateId,
    /// The instance, for whoever reads the kernel's tables.
    pub instance: Arc<str>,
    /// The link the adverts leave by.
    pub link: GateLink,
    /// Family of the adverts.
    pub family: Family,
    /// Virtual router id in the adverts.
    pub vrid: u8,
    /// Whether the adverts are inside an IPsec authentication header.
    pub in_ah: bool,
    /// Where the adverts go: the group, or the peers.
    pub destinations: Vec<IpAddr>,
    /// The addresses, each with the link it is on. Of either family; an address is behind one gate only.
    pub addresses: Vec<(GateLink, IpAddr)>,
    /// How long an advert keeps the gate open.
    pub lease: Duration,
    /// What keeps it open.
    pub guard: Guard,
}

/// A link that exists.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GateLink {
    /// Kernel index.
    pub index: LinkIndex,
    /// Name.
    pub name: String,
}

/// What keeps a gate open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// Nothing closes it: there is no living peer that could take over.
    Open,
    /// Adverts do.
    Lease {
        /// Until when the last advert that left keeps it open, if the router is master: a gate that is made before then is
        /// open from the beginning.
        until: Option<Instant>,
    },
}
