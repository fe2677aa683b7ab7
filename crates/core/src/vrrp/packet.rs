//! VRRP messages on the wire.

use core::fmt;

use serde::{Deserialize, Serialize};

/// Why a packet was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Rejection {
    /// Shorter than a header, or than its count of addresses asks for.
    Truncated,
    /// Longer than its count of addresses explains.
    Length,
    /// TTL or hop limit is not 255 (or, unicast, outside the peer's range).
    Ttl,
    /// Another VRRP version.
    Version,
    /// Not an advertisement.
    Type,
    /// Wrong checksum.
    Checksum,
    /// A virtual router id nobody here has.
    Vrid,
    /// No address in it.
    NoAddress,
    /// Advert interval zero (erratum 8301), or v2 with another interval than ours.
    Interval,
    /// The first IPv6 address is not link-local (erratum 8300).
    LinkLocal,
    /// Authentication type nobody knows.
    AuthTypeUnknown,
    /// Authentication type differs from ours.
    AuthTypeMismatch,
    /// Wrong password.
    AuthFailed,
    /// Multicast to a unicast instance or the reverse.
    Destination,
    /// Unicast from somebody who is not a configured peer.
    UnknownPeer,
    /// An owner that ignores adverts (`owner_ignore_adverts`).
    OwnerIgnores,
}

impl fmt::Display for Rejection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Truncated => "too short",
            Self::Length => "too long",
            Self::Ttl => "wrong TTL or hop limit",
            Self::Version => "another VRRP version",
            Self::Type => "not an advertisement",
            Self::Checksum => "wrong checksum",
            Self::Vrid => "unknown virtual router id",
            Self::NoAddress => "no address in it",
            Self::Interval => "advert interval differs from ours, or is zero",
            Self::LinkLocal => "the first IPv6 address is not link-local",
            Self::AuthTypeUnknown => "unknown authentication type",
            Self::AuthTypeMismatch => "authentication type differs from ours",
            Self::AuthFailed => "wrong password",
            Self::Destination => "multicast where unicast is expected, or the reverse",
            Self::UnknownPeer => "not from a configured peer",
            Self::OwnerIgnores => "the owner of the addresses ignores adverts",
        })
    }
}
