//! What the kernel tells, as values of the core. Nothing here trusts a length.

use std::net::IpAddr;

use mainstay_core::address::{Family, LinkIndex, Prefix, RouteKey};
use mainstay_core::router::Link;
use netlink_packet_core::NlasIterator;

/// One message from the kernel, as far as Mainstay cares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    Link(Link),
    LinkGone(LinkIndex),
    Address(LinkIndex, IpAddr),
    AddressGone(LinkIndex, IpAddr),
    RouteGone(RouteKey),
    RuleGone {
        preference: u32,
        table: u32,
    },
    /// Answer to a request: zero or an errno.
    Answer {
        sequence: u32,
        errno: i32,
    },
    /// End of a dump: zero or an errno.
    Done {
        sequence: u32,
        errno: i32,
    },
    /// The table changed while it was dumped: ask again.
    Interrupted,
}

/// `struct nlmsghdr`.
const HEADER: usize = 16;

/// The messages in one datagram that Mainstay cares about.
pub fn messages(mut datagram: &[u8]) -> impl Iterator<Item = Message> {
    std::iter::from_fn(move || {
        loop {
            let header: [u8; HEADER] = *datagram.first_chunk()?;
            let length = u32_at(&header, 0)? as usize;
            let payload = datagram.get(HEADER..length)?;
            datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
            let kind = u16::from_ne_bytes([header[4], header[5]]);
            let flags = u16::from_ne_bytes([header[6], header[7]]);
            let sequence = u32_at(&header, 8)?;
            if flags & u16::try_from(libc::NLM_F_DUMP_INTR).unwrap_or(0) != 0 {
                return Some(Message::Interrupted);
            }
            if let Some(message) = message(kind, sequence, payload) {
                return Some(message);
            }
        }
    })
}

fn message(kind: u16, sequence: u32, payload: &[u8]) -> Option<Message> {
    match kind {
        libc::RTM_NEWLINK => link(payload).map(Message::Link),
        libc::RTM_DELLINK => link_header(payload).map(|(index, _)| Message::LinkGone(index)),
        libc::RTM_NEWADDR => {
            let address = address(payload)?;
            // A tentative address cannot be used yet; the kernel tells it again when it can.
            (!address.tentative).then_some(Message::Address(address.link, address.ip))
        }
        libc::RTM_DELADDR => address(payload).map(|address| Message::AddressGone(address.link, address.ip)),
        libc::RTM_DELROUTE => route(payload).map(Message::RouteGone),
        libc::RTM_DELRULE => rule(payload),
        NLMSG_ERROR => Some(Message::Answer { sequence, errno: errno(payload)? }),
        NLMSG_DONE => Some(Message::Done { sequence, errno: errno(payload).unwrap_or(0) }),
        _ => None,
    }
}

const NLMSG_ERROR: u16 = libc::NLMSG_ERROR as u16;
const NLMSG_DONE: u16 = libc::NLMSG_DONE as u16;

fn errno(payload: &[u8]) -> Option<i32> {
    payload.first_chunk().map(|bytes| i32::from_ne_bytes(*bytes).saturating_neg())
}

/// `struct ifinfomsg`: family, pad, type (16 bits), index, flags, change mask.
const LINK_HEADER: usize = 16;

fn link_header(payload: &[u8]) -> Option<(LinkIndex, u32)> {
    // Messages of the bridge family tell that a link joined or left a bridge, not that it came or went.
    if i32::from(*payload.first()?) != libc::AF_UNSPEC {
        return None;
    }
    Some((LinkIndex(u32_at(payload, 4)?), u32_at(payload, 8)?))
}

fn link(payload: &[u8]) -> Option<Link> {
    let (index, flags) = link_header(payload)?;
    let is = |flag: libc::c_int| flags & flag.unsigned_abs() != 0;
    let mut link = Link {
        index,
        name: String::new(),
        up: is(libc::IFF_UP),
        running: is(libc::IFF_RUNNING),
        no_arp: is(libc::IFF_NOARP) || is(libc::IFF_LOOPBACK),
        mac: None,
        mtu: 0,
        parent: None,
    };
    let mut parent_counts = true;
    for (kind, value) in attributes(payload, LINK_HEADER) {
        match kind {
            libc::IFLA_IFNAME => link.name = text(value),
            libc::IFLA_ADDRESS => link.mac = value.try_into().ok(),
            libc::IFLA_MTU => link.mtu = u32_at(value, 0)?,
            libc::IFLA_LINK => link.parent = u32_at(value, 0).map(LinkIndex),
            libc::IFLA_LINK_NETNSID => parent_counts = false,
            // The "parent" of one end of a pair is the other end.
            libc::IFLA_LINKINFO if is_pair(value) => parent_counts = false,
            _ => {}
        }
    }
    link.parent = link.parent.filter(|parent| parent_counts && parent.0 != 0 && *parent != index);
    (!link.name.is_empty() && index.0 != 0).then_some(link)
}

/// What a link is, for whoever makes links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    pub link: Link,
    /// `macvlan`, `ipvlan`, ...; empty for hardware.
    pub kind: String,
    /// Mode of a macvlan or an ipvlan.
    pub mode: Option<u32>,
    /// Device group.
    pub group: u32,
    /// The VRF it belongs to.
    pub vrf: Option<u32>,
}

/// The first link described in a datagram.
pub fn description(datagram: &[u8]) -> Option<Description> {
    let header: [u8; HEADER] = *datagram.first_chunk()?;
    let payload = datagram.get(HEADER..u32_at(&header, 0)? as usize)?;
    if u16::from_ne_bytes([header[4], header[5]]) != libc::RTM_NEWLINK {
        return None;
    }
    let mut described =
        Description { link: link(payload)?, kind: String::new(), mode: None, group: 0, vrf: None };
    let mut master = None;
    for (kind, value) in attributes(payload, LINK_HEADER) {
        match kind {
            libc::IFLA_GROUP => described.group = u32_at(value, 0)?,
            libc::IFLA_MASTER => master = u32_at(value, 0),
            libc::IFLA_LINKINFO => {
                for (kind, value) in attributes(value, 0) {
                    match kind {
                        libc::IFLA_INFO_KIND => described.kind = text(value),
                        libc::IFLA_INFO_DATA => described.mode = mode(value),
                        libc::IFLA_INFO_SLAVE_KIND if text(value) == "vrf" => described.vrf = Some(0),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    described.vrf = described.vrf.and(master);
    Some(described)
}

/// `IFLA_MACVLAN_MODE` has four bytes, `IFLA_IPVLAN_MODE` two.
fn mode(data: &[u8]) -> Option<u32> {
    const MODE: u16 = 1;
    let (_, value) = attributes(data, 0).find(|(kind, _)| *kind == MODE)?;
    match *value {
        [a, b] => Some(u16::from_ne_bytes([a, b]).into()),
        _ => u32_at(value, 0),
    }
}

/// Whether a link's description (`IFLA_LINKINFO`) is that of one end of a pair.
fn is_pair(description: &[u8]) -> bool {
    attributes(description, 0).any(|(kind, value)| {
        kind == libc::IFLA_INFO_KIND && ["veth", "netkit"].contains(&text(value).as_str())
    })
}

struct Address {
    link: LinkIndex,
    ip: IpAddr,
    tentative: bool,
}

/// `struct ifaddrmsg`: family, prefix length, flags, scope, index.
const ADDRESS_HEADER: usize = 8;

fn address(payload: &[u8]) -> Option<Address> {
    let mut flags = u32::from(*payload.get(2)?);
    let link = LinkIndex(u32_at(payload, 4)?);
    let (mut local, mut prefix) = (None, None);
    for (kind, value) in attributes(payload, ADDRESS_HEADER) {
        match kind {
            // On a point-to-point link IFA_ADDRESS is the peer's and IFA_LOCAL ours.
            libc::IFA_LOCAL => local = ip(value),
            libc::IFA_ADDRESS => prefix = ip(value),
            libc::IFA_FLAGS => flags = u32_at(value, 0)?,
            _ => {}
        }
    }
    let waits = libc::IFA_F_TENTATIVE | libc::IFA_F_DADFAILED;
    let tentative = flags & waits != 0 && flags & libc::IFA_F_OPTIMISTIC == 0;
    Some(Address { link, ip: local.or(prefix)?, tentative })
}

/// `struct rtmsg`: family, destination length, source length, tos, table, protocol, scope, type, flags.
const ROUTE_HEADER: usize = 12;

fn route(payload: &[u8]) -> Option<RouteKey> {
    let family = family(*payload.first()?)?;
    let mut key = RouteKey {
        destination: Prefix { address: unspecified(family), length: *payload.get(1)? },
        table: u32::from(*payload.get(4)?),
        metric: 0,
        tos: *payload.get(3)?,
        kind: *payload.get(7)?,
    };
    for (kind, value) in attributes(payload, ROUTE_HEADER) {
        match kind {
            libc::RTA_DST => key.destination.address = ip(value)?,
            libc::RTA_TABLE => key.table = u32_at(value, 0)?,
            libc::RTA_PRIORITY => key.metric = u32_at(value, 0)?,
            _ => {}
        }
    }
    Some(key)
}

/// `struct fib_rule_hdr`: family, lengths, tos, table, reserved, action, flags.
const RULE_HEADER: usize = 12;

fn rule(payload: &[u8]) -> Option<Message> {
    family(*payload.first()?)?;
    let mut table = u32::from(*payload.get(4)?);
    let mut preference = 0;
    for (kind, value) in attributes(payload, RULE_HEADER) {
        match kind {
            FRA_PRIORITY => preference = u32_at(value, 0)?,
            FRA_TABLE => table = u32_at(value, 0)?,
            _ => {}
        }
    }
    Some(Message::RuleGone { preference, table })
}

/// `linux/fib_rules.h`; not in `libc`.
const FRA_PRIORITY: u16 = 6;
const FRA_TABLE: u16 = 15;

/// The attributes behind a fixed header, up to the first malformed one.
fn attributes(payload: &[u8], header: usize) -> impl Iterator<Item = (u16, &[u8])> {
    NlasIterator::new(payload.get(header..).unwrap_or_default()).map_while(|attribute| {
        let attribute = attribute.ok()?;
        let (kind, length) = (attribute.kind(), usize::from(attribute.length()));
        attribute.into_inner().get(4..length).map(|value| (kind, value))
    })
}

fn family(number: u8) -> Option<Family> {
    match i32::from(number) {
        libc::AF_INET => Some(Family::V4),
        libc::AF_INET6 => Some(Family::V6),
        _ => None,
    }
}

fn unspecified(family: Family) -> IpAddr {
    match family {
        Family::V4 => IpAddr::from([0; 4]),
        Family::V6 => IpAddr::from([0u16; 8]),
    }
}

fn ip(value: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(value) {
        return Some(IpAddr::from(octets));
    }
    <[u8; 16]>::try_from(value).ok().map(IpAddr::from)
}

fn text(value: &[u8]) -> String {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    String::from_utf8_lossy(&value[..end]).into_owned()
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(value.len() + 4).expect("short");
        let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn datagram(kind: u16, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len() + HEADER).expect("short");
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend([kind.to_ne_bytes(), [0; 2]].concat());
        bytes.extend([5u32.to_ne_bytes(), [0; 4]].concat());
        bytes.extend(payload);
        bytes
    }

    fn link_payload(family: i32, flags: i32) -> Vec<u8> {
        let mut payload = vec![u8::try_from(family).expect("small"), 0, 1, 0];
        payload.extend(7u32.to_ne_bytes());
        payload.extend(flags.to_ne_bytes());
        payload.extend([0; 4]);
        payload.extend(attribute(libc::IFLA_IFNAME, b"eth0.7\0"));
        payload.extend(attribute(libc::IFLA_MTU, &1500u32.to_ne_bytes()));
        payload.extend(attribute(libc::IFLA_ADDRESS, &[2, 0, 0, 0, 0, 9]));
        payload.extend(attribute(libc::IFLA_LINK, &3u32.to_ne_bytes()));
        payload
    }

    #[test]
    fn a_link_is_read_with_its_parent() {
        let payload = link_payload(libc::AF_UNSPEC, libc::IFF_UP | libc::IFF_RUNNING | libc::IFF_MULTICAST);
        let expected = Link {
            index: LinkIndex(7),
            name: "eth0.7".to_owned(),
            up: true,
            running: true,
            no_arp: false,
            mac: Some([2, 0, 0, 0, 0, 9]),
            mtu: 1500,
            parent: Some(LinkIndex(3)),
        };
        let read: Vec<_> = messages(&datagram(libc::RTM_NEWLINK, &payload)).collect();
        assert_eq!(read, [Message::Link(expected)]);
    }

    #[test]
    fn a_parent_in_another_namespace_is_no_parent() {
        let mut payload = link_payload(libc::AF_UNSPEC, 0);
        payload.extend(attribute(libc::IFLA_LINK_NETNSID, &0u32.to_ne_bytes()));
        let read: Vec<_> = messages(&datagram(libc::RTM_NEWLINK, &payload)).collect();
        assert!(matches!(&read[..], [Message::Link(Link { parent: None, .. })]), "{read:?}");
    }

    #[test]
    fn the_other_end_of_a_pair_is_no_parent() {
        let described = |kind: &[u8]| {
            let mut payload = link_payload(libc::AF_UNSPEC, 0);
            payload.extend(attribute(libc::IFLA_LINKINFO, &attribute(libc::IFLA_INFO_KIND, kind)));
            match messages(&datagram(libc::RTM_NEWLINK, &payload)).next() {
                Some(Message::Link(link)) => link.parent,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(described(b"veth\0"), None);
        assert_eq!(described(b"macvlan\0"), Some(LinkIndex(3)));
    }

    #[test]
    fn a_link_that_leaves_a_bridge_is_not_gone() {
        let payload = link_payload(libc::AF_BRIDGE, 0);
        assert_eq!(messages(&datagram(libc::RTM_DELLINK, &payload)).count(), 0);
        let payload = link_payload(libc::AF_UNSPEC, 0);
        let read: Vec<_> = messages(&datagram(libc::RTM_DELLINK, &payload)).collect();
        assert_eq!(read, [Message::LinkGone(LinkIndex(7))]);
    }

    #[test]
    fn a_tentative_address_is_not_told_before_it_can_be_used() {
        let told = |flags: u32| {
            let mut payload = vec![u8::try_from(libc::AF_INET6).expect("small"), 64, 0, 253];
            payload.extend(7u32.to_ne_bytes());
            payload.extend(attribute(libc::IFA_ADDRESS, &[0xfe; 16]));
            payload.extend(attribute(libc::IFA_FLAGS, &flags.to_ne_bytes()));
            messages(&datagram(libc::RTM_NEWADDR, &payload)).count()
        };
        assert_eq!(told(libc::IFA_F_PERMANENT), 1);
        assert_eq!(told(libc::IFA_F_PERMANENT | libc::IFA_F_TENTATIVE), 0);
        assert_eq!(told(libc::IFA_F_PERMANENT | libc::IFA_F_TENTATIVE | libc::IFA_F_OPTIMISTIC), 1);
    }

    #[test]
    fn answers_carry_their_sequence_and_errno() {
        let refused = datagram(NLMSG_ERROR, &(-libc::EEXIST).to_ne_bytes());
        let read: Vec<_> = messages(&refused).collect();
        assert_eq!(read, [Message::Answer { sequence: 5, errno: libc::EEXIST }]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_loop(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(messages(&bytes).count() <= bytes.len());
        }

        #[test]
        fn no_damaged_link_makes_it_panic(place in 0usize..100, value: u8) {
            let payload = link_payload(libc::AF_UNSPEC, 0);
            let mut bytes = datagram(libc::RTM_NEWLINK, &payload);
            let place = place % bytes.len();
            bytes[place] = value;
            prop_assert!(messages(&bytes).count() <= 2);
        }
    }
}
