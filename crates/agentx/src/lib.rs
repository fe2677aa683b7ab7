//! AgentX (RFC 2741): how a program has the SNMP agent of its machine answer for objects of its own.
//!
//! ```text
//!  snmpwalk ──UDP──▶ snmpd (master agent) ──AgentX──▶ Session ──▶ Objects
//!  snmptrapd ◀──────                      ◀──Notify──
//! ```
//!
//! Pure: bytes go in, bytes come out. Whoever uses it has the socket, the clock and the values.
//!
//! Only what can be read is served. A request to set anything is answered with `notWritable`.

pub mod oid;
pub mod pdu;
pub mod session;
pub mod table;
pub mod value;

pub use oid::Oid;
pub use session::Session;
pub use table::{Objects, Table, View};
pub use value::Value;
