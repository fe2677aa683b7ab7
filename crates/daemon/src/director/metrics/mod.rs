//! Metrics, for Prometheus: a small HTTP server that answers `GET /metrics` and nothing else.
//!
//! ```text
//!  Prometheus ──GET──▶ server ──▶ loop ──▶ supervisor ──▶ router: one report, at most once a second
//!             ◀─text── page ◀──── the director's report, the table's counters, what the other two counted
//! ```
//!
//! It is served here because this process reads the network anyway, and its death is no failover. However many read, the
//! router is asked once a second at most, and the page is written on a thread of its own.

mod classic;
mod page;
mod server;
mod servers;
mod snapshot;
mod vrrp;

pub use self::page::{Style, write};
pub use self::server::{Exporter, Parts, Scrape};
pub use self::snapshot::Snapshot;

#[cfg(test)]
mod tests;
