//! States and diagnostics, in the RFC's words.

use core::fmt;

use serde::{Deserialize, Serialize};

/// State of a session (RFC 5880 section 4.1, field Sta).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum State {
    /// Taken down by whoever administers it.
    AdminDown,
    /// Nothing is heard, or the path is gone.
    Down,
    /// The other system is heard; whether it hears us is not known yet.
    Init,
    /// Both hear each other.
    Up,
}

impl State {
    /// All four, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::AdminDown, Self::Down, Self::Init, Self::Up];

    /// The number on the wire, two bits.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::AdminDown => 0,
            Self::Down => 1,
            Self::Init => 2,
            Self::Up => 3,
        }
    }

    /// The state with this number; only the lowest two bits count.
    #[must_use]
    pub const fn of_number(number: u8) -> Self {
        match number & 3 {
            0 => Self::AdminDown,
            1 => Self::Down,
            2 => Self::Init,
            _ => Self::Up,
        }
    }
}

impl fmt::Display for State {
    /// As keepalived's log has it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::AdminDown => "AdminDown",
            Self::Down => "Down",
            Self::Init => "Init",
            Self::Up => "Up",
        })
    }
}

/// Why a system last left [`State::Up`] or [`State::Init`] (RFC 5880 section 4.1, field Diag).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub enum Diagnostic {
    /// No reason to tell.
    #[default]
    None,
    /// Nothing was heard for the detection time.
    DetectionTimeExpired,
    /// The echo function failed.
    EchoFailed,
    /// The other system said that the session is down.
    NeighborSignaledDown,
    /// The forwarding plane was reset.
    ForwardingPlaneReset,
    /// The path is down.
    PathDown,
    /// A path that this one is part of is down.
    ConcatenatedPathDown,
    /// Taken down on purpose.
    AdministrativelyDown,
    /// A path that this one is part of is down in the other direction.
    ReverseConcatenatedPathDown,
    /// A number that RFC 5880 reserves: 9 to 31.
    Reserved(u8),
}

impl Diagnostic {
    /// The number on the wire, five bits.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::None => 0,
            Self::DetectionTimeExpired => 1,
            Self::EchoFailed => 2,
            Self::NeighborSignaledDown => 3,
            Self::ForwardingPlaneReset => 4,
            Self::PathDown => 5,
            Self::ConcatenatedPathDown => 6,
            Self::AdministrativelyDown => 7,
            Self::ReverseConcatenatedPathDown => 8,
            Self::Reserved(number) => number & 31,
        }
    }

    /// The diagnostic with this number; only the lowest five bits count.
    #[must_use]
    pub const fn of_number(number: u8) -> Self {
        match number & 31 {
            0 => Self::None,
            1 => Self::DetectionTimeExpired,
            2 => Self::EchoFailed,
            3 => Self::NeighborSignaledDown,
            4 => Self::ForwardingPlaneReset,
            5 => Self::PathDown,
            6 => Self::ConcatenatedPathDown,
            7 => Self::AdministrativelyDown,
            8 => Self::ReverseConcatenatedPathDown,
            reserved => Self::Reserved(reserved),
        }
    }
}

impl fmt::Display for Diagnostic {
    /// The RFC's words, which keepalived logs as well.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::None => "No Diagnostic",
            Self::DetectionTimeExpired => "Control Detection Time Expired",
            Self::EchoFailed => "Echo Function Failed",
            Self::NeighborSignaledDown => "Neighbor Signaled Session Down",
            Self::ForwardingPlaneReset => "Forwarding Plane Reset",
            Self::PathDown => "Path Down",
            Self::ConcatenatedPathDown => "Concatenated Path Down",
            Self::AdministrativelyDown => "Administratively Down",
            Self::ReverseConcatenatedPathDown => "Reverse Concatenated Path Down",
            Self::Reserved(number) => return write!(formatter, "Reserved {number}"),
        })
    }
}
