//! Adverts that the kernel refuses to send: they renew no lease, and a router that knows that its adverts are refused
//! does not take over what a peer may have (reference/ha.md section 3.3; case F29 without a lease is in `faults`).

use mainstay_core::lease::Guard;
use mainstay_core::router::plan::{Destination, UnicastPeer};
use mainstay_core::router::report::LeaseState;
use mainstay_core::router::{Alarm, Cause, Reason};

use super::harness::*;

/// The usual lease at an interval of one second.
const LEASE: Duration = ms(2500);

/// How long a trial waits for its advert to be refused.
const TRIAL: Duration = ms(10);

fn leased() -> Instance {
    alone().leased(LEASE)
}

/// A master that has heard a peer of lower priority, so that its lease counts.
fn armed_master() -> Node {
    let mut node = Node::master(leased());
    node.hear(advert().priority(50));
    node.advance(s(6));
    node.forget();
    node
}

/// A router whose adverts are refused until `refuses` says otherwise. It was master, and its lease is over.
fn muted() -> Node {
    let mut node = armed_master();
    node.refuses = |_| true;
    node.time_until(Backup);
    node.forget();
    node
}

/// How often it changed its state since the test last looked.
fn changes(node: &Node) -> usize {
    let is_change = |reason: &Reason| matches!(reason, Reason::StateChanged { .. });
    node.events().into_iter().filter(|event| is_change(&event.reason)).count()
}

// ---- they renew nothing ----

#[test]
fn a_master_whose_adverts_are_refused_gives_up_when_the_last_that_left_is_as_old_as_its_lease() {
    let mut node = armed_master();
    node.refuses = |_| true;
    let late = node.time_until(Backup);
    assert!(
        late >= ms(1500) && late < LEASE + ms(300),
        "{late:?}: a retry each quarter of the interval looks at it"
    );
    assert!(matches!(node.report().cause, Cause::LeaseExpired { age } if age >= LEASE));
    assert!(!node.has("192.0.2.1"));
}

#[test]
fn a_refusal_now_and_then_changes_nothing() {
    let mut node = armed_master();
    for _ in 0..20 {
        node.refuses = |_| true;
        node.advance(ms(1200));
        node.refuses = |_| false;
        node.advance(s(1));
    }
    node.expect_state(Master);
    assert_eq!(changes(&node), 0);
}

fn two_peers(plan: &mut mainstay_core::router::plan::InstancePlan) {
    let peer = |address| UnicastPeer { address: ip(address), ttl_range: None };
    let peers = vec![peer("192.0.2.251"), peer("192.0.2.250")];
    plan.destination = Destination::Unicast { peers, check_source: false, ttl: Some(255) };
}

#[test]
fn with_two_peers_one_that_is_unreachable_does_not_count() {
    let mut node = Node::master(alone().always_leased(LEASE).but(two_peers));
    node.refuses = |advert| advert.destination == ip("192.0.2.251");
    node.advance(s(60));
    node.expect_state(Master);
    node.refuses = |_| true;
    node.advance(s(4));
    node.expect_state(Backup);
    node.advance(s(60));
    node.expect_state(Backup);
    node.refuses = |advert| advert.destination == ip("192.0.2.251");
    node.advance(s(2));
    node.expect_state(Master);
}

// ---- a router that knows ----

#[test]
fn a_router_whose_adverts_are_always_refused_says_so_once_and_does_not_take_over() {
    let mut node = armed_master();
    node.refuses = |_| true;
    node.advance(s(600));
    node.expect_state(Backup);
    assert_eq!(changes(&node), 1, "from MASTER to BACKUP, and nothing after that");
    assert_eq!(node.alarms(), [Alarm::AdvertsRefused]);
    let begun = |reason: &Reason| matches!(reason, Reason::AlarmBegan { alarm: Alarm::AdvertsRefused });
    assert_eq!(node.events().into_iter().filter(|event| begun(&event.reason)).count(), 1);
    let counters = node.counters();
    assert!(counters.send_errors > 500, "it goes on trying, and counts: {counters:?}");
    assert_eq!(counters.leases_expired, 1);
    let effects = node.effects();
    let holds = |effect: &&String| effect.starts_with("add ") || effect.starts_with("announce");
    assert_eq!(effects.iter().find(holds), None);
    assert_eq!(effects.iter().filter(|effect| effect.starts_with("notify")).count(), 1);
}

#[test]
fn it_tries_when_its_time_has_come_and_then_once_an_interval() {
    let mut node = muted();
    let begin = node.now;
    node.advance(DOWN + s(3));
    let tried: Vec<Duration> = node.adverts_after(begin).into_iter().map(|(after, _)| after).collect();
    assert_eq!(tried, [DOWN, DOWN + s(1), DOWN + s(2), DOWN + s(3)]);
    let closes = node.effects().into_iter().filter(|effect| effect == "close gate");
    assert_eq!(closes.count(), 0, "what did not leave opened nothing");
}

#[test]
fn it_takes_over_as_soon_as_an_advert_leaves() {
    let mut node = muted();
    node.advance(s(60));
    node.forget();
    node.refuses = |_| false;
    let waited = node.time_until(Master);
    assert!(waited <= s(1) + TRIAL, "{waited:?}");
    node.expect_effects(&["advert 100 x2", "add 192.0.2.1", "announce 192.0.2.1 x5", "notify VI_1 MASTER"]);
    assert!(node.alarms().is_empty(), "{:?}", node.alarms());
    node.advance(s(60));
    node.expect_state(Master);
}

#[test]
fn a_master_it_hears_makes_it_wait_as_any_backup() {
    let mut node = muted();
    node.advance(DOWN + ms(500));
    node.refuses = |_| false;
    node.hear(advert().priority(200));
    assert_eq!(node.time_until(Master), DOWN + TRIAL, "it still does not know whether its adverts leave");
}

#[test]
fn a_trial_that_leaves_and_is_answered_at_once_has_left() {
    let mut node = muted();
    node.refuses = |_| false;
    node.advance(DOWN);
    node.hear(advert().priority(200));
    assert_eq!(
        node.time_until(Master),
        DOWN,
        "two routers whose trials silence each other are on trial once"
    );
}

#[test]
fn a_trial_that_is_answered_before_its_refusal_is_known_was_refused() {
    let mut node = muted();
    node.refuses = |_| false;
    node.advance(DOWN);
    node.hear(advert().priority(200));
    node.step(Input::AdvertRefused { instance: "VI_1".into(), errno: 1 });
    assert_eq!(node.time_until(Master), DOWN + TRIAL, "it tries again");
}

#[test]
fn two_trials_that_cross_are_won_by_the_higher_address() {
    for (other, wins) in [("192.0.2.1", true), ("192.0.2.254", false)] {
        let mut node = muted();
        node.refuses = |_| false;
        node.advance(DOWN);
        node.hear(advert().priority(100).from(other));
        node.advance(TRIAL);
        node.expect_state(if wins { Master } else { Backup });
    }
}

#[test]
fn it_does_not_preempt_a_master_of_lower_priority() {
    let mut node = muted();
    for _ in 0..30 {
        node.hear(advert().priority(50));
        node.advance(s(1));
    }
    node.expect_state(Backup);
    assert!(!node.has("192.0.2.1"));
    node.refuses = |_| false;
    node.hear(advert().priority(50));
    node.advance(s(2));
    node.expect_state(Master);
}

#[test]
fn without_a_living_peer_it_is_master_all_the_same() {
    let mut node = muted();
    node.advance(s(20));
    node.hear(advert().priority(0));
    assert_eq!(node.report().lease, LeaseState::NoPeer);
    node.time_until(Master);
    node.advance(s(600));
    node.expect_state(Master);
    assert!(node.has("192.0.2.1"));
}

#[test]
fn a_lone_router_never_loses_its_address_to_refused_adverts() {
    let mut node = Node::master(leased());
    node.refuses = |_| true;
    node.advance(s(600));
    node.expect_state(Master);
    assert!(node.has("192.0.2.1") && changes(&node) == 0);
}

#[test]
fn one_that_yields_while_its_adverts_are_refused_tries_before_it_takes_over_again() {
    let mut node = armed_master();
    node.refuses = |_| true;
    node.advance(s(1));
    node.hear(advert().priority(200));
    node.expect_state(Backup);
    node.forget();
    node.advance(s(60));
    node.expect_state(Backup);
    assert_eq!(changes(&node), 0);
}

#[test]
fn an_interface_that_went_and_came_says_nothing_about_adverts() {
    let mut node = muted();
    node.set_link("eth0", false);
    node.expect_state(Fault);
    node.refuses = |_| false;
    node.set_link("eth0", true);
    assert_eq!(node.time_until(Master), DOWN, "without a trial");
}

#[test]
fn what_is_refused_when_the_trial_is_over_anyway_changes_nothing() {
    let mut node = muted();
    node.advance(DOWN);
    node.hear(advert().priority(200));
    let wait = node.router.next_deadline();
    node.step(Input::AdvertRefused { instance: "VI_1".into(), errno: 1 });
    node.expect_state(Backup);
    assert_eq!(node.router.next_deadline(), wait);
}

#[test]
fn a_sync_group_waits_for_the_member_whose_adverts_are_refused() {
    let second = instance("VI_2").vrid(11).addresses(&["192.0.2.2"]).announcing_once().leased(LEASE);
    let members = plan().instance(leased()).instance(second).group(group("VG", &["VI_1", "VI_2"]));
    let mut node = Node::with(members);
    node.advance(s(5));
    node.hear(advert().priority(50));
    node.hear(advert().priority(50).vrid(11).addresses(&["192.0.2.2"]));
    node.expect_states(&[("VI_1", Master), ("VI_2", Master)]);
    node.refuses = |advert| &*advert.instance == "VI_2";
    node.advance(s(5));
    node.expect_states(&[("VI_1", Backup), ("VI_2", Backup)]);
    node.forget();
    node.advance(s(120));
    node.expect_states(&[("VI_1", Backup), ("VI_2", Backup)]);
    assert!(!node.has("192.0.2.1") && !node.has("192.0.2.2"));
    assert!(node.adverts().iter().all(|advert| &*advert.instance == "VI_2"), "nobody else has to try");
    node.refuses = |_| false;
    node.advance(s(2));
    node.expect_states(&[("VI_1", Master), ("VI_2", Master)]);
    assert_eq!(node.group_state("VG"), Master);
}

// ---- gates ----

/// The orders about gates since the test last looked: `None` closes one.
fn gate_orders(node: &Node) -> Vec<Option<Guard>> {
    let order = |action: &Action| match action {
        Action::SetGates(gates) => Some(Some(gates[0].guard)),
        Action::CloseGate(_) => Some(None),
        _ => None,
    };
    node.new_orders().iter().filter_map(|(_, action)| order(action)).collect()
}

#[test]
fn a_gate_that_was_opened_for_an_advert_that_is_then_refused_is_open_no_longer_than_the_one_before_counts() {
    let mut node = Node::master(leased().but(|plan| plan.lower_priority_no_advert = true));
    node.advance(s(6));
    let next = node.router.next_deadline().expect("a master advertises");
    let left = next - s(1);
    // Ten milliseconds after a peer became known the gate is made for a lease that counts, in the step of the next advert.
    node.stall(next.saturating_since(node.now) - ms(10));
    node.hear(advert().priority(50));
    node.forget();
    node.refuses = |_| true;
    node.advance(ms(10));
    let orders = gate_orders(&node);
    let [Some(Guard::Lease { until: Some(vain) }), None, Some(Guard::Lease { until: Some(again) })] =
        orders[..]
    else {
        panic!("{orders:?}");
    };
    assert!(again < vain, "{again} and not {vain}");
    assert_eq!(again, left + LEASE);
}

#[test]
fn a_gate_made_long_before_a_refusal_is_left_alone() {
    let mut node = armed_master();
    node.refuses = |_| true;
    node.advance(s(2));
    assert_eq!(gate_orders(&node), []);
}
