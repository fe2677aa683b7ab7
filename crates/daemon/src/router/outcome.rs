//! What the lanes tell the loop: results come back as facts, over a channel that wakes the loop.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};

use mainstay_core::address::InterfaceAddress;
use mainstay_core::router::{Event, Input, Notification, Reason, Socket, Subject};
use mainstay_system::claims::ClaimSocket;
use mainstay_system::netlink::Tables;
use mainstay_system::vrrp::ReceiveSocket;
use mainstay_system::wait::Waker;
use mainstay_system::{Error, clock};

use super::claims::Place;

/// A result of something that was not done in the loop.
pub enum Outcome {
    /// The kernel refused something the core wants to know of.
    Refused(Input<'static>),
    /// A link for virtual addresses was made, or could not be.
    Link(Input<'static>),
    /// These addresses were removed, or could not be, and everything ordered before was done.
    Released(Vec<Arc<InterfaceAddress>>),
    /// Everything ordered before took effect: now others may know.
    Notify(Notification),
    /// Something for the log, in its place among the effects.
    Tell(Event),
    /// All effects ordered before the question have happened.
    Flushed,
    /// The kernel's tables.
    Listed(Result<Tables, Error>),
    /// A socket that was asked for.
    Opened(Socket, Result<ReceiveSocket, Error>),
    /// A socket for claims that was asked for.
    Watching(Place, Result<ClaimSocket, Error>),
}

/// A lane's end of the way back.
#[derive(Clone)]
pub struct Reporter {
    outcomes: Sender<Outcome>,
    waker: Arc<Waker>,
}

impl Reporter {
    /// Both ends.
    pub fn new(waker: Arc<Waker>) -> (Self, Receiver<Outcome>) {
        let (outcomes, receiver) = mpsc::channel();
        (Self { outcomes, waker }, receiver)
    }

    /// Tells the loop. If it is gone the process is ending, and nobody wants to know.
    pub fn report(&self, outcome: Outcome) {
        if self.outcomes.send(outcome).is_ok() {
            self.waker.wake();
        }
    }

    /// Tells of a refusal that changes no decision but that people should know of.
    pub fn complain(&self, operation: String, errno: i32) {
        self.report(Outcome::Tell(complaint(operation, errno)));
    }
}

/// An event about something the kernel refused.
pub fn complaint(operation: String, errno: i32) -> Event {
    Event { at: clock::now(), subject: Subject::Node, reason: Reason::Refused { operation, errno } }
}
