//! `no_accept`: which virtual addresses take no packets, told anew whenever that changes.
//!
//! RFC 9568 section 6.1 (`Accept_Mode`): a master that does not own the addresses forwards packets with its MAC address,
//! answers ARP and neighbour discovery, and takes nothing that is addressed to the virtual addresses. The kernel has no
//! such mode, so packets are dropped where they are taken in and where they are sent ([`NoAccept`]).

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::action::{Action, Actions};
use super::{Phase, Router};
use crate::address::NoAccept;

/// What the kernel was last asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Unaccepted {
    /// `None` before the first time.
    asked: Option<Arc<[NoAccept]>>,
    /// Something it depends on has changed.
    stale: bool,
}

impl Unaccepted {
    /// A state or the plan has changed.
    pub(super) const fn touch(&mut self) {
        self.stale = true;
    }
}

impl Router {
    /// Asks for what is wanted if it is something else than before. `begin` is where the orders of this step begin: an
    /// address is closed before it is added, and opened after it was removed.
    pub(super) fn settle_unaccepted(&mut self, begin: usize, actions: &mut Actions) {
        let is_blind = matches!(self.phase, Phase::New | Phase::Leaving);
        if is_blind || !core::mem::take(&mut self.unaccepted.stale) {
            return;
        }
        let wanted = self.wanted_unaccepted();
        let before = self.unaccepted.asked.as_deref();
        // Without any such instance there is nothing of ours, and nothing is asked of a kernel that may have no nftables.
        let never = before.is_none() && self.instances.iter().all(|instance| instance.plan.accept);
        if never || before.is_some_and(|before| *before == *wanted) {
            return;
        }
        let stays = |one: &NoAccept| wanted.binary_search(one).is_ok();
        let none_goes = before.is_none_or(|before| before.iter().all(stays));
        let place = match actions.last() {
            _ if none_goes => begin,
            Some(Action::Finished) => actions.len() - 1,
            Some(_) | None => actions.len(),
        };
        let wanted: Arc<[NoAccept]> = wanted.into();
        self.unaccepted.asked = Some(Arc::clone(&wanted));
        actions.insert(place, Action::SetNoAccept(wanted));
    }

    /// The addresses that masters hold without accepting packets for them, sorted.
    fn wanted_unaccepted(&self) -> Vec<NoAccept> {
        let holds = |id: &usize| self.instances[*id].is_master() && !self.instances[*id].holds_back();
        let stays = self.phase == Phase::Finished && self.settings.keep_addresses_on_exit;
        if stays {
            return self.unaccepted.asked.as_deref().unwrap_or_default().to_vec();
        }
        let mut wanted: Vec<NoAccept> = (0..self.instances.len())
            .filter(holds)
            .map(|id| &self.instances[id].plan)
            .filter(|plan| !plan.accept)
            .flat_map(|plan| plan.addresses.iter().chain(&plan.excluded_addresses))
            .map(|own| {
                // A link-local address may be another's on another link.
                let is_link_local =
                    matches!(own.address, IpAddr::V6(address) if address.is_unicast_link_local());
                NoAccept { address: own.address, link: is_link_local.then(|| own.link.clone()) }
            })
            .collect();
        wanted.sort_unstable();
        wanted.dedup();
        wanted
    }
}
