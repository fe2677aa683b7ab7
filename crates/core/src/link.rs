//! Links that a router makes for its addresses: a macvlan with the virtual MAC address, or an ipvlan.
//!
//! Two routers that are master in turn with the *same* MAC address need no neighbour to learn anything (RFC 9568 section
//! 7.3). The price is a link of one's own under each address, on the interface that packets really take: its *parent*.

use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::address::{Family, Prefix};

/// One link to be made, as long as the daemon runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualLink {
    /// Its name, `vrrp.51`; at most 15 bytes, unique in a plan.
    pub name: String,
    /// The link it is built on, by name.
    pub parent: String,
    /// What kind of link.
    pub kind: VirtualKind,
    /// Device group; `None` is the parent's.
    pub group: Option<u32>,
    /// Family it is for. One for IPv4 must answer ARP for its own addresses only, and so must its parent.
    pub family: Family,
    /// Whether the link may have IPv6 addresses at all. One without says nothing of its own over IPv6.
    pub ipv6: bool,
    /// The address it has whoever is master.
    pub own: OwnAddress,
}

/// Kinds of links a router makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum VirtualKind {
    /// `use_vmac`: a macvlan in private mode with this MAC address.
    Macvlan {
        /// Its MAC address, `00:00:5e:00:01:VRID` (IPv4) or `00:00:5e:00:02:VRID` (IPv6) unless told otherwise.
        mac: [u8; 6],
    },
    /// `use_ipvlan`: an ipvlan of layer 2, which has the parent's MAC address.
    Ipvlan(IpvlanFlag),
}

/// Who may talk to whom among the ipvlans of one parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum IpvlanFlag {
    /// All.
    #[default]
    Bridge,
    /// None.
    Private,
    /// By way of the switch outside.
    Vepa,
}

/// An address of the link itself: adverts need one to come from, and a neighbour one to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OwnAddress {
    /// None: IPv4 adverts come from the parent's address.
    None,
    /// The link-local address of the parent, once more; one made of its MAC address if it has none.
    LinkLocalOfParent,
    /// This one.
    Is(Prefix),
}

/// A setting of the kernel that was changed for a virtual link, as it was before.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FoundSetting {
    /// The link's name, or `all`, or `default`.
    pub link: String,
    /// Which setting.
    pub setting: Setting,
    /// Its value before.
    pub value: i32,
}

/// Settings in `net.ipv4.conf.LINK` that are changed on links that are not ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Setting {
    /// `arp_ignore`.
    ArpIgnore,
    /// `arp_filter`.
    ArpFilter,
    /// `arp_announce`.
    ArpAnnounce,
    /// `rp_filter`.
    RpFilter,
}

impl Setting {
    /// The kernel's word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::ArpIgnore => "arp_ignore",
            Self::ArpFilter => "arp_filter",
            Self::ArpAnnounce => "arp_announce",
            Self::RpFilter => "rp_filter",
        }
    }
}

impl fmt::Display for VirtualLink {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            VirtualKind::Macvlan { .. } => "macvlan",
            VirtualKind::Ipvlan(_) => "ipvlan",
        };
        write!(formatter, "{kind} {} on {}", self.name, self.parent)
    }
}
