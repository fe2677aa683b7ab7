//! Why a packet was not accepted.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::router::report::Counters;

/// Why a packet was not accepted. Such a packet changes no timer and no state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Rejection {
    /// Shorter than a header.
    Truncated,
    /// Longer or shorter than its count of addresses asks for.
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
    /// The first IPv6 address is not link-local (erratum 8300); only where the RFC is followed to the letter.
    LinkLocal,
    /// Authentication type nobody knows.
    AuthTypeUnknown,
    /// Authentication type differs from ours.
    AuthTypeMismatch,
    /// Wrong password, or a wrong check in the authentication header.
    AuthFailed,
    /// The sequence number of the authentication header was there before.
    AuthReplayed,
    /// No signature where one must be (`auth_hmac` in mode enforce).
    SignatureMissing,
    /// A signature of another type, or with something where nothing belongs.
    SignatureMalformed,
    /// Signed with a key we do not have.
    SignatureKeyUnknown,
    /// The signature is not that of this message.
    SignatureWrong,
    /// Signed too long ago, or in the future, by our clock.
    SignatureStale,
    /// Not signed after the last advert of its sender.
    SignatureReplayed,
    /// Multicast to a unicast instance or the reverse.
    Destination,
    /// Unicast from somebody who is not a configured peer.
    UnknownPeer,
    /// An owner that ignores adverts (`owner_ignore_adverts`).
    OwnerIgnores,
}

impl Rejection {
    /// Every kind, for tables and tests.
    pub const ALL: [Self; 23] = [
        Self::Truncated,
        Self::Length,
        Self::Ttl,
        Self::Version,
        Self::Type,
        Self::Checksum,
        Self::Vrid,
        Self::NoAddress,
        Self::Interval,
        Self::LinkLocal,
        Self::AuthTypeUnknown,
        Self::AuthTypeMismatch,
        Self::AuthFailed,
        Self::AuthReplayed,
        Self::SignatureMissing,
        Self::SignatureMalformed,
        Self::SignatureKeyUnknown,
        Self::SignatureWrong,
        Self::SignatureStale,
        Self::SignatureReplayed,
        Self::Destination,
        Self::UnknownPeer,
        Self::OwnerIgnores,
    ];

    /// Adds one to the counter that keepalived's statistics have for it; what they have no line for goes to
    /// [`Counters::other_errors`].
    pub const fn count_in(self, counters: &mut Counters) {
        let counter = match self {
            Self::Truncated | Self::Length => &mut counters.packet_length_errors,
            Self::Ttl => &mut counters.ttl_errors,
            Self::Version => &mut counters.version_errors,
            Self::Type => &mut counters.invalid_type,
            Self::Checksum => &mut counters.checksum_errors,
            Self::Interval => &mut counters.advert_interval_errors,
            Self::AuthTypeUnknown => &mut counters.invalid_auth_type,
            Self::AuthTypeMismatch => &mut counters.auth_type_mismatch,
            Self::AuthFailed | Self::AuthReplayed => &mut counters.auth_failures,
            Self::SignatureMissing => &mut counters.signatures_missing,
            Self::SignatureMalformed => &mut counters.signatures_malformed,
            Self::SignatureKeyUnknown => &mut counters.signature_keys_unknown,
            Self::SignatureWrong => &mut counters.signatures_wrong,
            Self::SignatureStale => &mut counters.signatures_stale,
            Self::SignatureReplayed => &mut counters.signatures_replayed,
            Self::NoAddress | Self::LinkLocal => &mut counters.address_list_errors,
            Self::Vrid | Self::Destination | Self::UnknownPeer | Self::OwnerIgnores => {
                &mut counters.other_errors
            }
        };
        *counter = counter.saturating_add(1);
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Truncated => "shorter than a VRRP header",
            Self::Length => "length does not fit its number of addresses",
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
            Self::AuthReplayed => "its sequence number is an old one",
            Self::SignatureMissing => "not signed",
            Self::SignatureMalformed => "its signature is of no kind we know",
            Self::SignatureKeyUnknown => "signed with a key we do not have",
            Self::SignatureWrong => "wrong signature",
            Self::SignatureStale => "signed outside of the time window: are the clocks set?",
            Self::SignatureReplayed => "not signed after the last advert of its sender",
            Self::Destination => "multicast where unicast is expected, or the reverse",
            Self::UnknownPeer => "not from a configured peer",
            Self::OwnerIgnores => "the owner of the addresses ignores adverts",
        })
    }
}
