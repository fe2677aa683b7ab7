//! What one Mainstay node decides.
//!
//! This crate is pure: inputs are facts, actions are orders, and time is a parameter. It has no clock, no socket, no
//! thread and no randomly ordered collection; `no_std` makes the compiler keep that promise. The daemon feeds a
//! [`router::Router`] and performs what it orders; the simulator does the same with a modelled world.
//!
//! Read in this order: [`time`] and [`address`] (the vocabulary), [`vrrp`] (packets, timers, election of one virtual
//! router), [`track`] (what may lower a priority), [`heartbeat`] (what Mainstay nodes tell each other beside the
//! adverts), [`lease`] (what the kernel does for a router that has died), [`link`] (links made for the addresses), [`router`] (all instances of one node, and
//! its contract), [`ipvs`] (the kernel's load balancer in plain values), [`director`] (virtual servers, and who is fit
//! to serve them), [`bfd`] (whether a path to a neighbour carries packets), [`histogram`] (how long things took), [`recording`] (what a router was told, to be looked at again), [`secret`] (what is never shown).
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod address;
pub mod bfd;
pub mod director;
pub mod heartbeat;
pub mod histogram;
pub mod ipvs;
pub mod lease;
pub mod link;
pub mod recording;
pub mod router;
pub mod secret;
pub mod time;
pub mod track;
pub mod vrrp;
