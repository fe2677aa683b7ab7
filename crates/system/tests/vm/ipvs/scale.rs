//! Big tables.

use std::time::Instant;

use mainstay_core::ipvs::{Change, Destination, DestinationKey, Forwarding, ServiceKey};
use mainstay_system::ipvs::{Balancer, Kernel};

use super::words::{destination, service, tcp};
use crate::stage::in_new_namespace;

/// Destinations in the table.
const MANY: u16 = 10_000;

fn numbered(number: u16) -> Destination {
    let mut one = destination("10.1.0.1:80", Forwarding::Masquerade);
    one.key = DestinationKey { port: number + 1, ..one.key };
    one
}

/// The bounds are for a guest that computes ten times slower than its host; a table that takes time by the square of its
/// size would break them all the same.
#[test]
fn ten_thousand_destinations_are_written_listed_edited_and_deleted() {
    in_new_namespace(|| {
        let mut kernel = Kernel::open().expect("ip_vs");
        let keys: Vec<ServiceKey> = (0..10).map(|last| tcp(&format!("10.0.0.{last}:80"))).collect();
        let services = keys.iter().map(|key| Change::AddService(service(*key, "wrr")));
        assert_eq!(kernel.apply(&services.collect::<Vec<_>>()).expect("answers").refusals, []);
        let of = |number: u16| keys[usize::from(number % 10)];
        let timed = |kernel: &mut Kernel, name: &str, changes: Vec<Change>| {
            let start = Instant::now();
            let applied = kernel.apply(&changes).expect("answers");
            println!("{name} {} destinations: {:.3} s", changes.len(), start.elapsed().as_secs_f64());
            assert!(applied.refusals.is_empty() && applied.surprises.is_empty(), "{name}: {applied:?}");
            assert!(start.elapsed().as_secs() < 30, "{name} took {:?}", start.elapsed());
        };
        let added = (0..MANY).map(|number| Change::AddDestination(of(number), numbered(number)));
        timed(&mut kernel, "added", added.collect());

        let start = Instant::now();
        let listing = kernel.list().expect("a list");
        println!("listed {MANY} destinations: {:.3} s", start.elapsed().as_secs_f64());
        let count = listing.services.iter().map(|listed| listed.destinations.len()).sum::<usize>();
        assert_eq!(count, usize::from(MANY));
        assert_eq!(
            listing.table().services.values().map(|entry| entry.destinations.len()).sum::<usize>(),
            count
        );

        let edited = (0..MANY).map(|number| {
            let heavier = Destination { weight: u32::from(number), ..numbered(number) };
            Change::EditDestination(of(number), heavier)
        });
        timed(&mut kernel, "edited", edited.collect());
        let table = kernel.list().expect("a list").table();
        assert_eq!(table.services[&of(9_999)].destinations[&numbered(9_999).key].weight, 9_999);
        let deleted = (0..MANY).map(|number| Change::DeleteDestination(of(number), numbered(number).key));
        timed(&mut kernel, "deleted", deleted.collect());
        let left = kernel.list().expect("a list");
        assert!(
            left.services.len() == 10 && left.services.iter().all(|listed| listed.destinations.is_empty())
        );
    });
}
