//! One session with a master agent (RFC 2741 section 7): opened, subtrees registered, questions answered.
//!
//! The caller connects, writes what [`Session::open`] gives, and hands over every message it reads; what comes back is to
//! be written. When the stream ends the session is over: the next one is a new [`Session`].

use std::collections::BTreeMap;

use crate::oid::Oid;
use crate::pdu::{self, Binding, Body, CloseReason, Pdu, Range, error};
use crate::table::Objects;
use crate::value::Value;

/// Most variables in one answer. A master asks for a handful at a time.
const MOST_BINDINGS: usize = 4096;

/// Most messages of ours that may wait for the master's answer; a notification beyond is not sent.
const MOST_WAITING: usize = 1024;

/// Between preferred and not (RFC 2741 section 6.2.3).
const USUAL_PRIORITY: u8 = 127;

/// `snmpTrapOID.0` (RFC 3418): every notification begins with it.
const TRAP_OID: [u32; 11] = [1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0];

/// A session, from its opening to its end.
#[derive(Debug)]
pub struct Session {
    description: String,
    timeout_s: u8,
    subtrees: Vec<Oid>,
    /// Its number; `None` until the master has given it one.
    id: Option<u32>,
    last_packet: u32,
    /// What the master has not answered yet.
    waiting: BTreeMap<u32, Waiting>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    Opening,
    /// Of the subtree with this number.
    Registration(usize),
    Notification,
    Ping,
}

/// What a message of the master meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Nothing to be done.
    Nothing,
    /// The session is open; these bytes register the subtrees.
    Opened(Vec<u8>),
    /// Somebody wants to know something: answer with [`Session::answer`].
    Asked(Pdu),
    /// These bytes are the answer.
    Reply(Vec<u8>),
    /// The master does not want us to answer for a subtree.
    Refused {
        /// Which.
        subtree: Oid,
        /// In the RFC's word.
        why: &'static str,
    },
    /// The master did not take a notification.
    NotTaken(&'static str),
    /// The session is over.
    Over(Over),
}

/// Why a session is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// The master does not want it.
    NotOpened(&'static str),
    /// The master has ended it.
    Closed(CloseReason),
    /// The master has forgotten it.
    Forgotten,
}

impl Session {
    /// A session that will answer for these subtrees.
    #[must_use]
    pub fn new(description: &str, timeout_s: u8, subtrees: Vec<Oid>) -> Self {
        Self {
            description: description.to_owned(),
            timeout_s,
            subtrees,
            id: None,
            last_packet: 0,
            waiting: BTreeMap::new(),
        }
    }

    /// The first message.
    pub fn open(&mut self) -> Vec<u8> {
        let body = Body::Open {
            timeout_s: self.timeout_s,
            id: Oid::default(),
            description: self.description.clone().into_bytes(),
        };
        self.say(Waiting::Opening, body)
    }

    /// The last message.
    #[must_use]
    pub fn close(&self) -> Vec<u8> {
        pdu::emit(&Pdu {
            session: self.id.unwrap_or_default(),
            transaction: 0,
            packet: self.last_packet.wrapping_add(1),
            context: None,
            body: Body::Close(CloseReason::Shutdown),
        })
    }

    /// Asks whether the master still knows us; `None` before it does, or while it has not answered.
    pub fn ping(&mut self) -> Option<Vec<u8>> {
        self.id?;
        (!self.is_waiting_for_ping()).then(|| self.say(Waiting::Ping, Body::Ping))
    }

    /// The master has not answered the last ping.
    #[must_use]
    pub fn is_waiting_for_ping(&self) -> bool {
        self.waiting.values().any(|waiting| *waiting == Waiting::Ping)
    }

    /// Tells that something happened: which notification, and the objects that belong to it. `None` while nobody would
    /// hear it.
    pub fn notify(&mut self, notification: &Oid, objects: Vec<Binding>) -> Option<Vec<u8>> {
        self.id?;
        if self.waiting.len() >= MOST_WAITING {
            return None;
        }
        let mut bindings =
            vec![Binding { name: Oid::new(&TRAP_OID), value: Value::Oid(notification.clone()) }];
        bindings.extend(objects);
        Some(self.say(Waiting::Notification, Body::Notify(bindings)))
    }

    /// What a message means.
    pub fn hear(&mut self, pdu: Pdu) -> Heard {
        match &pdu.body {
            Body::Response { error, .. } => self.answered(&pdu, *error),
            Body::Close(reason) => Heard::Over(Over::Closed(*reason)),
            Body::Get(_)
            | Body::GetNext(_)
            | Body::GetBulk { .. }
            | Body::TestSet(_)
            | Body::CommitSet
            | Body::UndoSet => match self.objection(&pdu) {
                Some(error) => Heard::Reply(response(&pdu, error, 0, Vec::new())),
                None => Heard::Asked(pdu),
            },
            // The end of a set is not answered; the rest is what only sub-agents say.
            Body::CleanupSet
            | Body::Open { .. }
            | Body::Register { .. }
            | Body::Unregister { .. }
            | Body::Notify(_)
            | Body::Ping
            | Body::Other(_) => Heard::Nothing,
        }
    }

    /// Why a question cannot be answered.
    fn objection(&self, pdu: &Pdu) -> Option<u16> {
        if self.id != Some(pdu.session) {
            Some(error::NOT_OPEN)
        } else if pdu.context.is_some() {
            Some(error::UNSUPPORTED_CONTEXT)
        } else {
            None
        }
    }

    fn answered(&mut self, pdu: &Pdu, error: u16) -> Heard {
        let Some(waiting) = self.waiting.remove(&pdu.packet) else { return Heard::Nothing };
        match (waiting, error) {
            (Waiting::Opening, error::NONE) => {
                self.id = Some(pdu.session);
                Heard::Opened(self.registrations())
            }
            (Waiting::Opening, error) => Heard::Over(Over::NotOpened(error::word(error))),
            (_, error::NOT_OPEN) => Heard::Over(Over::Forgotten),
            (Waiting::Registration(_) | Waiting::Notification | Waiting::Ping, error::NONE) => Heard::Nothing,
            (Waiting::Registration(number), error) => match self.subtrees.get(number) {
                Some(subtree) => Heard::Refused { subtree: subtree.clone(), why: error::word(error) },
                None => Heard::Nothing,
            },
            (Waiting::Notification, error) => Heard::NotTaken(error::word(error)),
            (Waiting::Ping, _) => Heard::Nothing,
        }
    }

    fn registrations(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (number, subtree) in self.subtrees.clone().into_iter().enumerate() {
            let body = Body::Register { timeout_s: 0, priority: USUAL_PRIORITY, subtree };
            bytes.extend(self.say(Waiting::Registration(number), body));
        }
        bytes
    }

    fn say(&mut self, waiting: Waiting, body: Body) -> Vec<u8> {
        self.last_packet = self.last_packet.wrapping_add(1);
        self.waiting.insert(self.last_packet, waiting);
        pdu::emit(&Pdu {
            session: self.id.unwrap_or_default(),
            transaction: 0,
            packet: self.last_packet,
            context: None,
            body,
        })
    }

    /// The answer to a question.
    #[must_use]
    pub fn answer(&self, question: &Pdu, objects: &dyn Objects) -> Vec<u8> {
        let bindings = match &question.body {
            Body::Get(names) if names.len() <= MOST_BINDINGS => names
                .iter()
                .map(|name| Binding { name: name.clone(), value: objects.get(name.numbers()) })
                .collect(),
            Body::GetNext(ranges) if ranges.len() <= MOST_BINDINGS => {
                ranges.iter().map(|range| next(range, objects)).collect()
            }
            Body::GetBulk { non_repeaters, max_repetitions, ranges } if ranges.len() <= MOST_BINDINGS => {
                bulk(usize::from(*non_repeaters), usize::from(*max_repetitions), ranges, objects)
            }
            Body::TestSet(_) => return response(question, error::NOT_WRITABLE, 1, Vec::new()),
            _ => return response(question, error::GENERAL, 0, Vec::new()),
        };
        response(question, error::NONE, 0, bindings)
    }
}

/// Section 7.2.3.2.
fn next(range: &Range, objects: &dyn Objects) -> Binding {
    let found = objects.next(range.start.numbers(), range.include);
    match found.filter(|(name, _)| range.end.is_null() || *name < range.end) {
        Some((name, value)) => Binding { name, value },
        None => Binding { name: range.start.clone(), value: Value::EndOfMibView },
    }
}

/// Section 7.2.3.3: one step for the first ranges, up to so many for the others, all others together in each round. It may
/// be fewer rounds than were asked for; the manager asks again.
fn bulk(singles: usize, rounds: usize, ranges: &[Range], objects: &dyn Objects) -> Vec<Binding> {
    let (singles, repeaters) = ranges.split_at(singles.min(ranges.len()));
    let mut bindings: Vec<Binding> = singles.iter().map(|range| next(range, objects)).collect();
    let mut at = repeaters.to_vec();
    for _ in 0..rounds {
        if at.is_empty() || bindings.len() + at.len() > MOST_BINDINGS {
            break;
        }
        let mut has_more = false;
        for range in &mut at {
            let found = next(range, objects);
            has_more |= found.value != Value::EndOfMibView;
            range.start.clone_from(&found.name);
            range.include = false;
            bindings.push(found);
        }
        if !has_more {
            break;
        }
    }
    bindings
}

fn response(question: &Pdu, error: u16, index: u16, bindings: Vec<Binding>) -> Vec<u8> {
    let body = Body::Response { uptime: 0, error, index, bindings };
    pdu::emit(&Pdu { context: None, body, ..*question })
}

#[cfg(test)]
mod tests;
