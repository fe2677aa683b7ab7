//! The router's part of `mainstay status`: what it told, beside what the configuration asks.

use mainstay_control::status::{Alarm, Group, Instance, Path, Peer, Tracker, Vrrp};
use mainstay_core::router::State;

use super::dump::View;

/// Virtual routers and what they follow.
pub fn vrrp(view: &View<'_>) -> Vrrp {
    let report = view.report;
    Vrrp {
        instances: view.instances.iter().map(instance).collect(),
        groups: report
            .groups
            .iter()
            .map(|group| Group { name: group.name.clone(), state: group.state.to_string() })
            .collect(),
        trackers: report
            .trackers
            .iter()
            .map(|tracker| Tracker { name: tracker.name.clone(), good: tracker.up })
            .collect(),
        paths: report.paths.iter().map(|path| Path { name: path.name.clone(), up: path.up }).collect(),
        alarms: report
            .alarms
            .iter()
            .map(|alarm| Alarm {
                instance: alarm.instance.clone(),
                text: alarm.alarm.to_string(),
                count: alarm.count,
            })
            .collect(),
    }
}

fn instance(instance: &super::dump::Instance<'_>) -> Instance {
    let (plan, report) = (instance.plan, instance.report);
    let other = report.master.filter(|_| report.state != State::Master);
    let now = mainstay_system::clock::now();
    let milliseconds = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    Instance {
        name: plan.name.clone(),
        state: report.state.to_string(),
        since_ms: milliseconds(instance.since),
        reason: report.cause.to_string(),
        interface: plan.interface.clone().unwrap_or_default(),
        vrid: plan.vrid.get(),
        version: plan.version.number(),
        priority: report.base_priority,
        effective_priority: report.effective_priority,
        master: other.map(|master| master.to_string()),
        master_priority: other.map(|_| report.master_priority),
        advert_interval_ms: milliseconds(report.master_advert_interval),
        last_advert_ms: report.last_advert.map(|heard| milliseconds(now.saturating_since(heard))),
        lease: report.lease.to_string(),
        addresses: plan
            .addresses
            .iter()
            .chain(&plan.excluded_addresses)
            .map(|address| format!("{}/{}", address.address, address.prefix_length))
            .collect(),
        peers: report
            .peers
            .iter()
            .map(|peer| Peer {
                address: peer.source.to_string(),
                alive: peer.living,
                mainstay: peer.told.is_some(),
            })
            .collect(),
        group: instance.group.map(String::from),
    }
}
