//! Virtual and static routes, and their next hops.

use mainstay_agentx::{Table, Value};
use mainstay_core::address::{Encapsulation, Family, NextHop, Route};

use super::{entry, scope};
use crate::snmp::columns;
use crate::snmp::snapshot::Snapshot;

const ROUTE: [u32; 54] = columns(2);
const HOP: [u32; 17] = columns(2);

/// `RTAX_FEATURE_ECN`.
const ECN: u32 = 1;

/// Numbers of metrics (`RTAX_*`), with the column of each, that of its lock, and how much of the kernel's unit is one of
/// the MIB's.
const METRICS: [(u8, u32, Option<u32>, u32); 11] = [
    (2, 22, Some(23), 1),
    (10, 24, None, 1),
    (8, 25, Some(26), 1),
    (4, 27, Some(28), 8),
    (5, 29, Some(30), 4),
    (9, 31, Some(32), 1),
    (3, 33, None, 1),
    (7, 34, Some(35), 1),
    (6, 36, Some(37), 1),
    (13, 38, Some(39), 1),
    (11, 40, None, 1),
];

struct Row<'a> {
    route: &'a Route,
    is_set: bool,
}

/// Tables 7 and 11.
pub fn tables(snapshot: &Snapshot) -> [Table<'_>; 2] {
    let hops = rows(snapshot).filter(|(_, row)| row.route.hops.len() > 1).flat_map(|(index, row)| {
        (1..).zip(&row.route.hops).map(move |(number, hop)| ([index.as_slice(), &[number]].concat(), hop))
    });
    [
        Table::new(&entry(7), &ROUTE, rows(snapshot), move |row, column| cell(snapshot, row, column)),
        Table::new(&entry(11), &HOP, hops, move |hop, column| hop_cell(snapshot, hop, column)),
    ]
}

fn rows(snapshot: &Snapshot) -> impl Iterator<Item = (Vec<u32>, Row<'_>)> {
    let statics = (1..).zip(&snapshot.model.router.static_routes);
    let statics = statics.map(|(number, route)| (vec![0, number], Row { route, is_set: true }));
    let virtuals = snapshot.instances().flat_map(|instance| {
        let (index, is_set) = (instance.index, instance.holds());
        (1..)
            .zip(&instance.plan.routes)
            .map(move |(number, route)| (vec![index, number], Row { route, is_set }))
    });
    statics.chain(virtuals)
}

fn cell(snapshot: &Snapshot, row: &Row<'_>, column: u32) -> Option<Value> {
    let route = row.route;
    // A route of one hop has it in its own columns, one of several in a table.
    let hop = match route.hops.as_slice() {
        [hop] => Some(hop),
        _ => None,
    };
    let metric = |number| route.metrics.iter().find(|metric| metric.number == number);
    if let Some((number, value, _, unit)) =
        METRICS.iter().find(|(_, value, lock, _)| *value == column || *lock == Some(column))
    {
        let metric = metric(*number)?;
        return Some(if column == *value {
            Value::gauge(metric.value / unit)
        } else {
            Value::truth(metric.locked)
        });
    }
    Some(match column {
        2 => Value::inet_type(route.destination.address),
        3 => Value::inet(route.destination.address),
        4 => Value::gauge(route.destination.length),
        5 => Value::inet(hop?.gateway?),
        7 => Value::inet(route.preferred_source?),
        8 => Value::gauge(route.metric),
        9 => scope(route.scope.unwrap_or(0)),
        10 => Value::Integer(kind(route)?),
        11 => Value::integer(snapshot.link_index(hop?.link.as_deref())?.into()),
        12 => Value::text(hop?.link.as_deref()?),
        13 => Value::gauge(route.table),
        14 => Value::truth(row.is_set),
        17 if route.tos != 0 => Value::gauge(route.tos),
        // The enumeration begins with unspec(1).
        18 => Value::Integer(i32::from(route.protocol) + 1),
        19 => Value::truth(metric(12).is_some_and(|metric| metric.value & ECN != 0)),
        20 => Value::truth(metric(15).is_some_and(|metric| metric.value != 0)),
        21 => Value::integer(route.expires_s?.into()),
        41 => Value::gauge(metric(14)?.value),
        42 => Value::text(&route.congestion_control.as_ref()?.0),
        // low(1), medium(2), high(3).
        43 => Value::Integer(match route.preference? {
            1 => 3,
            3 => 1,
            _ => 2,
        }),
        44 => realm(route.realms? & 0xffff)?,
        45 => realm(route.realms? >> 16)?,
        46..=54 => encapsulation(hop?, column - 46)?,
        55 => Value::truth(metric(17)?.value != 0),
        _ => return None,
    })
}

/// unicast(1), ecmp(2), blackhole(3) and so on.
fn kind(route: &Route) -> Option<i32> {
    Some(match route.kind {
        1 if route.hops.len() > 1 => 2,
        1 => 1,
        3 => 6,
        4 => 4,
        5 => 5,
        6 => 3,
        7 => 7,
        8 => 8,
        9 => 9,
        10 => 10,
        11 => 11,
        _ => return None,
    })
}

/// A realm of 0 is none.
fn realm(number: u32) -> Option<Value> {
    (number != 0).then(|| Value::gauge(number))
}

fn hop_cell(snapshot: &Snapshot, hop: &NextHop, column: u32) -> Option<Value> {
    Some(match column {
        2 => Value::inet_type(hop.gateway?),
        3 => Value::inet(hop.gateway?),
        4 => Value::integer(snapshot.link_index(hop.link.as_deref())?.into()),
        5 => Value::text(hop.link.as_deref()?),
        6 => Value::gauge(hop.weight),
        7 => Value::truth(hop.onlink),
        // What kind of tunnel it is cannot be asked for.
        11..=18 => encapsulation(hop, column - 10)?,
        _ => return None,
    })
}

/// The columns about a tunnel: its type (0), MPLS labels (1), id, ends, TOS, TTL, flags (2 to 7), ILA locator (8).
fn encapsulation(hop: &NextHop, number: u32) -> Option<Value> {
    let encapsulation = hop.encapsulation.as_ref()?;
    Some(match (number, encapsulation) {
        // mpls(1), ip(2), ila(3), ip6(4).
        (0, Encapsulation::Mpls(_)) => Value::Integer(1),
        (0, Encapsulation::Ip { family: Family::V4, .. }) => Value::Integer(2),
        (0, Encapsulation::Ila(_)) => Value::Integer(3),
        (0, Encapsulation::Ip { family: Family::V6, .. }) => Value::Integer(4),
        (1, Encapsulation::Mpls(labels)) => {
            let labels: Vec<String> = labels.iter().map(u32::to_string).collect();
            Value::text(&labels.join("/"))
        }
        (2, Encapsulation::Ip { id, .. }) => Value::Counter64((*id)?),
        (3, Encapsulation::Ip { destination, .. }) => Value::inet((*destination)?),
        (4, Encapsulation::Ip { source, .. }) => Value::inet((*source)?),
        (5, Encapsulation::Ip { tos, .. }) => Value::gauge((*tos)?),
        (6, Encapsulation::Ip { ttl, .. }) => Value::gauge((*ttl)?),
        (7, Encapsulation::Ip { flags, .. }) => Value::gauge((*flags)?),
        (8, Encapsulation::Ila(locator)) => Value::Counter64(*locator),
        _ => return None,
    })
}
