//! nfnetlink messages as bytes: a batch of messages, their attributes, nests of attributes.
//!
//! Numbers are `linux/netfilter/nf_tables.h`'s. Unlike rtnetlink's, the numbers inside attributes are big-endian.

use std::fmt;

/// `NFNL_SUBSYS_NFTABLES`.
const SUBSYSTEM: u16 = 10;

/// `NFNL_MSG_BATCH_BEGIN`, `NFNL_MSG_BATCH_END`.
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;

/// `NFPROTO_NETDEV`: tables whose chains sit on links.
const FAMILY_NETDEV: u8 = 5;

/// `NFPROTO_INET`: tables whose chains see what IPv4 and IPv6 take in and send.
const FAMILY_INET: u8 = 1;

/// `struct nlmsghdr` and the `struct nfgenmsg` behind it.
pub const HEADER: usize = 16;
pub const FAMILY_HEADER: usize = 4;

const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_ACK: u16 = 0x4;
const NLM_F_DUMP: u16 = 0x300;
const NLM_F_CREATE: u16 = 0x400;

/// `NLA_F_NESTED`.
const NESTED: u16 = 0x8000;

/// What a message is about (`enum nf_tables_msg_types`); each kind has a number for "new", "get" and "delete".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Table,
    Chain,
    Rule,
    Set,
    Element,
}

/// What is done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Make,
    Remove,
}

impl Kind {
    /// The number of "new"; "get" and "delete" follow it.
    pub const fn number(self) -> u16 {
        match self {
            Self::Table => 0,
            Self::Chain => 3,
            Self::Rule => 6,
            Self::Set => 9,
            Self::Element => 12,
        }
    }

    /// `nlmsg_type` of what a dump gives.
    pub const fn answer(self) -> u16 {
        SUBSYSTEM << 8 | self.number()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Table => "table",
            Self::Chain => "chain",
            Self::Rule => "a rule of chain",
            Self::Set => "set",
            Self::Element => "elements of set",
        })
    }
}

/// What a message of a batch wants, for the case that the kernel does not want it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    pub verb: Verb,
    pub kind: Kind,
    pub name: String,
}

/// One transaction: the kernel makes all of it or nothing.
#[derive(Debug)]
pub struct Batch {
    bytes: Vec<u8>,
    wishes: Vec<Wish>,
    last: usize,
    family: u8,
}

impl Batch {
    /// An empty one, for tables of the family `netdev`.
    pub fn new() -> Self {
        Self::for_family(FAMILY_NETDEV)
    }

    /// An empty one, for tables of the family `inet`.
    pub fn for_inet() -> Self {
        Self::for_family(FAMILY_INET)
    }

    fn for_family(family: u8) -> Self {
        let mut batch = Self { bytes: Vec::new(), wishes: Vec::new(), last: 0, family };
        header(&mut batch.bytes, BATCH_BEGIN, NLM_F_REQUEST, 0, 0, SUBSYSTEM);
        batch
    }

    /// Whether it asks for nothing.
    pub fn is_empty(&self) -> bool {
        self.wishes.is_empty()
    }

    /// Adds a message. Making what exists already leaves it as it is.
    pub fn push(&mut self, verb: Verb, kind: Kind, name: &str, write: impl FnOnce(&mut Attributes<'_>)) {
        self.wishes.push(Wish { verb, kind, name: name.to_owned() });
        self.last = self.bytes.len();
        let (number, flags) = match verb {
            // A rule has no name: without this flag it replaces another, with it and "append" it is one more.
            Verb::Make if kind == Kind::Rule => (kind.number(), NLM_F_CREATE | NLM_F_APPEND),
            Verb::Make => (kind.number(), NLM_F_CREATE),
            Verb::Remove => (kind.number() + 2, 0),
        };
        let kind = SUBSYSTEM << 8 | number;
        let sequence = u32::try_from(self.wishes.len()).unwrap_or(u32::MAX);
        header(&mut self.bytes, kind, NLM_F_REQUEST | flags, sequence, self.family, 0);
        write(&mut Attributes(&mut self.bytes));
        end_message(&mut self.bytes, self.last);
    }

    /// The bytes to send, and the wishes: the message with sequence number `n` is wish `n - 1`. Only the last message
    /// asks for an answer (refusals are answered anyway), so that the answers to a batch of any length fit a socket.
    pub fn finish(mut self) -> (Vec<u8>, Vec<Wish>) {
        if let Some(flags) = self.bytes.get_mut(self.last + 6..self.last + 8) {
            let with_answer = u16::from_ne_bytes([flags[0], flags[1]]) | NLM_F_ACK;
            flags.copy_from_slice(&with_answer.to_ne_bytes());
        }
        header(&mut self.bytes, BATCH_END, NLM_F_REQUEST, 0, 0, SUBSYSTEM);
        (self.bytes, self.wishes)
    }
}

const NLM_F_APPEND: u16 = 0x800;

/// A request to list everything of this kind, narrowed by `write` where the kernel can.
pub fn dump(kind: Kind, sequence: u32, write: impl FnOnce(&mut Attributes<'_>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let get = SUBSYSTEM << 8 | (kind.number() + 1);
    header(&mut bytes, get, NLM_F_REQUEST | NLM_F_DUMP, sequence, FAMILY_NETDEV, 0);
    write(&mut Attributes(&mut bytes));
    end_message(&mut bytes, 0);
    bytes
}

/// Appends a header whose length is that of the header alone.
fn header(bytes: &mut Vec<u8>, kind: u16, flags: u16, sequence: u32, family: u8, resource: u16) {
    bytes.extend(20u32.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    // Port 0: "from me, to the kernel". Then family, version 0, resource in network order.
    bytes.extend([0; 4]);
    bytes.extend([family, 0]);
    bytes.extend(resource.to_be_bytes());
}

fn end_message(bytes: &mut [u8], start: usize) {
    let length = u32::try_from(bytes.len() - start).unwrap_or(u32::MAX);
    bytes[start..start + 4].copy_from_slice(&length.to_ne_bytes());
}

/// Where attributes are appended.
pub struct Attributes<'a>(&'a mut Vec<u8>);

impl Attributes<'_> {
    /// Raw bytes.
    pub fn bytes(&mut self, kind: u16, value: &[u8]) {
        self.nest(kind, |inner| inner.0.extend(value));
    }

    /// A number.
    pub fn u32(&mut self, kind: u16, value: u32) {
        self.bytes(kind, &value.to_be_bytes());
    }

    /// A long number.
    pub fn u64(&mut self, kind: u16, value: u64) {
        self.bytes(kind, &value.to_be_bytes());
    }

    /// A string, with the zero the kernel wants behind it.
    pub fn text(&mut self, kind: u16, value: &str) {
        self.nest(kind, |inner| {
            inner.0.extend(value.as_bytes());
            inner.0.push(0);
        });
    }

    /// Attributes in an attribute.
    pub fn nested(&mut self, kind: u16, write: impl FnOnce(&mut Attributes<'_>)) {
        self.nest(kind | NESTED, write);
    }

    fn nest(&mut self, kind: u16, write: impl FnOnce(&mut Attributes<'_>)) {
        let start = self.0.len();
        self.0.extend([0; 2]);
        self.0.extend(kind.to_ne_bytes());
        write(&mut Attributes(self.0));
        // An attribute that is too long for its length is one the kernel refuses: lists are written in pieces.
        let length = u16::try_from(self.0.len() - start).unwrap_or(u16::MAX);
        self.0[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_has_these_bytes() {
        let mut batch = Batch::new();
        assert!(batch.is_empty());
        batch.push(Verb::Make, Kind::Table, "t", |attributes| attributes.text(1, "t"));
        let (bytes, wishes) = batch.finish();
        #[rustfmt::skip]
        let expected = [
            20, 0, 0, 0,  0x10, 0,  1, 0,     0, 0, 0, 0,  0, 0, 0, 0,  0, 0, 0, 10,
            28, 0, 0, 0,  0, 10,    5, 0x04,  1, 0, 0, 0,  0, 0, 0, 0,  5, 0, 0, 0,
                6, 0, 1, 0,  b't', 0, 0, 0,
            20, 0, 0, 0,  0x11, 0,  1, 0,     0, 0, 0, 0,  0, 0, 0, 0,  0, 0, 0, 10,
        ];
        assert_eq!(bytes, expected);
        assert_eq!(wishes, [Wish { verb: Verb::Make, kind: Kind::Table, name: "t".to_owned() }]);
    }

    #[test]
    fn nests_know_their_length_and_are_padded() {
        let mut bytes = Vec::new();
        Attributes(&mut bytes).nested(2, |inner| {
            inner.u32(1, 7);
            inner.bytes(3, &[9]);
        });
        assert_eq!(bytes, [20, 0, 2, 0x80, 8, 0, 1, 0, 0, 0, 0, 7, 5, 0, 3, 0, 9, 0, 0, 0]);
    }
}
