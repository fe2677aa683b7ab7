//! Links: describing, making, changing, removing one.

use std::io;

use mainstay_core::link::VirtualLink;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;

use super::decode;
use super::encode;
use super::writer::Writer;

pub use super::decode::Description;

impl Writer {
    /// What the link of this name is; `None` if there is none.
    pub(crate) fn describe(&mut self, name: &str) -> io::Result<Option<Description>> {
        let mut described = None;
        let asked = self.ask(RouteNetlinkMessage::GetLink(encode::link_named(name)), 0, |datagram| {
            described = described.take().or_else(|| decode::description(datagram));
        });
        match asked {
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(None),
            asked => asked.map(|()| described),
        }
    }

    /// Makes a link that is not there; it is down.
    pub(crate) fn create(&mut self, link: &VirtualLink, parent: &Description) -> io::Result<()> {
        let group = link.group.unwrap_or(parent.group);
        let message = encode::new_link(link, parent.link.index.0, group, parent.vrf);
        self.ask(RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL, |_| {})
    }

    /// Gives a link another MAC address.
    pub(crate) fn readdress(&mut self, index: u32, mac: [u8; 6]) -> io::Result<()> {
        self.ask(RouteNetlinkMessage::SetLink(encode::link_address(index, mac)), 0, |_| {})
    }

    /// Brings a link up.
    pub(crate) fn bring_up(&mut self, index: u32) -> io::Result<()> {
        self.ask(RouteNetlinkMessage::SetLink(encode::link_up(index)), 0, |_| {})
    }

    /// Removes the link of this name; one that is gone is no error.
    pub(crate) fn delete(&mut self, name: &str) -> io::Result<()> {
        let asked = self.ask(RouteNetlinkMessage::DelLink(encode::link_named(name)), 0, |_| {});
        match asked {
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(()),
            asked => asked,
        }
    }
}
