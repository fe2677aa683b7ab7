//! The VIP lease: a master that did not advertise for longer than its lease is master no more, and the kernel closes
//! the gate before its addresses (reference/ha.md section 3.2, cases D05 to D07 as far as one node decides them).

use mainstay_core::lease::{Gate, Guard};
use mainstay_core::router::report::LeaseState;
use mainstay_core::router::{Cause, Reason};
use proptest::prelude::*;

use super::harness::*;

/// The usual lease at an interval of one second.
const LEASE: Duration = ms(2500);

fn leased() -> Instance {
    alone().leased(LEASE)
}

/// A master that has heard a peer of lower priority, with its last advert at this moment.
fn armed_master() -> Node {
    armed(leased())
}

fn armed(plan: impl Into<Plan>) -> Node {
    let mut node = Node::master(plan);
    node.hear(advert().priority(50));
    // The answer to it, and what is left of the contest.
    node.advance(s(6));
    while node.adverts_after(node.now).last() != Some(&(Duration::ZERO, 100)) {
        node.forget();
        assert!(node.advance_to_next_deadline(node.now + s(2)), "a master advertises");
    }
    node.forget();
    node
}

fn armed_guard(gates: Option<&[Gate]>) -> Vec<bool> {
    gates.unwrap_or_default().iter().map(|gate| matches!(gate.guard, Guard::Lease { .. })).collect()
}

#[test]
fn d06_a_master_that_slept_longer_than_its_lease_wakes_up_as_a_backup_and_says_nothing() {
    let mut node = armed_master();
    node.stall(s(5));
    node.tick();
    node.expect_state(Backup);
    node.expect_effects(&["close gate", "remove 192.0.2.1", "notify VI_1 BACKUP"]);
    assert_eq!(node.report().cause, Cause::LeaseExpired { age: s(5) });
    assert_eq!(node.counters().leases_expired, 1);
}

#[test]
fn d06_it_waits_the_whole_master_down_interval_and_takes_over_if_nobody_else_did() {
    let mut node = armed_master();
    node.stall(s(5));
    node.tick();
    assert_eq!(node.time_until(Master), DOWN);
}

#[test]
fn d06_what_waited_for_it_is_judged_as_a_backup() {
    let mut node = armed_master();
    node.stall(s(5));
    node.hear(advert().priority(100).from("192.0.2.251"));
    node.expect_state(Backup);
    node.expect_effects(&["close gate", "remove 192.0.2.1", "notify VI_1 BACKUP"]);
    assert_eq!(node.time_until(Master), DOWN, "it has heard the new master and waits for its silence");
}

#[test]
fn every_fact_finds_a_late_master_as_a_backup() {
    type Tell = fn(&mut Node);
    let facts: Vec<(&str, Tell)> = vec![
        ("a tick", Node::tick),
        ("a packet", |node| node.hear(advert().priority(1))),
        ("a damaged packet", |node| node.hear(advert().damaged(Vec::clear))),
        ("a list", Node::list_kernel),
        ("a link", |node| node.set_link("eth1", false)),
        ("an address that went", |node| node.step(Input::AddressRemoved(ETH0, ip("192.0.2.1")))),
        ("a refused advert", |node| node.step(Input::AdvertRefused { instance: "VI_1".into(), errno: 1 })),
        ("a refused gate", |node| node.step(Input::GatesRefused { errno: 1 })),
        ("a file", |node| node.read_file("load", 1)),
        ("a reload", |node| node.reload(leased().priority(120))),
    ];
    for (name, fact) in facts {
        let mut node = armed_master();
        node.stall(LEASE);
        fact(&mut node);
        assert_eq!(node.state(), Backup, "{name}");
        let effects = node.effects();
        let sends = |effect: &String| effect.starts_with("advert") || effect.starts_with("a");
        assert!(!effects.iter().any(sends), "{name}: {effects:?}");
        assert!(effects.contains(&"remove 192.0.2.1".into()), "{name}: {effects:?}");
    }
}

#[test]
fn a_late_master_that_is_asked_to_end_does_not_resign_from_what_it_lost() {
    let mut node = armed_master();
    node.stall(LEASE);
    node.step(Input::ShutdownRequested);
    let effects = node.effects();
    assert!(!effects.iter().any(|effect| effect.starts_with("advert")), "{effects:?}");
    assert!(!node.has("192.0.2.1"));
    assert_eq!(effects.last().map(String::as_str), Some("finished"));
}

#[test]
fn stalls_around_the_length_of_the_lease() {
    for (stall, expected) in [
        (ms(0), Master),
        (ms(999), Master),
        (ms(1001), Master),
        (ms(2499), Master),
        (us(2_499_999), Master),
        (ms(2500), Backup),
        (us(2_500_001), Backup),
        (s(3), Backup),
        (s(3600), Backup),
    ] {
        let mut node = armed_master();
        node.stall(stall);
        node.tick();
        assert_eq!(node.state(), expected, "after {stall:?}");
    }
}

#[test]
fn the_shortest_interval_has_a_lease_of_25_milliseconds() {
    for (stall, expected) in [(ms(24), Master), (ms(25), Backup)] {
        let mut node = armed(leased().interval(ms(10)).leased(ms(25)));
        node.stall(stall);
        node.tick();
        assert_eq!(node.state(), expected, "after {stall:?}");
    }
}

#[test]
fn a_master_in_time_never_loses_its_lease() {
    let mut node = armed_master();
    node.advance(s(600));
    node.expect_state(Master);
    assert_eq!(node.counters().leases_expired, 0);
    assert_eq!(node.adverts_after(node.now - s(600)).len(), 600);
}

#[test]
fn a_sync_group_loses_its_lease_together() {
    let members = || {
        plan()
            .instance(instance("VI_1").leased(LEASE))
            .instance(instance("VI_2").vrid(11).addresses(&["192.0.2.2"]))
            .group(group("VG", &["VI_1", "VI_2"]))
    };
    let mut node = Node::with(members());
    node.advance(s(5));
    node.hear(advert().priority(50));
    node.expect_states(&[("VI_1", Master), ("VI_2", Master)]);
    node.advance(s(7));
    node.forget();
    node.stall(s(4));
    node.tick();
    node.expect_states(&[("VI_1", Backup), ("VI_2", Backup)]);
    assert_eq!(node.group_state("VG"), Backup);
    let effects = node.effects();
    assert!(!effects.iter().any(|effect| effect.starts_with("advert")), "{effects:?}");
}

// ---- when it counts ----

#[test]
fn without_a_known_peer_a_late_master_stays_master() {
    let mut node = Node::master(leased());
    assert_eq!(node.report().lease, LeaseState::NoPeer);
    node.stall(s(60));
    node.tick();
    node.expect_state(Master);
    node.expect_effects(&["advert 100"]);
}

#[test]
fn only_if_peer_seen_off_counts_from_the_beginning() {
    let mut node = Node::master(alone().always_leased(LEASE));
    assert_eq!(node.report().lease, LeaseState::Armed);
    node.stall(s(60));
    node.tick();
    node.expect_state(Backup);
}

#[test]
fn without_a_lease_a_late_master_stays_master() {
    let mut node = Node::master(alone());
    node.hear(advert().priority(50));
    assert_eq!(node.report().lease, LeaseState::Off);
    node.stall(s(60));
    node.tick();
    node.expect_state(Master);
}

#[test]
fn a_peer_that_was_heard_counts_until_it_says_that_it_leaves() {
    let mut node = Node::master(leased());
    node.hear(advert().priority(50));
    assert_eq!(node.report().lease, LeaseState::Armed);
    let told: Vec<_> = node.events().into_iter().map(|event| event.reason.clone()).collect();
    assert!(told.contains(&Reason::LeaseArmed { peer: ip("192.0.2.251") }), "{told:?}");
    node.advance(s(3600));
    assert_eq!(node.report().lease, LeaseState::Armed, "a backup is silent for ever");
    node.forget();
    node.hear(advert().priority(0));
    assert_eq!(node.report().lease, LeaseState::NoPeer);
    assert!(node.events().into_iter().any(|event| event.reason == Reason::LeaseWithoutPeer));
}

#[test]
fn what_was_rejected_makes_nobody_a_peer() {
    let mut node = Node::master(leased());
    node.hear(advert().priority(50).ttl(1));
    node.hear(advert().priority(50).damaged(Vec::clear));
    assert_eq!(node.report().lease, LeaseState::NoPeer);
}

#[test]
fn a_restarted_process_still_knows_who_is_alive() {
    let mut node = armed_master();
    let mut again = Node::cold(leased(), Some(&node.router.resume()));
    again.addresses.clone_from(&node.addresses);
    again.now = node.now;
    again.list_kernel();
    again.expect_state(Master);
    assert_eq!(again.report().lease, LeaseState::Armed);
    assert_eq!(armed_guard(again.gates()), [true]);
    node.forget();
}

#[test]
fn a_mastership_whose_gate_had_closed_before_the_crash_is_not_taken_up() {
    for (open, expected) in [
        (None, Master),
        (Some(vec![]), Backup),
        (Some(vec!["192.0.2.1"]), Master),
        (Some(vec!["192.0.2.77"]), Backup),
    ] {
        let node = armed_master();
        let mut again = Node::cold(leased(), Some(&node.router.resume()));
        let open = open.clone().map(|open| open.into_iter().map(ip).collect());
        again.router = again.router.clone().with_open_gates(open.clone());
        again.addresses.clone_from(&node.addresses);
        again.now = node.now;
        again.list_kernel();
        again.expect_state(expected);
        assert_eq!(again.has("192.0.2.1"), expected == Master, "{open:?}");
    }
}

#[test]
fn a_mastership_that_nothing_closes_is_taken_up_whatever_is_open() {
    let node = Node::master(leased());
    let mut again = Node::cold(leased(), Some(&node.router.resume()));
    again.router = again.router.clone().with_open_gates(Some(std::collections::BTreeSet::new()));
    again.addresses.clone_from(&node.addresses);
    again.list_kernel();
    again.expect_state(Master);
}

// ---- adverts that leave too late ----

#[test]
fn an_advert_says_until_when_it_may_leave() {
    let mut node = armed_master();
    let last = node.now;
    node.advance(s(1));
    let until: Vec<_> = node.adverts().iter().map(|advert| advert.not_after).collect();
    assert_eq!(until, [Some(last + LEASE)]);
}

#[test]
fn without_a_lease_that_counts_an_advert_may_leave_at_any_time() {
    let mut node = Node::master(leased());
    node.advance(s(1));
    assert!(!node.adverts().is_empty());
    assert!(node.adverts().iter().all(|advert| advert.not_after.is_none()));
}

// ---- gates ----

#[test]
fn gates_are_made_before_anything_is_answered_for() {
    let mut node = Node::with(alone().always_leased(LEASE));
    let first = node.new_orders().first().map(|(_, action)| action.clone());
    let Some(Action::SetGates(gates)) = first else { panic!("{first:?}") };
    let [gate] = &*gates else { panic!("{gates:?}") };
    assert_eq!((&*gate.instance, gate.vrid, gate.family, gate.lease), ("VI_1", 10, Family::V4, LEASE));
    assert_eq!((gate.link.index, gate.link.name.as_str()), (ETH0, "eth0"));
    assert_eq!(gate.destinations, [ip("224.0.0.18")]);
    assert_eq!(gate.guard, Guard::Lease { until: None }, "no advert has left");
    let addresses: Vec<_> = gate.addresses.iter().map(|(link, address)| (link.index, *address)).collect();
    assert_eq!(addresses, [(ETH0, ip("192.0.2.1"))]);
    node.forget();
    node.advance(s(60));
    assert_eq!(node.gates(), None, "adverts renew it, not orders");
}

#[test]
fn what_a_predecessor_left_is_taken_away_where_no_lease_is_wanted() {
    let node = Node::with(alone());
    assert_eq!(node.gates(), Some(&[][..]));
}

#[test]
fn a_gate_is_open_until_a_peer_is_known() {
    let mut node = Node::with(leased());
    assert_eq!(armed_guard(node.gates()), [false]);
    node.become_master();
    node.hear(advert().priority(50));
    node.forget();
    node.advance(ms(10));
    let until = node.now - ms(10) + LEASE;
    let guards: Vec<_> = node.gates().unwrap_or_default().iter().map(|gate| gate.guard).collect();
    assert_eq!(guards, [Guard::Lease { until: Some(until) }], "by the last advert");
    node.forget();
    node.hear(advert().priority(0));
    node.advance(ms(10));
    assert_eq!(armed_guard(node.gates()), [false]);
}

#[test]
fn peers_that_become_known_together_change_the_gates_once() {
    let many = (0..100_u8).fold(plan(), |plan, number| {
        let name = format!("VI_{number}");
        let address = format!("203.0.113.{number}");
        plan.instance(instance(&name).vrid(number + 1).addresses(&[&address]).leased(LEASE))
    });
    let mut node = Node::with(many);
    node.advance(s(1));
    node.forget();
    for number in 0..100_u8 {
        let address = format!("203.0.113.{number}");
        node.hear(advert().vrid(number + 1).addresses(&[&address]));
    }
    node.advance(ms(100));
    let orders = node.new_orders().iter().filter(|(_, action)| matches!(action, Action::SetGates(_)));
    assert_eq!(orders.count(), 1);
    assert_eq!(armed_guard(node.gates()), [true; 100]);
}

#[test]
fn a_master_that_yields_closes_its_gate_before_it_lets_go() {
    let mut node = armed_master();
    node.hear(advert().priority(200));
    node.expect_effects(&["close gate", "remove 192.0.2.1", "notify VI_1 BACKUP"]);
}

#[test]
fn a_gate_that_nothing_closes_is_not_closed_for_a_member_of_a_group_that_yields() {
    let members = plan()
        .instance(alone().leased(LEASE))
        .instance(instance("VI_2").vrid(11).addresses(&["192.0.2.2"]).announcing_once().leased(LEASE))
        .group(group("VG", &["VI_1", "VI_2"]));
    let mut node = Node::with(members);
    node.advance(s(5));
    node.hear(advert().priority(50));
    node.advance(ms(10));
    node.forget();
    node.hear(advert().priority(200));
    node.expect_states(&[("VI_1", Backup), ("VI_2", Backup)]);
    // No peer of VI_2 is known: no advert would open its gate again.
    let closed = node.effects().into_iter().filter(|effect| effect == "close gate");
    assert_eq!(closed.count(), 1);
}

#[test]
fn a_master_that_resigns_needs_no_order_to_close() {
    let mut node = armed_master();
    node.set_link("eth0", false);
    node.expect_effects(&["advert 0", "remove 192.0.2.1", "notify VI_1 FAULT"]);
    // The kernel did not let it out: then it closed nothing.
    node.step(Input::AdvertRefused { instance: "VI_1".into(), errno: 100 });
    node.expect_effects(&["close gate"]);
}

#[test]
fn at_the_end_the_gates_go_after_the_addresses() {
    let mut node = armed_master();
    node.step(Input::ShutdownRequested);
    let orders: Vec<_> = node.new_orders().iter().map(|(_, action)| action.clone()).collect();
    let place = |wanted: fn(&Action) -> bool| orders.iter().position(wanted).expect("is ordered");
    let removed = place(|action| matches!(action, Action::RemoveAddress(_)));
    let gates = place(|action| matches!(action, Action::SetGates(gates) if gates.is_empty()));
    assert!(removed < gates && gates + 2 == orders.len(), "{orders:?}");
}

#[test]
fn a_successor_that_only_hands_over_does_the_same() {
    let node = armed_master();
    let mut again = Node::cold(leased(), Some(&node.router.resume()));
    again.addresses.clone_from(&node.addresses);
    again.step(Input::ShutdownRequested);
    again.list_kernel();
    let orders: Vec<_> = again.new_orders().iter().map(|(_, action)| action.clone()).collect();
    let gates =
        orders.iter().position(|action| matches!(action, Action::SetGates(gates) if gates.is_empty()));
    assert_eq!(gates, Some(orders.len() - 2), "{orders:?}");
    assert!(!again.has("192.0.2.1"));
}

#[test]
fn addresses_that_stay_at_the_end_stay_without_a_gate() {
    let mut plan: Plan = leased().into();
    plan.0.settings.keep_addresses_on_exit = true;
    let mut node = armed(plan);
    node.step(Input::ShutdownRequested);
    assert!(node.has("192.0.2.1"));
    assert_eq!(node.gates(), Some(&[][..]));
}

#[test]
fn a_gate_follows_its_link() {
    let mut node = armed_master();
    let link = node.links.remove(0);
    node.addresses.retain(|(index, _)| *index != ETH0);
    node.step(Input::LinkRemoved(ETH0));
    assert_eq!(node.gates(), Some(&[][..]));
    node.forget();
    let again = mainstay_core::router::Link { index: LinkIndex(9), ..link };
    node.links.push(again.clone());
    node.step(Input::LinkChanged(again));
    let places: Vec<_> = node.gates().unwrap_or_default().iter().map(|gate| gate.link.index).collect();
    assert_eq!(places, [LinkIndex(9)]);
}

#[test]
fn an_address_of_two_routers_stands_behind_no_gate() {
    let both = plan()
        .instance(instance("VI_1").addresses(&["192.0.2.1", "192.0.2.9"]).leased(LEASE))
        .instance(instance("VI_2").vrid(11).addresses(&["192.0.2.9"]).leased(LEASE));
    let node = Node::with(both);
    let behind: Vec<_> = node
        .gates()
        .unwrap_or_default()
        .iter()
        .flat_map(|gate| gate.addresses.iter().map(|(_, address)| *address))
        .collect();
    assert_eq!(behind, [ip("192.0.2.1")]);
}

#[test]
fn an_address_on_the_loopback_stands_behind_no_gate() {
    let mut node =
        Node::cold(leased().but(|plan| plan.addresses = vec![virtual_address("192.0.2.1", "lo")]), None);
    let lo = mainstay_core::router::Link {
        index: LinkIndex(1),
        name: "lo".into(),
        no_arp: true,
        mac: Some([0; 6]),
        ..node.links[0].clone()
    };
    node.links.insert(0, lo);
    node.list_kernel();
    assert_eq!(node.gates(), Some(&[][..]));
}

#[test]
fn a_reload_that_takes_the_lease_away_opens_everything() {
    let mut node = armed_master();
    node.reload(alone());
    assert_eq!(node.gates(), Some(&[][..]));
    node.stall(s(60));
    node.tick();
    node.expect_state(Master);
}

#[test]
fn a_lease_that_a_reload_changes_is_as_long_as_it_was_when_the_last_advert_left() {
    for (new, wait, expected) in [
        (ms(1100), ms(2499), Master),
        (ms(1100), ms(2500), Backup),
        (ms(7500), ms(2499), Master),
        (ms(7500), ms(2500), Backup),
    ] {
        let mut node = armed_master();
        node.stall(ms(500));
        node.reload(alone().leased(new));
        node.stall(wait - ms(500));
        node.tick();
        assert_eq!(node.state(), expected, "{new:?} instead of {LEASE:?}, after {wait:?}");
    }
}

#[test]
fn a_reload_to_a_far_shorter_interval_costs_no_mastership() {
    let mut node = armed_master();
    node.stall(ms(900));
    node.reload(alone().interval(ms(100)).leased(ms(250)));
    node.advance(s(1));
    node.expect_state(Master);
    assert_eq!(node.counters().leases_expired, 0);
    node.stall(ms(250));
    node.tick();
    node.expect_state(Backup);
}

#[test]
fn gates_the_kernel_refuses_are_told_once_and_tried_again() {
    let mut node = armed_master();
    node.step(Input::GatesRefused { errno: 95 });
    assert_eq!(node.report().lease, LeaseState::Off);
    let told = node.events().into_iter().filter(|event| event.reason == Reason::LeaseRefused { errno: 95 });
    assert_eq!(told.count(), 1);
    node.stall(s(10));
    node.tick();
    node.expect_state(Master);
    node.forget();
    node.advance(s(60));
    assert_eq!(armed_guard(node.gates()), [true], "tried again");
    node.step(Input::GatesRefused { errno: 95 });
    assert!(node.events().is_empty(), "and told once");
    assert_eq!(node.router.report().gates_refused, 2);
}

// ---- preemption ----

#[test]
fn a_router_that_preempts_advertises_first_and_takes_the_address_a_moment_later() {
    let mut node = Node::with(leased().priority(150));
    node.hear(advert().priority(100));
    node.forget();
    node.time_until(Master);
    node.expect_effects(&["gates VI_1 leased", "advert 150"]);
    assert!(node.report().holds_back);
    node.advance(us(9_999));
    node.expect_effects(&[]);
    node.advance(us(1));
    node.expect_effects(&["add 192.0.2.1", "announce 192.0.2.1 x5", "notify VI_1 MASTER"]);
    assert!(!node.report().holds_back);
}

#[test]
fn at_short_intervals_the_moment_is_a_quarter_of_one() {
    let mut node = Node::with(leased().priority(150).interval(ms(20)).leased(ms(50)));
    node.hear(advert().priority(100).interval(ms(20)));
    node.time_until(Master);
    node.forget();
    node.advance(ms(5));
    assert!(node.has("192.0.2.1"));
    assert!(node.announcements("192.0.2.1") > 0);
}

#[test]
fn after_silence_and_after_a_resignation_nobody_waits() {
    let mut node = Node::with(leased());
    node.time_until(Master);
    assert!(node.has("192.0.2.1"), "silence");
    let mut node = Node::with(leased().priority(150));
    node.hear(advert().priority(200));
    node.hear(advert().priority(0));
    node.time_until(Master);
    assert!(node.has("192.0.2.1"), "a resignation");
}

#[test]
fn without_a_lease_preemption_is_as_it_always_was() {
    let mut node = Node::with(alone().priority(150));
    node.hear(advert().priority(100));
    node.time_until(Master);
    assert!(node.has("192.0.2.1"));
}

/// A master of priority 150 that holds back.
fn holding_back() -> Node {
    let mut node = Node::with(leased().priority(150));
    node.hear(advert().priority(100));
    node.time_until(Master);
    node.forget();
    assert!(node.report().holds_back);
    node
}

#[test]
fn one_that_holds_back_and_yields_leaves_nothing_and_tells_nobody() {
    let mut node = holding_back();
    node.hear(advert().priority(200));
    node.expect_state(Backup);
    node.expect_effects(&["close gate"]);
    node.advance(s(1));
    node.expect_effects(&[]);
}

#[test]
fn one_that_holds_back_and_must_end_resigns() {
    let mut node = holding_back();
    node.step(Input::ShutdownRequested);
    node.expect_effects(&["advert 0", "notify VI_1 STOP", "finished"]);
    assert!(!node.has("192.0.2.1"));
}

#[test]
fn one_that_holds_back_and_is_contested_answers_and_announces_later() {
    let mut node = holding_back();
    node.hear(advert().priority(100));
    node.expect_effects(&["advert 150"]);
    node.advance(ms(10));
    node.expect_effects(&["add 192.0.2.1", "announce 192.0.2.1 x5", "notify VI_1 MASTER"]);
    node.advance(ms(300));
    node.expect_effects(&["announce 192.0.2.1 x2"]);
}

#[test]
fn a_reload_in_that_moment_changes_what_is_taken() {
    let mut node = holding_back();
    node.reload(leased().priority(150).addresses(&["192.0.2.1", "192.0.2.2"]));
    assert!(!node.has("192.0.2.1") && !node.has("192.0.2.2"));
    node.advance(ms(10));
    assert!(node.has("192.0.2.1") && node.has("192.0.2.2"));
    node.reload(plan());
    assert!(!node.has("192.0.2.1") && !node.has("192.0.2.2"));
}

#[test]
fn a_reload_without_it_in_that_moment_leaves_nothing() {
    let mut node = holding_back();
    node.reload(plan());
    node.advance(s(1));
    assert!(!node.has("192.0.2.1"));
}

#[test]
fn a_successor_does_not_wait_again() {
    let node = holding_back();
    let mut again = Node::cold(Plan(node.plan.clone()), Some(&node.router.resume()));
    again.now = node.now;
    again.list_kernel();
    again.expect_state(Master);
    assert!(again.has("192.0.2.1"));
}

#[test]
fn a_group_that_preempts_takes_its_addresses_together_and_is_told_of_then() {
    let members = plan()
        .instance(alone().priority(150).leased(LEASE))
        .instance(
            instance("VI_2").vrid(11).priority(150).addresses(&["192.0.2.2"]).announcing_once().leased(LEASE),
        )
        .group(group("VG", &["VI_1", "VI_2"]));
    let mut node = Node::with(members);
    node.hear(advert().priority(100));
    node.hear(advert().priority(100).vrid(11).addresses(&["192.0.2.2"]));
    node.forget();
    node.time_until(Master);
    node.advance(ms(1));
    node.expect_states(&[("VI_1", Master), ("VI_2", Master)]);
    node.expect_effects(&["gates VI_1 leased, VI_2 leased", "advert 150 x2"]);
    node.advance(ms(10));
    let effects = node.effects();
    assert!(node.has("192.0.2.1") && node.has("192.0.2.2"));
    assert_eq!(effects.last().map(String::as_str), Some("notify VG MASTER"), "{effects:?}");
    assert_eq!(effects.iter().filter(|effect| effect.starts_with("notify")).count(), 3, "{effects:?}");
}

#[test]
fn after_a_contest_the_survivor_announces_at_0_50_and_200_milliseconds_and_1_and_5_seconds() {
    let mut node = Node::master(instance("VI_1"));
    node.advance(s(6));
    node.forget();
    let begin = node.now;
    node.hear(advert().priority(50));
    node.advance(s(20));
    let mut rounds: Vec<(u128, usize)> = Vec::new();
    for (at, action) in node.new_orders() {
        let Action::Announce { .. } = action else { continue };
        let after = at.saturating_since(begin).as_millis();
        match rounds.last_mut() {
            Some((last, count)) if *last == after => *count += 1,
            _ => rounds.push((after, 1)),
        }
    }
    assert_eq!(rounds, [(0, 5), (50, 1), (200, 1), (1000, 1), (5000, 5)]);
}

// ---- whatever happens ----

#[derive(Debug, Clone, Copy)]
enum Happening {
    Wait(u64),
    Stall(u64),
    Hear(u8),
    Refused,
    Link(bool),
    List,
    Reload(u8),
    GatesRefused,
}

fn happening() -> impl Strategy<Value = Happening> {
    use Happening::*;
    prop_oneof![
        6 => (1..4000_u64).prop_map(Wait),
        4 => (1..6000_u64).prop_map(Stall),
        6 => any::<u8>().prop_map(Hear),
        2 => Just(Refused),
        1 => any::<bool>().prop_map(Link),
        1 => Just(List),
        1 => (1..=254_u8).prop_map(Reload),
        1 => Just(GatesRefused),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Told from outside: from the orders alone, and from whether the lease counted before the step.
    #[test]
    fn an_armed_master_gives_up_before_it_does_anything_in_a_step_that_comes_too_late(
        always in any::<bool>(),
        happenings in prop::collection::vec(happening(), 0..60),
    ) {
        let plan = if always { alone().always_leased(LEASE) } else { leased() };
        let mut node = Node::with(plan.clone());
        let mut left = None;
        for happening in happenings {
            node.forget();
            let before = node.report();
            match happening {
                Happening::Wait(milliseconds) => node.advance(ms(milliseconds)),
                Happening::Stall(milliseconds) => {
                    node.stall(ms(milliseconds));
                    node.tick();
                }
                Happening::Hear(priority) => node.hear(advert().priority(priority)),
                Happening::Refused => {
                    node.step(Input::AdvertRefused { instance: "VI_1".into(), errno: 105 });
                }
                Happening::Link(running) => node.set_link("eth0", running),
                Happening::List => node.list_kernel(),
                Happening::Reload(priority) => node.reload(plan.clone().priority(priority)),
                Happening::GatesRefused => node.step(Input::GatesRefused { errno: 95 }),
            }
            let was_armed_master = before.state == Master && before.lease == LeaseState::Armed;
            let first = node.new_orders().first().map(|(at, _)| *at);
            if let (true, Some(last), Some(first)) = (was_armed_master, left, first)
                && first.saturating_since(last) >= LEASE
            {
                for (_, action) in node.new_orders().iter().take_while(|(at, _)| *at == first) {
                    match action {
                        Action::Tell(event) if matches!(
                            event.reason,
                            Reason::StateChanged { from: Master, to: Backup, .. }
                        ) => break,
                        Action::SendAdvert(_) | Action::Announce { .. } | Action::AddAddress(_) => {
                            prop_assert!(false, "{action:?} after {:?}", first.saturating_since(last));
                        }
                        _ => {}
                    }
                }
            }
            for (at, action) in node.new_orders() {
                match action {
                    Action::SendAdvert(advert) if advert.payload[2] > 0 => left = Some(*at),
                    _ => {}
                }
            }
            if matches!(happening, Happening::Refused) {
                // What comes back is older: judged by the tests above.
                left = None;
            }
        }
    }

    #[test]
    fn a_gate_is_asked_for_whenever_a_lease_could_count(
        happenings in prop::collection::vec(happening(), 0..40),
    ) {
        let mut node = Node::with(leased());
        let mut asked = node.gates().map(<[Gate]>::to_vec);
        for happening in happenings {
            match happening {
                Happening::Wait(milliseconds) | Happening::Stall(milliseconds) => node.advance(ms(milliseconds)),
                Happening::Hear(priority) => node.hear(advert().priority(priority)),
                Happening::Refused => {
                    node.step(Input::AdvertRefused { instance: "VI_1".into(), errno: 105 });
                }
                Happening::Link(running) => node.set_link("eth0", running),
                Happening::List => node.list_kernel(),
                Happening::Reload(priority) => node.reload(leased().priority(priority)),
                Happening::GatesRefused => {}
            }
            node.advance(ms(10));
            asked = node.gates().map(<[Gate]>::to_vec).or(asked);
            node.forget();
            let armed = node.report().lease == LeaseState::Armed;
            prop_assert_eq!(armed_guard(asked.as_deref()), [armed]);
        }
    }
}
