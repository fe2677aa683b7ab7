//! In namespaces, with `ip` as the witness.

use std::fs;

use mainstay_core::address::Family;
use mainstay_core::link::{FoundSetting, IpvlanFlag, OwnAddress, Setting, VirtualKind, VirtualLink};

use super::*;
use crate::lab;

const MAC: [u8; 6] = [0, 0, 0x5e, 0, 1, 51];

fn macvlan(family: Family) -> VirtualLink {
    VirtualLink {
        name: "vrrp.51".to_owned(),
        parent: "x0".to_owned(),
        kind: VirtualKind::Macvlan { mac: MAC },
        group: None,
        family,
        ipv6: family == Family::V6,
        own: OwnAddress::None,
    }
}

/// A namespace with a link `x0` that is up.
fn with_parent(test: impl FnOnce() + Send) {
    lab::in_new_namespace(|| {
        lab::link("x0");
        lab::ip("link set x0 up");
        test();
    });
}

fn made(link: &VirtualLink) -> Made {
    let mut writer = Writer::open().expect("opens");
    let made = make(&mut writer, link).expect("is made");
    assert!(made.complaints.is_empty(), "{:?}", made.complaints);
    made
}

fn errno(link: &VirtualLink) -> i32 {
    let mut writer = Writer::open().expect("opens");
    make(&mut writer, link).expect_err("is refused").errno()
}

fn setting(version: &str, link: &str, name: &str) -> String {
    let path = format!("/proc/sys/net/{version}/conf/{link}/{name}");
    fs::read_to_string(path).expect("reads").trim().to_owned()
}

#[test]
fn a_macvlan_is_private_has_its_mac_address_and_is_up() {
    with_parent(|| {
        lab::ip("link set x0 group 7");
        made(&macvlan(Family::V4));
        let shown = lab::ip_shows("-details -oneline link show dev vrrp.51");
        for part in ["vrrp.51@x0", ",UP,", "00:00:5e:00:01:33", "macvlan mode private", "group 7"] {
            assert!(shown.contains(part), "{part} in {shown}");
        }
        let mut other = VirtualLink { group: Some(9), ..macvlan(Family::V4) };
        other.name = "vm".to_owned();
        other.kind = VirtualKind::Macvlan { mac: [2, 0, 0, 0, 0, 7] };
        made(&other);
        assert!(lab::ip_shows("-oneline link show dev vm").contains("group 9"));
    });
}

#[test]
fn one_for_ipv4_answers_for_its_own_addresses_only_and_says_nothing_over_ipv6() {
    with_parent(|| {
        made(&macvlan(Family::V4));
        for (name, value) in
            [("arp_ignore", "1"), ("accept_local", "1"), ("rp_filter", "0"), ("promote_secondaries", "1")]
        {
            assert_eq!(setting("ipv4", "vrrp.51", name), value, "{name}");
        }
        assert_eq!(setting("ipv6", "vrrp.51", "disable_ipv6"), "1");
        for (name, value) in [("arp_ignore", "1"), ("arp_filter", "1"), ("arp_announce", "2")] {
            assert_eq!(setting("ipv4", "x0", name), value, "{name} of the parent");
        }
        assert_eq!(lab::ip_shows("-oneline address show dev vrrp.51"), "");
    });
}

#[test]
fn one_for_ipv6_has_no_address_by_itself_and_leaves_its_parent_alone() {
    with_parent(|| {
        let made = made(&macvlan(Family::V6));
        assert_eq!(made.found, []);
        assert_eq!(setting("ipv6", "vrrp.51", "disable_ipv6"), "0");
        assert_eq!(setting("ipv6", "vrrp.51", "addr_gen_mode"), "1");
        assert_eq!(setting("ipv4", "vrrp.51", "arp_ignore"), "1");
        assert_eq!(setting("ipv4", "x0", "arp_ignore"), "0");
    });
}

#[test]
fn what_it_changes_on_its_parent_is_told_and_can_be_given_back() {
    with_parent(|| {
        fs::write("/proc/sys/net/ipv4/conf/x0/arp_filter", "1").expect("writes");
        let found = made(&macvlan(Family::V4)).found;
        let of_parent = |setting, value| FoundSetting { link: "x0".to_owned(), setting, value };
        assert_eq!(found, [of_parent(Setting::ArpIgnore, 0), of_parent(Setting::ArpAnnounce, 0)]);
        assert!(restore(&found).is_empty());
        assert_eq!(setting("ipv4", "x0", "arp_ignore"), "0");
        assert_eq!(setting("ipv4", "x0", "arp_announce"), "0");
        assert_eq!(setting("ipv4", "x0", "arp_filter"), "1");
        let gone = FoundSetting { link: "y0".to_owned(), setting: Setting::ArpIgnore, value: 0 };
        assert!(restore(&[gone]).is_empty(), "a link that is gone has nothing to be given back");
    });
}

#[test]
fn a_reverse_path_filter_for_all_becomes_one_for_each_other_link() {
    with_parent(|| {
        lab::link("y0");
        let write = |link: &str, value: &str| {
            fs::write(format!("/proc/sys/net/ipv4/conf/{link}/rp_filter"), value).expect("writes");
        };
        write("all", "1");
        write("y0", "2");
        write("x0", "0");
        let found = made(&macvlan(Family::V4)).found;
        let values = || ["all", "x0", "y0", "vrrp.51"].map(|link| setting("ipv4", link, "rp_filter"));
        assert_eq!(values(), ["0", "1", "2", "0"]);
        assert!(restore(&found).is_empty());
        assert_eq!(values(), ["1", "0", "2", "0"]);
    });
}

#[test]
fn one_that_is_there_is_adopted_and_set_right() {
    with_parent(|| {
        lab::ip("link add vrrp.51 link x0 type macvlan mode private");
        assert!(!is_macvlan("vrrp.51", "x0", MAC));
        let index = lab::index("vrrp.51");
        made(&macvlan(Family::V4));
        assert_eq!(lab::index("vrrp.51"), index);
        let shown = lab::ip_shows("-oneline link show dev vrrp.51");
        assert!(shown.contains("00:00:5e:00:01:33") && shown.contains(",UP,"), "{shown}");
        assert!(is_macvlan("vrrp.51", "x0", MAC));
        assert_eq!(made(&macvlan(Family::V4)).found, [], "nothing is left to be changed");
    });
}

#[test]
fn a_link_of_that_name_that_is_not_like_it_is_left_alone() {
    with_parent(|| {
        lab::link("vrrp.51");
        assert_eq!(errno(&macvlan(Family::V4)), libc::EEXIST);
        let mut writer = Writer::open().expect("opens");
        remove(&mut writer, &macvlan(Family::V4)).expect("nothing to be removed");
        lab::index("vrrp.51");
        lab::ip("link delete vrrp.51");
        lab::ip("link add vrrp.51 link x0 type macvlan mode bridge");
        assert_eq!(errno(&macvlan(Family::V4)), libc::EEXIST);
    });
}

#[test]
fn without_a_parent_there_is_no_link() {
    lab::in_new_namespace(|| assert_eq!(errno(&macvlan(Family::V4)), libc::ENODEV));
}

#[test]
fn it_is_removed_with_its_table_and_a_second_time_is_no_error() {
    with_parent(|| {
        made(&macvlan(Family::V4));
        let tables = || {
            let output = std::process::Command::new("nft").args(["list", "tables"]).output();
            String::from_utf8_lossy(&output.expect("nft is installed").stdout).into_owned()
        };
        assert!(tables().contains("netdev mainstay-vrrp.51"), "{}", tables());
        let mut writer = Writer::open().expect("opens");
        remove(&mut writer, &macvlan(Family::V4)).expect("is removed");
        assert_eq!(nix::net::if_::if_nametoindex("vrrp.51").ok(), None);
        assert_eq!(tables(), "");
        remove(&mut writer, &macvlan(Family::V4)).expect("is gone");
    });
}

#[test]
fn an_ipvlan_is_one_or_the_kernel_has_none() {
    with_parent(|| {
        let mut link = macvlan(Family::V4);
        link.kind = VirtualKind::Ipvlan(IpvlanFlag::Private);
        let mut writer = Writer::open().expect("opens");
        match make(&mut writer, &link) {
            Ok(_) => {
                let shown = lab::ip_shows("-details -oneline link show dev vrrp.51");
                assert!(shown.contains("ipvlan") && shown.contains("private"), "{shown}");
                make(&mut writer, &link).expect("is adopted");
            }
            Err(error) => assert_eq!(error.errno(), libc::EOPNOTSUPP),
        }
    });
}
