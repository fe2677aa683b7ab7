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
    /// Our number for it.
    pub discriminator: u32,
    /// We ask the neighbour whether it has heard of other intervals.
    pub polls: bool,
    /// Time between our packets, before jitter.
    pub transmit_interval: Duration,
    /// What the neighbour says; `None` while it is not heard.
    pub neighbour_says: Option<RemoteReport>,
    /// Counters.
    pub counters: SessionCounters,
}

/// What the neighbour of a session says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteReport {
    /// Its state.
    pub state: State,
    /// Why its end last went down.
    pub diagnostic: Diagnostic,
    /// Its number for the session.
    pub discriminator: u32,
    /// Its multiplier.
    pub multiplier: u8,
    /// It asks for no packets while both are up.
    pub demand: bool,
    /// The shortest time between packets that it would like to keep.
    pub desired_min_tx: Duration,
    /// The shortest time between packets that it can take.
    pub required_min_rx: Duration,
    /// When it was last heard.
    pub heard: Instant,
    /// After so much silence it counts as gone.
    pub detection_time: Duration,
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
