//! VRRP messages on the wire.

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
