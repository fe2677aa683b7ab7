//! Any bytes at all as an answer to a DNS question: nothing panics, and only an answer to this very question counts.
//!
//! The first byte of the input is the length of the name asked for; the name and the packet follow.

#![no_main]

#[path = "../../crates/system/src/probe/dns/message.rs"]
mod message;

use libfuzzer_sys::fuzz_target;
use message::{Question, code_in_words};

fuzz_target!(|input: &[u8]| {
    let Some((&length, rest)) = input.split_first() else { return };
    let Some((name, packet)) = rest.split_at_checked(usize::from(length)) else { return };
    let Ok(name) = std::str::from_utf8(name) else { return };
    let question = Question { id: 0x4D53, record: 6, name };
    let emitted = question.emit();
    if let Some(emitted) = &emitted {
        assert!(emitted.len() <= 12 + 255 + 4);
        assert_eq!(question.answered_by(emitted), None, "a question is no answer");
        let mut answer = emitted.clone();
        answer[2] |= 0x80;
        assert_eq!(question.answered_by(&answer).map(|answer| answer.code), Some(0));
    }
    if let Some(answer) = question.answered_by(packet) {
        assert!(packet.starts_with(&[0x4D, 0x53]) && packet[2] & 0x80 != 0);
        assert!(!code_in_words(answer.code).is_empty());
    }
});
