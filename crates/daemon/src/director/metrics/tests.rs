//! The page: what is on it, whether Prometheus' own tool likes it, and whether the files for people say the same.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use mainstay_core::director::report::{CheckTally, CheckerReport, RealServerReport, VirtualServerReport};
use mainstay_core::director::{self, Verdict, VirtualServerKey};
use mainstay_core::heartbeat::HeartbeatRejection;
use mainstay_core::histogram::Histogram;
use mainstay_core::ipvs::{
    Connections, Destination, DestinationKey, Forwarding, Protocol, Scheduler, Service, ServiceKey,
    Statistics,
};
use mainstay_core::router::report::{
    AlarmReport, Counters, GroupReport, InstanceReport, LeaseState, PathReport, PeerReport, TrackerReport,
};
use mainstay_core::router::{Alarm, Cause, Report, State};
use mainstay_core::time::Instant;
use mainstay_system::ipvs::{ListedDestination, ListedService, Listing};

use super::*;
use crate::measures::{Counted, Identity, Measures, count};

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn histogram(milliseconds: &[u64]) -> Histogram {
    let mut histogram = Histogram::default();
    milliseconds.iter().for_each(|ms| histogram.count(Duration::from_millis(*ms)));
    histogram
}

fn instance(name: &str, state: State) -> InstanceReport {
    let counters = Counters {
        adverts_sent: 12,
        adverts_received: 34,
        auth_failures: 5,
        leases_expired: 1,
        ..Counters::default()
    };
    InstanceReport {
        name: name.into(),
        state,
        since: Instant::from_nanos(40_000_000_000),
        cause: Cause::Started,
        base_priority: 150,
        effective_priority: 130,
        master: None,
        master_priority: 0,
        master_advert_interval: Duration::from_secs(1),
        last_advert: None,
        lease: LeaseState::Armed,
        holds_back: false,
        counters,
        advert_gaps: histogram(&[999, 1001]),
        contested: Duration::from_millis(2500),
        peers: vec![PeerReport { source: address("192.0.2.2"), living: true, told: None, heard: Vec::new() }],
    }
}

fn router() -> Report {
    let path = |up| PathReport {
        name: "dev eth1".into(),
        up,
        sent: 7,
        send_errors: 1,
        peers: Vec::new(),
        rejected: vec![(HeartbeatRejection::Tag, 2)],
    };
    let alarm = |peer: &str| AlarmReport {
        instance: "VI_1".into(),
        alarm: Alarm::TwoMasters { source: address(peer) },
        since: Instant::ZERO,
        last: Instant::ZERO,
        count: 9,
    };
    Report {
        instances: vec![instance("VI_1", State::Master), instance("odd \"name\\", State::Fault)],
        groups: vec![GroupReport { name: "G".into(), state: State::Master }],
        trackers: vec![
            TrackerReport { name: "script chk".into(), up: Some(false) },
            TrackerReport { name: "file new".into(), up: None },
        ],
        alarms: vec![alarm("192.0.2.7"), alarm("192.0.2.8")],
        // Both families of one link.
        paths: vec![path(true), path(false)],
        lateness: histogram(&[0, 3]),
        unknown_vrids: 3,
        ..Report::default()
    }
}

fn directed() -> director::Report {
    let check = CheckerReport {
        question: "TCP_CHECK 10.0.0.1:80".into(),
        verdict: Verdict::Down,
        answers: 3,
        took_us: Some(412),
        trouble: Some("connection refused".into()),
    };
    let real = RealServerReport {
        key: DestinationKey { address: address("10.0.0.1"), port: 80 },
        label: None,
        good: false,
        serving: false,
        weight: 3,
        checkers: vec![check],
    };
    let server = |key| VirtualServerReport {
        key,
        label: None,
        up: true,
        weight: 3,
        quorum: 1,
        panic: false,
        suspended: false,
        real_servers: vec![real.clone()],
    };
    let group = |protocol| VirtualServerKey::Group { name: "web".into(), protocol, ordinal: 0 };
    let tally = CheckTally {
        kind: "TCP_CHECK".into(),
        took: histogram(&[1]),
        results: vec![("connect".into(), 2), ("passed".into(), 1)],
    };
    director::Report {
        virtual_servers: [VirtualServerKey::Service(service()), group(Protocol::Tcp), group(Protocol::Udp)]
            .into_iter()
            .map(server)
            .collect(),
        table: true,
        checkers: 1,
        tallies: vec![tally],
    }
}

fn service() -> ServiceKey {
    ServiceKey::Address { protocol: Protocol::Tcp, address: address("192.0.2.100"), port: 80 }
}

fn table() -> Listing {
    let key = DestinationKey { address: address("10.0.0.1"), port: 80 };
    let forwarding = Forwarding::DirectRoute;
    let mut statistics = Statistics::default();
    statistics.totals.bytes_in = 1 << 40;
    let destination = ListedDestination {
        destination: Destination { key, forwarding, weight: 3, upper_threshold: 0, lower_threshold: 0 },
        connections: Connections { active: 4, inactive: 5, persistent: 0 },
        statistics,
    };
    let service = Service::new(service(), Scheduler::RoundRobin);
    Listing {
        services: vec![ListedService { service, statistics, destinations: vec![destination] }],
        unreadable: 0,
    }
}

/// Something of everything.
fn full() -> Snapshot {
    let mut counted = Counted { started_at_ms: 1_000, configured_at_ms: 61_500, ..Counted::default() };
    let transitions = counted.transitions.entry("VI_1".into()).or_default();
    count(transitions, "MASTER", "no_advert");
    count(&mut counted.scripts, "chk", "timed_out");
    count(&mut counted.notifications, "instance", "succeeded");
    counted.reloads_refused = 2;
    counted.last_reload_refused = true;
    let identity = Identity { interface: "eth0".into(), vrid: 51, version: 3, group: "G".into() };
    let measures = Measures {
        node: "lb1".into(),
        counted,
        router: Some(Box::new(router())),
        identities: vec![identity.clone(), identity],
    };
    Snapshot {
        now: Instant::from_nanos(100_000_000_000),
        wall: Duration::from_secs(1_000_000),
        director: directed(),
        measures: Some(measures),
        table: Some(table()),
    }
}

fn page(style: Style) -> String {
    let page = write(full()).expect("a string takes everything");
    String::from_utf8(style.of(page.as_bytes()).to_vec()).expect("text")
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(file(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Runs promtool. That it is there is part of the tests: `cargo xtask test` installs it.
fn promtool(words: &[&str], input: &str) -> String {
    let mut child = Command::new("promtool")
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool runs: it is in Debian's package prometheus");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "promtool {words:?}: {told}");
    told
}

/// Every name that begins with `mainstay_` in a text, without what a histogram adds to it.
fn names(text: &str) -> BTreeSet<String> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let words = text.split(|letter| !is_part(letter)).filter(|word| word.starts_with("mainstay_"));
    let base = |word: &str| word.strip_suffix("_bucket").unwrap_or(word).to_owned();
    words.map(base).collect()
}

/// The families of a page as their samples are called.
fn families(page: &str) -> BTreeSet<String> {
    let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn everything_is_on_the_page() {
    let page = page(Style::Classic);
    let version = env!("CARGO_PKG_VERSION");
    for line in [
        &format!("mainstay_build_info{{version=\"{version}\",node=\"lb1\"}} 1.0"),
        "mainstay_router_up 1.0",
        "mainstay_start_time_seconds 1.0",
        "mainstay_config_timestamp_seconds 61.5",
        "mainstay_config_last_reload_successful 0.0",
        "mainstay_reloads_total{result=\"refused\"} 2",
        "mainstay_script_runs_total{script=\"chk\",result=\"timed_out\"} 1",
        "mainstay_notify_runs_total{object=\"instance\",result=\"succeeded\"} 1",
        "mainstay_router_loop_lateness_seconds_bucket{le=\"0.0001\"} 1",
        "mainstay_router_loop_lateness_seconds_bucket{le=\"+Inf\"} 2",
        "mainstay_vrrp_state{vrrp_instance=\"VI_1\",state=\"MASTER\"} 1.0",
        "mainstay_vrrp_state{vrrp_instance=\"VI_1\",state=\"BACKUP\"} 0.0",
        "mainstay_vrrp_state{vrrp_instance=\"odd \\\"name\\\\\",state=\"FAULT\"} 1.0",
        "mainstay_vrrp_state_since_timestamp_seconds{vrrp_instance=\"VI_1\"} 999940.0",
        "mainstay_vrrp_transitions_total{vrrp_instance=\"VI_1\",to=\"MASTER\",reason=\"no_advert\"} 1",
        "mainstay_vrrp_adverts_rejected_total{vrrp_instance=\"VI_1\",reason=\"auth_failed\"} 5",
        "mainstay_vrrp_advert_gap_seconds_bucket{le=\"1.0\",vrrp_instance=\"VI_1\"} 1",
        "mainstay_vrrp_advert_gap_seconds_count{vrrp_instance=\"VI_1\"} 2",
        "mainstay_vrrp_double_holder_seconds_total{vrrp_instance=\"VI_1\"} 2.5",
        "mainstay_vrrp_lease_expiries_total{vrrp_instance=\"VI_1\"} 1",
        "mainstay_vrrp_peers_alive{vrrp_instance=\"VI_1\"} 1.0",
        "mainstay_tracker_up{tracker=\"script chk\"} 0.0",
        "mainstay_heartbeat_path_up{path=\"dev eth1\"} 1.0",
        "mainstay_heartbeats_sent_total{path=\"dev eth1\"} 14",
        "mainstay_heartbeats_rejected_total{path=\"dev eth1\",reason=\"tag\"} 4",
        "mainstay_alarms{vrrp_instance=\"VI_1\",alarm=\"two_masters\"} 2.0",
        "mainstay_check_results_total{kind=\"TCP_CHECK\",result=\"connect\"} 2",
        "mainstay_virtual_server_up{virtual_server=\"[web]:udp:0\"} 1.0",
        "mainstay_real_server_up{virtual_server=\"[192.0.2.100]:tcp:80\",real_server=\"[10.0.0.1]:80\"} 0.0",
        "mainstay_real_server_check_duration_seconds{virtual_server=\"[192.0.2.100]:tcp:80\",real_server=\"[10.0.0.1]:80\"} 0.000412",
        "mainstay_ipvs_bytes_in_total{service=\"[192.0.2.100]:tcp:80\",destination=\"[10.0.0.1]:80\"} 1099511627776",
    ] {
        assert!(page.lines().any(|found| found == line), "{line}\nis not in\n{page}");
    }
    assert!(!page.contains("file new"), "nothing is said of what is not known: {page}");
}

#[test]
fn no_series_is_there_twice() {
    let page = page(Style::Classic);
    let mut series = BTreeSet::new();
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let (name, _) = line.rsplit_once(' ').expect("a name and a value");
        assert!(series.insert(name), "{name}");
    }
}

#[test]
fn promtool_accepts_the_page() {
    promtool(&["check", "metrics"], &page(Style::Classic));
    let open = page(Style::OpenMetrics);
    assert!(open.ends_with("# EOF\n") && open.contains("# TYPE mainstay_reloads counter"), "{open}");
}

#[test]
fn a_page_without_answers_says_that_the_router_is_not_up() {
    let empty = || Snapshot::new(director::Report::default(), None, None);
    let page = write(empty()).expect("a string takes everything");
    assert!(page.contains("mainstay_router_up 0") && !page.contains("mainstay_vrrp_state"), "{page}");
    let dead = Measures { node: "lb1".into(), ..Measures::default() };
    let page = write(Snapshot { measures: Some(dead), ..empty() }).expect("a string takes everything");
    assert!(page.contains("mainstay_router_up 0") && page.contains("mainstay_reloads_total"), "{page}");
}

#[test]
fn promtool_accepts_the_rules_and_they_tell_what_they_should() {
    let folder = file("packaging/prometheus");
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    promtool(&["check", "rules", &path("mainstay.rules.yml")], "");
    promtool(&["test", "rules", &path("mainstay.tests.yml")], "");
}

#[test]
fn the_manual_names_every_family_and_the_other_files_name_no_other() {
    let served = families(&page(Style::Classic));
    assert_eq!(names(&read("docs/metrics.md")), served);
    for name in ["packaging/prometheus/mainstay.rules.yml", "packaging/prometheus/mainstay.dashboard.json"] {
        let unknown: Vec<_> = names(&read(name)).difference(&served).cloned().collect();
        assert!(unknown.is_empty(), "{name}: {unknown:?}");
    }
    let dashboard: serde_json::Value =
        serde_json::from_str(&read("packaging/prometheus/mainstay.dashboard.json")).expect("JSON");
    assert!(dashboard["panels"].as_array().is_some_and(|panels| panels.len() > 10));
}
