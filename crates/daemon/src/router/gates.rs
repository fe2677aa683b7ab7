//! The effects lane's hand on the gates of the VIP lease. They are opened when they are first wanted; where the kernel
//! cannot make them it is said once, in words, and everything else goes on.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use mainstay_core::lease::{Gate, GateId};
use mainstay_core::router::{Event, Input, Reason, Subject};
use mainstay_system::clock;
use mainstay_system::lease::Gates;

use super::outcome::{Outcome, Reporter};

/// The addresses whose gates a predecessor left open; `None` if there are no gates.
pub fn found_open() -> Option<BTreeSet<IpAddr>> {
    Gates::open().and_then(|mut gates| gates.open_addresses()).ok().flatten()
}

/// The gates, once they were wanted.
#[derive(Default)]
pub struct Gatekeeper {
    gates: Option<Gates>,
    /// It was asked whether this kernel can make any.
    asked: bool,
}

impl Gatekeeper {
    /// Makes these gates stand, and no others. A refusal goes back to the core.
    pub fn become_these(&mut self, wanted: &Arc<[Gate]>, reporter: &Reporter) {
        let Err(errno) = self.try_to_become(wanted, reporter) else { return };
        // Where there can be no gates there are none to be taken away either.
        if !wanted.is_empty() {
            reporter.report(Outcome::Refused(Input::GatesRefused { errno }));
        }
    }

    /// Closes a gate.
    pub fn close(&mut self, gate: GateId, reporter: &Reporter) {
        if let Some(gates) = &mut self.gates
            && let Err(error) = gates.close(gate)
        {
            reporter.complain(format!("close a gate of the VIP lease: {error}"), error.errno());
        }
    }

    fn try_to_become(&mut self, wanted: &[Gate], reporter: &Reporter) -> Result<(), i32> {
        if self.gates.is_none() {
            self.gates = Some(Gates::open().map_err(|error| error.errno())?);
        }
        let Some(gates) = &mut self.gates else { return Ok(()) };
        match gates.become_these(wanted, clock::now()) {
            Ok(()) => Ok(()),
            Err(error) => {
                // What is missing is found out only where something is: a trial of its own would cost every start.
                if !std::mem::replace(&mut self.asked, true) {
                    let why = match gates.supported() {
                        Err(unsupported) => unsupported.to_string(),
                        Ok(()) => error.to_string(),
                    };
                    let reason = Reason::LeaseUnusable { why };
                    reporter.report(Outcome::Tell(Event {
                        at: clock::now(),
                        subject: Subject::Node,
                        reason,
                    }));
                }
                Err(error.errno())
            }
        }
    }
}
