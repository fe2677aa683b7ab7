//! Facts a director is told.

use alloc::boxed::Box;
use alloc::string::String;
use core::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::outcome::Outcome;
use super::plan::DirectorPlan;
use crate::ipvs::{Change, Table};
use crate::router::ScriptOutcome;

/// One fact. The order in which facts are told is the order in which they happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Time has passed; every deadline up to now is due.
    Tick,
    /// The answer to [`Action::Probe`](super::Action::Probe).
    Answered {
        /// Who asked.
        checker: CheckerId,
        /// What came of it.
        outcome: Outcome,
    },
    /// The end of a run that [`Action::RunScript`](super::Action::RunScript) began.
    ScriptFinished {
        /// Who asked.
        checker: CheckerId,
        /// How it ended.
        outcome: ScriptOutcome,
    },
    /// A tracked file was read; `None` if it is absent or does not hold a number (counts as 0).
    FileRead {
        /// File name in the plan.
        file: String,
        /// Its value.
        value: Option<i64>,
    },
    /// A BFD session came up or went down.
    SessionBecame {
        /// Its name.
        session: String,
        /// Up.
        up: bool,
    },
    /// An address is on this machine, or no longer.
    AddressHeld {
        /// The address.
        address: IpAddr,
        /// It is there.
        held: bool,
    },
    /// A VRRP instance became master, or is it no longer.
    InstanceBecame {
        /// Its name.
        instance: String,
        /// It is master.
        master: bool,
    },
    /// The kernel's whole table, the answer to [`Action::ListTable`](super::Action::ListTable).
    TableListed(Table),
    /// There is no table: the kernel cannot, or we may not. Another answer to
    /// [`Action::ListTable`](super::Action::ListTable).
    TableUnavailable {
        /// What is missing, in words.
        words: Box<str>,
    },
    /// The kernel would not make a change.
    ChangeRefused {
        /// What was to be done.
        change: Box<Change>,
        /// Errno.
        errno: i32,
    },
    /// A new plan was accepted.
    Reloaded(Box<DirectorPlan>),
    /// The daemon is to end.
    ShutdownRequested,
}

/// A checker of a director. It stays the same over a reload that leaves its question as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CheckerId {
    /// Its place.
    pub(super) index: u32,
    /// Which of those that were in this place over time.
    pub(super) generation: u32,
}
