//! Plans: taking one up at start, and changing to another while at work.
//!
//! A reload is keyed by name. What is the same stays as it is, with its state, timers and sockets; additions are made
//! before removals, so an address that moves from one instance to another never leaves the link.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use super::action::{Action, Actions, Notification, NotifyObject, NotifyState, Subject};
use super::holdings::Entries;
use super::plan::{InstancePlan, RouterPlan, SyncGroupPlan};
use super::reason::{Cause, Reason, State};
use super::{Group, Router, TrackedFile};
use crate::bfd::SessionPlan;
use crate::time::Instant;
use crate::track::{Process, Script};
use crate::vrrp::Instance;

impl Router {
    /// Takes up the first plan.
    pub(super) fn adopt_plan(&mut self, now: Instant, plan: RouterPlan) {
        self.legs.replan(plan.heartbeats.clone());
        self.kernel.set_delays(plan.link_delays.clone());
        self.announcer.replan(&plan);
        self.virtual_links.become_these(plan.virtual_links);
        self.settings = plan.settings;
        self.static_entries = Entries {
            addresses: plan.static_addresses,
            routes: plan.static_routes,
            rules: plan.static_rules,
        };
        self.scripts =
            plan.scripts.into_iter().map(|script| (script.name.clone(), Script::new(now, script))).collect();
        // A second plan may come before the kernel is listed: then some files were read already.
        self.take_files(plan.files, Some(0));
        self.processes =
            plan.processes.into_iter().map(|process| (process.name.clone(), Process::new(process))).collect();
        self.begin_sessions(&plan.bfd);
        self.track_groups = plan.track_groups;
        self.instances = plan.instances.into_iter().map(|instance| Instance::new(now, instance)).collect();
        self.index(plan.sync_groups, &BTreeMap::new());
    }

    /// Changes to another plan.
    pub(super) fn reload(&mut self, now: Instant, plan: RouterPlan, actions: &mut Actions) {
        let before: BTreeMap<String, State> =
            self.groups.iter().map(|group| (group.plan.name.clone(), group.state)).collect();
        self.kernel.set_delays(plan.link_delays.clone());
        self.announcer.replan(&plan);
        self.announcer.clear();
        self.limits.clear();
        let refused: Vec<usize> = self.refusals.keys().copied().collect();
        self.forget_refusals(&refused, actions);
        self.restoring.clear();
        self.lost_static.clear();
        self.settings = plan.settings;
        self.legs.replan(plan.heartbeats);
        self.track_groups = plan.track_groups;
        self.reload_trackers(now, plan.scripts, plan.files, plan.processes);
        self.take_sessions(&plan.bfd);
        let old_static = core::mem::replace(
            &mut self.static_entries,
            Entries {
                addresses: plan.static_addresses,
                routes: plan.static_routes,
                rules: plan.static_rules,
            },
        );
        let gone_links = self.take_virtual_links(now, plan.virtual_links, actions);
        self.hold_static(actions);

        let (mut added, mut changed, mut unchanged) = (0, 0, 0);
        let mut old: BTreeMap<String, Instance> = core::mem::take(&mut self.instances)
            .into_iter()
            .map(|instance| (instance.plan.name.clone(), instance))
            .collect();
        let mut replaced = Vec::new();
        let mut grown = Vec::new();
        let mut released = Vec::from([old_static]);
        for new in plan.instances {
            let instance = match old.remove(&new.name) {
                Some(known) if known.plan == new => {
                    unchanged += 1;
                    known
                }
                Some(mut known) if is_same_router(&known.plan, &new) => {
                    changed += 1;
                    // One that holds back takes what the new plan has.
                    if known.is_master() && !known.holds_back() {
                        if self.hold_entries(&Entries::of(&new), actions) {
                            grown.push(new.name.clone());
                        }
                        released.push(Entries::of(&known.plan));
                    }
                    known.replan(now, new);
                    known
                }
                Some(known) => {
                    changed += 1;
                    let mut anew = Instance::new(now, new);
                    // What was believed once is not believed again, whatever the plan.
                    anew.sequence = known.sequence;
                    anew.marks = known.marks.clone();
                    replaced.push(known);
                    anew
                }
                None => {
                    added += 1;
                    Instance::new(now, new)
                }
            };
            self.instances.push(instance);
        }
        let removed = u32::try_from(old.len()).unwrap_or(u32::MAX);
        // Those that are gone leave as they would at shutdown, after the others have taken up what they share.
        self.index(plan.sync_groups, &before);
        self.resolve_all(actions);
        let new_ones = 0..self.instances.len();
        for id in new_ones {
            // What those who leave still hold is not residual.
            if self.instances[id].state() == State::Init {
                self.remove_residual(id, actions);
            }
        }
        for gone in replaced {
            self.dismiss(now, gone, false, actions);
        }
        for (_, gone) in old {
            self.dismiss(now, gone, true, actions);
        }
        for entries in &released {
            self.release_entries(entries, actions);
        }
        self.drop_links(gone_links, actions);
        self.end_alarms_of_removed(now, actions);
        self.tell(now, Subject::Node, Reason::Reloaded { added, removed, changed, unchanged }, actions);
        self.reassess_all(now, actions);
        for name in grown {
            if let Some(id) = self.instances.iter().position(|instance| instance.plan.name == name) {
                let rounds = self.instances[id].plan.announce.repeat;
                self.announce(now, id, rounds, false, actions);
                self.instances[id].announce_again(now);
                self.hint(id);
            }
        }
        self.run_scripts(now, actions);
    }

    fn reload_trackers(
        &mut self,
        now: Instant,
        scripts: Vec<super::plan::ScriptPlan>,
        files: Vec<super::plan::FilePlan>,
        processes: Vec<super::plan::ProcessPlan>,
    ) {
        let old = core::mem::take(&mut self.scripts);
        for plan in scripts {
            let script = match old.get(&plan.name) {
                Some(known) if known.plan.identity == plan.identity => {
                    let mut known = known.clone();
                    known.replan(now, plan);
                    known
                }
                edited => {
                    let same_command = || old.values().find(|known| known.plan.identity == plan.identity);
                    let before = edited.or_else(same_command).and_then(Script::verdict);
                    let mut script = Script::new(now, plan);
                    script.presume(before);
                    script
                }
            };
            let _ = self.scripts.insert(script.plan.name.clone(), script);
        }
        self.take_files(files, None);
        let mut old = core::mem::take(&mut self.processes);
        for plan in processes {
            let process = match old.remove(&plan.name) {
                Some(mut known) => {
                    let _ = known.replan(now, plan);
                    known
                }
                None => Process::new(plan),
            };
            let _ = self.processes.insert(process.plan.name.clone(), process);
        }
    }

    /// Takes up the BFD sessions of the first plan: until it is up a session is down, as in keepalived, unless it was up
    /// in the life before this one. A second plan may come before the kernel is listed: then some were told already.
    fn begin_sessions(&mut self, sessions: &[SessionPlan]) {
        let old = core::mem::take(&mut self.sessions);
        let left = self.predecessor.iter().flat_map(|left| &left.trackers).filter(|(_, up)| *up);
        let was_up: Vec<&str> = left.filter_map(|(name, _)| name.strip_prefix("bfd ")).collect();
        for session in sessions {
            let resumed = was_up.contains(&&*session.name) && !self.settings.without_bfd;
            let verdict = old.get(&*session.name).copied().unwrap_or(Some(resumed));
            let _ = self.sessions.insert((*session.name).into(), verdict);
        }
    }

    /// Takes up the BFD sessions of another plan; one that was there before keeps its verdict.
    ///
    /// DIFFERS: in keepalived a new session that an instance tracks takes it to FAULT until it is up. We wait until it
    /// had time to come up.
    fn take_sessions(&mut self, sessions: &[SessionPlan]) {
        let old = core::mem::take(&mut self.sessions);
        let new = if self.settings.without_bfd { Some(false) } else { None };
        for session in sessions {
            let verdict = old.get(&*session.name).copied().unwrap_or(new);
            let _ = self.sessions.insert((*session.name).into(), verdict);
        }
    }

    /// Takes up the files of a plan; one that was followed before, under whatever name, keeps its value, and `unread` is
    /// what the others count as until they are read.
    fn take_files(&mut self, files: Vec<super::plan::FilePlan>, unread: Option<i64>) {
        let old = core::mem::take(&mut self.files);
        for file in files {
            let value =
                old.values().find(|known| known.path == file.path).map_or(unread, |known| known.value);
            let _ = self.files.insert(file.name, TrackedFile { path: file.path, value });
        }
    }

    /// Releases rules, routes and addresses, in this order.
    pub(super) fn release_entries(&mut self, entries: &Entries, actions: &mut Actions) {
        for rule in &entries.rules {
            self.holdings.release_rule(rule, actions);
        }
        for route in &entries.routes {
            self.holdings.release_route(route, actions);
        }
        for address in &entries.addresses {
            let link = self.kernel.by_name(&address.link).map(|known| known.link.index);
            self.holdings.release_address(address, link, actions);
        }
    }

    /// Holds addresses, routes and rules; true if an address is new to the kernel.
    pub(super) fn hold_entries(&mut self, entries: &Entries, actions: &mut Actions) -> bool {
        let before = actions.len();
        for address in &entries.addresses {
            let link = self.kernel.by_name(&address.link).map(|known| known.link.index);
            self.holdings.hold_address(address, link, actions);
        }
        let grown = actions[before..].iter().any(|action| matches!(action, Action::AddAddress(_)));
        for route in &entries.routes {
            self.holdings.hold_route(route, actions);
        }
        for rule in &entries.rules {
            self.holdings.hold_rule(rule, actions);
        }
        grown
    }

    /// Holds the static entries of the plan.
    pub(super) fn hold_static(&mut self, actions: &mut Actions) {
        let entries = self.static_entries.clone();
        let _ = self.hold_entries(&entries, actions);
    }

    /// Releases the static entries of the plan.
    pub(super) fn release_static(&mut self, actions: &mut Actions) {
        let entries = core::mem::take(&mut self.static_entries);
        self.release_entries(&entries, actions);
    }

    /// An instance that the plan no longer has, or has as another router: it resigns and releases everything.
    fn dismiss(&mut self, now: Instant, mut gone: Instance, notify: bool, actions: &mut Actions) {
        let from = gone.state();
        if gone.is_master() {
            actions.extend(gone.resignations(now).map(Action::SendAdvert));
            if !gone.holds_back() {
                self.release_entries(&Entries::of(&gone.plan), actions);
            }
        }
        let subject = Subject::Instance(gone.plan.name.clone());
        let reason = Reason::StateChanged { from, to: State::Init, cause: Cause::Reload };
        self.tell(now, subject, reason, actions);
        if notify {
            let state = if gone.plan.notify_deleted { NotifyState::Deleted } else { NotifyState::Fault };
            let object = NotifyObject::Instance(gone.plan.name.clone());
            actions.push(Action::Notify(Notification { object, state, priority: gone.priority() }));
        }
    }

    /// Builds everything that is looked up by index, after the instances changed.
    fn index(&mut self, groups: Vec<SyncGroupPlan>, before: &BTreeMap<String, State>) {
        let names: BTreeMap<&str, usize> = self
            .instances
            .iter()
            .enumerate()
            .map(|(id, instance)| (instance.plan.name.as_str(), id))
            .collect();
        self.groups = groups
            .into_iter()
            .map(|plan| Group {
                members: plan.members.iter().filter_map(|name| names.get(name.as_str()).copied()).collect(),
                state: before.get(&plan.name).copied().unwrap_or(State::Init),
                plan,
            })
            .filter(|group| !group.members.is_empty())
            .collect();
        self.group_of = alloc::vec![None; self.instances.len()];
        for (index, group) in self.groups.iter().enumerate() {
            for member in &group.members {
                self.group_of[*member] = Some(index);
            }
        }
        self.by_vrid.clear();
        self.virtual_addresses.clear();
        for (id, instance) in self.instances.iter().enumerate() {
            let plan = &instance.plan;
            self.by_vrid.entry((plan.family, plan.vrid.get())).or_default().push(id);
            let addresses = plan.addresses.iter().chain(&plan.excluded_addresses);
            self.virtual_addresses.extend(addresses.map(|address| address.address));
        }
        self.deadlines.reset(self.instances.len());
        self.lease_ends.reset(self.instances.len());
        self.gates.number(&self.instances);
        for instance in &mut self.instances {
            instance.wall_clock = self.wall_clock;
            instance.ask_group_again();
        }
        self.hint_all();
    }
}

/// Whether two plans describe the same virtual router on the wire: then its state survives a reload.
fn is_same_router(old: &InstancePlan, new: &InstancePlan) -> bool {
    let same_cast = core::mem::discriminant(&old.destination) == core::mem::discriminant(&new.destination);
    old.vrid == new.vrid
        && old.family == new.family
        && old.version == new.version
        && old.interface == new.interface
        && same_cast
}
