//! When questions are asked, scripts and files, and what is asked once for many.

use std::sync::Arc;
use std::time::Duration;

use mainstay_core::director::plan::ScriptCheck;
use mainstay_core::director::{CheckerKind, CheckerPlan, Input, Outcome};

use crate::world::{Answer, SECOND, World, judged, judgement, one, plan, virtual_server};

fn with_kind(kind: CheckerKind) -> mainstay_core::director::DirectorPlan {
    let mut plan = one(1, |server| {
        server.real_servers[0].weight = 10;
        server.real_servers[0].checkers =
            vec![CheckerPlan { kind: kind.clone(), judgement: Arc::new(judgement()) }];
    });
    if let CheckerKind::File { file, .. } = kind {
        plan.files.push(file);
    }
    plan
}

fn script(dynamic: bool) -> CheckerKind {
    CheckerKind::Script(Arc::new(ScriptCheck { command: "/bin/check".into(), timeout: SECOND, dynamic }))
}

fn file(weight: i32, reverse: bool) -> CheckerKind {
    CheckerKind::File { file: "load".into(), weight, reverse }
}

#[test]
fn the_table_of_exit_codes() {
    // Exit status, misc_dynamic, what the table has then.
    let table: [(u8, bool, Option<u32>); 8] = [
        (0, false, Some(10)),
        (1, false, None),
        (2, false, None),
        (0, true, Some(10)),
        (1, true, None),
        (2, true, Some(0)),
        (3, true, Some(1)),
        (255, true, Some(253)),
    ];
    for (exit, dynamic, weight) in table {
        let mut world = World::new(with_kind(script(dynamic)));
        world.exit = exit;
        world.pass(25 * SECOND);
        let expected: Vec<String> =
            weight.map(|weight| format!("10.0.0.1:80 {weight}")).into_iter().collect();
        assert_eq!(world.listed(), expected, "exit status {exit}, dynamic {dynamic}");
    }
}

#[test]
fn exit_status_0_gives_the_configured_weight_back() {
    let mut world = World::new(with_kind(script(true)));
    world.exit = 52;
    world.pass(25 * SECOND);
    assert_eq!(world.listed(), ["10.0.0.1:80 50"]);
    world.exit = 0;
    world.pass(25 * SECOND);
    assert_eq!(world.listed(), ["10.0.0.1:80 10"]);
}

#[test]
fn the_table_of_file_values() {
    // Weight, reverse, value, what the table has then.
    let table: [(i32, bool, i64, Option<u32>); 9] = [
        (0, false, 0, Some(10)),
        (0, false, 7, None),
        (0, true, 0, None),
        (0, true, 7, Some(10)),
        (2, false, 3, Some(16)),
        (2, true, 3, Some(4)),
        (-1, false, 4, Some(6)),
        (-1, false, 40, Some(0)),
        (i32::MAX, false, i64::MAX, Some(i32::MAX as u32)),
    ];
    for (weight, reverse, value, expected) in table {
        let mut world = World::new(with_kind(file(weight, reverse)));
        world.tell(Input::FileRead { file: "load".into(), value: Some(value) });
        let expected: Vec<String> =
            expected.map(|weight| format!("10.0.0.1:80 {weight}")).into_iter().collect();
        assert_eq!(world.listed(), expected, "{value} with weight {weight}, reverse {reverse}");
    }
}

#[test]
fn a_file_that_cannot_be_read_counts_as_0() {
    let mut world = World::new(with_kind(file(2, false)));
    world.tell(Input::FileRead { file: "load".into(), value: Some(5) });
    world.tell(Input::FileRead { file: "load".into(), value: None });
    assert_eq!(world.listed(), ["10.0.0.1:80 10"]);
}

#[test]
fn a_bfd_session_decides_at_once() {
    let mut world = World::new(with_kind(CheckerKind::Bfd { session: "b".into() }));
    world.tell(Input::SessionBecame { session: "b".into(), up: false });
    assert!(world.listed().is_empty());
    world.tell(Input::SessionBecame { session: "b".into(), up: true });
    assert_eq!(world.listed(), ["10.0.0.1:80 10"]);
}

#[test]
fn every_server_is_asked_in_its_period_and_they_are_spread() {
    let mut world = World::new(one(200, |_| {}));
    world.pass(100 * SECOND);
    assert_eq!(world.asked.len(), 200 * 10);
    let mut seconds = std::collections::BTreeMap::new();
    for (at, _) in &world.asked {
        *seconds.entry(at.as_nanos() / 1_000_000_000).or_insert(0_u32) += 1;
    }
    assert!(seconds.values().all(|count| (5..50).contains(count)), "{seconds:?}");
}

#[test]
fn a_turn_that_came_while_an_answer_was_awaited_is_taken_at_once() {
    let mut world = World::new(one(1, |_| {}));
    world.pass(30 * SECOND);
    let checker = world.held_question();
    let asked = world.now;
    world.now = asked + 12 * SECOND;
    world.asked.clear();
    world.tell(Input::Answered { checker, outcome: Outcome::Passed { took: 12 * SECOND } });
    world.pass(20 * SECOND);
    let times: Vec<_> = world.asked.iter().map(|(at, _)| at.saturating_since(asked).as_secs()).collect();
    assert_eq!(times, [12, 20, 30], "at once, and then in its turns");
}

#[test]
fn warmup_0_asks_at_once_and_then_in_turn() {
    let mut world =
        World::new(one(50, |server| judged(server, |judgement| judgement.warmup = Duration::ZERO)));
    world.pass(Duration::ZERO);
    assert_eq!(world.asked.len(), 50);
    let start = world.now;
    world.pass(10 * SECOND);
    assert_eq!(world.asked.len(), 100);
    let together = world.asked[50..].iter().filter(|(at, _)| at.saturating_since(start) < SECOND).count();
    assert!(together < 20, "{together} in the first second");
}

#[test]
fn what_two_virtual_servers_ask_alike_is_asked_once_and_tells_both() {
    let mut world =
        World::new(plan(vec![virtual_server("192.0.2.1:80", 2), virtual_server("192.0.2.2:80", 2)]));
    assert_eq!(world.report().checkers, 2);
    world.server("10.0.0.1", Answer::Bad);
    world.pass(10 * SECOND);
    assert_eq!(world.asked.len(), 2);
    assert_eq!(world.listed(), ["10.0.0.2:80 1", "10.0.0.2:80 1"]);
}

#[test]
fn a_killed_listener_is_out_within_its_bound() {
    let mut world = World::new(one(100, |_| {}));
    world.pass(30 * SECOND);
    for number in 1..=100 {
        world.server(&format!("10.0.0.{number}"), Answer::Bad);
    }
    // delay_loop + retry x delay_before_retry; a refusal takes no time.
    world.pass(11 * SECOND);
    assert!(world.listed().is_empty(), "{:?}", world.listed());
}

#[test]
fn an_answer_to_an_older_question_is_not_believed() {
    let mut world = World::new(one(1, |_| {}));
    let old = world.held_question();
    world.reload(plan(Vec::new()));
    world.reload(one(1, |server| server.real_servers[0].key.port = 81));
    let failed = Outcome::Failed(mainstay_core::director::Failure {
        stage: mainstay_core::director::Stage::Connect,
        errno: None,
        words: "no".into(),
    });
    world.tell(Input::Answered { checker: old, outcome: failed });
    assert_eq!(world.listed(), ["10.0.0.1:81 1"]);
}

#[test]
fn every_failure_is_told_where_that_is_asked_for() {
    let told = |all| {
        let mut world =
            World::new(one(1, |server| judged(server, |judgement| judgement.log_all_failures = all)));
        world.server("10.0.0.1", Answer::Bad);
        world.pass(60 * SECOND);
        (world.asked.len(), world.log.iter().filter(|line| line.contains(": failed: ")).count())
    };
    let (asked, once) = told(false);
    assert!(asked >= 5 && once <= 1, "{once} of {asked}");
    // The first answer takes the server out, which is told in words of its own.
    let (asked, every) = told(true);
    assert_eq!(every, asked - 1);
}
