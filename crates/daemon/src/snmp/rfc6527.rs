//! VRRPV3-MIB (RFC 6527): instances of both versions, known by link, virtual router id and family of addresses.

use std::net::IpAddr;

use mainstay_agentx::{Table, Value};
use mainstay_core::address::Family;

use super::columns;
use super::rfc2787::{errors, master, primary, state};
use super::snapshot::{Instance, Snapshot};

/// The MIB.
pub const MIB: [u32; 7] = [1, 3, 6, 1, 2, 1, 207];

const OPERATION: [u32; 11] = columns(3);
const ASSOCIATED: [u32; 1] = columns(2);
const ERRORS: [u32; 4] = columns(1);
const STATISTICS: [u32; 13] = columns(1);

/// The name of something in the MIB.
pub fn name(below: &[u32]) -> Vec<u32> {
    [&MIB, below].concat()
}

/// The index of an instance; `None` if its link is not there.
pub fn index(snapshot: &Snapshot, instance: &Instance<'_>) -> Option<Vec<u32>> {
    let link = snapshot.link_index(instance.plan.interface.as_deref())?;
    let family = match instance.family() {
        Family::V4 => 1,
        Family::V6 => 2,
    };
    Some(vec![link, instance.plan.vrid.get().into(), family])
}

/// Everything in the MIB.
pub fn tables(snapshot: &Snapshot) -> Vec<Table<'_>> {
    let instances = || snapshot.instances().filter_map(|one| Some((index(snapshot, &one)?, one)));
    // keepalived's form of the index: the RFC has the length of the address before it.
    let associated = instances().flat_map(|(index, instance)| {
        let addresses = instance.plan.addresses.iter().map(|address| octets(address.address));
        addresses.map(move |octets| ([index.as_slice(), &octets].concat(), ()))
    });
    vec![
        Table::new(&name(&[1, 1, 1, 1]), &OPERATION, instances(), move |instance, column| {
            operation(snapshot, instance, column)
        }),
        // active(1).
        Table::new(&name(&[1, 1, 2, 1]), &ASSOCIATED, associated, |(), _| Some(Value::Integer(1))),
        Table::scalars(&name(&[1, 2]), &ERRORS, move |column| match column {
            // Counters have gone on since the start.
            4 => Some(Value::TimeTicks(0)),
            column => errors(snapshot, column).map(Value::Counter64),
        }),
        Table::new(&name(&[1, 2, 5, 1]), &STATISTICS, instances(), statistics),
    ]
}

fn octets(address: IpAddr) -> Vec<u32> {
    match address {
        IpAddr::V4(address) => address.octets().map(u32::from).to_vec(),
        IpAddr::V6(address) => address.octets().map(u32::from).to_vec(),
    }
}

/// An address of the instance's family; zeros where there is none.
fn inet(address: Option<IpAddr>, family: Family) -> Value {
    match (address, family) {
        (Some(address), _) => Value::inet(address),
        (None, Family::V4) => Value::Octets(vec![0; 4]),
        (None, Family::V6) => Value::Octets(vec![0; 16]),
    }
}

/// Master of the instance, for the table and the notification.
pub fn master_of(snapshot: &Snapshot, instance: &Instance<'_>) -> Value {
    inet(master(snapshot, instance), instance.family())
}

/// Why it last became master, for the table and the notification.
pub const fn why_master(instance: &Instance<'_>) -> Value {
    Value::Integer(instance.memory.last_mastership)
}

fn operation(snapshot: &Snapshot, instance: &Instance<'_>, column: u32) -> Option<Value> {
    let (plan, report) = (instance.plan, instance.report);
    Some(match column {
        3 => master_of(snapshot, instance),
        4 => inet(primary(snapshot, instance), instance.family()),
        5 => Value::Octets(snapshot.links.hardware(plan.interface.as_deref()?)?.to_vec()),
        6 => Value::Integer(state(report.state)),
        7 => Value::gauge(report.base_priority),
        8 => Value::integer(i64::try_from(plan.addresses.len()).unwrap_or(i64::MAX)),
        9 => Value::integer(i64::try_from(plan.advert_interval.as_millis() / 10).unwrap_or(i64::MAX)),
        10 => Value::truth(instance.preempt().0),
        11 => Value::truth(plan.accept),
        12 => Value::ticks(match instance.memory.runs_since {
            Some(since) => snapshot.at.saturating_since(since),
            None => std::time::Duration::ZERO,
        }),
        // active(1).
        13 => Value::Integer(1),
        _ => return None,
    })
}

fn statistics(instance: &Instance<'_>, column: u32) -> Option<Value> {
    let counters = &instance.report.counters;
    Some(match column {
        1 => Value::counter32(counters.became_master),
        2 => why_master(instance),
        3 => Value::Counter64(counters.adverts_received),
        4 => Value::Counter64(counters.advert_interval_errors),
        5 => Value::Counter64(counters.ttl_errors),
        6 => Value::Integer(instance.memory.last_error),
        7 => Value::Counter64(counters.priority_zero_received),
        8 => Value::Counter64(counters.priority_zero_sent),
        9 => Value::Counter64(counters.invalid_type),
        10 => Value::Counter64(counters.address_list_errors),
        11 => Value::Counter64(counters.packet_length_errors),
        12 => Value::TimeTicks(0),
        13 => Value::gauge(instance.plan.advert_interval.as_millis()),
        _ => return None,
    })
}
