//! What is not accepted changes nothing: no timer, no state (peer.md D1: two bad packets a second silence a
//! keepalived master), and little is told of it (D2).

use mainstay_core::vrrp::packet::Rejection;

use super::harness::*;

/// For every kind of rejection an instance that rejects so, and the packet.
fn provocation(rejection: Rejection) -> (Plan, Heard) {
    let ours = || instance("VI_1").announcing_once();
    let unicast = || ours().source("192.0.2.252").unicast_to("192.0.2.251");
    let v2 = || ours().v2().password(b"secret\0\0");
    let without_clock = || Plan::from(ours().signed_without_clock(1));
    let signed = || advert().signed(1, Stamp(0));
    match rejection {
        Rejection::Truncated => (ours().into(), advert().damaged(|payload| payload.truncate(7))),
        Rejection::Length => (ours().into(), advert().damaged(|payload| payload.extend([0; 8]))),
        Rejection::Ttl => (ours().into(), advert().ttl(64)),
        Rejection::Version => (ours().into(), advert().v2()),
        Rejection::Type => (ours().into(), advert().raw("320ac8010064a003c0000201")),
        Rejection::Checksum => (ours().into(), advert().damaged(|payload| payload[6] ^= 0x80)),
        Rejection::Vrid => (plan().instance(ours()).log_unknown_vrids(), advert().vrid(77)),
        Rejection::NoAddress => (ours().into(), advert().addresses(&[])),
        Rejection::Interval => (v2().into(), advert().v2().password(b"secret\0\0").interval(s(2))),
        Rejection::LinkLocal => (
            ours().v6().but(|plan| plan.strict = true).into(),
            advert().v6().addresses(&["2001:db8::1", "fe80::1"]),
        ),
        Rejection::AuthTypeUnknown => {
            (ours().v2().into(), advert().v2().raw("210ac801030151f1c00002010000000000000000"))
        }
        Rejection::AuthTypeMismatch => (v2().into(), advert().v2()),
        Rejection::AuthFailed => (v2().into(), advert().v2().password(b"wrong\0\0\0")),
        Rejection::AuthReplayed => (ours().ah(b"secret\0\0").into(), advert().v2().in_ah(b"secret\0\0", 0)),
        Rejection::SignatureMissing => (ours().signed(1, Mode::Enforce).into(), advert()),
        Rejection::SignatureMalformed => (without_clock(), signed().damaged(|payload| payload[12] = 2)),
        Rejection::SignatureKeyUnknown => (without_clock(), signed().damaged(|payload| payload[13] = 3)),
        Rejection::SignatureWrong => (without_clock(), signed().damaged(|payload| payload[39] ^= 1)),
        Rejection::SignatureStale => (ours().signed(1, Mode::Enforce).into(), signed()),
        Rejection::SignatureReplayed => unreachable!("something must have been accepted before"),
        Rejection::Destination => (unicast().into(), advert()),
        Rejection::UnknownPeer => {
            (unicast().check_unicast_source().into(), advert().from("192.0.2.66").to("192.0.2.252"))
        }
        Rejection::OwnerIgnores => {
            (ours().owner().but(|plan| plan.owner_ignores_adverts = true).into(), advert().priority(255))
        }
    }
}

/// Every kind but one, which has tests of its own in `authentication`.
fn provoked() -> impl Iterator<Item = Rejection> {
    Rejection::ALL.into_iter().filter(|kind| *kind != Rejection::SignatureReplayed)
}

/// An owner is master from the start; every other instance begins as a backup.
fn provocations_of_a_backup() -> impl Iterator<Item = (Rejection, Plan, Heard)> {
    let kinds = provoked().filter(|kind| *kind != Rejection::OwnerIgnores);
    kinds.map(|kind| {
        let (plan, heard) = provocation(kind);
        (kind, plan, heard)
    })
}

#[test]
fn d1_no_rejected_packet_keeps_a_backup_from_its_promotion() {
    for (kind, plan, heard) in provocations_of_a_backup() {
        let undisturbed = Node::with(plan.clone()).time_until(Master);
        let mut node = Node::with(plan);
        let start = node.now;
        while node.state() == Backup && node.now < start + s(10) {
            node.hear(heard.clone());
            node.advance(ms(100));
        }
        let promoted = node.report().since.saturating_since(start);
        assert_eq!((node.state(), promoted), (Master, undisturbed), "{kind}");
    }
}

#[test]
fn d1_no_rejected_packet_keeps_a_master_from_its_adverts() {
    for kind in provoked() {
        let (plan, heard) = provocation(kind);
        let mut node = Node::with(plan);
        if node.state() != Master {
            node.become_master();
        }
        node.forget();
        let start = node.now;
        for _ in 0..100 {
            node.hear(heard.clone());
            node.advance(ms(50));
            node.expect_state(Master);
        }
        let times: Vec<Duration> = node.adverts_after(start).into_iter().map(|(at, _)| at).collect();
        assert_eq!(times, [s(1), s(2), s(3), s(4), s(5)], "{kind}");
    }
}

#[test]
fn a_rejected_packet_orders_nothing_and_is_counted() {
    for (kind, plan, heard) in provocations_of_a_backup() {
        for make in [Node::with, Node::master] {
            let mut node = make(plan.clone());
            node.forget();
            let before = node.report();
            node.hear(heard.clone());
            node.expect_effects(&[]);
            let mut after = node.report();
            if kind != Rejection::Vrid {
                let mut expected = before.counters;
                kind.count_in(&mut expected);
                assert_eq!(after.counters, expected, "{kind}");
            }
            after.counters = before.counters;
            assert_eq!(after, before, "{kind}");
        }
    }
}

#[test]
fn d2_500_bad_packets_a_second_are_told_once_a_minute_with_their_number() {
    let mut node = Node::with(instance("VI_1"));
    node.forget();
    let bad = advert().ttl(64);
    let (minutes, each) = (3, ms(2));
    for _ in 0..minutes * 60 * 500 {
        node.hear(bad.clone());
        node.advance(each);
    }
    let told = node.rejections();
    assert!(told.len() <= minutes + 1, "told {} times in {minutes} minutes", told.len());
    assert!(told.iter().all(|(source, kind, _)| (*source, *kind) == (bad.source, Rejection::Ttl)));
    node.advance(s(61));
    node.hear(bad);
    node.advance(s(61));
    let counted: u64 = node.rejections().iter().map(|(.., count)| count).sum();
    assert_eq!(counted, minutes as u64 * 60 * 500 + 1, "none is lost from the count");
}

#[test]
fn d2_another_source_or_another_reason_is_told_at_once() {
    let mut node = Node::with(instance("VI_1"));
    node.forget();
    node.hear(advert().ttl(64));
    node.hear(advert().ttl(64).from("192.0.2.66"));
    node.hear(advert().damaged(|payload| payload[6] ^= 1));
    let kinds: Vec<_> = node.rejections().into_iter().map(|(source, kind, _)| (source, kind)).collect();
    assert_eq!(
        kinds,
        [
            (ip("192.0.2.251"), Rejection::Ttl),
            (ip("192.0.2.66"), Rejection::Ttl),
            (ip("192.0.2.251"), Rejection::Checksum),
        ]
    );
}

#[test]
fn d2_ten_thousand_forged_sources_are_not_ten_thousand_lines() {
    let mut node = Node::with(instance("VI_1"));
    node.forget();
    for n in 0..10_000_u32 {
        node.hear(advert().ttl(64).from(&format!("10.0.{}.{}", n / 250, n % 250 + 1)));
    }
    assert_eq!(node.counters().ttl_errors, 10_000);
    assert!(node.rejections().len() <= 1100, "told {} times", node.rejections().len());
}

#[test]
fn d2_lower_priority_adverts_are_told_sparingly_too() {
    let mut node = Node::master(instance("VI_1"));
    for _ in 0..600 {
        node.hear(advert().priority(50));
        node.advance(ms(10));
    }
    let told = node.events().len();
    assert!(told <= 10, "told {told} times in 6 seconds");
}
