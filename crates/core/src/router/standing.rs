//! What keeps an instance from taking part, and its effective priority: derived from what is known, every time
//! something it depends on changes. No fault is counted up and down, so none can be forgotten.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use super::action::{Actions, Notification, NotifyObject, NotifyState};
use super::plan::{Tracker, TrackerTarget};
use super::reason::{Cause, Reason, State};
use super::virtual_links::Made;
use super::{Action, Router};
use crate::address::{InterfaceAddress, Route, Rule};
use crate::time::Instant;
use crate::track::{Effect, Verdict, effect, effective_priority};
use crate::vrrp::instance::Fact;

/// What an instance (or a whole group) is worth at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Standing {
    fault: Option<Cause>,
    waits: bool,
    weights: i64,
}

impl Router {
    /// Looks at these instances anew, and at everybody in their groups, and lets them take part or not.
    pub(super) fn reassess(
        &mut self,
        now: Instant,
        ids: impl IntoIterator<Item = usize>,
        actions: &mut Actions,
    ) {
        let mut concerned = BTreeSet::new();
        for id in ids {
            match self.group_of[id] {
                Some(group) => concerned.extend(self.groups[group].members.iter().copied()),
                None => {
                    let _ = concerned.insert(id);
                }
            }
        }
        let standings: Vec<(usize, Standing)> =
            concerned.into_iter().map(|id| (id, self.standing_in_group(id))).collect();
        for (id, standing) in standings {
            let priority = effective_priority(self.instances[id].plan.priority.get(), standing.weights);
            self.set_priority(now, id, priority, actions);
            if let Some(cause) = standing.fault {
                self.step_instance(now, id, Fact::NotReady(cause), actions);
            } else if !(standing.waits && matches!(self.instances[id].state(), State::Init | State::Fault)) {
                self.step_instance(now, id, Fact::Ready, actions);
            }
        }
        self.settle_groups(now, actions);
    }

    /// Looks at every instance anew.
    pub(super) fn reassess_all(&mut self, now: Instant, actions: &mut Actions) {
        self.reassess(now, 0..self.instances.len(), actions);
    }

    /// Looks at the users of a tracker anew.
    pub(super) fn reassess_users(&mut self, now: Instant, target: &TrackerTarget, actions: &mut Actions) {
        let uses = |trackers: &[Tracker]| trackers.iter().any(|tracker| tracker.target == *target);
        let mut users: Vec<usize> =
            (0..self.instances.len()).filter(|id| uses(&self.instances[*id].plan.trackers)).collect();
        for group in &self.groups {
            if uses(&group.plan.trackers) {
                users.extend(&group.members);
            }
        }
        self.reassess(now, users, actions);
    }

    fn set_priority(&mut self, now: Instant, id: usize, priority: u8, actions: &mut Actions) {
        let Some((from, to)) = self.instances[id].set_priority(priority) else { return };
        self.hint(id);
        let state = match self.instances[id].state() {
            State::Init | State::Fault => return,
            State::Backup => NotifyState::BackupPriority,
            State::Master => NotifyState::MasterPriority,
        };
        let subject = self.subject(id);
        self.tell(now, subject, Reason::PriorityChanged { from, to }, actions);
        let plan = &self.instances[id].plan;
        let group_wants =
            self.group_of[id].is_some_and(|group| self.groups[group].plan.notify_priority_changes);
        if plan.notify_priority_changes || group_wants || self.settings.notify_priority_changes {
            actions.push(Action::Notify(Notification {
                object: NotifyObject::Instance(plan.name.clone()),
                state,
                priority: to,
            }));
        }
    }

    /// An instance moves with its group: the fault of one member is the fault of all, and all wait for one.
    fn standing_in_group(&self, id: usize) -> Standing {
        let mut own = self.own_standing(id);
        let Some(group) = self.group_of[id].map(|group| &self.groups[group]) else { return own };
        let trackers = self.trackers_standing(&group.plan.trackers);
        own.weights = own.weights.saturating_add(trackers.weights);
        own.waits |= trackers.waits;
        own.fault = own.fault.or(trackers.fault);
        for other in group.members.iter().copied().filter(|other| *other != id) {
            let standing = self.own_standing(other);
            own.waits |= standing.waits;
            if own.fault.is_none() && standing.fault.is_some() {
                own.fault = Some(Cause::SyncGroup(self.instances[other].plan.name.clone()));
            }
        }
        own
    }

    /// Whether every other member of its group is master or would be.
    ///
    /// While one member hears a better master, the others wait although theirs is silent: if the group moved, that
    /// member would have to yield at once and take the group back, again and again.
    pub(super) fn group_wants_to_be_master(&self, id: usize) -> bool {
        self.others(id).into_iter().all(|member| self.instances[member].wants_to_be_master())
    }

    fn own_standing(&self, id: usize) -> Standing {
        let mut standing = self.trackers_standing(&self.instances[id].plan.trackers);
        match self.virtual_links_of(id) {
            Made::All => {}
            Made::Soon => return Standing { fault: None, waits: true, ..standing },
            Made::Not(cause) => return Standing { fault: Some(cause), ..standing },
        }
        if let Some(cause) = self.interface_fault(id).or_else(|| self.entry_fault(id)) {
            standing.fault = Some(cause);
        }
        standing
    }

    fn interface_fault(&self, id: usize) -> Option<Cause> {
        let instance = &self.instances[id];
        let plan = &instance.plan;
        if let Some(name) = &plan.interface {
            let known = self.kernel.by_name(name);
            if known.is_none() || !(self.kernel.is_up(name) || plan.ignore_interface_fault) {
                return Some(Cause::InterfaceDown(name.clone()));
            }
        }
        if instance.source.is_none() {
            let place = plan.interface.as_deref().unwrap_or("any interface");
            return Some(Cause::TrackerFailed(alloc::format!("{place} has no {} address", plan.family)));
        }
        if let Some(errno) = self.listening_refused(id) {
            return Some(Cause::Refused(alloc::format!("listen for adverts (errno {errno})")));
        }
        if let (true, Some(source)) = (plan.track_source, plan.source) {
            let present = match &plan.interface {
                Some(name) => self.kernel.by_name(name).is_some_and(|known| known.has(source)),
                None => self.kernel.has_anywhere(source),
            };
            if !present {
                return Some(Cause::TrackerFailed(alloc::format!("source address {source} is absent")));
            }
        }
        None
    }

    /// Faults of what the instance is to put into the kernel: links that are down, refusals, lost static entries.
    fn entry_fault(&self, id: usize) -> Option<Cause> {
        let plan = &self.instances[id].plan;
        let elsewhere = |link: &String| plan.interface.as_ref() != Some(link) && !self.kernel.is_up(link);
        let addresses =
            plan.addresses.iter().chain(&plan.excluded_addresses).filter(|address| address.tracked);
        let down = addresses
            .map(|address: &alloc::sync::Arc<InterfaceAddress>| &address.link)
            .chain(plan.routes.iter().filter(|route| route.tracked).flat_map(|route| route_links(route)))
            .chain(plan.rules.iter().filter(|rule| rule.tracked).flat_map(|rule| rule_links(rule)))
            .find(|link| elsewhere(link));
        if let Some(link) = down {
            return Some(Cause::InterfaceDown(link.clone()));
        }
        if let Some(refusal) = self.refusals.get(&id).filter(|refusal| refusal.standing) {
            return Some(Cause::Refused(refusal.what.clone()));
        }
        self.lost_static.iter().find_map(|(group, what)| {
            let concerned = self
                .track_groups
                .iter()
                .any(|tracked| tracked.name == *group && tracked.members.contains(&plan.name));
            concerned.then(|| Cause::TrackerFailed(alloc::format!("static {what} is lost")))
        })
    }

    fn trackers_standing(&self, trackers: &[Tracker]) -> Standing {
        let mut standing = Standing { fault: None, waits: false, weights: 0 };
        for tracker in trackers {
            match effect(tracker, self.verdict(&tracker.target)) {
                Effect::Wait => standing.waits = true,
                Effect::Fault => {
                    let fault = standing.fault.take();
                    standing.fault = fault.or_else(|| Some(self.describe_fault(tracker)));
                }
                Effect::Weight(weight) => standing.weights = standing.weights.saturating_add(weight),
            }
        }
        standing
    }

    pub(super) fn verdict(&self, target: &TrackerTarget) -> Verdict {
        // What the plan does not have (a script that `check` disabled) never keeps anybody waiting.
        let known = |verdict: Option<Option<bool>>| match verdict {
            None => Verdict::Is(true),
            Some(verdict) => verdict.map_or(Verdict::Unknown, Verdict::Is),
        };
        match target {
            TrackerTarget::Interface(name) => Verdict::Is(self.kernel.is_up(name)),
            TrackerTarget::Script(name) => known(self.scripts.get(name).map(|script| script.verdict())),
            TrackerTarget::File(name) => match self.files.get(name).map(|file| file.value) {
                None => Verdict::Value(0),
                Some(value) => value.map_or(Verdict::Unknown, Verdict::Value),
            },
            TrackerTarget::Process(name) => known(self.processes.get(name).map(|process| process.verdict())),
            TrackerTarget::Bfd(name) => known(self.sessions.get(name).copied()),
        }
    }

    fn describe_fault(&self, tracker: &Tracker) -> Cause {
        let verb = if tracker.reverse { "is up (reversed)" } else { "is down" };
        match &tracker.target {
            TrackerTarget::Interface(name) if !tracker.reverse => Cause::InterfaceDown(name.clone()),
            TrackerTarget::Interface(name) => Cause::TrackerFailed(alloc::format!("interface {name} {verb}")),
            TrackerTarget::Script(name) => {
                let verb = if tracker.reverse { "succeeded (reversed)" } else { "failed" };
                Cause::TrackerFailed(alloc::format!("script {name} {verb}"))
            }
            TrackerTarget::File(name) => {
                let value = self.files.get(name).and_then(|file| file.value).unwrap_or_default();
                Cause::TrackerFailed(alloc::format!("file {name} holds {value}"))
            }
            TrackerTarget::Process(name) => Cause::TrackerFailed(alloc::format!("process {name} {verb}")),
            TrackerTarget::Bfd(name) => Cause::TrackerFailed(alloc::format!("BFD session {name} {verb}")),
        }
    }
}

fn route_links(route: &Route) -> impl Iterator<Item = &String> {
    route.hops.iter().filter_map(|hop| hop.link.as_ref())
}

fn rule_links(rule: &Rule) -> impl Iterator<Item = &String> {
    rule.input_link.iter().chain(&rule.output_link)
}
