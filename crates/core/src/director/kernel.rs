//! The kernel's table: what it should be, what we believe it is, and the changes between the two.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::Director;
use super::action::{Action, Actions, Event, Subject};
use super::checker::Place;
use super::drains::Drains;
use super::reason::Reason;
use super::report::Memory;
use super::server::VirtualServer;
use crate::ipvs::{Change, Destination, DestinationKey, ServiceKey, Table, TableEntry, destination_changes};
use crate::time::{Duration, Instant};

/// How often the table is compared with the kernel's, or asked for again where there is none.
const COMPARISON: Duration = Duration::from_secs(60);
/// How soon it is compared after the kernel refused a change.
const SOON: Duration = Duration::from_secs(1);

/// What we know of the kernel's table.
#[derive(Debug, Clone, Default)]
pub(super) struct Kernel {
    /// Our services as we believe them to be in the kernel; `None` while there is no table.
    pub(super) known: Option<Table>,
    compare_at: Option<Instant>,
    /// A listing was ordered and has not come.
    listing: bool,
    /// Services changed since it was ordered: it may show them as they were before.
    touched: BTreeSet<ServiceKey>,
    /// Services somebody else changed, told and not yet seen as they should be.
    meddled: BTreeSet<ServiceKey>,
    /// Services the kernel refuses something about, told and not yet seen as they should be.
    refused: BTreeSet<ServiceKey>,
    /// The lack of a table was told.
    told_unavailable: bool,
    /// Services of ours that the plan does not have, of a predecessor or from a time without a table: deleted when it
    /// is there.
    pub(super) orphans: BTreeSet<ServiceKey>,
    /// What left the plan and has connections still.
    pub(super) drains: Drains,
}

impl Kernel {
    pub(super) fn deadline(&self) -> Option<Instant> {
        [self.compare_at, self.drains.deadline()].into_iter().flatten().min()
    }

    /// Whether it is time to list the kernel's table again.
    pub(super) fn take_comparison(&mut self, now: Instant) -> bool {
        if self.compare_at.is_none_or(|at| at > now) {
            return false;
        }
        // The next one is planned when this one has come.
        self.compare_at = None;
        self.listing = true;
        self.touched.clear();
        true
    }

    /// Orders a change and believes it done.
    pub(super) fn order(&mut self, change: Change, actions: &mut Actions) {
        if self.listing {
            self.touched.insert(*change.service());
        }
        if let Some(known) = &mut self.known {
            known.apply(&change);
        }
        actions.push(Action::Change(change));
    }

    fn order_all(&mut self, changes: Vec<Change>, actions: &mut Actions) {
        for change in changes {
            self.order(change, actions);
        }
    }

    /// Makes one destination what it should be.
    pub(super) fn set(
        &mut self,
        service: &ServiceKey,
        key: &DestinationKey,
        wanted: Option<Destination>,
        actions: &mut Actions,
    ) {
        let Some(entry) = self.known.as_ref().and_then(|known| known.services.get(service)) else { return };
        let change = match (entry.destinations.get(key), wanted) {
            (None, None) => return,
            (Some(current), Some(wanted)) if *current == wanted => return,
            (None, Some(wanted)) => Change::AddDestination(*service, wanted),
            (Some(_), Some(wanted)) => Change::EditDestination(*service, wanted),
            (Some(_), None) => Change::DeleteDestination(*service, *key),
        };
        self.order(change, actions);
    }
}

impl Director {
    /// Brings one real server into the table as it should be, in every service of its virtual server.
    pub(super) fn place(&mut self, place: Place, actions: &mut Actions) {
        let Some(server) = self.servers.get(place.0 as usize) else { return };
        let Some(real) = server.reals.get(place.1 as usize) else { return };
        for service in &server.plan.services {
            let key = DestinationKey { address: real.plan.key.address, port: real.plan.port_behind(service) };
            let wanted = if self.sharers.contains_key(service) {
                self.wanted_entry(server, *service).destinations.remove(&key)
            } else {
                // The sorry server may be one of the real servers.
                let sorry = || server.sorry_destination(service).filter(|sorry| sorry.key == key);
                server.destination(real, service).or_else(sorry)
            };
            self.kernel.set(service, &key, wanted, actions);
        }
    }

    /// Brings every destination of a virtual server into the table as it should be.
    pub(super) fn place_all(&mut self, server: u32, actions: &mut Actions) {
        let Some(server) = self.servers.get(server as usize) else { return };
        let Some(known) = &self.kernel.known else { return };
        let mut changes = Vec::new();
        for service in &server.plan.services {
            let Some(entry) = known.services.get(service) else { continue };
            let wanted = self.wanted_entry(server, *service);
            destination_changes(service, &entry.destinations, &wanted.destinations, &mut changes);
        }
        self.kernel.order_all(changes, actions);
    }

    /// How a service should be: as the first of the virtual servers that have it says, with what serves for all of
    /// them.
    fn wanted_entry(&self, server: &VirtualServer, service: ServiceKey) -> TableEntry {
        let mut destinations: BTreeMap<DestinationKey, Destination> =
            self.kernel.drains.destinations_of(service).map(|resting| (resting.key, resting)).collect();
        let Some(sharers) = self.sharers.get(&service) else {
            destinations.extend(server.destinations(&service));
            return TableEntry { service: server.service(service), destinations };
        };
        let sharers = || sharers.iter().filter_map(|place| self.servers.get(*place as usize));
        for (key, destination) in sharers().rev().flat_map(|sharer| sharer.destinations(&service)) {
            let before = destinations.get(&key);
            // Out of service for one is not out of service for all.
            if destination.weight > 0 || before.is_none_or(|before| before.weight == 0) {
                destinations.insert(key, destination);
            }
        }
        let first = sharers().next().unwrap_or(server);
        TableEntry { service: first.service(service), destinations }
    }

    /// The table as it should be.
    #[must_use]
    pub fn wanted_table(&self) -> Table {
        let mut table = Table::default();
        for server in &self.servers {
            for service in &server.plan.services {
                table.services.insert(*service, self.wanted_entry(server, *service));
            }
        }
        table.services.extend(self.kernel.drains.services());
        table
    }

    /// The kernel's table is there for the first time: takes over what is ours and changes what should be otherwise.
    pub(super) fn adopt_table(&mut self, now: Instant, mut table: Table, actions: &mut Actions) {
        let wanted = self.wanted_table();
        let orphans = core::mem::take(&mut self.kernel.orphans);
        table.services.retain(|key, _| wanted.services.contains_key(key) || orphans.contains(key));
        let services = table.services.len();
        let destinations = table.services.values().map(|entry| entry.destinations.len()).sum();
        if services > 0 {
            self.tell_table(now, Reason::Adopted { services, destinations }, actions);
        }
        let changes = table.changes_to(&wanted);
        self.kernel.known = Some(table);
        self.kernel.told_unavailable = false;
        self.kernel.order_all(changes, actions);
        let gone = orphans.into_iter().filter(|key| !wanted.services.contains_key(key));
        actions.extend(gone.map(|key| Action::Remember(Memory::Service(key, false))));
        self.kernel.compare_at = Some(now + COMPARISON);
        self.order_settings(actions);
    }

    /// A service is no longer ours; while there is no table, it will be when that could be deleted.
    pub(super) fn disown(&mut self, service: ServiceKey, actions: &mut Actions) {
        if self.kernel.known.is_some() {
            actions.push(Action::Remember(Memory::Service(service, false)));
        } else {
            self.kernel.orphans.insert(service);
        }
    }

    /// Makes the table what the plan of now wants.
    pub(super) fn reconcile(&mut self, actions: &mut Actions) {
        let Some(known) = &self.kernel.known else { return };
        let changes = known.changes_to(&self.wanted_table());
        self.kernel.order_all(changes, actions);
    }

    /// The answer to a comparison: what somebody else changed is put right, and told once.
    pub(super) fn table_listed(&mut self, now: Instant, mut table: Table, actions: &mut Actions) {
        self.kernel.listing = false;
        let Some(known) = &self.kernel.known else {
            self.adopt_table(now, table, actions);
            return;
        };
        self.kernel.compare_at = Some(now + COMPARISON);
        let touched = core::mem::take(&mut self.kernel.touched);
        // What was ordered after the listing is right as far as anybody knows.
        table.services.retain(|key, _| known.services.contains_key(key) && !touched.contains(key));
        let believed = known.services.iter().filter(|(key, _)| touched.contains(*key));
        table.services.extend(believed.map(|(key, entry)| (*key, entry.clone())));
        let changes = table.changes_to(&self.wanted_table());
        let wrong: BTreeSet<ServiceKey> = changes.iter().map(|change| *change.service()).collect();
        self.kernel.refused.retain(|key| wrong.contains(key));
        let meddled: BTreeSet<_> = wrong.difference(&self.kernel.refused).copied().collect();
        let news = meddled.iter().any(|key| !self.kernel.meddled.contains(key));
        let mut foreign = changes.iter().filter(|change| meddled.contains(change.service()));
        if news && let Some(first) = foreign.next() {
            let reason = Reason::Healed { changes: 1 + foreign.count(), first: Box::new(first.clone()) };
            self.tell_table(now, reason, actions);
        }
        self.kernel.meddled = meddled;
        self.kernel.known = Some(table);
        self.kernel.order_all(changes, actions);
    }

    pub(super) fn table_unavailable(&mut self, now: Instant, words: Box<str>, actions: &mut Actions) {
        self.kernel.listing = false;
        self.kernel.known = None;
        self.kernel.compare_at = Some(now + COMPARISON);
        if !core::mem::replace(&mut self.kernel.told_unavailable, true) {
            self.tell_table(now, Reason::Unavailable(words), actions);
        }
    }

    /// What we believe is wrong now; the kernel is asked soon.
    pub(super) fn change_refused(
        &mut self,
        now: Instant,
        change: Box<Change>,
        errno: i32,
        actions: &mut Actions,
    ) {
        if !self.kernel.refused.insert(*change.service()) {
            return;
        }
        if !self.kernel.listing {
            let soon = now + SOON;
            self.kernel.compare_at = Some(self.kernel.compare_at.map_or(soon, |at| at.min(soon)));
        }
        self.tell_table(now, Reason::Refused { change, errno }, actions);
    }

    pub(super) fn tell_table(&self, now: Instant, reason: Reason, actions: &mut Actions) {
        actions.push(Action::Tell(Event { at: now, subject: Subject::Table, reason }));
    }
}
