//! What the kernel tells. Nothing here trusts a length, and an attribute nobody knows is passed over.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use mainstay_core::address::Family;
use mainstay_core::ipvs::{
    Connections, Destination, DestinationKey, Forwarding, Granularity, Persistence, Protocol, Scheduler,
    SchedulerFlags, Service, ServiceKey, Statistics, SyncDaemon, SyncRole, Timeouts, Tunnel, TunnelChecksum,
    TunnelKind,
};

use super::CONTROL_FAMILY;
use super::attributes::{Message, attributes, counter_of, messages, port_of, text_of, u8_of, u16_of, u32_of};
use super::numbers::{
    command, control, daemon, destination, flag, forwarding, info, message, service, statistics, top, tunnel,
};
use crate::ipvs::{Info, ListedDestination, ListedService};

/// One thing the kernel told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// An order was carried out (0), or an order or a question was refused (its error number).
    Verdict(i32),
    /// The list is complete (0), or could not be completed.
    End(i32),
    /// The number of the family asked for.
    Family(u16),
    /// Version and size.
    Info(Info),
    /// Timeouts of connections.
    Timeouts(Timeouts),
    /// A synchronisation daemon.
    Daemon(SyncDaemon),
    /// A service; its destinations are a question of their own.
    Service(ListedService),
    /// A destination of the service asked for.
    Destination(ListedDestination),
    /// Something there are no words for.
    Unreadable,
}

/// The answers in one datagram, each with the sequence number of what it answers; `family` is the number of `IPVS`.
pub fn answers(datagram: &[u8], family: u16) -> impl Iterator<Item = (u32, Answer)> {
    messages(datagram).filter_map(move |message| Some((message.sequence, answer(message, family)?)))
}

fn answer(message: Message<'_>, family: u16) -> Option<Answer> {
    match message.kind {
        message::ERROR => errno(message.payload).map(Answer::Verdict),
        message::DONE => Some(Answer::End(errno(message.payload).unwrap_or(0))),
        CONTROL_FAMILY => {
            let (command, bytes) = message.command()?;
            let number = attributes(bytes).find(|(kind, _)| *kind == control::FAMILY_ID);
            let number = number.and_then(|(_, value)| u16_of(value));
            (command == control::NEW_FAMILY).then(|| number.map_or(Answer::Unreadable, Answer::Family))
        }
        kind if kind == family => {
            let (command, bytes) = message.command()?;
            Some(balancer_answer(command, bytes).unwrap_or(Answer::Unreadable))
        }
        _ => None,
    }
}

/// `struct nlmsgerr` begins with the negative error number; so does the payload of the end of a list.
fn errno(payload: &[u8]) -> Option<i32> {
    payload.first_chunk().map(|bytes| i32::from_ne_bytes(*bytes).saturating_neg())
}

fn balancer_answer(command: u8, bytes: &[u8]) -> Option<Answer> {
    let nested = |wanted: u16| attributes(bytes).find(|(kind, _)| *kind == wanted).map(|(_, value)| value);
    match command {
        command::NEW_SERVICE => read_service(nested(top::SERVICE)?).map(Answer::Service),
        command::NEW_DEST => read_destination(nested(top::DEST)?).map(Answer::Destination),
        command::NEW_DAEMON => read_daemon(nested(top::DAEMON)?).map(Answer::Daemon),
        command::SET_CONFIG => read_timeouts(bytes).map(Answer::Timeouts),
        command::SET_INFO => read_info(bytes).map(Answer::Info),
        _ => None,
    }
}

fn read_service(bytes: &[u8]) -> Option<ListedService> {
    let (mut family, mut protocol, mut address, mut port, mut mark) = (None, None, None, 0, None);
    let (mut scheduler, mut flags, mut timeout_s, mut netmask, mut engine) = (None, 0, 0, None, None);
    let (mut counted, mut counted64) = (None, None);
    for (kind, value) in attributes(bytes) {
        match kind {
            service::AF => family = read_family(value),
            service::PROTOCOL => protocol = u16_of(value),
            service::ADDR => address = Some(value),
            service::PORT => port = port_of(value)?,
            service::FWMARK => mark = u32_of(value),
            service::SCHED_NAME => scheduler = Some(text_of(value)),
            service::FLAGS => flags = u32_of(value)?,
            service::TIMEOUT => timeout_s = u32_of(value)?,
            service::NETMASK => netmask = value.first_chunk().copied(),
            service::PE_NAME => engine = Some(text_of(value)),
            service::STATS => counted = Some(read_statistics(value)?),
            service::STATS64 => counted64 = Some(read_statistics(value)?),
            _ => {}
        }
    }
    let family = family?;
    let key = match mark {
        Some(mark) => ServiceKey::Mark { family, mark },
        None => ServiceKey::Address {
            protocol: Protocol::of_number(u8::try_from(protocol?).ok()?)?,
            address: read_address(family, address?)?,
            port,
        },
    };
    let is_set = |flag: u32| flags & flag != 0;
    let granularity = || match family {
        Family::V4 => netmask.map(|mask| Granularity::Netmask(Ipv4Addr::from(mask))),
        Family::V6 => netmask
            .map(u32::from_ne_bytes)
            .and_then(|length| u8::try_from(length).ok())
            .filter(|length| (1..=family.bits()).contains(length))
            .map(Granularity::Prefix),
    };
    let persistence = if is_set(flag::PERSISTENT) {
        let engine = engine.filter(|name| !name.is_empty()).map(|name| name.as_str().into());
        Some(Persistence { timeout_s, granularity: granularity()?, engine })
    } else {
        None
    };
    let service = Service {
        key,
        scheduler: Scheduler::named(&scheduler?),
        flags: SchedulerFlags {
            first: is_set(flag::SCHED_1),
            second: is_set(flag::SCHED_2),
            third: is_set(flag::SCHED_3),
        },
        one_packet: is_set(flag::ONE_PACKET),
        persistence,
    };
    let statistics = counted64.or(counted).unwrap_or_default();
    Some(ListedService { service, statistics, destinations: Vec::new() })
}

fn read_destination(bytes: &[u8]) -> Option<ListedDestination> {
    let (mut family, mut address, mut port, mut method) = (None, None, None, None);
    let (mut weight, mut upper_threshold, mut lower_threshold) = (0, 0, 0);
    let (mut tunnel_kind, mut tunnel_port, mut tunnel_flags) = (tunnel::IPIP, 0, 0);
    let mut connections = Connections::default();
    let (mut counted, mut counted64) = (None, None);
    for (kind, value) in attributes(bytes) {
        match kind {
            // Linux tells it since 3.18.
            destination::ADDR_FAMILY => family = read_family(value),
            destination::ADDR => address = Some(value),
            destination::PORT => port = port_of(value),
            destination::FWD_METHOD => method = u32_of(value),
            destination::WEIGHT => weight = u32_of(value)?,
            destination::U_THRESH => upper_threshold = u32_of(value)?,
            destination::L_THRESH => lower_threshold = u32_of(value)?,
            destination::ACTIVE_CONNS => connections.active = u32_of(value)?,
            destination::INACT_CONNS => connections.inactive = u32_of(value)?,
            destination::PERSIST_CONNS => connections.persistent = u32_of(value)?,
            destination::STATS => counted = Some(read_statistics(value)?),
            destination::STATS64 => counted64 = Some(read_statistics(value)?),
            destination::TUN_TYPE => tunnel_kind = u8_of(value)?,
            destination::TUN_PORT => tunnel_port = port_of(value)?,
            destination::TUN_FLAGS => tunnel_flags = u16_of(value)?,
            _ => {}
        }
    }
    let forwarding = match method? & forwarding::MASK {
        forwarding::MASQUERADE => Forwarding::Masquerade,
        forwarding::DIRECT_ROUTE => Forwarding::DirectRoute,
        forwarding::TUNNEL => Forwarding::Tunnel(Tunnel {
            kind: match tunnel_kind {
                tunnel::IPIP => TunnelKind::Ipip,
                tunnel::GUE => TunnelKind::Gue { port: tunnel_port },
                tunnel::GRE => TunnelKind::Gre,
                _ => return None,
            },
            checksum: if tunnel_flags & tunnel::REMCSUM != 0 {
                TunnelChecksum::Remote
            } else if tunnel_flags & tunnel::CSUM != 0 {
                TunnelChecksum::Full
            } else {
                TunnelChecksum::None
            },
        }),
        other => Forwarding::Other(u8::try_from(other).ok()?),
    };
    let key = DestinationKey { address: read_address(family?, address?)?, port: port? };
    Some(ListedDestination {
        destination: Destination { key, forwarding, weight, upper_threshold, lower_threshold },
        connections,
        statistics: counted64.or(counted).unwrap_or_default(),
    })
}

fn read_statistics(bytes: &[u8]) -> Option<Statistics> {
    let mut read = Statistics::default();
    for (kind, value) in attributes(bytes) {
        let place = match kind {
            statistics::CONNS => &mut read.totals.connections,
            statistics::INPKTS => &mut read.totals.packets_in,
            statistics::OUTPKTS => &mut read.totals.packets_out,
            statistics::INBYTES => &mut read.totals.bytes_in,
            statistics::OUTBYTES => &mut read.totals.bytes_out,
            statistics::CPS => &mut read.rates.connections,
            statistics::INPPS => &mut read.rates.packets_in,
            statistics::OUTPPS => &mut read.rates.packets_out,
            statistics::INBPS => &mut read.rates.bytes_in,
            statistics::OUTBPS => &mut read.rates.bytes_out,
            _ => continue,
        };
        *place = counter_of(value)?;
    }
    Some(read)
}

fn read_daemon(bytes: &[u8]) -> Option<SyncDaemon> {
    let (mut role, mut interface, mut id) = (None, None, None);
    let (mut max_length, mut port, mut ttl, mut group) = (None, None, None, None);
    for (kind, value) in attributes(bytes) {
        match kind {
            daemon::STATE => {
                role = match u32_of(value)? {
                    daemon::MASTER => Some(SyncRole::Master),
                    daemon::BACKUP => Some(SyncRole::Backup),
                    _ => None,
                }
            }
            daemon::MCAST_IFN => interface = Some(text_of(value)),
            daemon::SYNC_ID => id = u32_of(value).and_then(|id| u8::try_from(id).ok()),
            daemon::SYNC_MAXLEN => max_length = u16_of(value).filter(|length| *length != 0),
            daemon::MCAST_GROUP => group = read_address(Family::V4, value),
            daemon::MCAST_GROUP6 => group = read_address(Family::V6, value),
            daemon::MCAST_PORT => port = u16_of(value).filter(|port| *port != 0),
            daemon::MCAST_TTL => ttl = u8_of(value).filter(|ttl| *ttl != 0),
            _ => {}
        }
    }
    Some(SyncDaemon { role: role?, interface: interface?, id: id?, max_length, port, ttl, group })
}

fn read_timeouts(bytes: &[u8]) -> Option<Timeouts> {
    let mut read = Timeouts::default();
    for (kind, value) in attributes(bytes) {
        match kind {
            top::TIMEOUT_TCP => read.tcp_s = u32_of(value)?,
            top::TIMEOUT_TCP_FIN => read.tcp_fin_s = u32_of(value)?,
            top::TIMEOUT_UDP => read.udp_s = u32_of(value)?,
            _ => {}
        }
    }
    Some(read)
}

fn read_info(bytes: &[u8]) -> Option<Info> {
    let mut read = Info::default();
    for (kind, value) in attributes(bytes) {
        match kind {
            info::VERSION => {
                let [_, major, minor, patch] = u32_of(value)?.to_be_bytes();
                read.version = [major, minor, patch];
            }
            info::CONN_TAB_SIZE => read.connection_table_size = u32_of(value)?,
            _ => {}
        }
    }
    Some(read)
}

fn read_family(value: &[u8]) -> Option<Family> {
    match i32::from(u16_of(value)?) {
        libc::AF_INET => Some(Family::V4),
        libc::AF_INET6 => Some(Family::V6),
        _ => None,
    }
}

/// An address at the beginning of a `union nf_inet_addr`, or one that stands for itself.
fn read_address(family: Family, value: &[u8]) -> Option<IpAddr> {
    match family {
        Family::V4 => value.first_chunk::<4>().map(|octets| Ipv4Addr::from(*octets).into()),
        Family::V6 => value.first_chunk::<16>().map(|octets| Ipv6Addr::from(*octets).into()),
    }
}
