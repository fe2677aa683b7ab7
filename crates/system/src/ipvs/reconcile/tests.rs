//! Reconciliation against the table in memory, which answers as the kernel does.

use mainstay_core::ipvs::{
    Destination, DestinationKey, Forwarding, Protocol, Scheduler, Service, ServiceKey, SyncRole, Timeouts,
};

use super::*;
use crate::ipvs::{Info, Listing, Memory};

fn key(port: u16) -> ServiceKey {
    ServiceKey::Address { protocol: Protocol::Tcp, address: [10, 0, 0, 1].into(), port }
}

fn service(port: u16, scheduler: Scheduler) -> Service {
    Service::new(key(port), scheduler)
}

fn destination(last: u8, weight: u32) -> Destination {
    Destination {
        key: DestinationKey { address: [10, 0, 0, last].into(), port: 80 },
        forwarding: Forwarding::Masquerade,
        weight,
        upper_threshold: 0,
        lower_threshold: 0,
    }
}

fn found(applied: &Applied) -> Vec<(usize, Found)> {
    applied.surprises.iter().map(|surprise| (surprise.place, surprise.found)).collect()
}

#[test]
fn a_table_that_is_as_expected_surprises_nobody() {
    let mut table = Memory::new();
    let changes = [
        Change::AddService(service(80, Scheduler::RoundRobin)),
        Change::AddDestination(key(80), destination(2, 1)),
        Change::EditDestination(key(80), destination(2, 7)),
        Change::EditService(service(80, Scheduler::SourceHash)),
        Change::DeleteDestination(key(80), destination(2, 0).key),
        Change::DeleteService(key(80)),
    ];
    assert_eq!(table.apply(&changes).expect("memory answers"), Applied::default());
    assert!(table.list().expect("memory answers").services.is_empty());
}

#[test]
fn what_is_there_is_changed_and_what_is_gone_is_made_again() {
    let mut table = Memory::new();
    let before = [
        Change::AddService(service(80, Scheduler::RoundRobin)),
        Change::AddDestination(key(80), destination(2, 1)),
    ];
    table.apply(&before).expect("memory answers");
    let changes = [
        Change::AddService(service(80, Scheduler::SourceHash)),
        Change::AddDestination(key(80), destination(2, 5)),
        Change::EditDestination(key(80), destination(3, 6)),
        Change::EditService(service(81, Scheduler::SourceHash)),
        Change::AddDestination(key(81), destination(4, 7)),
        Change::DeleteDestination(key(81), destination(9, 0).key),
        Change::DeleteDestination(key(82), destination(9, 0).key),
        Change::DeleteService(key(82)),
    ];
    let applied = table.apply(&changes).expect("memory answers");
    assert_eq!(applied.refusals, []);
    assert_eq!(
        found(&applied),
        [
            (0, Found::AlreadyThere),
            (1, Found::AlreadyThere),
            (2, Found::Missing),
            (3, Found::Missing),
            (5, Found::AlreadyGone),
            (6, Found::AlreadyGone),
            (7, Found::AlreadyGone),
        ]
    );
    let services = table.list().expect("memory answers").table().services;
    assert_eq!(services[&key(80)].service.scheduler, Scheduler::SourceHash);
    assert_eq!(services[&key(80)].destinations[&destination(2, 0).key].weight, 5);
    assert_eq!(services[&key(80)].destinations[&destination(3, 0).key].weight, 6);
    assert_eq!(services[&key(81)].destinations[&destination(4, 0).key].weight, 7);
}

#[test]
fn a_refusal_has_its_place_and_reason_and_keeps_nothing_else_back() {
    let mut table = Memory::new();
    let unknown = Scheduler::named("nosuch");
    let mut changes =
        vec![Change::AddService(service(1, unknown)), Change::AddDestination(key(1), destination(2, 1))];
    changes.extend((2..600).map(|port| Change::AddService(service(port, Scheduler::RoundRobin))));
    let mut absurd = destination(2, 1);
    absurd.lower_threshold = 1;
    changes.push(Change::AddDestination(key(2), absurd));
    let applied = table.apply(&changes).expect("memory answers");
    let refused: Vec<_> = applied.refusals.iter().map(|refusal| (refusal.place, refusal.errno)).collect();
    assert_eq!(refused, [(0, libc::ENOENT), (1, libc::ESRCH), (600, libc::ERANGE)]);
    assert_eq!(applied.surprises, []);
    assert_eq!(table.list().expect("memory answers").services.len(), 598);
}

/// A table that answers one thing to one kind of order and the contrary to the other, for ever.
struct Contrary;

impl Balancer for Contrary {
    fn perform(&mut self, orders: &[Order<'_>]) -> Result<Vec<i32>> {
        let answer = |order: &Order<'_>| match order {
            Order::AddDestination(..) => libc::EEXIST,
            Order::EditDestination(..) => libc::ENOENT,
            _ => 0,
        };
        Ok(orders.iter().map(answer).collect())
    }

    fn list(&mut self) -> Result<Listing> {
        Ok(Listing::default())
    }

    fn timeouts(&mut self) -> Result<Timeouts> {
        Ok(Timeouts::default())
    }

    fn daemons(&mut self) -> Result<Vec<SyncDaemon>> {
        Ok(Vec::new())
    }

    fn info(&mut self) -> Result<Info> {
        Ok(Info::default())
    }
}

#[test]
fn a_table_that_changes_at_every_try_is_given_up() {
    let changes = [Change::AddDestination(key(80), destination(2, 1))];
    let applied = Contrary.apply(&changes).expect("it answers");
    let refused: Vec<_> = applied.refusals.iter().map(|refusal| (refusal.place, refusal.errno)).collect();
    assert_eq!(refused, [(0, libc::ENOENT)]);
}

#[test]
fn a_daemon_is_started_once_restarted_for_other_options_and_stopped_twice() {
    let mut table = Memory::new();
    let wanted = SyncDaemon {
        role: SyncRole::Master,
        interface: "eth0".into(),
        id: 1,
        max_length: None,
        port: None,
        ttl: Some(3),
        group: None,
    };
    table.start_daemon(&wanted).expect("starts");
    table.start_daemon(&wanted).expect("runs as wanted");
    table.start_daemon(&SyncDaemon { ttl: None, ..wanted.clone() }).expect("any will do");
    assert_eq!(table.daemons().expect("memory answers"), std::slice::from_ref(&wanted));
    let other = SyncDaemon { id: 2, ..wanted };
    table.start_daemon(&other).expect("starts anew");
    assert_eq!(table.daemons().expect("memory answers"), [other]);
    table.stop_daemon(SyncRole::Master).expect("stops");
    table.stop_daemon(SyncRole::Master).expect("does not run");
}

#[test]
fn clearing_counters_of_nothing_is_an_error_with_its_name() {
    let error = Memory::new().zero(Some(&key(80))).expect_err("no such service");
    assert_eq!(
        error.to_string(),
        "cannot clear the counters of [10.0.0.1]:tcp:80: No such process (os error 3)"
    );
}
