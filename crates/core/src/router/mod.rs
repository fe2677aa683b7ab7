//! All virtual routers of one node, and the contract of the crate.
//!
//! ```text
//! router.step(now, input, &mut actions)   inputs are facts, actions are orders, in one ordered stream
//! router.next_deadline()                  a query over the state; nothing is ever cancelled
//! router.report()                         a plain snapshot
//! ```
//!
//! An action that failed comes back as an input, so error paths are stepped through like any other.

pub mod action;
pub mod input;
pub mod plan;
pub mod reason;
pub mod report;

pub use action::{
    Action, Actions, Advert, Event, Listen, Notification, NotifyObject, NotifyState, Socket, Subject,
};
pub use input::{Input, Link, Packet, ScriptOutcome};
pub use plan::RouterPlan;
pub use reason::{Cause, Mismatch, Reason, State};
pub use report::{Report, Resume};

use alloc::vec::Vec;

use crate::time::{Duration, Instant};

/// One node's routers.
#[derive(Debug)]
pub struct Router {
    plan: RouterPlan,
}

impl Router {
    /// A router for this plan. Nothing happens until it is told [`Input::KernelListed`].
    ///
    /// `since_boot` is the machine's uptime at `now`; `resume` is the last state a crashed predecessor told.
    #[must_use]
    pub fn new(_now: Instant, _since_boot: Duration, plan: RouterPlan, _resume: Option<&Resume>) -> Self {
        Self { plan }
    }

    /// Takes in one fact and appends the orders that follow from it.
    pub fn step(&mut self, _now: Instant, _input: Input<'_>, _actions: &mut Actions) {}

    /// When [`Input::Tick`] is due next; `None` if only a fact can change anything.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        None
    }

    /// A snapshot of everything.
    #[must_use]
    pub fn report(&self) -> Report {
        Report::default()
    }

    /// What a successor of this process needs. Cheap; taken after a step that told a state change.
    #[must_use]
    pub fn resume(&self) -> Resume {
        Resume::default()
    }

    /// The sockets adverts are received on, sorted.
    #[must_use]
    pub fn wanted_sockets(&self) -> Vec<Socket> {
        let _ = &self.plan;
        Vec::new()
    }
}
