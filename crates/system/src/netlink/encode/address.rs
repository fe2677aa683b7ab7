//! `RTM_NEWADDR` and `RTM_DELADDR`.

use std::net::IpAddr;

use mainstay_core::address::{AddressFlags, InterfaceAddress};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags as Flags, AddressMessage, AddressProtocol, CacheInfo,
};

use super::{Links, Unbuildable, Verb, index};

/// `IFA_PROTO` of addresses of ours: keepalived's number, so that `ip -d address` says whose they are. Kernels before
/// 5.18 do not know the attribute and ignore it.
const PROTOCOL: u8 = 18;

/// A lifetime that never ends (`INFINITY_LIFE_TIME`).
const FOREVER: u32 = u32::MAX;

/// The message that adds or removes an address.
pub fn address(
    address: &InterfaceAddress,
    verb: Verb,
    links: Links<'_>,
) -> Result<AddressMessage, Unbuildable> {
    let mut message = AddressMessage::default();
    message.header.family = match address.address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    message.header.prefix_len = address.peer.map_or(address.prefix_length, |peer| peer.length);
    message.header.scope = address.scope.into();
    message.header.index = index(links, &address.link)?;
    let attributes = &mut message.attributes;
    attributes.push(AddressAttribute::Local(address.address));
    attributes.push(AddressAttribute::Address(address.peer.map_or(address.address, |peer| peer.address)));
    if verb == Verb::Remove {
        return Ok(message);
    }
    attributes.extend(address.broadcast.map(AddressAttribute::Broadcast));
    attributes.extend(address.label.clone().map(AddressAttribute::Label));
    attributes.push(AddressAttribute::Flags(flags(address.flags)));
    attributes.push(AddressAttribute::Protocol(AddressProtocol::Other(PROTOCOL)));
    if let Some(preferred) = address.preferred_lifetime_s {
        let mut lifetimes = CacheInfo::default();
        lifetimes.ifa_preferred = preferred;
        lifetimes.ifa_valid = FOREVER;
        attributes.push(AddressAttribute::CacheInfo(lifetimes));
    }
    Ok(message)
}

fn flags(asked: AddressFlags) -> Flags {
    let AddressFlags { home, nodad, manage_temporary, no_prefix_route, auto_join } = asked;
    [
        (home, Flags::Homeaddress),
        (nodad, Flags::Nodad),
        (manage_temporary, Flags::Managetempaddr),
        (no_prefix_route, Flags::Noprefixroute),
        (auto_join, Flags::Mcautojoin),
    ]
    .into_iter()
    .filter_map(|(wanted, flag)| wanted.then_some(flag))
    .collect()
}
