//! What left the plan and serves its old connections for a while: in the table with weight 0.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::Director;
use super::action::{Action, Actions, Event, ServerObject, Subject};
use super::reason::Reason;
use super::server::{RealServer, VirtualServer};
use crate::ipvs::{Change, Destination, DestinationKey, ServiceKey, Table, TableEntry};
use crate::time::Instant;

/// What drains, with when it leaves the table.
#[derive(Debug, Clone, Default)]
pub(super) struct Drains {
    /// Real servers of services that stay.
    destinations: BTreeMap<(ServiceKey, DestinationKey), (Destination, Instant)>,
    /// Whole services: the kernel forgets the connections of one that is deleted.
    services: BTreeMap<ServiceKey, (TableEntry, Instant)>,
}

impl Drains {
    pub(super) fn deadline(&self) -> Option<Instant> {
        let destinations = self.destinations.values().map(|(_, until)| *until);
        destinations.chain(self.services.values().map(|(_, until)| *until)).min()
    }

    /// What drains of a service that stays.
    pub(super) fn destinations_of(&self, service: ServiceKey) -> impl Iterator<Item = Destination> {
        let of_it =
            self.destinations.range((service, FIRST)..).take_while(move |((of, _), _)| *of == service);
        of_it.map(|(_, (destination, _))| *destination)
    }

    /// The services that drain, as they should be.
    pub(super) fn services(&self) -> impl Iterator<Item = (ServiceKey, TableEntry)> {
        self.services.iter().map(|(key, (entry, _))| (*key, entry.clone()))
    }

    /// Whether a service drains.
    pub(super) fn has_service(&self, service: &ServiceKey) -> bool {
        self.services.contains_key(service)
    }

    /// A real server left these services. False if it is not in the table.
    fn add_real(
        &mut self,
        known: &Table,
        services: &[ServiceKey],
        real: &RealServer,
        until: Instant,
    ) -> bool {
        let mut drains = false;
        for service in services {
            let key = DestinationKey { address: real.plan.key.address, port: real.plan.port_behind(service) };
            if let Some(destination) = known.destination(service, &key) {
                self.destinations.insert((*service, key), (resting(*destination), until));
                drains = true;
            }
        }
        drains
    }

    /// A service left the plan. False if it is not in the table, or has nothing in it.
    fn add_service(&mut self, known: &Table, service: ServiceKey, until: Instant) -> bool {
        let entry = known.services.get(&service).filter(|entry| !entry.destinations.is_empty());
        let Some(mut entry) = entry.cloned() else { return false };
        entry.destinations.values_mut().for_each(|destination| *destination = resting(*destination));
        self.services.insert(service, (entry, until));
        true
    }
}

/// A destination that keeps its connections and gets no new ones.
const fn resting(destination: Destination) -> Destination {
    Destination { weight: 0, ..destination }
}

impl Director {
    /// A virtual server changed with a reload: what it lost drains, if so asked. `place` is where it is now; one that
    /// is in the plan no more drains as it asked last. `staying` are all services of the new plan.
    pub(super) fn drain_gone(
        &mut self,
        now: Instant,
        place: Option<usize>,
        before: &VirtualServer,
        staying: &BTreeSet<ServiceKey>,
        actions: &mut Actions,
    ) {
        let after = place.and_then(|place| self.servers.get(place));
        let time = after.unwrap_or(before).plan.drain;
        let Some(known) = self.kernel.known.as_ref().filter(|_| !time.is_zero()) else { return };
        let mut draining = Vec::new();
        let kept: BTreeSet<DestinationKey> =
            after.iter().flat_map(|server| &server.reals).map(|real| real.plan.key).collect();
        let services = after.map_or(&[][..], |server| &server.plan.services);
        for real in before.reals.iter().filter(|real| !kept.contains(&real.plan.key)) {
            if self.kernel.drains.add_real(known, services, real, now + time) {
                let (protocol, of) = (before.plan.protocol, before.plan.key.clone());
                draining.push(ServerObject::RealServer { real: real.plan.key, protocol, of });
            }
        }
        let mut leaves = false;
        for service in before.plan.services.iter().filter(|service| !staying.contains(service)) {
            leaves |= self.kernel.drains.add_service(known, *service, now + time);
        }
        if leaves {
            draining.push(ServerObject::VirtualServer(before.plan.key.clone()));
        }
        let reason = || Reason::Draining(time);
        let tell =
            |object| Action::Tell(Event { at: now, subject: Subject::Server(object), reason: reason() });
        actions.extend(draining.into_iter().map(tell));
    }

    /// After a reload: only what is not in the plan again drains on, and real servers only in services that stay.
    pub(super) fn settle_drains(&mut self, staying: &BTreeSet<ServiceKey>) {
        let drains = &mut self.kernel.drains;
        if drains.destinations.is_empty() && drains.services.is_empty() {
            return;
        }
        for server in &self.servers {
            for service in &server.plan.services {
                for real in &server.reals {
                    let port = real.plan.port_behind(service);
                    let key = DestinationKey { address: real.plan.key.address, port };
                    drains.destinations.remove(&(*service, key));
                }
            }
        }
        drains.destinations.retain(|(service, _), _| staying.contains(service));
        drains.services.retain(|service, _| !staying.contains(service));
    }

    /// Takes out of the table what has had its time.
    pub(super) fn end_drains(&mut self, now: Instant, actions: &mut Actions) {
        if self.kernel.drains.deadline().is_none_or(|first| first > now) {
            return;
        }
        let drains = &mut self.kernel.drains;
        let destinations = core::mem::take(&mut drains.destinations);
        let (over, rest) = destinations.into_iter().partition(|(_, (_, until))| *until <= now);
        drains.destinations = rest;
        let services = core::mem::take(&mut drains.services);
        let (gone, rest) = services.into_iter().partition(|(_, (_, until))| *until <= now);
        drains.services = rest;
        let (over, gone): (BTreeMap<_, _>, BTreeMap<_, _>) = (over, gone);
        for (service, key) in over.into_keys() {
            self.kernel.set(&service, &key, None, actions);
            self.tell_table(now, Reason::Drained { service, destination: Some(key) }, actions);
        }
        for service in gone.into_keys() {
            if self.kernel.known.as_ref().is_some_and(|known| known.services.contains_key(&service)) {
                self.kernel.order(Change::DeleteService(service), actions);
            }
            self.disown(service, actions);
            self.tell_table(now, Reason::Drained { service, destination: None }, actions);
        }
    }
}

/// The key before all others.
const FIRST: DestinationKey =
    DestinationKey { address: core::net::IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED), port: 0 };
