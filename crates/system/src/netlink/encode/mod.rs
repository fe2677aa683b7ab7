//! Requests to the kernel, as bytes.
//!
//! A link is named in a plan and numbered in a request: `links` looks the number up at the last moment, so that a link
//! that was deleted and made again is found under its new number.

mod address;
mod link;
mod route;
mod rule;

use netlink_packet_core::{NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;

pub use address::address;
pub use link::{address as link_address, named as link_named, new as new_link, up as link_up};
pub use route::route;
pub use rule::rule;

/// Gives the index of a link by its name.
pub type Links<'a> = &'a mut dyn FnMut(&str) -> Option<u32>;

/// Why a request cannot even be built, as the errno the caller will see.
pub type Unbuildable = i32;

/// Whether something is to come or to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Add,
    Remove,
}

fn index(links: Links<'_>, name: &str) -> Result<u32, Unbuildable> {
    links(name).ok_or(libc::ENODEV)
}

/// The one-byte table number in a fixed header; larger numbers go into an attribute only (`RT_TABLE_UNSPEC`).
fn small_table(table: u32) -> u8 {
    u8::try_from(table).unwrap_or(0)
}

/// Appends one request to a batch.
pub fn append(batch: &mut Vec<u8>, request: RouteNetlinkMessage, flags: u16, sequence: u32) {
    let mut header = NetlinkHeader::default();
    header.flags = flags;
    header.sequence_number = sequence;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(request));
    message.finalize();
    let start = batch.len();
    batch.resize(start + message.buffer_len().next_multiple_of(4), 0);
    message.serialize(&mut batch[start..]);
}
