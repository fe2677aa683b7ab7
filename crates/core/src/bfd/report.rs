//! A plain snapshot of the sessions.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{BfdRejection, Diagnostic, State};
use crate::time::{Duration, Instant};

/// What BFD looks like at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BfdReport {
    /// Every session, in plan order.
    pub sessions: Vec<SessionReport>,
    /// Packets discarded, by reason.
    pub rejected: Vec<(BfdRejection, u64)>,
}

/// One session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionReport {
    /// Name.
    pub name: String,
    /// The other end.
    pub neighbour: IpAddr,
    /// State.
    pub state: State,
    /// Since when.
    pub since: Instant,
    /// Why it last went down.
    pub diagnostic: Diagnostic,
    /// State of the neighbour, as far as it was heard.
    pub remote_state: Option<State>,
    /// Why the neighbour's end last went down.
    pub remote_diagnostic: Diagnostic,
    /// Our number for it.
    pub discriminator: u32,
    /// The neighbour's number for it; zero if it is not heard.
    pub remote_discriminator: u32,
    /// Time between our packets, before jitter.
    pub transmit_interval: Duration,
    /// After so much silence the neighbour counts as gone; `None` while it is not heard.
    pub detection_time: Option<Duration>,
    /// Counters.
    pub counters: SessionCounters,
}

/// Counters of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SessionCounters {
    /// Packets believed.
    pub received: u64,
    /// Packets sent.
    pub sent: u64,
    /// Packets the kernel refused to send.
    pub send_errors: u64,
    /// Times it came up.
    pub went_up: u64,
    /// Times it went down after it was up.
    pub went_down: u64,
}
