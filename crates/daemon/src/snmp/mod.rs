//! SNMP: what the SNMP agent of the machine (net-snmp's `snmpd`) can be asked about this daemon, and what it is told when
//! something changes. The director is a sub-agent of it ([`mainstay_agentx`]).
//!
//! ```text
//!  snmpd ◀──AgentX──▶ Agent (a task of the director) ──wish──▶ event loop ──▶ supervisor ──▶ router
//!                       │                            ◀─────── Snapshot ◀─────────────────────┘
//!                       └─▶ View: tables over the snapshot, cell by cell when asked for
//! ```
//!
//! Three sets of objects, switched one by one as in keepalived: KEEPALIVED-MIB, VRRP-MIB (RFC 2787) and VRRPV3-MIB
//! (RFC 6527). Numbers and types of objects are those of the MIBs that Debian's package of keepalived has in
//! `/usr/share/snmp/mibs`; what they mean was compared with a running keepalived.
//!
//! DIFFERS: nothing can be set. keepalived lets a manager change priorities and weights; here the file says what they are.

mod agent;
mod connection;
mod keepalived;
mod links;
mod rfc2787;
mod rfc6527;
mod shown;
mod snapshot;
mod traps;

pub use agent::{Agent, Wish};
pub use shown::shown;
pub use snapshot::{RouterSide, Snapshot};
pub use traps::Change;

use mainstay_agentx::{Oid, Table, View};
use mainstay_config::model::Snmp;

/// The numbers from `first` on: columns of a table.
const fn columns<const N: usize>(first: u32) -> [u32; N] {
    let mut columns = [0; N];
    let (mut at, mut number) = (0, first);
    while at < N {
        columns[at] = number;
        at += 1;
        number += 1;
    }
    columns
}

/// The subtrees we answer for.
fn subtrees(snmp: &Snmp) -> Vec<Oid> {
    let mut subtrees = Vec::new();
    if snmp.vrrp || snmp.servers {
        subtrees.push(Oid::new(&keepalived::name(&[1])));
    }
    if snmp.vrrp {
        subtrees.push(Oid::new(&keepalived::name(&[2])));
    }
    if snmp.rfc2787 {
        subtrees.push(Oid::new(&rfc2787::MIB));
    }
    if snmp.rfc6527 {
        subtrees.push(Oid::new(&rfc6527::MIB));
    }
    subtrees
}

/// Everything that can be asked for.
fn view(snapshot: &Snapshot) -> View<'_> {
    let snmp = &snapshot.model.snmp;
    let mut tables: Vec<Table<'_>> = Vec::new();
    if snmp.vrrp || snmp.servers {
        tables.extend(keepalived::node(snapshot));
    }
    if snmp.vrrp {
        tables.extend(keepalived::vrrp(snapshot));
    }
    if snmp.rfc2787 {
        tables.extend(rfc2787::tables(snapshot));
    }
    if snmp.rfc6527 {
        tables.extend(rfc6527::tables(snapshot));
    }
    View::new(tables)
}

#[cfg(test)]
mod tests;
