//! Links for virtual addresses: which are made, with which names and MAC addresses, and what goes on them.

use mainstay_core::address::Family;
use mainstay_core::link::{IpvlanFlag, OwnAddress, VirtualKind, VirtualLink};

use super::*;

fn links(lowered: &Lowered) -> Vec<&VirtualLink> {
    lowered.model.router.virtual_links.iter().map(AsRef::as_ref).collect()
}

#[track_caller]
fn only_link(lowered: &Lowered) -> &VirtualLink {
    let [link] = links(lowered)[..] else {
        panic!("not one link: {:#?}", lowered.model.router.virtual_links)
    };
    link
}

fn names(lowered: &Lowered) -> Vec<String> {
    links(lowered).iter().map(|link| format!("{}@{}", link.name, link.parent)).collect()
}

/// Where each address of the only instance goes.
fn places(lowered: &Lowered) -> Vec<String> {
    let plan = lowered.instance();
    let addresses = plan.addresses.iter().chain(&plan.excluded_addresses);
    addresses.map(|address| format!("{} {}", address.address, address.link)).collect()
}

const fn macvlan(mac: [u8; 6]) -> VirtualKind {
    VirtualKind::Macvlan { mac }
}

#[test]
fn use_vmac_makes_a_link_with_the_rfcs_mac_address_for_adverts_and_addresses() {
    let lowered = instance("use_vmac").clean();
    let link = only_link(&lowered);
    assert_eq!((link.name.as_str(), link.parent.as_str()), ("vrrp.51", "eth0"));
    assert_eq!(link.kind, macvlan([0, 0, 0x5e, 0, 1, 51]));
    assert_eq!((link.group, link.family, link.ipv6, link.own), (None, Family::V4, false, OwnAddress::None));
    assert_eq!(lowered.instance().interface.as_deref(), Some("vrrp.51"));
    assert_eq!(places(&lowered), ["10.0.0.1 vrrp.51"]);
    assert_eq!(lowered.instance().trackers, []);
}

#[test]
fn over_ipv6_the_mac_address_is_another_and_the_parents_link_local_address_is_copied() {
    let lowered = bare_instance("use_vmac\nvirtual_ipaddress {\nfe80::1\n}").clean();
    let link = only_link(&lowered);
    assert_eq!(link.kind, macvlan([0, 0, 0x5e, 0, 2, 51]));
    assert_eq!((link.family, link.ipv6, link.own), (Family::V6, true, OwnAddress::LinkLocalOfParent));
    let lowered = bare_instance("use_vmac\nmcast_src_ip fe80::9\nvirtual_ipaddress {\nfe80::1\n}").clean();
    assert!(matches!(only_link(&lowered).own, OwnAddress::Is(prefix) if prefix.to_string() == "fe80::9/64"));
}

#[test]
fn adverts_may_stay_on_the_interface() {
    let lowered = instance("use_vmac\nvmac_xmit_base").clean();
    assert_eq!(lowered.instance().interface.as_deref(), Some("eth0"));
    assert_eq!(places(&lowered), ["10.0.0.1 vrrp.51"]);
    let lowered = bare_instance("use_vmac\nvmac_xmit_base\nvirtual_ipaddress {\nfe80::1\n}").clean();
    assert_eq!(only_link(&lowered).own, OwnAddress::None);
}

#[test]
fn with_unicast_they_do() {
    let lowered = instance("use_vmac\nunicast_peer {\n10.0.0.9\n}").says(["vmac-word"]);
    assert_eq!(lowered.instance().interface.as_deref(), Some("eth0"));
    assert_eq!(places(&lowered), ["10.0.0.1 vrrp.51"]);
    instance("use_vmac\nvmac_xmit_base\nunicast_peer {\n10.0.0.9\n}").clean();
}

#[test]
fn name_mac_address_and_group_can_be_given() {
    let lowered = instance("use_vmac vip0 02:01:02:03:04:05 group 44").clean();
    let link = only_link(&lowered);
    assert_eq!((link.name.as_str(), link.group), ("vip0", Some(44)));
    assert_eq!(link.kind, macvlan([2, 1, 2, 3, 4, 5]));
    let lowered = instance("use_vmac name vip0 2:1:2:3:4 netlink_notify_msg").clean();
    assert_eq!(only_link(&lowered).name, "vip0");
    assert_eq!(only_link(&lowered).kind, macvlan([2, 1, 2, 3, 4, 51]));
}

#[test]
fn a_mac_address_that_cannot_be_is_the_rfcs() {
    for mac in ["03:00:00:00:00:01", "00:00:5e:00:01:07", "02:00:00:00", "02:00:00:00:00:zz", "2:0:0:0:0:0:0"]
    {
        let lowered = instance(&format!("use_vmac {mac}")).says(["bad-mac"]);
        assert_eq!(only_link(&lowered).kind, macvlan([0, 0, 0x5e, 0, 1, 51]), "{mac}");
    }
}

#[test]
fn what_is_missing_or_too_much_is_said() {
    instance("use_vmac name").says(["missing-value"]);
    instance("use_vmac group").says(["missing-value"]);
    instance("use_vmac group nobody").says(["bad-group"]);
    instance("use_vmac one two").says(["unknown-option"]);
    instance("vmac_xmit_base").says(["vmac-word"]);
    instance("use_vmac\npromote_secondaries").says(["vmac-word"]);
}

#[test]
fn names_are_free_ones() {
    let one = |name: &str, interface: &str, address: &str| {
        format!(
            "vrrp_instance {name} {{\ninterface {interface}\nvirtual_router_id 51\nuse_vmac\nvirtual_ipaddress {{\n\
             {address}\n}}\n}}\n"
        )
    };
    let text = [
        one("A", "eth0", "10.0.0.1"),
        one("B", "eth0", "fe80::1"),
        one("C", "eth1", "10.0.1.1"),
        one("D", "eth1", "fe80::2"),
    ];
    let lowered = lower(&text.concat()).clean();
    assert_eq!(names(&lowered), ["vrrp.51@eth0", "vrrp6.51@eth0", "vrrp1.51@eth1", "vrrp2.51@eth1"]);
}

#[test]
fn a_name_that_another_link_of_the_machine_has_is_not_taken() {
    let machine = machine().with_interface("vrrp.51");
    let text = named_instance("V", 51, "use_vmac\nvirtual_ipaddress {\n10.0.0.1\n}");
    assert_eq!(names(&lower_on(&machine, &text)), ["vrrp1.51@eth0"]);
    let machine = machine.with_virtual_mac_link("vrrp.51", "eth0", [0, 0, 0x5e, 0, 1, 51]);
    assert_eq!(names(&lower_on(&machine, &text)), ["vrrp.51@eth0"], "unless it is one of a run before");
}

#[test]
fn names_begin_as_they_are_told_to() {
    let text = named_instance(
        "V",
        51,
        "use_vmac\nuse_vmac_addr\nvirtual_ipaddress {\n10.0.0.1\n10.0.1.1 dev eth1\n}",
    );
    let lowered = lower(&format!("global_defs {{\nvmac_prefix vm\nvmac_addr_prefix va\n}}\n{text}")).clean();
    assert_eq!(names(&lowered), ["vm.51@eth0", "va.51@eth1"]);
    let lowered = lower(&format!("global_defs {{\nvmac_prefix avery-long-one\n}}\n{text}")).clean();
    assert_eq!(names(&lowered), ["avery-long-o.51@eth0", "avery-long-1.51@eth1"], "15 characters at most");
}

#[test]
fn two_instances_cannot_have_one_link() {
    let one = |name: &str, vrid: u8| {
        named_instance(name, vrid, &format!("use_vmac vip\nvirtual_ipaddress {{\n10.0.0.{vrid}\n}}"))
    };
    let lowered = lower(&(one("A", 1) + &one("B", 2))).says(["duplicate-link"]);
    assert_eq!(lowered.instance().name, "A");
    assert_eq!(names(&lowered), ["vip@eth0"]);
}

#[test]
fn other_addresses_stay_where_they_are() {
    let block =
        "virtual_ipaddress {\n10.0.0.1\n10.0.1.1 dev eth1\n}\nvirtual_ipaddress_excluded {\nfd00::1\n}\n";
    let lowered = bare_instance(&format!("use_vmac\n{block}")).clean();
    assert_eq!(places(&lowered), ["10.0.0.1 vrrp.51", "10.0.1.1 eth1", "fd00::1 eth0"]);
    assert!(only_link(&lowered).ipv6, "as with keepalived");
}

#[test]
fn use_vmac_addr_gives_them_links_too() {
    let block = "virtual_ipaddress {\n10.0.0.1\n10.0.1.1 dev eth1\n10.0.1.2 dev eth1\n}\n\
                 virtual_ipaddress_excluded {\nfd00::1\n}\n";
    let lowered = bare_instance(&format!("use_vmac\nuse_vmac_addr\n{block}")).clean();
    assert_eq!(
        places(&lowered),
        ["10.0.0.1 vrrp.51", "10.0.1.1 vrrp1.51", "10.0.1.2 vrrp1.51", "fd00::1 vrrp6.51"]
    );
    let six = links(&lowered)[2];
    assert_eq!((six.kind, six.own), (macvlan([0, 0, 0x5e, 0, 2, 51]), OwnAddress::LinkLocalOfParent));
    assert!(!links(&lowered)[1].ipv6 && six.ipv6);
}

#[test]
fn all_links_of_an_instance_have_the_mac_address_that_is_given() {
    let block =
        "virtual_ipaddress {\n10.0.0.1\n10.0.1.1 dev eth1\n}\nvirtual_ipaddress_excluded {\nfd00::1\n}\n";
    let lowered = bare_instance(&format!("use_vmac 2:1:2:3:4\nuse_vmac_addr\n{block}")).clean();
    assert_eq!(places(&lowered), ["10.0.0.1 vrrp.51", "10.0.1.1 vrrp1.51", "fd00::1 vrrp.51"]);
    assert!(links(&lowered).iter().all(|link| link.kind == macvlan([2, 1, 2, 3, 4, 51])));
}

#[test]
fn one_address_can_have_a_link_alone() {
    let lowered = bare_instance("virtual_ipaddress {\n10.0.0.1 use_vmac\n10.0.0.2\n}").clean();
    assert_eq!(places(&lowered), ["10.0.0.1 vrrp.51", "10.0.0.2 eth0"]);
    assert_eq!(lowered.instance().interface.as_deref(), Some("eth0"));
    assert_eq!(lowered.instance().trackers, []);
}

#[test]
fn an_ipvlan_has_an_address_and_a_mode() {
    let lowered = instance("use_ipvlan 10.0.0.51/24 private group 3").clean();
    let link = only_link(&lowered);
    assert_eq!((link.kind, link.group), (VirtualKind::Ipvlan(IpvlanFlag::Private), Some(3)));
    assert!(matches!(link.own, OwnAddress::Is(prefix) if prefix.to_string() == "10.0.0.51/24"));
    assert_eq!(lowered.instance().interface.as_deref(), Some("vrrp.51"));
    let lowered = instance("use_ipvlan ipv 10.0.0.51 vepa").clean();
    assert_eq!(only_link(&lowered).name, "ipv");
    assert_eq!(only_link(&lowered).kind, VirtualKind::Ipvlan(IpvlanFlag::Vepa));
    let lowered = instance("use_ipvlan bridge").says(["ipvlan-without-address"]);
    assert_eq!(only_link(&lowered).own, OwnAddress::None);
}

#[test]
fn delays_of_an_interface_are_those_of_the_links_on_it() {
    let text = named_instance("V", 51, "use_vmac\nvirtual_ipaddress {\n10.0.0.1\n}");
    let lowered = lower(&format!("{text}interface_up_down_delays {{\neth0 1 2\n}}\n")).clean();
    let delays = &lowered.model.router.link_delays;
    let names: Vec<&str> = delays.iter().map(|delay| delay.interface.as_str()).collect();
    assert_eq!(names, ["eth0", "vrrp.51"]);
    assert_eq!((delays[0].down, delays[0].up), (delays[1].down, delays[1].up));
}

#[test]
fn strict_mode_has_the_rfcs_mac_address_in_every_frame() {
    let lowered = instance("strict_mode\nversion 3\naccept\nuse_vmac 02:01:02:03:04:05\nvmac_xmit_base")
        .says(["strict-reset", "strict-reset"]);
    assert_eq!(only_link(&lowered).kind, macvlan([0, 0, 0x5e, 0, 1, 51]));
    assert_eq!(lowered.instance().interface.as_deref(), Some("vrrp.51"));
}
