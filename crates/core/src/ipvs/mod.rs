//! The words of the kernel's load balancer (IPVS): services, destinations, the whole table and its changes.
//!
//! Plain values. `mainstay-system` translates them to generic netlink and back, [`crate::director`] decides what the
//! table should be, and the way from one [`Table`] to another is a list of [`Change`]s.

mod daemon;
mod destination;
mod service;
mod statistics;
mod table;

pub use daemon::{SyncDaemon, SyncRole, Timeouts};
pub use destination::{
    Destination, DestinationKey, Forwarding, MAX_WEIGHT, Tunnel, TunnelChecksum, TunnelKind,
};
pub use service::{
    Granularity, Persistence, Protocol, Scheduler, SchedulerFlags, Service, ServiceKey, UnknownScheduler,
};
pub use statistics::{Connections, Counters, Rates, Statistics};
pub(crate) use table::destination_changes;
pub use table::{Change, Table, TableEntry};
