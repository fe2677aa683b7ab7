//! `auth_type AH` and `auth_hmac`: who is believed, and whose numbers and stamps count.

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

// ---- signatures ----

fn with_signatures(mode: Mode) -> Instance {
    instance("VI_1").signed(1, mode).announcing_once()
}

/// The stamp of now, by the clock of the node: its time of day is that of its other clock until it is told another.
fn stamp(node: &Node) -> Stamp {
    Stamp::of(node.now.saturating_since(mainstay_core::time::Instant::ZERO))
}

/// Hears an advert signed now.
fn hear_signed(node: &mut Node, key: u8) {
    let stamp = stamp(node);
    node.hear(advert().signed(key, stamp));
}

/// The adverts of a node since the test last looked: bytes, and the key each is signed with.
fn keys(node: &Node) -> Vec<Option<u8>> {
    let adverts = node.new_orders().iter().filter_map(|(_, action)| match action {
        Action::SendAdvert(advert) => Some(advert),
        _ => None,
    });
    adverts.map(|advert| (advert.payload.len() == 12 + 28).then(|| advert.payload[13])).collect()
}

#[test]
fn signed_adverts_keep_a_backup_waiting_with_any_key_it_has() {
    let mut node = Node::with(with_signatures(Mode::Enforce));
    for turn in 0..10 {
        hear_signed(&mut node, 1 + turn % 2);
        node.advance(s(1));
        node.expect_state(Backup);
    }
    assert_eq!((node.counters().adverts_received, node.alarms()), (10, vec![]));
}

#[test]
fn each_mode_signs_and_accepts_what_it_should() {
    for (mode, signs, accepts_bare) in
        [(Mode::Enforce, true, false), (Mode::Permissive, true, true), (Mode::ReceiveOnly, false, true)]
    {
        let mut node = Node::with(with_signatures(mode));
        node.hear(advert());
        let counters = node.counters();
        assert_eq!(
            (counters.adverts_received == 1, counters.signatures_missing == 0),
            (accepts_bare, accepts_bare)
        );
        hear_signed(&mut node, 1);
        assert_eq!(node.counters().adverts_received, counters.adverts_received + 1, "{mode:?}");
        let wrong = advert().signed(1, stamp(&node)).damaged(|payload| payload[39] ^= 1);
        node.hear(wrong);
        assert_eq!(node.counters().signatures_wrong, 1, "{mode:?}: a wrong signature is wrong in every mode");
        node.become_master();
        node.forget();
        node.advance(s(1));
        assert_eq!(keys(&node), [signs.then_some(1)], "{mode:?}");
    }
}

#[test]
fn a_signed_advert_counts_once_also_after_a_reload() {
    let mut node = Node::with(with_signatures(Mode::Enforce));
    let once = advert().signed(1, stamp(&node));
    node.hear(once.clone());
    node.hear(once.clone());
    assert_eq!((node.counters().adverts_received, node.counters().signatures_replayed), (1, 1));
    node.reload(with_signatures(Mode::Enforce).priority(90));
    node.hear(once.clone());
    node.reload(with_signatures(Mode::Enforce).priority(90).v2());
    node.reload(with_signatures(Mode::Enforce).priority(90));
    node.hear(once.clone());
    let (resume, before) = (node.router.resume(), node.counters().adverts_received);
    let mut successor = Node::cold(with_signatures(Mode::Enforce), Some(&resume));
    successor.list_kernel();
    successor.hear(once);
    assert_eq!(successor.counters().adverts_received, before, "nor in another life");
    assert_eq!(successor.rejections().last().map(|(_, why, _)| *why), Some(Rejection::SignatureReplayed));
    assert_eq!(node.alarms(), [], "a recorded packet says nothing of its sender");
}

#[test]
fn a_replayed_advert_neither_keeps_a_backup_waiting_nor_holds_it_back() {
    let plan = || with_signatures(Mode::Enforce).but(|plan| plan.mismatch_policy = MismatchPolicy::Hold);
    let mut node = Node::with(plan());
    let once = advert().signed(1, stamp(&node));
    node.hear(once.clone());
    for _ in 0..4 {
        node.advance(s(1));
        node.hear(once.clone());
    }
    node.expect_state(Master);
}

#[test]
fn a_clock_that_is_wrong_is_an_alarm_before_its_adverts_are_refused() {
    let mut node = Node::with(with_signatures(Mode::Enforce));
    let alarm = Alarm::Mismatch { source: ip(PEER), mismatch: mainstay_core::router::Mismatch::Clock };
    let later = |node: &Node, seconds: u64| Stamp(stamp(node).0 + (seconds << 32));
    let soon = later(&node, 2);
    node.hear(advert().signed(1, soon));
    assert_eq!((node.counters().adverts_received, node.alarms()), (1, vec![]));
    let half = later(&node, 3);
    node.hear(advert().signed(1, half));
    assert_eq!((node.counters().adverts_received, node.alarms()), (2, vec![alarm]));
    let beyond = later(&node, 6);
    node.hear(advert().signed(1, beyond));
    assert_eq!((node.counters().adverts_received, node.counters().signatures_stale), (2, 1));
}

#[test]
fn the_time_of_day_that_was_told_is_what_counts() {
    let mut node = Node::with(with_signatures(Mode::Enforce));
    let day = s(1_800_000_000);
    node.step(Input::ClockRead { since_1970: day });
    node.advance(s(1));
    node.hear(advert().signed(1, Stamp::of(day + s(1))));
    assert_eq!(node.counters().adverts_received, 1);
    node.reload(with_signatures(Mode::Enforce).v2());
    node.become_master();
    node.forget();
    node.advance(s(1));
    let orders = node.new_orders();
    let sent = orders.iter().find_map(|(_, action)| match action {
        Action::SendAdvert(advert) => Some(advert),
        _ => None,
    });
    let payload = &sent.expect("an advert").payload;
    let seconds = u32::from_be_bytes(payload[24..28].try_into().expect("four bytes"));
    let passed = u64::from(seconds) - day.as_secs();
    assert!((1..60).contains(&passed), "{passed} s after the clock was told");
}

#[test]
fn the_key_that_signs_is_changed_by_reloads_without_a_second_master() {
    let a = Node::at(PEER, with_signatures(Mode::Enforce).priority(150));
    let mut lan = Lan::of(vec![a, Node::with(with_signatures(Mode::Enforce))]);
    lan.advance(s(10));
    assert_eq!(lan.masters(), [0]);
    for (first, second) in [(0, 1), (1, 0)] {
        for node in [first, second] {
            let priority = if node == 0 { 150 } else { 100 };
            let active = if first == 0 { 2 } else { 1 };
            let plan = instance("VI_1").signed(active, Mode::Enforce).announcing_once().priority(priority);
            lan.nodes[node].reload(plan);
            for _ in 0..50 {
                lan.advance(ms(200));
                assert_eq!(lan.masters(), [0]);
            }
        }
    }
    let rejected = |node: &Node| node.counters().signatures_wrong + node.counters().signature_keys_unknown;
    assert!(lan.nodes.iter().all(|node| rejected(node) == 0));
}

#[test]
fn a_unicast_sender_that_is_no_peer_is_not_believed_with_a_signature() {
    let plan = with_signatures(Mode::Enforce).source("192.0.2.252").unicast_to(PEER);
    let mut node = Node::with(plan);
    let from = |source: &str, node: &Node| advert().from(source).to("192.0.2.252").signed(1, stamp(node));
    let (stranger, peer) = (from("192.0.2.66", &node), from(PEER, &node));
    node.hear(stranger);
    assert_eq!(node.rejections(), [(ip("192.0.2.66"), Rejection::UnknownPeer, 1)]);
    node.hear(peer);
    assert_eq!(node.counters().adverts_received, 1);
}

#[test]
fn a_router_that_resigns_is_believed_over_ipv6_too() {
    let plan = |priority| with_signatures(Mode::Enforce).v6().priority(priority);
    let mut lan = Lan::of(vec![Node::at("192.0.2.251", plan(150)), Node::with(plan(100))]);
    lan.nodes[0].addresses.retain(|(link, address)| *link != ETH0 || *address != ip("fe80::2"));
    lan.nodes[0].addresses.insert((ETH0, ip("fe80::9")));
    lan.nodes[0].list_kernel();
    lan.advance(s(10));
    assert_eq!(lan.masters(), [0]);
    lan.nodes[0].step(Input::ShutdownRequested);
    lan.advance(s(1));
    assert_eq!(lan.nodes[1].state(), Master, "within the skew time");
}
