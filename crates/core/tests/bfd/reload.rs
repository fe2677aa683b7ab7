//! Reloads, and sessions that go on after a crash.

use mainstay_core::bfd::{Cause, Input, Sessions, State};
use mainstay_core::time::Instant;

use crate::world::{End, intervals, ms, plan, says};

#[test]
fn a_session_whose_plan_is_the_same_does_not_notice_a_reload() {
    let mut end = End::in_state(State::Up);
    let (report, deadline) = (end.report(), end.sessions.next_deadline());
    end.step(Input::Reloaded(vec![plan()]));
    assert_eq!((end.report(), end.sessions.next_deadline()), (report, deadline));
    assert!(end.sent.is_empty());
    assert_eq!(end.verdicts(), [true]);
}

#[test]
fn other_intervals_multipliers_and_hop_limits_keep_the_session() {
    let mut end = End::in_state(State::Up);
    let id = end.id();
    let mut changed = plan();
    changed.intervals = intervals(20, 30);
    changed.multiplier = 9.try_into().expect("not zero");
    (changed.ttl, changed.least_ttl) = (64, 60);
    end.step(Input::Reloaded(vec![changed]));
    assert_eq!((end.id(), end.state(), end.verdicts()), (id, State::Up, vec![true]));
    let said = end.take_packets();
    assert_eq!(said.len(), 1, "the neighbour is told at once");
    assert_eq!((said[0].multiplier.get(), said[0].desired_min_tx, said[0].poll), (9, ms(20), true));
}

#[test]
fn a_session_with_another_neighbour_begins_anew_without_a_word_to_those_who_follow_it() {
    let mut end = End::in_state(State::Up);
    let id = end.id();
    let mut moved = plan();
    moved.neighbour = [192, 0, 2, 3].into();
    end.step(Input::Reloaded(vec![moved.clone()]));
    assert_ne!(end.id(), id);
    assert_eq!((end.state(), end.verdicts()), (State::Down, vec![true]), "it had no time yet");
    let patience = ms(3 * 1_000);
    end.pass(patience - ms(1));
    assert_eq!(end.verdicts(), [true]);
    end.pass(ms(1));
    assert_eq!(end.verdicts(), [true, false], "it had its time");
}

#[test]
fn a_session_that_is_gone_takes_leave_of_its_neighbour() {
    let mut end = End::in_state(State::Up);
    let id = end.id();
    end.step(Input::Reloaded(vec![]));
    let (_, change) = *end.changes.last().expect("a change");
    assert_eq!((change.to, change.cause), (State::AdminDown, Cause::Reload));
    assert!(end.sessions.has(id), "it still has something to say");
    assert!(end.sessions.report().sessions.is_empty());
    end.pass(ms(3_000));
    assert!(!end.sessions.has(id));
    assert!(end.take_packets().iter().filter(|packet| packet.state == State::AdminDown).count() >= 3);
}

/// The neighbour has one session for both names: the farewell of the old one must not end the new one.
#[test]
fn a_session_that_is_renamed_does_not_fight_with_its_successor() {
    let mut end = End::in_state(State::Up);
    let mut renamed = plan();
    renamed.name = "other".into();
    end.step(Input::Reloaded(vec![renamed]));
    end.sent.clear();
    end.pass(ms(5_000));
    assert!(end.take_packets().iter().all(|packet| packet.state != State::AdminDown));
}

#[test]
fn after_a_crash_those_who_follow_a_session_are_told_only_what_has_changed() {
    let resumed = || End::with(Sessions::new(Instant::ZERO, 2, vec![plan()], ["gw"]));
    let mut lucky = resumed();
    lucky.pass(ms(900));
    lucky.hear(says(State::Init));
    lucky.pass(ms(10));
    assert_eq!(lucky.verdicts(), [true]);
    let mut unlucky = resumed();
    unlucky.pass(ms(2_999));
    assert_eq!(unlucky.verdicts(), Vec::<bool>::new());
    unlucky.pass(ms(1));
    assert_eq!(unlucky.verdicts(), [false]);
    let mut fresh = End::new(plan());
    fresh.pass(ms(60_000));
    assert_eq!(fresh.verdicts(), Vec::<bool>::new(), "down is what everybody believes");
}

#[test]
fn those_who_begin_to_follow_a_session_are_told_its_verdict() {
    let mut end = End::in_state(State::Up);
    let mut narrow = plan();
    narrow.audience.checkers = false;
    end.step(Input::Reloaded(vec![narrow]));
    end.step(Input::Reloaded(vec![plan()]));
    let told: Vec<_> =
        end.verdicts.iter().map(|verdict| (verdict.up, verdict.vrrp, verdict.checkers)).collect();
    assert_eq!(told, [(true, true, true), (true, true, false), (true, true, true)]);
}
