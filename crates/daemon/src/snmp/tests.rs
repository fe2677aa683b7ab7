//! The objects of a small configuration.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mainstay_agentx::{Objects, Value};
use mainstay_config::{InterfaceFacts, Model, Options};
use mainstay_core::histogram::Histogram;
use mainstay_core::router::report::{Counters, InstanceReport, LeaseState};
use mainstay_core::router::{Cause, Notification, NotifyObject, NotifyState, Report, State};
use mainstay_core::time::Instant;
use mainstay_core::vrrp::packet::Rejection;

use super::links::Links;
use super::snapshot::Memory;
use super::*;

const CONFIG: &str = "\
global_defs {
    router_id LB1
    notification_email {
        root@example.com
    }
    smtp_server 192.0.2.25
    enable_snmp_vrrp
    enable_snmp_rfc
    enable_traps
}
vrrp_instance VI_1 {
    state MASTER
    interface eth0
    virtual_router_id 7
    priority 100
    authentication {
        auth_type PASS
        auth_pass secret12
    }
    virtual_ipaddress {
        10.0.0.100/24
        10.0.0.101
    }
}
";

/// A host with any link.
struct Host;

impl mainstay_config::Host for Host {
    fn interface(&self, _: &str) -> Option<InterfaceFacts> {
        Some(InterfaceFacts { loopback: false, multicast: true, mtu: 1500 })
    }

    fn user(&self, _: &str) -> Option<(u32, u32)> {
        Some((0, 0))
    }

    fn group(&self, _: &str) -> Option<u32> {
        Some(0)
    }

    fn node_name(&self) -> String {
        "node".into()
    }

    fn environment(&self, _: &str) -> Option<String> {
        None
    }
}

/// What [`CONFIG`] means.
pub fn model() -> Model {
    mainstay_config::load_text(Path::new("test.conf"), CONFIG.into(), &Options::default(), &Host).model
}

fn at(seconds: u64) -> Instant {
    Instant::ZERO + Duration::from_secs(seconds)
}

/// VI_1 in a state since the tenth second.
fn report(state: State) -> Report {
    let instance = InstanceReport {
        name: "VI_1".into(),
        state,
        since: at(10),
        cause: Cause::NoAdvertFor { silence: Duration::from_secs(3) },
        base_priority: 100,
        effective_priority: 90,
        master: Some(IpAddr::from([10, 0, 0, 1])),
        master_priority: 100,
        master_advert_interval: Duration::from_secs(1),
        last_advert: None,
        lease: LeaseState::Off,
        holds_back: false,
        counters: Counters { adverts_received: (1 << 32) + 5, became_master: 1, ..Counters::default() },
        peers: Vec::new(),
        advert_gaps: Histogram::default(),
        contested: Duration::ZERO,
    };
    Report { instances: vec![instance], ..Report::default() }
}

/// At the thirtieth second, when the agent has run for 100 s.
fn snapshot(report: Report) -> Snapshot {
    let mut memory = Memory::default();
    memory.follow(&report);
    Snapshot {
        at: at(30),
        model: Arc::new(model()),
        router: RouterSide { report, ..RouterSide::default() },
        links: Links::of_test("eth0", 3, [2, 0, 0, 0, 0, 9], IpAddr::from([10, 0, 0, 1])),
        memory,
        uptime: Duration::from_secs(100),
    }
}

fn value(snapshot: &Snapshot, name: &[u32]) -> Value {
    view(snapshot).get(name)
}

#[test]
fn an_instance_is_found_in_all_three_sets_of_objects() {
    let snapshot = snapshot(report(State::Master));
    let ours = |column| value(&snapshot, &keepalived::name(&[2, 3, 1, column, 1]));
    assert_eq!(ours(2), Value::text("VI_1"));
    assert_eq!(ours(4), Value::Integer(2));
    assert_eq!((ours(7), ours(8)), (Value::Integer(100), Value::Integer(90)));
    assert_eq!(ours(15), Value::Integer(1), "a password, which is not told");
    assert_eq!(ours(22), Value::NoSuchInstance, "no script");
    let old = |below: &[u32]| value(&snapshot, &rfc2787::name(below));
    assert_eq!(old(&[1, 3, 1, 3, 3, 7]), Value::Integer(3));
    assert_eq!(old(&[1, 3, 1, 2, 3, 7]), Value::Octets(vec![2, 0, 0, 0, 0, 9]));
    assert_eq!(old(&[1, 3, 1, 13, 3, 7]), Value::TimeTicks(8_000), "sysUpTime at the tenth second");
    assert_eq!(old(&[1, 4, 1, 2, 3, 7, 10, 0, 0, 101]), Value::Integer(1));
    let new = |below: &[u32]| value(&snapshot, &rfc6527::name(below));
    assert_eq!(new(&[1, 1, 1, 1, 6, 3, 7, 1]), Value::Integer(3));
    assert_eq!(new(&[1, 1, 1, 1, 12, 3, 7, 1]), Value::TimeTicks(2_000), "twenty seconds");
    assert_eq!(new(&[1, 2, 5, 1, 2, 3, 7, 1]), Value::Integer(3), "no advert");
}

#[test]
fn a_counter_of_32_bits_wraps_where_one_of_64_goes_on() {
    let snapshot = snapshot(report(State::Backup));
    assert_eq!(value(&snapshot, &rfc2787::name(&[2, 4, 1, 2, 3, 7])), Value::Counter32(5));
    let whole = Value::Counter64((1 << 32) + 5);
    assert_eq!(value(&snapshot, &rfc6527::name(&[1, 2, 5, 1, 3, 3, 7, 1])), whole);
}

#[test]
fn what_is_not_switched_on_is_not_told() {
    let mut snapshot = snapshot(report(State::Master));
    let model = Arc::make_mut(&mut snapshot.model);
    (model.snmp.vrrp, model.snmp.rfc6527) = (false, false);
    assert_eq!(subtrees(&snapshot.model.snmp), [Oid::new(&rfc2787::MIB)]);
    assert_eq!(value(&snapshot, &keepalived::name(&[1, 2, 0])), Value::NoSuchObject);
    assert_eq!(value(&snapshot, &rfc2787::name(&[1, 1, 0])), Value::Integer(2));
}

#[test]
fn nothing_of_the_router_is_told_while_it_does_not_run() {
    let snapshot = snapshot(Report::default());
    assert_eq!(value(&snapshot, &keepalived::name(&[1, 2, 0])), Value::text("LB1"));
    assert_eq!(value(&snapshot, &keepalived::name(&[2, 3, 1, 2, 1])), Value::NoSuchInstance);
}

#[test]
fn every_object_of_a_walk_lies_in_a_registered_subtree() {
    let snapshot = snapshot(report(State::Master));
    let (view, subtrees) = (view(&snapshot), subtrees(&snapshot.model.snmp));
    let (mut at, mut count) = (Oid::default(), 0);
    while let Some((name, value)) = view.next(at.numbers(), false) {
        assert!(name > at && view.get(name.numbers()) == value, "{name}");
        assert!(subtrees.iter().any(|subtree| name.numbers().starts_with(subtree.numbers())), "{name}");
        (at, count) = (name, count + 1);
    }
    assert!(count > 100, "{count} objects");
}

fn changed(state: NotifyState) -> Change {
    let object = NotifyObject::Instance("VI_1".into());
    Change::State(Notification { object, state, priority: 100 })
}

#[test]
fn a_new_master_is_told_in_all_three_ways() {
    let snapshot = snapshot(report(State::Master));
    let told = traps::traps(&snapshot, &changed(NotifyState::Master));
    let names: Vec<_> = told.iter().map(|(name, _)| name.numbers().to_vec()).collect();
    let expected = [keepalived::name(&[2, 10, 0, 2]), rfc2787::name(&[0, 1]), rfc6527::name(&[0, 1])];
    assert_eq!(names, expected);
    assert_eq!(traps::traps(&snapshot, &changed(NotifyState::Fault)).len(), 1);
    assert_eq!(traps::traps(&snapshot, &changed(NotifyState::MasterPriority)), []);
}

#[test]
fn nothing_is_told_unasked_without_enable_traps() {
    let mut snapshot = snapshot(report(State::Master));
    Arc::make_mut(&mut snapshot.model).snmp.traps = false;
    assert_eq!(traps::traps(&snapshot, &changed(NotifyState::Master)), []);
}

#[test]
fn a_wrong_password_and_a_wrong_checksum_are_told() {
    let snapshot = snapshot(report(State::Backup));
    let rejected = |rejection| Change::Rejected {
        instance: "VI_1".into(),
        source: IpAddr::from([10, 0, 0, 2]),
        rejection,
    };
    let password = traps::traps(&snapshot, &rejected(Rejection::AuthFailed));
    assert_eq!(password[0].0, Oid::new(&rfc2787::name(&[0, 2])));
    assert_eq!(password[0].1[1].value, Value::Integer(3));
    let checksum = traps::traps(&snapshot, &rejected(Rejection::Checksum));
    assert_eq!(checksum[0].0, Oid::new(&rfc6527::name(&[0, 2])));
    assert_eq!(checksum[0].1[0].value, Value::Integer(3));
}

#[test]
fn the_memory_knows_since_when_an_instance_runs_and_what_was_last_wrong() {
    let mut memory = Memory::default();
    memory.follow(&report(State::Backup));
    let mut later = report(State::Master);
    later.instances[0].since = at(20);
    later.instances[0].counters.checksum_errors = 1;
    memory.follow(&later);
    let remembered = memory.of("VI_1");
    assert_eq!(remembered.runs_since, Some(at(10)));
    assert_eq!((remembered.last_mastership, remembered.last_error), (3, 3));
    memory.follow(&report(State::Fault));
    assert_eq!(memory.of("VI_1").runs_since, None);
    memory.follow(&Report::default());
    assert_eq!(memory.of("VI_1"), Default::default());
}
