//! What the kernel counts.

use serde::{Deserialize, Serialize};

/// Totals and rates of a service or a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Statistics {
    /// Since it was added, or its counters were cleared.
    pub totals: Counters,
    /// A second, now.
    pub rates: Rates,
}

/// Totals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Connections scheduled.
    pub connections: u64,
    /// Packets towards the destinations.
    pub packets_in: u64,
    /// Packets back to the clients; stays 0 where they do not pass here (DR, TUN).
    pub packets_out: u64,
    /// Bytes towards the destinations.
    pub bytes_in: u64,
    /// Bytes back to the clients.
    pub bytes_out: u64,
}

/// Rates, per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Rates {
    /// Connections.
    pub connections: u64,
    /// Packets towards the destinations.
    pub packets_in: u64,
    /// Packets back to the clients.
    pub packets_out: u64,
    /// Bytes towards the destinations.
    pub bytes_in: u64,
    /// Bytes back to the clients.
    pub bytes_out: u64,
}

/// Connections a destination has now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Connections {
    /// Established.
    pub active: u32,
    /// Anything else that is remembered.
    pub inactive: u32,
    /// Persistence templates.
    pub persistent: u32,
}
