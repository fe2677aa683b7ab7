//! Receiving control packets.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

use mainstay_core::address::LinkIndex;
use mainstay_core::bfd::{Listen, MULTIHOP_PORT, SINGLE_HOP_PORT};
use mainstay_core::router::Packet;
use mainstay_core::vrrp::ah::Envelope;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};

use crate::error::{Error, Result};
use crate::mmsg::Received;
use crate::vrrp::{Inbox, hop_limit, set_option};
use crate::wire::{SocketName, control_messages};

/// Room for what arrives while the loop cannot run: a second of a hundred sessions at 10 ms.
const BUFFER: usize = 8 << 20;

/// A socket that hears control packets for one local address, or for all of a family.
#[derive(Debug)]
pub struct ReceiveSocket {
    socket: Socket,
    listen: Listen,
}

impl ReceiveSocket {
    /// Opens it. The address need not be here yet.
    ///
    /// # Errors
    /// When somebody else has the port, or the process may not.
    pub fn open(listen: Listen) -> Result<Self> {
        let port = if listen.multihop { MULTIHOP_PORT } else { SINGLE_HOP_PORT };
        let name = SocketAddr::new(listen.address, port);
        let open = || -> io::Result<Socket> {
            let domain = if listen.address.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
            let socket = Socket::new(domain, Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
            if setsockopt(&socket, sockopt::RcvBufForce, &BUFFER).is_err() {
                socket.set_recv_buffer_size(BUFFER)?;
            }
            match listen.address {
                IpAddr::V4(_) => {
                    set_option(&socket, libc::IPPROTO_IP, libc::IP_FREEBIND, 1)?;
                    set_option(&socket, libc::IPPROTO_IP, libc::IP_RECVTTL, 1)?;
                    set_option(&socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?;
                }
                IpAddr::V6(_) => {
                    socket.set_only_v6(true)?;
                    set_option(&socket, libc::IPPROTO_IPV6, libc::IPV6_FREEBIND, 1)?;
                    set_option(&socket, libc::IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT, 1)?;
                    set_option(&socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?;
                }
            }
            socket.bind(&name.into())?;
            Ok(socket)
        };
        let socket = open().map_err(Error::of("listen for BFD on", name.to_string()))?;
        Ok(Self { socket, listen })
    }

    /// Where it listens.
    #[must_use]
    pub const fn listen(&self) -> Listen {
        self.listen
    }

    /// Receives what is there, at most one burst, without waiting.
    ///
    /// # Errors
    /// When the socket has an error to tell.
    pub fn receive<'a>(&'a self, inbox: &'a mut Inbox) -> io::Result<impl Iterator<Item = Packet<'a>>> {
        Ok(inbox.burst(self.socket.as_fd())?.filter_map(packet))
    }
}

impl AsFd for ReceiveSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The packet and what the IP layer says of it; `None` if that is incomprehensible.
fn packet(received: Received<'_>) -> Option<Packet<'_>> {
    let (link, destination) = arrival(&received)?;
    Some(Packet {
        link,
        source: SocketName::parse_ip(received.name)?,
        destination,
        ttl: hop_limit(&received)?,
        envelope: Envelope::Bare,
        payload: received.data,
    })
}

/// On which link and for which address it came.
fn arrival(received: &Received<'_>) -> Option<(LinkIndex, IpAddr)> {
    control_messages(received.control).find_map(|(level, kind, value)| match (level, kind) {
        // struct in_pktinfo: index, local address, destination.
        (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
            let index = u32::from_ne_bytes(*value.first_chunk()?);
            let destination: &[u8; 4] = value.get(8..)?.first_chunk()?;
            Some((LinkIndex(index), Ipv4Addr::from(*destination).into()))
        }
        // struct in6_pktinfo: destination, index.
        (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
            let index = u32::from_ne_bytes(*value.get(16..)?.first_chunk()?);
            let destination: &[u8; 16] = value.first_chunk()?;
            Some((LinkIndex(index), Ipv6Addr::from(*destination).into()))
        }
        _ => None,
    })
}
