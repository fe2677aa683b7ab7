//! What must be in the kernel: addresses, routes and rules that masters and static entries hold; and what may still be
//! there although it must not.
//!
//! An address may be held more than once (two masters, or one before and one after a reload). It is added with the
//! first hold and removed with the last, so an address that moves between instances never leaves the link.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::action::{Action, Actions};
use super::plan::InstancePlan;
use crate::address::{InterfaceAddress, LinkIndex, Route, Rule};

/// What is held together: by a master, or by the plan as long as the daemon runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entries {
    /// Addresses.
    pub addresses: Vec<Arc<InterfaceAddress>>,
    /// Routes.
    pub routes: Vec<Arc<Route>>,
    /// Rules.
    pub rules: Vec<Arc<Rule>>,
}

impl Entries {
    /// What an instance holds while it is master.
    pub fn of(plan: &InstancePlan) -> Self {
        Self {
            addresses: plan.addresses.iter().chain(&plan.excluded_addresses).cloned().collect(),
            routes: plan.routes.clone(),
            rules: plan.rules.clone(),
        }
    }
}

/// Who holds what, as counts.
#[derive(Debug, Clone, Default)]
pub struct Holdings {
    addresses: BTreeMap<(String, IpAddr), Held>,
    routes: BTreeMap<Arc<Route>, u32>,
    rules: BTreeMap<Arc<Rule>, u32>,
    /// Removals we ordered whose echo has not come yet.
    expected: BTreeMap<(LinkIndex, IpAddr), u32>,
    /// Removals we ordered that have not been carried out yet, by address: the kernel may still answer for it.
    leaving: BTreeMap<IpAddr, u32>,
}

#[derive(Debug, Clone)]
struct Held {
    address: Arc<InterfaceAddress>,
    holders: u32,
}

impl Holdings {
    /// One more holder of an address; the first one adds it. One that wants it with other attributes (prefix length,
    /// label, ...) has it replaced. `link` is where it goes, if that link exists.
    pub fn hold_address(
        &mut self,
        address: &Arc<InterfaceAddress>,
        link: Option<LinkIndex>,
        actions: &mut Actions,
    ) {
        let key = (address.link.clone(), address.address);
        let Some(held) = self.addresses.get_mut(&key) else {
            let _ = self.addresses.insert(key, Held { address: Arc::clone(address), holders: 1 });
            actions.push(Action::AddAddress(Arc::clone(address)));
            return;
        };
        held.holders += 1;
        if held.address == *address {
            return;
        }
        let old = core::mem::replace(&mut held.address, Arc::clone(address));
        if let Some(link) = link {
            *self.expected.entry((link, address.address)).or_default() += 1;
        }
        if old.prefix_length == address.prefix_length {
            // The kernel would take the new one for the old one.
            self.remove_address(old, actions);
            actions.push(Action::AddAddress(Arc::clone(address)));
        } else {
            actions.push(Action::AddAddress(Arc::clone(address)));
            self.remove_address(old, actions);
        }
    }

    /// One holder less; the last one removes it. `link` is where it is, if that link exists.
    pub fn release_address(
        &mut self,
        address: &Arc<InterfaceAddress>,
        link: Option<LinkIndex>,
        actions: &mut Actions,
    ) {
        let key = (address.link.clone(), address.address);
        let Some(held) = self.addresses.get_mut(&key) else { return };
        held.holders -= 1;
        if held.holders == 0 {
            let held = self.addresses.remove(&key).map_or_else(|| Arc::clone(address), |held| held.address);
            if let Some(link) = link {
                *self.expected.entry((link, address.address)).or_default() += 1;
            }
            self.remove_address(held, actions);
        }
    }

    /// Orders an address to be removed. The only place where that is done: so nobody can forget that it takes its time.
    pub fn remove_address(&mut self, address: Arc<InterfaceAddress>, actions: &mut Actions) {
        *self.leaving.entry(address.address).or_default() += 1;
        actions.push(Action::RemoveAddress(address));
    }

    /// An order to remove this address was carried out.
    pub fn released(&mut self, address: IpAddr) {
        let Some(outstanding) = self.leaving.get_mut(&address) else { return };
        *outstanding -= 1;
        if *outstanding == 0 {
            let _ = self.leaving.remove(&address);
        }
    }

    /// Whether the kernel may still have this address although it was ordered to be removed.
    pub fn is_leaving(&self, address: IpAddr) -> bool {
        self.leaving.contains_key(&address)
    }

    /// The held address with this link name and address, if there is one.
    pub fn held(&self, link: &str, address: IpAddr) -> Option<&Arc<InterfaceAddress>> {
        self.addresses.get(&(String::from(link), address)).map(|held| &held.address)
    }

    /// All held addresses.
    pub fn addresses(&self) -> impl Iterator<Item = &Arc<InterfaceAddress>> {
        self.addresses.values().map(|held| &held.address)
    }

    /// Whether this removal is the echo of one we ordered.
    pub fn is_expected(&mut self, link: LinkIndex, address: IpAddr) -> bool {
        let Some(count) = self.expected.get_mut(&(link, address)) else { return false };
        *count -= 1;
        if *count == 0 {
            let _ = self.expected.remove(&(link, address));
        }
        true
    }

    /// An address was seen arriving: every removal ordered before has happened, or found nothing.
    pub fn arrived(&mut self, link: LinkIndex, address: IpAddr) {
        let _ = self.expected.remove(&(link, address));
    }

    /// The kernel was listed: no echo is outstanding any more.
    pub fn forget_expected(&mut self) {
        self.expected.clear();
    }

    /// One more holder of a route.
    pub fn hold_route(&mut self, route: &Arc<Route>, actions: &mut Actions) {
        let holders = self.routes.entry(Arc::clone(route)).or_default();
        *holders += 1;
        if *holders == 1 {
            actions.push(Action::AddRoute(Arc::clone(route)));
        }
    }

    /// One holder of a route less.
    pub fn release_route(&mut self, route: &Arc<Route>, actions: &mut Actions) {
        let Some(holders) = self.routes.get_mut(route) else { return };
        *holders -= 1;
        if *holders == 0 {
            let _ = self.routes.remove(route);
            actions.push(Action::RemoveRoute(Arc::clone(route)));
        }
    }

    /// All held routes.
    pub fn routes(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.routes.keys()
    }

    /// One more holder of a rule.
    pub fn hold_rule(&mut self, rule: &Arc<Rule>, actions: &mut Actions) {
        let holders = self.rules.entry(Arc::clone(rule)).or_default();
        *holders += 1;
        if *holders == 1 {
            actions.push(Action::AddRule(Arc::clone(rule)));
        }
    }

    /// One holder of a rule less.
    pub fn release_rule(&mut self, rule: &Arc<Rule>, actions: &mut Actions) {
        let Some(holders) = self.rules.get_mut(rule) else { return };
        *holders -= 1;
        if *holders == 0 {
            let _ = self.rules.remove(rule);
            actions.push(Action::RemoveRule(Arc::clone(rule)));
        }
    }

    /// All held rules.
    pub fn rules(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.rules.keys()
    }
}
