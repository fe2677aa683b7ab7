//! Sending adverts.

use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;

use mainstay_core::address::Family;
use mainstay_core::router::Advert;
use mainstay_core::vrrp::ah::{self, Envelope};
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};

use super::receive::set_option;
use super::{PROTOCOL, header};
use crate::bpf;
use crate::error::{Error, Result};
use crate::mmsg::{self, Outgoing};
use crate::wire::{Control, SocketName};

/// Bytes of adverts that may wait for a slow link: some thousand.
const SEND_BUFFER: usize = 4 << 20;

/// The kernel's class for control traffic (`TC_PRIO_CONTROL`): a link that is full of data lets it pass first.
pub(crate) const PRIORITY: libc::c_int = 7;

/// TTL of an advert that asks for no other (RFC 9568 section 5.1.1.3).
pub(super) const TTL: u8 = 255;

/// Sends adverts on any link, from any source. A family's socket is opened when it is first needed, so that a machine
/// without IPv6 is no special case.
#[derive(Debug, Default)]
pub struct Sender {
    sockets: Sockets,
    identification: u16,
    names: Vec<SocketName>,
    headers: Vec<[u8; header::LENGTH]>,
    controls: Vec<Control>,
}

#[derive(Debug, Default)]
struct Sockets {
    v4: Option<Socket>,
    v6: Option<Socket>,
}

/// Adverts that can leave in one system call: same socket, same flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Lane {
    family: Family,
    multicast: bool,
}

const LANES: [Lane; 4] = [
    Lane { family: Family::V4, multicast: true },
    Lane { family: Family::V4, multicast: false },
    Lane { family: Family::V6, multicast: true },
    Lane { family: Family::V6, multicast: false },
];

impl Lane {
    fn of(advert: &Advert) -> Self {
        Self { family: Family::of(advert.destination), multicast: advert.destination.is_multicast() }
    }

    fn flags(self) -> libc::c_int {
        // A group is on the link whatever the routing table says; a peer may be behind a gateway.
        libc::MSG_DONTWAIT | if self.multicast { libc::MSG_DONTROUTE } else { 0 }
    }
}

impl Sender {
    /// Sends everything. The order is kept among adverts of the same family that are all multicast or all unicast.
    /// What the kernel does not take is told to `refused` with its errno; the rest leaves all the same.
    pub fn send<'a>(&mut self, adverts: &'a [Advert], mut refused: impl FnMut(&'a Advert, i32)) {
        for lane in LANES {
            if adverts.iter().any(|advert| Lane::of(advert) == lane) {
                self.send_lane(lane, adverts, &mut refused);
            }
        }
    }

    fn send_lane<'a>(
        &mut self,
        lane: Lane,
        adverts: &'a [Advert],
        refused: &mut impl FnMut(&'a Advert, i32),
    ) {
        let chosen = || adverts.iter().filter(|advert| Lane::of(advert) == lane);
        self.names.clear();
        self.headers.clear();
        self.controls.clear();
        for advert in chosen() {
            self.names.push(SocketName::ip(advert.destination, advert.link.map_or(0, |link| link.0)));
            let (header, control) = self.surroundings(advert);
            self.headers.push(header);
            self.controls.push(control);
        }
        let socket = match self.sockets.get(lane.family) {
            Ok(socket) => socket,
            Err(error) => return chosen().for_each(|advert| refused(advert, error.errno())),
        };
        // Chunk by chunk on the stack: nothing is allocated while adverts are due.
        let mut messages = [Outgoing { name: &[], parts: [&[]; 2], control: &[] }; 64];
        let mut waiting: [Option<&'a Advert>; 64] = [None; 64];
        let mut filled = 0;
        for (place, advert) in chosen().enumerate() {
            let header: &[u8] = match lane.family {
                Family::V4 => &self.headers[place],
                Family::V6 => &[],
            };
            messages[filled] = Outgoing {
                name: self.names[place].as_bytes(),
                parts: [header, &advert.payload],
                control: self.controls[place].as_bytes(),
            };
            waiting[filled] = Some(advert);
            filled += 1;
            if filled == messages.len() || place + 1 == self.names.len() {
                mmsg::send(socket.as_fd(), lane.flags(), &messages[..filled], |place, errno| {
                    if let Some(advert) = waiting[place] {
                        refused(advert, errno);
                    }
                });
                filled = 0;
            }
        }
    }

    /// IP header (IPv4) and control messages (link, source, hop limit) of an advert.
    fn surroundings(&mut self, advert: &Advert) -> ([u8; header::LENGTH], Control) {
        let mut control = Control::new();
        let link = advert.link.map_or(0, |link| link.0);
        match (advert.source, advert.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let (protocol, identification) = match advert.envelope {
                    Envelope::Bare => {
                        // Never zero: the kernel would choose one itself.
                        self.identification = self.identification.checked_add(1).unwrap_or(1);
                        (PROTOCOL, self.identification)
                    }
                    Envelope::Ah { identification } => (ah::PROTOCOL, identification),
                };
                let ttl = advert.ttl.unwrap_or(TTL);
                let length = advert.payload.len();
                let header = header::emit(source, destination, (protocol, ttl), identification, length);
                // struct in_pktinfo: index, source (for policy routing), unused.
                let mut information = [0; 12];
                information[..4].copy_from_slice(&link.to_ne_bytes());
                information[4..8].copy_from_slice(&source.octets());
                control.push(libc::IPPROTO_IP, libc::IP_PKTINFO, &information);
                (header, control)
            }
            (source, _) => {
                // struct in6_pktinfo: address, index.
                let mut information = [0; 20];
                if let IpAddr::V6(source) = source {
                    information[..16].copy_from_slice(&source.octets());
                }
                information[16..].copy_from_slice(&link.to_ne_bytes());
                control.push(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &information);
                let class = libc::c_int::from(header::TRAFFIC_CLASS);
                control.push(libc::IPPROTO_IPV6, libc::IPV6_TCLASS, &class.to_ne_bytes());
                if let Some(ttl) = advert.ttl {
                    let hops = libc::c_int::from(ttl);
                    control.push(libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT, &hops.to_ne_bytes());
                }
                ([0; header::LENGTH], control)
            }
        }
    }
}

impl Sockets {
    fn get(&mut self, family: Family) -> Result<&Socket> {
        let (slot, open): (_, fn() -> io::Result<Socket>) = match family {
            Family::V4 => (&mut self.v4, open_v4),
            Family::V6 => (&mut self.v6, open_v6),
        };
        if slot.is_none() {
            *slot =
                Some(open().map_err(Error::of("open a socket to send adverts over", family.to_string()))?);
        }
        Ok(slot.as_ref().expect("filled in the line above"))
    }
}

fn open_v4() -> io::Result<Socket> {
    // IPPROTO_RAW sends only: it means "with our own IP header", and no packet is ever given to it.
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(libc::IPPROTO_RAW)))?;
    socket.set_multicast_loop_v4(false)?;
    prepare(&socket)?;
    Ok(socket)
}

fn open_v6() -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::from(i32::from(PROTOCOL))))?;
    // It is there to send: what it would receive is dropped at once.
    bpf::attach(&socket, &[bpf::give(0)])?;
    socket.set_recv_buffer_size(0)?;
    socket.set_multicast_loop_v6(false)?;
    socket.set_multicast_hops_v6(TTL.into())?;
    // A configured source may be missing for the moment; the core decides whether that is a fault.
    set_option(&socket, libc::IPPROTO_IPV6, libc::IPV6_FREEBIND, 1)?;
    prepare(&socket)?;
    Ok(socket)
}

fn prepare(socket: &Socket) -> io::Result<()> {
    set_option(socket, libc::SOL_SOCKET, libc::SO_PRIORITY, PRIORITY)?;
    if setsockopt(socket, sockopt::SndBufForce, &SEND_BUFFER).is_err() {
        socket.set_send_buffer_size(SEND_BUFFER)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
