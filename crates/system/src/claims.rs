//! Hearing who claims an address: the senders of ARP packets and the targets of neighbour advertisements.
//!
//! A filter in the kernel lets through what is about a watched address only, so that ordinary ARP and neighbour
//! discovery cost the router nothing. IPv4 is heard on a packet socket for ARP, IPv6 on a raw ICMPv6 socket: a packet
//! socket for IPv6 would have to look at every packet there is.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use libc::sock_filter;
use mainstay_core::address::{Family, LinkIndex};
use socket2::{Domain, Protocol, Socket, Type};

use crate::bpf::{
    self, give, jump, jump_if_at_least, jump_if_equal, jump_if_more, load_byte, load_half, load_word,
};
use crate::error::{Error, Result, check};
use crate::mmsg::Received;
use crate::vrrp::{Inbox, bind_to_link, hop_limit, set_option};
use crate::wire::SocketName;

/// Receive buffer in bytes. Small: what does not fit is a flood, and told by what does.
const BUFFER: usize = 64 << 10;

/// Runs of neighbouring addresses a filter tells apart; with more of them on one link it lets every claim through, and
/// the reader looks. Six instructions a run, and the kernel takes 4096.
const MOST_RUNS: usize = 600;

const ARP: u16 = 0x0806;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;

/// Listens to claims of one family on one link.
#[derive(Debug)]
pub struct ClaimSocket {
    socket: Socket,
    link: LinkIndex,
    family: Family,
}

/// Somebody claimed an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// Link it was heard on.
    pub link: LinkIndex,
    /// The address.
    pub address: IpAddr,
    /// Hardware address of who claims it.
    pub mac: [u8; 6],
}

impl ClaimSocket {
    /// Listens on a link to claims of these addresses; those of the other family are left out.
    ///
    /// # Errors
    /// When the process may not (it needs `CAP_NET_RAW`), or the link is gone.
    pub fn open(link: LinkIndex, family: Family, addresses: &[IpAddr]) -> Result<Self> {
        let open = || -> io::Result<Socket> {
            let socket = match family {
                // Protocol 0: nothing arrives before it is bound.
                Family::V4 => Socket::new(Domain::PACKET, Type::DGRAM.nonblocking(), None)?,
                Family::V6 => Socket::new(Domain::IPV6, Type::RAW.nonblocking(), Some(Protocol::ICMPV6))?,
            };
            bpf::attach(&socket, &[give(0)])?;
            socket.set_recv_buffer_size(BUFFER)?;
            match family {
                Family::V4 => bind_to_arp(&socket, link)?,
                Family::V6 => {
                    bind_to_link(&socket, link)?;
                    set_option(&socket, libc::IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT, 1)?;
                    advertisements_only(&socket)?;
                }
            }
            Ok(socket)
        };
        let socket = open().map_err(Error::of("listen to claims on", describe(link, family)))?;
        let listener = Self { socket, link, family };
        listener.filter(addresses)?;
        Ok(listener)
    }

    /// Listens to claims of other addresses.
    ///
    /// # Errors
    /// When the kernel does not take the filter.
    pub fn filter(&self, addresses: &[IpAddr]) -> Result<()> {
        bpf::attach(&self.socket, &program(self.family, addresses))
            .map_err(Error::of("filter claims on", describe(self.link, self.family)))
    }

    fn claim(&self, received: &Received<'_>) -> Option<Claim> {
        let (address, mac) = match self.family {
            Family::V4 => arp_sender(received.data)?,
            // RFC 4861 section 7.1.2: one that comes from elsewhere has a smaller hop limit.
            Family::V6 if hop_limit(received)? == 255 => advertised_target(received.data)?,
            Family::V6 => return None,
        };
        Some(Claim { link: self.link, address, mac })
    }
}

impl AsFd for ClaimSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Inbox {
    /// Receives from a socket the claims that are there, at most one burst, without waiting.
    ///
    /// # Errors
    /// When the socket has an error to tell, for instance that its link went away.
    pub fn claims<'a>(&'a mut self, from: &'a ClaimSocket) -> io::Result<impl Iterator<Item = Claim> + 'a> {
        Ok(self.burst(from.as_fd())?.filter_map(|received| from.claim(&received)))
    }
}

/// The sender of an ARP packet for Ethernet and IPv4 (RFC 826).
fn arp_sender(packet: &[u8]) -> Option<(IpAddr, [u8; 6])> {
    let (header, rest) = packet.split_first_chunk::<8>()?;
    let (mac, rest) = rest.split_first_chunk::<6>()?;
    let address = rest.first_chunk::<4>()?;
    let known = header[..6] == [0, 1, 0x08, 0, 6, 4];
    known.then(|| (Ipv4Addr::from(*address).into(), *mac))
}

/// The target of a neighbour advertisement and the hardware address in its option (RFC 4861 sections 4.4 and 4.6.1).
fn advertised_target(message: &[u8]) -> Option<(IpAddr, [u8; 6])> {
    const TARGET_LINK_LAYER_ADDRESS: u8 = 2;
    let (header, rest) = message.split_first_chunk::<8>()?;
    let (target, mut options) = rest.split_first_chunk::<16>()?;
    if header[0] != NEIGHBOUR_ADVERTISEMENT {
        return None;
    }
    while let [kind, units, ..] = options {
        let length = usize::from(*units) * 8;
        let option = options.get(..length).filter(|option| !option.is_empty())?;
        if *kind == TARGET_LINK_LAYER_ADDRESS {
            return Some((Ipv6Addr::from(*target).into(), *option[2..].first_chunk()?));
        }
        options = &options[length..];
    }
    None
}

/// The filter: an ARP packet for Ethernet and IPv4 whose sender, or a neighbour advertisement whose target, is watched.
/// Of an IPv6 address it compares the last four bytes.
fn program(family: Family, addresses: &[IpAddr]) -> Vec<sock_filter> {
    let mut watched: Vec<u32> = addresses
        .iter()
        .filter(|address| Family::of(**address) == family)
        .map(|address| match address {
            IpAddr::V4(address) => address.to_bits(),
            IpAddr::V6(address) => (address.to_bits() & u128::from(u32::MAX)) as u32,
        })
        .collect();
    watched.sort_unstable();
    watched.dedup();
    let runs = runs(&watched);
    let mut program = match family {
        Family::V4 => vec![
            load_word(0),
            jump_if_equal(0x0001_0800, 1, 0),
            give(0),
            load_half(4),
            jump_if_equal(0x0604, 1, 0),
            give(0),
            load_word(14),
        ],
        Family::V6 => vec![
            load_byte(0),
            jump_if_equal(NEIGHBOUR_ADVERTISEMENT.into(), 1, 0),
            give(0),
            load_word(8 + 12),
        ],
    };
    if runs.len() > MOST_RUNS {
        program.push(give(u32::MAX));
    } else {
        program.extend(decision(&runs));
    }
    program
}

/// Neighbouring numbers as runs, first and last.
fn runs(sorted: &[u32]) -> Vec<(u32, u32)> {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for &number in sorted {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(number) => *last = number,
            Some(_) | None => runs.push((number, number)),
        }
    }
    runs
}

/// Accepts what was loaded if it is in one of the runs: a binary search.
fn decision(runs: &[(u32, u32)]) -> Vec<sock_filter> {
    match runs {
        [] => vec![give(0)],
        [(first, last)] => {
            vec![jump_if_at_least(*first, 0, 2), jump_if_more(*last, 1, 0), give(u32::MAX), give(0)]
        }
        _ => {
            let (lower, upper) = runs.split_at(runs.len() / 2);
            let (below, above) = (decision(lower), decision(upper));
            let over = u32::try_from(below.len()).unwrap_or(u32::MAX);
            let mut program = vec![jump_if_at_least(upper[0].0, 0, 1), jump(over)];
            program.extend(below);
            program.extend(above);
            program
        }
    }
}

fn describe(link: LinkIndex, family: Family) -> String {
    format!("{link} ({family})")
}

/// Gives a packet socket the ARP packets that arrive on a link.
fn bind_to_arp(socket: &Socket, link: LinkIndex) -> io::Result<()> {
    let name = SocketName::link(link.0, ARP, [0; 6]);
    let bytes = name.as_bytes();
    let length = libc::socklen_t::try_from(bytes.len()).unwrap_or(0);
    // SAFETY: the kernel reads `length` bytes, the true length of a socket address that lives until the call returns and
    // has the layout of `sockaddr_ll`; the descriptor is open as long as `socket` is borrowed.
    check(unsafe { libc::bind(socket.as_raw_fd(), bytes.as_ptr().cast(), length) }).map(drop)
}

/// `ICMP6_FILTER` (RFC 3542 section 3.2): a bit that is set blocks its type.
fn advertisements_only(socket: &Socket) -> io::Result<()> {
    const ICMP6_FILTER: libc::c_int = 1;
    let mut blocked = [u32::MAX; 8];
    blocked[usize::from(NEIGHBOUR_ADVERTISEMENT >> 5)] &= !(1 << (NEIGHBOUR_ADVERTISEMENT & 31));
    // SAFETY: the kernel reads as many bytes as the local array has, which lives until the call returns, and the
    // descriptor is open as long as `socket` is borrowed.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_ICMPV6,
            ICMP6_FILTER,
            blocked.as_ptr().cast(),
            size_of_val(&blocked) as libc::socklen_t,
        )
    };
    check(result).map(drop)
}

#[cfg(test)]
mod tests;
