//! Conformance: what a router does, case by case, told as facts and orders.
//!
//! Written from the description of the protocol and of keepalived (reference/ha.md sections 1.2 and 5.2,
//! reference/keepalived.md sections 2.1, 2.2 and 4) without looking at the state machine, so that the two can
//! disagree. Names begin with the case: `f07_..` is case F07.
//!
//! | case | why it is not here |
//! |---|---|
//! | C17, IP header with options | a router is told the payload; the `system` crate finds where it begins |
//! | C25, `compat 2.2.7` -> drop | not offered: two masters are no compatibility |
//!
//! Unit tests beside the codec have C01-C03, C06-C13, C15, C16, C18-C20, C22 and C23 byte by byte as well.

mod harness;

mod accept;
mod alarms;
mod authentication;
mod claims;
mod codec;
mod election;
mod faults;
mod groups;
mod heartbeats;
mod lease;
mod letting_go;
mod matrix;
mod observed;
mod properties;
mod refused_adverts;
mod rejected;
mod reload;
mod timing;
mod tracking;
mod virtual_links;
