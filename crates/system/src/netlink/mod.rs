//! Links, addresses, routes and rules: hearing of changes, listing what there is, changing it.
//!
//! [`Monitor`] tells changes as the core's inputs, [`tables()`] lists links and addresses, [`Writer`] changes many things
//! with few system calls. Requests are built with the `netlink-packet-route` crate. What the kernel tells is read
//! attribute by attribute instead, because one attribute of a kind nobody knows yet must not cost us a link event.

mod decode;
mod encode;
mod link;
mod monitor;
pub(crate) mod socket;
mod tables;
mod writer;

pub(crate) use link::Description;
pub use monitor::{Heard, Monitor};
pub(crate) use socket::borrow;
pub use tables::{Tables, tables};
pub use writer::{Change, Refusal, Writer};
