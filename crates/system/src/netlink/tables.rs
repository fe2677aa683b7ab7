//! Listing all links and addresses.

use std::io;
use std::net::IpAddr;

use mainstay_core::address::LinkIndex;
use mainstay_core::router::{Input, Link};
use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::LinkMessage;
use netlink_sys::Socket;

use super::decode::{self, Message};
use super::encode;
use super::socket::{self, DATAGRAM};
use crate::error::{Error, Result};

/// Everything the router wants to know of the kernel at once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tables {
    /// Every link.
    pub links: Vec<Link>,
    /// Every usable address with its link; tentative ones are left out.
    pub addresses: Vec<(LinkIndex, IpAddr)>,
}

impl From<Tables> for Input<'static> {
    fn from(tables: Tables) -> Self {
        Input::KernelListed { links: tables.links, addresses: tables.addresses }
    }
}

/// Lists links and addresses. Waits for the kernel: not for a loop that must be on time.
///
/// # Errors
/// When the kernel refuses, or changes so fast that no list is consistent.
pub fn tables() -> Result<Tables> {
    let list = || -> io::Result<Tables> {
        let socket = socket::open_route(1 << 20).map_err(|error| error.source)?;
        let mut tables = Tables::default();
        dump(&socket, &RouteNetlinkMessage::GetLink(LinkMessage::default()), |message| {
            if let Message::Link(link) = message {
                tables.links.push(link);
            }
        })?;
        dump(&socket, &RouteNetlinkMessage::GetAddress(AddressMessage::default()), |message| {
            if let Message::Address(link, address) = message {
                tables.addresses.push((link, address));
            }
        })?;
        Ok(tables)
    };
    for _ in 0..ATTEMPTS {
        match list() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result.map_err(Error::of("list", "links and addresses")),
        }
    }
    Err(Error::of("list", "links and addresses")(io::Error::from(io::ErrorKind::Interrupted)))
}

/// How often a list that changed under our hands is started anew.
const ATTEMPTS: usize = 8;

fn dump(socket: &Socket, request: &RouteNetlinkMessage, mut take: impl FnMut(Message)) -> io::Result<()> {
    let sequence = 1;
    let mut bytes = Vec::new();
    encode::append(&mut bytes, request.clone(), NLM_F_REQUEST | NLM_F_DUMP, sequence);
    socket.send(&bytes, 0)?;
    let mut buffer = vec![0; DATAGRAM];
    let mut changed = false;
    loop {
        let length = socket.recv(&mut &mut buffer[..], 0)?;
        for message in decode::messages(&buffer[..length.min(DATAGRAM)]) {
            match message {
                Message::Done { errno: 0, .. } if changed => return Err(io::ErrorKind::Interrupted.into()),
                Message::Done { errno: 0, .. } => return Ok(()),
                Message::Done { errno, .. } | Message::Answer { errno, .. } => {
                    return Err(io::Error::from_raw_os_error(errno));
                }
                Message::Interrupted => changed = true,
                message => take(message),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab;

    #[test]
    fn everything_is_listed() {
        lab::in_new_namespace(|| {
            lab::link("x0");
            lab::ip("link set x0 address 02:00:00:00:00:01 mtu 1400 up");
            lab::ip("link add link x0 name m0 type macvlan mode private");
            lab::ip("address add 192.0.2.1/24 dev x0");
            lab::ip("address add 2001:db8::1/64 dev x0 nodad");
            let tables = tables().expect("lists");
            let named = |name: &str| tables.links.iter().find(|link| link.name == name).expect("listed");
            assert_eq!(tables.links.len(), 4);
            let [lo, parent, child] = ["lo", "x0", "m0"].map(named);
            assert!(lo.no_arp && !lo.up);
            assert!(parent.up && parent.running && parent.mtu == 1400);
            assert_eq!(parent.mac, Some([2, 0, 0, 0, 0, 1]));
            assert_eq!(child.parent, Some(parent.index));
            assert!(tables.addresses.contains(&(parent.index, lab::address("192.0.2.1"))));
            assert!(tables.addresses.contains(&(parent.index, lab::address("2001:db8::1"))));
        });
    }

    #[test]
    fn a_list_longer_than_one_answer_is_whole() {
        lab::in_new_namespace(|| {
            let batch: String = (0..150).map(|number| format!("link add x{number} type bridge\n")).collect();
            lab::ip_batch(&batch);
            assert_eq!(tables().expect("lists").links.len(), 151);
        });
    }
}
