//! Bytes the kernel's socket calls take: socket addresses and control messages, built and read without pointers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A socket address as the kernel wants it: `sockaddr_in`, `sockaddr_in6` or `sockaddr_ll`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketName {
    bytes: [u8; 28],
    length: u8,
}

impl SocketName {
    /// A raw IP destination (port 0); `scope` is the link an IPv6 link-local address belongs to, else 0.
    pub fn ip(address: IpAddr, scope: u32) -> Self {
        let mut bytes = [0; 28];
        let length = match address {
            IpAddr::V4(address) => {
                bytes[..2].copy_from_slice(&family(libc::AF_INET));
                bytes[4..8].copy_from_slice(&address.octets());
                16
            }
            IpAddr::V6(address) => {
                bytes[..2].copy_from_slice(&family(libc::AF_INET6));
                bytes[8..24].copy_from_slice(&address.octets());
                bytes[24..].copy_from_slice(&scope.to_ne_bytes());
                28
            }
        };
        Self { bytes, length }
    }

    /// The same with a UDP port.
    pub fn ip_with_port(address: IpAddr, scope: u32, port: u16) -> Self {
        let mut name = Self::ip(address, scope);
        name.bytes[2..4].copy_from_slice(&port.to_be_bytes());
        name
    }

    /// An Ethernet destination on a link.
    pub fn link(index: u32, protocol: u16, hardware: [u8; 6]) -> Self {
        let mut bytes = [0; 28];
        bytes[..2].copy_from_slice(&family(libc::AF_PACKET));
        bytes[2..4].copy_from_slice(&protocol.to_be_bytes());
        bytes[4..8].copy_from_slice(&index.to_ne_bytes());
        bytes[11] = 6;
        bytes[12..18].copy_from_slice(&hardware);
        Self { bytes, length: 20 }
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// The IP address in a `sockaddr_in` or `sockaddr_in6`.
    pub fn parse_ip(bytes: &[u8]) -> Option<IpAddr> {
        let (name_family, rest) = bytes.split_first_chunk::<2>()?;
        if *name_family == family(libc::AF_INET) {
            rest.get(2..6)?.first_chunk::<4>().map(|octets| IpAddr::V4(Ipv4Addr::from(*octets)))
        } else if *name_family == family(libc::AF_INET6) {
            rest.get(6..22)?.first_chunk::<16>().map(|octets| IpAddr::V6(Ipv6Addr::from(*octets)))
        } else {
            None
        }
    }
}

fn family(number: libc::c_int) -> [u8; 2] {
    u16::try_from(number).unwrap_or(0).to_ne_bytes()
}

/// Bytes of a `struct cmsghdr`: length (`size_t`), level and type (`int`).
const CONTROL_HEADER: usize = size_of::<usize>() + 8;

const fn align(length: usize) -> usize {
    length.next_multiple_of(size_of::<usize>())
}

/// Control messages of one `sendmsg`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Control {
    bytes: [u8; 96],
    length: usize,
}

impl Control {
    pub const fn new() -> Self {
        Self { bytes: [0; 96], length: 0 }
    }

    pub fn push(&mut self, level: libc::c_int, kind: libc::c_int, value: &[u8]) {
        let total = CONTROL_HEADER + value.len();
        let room = &mut self.bytes[self.length..self.length + align(total)];
        room.fill(0);
        room[..size_of::<usize>()].copy_from_slice(&total.to_ne_bytes());
        room[size_of::<usize>()..][..4].copy_from_slice(&level.to_ne_bytes());
        room[size_of::<usize>() + 4..][..4].copy_from_slice(&kind.to_ne_bytes());
        room[CONTROL_HEADER..total].copy_from_slice(value);
        self.length += align(total);
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// The control messages of one `recvmsg`: level, type and value each. Stops at the first malformed one.
pub fn control_messages(mut bytes: &[u8]) -> impl Iterator<Item = (libc::c_int, libc::c_int, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from_ne_bytes(*bytes.first_chunk()?);
        let level = i32::from_ne_bytes(*bytes.get(size_of::<usize>()..)?.first_chunk()?);
        let kind = i32::from_ne_bytes(*bytes.get(size_of::<usize>() + 4..)?.first_chunk()?);
        let value = bytes.get(CONTROL_HEADER..length)?;
        bytes = bytes.get(align(length)..).unwrap_or_default();
        Some((level, kind, value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_gives_back_the_address_it_was_built_from() {
        for text in ["192.0.2.7", "fe80::1:2"] {
            let address: IpAddr = text.parse().expect("an address");
            assert_eq!(SocketName::parse_ip(SocketName::ip(address, 4).as_bytes()), Some(address));
        }
        assert_eq!(SocketName::parse_ip(SocketName::link(1, 0x806, [0xff; 6]).as_bytes()), None);
        assert_eq!(SocketName::parse_ip(&[2]), None);
        assert_eq!(
            SocketName::parse_ip(&SocketName::ip(IpAddr::from([1, 2, 3, 4]), 0).as_bytes()[..6]),
            None
        );
    }

    #[test]
    fn names_have_the_layout_of_the_c_structures() {
        assert_eq!(
            SocketName::ip(IpAddr::from([1, 2, 3, 4]), 0).as_bytes().len(),
            size_of::<libc::sockaddr_in>()
        );
        assert_eq!(
            SocketName::ip(IpAddr::from([0u16; 8]), 0).as_bytes().len(),
            size_of::<libc::sockaddr_in6>()
        );
        assert_eq!(SocketName::link(1, 2, [0; 6]).as_bytes().len(), size_of::<libc::sockaddr_ll>());
    }

    #[test]
    fn control_messages_come_back_as_they_were_pushed() {
        let mut control = Control::new();
        control.push(41, 67, &192i32.to_ne_bytes());
        control.push(41, 50, &[9; 20]);
        let read: Vec<_> = control_messages(control.as_bytes()).collect();
        assert_eq!(read, [(41, 67, &192i32.to_ne_bytes()[..]), (41, 50, &[9; 20][..])]);
    }

    #[test]
    fn a_control_message_that_claims_more_than_there_is_ends_the_list() {
        let mut control = Control::new();
        control.push(0, 8, &[1; 12]);
        let mut bytes = control.as_bytes().to_vec();
        bytes[0] = 200;
        assert_eq!(control_messages(&bytes).count(), 0);
        bytes[0] = 3;
        assert_eq!(control_messages(&bytes).count(), 0, "shorter than its own header");
        assert_eq!(control_messages(&bytes[..7]).count(), 0);
    }
}
