//! `auth_type AH`: who is believed, and whose numbers count.

use mainstay_core::vrrp::packet::Rejection;

use super::harness::*;

const PASSWORD: &[u8; 8] = b"secret\0\0";
const PEER: &str = "192.0.2.251";

fn with_ah() -> Instance {
    instance("VI_1").ah(PASSWORD).announcing_once()
}

fn sealed(sequence: u32) -> Heard {
    advert().v2().in_ah(PASSWORD, sequence)
}

/// The numbers of the adverts a node has sent since the test last looked.
fn numbers(node: &Node) -> Vec<u32> {
    let adverts = node.new_orders().iter().filter_map(|(_, action)| match action {
        Action::SendAdvert(advert) => Some(advert),
        _ => None,
    });
    let number = |advert: &mainstay_core::router::Advert| {
        assert!(matches!(advert.envelope, Envelope::Ah { .. }));
        u32::from_be_bytes(advert.payload[8..12].try_into().expect("four bytes"))
    };
    adverts.map(number).collect()
}

#[test]
fn an_advert_in_an_authentication_header_keeps_a_backup_waiting() {
    let mut node = Node::with(with_ah());
    for sequence in 1..10 {
        node.hear(sealed(sequence));
        node.advance(s(1));
        node.expect_state(Backup);
    }
    assert_eq!(node.counters().adverts_received, 9);
    assert_eq!(node.rejections(), []);
}

#[test]
fn a_packet_in_an_authentication_header_counts_once() {
    let mut node = Node::with(with_ah());
    node.hear(sealed(7));
    for old in [7, 6, 1] {
        node.hear(sealed(old));
    }
    assert_eq!((node.counters().adverts_received, node.counters().auth_failures), (1, 3));
    assert!(node.rejections().iter().all(|(_, kind, _)| *kind == Rejection::AuthReplayed));
    assert_eq!(node.alarms(), [], "anybody can send what he has recorded: that says nothing of the peer");
    let promoted = node.time_until(Master);
    assert_eq!(promoted, Node::with(with_ah()).time_until(Master), "and it has put nothing off");
}

#[test]
fn a_replay_does_not_hold_a_backup_back() {
    let mut node = Node::with(with_ah().but(|plan| plan.mismatch_policy = MismatchPolicy::Hold));
    node.hear(sealed(7));
    for _ in 0..5 {
        node.hear(sealed(7));
        node.advance(s(1));
    }
    node.expect_state(Master);
}

#[test]
fn what_has_no_header_or_another_password_is_refused_with_an_alarm() {
    let mut node = Node::with(with_ah());
    node.hear(sealed(1));
    node.hear(advert().v2().in_ah(b"secreT\0\0", 2));
    node.hear(advert().v2().password(PASSWORD));
    let counters = node.counters();
    assert_eq!((counters.auth_failures, counters.auth_type_mismatch), (1, 1));
    assert_eq!(node.mismatches(), [mainstay_core::router::Mismatch::Authentication]);
    let mut node = Node::with(instance("VI_1").v2().password(PASSWORD));
    node.hear(sealed(1));
    assert_eq!(node.counters().auth_type_mismatch, 1);
}

#[test]
fn a_packet_too_short_for_a_header_is_nobody_s() {
    let mut node = Node::with(with_ah());
    node.hear(sealed(1).damaged(|payload| payload.truncate(25)));
    assert_eq!(node.counters().adverts_received, 0);
    assert_eq!(node.rejections(), [(ip(PEER), Rejection::Truncated, 1)]);
}

#[test]
fn whoever_takes_over_goes_on_with_the_numbers_of_the_master_before() {
    let mut node = Node::with(with_ah());
    node.hear(sealed(4000));
    node.become_master();
    node.forget();
    node.advance(s(2));
    assert_eq!(numbers(&node), [4002, 4003]);
}

#[test]
fn a_master_that_is_behind_catches_up_when_it_hears_the_other() {
    let mut node = Node::master(with_ah());
    node.hear(advert().v2().priority(50).in_ah(PASSWORD, 4000));
    node.expect_state(Master);
    assert_eq!(numbers(&node), [4001], "it answers at once, and is believed");
}

#[test]
fn two_nodes_elect_one_master_and_the_other_takes_over_from_it() {
    let mut lan = Lan::of(vec![Node::at(PEER, with_ah().priority(150)), Node::with(with_ah())]);
    lan.advance(s(30));
    assert_eq!(lan.masters(), [0]);
    lan.cut_off = vec![0];
    lan.advance(s(30));
    assert_eq!(lan.masters(), [0, 1]);
    lan.cut_off.clear();
    lan.advance(s(2));
    assert_eq!(lan.masters(), [0]);
    let errors = |node: &Node| node.counters().auth_failures + node.counters().auth_type_mismatch;
    assert!(lan.nodes.iter().all(|node| errors(node) <= 2), "at most what crossed");
}

#[test]
fn numbers_survive_a_reload() {
    let mut node = Node::master(with_ah());
    node.advance(s(50));
    node.forget();
    node.reload(with_ah().priority(120));
    node.advance(s(1));
    let sent = numbers(&node);
    assert!(sent.iter().all(|number| *number > 50), "{sent:?}");
    let mut node = Node::with(with_ah());
    node.hear(sealed(7));
    node.reload(with_ah().priority(120));
    node.hear(sealed(7));
    assert_eq!(node.counters().auth_failures, 1);
}

#[test]
fn a_successor_of_a_crashed_router_repeats_no_number() {
    let mut first = Node::master(with_ah());
    let resume = first.router.resume();
    first.forget();
    first.advance(s(100));
    let last = *numbers(&first).last().expect("a hundred adverts");
    let mut second = Node::cold(with_ah(), Some(&resume));
    second.now = first.now;
    second.list_kernel();
    second.expect_state(Master);
    second.advance(s(1));
    assert!(numbers(&second).iter().all(|number| *number > last));
}
