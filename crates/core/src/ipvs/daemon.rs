//! What IPVS is told as a whole: connection timeouts, and the daemons that share connections with a peer.

use alloc::string::String;
use core::fmt;
use core::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Timeouts of connections, in seconds, up to 2678400 (31 days); 0 leaves the kernel's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Timeouts {
    /// An idle TCP connection.
    pub tcp_s: u32,
    /// A TCP connection after its FIN.
    pub tcp_fin_s: u32,
    /// A UDP exchange.
    pub udp_s: u32,
}

impl Timeouts {
    /// Whether there is anything to tell the kernel.
    #[must_use]
    pub const fn are_unset(&self) -> bool {
        self.tcp_s == 0 && self.tcp_fin_s == 0 && self.udp_s == 0
    }
}

/// Which side of connection synchronisation a daemon is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SyncRole {
    /// Sends connections.
    Master,
    /// Takes them in.
    Backup,
}

impl fmt::Display for SyncRole {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Master => "master",
            Self::Backup => "backup",
        })
    }
}

/// A synchronisation daemon of the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SyncDaemon {
    /// Its side.
    pub role: SyncRole,
    /// The link the messages go over.
    pub interface: String,
    /// Only daemons of the same id talk with each other, 0 to 255.
    pub id: u8,
    /// Longest message in bytes, 1 to 65507; `None` is what fits the link.
    pub max_length: Option<u16>,
    /// UDP port; `None` is the kernel's, 8848.
    pub port: Option<u16>,
    /// TTL of the messages; `None` is the kernel's, 1.
    pub ttl: Option<u8>,
    /// Multicast group; `None` is the kernel's, 224.0.0.81.
    pub group: Option<IpAddr>,
}
