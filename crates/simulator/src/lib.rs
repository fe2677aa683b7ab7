//! Many Mainstay nodes on a simulated LAN: one thread, virtual time, one seed.
//!
//! Every node runs the real [`mainstay_core::router::Router`]; around it are a modelled kernel and daemon loop, and
//! between the nodes a modelled switch with hosts, whose traffic shows who really has an address. A seed becomes a
//! [`scenario`] with faults, the [`world`] runs it, the [`judge`] watches the rules, and when the last fault is over
//! the LAN must come to rest as [`settle`] says.
//!
//! Read in this order: [`scenario`], [`fault`], [`draw`], [`story`] (what is simulated); [`world`], [`node`],
//! [`daemon`] and the modules beside them (how); [`judge`], [`hearsay`], [`epoch`], [`vacancy`], [`settle`] (what is
//! demanded).

pub mod campaign;
pub mod compare;
pub mod daemon;
mod delivery;
pub mod draw;
mod effects;
pub mod epoch;
pub mod explore;
pub mod fault;
pub mod frame;
pub mod gates;
pub mod hearsay;
pub mod host;
pub mod judge;
pub mod kernel;
pub mod moment;
pub mod network;
pub mod node;
pub mod oracle;
mod overhear;
pub mod pace;
pub mod peer;
pub mod queue;
pub mod random;
pub mod replay;
pub mod scenario;
pub mod settle;
pub mod shrink;
pub mod stories;
pub mod story;
pub mod table;
pub mod trace;
mod trouble;
pub mod vacancy;
mod ways;
pub mod world;
