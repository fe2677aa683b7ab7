//! Short words for services and destinations.

use std::net::{IpAddr, SocketAddr};

use mainstay_core::address::Family;
use mainstay_core::ipvs::{
    Destination, DestinationKey, Forwarding, Granularity, Persistence, Protocol, Scheduler, Service,
    ServiceKey, Tunnel, TunnelChecksum, TunnelKind,
};

pub fn tcp(place: &str) -> ServiceKey {
    of_protocol(Protocol::Tcp, place)
}

pub fn udp(place: &str) -> ServiceKey {
    of_protocol(Protocol::Udp, place)
}

pub fn of_protocol(protocol: Protocol, place: &str) -> ServiceKey {
    let place: SocketAddr = place.parse().expect("address and port");
    ServiceKey::Address { protocol, address: place.ip(), port: place.port() }
}

pub const fn mark(family: Family, mark: u32) -> ServiceKey {
    ServiceKey::Mark { family, mark }
}

pub fn service(key: ServiceKey, scheduler: &str) -> Service {
    Service::new(key, Scheduler::named(scheduler))
}

pub fn persistent(mut service: Service, timeout_s: u32, granularity: &str, engine: Option<&str>) -> Service {
    let granularity = match granularity.parse::<IpAddr>() {
        Ok(IpAddr::V4(mask)) => Granularity::Netmask(mask),
        _ => Granularity::Prefix(granularity.parse().expect("a netmask or a prefix length")),
    };
    service.persistence = Some(Persistence { timeout_s, granularity, engine: engine.map(Into::into) });
    service
}

/// A destination of weight 1.
pub fn destination(place: &str, forwarding: Forwarding) -> Destination {
    let place: SocketAddr = place.parse().expect("address and port");
    Destination {
        key: DestinationKey { address: place.ip(), port: place.port() },
        forwarding,
        weight: 1,
        upper_threshold: 0,
        lower_threshold: 0,
    }
}

pub const fn tunnel(kind: TunnelKind, checksum: TunnelChecksum) -> Forwarding {
    Forwarding::Tunnel(Tunnel { kind, checksum })
}
