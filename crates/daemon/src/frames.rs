//! What the three processes say to each other.
//!
//! ```text
//! supervisor ── ToRouter ──▶ router          supervisor ── ToDirector ──▶ director
//!            ◀─ FromRouter ─                            ◀─ FromDirector ─
//!            ── ToMailer ──▶ mailer
//!            ◀─ FromMailer ─
//! ```
//!
//! Plain values, one frame each, over a Unix stream socket pair. Both ends come from the same binary, so there is no
//! version to negotiate; what does not decode is a bug or memory corruption, and ends the child that sent it.
//! Nobody waits: a [`Channel`] reads what is there and writes what fits, and a full queue is an error the sender sees.

mod channel;
mod codec;

pub use channel::{Channel, Peer};
pub use codec::{FrameError, FrameReader, FrameWriter, MAX_FRAME, QueueFull};

use std::path::PathBuf;
use std::time::Duration;

use mainstay_config::Model;
use mainstay_config::model::{Mail, ProcessSettings};
use mainstay_control::Happening;
use mainstay_control::status::Vrrp;
use mainstay_core::director::{self, DirectorPlan, Memory, ServerNotification};
use mainstay_core::router::{Event, Notification, Report, Resume, RouterPlan, ScriptOutcome};
use serde::{Deserialize, Serialize};

use crate::mailer::Letter;
use crate::measures::Measures;
use crate::snmp::{Change, RouterSide};

/// What the supervisor tells the router.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToRouter {
    /// The first frame, once: what to be. Nothing is sent or received on the network before it.
    Start {
        /// The accepted plan.
        plan: Box<RouterPlan>,
        /// Scheduling, memory locking and buffer sizes of the process itself.
        process: Box<ProcessSettings>,
        /// What the predecessor last told, if it crashed.
        resume: Option<Resume>,
    },
    /// A new accepted plan; answered by [`FromRouter::ReloadApplied`].
    Reload(Box<RouterPlan>),
    /// Hand over politely and end; answered by [`FromRouter::Finished`].
    Shutdown,
    /// A run that [`FromRouter::RunScript`] asked for has ended.
    ScriptFinished {
        /// Script name.
        script: String,
        /// How.
        outcome: ScriptOutcome,
    },
    /// A tracked file was read: at start, after a reload, and whenever it changes.
    FileRead {
        /// File name in the plan.
        file: String,
        /// Its value; `None` if it is absent or holds no number.
        value: Option<i64>,
    },
    /// Tracked processes were counted: at start, after a reload, and whenever the count changes.
    ProcessesCounted {
        /// Process name in the plan.
        process: String,
        /// How many run.
        count: u32,
    },
    /// Asks for a [`FromRouter::Report`] with this number.
    ReportRequested(u64),
}

/// What the router tells the supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromRouter {
    /// The plan is running: sockets are open, the kernel was listed.
    Ready,
    /// What a successor would need, after every change of state.
    Resume(Resume),
    /// Run notify scripts, write to FIFOs.
    Notify(Notification),
    /// Run this tracking script once; answered by [`ToRouter::ScriptFinished`].
    RunScript(String),
    /// A BFD session that health checks may follow came up or went down.
    SessionBecame {
        /// Its name in the plan.
        session: String,
        /// Up.
        up: bool,
    },
    /// Something to log and to keep in the history.
    Event(Event),
    /// The answer to [`ToRouter::ReportRequested`].
    Report(u64, Box<Report>),
    /// The plan of the last [`ToRouter::Reload`] is in force.
    ReloadApplied,
    /// Everything was handed over; the process ends now. The last frame.
    Finished,
}

/// What the supervisor tells the director.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToDirector {
    /// The first frame, once: what to be.
    Start {
        /// The accepted plan.
        plan: Box<DirectorPlan>,
        /// Scheduling of the process itself.
        process: Box<ProcessSettings>,
        /// What the predecessor remembered, if it crashed.
        resume: Option<Box<director::Resume>>,
        /// Which table it programs.
        ipvs: Ipvs,
        /// The control socket.
        socket: PathBuf,
        /// The configuration that is told by SNMP, if any is.
        shown: Option<Box<Model>>,
    },
    /// A new accepted plan; answered by [`FromDirector::ReloadApplied`].
    Reload {
        /// The plan.
        plan: Box<DirectorPlan>,
        /// Scheduling of the process itself.
        process: Box<ProcessSettings>,
        /// The configuration that is told by SNMP, if any is.
        shown: Option<Box<Model>>,
    },
    /// End; answered by [`FromDirector::Finished`].
    Shutdown,
    /// A run that [`FromDirector::RunCheck`] asked for has ended.
    ScriptFinished {
        /// Its number.
        run: u64,
        /// How.
        outcome: ScriptOutcome,
    },
    /// A tracked file was read: at start, after a reload, and whenever it changes.
    FileRead {
        /// File name in the plan.
        file: String,
        /// Its value; `None` if it is absent or holds no number.
        value: Option<i64>,
    },
    /// A BFD session came up or went down; at start and after a reload: all that are known.
    SessionBecame {
        /// Its name.
        session: String,
        /// Up.
        up: bool,
    },
    /// The instance that the synchronisation of connections follows became master, or is it no longer.
    InstanceBecame {
        /// Its name.
        instance: String,
        /// It is master.
        master: bool,
    },
    /// Asks for a [`FromDirector::Report`].
    ReportWanted,
    /// The answer to [`FromDirector::StatusWanted`] with the same number.
    RouterStatus {
        /// Number of the question.
        number: u64,
        /// `router_id`.
        node: String,
        /// `None` if the router does not run.
        vrrp: Option<Box<Vrrp>>,
    },
    /// The answer to [`FromDirector::MeasuresWanted`] with the same number.
    Measures(u64, Box<Measures>),
    /// Something happened in another process, for the history.
    Happened(Happening),
    /// The answer to [`FromDirector::RouterSideWanted`] with the same number.
    RouterSide(u64, Box<RouterSide>),
    /// Something changed that managers may want to be told of by SNMP.
    Changed(Change),
}

/// Which table the director programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
pub enum Ipvs {
    /// The kernel's.
    #[default]
    Kernel,
    /// One in its own memory, that balances nothing: for benchmarks and tests.
    Memory,
    /// None: it checks, and tells whoever wants to be told.
    None,
}

/// What the director tells the supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromDirector {
    /// It runs.
    Ready,
    /// What a successor would need, whenever it changes.
    Remember(Vec<Memory>),
    /// Run notify scripts, write to FIFOs, send mail.
    Notify {
        /// The change.
        notification: ServerNotification,
        /// What the log says of it.
        because: Vec<String>,
    },
    /// Run the command of a check once; answered by [`ToDirector::ScriptFinished`].
    RunCheck {
        /// Number of the run.
        run: u64,
        /// Which command, by its name in the model.
        command: String,
        /// TERM, then KILL, after this.
        timeout: Duration,
    },
    /// The answer to [`ToDirector::ReportWanted`].
    Report(Box<director::Report>),
    /// Somebody wants to know the state of everything: asks for the router's part.
    StatusWanted(u64),
    /// Somebody reads the metrics: asks for what the supervisor and the router have counted.
    MeasuresWanted(u64),
    /// Somebody asks by SNMP: for everything the router and the supervisor know.
    RouterSideWanted(u64),
    /// The plan of the last [`ToDirector::Reload`] is in force.
    ReloadApplied,
    /// Everything was handed over; the process ends now. The last frame.
    Finished,
}

/// What the supervisor tells the mailer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToMailer {
    /// Deliver this; answered by [`FromMailer::Done`].
    Deliver(Box<Mail>, Letter),
}

/// What the mailer tells the supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromMailer {
    /// The letter was delivered or given up, and the log says which.
    Done,
}
