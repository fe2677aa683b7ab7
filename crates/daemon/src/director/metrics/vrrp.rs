//! Families about virtual routers and what they follow.

use std::collections::BTreeMap;
use std::fmt;

use mainstay_core::bfd;
use mainstay_core::router::State;
use mainstay_core::router::report::{Counters, InstanceReport, LeaseState, Report};

use super::page::Page;
use super::snapshot::Snapshot;

const STATES: [State; 4] = [State::Init, State::Backup, State::Master, State::Fault];

/// Why adverts were not accepted, in the classes of keepalived's statistics.
fn rejected(counters: &Counters) -> [(&'static str, u64); 10] {
    [
        ("length", counters.packet_length_errors),
        ("interval", counters.advert_interval_errors),
        ("ttl", counters.ttl_errors),
        ("type", counters.invalid_type),
        ("auth_type_unknown", counters.invalid_auth_type),
        ("auth_type_mismatch", counters.auth_type_mismatch),
        ("auth_failed", counters.auth_failures),
        ("checksum", counters.checksum_errors),
        ("version", counters.version_errors),
        ("other", counters.other_errors),
    ]
}

/// Everything the router told.
pub(super) fn write(snapshot: &Snapshot, page: &mut Page<'_>) -> fmt::Result {
    let Some(measures) = &snapshot.measures else { return Ok(()) };
    let Some(report) = &measures.router else { return Ok(()) };
    let help = "How late the router's loop served deadlines of instances";
    page.histogram("router_loop_lateness_seconds", help, &report.lateness)?;
    let help = "Packets for virtual router ids that nobody here has";
    page.counter("vrrp_unknown_vrid_packets", help, report.unknown_vrids)?;
    let help = "How often the kernel would not make the gates of the VIP lease";
    page.counter("vrrp_lease_gates_refused", help, report.gates_refused)?;
    states(snapshot, report, page)?;
    let help = "Changes of state by the state entered and why";
    let mut family = page.counters("vrrp_transitions", help)?;
    for (name, counts) in &measures.counted.transitions {
        for ((to, reason), count) in counts {
            family.counter(&[("vrrp_instance", name), ("to", to), ("reason", reason)], *count)?;
        }
    }
    adverts(report, page)?;
    observed(report, page)?;
    followed(report, page)?;
    alarms(report, page)
}

/// What each instance is.
fn states(snapshot: &Snapshot, report: &Report, page: &mut Page<'_>) -> fmt::Result {
    let mut family = page.gauges("vrrp_instance_info", "Always 1, with what people know an instance by")?;
    for (instance, identity) in snapshot.instances() {
        let (vrid, version) = (identity.vrid.to_string(), identity.version.to_string());
        let labels = [
            ("vrrp_instance", instance.name.as_str()),
            ("interface", &identity.interface),
            ("vrid", &vrid),
            ("version", &version),
            ("group", &identity.group),
        ];
        family.gauge(&labels, 1)?;
    }
    let mut family = page.gauges("vrrp_state", "1 for the state an instance is in, 0 for the others")?;
    for instance in &report.instances {
        for state in STATES {
            let labels = [("vrrp_instance", instance.name.as_str()), ("state", &state.to_string())];
            family.gauge(&labels, u8::from(instance.state == state))?;
        }
    }
    let help = "When an instance came into its state, in seconds since 1970";
    let mut family = page.gauges("vrrp_state_since_timestamp_seconds", help)?;
    for instance in &report.instances {
        family.gauge(&[("vrrp_instance", &instance.name)], snapshot.unix(instance.since))?;
    }
    let gauges: [(&str, &str, Of<f64>); 4] = [
        ("vrrp_priority", "Priority of the configuration", |one| one.base_priority.into()),
        ("vrrp_effective_priority", "Priority after tracking", |one| one.effective_priority.into()),
        ("vrrp_peers_alive", "Other routers of the virtual router that are known to live", |one| {
            one.peers.iter().filter(|peer| peer.living).count() as f64
        }),
        ("vrrp_lease_armed", "Whether the VIP lease counts", |one| f64::from(one.lease == LeaseState::Armed)),
    ];
    for (name, help, value) in gauges {
        let mut family = page.gauges(name, help)?;
        for instance in &report.instances {
            family.gauge(&[("vrrp_instance", &instance.name)], value(instance))?;
        }
    }
    let help = "1 for the state a sync group is in, 0 for the others";
    let mut family = page.gauges("vrrp_group_state", help)?;
    for group in &report.groups {
        for state in STATES {
            let labels = [("group", group.name.as_str()), ("state", &state.to_string())];
            family.gauge(&labels, u8::from(group.state == state))?;
        }
    }
    Ok(())
}

/// Something of an instance.
type Of<T> = fn(&InstanceReport) -> T;

/// What was sent and received.
fn adverts(report: &Report, page: &mut Page<'_>) -> fmt::Result {
    let counters: [(&str, &str, Of<u64>); 8] = [
        ("vrrp_adverts_sent", "Adverts sent, one for each destination", |one| one.counters.adverts_sent),
        ("vrrp_adverts_received", "Adverts accepted", |one| one.counters.adverts_received),
        ("vrrp_advert_send_errors", "Adverts the kernel refused to send", |one| one.counters.send_errors),
        ("vrrp_priority_zero_sent", "Adverts that gave up mastership", |one| one.counters.priority_zero_sent),
        ("vrrp_priority_zero_received", "Adverts by which another master gave up", |one| {
            one.counters.priority_zero_received
        }),
        ("vrrp_address_list_mismatches", "Adverts with another list of addresses than ours", |one| {
            one.counters.address_list_errors
        }),
        ("vrrp_became_master", "Times it became master", |one| one.counters.became_master),
        ("vrrp_lease_expiries", "Times it was master for longer than its lease without an advert", |one| {
            one.counters.leases_expired
        }),
    ];
    for (name, help, value) in counters {
        let mut family = page.counters(name, help)?;
        for instance in &report.instances {
            family.counter(&[("vrrp_instance", &instance.name)], value(instance))?;
        }
    }
    let help = "Adverts not accepted, by reason";
    let mut family = page.counters("vrrp_adverts_rejected", help)?;
    for instance in &report.instances {
        for (reason, count) in rejected(&instance.counters) {
            family.counter(&[("vrrp_instance", &instance.name), ("reason", reason)], count)?;
        }
    }
    Ok(())
}

/// What was observed of others.
fn observed(report: &Report, page: &mut Page<'_>) -> fmt::Result {
    let help = "Time between adverts of one master, as its backup";
    let mut family = page.histograms("vrrp_advert_gap_seconds", help)?;
    for instance in &report.instances {
        family.histogram(&[("vrrp_instance", &instance.name)], &instance.advert_gaps)?;
    }
    let help = "Seconds for which it was master and heard another master";
    let mut family = page.counters("vrrp_double_holder_seconds", help)?;
    for instance in &report.instances {
        family.seconds(&[("vrrp_instance", &instance.name)], instance.contested.as_secs_f64())?;
    }
    Ok(())
}

/// Trackers, paths of heartbeats and BFD sessions.
fn followed(report: &Report, page: &mut Page<'_>) -> fmt::Result {
    let mut family =
        page.gauges("tracker_up", "Whether what is tracked is good; absent until it is known")?;
    for tracker in &report.trackers {
        if let Some(up) = tracker.up {
            family.gauge(&[("tracker", &tracker.name)], u8::from(up))?;
        }
    }
    paths(report, page)?;
    let mut family = page.gauges("bfd_session_up", "Whether a BFD session is up")?;
    for session in &report.bfd.sessions {
        family.gauge(&[("session", &session.name)], u8::from(session.state == bfd::State::Up))?;
    }
    Ok(())
}

/// Ways of heartbeats. One link has one for each family under one name: they count together.
fn paths(report: &Report, page: &mut Page<'_>) -> fmt::Result {
    let mut ways: BTreeMap<&str, Way> = BTreeMap::new();
    for path in &report.paths {
        let way = ways.entry(&path.name).or_default();
        way.up |= path.up;
        way.sent += path.sent;
        way.send_errors += path.send_errors;
        for (reason, count) in &path.rejected {
            *way.rejected.entry(reason.word()).or_default() += count;
        }
    }
    let mut family = page.gauges("heartbeat_path_up", "Whether anybody is heard on a path of heartbeats")?;
    for (path, way) in &ways {
        family.gauge(&[("path", path)], u8::from(way.up))?;
    }
    let mut family = page.counters("heartbeats_sent", "Heartbeats sent on a path")?;
    for (path, way) in &ways {
        family.counter(&[("path", path)], way.sent)?;
    }
    let mut family = page.counters("heartbeat_send_errors", "Heartbeats the kernel refused to send")?;
    for (path, way) in &ways {
        family.counter(&[("path", path)], way.send_errors)?;
    }
    let mut family = page.counters("heartbeats_rejected", "Heartbeats not believed, by reason")?;
    for (path, way) in &ways {
        for (reason, count) in &way.rejected {
            family.counter(&[("path", path), ("reason", reason)], *count)?;
        }
    }
    Ok(())
}

/// What is counted of a path.
#[derive(Default)]
struct Way {
    up: bool,
    sent: u64,
    send_errors: u64,
    rejected: BTreeMap<&'static str, u64>,
}

/// Alarms that stand, by their word; what a stranger sends must not make series.
fn alarms(report: &Report, page: &mut Page<'_>) -> fmt::Result {
    let mut standing: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    for alarm in &report.alarms {
        *standing.entry((&alarm.instance, alarm.alarm.word())).or_default() += 1;
    }
    let mut family = page.gauges("alarms", "Alarms that stand, by kind; absent where there is none")?;
    for ((instance, kind), count) in standing {
        family.gauge(&[("vrrp_instance", instance), ("alarm", kind)], count)?;
    }
    Ok(())
}
