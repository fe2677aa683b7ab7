//! Why a BFD control packet was discarded.

use core::fmt;

use serde::{Deserialize, Serialize};

/// Why a control packet was discarded (RFC 5880 section 6.8.6, in its order). Such a packet changes no timer and no
/// state of any session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum BfdRejection {
    /// Fewer bytes than a control packet has, or fewer than its length field says.
    Truncated,
    /// Not version 1.
    Version,
    /// A length field below the least there can be.
    Length,
    /// A detection multiplier of zero.
    Multiplier,
    /// The multipoint bit is set.
    Multipoint,
    /// It names no discriminator of its sender.
    MyDiscriminator,
    /// It names a discriminator that none of our sessions has.
    YourDiscriminator,
    /// It names none of our sessions although its sender is past the beginning.
    State,
    /// It begins a session with us, and no session is configured for this sender.
    NoSession,
    /// TTL or hop limit is too low: it may have come from farther away than is allowed (RFC 5881 section 5).
    Ttl,
    /// It carries authentication, which is not used here.
    Authenticated,
}

impl fmt::Display for BfdRejection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Truncated => "truncated",
            Self::Version => "not version 1",
            Self::Length => "a length too small to be true",
            Self::Multiplier => "its detection multiplier is zero",
            Self::Multipoint => "its multipoint bit is set",
            Self::MyDiscriminator => "its own discriminator is zero",
            Self::YourDiscriminator => "no session has the discriminator it names",
            Self::State => "it names no session of ours, but says that its own is under way",
            Self::NoSession => "no session is configured with its sender",
            Self::Ttl => "TTL or hop limit too low: from too far away",
            Self::Authenticated => "it is authenticated, and authentication is not configured",
        })
    }
}
