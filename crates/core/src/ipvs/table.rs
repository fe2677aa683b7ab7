//! The whole table, and the way from one table to another.

use alloc::collections::BTreeMap;
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
