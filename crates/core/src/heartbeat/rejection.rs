//! Why a heartbeat was not believed.

use core::fmt;

use serde::{Deserialize, Serialize};

/// Why a heartbeat was not believed. Such a datagram changes no timer and no state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum HeartbeatRejection {
    /// Not a heartbeat of ours.
    Foreign,
    /// A heartbeat of a version we do not know.
    Version,
    /// Cut off, or with lengths that do not fit.
    Malformed,
    /// Its tag is not that of our key.
    Tag,
    /// It may have come from beyond the link: hop limit not 255, and no key that vouches for it.
    Ttl,
    /// Nobody we expect heartbeats of on this path.
    Sender,
    /// Not newer than the last one of its leg: a duplicate or a replay.
    Replayed,
    /// Of a former life of a node that has been heard in a newer one.
    OldBoot,
    /// Our own, come back.
    Own,
    /// From more nodes than anybody has: a flood.
    TooMany,
}

impl HeartbeatRejection {
    /// The word for it in metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Foreign => "foreign",
            Self::Version => "version",
            Self::Malformed => "malformed",
            Self::Tag => "tag",
            Self::Ttl => "ttl",
            Self::Sender => "sender",
            Self::Replayed => "replayed",
            Self::OldBoot => "old_boot",
            Self::Own => "own",
            Self::TooMany => "too_many",
        }
    }
}

impl fmt::Display for HeartbeatRejection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Foreign => "not a heartbeat",
            Self::Version => "a heartbeat of another version",
            Self::Malformed => "lengths that do not fit",
            Self::Tag => "signed with another key",
            Self::Ttl => "hop limit is not 255, and there is no heartbeat_key",
            Self::Sender => "not from a configured peer",
            Self::Replayed => "a duplicate or a replay",
            Self::OldBoot => "from before the sender's last restart",
            Self::Own => "our own, come back",
            Self::TooMany => "from too many nodes",
        })
    }
}
