//! C01-C28: what is heard, and what becomes of it.

use mainstay_core::router::Mismatch;
use mainstay_core::vrrp::packet::Rejection;

use super::harness::*;

const V2: &str = "210ac801000154f1c00002010000000000000000";
const V2_PASSWORD: &str = "210ac801010117a5c00002017365637265740000";
const V3: &str = "310ac8010064a103c0000201";
const V3_MESSAGE_ONLY: &str = "310ac8010064448ec0000201";
const V3_INTERVAL_0: &str = "310ac8010000a167c0000201";
const V3_COUNT_0: &str = "310ac8000064630a";
const V3_TYPE_2: &str = "320ac8010064a003c0000201";
const V3_LONGEST_INTERVAL: &str = "310ac8010fff9168c0000201";
const V3_RESERVED_BITS: &str = "310ac801f064b102c0000201";
const V6: &str = "310a640200643f5dfe80000000000000000000000000000120010db8000000000000000000000001";
const V6_GLOBAL_FIRST: &str =
    "310a640200643f5d20010db8000000000000000000000001fe800000000000000000000000000001";

/// A backup that hears this two seconds after its start takes it for its master's.
#[track_caller]
fn expect_accepted(instance: Instance, heard: Heard) -> Node {
    let mut node = Node::with(instance);
    node.advance(s(2));
    node.forget();
    let source = heard.source;
    node.hear(heard);
    assert_eq!(node.counters().adverts_received, 1, "{:?}", node.rejections());
    assert_eq!(node.report().master, Some(source));
    assert_eq!(node.report().last_advert, Some(node.now));
    assert_eq!(node.rejections(), []);
    node.expect_state(Backup);
    node
}

/// A backup that hears this goes on as if it had not, and says why.
#[track_caller]
fn expect_rejected(instance: Instance, heard: Heard, rejection: Rejection) -> Node {
    let mut node = Node::with(instance.clone());
    let down = Node::with(instance).time_until(Master);
    node.advance(s(2));
    node.forget();
    let source = heard.source;
    node.hear(heard);
    assert_eq!(node.counters().adverts_received, 0);
    match node.mismatches()[..] {
        // Of a configured peer it is an alarm.
        [mismatch] => assert_eq!(Some(mismatch), Mismatch::of(rejection)),
        _ => assert_eq!(node.rejections(), [(source, rejection, 1)]),
    }
    assert_eq!(node.time_until(Master), down - s(2), "the timer ran on");
    node
}

#[test]
fn c01_a_v3_advert_is_decoded() {
    let node = expect_accepted(instance("VI_1"), advert().raw(V3));
    let report = node.report();
    assert_eq!(report.master_priority, 200);
    assert_eq!(report.master_advert_interval, s(1));
    assert_eq!(node.mismatches(), [], "its one address is ours");
}

#[test]
fn c01_a_v6_advert_is_decoded() {
    let node = expect_accepted(instance("VI_1").v6(), advert().v6().raw(V6));
    assert_eq!(node.report().master_priority, 100);
    assert_eq!(node.mismatches(), []);
}

#[test]
fn c02_the_checksum_form_of_rfc_9568_is_accepted_counted_and_told() {
    let node = expect_accepted(instance("VI_1"), advert().raw(V3_MESSAGE_ONLY));
    assert_eq!(node.counters().rfc9568_checksums, 1);
    assert_eq!(node.mismatches(), [Mismatch::ChecksumForm]);
}

#[test]
fn c02_no_other_form_counts_as_that_of_rfc_9568() {
    assert_eq!(expect_accepted(instance("VI_1"), advert().raw(V3)).counters().rfc9568_checksums, 0);
    assert_eq!(expect_accepted(instance("VI_1").v2(), advert().raw(V2)).counters().rfc9568_checksums, 0);
}

#[test]
fn c03_a_flipped_bit_is_a_checksum_error() {
    let damaged = advert().damaged(|payload| payload[2] ^= 1);
    let node = expect_rejected(instance("VI_1"), damaged, Rejection::Checksum);
    assert_eq!(node.counters().checksum_errors, 1);
}

#[test]
fn c04_ttl_254_is_rejected() {
    let node = expect_rejected(instance("VI_1"), advert().ttl(254), Rejection::Ttl);
    assert_eq!(node.counters().ttl_errors, 1);
}

#[test]
fn c05_hop_limit_64_is_rejected() {
    expect_rejected(instance("VI_1").v6(), advert().v6().ttl(64), Rejection::Ttl);
}

#[test]
fn c06_version_5_is_rejected() {
    let heard = advert().damaged(|payload| payload[0] = 0x51);
    let node = expect_rejected(instance("VI_1"), heard, Rejection::Version);
    assert_eq!(node.counters().version_errors, 1);
}

#[test]
fn c07_type_2_is_rejected() {
    let node = expect_rejected(instance("VI_1"), advert().raw(V3_TYPE_2), Rejection::Type);
    assert_eq!(node.counters().invalid_type, 1);
}

#[test]
fn c08_seven_bytes_are_truncated() {
    let node = expect_rejected(instance("VI_1"), advert().raw(&V3[..14]), Rejection::Truncated);
    assert_eq!(node.counters().packet_length_errors, 1);
}

#[test]
fn c09_count_3_with_1_address_is_a_length_error() {
    let heard = advert().damaged(|payload| payload[3] = 3);
    let node = expect_rejected(instance("VI_1"), heard, Rejection::Length);
    assert_eq!(node.counters().packet_length_errors, 1);
}

#[test]
fn c10_count_0_is_rejected() {
    expect_rejected(instance("VI_1"), advert().raw(V3_COUNT_0), Rejection::NoAddress);
}

#[test]
fn c11_interval_0_is_rejected_and_the_timer_untouched() {
    expect_rejected(instance("VI_1"), advert().raw(V3_INTERVAL_0), Rejection::Interval);
}

#[test]
fn c12_reserved_bits_are_no_part_of_the_interval() {
    let mut node = expect_accepted(instance("VI_1"), advert().raw(V3_RESERVED_BITS));
    assert_eq!(node.report().master_advert_interval, s(1));
    assert_eq!(node.time_until(Master), DOWN);
}

#[test]
fn c13_at_the_longest_interval_a_backup_waits_12285_cs_and_the_skew() {
    let mut node = expect_accepted(instance("VI_1"), advert().raw(V3_LONGEST_INTERVAL));
    assert_eq!(node.time_until(Master), ms(122_850) + us(24_953_906));
}

#[test]
fn c14_an_unknown_vrid_is_nobodys() {
    let mut node = Node::with(instance("VI_1"));
    node.forget();
    let before = node.report();
    node.hear(advert().vrid(11));
    assert_eq!(node.report(), before);
    assert_eq!(node.rejections(), [], "other routers on the same link are normal");
    assert_eq!(node.router.unknown_vrids(), 1);
    node.expect_effects(&[]);
}

#[test]
fn c14_an_unknown_vrid_is_told_where_that_is_asked_for() {
    let mut node = Node::with(plan().instance(instance("VI_1")).log_unknown_vrids());
    node.forget();
    node.hear(advert().vrid(11));
    assert_eq!(node.rejections(), [(ip("192.0.2.251"), Rejection::Vrid, 1)]);
}

#[test]
fn c14_the_same_vrid_of_the_other_family_is_another_router() {
    let mut node = Node::with(instance("VI_1"));
    node.forget();
    let before = node.report();
    node.hear(advert().v6());
    assert_eq!(node.report(), before);
}

#[test]
fn c14_the_same_vrid_on_another_link_is_another_router() {
    let mut node = Node::with(instance("VI_1"));
    node.forget();
    let before = node.report();
    node.hear(advert().on(ETH1));
    assert_eq!(node.report(), before);
}

#[test]
fn c15_a_trailer_of_eight_bytes_is_a_length_error() {
    let heard = advert().damaged(|payload| payload.extend([0; 8]));
    expect_rejected(instance("VI_1"), heard, Rejection::Length);
}

#[test]
fn c16_ethernet_padding_is_accepted() {
    let heard = advert().damaged(|payload| payload.resize(46 - 20, 0));
    expect_accepted(instance("VI_1"), heard);
}

#[test]
fn c18_a_global_first_address_is_rejected_in_strict_mode_only() {
    let strict = instance("VI_1").v6().but(|plan| plan.strict = true);
    expect_rejected(strict, advert().v6().raw(V6_GLOBAL_FIRST), Rejection::LinkLocal);
    expect_accepted(instance("VI_1").v6(), advert().v6().raw(V6_GLOBAL_FIRST));
}

#[test]
fn c19_a_count_of_255_behind_a_short_packet_is_a_length_error() {
    let heard = advert().v6().damaged(|payload| payload[3] = 255);
    expect_rejected(instance("VI_1").v6(), heard, Rejection::Length);
}

#[test]
fn c19_255_addresses_are_accepted() {
    let addresses: Vec<String> = (0..255).map(|n| format!("fe80::{n:x}")).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let node = expect_accepted(instance("VI_1").v6(), advert().v6().addresses(&addresses));
    assert_eq!(node.mismatches(), [Mismatch::Addresses]);
}

#[test]
fn c20_the_other_version_is_rejected() {
    expect_rejected(instance("VI_1"), advert().raw(V2), Rejection::Version);
    expect_rejected(instance("VI_1").v2(), advert().raw(V3), Rejection::Version);
}

#[test]
fn c21_v2_with_another_interval_is_rejected() {
    let node = expect_rejected(instance("VI_1").v2(), advert().v2().interval(s(2)), Rejection::Interval);
    assert_eq!(node.counters().advert_interval_errors, 1);
}

#[test]
fn c22_the_right_password_is_accepted() {
    expect_accepted(instance("VI_1").v2().password(b"secret\0\0"), advert().raw(V2_PASSWORD));
}

#[test]
fn c22_a_wrong_password_is_rejected() {
    let node = expect_rejected(
        instance("VI_1").v2().password(b"Secret\0\0"),
        advert().raw(V2_PASSWORD),
        Rejection::AuthFailed,
    );
    assert_eq!(node.counters().auth_failures, 1);
}

#[test]
fn c22_a_password_on_one_side_only_is_rejected() {
    let with = instance("VI_1").v2().password(b"secret\0\0");
    let node = expect_rejected(with, advert().raw(V2), Rejection::AuthTypeMismatch);
    assert_eq!(node.counters().auth_type_mismatch, 1);
    expect_rejected(instance("VI_1").v2(), advert().raw(V2_PASSWORD), Rejection::AuthTypeMismatch);
}

#[test]
fn c23_authentication_type_3_is_rejected() {
    let heard = advert().v2().raw("210ac801030151f1c00002010000000000000000");
    let node = expect_rejected(instance("VI_1").v2(), heard, Rejection::AuthTypeUnknown);
    assert_eq!(node.counters().invalid_auth_type, 1);
}

#[test]
fn c24_another_v3_interval_is_learned_and_told_once() {
    let mut node = expect_accepted(instance("VI_1"), advert().interval(s(3)));
    assert_eq!(node.report().master_advert_interval, s(3));
    assert_eq!(node.mismatches(), [Mismatch::Interval]);
    node.forget();
    for _ in 0..5 {
        node.advance(s(3));
        node.hear(advert().interval(s(3)));
    }
    assert_eq!(node.mismatches(), [], "told once a minute at most");
    assert_eq!(node.time_until(Master), s(9) + us(1_828_125));
}

#[test]
fn c25_another_list_of_addresses_is_accepted_and_told() {
    let source = ip("192.0.2.251");
    let differs = Alarm::Mismatch { source, mismatch: Mismatch::Addresses };
    let collides = Alarm::VridCollision { source };
    for (addresses, alarm) in
        [(&["192.0.2.7"][..], collides), (&["192.0.2.1", "192.0.2.7"], differs), (&["192.0.2.1"; 2], differs)]
    {
        let mut node = expect_accepted(instance("VI_1"), advert().addresses(addresses));
        assert_eq!(node.alarms(), [alarm]);
        assert_eq!(node.counters().address_list_errors, 1);
        assert_eq!(node.time_until(Master), DOWN);
    }
}

#[test]
fn c25_skip_check_adv_addr_does_not_look_again_while_the_sender_is_the_same() {
    let mut node = Node::with(instance("VI_1").but(|plan| plan.skip_address_check = true));
    let differs = || advert().addresses(&["192.0.2.7"]);
    let mut errors = vec![];
    for heard in [advert(), differs(), differs().from("192.0.2.250"), differs().from("192.0.2.250")] {
        node.hear(heard);
        errors.push(node.counters().address_list_errors);
    }
    assert_eq!(errors, [0, 0, 1, 1]);
}

#[test]
fn c25_the_order_of_addresses_does_not_matter() {
    let ours = instance("VI_1").addresses(&["192.0.2.1", "192.0.2.2"]);
    let node = expect_accepted(ours, advert().addresses(&["192.0.2.2", "192.0.2.1"]));
    assert_eq!(node.mismatches(), []);
}

#[test]
fn c26_our_own_packet_looped_back_is_ignored_and_told() {
    let mut node = Node::master(instance("VI_1").announcing_once());
    node.advance(ms(500));
    let before = node.report();
    node.forget();
    node.hear(advert().from("192.0.2.252").priority(100));
    node.expect_state(Master);
    assert_eq!(node.mismatches(), [Mismatch::OwnAddress]);
    assert_eq!(node.report().since, before.since);
    let start = node.now;
    node.forget();
    node.advance(s(1));
    assert_eq!(node.adverts_after(start), [(ms(500), 100)], "no advert but the one that was due");
}

#[test]
fn c27_unicast_from_a_stranger_is_rejected_where_the_source_is_checked() {
    let ours = || instance("VI_1").source("192.0.2.252").unicast_to("192.0.2.251");
    let stranger = || advert().from("192.0.2.66").to("192.0.2.252");
    expect_rejected(ours().check_unicast_source(), stranger(), Rejection::UnknownPeer);
    expect_accepted(ours(), stranger());
    expect_accepted(ours().check_unicast_source(), advert().to("192.0.2.252"));
}

#[test]
fn c27_the_ttl_of_unicast_is_checked_only_against_the_range_of_the_peer() {
    let ours = || instance("VI_1").source("192.0.2.252").unicast_to("192.0.2.251");
    expect_accepted(ours(), advert().to("192.0.2.252").ttl(3));
    let near = ours().but(|plan| {
        let mainstay_core::router::plan::Destination::Unicast { peers, .. } = &mut plan.destination else {
            panic!("unicast")
        };
        peers[0].ttl_range = Some((254, 255));
    });
    expect_accepted(near.clone(), advert().to("192.0.2.252").ttl(254));
    expect_rejected(near, advert().to("192.0.2.252").ttl(253), Rejection::Ttl);
}

#[test]
fn c28_multicast_to_a_unicast_instance_is_rejected() {
    let ours = instance("VI_1").source("192.0.2.252").unicast_to("192.0.2.251");
    expect_rejected(ours, advert(), Rejection::Destination);
}

#[test]
fn c28_unicast_to_a_multicast_instance_is_rejected() {
    expect_rejected(instance("VI_1"), advert().to("192.0.2.252"), Rejection::Destination);
}

#[test]
fn unicast_in_the_old_checksum_form_is_accepted() {
    let ours = instance("VI_1").source("192.0.2.252").unicast_to("192.0.2.251");
    expect_accepted(ours, advert().raw(V3).to("192.0.2.252"));
}
