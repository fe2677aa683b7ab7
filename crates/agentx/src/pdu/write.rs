//! Writing messages, always big endian.

use super::{Binding, Body, CloseReason, HEADER, INTERNET, Pdu, Range, VERSION, flag, kind, tag};
use crate::oid::Oid;
use crate::value::Value;

/// The bytes of a message.
#[must_use]
pub fn emit(pdu: &Pdu) -> Vec<u8> {
    let mut out = Writer(vec![0; HEADER]);
    if let Some(context) = &pdu.context {
        out.octets(context);
    }
    let kind = out.body(&pdu.body);
    let mut bytes = out.0;
    let flags = flag::NETWORK_BYTE_ORDER | if pdu.context.is_some() { flag::NON_DEFAULT_CONTEXT } else { 0 };
    let length = u32::try_from(bytes.len() - HEADER).unwrap_or(u32::MAX);
    bytes[..4].copy_from_slice(&[VERSION, kind, flags, 0]);
    for (place, number) in [(4, pdu.session), (8, pdu.transaction), (12, pdu.packet), (16, length)] {
        bytes[place..place + 4].copy_from_slice(&number.to_be_bytes());
    }
    bytes
}

struct Writer(Vec<u8>);

impl Writer {
    /// Writes what the message says; the number of its kind.
    fn body(&mut self, body: &Body) -> u8 {
        match body {
            Body::Open { timeout_s, id, description } => {
                self.0.extend([*timeout_s, 0, 0, 0]);
                self.oid(id, false);
                self.octets(description);
                kind::OPEN
            }
            Body::Close(reason) => {
                self.0.extend([number(*reason), 0, 0, 0]);
                kind::CLOSE
            }
            Body::Register { timeout_s, priority, subtree } => {
                self.0.extend([*timeout_s, *priority, 0, 0]);
                self.oid(subtree, false);
                kind::REGISTER
            }
            Body::Unregister { priority, subtree } => {
                self.0.extend([0, *priority, 0, 0]);
                self.oid(subtree, false);
                kind::UNREGISTER
            }
            Body::Get(names) => {
                for name in names {
                    self.oid(name, false);
                    self.oid(&Oid::default(), false);
                }
                kind::GET
            }
            Body::GetNext(ranges) => {
                self.ranges(ranges);
                kind::GET_NEXT
            }
            Body::GetBulk { non_repeaters, max_repetitions, ranges } => {
                self.short(*non_repeaters);
                self.short(*max_repetitions);
                self.ranges(ranges);
                kind::GET_BULK
            }
            Body::TestSet(bindings) => {
                self.bindings(bindings);
                kind::TEST_SET
            }
            Body::CommitSet => kind::COMMIT_SET,
            Body::UndoSet => kind::UNDO_SET,
            Body::CleanupSet => kind::CLEANUP_SET,
            Body::Notify(bindings) => {
                self.bindings(bindings);
                kind::NOTIFY
            }
            Body::Ping => kind::PING,
            Body::Response { uptime, error, index, bindings } => {
                self.long(*uptime);
                self.short(*error);
                self.short(*index);
                self.bindings(bindings);
                kind::RESPONSE
            }
            Body::Other(kind) => *kind,
        }
    }

    fn short(&mut self, number: u16) {
        self.0.extend(number.to_be_bytes());
    }

    fn long(&mut self, number: u32) {
        self.0.extend(number.to_be_bytes());
    }

    /// Section 5.1. `1.3.6.1.N` is written as the byte N, if N is one.
    fn oid(&mut self, oid: &Oid, include: bool) {
        let numbers = oid.numbers();
        let short = numbers.strip_prefix(&INTERNET).and_then(<[u32]>::split_first);
        let prefix = short.and_then(|(first, _)| u8::try_from(*first).ok()).filter(|prefix| *prefix != 0);
        let rest = match (prefix, short) {
            (Some(_), Some((_, rest))) => rest,
            _ => numbers,
        };
        // A name has at most 128 numbers.
        let length = u8::try_from(rest.len()).unwrap_or(u8::MAX);
        self.0.extend([length, prefix.unwrap_or(0), u8::from(include), 0]);
        rest.iter().for_each(|number| self.long(*number));
    }

    /// Section 5.3: a length, the bytes, and zeros up to a multiple of four.
    fn octets(&mut self, octets: &[u8]) {
        self.long(u32::try_from(octets.len()).unwrap_or(u32::MAX));
        self.0.extend(octets);
        self.0.extend(std::iter::repeat_n(0, octets.len().next_multiple_of(4) - octets.len()));
    }

    fn ranges(&mut self, ranges: &[Range]) {
        for range in ranges {
            self.oid(&range.start, range.include);
            self.oid(&range.end, false);
        }
    }

    fn bindings(&mut self, bindings: &[Binding]) {
        for Binding { name, value } in bindings {
            self.short(tag_of(value));
            self.short(0);
            self.oid(name, false);
            match value {
                Value::Integer(number) => self.long(number.cast_unsigned()),
                Value::Octets(octets) | Value::Opaque(octets) => self.octets(octets),
                Value::Oid(oid) => self.oid(oid, false),
                Value::IpAddress(address) => self.octets(&address.octets()),
                Value::Counter32(number) | Value::Gauge32(number) | Value::TimeTicks(number) => {
                    self.long(*number);
                }
                Value::Counter64(number) => self.0.extend(number.to_be_bytes()),
                Value::Null | Value::NoSuchObject | Value::NoSuchInstance | Value::EndOfMibView => {}
            }
        }
    }
}

const fn tag_of(value: &Value) -> u16 {
    match value {
        Value::Integer(_) => tag::INTEGER,
        Value::Octets(_) => tag::OCTETS,
        Value::Null => tag::NULL,
        Value::Oid(_) => tag::OID,
        Value::IpAddress(_) => tag::IP_ADDRESS,
        Value::Counter32(_) => tag::COUNTER32,
        Value::Gauge32(_) => tag::GAUGE32,
        Value::TimeTicks(_) => tag::TIME_TICKS,
        Value::Opaque(_) => tag::OPAQUE,
        Value::Counter64(_) => tag::COUNTER64,
        Value::NoSuchObject => tag::NO_SUCH_OBJECT,
        Value::NoSuchInstance => tag::NO_SUCH_INSTANCE,
        Value::EndOfMibView => tag::END_OF_MIB_VIEW,
    }
}

const fn number(reason: CloseReason) -> u8 {
    match reason {
        CloseReason::Other => 1,
        CloseReason::ParseError => 2,
        CloseReason::ProtocolError => 3,
        CloseReason::Timeouts => 4,
        CloseReason::Shutdown => 5,
        CloseReason::ByManager => 6,
    }
}
