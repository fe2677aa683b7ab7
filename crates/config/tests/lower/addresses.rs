//! `virtual_ipaddress` and `virtual_ipaddress_excluded`.

use std::net::Ipv4Addr;

use mainstay_core::address::InterfaceAddress;
use mainstay_core::router::plan::TrackerTarget;

use super::*;

/// Lowers one line of `virtual_ipaddress`.
fn line(line: &str) -> Lowered {
    bare_instance(&format!("virtual_ipaddress {{\n{line}\n}}"))
}

/// The address one line comes to.
#[track_caller]
fn address(text: &str) -> InterfaceAddress {
    let lowered = line(text).clean();
    let [address] = lowered.instance().addresses.as_slice() else { panic!("not one address") };
    InterfaceAddress::clone(address)
}

#[test]
fn an_address_goes_on_the_instances_interface_as_a_host_without_duplicate_detection() {
    let address = address("10.0.0.1");
    assert_eq!((address.prefix_length, address.link.as_str()), (32, "eth0"));
    assert!(address.flags.nodad && address.tracked);
    assert_eq!((address.scope, address.label, address.preferred_lifetime_s), (0, None, None));
}

#[test]
fn an_ipv6_host_address_is_no_source_of_our_own_traffic() {
    assert_eq!(address("fe80::1").preferred_lifetime_s, Some(0));
    assert_eq!(address("fe80::1/64").preferred_lifetime_s, None);
    assert_eq!(address("fe80::1 preferred_lft forever").preferred_lifetime_s, None);
    assert_eq!(address("fe80::1/64 preferred_lft 30").preferred_lifetime_s, Some(30));
}

#[test]
fn every_option_of_an_address_reaches_the_plan() {
    let address = address(
        "10.0.0.1/24 dev eth1 brd 10.0.0.255 scope link label eth1:v peer 10.0.0.9/32 home -nodad mngtmpaddr \
         noprefixroute autojoin no_track",
    );
    assert_eq!((address.prefix_length, address.link.as_str(), address.scope), (24, "eth1", 253));
    assert_eq!(address.broadcast, Some(Ipv4Addr::new(10, 0, 0, 255)));
    assert_eq!(address.label.as_deref(), Some("eth1:v"));
    assert_eq!(address.peer.map(|peer| peer.to_string()).as_deref(), Some("10.0.0.9/32"));
    let flags = address.flags;
    assert!(flags.home && !flags.nodad && flags.manage_temporary && flags.no_prefix_route && flags.auto_join);
    assert!(!address.tracked);
}

#[test]
fn plus_sets_and_minus_clears_the_host_bits() {
    assert_eq!(address("10.0.0.1/24 brd +").broadcast, Some(Ipv4Addr::new(10, 0, 0, 255)));
    assert_eq!(address("10.0.0.1/24 brd -").broadcast, Some(Ipv4Addr::new(10, 0, 0, 0)));
    let lowered = line("10.0.0.1 brd +").says(["bad-broadcast"]);
    assert_eq!(lowered.instance().addresses[0].broadcast, None);
}

#[test]
fn a_bad_address_is_left_out() {
    let lowered = line("10.0.0.500/24\n10.0.0.1").says(["bad-address"]);
    assert_eq!(lowered.instance().addresses.len(), 1);
}

#[test]
fn a_bad_prefix_length_is_the_longest() {
    let lowered = line("10.0.0.1/33").says(["bad-prefix-length"]);
    assert_eq!(lowered.instance().addresses[0].prefix_length, 32);
}

#[test]
fn a_label_longer_than_the_kernels_takes_the_address_out() {
    line("10.0.0.1 label averylonglabel:12\n10.0.0.2").says(["label-too-long"]);
}

#[test]
fn a_label_a_scope_and_a_broadcast_are_for_ipv4() {
    let lowered = line("fe80::1 label eth0:1 scope link").says(["ipv4-only", "ipv4-only"]);
    assert_eq!(lowered.instance().addresses[0].label, None);
    line("fe80::1\nfe80::2 brd +").says(["bad-broadcast"]);
}

#[test]
fn an_unknown_option_is_ignored() {
    let lowered = line("10.0.0.1 notrack").says(["unknown-option"]);
    assert_eq!(lowered.instance().addresses.len(), 1);
}

#[test]
fn an_option_without_its_value_takes_the_address_out() {
    let lowered = line("10.0.0.1 dev\n10.0.0.2").says(["missing-value"]);
    assert_eq!(lowered.instance().addresses.len(), 1);
}

#[test]
fn an_address_on_an_unknown_interface_is_left_out() {
    let lowered = line("10.0.0.1 dev eth9\n10.0.0.2").says(["unknown-interface"]);
    assert_eq!(lowered.instance().addresses.len(), 1);
}

#[test]
fn addresses_of_the_other_family_are_not_advertised() {
    let lowered = line("10.0.0.1\nfe80::1").says(["mixed-families"]);
    let plan = lowered.instance();
    assert_eq!((plan.addresses.len(), plan.excluded_addresses.len()), (1, 1));
}

#[test]
fn excluded_addresses_may_be_of_any_family() {
    let lowered = instance("virtual_ipaddress_excluded {\nfe80::1\n10.0.0.2\n}").clean();
    assert_eq!(lowered.instance().excluded_addresses.len(), 2);
}

#[test]
fn more_than_255_addresses_are_not_advertised() {
    let lines: Vec<String> = (0..300).map(|n| format!("10.0.{}.{}", n / 250, n % 250 + 1)).collect();
    let lowered = line(&lines.join("\n")).says(["too-many-addresses"]);
    let plan = lowered.instance();
    assert_eq!((plan.addresses.len(), plan.excluded_addresses.len()), (255, 45));
}

#[test]
fn no_more_ipv6_addresses_are_advertised_than_a_packet_holds() {
    let lines: Vec<String> = (1..=100).map(|n| format!("fe80::{n:x}")).collect();
    let lowered = line(&lines.join("\n")).says(["too-many-addresses"]);
    // 1500 bytes less 40 of IPv6 and 8 of VRRP hold 90 addresses of 16 bytes.
    assert_eq!(lowered.instance().addresses.len(), 90);
}

#[test]
fn an_address_stands_once_in_an_instance() {
    let lowered = line("10.0.0.1\n10.0.0.1").says(["duplicate-address"]);
    assert_eq!(lowered.instance().addresses.len(), 1);
    assert_eq!(line("10.0.0.1 dev eth0\n10.0.0.1 dev eth1").clean().instance().addresses.len(), 2);
}

#[test]
fn the_interfaces_of_tracked_addresses_are_followed() {
    let lowered = line("10.0.0.1\n10.0.0.2 dev eth1").clean();
    let [tracker] = lowered.instance().trackers.as_slice() else { panic!("not one tracker") };
    assert_eq!((tracker.target.clone(), tracker.weight), (TrackerTarget::Interface("eth1".into()), 0));
    assert!(line("10.0.0.1\n10.0.0.2 dev eth1 no_track").clean().instance().trackers.is_empty());
}
