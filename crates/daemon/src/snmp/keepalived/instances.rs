//! Instances.

use mainstay_agentx::{Table, Value};
use mainstay_config::model::NotifyCommands;
use mainstay_core::router::plan::{Authentication, Destination, Version};

use super::groups::has_script;
use super::{command, entry, state};
use crate::snmp::columns;
use crate::snmp::snapshot::{Instance, Snapshot, initial};

const INSTANCE: [u32; 34] = columns(2);

/// Table 3.
pub fn table(snapshot: &Snapshot) -> Table<'_> {
    let rows = snapshot.instances().map(|instance| (vec![instance.index], instance));
    Table::new(&entry(3), &INSTANCE, rows, move |instance, column| cell(snapshot, instance, column))
}

fn cell(snapshot: &Snapshot, instance: &Instance<'_>, column: u32) -> Option<Value> {
    let (plan, report, notify) = (instance.plan, instance.report, instance.notify);
    let script =
        |choose: fn(&NotifyCommands) -> &Option<_>| command(notify.and_then(|all| choose(all).as_ref()));
    let group = match &plan.destination {
        Destination::Multicast(group) => Some(*group),
        Destination::Unicast { .. } => None,
    };
    let sync = snapshot.model.director.settings.sync.as_ref();
    let sync = sync.filter(|sync| sync.instance.as_ref() == Some(&plan.name));
    Some(match column {
        2 => Value::text(&plan.name),
        3 => Value::gauge(plan.vrid.get()),
        4 => Value::Integer(state(report.state)),
        5 => Value::Integer(state(initial(plan))),
        6 => Value::Integer(state(instance.wanted())),
        7 => Value::Integer(report.base_priority.into()),
        8 => Value::Integer(report.effective_priority.into()),
        9 => Value::truth(instance.holds()),
        10 => Value::text(plan.interface.as_deref()?),
        11 => Value::truth(!plan.ignore_interface_fault),
        // Seconds, and hundredths of them in version 3.
        12 => Value::gauge(match plan.version {
            Version::V2 => u128::from(plan.advert_interval.as_secs()),
            Version::V3 => plan.advert_interval.as_millis() / 10,
        }),
        13 => Value::truth(instance.preempt().0),
        14 => Value::gauge(instance.preempt().1.as_secs()),
        15 => Value::Integer(match plan.authentication {
            Authentication::None => 0,
            Authentication::Pass(_) => 1,
            Authentication::Ah(_) => 2,
        }),
        16 => Value::truth(sync.is_some()),
        17 => Value::text(&sync?.daemon.interface),
        18 => Value::text(instance.group?),
        19 => Value::gauge(plan.announce.delay.as_secs()),
        20 => Value::truth(notify.is_some_and(|notify| notify.smtp_alert)),
        21 => Value::truth(notify.is_some_and(has_script)),
        22 => script(|notify| &notify.master)?,
        23 => script(|notify| &notify.backup)?,
        24 => script(|notify| &notify.fault)?,
        25 => script(|notify| &notify.stop)?,
        26 => script(|notify| &notify.generic)?,
        // keepalived's 0: version 2 has no such mode.
        27 if plan.version == Version::V2 => Value::Integer(0),
        27 => Value::truth(plan.accept),
        28 => Value::truth(plan.promote_secondaries),
        29 => Value::truth(false),
        30 => Value::Integer(plan.version.number().into()),
        31 => script(|notify| &notify.master_rx_lower_priority)?,
        32 => script(|notify| &notify.deleted)?,
        33 => Value::truth(plan.notify_deleted),
        34 => Value::inet_type(group?),
        35 => Value::inet(group?),
        _ => return None,
    })
}
