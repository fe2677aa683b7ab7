//! Sending control packets.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use mainstay_core::bfd::{SessionId, Transmission};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::bpf;
use crate::vrrp::{PRIORITY, TRAFFIC_CLASS, set_option};

/// The sockets that sessions send from. A session's socket is opened with its first packet, and bound to its address
/// and port; while the address is not here, each packet tries anew.
#[derive(Debug, Default)]
pub struct Senders {
    sockets: BTreeMap<SessionId, Sender>,
}

#[derive(Debug)]
struct Sender {
    socket: Socket,
    destination: SockAddr,
    port: u16,
    ttl: u8,
}

/// Why a packet was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsent {
    /// Somebody else has its source port.
    PortTaken,
    /// The kernel refused it: errno.
    Refused(i32),
}

impl Senders {
    /// Sends one packet, at once or not at all.
    ///
    /// # Errors
    /// Why it was not sent.
    pub fn send(&mut self, transmission: &Transmission) -> Result<(), Unsent> {
        self.try_to_send(transmission).map_err(|error| match error.raw_os_error() {
            Some(libc::EADDRINUSE) => Unsent::PortTaken,
            errno => Unsent::Refused(errno.unwrap_or(libc::EIO)),
        })
    }

    fn try_to_send(&mut self, transmission: &Transmission) -> io::Result<()> {
        let known = self.sockets.get(&transmission.session);
        if known.is_none_or(|sender| sender.port != transmission.source_port) {
            self.sockets.insert(transmission.session, Sender::open(transmission)?);
        }
        let Some(sender) = self.sockets.get_mut(&transmission.session) else { return Ok(()) };
        if sender.ttl != transmission.ttl {
            sender.set_ttl(transmission)?;
        }
        sender.socket.send_to(&transmission.payload, &sender.destination).map(drop)
    }

    /// Closes the sockets of sessions that are no more.
    pub fn retain(&mut self, lives: impl Fn(SessionId) -> bool) {
        self.sockets.retain(|session, _| lives(*session));
    }
}

impl Sender {
    fn open(transmission: &Transmission) -> io::Result<Self> {
        let (domain, any) = match transmission.destination {
            IpAddr::V4(_) => (Domain::IPV4, IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            IpAddr::V6(_) => (Domain::IPV6, IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
        };
        let socket = Socket::new(domain, Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
        // It is there to send: what it would receive is dropped at once.
        bpf::attach(&socket, &[bpf::give(0)])?;
        let class = libc::c_int::from(TRAFFIC_CLASS);
        match transmission.destination {
            IpAddr::V4(_) => set_option(&socket, libc::IPPROTO_IP, libc::IP_TOS, class)?,
            IpAddr::V6(_) => {
                socket.set_only_v6(true)?;
                set_option(&socket, libc::IPPROTO_IPV6, libc::IPV6_TCLASS, class)?;
            }
        }
        set_option(&socket, libc::SOL_SOCKET, libc::SO_PRIORITY, PRIORITY)?;
        let source = SocketAddr::new(transmission.source.unwrap_or(any), transmission.source_port);
        socket.bind(&source.into())?;
        let destination = SocketAddr::new(transmission.destination, transmission.port).into();
        let mut sender = Self { socket, destination, port: transmission.source_port, ttl: 0 };
        sender.set_ttl(transmission)?;
        Ok(sender)
    }

    fn set_ttl(&mut self, transmission: &Transmission) -> io::Result<()> {
        let ttl = libc::c_int::from(transmission.ttl);
        match transmission.destination {
            IpAddr::V4(_) => set_option(&self.socket, libc::IPPROTO_IP, libc::IP_TTL, ttl)?,
            IpAddr::V6(_) => set_option(&self.socket, libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS, ttl)?,
        }
        self.ttl = transmission.ttl;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
