//! Heartbeats: the UDP datagrams that go beside the adverts. Received by [`ReceiveSocket`](super::ReceiveSocket) like
//! adverts; sent by [`DatagramSender`].

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::os::fd::AsFd;

use mainstay_core::address::Family;
use mainstay_core::router::action::{Listen, Socket as Wanted};
use mainstay_core::router::{Datagram, Packet};
use mainstay_core::vrrp::ah::Envelope;
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};

use super::header::TRAFFIC_CLASS;
use super::receive::{arrival_link, hop_limit, set_option};
use super::send::{PRIORITY, TTL};
use crate::bpf;
use crate::error::{Error, Result};
use crate::mmsg::{self, Outgoing, Received};
use crate::wire::{Control, SocketName};

/// Makes a fresh socket hear the datagrams for a group or an address, on this port.
pub fn prepare(socket: &Socket, wanted: &Wanted, port: u16) -> io::Result<()> {
    let link = wanted.link.map_or(0, |link| link.0);
    socket.set_reuse_address(true)?;
    let (Listen::Group(address) | Listen::Address(address)) = wanted.listen;
    match (wanted.listen, address) {
        (Listen::Group(_), IpAddr::V4(group)) => {
            socket.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(link))?;
            socket.set_multicast_all_v4(false)?;
        }
        (Listen::Group(_), IpAddr::V6(group)) => {
            socket.join_multicast_v6(&group, link)?;
            set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_ALL, 0)?;
        }
        (Listen::Address(_), IpAddr::V4(_)) => set_option(socket, libc::IPPROTO_IP, libc::IP_FREEBIND, 1)?,
        (Listen::Address(_), IpAddr::V6(_)) => {
            set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_FREEBIND, 1)?
        }
    }
    match address {
        IpAddr::V4(_) => {
            set_option(socket, libc::IPPROTO_IP, libc::IP_RECVTTL, 1)?;
            set_option(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?;
            socket.bind(&SocketAddr::new(address, port).into())
        }
        IpAddr::V6(address) => {
            set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT, 1)?;
            set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?;
            socket.bind(&SocketAddrV6::new(address, port, 0, link).into())
        }
    }
}

/// A received datagram and what the IP layer says of it; `None` if that is incomprehensible.
pub fn packet<'a>(wanted: &Wanted, received: Received<'a>) -> Option<Packet<'a>> {
    let (Listen::Group(heard_on) | Listen::Address(heard_on)) = wanted.listen;
    Some(Packet {
        link: wanted.link.or_else(|| arrival_link(&received))?,
        source: SocketName::parse_ip(received.name)?,
        destination: heard_on,
        ttl: hop_limit(&received)?,
        envelope: Envelope::Bare,
        payload: received.data,
    })
}

/// Sends heartbeats on any link, from any source. A family's socket is opened when it is first needed.
#[derive(Debug, Default)]
pub struct DatagramSender {
    v4: Option<Socket>,
    v6: Option<Socket>,
}

impl DatagramSender {
    /// Sends everything, in order. What the kernel does not take is told to `refused` with its errno; the rest leaves
    /// all the same.
    pub fn send<'a>(&mut self, datagrams: &'a [Datagram], mut refused: impl FnMut(&'a Datagram, i32)) {
        for family in [Family::V4, Family::V6] {
            let chosen = || datagrams.iter().filter(|datagram| Family::of(datagram.destination) == family);
            if chosen().next().is_none() {
                continue;
            }
            let socket = match self.socket(family) {
                Ok(socket) => socket,
                Err(error) => {
                    chosen().for_each(|datagram| refused(datagram, error.errno()));
                    continue;
                }
            };
            let chosen: Vec<&Datagram> = chosen().collect();
            let surroundings: Vec<(SocketName, Control)> =
                chosen.iter().map(|datagram| (name(datagram), control(datagram))).collect();
            let messages: Vec<Outgoing<'_>> = chosen
                .iter()
                .zip(&surroundings)
                .map(|(datagram, (name, control))| Outgoing {
                    name: name.as_bytes(),
                    parts: [&datagram.payload, &[]],
                    control: control.as_bytes(),
                })
                .collect();
            mmsg::send(socket.as_fd(), libc::MSG_DONTWAIT, &messages, |place, errno| {
                refused(chosen[place], errno);
            });
        }
    }

    fn socket(&mut self, family: Family) -> Result<&Socket> {
        let slot = match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        };
        if slot.is_none() {
            *slot = Some(
                open(family)
                    .map_err(Error::of("open a socket to send heartbeats over", family.to_string()))?,
            );
        }
        Ok(slot.as_ref().expect("filled in the line above"))
    }
}

fn name(datagram: &Datagram) -> SocketName {
    let scope = datagram.link.map_or(0, |link| link.0);
    SocketName::ip_with_port(datagram.destination, scope, datagram.port)
}

/// Link and source.
fn control(datagram: &Datagram) -> Control {
    let mut control = Control::new();
    let link = datagram.link.map_or(0, |link| link.0).to_ne_bytes();
    match datagram.source {
        IpAddr::V4(source) => {
            // struct in_pktinfo: index, source, unused.
            let mut information = [0; 12];
            information[..4].copy_from_slice(&link);
            information[4..8].copy_from_slice(&source.octets());
            control.push(libc::IPPROTO_IP, libc::IP_PKTINFO, &information);
        }
        IpAddr::V6(source) => {
            // struct in6_pktinfo: address, index.
            let mut information = [0; 20];
            information[..16].copy_from_slice(&source.octets());
            information[16..].copy_from_slice(&link);
            control.push(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &information);
        }
    }
    control
}

fn open(family: Family) -> io::Result<Socket> {
    let domain = match family {
        Family::V4 => Domain::IPV4,
        Family::V6 => Domain::IPV6,
    };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    // It is there to send: what it would receive is dropped at once.
    bpf::attach(&socket, &[bpf::give(0)])?;
    let (class, ttl) = (libc::c_int::from(TRAFFIC_CLASS), libc::c_int::from(TTL));
    match family {
        Family::V4 => {
            socket.set_multicast_loop_v4(false)?;
            socket.set_multicast_ttl_v4(TTL.into())?;
            for (option, value) in [
                (libc::IP_TTL, ttl),
                (libc::IP_TOS, class),
                // Never in fragments: a firewall would drop the later ones.
                (libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DO),
                (libc::IP_FREEBIND, 1),
            ] {
                set_option(&socket, libc::IPPROTO_IP, option, value)?;
            }
        }
        Family::V6 => {
            socket.set_multicast_loop_v6(false)?;
            socket.set_multicast_hops_v6(TTL.into())?;
            for (option, value) in [
                (libc::IPV6_UNICAST_HOPS, ttl),
                (libc::IPV6_TCLASS, class),
                (libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_DO),
                (libc::IPV6_FREEBIND, 1),
            ] {
                set_option(&socket, libc::IPPROTO_IPV6, option, value)?;
            }
        }
    }
    set_option(&socket, libc::SOL_SOCKET, libc::SO_PRIORITY, PRIORITY)?;
    Ok(socket)
}
