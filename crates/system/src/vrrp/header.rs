//! The IPv4 header, which raw sockets leave to us in both directions.

use std::net::Ipv4Addr;

/// Bytes of a header without options.
pub const LENGTH: usize = 20;

/// `CS6`, "internetwork control": what routing protocols use, and keepalived.
pub const TRAFFIC_CLASS: u8 = 0xc0;

/// The header of an advert of that many payload bytes. The kernel fills in total length and checksum.
///
/// "Don't fragment" is not set: a list of 255 addresses may be longer than the MTU of a tunnel.
pub fn emit(
    source: Ipv4Addr,
    destination: Ipv4Addr,
    (protocol, ttl): (u8, u8),
    identification: u16,
    payload: usize,
) -> [u8; LENGTH] {
    let mut header = [0; LENGTH];
    header[0] = 4 << 4 | 5;
    header[1] = TRAFFIC_CLASS;
    header[2..4].copy_from_slice(&u16::try_from(LENGTH + payload).unwrap_or(u16::MAX).to_be_bytes());
    header[4..6].copy_from_slice(&identification.to_be_bytes());
    header[8] = ttl;
    header[9] = protocol;
    header[12..16].copy_from_slice(&source.octets());
    header[16..].copy_from_slice(&destination.octets());
    header
}

/// What a received packet says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parsed<'a> {
    pub source: Ipv4Addr,
    pub destination: Ipv4Addr,
    pub ttl: u8,
    pub identification: u16,
    pub payload: &'a [u8],
}

/// Splits a packet into header and payload; `None` if it is no IPv4 packet. A payload that was cut off on the way here
/// is given as it is: too short, which the core notices.
pub fn parse(packet: &[u8]) -> Option<Parsed<'_>> {
    let header: &[u8; LENGTH] = packet.first_chunk()?;
    let length = usize::from(header[0] & 0x0f) * 4;
    let total = usize::from(u16::from_be_bytes([header[2], header[3]])).min(packet.len());
    if header[0] >> 4 != 4 || length < LENGTH {
        return None;
    }
    Some(Parsed {
        source: Ipv4Addr::new(header[12], header[13], header[14], header[15]),
        destination: Ipv4Addr::new(header[16], header[17], header[18], header[19]),
        ttl: header[8],
        identification: u16::from_be_bytes([header[4], header[5]]),
        payload: packet.get(length..total)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_header_has_these_bytes() {
        let header = emit(Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(224, 0, 0, 18), (112, 255), 0x1234, 12);
        assert_eq!(
            header,
            [0x45, 0xc0, 0, 32, 0x12, 0x34, 0, 0, 255, 112, 0, 0, 192, 0, 2, 1, 224, 0, 0, 18]
        );
    }

    #[test]
    fn options_and_padding_are_no_payload() {
        let mut packet = emit(Ipv4Addr::LOCALHOST, Ipv4Addr::BROADCAST, (112, 9), 1, 4 + 3).to_vec();
        packet[0] = 4 << 4 | 6;
        packet.extend([1, 1, 1, 0]);
        packet.extend(*b"pdu and padding");
        let parsed = parse(&packet).expect("a packet");
        assert_eq!((parsed.payload, parsed.ttl), (&b"pdu"[..], 9));
        assert_eq!((parsed.source, parsed.destination), (Ipv4Addr::LOCALHOST, Ipv4Addr::BROADCAST));
    }

    #[test]
    fn what_is_no_ipv4_packet_is_nothing() {
        let packet = emit(Ipv4Addr::LOCALHOST, Ipv4Addr::BROADCAST, (112, 9), 1, 0);
        for (place, value) in [(0, 0x65), (0, 0x44), (0, 0x46)] {
            let mut packet = packet;
            packet[place] = value;
            assert_eq!(parse(&packet), None, "{value:#x}");
        }
        assert_eq!(parse(&packet[..19]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            if let Some(parsed) = parse(&bytes) {
                prop_assert!(parsed.payload.len() + LENGTH <= bytes.len());
            }
        }

        #[test]
        fn what_was_emitted_is_parsed(protocol: u8, ttl: u8, identification: u16, from: u32, to: u32, payload in proptest::collection::vec(any::<u8>(), 0..64)) {
            let (source, destination) = (Ipv4Addr::from(from), Ipv4Addr::from(to));
            let mut packet = emit(source, destination, (protocol, ttl), identification, payload.len()).to_vec();
            packet.extend(&payload);
            prop_assert_eq!(parse(&packet), Some(Parsed { source, destination, ttl, identification, payload: &payload }));
        }
    }
}
