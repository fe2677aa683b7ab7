//! Links and the addresses on them: facts about them, and what every instance finds there.

use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::Router;
use super::action::{Action, Actions, Carries, Listen, Socket, Subject};
use super::input::{Link, Listening};
use super::limits::{Key, Noise};
use super::plan::{Destination, TrackerTarget};
use super::reason::Reason;
use crate::address::{InterfaceAddress, LinkIndex, Route, Rule};
use crate::time::Instant;

impl Router {
    pub(super) fn link_changed(&mut self, now: Instant, link: Link, actions: &mut Actions) {
        let (index, name) = (link.index, link.name.clone());
        let mac = link.mac;
        let old = self.kernel.by_index(index).map(|known| (known.link.name.clone(), known.link.mac));
        let was_known = old.is_some();
        if self.kernel.change_link(now, link) {
            if let Some((old_name, _)) = old.as_ref().filter(|(old_name, _)| *old_name != name) {
                self.link_renamed(now, old_name, &name, actions);
            }
            self.make_missing_about(now, &name, actions);
            self.link_settled(now, index, &name, was_known, actions);
            if old.is_some_and(|(_, old_mac)| old_mac != mac) {
                self.announce_again(now, &name, actions);
            }
        }
    }

    pub(super) fn link_removed(&mut self, now: Instant, index: LinkIndex, actions: &mut Actions) {
        if let Some(name) = self.kernel.remove_link(index) {
            self.make_missing_about(now, &name, actions);
            self.resolve_all(actions);
            self.reassess_link(now, &name, actions);
        }
    }

    /// Whoever was on the link under its old name is in fault, and resigns while its address is still known. What was
    /// held under the old name would stay on the link for ever, because it is found by name.
    fn link_renamed(&mut self, now: Instant, old: &str, new: &str, actions: &mut Actions) {
        let on_link = |address: &&Arc<InterfaceAddress>| address.link == old;
        let carried: Vec<Arc<InterfaceAddress>> =
            self.holdings.addresses().filter(on_link).cloned().collect();
        self.reassess_link(now, old, actions);
        for address in carried {
            let address = InterfaceAddress { link: new.to_string(), ..(*address).clone() };
            self.holdings.remove_address(Arc::new(address), actions);
        }
    }

    pub(super) fn believe_links(&mut self, now: Instant, actions: &mut Actions) {
        for index in self.kernel.take_due(now) {
            let Some(name) = self.kernel.by_index(index).map(|known| known.link.name.clone()) else {
                continue;
            };
            self.link_settled(now, index, &name, true, actions);
        }
    }

    fn link_settled(
        &mut self,
        now: Instant,
        index: LinkIndex,
        name: &str,
        known: bool,
        actions: &mut Actions,
    ) {
        self.resolve_all(actions);
        let up = self.kernel.by_index(index).is_some_and(|known| known.believed_up);
        if known && self.is_followed(name) {
            let detail = if up { "link up" } else { "link down" }.to_string();
            let subject = Subject::Link(name.to_string());
            self.tell(now, subject, Reason::TrackerChanged { up, detail }, actions);
        }
        let mut lost = Vec::new();
        if up {
            lost = self.lost_on(name);
            actions.extend(lost.iter().cloned().map(Action::AddAddress));
            // What the kernel refused on this link, or dropped with it, is tried again.
            let on_link = |id: &usize| self.holds_on(*id, name);
            let retried: Vec<usize> = self.refusals.keys().copied().filter(on_link).collect();
            self.forget_refusals(&retried, actions);
            let routes: Vec<Arc<Route>> = self
                .holdings
                .routes()
                .filter(|route| {
                    route.hops.iter().any(|hop| hop.link.as_deref().is_none_or(|link| link == name))
                })
                .cloned()
                .collect();
            actions.extend(routes.into_iter().map(Action::AddRoute));
        }
        self.reassess_link(now, name, actions);
        if !lost.is_empty() {
            self.announce_again(now, name, actions);
        }
    }

    /// The neighbours on this link have to learn anew where the addresses of masters are.
    fn announce_again(&mut self, now: Instant, link: &str, actions: &mut Actions) {
        for id in 0..self.instances.len() {
            let plan = &self.instances[id].plan;
            let mut own = plan.addresses.iter().chain(&plan.excluded_addresses);
            if self.instances[id].is_master() && own.any(|own| own.link == link) {
                let rounds = plan.announce.repeat;
                self.announce(now, id, rounds, false, actions);
                self.instances[id].announce_again(now);
                self.hint(id);
            }
        }
    }

    /// Held addresses that a link of this name lacks: it came back as another link, or the kernel dropped them while it
    /// was down.
    fn lost_on(&self, name: &str) -> Vec<Arc<InterfaceAddress>> {
        let Some(known) = self.kernel.by_name(name) else { return Vec::new() };
        let held = self.holdings.addresses().filter(|address| address.link == name);
        held.filter(|address| !known.has(address.address)).cloned().collect()
    }

    fn holds_on(&self, id: usize, link: &str) -> bool {
        let plan = &self.instances[id].plan;
        let own = plan.interface.as_deref();
        own.is_some_and(|own| own == link || self.virtual_links.home(own) == link)
            || plan.addresses.iter().chain(&plan.excluded_addresses).any(|address| address.link == link)
            || plan.routes.iter().flat_map(|route| &route.hops).any(|hop| hop.link.as_deref() == Some(link))
    }

    fn is_followed(&self, link: &str) -> bool {
        let target = TrackerTarget::Interface(link.to_string());
        (0..self.instances.len()).any(|id| {
            self.holds_on(id, link)
                || self.instances[id].plan.trackers.iter().any(|tracker| tracker.target == target)
        }) || self
            .groups
            .iter()
            .any(|group| group.plan.trackers.iter().any(|tracker| tracker.target == target))
    }

    /// Looks anew at everybody whom a link may concern.
    fn reassess_link(&mut self, now: Instant, name: &str, actions: &mut Actions) {
        let target = TrackerTarget::Interface(name.to_string());
        self.reassess_users(now, &target, actions);
        let rules_name = |rule: &Arc<Rule>| {
            rule.input_link.as_deref() == Some(name) || rule.output_link.as_deref() == Some(name)
        };
        let concerned: Vec<usize> = (0..self.instances.len())
            .filter(|id| self.holds_on(*id, name) || self.instances[*id].plan.rules.iter().any(rules_name))
            .collect();
        self.reassess(now, concerned, actions);
    }

    pub(super) fn address_added(
        &mut self,
        now: Instant,
        link: LinkIndex,
        address: IpAddr,
        actions: &mut Actions,
    ) {
        self.holdings.arrived(link, address);
        if self.kernel.add_address(link, address) && !self.virtual_addresses.contains(&address) {
            self.addresses_changed(now, link, actions);
        }
    }

    pub(super) fn address_removed(
        &mut self,
        now: Instant,
        link: LinkIndex,
        address: IpAddr,
        actions: &mut Actions,
    ) {
        let known = self.kernel.remove_address(link, address);
        let expected = self.holdings.is_expected(link, address);
        let name = self.kernel.by_index(link).map(|known| known.link.name.clone());
        if let (false, Some(name)) = (expected, name)
            && let Some(held) = self.holdings.held(&name, address).cloned()
        {
            let key = Key { instance: None, source: Some(address), noise: Noise::Restored };
            if self.limits.admit(now, key).is_some() {
                let subject = Subject::Link(name);
                self.tell(now, subject, Reason::Restored(alloc::format!("address {held}")), actions);
            }
            let _ = self.restoring.insert(alloc::format!("address {held}"));
            actions.push(Action::AddAddress(held));
            return;
        }
        if known && !self.virtual_addresses.contains(&address) {
            self.addresses_changed(now, link, actions);
        }
    }

    fn addresses_changed(&mut self, now: Instant, link: LinkIndex, actions: &mut Actions) {
        self.resolve_all(actions);
        let name = self.kernel.by_index(link).map_or("", |known| known.link.name.as_str());
        let is_home = |own: &str| self.virtual_links.home(own) == name;
        let concerned: Vec<usize> = (0..self.instances.len())
            .filter(|id| {
                let instance = &self.instances[*id];
                instance.link.is_none_or(|own| own == link)
                    || instance.plan.interface.as_deref().is_some_and(is_home)
            })
            .collect();
        self.reassess(now, concerned, actions);
    }

    /// A socket can be heard on, or not.
    pub(super) fn socket_became(
        &mut self,
        now: Instant,
        socket: Socket,
        listening: Listening,
        actions: &mut Actions,
    ) {
        let was_deaf = match listening {
            _ if self.sockets.binary_search(&socket).is_err() => return,
            Listening::Opening => {
                let _ = self.deaf.entry(socket).or_insert(None);
                return;
            }
            Listening::Open => self.deaf.remove(&socket).is_some(),
            Listening::Refused(errno) => self.deaf.insert(socket, Some(errno)) != Some(Some(errno)),
        };
        if !was_deaf {
            return;
        }
        self.legs.opened(&socket);
        let users: Vec<usize> =
            (0..self.instances.len()).filter(|id| socket_of(&self.instances[*id]) == Some(socket)).collect();
        for id in &users {
            if !self.instances[*id].starts_as_master() {
                self.instances[*id].wait_anew(now.max(self.quiet_until));
            }
            self.hint(*id);
        }
        self.reassess(now, users, actions);
    }

    /// Whether nothing can be heard by this instance.
    pub(super) fn is_deaf(&self, id: usize) -> bool {
        !self.deaf.is_empty()
            && socket_of(&self.instances[id]).is_some_and(|socket| self.deaf.contains_key(&socket))
    }

    /// Why the socket of this instance could not be opened.
    pub(super) fn listening_refused(&self, id: usize) -> Option<i32> {
        self.deaf.get(&socket_of(&self.instances[id])?).copied().flatten()
    }

    /// Finds every instance's link and address anew, and the sockets that follow from them.
    pub(super) fn resolve_all(&mut self, actions: &mut Actions) {
        self.gates.touch();
        self.unaccepted.touch();
        self.hold_own_addresses(actions);
        for instance in &mut self.instances {
            let interface = instance.plan.interface.as_deref();
            let known = interface.and_then(|name| self.kernel.by_name(name));
            instance.link = known.map(|known| known.link.index);
            // What leaves by a virtual link comes from the address of the machine behind it.
            let home = interface.and_then(|name| self.kernel.by_name(self.virtual_links.home(name)));
            let source = instance.plan.source.or_else(|| {
                known
                    .and(home)?
                    .primary(instance.plan.family, |address| self.virtual_addresses.contains(&address))
            });
            instance.set_source(source);
        }
        self.resolve_legs();
        let mut sockets: Vec<Socket> = self.instances.iter().filter_map(socket_of).collect();
        // A peer that does not authenticate itself is heard too, to be told of.
        let in_ah: Vec<Socket> =
            sockets.iter().filter(|socket| socket.carries == Carries::AdvertsInAh).copied().collect();
        sockets.extend(in_ah.into_iter().map(|socket| Socket { carries: Carries::Adverts, ..socket }));
        sockets.extend(self.legs.sockets());
        sockets.sort_unstable();
        sockets.dedup();
        let watches_changed = self.resolve_watches();
        let sockets_changed = sockets != self.sockets;
        if sockets_changed {
            self.deaf.retain(|socket, _| sockets.binary_search(socket).is_ok());
            self.sockets = sockets;
        }
        if sockets_changed || watches_changed {
            actions.push(Action::SocketsChanged);
        }
    }
}

fn socket_of(instance: &crate::vrrp::Instance) -> Option<Socket> {
    let source = instance.source?;
    if instance.plan.interface.is_some() && instance.link.is_none() {
        return None;
    }
    let listen = match &instance.plan.destination {
        Destination::Multicast(group) => Listen::Group(*group),
        Destination::Unicast { .. } => Listen::Address(source),
    };
    let carries = if instance.password().is_some() { Carries::AdvertsInAh } else { Carries::Adverts };
    Some(Socket { link: instance.link, listen, carries })
}
