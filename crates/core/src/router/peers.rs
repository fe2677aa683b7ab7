//! The other routers of one virtual router: which of them is known to be alive, whom they hear, and who hears us.
//!
//! A plain backup is silent, so a plain router that was heard once may be there for ever after. It stays known until it
//! says that it leaves (priority 0), and over a restart of our process: forgetting one that lives would be worse than
//! remembering one that is dead. A Mainstay router speaks once a second whatever its state ([`crate::heartbeat`]), so
//! half a minute of silence says that it is gone. Whom we have met, whose adverts were ever about our addresses, is known for longer
//! still: what such a router says wrongly later, for instance after a restart with another password, is worth an alarm.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::reason::State;
use crate::heartbeat::{BootId, Hearing, SILENCE};
use crate::time::{Duration, Instant};

/// As many are told apart; packets of further ones change nothing.
const MOST: usize = 32;

/// How long a Mainstay router counts as alive after its last heartbeat. Far longer than a path takes to be called silent:
/// a backup that was starved for some seconds may take over all the same, and the lease of its master must not have been
/// given up meanwhile.
pub(super) const REMEMBERED: Duration = Duration::from_secs(30);

/// How old a word may be that is still passed on to others.
const WORTH_TELLING: Duration = Duration::from_secs(10);

/// What one instance knows of the others, by the source of their adverts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Peers {
    others: BTreeMap<IpAddr, Peer>,
    met: BTreeSet<IpAddr>,
}

/// What is known of one of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Peer {
    /// When its last advert was accepted.
    pub advert: Option<Instant>,
    /// What it said of itself in its last heartbeat.
    pub told: Option<Told>,
    /// Its heartbeats have ended without a word.
    pub silent: bool,
    /// When it was last heard by heartbeat on each path; 0 is the link of the adverts, others count the plan's paths.
    pub paths: BTreeMap<u8, Instant>,
}

/// What a router said of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// When we heard it.
    pub at: Instant,
    /// Which life of it.
    pub boot: BootId,
    /// Its own count of moments at which it spoke: of two statements the one of the greater turn is newer.
    pub turn: u64,
    /// Its state.
    pub state: State,
    /// Its effective priority.
    pub priority: u8,
    /// Its kernel takes the addresses out of use the moment it gives up.
    pub gated: bool,
    /// When, at the latest, it had heard us; `None` if it did not say so.
    pub heard_us: Option<Instant>,
    /// Whether it hears a third router of this virtual router.
    pub hears_others: bool,
    /// It has ended: this was its last word.
    pub leaving: bool,
}

/// What a router that we hear says about hearing us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Hears {
    /// Nothing: a plain VRRP router, or one whose heartbeats do not arrive.
    #[default]
    Unknown,
    /// Something, in a heartbeat.
    Told {
        /// When we heard it.
        at: Instant,
        /// When, at the latest, it had heard us; `None` if it has not within [`Peer`]'s memory.
        us: Option<Instant>,
    },
}

impl Hears {
    /// Whether it says, in news fresh enough to be believed, that it hears nothing of us; since this moment, if we know
    /// of one at which it did not.
    #[must_use]
    pub fn is_deaf_to_us(self, now: Instant, unheard_since: Option<Instant>) -> bool {
        match self {
            Self::Unknown => false,
            Self::Told { at, us } => {
                let deaf = |heard: Instant| {
                    at.saturating_since(heard) >= SILENCE || unheard_since.is_some_and(|since| heard < since)
                };
                now < at + SILENCE && us.is_none_or(deaf)
            }
        }
    }

    /// Whether it said that it had heard us since then.
    #[must_use]
    pub fn has_heard(self, since: Instant) -> bool {
        match self {
            Self::Unknown => false,
            Self::Told { us, .. } => us.is_some_and(|heard| heard >= since),
        }
    }

    /// Whether it said after `answered`, and late enough for the answer to have arrived (`transit`), that it had not
    /// heard us since.
    #[must_use]
    pub fn missed(self, answered: Instant, transit: Duration) -> bool {
        match self {
            Self::Unknown => false,
            Self::Told { at, us } => at >= answered + transit && us.is_none_or(|heard| heard < answered),
        }
    }
}

impl Peer {
    /// When it was last heard on each path, by adverts or heartbeats.
    pub fn heard(&self) -> impl Iterator<Item = (u8, Instant)> + '_ {
        let main = self.paths.get(&0).copied().max(self.advert);
        let further = self.paths.iter().filter(|(path, _)| **path > 0);
        main.map(|at| (0, at)).into_iter().chain(further.map(|(path, at)| (*path, *at)))
    }

    /// When it counts as silent, if it says nothing more; `None` for one that does not speak.
    fn silent_at(&self) -> Option<Instant> {
        self.told.filter(|told| !told.leaving && !self.silent).map(|told| told.at + REMEMBERED)
    }

    fn is_living(&self) -> bool {
        let speaks = self.told.is_some_and(|told| !told.leaving) && !self.silent;
        speaks || self.advert.is_some()
    }
}

impl Peers {
    /// An advert of another router was accepted; its priority 0 says that it leaves.
    pub fn heard(&mut self, now: Instant, source: IpAddr, priority: u8) {
        if priority == 0 {
            self.gave_up(source);
        } else if let Some(peer) = self.peer(source) {
            peer.advert = Some(now);
        }
    }

    /// A heartbeat told about another router. False if it is older than what is known already.
    ///
    /// The last word of one that ends is remembered, because an earlier one may still be on a longer way.
    pub fn told(&mut self, source: IpAddr, path: u8, told: Told) -> bool {
        let Some(peer) = self.peer(source) else { return false };
        if peer.told.is_some_and(|known| (known.boot, known.turn) > (told.boot, told.turn)) {
            return false;
        }
        peer.told = Some(told);
        peer.silent = false;
        if told.leaving {
            peer.advert = None;
            peer.paths.clear();
        } else {
            let _ = peer.paths.insert(path, told.at);
        }
        true
    }

    /// It has given up being master: a plain router leaves, a Mainstay router may go on living in another state.
    fn gave_up(&mut self, source: IpAddr) {
        if let Some(peer) = self.others.get_mut(&source) {
            peer.advert = None;
            if peer.told.is_none() {
                let _ = self.others.remove(&source);
            }
        }
    }

    fn peer(&mut self, source: IpAddr) -> Option<&mut Peer> {
        if self.others.len() >= MOST && !self.others.contains_key(&source) {
            let ended = |peer: &Peer| peer.advert.is_none() && peer.told.is_some_and(|told| told.leaving);
            self.others.retain(|_, peer| !ended(peer));
        }
        if self.others.len() >= MOST && !self.others.contains_key(&source) {
            return None;
        }
        Some(self.others.entry(source).or_default())
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

    /// What is known of one router.
    #[must_use]
    pub fn get(&self, source: IpAddr) -> Option<&Peer> {
        self.others.get(&source)
    }

    /// Everybody ever heard and not known to have left.
    pub fn all(&self) -> impl Iterator<Item = (IpAddr, &Peer)> {
        self.others.iter().map(|(source, peer)| (*source, peer))
    }

    /// Forgets those whose heartbeats have ended; returns one of them. One whose adverts go on is a plain router from now
    /// on.
    pub fn take_silent(&mut self, now: Instant) -> Option<IpAddr> {
        let mut found = None;
        for (source, peer) in &mut self.others {
            if peer.silent_at().is_some_and(|at| now >= at) {
                peer.silent = true;
                peer.advert = peer.advert.filter(|advert| now < *advert + SILENCE);
                found = Some(*source);
            }
        }
        found
    }

    /// When the next one of them is silent, if it says nothing more.
    #[must_use]
    pub fn silent_at(&self) -> Option<Instant> {
        self.others.values().filter_map(Peer::silent_at).min()
    }

    /// Whether there is anybody who could take over from us.
    #[must_use]
    pub fn any_living(&self) -> bool {
        self.living().next().is_some()
    }

    /// Who is known to be alive, sorted.
    pub fn living(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.others.iter().filter(|(_, peer)| peer.is_living()).map(|(source, _)| *source)
    }

    /// What a router says about hearing us.
    #[must_use]
    pub fn hears(&self, source: IpAddr) -> Hears {
        match self.others.get(&source).and_then(|peer| peer.told) {
            Some(told) if !told.leaving => Hears::Told { at: told.at, us: told.heard_us },
            Some(_) | None => Hears::Unknown,
        }
    }

    /// Whether this router and we are the only ones alive, as far as both of us can know.
    ///
    /// TODO-correctness: a plain backup that was never master is silent and cannot be known. If there is one and it has
    /// a higher priority than ours, it preempts us as it would any master of lower priority.
    #[must_use]
    pub fn are_only(&self, now: Instant, source: IpAddr) -> bool {
        let told = self.others.get(&source).and_then(|peer| peer.told);
        // Its last word may be here before its advert of priority 0: it is still that one alone whom we follow.
        told.is_some_and(|told| now < told.at + SILENCE && !told.hears_others)
            && self.living().all(|living| living == source)
    }

    /// What is told to the others: whom we heard when, on which path.
    #[must_use]
    pub fn hearings(&self, now: Instant) -> Vec<Hearing> {
        let mut hearings = Vec::new();
        for (source, peer) in &self.others {
            hearings.extend(peer.heard().filter_map(|(path, at)| {
                let age = now.saturating_since(at);
                (age < WORTH_TELLING).then_some(Hearing { source: *source, path, age })
            }));
        }
        hearings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u32) -> IpAddr {
        IpAddr::from((0x0a00_0000 + last).to_be_bytes())
    }

    fn at(milliseconds: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(milliseconds)
    }

    fn told(milliseconds: u64) -> Told {
        Told {
            at: at(milliseconds),
            turn: milliseconds,
            boot: BootId::default(),
            state: State::Backup,
            priority: 100,
            gated: true,
            heard_us: None,
            hears_others: false,
            leaving: false,
        }
    }

    #[test]
    fn a_plain_router_is_known_from_its_first_advert_until_it_says_that_it_leaves() {
        let mut peers = Peers::default();
        assert!(!peers.any_living());
        peers.heard(at(0), address(1), 100);
        assert!(peers.living().eq([address(1)]));
        peers.heard(at(0), address(1), 0);
        assert!(!peers.any_living());
    }

    #[test]
    fn whoever_was_met_is_no_stranger_when_it_comes_back() {
        let mut peers = Peers::default();
        peers.meet(address(1));
        peers.heard(at(0), address(1), 0);
        assert!(peers.know(address(1)) && !peers.know(address(2)));
    }

    #[test]
    fn one_that_leaves_does_not_take_another_with_it() {
        let mut peers = Peers::default();
        peers.heard(at(0), address(1), 100);
        peers.heard(at(0), address(2), 100);
        peers.heard(at(0), address(1), 0);
        assert!(peers.living().eq([address(2)]));
    }

    #[test]
    fn a_backup_that_never_was_master_is_known_by_its_heartbeats_until_they_end() {
        let mut peers = Peers::default();
        assert!(peers.told(address(1), 0, told(1000)));
        assert_eq!(peers.take_silent(at(30_999)), None);
        assert!(peers.any_living());
        assert_eq!(peers.take_silent(at(31_000)), Some(address(1)));
        assert!(!peers.any_living());
        assert_eq!(peers.take_silent(at(31_001)), None, "only once");
        assert!(peers.told(address(1), 0, told(39_000)));
        let last_word = Told { leaving: true, ..told(39_100) };
        assert!(peers.told(address(1), 0, last_word));
        assert!(!peers.any_living());
        assert!(
            !peers.told(address(1), 1, Told { at: at(39_101), ..told(39_000) }),
            "an earlier word on a longer way"
        );
        assert!(!peers.any_living());
    }

    #[test]
    fn a_mainstay_router_that_gives_up_lives_on_as_backup() {
        let mut peers = Peers::default();
        peers.heard(at(0), address(1), 100);
        assert!(peers.told(address(1), 0, told(0)));
        peers.heard(at(1), address(1), 0);
        assert!(peers.any_living());
        assert_eq!(peers.take_silent(at(30_000)), Some(address(1)));
        assert!(!peers.any_living(), "its last advert does not make it a plain router");
    }

    #[test]
    fn one_whose_heartbeats_end_while_its_adverts_go_on_is_a_plain_router() {
        let mut peers = Peers::default();
        assert!(peers.told(address(1), 0, told(0)));
        peers.heard(at(29_900), address(1), 100);
        assert_eq!(peers.take_silent(at(30_000)), Some(address(1)));
        assert!(peers.any_living());
        assert_eq!(peers.take_silent(at(90_000)), None);
        assert!(peers.any_living());
    }

    #[test]
    fn an_older_statement_that_took_a_longer_way_changes_nothing() {
        let mut peers = Peers::default();
        assert!(peers.told(address(1), 0, told(50)));
        assert!(!peers.told(address(1), 1, Told { at: at(60), ..told(40) }));
        assert!(peers.told(address(1), 1, Told { at: at(61), ..told(50) }), "the same on another path");
        assert_eq!(peers.get(address(1)).map(|peer| peer.paths.len()), Some(2));
    }

    #[test]
    fn two_are_alone_only_if_both_say_so() {
        let mut peers = Peers::default();
        assert!(!peers.are_only(at(0), address(1)), "a plain router may have silent backups");
        assert!(peers.told(address(1), 0, told(0)));
        assert!(peers.are_only(at(0), address(1)));
        peers.heard(at(0), address(2), 90);
        assert!(!peers.are_only(at(0), address(1)), "a third one was heard by us");
        peers.heard(at(0), address(2), 0);
        assert!(peers.told(address(1), 0, Told { hears_others: true, ..told(10) }));
        assert!(!peers.are_only(at(10), address(1)), "a third one is heard by it");
        assert!(peers.told(address(1), 0, told(20)));
        assert!(!peers.are_only(at(3520), address(1)), "old news");
    }

    #[test]
    fn others_are_told_whom_we_heard_and_where() {
        let mut peers = Peers::default();
        peers.heard(at(1000), address(1), 100);
        assert!(peers.told(address(1), 0, told(900)));
        assert!(peers.told(address(1), 2, told(1200)));
        let hearing = |path, age| Hearing { source: address(1), path, age: Duration::from_millis(age) };
        assert_eq!(peers.hearings(at(1300)), [hearing(0, 300), hearing(2, 100)]);
        assert_eq!(peers.hearings(at(11_100)), [hearing(2, 9900)]);
    }

    #[test]
    fn forged_adverts_do_not_fill_the_memory() {
        let mut peers = Peers::default();
        (0..100_000).for_each(|source| {
            peers.heard(at(0), address(source), 1);
            peers.meet(address(source));
        });
        assert_eq!((peers.living().count(), peers.met.len()), (MOST, MOST));
    }
}
