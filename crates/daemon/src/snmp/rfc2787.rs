//! VRRP-MIB (RFC 2787): instances of VRRP version 2, which are known by link and virtual router id.

use std::net::{IpAddr, Ipv4Addr};

use mainstay_agentx::{Table, Value};
use mainstay_core::router::State;
use mainstay_core::router::plan::{Authentication, Version};

use super::columns;
use super::snapshot::{Instance, Snapshot};

/// The MIB.
pub const MIB: [u32; 7] = [1, 3, 6, 1, 2, 1, 68];

const NODE: [u32; 2] = columns(1);
const OPERATION: [u32; 14] = columns(2);
const ASSOCIATED: [u32; 1] = columns(2);
const ERRORS: [u32; 3] = columns(1);
const STATISTICS: [u32; 12] = columns(1);

/// The name of something in the MIB.
pub fn name(below: &[u32]) -> Vec<u32> {
    [&MIB, below].concat()
}

/// The index of an instance; `None` if the MIB does not know its kind, or its link is not there.
pub fn index(snapshot: &Snapshot, instance: &Instance<'_>) -> Option<Vec<u32>> {
    let link = snapshot.link_index(instance.plan.interface.as_deref())?;
    (instance.plan.version == Version::V2).then(|| vec![link, instance.plan.vrid.get().into()])
}

/// Everything in the MIB.
///
/// DIFFERS: a walk through keepalived's tables ends after the first instance.
pub fn tables(snapshot: &Snapshot) -> Vec<Table<'_>> {
    let instances = || snapshot.instances().filter_map(|one| Some((index(snapshot, &one)?, one)));
    let associated = instances().flat_map(|(index, instance)| {
        let addresses = instance.plan.addresses.iter().filter_map(|address| match address.address {
            IpAddr::V4(address) => Some(address.octets().map(u32::from)),
            IpAddr::V6(_) => None,
        });
        addresses.map(move |octets| ([index.as_slice(), &octets].concat(), ()))
    });
    vec![
        Table::scalars(&name(&[1]), &NODE, move |column| match column {
            1 => Some(Value::Integer(2)),
            2 => Some(Value::truth(snapshot.model.snmp.traps)),
            _ => None,
        }),
        Table::new(&name(&[1, 3, 1]), &OPERATION, instances(), move |instance, column| {
            operation(snapshot, instance, column)
        }),
        // active(1).
        Table::new(&name(&[1, 4, 1]), &ASSOCIATED, associated, |(), _| Some(Value::Integer(1))),
        Table::scalars(&name(&[2]), &ERRORS, move |column| errors(snapshot, column).map(Value::counter32)),
        Table::new(&name(&[2, 4, 1]), &STATISTICS, instances(), statistics),
    ]
}

/// `initialize(1)`, `backup(2)`, `master(3)`.
pub const fn state(state: State) -> i32 {
    match state {
        State::Init | State::Fault => 1,
        State::Backup => 2,
        State::Master => 3,
    }
}

/// The address the instance sends from, or would.
pub fn primary(snapshot: &Snapshot, instance: &Instance<'_>) -> Option<IpAddr> {
    let in_use = instance.report.master.filter(|_| instance.report.state == State::Master);
    let of_link = || {
        let link = instance.plan.interface.as_deref()?;
        snapshot.links.source(link, instance.family(), |address| snapshot.is_ours(address))
    };
    in_use.or(instance.plan.source).or_else(of_link)
}

/// The address of the master: its own, or that of the last advert.
///
/// DIFFERS: of a version 2 instance that is master keepalived says 0.0.0.0.
pub fn master(snapshot: &Snapshot, instance: &Instance<'_>) -> Option<IpAddr> {
    match instance.report.state {
        State::Master => primary(snapshot, instance),
        State::Backup => instance.report.master,
        State::Init | State::Fault => None,
    }
}

fn ipv4(address: Option<IpAddr>) -> Value {
    Value::IpAddress(match address {
        Some(IpAddr::V4(address)) => address,
        Some(IpAddr::V6(_)) | None => Ipv4Addr::UNSPECIFIED,
    })
}

fn operation(snapshot: &Snapshot, instance: &Instance<'_>, column: u32) -> Option<Value> {
    let (plan, report) = (instance.plan, instance.report);
    Some(match column {
        2 => Value::Octets(snapshot.links.hardware(plan.interface.as_deref()?)?.to_vec()),
        3 => Value::Integer(state(report.state)),
        4 => Value::truth(report.state != State::Fault),
        5 => Value::Integer(report.base_priority.into()),
        6 => Value::integer(i64::try_from(plan.addresses.len()).unwrap_or(i64::MAX)),
        7 => ipv4(master(snapshot, instance)),
        8 => ipv4(primary(snapshot, instance)),
        // noAuthentication(1), simpleTextPassword(2), ipAuthenticationHeader(3).
        9 => Value::Integer(match plan.authentication {
            Authentication::None => 1,
            Authentication::Pass(_) => 2,
            Authentication::Ah(_) => 3,
        }),
        11 => Value::integer(i64::try_from(plan.advert_interval.as_secs()).unwrap_or(i64::MAX)),
        12 => Value::truth(instance.preempt().0),
        13 => Value::ticks(match instance.memory.runs_since {
            // What `sysUpTime` was then.
            Some(since) => snapshot.uptime.saturating_sub(snapshot.at.saturating_since(since)),
            None => std::time::Duration::ZERO,
        }),
        // ip(1) and active(1).
        14 | 15 => Value::Integer(1),
        _ => return None,
    })
}

/// Of the whole node: wrong checksums, versions, virtual router ids.
///
/// A packet of a virtual router id that nobody has is none of ours, so the last one is always 0, as keepalived's.
pub fn errors(snapshot: &Snapshot, column: u32) -> Option<u64> {
    let counters = || snapshot.router.report.instances.iter().map(|instance| &instance.counters);
    match column {
        1 => Some(counters().map(|counters| counters.checksum_errors).sum()),
        2 => Some(counters().map(|counters| counters.version_errors).sum()),
        3 => Some(0),
        _ => None,
    }
}

fn statistics(instance: &Instance<'_>, column: u32) -> Option<Value> {
    let counters = &instance.report.counters;
    Some(Value::counter32(match column {
        1 => counters.became_master,
        2 => counters.adverts_received,
        3 => counters.advert_interval_errors,
        4 => counters.auth_failures,
        5 => counters.ttl_errors,
        6 => counters.priority_zero_received,
        7 => counters.priority_zero_sent,
        8 => counters.invalid_type,
        9 => counters.address_list_errors,
        10 => counters.invalid_auth_type,
        11 => counters.auth_type_mismatch,
        12 => counters.packet_length_errors,
        _ => return None,
    }))
}
