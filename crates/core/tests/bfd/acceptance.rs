//! Which packets are believed: RFC 5880 section 6.8.6, RFC 5881 section 5, RFC 5883.

use std::net::IpAddr;

use mainstay_core::bfd::packet::emit;
use mainstay_core::bfd::{BfdRejection, Listen, Sessions, State};
use mainstay_core::time::Instant;
use proptest::prelude::*;

use crate::world::{End, at, ms, plan, says};

/// Case B13: a packet that is discarded is counted by its reason, and moves no timer and no state.
#[test]
fn what_is_discarded_is_counted_and_changes_nothing() {
    type Damage = fn(&mut Vec<u8>);
    let cases: [(&str, Damage, BfdRejection); 11] = [
        ("empty", |bytes| bytes.clear(), BfdRejection::Truncated),
        ("cut off", |bytes| bytes.truncate(23), BfdRejection::Truncated),
        ("version 2", |bytes| bytes[0] = 0x40, BfdRejection::Version),
        ("length 23", |bytes| bytes[3] = 23, BfdRejection::Length),
        ("length 25", |bytes| bytes[3] = 25, BfdRejection::Truncated),
        ("multiplier 0", |bytes| bytes[2] = 0, BfdRejection::Multiplier),
        ("multipoint", |bytes| bytes[1] |= 1, BfdRejection::Multipoint),
        ("no sender", |bytes| bytes[4..8].fill(0), BfdRejection::MyDiscriminator),
        ("stranger", |bytes| bytes[8..12].fill(0xee), BfdRejection::YourDiscriminator),
        ("Up for nobody", |bytes| bytes[8..12].fill(0), BfdRejection::State),
        (
            "authenticated",
            |bytes| {
                bytes[1] |= 4;
                bytes[3] = 28;
                bytes.extend([1, 4, 1, 0]);
            },
            BfdRejection::Authenticated,
        ),
    ];
    for (name, damage, expected) in cases {
        let mut end = End::in_state(State::Up);
        end.pass(ms(10));
        end.sent.clear();
        let (deadline, report) = (end.sessions.next_deadline(), end.report());
        let mut packet = says(State::Up);
        packet.your_discriminator = Some(end.id().0);
        let mut bytes = emit(&packet).to_vec();
        damage(&mut bytes);
        end.hear_bytes(&bytes, 255, plan().neighbour, false);
        assert_eq!(end.rejected(expected), 1, "{name}");
        assert_eq!(end.rejections, [(plan().neighbour, expected, 1)], "{name}");
        assert_eq!(end.report(), report, "{name}");
        assert!(end.sent.is_empty(), "{name}");
        // A minute later the book of what was told is looked at; nothing else is due sooner or later than before.
        assert_eq!(end.sessions.next_deadline(), deadline, "{name}");
    }
}

#[test]
fn a_flood_of_bad_packets_is_told_once_a_minute_and_takes_no_session_down() {
    let mut end = End::in_state(State::Up);
    for _ in 0..2_900 {
        for _ in 0..10 {
            end.hear_bytes(&[0xff; 24], 255, plan().neighbour, false);
        }
        end.pass(ms(20));
        end.hear(says(State::Up));
    }
    assert_eq!((end.state(), end.verdicts()), (State::Up, vec![true]));
    assert_eq!(end.rejections.len(), 1, "one minute");
    assert_eq!(end.rejected(BfdRejection::Version), 29_000);
}

/// Case B14: packets from beyond the link are discarded (RFC 5881 section 5), or from farther than allowed.
#[test]
fn a_packet_from_too_far_away_is_discarded() {
    for (least, ttl, believed) in
        [(255, 255, true), (255, 254, false), (253, 253, true), (253, 252, false), (0, 1, true)]
    {
        let mut plan = plan();
        plan.least_ttl = least;
        let mut end = End::new(plan.clone());
        end.hear_bytes(&emit(&says(State::Down)), ttl, plan.neighbour, false);
        assert_eq!(end.state() == State::Init, believed, "least {least}, got {ttl}");
        assert_eq!(end.rejected(BfdRejection::Ttl), u64::from(!believed));
    }
}

/// Case B14: port 3784 for the link, 4784 over several hops; what comes to the other one is not for the session.
#[test]
fn one_hop_and_several_hops_are_two_worlds() {
    for multihop in [false, true] {
        let mut plan = plan();
        plan.multihop = multihop;
        let mut end = End::new(plan.clone());
        end.until(at(0));
        assert_eq!(end.sent[0].1.port, if multihop { 4784 } else { 3784 });
        let any = IpAddr::from([0, 0, 0, 0]);
        assert_eq!(Vec::from_iter(end.sessions.listens()), [Listen { address: any, multihop }]);
        let first = emit(&says(State::Down));
        end.hear_bytes(&first, 255, plan.neighbour, !multihop);
        assert_eq!((end.state(), end.rejected(BfdRejection::NoSession)), (State::Down, 1));
        let mut known = says(State::Init);
        known.your_discriminator = Some(end.id().0);
        end.hear_bytes(&emit(&known), 255, plan.neighbour, !multihop);
        assert_eq!((end.state(), end.rejected(BfdRejection::YourDiscriminator)), (State::Down, 1));
        end.hear_bytes(&first, 255, plan.neighbour, multihop);
        assert_eq!(end.state(), State::Init);
    }
}

#[test]
fn a_stranger_begins_no_session() {
    let mut end = End::new(plan());
    end.hear_bytes(&emit(&says(State::Down)), 255, IpAddr::from([192, 0, 2, 99]), false);
    assert_eq!((end.state(), end.rejected(BfdRejection::NoSession)), (State::Down, 1));
}

/// RFC 5880 section 6.3: once the neighbour names our discriminator, only that counts.
#[test]
fn a_known_session_is_found_by_its_discriminator_wherever_the_packet_comes_from() {
    let mut end = End::in_state(State::Init);
    let mut packet = says(State::Up);
    packet.your_discriminator = Some(end.id().0);
    end.hear_bytes(&emit(&packet), 255, IpAddr::from([192, 0, 2, 77]), false);
    assert_eq!(end.state(), State::Up);
}

#[test]
fn two_sessions_with_one_neighbour_are_told_apart_by_our_own_address() {
    let (mut first, mut second) = (plan(), plan());
    (first.name, first.source) = ("first".into(), Some([192, 0, 2, 9].into()));
    (second.name, second.source) = ("second".into(), Some([192, 0, 2, 1].into()));
    let mut end = End::with(Sessions::new(Instant::ZERO, 1, vec![first, second], []));
    assert_eq!(end.sessions.listens().len(), 2);
    end.hear_exactly(says(State::Down));
    let states: Vec<_> = end.sessions.report().sessions.iter().map(|session| session.state).collect();
    assert_eq!(states, [State::Down, State::Init]);
}

#[test]
fn no_two_sessions_share_a_discriminator_or_a_port() {
    let plans = (0..500u16).map(|number| {
        let mut plan = plan();
        plan.name = format!("s{number}").into();
        plan.neighbour = IpAddr::from([10, 0, (number >> 8) as u8, number as u8]);
        plan
    });
    let mut end = End::with(Sessions::new(Instant::ZERO, 3, plans.collect(), []));
    end.until(at(0));
    let ports: std::collections::BTreeSet<_> = end.sent.iter().map(|(_, sent)| sent.source_port).collect();
    let ids: std::collections::BTreeSet<_> = end.sent.iter().map(|(_, sent)| sent.session).collect();
    assert_eq!((ports.len(), ids.len()), (500, 500));
    assert!(ports.iter().all(|port| *port >= 49_152));
}

proptest! {
    /// Whatever arrives, nothing panics, every packet is counted once, and time can pass.
    #[test]
    fn any_bytes_are_believed_or_counted(
        packets in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..32), 250u8..), 1..40)
    ) {
        let mut end = End::in_state(State::Up);
        let before = end.report().counters.received;
        for (bytes, ttl) in &packets {
            end.hear_bytes(bytes, *ttl, plan().neighbour, false);
        }
        let rejected: u64 = end.sessions.report().rejected.iter().map(|(_, count)| count).sum();
        prop_assert_eq!(rejected + end.report().counters.received - before, packets.len() as u64);
        end.pass(ms(1));
    }
}
