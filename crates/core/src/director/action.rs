//! Orders a director gives, in the order in which they are to take effect.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use super::input::CheckerId;
use super::plan::{ScriptCheck, VirtualServerKey};
use super::probe::Probe;
use super::reason::Reason;
use super::report::Memory;
use crate::ipvs::{Change, DestinationKey, Protocol, SyncDaemon, SyncRole, Timeouts};
use crate::time::Instant;

/// One order.
///
/// Those about the kernel's table are performed in their order. Questions may be asked at once and side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Ask a server; exactly one [`Input::Answered`](super::Input::Answered) follows.
    Probe {
        /// Who asks.
        checker: CheckerId,
        /// What.
        probe: Arc<Probe>,
    },
    /// Run a script; exactly one [`Input::ScriptFinished`](super::Input::ScriptFinished) follows.
    RunScript {
        /// Who asks.
        checker: CheckerId,
        /// What.
        script: Arc<ScriptCheck>,
    },
    /// List the kernel's table; [`Input::TableListed`](super::Input::TableListed) or
    /// [`Input::TableUnavailable`](super::Input::TableUnavailable) follows.
    ListTable,
    /// Empty the kernel's table.
    FlushTable,
    /// Change the kernel's table.
    Change(Change),
    /// Set the kernel's timeouts.
    SetTimeouts(Timeouts),
    /// Set them to what they were before the first [`Action::SetTimeouts`].
    RestoreTimeouts,
    /// Start a synchronisation daemon of the kernel; one that runs is no error.
    StartSync(SyncDaemon),
    /// Stop one; one that does not run is no error.
    StopSync(SyncRole),
    /// Tell scripts, FIFOs and mail of a change.
    Notify(ServerNotification),
    /// Keep this for a successor of this process.
    Remember(Memory),
    /// Something happened that a log and the event history should know.
    Tell(Event),
    /// Everything was handed over: the process may end.
    Finished,
}

/// A change that scripts, FIFOs and mail are told of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerNotification {
    /// Whose change.
    pub object: ServerObject,
    /// It is up now.
    pub up: bool,
}

/// An object notifications are about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ServerObject {
    /// A virtual server won or lost its quorum.
    VirtualServer(VirtualServerKey),
    /// A real server came into service or left it.
    RealServer {
        /// Which.
        real: DestinationKey,
        /// The protocol of its virtual server.
        protocol: Protocol,
        /// Of which virtual server.
        of: VirtualServerKey,
    },
}

impl fmt::Display for ServerObject {
    /// As keepalived's FIFO lines name it: `VS [192.0.2.1]:tcp:80`, `RS [10.0.0.1]:tcp:80 [192.0.2.1]:tcp:80`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::VirtualServer(key) => write!(formatter, "VS {key}"),
            Self::RealServer { real, protocol, of } => {
                write!(formatter, "RS [{}]:{protocol}:{} {of}", real.address, real.port)
            }
        }
    }
}

impl fmt::Display for ServerNotification {
    /// The line for a FIFO, without its end.
    ///
    /// DIFFERS: keepalived writes a zero byte after each line, which no reader of lines wants.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.object, if self.up { "UP" } else { "DOWN" })
    }
}

/// Something that happened, with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at: Instant,
    /// Whom it is about.
    pub subject: Subject,
    /// What happened and why.
    pub reason: Reason,
}

/// Whom an event is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Subject {
    /// The kernel's table.
    Table,
    /// A virtual server or a real server.
    Server(ServerObject),
    /// A checker, by what it asks.
    Checker(String),
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table => formatter.write_str("IPVS"),
            Self::Server(object) => object.fmt(formatter),
            Self::Checker(what) => formatter.write_str(what),
        }
    }
}

/// An ordered stream of actions.
pub type Actions = Vec<Action>;
