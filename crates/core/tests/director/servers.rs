//! Real servers in and out of service, quorum, sorry server, panic.

use mainstay_core::director::{Input, VirtualServerKey, VirtualServerPlan};
use mainstay_core::ipvs::{Protocol, Scheduler};

use crate::world::{Answer, SECOND, World, judged, one, plan, real, service, sorry, virtual_server};

const DOWN: Answer = Answer::Bad;
const UP: Answer = Answer::Good;

/// Longer than detection takes: a period, a retry.
const LONG: std::time::Duration = std::time::Duration::from_secs(25);

#[test]
fn a_real_server_leaves_the_table_while_it_fails() {
    let mut world = World::new(one(2, |_| {}));
    assert_eq!(world.listed(), ["10.0.0.1:80 1", "10.0.0.2:80 1"], "in service before the first check");
    world.pass(LONG);
    world.server("10.0.0.2", DOWN);
    world.pass(LONG);
    assert_eq!(world.listed(), ["10.0.0.1:80 1"]);
    assert_eq!(world.take_lines(), ["RS [10.0.0.2]:tcp:80 [192.0.2.1]:tcp:80 DOWN"]);
    world.server("10.0.0.2", UP);
    world.pass(LONG);
    assert_eq!(world.listed(), ["10.0.0.1:80 1", "10.0.0.2:80 1"]);
    assert_eq!(world.take_lines(), ["RS [10.0.0.2]:tcp:80 [192.0.2.1]:tcp:80 UP"]);
}

#[test]
fn with_inhibit_on_failure_it_stays_with_weight_0() {
    let mut world = World::new(one(2, |server| server.real_servers[0].inhibit_on_failure = true));
    world.server("10.0.0.1", DOWN);
    world.pass(LONG);
    assert_eq!(world.listed(), ["10.0.0.1:80 0", "10.0.0.2:80 1"]);
}

#[test]
fn all_checkers_must_be_content() {
    let both = |server: &mut mainstay_core::director::VirtualServerPlan| {
        let more = real("10.0.0.9:25").checkers;
        server.real_servers[0].checkers.extend(more);
    };
    let mut world = World::new(one(1, both));
    world.server("10.0.0.9", DOWN);
    world.pass(LONG);
    assert!(world.listed().is_empty());
    world.server("10.0.0.1", DOWN);
    world.server("10.0.0.9", UP);
    world.pass(LONG);
    assert!(world.listed().is_empty(), "now the other one fails");
    world.server("10.0.0.1", UP);
    world.pass(LONG);
    assert_eq!(world.listed(), ["10.0.0.1:80 1"]);
}

#[test]
fn with_alpha_a_real_server_serves_after_its_first_success() {
    let mut world = World::new(one(1, |server| judged(server, |judgement| judgement.alpha = true)));
    assert!(world.listed().is_empty());
    assert_eq!(world.take_lines(), ["VS [192.0.2.1]:tcp:80 DOWN"], "no quorum from the start is told");
    world.pass(LONG);
    assert_eq!(world.listed(), ["10.0.0.1:80 1"]);
    assert_eq!(
        world.take_lines(),
        ["RS [10.0.0.1]:tcp:80 [192.0.2.1]:tcp:80 UP", "VS [192.0.2.1]:tcp:80 UP"]
    );
}

#[test]
fn the_sorry_server_serves_while_there_is_no_quorum() {
    let mut world = World::new(one(2, |server| {
        server.quorum = 2;
        server.sorry_server = Some(sorry("10.0.0.99:8080"));
    }));
    world.pass(LONG);
    world.server("10.0.0.1", DOWN);
    world.pass(LONG);
    assert_eq!(world.listed(), ["10.0.0.99:8080 1"], "the living real server is out too");
    assert_eq!(
        world.take_lines(),
        ["RS [10.0.0.1]:tcp:80 [192.0.2.1]:tcp:80 DOWN", "VS [192.0.2.1]:tcp:80 DOWN"]
    );
    let added = world.changes.iter().position(|change| change.to_string().starts_with("add [10.0.0.99]"));
    let deleted = world.changes.iter().position(|change| change.to_string().starts_with("delete [10.0.0.2]"));
    assert!(added < deleted, "the sorry server comes before the last real server goes");
    world.server("10.0.0.1", UP);
    world.pass(LONG);
    assert_eq!(world.listed(), ["10.0.0.1:80 1", "10.0.0.2:80 1"]);
}

#[test]
fn an_inhibited_sorry_server_waits_with_weight_0() {
    let mut world = World::new(one(1, |server| {
        let mut sorry = sorry("10.0.0.99:80");
        sorry.inhibit = true;
        server.sorry_server = Some(sorry);
    }));
    assert_eq!(world.listed(), ["10.0.0.1:80 1", "10.0.0.99:80 0"]);
    world.server("10.0.0.1", DOWN);
    world.pass(LONG);
    assert_eq!(world.listed(), ["10.0.0.99:80 1"]);
}

#[test]
fn a_real_server_may_be_the_sorry_server_too() {
    let mut world = World::new(one(2, |server| {
        server.quorum = 2;
        server.sorry_server = Some(sorry("10.0.0.1:80"));
    }));
    world.server("10.0.0.2", DOWN);
    world.pass(LONG);
    assert_eq!(world.listed(), ["10.0.0.1:80 1"]);
    world.server("10.0.0.1", DOWN);
    world.pass(LONG);
    assert_eq!(world.listed(), ["10.0.0.1:80 1"], "as the sorry server it is not checked");
    world.reload(one(1, |_| {}));
    assert!(world.listed().is_empty());
}

#[test]
fn without_a_sorry_server_the_loss_of_quorum_is_only_told() {
    let mut world = World::new(one(2, |server| server.quorum = 2));
    world.server("10.0.0.1", DOWN);
    world.pass(LONG);
    assert_eq!(world.listed(), ["10.0.0.2:80 1"]);
    assert_eq!(world.take_lines().last().map(String::as_str), Some("VS [192.0.2.1]:tcp:80 DOWN"));
}

#[test]
fn hysteresis_is_a_dead_band_around_the_quorum() {
    // Quorum 3, hysteresis 1: lost below 2, won at 4.
    let mut world = World::new(one(4, |server| {
        server.quorum = 3;
        server.hysteresis = 1;
    }));
    let quorum = |world: &mut World, down: &[u8]| {
        for number in 1..=4 {
            world.server(&format!("10.0.0.{number}"), if down.contains(&number) { DOWN } else { UP });
        }
        world.pass(LONG);
        world.report().virtual_servers[0].up
    };
    assert!(quorum(&mut world, &[]));
    assert!(quorum(&mut world, &[1, 2]), "2 is not below 2");
    assert!(!quorum(&mut world, &[1, 2, 3]));
    assert!(!quorum(&mut world, &[1]), "3 is not yet 4");
    assert!(quorum(&mut world, &[]));
}

#[test]
fn all_real_servers_together_are_always_a_quorum() {
    // 3 + 2 is more than the three there are.
    let mut world = World::new(one(3, |server| {
        server.quorum = 3;
        server.hysteresis = 2;
    }));
    for number in 1..=3 {
        world.server(&format!("10.0.0.{number}"), DOWN);
    }
    world.pass(LONG);
    assert!(!world.report().virtual_servers[0].up);
    for number in 1..=3 {
        world.server(&format!("10.0.0.{number}"), UP);
    }
    world.pass(LONG);
    assert!(world.report().virtual_servers[0].up);
}

#[test]
fn below_the_panic_threshold_those_that_serve_go_on() {
    let mut world = World::new(one(4, |server| server.panic_threshold = 50));
    for number in 1..=2 {
        world.server(&format!("10.0.0.{number}"), DOWN);
    }
    world.pass(LONG);
    assert_eq!(world.listed(), ["10.0.0.3:80 1", "10.0.0.4:80 1"], "half is not below half");
    world.take_lines();
    world.server("10.0.0.3", DOWN);
    world.server("10.0.0.4", DOWN);
    world.pass(LONG);
    assert_eq!(world.listed(), ["10.0.0.3:80 1", "10.0.0.4:80 1"], "the last known good ones are held");
    assert_eq!(world.take_lines(), [""; 0], "nobody left service");
    assert!(world.log.iter().any(|line| line.contains("1 of 4 real servers live")), "{:?}", world.log);
    // Two live again: believed again, and the two that fail leave.
    world.server("10.0.0.1", UP);
    world.server("10.0.0.2", UP);
    world.pass(LONG);
    assert_eq!(world.listed(), ["10.0.0.1:80 1", "10.0.0.2:80 1"]);
    assert!(!world.report().virtual_servers[0].panic);
}

#[test]
fn checks_pause_while_the_address_is_elsewhere() {
    let address = "192.0.2.1".parse().expect("an address");
    let mut world = World::new(one(1, |server| server.suspend_without = Some(address)));
    world.pass(LONG);
    assert!(world.asked.is_empty());
    world.tell(Input::AddressHeld { address, held: true });
    world.pass(LONG);
    let asked = world.asked.len();
    assert!(asked >= 2);
    world.tell(Input::AddressHeld { address, held: false });
    world.pass(LONG);
    assert_eq!(world.asked.len(), asked);
    assert_eq!(world.listed(), ["10.0.0.1:80 1"]);
}

#[test]
fn a_question_that_says_nothing_costs_no_server_its_place() {
    let mut world = World::new(one(1, |server| judged(server, |judgement| judgement.retry = 0)));
    world.pass(LONG);
    world.server("10.0.0.1", Answer::Nothing);
    world.pass(100 * SECOND);
    assert_eq!(world.listed(), ["10.0.0.1:80 1"]);
    let told = world.log.iter().filter(|line| line.contains("says nothing")).count();
    assert_eq!(told, 1, "told once, not with every question");
}

#[test]
fn a_real_server_with_alpha_and_a_check_that_cannot_be_made_never_serves() {
    let mut world = World::new(one(2, |server| server.real_servers[0].unprovable = true));
    world.pass(LONG);
    assert_eq!(world.listed(), ["10.0.0.2:80 1"]);
}

/// One of several virtual servers of a group, with these real servers.
fn of_a_group(ordinal: u32, reals: &[&str]) -> VirtualServerPlan {
    VirtualServerPlan {
        key: VirtualServerKey::Group { name: "web".into(), protocol: Protocol::Tcp, ordinal },
        real_servers: reals.iter().map(|target| real(target)).collect(),
        ..virtual_server("192.0.2.1:80", 0)
    }
}

#[test]
fn virtual_servers_of_one_group_serve_together() {
    let first = of_a_group(0, &["10.0.0.1:80", "10.0.0.2:80"]);
    let second = VirtualServerPlan {
        scheduler: Scheduler::SourceHash,
        sorry_server: Some(sorry("10.0.0.9:80")),
        ..of_a_group(1, &["10.0.0.2:80", "10.0.0.3:80"])
    };
    let mut world = World::new(plan(vec![first.clone(), second.clone()]));
    assert_eq!(world.listed(), ["10.0.0.1:80 1", "10.0.0.2:80 1", "10.0.0.3:80 1"]);
    let table = world.kernel.as_ref().expect("a table");
    let scheduler = &table.services[&service("192.0.2.1:80")].service.scheduler;
    assert_eq!(scheduler, &Scheduler::WeightedLeastConnection, "the first says how the service is");
    for address in ["10.0.0.2", "10.0.0.3"] {
        world.server(address, DOWN);
    }
    world.pass(LONG);
    assert_eq!(world.listed(), ["10.0.0.1:80 1", "10.0.0.9:80 1"], "the second has no quorum, the first has");
    world.reload(plan(vec![first]));
    assert_eq!(world.listed(), ["10.0.0.1:80 1"]);
    world.reload(plan(vec![of_a_group(0, &["10.0.0.1:80"]), second]));
    assert_eq!(world.listed(), ["10.0.0.1:80 1", "10.0.0.3:80 1"], "what is asked anew is believed well");
}

#[test]
fn out_of_service_for_one_virtual_server_of_a_group_is_not_out_of_service_for_all() {
    let mut first = of_a_group(0, &["10.0.0.1:80"]);
    first.real_servers[0].inhibit_on_failure = true;
    first.real_servers[0].checkers = real("10.0.0.7:80").checkers;
    let mut world = World::new(plan(vec![first, of_a_group(1, &["10.0.0.1:80"])]));
    world.server("10.0.0.7", DOWN);
    world.pass(LONG);
    assert_eq!(world.listed(), ["10.0.0.1:80 1"], "it serves the second");
    world.server("10.0.0.1", DOWN);
    world.pass(LONG);
    assert_eq!(world.listed(), ["10.0.0.1:80 0"], "it rests for the first");
}
