//! What a balancer lists.

use mainstay_core::ipvs::{Connections, Destination, Service, Statistics, Table, TableEntry};

/// Everything in a table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// In the order the kernel lists them, which is none.
    pub services: Vec<ListedService>,
    /// Services and destinations that Mainstay has no words for, such as a service of a protocol that only others can
    /// ask for. They are left alone.
    pub unreadable: u32,
}

/// A service with what was counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedService {
    /// The service.
    pub service: Service,
    /// Its counters.
    pub statistics: Statistics,
    /// Its destinations.
    pub destinations: Vec<ListedDestination>,
}

/// A destination with what was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedDestination {
    /// The destination.
    pub destination: Destination,
    /// Its connections now.
    pub connections: Connections,
    /// Its counters.
    pub statistics: Statistics,
}

impl Listing {
    /// The table without its counters.
    #[must_use]
    pub fn table(&self) -> Table {
        let services = self.services.iter().map(|listed| {
            let destinations = listed.destinations.iter().map(|listed| listed.destination);
            let destinations = destinations.map(|destination| (destination.key, destination)).collect();
            (listed.service.key, TableEntry { service: listed.service.clone(), destinations })
        });
        Table { services: services.collect() }
    }
}

/// What IPVS says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Info {
    /// Major, minor, patch. 1.2.1 for two decades.
    pub version: [u8; 3],
    /// Rows of the hash table of connections.
    pub connection_table_size: u32,
}
