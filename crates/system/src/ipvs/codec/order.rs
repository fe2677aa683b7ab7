//! What is asked of the kernel.

use std::net::IpAddr;

use mainstay_core::address::Family;
use mainstay_core::ipvs::{
    Destination, DestinationKey, Forwarding, Granularity, Persistence, Service, ServiceKey, SyncDaemon,
    SyncRole, Timeouts, Tunnel, TunnelChecksum, TunnelKind,
};

use super::attributes::{Attributes, Head, append};
use super::numbers::{
    command, control, daemon, destination, flag, forwarding, message, service, top, tunnel,
};
use super::{CONTROL_FAMILY, FAMILY};

/// Something the kernel is to do. It answers with an error number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order<'a> {
    /// Refused with `EEXIST` if it is there, `ENOENT` if its scheduler or engine is not.
    AddService(&'a Service),
    /// Refused with `ESRCH` if it is not there.
    EditService(&'a Service),
    /// Refused with `ESRCH` if it is not there.
    DeleteService(&'a ServiceKey),
    /// Refused with `EEXIST` if it is there, `ESRCH` if the service is not.
    AddDestination(&'a ServiceKey, &'a Destination),
    /// Refused with `ENOENT` if it is not there, `ESRCH` if the service is not.
    EditDestination(&'a ServiceKey, &'a Destination),
    /// Refused with `ENOENT` if it is not there, `ESRCH` if the service is not.
    DeleteDestination(&'a ServiceKey, &'a DestinationKey),
    /// Zeros leave what is there.
    SetTimeouts(&'a Timeouts),
    /// Refused with `EEXIST` if one of this role runs, `ENODEV` without its link.
    StartDaemon(&'a SyncDaemon),
    /// Refused with `ESRCH` if it does not run.
    StopDaemon(SyncRole),
    /// Clears counters of one service or of all.
    Zero(Option<&'a ServiceKey>),
    /// Deletes everything.
    Flush,
}

/// Something the kernel is to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question<'a> {
    /// The number of the family `IPVS`. The kernel loads the module ip_vs to answer it, if it may.
    Family,
    /// Version and size.
    Info,
    /// Timeouts of connections.
    Timeouts,
    /// Every synchronisation daemon.
    Daemons,
    /// Every service.
    Services,
    /// Every destination of a service.
    Destinations(&'a ServiceKey),
}

impl Order<'_> {
    /// Appends the order to a batch; `family` is the number of the family `IPVS`.
    pub fn append(&self, batch: &mut Vec<u8>, family: u16, sequence: u32) {
        let flags = message::REQUEST | message::ACK;
        append(batch, Head { family, flags, sequence, command: self.command() }, |attributes| match *self {
            Self::AddService(whole) | Self::EditService(whole) => {
                attributes.nested(top::SERVICE, |nest| write_service(nest, whole));
            }
            Self::DeleteService(key) => write_key(attributes, key),
            Self::AddDestination(key, whole) | Self::EditDestination(key, whole) => {
                write_key(attributes, key);
                attributes.nested(top::DEST, |nest| write_destination(nest, whole));
            }
            Self::DeleteDestination(key, gone) => {
                write_key(attributes, key);
                attributes.nested(top::DEST, |nest| write_destination_key(nest, gone));
            }
            Self::SetTimeouts(timeouts) => {
                attributes.u32(top::TIMEOUT_TCP, timeouts.tcp_s);
                attributes.u32(top::TIMEOUT_TCP_FIN, timeouts.tcp_fin_s);
                attributes.u32(top::TIMEOUT_UDP, timeouts.udp_s);
            }
            Self::StartDaemon(whole) => attributes.nested(top::DAEMON, |nest| write_daemon(nest, whole)),
            Self::StopDaemon(role) => {
                attributes.nested(top::DAEMON, |nest| nest.u32(daemon::STATE, state(role)));
            }
            Self::Zero(Some(key)) => write_key(attributes, key),
            Self::Zero(None) | Self::Flush => {}
        });
    }

    const fn command(&self) -> u8 {
        match self {
            Self::AddService(_) => command::NEW_SERVICE,
            Self::EditService(_) => command::SET_SERVICE,
            Self::DeleteService(_) => command::DEL_SERVICE,
            Self::AddDestination(..) => command::NEW_DEST,
            Self::EditDestination(..) => command::SET_DEST,
            Self::DeleteDestination(..) => command::DEL_DEST,
            Self::SetTimeouts(_) => command::SET_CONFIG,
            Self::StartDaemon(_) => command::NEW_DAEMON,
            Self::StopDaemon(_) => command::DEL_DAEMON,
            Self::Zero(_) => command::ZERO,
            Self::Flush => command::FLUSH,
        }
    }
}

impl Question<'_> {
    /// Whether the answer is a list, whose end is told.
    #[must_use]
    pub const fn is_for_a_list(&self) -> bool {
        matches!(self, Self::Daemons | Self::Services | Self::Destinations(_))
    }

    /// Appends the question to a batch; `family` is the number of the family `IPVS`.
    pub fn append(&self, batch: &mut Vec<u8>, family: u16, sequence: u32) {
        let (family, command) = match self {
            Self::Family => (CONTROL_FAMILY, control::GET_FAMILY),
            Self::Info => (family, command::GET_INFO),
            Self::Timeouts => (family, command::GET_CONFIG),
            Self::Daemons => (family, command::GET_DAEMON),
            Self::Services => (family, command::GET_SERVICE),
            Self::Destinations(_) => (family, command::GET_DEST),
        };
        let more = if self.is_for_a_list() { message::DUMP } else { message::ACK };
        append(batch, Head { family, flags: message::REQUEST | more, sequence, command }, |attributes| {
            match self {
                Self::Family => attributes.text(control::FAMILY_NAME, FAMILY),
                Self::Destinations(key) => write_key(attributes, key),
                Self::Info | Self::Timeouts | Self::Daemons | Self::Services => {}
            }
        });
    }
}

fn write_key(attributes: &mut Attributes<'_>, key: &ServiceKey) {
    attributes.nested(top::SERVICE, |nest| write_key_inside(nest, key));
}

fn write_key_inside(nest: &mut Attributes<'_>, key: &ServiceKey) {
    nest.u16(service::AF, family_number(key.family()));
    match key {
        ServiceKey::Address { protocol, address, port } => {
            nest.u16(service::PROTOCOL, u16::from(protocol.number()));
            nest.bytes(service::ADDR, &padded(*address));
            nest.bytes(service::PORT, &port.to_be_bytes());
        }
        ServiceKey::Mark { mark, .. } => nest.u32(service::FWMARK, *mark),
    }
}

fn write_service(nest: &mut Attributes<'_>, whole: &Service) {
    write_key_inside(nest, &whole.key);
    nest.text(service::SCHED_NAME, name(whole.scheduler.name()));
    let flags = [
        (whole.persistence.is_some(), flag::PERSISTENT),
        (whole.one_packet, flag::ONE_PACKET),
        (whole.flags.first, flag::SCHED_1),
        (whole.flags.second, flag::SCHED_2),
        (whole.flags.third, flag::SCHED_3),
    ];
    let flags = flags.iter().filter(|(is_set, _)| *is_set).fold(0_u32, |all, (_, flag)| all | flag);
    // `struct ip_vs_flags`: values, and a mask of those that count. All do: a flag that is not set is to go.
    nest.bytes(service::FLAGS, &[flags.to_ne_bytes(), u32::MAX.to_ne_bytes()].concat());
    nest.u32(service::TIMEOUT, whole.persistence.as_ref().map_or(0, |persistence| persistence.timeout_s));
    nest.bytes(service::NETMASK, &netmask(whole.key.family(), whole.persistence.as_ref()));
    if let Some(engine) = whole.persistence.as_ref().and_then(|persistence| persistence.engine.as_deref()) {
        nest.text(service::PE_NAME, name(engine));
    }
}

/// A netmask, or for IPv6 the length of a prefix in the host's byte order. The kernel wants one in any case.
fn netmask(family: Family, persistence: Option<&Persistence>) -> [u8; 4] {
    let granularity = persistence.map_or(Granularity::host(family), |persistence| persistence.granularity);
    match (family, granularity) {
        (Family::V4, Granularity::Netmask(mask)) => mask.octets(),
        (Family::V6, Granularity::Prefix(length)) => u32::from(length).to_ne_bytes(),
        // Granularity of the other family: every client for itself.
        (Family::V4, Granularity::Prefix(_)) => [0xff; 4],
        (Family::V6, Granularity::Netmask(_)) => u32::from(Family::V6.bits()).to_ne_bytes(),
    }
}

fn write_destination_key(nest: &mut Attributes<'_>, key: &DestinationKey) {
    nest.u16(destination::ADDR_FAMILY, family_number(Family::of(key.address)));
    nest.bytes(destination::ADDR, &padded(key.address));
    nest.bytes(destination::PORT, &key.port.to_be_bytes());
}

fn write_destination(nest: &mut Attributes<'_>, whole: &Destination) {
    write_destination_key(nest, &whole.key);
    let (method, tunnel) = match whole.forwarding {
        Forwarding::Masquerade => (forwarding::MASQUERADE, None),
        Forwarding::DirectRoute => (forwarding::DIRECT_ROUTE, None),
        Forwarding::Tunnel(tunnel) => (forwarding::TUNNEL, Some(tunnel)),
        Forwarding::Other(method) => (u32::from(method), None),
    };
    nest.u32(destination::FWD_METHOD, method);
    nest.u32(destination::WEIGHT, whole.weight);
    nest.u32(destination::U_THRESH, whole.upper_threshold);
    nest.u32(destination::L_THRESH, whole.lower_threshold);
    if let Some(tunnel) = tunnel {
        write_tunnel(nest, tunnel);
    }
}

fn write_tunnel(nest: &mut Attributes<'_>, tunnel: Tunnel) {
    let (kind, port) = match tunnel.kind {
        TunnelKind::Ipip => (tunnel::IPIP, 0),
        TunnelKind::Gue { port } => (tunnel::GUE, port),
        TunnelKind::Gre => (tunnel::GRE, 0),
    };
    nest.u8(destination::TUN_TYPE, kind);
    nest.bytes(destination::TUN_PORT, &port.to_be_bytes());
    let flags = match tunnel.checksum {
        TunnelChecksum::None => 0,
        TunnelChecksum::Full => tunnel::CSUM,
        TunnelChecksum::Remote => tunnel::REMCSUM,
    };
    nest.u16(destination::TUN_FLAGS, flags);
}

fn write_daemon(nest: &mut Attributes<'_>, whole: &SyncDaemon) {
    nest.u32(daemon::STATE, state(whole.role));
    nest.text(daemon::MCAST_IFN, name(&whole.interface));
    nest.u32(daemon::SYNC_ID, u32::from(whole.id));
    if let Some(length) = whole.max_length {
        nest.u16(daemon::SYNC_MAXLEN, length);
    }
    match whole.group {
        Some(IpAddr::V4(group)) => nest.bytes(daemon::MCAST_GROUP, &group.octets()),
        Some(IpAddr::V6(group)) => nest.bytes(daemon::MCAST_GROUP6, &group.octets()),
        None => {}
    }
    if let Some(port) = whole.port {
        // In the host's byte order, unlike every other port.
        nest.u16(daemon::MCAST_PORT, port);
    }
    if let Some(ttl) = whole.ttl {
        nest.u8(daemon::MCAST_TTL, ttl);
    }
}

const fn state(role: SyncRole) -> u32 {
    match role {
        SyncRole::Master => daemon::MASTER,
        SyncRole::Backup => daemon::BACKUP,
    }
}

/// `AF_INET`, `AF_INET6`.
fn family_number(family: Family) -> u16 {
    let number = match family {
        Family::V4 => libc::AF_INET,
        Family::V6 => libc::AF_INET6,
    };
    u16::try_from(number).unwrap_or(0)
}

/// `union nf_inet_addr`: an IPv4 address leaves twelve of the sixteen bytes zero.
fn padded(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
        IpAddr::V6(address) => address.octets(),
    }
}

/// The kernel's names have at most 15 bytes (`IP_VS_SCHEDNAME_MAXLEN` and its like); it refuses longer ones, and a
/// message must not become too long before it can.
fn name(name: &str) -> &str {
    const LONGEST: usize = 64;
    let mut end = name.len().min(LONGEST);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}
