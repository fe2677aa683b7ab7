//! One destination of a service: where a connection goes.

use core::fmt;
use core::net::IpAddr;

use serde::{Deserialize, Serialize};

/// The greatest weight of a destination: the kernel's is a signed 32-bit number.
pub const MAX_WEIGHT: u32 = i32::MAX as u32;

/// What makes a destination itself, within its service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DestinationKey {
    /// Its address. Of the family of the service, or of the other one with [`Forwarding::Tunnel`].
    pub address: IpAddr,
    /// Its port; 0 with a service of every port or of a mark.
    pub port: u16,
}

impl fmt::Display for DestinationKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "[{}]:{}", self.address, self.port)
    }
}

/// A destination with everything `ipvsadm --add-server` can say about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Destination {
    /// Which one.
    pub key: DestinationKey,
    /// How packets get there.
    pub forwarding: Forwarding,
    /// Share of new connections, 0 (none, while the old ones go on) to [`MAX_WEIGHT`].
    pub weight: u32,
    /// No new connections above this many; 0 is no limit.
    pub upper_threshold: u32,
    /// New connections again below this many; 0 is three quarters of the upper threshold.
    pub lower_threshold: u32,
}

/// How a packet gets to its destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub enum Forwarding {
    /// Network address translation (`NAT`): answers come back through us. The only method that changes ports.
    #[default]
    Masquerade,
    /// Direct routing (`DR`): the MAC address is changed and nothing else.
    DirectRoute,
    /// A tunnel (`TUN`).
    Tunnel(Tunnel),
    /// A method only the kernel itself uses (`IP_VS_CONN_F_FWD_MASK`): 1 local node, 4 cache bypass. Never asked for.
    Other(u8),
}

/// The tunnel to a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Tunnel {
    /// Its encapsulation.
    pub kind: TunnelKind,
    /// Checksum of the outer header; the kernel ignores it for IP in IP.
    pub checksum: TunnelChecksum,
}

/// Encapsulation of a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub enum TunnelKind {
    /// IP in IP.
    #[default]
    Ipip,
    /// Generic UDP encapsulation.
    Gue {
        /// Destination port, at least 1.
        port: u16,
    },
    /// Generic routing encapsulation.
    Gre,
}

/// Checksum of a tunnel's outer header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub enum TunnelChecksum {
    /// `nocsum`.
    #[default]
    None,
    /// `csum`.
    Full,
    /// `remcsum`: remote checksum offload, GUE only.
    Remote,
}
