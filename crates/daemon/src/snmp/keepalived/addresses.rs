//! Virtual and static addresses.

use std::net::IpAddr;

use mainstay_agentx::{Table, Value};
use mainstay_core::address::InterfaceAddress;

use super::{entry, scope};
use crate::snmp::columns;
use crate::snmp::snapshot::Snapshot;

const ADDRESS: [u32; 11] = columns(2);

struct Address<'a> {
    address: &'a InterfaceAddress,
    is_set: bool,
    is_advertised: bool,
}

/// Table 6.
///
/// DIFFERS: keepalived calls the virtual addresses of its first instance advertised and those of all others not.
pub fn table(snapshot: &Snapshot) -> Table<'_> {
    let statics = snapshot.model.router.static_addresses.iter();
    let statics = (1..)
        .zip(statics)
        .map(|(number, address)| (vec![0, number], Address { address, is_set: true, is_advertised: false }));
    let virtuals = snapshot.instances().flat_map(|instance| {
        let (index, is_set) = (instance.index, instance.holds());
        let advertised = instance.plan.addresses.iter().map(|address| (address, true));
        let excluded = instance.plan.excluded_addresses.iter().map(|address| (address, false));
        (1..).zip(advertised.chain(excluded)).map(move |(number, (address, is_advertised))| {
            (vec![index, number], Address { address, is_set, is_advertised })
        })
    });
    Table::new(&entry(6), &ADDRESS, statics.chain(virtuals), move |row, column| cell(snapshot, row, column))
}

fn cell(snapshot: &Snapshot, row: &Address<'_>, column: u32) -> Option<Value> {
    let address = row.address;
    Some(match column {
        2 => Value::inet_type(address.address),
        3 => Value::inet(address.address),
        4 => match (address.address, address.broadcast) {
            (IpAddr::V4(_), Some(broadcast)) => Value::inet(broadcast.into()),
            (IpAddr::V4(_), None) => Value::Octets(vec![0; 4]),
            (IpAddr::V6(_), _) => return None,
        },
        5 => Value::gauge(address.prefix_length),
        6 => scope(address.scope),
        7 => Value::integer(snapshot.links.index(&address.link)?.into()),
        8 => Value::text(&address.link),
        9 => Value::text(address.label.as_deref()?),
        10 => Value::truth(row.is_set),
        11 => Value::truth(row.is_advertised),
        12 => Value::inet(address.peer?.address),
        _ => return None,
    })
}
