//! The whole table, and the way from one table to another.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use super::{Destination, DestinationKey, Service, ServiceKey};

/// Services with their destinations, as they are in the kernel or as they should be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Table {
    /// By key.
    pub services: BTreeMap<ServiceKey, TableEntry>,
}

/// One service of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableEntry {
    /// The service.
    pub service: Service,
    /// Its destinations.
    pub destinations: BTreeMap<DestinationKey, Destination>,
}

/// One step from a table to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// Add a service that is not there.
    AddService(Service),
    /// Change a service in place: its connections go on.
    EditService(Service),
    /// Delete a service with all its destinations.
    DeleteService(ServiceKey),
    /// Add a destination that is not there.
    AddDestination(ServiceKey, Destination),
    /// Change a destination in place: its connections go on.
    EditDestination(ServiceKey, Destination),
    /// Delete a destination.
    DeleteDestination(ServiceKey, DestinationKey),
}

impl Table {
    /// A destination of a service.
    #[must_use]
    pub fn destination(&self, service: &ServiceKey, key: &DestinationKey) -> Option<&Destination> {
        self.services.get(service)?.destinations.get(key)
    }

    /// The steps from this table to `wanted`, in an order the kernel takes.
    ///
    /// Services that are no longer wanted go first, so that what they hold is free; of each other service what is new
    /// comes before what goes, so that it is never without a destination in between. What exists is edited in place
    /// and keeps its connections.
    #[must_use]
    pub fn changes_to(&self, wanted: &Self) -> Vec<Change> {
        let gone = self.services.keys().filter(|key| !wanted.services.contains_key(key));
        let mut changes: Vec<Change> = gone.map(|key| Change::DeleteService(*key)).collect();
        for (key, entry) in &wanted.services {
            let current = self.services.get(key);
            match current {
                None => changes.push(Change::AddService(entry.service.clone())),
                Some(current) if current.service != entry.service => {
                    changes.push(Change::EditService(entry.service.clone()));
                }
                Some(_) => {}
            }
            let nothing = BTreeMap::new();
            let current = current.map_or(&nothing, |entry| &entry.destinations);
            destination_changes(key, current, &entry.destinations, &mut changes);
        }
        changes
    }

    /// Makes a change; false if the kernel would refuse it: what is to be added is there, or what is to be edited or
    /// deleted is not.
    pub fn apply(&mut self, change: &Change) -> bool {
        match change {
            Change::AddService(service) => {
                if self.services.contains_key(&service.key) {
                    return false;
                }
                let entry = TableEntry { service: service.clone(), destinations: BTreeMap::new() };
                self.services.insert(service.key, entry).is_none()
            }
            Change::EditService(service) => match self.services.get_mut(&service.key) {
                Some(entry) => {
                    entry.service = service.clone();
                    true
                }
                None => false,
            },
            Change::DeleteService(key) => self.services.remove(key).is_some(),
            Change::AddDestination(key, destination) => match self.services.get_mut(key) {
                Some(entry) if !entry.destinations.contains_key(&destination.key) => {
                    entry.destinations.insert(destination.key, *destination).is_none()
                }
                Some(_) | None => false,
            },
            Change::EditDestination(key, destination) => {
                let entry = self.services.get_mut(key);
                match entry.and_then(|entry| entry.destinations.get_mut(&destination.key)) {
                    Some(current) => {
                        *current = *destination;
                        true
                    }
                    None => false,
                }
            }
            Change::DeleteDestination(key, destination) => {
                let entry = self.services.get_mut(key);
                entry.is_some_and(|entry| entry.destinations.remove(destination).is_some())
            }
        }
    }
}

/// The steps between the destinations of one service: new ones, changed ones, then those that go.
pub(crate) fn destination_changes(
    service: &ServiceKey,
    current: &BTreeMap<DestinationKey, Destination>,
    wanted: &BTreeMap<DestinationKey, Destination>,
    changes: &mut Vec<Change>,
) {
    for (key, destination) in wanted {
        match current.get(key) {
            None => changes.push(Change::AddDestination(*service, *destination)),
            Some(current) if current != destination => {
                changes.push(Change::EditDestination(*service, *destination));
            }
            Some(_) => {}
        }
    }
    let gone = current.keys().filter(|key| !wanted.contains_key(key));
    changes.extend(gone.map(|key| Change::DeleteDestination(*service, *key)));
}

impl Change {
    /// The service it is about.
    #[must_use]
    pub const fn service(&self) -> &ServiceKey {
        match self {
            Self::AddService(service) | Self::EditService(service) => &service.key,
            Self::DeleteService(key)
            | Self::AddDestination(key, _)
            | Self::EditDestination(key, _)
            | Self::DeleteDestination(key, _) => key,
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddService(service) => write!(formatter, "add service {}", service.key),
            Self::EditService(service) => write!(formatter, "edit service {}", service.key),
            Self::DeleteService(key) => write!(formatter, "delete service {key}"),
            Self::AddDestination(key, destination) => {
                write!(formatter, "add {} to {key} with weight {}", destination.key, destination.weight)
            }
            Self::EditDestination(key, destination) => {
                write!(formatter, "edit {} of {key}, weight {}", destination.key, destination.weight)
            }
            Self::DeleteDestination(key, destination) => {
                write!(formatter, "delete {destination} from {key}")
            }
        }
    }
}
