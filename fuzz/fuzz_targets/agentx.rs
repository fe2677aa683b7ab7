//! Any bytes at all as messages of an SNMP agent, to a session that is open: nothing panics, what is read is written back
//! as it was read, and answers can be read.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mainstay_agentx::pdu::{self, Body, HEADER, Pdu, error};
use mainstay_agentx::session::Heard;
use mainstay_agentx::{Oid, Session, Table, Value, View};

fuzz_target!(|input: &[u8]| {
    let rows = (1..=3).map(|row| (vec![row], row));
    let view = View::new(vec![Table::new(&[1, 3, 6, 1, 4], &[2, 3], rows, |row, column| {
        Some(Value::gauge(row * 10 + column))
    })]);
    let mut session = Session::new("fuzz", 5, vec![Oid::new(&[1, 3, 6, 1, 4])]);
    let Ok(first) = pdu::parse(&session.open()) else { panic!("our own message") };
    let body = Body::Response { uptime: 0, error: error::NONE, index: 0, bindings: Vec::new() };
    session.hear(Pdu { session: 0, body, ..first });
    let mut rest = input;
    while let Some(header) = rest.first_chunk::<HEADER>() {
        let Ok(length) = pdu::total_length(header) else { return };
        let Some((message, after)) = rest.split_at_checked(length) else { return };
        rest = after;
        let Ok(read) = pdu::parse(message) else { continue };
        if !matches!(read.body, Body::Other(_)) {
            assert_eq!(pdu::parse(&pdu::emit(&read)).as_ref(), Ok(&read));
        }
        match session.hear(read) {
            Heard::Asked(question) => {
                let answer = session.answer(&question, &view);
                assert!(pdu::parse(&answer).is_ok_and(|answer| answer.packet == question.packet));
            }
            Heard::Reply(reply) => assert!(pdu::parse(&reply).is_ok()),
            Heard::Nothing
            | Heard::Opened(_)
            | Heard::Refused { .. }
            | Heard::NotTaken(_)
            | Heard::Over(_) => {}
        }
    }
});
