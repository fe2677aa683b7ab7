//! The internet checksum over a VRRP message, with and without a pseudo-header.

use core::net::{IpAddr, Ipv4Addr};

/// IP protocol number of VRRP.
pub const PROTOCOL: u8 = 112;

/// The multicast group of VRRP over IPv4, RFC 9568 section 5.1.1.2.
pub const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

/// A ones' complement sum in progress, RFC 1071.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sum(u64);

impl Sum {
    /// The sum with these bytes added. An odd last byte counts as if a zero followed.
    #[must_use]
    pub fn add_bytes(self, bytes: &[u8]) -> Self {
        let (words, rest) = bytes.as_chunks::<2>();
        let words: u64 = words.iter().map(|&word| u64::from(u16::from_be_bytes(word))).sum();
        let rest = rest.first().map_or(0, |&byte| u64::from(byte) << 8);
        Self(self.0 + words + rest)
    }

    /// The sum with the pseudo-header of a VRRP message of `length` bytes added: source, destination, protocol 112
    /// and length (RFC 5798 section 5.2.8 for IPv4, RFC 8200 section 8.1 for IPv6).
    #[must_use]
    pub fn add_pseudo_header(self, source: IpAddr, destination: IpAddr, length: usize) -> Self {
        let sum = self.add_address(source).add_address(destination);
        Self(sum.0 + u64::from(PROTOCOL) + length as u64)
    }

    fn add_address(self, address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => self.add_bytes(&address.octets()),
            IpAddr::V6(address) => self.add_bytes(&address.octets()),
        }
    }

    /// The sum folded to 16 bits. Over a message that includes its own right checksum it is `0xffff`.
    #[must_use]
    pub const fn fold(self) -> u16 {
        let mut sum = self.0;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum as u16
    }

    /// The checksum field that makes the whole sum right.
    #[must_use]
    pub const fn checksum(self) -> u16 {
        !self.fold()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_1071_section_3_sums_to_ddf2() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(Sum::default().add_bytes(&bytes).fold(), 0xddf2);
        assert_eq!(Sum::default().add_bytes(&bytes).checksum(), 0x220d);
    }

    #[test]
    fn an_odd_last_byte_is_the_high_half_of_a_word() {
        assert_eq!(Sum::default().add_bytes(&[0x12, 0x34, 0x56]).fold(), 0x1234 + 0x5600);
    }
}
