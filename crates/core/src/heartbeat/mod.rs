//! Heartbeats: what Mainstay nodes tell each other beside the adverts.
//!
//! ```text
//!  node A ──── adverts (VRRP, unchanged) ────▶ main link ────▶ node B
//!         ──── heartbeats (UDP) ─────────────▶ main link ────▶
//!         ──── heartbeats (UDP) ─────────────▶ further paths ▶
//! ```
//!
//! A heartbeat says of each virtual router of its sender what an advert would say, and more: that it is alive although
//! it is no master (a backup sends no adverts), and **whom it hears**. So a node learns that it is heard by nobody,
//! and a master that lives on behind a broken link is not replaced while one path still carries its heartbeats.
//!
//! They are datagrams of our own (UDP port [`PORT`]); a plain VRRP router does not listen there. One datagram speaks
//! for a node, not for an instance. [`packet`] is the wire form, [`Key`] what makes it believable.

pub(crate) mod key;
pub mod packet;
mod rejection;

pub use key::Key;
pub use packet::{Entry, Hearing, Heartbeat};
pub use rejection::HeartbeatRejection;

use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::time::Duration;

/// UDP port unless `@mainstay heartbeat_port` says otherwise. (112 is the number of VRRP.)
pub const PORT: u16 = 10112;

/// Time between two heartbeats that say everything, on every leg.
pub const INTERVAL: Duration = Duration::from_secs(1);

/// Time between two heartbeats to a unicast peer that has never answered: it may be no Mainstay.
pub const PATIENT_INTERVAL: Duration = Duration::from_secs(10);

/// Silence after which a peer counts as gone from a path: three heartbeats lost, and half an interval of grace.
pub const SILENCE: Duration = Duration::from_millis(3500);

/// One life of a router process: no two have the same, and a later life of a node has a greater one. Made by whoever
/// runs the router ([`BootId::new`]), because it takes a clock and chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct BootId(pub u64);

impl BootId {
    /// The life that began at this time of day, in milliseconds since 1970, told from others of that moment by chance.
    #[must_use]
    pub const fn new(unix_milliseconds: u64, chance: u32) -> Self {
        const CHANCE_BITS: u32 = 20;
        Self(unix_milliseconds << CHANCE_BITS | (chance as u64 & ((1 << CHANCE_BITS) - 1)))
    }
}

impl fmt::Display for BootId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

/// A digest of a list of virtual addresses, whatever their order: two nodes that have it in common mean the same
/// virtual router.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct AddressDigest(pub u64);

impl AddressDigest {
    /// The digest of these addresses.
    #[must_use]
    pub fn of(addresses: &[IpAddr]) -> Self {
        let mut sorted: Vec<IpAddr> = addresses.to_vec();
        sorted.sort_unstable();
        let mut hash = Sha256::new();
        for address in sorted {
            match address {
                IpAddr::V4(address) => hash.update(address.octets()),
                IpAddr::V6(address) => hash.update(address.octets()),
            }
        }
        let bytes = hash.finalize();
        Self(bytes.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_a_list_does_not_change_its_digest_and_an_address_does() {
        let address = |last| IpAddr::from([192, 0, 2, last]);
        let digest = AddressDigest::of(&[address(1), address(2)]);
        assert_eq!(digest, AddressDigest::of(&[address(2), address(1)]));
        assert_ne!(digest, AddressDigest::of(&[address(1), address(3)]));
        assert_ne!(digest, AddressDigest::of(&[address(1)]));
        // SHA-256 of no bytes begins so: nodes of all versions have to agree.
        assert_eq!(AddressDigest::of(&[]), AddressDigest(0xe3b0_c442_98fc_1c14));
    }
}
