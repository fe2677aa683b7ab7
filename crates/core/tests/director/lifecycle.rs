//! Notifications at the beginning and the end, and the successor of a process that died.

use mainstay_core::director::{Input, Verdict};

use crate::world::{Answer, SECOND, World, judged, one, plan, virtual_server};

#[test]
fn nobody_is_told_of_a_quiet_start() {
    let mut world = World::new(one(2, |_| {}));
    world.pass(60 * SECOND);
    assert_eq!(world.take_lines(), [""; 0]);
}

#[test]
fn rs_init_notifies_tells_who_is_up_from_the_start() {
    let mut telling = one(2, |_| {});
    telling.settings.initial_notifies = true;
    let mut world = World::new(telling);
    assert_eq!(
        world.take_lines(),
        ["RS [10.0.0.1]:tcp:80 [192.0.2.1]:tcp:80 UP", "RS [10.0.0.2]:tcp:80 [192.0.2.1]:tcp:80 UP"]
    );
}

#[test]
fn omega_tells_that_everything_goes_down_at_the_end() {
    let mut world = World::new(one(2, |server| server.omega = true));
    world.server("10.0.0.2", Answer::Bad);
    world.pass(25 * SECOND);
    world.take_lines();
    world.tell(Input::ShutdownRequested);
    assert_eq!(
        world.take_lines(),
        ["RS [10.0.0.1]:tcp:80 [192.0.2.1]:tcp:80 DOWN", "VS [192.0.2.1]:tcp:80 DOWN"]
    );
    let mut quiet = World::new(one(2, |_| {}));
    quiet.tell(Input::ShutdownRequested);
    assert_eq!(quiet.take_lines(), [""; 0]);
}

#[test]
fn a_successor_begins_with_the_last_verdicts_and_changes_nothing() {
    let with_alpha = || {
        one(3, |server| {
            server.alpha = true;
            judged(server, |judgement| judgement.alpha = true);
        })
    };
    let mut before = World::new(with_alpha());
    before.pass(25 * SECOND);
    before.server("10.0.0.2", Answer::Bad);
    before.pass(25 * SECOND);
    assert_eq!(before.listed(), ["10.0.0.1:80 1", "10.0.0.3:80 1"]);
    let mut after = World::with(with_alpha(), before.kernel, Some(before.memory));
    assert!(after.changes.is_empty(), "{:?}", after.changes);
    assert_eq!(after.take_lines(), [""; 0], "nobody is told twice");
    let reals = &after.report().virtual_servers[0].real_servers;
    assert_eq!(reals[0].checkers[0].verdict, Verdict::Up);
    assert_eq!(reals[1].checkers[0].verdict, Verdict::Down);
    after.pass(25 * SECOND);
    assert_eq!(after.listed().len(), 3, "it works on: the server is well again");
}

#[test]
fn a_successor_removes_what_a_reload_in_between_took_away() {
    let two = plan(vec![virtual_server("192.0.2.1:80", 1), virtual_server("192.0.2.2:80", 1)]);
    let before = World::new(two);
    let after = World::with(one(1, |_| {}), before.kernel, Some(before.memory));
    assert_eq!(after.kernel.map(|table| table.services.len()), Some(1));
    assert_eq!((after.memory.services.len(), after.memory.quorums.len()), (1, 1));
}

#[test]
fn nothing_is_due_before_the_beginning_and_after_the_end() {
    let mut world = World::unstarted(one(1, |_| {}), None, None);
    assert_eq!(world.director.next_deadline(), None);
    world.begin();
    assert!(world.director.next_deadline().is_some());
    world.tell(Input::ShutdownRequested);
    assert_eq!(world.director.next_deadline(), None);
}
