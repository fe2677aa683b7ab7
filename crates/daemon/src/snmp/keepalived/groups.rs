//! Sync groups and who is in them.

use mainstay_agentx::{Table, Value};
use mainstay_config::model::NotifyCommands;
use mainstay_core::router::plan::SyncGroupPlan;
use mainstay_core::router::report::GroupReport;

use super::{command, entry, state};
use crate::snmp::columns;
use crate::snmp::snapshot::Snapshot;

const GROUP: [u32; 10] = columns(2);
const MEMBER: [u32; 1] = columns(2);

struct Group<'a> {
    plan: &'a SyncGroupPlan,
    report: &'a GroupReport,
    notify: Option<&'a NotifyCommands>,
}

/// The tables 1 and 2.
pub fn tables(snapshot: &Snapshot) -> Vec<Table<'_>> {
    let plans = || (1..).zip(&snapshot.model.router.sync_groups);
    let groups = plans().filter_map(|(index, plan)| {
        let report = snapshot.router.report.groups.iter().find(|report| report.name == plan.name)?;
        let notify = snapshot.model.group_notify.get(&plan.name);
        Some((vec![index], Group { plan, report, notify }))
    });
    let members = plans().flat_map(|(group, plan)| {
        (1..).zip(&plan.members).map(move |(member, name)| (vec![group, member], name))
    });
    vec![
        Table::new(&entry(1), &GROUP, groups, cell),
        Table::new(&entry(2), &MEMBER, members, |name, _| Some(Value::text(name))),
    ]
}

fn cell(group: &Group<'_>, column: u32) -> Option<Value> {
    let notify = group.notify;
    let script =
        |choose: fn(&NotifyCommands) -> &Option<_>| command(notify.and_then(|all| choose(all).as_ref()));
    match column {
        2 => Some(Value::text(&group.plan.name)),
        3 => Some(Value::Integer(state(group.report.state))),
        4 => Some(Value::truth(notify.is_some_and(|notify| notify.smtp_alert))),
        5 => Some(Value::truth(notify.is_some_and(has_script))),
        6 => script(|notify| &notify.master),
        7 => script(|notify| &notify.backup),
        8 => script(|notify| &notify.fault),
        9 => script(|notify| &notify.generic),
        10 => Some(Value::truth(group.plan.tracking_weight)),
        11 => script(|notify| &notify.stop),
        _ => None,
    }
}

/// Whether any script is run when the state changes.
pub fn has_script(notify: &NotifyCommands) -> bool {
    let NotifyCommands {
        master,
        backup,
        fault,
        stop,
        deleted,
        master_rx_lower_priority,
        generic,
        smtp_alert: _,
    } = notify;
    [master, backup, fault, stop, deleted, master_rx_lower_priority, generic]
        .iter()
        .any(|script| script.is_some())
}
