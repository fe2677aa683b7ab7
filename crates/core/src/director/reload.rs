//! A new plan: what is the same goes on as it is.
//!
//! Virtual servers are known by their key, real servers by address and port within it, checkers by what they ask.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::action::{Action, Actions, ServerNotification, ServerObject};
use super::judge::Judge;
use super::plan::{CheckerKind, CheckerPlan, DirectorPlan, RealServerPlan, VirtualServerKey};
use super::report::Memory;
use super::server::{RealServer, VirtualServer};
use super::{Director, Phase};
use crate::ipvs::{DestinationKey, ServiceKey, SyncRole};
use crate::time::Instant;

/// The virtual servers of the plan before.
type Earlier = BTreeMap<VirtualServerKey, VirtualServer>;

impl Director {
    /// Changes over to a new plan while at work.
    pub(super) fn reload(&mut self, now: Instant, plan: DirectorPlan, actions: &mut Actions) {
        let sync_before = self.settings.sync.clone();
        let timeouts_before = self.settings.timeouts;
        let services_before: BTreeSet<ServiceKey> = self.services().collect();
        self.adopt_plan(now, plan, actions);
        let services: BTreeSet<ServiceKey> = self.services().collect();
        for gone in services_before.difference(&services) {
            if !self.kernel.drains.has_service(gone) {
                self.disown(*gone, actions);
            }
        }
        for new in services.difference(&services_before) {
            actions.push(Action::Remember(Memory::Service(*new, true)));
        }
        self.reconcile(actions);
        if self.kernel.known.is_some() {
            if self.settings.timeouts != timeouts_before && !self.settings.timeouts.are_unset() {
                actions.push(Action::SetTimeouts(self.settings.timeouts));
            }
            if self.settings.sync != sync_before {
                // The kernel changes no option of a daemon that runs.
                if sync_before.is_some() {
                    actions.extend([SyncRole::Master, SyncRole::Backup].map(Action::StopSync));
                }
                self.order_sync(actions);
            }
        }
        let indexes: Vec<u32> = self.checkers.iter().map(|(index, _)| index).collect();
        for index in indexes {
            self.activate(now, index);
        }
    }

    fn services(&self) -> impl Iterator<Item = ServiceKey> {
        self.servers.iter().flat_map(|server| server.plan.services.iter().copied())
    }

    /// Keeps which services are ours for a successor.
    pub(super) fn remember_services(&self, actions: &mut Actions) {
        actions.extend(self.services().map(|key| Action::Remember(Memory::Service(key, true))));
    }

    /// Takes in a plan. What it says of objects that were there is told; the table is left to the caller.
    pub(super) fn adopt_plan(&mut self, now: Instant, plan: DirectorPlan, actions: &mut Actions) {
        self.settings = plan.settings;
        let earlier: Earlier = core::mem::take(&mut self.servers)
            .into_iter()
            .map(|server| (server.plan.key.clone(), server))
            .collect();
        self.checkers.forget_listeners();
        self.servers.reserve(plan.virtual_servers.len());
        for (number, mut plan) in (0_u32..).zip(plan.virtual_servers) {
            let before = earlier.get(&plan.key);
            let real_plans = core::mem::take(&mut plan.real_servers);
            let known: BTreeMap<DestinationKey, &RealServer> =
                before.iter().flat_map(|server| &server.reals).map(|real| (real.plan.key, real)).collect();
            let mut reals = Vec::with_capacity(real_plans.len());
            for (real_number, real) in (0_u32..).zip(real_plans) {
                let before = known.get(&real.key).copied();
                reals.push(self.adopt_real(real, before, (number, real_number)));
            }
            self.servers.push(VirtualServer {
                reals,
                up: before.is_some_and(|server| server.up),
                panic: before.is_some_and(|server| server.panic),
                suspended: plan.suspend_without.is_some_and(|address| !self.addresses.contains(&address)),
                sum: 0,
                total: 0,
                living: 0,
                plan,
            });
        }
        self.index_sharers();
        for digest in self.checkers.drop_unheard() {
            actions.push(Action::Remember(Memory::Forget(digest)));
        }
        self.index_followers();
        self.values.retain(|file, _| plan.files.contains(file));
        self.see_values();
        for number in 0..u32::try_from(self.servers.len()).unwrap_or(u32::MAX) {
            self.settle(now, number, &earlier, actions);
        }
        let places: BTreeMap<VirtualServerKey, usize> =
            (0..).zip(&self.servers).map(|(place, server)| (server.plan.key.clone(), place)).collect();
        let staying: BTreeSet<ServiceKey> = self.services().collect();
        for (key, server) in earlier {
            let place = places.get(&key).copied();
            self.drain_gone(now, place, &server, &staying, actions);
            if place.is_none() {
                leave(server, actions);
            }
        }
        self.settle_drains(&staying);
    }

    /// A real server of the new plan, with its checkers; its standing comes when all are there.
    fn adopt_real(
        &mut self,
        mut plan: RealServerPlan,
        before: Option<&RealServer>,
        place: (u32, u32),
    ) -> RealServer {
        let was_bad = before.is_some_and(|real| !real.good);
        let checkers = core::mem::take(&mut plan.checkers);
        let checkers: Vec<u32> =
            checkers.iter().map(|checker| self.adopt_checker(checker, was_bad, place)).collect();
        let weight = plan.weight;
        RealServer { plan, checkers, good: false, serving: false, weight }
    }

    fn adopt_checker(&mut self, plan: &CheckerPlan, was_bad: bool, place: (u32, u32)) -> u32 {
        let remembered = self.predecessor.as_ref().map(|resume| &resume.verdicts);
        let index = self.checkers.adopt(plan, |digest| {
            match remembered.and_then(|verdicts| verdicts.get(&digest)) {
                Some(verdict) => Judge::with(*verdict),
                // A new question to a server known to be bad: nobody believes it well before it is asked.
                None if was_bad => Judge::presuming_down(),
                None => Judge::default(),
            }
        });
        if let Some(checker) = self.checkers.get_mut(index) {
            if checker.listeners.is_empty() {
                // Most have one, and there may be very many checkers.
                checker.listeners.reserve_exact(1);
            }
            checker.listeners.push(place);
        }
        index
    }

    /// Finds the services that several virtual servers have.
    fn index_sharers(&mut self) {
        let mut owners: BTreeMap<ServiceKey, Vec<u32>> = BTreeMap::new();
        for (place, server) in (0_u32..).zip(&self.servers) {
            let VirtualServerKey::Group { .. } = server.plan.key else { continue };
            for service in &server.plan.services {
                owners.entry(*service).or_default().push(place);
            }
        }
        owners.retain(|_, places| places.len() > 1);
        self.sharers = owners;
    }

    /// Finds the checkers that follow files and sessions.
    fn index_followers(&mut self) {
        self.files.clear();
        self.sessions.clear();
        for (index, checker) in self.checkers.iter() {
            match &checker.plan.kind {
                CheckerKind::File { file, .. } => {
                    self.files.entry(Arc::clone(file)).or_default().push(index);
                }
                CheckerKind::Bfd { session } => {
                    self.sessions.entry(Arc::clone(session)).or_default().push(index);
                }
                CheckerKind::Exchange(_) | CheckerKind::Urls { .. } | CheckerKind::Script(_) => {}
            }
        }
    }

    /// A new checker of a file that was read already knows its value.
    fn see_values(&mut self) {
        for (file, followers) in &self.files {
            let Some(value) = self.values.get(file) else { continue };
            for index in followers {
                if let Some(checker) = self.checkers.get_mut(*index) {
                    checker.see(*value);
                }
            }
        }
    }

    /// The standing of a virtual server of the new plan: what changed for objects that were there is told.
    fn settle(&mut self, now: Instant, number: u32, earlier: &Earlier, actions: &mut Actions) {
        let Some(server) = self.servers.get_mut(number as usize) else { return };
        let before = earlier.get(&server.plan.key);
        let known: BTreeMap<DestinationKey, &RealServer> =
            before.iter().flat_map(|server| &server.reals).map(|real| (real.plan.key, real)).collect();
        for real in &mut server.reals {
            (real.good, real.weight) = real.judged(&self.checkers);
            server.living += u32::from(real.good);
            server.total += u64::from(real.plan.weight);
        }
        server.panic = server.too_few_live();
        let mut notices = Vec::new();
        for (real_number, real) in (0_u32..).zip(&mut server.reals) {
            let served = known.get(&real.plan.key).map(|real| real.serving);
            real.serving = real.good || (server.panic && served == Some(true));
            server.sum += if real.serving { u64::from(real.weight) } else { 0 };
            match served {
                Some(served) if served != real.serving => notices.push((real_number, real.serving)),
                None if real.serving && self.settings.initial_notifies && before.is_some() => {
                    notices.push((real_number, true));
                }
                Some(_) | None => {}
            }
        }
        let remembered = self.predecessor.as_ref().and_then(|resume| resume.quorums.get(&server.plan.key));
        match (before, remembered) {
            (None, None) => server.up = server.sum > 0 && server.sum >= u64::from(server.plan.quorum),
            (None, Some(up)) => {
                server.up = *up;
                server.up = server.has_quorum();
            }
            (Some(_), _) => {}
        }
        for (real_number, up) in notices {
            if let Some(object) = self.real_object((number, real_number)) {
                actions.push(Action::Notify(ServerNotification { object, up }));
            }
        }
        if self.phase == Phase::Running {
            if before.is_some() {
                self.settle_quorum_quietly(now, number, actions);
            } else if self.servers.get(number as usize).is_some_and(|server| !server.up) {
                self.tell_quorum(now, number, actions);
            }
        }
    }

    /// As [`Director::settle_quorum`], while the table is left to a comparison of the whole.
    fn settle_quorum_quietly(&mut self, now: Instant, number: u32, actions: &mut Actions) {
        let Some(server) = self.servers.get_mut(number as usize) else { return };
        if server.has_quorum() != server.up {
            server.up = !server.up;
            self.tell_quorum(now, number, actions);
        }
    }
}

/// A virtual server left the plan.
fn leave(server: VirtualServer, actions: &mut Actions) {
    let key = server.plan.key;
    actions.push(Action::Remember(Memory::Quorum(key.clone(), None)));
    if server.plan.omega && server.up {
        let object = ServerObject::VirtualServer(key);
        actions.push(Action::Notify(ServerNotification { object, up: false }));
    }
}
