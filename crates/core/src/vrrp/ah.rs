//! The IPsec authentication header around a VRRPv2 message over IPv4: `auth_type AH`.
//!
//! ```text
//!  0                   1                   2                   3
//! +---------------+---------------+-------------------------------+
//! | next: 112     |  length: 4    |           reserved            |
//! +---------------+---------------+-------------------------------+
//! | security parameters index: the source address, as keepalived  |
//! +---------------------------------------------------------------+
//! | sequence number                                               |
//! +---------------------------------------------------------------+
//! | integrity check value: 12 bytes of HMAC-MD5                   |
//! +---------------------------------------------------------------+
//! | VRRP message                                                  |
//! +---------------------------------------------------------------+
//! ```
//!
//! RFC 2338 section 5.3.6, RFC 2402, RFC 2403. The check covers the IP header with the fields that may change on the way
//! as zero, the authentication header with its check as zero, and the message. (Measured from keepalived 2.2.7: type of
//! service, flags and checksum are zero, and the TTL too in unicast but not in multicast, where it must be 255 anyway.)
//!
//! MD5 is what RFC 2338 and keepalived have. As part of HMAC no attack on it is known; the password of 8 characters is
//! the weaker part.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::Md5;
use serde::{Deserialize, Serialize};

use crate::secret::{Password, equal};

/// IP protocol number of the authentication header.
pub const PROTOCOL: u8 = 51;

/// Bytes of the authentication header.
pub const HEADER: usize = 24;

/// Where the check is in the authentication header.
const CHECK: core::ops::Range<usize> = 12..HEADER;

/// IP protocol number of VRRP: what the next header is.
const VRRP: u8 = 112;

/// Length of the header in words of four bytes, less two (RFC 2402 section 2.2).
const LENGTH: u8 = 4;

/// Bytes of an IPv4 header without options.
const IP_HEADER: usize = 20;

/// What stands between the IP header and the VRRP message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Envelope {
    /// Nothing.
    #[default]
    Bare,
    /// An authentication header, which also covers this field of the IP header. Only over IPv4.
    Ah {
        /// Identification of the IP packet.
        identification: u16,
    },
}

impl Envelope {
    /// The message in a payload that has this envelope, whoever wrote it; `None` if it is too short to have one.
    #[must_use]
    pub fn message(self, payload: &[u8]) -> Option<&[u8]> {
        match self {
            Self::Bare => Some(payload),
            Self::Ah { .. } => payload.get(HEADER..),
        }
    }
}

/// What the check covers of the IP header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outside {
    /// Source.
    pub source: Ipv4Addr,
    /// Destination.
    pub destination: Ipv4Addr,
    /// TTL; counts only if the destination is a group.
    pub ttl: u8,
    /// Identification.
    pub identification: u16,
}

impl Outside {
    /// That of a packet between these addresses; `None` if they are not IPv4.
    #[must_use]
    pub const fn of(source: IpAddr, destination: IpAddr, ttl: u8, identification: u16) -> Option<Self> {
        match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                Some(Self { source, destination, ttl, identification })
            }
            _ => None,
        }
    }

    /// The IP header as the check sees it, of a packet with so many bytes behind it.
    fn header(self, payload: usize) -> [u8; IP_HEADER] {
        let mut header = [0; IP_HEADER];
        header[0] = 4 << 4 | 5;
        header[2..4].copy_from_slice(&u16::try_from(IP_HEADER + payload).unwrap_or(u16::MAX).to_be_bytes());
        header[4..6].copy_from_slice(&self.identification.to_be_bytes());
        header[8] = if self.destination.is_multicast() { self.ttl } else { 0 };
        header[9] = PROTOCOL;
        header[12..16].copy_from_slice(&self.source.octets());
        header[16..].copy_from_slice(&self.destination.octets());
        header
    }

    /// The check over everything; the bytes of `packet` where the check itself belongs do not count.
    fn check(self, password: &Password, packet: &[u8]) -> [u8; 12] {
        let mac = Hmac::<Md5>::new_from_slice(password.bytes());
        let mut mac = mac.expect("HMAC takes a key of any length (RFC 2104 section 2)");
        mac.update(&self.header(packet.len()));
        let (header, message) = packet.split_at(HEADER.min(packet.len()));
        mac.update(&header[..CHECK.start.min(header.len())]);
        mac.update(&[0; 12]);
        mac.update(message);
        let full = mac.finalize().into_bytes();
        let mut check = [0; 12];
        check.iter_mut().zip(full).for_each(|(to, from)| *to = from);
        check
    }
}

/// Puts an authentication header before a message.
#[must_use]
pub fn seal(outside: Outside, password: &Password, sequence: u32, message: &[u8]) -> Vec<u8> {
    let mut packet = Vec::with_capacity(HEADER + message.len());
    packet.extend([VRRP, LENGTH, 0, 0]);
    packet.extend(outside.source.octets());
    packet.extend(sequence.to_be_bytes());
    packet.extend([0; 12]);
    packet.extend(message);
    let check = outside.check(password, &packet);
    packet[CHECK].copy_from_slice(&check);
    packet
}

/// The sequence number of a packet whose check is right; `None` if it is not, or is that of another kind of header.
#[must_use]
pub fn verify(outside: Outside, password: &Password, packet: &[u8]) -> Option<u32> {
    let (header, _) = packet.split_first_chunk::<HEADER>()?;
    let is_ours = header[0] == VRRP && header[1] == LENGTH;
    let is_right = equal(&outside.check(password, packet), &header[CHECK]);
    let &[_, _, _, _, _, _, _, _, a, b, c, d, ..] = header;
    (is_ours && is_right).then_some(u32::from_be_bytes([a, b, c, d]))
}

/// Where the numbers end. RFC 2402 section 3.3.2 wants another key then; at one advert a second that is in 136 years.
const LAST: u32 = 0xffff_fffd;

/// The sequence numbers of one virtual router.
///
/// All its routers share them, as in keepalived: whoever takes over goes on where the master before it was, and whoever
/// finds itself behind goes on from the number it hears. So a router that starts anew learns the number as a backup, and
/// of two masters with different numbers the one that is behind catches up when it hears the other.
///
/// DIFFERS: a number that was accepted once is not accepted again. keepalived takes the same packet as often as it comes
/// (test `a_packet_in_an_authentication_header_counts_once`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sequence {
    /// The greatest number that was accepted.
    heard: u32,
    /// The last number that was sent.
    sent: u32,
}

impl Sequence {
    /// The number of the next advert.
    pub fn advance(&mut self) -> u32 {
        self.skip(1);
        self.sent
    }

    /// Goes so many numbers on. A router that takes up where a crashed one was must not repeat what that one sent.
    pub fn skip(&mut self, numbers: u32) {
        self.sent = self.sent.max(self.heard).saturating_add(numbers).min(LAST);
    }

    /// Whether a packet with this number was there before, or is older than something we said.
    #[must_use]
    pub const fn is_old(&self, number: u32) -> bool {
        // At the end of all numbers there is no order any more.
        number < LAST && (number <= self.heard || number < self.sent)
    }

    /// A packet with this number was accepted.
    pub fn accept(&mut self, number: u32) {
        self.heard = self.heard.max(number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> =
            hex.bytes().map(|digit| (digit as char).to_digit(16).expect("hex") as u8).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    const AH: Envelope = Envelope::Ah { identification: 1 };

    fn secret() -> Password {
        (*b"secret\0\0").into()
    }

    /// Packets of Debian's keepalived 2.2.7 with password `secret`, as tcpdump wrote them, IP header and all: the first of a
    /// life, one of a successor that went on counting, one of priority 0, two to a unicast peer.
    const KEEPALIVED: [&str; 5] = [
        "45c0004000010000ff33d0b60a000001e0000012700400000a000001000000018dd7cd99142a3176f43c8e5f2133960102013c660a0000640000000000000000",
        "45c0004000010000ff33d0b50a000002e0000012700400000a00000200000007a7510a45e36a6cf860b7462c2133640102016e660a0000640000000000000000",
        "45c0004000060000ff33d0b10a000001e0000012700400000a00000100000006277e4c524d116ab2bdfeeaa0213300010201d2660a0000640000000000000000",
        "45c0004000010000ff33a6c70a0000010a000002700400000a000001000000014d96efe158e9ffe458578c142133960102013c660a0000640000000000000000",
        "45c0004000040000ff33a6c40a0000010a000002700400000a0000010000000499ee0deaddbaa5939f6e00032133960102013c660a0000640000000000000000",
    ];

    fn split(packet: &[u8]) -> (Outside, &[u8]) {
        let address = |at: usize| Ipv4Addr::new(packet[at], packet[at + 1], packet[at + 2], packet[at + 3]);
        let identification = u16::from_be_bytes([packet[4], packet[5]]);
        let outside =
            Outside { source: address(12), destination: address(16), ttl: packet[8], identification };
        (outside, &packet[IP_HEADER..])
    }

    #[test]
    fn packets_of_keepalived_are_right_and_ours_are_the_same() {
        for (packet, sequence) in KEEPALIVED.map(bytes).iter().zip([1, 7, 6, 1, 4]) {
            let (outside, packet) = split(packet);
            assert_eq!(verify(outside, &secret(), packet), Some(sequence));
            let message = AH.message(packet).expect("a message");
            assert_eq!(seal(outside, &secret(), sequence, message), packet);
        }
    }

    #[test]
    fn another_password_is_wrong() {
        let packet = bytes(KEEPALIVED[0]);
        let (outside, packet) = split(&packet);
        assert_eq!(verify(outside, &(*b"secreT\0\0").into(), packet), None);
    }

    #[test]
    fn every_byte_of_header_and_message_is_covered() {
        let packet = bytes(KEEPALIVED[0]);
        let (outside, packet) = split(&packet);
        for at in 0..packet.len() {
            let mut packet = packet.to_vec();
            packet[at] ^= 0x40;
            assert_eq!(verify(outside, &secret(), &packet), None, "byte {at}");
        }
        let longer = [packet, &[0]].concat();
        assert_eq!(verify(outside, &secret(), &longer), None);
    }

    #[test]
    fn addresses_identification_and_the_ttl_of_multicast_are_covered() {
        let (multicast, unicast) = (bytes(KEEPALIVED[0]), bytes(KEEPALIVED[3]));
        let (outside, packet) = split(&multicast);
        let right = |outside| verify(outside, &secret(), packet).is_some();
        assert!(right(outside));
        assert!(!right(Outside { source: Ipv4Addr::new(10, 0, 0, 9), ..outside }));
        assert!(!right(Outside { destination: Ipv4Addr::new(224, 0, 0, 19), ..outside }));
        assert!(!right(Outside { identification: 2, ..outside }));
        assert!(!right(Outside { ttl: 254, ..outside }));
        let (outside, packet) = split(&unicast);
        assert_eq!(verify(Outside { ttl: 60, ..outside }, &secret(), packet), Some(1));
    }

    #[test]
    fn what_is_too_short_is_wrong_and_has_no_message() {
        let packet = bytes(KEEPALIVED[0]);
        let (outside, packet) = split(&packet);
        for length in 0..HEADER {
            assert_eq!(verify(outside, &secret(), &packet[..length]), None);
            assert_eq!(AH.message(&packet[..length]), None);
        }
        assert_eq!(AH.message(&packet[..HEADER]), Some(&[][..]));
        assert_eq!(Envelope::Bare.message(&packet[..3]), Some(&packet[..3]));
    }

    #[test]
    fn numbers_count_up_and_go_on_from_what_was_heard() {
        let mut sequence = Sequence::default();
        assert_eq!([sequence.advance(), sequence.advance()], [1, 2]);
        sequence.accept(40);
        assert_eq!(sequence.advance(), 41);
        sequence.skip(100);
        assert_eq!(sequence.advance(), 142);
    }

    #[test]
    fn a_number_is_accepted_once() {
        let mut sequence = Sequence::default();
        assert!(sequence.is_old(0), "nobody begins at zero");
        sequence.accept(7);
        assert!([0, 1, 6, 7].iter().all(|number| sequence.is_old(*number)));
        assert!(!sequence.is_old(8));
    }

    #[test]
    fn a_master_does_not_hear_what_is_older_than_its_own_but_a_rival_of_the_same_moment() {
        let mut sequence = Sequence::default();
        sequence.accept(7);
        assert_eq!([sequence.advance(), sequence.advance()], [8, 9]);
        assert!(sequence.is_old(8), "recorded before we took over, perhaps");
        assert!(!sequence.is_old(9), "two that take over together have the same number");
    }

    #[test]
    fn at_the_end_of_all_numbers_the_last_one_goes_on() {
        let mut sequence = Sequence::default();
        sequence.accept(u32::MAX);
        assert_eq!([sequence.advance(), sequence.advance()], [LAST, LAST]);
        assert!(!sequence.is_old(LAST));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(packet in proptest::collection::vec(any::<u8>(), 0..80), ttl: u8, to: u32) {
            let outside = Outside { source: Ipv4Addr::LOCALHOST, destination: to.into(), ttl, identification: 1 };
            prop_assert_eq!(verify(outside, &secret(), &packet), None);
        }

        #[test]
        fn what_was_sealed_is_right(to: u32, ttl: u8, identification: u16, sequence: u32, text in proptest::collection::vec(any::<u8>(), 0..80)) {
            let outside = Outside { source: Ipv4Addr::LOCALHOST, destination: to.into(), ttl, identification };
            let packet = seal(outside, &secret(), sequence, &text);
            prop_assert_eq!(verify(outside, &secret(), &packet), Some(sequence));
            prop_assert_eq!(AH.message(&packet), Some(&text[..]));
            let other = vec![0; packet.len()];
            prop_assert_eq!(verify(outside, &secret(), &other), None);
        }
    }
}
