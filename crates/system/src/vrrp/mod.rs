//! Sockets that carry VRRP messages (IP protocol 112, or 51 in an authentication header, raw) and the heartbeats beside them (UDP).
//!
//! One [`ReceiveSocket`] for each thing the core wants to listen to, one [`Sender`] for everything: link, source and
//! hop limit are said message by message, so that a thousand adverts on a hundred links leave in a few system calls.

mod datagram;
mod header;
mod receive;
mod send;

pub use datagram::DatagramSender;
pub(crate) use header::TRAFFIC_CLASS;
pub use receive::{Inbox, ReceiveSocket, Vrids};
pub(crate) use receive::{bind_to_link, hop_limit, set_option};
pub(crate) use send::PRIORITY;
pub use send::Sender;

/// `IPPROTO_VRRP`; not in `libc`.
pub(crate) const PROTOCOL: u8 = 112;
