//! The little of DNS messages a check needs (RFC 1035 section 4.1): one question out, head and question back.

/// Length of the head of a message.
const HEAD: usize = 12;
/// Longest name with all its length bytes (RFC 1035 section 3.1).
const LONGEST_NAME: usize = 255;

/// One question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question<'a> {
    /// Number that the answer repeats.
    pub id: u16,
    /// Type of record.
    pub record: u16,
    /// The name, in words with dots; with or without the last dot.
    pub name: &'a str,
}

/// What an answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// Response code: 0 is no error.
    pub code: u8,
}

impl Question<'_> {
    /// The packet that asks, with recursion desired. `None` if the name cannot be one.
    #[must_use]
    pub fn emit(&self) -> Option<Vec<u8>> {
        let mut packet = Vec::with_capacity(HEAD + self.name.len() + 6);
        packet.extend(self.id.to_be_bytes());
        packet.extend([0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0]);
        let name = self.name.trim_end_matches('.');
        for label in name.split('.').filter(|_| !name.is_empty()) {
            let length = u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length))?;
            packet.push(length);
            packet.extend(label.as_bytes());
        }
        packet.push(0);
        if packet.len() - HEAD > LONGEST_NAME {
            return None;
        }
        packet.extend(self.record.to_be_bytes());
        packet.extend([0, 1]);
        Some(packet)
    }

    /// What a packet answers to this question; `None` if it answers something else, or nothing.
    #[must_use]
    pub fn answered_by(&self, packet: &[u8]) -> Option<Answer> {
        let &[id0, id1, flags0, flags1, questions0, questions1, ..] = packet else { return None };
        let (is_response, opcode) = (flags0 & 0x80 != 0, flags0 >> 3 & 0x0F);
        if packet.len() < HEAD || u16::from_be_bytes([id0, id1]) != self.id || !is_response || opcode != 0 {
            return None;
        }
        let answer = Answer { code: flags1 & 0x0F };
        match u16::from_be_bytes([questions0, questions1]) {
            // Some servers that refuse say no more than that.
            0 => Some(answer),
            1 => {
                let asked = self.emit()?;
                let repeated = packet.get(HEAD..asked.len())?;
                // Letters may come back in another case (RFC 1035 section 2.3.3). Length bytes are no letters: the
                // least letter is 65, the greatest length 63.
                repeated.eq_ignore_ascii_case(&asked[HEAD..]).then_some(answer)
            }
            _ => None,
        }
    }
}

/// The name of a response code (RFC 1035 section 4.1.1, RFC 2136 section 2.2).
#[must_use]
pub fn code_in_words(code: u8) -> String {
    let name = match code {
        0 => "NOERROR",
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        9 => "NOTAUTH",
        _ => return format!("error {code}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUESTION: Question<'static> = Question { id: 0x1234, record: 6, name: "example.org" };

    fn answer(change: impl FnOnce(&mut Vec<u8>)) -> Option<Answer> {
        let mut packet = QUESTION.emit().expect("a name");
        packet[2] |= 0x80;
        change(&mut packet);
        QUESTION.answered_by(&packet)
    }

    #[test]
    fn a_question_has_the_bytes_of_the_rfc() {
        let expected = b"\x12\x34\x01\x00\x00\x01\0\0\0\0\0\0\x07example\x03org\0\0\x06\0\x01";
        assert_eq!(QUESTION.emit().expect("a name"), expected);
        assert_eq!(Question { name: "example.org.", ..QUESTION }.emit().expect("a name"), expected);
        let root = b"\x12\x34\x01\x00\x00\x01\0\0\0\0\0\0\0\0\x06\0\x01";
        assert_eq!(Question { name: ".", ..QUESTION }.emit().expect("the root"), root);
    }

    #[test]
    fn a_name_that_cannot_be_is_not_asked_for() {
        for name in ["a..b", &"x".repeat(64), &"x.".repeat(128)] {
            assert_eq!(Question { name, ..QUESTION }.emit(), None, "{name}");
        }
        assert!(
            Question { name: &format!("{}y", "x.".repeat(126)), ..QUESTION }.emit().is_some(),
            "just fits"
        );
    }

    #[test]
    fn only_an_answer_to_this_question_counts() {
        assert_eq!(answer(|_| {}), Some(Answer { code: 0 }));
        assert_eq!(answer(|packet| packet[3] |= 2), Some(Answer { code: 2 }));
        assert_eq!(answer(|packet| packet[13] = b'E'), Some(Answer { code: 0 }), "another case");
        assert_eq!(answer(|packet| packet.extend([1, 2, 3])), Some(Answer { code: 0 }), "records behind it");
        assert_eq!(answer(|packet| packet[1] ^= 1), None, "another number");
        assert_eq!(answer(|packet| packet[2] &= 0x7F), None, "a question");
        assert_eq!(answer(|packet| packet[2] |= 0x28), None, "another kind of message");
        assert_eq!(answer(|packet| packet[13] = b'f'), None, "another name");
        assert_eq!(answer(|packet| packet[5] = 2), None, "more questions than one");
        assert_eq!(answer(|packet| packet.truncate(20)), None, "cut off");
        assert_eq!(
            answer(|packet| {
                packet.truncate(12);
                packet[5] = 0;
                packet[3] |= 5;
            }),
            Some(Answer { code: 5 }),
            "a refusal without the question"
        );
    }

    #[test]
    fn codes_have_names() {
        assert_eq!(code_in_words(3), "NXDOMAIN");
        assert_eq!(code_in_words(12), "error 12");
    }
}
