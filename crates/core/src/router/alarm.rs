//! Alarms: what is wrong for as long as it lasts, in words that stay the same everywhere.
//!
//! A rejected packet is noise; a *peer* whose packets are rejected is an alarm, because the next failover will make
//! two masters. An alarm is told when it begins and when it is over, stands in the report in between, and is counted.

use core::fmt;
use core::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::reason::Mismatch;

/// Something that people should look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Alarm {
    /// A peer speaks differently.
    Mismatch {
        /// Its address.
        source: IpAddr,
        /// In what.
        mismatch: Mismatch,
    },
    /// A stranger uses our virtual router id on this link for other addresses, of which none is ours.
    VridCollision {
        /// Its address.
        source: IpAddr,
    },
    /// As master we hear another master that does not yield: it does not hear us.
    TwoMasters {
        /// Its address.
        source: IpAddr,
    },
    /// The sync group waits for this instance, which has never heard a master, while another member hears one: its
    /// link does not carry adverts.
    NobodyHeard,
    /// The kernel refuses our adverts, and the VIP lease counts: we do not take over.
    AdvertsRefused,
    /// No heartbeat arrives on a further path: nobody would notice that the other one is lost.
    PathSilent {
        /// Which `heartbeat_path`, counted from 1.
        path: u8,
    },
    /// Before we took an address over, somebody answered for it who sends no adverts: a frozen master, or a stranger.
    AddressClaimed {
        /// Our virtual address.
        address: IpAddr,
        /// Who answers.
        mac: Mac,
    },
    /// While we are master, somebody else claims one of our addresses and sends no adverts (RFC 5227 section 2.4).
    AddressConflict {
        /// Our virtual address.
        address: IpAddr,
        /// Who claims it.
        mac: Mac,
    },
}

/// A hardware address, written as usual.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Mac(pub [u8; 6]);

impl Alarm {
    /// The word for it in metrics, events and `mainstay why`.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Mismatch { mismatch, .. } => mismatch.word(),
            Self::VridCollision { .. } => "vrid_collision",
            Self::TwoMasters { .. } => "two_masters",
            Self::NobodyHeard => "nobody_heard",
            Self::AdvertsRefused => "adverts_refused",
            Self::PathSilent { .. } => "path_silent",
            Self::AddressClaimed { .. } => "address_claimed",
            Self::AddressConflict { .. } => "address_conflict",
        }
    }

    /// How often it must be seen before it counts. One damaged packet, and one advert that crossed ours on the way,
    /// happen on healthy links. `None`: seeing it does not make it true, only time does.
    pub(super) const fn patience(&self) -> Option<u64> {
        match self {
            Self::Mismatch { mismatch: Mismatch::Checksum | Mismatch::Length, .. }
            | Self::TwoMasters { .. } => Some(3),
            Self::Mismatch { .. }
            | Self::VridCollision { .. }
            | Self::AdvertsRefused
            | Self::AddressClaimed { .. }
            | Self::AddressConflict { .. } => Some(1),
            Self::NobodyHeard | Self::PathSilent { .. } => None,
        }
    }

    /// The same without what a stranger can vary at will: for when there are too many to tell apart.
    pub(super) fn of_many(self) -> Self {
        let source = IpAddr::from([0, 0, 0, 0]);
        let mac = Mac::default();
        match self {
            Self::Mismatch { mismatch, .. } => Self::Mismatch { source, mismatch },
            Self::VridCollision { .. } => Self::VridCollision { source },
            Self::TwoMasters { .. } => Self::TwoMasters { source },
            Self::NobodyHeard | Self::AdvertsRefused | Self::PathSilent { .. } => self,
            Self::AddressClaimed { address, .. } => Self::AddressClaimed { address, mac },
            Self::AddressConflict { address, .. } => Self::AddressConflict { address, mac },
        }
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, f] = self.0;
        write!(formatter, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
    }
}

impl fmt::Display for Alarm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: ", self.word())?;
        match self {
            Self::Mismatch { source, mismatch } => write!(formatter, "peer {source}: {mismatch}"),
            Self::VridCollision { source } => {
                write!(formatter, "{source} uses our virtual router id for addresses of which none is ours")
            }
            Self::TwoMasters { source } => {
                write!(formatter, "{source} is master too and does not yield: it does not hear us")
            }
            Self::NobodyHeard => formatter.write_str(
                "its sync group waits: another member hears a master, but here no advert has ever arrived",
            ),
            Self::AdvertsRefused => formatter.write_str(
                "the kernel refuses our adverts, so we do not take over: a peer may have the addresses",
            ),
            Self::PathSilent { path } => {
                write!(formatter, "heartbeat_path {path}: no heartbeat of any peer arrives on it")
            }
            Self::AddressClaimed { address, mac } => {
                write!(formatter, "{mac} answers for {address}, although no master is heard")
            }
            Self::AddressConflict { address, mac } => {
                write!(formatter, "{mac} claims {address}, although we are master and hear no other")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn an_alarm_reads_as_its_word_and_a_sentence() {
        let source = IpAddr::from([192, 0, 2, 251]);
        let password = Alarm::Mismatch { source, mismatch: Mismatch::Authentication };
        assert_eq!(
            password.to_string(),
            "authentication_mismatch: peer 192.0.2.251: its authentication differs from ours"
        );
        let address = IpAddr::from([192, 0, 2, 1]);
        let conflict = Alarm::AddressConflict { address, mac: Mac([2, 0, 0, 0, 0, 0xab]) };
        assert_eq!(
            conflict.to_string(),
            "address_conflict: 02:00:00:00:00:ab claims 192.0.2.1, although we are master and hear no other"
        );
    }
}
