//! The other routers of one virtual router: which of them is known to be alive.
//!
//! A backup is silent, so a router that was heard once may be there for ever after. It stays known until it says that it
//! leaves (priority 0), and over a restart of our process: forgetting one that lives would be worse than remembering
//! one that is dead. Whom we have met, whose adverts were ever about our addresses, is known for longer still: what such
//! a router says wrongly later, for instance after a restart with another password, is worth an alarm.

use alloc::collections::BTreeSet;
use core::net::IpAddr;

use serde::{Deserialize, Serialize};

/// As many are told apart; packets of further ones change nothing.
const MOST: usize = 32;

/// What one instance knows of the others.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Peers {
    living: BTreeSet<IpAddr>,
    met: BTreeSet<IpAddr>,
}

impl Peers {
    /// An advert of another router was accepted; its priority 0 says that it leaves.
    pub fn heard(&mut self, source: IpAddr, priority: u8) {
        if priority == 0 {
            let _ = self.living.remove(&source);
        } else if self.living.len() < MOST {
            let _ = self.living.insert(source);
        }
    }

    /// Whether there is anybody who could take over from us.
    #[must_use]
    pub fn any_living(&self) -> bool {
        !self.living.is_empty()
    }

    /// An accepted advert of this router lists an address of ours.
    pub fn meet(&mut self, source: IpAddr) {
        if self.met.len() < MOST {
            let _ = self.met.insert(source);
        }
    }

    /// Whether this address was ever met: no stranger, whatever it says now.
    #[must_use]
    pub fn know(&self, source: IpAddr) -> bool {
        self.met.contains(&source)
    }

    /// Who is known to be alive, sorted.
    pub fn living(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.living.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u32) -> IpAddr {
        IpAddr::from((0x0a00_0000 + last).to_be_bytes())
    }

    #[test]
    fn a_router_is_known_from_its_first_advert_until_it_says_that_it_leaves() {
        let mut peers = Peers::default();
        assert!(!peers.any_living());
        peers.heard(address(1), 100);
        peers.heard(address(1), 90);
        assert!(peers.living().eq([address(1)]));
        peers.heard(address(1), 0);
        assert!(!peers.any_living());
    }

    #[test]
    fn whoever_was_met_is_no_stranger_when_it_comes_back() {
        let mut peers = Peers::default();
        peers.meet(address(1));
        peers.heard(address(1), 0);
        assert!(peers.know(address(1)) && !peers.know(address(2)));
    }

    #[test]
    fn one_that_leaves_does_not_take_another_with_it() {
        let mut peers = Peers::default();
        peers.heard(address(1), 100);
        peers.heard(address(2), 100);
        peers.heard(address(1), 0);
        assert!(peers.living().eq([address(2)]));
    }

    #[test]
    fn forged_adverts_do_not_fill_the_memory() {
        let mut peers = Peers::default();
        (0..100_000).for_each(|source| {
            peers.heard(address(source), 1);
            peers.meet(address(source));
        });
        assert_eq!((peers.living().count(), peers.met.len()), (MOST, MOST));
    }
}
