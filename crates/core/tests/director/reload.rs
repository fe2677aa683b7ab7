//! A reload: what is the same goes on as it is.

use mainstay_core::director::{Input, VirtualServerKey};
use mainstay_core::ipvs::{Change, Protocol, Scheduler};

use crate::world::{Answer, SECOND, World, judged, judgement, one, plan, real, service, tcp, virtual_server};

fn changes(world: &World) -> Vec<String> {
    world.changes.iter().map(Change::to_string).collect()
}

/// A world at work in which 10.0.0.2 was found down.
fn with_one_down(change: impl FnOnce(&mut mainstay_core::director::VirtualServerPlan)) -> World {
    let mut world = World::new(one(3, change));
    world.server("10.0.0.2", Answer::Bad);
    world.pass(25 * SECOND);
    world.take_lines();
    world.changes.clear();
    world
}

#[test]
fn an_unchanged_plan_changes_nothing() {
    let mut world = with_one_down(|_| {});
    let before = world.report();
    let asked = world.asked.len();
    world.reload(one(3, |_| {}));
    assert!(changes(&world).is_empty());
    assert_eq!(world.report(), before);
    assert_eq!(world.take_lines(), [""; 0]);
    world.pass(10 * SECOND);
    assert_eq!(world.asked.len() - asked, 3, "each keeps its phase");
}

#[test]
fn alpha_does_not_begin_again() {
    let with_alpha = || {
        one(3, |server| {
            server.alpha = true;
            judged(server, |judgement| judgement.alpha = true);
        })
    };
    let mut world = World::new(with_alpha());
    world.pass(25 * SECOND);
    world.take_lines();
    world.changes.clear();
    world.reload(with_alpha());
    assert!(changes(&world).is_empty());
    assert_eq!(world.take_lines(), [""; 0]);
}

#[test]
fn weights_schedulers_and_thresholds_are_edited_in_place() {
    let mut world = with_one_down(|_| {});
    world.reload(one(3, |server| {
        server.scheduler = Scheduler::RoundRobin;
        server.real_servers[0].weight = 5;
        server.real_servers[2].upper_threshold = 100;
    }));
    assert_eq!(
        changes(&world),
        [
            "edit service [192.0.2.1]:tcp:80",
            "edit [10.0.0.1]:80 of [192.0.2.1]:tcp:80, weight 5",
            "edit [10.0.0.3]:80 of [192.0.2.1]:tcp:80, weight 1"
        ]
    );
}

#[test]
fn servers_come_and_go() {
    let mut world = with_one_down(|_| {});
    world.reload(one(2, |server| server.real_servers.push(real("10.0.0.9:80"))));
    assert_eq!(world.listed(), ["10.0.0.1:80 1", "10.0.0.9:80 1"], "10.0.0.2 still is down");
    world.reload(plan(vec![virtual_server("192.0.2.9:80", 1)]));
    assert_eq!(world.listed(), ["10.0.0.1:80 1"]);
    assert_eq!(world.kernel.map(|table| table.services.len()), Some(1));
}

#[test]
fn a_verdict_survives_another_way_to_judge() {
    let mut world = with_one_down(|_| {});
    world.reload(one(3, |server| judged(server, |judgement| judgement.retry = 7)));
    assert!(changes(&world).is_empty());
    assert_eq!(world.listed(), ["10.0.0.1:80 1", "10.0.0.3:80 1"]);
}

#[test]
fn a_bad_server_with_a_new_question_stays_out_until_it_is_answered() {
    let mut world = with_one_down(|_| {});
    let other = |server: &mut mainstay_core::director::VirtualServerPlan| {
        server.real_servers[1].checkers = vec![tcp("10.0.0.50:8080", &judgement())];
    };
    world.reload(one(3, other));
    assert!(changes(&world).is_empty());
    world.pass(15 * SECOND);
    assert_eq!(world.listed().len(), 3, "10.0.0.50 answers");
}

#[test]
fn a_server_whose_only_failing_check_left_serves_again() {
    let mut world = with_one_down(|_| {});
    world.reload(one(3, |server| server.real_servers[1].checkers.clear()));
    assert_eq!(world.listed().len(), 3);
    assert_eq!(world.take_lines(), ["RS [10.0.0.2]:tcp:80 [192.0.2.1]:tcp:80 UP"]);
}

#[test]
fn a_reload_may_cost_the_quorum_and_says_so() {
    let mut world = with_one_down(|_| {});
    world.reload(one(3, |server| server.quorum = 3));
    assert_eq!(world.take_lines(), ["VS [192.0.2.1]:tcp:80 DOWN"]);
    world.reload(one(3, |server| server.quorum = 2));
    assert_eq!(world.take_lines(), ["VS [192.0.2.1]:tcp:80 UP"]);
}

#[test]
fn a_server_that_left_drains_before_it_goes() {
    let draining = |server: &mut mainstay_core::director::VirtualServerPlan| server.drain = 30 * SECOND;
    let mut world = World::new(one(3, draining));
    world.pass(SECOND);
    world.reload(one(2, draining));
    assert_eq!(world.listed(), ["10.0.0.1:80 1", "10.0.0.2:80 1", "10.0.0.3:80 0"]);
    world.pass(29 * SECOND);
    assert_eq!(world.listed().len(), 3);
    world.pass(2 * SECOND);
    assert_eq!(world.listed(), ["10.0.0.1:80 1", "10.0.0.2:80 1"]);
}

#[test]
fn a_server_that_comes_back_while_it_drains_serves_on() {
    let draining = |server: &mut mainstay_core::director::VirtualServerPlan| server.drain = 30 * SECOND;
    let mut world = World::new(one(3, draining));
    world.reload(one(2, draining));
    world.reload(one(3, draining));
    world.pass(60 * SECOND);
    assert_eq!(world.listed(), ["10.0.0.1:80 1", "10.0.0.2:80 1", "10.0.0.3:80 1"]);
    let deleted = world.changes.iter().filter(|change| matches!(change, Change::DeleteDestination(..)));
    assert_eq!(deleted.count(), 0, "its connections were never cut");
}

#[test]
fn a_virtual_server_that_left_drains_before_it_goes() {
    let both = || {
        let mut leaving = virtual_server("192.0.2.2:80", 2);
        (leaving.drain, leaving.real_servers[0].weight) = (30 * SECOND, 5);
        plan(vec![virtual_server("192.0.2.1:80", 1), leaving])
    };
    let mut world = World::new(both());
    world.pass(SECOND);
    world.changes.clear();
    world.reload(one(1, |_| {}));
    assert_eq!(
        changes(&world),
        [
            "edit [10.0.0.1]:80 of [192.0.2.2]:tcp:80, weight 0",
            "edit [10.0.0.2]:80 of [192.0.2.2]:tcp:80, weight 0"
        ]
    );
    assert_eq!(world.log.last().map(String::as_str), Some("VS [192.0.2.2]:tcp:80: drains for 30 s"));
    assert_eq!(world.memory.services.len(), 2, "a successor knows that it is ours");
    world.reload(one(1, |_| {}));
    world.pass(29 * SECOND);
    assert_eq!(world.listed().len(), 3, "another reload is no end");
    world.pass(2 * SECOND);
    assert_eq!(world.listed(), ["10.0.0.1:80 1"]);
    assert_eq!(world.log.last().map(String::as_str), Some("IPVS: [192.0.2.2]:tcp:80 has drained"));
    assert_eq!(world.memory.services.len(), 1);
}

#[test]
fn a_virtual_server_that_comes_back_while_it_drains_serves_on() {
    let both = || {
        let mut leaving = virtual_server("192.0.2.2:80", 2);
        leaving.drain = 30 * SECOND;
        plan(vec![virtual_server("192.0.2.1:80", 1), leaving])
    };
    let mut world = World::new(both());
    world.reload(one(1, |_| {}));
    world.pass(SECOND);
    world.reload(both());
    world.pass(60 * SECOND);
    assert_eq!(world.listed(), ["10.0.0.1:80 1", "10.0.0.1:80 1", "10.0.0.2:80 1"]);
    let deleted = world.changes.iter().any(|change| matches!(change, Change::DeleteService(_)));
    assert!(!deleted, "its connections were never cut");
}

#[test]
fn a_service_that_left_its_group_drains_and_one_that_moved_does_not() {
    let group = |name: &str, services: &[&str]| {
        let mut server = virtual_server("192.0.2.1:80", 1);
        let (protocol, name) = (Protocol::Tcp, name.into());
        server.key = VirtualServerKey::Group { name, protocol, ordinal: 0 };
        server.services = services.iter().map(|key| service(key)).collect();
        server.drain = 30 * SECOND;
        server
    };
    let mut world = World::new(plan(vec![group("one", &["192.0.2.1:80", "192.0.2.2:80", "192.0.2.3:80"])]));
    world.changes.clear();
    world.reload(plan(vec![group("one", &["192.0.2.1:80"]), group("two", &["192.0.2.3:80"])]));
    assert_eq!(changes(&world), ["edit [10.0.0.1]:80 of [192.0.2.2]:tcp:80, weight 0"]);
    world.pass(31 * SECOND);
    assert_eq!(changes(&world).last().map(String::as_str), Some("delete service [192.0.2.2]:tcp:80"));
    assert_eq!(changes(&world).len(), 2);
}

#[test]
fn the_end_does_not_wait_for_what_drains() {
    let mut world = World::new(one(2, |server| server.drain = 30 * SECOND));
    world.reload(plan(Vec::new()));
    assert_eq!(world.listed(), ["10.0.0.1:80 0", "10.0.0.2:80 0"]);
    world.tell(Input::ShutdownRequested);
    assert_eq!(world.kernel.map(|table| table.services.len()), Some(0));
}

#[test]
fn a_reload_before_the_kernel_was_listed_counts() {
    let mut world = World::unstarted(one(1, |_| {}), Some(Default::default()), None);
    world.reload(one(2, |_| {}));
    world.begin();
    assert_eq!(world.listed(), ["10.0.0.1:80 1", "10.0.0.2:80 1"]);
}
