//! The frames themselves, as bytes.

use std::net::{Ipv4Addr, Ipv6Addr};

const BROADCAST: [u8; 6] = [0xff; 6];

/// `ff02::1` as an Ethernet group (RFC 2464 section 7).
const ALL_NODES_HARDWARE: [u8; 6] = [0x33, 0x33, 0, 0, 0, 1];

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

const ARP: u16 = 0x0806;
const IPV6: u16 = 0x86dd;

/// An Ethernet frame: destination, source, type, content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    bytes: [u8; 86],
    length: usize,
}

impl Frame {
    fn new(destination: [u8; 6], source: [u8; 6], ether_type: u16) -> Self {
        let mut frame = Self { bytes: [0; 86], length: 0 };
        frame.push(&destination);
        frame.push(&source);
        frame.push(&ether_type.to_be_bytes());
        frame
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.length..][..bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }

    /// All bytes, without the checksum that the hardware adds.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// Where it goes.
    #[must_use]
    pub const fn destination(&self) -> [u8; 6] {
        let [a, b, c, d, e, f, ..] = self.bytes;
        [a, b, c, d, e, f]
    }

    /// `EtherType`.
    #[must_use]
    pub const fn ether_type(&self) -> u16 {
        u16::from_be_bytes([self.bytes[12], self.bytes[13]])
    }
}

/// A broadcast ARP request whose sender and target are the address announced (RFC 5227 section 3: an ARP announcement).
/// The target hardware address, which nobody reads, is the broadcast address as keepalived's.
#[must_use]
pub fn gratuitous_arp(mac: [u8; 6], address: Ipv4Addr) -> Frame {
    let mut frame = Frame::new(BROADCAST, mac, ARP);
    // Ethernet (1), IPv4, their address lengths, request (1).
    frame.push(&[0, 1, 0x08, 0, 6, 4, 0, 1]);
    frame.push(&mac);
    frame.push(&address.octets());
    frame.push(&BROADCAST);
    frame.push(&address.octets());
    frame
}

/// An unsolicited neighbour advertisement to all nodes that overrides what they know (RFC 4861 section 7.2.6).
#[must_use]
pub fn neighbour_advertisement(mac: [u8; 6], address: Ipv6Addr, router: bool) -> Frame {
    const NEXT_HEADER_ICMP: u8 = 58;
    const LENGTH: u8 = 32;
    const OVERRIDE: u8 = 0x20;
    const ROUTER: u8 = 0x80;

    let mut message = [0; LENGTH as usize];
    message[0] = 136;
    message[4] = OVERRIDE | if router { ROUTER } else { 0 };
    message[8..24].copy_from_slice(&address.octets());
    // Option: target link-layer address, one unit of eight bytes.
    message[24..26].copy_from_slice(&[2, 1]);
    message[26..].copy_from_slice(&mac);
    let checksum = checksum(&[
        &address.octets(),
        &ALL_NODES.octets(),
        &[0, 0, 0, LENGTH, 0, 0, 0, NEXT_HEADER_ICMP],
        &message,
    ]);
    message[2..4].copy_from_slice(&checksum.to_be_bytes());

    let mut frame = Frame::new(ALL_NODES_HARDWARE, mac, IPV6);
    // Version 6; hop limit 255 proves that it comes from the link.
    frame.push(&[0x60, 0, 0, 0, 0, LENGTH, NEXT_HEADER_ICMP, 255]);
    frame.push(&address.octets());
    frame.push(&ALL_NODES.octets());
    frame.push(&message);
    frame
}

/// A broadcast ARP request for an address, which claims nothing: its sender address is 0.0.0.0 (RFC 5227 section 2.1.1,
/// an ARP probe).
#[must_use]
pub fn arp_probe(mac: [u8; 6], address: Ipv4Addr) -> Frame {
    let mut frame = Frame::new(BROADCAST, mac, ARP);
    frame.push(&[0, 1, 0x08, 0, 6, 4, 0, 1]);
    frame.push(&mac);
    frame.push(&[0; 4]);
    frame.push(&[0; 6]);
    frame.push(&address.octets());
    frame
}

/// A neighbour solicitation for an address from the unspecified address, as for duplicate address detection (RFC 4862
/// section 5.4.2): a holder answers to all nodes.
#[must_use]
pub fn neighbour_probe(mac: [u8; 6], address: Ipv6Addr) -> Frame {
    const NEXT_HEADER_ICMP: u8 = 58;
    const LENGTH: u8 = 24;

    let [.., a, b, c] = address.octets();
    // RFC 4291 section 2.7.1: the solicited-node group of an address.
    let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), u16::from_be_bytes([b, c]));
    let mut message = [0; LENGTH as usize];
    message[0] = 135;
    message[8..].copy_from_slice(&address.octets());
    let pseudo_header = [0, 0, 0, LENGTH, 0, 0, 0, NEXT_HEADER_ICMP];
    let checksum = checksum(&[&[0; 16], &group.octets(), &pseudo_header, &message]);
    message[2..4].copy_from_slice(&checksum.to_be_bytes());

    let mut frame = Frame::new([0x33, 0x33, 0xff, a, b, c], mac, IPV6);
    frame.push(&[0x60, 0, 0, 0, 0, LENGTH, NEXT_HEADER_ICMP, 255]);
    frame.push(&[0; 16]);
    frame.push(&group.octets());
    frame.push(&message);
    frame
}

/// The Internet checksum over parts of even length (RFC 1071).
fn checksum(parts: &[&[u8]]) -> u16 {
    let words = parts.iter().flat_map(|part| part.chunks_exact(2));
    let sum: u32 = words.map(|word| u32::from(u16::from_be_bytes([word[0], word[1]]))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    !u16::try_from(folded).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

    #[test]
    fn a_gratuitous_arp_has_these_42_bytes() {
        let frame = gratuitous_arp(MAC, Ipv4Addr::new(192, 0, 2, 9));
        #[rustfmt::skip]
        let expected = [
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff,  2, 0, 0, 0, 0, 1,  0x08, 0x06,
            0, 1,  8, 0,  6,  4,  0, 1,
            2, 0, 0, 0, 0, 1,  192, 0, 2, 9,
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff,  192, 0, 2, 9,
        ];
        assert_eq!(frame.as_bytes(), expected);
        assert_eq!((frame.destination(), frame.ether_type()), (BROADCAST, 0x0806));
    }

    #[test]
    fn a_neighbour_advertisement_has_these_86_bytes() {
        let frame = neighbour_advertisement(MAC, "2001:db8::9".parse().expect("an address"), true);
        #[rustfmt::skip]
        let expected = [
            0x33, 0x33, 0, 0, 0, 1,  2, 0, 0, 0, 0, 1,  0x86, 0xdd,
            0x60, 0, 0, 0,  0, 32,  58,  255,
            0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9,
            0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
            136, 0,  0x79, 0x1a,  0xa0, 0, 0, 0,
            0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9,
            2, 1,  2, 0, 0, 0, 0, 1,
        ];
        assert_eq!(frame.as_bytes(), expected);
        let host = neighbour_advertisement(MAC, "2001:db8::9".parse().expect("an address"), false);
        assert_eq!(host.as_bytes()[58], 0x20);
    }

    #[test]
    fn an_arp_probe_has_no_sender_address() {
        let frame = arp_probe(MAC, Ipv4Addr::new(192, 0, 2, 9));
        #[rustfmt::skip]
        let expected = [
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff,  2, 0, 0, 0, 0, 1,  0x08, 0x06,
            0, 1,  8, 0,  6,  4,  0, 1,
            2, 0, 0, 0, 0, 1,  0, 0, 0, 0,
            0, 0, 0, 0, 0, 0,  192, 0, 2, 9,
        ];
        assert_eq!(frame.as_bytes(), expected);
    }

    #[test]
    fn a_neighbour_probe_goes_to_the_solicited_node_group() {
        let frame = neighbour_probe(MAC, "2001:db8::12:3456".parse().expect("an address"));
        let bytes = frame.as_bytes();
        assert_eq!(bytes.len(), 78);
        assert_eq!(frame.destination(), [0x33, 0x33, 0xff, 0x12, 0x34, 0x56]);
        assert_eq!(bytes[22..38], [0; 16], "from nobody");
        let group: Ipv6Addr = "ff02::1:ff12:3456".parse().expect("an address");
        assert_eq!(bytes[38..54], group.octets());
        assert_eq!((bytes[54], bytes[21]), (135, 255));
        assert_eq!(checksum(&[&bytes[22..54], &[0, 0, 0, 24, 0, 0, 0, 58], &bytes[54..]]), 0);
    }

    #[test]
    fn a_receiver_finds_the_checksum_right() {
        let frame = neighbour_advertisement(MAC, "fe80::1".parse().expect("an address"), true);
        let bytes = frame.as_bytes();
        assert_eq!(checksum(&[&bytes[22..54], &[0, 0, 0, 32, 0, 0, 0, 58], &bytes[54..]]), 0);
    }
}
