//! `RTM_NEWROUTE` and `RTM_DELROUTE`.

use std::net::IpAddr;

use mainstay_core::address::{Encapsulation, Family, NextHop, Route, RouteInsertion, RouteMetric};
use netlink_packet_core::{DefaultNla, NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::{
    MplsLabel, RouteAddress, RouteAttribute, RouteFlags, RouteIp6Tunnel, RouteIp6TunnelFlags, RouteIpTunnel,
    RouteIpTunnelFlags, RouteLwEnCapType, RouteLwTunnelEncap, RouteMessage, RouteMetric as Metric,
    RouteMplsIpTunnel, RouteNextHop, RouteNextHopFlags, RouteScope, RouteVia,
};

use super::{Links, Unbuildable, Verb, index, small_table};

/// The message that adds or removes a route, and the flags its request needs when adding.
pub fn route(route: &Route, verb: Verb, links: Links<'_>) -> Result<(RouteMessage, u16), Unbuildable> {
    if route.new_destination.is_some() {
        // The kernel takes a new destination for MPLS routes only, and would silently ignore it here.
        return Err(libc::EOPNOTSUPP);
    }
    let mut message = RouteMessage::default();
    let header = &mut message.header;
    header.address_family = match route.family {
        Family::V4 => AddressFamily::Inet,
        Family::V6 => AddressFamily::Inet6,
    };
    header.destination_prefix_length = route.destination.length;
    header.tos = route.tos;
    header.table = small_table(route.table);
    header.protocol = route.protocol.into();
    header.scope = scope(route, verb);
    header.kind = route.kind.into();

    let attributes = &mut message.attributes;
    if route.destination.length > 0 {
        attributes.push(RouteAttribute::Destination(address(route.destination.address)));
    }
    attributes.push(RouteAttribute::Table(route.table));
    if route.metric != 0 {
        attributes.push(RouteAttribute::Priority(route.metric));
    }
    attributes.extend(route.preferred_source.map(|source| RouteAttribute::PrefSource(address(source))));
    attributes.extend(metrics(route).map(RouteAttribute::Metrics));
    attributes.extend(route.realms.map(|realms| raw(RTA_FLOW, &realms.to_ne_bytes())));
    attributes.extend(route.expires_s.map(RouteAttribute::Expires));
    attributes.extend(route.preference.map(|preference| RouteAttribute::Preference(preference.into())));
    attributes.extend(
        route.ttl_propagate.map(|propagate| RouteAttribute::TtlPropagate(u8::from(propagate).into())),
    );
    match &route.hops[..] {
        [] => {}
        [hop] => {
            if hop.onlink {
                message.header.flags |= RouteFlags::Onlink;
            }
            message.attributes.extend(gateway(route.family, hop));
            if let Some(link) = &hop.link {
                message.attributes.push(RouteAttribute::Oif(index(links, link)?));
            }
            message.attributes.extend(encapsulation(hop)?);
        }
        hops => {
            let hops = hops.iter().map(|hop| next_hop(route.family, hop, links)).collect::<Result<_, _>>()?;
            message.attributes.push(RouteAttribute::MultiPath(hops));
        }
    }
    let flags = match route.insertion {
        RouteInsertion::Prepend => NLM_F_CREATE,
        RouteInsertion::Append => NLM_F_CREATE | NLM_F_APPEND,
        RouteInsertion::Add => NLM_F_CREATE | NLM_F_EXCL,
    };
    Ok((message, flags))
}

/// `RTN_*`, `linux/rtnetlink.h`.
const UNSPECIFIED: u8 = 0;
const UNICAST: u8 = 1;
const LOCAL: u8 = 2;
const BROADCAST: u8 = 3;
const ANYCAST: u8 = 4;
const MULTICAST: u8 = 5;
const NAT: u8 = 10;

/// What iproute2 makes of a scope nobody gave: it follows from the type, and for unicast from whether there is a
/// gateway. IPv6 has no scopes.
fn scope(route: &Route, verb: Verb) -> RouteScope {
    match (route.scope, route.family, route.kind) {
        (Some(scope), _, _) => scope.into(),
        (None, Family::V6, _) => RouteScope::Universe,
        (None, Family::V4, LOCAL | NAT) => RouteScope::Host,
        (None, Family::V4, BROADCAST | MULTICAST | ANYCAST) => RouteScope::Link,
        (None, Family::V4, UNICAST | UNSPECIFIED) => match (&route.hops[..], verb) {
            // For a deletion: whatever scope it has.
            (_, Verb::Remove) => RouteScope::NoWhere,
            ([] | [NextHop { gateway: None, .. }], Verb::Add) => RouteScope::Link,
            ([_] | [_, _, ..], Verb::Add) => RouteScope::Universe,
        },
        (None, Family::V4, _) => RouteScope::Universe,
    }
}

fn address(address: IpAddr) -> RouteAddress {
    match address {
        IpAddr::V4(address) => RouteAddress::Inet(address),
        IpAddr::V6(address) => RouteAddress::Inet6(address),
    }
}

fn gateway(family: Family, hop: &NextHop) -> Option<RouteAttribute> {
    let gateway = hop.gateway?;
    if Family::of(gateway) == family {
        return Some(RouteAttribute::Gateway(address(gateway)));
    }
    Some(RouteAttribute::Via(match gateway {
        IpAddr::V4(gateway) => RouteVia::Inet(gateway),
        IpAddr::V6(gateway) => RouteVia::Inet6(gateway),
    }))
}

fn next_hop(family: Family, hop: &NextHop, links: Links<'_>) -> Result<RouteNextHop, Unbuildable> {
    let mut next = RouteNextHop::default();
    if hop.onlink {
        next.flags |= RouteNextHopFlags::Onlink;
    }
    // On the wire a weight of one is zero.
    next.hops = u8::try_from(hop.weight.saturating_sub(1)).map_err(|_| libc::EINVAL)?;
    if let Some(link) = &hop.link {
        next.interface_index = index(links, link)?;
    }
    next.attributes.extend(gateway(family, hop));
    next.attributes.extend(encapsulation(hop)?);
    Ok(next)
}

/// `RTAX_LOCK` and `RTAX_CC_ALGO`: the mask of locked metrics, and the number of the one that is a text.
const LOCK: u16 = 1;
const CONGESTION_CONTROL: u16 = 16;

fn metrics(route: &Route) -> Option<Vec<Metric>> {
    let mut metrics = Vec::new();
    let mut locked = 0u32;
    let mut lock = |number: u16, wanted: bool| {
        if wanted {
            locked |= 1u32.checked_shl(number.into()).unwrap_or(0);
        }
    };
    for RouteMetric { number, value, locked } in &route.metrics {
        lock((*number).into(), *locked);
        metrics.push(Metric::Other(DefaultNla::new((*number).into(), value.to_ne_bytes().to_vec())));
    }
    if let Some((algorithm, locked)) = &route.congestion_control {
        lock(CONGESTION_CONTROL, *locked);
        metrics.push(Metric::CcAlgo(algorithm.clone()));
    }
    if locked != 0 {
        metrics.push(Metric::Other(DefaultNla::new(LOCK, locked.to_ne_bytes().to_vec())));
    }
    (!metrics.is_empty()).then_some(metrics)
}

/// `linux/rtnetlink.h`: attributes built from bytes, because the codec wants them in another shape.
const RTA_FLOW: u16 = 11;
const RTA_ENCAP: u16 = 22;

/// `linux/ila.h`.
const ILA_ATTR_LOCATOR: u16 = 1;

fn raw(kind: u16, value: &[u8]) -> RouteAttribute {
    RouteAttribute::Other(DefaultNla::new(kind, value.to_vec()))
}

fn encapsulation(hop: &NextHop) -> Result<Vec<RouteAttribute>, Unbuildable> {
    let Some(encapsulation) = &hop.encapsulation else { return Ok(Vec::new()) };
    let (kind, attribute) = match encapsulation {
        Encapsulation::Mpls(labels) => (RouteLwEnCapType::Mpls, RouteAttribute::Encap(vec![mpls(labels)?])),
        Encapsulation::Ip { family: Family::V4, .. } => {
            (RouteLwEnCapType::Ip, RouteAttribute::Encap(tunnel4(encapsulation)?))
        }
        Encapsulation::Ip { family: Family::V6, .. } => {
            (RouteLwEnCapType::Ip6, RouteAttribute::Encap(tunnel6(encapsulation)?))
        }
        Encapsulation::Ila(locator) => {
            // An attribute in an attribute: length 12, its kind, the locator in network order.
            let mut value = [12u16.to_ne_bytes(), ILA_ATTR_LOCATOR.to_ne_bytes()].concat();
            value.extend(locator.to_be_bytes());
            (RouteLwEnCapType::Ila, raw(RTA_ENCAP, &value))
        }
    };
    Ok(vec![RouteAttribute::EncapType(kind), attribute])
}

fn mpls(labels: &[u32]) -> Result<RouteLwTunnelEncap, Unbuildable> {
    if labels.is_empty() || labels.iter().any(|label| *label >= 1 << 20) {
        return Err(libc::EINVAL);
    }
    let stack = labels
        .iter()
        .enumerate()
        .map(|(place, label)| MplsLabel {
            label: *label,
            traffic_class: 0,
            bottom_of_stack: place + 1 == labels.len(),
            ttl: 0,
        })
        .collect();
    Ok(RouteLwTunnelEncap::Mpls(RouteMplsIpTunnel::Destination(stack)))
}

fn tunnel4(encapsulation: &Encapsulation) -> Result<Vec<RouteLwTunnelEncap>, Unbuildable> {
    let Encapsulation::Ip { family: _, id, destination, source, tos, ttl, flags } = encapsulation else {
        return Err(libc::EINVAL);
    };
    let v4 = |address: IpAddr| match address {
        IpAddr::V4(address) => Ok(address),
        IpAddr::V6(_) => Err(libc::EINVAL),
    };
    let mut parts = Vec::new();
    parts.extend(id.map(RouteIpTunnel::Id));
    parts.extend(destination.map(v4).transpose()?.map(RouteIpTunnel::Destination));
    parts.extend(source.map(v4).transpose()?.map(RouteIpTunnel::Source));
    parts.extend(tos.map(RouteIpTunnel::Tos));
    parts.extend(ttl.map(RouteIpTunnel::Ttl));
    parts.extend(flags.map(|flags| RouteIpTunnel::Flags(RouteIpTunnelFlags::from_bits_retain(flags))));
    Ok(parts.into_iter().map(RouteLwTunnelEncap::Ip).collect())
}

fn tunnel6(encapsulation: &Encapsulation) -> Result<Vec<RouteLwTunnelEncap>, Unbuildable> {
    let Encapsulation::Ip { family: _, id, destination, source, tos, ttl, flags } = encapsulation else {
        return Err(libc::EINVAL);
    };
    let v6 = |address: IpAddr| match address {
        IpAddr::V6(address) => Ok(address),
        IpAddr::V4(_) => Err(libc::EINVAL),
    };
    let mut parts = Vec::new();
    parts.extend(id.map(RouteIp6Tunnel::Id));
    parts.extend(destination.map(v6).transpose()?.map(RouteIp6Tunnel::Destination));
    parts.extend(source.map(v6).transpose()?.map(RouteIp6Tunnel::Source));
    parts.extend(tos.map(RouteIp6Tunnel::Tc));
    parts.extend(ttl.map(RouteIp6Tunnel::Hoplimit));
    parts.extend(flags.map(|flags| RouteIp6Tunnel::Flags(RouteIp6TunnelFlags::from_bits_retain(flags))));
    Ok(parts.into_iter().map(RouteLwTunnelEncap::Ip6).collect())
}
