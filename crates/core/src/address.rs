//! Addresses, routes and rules: what `ip address`, `ip route` and `ip rule` take, as values.
//!
//! Names (links, tables) are resolved as late as possible: a link is named here, and the performer of an action looks
//! up its index, so that an interface may disappear and come back under another index.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family an address belongs to.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// Bits in an address of this family: 32 or 128.
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// An address and a prefix length, `192.0.2.0/24`. Host bits may be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Prefix {
    /// The address, host bits included.
    pub address: IpAddr,
    /// Prefix length in bits: 0 to 32 or 0 to 128.
    pub length: u8,
}

impl fmt::Display for Prefix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.address, self.length)
    }
}

/// The kernel's number of a network interface. Zero is never a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LinkIndex(pub u32);

impl fmt::Display for LinkIndex {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "link {}", self.0)
    }
}

/// One address to be put on a link, with everything `ip address add` lets one say about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct InterfaceAddress {
    /// The address.
    pub address: IpAddr,
    /// Its prefix length in bits.
    pub prefix_length: u8,
    /// The link it goes on, by name.
    pub link: String,
    /// IPv4 broadcast address (`brd`).
    pub broadcast: Option<Ipv4Addr>,
    /// `rtnetlink(7)` scope: 0 global, 200 site, 253 link, 254 host, 255 nowhere.
    pub scope: u8,
    /// IPv4 label, at most 15 bytes.
    pub label: Option<String>,
    /// Point-to-point peer.
    pub peer: Option<Prefix>,
    /// Flags of the address.
    pub flags: AddressFlags,
    /// IPv6 preferred lifetime in seconds; `None` is for ever. Zero keeps the address from being a source.
    pub preferred_lifetime_s: Option<u32>,
    /// Whether losing the address (somebody deleted it and it cannot be restored) is a fault of its owner.
    pub tracked: bool,
    /// Name of the `track_group` that goes to fault with a static address.
    pub track_group: Option<String>,
}

/// An address that takes no packets, although the kernel has it (`no_accept`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NoAccept {
    /// The address.
    pub address: IpAddr,
    /// The link by which packets for it come, if that matters: for a link-local address.
    pub link: Option<String>,
}

/// `IFA_F_*` flags a configuration can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct AddressFlags {
    /// `home`: `IFA_F_HOMEADDRESS`.
    pub home: bool,
    /// Skip duplicate address detection (`IFA_F_NODAD`); the default for virtual addresses.
    pub nodad: bool,
    /// `mngtmpaddr`: `IFA_F_MANAGETEMPADDR`.
    pub manage_temporary: bool,
    /// `noprefixroute`: `IFA_F_NOPREFIXROUTE`.
    pub no_prefix_route: bool,
    /// `autojoin`: `IFA_F_MCAUTOJOIN`.
    pub auto_join: bool,
}

impl fmt::Display for InterfaceAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{} dev {}", self.address, self.prefix_length, self.link)
    }
}

/// One route, in iproute2's vocabulary.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Route {
    /// Family of the destination.
    pub family: Family,
    /// `RTN_*` type number: 1 unicast, 2 local, 6 blackhole, 7 unreachable, 8 prohibit, 9 throw, ...
    pub kind: u8,
    /// Destination; length 0 is the default route.
    pub destination: Prefix,
    /// Preferred source (`src`).
    pub preferred_source: Option<IpAddr>,
    /// The one next hop of an ordinary route (gateway, link), or several.
    pub hops: Vec<NextHop>,
    /// Routing table number; 254 is main.
    pub table: u32,
    /// `rtnetlink(7)` scope number; `None` lets the performer follow iproute2's rule for the type and gateway.
    pub scope: Option<u8>,
    /// Type of service.
    pub tos: u8,
    /// Who installed it; 18 is keepalived (`RTPROT_KEEPALIVED`).
    pub protocol: u8,
    /// Metric (`RTA_PRIORITY`); zero leaves it to the kernel.
    pub metric: u32,
    /// `RTAX_*` metrics.
    pub metrics: Vec<RouteMetric>,
    /// Congestion control algorithm and whether it is locked.
    pub congestion_control: Option<(String, bool)>,
    /// `realms`: upper 16 bits from, lower 16 bits to.
    pub realms: Option<u32>,
    /// IPv6 expiry in seconds.
    pub expires_s: Option<u32>,
    /// IPv6 router preference: 0 medium, 1 high, 3 low.
    pub preference: Option<u8>,
    /// MPLS `ttl-propagate`.
    pub ttl_propagate: Option<bool>,
    /// New destination (`as`), for MPLS.
    pub new_destination: Option<IpAddr>,
    /// How it is inserted among routes to the same destination.
    pub insertion: RouteInsertion,
    /// Whether losing the route is a fault of its owner.
    pub tracked: bool,
    /// Name of the `track_group` that goes to fault with a static route.
    pub track_group: Option<String>,
}

/// One way a route can leave.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct NextHop {
    /// Gateway address; may be of the other family.
    pub gateway: Option<IpAddr>,
    /// Output link, by name.
    pub link: Option<String>,
    /// Weight among several hops, 1 to 256.
    pub weight: u16,
    /// The gateway is reachable on the link although no prefix says so.
    pub onlink: bool,
    /// Lightweight tunnel of this hop.
    pub encapsulation: Option<Encapsulation>,
}

/// Lightweight tunnel encapsulation of a route (`encap`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Encapsulation {
    /// MPLS label stack, outermost first.
    Mpls(Vec<u32>),
    /// IPv4 or IPv6 tunnel metadata.
    Ip {
        /// `ip6` rather than `ip`.
        family: Family,
        /// Tunnel id.
        id: Option<u64>,
        /// Outer destination.
        destination: Option<IpAddr>,
        /// Outer source.
        source: Option<IpAddr>,
        /// Type of service or traffic class.
        tos: Option<u8>,
        /// TTL or hop limit.
        ttl: Option<u8>,
        /// Tunnel flags.
        flags: Option<u16>,
    },
    /// Identifier-locator addressing: the locator.
    Ila(u64),
}

/// One `RTAX_*` metric of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RouteMetric {
    /// `RTAX_*` number (2 mtu, 8 advmss, ...).
    pub number: u8,
    /// Its value in the kernel's unit.
    pub value: u32,
    /// Whether the kernel may change it.
    pub locked: bool,
}

/// Where a route goes among those with the same destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub enum RouteInsertion {
    /// Before the others: keepalived's default.
    #[default]
    Prepend,
    /// After the others.
    Append,
    /// Only if there is none.
    Add,
}

/// What identifies a route in the kernel, as its deletion is told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RouteKey {
    /// Destination.
    pub destination: Prefix,
    /// Table number.
    pub table: u32,
    /// Metric as the kernel shows it (an IPv6 route without one has 1024).
    pub metric: u32,
    /// Type of service.
    pub tos: u8,
    /// Type number.
    pub kind: u8,
}

/// One policy rule, in iproute2's vocabulary.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Rule {
    /// Family.
    pub family: Family,
    /// Source selector.
    pub from: Option<Prefix>,
    /// Destination selector.
    pub to: Option<Prefix>,
    /// Invert the selectors.
    pub not: bool,
    /// Type of service selector.
    pub tos: u8,
    /// Mark and mask selector.
    pub fwmark: Option<(u32, u32)>,
    /// Input link, by name.
    pub input_link: Option<String>,
    /// Output link, by name.
    pub output_link: Option<String>,
    /// Preference; `None` lets the kernel choose.
    pub preference: Option<u32>,
    /// What the rule does.
    pub action: RuleAction,
    /// Realms.
    pub realms: Option<u32>,
    /// Suppress routes with a prefix of at most this length.
    pub suppress_prefix_length: Option<u32>,
    /// Suppress routes through links of this group.
    pub suppress_link_group: Option<u32>,
    /// Tunnel id selector.
    pub tunnel_id: Option<u64>,
    /// User id range selector, inclusive.
    pub uid_range: Option<(u32, u32)>,
    /// Transport protocol selector.
    pub ip_protocol: Option<u8>,
    /// Source port range selector, inclusive.
    pub source_ports: Option<(u16, u16)>,
    /// Destination port range selector, inclusive.
    pub destination_ports: Option<(u16, u16)>,
    /// Who installed it; 18 is keepalived.
    pub protocol: u8,
    /// Whether losing the rule is a fault of its owner.
    pub tracked: bool,
    /// Name of the `track_group` that goes to fault with a static rule.
    pub track_group: Option<String>,
}

/// What a rule does with a packet it selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RuleAction {
    /// Look up in this table.
    Table(u32),
    /// Look up in the table of the packet's VRF (`l3mdev`).
    L3mdev,
    /// Go on with the rule of this preference.
    Goto(u32),
    /// Do nothing.
    Nop,
    /// Drop silently.
    Blackhole,
    /// Drop with network unreachable.
    Unreachable,
    /// Drop with prohibited.
    Prohibit,
}
