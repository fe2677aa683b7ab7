//! The difference of two tables: applied in its order, it gives the other one.

use std::collections::BTreeMap;

use mainstay_core::address::Family;
use mainstay_core::ipvs::{
    Change, Destination, DestinationKey, Forwarding, Granularity, Persistence, Scheduler, Service, Table,
    TableEntry,
};
use proptest::prelude::*;

use crate::world::service;

fn destinations() -> impl Strategy<Value = BTreeMap<DestinationKey, Destination>> {
    proptest::collection::btree_map(0_u8..5, (0_u32..3, any::<bool>(), 0_u32..2), 0..5).prop_map(|found| {
        let destination = |(number, (weight, direct, upper_threshold)): (u8, (u32, bool, u32))| {
            let key = DestinationKey { address: [10, 0, 0, number].into(), port: 80 };
            let forwarding = if direct { Forwarding::DirectRoute } else { Forwarding::Masquerade };
            (key, Destination { key, forwarding, weight, upper_threshold, lower_threshold: 0 })
        };
        found.into_iter().map(destination).collect()
    })
}

fn tables() -> impl Strategy<Value = Table> {
    let entry = (0_u8..4, any::<bool>(), any::<bool>(), destinations());
    proptest::collection::vec(entry, 0..5).prop_map(|entries| {
        let mut table = Table::default();
        for (number, hashed, persists, destinations) in entries {
            let scheduler = if hashed { Scheduler::SourceHash } else { Scheduler::RoundRobin };
            let key = service(&format!("192.0.2.{number}:80"));
            let mut service = Service::new(key, scheduler);
            service.persistence = persists.then_some(Persistence {
                timeout_s: 360,
                granularity: Granularity::host(Family::V4),
                engine: None,
            });
            table.services.insert(key, TableEntry { service, destinations });
        }
        table
    })
}

proptest! {
    #[test]
    fn the_changes_lead_from_one_table_to_the_other(from in tables(), to in tables()) {
        let mut table = from.clone();
        for change in from.changes_to(&to) {
            prop_assert!(table.apply(&change), "the kernel refuses: {change}");
        }
        prop_assert_eq!(&table, &to);
        prop_assert!(table.changes_to(&to).is_empty());
    }

    #[test]
    fn a_service_that_stays_is_never_without_destinations_in_between(from in tables(), to in tables()) {
        let mut table = from.clone();
        let stays: Vec<_> = from
            .services
            .iter()
            .filter(|(key, entry)| {
                !entry.destinations.is_empty()
                    && to.services.get(*key).is_some_and(|entry| !entry.destinations.is_empty())
            })
            .map(|(key, _)| *key)
            .collect();
        for change in from.changes_to(&to) {
            prop_assert!(table.apply(&change));
            for key in &stays {
                prop_assert!(!table.services[key].destinations.is_empty(), "after {}", change);
            }
        }
    }

    #[test]
    fn what_exists_is_edited_and_keeps_its_connections(from in tables(), to in tables()) {
        for change in from.changes_to(&to) {
            match change {
                Change::DeleteService(key) => prop_assert!(!to.services.contains_key(&key)),
                Change::DeleteDestination(key, destination) => {
                    prop_assert!(to.destination(&key, &destination).is_none());
                }
                Change::AddService(_)
                | Change::EditService(_)
                | Change::AddDestination(..)
                | Change::EditDestination(..) => {}
            }
        }
    }
}

#[test]
fn the_kernel_refuses_what_does_not_fit_its_table() {
    let key = service("192.0.2.1:80");
    let mut table = Table::default();
    let destination = Destination {
        key: DestinationKey { address: [10, 0, 0, 1].into(), port: 80 },
        forwarding: Forwarding::Masquerade,
        weight: 1,
        upper_threshold: 0,
        lower_threshold: 0,
    };
    assert!(!table.apply(&Change::AddDestination(key, destination)));
    assert!(!table.apply(&Change::EditService(Service::new(key, Scheduler::RoundRobin))));
    assert!(!table.apply(&Change::DeleteService(key)));
    assert!(table.apply(&Change::AddService(Service::new(key, Scheduler::RoundRobin))));
    assert!(!table.apply(&Change::AddService(Service::new(key, Scheduler::RoundRobin))));
    assert!(!table.apply(&Change::EditDestination(key, destination)));
    assert!(!table.apply(&Change::DeleteDestination(key, destination.key)));
    assert!(table.apply(&Change::AddDestination(key, destination)));
    assert!(!table.apply(&Change::AddDestination(key, destination)));
}
