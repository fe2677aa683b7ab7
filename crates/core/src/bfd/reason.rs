//! Why a session changed its state.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::{Diagnostic, State};
use crate::time::Duration;

/// A change of a session's state, with its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// State left.
    pub from: State,
    /// State entered.
    pub to: State,
    /// Why.
    pub cause: Cause,
    /// What we say of it to the neighbour.
    pub local: Diagnostic,
    /// What the neighbour last said.
    pub remote: Diagnostic,
}

/// Why a session changed its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// The neighbour's packets say that its session is in this state.
    Neighbour(State),
    /// No packet of the neighbour for the detection time.
    Silence {
        /// How long it was when we noticed.
        silence: Duration,
    },
    /// The configuration no longer has it, or changed so that it starts anew.
    Reload,
    /// The daemon is ending.
    Shutdown,
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Neighbour(state) => write!(formatter, "the neighbour is {state}"),
            Self::Silence { silence } => {
                let micros = silence.as_micros();
                write!(
                    formatter,
                    "no packet of the neighbour for {}.{:03} ms",
                    micros / 1_000,
                    micros % 1_000
                )
            }
            Self::Reload => formatter.write_str("the configuration changed"),
            Self::Shutdown => formatter.write_str("the daemon is ending"),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} to {}: {}", self.from, self.to, self.cause)
    }
}
