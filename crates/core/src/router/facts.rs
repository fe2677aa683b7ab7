//! Facts about links, addresses, routes, rules and trackers, and what follows from them.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::action::{Action, Actions, Listen, Socket, Subject};
use super::input::{Link, ScriptOutcome};
use super::limits::{Key, Noise};
use super::plan::{Destination, TrackerTarget};
use super::reason::{Reason, State};
use super::report::ResumeInstance;
use super::standing::Refusal;
use super::{FileValue, Router};
use crate::address::{Family, InterfaceAddress, LinkIndex, Route, RouteKey, Rule};
use crate::time::Instant;
use crate::track::describe_outcome;

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
        self.resolve_all(actions);
        self.hold_static(actions);
        let predecessor = self.predecessor.take();
        let left_as = |name: &str| -> Option<&ResumeInstance> {
            predecessor.as_ref()?.instances.iter().find(|left| left.name == name)
        };
        for id in 0..self.instances.len() {
            let name = self.instances[id].plan.name.clone();
            let was_master = left_as(&name).is_some_and(|left| left.state == State::Master);
            if !was_master {
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
            match left.state {
                State::Master if self.instances[id].source.is_some() => self.resume_master(now, id, actions),
                State::Backup => {
                    self.instances[id].resume_interval(left.master_advert_interval);
                    self.resume_backup(now, id, actions);
                }
                State::Master | State::Init | State::Fault => {}
            }
        }
        // Whoever is not fit for the state it resumed leaves it here, whoever starts anew begins.
        self.reassess_all(now, actions);
        self.run_scripts(now, actions);
    }

    fn run_scripts(&mut self, now: Instant, actions: &mut Actions) {
        for (name, script) in &mut self.scripts {
            if script.take_due(now) {
                actions.push(Action::RunScript(name.clone()));
            }
        }
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
                actions.push(Action::RemoveAddress(Arc::clone(address)));
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
        let missing: Vec<Arc<InterfaceAddress>> = self
            .holdings
            .addresses()
            .filter(|address| {
                self.kernel.by_name(&address.link).is_some_and(|known| !known.has(address.address))
            })
            .cloned()
            .collect();
        for address in missing {
            actions.push(Action::AddAddress(address));
        }
        self.resolve_all(actions);
        self.reassess_all(now, actions);
    }

    pub(super) fn link_changed(&mut self, now: Instant, link: Link, actions: &mut Actions) {
        let (index, name) = (link.index, link.name.clone());
        let was_known = self.kernel.by_index(index).is_some();
        if self.kernel.change_link(now, link) {
            self.link_settled(now, index, &name, was_known, actions);
        }
    }

    pub(super) fn link_removed(&mut self, now: Instant, index: LinkIndex, actions: &mut Actions) {
        if let Some(name) = self.kernel.remove_link(index) {
            self.resolve_all(actions);
            self.reassess_link(now, &name, actions);
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
        if up {
            // What the kernel refused on this link, or dropped with it, is tried again.
            let on_link = |id: &usize| self.holds_on(*id, name);
            let retried: Vec<usize> = self.refusals.keys().copied().filter(on_link).collect();
            for id in retried {
                let _ = self.refusals.remove(&id);
            }
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
    }

    fn holds_on(&self, id: usize, link: &str) -> bool {
        let plan = &self.instances[id].plan;
        plan.interface.as_deref() == Some(link)
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
            actions.push(Action::AddAddress(held));
            return;
        }
        if known && !self.virtual_addresses.contains(&address) {
            self.addresses_changed(now, link, actions);
        }
    }

    fn addresses_changed(&mut self, now: Instant, link: LinkIndex, actions: &mut Actions) {
        self.resolve_all(actions);
        let concerned: Vec<usize> = (0..self.instances.len())
            .filter(|id| self.instances[*id].link.is_none_or(|own| own == link))
            .collect();
        self.reassess(now, concerned, actions);
    }

    pub(super) fn route_removed(&mut self, now: Instant, key: &RouteKey, actions: &mut Actions) {
        let lost: Vec<Arc<Route>> =
            self.holdings.routes().filter(|route| is_same_route(route, key)).cloned().collect();
        for route in lost {
            let what = alloc::format!("route to {}", route.destination);
            self.tell(now, Subject::Node, Reason::Restored(what), actions);
            actions.push(Action::AddRoute(route));
        }
    }

    pub(super) fn rule_removed(&mut self, now: Instant, preference: u32, table: u32, actions: &mut Actions) {
        let lost: Vec<Arc<Rule>> = self
            .holdings
            .rules()
            .filter(|rule| {
                rule.preference == Some(preference)
                    && match rule.action {
                        crate::address::RuleAction::Table(own) => own == table,
                        _ => true,
                    }
            })
            .cloned()
            .collect();
        for rule in lost {
            let what = alloc::format!("rule with preference {preference}");
            self.tell(now, Subject::Node, Reason::Restored(what), actions);
            actions.push(Action::AddRule(rule));
        }
    }

    pub(super) fn address_refused(
        &mut self,
        now: Instant,
        address: &Arc<InterfaceAddress>,
        errno: i32,
        actions: &mut Actions,
    ) {
        let holders = |id: &usize| {
            let plan = &self.instances[*id].plan;
            let same =
                |own: &&Arc<InterfaceAddress>| own.address == address.address && own.link == address.link;
            plan.addresses.iter().chain(&plan.excluded_addresses).any(|own| same(&own) && own.tracked)
        };
        let concerned: Vec<usize> = (0..self.instances.len()).filter(holders).collect();
        let what = alloc::format!("address {address}");
        self.refused(now, &what, errno, concerned, address.track_group.as_deref(), actions);
    }

    pub(super) fn route_refused(
        &mut self,
        now: Instant,
        route: &Arc<Route>,
        errno: i32,
        actions: &mut Actions,
    ) {
        let holds =
            |id: &usize| self.instances[*id].plan.routes.iter().any(|own| own == route && own.tracked);
        let concerned: Vec<usize> = (0..self.instances.len()).filter(holds).collect();
        let what = alloc::format!("route to {}", route.destination);
        self.refused(now, &what, errno, concerned, route.track_group.as_deref(), actions);
    }

    pub(super) fn rule_refused(&mut self, now: Instant, rule: &Arc<Rule>, errno: i32, actions: &mut Actions) {
        let holds = |id: &usize| self.instances[*id].plan.rules.iter().any(|own| own == rule && own.tracked);
        let concerned: Vec<usize> = (0..self.instances.len()).filter(holds).collect();
        let what = match rule.preference {
            Some(preference) => alloc::format!("rule with preference {preference}"),
            None => "rule".to_string(),
        };
        self.refused(now, &what, errno, concerned, rule.track_group.as_deref(), actions);
    }

    fn refused(
        &mut self,
        now: Instant,
        what: &str,
        errno: i32,
        concerned: Vec<usize>,
        track_group: Option<&str>,
        actions: &mut Actions,
    ) {
        let operation = alloc::format!("add {what}");
        self.tell(now, Subject::Node, Reason::Refused { operation: operation.clone(), errno }, actions);
        if let Some(group) = track_group {
            let _ = self.lost_static.insert((group.to_string(), what.to_string()));
            self.reassess_all(now, actions);
        }
        let masters: Vec<usize> =
            concerned.into_iter().filter(|id| self.instances[*id].is_master()).collect();
        for id in &masters {
            let refusal = Refusal::new(now, operation.clone(), self.refusals.get(id));
            let _ = self.refusals.insert(*id, refusal);
        }
        self.reassess(now, masters, actions);
    }

    /// After a while the instance may try again; if the kernel still refuses, it waits twice as long.
    pub(super) fn retry_refused(&mut self, now: Instant, actions: &mut Actions) {
        let due: Vec<usize> = self
            .refusals
            .iter_mut()
            .filter(|(_, refusal)| refusal.retry_at <= now)
            .map(|(id, refusal)| {
                refusal.standing = false;
                refusal.retry_at = Instant::from_nanos(u64::MAX);
                *id
            })
            .collect();
        if !due.is_empty() {
            self.reassess(now, due, actions);
        }
    }

    pub(super) fn advert_refused(&mut self, now: Instant, instance: &str, errno: i32, actions: &mut Actions) {
        let Some(id) = self.instances.iter().position(|known| &*known.name == instance) else { return };
        self.instances[id].counters.send_errors += 1;
        self.instances[id].retry_advert(now);
        self.hint(id);
        let key = Key { instance: Some(id), source: None, noise: Noise::SendRefused };
        if self.limits.admit(now, key).is_some() {
            let subject = self.subject(id);
            self.tell(
                now,
                subject,
                Reason::Refused { operation: "send an advert".to_string(), errno },
                actions,
            );
        }
    }

    pub(super) fn script_finished(
        &mut self,
        now: Instant,
        name: &str,
        outcome: &ScriptOutcome,
        actions: &mut Actions,
    ) {
        let Some(script) = self.scripts.get_mut(name) else { return };
        if script.finished(outcome) {
            self.tracker_changed(
                now,
                &TrackerTarget::Script(name.to_string()),
                outcome.is_success(),
                describe_outcome(outcome),
                actions,
            );
        }
    }

    pub(super) fn file_read(&mut self, now: Instant, name: &str, value: Option<i64>, actions: &mut Actions) {
        let Some(known) = self.files.get_mut(name) else { return };
        let value = value.unwrap_or_default();
        if known.0 == value {
            return;
        }
        *known = FileValue(value);
        if self.phase == super::Phase::Running {
            let target = TrackerTarget::File(name.to_string());
            self.tracker_changed(now, &target, value == 0, alloc::format!("holds {value}"), actions);
        }
    }

    pub(super) fn processes_counted(&mut self, now: Instant, name: &str, count: u32, actions: &mut Actions) {
        let Some(process) = self.processes.get_mut(name) else { return };
        if process.counted(now, count) {
            let up = process.verdict() == Some(true);
            let target = TrackerTarget::Process(name.to_string());
            self.tracker_changed(now, &target, up, alloc::format!("{count} running"), actions);
        }
    }

    pub(super) fn believe_processes(&mut self, now: Instant, actions: &mut Actions) {
        let changed: Vec<(String, bool)> = self
            .processes
            .iter_mut()
            .filter_map(|(name, process)| {
                process.take_due(now).then(|| (name.clone(), process.verdict() == Some(true)))
            })
            .collect();
        for (name, up) in changed {
            self.tracker_changed(
                now,
                &TrackerTarget::Process(name),
                up,
                "for its delay".to_string(),
                actions,
            );
        }
    }

    fn tracker_changed(
        &mut self,
        now: Instant,
        target: &TrackerTarget,
        up: bool,
        detail: String,
        actions: &mut Actions,
    ) {
        let subject = Subject::Tracker(tracker_name(target));
        self.tell(now, subject, Reason::TrackerChanged { up, detail }, actions);
        self.reassess_users(now, target, actions);
    }

    /// Finds every instance's link and address anew, and the sockets that follow from them.
    pub(super) fn resolve_all(&mut self, actions: &mut Actions) {
        for instance in &mut self.instances {
            let known = instance.plan.interface.as_deref().and_then(|name| self.kernel.by_name(name));
            instance.link = known.map(|known| known.link.index);
            let source = instance.plan.source.or_else(|| {
                known?.primary(instance.plan.family, |address| self.virtual_addresses.contains(&address))
            });
            instance.set_source(source);
        }
        let mut sockets: Vec<Socket> = self.instances.iter().filter_map(socket_of).collect();
        sockets.sort_unstable();
        sockets.dedup();
        if sockets != self.sockets {
            self.sockets = sockets;
            actions.push(Action::SocketsChanged);
        }
    }
}

/// Kind and name, as reports print it.
pub(super) fn tracker_name(target: &TrackerTarget) -> String {
    match target {
        TrackerTarget::Interface(name) => alloc::format!("interface {name}"),
        TrackerTarget::Script(name) => alloc::format!("script {name}"),
        TrackerTarget::File(name) => alloc::format!("file {name}"),
        TrackerTarget::Process(name) => alloc::format!("process {name}"),
        TrackerTarget::Bfd(name) => alloc::format!("bfd {name}"),
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
    Some(Socket { link: instance.link, listen })
}

fn is_same_route(route: &Route, key: &RouteKey) -> bool {
    // An IPv6 route without a metric is shown with 1024.
    let metric = if route.metric == 0 && route.family == Family::V6 { 1024 } else { route.metric };
    route.destination.length == key.destination.length
        && route.destination.address == key.destination.address
        && route.table == key.table
        && route.kind == key.kind
        && (route.tos == key.tos)
        && metric == key.metric
}
