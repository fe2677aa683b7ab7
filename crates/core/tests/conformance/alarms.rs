//! What people are told when a peer is alive but speaks differently, and `mismatch_policy hold`, which waits for it.

use mainstay_core::router::Mismatch;

use super::harness::*;

const PEER: &str = "192.0.2.251";

/// A v2 backup whose peer was heard once with the right password.
fn acquainted(policy: MismatchPolicy) -> Node {
    let plan = alone().v2().password(b"secret\0\0").but(|plan| plan.mismatch_policy = policy);
    let mut node = Node::with(plan);
    node.hear(advert().v2().password(b"secret\0\0"));
    node.forget();
    node
}

fn wrong_password() -> Heard {
    advert().v2().password(b"wrong\0\0\0")
}

/// Hears this advert every second for so long.
fn hear_for(node: &mut Node, seconds: u64, heard: &Heard) {
    for _ in 0..seconds {
        node.hear(heard.clone());
        node.advance(s(1));
    }
}

#[test]
fn a_peer_with_another_password_is_one_alarm_until_it_is_not_heard_for_long() {
    let mut node = acquainted(MismatchPolicy::Hold);
    hear_for(&mut node, 30, &wrong_password());
    let alarm = Alarm::Mismatch { source: ip(PEER), mismatch: Mismatch::Authentication };
    assert_eq!(node.alarms(), [alarm]);
    assert_eq!(node.rejections(), [], "what is an alarm is not noise too");
    let standing = node.router.report().alarms;
    assert_eq!((standing.len(), standing[0].alarm, standing[0].count), (1, alarm, 30));
    node.advance(s(15));
    assert_eq!(node.alarms_over(), [(alarm, s(29), 30)]);
    assert_eq!(node.router.report().alarms, []);
}

#[test]
fn hold_waits_for_a_known_peer_that_cannot_be_understood() {
    let mut node = acquainted(MismatchPolicy::Hold);
    hear_for(&mut node, 60, &wrong_password());
    node.expect_state(Backup);
    node.advance(s(4));
    node.expect_state(Master);
}

#[test]
fn take_does_not_wait_for_it() {
    let mut node = acquainted(MismatchPolicy::Take);
    hear_for(&mut node, 5, &wrong_password());
    node.expect_state(Master);
    assert_eq!(node.mismatches(), [Mismatch::Authentication]);
}

#[test]
fn hold_holds_for_every_way_of_not_being_understood_but_the_ttl() {
    let other_ways: [(Heard, bool); 6] = [
        (wrong_password(), true),
        (advert().v2(), true),
        (advert(), true),
        (advert().v2().password(b"secret\0\0").interval(s(2)), true),
        (advert().v2().password(b"secret\0\0").damaged(|payload| payload[6] ^= 1), true),
        (advert().v2().password(b"secret\0\0").ttl(64), false),
    ];
    for (heard, holds) in other_ways {
        let mut node = acquainted(MismatchPolicy::Hold);
        hear_for(&mut node, 10, &heard);
        assert_eq!(node.state() == Backup, holds, "{heard:?}");
    }
}

#[test]
fn a_longer_interval_of_the_peer_does_not_let_the_timer_fire_between_its_adverts() {
    let mut node = acquainted(MismatchPolicy::Hold);
    let slow = advert().v2().password(b"secret\0\0").interval(s(5));
    for _ in 0..10 {
        node.hear(slow.clone());
        node.advance(s(5));
        node.expect_state(Backup);
    }
    // A forged interval of 255 s counts as ten of ours.
    node.hear(advert().v2().password(b"secret\0\0").interval(s(255)));
    node.advance(s(31));
    node.expect_state(Master);
}

#[test]
fn a_stranger_is_never_waited_for() {
    let mut node = acquainted(MismatchPolicy::Hold);
    hear_for(&mut node, 5, &wrong_password().from("192.0.2.66"));
    node.expect_state(Master);
    assert_eq!(node.alarms(), []);
    assert_eq!(node.rejections().len(), 1);
}

#[test]
fn a_peer_that_resigns_is_not_waited_for_whatever_its_password() {
    let mut node = acquainted(MismatchPolicy::Hold);
    node.advance(s(2));
    hear_for(&mut node, 2, &wrong_password().priority(0));
    node.expect_state(Master);
}

#[test]
fn strict_mode_knows_no_hold() {
    let plan = alone().v2().password(b"secret\0\0").but(|plan| {
        plan.mismatch_policy = MismatchPolicy::Hold;
        plan.strict = true;
    });
    let mut node = Node::with(plan);
    node.hear(advert().v2().password(b"secret\0\0"));
    hear_for(&mut node, 5, &wrong_password());
    node.expect_state(Master);
}

#[test]
fn a_configured_unicast_peer_is_known_before_it_is_heard() {
    let plan = alone().v2().source("192.0.2.252").unicast_to(PEER).password(b"secret\0\0");
    let mut node = Node::with(plan.but(|plan| plan.mismatch_policy = MismatchPolicy::Hold));
    hear_for(&mut node, 10, &wrong_password().to("192.0.2.252"));
    node.expect_state(Backup);
    assert_eq!(node.mismatches(), [Mismatch::Authentication]);
}

#[test]
fn somebody_else_s_virtual_router_of_our_number_is_a_collision_and_not_a_peer() {
    let mut node = acquainted(MismatchPolicy::Hold);
    let foreign = wrong_password().addresses(&["198.51.100.1", "198.51.100.2"]);
    hear_for(&mut node, 5, &foreign.clone().from("192.0.2.66"));
    assert_eq!(node.alarms(), [Alarm::VridCollision { source: ip("192.0.2.66") }]);
    node.expect_state(Master);
    let mut node = Node::with(alone());
    hear_for(&mut node, 5, &advert().addresses(&["198.51.100.1"]));
    assert_eq!(node.alarms(), [Alarm::VridCollision { source: ip(PEER) }]);
}

#[test]
fn a_known_peer_with_quite_another_list_is_a_peer_with_another_list() {
    let mut node = Node::with(alone());
    node.hear(advert());
    hear_for(&mut node, 5, &advert().addresses(&["198.51.100.1"]));
    assert_eq!(node.mismatches(), [Mismatch::Addresses]);
    assert_eq!(node.alarms().len(), 1);
}

#[test]
fn a_lower_master_that_yields_is_no_alarm_and_one_that_does_not_is() {
    let mut node = Node::master(alone());
    node.forget();
    node.hear(advert().priority(50));
    node.hear(advert().priority(50));
    assert_eq!(node.alarms(), [], "these two were on their way when we became master");
    hear_for(&mut node, 10, &advert().priority(50));
    let alarm = Alarm::TwoMasters { source: ip(PEER) };
    assert_eq!(node.alarms(), [alarm]);
    node.hear(advert().priority(200));
    node.expect_state(Backup);
    assert_eq!(node.alarms_over(), [(alarm, s(9), 12)], "it ends when we yield");
}

#[test]
fn a_group_that_waits_for_a_deaf_member_says_which_one() {
    let plan = plan()
        .instance(instance("VI_1"))
        .instance(instance("VI_2").vrid(11).on("eth1").addresses(&["198.51.100.1"]))
        .group(group("G", &["VI_1", "VI_2"]));
    let mut node = Node::with(plan);
    node.forget();
    for _ in 0..40 {
        node.hear(advert().priority(200));
        node.advance(s(1));
    }
    node.expect_states(&[("VI_1", Backup), ("VI_2", Backup)]);
    assert_eq!(node.alarms(), [Alarm::NobodyHeard]);
    node.hear(advert().priority(200).vrid(11).from("198.51.100.251").on(ETH1).addresses(&["198.51.100.1"]));
    node.advance(s(15));
    assert_eq!(node.alarms_over().len(), 1);
}

#[test]
fn a_further_path_on_which_nobody_is_heard_is_an_alarm_until_somebody_is() {
    let mut node = Node::with(plan().instance(alone()).peer_view().path("eth1"));
    node.advance(s(5));
    assert_eq!(node.alarms(), [], "a peer may be starting just now");
    node.advance(s(10));
    let alarm = Alarm::PathSilent { path: 1 };
    assert_eq!(
        node.alarms(),
        [alarm],
        "and silence on the link of the adverts is none: plain backups say nothing"
    );
    let backup = |number| heartbeat().on_eth1().state(Backup).nth(number);
    node.hear_heartbeat(backup(1));
    assert_eq!(node.alarms_over().len(), 1);
    node.forget();
    for number in 2..20 {
        node.hear_heartbeat(backup(number));
        node.advance(s(1));
    }
    assert_eq!(node.alarms(), []);
    node.advance(s(90));
    assert_eq!(node.alarms(), [alarm], "its peer fell silent");
}

#[test]
fn a_healthy_pair_has_no_alarm() {
    let mut lan = Lan::of(vec![
        Node::at("192.0.2.251", alone().priority(200)),
        Node::at("192.0.2.252", alone().priority(100)),
    ]);
    lan.advance(s(60));
    assert_eq!(lan.masters(), [0]);
    for node in &lan.nodes {
        assert_eq!(node.alarms(), []);
    }
}

#[test]
fn a_removed_instance_takes_its_alarms_with_it() {
    let mut node = acquainted(MismatchPolicy::Hold);
    node.hear(wrong_password());
    assert_eq!(node.router.report().alarms.len(), 1);
    node.reload(plan());
    assert_eq!(node.router.report().alarms, []);
    assert_eq!(node.alarms_over().len(), 1);
}
