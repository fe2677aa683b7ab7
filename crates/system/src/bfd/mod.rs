//! Sockets that carry BFD control packets (RFC 5881 section 4, RFC 5883 section 5).
//!
//! One [`ReceiveSocket`] for each local address and port the core wants to listen on; one socket for each session to
//! send from ([`Senders`]), because the source port belongs to the session as long as it lives. Nothing here takes the
//! kernel's lock for addresses and links, so the loop opens them itself.

mod receive;
mod send;

pub use receive::ReceiveSocket;
pub use send::{Senders, Unsent};
