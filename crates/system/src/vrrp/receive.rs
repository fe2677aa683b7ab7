//! Receiving adverts.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::num::NonZeroU32;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use mainstay_core::address::{Family, LinkIndex};
use mainstay_core::router::action::{Carries, Listen, Socket as Wanted};
use mainstay_core::router::input::Packet;
use mainstay_core::vrrp::ah::{self, Envelope};
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};

use super::{PROTOCOL, datagram, header};
use crate::bpf::{
    self, give, index_behind_ipv4_header, jump_if_at_least, jump_if_equal, load_byte, load_byte_indexed,
};
use crate::error::{Error, Result, check};
use crate::mmsg::{Incoming, Received};
use crate::wire::{SocketName, control_messages};

/// A socket that hears one multicast group on one link, or one unicast address.
#[derive(Debug)]
pub struct ReceiveSocket {
    socket: Socket,
    wanted: Wanted,
    family: Family,
}

/// The virtual router ids a socket lets through, as a filter in the kernel.
///
/// A flood for ids nobody here has then costs the router nothing: not a wake-up, and no room in the buffer. Such
/// packets are not counted (keepalived does not either); when `log_unknown_vrids` asks to hear of them, no filter is
/// set. So is a message of fewer than two bytes, which has no id. Everything else about a message is left to the core,
/// which counts what it rejects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vrids([bool; 256]);

impl FromIterator<u8> for Vrids {
    fn from_iter<I: IntoIterator<Item = u8>>(vrids: I) -> Self {
        let mut set = [false; 256];
        for vrid in vrids {
            set[usize::from(vrid)] = true;
        }
        Self(set)
    }
}

impl Vrids {
    fn has(&self, vrid: u8) -> bool {
        self.0[usize::from(vrid)]
    }

    /// A decision list over the id: at each place where membership changes between two neighbours, one comparison.
    fn program(&self, family: Family) -> Vec<libc::sock_filter> {
        // The filter of a raw IPv4 socket sees the IP header, that of a raw IPv6 socket does not.
        let mut program = match family {
            Family::V4 => vec![index_behind_ipv4_header(0), load_byte_indexed(1)],
            Family::V6 => vec![load_byte(1)],
        };
        program.extend(self.decisions());
        program
    }

    fn decisions(&self) -> Vec<libc::sock_filter> {
        let mut program = Vec::new();
        for vrid in (1..=u8::MAX).rev() {
            if self.has(vrid) != self.has(vrid - 1) {
                program.extend([jump_if_at_least(vrid.into(), 0, 1), verdict(self.has(vrid))]);
            }
        }
        program.push(verdict(self.has(0)));
        program
    }
}

/// What a socket for authentication headers lets through: those before a VRRP message, with these ids. Others are some
/// other IPsec's.
fn program_in_ah(vrids: Option<&Vrids>) -> Vec<libc::sock_filter> {
    let is_vrrp = [
        index_behind_ipv4_header(0),
        load_byte_indexed(0),
        jump_if_equal(PROTOCOL.into(), 1, 0),
        verdict(false),
    ];
    let mut program = Vec::from(is_vrrp);
    match vrids {
        Some(vrids) => {
            program.push(load_byte_indexed(ah::HEADER as u32 + 1));
            program.extend(vrids.decisions());
        }
        None => program.push(verdict(true)),
    }
    program
}

fn verdict(accept: bool) -> libc::sock_filter {
    give(if accept { u32::MAX } else { 0 })
}

impl ReceiveSocket {
    /// Opens a socket for what the core wants to hear. `buffer` is in bytes: room for what arrives while the loop is
    /// late; `vrids` is `None` to hear everything.
    ///
    /// Joining a group takes a lock of the kernel that somebody else may hold for long: not for a loop that must be
    /// on time.
    ///
    /// # Errors
    /// When the process may not, or the link is gone.
    pub fn open(wanted: Wanted, buffer: usize, vrids: Option<&Vrids>) -> Result<Self> {
        let (Listen::Group(address) | Listen::Address(address)) = wanted.listen;
        let family = Family::of(address);
        let open = || -> io::Result<Socket> {
            let domain = match family {
                Family::V4 => Domain::IPV4,
                Family::V6 => Domain::IPV6,
            };
            let (kind, protocol) = match wanted.carries {
                Carries::Adverts => (Type::RAW, Protocol::from(i32::from(PROTOCOL))),
                Carries::AdvertsInAh => (Type::RAW, Protocol::from(i32::from(ah::PROTOCOL))),
                Carries::Heartbeats(_) => (Type::DGRAM, Protocol::UDP),
            };
            let socket = Socket::new(domain, kind.nonblocking(), Some(protocol))?;
            // Until it is bound a raw socket hears everything: nothing may arrive before all is set.
            bpf::attach(&socket, &[give(0)])?;
            if setsockopt(&socket, sockopt::RcvBufForce, &buffer).is_err() {
                socket.set_recv_buffer_size(buffer)?;
            }
            if let Some(link) = wanted.link {
                bind_to_link(&socket, link)?;
            }
            match (wanted.carries, address) {
                (Carries::Heartbeats(port), _) => datagram::prepare(&socket, &wanted, port)?,
                (Carries::Adverts | Carries::AdvertsInAh, IpAddr::V4(address)) => {
                    prepare_v4(&socket, address, &wanted)?
                }
                (Carries::Adverts | Carries::AdvertsInAh, IpAddr::V6(address)) => {
                    prepare_v6(&socket, address, &wanted)?
                }
            }
            Ok(socket)
        };
        let socket = open().map_err(Error::of("listen for VRRP on", describe(&wanted)))?;
        let receiver = Self { socket, wanted, family };
        receiver.filter(vrids)?;
        Ok(receiver)
    }

    /// What it listens to.
    #[must_use]
    pub const fn wanted(&self) -> Wanted {
        self.wanted
    }

    /// Lets other virtual router ids through; `None` is all. A heartbeat has no id and always passes.
    ///
    /// # Errors
    /// When the kernel does not take the filter.
    pub fn filter(&self, vrids: Option<&Vrids>) -> Result<()> {
        let program = match (self.wanted.carries, vrids) {
            (Carries::Adverts, Some(vrids)) => vrids.program(self.family),
            (Carries::AdvertsInAh, vrids) => program_in_ah(vrids),
            (Carries::Adverts, None) | (Carries::Heartbeats(_), _) => vec![verdict(true)],
        };
        bpf::attach(&self.socket, &program).map_err(Error::of("filter VRRP on", describe(&self.wanted)))
    }

    /// Bytes of its receive buffer, as the kernel counts them: overhead included.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn buffer(&self) -> io::Result<usize> {
        self.socket.recv_buffer_size()
    }

    /// The message and what the IP layer says of it; `None` if that is incomprehensible.
    fn packet<'a>(&self, received: Received<'a>) -> Option<Packet<'a>> {
        let (Listen::Group(heard_on) | Listen::Address(heard_on)) = self.wanted.listen;
        if let Carries::Heartbeats(_) = self.wanted.carries {
            return datagram::packet(&self.wanted, received);
        }
        match self.family {
            Family::V4 => {
                let header::Parsed { source, destination, ttl, identification, payload } =
                    header::parse(received.data)?;
                let link = self.wanted.link.or_else(|| arrival_link(&received))?;
                let (source, destination) = (source.into(), destination.into());
                let envelope = match self.wanted.carries {
                    Carries::AdvertsInAh => Envelope::Ah { identification },
                    Carries::Adverts | Carries::Heartbeats(_) => Envelope::Bare,
                };
                Some(Packet { link, source, destination, ttl, envelope, payload })
            }
            Family::V6 => Some(Packet {
                link: self.wanted.link.or_else(|| arrival_link(&received))?,
                source: SocketName::parse_ip(received.name)?,
                destination: heard_on,
                ttl: hop_limit(&received)?,
                envelope: Envelope::Bare,
                payload: received.data,
            }),
        }
    }
}

impl AsFd for ReceiveSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Room for the messages of one burst; one serves all sockets, one after the other.
pub struct Inbox(Incoming);

impl Default for Inbox {
    fn default() -> Self {
        Self(Incoming::new())
    }
}

impl Inbox {
    /// Receives from a socket what is there, at most one burst, without waiting.
    ///
    /// # Errors
    /// When the socket has an error to tell, for instance that its link went away.
    pub fn receive<'a>(
        &'a mut self,
        from: &'a ReceiveSocket,
    ) -> io::Result<impl Iterator<Item = Packet<'a>>> {
        Ok(self.burst(from.as_fd())?.filter_map(|received| from.packet(received)))
    }

    pub(crate) fn burst(&mut self, from: BorrowedFd<'_>) -> io::Result<impl Iterator<Item = Received<'_>>> {
        self.0.receive(from)?;
        Ok(self.0.datagrams())
    }

    /// Whether the last burst filled the room, so that there may be more.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.0.is_full()
    }
}

fn describe(wanted: &Wanted) -> String {
    let (Listen::Group(address) | Listen::Address(address)) = wanted.listen;
    match wanted.link {
        Some(link) => format!("{link}, {address}"),
        None => address.to_string(),
    }
}

pub(crate) fn bind_to_link(socket: &Socket, link: LinkIndex) -> io::Result<()> {
    let index = NonZeroU32::new(link.0).ok_or_else(|| io::Error::from_raw_os_error(libc::ENODEV))?;
    socket.bind_device_by_index_v4(Some(index))
}

fn prepare_v4(socket: &Socket, address: Ipv4Addr, wanted: &Wanted) -> io::Result<()> {
    if let Listen::Group(_) = wanted.listen {
        let link = wanted.link.map_or(0, |link| link.0);
        socket.join_multicast_v4_n(&address, &InterfaceIndexOrAddress::Index(link))?;
        socket.set_multicast_all_v4(false)?;
    } else {
        // The address may come later; the core decides whether its absence is a fault.
        set_option(socket, libc::IPPROTO_IP, libc::IP_FREEBIND, 1)?;
    }
    if wanted.link.is_none() {
        set_option(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?;
    }
    socket.bind(&SocketAddr::new(address.into(), 0).into())
}

fn prepare_v6(socket: &Socket, address: Ipv6Addr, wanted: &Wanted) -> io::Result<()> {
    let link = wanted.link.map_or(0, |link| link.0);
    set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT, 1)?;
    if let Listen::Group(_) = wanted.listen {
        socket.join_multicast_v6(&address, link)?;
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_ALL, 0)?;
    } else {
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_FREEBIND, 1)?;
    }
    if wanted.link.is_none() {
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?;
    }
    socket.bind(&SocketAddrV6::new(address, 0, 0, link).into())
}

/// An integer option that `socket2` and `nix` do not have.
pub(crate) fn set_option(
    socket: &Socket,
    level: libc::c_int,
    option: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: the kernel reads `size_of::<c_int>()` bytes from a local integer that lives until the call returns, and
    // the descriptor is open as long as `socket` is borrowed.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    check(result).map(drop)
}

pub(super) fn arrival_link(received: &Received<'_>) -> Option<LinkIndex> {
    control_messages(received.control).find_map(|(level, kind, value)| {
        let index: &[u8; 4] = match (level, kind) {
            // struct in_pktinfo: index, local address, destination.
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => value.first_chunk()?,
            // struct in6_pktinfo: address, index.
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => value.get(16..)?.first_chunk()?,
            _ => return None,
        };
        Some(LinkIndex(u32::from_ne_bytes(*index)))
    })
}

pub(crate) fn hop_limit(received: &Received<'_>) -> Option<u8> {
    const KINDS: [(libc::c_int, libc::c_int); 2] =
        [(libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT), (libc::IPPROTO_IP, libc::IP_TTL)];
    control_messages(received.control).find_map(|(level, kind, value)| {
        if !KINDS.contains(&(level, kind)) {
            return None;
        }
        u8::try_from(i32::from_ne_bytes(*value.first_chunk()?)).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a filter program as the kernel would, for the instructions we use.
    fn run(program: &[libc::sock_filter], packet: &[u8]) -> bool {
        let (mut accumulator, mut index, mut at) = (0u32, 0usize, 0usize);
        loop {
            let instruction = program[at];
            at += 1;
            let place = instruction.k as usize;
            if instruction.code == index_behind_ipv4_header(0).code {
                let Some(byte) = packet.get(place) else { return false };
                index = usize::from(byte & 0xf) * 4;
            } else if instruction.code == load_byte_indexed(0).code {
                let Some(byte) = packet.get(place + index) else { return false };
                accumulator = (*byte).into();
            } else if instruction.code == load_byte(0).code {
                let Some(byte) = packet.get(place) else { return false };
                accumulator = (*byte).into();
            } else if instruction.code == jump_if_equal(0, 0, 0).code {
                let yes = accumulator == instruction.k;
                at += usize::from(if yes { instruction.jt } else { instruction.jf });
            } else if instruction.code == jump_if_at_least(0, 0, 0).code {
                let yes = accumulator >= instruction.k;
                at += usize::from(if yes { instruction.jt } else { instruction.jf });
            } else {
                assert_eq!(instruction.code, give(0).code);
                return instruction.k != 0;
            }
        }
    }

    #[test]
    fn the_filter_accepts_exactly_the_ids_it_was_given() {
        for wanted in
            [vec![], vec![51], vec![1, 2, 3, 9, 255], (1..=255).collect(), (1..=255).step_by(2).collect()]
        {
            let program = wanted.iter().copied().collect::<Vrids>().program(Family::V6);
            assert!(program.len() < 4096, "the kernel's limit");
            for vrid in 0..=255 {
                assert_eq!(run(&program, &[0x31, vrid, 100]), wanted.contains(&vrid), "{vrid} of {wanted:?}");
            }
            assert!(!run(&program, &[0x31]), "no id at all");
        }
    }

    #[test]
    fn the_filter_for_authentication_headers_lets_vrrp_through_and_no_other_ipsec() {
        let some: Vrids = [7].into_iter().collect();
        let mut packet = [0u8; 52];
        packet[0] = 0x45;
        (packet[20], packet[45]) = (PROTOCOL, 7);
        assert!(run(&program_in_ah(Some(&some)), &packet) && run(&program_in_ah(None), &packet));
        packet[45] = 8;
        assert!(!run(&program_in_ah(Some(&some)), &packet) && run(&program_in_ah(None), &packet));
        packet[20] = 6;
        assert!(!run(&program_in_ah(Some(&some)), &packet) && !run(&program_in_ah(None), &packet));
        assert!(!run(&program_in_ah(None), &packet[..20]), "nothing behind the IP header");
    }

    #[test]
    fn the_ipv4_filter_looks_behind_options() {
        let program = [7].into_iter().collect::<Vrids>().program(Family::V4);
        let mut packet = [0u8; 28];
        packet[0] = 0x46;
        packet[25] = 7;
        assert!(run(&program, &packet));
        packet[0] = 0x45;
        assert!(!run(&program, &packet));
    }
}
