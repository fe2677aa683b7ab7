//! Messages (RFC 2741 sections 5 and 6).
//!
//! ```text
//! +---------------+---------------+---------------+---------------+
//! |  h.version    |    h.type     |    h.flags    |  <reserved>   |
//! +---------------+---------------+---------------+---------------+
//! |                          h.sessionID                          |
//! +---------------------------------------------------------------+
//! |                        h.transactionID                        |
//! +---------------------------------------------------------------+
//! |                          h.packetID                           |
//! +---------------------------------------------------------------+
//! |                        h.payload_length                       |
//! +---------------------------------------------------------------+
//! ```
//!
//! A flag of each message says in which byte order its numbers are. We write big endian and read both.

mod read;
mod write;

use crate::oid::Oid;
use crate::value::Value;

pub use read::{ParseError, parse, total_length};
pub use write::emit;

/// Bytes before the payload.
pub const HEADER: usize = 20;

/// Longest payload we read or write. A question fits into one UDP datagram of SNMP; this is several times that.
pub const LONGEST_PAYLOAD: usize = 256 << 10;

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pdu {
    /// Which session it belongs to; 0 before there is one.
    pub session: u32,
    /// Which SNMP request it belongs to.
    pub transaction: u32,
    /// Pairs an answer with its question.
    pub packet: u32,
    /// Which view of the objects is meant; `None` is the default one.
    pub context: Option<Vec<u8>>,
    /// What it says.
    pub body: Body,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// A sub-agent begins a session.
    Open {
        /// Seconds the master should wait for an answer; 0 leaves it to the master.
        timeout_s: u8,
        /// Name of the sub-agent; may be null.
        id: Oid,
        /// What people call it.
        description: Vec<u8>,
    },
    /// Either side ends the session.
    Close(CloseReason),
    /// A sub-agent answers for a subtree.
    Register {
        /// Seconds the master should wait; 0 leaves it to the session.
        timeout_s: u8,
        /// Lower is preferred; 127 is usual.
        priority: u8,
        /// The subtree.
        subtree: Oid,
    },
    /// It does not any more.
    Unregister {
        /// As when it was registered.
        priority: u8,
        /// The subtree.
        subtree: Oid,
    },
    /// The values of these.
    Get(Vec<Oid>),
    /// What comes next within each of these ranges.
    GetNext(Vec<Range>),
    /// The same, several steps at once.
    GetBulk {
        /// So many ranges at the beginning want one step only.
        non_repeaters: u16,
        /// Steps for the others.
        max_repetitions: u16,
        /// The ranges.
        ranges: Vec<Range>,
    },
    /// May these be set?
    TestSet(Vec<Binding>),
    /// Set them.
    CommitSet,
    /// Set them back.
    UndoSet,
    /// The set is over.
    CleanupSet,
    /// Something happened.
    Notify(Vec<Binding>),
    /// Is anybody there?
    Ping,
    /// An answer.
    Response {
        /// `sysUpTime` of the master, in hundredths of a second. Sub-agents write 0.
        uptime: u32,
        /// What went wrong; 0 is nothing.
        error: u16,
        /// With which variable, counted from 1.
        index: u16,
        /// The values.
        bindings: Vec<Binding>,
    },
    /// A message of a kind that a sub-agent has nothing to do with.
    Other(u8),
}

/// Where to look for the next object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// From here.
    pub start: Oid,
    /// An object with the very name of the start counts.
    pub include: bool,
    /// Up to before this one; null is no end.
    pub end: Oid,
}

/// A name and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The name.
    pub name: Oid,
    /// The value.
    pub value: Value,
}

/// Why a session ends (RFC 2741 section 6.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// Any other.
    Other,
    /// Too many messages could not be read.
    ParseError,
    /// Too many messages made no sense.
    ProtocolError,
    /// Too many answers came too late.
    Timeouts,
    /// The sender ends.
    Shutdown,
    /// An operator wants it.
    ByManager,
}

/// Errors a response may carry: those of SNMP that we send, and those of AgentX (RFC 2741 section 6.2.16).
pub mod error {
    /// None.
    pub const NONE: u16 = 0;
    /// Something else is wrong.
    pub const GENERAL: u16 = 5;
    /// The object can only be read.
    pub const NOT_WRITABLE: u16 = 17;
    /// There is no such session.
    pub const NOT_OPEN: u16 = 257;
    /// There is no such context.
    pub const UNSUPPORTED_CONTEXT: u16 = 262;
    /// Somebody else registered the subtree with this priority.
    pub const DUPLICATE_REGISTRATION: u16 = 263;

    /// In words.
    #[must_use]
    pub const fn word(error: u16) -> &'static str {
        match error {
            NONE => "none",
            GENERAL => "genErr",
            NOT_WRITABLE => "notWritable",
            256 => "openFailed",
            NOT_OPEN => "notOpen",
            258 => "indexWrongType",
            259 => "indexAlreadyAllocated",
            260 => "indexNoneAvailable",
            261 => "indexNotAllocated",
            UNSUPPORTED_CONTEXT => "unsupportedContext",
            DUPLICATE_REGISTRATION => "duplicateRegistration",
            264 => "unknownRegistration",
            265 => "unknownAgentCaps",
            266 => "parseError",
            267 => "requestDenied",
            268 => "processingError",
            _ => "an error without a name",
        }
    }
}

/// Numbers of the kinds of message.
mod kind {
    pub const OPEN: u8 = 1;
    pub const CLOSE: u8 = 2;
    pub const REGISTER: u8 = 3;
    pub const UNREGISTER: u8 = 4;
    pub const GET: u8 = 5;
    pub const GET_NEXT: u8 = 6;
    pub const GET_BULK: u8 = 7;
    pub const TEST_SET: u8 = 8;
    pub const COMMIT_SET: u8 = 9;
    pub const UNDO_SET: u8 = 10;
    pub const CLEANUP_SET: u8 = 11;
    pub const NOTIFY: u8 = 12;
    pub const PING: u8 = 13;
    pub const RESPONSE: u8 = 18;
}

/// Bits of `h.flags`.
mod flag {
    /// A context is named before the rest.
    pub const NON_DEFAULT_CONTEXT: u8 = 1 << 3;
    /// Big endian.
    pub const NETWORK_BYTE_ORDER: u8 = 1 << 4;
}

/// Numbers of the types of value.
mod tag {
    pub const INTEGER: u16 = 2;
    pub const OCTETS: u16 = 4;
    pub const NULL: u16 = 5;
    pub const OID: u16 = 6;
    pub const IP_ADDRESS: u16 = 64;
    pub const COUNTER32: u16 = 65;
    pub const GAUGE32: u16 = 66;
    pub const TIME_TICKS: u16 = 67;
    pub const OPAQUE: u16 = 68;
    pub const COUNTER64: u16 = 70;
    pub const NO_SUCH_OBJECT: u16 = 128;
    pub const NO_SUCH_INSTANCE: u16 = 129;
    pub const END_OF_MIB_VIEW: u16 = 130;
}

/// The version there is.
const VERSION: u8 = 1;

/// `1.3.6.1`, which most names begin with and a byte stands for.
const INTERNET: [u32; 4] = [1, 3, 6, 1];

#[cfg(test)]
mod tests;
