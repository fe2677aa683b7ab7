//! A host on the LAN with an ARP cache as Linux has it: whoever it believes in gets the traffic.

use std::net::IpAddr;
use std::time::Duration;

use crate::frame::{Arp, Body, Frame, Mac, Station, To, mac_of};
use crate::moment::Moment;

/// An entry changed so recently is not changed again (`net.ipv4.neigh.*.locktime`).
const LOCKTIME: Duration = Duration::from_secs(1);
/// An entry not confirmed for so long is asked for again (`base_reachable_time`, in its middle).
const REACHABLE: Duration = Duration::from_secs(30);
/// Unanswered questions to the known hardware address before everybody is asked (`ucast_solicit`).
const QUESTIONS: u8 = 3;

/// One host.
#[derive(Debug)]
pub struct Host {
    station: Station,
    address: IpAddr,
    /// Gratuitous ARP overrides the locktime (Linux since 4.14); older kernels and appliances wait.
    believes_announcements: bool,
    /// A few entries: to look through them costs less than to search.
    cache: Vec<(IpAddr, Neighbour)>,
}

#[derive(Debug)]
struct Neighbour {
    mac: Mac,
    updated: Moment,
    confirmed: Moment,
    questions: u8,
}

impl Host {
    /// A host with an empty cache.
    #[must_use]
    pub const fn new(station: Station, address: IpAddr, believes_announcements: bool) -> Self {
        Self { station, address, believes_announcements, cache: Vec::new() }
    }

    /// Sends a packet to a virtual address: a question first if it does not know where that is.
    /// Returns where the packet goes, if it leaves, and the question, if there is one.
    pub fn probe(&mut self, now: Moment, to: IpAddr) -> (Option<Mac>, Option<Frame>) {
        let mac = mac_of(self.station);
        let question = |to_mac| {
            let arp = Arp { request: true, mac, sender: self.address, target: to };
            Frame { source: mac, to: to_mac, body: Body::Arp(arp) }
        };
        let Some(at) = self.cache.iter().position(|(known, _)| *known == to) else {
            return (None, Some(question(To::Everybody)));
        };
        let known = &mut self.cache[at].1;
        if now.since(known.confirmed) < REACHABLE {
            return (Some(known.mac), None);
        }
        if known.questions >= QUESTIONS {
            let _ = self.cache.swap_remove(at);
            return (None, Some(question(To::Everybody)));
        }
        known.questions += 1;
        (Some(known.mac), Some(question(To::One(known.mac))))
    }

    /// Takes in an ARP packet.
    pub fn hear(&mut self, now: Moment, arp: &Arp) {
        let answer_to_me = !arp.request && arp.target == self.address;
        match self.cache.iter_mut().find(|(known, _)| *known == arp.sender).map(|(_, known)| known) {
            None if answer_to_me => {
                let fresh = Neighbour { mac: arp.mac, updated: now, confirmed: now, questions: 0 };
                self.cache.push((arp.sender, fresh));
            }
            // An announcement alone makes no entry (`arp_accept` is off).
            None => {}
            Some(known) if known.mac == arp.mac => {
                if answer_to_me {
                    known.confirmed = now;
                    known.questions = 0;
                }
                known.updated = now;
            }
            Some(known) => {
                let unlocked = now.since(known.updated) > LOCKTIME;
                if unlocked || (self.believes_announcements && arp.is_gratuitous()) {
                    // Believed but not confirmed, unless it is an answer: Linux makes it STALE and uses it.
                    *known = Neighbour { mac: arp.mac, updated: now, confirmed: now, questions: 0 };
                }
            }
        }
    }

    /// The hardware address it would send to.
    #[must_use]
    pub fn believes(&self, address: IpAddr) -> Option<Mac> {
        self.cache.iter().find(|(known, _)| *known == address).map(|(_, known)| known.mac)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 100, 1));

    fn at(milliseconds: u64) -> Moment {
        Moment(milliseconds * 1_000_000)
    }

    fn announcement(station: Station) -> Arp {
        Arp { request: true, mac: mac_of(station), sender: VIP, target: VIP }
    }

    fn host_that_knows(station: Station, believes_announcements: bool) -> Host {
        let mut host = Host::new(9, IpAddr::from([10, 0, 0, 99]), believes_announcements);
        let _ = host.probe(at(0), VIP);
        let answer = Arp { request: false, mac: mac_of(station), sender: VIP, target: host.address };
        host.hear(at(0), &answer);
        host
    }

    #[test]
    fn within_the_locktime_an_old_kernel_ignores_another_hardware_address() {
        let mut host = host_that_knows(0, false);
        host.hear(at(900), &announcement(1));
        assert_eq!(host.believes(VIP), Some(mac_of(0)));
        host.hear(at(1100), &announcement(1));
        assert_eq!(host.believes(VIP), Some(mac_of(1)));
    }

    #[test]
    fn a_new_kernel_believes_an_announcement_at_once() {
        let mut host = host_that_knows(0, true);
        host.hear(at(10), &announcement(1));
        assert_eq!(host.believes(VIP), Some(mac_of(1)));
    }

    #[test]
    fn a_neighbour_that_does_not_answer_is_forgotten() {
        let mut host = host_that_knows(0, true);
        for probe in 0..4 {
            let _ = host.probe(at(31_000 + probe * 1000), VIP);
        }
        assert_eq!(host.believes(VIP), None);
    }
}
