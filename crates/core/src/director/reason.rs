//! What happened, and why: one value for logs, history and metrics.

use alloc::boxed::Box;
use core::fmt;

use serde::{Deserialize, Serialize};

use super::outcome::Excuse;
use crate::ipvs::{Change, DestinationKey, ServiceKey};
use crate::time::Duration;

/// What happened to the subject of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// A checker failed, and so many more failures in a row are forgiven.
    CheckFailed {
        /// Why.
        words: Box<str>,
        /// Failures that still are forgiven.
        forgiven: u32,
    },
    /// A checker gave its server up.
    CheckLost {
        /// Why.
        words: Box<str>,
    },
    /// A checker found its server well again, or for the first time.
    CheckPassed,
    /// Nothing can be said about the server.
    CheckSaysNothing(Excuse),
    /// A real server serves now, with this weight.
    InService {
        /// Its weight.
        weight: u32,
    },
    /// A real server serves no longer.
    OutOfService,
    /// A real server fails and serves all the same, because too few others are left.
    Held,
    /// The weight of a real server that serves changed.
    WeightChanged {
        /// Before.
        from: u32,
        /// Now.
        to: u32,
    },
    /// A virtual server has its quorum.
    QuorumGained {
        /// Weights of the living real servers.
        sum: u64,
        /// What is needed.
        quorum: u32,
    },
    /// A virtual server has lost its quorum.
    QuorumLost {
        /// Weights of the living real servers.
        sum: u64,
        /// What is needed.
        quorum: u32,
        /// The sorry server serves.
        sorry: bool,
    },
    /// Too few real servers live to believe it: those that serve go on.
    PanicBegan {
        /// Real servers that live.
        living: u32,
        /// All.
        total: u32,
    },
    /// Enough real servers live again.
    PanicEnded {
        /// Real servers that live.
        living: u32,
        /// All.
        total: u32,
    },
    /// Its address left this machine: it is not checked.
    Suspended,
    /// Its address is here again.
    Resumed,
    /// What left the configuration serves its old connections for so long.
    Draining(Duration),
    /// The time of something that left the configuration is over.
    Drained {
        /// Which service, or of which.
        service: ServiceKey,
        /// A real server of a service that stays; `None` for the whole service.
        destination: Option<DestinationKey>,
    },
    /// The table was taken over as it is.
    Adopted {
        /// Services of ours that were there.
        services: usize,
        /// Destinations of ours that were there.
        destinations: usize,
    },
    /// Somebody changed the table; it was put right.
    Healed {
        /// Changes needed.
        changes: usize,
        /// The first of them.
        first: Box<Change>,
    },
    /// There is no table to be had; checks go on.
    Unavailable(Box<str>),
    /// The kernel would not make a change; it is compared and tried again.
    Refused {
        /// What was to be done.
        change: Box<Change>,
        /// Errno.
        errno: i32,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CheckFailed { words, forgiven: 0 } => write!(formatter, "failed: {words}"),
            Self::CheckFailed { words, forgiven } => {
                write!(formatter, "failed: {words} ({forgiven} more forgiven)")
            }
            Self::CheckLost { words } => write!(formatter, "down: {words}"),
            Self::CheckPassed => formatter.write_str("up"),
            Self::CheckSaysNothing(excuse) => write!(formatter, "says nothing: {excuse}"),
            Self::InService { weight } => write!(formatter, "in service with weight {weight}"),
            Self::OutOfService => formatter.write_str("out of service"),
            Self::Held => formatter.write_str("fails, and stays in service because too few others are left"),
            Self::WeightChanged { from, to } => write!(formatter, "weight {from} becomes {to}"),
            Self::QuorumGained { sum, quorum } => write!(formatter, "quorum gained: {sum} of {quorum}"),
            Self::QuorumLost { sum, quorum, sorry } => {
                let then = if *sorry { "; the sorry server serves" } else { "" };
                write!(formatter, "quorum lost: {sum} of {quorum}{then}")
            }
            Self::PanicBegan { living, total } => {
                write!(formatter, "only {living} of {total} real servers live: the others stay in service")
            }
            Self::PanicEnded { living, total } => {
                write!(formatter, "{living} of {total} real servers live again")
            }
            Self::Suspended => formatter.write_str("its address is not on this machine: not checked"),
            Self::Resumed => formatter.write_str("its address is on this machine: checked again"),
            Self::Draining(time) => write!(formatter, "drains for {} s", time.as_secs_f64()),
            Self::Drained { service, destination: None } => write!(formatter, "{service} has drained"),
            Self::Drained { service, destination: Some(destination) } => {
                write!(formatter, "{destination} of {service} has drained")
            }
            Self::Adopted { services, destinations } => {
                write!(
                    formatter,
                    "taken over with {services} services and {destinations} destinations of ours"
                )
            }
            Self::Healed { changes, first } => {
                write!(formatter, "somebody changed it; {changes} changes put it right: {first}")
            }
            Self::Unavailable(words) => write!(formatter, "not available: {words}; checks go on"),
            Self::Refused { change, errno } => {
                write!(formatter, "the kernel would not {change} (errno {errno})")
            }
        }
    }
}
