//! The kernel's table: taken over, compared, healed, missing, refusing.

use mainstay_core::director::plan::{AtStop, SyncPlan};
use mainstay_core::director::{Action, Input};
use mainstay_core::ipvs::{
    Change, Destination, DestinationKey, Forwarding, Scheduler, Service, SyncDaemon, SyncRole, Table,
    Timeouts,
};

use crate::world::{Answer, SECOND, World, one, plan, service, virtual_server};

fn foreign() -> Table {
    let mut table = Table::default();
    table.apply(&Change::AddService(Service::new(service("198.51.100.1:443"), Scheduler::RoundRobin)));
    table
}

fn destination(address: [u8; 4], weight: u32) -> Destination {
    Destination {
        key: DestinationKey { address: address.into(), port: 80 },
        forwarding: Forwarding::Masquerade,
        weight,
        upper_threshold: 0,
        lower_threshold: 0,
    }
}

fn daemon() -> SyncDaemon {
    SyncDaemon {
        role: SyncRole::Master,
        interface: "eth0".into(),
        id: 51,
        max_length: None,
        port: None,
        ttl: None,
        group: None,
    }
}

#[test]
fn what_is_there_is_taken_over_and_what_is_foreign_is_left_alone() {
    let mut before = foreign();
    let ours = service("192.0.2.1:80");
    before.apply(&Change::AddService(Service::new(ours, Scheduler::WeightedLeastConnection)));
    before.apply(&Change::AddDestination(ours, destination([10, 0, 0, 1], 1)));
    before.apply(&Change::AddDestination(ours, destination([10, 0, 0, 77], 1)));
    let world = World::with(one(2, |_| {}), Some(before), None);
    let changes: Vec<String> = world.changes.iter().map(Change::to_string).collect();
    assert_eq!(
        changes,
        [
            "add [10.0.0.2]:80 to [192.0.2.1]:tcp:80 with weight 1",
            "delete [10.0.0.77]:80 from [192.0.2.1]:tcp:80"
        ],
        "10.0.0.1 keeps its connections"
    );
    assert!(world.log[0].contains("taken over with 1 services and 2 destinations"), "{:?}", world.log);
    assert!(world.kernel.is_some_and(|table| table.services.contains_key(&service("198.51.100.1:443"))));
}

#[test]
fn lvs_flush_begins_with_an_empty_table() {
    let mut flushing = one(1, |_| {});
    flushing.settings.flush = true;
    let world = World::with(flushing.clone(), Some(foreign()), None);
    assert_eq!(world.orders, ["flush"]);
    assert_eq!(world.kernel.as_ref().map(|table| table.services.len()), Some(1));
    let successor = World::with(flushing, world.kernel, Some(world.memory));
    assert!(successor.orders.is_empty() && successor.changes.is_empty(), "a successor adopts");
}

#[test]
fn a_foreign_hand_is_put_right_and_told_once() {
    let mut world = World::new(one(2, |_| {}));
    let ours = service("192.0.2.1:80");
    for _ in 0..3 {
        let table = world.kernel.as_mut().expect("a table");
        table.apply(&Change::EditDestination(ours, destination([10, 0, 0, 1], 0)));
        world.pass(61 * SECOND);
        assert_eq!(world.listed(), ["10.0.0.1:80 1", "10.0.0.2:80 1"]);
    }
    let told = world.log.iter().filter(|line| line.contains("somebody changed it")).count();
    assert_eq!(told, 1, "{:?}", world.log);
    world.pass(61 * SECOND);
    world.kernel.as_mut().expect("a table").services.clear();
    world.pass(61 * SECOND);
    assert_eq!(world.listed(), ["10.0.0.1:80 1", "10.0.0.2:80 1"]);
    let told = world.log.iter().filter(|line| line.contains("somebody changed it")).count();
    assert_eq!(told, 2, "a new case is told again");
}

#[test]
fn what_was_ordered_after_a_listing_is_no_foreign_hand() {
    let mut world = World::new(one(2, |_| {}));
    world.pass(59 * SECOND);
    let mut actions = Vec::new();
    // The comparison is ordered, and its answer is on its way while a weight changes.
    world.now = world.director.next_deadline().expect("a comparison");
    while !actions.contains(&Action::ListTable) {
        world.now = world.director.next_deadline().expect("a comparison").max(world.now);
        actions.clear();
        world.director.step(world.now, Input::Tick, &mut actions);
        for action in &actions {
            if let Action::Probe { checker, .. } = action {
                let outcome = mainstay_core::director::Outcome::Passed { took: SECOND };
                let mut none = Vec::new();
                world.director.step(world.now, Input::Answered { checker: *checker, outcome }, &mut none);
            }
        }
    }
    let listed = world.kernel.clone().expect("a table");
    let mut heavier = one(2, |server| server.real_servers[0].weight = 7);
    heavier.virtual_servers[0].quorum = 1;
    world.reload(heavier);
    assert_eq!(world.listed(), ["10.0.0.1:80 7", "10.0.0.2:80 1"]);
    let changes = world.changes.len();
    world.tell(Input::TableListed(listed));
    assert_eq!(world.changes.len(), changes, "{:?}", world.log);
    assert!(!world.log.iter().any(|line| line.contains("somebody")));
}

#[test]
fn without_ip_vs_checks_go_on_and_the_lack_is_told_once() {
    let mut world = World::with(one(1, |_| {}), None, None);
    world.server("10.0.0.1", Answer::Bad);
    world.pass(200 * SECOND);
    assert!(!world.report().virtual_servers[0].real_servers[0].good);
    assert_eq!(world.log.iter().filter(|line| line.contains("no ip_vs")).count(), 1);
    // The module is loaded.
    world.kernel = Some(Table::default());
    world.server("10.0.0.1", Answer::Good);
    world.pass(61 * SECOND);
    assert_eq!(world.listed(), ["10.0.0.1:80 1"]);
}

#[test]
fn what_leaves_the_plan_while_the_table_is_away_is_removed_when_it_is_back() {
    let draining = |server: &mut mainstay_core::director::VirtualServerPlan| server.drain = 5 * SECOND;
    let mut world = World::new(one(2, draining));
    world.reload(plan(vec![virtual_server("192.0.2.2:80", 1), virtual_server("192.0.2.3:80", 1)]));
    world.tell(Input::TableUnavailable { words: "no answer".into() });
    world.reload(plan(vec![virtual_server("192.0.2.3:80", 1)]));
    world.pass(6 * SECOND);
    assert_eq!(world.kernel.as_ref().map(|table| table.services.len()), Some(3));
    assert_eq!(world.memory.services.len(), 3, "a successor would have to know");
    world.pass(60 * SECOND);
    assert_eq!(
        world.kernel.map(|table| table.services.into_keys().collect()),
        Some(vec![service("192.0.2.3:80")])
    );
    assert_eq!(world.memory.services.len(), 1);
}

#[test]
fn a_service_the_kernel_refuses_is_told_once_and_tried_again() {
    let two = || plan(vec![virtual_server("192.0.2.1:80", 1), virtual_server("192.0.2.2:80", 1)]);
    let mut world = World::unstarted(two(), Some(Table::default()), None);
    world.refused.insert(service("192.0.2.1:80"));
    world.begin();
    world.pass(300 * SECOND);
    assert_eq!(world.listed(), ["10.0.0.1:80 1"], "the other one is served");
    assert_eq!(world.log.iter().filter(|line| line.contains("would not")).count(), 1, "{:?}", world.log);
    assert!(!world.log.iter().any(|line| line.contains("somebody")), "{:?}", world.log);
    world.refused.clear();
    world.pass(61 * SECOND);
    assert_eq!(world.listed(), ["10.0.0.1:80 1", "10.0.0.1:80 1"]);
}

#[test]
fn the_end_removes_what_is_ours() {
    let table = [
        (AtStop::RemoveOurs, 1, ""),
        (AtStop::FlushOurs, 1, ""),
        (AtStop::Flush, 0, "flush"),
        (AtStop::Leave, 2, ""),
    ];
    for (at_stop, left, order) in table {
        let mut ending = one(3, |_| {});
        ending.settings.at_stop = at_stop;
        let mut world = World::with(ending, Some(foreign()), None);
        world.tell(Input::ShutdownRequested);
        assert!(world.finished);
        assert_eq!(world.kernel.map(|table| table.services.len()), Some(left), "{at_stop:?}");
        assert_eq!(world.orders.join(" "), order, "{at_stop:?}");
    }
}

#[test]
fn the_synchronisation_daemon_follows_its_instance() {
    let daemon = daemon();
    let mut followed = one(1, |_| {});
    followed.settings.sync = Some(SyncPlan { daemon: daemon.clone(), instance: Some("VI_1".into()) });
    followed.settings.timeouts = Timeouts { tcp_s: 900, ..Timeouts::default() };
    let mut world = World::new(followed);
    assert_eq!(world.orders, ["tcp timeout 900", "stop master", "start backup"]);
    world.orders.clear();
    world.tell(Input::InstanceBecame { instance: "VI_2".into(), master: true });
    assert!(world.orders.is_empty());
    world.tell(Input::InstanceBecame { instance: "VI_1".into(), master: true });
    assert_eq!(world.orders, ["stop backup", "start master"]);
    world.orders.clear();
    let mut alone = one(1, |_| {});
    alone.settings.timeouts = Timeouts { tcp_s: 900, ..Timeouts::default() };
    alone.settings.sync = Some(SyncPlan { daemon, instance: None });
    world.reload(alone);
    assert_eq!(world.orders, ["stop master", "stop backup", "start master", "start backup"]);
    world.orders.clear();
    world.tell(Input::ShutdownRequested);
    assert_eq!(world.orders, ["timeouts as they were", "stop master", "stop backup"]);
}

#[test]
fn a_director_that_ends_before_it_began_removes_what_its_predecessor_left() {
    let table = [
        (AtStop::RemoveOurs, 1, "stop master stop backup"),
        (AtStop::FlushOurs, 1, "stop master stop backup"),
        (AtStop::Flush, 0, "flush stop master stop backup"),
        (AtStop::Leave, 2, ""),
    ];
    for (at_stop, left, orders) in table {
        let before = World::with(one(1, |_| {}), Some(foreign()), None);
        let mut ending = one(1, |_| {});
        ending.settings.at_stop = at_stop;
        ending.settings.sync = Some(SyncPlan { daemon: daemon(), instance: None });
        let mut world = World::unstarted(ending, before.kernel, Some(before.memory));
        world.tell(Input::ShutdownRequested);
        assert!(world.finished);
        assert_eq!(world.kernel.map(|table| table.services.len()), Some(left), "{at_stop:?}");
        assert_eq!(world.orders.join(" "), orders, "{at_stop:?}");
    }
}

#[test]
fn a_director_that_ends_before_it_began_and_follows_nobody_touches_nothing() {
    let mut ending = one(1, |_| {});
    ending.settings.at_stop = AtStop::Flush;
    let mut world = World::unstarted(ending, Some(foreign()), None);
    world.tell(Input::ShutdownRequested);
    assert_eq!(world.kernel, Some(foreign()));
    assert!(world.orders.is_empty());
}
