//! Who else claims our addresses: what is to be watched, what is asked, and what becomes of an answer.

use alloc::vec::Vec;
use core::net::IpAddr;

use super::Router;
use super::action::{Action, Actions};
use super::alarm::Mac;
use super::announcer::Announcement;
use super::kernel::KnownLink;
use crate::address::LinkIndex;
use crate::time::Instant;
use crate::vrrp::instance::Fact;

/// Addresses one instance asks for: who has the first ones has them all.
const MOST_ASKED: usize = 4;

/// The addresses whose claims on a link are to be heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// The link.
    pub link: LinkIndex,
    /// The addresses, sorted, of both families.
    pub addresses: Vec<IpAddr>,
}

/// One address that is watched: where, which, and for which instance.
pub(super) type Watch = (LinkIndex, IpAddr, usize);

impl Router {
    /// Which claims are to be heard: those to addresses of instances with `claim_watch` or `probe_before_take`, in
    /// every state, because a socket that is opened when it is needed is opened too late.
    #[must_use]
    pub fn watched_claims(&self) -> Vec<Watched> {
        let mut watched: Vec<Watched> = Vec::new();
        for (link, address, _) in &self.watches {
            match watched.last_mut().filter(|last| last.link == *link) {
                Some(last) if last.addresses.last() == Some(address) => {}
                Some(last) => last.addresses.push(*address),
                None => watched.push(Watched { link: *link, addresses: Vec::from([*address]) }),
            }
        }
        watched
    }

    /// Finds anew what is to be watched; whether that changed.
    pub(super) fn resolve_watches(&mut self) -> bool {
        let mut watches: Vec<Watch> = Vec::new();
        for (id, instance) in self.instances.iter().enumerate() {
            let plan = &instance.plan;
            if !plan.claim_watch && !plan.probe_before_take {
                continue;
            }
            watches.extend(self.places(id).map(|(link, address)| (link, address, id)));
        }
        watches.sort_unstable();
        let changed = watches != self.watches;
        self.watches = watches;
        changed
    }

    /// The addresses of an instance with the links they are on, where there is anybody to ask; in the file's order.
    fn places(&self, id: usize) -> impl Iterator<Item = (LinkIndex, IpAddr)> + '_ {
        let plan = &self.instances[id].plan;
        plan.addresses.iter().chain(&plan.excluded_addresses).filter_map(|address| {
            let link = &self.kernel.by_name(&address.link)?.link;
            (link.mac.is_some() && !link.no_arp).then_some((link.index, address.address))
        })
    }

    /// Somebody claimed an address on a link: as its sender, or in an answer.
    pub(super) fn claim_heard(
        &mut self,
        now: Instant,
        link: LinkIndex,
        address: IpAddr,
        mac: [u8; 6],
        actions: &mut Actions,
    ) {
        if self.kernel.has_mac(mac) {
            return;
        }
        let first = self.watches.partition_point(|watch| *watch < (link, address, 0));
        let of_address = |watch: &&Watch| (watch.0, watch.1) == (link, address);
        let concerned: Vec<usize> =
            self.watches[first..].iter().take_while(of_address).map(|watch| watch.2).collect();
        for id in concerned {
            self.step_instance(now, id, Fact::ClaimHeard { address, mac: Mac(mac) }, actions);
        }
    }

    /// Asks the link who has the first addresses of an instance.
    pub(super) fn ask_for_addresses(&self, id: usize, actions: &mut Actions) {
        for (link, address) in self.places(id).take(MOST_ASKED) {
            // A backup must say nothing with the virtual MAC address, and could not tell its own answer from another's.
            let is_virtual = |known: &KnownLink| self.virtual_links.get(&known.link.name).is_some();
            if self.kernel.by_index(link).is_some_and(is_virtual) {
                continue;
            }
            if let Some(mac) = self.kernel.by_index(link).and_then(|known| known.link.mac) {
                actions.push(Action::ProbeAddress { link, mac, address });
            }
        }
    }

    /// Tells the link once that an address is ours.
    pub(super) fn defend(&self, id: usize, address: IpAddr, actions: &mut Actions) {
        for (link, address) in self.places(id).filter(|(_, own)| *own == address) {
            self.send_announcement(Announcement { instance: id, link, address }, actions);
        }
    }
}
