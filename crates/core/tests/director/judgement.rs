//! One checker: which answers, in which order, come to which verdict.

use std::time::Duration;

use mainstay_core::director::judge::Next;
use mainstay_core::director::plan::Judgement;
use mainstay_core::director::{Excuse, Failure, Judge, Outcome, Stage, Verdict};

use crate::world::{SECOND, judgement};

/// `+` passed, `-` failed, `?` says nothing.
fn outcome(letter: char) -> Outcome {
    match letter {
        '+' => Outcome::Passed { took: SECOND },
        '-' => Outcome::Failed(Failure { stage: Stage::Connect, errno: None, words: "no".into() }),
        '?' => Outcome::Inconclusive(Excuse::Late(SECOND)),
        other => panic!("no answer: {other}"),
    }
}

/// What a row of answers comes to, one letter each: `U` unknown, `+` up, `-` down.
fn verdicts(judge: &mut Judge, judgement: &Judgement, urls: u16, answers: &str) -> String {
    let mut out = String::new();
    for letter in answers.chars() {
        let before = judge.verdict();
        let ruling = judge.answered(judgement, urls, false, &outcome(letter));
        assert_eq!(ruling.changed, judge.verdict() != before, "a change is told, and only a change");
        out.push(match judge.verdict() {
            Verdict::Unknown => 'U',
            Verdict::Up => '+',
            Verdict::Down => '-',
        });
    }
    out
}

#[test]
fn the_table_of_verdicts() {
    let with = |retry, rise, alpha| Judgement { retry, rise, alpha, ..judgement() };
    let table = [
        // The first answer decides.
        (with(3, 1, false), "-", "-"),
        (with(3, 1, false), "+", "+"),
        (with(0, 3, false), "+", "+"),
        // Up: failures in a row are forgiven, `retry` of them.
        (with(0, 1, false), "+-", "+-"),
        (with(1, 1, false), "+--", "++-"),
        (with(2, 1, false), "+---", "+++-"),
        (with(2, 1, false), "+--+---", "++++++-"),
        // Down: one success restores, as keepalived has it, or `rise` of them in a row.
        (with(0, 1, false), "-+", "-+"),
        (with(0, 3, false), "-+++", "---+"),
        (with(0, 3, false), "-++-+++", "------+"),
        // alpha: unknown is down, and has to rise.
        (with(0, 2, true), "++", "U+"),
        (with(0, 2, true), "+-++", "U--+"),
        // What says nothing changes nothing, and breaks no row.
        (with(0, 1, false), "?", "U"),
        (with(0, 1, false), "+???", "++++"),
        (with(1, 1, false), "+-?-", "+++-"),
        (with(0, 2, false), "-+?+", "---+"),
    ];
    for (judgement, answers, expected) in table {
        let found = verdicts(&mut Judge::default(), &judgement, 1, answers);
        assert_eq!(found, expected, "{answers} with {judgement:?}");
    }
}

#[test]
fn a_server_with_two_pages_comes_up_when_both_are_good() {
    let mut judge = Judge::default();
    assert_eq!(verdicts(&mut judge, &judgement(), 2, "++"), "U+");
    // The second page fails twice; it must be good again, and then the first.
    assert_eq!(verdicts(&mut judge, &judgement(), 2, "+--"), "++-");
    assert_eq!(judge.url(), 1);
    assert_eq!(verdicts(&mut judge, &judgement(), 2, "+-"), "--");
    assert_eq!(judge.url(), 0, "the first page was asked, and is asked again");
    assert_eq!(verdicts(&mut judge, &judgement(), 2, "++"), "-+");
}

#[test]
fn a_failed_page_is_asked_again_before_the_others() {
    let mut judge = Judge::with(Verdict::Up);
    let judgement = judgement();
    assert_eq!(judge.url(), 0);
    judge.answered(&judgement, 3, false, &outcome('+'));
    assert_eq!(judge.url(), 1);
    judge.answered(&judgement, 3, false, &outcome('-'));
    assert_eq!(judge.url(), 1);
    assert_eq!(judge.verdict(), Verdict::Up);
}

#[test]
fn a_forgiven_failure_is_asked_again_soon_and_every_other_answer_in_turn() {
    let mut judge = Judge::with(Verdict::Up);
    let judgement = Judgement { delay_before_retry: 3 * SECOND, ..judgement() };
    let mut next = |letter| judge.answered(&judgement, 1, false, &outcome(letter)).next;
    assert_eq!(next('+'), Next::InTurn);
    assert_eq!(next('-'), Next::After(3 * SECOND));
    assert_eq!(next('?'), Next::After(3 * SECOND));
    assert_eq!(next('-'), Next::InTurn, "down");
    assert_eq!(next('-'), Next::InTurn);
    assert_eq!(next('+'), Next::InTurn);
}

#[test]
fn with_fast_recovery_the_other_pages_are_asked_at_once() {
    let mut judge = Judge::default();
    let next = |judge: &mut Judge| judge.answered(&judgement(), 2, true, &outcome('+')).next;
    assert_eq!(next(&mut judge), Next::After(Duration::ZERO));
    assert_eq!(next(&mut judge), Next::InTurn);
    assert_eq!(judge.verdict(), Verdict::Up);
}

#[test]
fn a_presumed_verdict_falls_with_the_first_answer() {
    let slow = Judgement { rise: 5, ..judgement() };
    assert_eq!(verdicts(&mut Judge::presuming_down(), &slow, 1, "+"), "+");
    assert_eq!(verdicts(&mut Judge::presuming_down(), &slow, 1, "-+"), "--", "now it has to rise");
    assert_eq!(verdicts(&mut Judge::with(Verdict::Down), &slow, 1, "++++"), "----");
}
