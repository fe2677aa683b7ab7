//! `RTM_NEWLINK`, `RTM_GETLINK` and `RTM_DELLINK`.

use mainstay_core::link::{IpvlanFlag, VirtualKind, VirtualLink};
use netlink_packet_route::link::{
    InfoData, InfoIpVlan, InfoKind, InfoMacVlan, IpVlanFlags, IpVlanMode, LinkAttribute, LinkFlags, LinkInfo,
    LinkMessage, MacVlanMode,
};

/// A new link on the parent of this index, in this group and VRF.
pub fn new(link: &VirtualLink, parent: u32, group: u32, vrf: Option<u32>) -> LinkMessage {
    let mut message = named(&link.name);
    let attributes = &mut message.attributes;
    attributes.push(LinkAttribute::Link(parent));
    attributes.push(LinkAttribute::Group(group));
    attributes.extend(vrf.map(LinkAttribute::Controller));
    let (kind, data) = match link.kind {
        VirtualKind::Macvlan { mac } => {
            attributes.push(LinkAttribute::Address(mac.to_vec()));
            (InfoKind::MacVlan, InfoData::MacVlan(vec![InfoMacVlan::Mode(MacVlanMode::Private)]))
        }
        VirtualKind::Ipvlan(flag) => {
            let flags = match flag {
                IpvlanFlag::Bridge => IpVlanFlags::empty(),
                IpvlanFlag::Private => IpVlanFlags::Private,
                IpvlanFlag::Vepa => IpVlanFlags::Vepa,
            };
            let data = vec![InfoIpVlan::Mode(IpVlanMode::L2), InfoIpVlan::Flags(flags)];
            (InfoKind::IpVlan, InfoData::IpVlan(data))
        }
    };
    attributes.push(LinkAttribute::LinkInfo(vec![LinkInfo::Kind(kind), LinkInfo::Data(data)]));
    message
}

/// The link of this name, to be described or removed.
pub fn named(name: &str) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::IfName(name.to_owned()));
    message
}

/// Brings a link up.
pub fn up(index: u32) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.header.flags = LinkFlags::Up;
    message.header.change_mask = LinkFlags::Up;
    message
}

/// Gives a link another MAC address.
pub fn address(index: u32, mac: [u8; 6]) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.attributes.push(LinkAttribute::Address(mac.to_vec()));
    message
}
