//! The beginning: the first listing of the kernel, what a crashed predecessor left, and listings after lost events.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::Router;
use super::action::{Action, Actions, Subject};
use super::input::Link;
use super::reason::{Reason, State};
use super::report::{Resume, ResumeInstance};
use crate::address::{InterfaceAddress, LinkIndex};
use crate::time::Instant;

impl Router {
    /// The kernel was listed for the first time: everybody starts, or takes up where a crashed predecessor was.
    pub(super) fn start(
        &mut self,
        now: Instant,
        links: Vec<Link>,
        addresses: Vec<(LinkIndex, IpAddr)>,
        actions: &mut Actions,
    ) {
        self.kernel.list(now, links, addresses);
        let mut predecessor = self.predecessor.take();
        if let Some(left) = &mut predecessor {
            self.virtual_links.inherit(core::mem::take(&mut left.settings));
        }
        self.make_missing_links(now, actions);
        self.resolve_all(actions);
        self.hold_static(actions);
        if let (Some(left), Some(open)) = (&mut predecessor, self.found_open.take()) {
            self.give_up_lost_leases(left, &open);
        }
        let left_at = predecessor.as_ref().map_or(now, |left| left.at);
        let left_as = |name: &str| -> Option<&ResumeInstance> {
            predecessor.as_ref()?.instances.iter().find(|left| left.name == name)
        };
        for id in 0..self.instances.len() {
            let name = self.instances[id].plan.name.clone();
            let was_master = left_as(&name).is_some_and(|left| left.state == State::Master);
            // Without an address of its own it cannot take up mastership, whatever it was.
            if !was_master || self.instances[id].source.is_none() {
                self.remove_residual(id, actions);
            }
            if self.instances[id].plan.promote_secondaries
                && let Some(interface) = self.instances[id].plan.interface.clone()
            {
                actions.push(Action::PromoteSecondaries(interface));
            }
        }
        if let Some(left) = &predecessor {
            self.resume_trackers(&left.trackers);
        }
        for id in 0..self.instances.len() {
            let name = self.instances[id].plan.name.clone();
            let Some(left) = left_as(&name) else { continue };
            self.instances[id].counters = left.counters;
            self.instances[id].resume_sequence(left.sequence, now.saturating_since(left_at));
            self.instances[id].peers = left.peers.clone();
            self.instances[id].marks = left.marks.clone();
            match left.state {
                State::Master if self.instances[id].source.is_some() => self.resume_master(now, id, actions),
                State::Backup => {
                    self.instances[id].resume_interval(left.master_advert_interval);
                    self.resume_backup(now, id, actions);
                }
                State::Master | State::Init | State::Fault => {}
            }
        }
        if let Some(left) = &predecessor {
            self.remove_unplanned(left, actions);
        }
        // Whoever is not fit for the state it resumed leaves it here, whoever starts anew begins.
        self.reassess_all(now, actions);
        self.run_scripts(now, actions);
    }

    fn resume_trackers(&mut self, verdicts: &[(String, bool)]) {
        for (name, up) in verdicts {
            match name.split_once(' ') {
                Some(("script", name)) => {
                    if let Some(script) = self.scripts.get_mut(name) {
                        script.resume(*up);
                    }
                }
                Some(("process", name)) => {
                    if let Some(process) = self.processes.get_mut(name) {
                        process.resume(*up);
                    }
                }
                Some(_) | None => {}
            }
        }
    }

    /// Addresses that a crashed run left behind would be answered for by two routers.
    pub(super) fn remove_residual(&mut self, id: usize, actions: &mut Actions) {
        let plan = &self.instances[id].plan;
        for address in plan.addresses.iter().chain(&plan.excluded_addresses) {
            let present = self.kernel.by_name(&address.link).is_some_and(|known| known.has(address.address));
            if present && self.holdings.held(&address.link, address.address).is_none() {
                self.holdings.remove_address(Arc::clone(address), actions);
            }
        }
    }

    /// What a predecessor held under another plan, and nobody holds now.
    fn remove_unplanned(&mut self, left: &Resume, actions: &mut Actions) {
        self.remove_unplanned_entries(left, actions);
        let gone = left.links.iter().filter(|link| self.virtual_links.get(&link.name).is_none());
        actions.extend(gone.cloned().map(Action::RemoveLink));
        self.restore_settings(actions);
    }

    fn remove_unplanned_entries(&mut self, left: &Resume, actions: &mut Actions) {
        let held: BTreeSet<_> = self.holdings.rules().collect();
        let rules = left.rules.iter().filter(|rule| !held.contains(rule));
        actions.extend(rules.cloned().map(Action::RemoveRule));
        let held: BTreeSet<_> = self.holdings.routes().collect();
        let routes = left.routes.iter().filter(|route| !held.contains(route));
        actions.extend(routes.cloned().map(Action::RemoveRoute));
        for address in &left.addresses {
            let present = self.kernel.by_name(&address.link).is_some_and(|known| known.has(address.address));
            let is_held = self.holdings.held(&address.link, address.address).is_some();
            let is_removed = actions.contains(&Action::RemoveAddress(Arc::clone(address)));
            if present && !is_held && !is_removed {
                self.holdings.remove_address(Arc::clone(address), actions);
            }
        }
    }

    /// Events were lost: compare what is listed with what should be there.
    pub(super) fn resynchronise(
        &mut self,
        now: Instant,
        links: Vec<Link>,
        addresses: Vec<(LinkIndex, IpAddr)>,
        actions: &mut Actions,
    ) {
        self.kernel.list(now, links, addresses);
        self.holdings.forget_expected();
        self.make_missing_links(now, actions);
        self.resolve_all(actions);
        self.reassess_all(now, actions);
        let missing: Vec<Arc<InterfaceAddress>> = self
            .holdings
            .addresses()
            .filter(|address| {
                self.kernel.by_name(&address.link).is_some_and(|known| !known.has(address.address))
            })
            .cloned()
            .collect();
        for address in missing {
            let _ = self.restoring.insert(alloc::format!("address {address}"));
            let reason = Reason::Restored(alloc::format!("address {address}"));
            self.tell(now, Subject::Link(address.link.clone()), reason, actions);
            actions.push(Action::AddAddress(address));
        }
        // Routes and rules are not listed: those that are still there are adopted. (A rule without a preference would
        // get another one, so it cannot be.)
        actions.extend(self.holdings.routes().cloned().map(Action::AddRoute));
        let placed = self.holdings.rules().filter(|rule| rule.preference.is_some());
        actions.extend(placed.cloned().map(Action::AddRule));
    }
}
