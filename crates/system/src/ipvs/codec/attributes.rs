//! Netlink messages and attributes, written and read byte by byte. Reading trusts no length.

use super::numbers::{COMMAND_HEADER, HEADER};

/// `NLA_F_NESTED`.
const NESTED: u16 = 0x8000;

/// The bits of an attribute's kind that are its kind: `NLA_TYPE_MASK`.
const KIND: u16 = 0x3fff;

/// `struct nlattr`.
const ATTRIBUTE_HEADER: usize = 4;

/// Attributes being written at the end of a buffer.
#[derive(Debug)]
pub struct Attributes<'a>(&'a mut Vec<u8>);

impl Attributes<'_> {
    pub fn bytes(&mut self, kind: u16, value: &[u8]) {
        self.raw(kind, |buffer| buffer.extend_from_slice(value));
    }

    pub fn u8(&mut self, kind: u16, value: u8) {
        self.bytes(kind, &[value]);
    }

    pub fn u16(&mut self, kind: u16, value: u16) {
        self.bytes(kind, &value.to_ne_bytes());
    }

    pub fn u32(&mut self, kind: u16, value: u32) {
        self.bytes(kind, &value.to_ne_bytes());
    }

    /// With the zero at its end.
    pub fn text(&mut self, kind: u16, value: &str) {
        self.raw(kind, |buffer| {
            buffer.extend_from_slice(value.as_bytes());
            buffer.push(0);
        });
    }

    pub fn nested(&mut self, kind: u16, write: impl FnOnce(&mut Attributes<'_>)) {
        self.raw(kind | NESTED, |buffer| write(&mut Attributes(buffer)));
    }

    fn raw(&mut self, kind: u16, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.0.len();
        self.0.extend_from_slice(&[0; ATTRIBUTE_HEADER]);
        write(self.0);
        // What we write is some hundred bytes long; names that come from outside are cut before.
        let length = u16::try_from(self.0.len() - start).unwrap_or(u16::MAX);
        self.0[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self.0[start + 2..start + 4].copy_from_slice(&kind.to_ne_bytes());
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }
}

/// The head of a message to a generic netlink family.
#[derive(Debug, Clone, Copy)]
pub struct Head {
    pub family: u16,
    pub flags: u16,
    pub sequence: u32,
    pub command: u8,
}

/// Appends a message.
pub fn append(batch: &mut Vec<u8>, head: Head, write: impl FnOnce(&mut Attributes<'_>)) {
    let start = batch.len();
    batch.extend_from_slice(&[0; 4]);
    batch.extend_from_slice(&head.family.to_ne_bytes());
    batch.extend_from_slice(&head.flags.to_ne_bytes());
    batch.extend_from_slice(&head.sequence.to_ne_bytes());
    // The kernel fills in who we are. Behind it the command, and 1: the version of IPVS's messages and of the control
    // family's.
    batch.extend_from_slice(&[0; 4]);
    batch.extend_from_slice(&[head.command, 1, 0, 0]);
    write(&mut Attributes(batch));
    let length = u32::try_from(batch.len() - start).unwrap_or(u32::MAX);
    batch[start..start + 4].copy_from_slice(&length.to_ne_bytes());
}

/// A message as it came.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    pub kind: u16,
    pub sequence: u32,
    pub payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// The command of a generic netlink message, and its attributes.
    pub fn command(self) -> Option<(u8, &'a [u8])> {
        Some((*self.payload.first()?, self.payload.get(COMMAND_HEADER..)?))
    }
}

/// The messages in a datagram, up to the first whose length cannot be right.
pub fn messages(mut datagram: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let header: [u8; HEADER] = *datagram.first_chunk()?;
        let [l0, l1, l2, l3, k0, k1, _, _, s0, s1, s2, s3, ..] = header;
        let length = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).ok()?;
        let payload = datagram.get(HEADER..length)?;
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
        let sequence = u32::from_ne_bytes([s0, s1, s2, s3]);
        Some(Message { kind: u16::from_ne_bytes([k0, k1]), sequence, payload })
    })
}

/// The attributes in these bytes, kind and value, up to the first whose length cannot be right.
pub fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let [l0, l1, k0, k1]: [u8; ATTRIBUTE_HEADER] = *bytes.first_chunk()?;
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let value = bytes.get(ATTRIBUTE_HEADER..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((u16::from_ne_bytes([k0, k1]) & KIND, value))
    })
}

pub fn u8_of(value: &[u8]) -> Option<u8> {
    value.first().copied()
}

pub fn u16_of(value: &[u8]) -> Option<u16> {
    value.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes))
}

/// A port: in the network's byte order.
pub fn port_of(value: &[u8]) -> Option<u16> {
    value.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
}

pub fn u32_of(value: &[u8]) -> Option<u32> {
    value.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

/// A counter: of 32 bits in old answers, of 64 in new ones.
pub fn counter_of(value: &[u8]) -> Option<u64> {
    match value.first_chunk() {
        Some(bytes) => Some(u64::from_ne_bytes(*bytes)),
        None => u32_of(value).map(u64::from),
    }
}

/// A text up to its zero. What is no UTF-8 is replaced.
pub fn text_of(value: &[u8]) -> String {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    String::from_utf8_lossy(&value[..end]).into_owned()
}
