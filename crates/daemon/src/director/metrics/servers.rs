//! Families about virtual servers, their checks, and the kernel's load balancer.

use std::fmt;

use mainstay_core::address::Family;
use mainstay_core::director::report::{RealServerReport, VirtualServerReport};
use mainstay_core::director::{Verdict, VirtualServerKey};
use mainstay_core::ipvs::ServiceKey;
use mainstay_system::ipvs::{ListedDestination, ListedService, Listing};

use super::page::Page;
use super::snapshot::Snapshot;

/// Everything the director knows, and what the kernel has counted.
pub(super) fn write(snapshot: &Snapshot, page: &mut Page<'_>) -> fmt::Result {
    checks(snapshot, page)?;
    let report = &snapshot.director;
    let servers: Vec<(String, &VirtualServerReport)> =
        report.virtual_servers.iter().map(|server| (name_of(&server.key), server)).collect();
    virtual_servers(&servers, page)?;
    real_servers(&servers, page)?;
    page.gauge("ipvs_available", "Whether the kernel's IPVS table is there", f64::from(report.table))?;
    match &snapshot.table {
        Some(table) => balancer(table, page),
        None => Ok(()),
    }
}

/// A virtual server as the log names it; where that is not one name for one, with what tells it apart.
fn name_of(key: &VirtualServerKey) -> String {
    match key {
        VirtualServerKey::Service(service) => name_of_service(service),
        VirtualServerKey::Group { name, protocol, ordinal } => format!("[{name}]:{protocol}:{ordinal}"),
    }
}

/// A service likewise: a mark may be one of each family.
fn name_of_service(key: &ServiceKey) -> String {
    match key {
        ServiceKey::Address { .. } | ServiceKey::Mark { family: Family::V4, .. } => key.to_string(),
        ServiceKey::Mark { family: Family::V6, .. } => format!("{key} inet6"),
    }
}

/// What came of all questions, by kind of check.
fn checks(snapshot: &Snapshot, page: &mut Page<'_>) -> fmt::Result {
    let report = &snapshot.director;
    page.gauge("checkers", "Checks; what several servers ask alike is asked once", report.checkers.into())?;
    let help = "How long good answers to checks took";
    let mut family = page.histograms("check_duration_seconds", help)?;
    for tally in report.tallies.iter().filter(|tally| tally.took.total() > 0) {
        family.histogram(&[("kind", &tally.kind)], &tally.took)?;
    }
    let help = "Answers to checks: passed, the stage at which they failed, or why they say nothing";
    let mut family = page.counters("check_results", help)?;
    for tally in &report.tallies {
        for (result, count) in &tally.results {
            family.counter(&[("kind", &tally.kind), ("result", result)], *count)?;
        }
    }
    Ok(())
}

fn virtual_servers(servers: &[(String, &VirtualServerReport)], page: &mut Page<'_>) -> fmt::Result {
    type Of = fn(&VirtualServerReport) -> f64;
    let gauges: [(&str, &str, Of); 5] = [
        ("virtual_server_up", "Whether a virtual server has its quorum", |one| f64::from(one.up)),
        ("virtual_server_weight", "Weights of its real servers in service", |one| one.weight as f64),
        ("virtual_server_quorum", "Weight it needs", |one| one.quorum.into()),
        ("virtual_server_panic", "Whether too few live, so that those that fail stay in service", |one| {
            f64::from(one.panic)
        }),
        ("virtual_server_suspended", "Whether it is not checked because its address is not here", |one| {
            f64::from(one.suspended)
        }),
    ];
    for (name, help, value) in gauges {
        let mut family = page.gauges(name, help)?;
        for (server, report) in servers {
            family.gauge(&[("virtual_server", server)], value(report))?;
        }
    }
    Ok(())
}

fn real_servers(servers: &[(String, &VirtualServerReport)], page: &mut Page<'_>) -> fmt::Result {
    let reals: Vec<(&str, String, &RealServerReport)> = servers
        .iter()
        .flat_map(|(server, report)| {
            let reals = report.real_servers.iter();
            reals.map(move |real| (server.as_str(), real.key.to_string(), real))
        })
        .collect();
    // `None`: there is nothing to say yet.
    type Of = fn(&RealServerReport) -> Option<f64>;
    let gauges: [(&str, &str, Of); 4] = [
        ("real_server_up", "Whether a real server serves", |one| Some(f64::from(one.serving))),
        ("real_server_weight", "Its weight after checks", |one| Some(one.weight.into())),
        ("real_server_checks_failing", "How many of its checks find it down", |one| {
            Some(one.checkers.iter().filter(|check| check.verdict == Verdict::Down).count() as f64)
        }),
        ("real_server_check_duration_seconds", "The slowest of the last good answers to its checks", |one| {
            one.checkers.iter().filter_map(|check| check.took_us).max().map(|us| f64::from(us) / 1e6)
        }),
    ];
    for (name, help, value) in gauges {
        let mut family = page.gauges(name, help)?;
        for (server, real, report) in &reals {
            if let Some(value) = value(report) {
                family.gauge(&[("virtual_server", server), ("real_server", real)], value)?;
            }
        }
    }
    Ok(())
}

/// The counters of everything in the table, also of what others put there.
fn balancer(table: &Listing, page: &mut Page<'_>) -> fmt::Result {
    let services: Vec<(String, &ListedService)> =
        table.services.iter().map(|listed| (name_of_service(&listed.service.key), listed)).collect();
    let destinations: Vec<(&str, String, &ListedDestination)> = services
        .iter()
        .flat_map(|(service, listed)| {
            let destinations = listed.destinations.iter();
            destinations.map(move |one| (service.as_str(), one.destination.key.to_string(), one))
        })
        .collect();
    type Of = fn(&ListedDestination) -> u64;
    let counters: [(&str, &str, Of); 5] = [
        ("ipvs_connections", "Connections scheduled", |one| one.statistics.totals.connections),
        ("ipvs_packets_in", "Packets towards a destination", |one| one.statistics.totals.packets_in),
        ("ipvs_packets_out", "Packets back to clients, where they pass here", |one| {
            one.statistics.totals.packets_out
        }),
        ("ipvs_bytes_in", "Bytes towards a destination", |one| one.statistics.totals.bytes_in),
        ("ipvs_bytes_out", "Bytes back to clients, where they pass here", |one| {
            one.statistics.totals.bytes_out
        }),
    ];
    for (name, help, value) in counters {
        let mut family = page.counters(name, help)?;
        for (service, destination, listed) in &destinations {
            family.counter(&[("service", service), ("destination", destination)], value(listed))?;
        }
    }
    let gauges: [(&str, &str, Of); 3] = [
        ("ipvs_active_connections", "Established connections now", |one| one.connections.active.into()),
        ("ipvs_inactive_connections", "Other connections that are remembered", |one| {
            one.connections.inactive.into()
        }),
        ("ipvs_weight", "Weight in the kernel", |one| one.destination.weight.into()),
    ];
    for (name, help, value) in gauges {
        let mut family = page.gauges(name, help)?;
        for (service, destination, listed) in &destinations {
            family.gauge(&[("service", service), ("destination", destination)], value(listed) as f64)?;
        }
    }
    Ok(())
}
