//! Reading messages. Nothing is believed: every length is checked against what is there.

use std::net::Ipv4Addr;

use super::{
    Binding, Body, CloseReason, HEADER, INTERNET, LONGEST_PAYLOAD, Pdu, Range, VERSION, flag, kind, tag,
};
use crate::oid::{LONGEST, Oid};
use crate::value::Value;

/// What is wrong with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// It speaks another version.
    #[error("version {0} of AgentX instead of 1")]
    Version(u8),
    /// It is longer than anything we expect.
    #[error("a payload of {0} bytes")]
    TooLong(usize),
    /// Something in it is longer than the rest of it.
    #[error("it ends in the middle")]
    Truncated,
    /// Its payload is no multiple of four bytes, or something is left over.
    #[error("its length is wrong")]
    Length,
    /// A name has too many numbers.
    #[error("a name of {0} numbers")]
    Name(usize),
    /// A type of value that does not exist.
    #[error("a value of type {0}")]
    Type(u16),
    /// An IPv4 address of another length.
    #[error("an IPv4 address of {0} bytes")]
    Address(usize),
    /// A reason that does not exist.
    #[error("reason {0} to close")]
    Reason(u8),
}

/// Of a message that begins with this header: how many bytes it has.
///
/// # Errors
/// When we do not want to read it.
pub fn total_length(header: &[u8; HEADER]) -> Result<usize, ParseError> {
    let [version, _, flags, _, ..] = *header;
    if version != VERSION {
        return Err(ParseError::Version(version));
    }
    let length = Reader { rest: &header[16..], big_endian: flags & flag::NETWORK_BYTE_ORDER != 0 }.long()?;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > LONGEST_PAYLOAD {
        return Err(ParseError::TooLong(length));
    }
    if !length.is_multiple_of(4) {
        return Err(ParseError::Length);
    }
    Ok(HEADER + length)
}

/// The message these bytes are, no more and no less.
///
/// # Errors
/// What is wrong with it.
pub fn parse(bytes: &[u8]) -> Result<Pdu, ParseError> {
    let (header, payload) = bytes.split_first_chunk().ok_or(ParseError::Truncated)?;
    if total_length(header)? != bytes.len() {
        return Err(ParseError::Length);
    }
    let [_, kind, flags, _, ..] = *header;
    let big_endian = flags & flag::NETWORK_BYTE_ORDER != 0;
    let mut numbers = Reader { rest: &header[4..], big_endian };
    let (session, transaction, packet) = (numbers.long()?, numbers.long()?, numbers.long()?);
    let mut reader = Reader { rest: payload, big_endian };
    let has_context = flags & flag::NON_DEFAULT_CONTEXT != 0;
    let context = if has_context { Some(reader.octets()?) } else { None };
    let body = reader.body(kind)?;
    if !reader.rest.is_empty() {
        return Err(ParseError::Length);
    }
    Ok(Pdu { session, transaction, packet, context, body })
}

struct Reader<'a> {
    rest: &'a [u8],
    big_endian: bool,
}

impl Reader<'_> {
    fn body(&mut self, kind: u8) -> Result<Body, ParseError> {
        Ok(match kind {
            kind::OPEN => {
                let [timeout_s, ..] = self.take::<4>()?;
                Body::Open { timeout_s, id: self.oid()?.0, description: self.octets()? }
            }
            kind::CLOSE => {
                let [reason, ..] = self.take::<4>()?;
                Body::Close(close_reason(reason)?)
            }
            kind::REGISTER => {
                let [timeout_s, priority, range, _] = self.take::<4>()?;
                let subtree = self.oid()?.0;
                self.upper_bound(range)?;
                Body::Register { timeout_s, priority, subtree }
            }
            kind::UNREGISTER => {
                let [_, priority, range, _] = self.take::<4>()?;
                let subtree = self.oid()?.0;
                self.upper_bound(range)?;
                Body::Unregister { priority, subtree }
            }
            kind::GET => Body::Get(self.ranges()?.into_iter().map(|range| range.start).collect()),
            kind::GET_NEXT => Body::GetNext(self.ranges()?),
            kind::GET_BULK => {
                let (non_repeaters, max_repetitions) = (self.short()?, self.short()?);
                Body::GetBulk { non_repeaters, max_repetitions, ranges: self.ranges()? }
            }
            kind::TEST_SET => Body::TestSet(self.bindings()?),
            kind::COMMIT_SET => Body::CommitSet,
            kind::UNDO_SET => Body::UndoSet,
            kind::CLEANUP_SET => Body::CleanupSet,
            kind::NOTIFY => Body::Notify(self.bindings()?),
            kind::PING => Body::Ping,
            kind::RESPONSE => {
                let (uptime, error, index) = (self.long()?, self.short()?, self.short()?);
                Body::Response { uptime, error, index, bindings: self.bindings()? }
            }
            other => {
                self.rest = &[];
                Body::Other(other)
            }
        })
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], ParseError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(ParseError::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn short(&mut self) -> Result<u16, ParseError> {
        let bytes = self.take()?;
        Ok(if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn long(&mut self) -> Result<u32, ParseError> {
        let bytes = self.take()?;
        Ok(if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    fn very_long(&mut self) -> Result<u64, ParseError> {
        let bytes = self.take()?;
        Ok(if self.big_endian { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) })
    }

    /// A name, and whether its `include` is set.
    fn oid(&mut self) -> Result<(Oid, bool), ParseError> {
        let [length, prefix, include, _] = self.take::<4>()?;
        let mut numbers = Vec::new();
        if prefix != 0 {
            numbers.extend(INTERNET);
            numbers.push(prefix.into());
        }
        let total = numbers.len() + usize::from(length);
        if total > LONGEST {
            return Err(ParseError::Name(total));
        }
        for _ in 0..length {
            numbers.push(self.long()?);
        }
        Ok((Oid::new(&numbers), include != 0))
    }

    fn octets(&mut self) -> Result<Vec<u8>, ParseError> {
        let length = usize::try_from(self.long()?).map_err(|_| ParseError::Truncated)?;
        // What is there is far shorter than what would overflow.
        let padded = length.checked_next_multiple_of(4).ok_or(ParseError::Truncated)?;
        let (taken, rest) = self.rest.split_at_checked(padded).ok_or(ParseError::Truncated)?;
        self.rest = rest;
        Ok(taken[..length].to_vec())
    }

    fn upper_bound(&mut self, range: u8) -> Result<(), ParseError> {
        if range != 0 {
            self.long()?;
        }
        Ok(())
    }

    fn ranges(&mut self) -> Result<Vec<Range>, ParseError> {
        let mut ranges = Vec::new();
        while !self.rest.is_empty() {
            let (start, include) = self.oid()?;
            ranges.push(Range { start, include, end: self.oid()?.0 });
        }
        Ok(ranges)
    }

    fn bindings(&mut self) -> Result<Vec<Binding>, ParseError> {
        let mut bindings = Vec::new();
        while !self.rest.is_empty() {
            let tag = self.short()?;
            self.short()?;
            let name = self.oid()?.0;
            bindings.push(Binding { name, value: self.value(tag)? });
        }
        Ok(bindings)
    }

    fn value(&mut self, tag: u16) -> Result<Value, ParseError> {
        Ok(match tag {
            tag::INTEGER => Value::Integer(self.long()?.cast_signed()),
            tag::OCTETS => Value::Octets(self.octets()?),
            tag::NULL => Value::Null,
            tag::OID => Value::Oid(self.oid()?.0),
            tag::IP_ADDRESS => {
                let octets = self.octets()?;
                let address: [u8; 4] =
                    octets.try_into().map_err(|octets: Vec<u8>| ParseError::Address(octets.len()))?;
                Value::IpAddress(Ipv4Addr::from(address))
            }
            tag::COUNTER32 => Value::Counter32(self.long()?),
            tag::GAUGE32 => Value::Gauge32(self.long()?),
            tag::TIME_TICKS => Value::TimeTicks(self.long()?),
            tag::OPAQUE => Value::Opaque(self.octets()?),
            tag::COUNTER64 => Value::Counter64(self.very_long()?),
            tag::NO_SUCH_OBJECT => Value::NoSuchObject,
            tag::NO_SUCH_INSTANCE => Value::NoSuchInstance,
            tag::END_OF_MIB_VIEW => Value::EndOfMibView,
            other => return Err(ParseError::Type(other)),
        })
    }
}

const fn close_reason(number: u8) -> Result<CloseReason, ParseError> {
    Ok(match number {
        1 => CloseReason::Other,
        2 => CloseReason::ParseError,
        3 => CloseReason::ProtocolError,
        4 => CloseReason::Timeouts,
        5 => CloseReason::Shutdown,
        6 => CloseReason::ByManager,
        other => return Err(ParseError::Reason(other)),
    })
}
