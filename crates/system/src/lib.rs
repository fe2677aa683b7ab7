//! Linux, in small pieces that each do one thing: read the clock, wait, read and write kernel tables, send and receive
//! VRRP, announce addresses, start programs, schedule the process, program the load balancer.
//!
//! Nothing here decides anything. Every call that can fail says which operation failed on which object ([`Error`]).
//! All `unsafe` code of Mainstay lives in this crate.
//!
//! Read in this order: [`clock`], [`wait`] (epoll, timer, wake-ups), [`netlink`] (what the kernel has, and changing it),
//! [`vrrp`] (sockets for adverts), [`bfd`] (sockets for control packets), [`announce`] (gratuitous ARP and neighbour advertisements), [`claims`] (those of
//! others), [`virtual_link`] (links for virtual MAC addresses), [`lease`] (gates before the addresses), [`accept`] (addresses that take no packets), [`ipvs`] (the load balancer's table), [`probe`] (asking servers
//! whether they are well), then the small rest.

pub mod accept;
pub mod announce;
pub mod bfd;
pub mod claims;
pub mod clock;
pub mod host;
pub mod ipvs;
pub mod lease;
pub mod memory;
pub mod namespace;
pub mod netlink;
pub mod probe;
pub mod process;
pub mod readiness;
pub mod realtime;
pub mod sysctl;
pub mod virtual_link;
pub mod vrrp;
pub mod wait;

mod bpf;
mod error;
mod mmsg;
mod wire;

#[cfg(test)]
mod lab;

pub use error::{Error, Result};
