//! KEEPALIVED-MIB: 1.3.6.1.4.1.9586.100.5.
//!
//! Indexes count in the order of the file from 1. Where keepalived gives static addresses, routes and rules the index of
//! an instance, that index is 0.

mod addresses;
mod groups;
mod instances;
mod node;
mod routes;
mod rules;
mod trackers;

use mainstay_agentx::{Table, Value};
use mainstay_config::model::Command;
use mainstay_core::router::State;

pub use node::node;

use super::snapshot::Snapshot;

/// The MIB.
const MIB: [u32; 9] = [1, 3, 6, 1, 4, 1, 9586, 100, 5];

/// The name of something in it.
pub fn name(below: &[u32]) -> Vec<u32> {
    [&MIB, below].concat()
}

/// The name of the entries of a table about VRRP.
fn entry(table: u32) -> Vec<u32> {
    name(&[2, table, 1])
}

/// Everything about VRRP.
pub fn vrrp(snapshot: &Snapshot) -> Vec<Table<'_>> {
    let mut tables = groups::tables(snapshot);
    tables.push(instances::table(snapshot));
    tables.extend(trackers::tables(snapshot));
    tables.push(addresses::table(snapshot));
    tables.extend(routes::tables(snapshot));
    tables.push(rules::table(snapshot));
    tables
}

/// `VrrpState`.
pub const fn state(state: State) -> i32 {
    match state {
        State::Init => 0,
        State::Backup => 1,
        State::Master => 2,
        State::Fault => 3,
    }
}

/// A command as keepalived shows it: each word in quotes.
fn command(command: Option<&Command>) -> Option<Value> {
    let words = &command?.arguments;
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    Some(Value::text(&quoted.join(" ")))
}

/// `InetScopeType` (RFC 4007) of a scope of the kernel.
const fn scope(scope: u8) -> Value {
    Value::Integer(match scope {
        0 => 14,
        200 => 5,
        253 => 2,
        254 => 1,
        _ => 0,
    })
}
