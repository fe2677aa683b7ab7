//! The VIP lease: on by default, and how long.

use std::time::Duration;

use mainstay_core::router::plan::LeasePlan;

use super::*;

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// One instance with these lines, and these in `global_defs`.
fn with(global: &str, lines: &str) -> Lowered {
    lower(&format!(
        "global_defs {{\nvrrp_version 3\n{global}\n}}\nvrrp_instance A {{\ninterface eth0\nvirtual_router_id 1\n{lines}\n\
         virtual_ipaddress {{\n10.0.0.1\n}}\n}}\n"
    ))
}

fn length(lowered: &Lowered) -> Option<Duration> {
    lowered.instance().lease.map(|lease| lease.length)
}

#[test]
fn it_is_on_and_half_an_interval_shorter_than_what_peers_wait_for() {
    for (lines, expected) in [
        ("", ms(2500)),
        ("advert_int 0.1", ms(250)),
        ("advert_int 0.01", ms(25)),
        ("down_timer_adverts 2", ms(1500)),
        ("down_timer_adverts 100", ms(99_500)),
        ("advert_int 40.95", ms(102_375)),
    ] {
        let lowered = with("", lines).clean();
        let expected = LeasePlan { length: expected, only_if_peer_seen: true };
        assert_eq!(lowered.instance().lease, Some(expected), "{lines}");
    }
}

#[test]
fn it_can_be_turned_off_for_all_or_for_one() {
    assert_eq!(length(&with("@mainstay vip_lease off", "").clean()), None);
    assert_eq!(length(&with("", "@mainstay vip_lease off").clean()), None);
    assert_eq!(length(&with("vip_lease off", "vip_lease on").clean()), Some(ms(2500)));
    assert_eq!(length(&with("vip_lease off", "vip_lease").clean()), Some(ms(2500)), "alone it means on");
}

#[test]
fn a_length_is_taken_from_the_instance_or_else_from_all() {
    assert_eq!(length(&with("vip_lease 1.5", "").clean()), Some(ms(1500)));
    assert_eq!(length(&with("vip_lease 1.5", "vip_lease 2.9").clean()), Some(ms(2900)));
}

#[test]
fn a_length_that_cannot_be_says_what_could() {
    for lines in
        ["vip_lease 1", "vip_lease 3", "vip_lease 0.5", "vip_lease 60", "advert_int 0.5\nvip_lease 2"]
    {
        let lowered = with("", lines).says(["lease-out-of-range"]);
        let said = lowered.only("lease-out-of-range");
        assert_eq!(said.severity, Severity::Error, "{lines}");
        assert!(said.note.as_ref().is_some_and(|note| note.contains("less than")), "{said:?}");
        assert!(length(&lowered).is_some(), "the usual length counts: {lines}");
    }
}

#[test]
fn nonsense_is_no_length() {
    let lowered = with("", "vip_lease soon");
    assert!(!lowered.codes().is_empty());
    assert_eq!(length(&lowered), Some(ms(2500)));
}

#[test]
fn only_if_peer_seen_is_on_unless_somebody_says_off() {
    let only = |lowered: Lowered| lowered.clean().instance().lease.map(|lease| lease.only_if_peer_seen);
    assert_eq!(only(with("", "")), Some(true));
    assert_eq!(only(with("only_if_peer_seen off", "")), Some(false));
    assert_eq!(only(with("", "@mainstay only_if_peer_seen no")), Some(false));
    assert_eq!(only(with("only_if_peer_seen off", "only_if_peer_seen on")), Some(true));
}

#[test]
fn where_it_cannot_be_it_is_off_with_a_note_and_with_a_warning_where_it_was_asked_for() {
    let silent = with("", "down_timer_adverts 1").clean();
    assert_eq!(length(&silent), None);
    assert_eq!(silent.only("no-lease").severity, Severity::Note);
    let asked = with("", "down_timer_adverts 1\nvip_lease on").says(["no-lease"]);
    assert_eq!(asked.only("no-lease").class, Class::Silent, "keepalived never reads that line");
}

#[test]
fn an_advert_of_too_many_ipv6_addresses_has_no_lease() {
    let addresses = |count: u32| -> String {
        std::iter::once("fe80::1".to_owned())
            .chain((1..count).map(|number| format!("fd00::{number:x}")))
            .collect::<Vec<_>>()
            .join("\n")
    };
    for (count, has_one) in [(76, true), (77, false)] {
        let lowered = lower(&format!(
            "vrrp_instance A {{\ninterface eth0\nvirtual_router_id 1\nvirtual_ipaddress {{\n{}\n}}\n}}\n",
            addresses(count)
        ));
        assert_eq!(length(&lowered).is_some(), has_one, "{count} addresses");
    }
}

#[test]
fn without_an_interface_there_is_no_lease() {
    let lowered = lower(
        "vrrp_instance A {\nvirtual_router_id 1\nunicast_src_ip 10.0.0.2\nunicast_peer {\n10.0.0.3\n}\n\
         virtual_ipaddress {\n10.0.0.1 dev eth0\n}\n}\n",
    );
    assert_eq!(length(&lowered), None);
    assert_eq!(lowered.only("no-lease").severity, Severity::Note);
}
