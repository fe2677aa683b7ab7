//! `global`: the daemon itself, and mail.

use std::net::IpAddr;

use mainstay_agentx::{Table, Value};
use mainstay_config::model::{Mail, Mailbox};
use mainstay_core::director::plan::AtStop;

use super::name;
use crate::snmp::columns;
use crate::snmp::snapshot::Snapshot;

/// Beside `global.3`, which is mail.
const NODE: [u32; 10] = [1, 2, 4, 5, 6, 7, 8, 9, 10, 11];

/// Beside `mail.5`, which is a table.
const MAIL: [u32; 9] = [1, 2, 3, 4, 6, 7, 8, 9, 10];

const RECIPIENTS: [u32; 1] = columns(2);

/// The daemon itself, and mail.
pub fn node(snapshot: &Snapshot) -> [Table<'_>; 3] {
    let recipients = snapshot.model.mail.iter().flat_map(|mail| &mail.to);
    let recipients = (1..).zip(recipients).map(|(index, to)| (vec![index], to));
    [
        Table::scalars(&name(&[1]), &NODE, move |column| daemon(snapshot, column)),
        Table::scalars(&name(&[1, 3]), &MAIL, move |column| mail(snapshot, column)),
        Table::new(&name(&[1, 3, 5, 1]), &RECIPIENTS, recipients, |to, _| Some(address(to))),
    ]
}

fn daemon(snapshot: &Snapshot, column: u32) -> Option<Value> {
    let model = &snapshot.model;
    Some(match column {
        1 => Value::text(concat!("Mainstay v", env!("CARGO_PKG_VERSION"))),
        2 => Value::text(&model.process.router_id),
        4 => Value::truth(model.snmp.traps),
        // The kernel tells about links: netlink(1).
        5 => Value::Integer(1),
        6 => Value::truth(model.director.settings.flush),
        // Statistics of connections have 64 bits.
        7 => Value::truth(true),
        8 => Value::text(model.process.net_namespace.as_deref().unwrap_or_default()),
        // There is no D-Bus service.
        9 => Value::truth(false),
        10 => Value::truth(model.router.settings.dynamic_interfaces),
        11 => Value::Integer(match model.director.settings.at_stop {
            AtStop::Flush => 1,
            AtStop::RemoveOurs | AtStop::Leave => 2,
            AtStop::FlushOurs => 3,
        }),
        _ => return None,
    })
}

fn mail(snapshot: &Snapshot, column: u32) -> Option<Value> {
    let alerts = snapshot.model.snmp.alerts;
    let mail = snapshot.model.mail.as_ref();
    // A name has no address until mail is sent.
    let relay = || mail.and_then(|mail| mail.server.parse::<IpAddr>().ok());
    Some(match column {
        1 => Value::inet_type(relay()?),
        2 => Value::inet(relay()?),
        3 => Value::gauge(mail?.timeout.as_secs()),
        4 => address(&mail?.from),
        6 => Value::gauge(mail?.port),
        7 => Value::truth(mail.is_none_or(|mail: &Mail| mail.faults)),
        8 => said(alerts.all),
        9 => said(alerts.vrrp),
        10 => said(alerts.servers),
        _ => return None,
    })
}

fn address(of: &Mailbox) -> Value {
    let domain = if of.domain.is_empty() { String::new() } else { format!("@{}", of.domain) };
    Value::text(&format!("{}{domain}", of.user))
}

/// on(1), off(2), unset(3).
const fn said(switch: Option<bool>) -> Value {
    Value::Integer(match switch {
        Some(true) => 1,
        Some(false) => 2,
        None => 3,
    })
}
