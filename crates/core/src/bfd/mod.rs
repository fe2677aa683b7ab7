//! Bidirectional forwarding detection: whether a path to a neighbour carries packets, known within milliseconds.
//!
//! RFC 5880 (the protocol), RFC 5881 (one hop), RFC 5883 (several hops); asynchronous mode, without echo and without
//! authentication, as keepalived has it. The contract is that of the crate:
//!
//! ```text
//! sessions.step(now, input, &mut actions)   inputs are facts, actions are orders, in one ordered stream
//! sessions.next_deadline()                  a query over the state; nothing is ever cancelled
//! sessions.report()                         a plain snapshot
//! ```
//!
//! Chance (for jitter, discriminators and source ports) comes from outside, as a seed. What a session's state means to
//! a virtual router is not decided here: a [`Verdict`] is a fact for [`crate::router::Router`] like that of a script.
//!
//! Read in this order: [`State`], [`packet`] (the wire), [`SessionPlan`], `timers` (intervals, jitter, the poll
//! sequence), `session` (the state machine), `sessions` (which packet is for whom).

mod action;
pub mod packet;
mod plan;
mod random;
mod reason;
mod rejection;
mod report;
mod session;
mod sessions;
mod state;
mod timers;

pub use action::{Action, Actions, Input, Listen, SessionId, Transmission, Verdict};
pub use plan::{Audience, MULTIHOP_PORT, SINGLE_HOP_PORT, SessionPlan};
pub use reason::{Cause, Change};
pub use rejection::BfdRejection;
pub use report::{BfdReport, RemoteReport, SessionCounters, SessionReport};
pub use sessions::Sessions;
pub use state::{Diagnostic, State};
pub use timers::Intervals;
