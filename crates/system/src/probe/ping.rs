//! `PING_CHECK`: one ICMP echo (RFC 792, RFC 4443 section 4.1).
//!
//! Linux has sockets for that: they need no privilege, the kernel gives each an identifier and hands it only its own
//! replies. Which groups may open one is in `net.ipv4.ping_group_range`; by default not even root's may. keepalived
//! widens the range for the whole machine. Here a raw socket does instead if it must, and for that the kernel asks for
//! `CAP_NET_RAW` only.

use mainstay_core::director::{Probe, Stage};
use nix::poll::PollFlags;
use socket2::{Protocol, Socket, Type};
use tokio::net::UdpSocket;

use super::patience::Patience;
use super::random::Random;
use super::socket;
use super::trouble::{Exchange, Trouble};
use crate::bpf;

/// Head of an echo: type, code, checksum, identifier, sequence number.
const HEAD: usize = 8;
/// Bytes behind the head, as keepalived sends them: as many as a check of the path may need, and random, so that an
/// answer to somebody else is not taken for ours.
const PAYLOAD: usize = 128;

/// Asks once.
pub(super) async fn ask(probe: &Probe, random: &Random, patience: &Patience<'_>) -> Exchange<()> {
    let number = random.number();
    let echo = Echo {
        is_v4: probe.target.is_ipv4(),
        identifier: number as u16,
        sequence: (number >> 16) as u16,
        payload: random.bytes(),
    };
    let (socket, kind) = open(probe, &echo)?;
    let mut target = socket::target(probe)?;
    target.set_port(0);
    socket.connect(&target.into()).map_err(|error| Trouble::kernel(Stage::Connect, &error))?;
    // tokio has no type for it, but send and recv are the same for every socket of datagrams.
    let socket = UdpSocket::from_std(socket.into())
        .map_err(|error| Trouble::could_not_ask("wait for a socket", &error))?;
    match patience.wait(&socket, PollFlags::POLLOUT, socket.send(&echo.emit())).await {
        Err(_) => return Err(patience.expired(Stage::Send)),
        Ok(Err(error)) => return Err(Trouble::kernel(Stage::Send, &error)),
        Ok(Ok(_)) => {}
    }
    let answer = async {
        let mut buffer = [0; 60 + HEAD + PAYLOAD];
        loop {
            let length = socket::receive(&socket, &mut buffer).await?;
            if echo.is_answered_by(kind, &buffer[..length.min(buffer.len())]) {
                return Ok::<_, std::io::Error>(());
            }
        }
    };
    match patience.wait(&socket, PollFlags::POLLIN, answer).await {
        Err(_) => Err(patience.expired(Stage::Receive)),
        Ok(Err(error)) => Err(Trouble::kernel(Stage::Receive, &error)),
        Ok(Ok(())) => Ok(()),
    }
}

/// What kind of socket asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The kernel's own for pings: it sets the identifier, and gives no IP header.
    Ping,
    /// For IPv4 with the IP header before what comes.
    Raw,
}

fn open(probe: &Probe, echo: &Echo) -> Exchange<(Socket, Kind)> {
    let protocol = if echo.is_v4 { Protocol::ICMPV4 } else { Protocol::ICMPV6 };
    // A ping socket takes its identifier from the port it is bound to; the kernel chooses one.
    let portless = Probe {
        source: mainstay_core::director::probe::Source { port: None, ..probe.source.clone() },
        ..probe.clone()
    };
    match socket::open(&portless, Type::DGRAM, protocol) {
        Ok(socket) => Ok((socket, Kind::Ping)),
        Err(_) => {
            let socket = socket::open(&portless, Type::RAW, protocol)?;
            bpf::attach(&socket, &echo.filter())
                .map_err(|error| Trouble::could_not_ask("filter pings", &error))?;
            Ok((socket, Kind::Raw))
        }
    }
}

/// One echo.
#[derive(Debug)]
struct Echo {
    is_v4: bool,
    identifier: u16,
    sequence: u16,
    payload: [u8; PAYLOAD],
}

impl Echo {
    fn emit(&self) -> [u8; HEAD + PAYLOAD] {
        let mut packet = [0; HEAD + PAYLOAD];
        packet[0] = if self.is_v4 { 8 } else { 128 };
        packet[4..6].copy_from_slice(&self.identifier.to_be_bytes());
        packet[6..8].copy_from_slice(&self.sequence.to_be_bytes());
        packet[HEAD..].copy_from_slice(&self.payload);
        // For ICMPv6 the kernel makes it: it has addresses in it.
        if self.is_v4 {
            let checksum = checksum(&packet);
            packet[2..4].copy_from_slice(&checksum.to_be_bytes());
        }
        packet
    }

    fn is_answered_by(&self, kind: Kind, bytes: &[u8]) -> bool {
        let header = match (kind, self.is_v4) {
            (Kind::Raw, true) => bytes.first().map_or(0, |first| usize::from(first & 0x0F) * 4),
            (Kind::Raw, false) | (Kind::Ping, _) => 0,
        };
        let Some(&[kind_of, 0, _, _, id0, id1, seq0, seq1, ref payload @ ..]) = bytes.get(header..) else {
            return false;
        };
        // A ping socket has an identifier of its own, and gets nothing with another one.
        let is_ours = kind == Kind::Ping || u16::from_be_bytes([id0, id1]) == self.identifier;
        kind_of == self.reply()
            && is_ours
            && u16::from_be_bytes([seq0, seq1]) == self.sequence
            && *payload == self.payload
    }

    const fn reply(&self) -> u8 {
        if self.is_v4 { 0 } else { 129 }
    }

    /// Lets nothing through but replies with our identifier: a raw socket hears all pings of the machine.
    fn filter(&self) -> Vec<libc::sock_filter> {
        let (reply, identifier) = (u32::from(self.reply()), u32::from(self.identifier));
        if self.is_v4 {
            vec![
                bpf::index_behind_ipv4_header(0),
                bpf::load_byte_indexed(0),
                bpf::jump_if_equal(reply, 0, 3),
                bpf::load_half_indexed(4),
                bpf::jump_if_equal(identifier, 0, 1),
                bpf::give(u32::MAX),
                bpf::give(0),
            ]
        } else {
            vec![
                bpf::load_byte(0),
                bpf::jump_if_equal(reply, 0, 3),
                bpf::load_half(4),
                bpf::jump_if_equal(identifier, 0, 1),
                bpf::give(u32::MAX),
                bpf::give(0),
            ]
        }
    }
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let sum: u32 =
        bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum();
    let folded = (sum & 0xFFFF) + (sum >> 16);
    !((folded & 0xFFFF) + (folded >> 16)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    const ECHO: Echo = Echo { is_v4: true, identifier: 0x1234, sequence: 0x5678, payload: [7; PAYLOAD] };

    #[test]
    fn an_echo_has_a_checksum_that_adds_up() {
        let packet = ECHO.emit();
        assert_eq!(&packet[..2], [8, 0]);
        assert_eq!(&packet[4..8], [0x12, 0x34, 0x56, 0x78]);
        assert_eq!(checksum(&packet), 0);
        assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2, "the RFC's example");
    }

    #[test]
    fn only_the_reply_to_this_echo_counts() {
        let reply = |change: fn(&mut Vec<u8>)| {
            let mut packet = ECHO.emit().to_vec();
            packet[0] = 0;
            change(&mut packet);
            packet
        };
        assert!(ECHO.is_answered_by(Kind::Ping, &reply(|_| {})));
        assert!(
            ECHO.is_answered_by(Kind::Ping, &reply(|packet| packet[4] = 9)),
            "the kernel's own identifier"
        );
        assert!(!ECHO.is_answered_by(Kind::Ping, &reply(|packet| packet[0] = 8)), "the question");
        assert!(!ECHO.is_answered_by(Kind::Ping, &reply(|packet| packet[0] = 3)), "an error");
        assert!(!ECHO.is_answered_by(Kind::Ping, &reply(|packet| packet[7] = 9)), "another one of ours");
        assert!(!ECHO.is_answered_by(Kind::Ping, &reply(|packet| packet.truncate(100))), "cut off");
        let raw = [vec![0x46; 24], reply(|_| {})].concat();
        assert!(ECHO.is_answered_by(Kind::Raw, &raw), "behind an IP header with options");
        let other = [vec![0x46; 24], reply(|packet| packet[4] = 9)].concat();
        assert!(!ECHO.is_answered_by(Kind::Raw, &other), "somebody else's identifier");
    }
}
