//! A session against a master made by hand.

use super::*;
use crate::table::{Table, View};

fn view() -> View<'static> {
    let rows = (1..=3).map(|row| (vec![row], row));
    View::new(vec![Table::new(&[1, 3, 1], &[2, 3], rows, |row, column| {
        Some(Value::gauge(row * 10 + column))
    })])
}

fn said(bytes: &[u8]) -> Pdu {
    pdu::parse(bytes).expect("we write what can be read")
}

fn reply(to: &Pdu, session: u32, error: u16) -> Pdu {
    let body = Body::Response { uptime: 77, error, index: 0, bindings: Vec::new() };
    Pdu { session, body, ..to.clone() }
}

fn ask(body: Body) -> Pdu {
    Pdu { session: 9, transaction: 5, packet: 6, context: None, body }
}

/// A session with number 9 whose registration is answered with this error.
fn open(error: u16) -> (Session, Heard) {
    let mut session = Session::new("test", 5, vec![Oid::new(&[1, 3, 1])]);
    let first = said(&session.open());
    assert!(matches!(&first.body, Body::Open { description, .. } if description == b"test"));
    let Heard::Opened(registrations) = session.hear(reply(&first, 9, error::NONE)) else {
        panic!("it is not open")
    };
    let registration = said(&registrations);
    assert_eq!(registration.session, 9);
    assert!(matches!(&registration.body, Body::Register { subtree, .. } if *subtree == Oid::new(&[1, 3, 1])));
    let heard = session.hear(reply(&registration, 9, error));
    (session, heard)
}

fn bindings(session: &mut Session, body: Body) -> Vec<(String, Value)> {
    let question = ask(body);
    let Heard::Asked(asked) = session.hear(question.clone()) else { panic!("nobody is asked") };
    let answer = said(&session.answer(&asked, &view()));
    assert_eq!((answer.session, answer.transaction, answer.packet), (9, 5, 6));
    match answer.body {
        Body::Response { error: error::NONE, bindings, .. } => {
            bindings.into_iter().map(|binding| (binding.name.to_string(), binding.value)).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn range(start: &[u32], end: &[u32]) -> Range {
    Range { start: Oid::new(start), include: false, end: Oid::new(end) }
}

#[test]
fn subtrees_are_registered_as_soon_as_the_session_is_open() {
    assert_eq!(open(error::NONE).1, Heard::Nothing);
}

#[test]
fn a_refused_registration_is_told_and_a_refused_session_is_over() {
    let refused = Heard::Refused { subtree: Oid::new(&[1, 3, 1]), why: "duplicateRegistration" };
    assert_eq!(open(error::DUPLICATE_REGISTRATION).1, refused);
    let mut session = Session::new("test", 5, Vec::new());
    let first = said(&session.open());
    assert_eq!(session.hear(reply(&first, 0, 256)), Heard::Over(Over::NotOpened("openFailed")));
}

#[test]
fn questions_are_answered_within_their_range() {
    let (mut session, _) = open(error::NONE);
    let names = vec![Oid::new(&[1, 3, 1, 2, 2]), Oid::new(&[1, 3, 1, 2, 4]), Oid::new(&[1, 4])];
    assert_eq!(
        bindings(&mut session, Body::Get(names)),
        [
            (".1.3.1.2.2".to_owned(), Value::Gauge32(22)),
            (".1.3.1.2.4".to_owned(), Value::NoSuchInstance),
            (".1.4".to_owned(), Value::NoSuchObject)
        ]
    );
    let ranges = vec![range(&[1, 3], &[]), range(&[1, 3, 1, 2, 3], &[1, 3, 1, 3])];
    assert_eq!(
        bindings(&mut session, Body::GetNext(ranges)),
        [(".1.3.1.2.1".to_owned(), Value::Gauge32(12)), (".1.3.1.2.3".to_owned(), Value::EndOfMibView)]
    );
}

#[test]
fn a_bulk_goes_on_until_nothing_follows() {
    let (mut session, _) = open(error::NONE);
    let ranges = vec![range(&[1], &[]), range(&[1, 3, 1, 2, 2], &[]), range(&[1, 3, 1, 3, 2], &[])];
    let body = Body::GetBulk { non_repeaters: 1, max_repetitions: 60_000, ranges };
    let names: Vec<_> = bindings(&mut session, body).into_iter().map(|(name, _)| name).collect();
    let expected = [
        ".1.3.1.2.1",
        ".1.3.1.2.3",
        ".1.3.1.3.3",
        ".1.3.1.3.1",
        ".1.3.1.3.3",
        ".1.3.1.3.2",
        ".1.3.1.3.3",
        ".1.3.1.3.3",
        ".1.3.1.3.3",
        ".1.3.1.3.3",
        ".1.3.1.3.3",
    ];
    assert_eq!(names, expected);
}

#[test]
fn nothing_can_be_set() {
    let (session, _) = open(error::NONE);
    for body in [Body::TestSet(Vec::new()), Body::CommitSet, Body::UndoSet] {
        let answer = said(&session.answer(&ask(body), &view()));
        assert!(matches!(answer.body, Body::Response { error, .. } if error != error::NONE));
    }
}

#[test]
fn another_session_or_context_is_not_answered_for() {
    let (mut session, _) = open(error::NONE);
    let get = || Body::Get(vec![Oid::new(&[1])]);
    let strangers = [
        (Pdu { session: 8, ..ask(get()) }, error::NOT_OPEN),
        (Pdu { context: Some(b"other".to_vec()), ..ask(get()) }, error::UNSUPPORTED_CONTEXT),
    ];
    for (question, expected) in strangers {
        let Heard::Reply(reply) = session.hear(question) else { panic!("it is asked") };
        assert!(matches!(said(&reply).body, Body::Response { error, .. } if error == expected));
    }
}

#[test]
fn notifications_begin_with_their_name_and_wait_for_an_open_session() {
    let mut closed = Session::new("test", 5, Vec::new());
    closed.open();
    assert_eq!(closed.notify(&Oid::new(&[1, 2]), Vec::new()), None);
    let (mut session, _) = open(error::NONE);
    let told = session.notify(&Oid::new(&[1, 2]), Vec::new()).map(|bytes| said(&bytes)).expect("it is open");
    let Body::Notify(bindings) = &told.body else { panic!("{told:?}") };
    assert_eq!(bindings[0].name.to_string(), ".1.3.6.1.6.3.1.1.4.1.0");
    assert_eq!(bindings[0].value, Value::Oid(Oid::new(&[1, 2])));
    assert_eq!(session.hear(reply(&told, 9, 268)), Heard::NotTaken("processingError"));
}

#[test]
fn a_master_that_has_forgotten_us_ends_the_session() {
    let (mut session, _) = open(error::NONE);
    let ping = session.ping().map(|bytes| said(&bytes)).expect("it is open");
    assert_eq!(session.ping(), None, "one at a time");
    assert_eq!(session.hear(reply(&ping, 9, error::NONE)), Heard::Nothing);
    let ping = session.ping().map(|bytes| said(&bytes)).expect("it was answered");
    assert_eq!(session.hear(reply(&ping, 9, error::NOT_OPEN)), Heard::Over(Over::Forgotten));
    let close = ask(Body::Close(CloseReason::Timeouts));
    assert_eq!(session.hear(close), Heard::Over(Over::Closed(CloseReason::Timeouts)));
}

#[test]
fn a_master_that_never_answers_does_not_fill_the_memory() {
    let (mut session, _) = open(error::NONE);
    let sent = (0..10_000).filter_map(|_| session.notify(&Oid::new(&[1, 2]), Vec::new())).count();
    assert_eq!(sent, MOST_WAITING);
}
