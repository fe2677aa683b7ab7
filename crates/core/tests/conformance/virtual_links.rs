//! Links made for virtual addresses: who waits for them, who is in fault without them, and what they leave behind.

use mainstay_core::link::{FoundSetting, Setting};
use mainstay_core::router::{Cause, Link, Reason};

use super::harness::*;

const VRRP_10: [u8; 6] = [0, 0, 0x5e, 0, 1, 10];

/// `VI_1` on a macvlan on eth0, as `use_vmac` makes it.
fn on_macvlan() -> Plan {
    on_macvlan_with(alone())
}

fn on_macvlan_with(instance: Instance) -> Plan {
    let instance = instance.but(|plan| {
        plan.interface = Some("vrrp.10".into());
        plan.addresses = vec![virtual_address("192.0.2.1", "vrrp.10")];
    });
    plan().macvlan("vrrp.10", "eth0", 10, Family::V4).instance(instance)
}

/// The same with `vmac_xmit_base`: adverts take eth0.
fn by_the_parent() -> Plan {
    let instance = alone().but(|plan| plan.addresses = vec![virtual_address("192.0.2.1", "vrrp.10")]);
    plan().macvlan("vrrp.10", "eth0", 10, Family::V4).instance(instance)
}

fn orders(node: &Node) -> impl Iterator<Item = &Action> {
    node.new_orders().iter().map(|(_, order)| order)
}

fn index_of(node: &Node, name: &str) -> LinkIndex {
    node.links.iter().find(|link| link.name == name).expect("the link is there").index
}

#[test]
fn a_link_is_made_at_start_and_nobody_hears_of_a_fault() {
    let mut node = Node::with(on_macvlan());
    let made = Reason::LinkMade { parent: "eth0".into() };
    assert!(node.events().iter().any(|event| event.reason == made));
    node.expect_effects(&["make vrrp.10", "notify VI_1 BACKUP"]);
    node.expect_state(Backup);
}

#[test]
fn adverts_leave_by_it_from_the_address_of_its_parent() {
    let mut node = Node::master(on_macvlan());
    node.advance(s(1));
    let advert = node.adverts()[0].clone();
    assert_eq!(advert.link, Some(index_of(&node, "vrrp.10")));
    assert_eq!(advert.source, ip("192.0.2.252"));
}

#[test]
fn with_adverts_by_the_parent_only_the_addresses_are_on_it() {
    let mut node = Node::with(by_the_parent());
    node.become_master();
    node.advance(s(1));
    assert_eq!(node.adverts()[0].link, Some(ETH0));
    assert!(node.addresses.contains(&(index_of(&node, "vrrp.10"), ip("192.0.2.1"))));
}

#[test]
fn announcements_have_the_virtual_mac_address() {
    let mut node = Node::with(on_macvlan());
    node.forget();
    node.time_until(Master);
    let link = index_of(&node, "vrrp.10");
    let announced = Action::Announce { link, mac: VRRP_10, address: ip("192.0.2.1") };
    assert!(orders(&node).any(|order| *order == announced));
}

#[test]
fn nobody_is_master_by_a_link_that_cannot_be_made() {
    let mut node = Node::cold(on_macvlan(), None);
    node.refuses_links = Some(95);
    node.list_kernel();
    node.expect_state(Fault);
    let why = Cause::Refused("make macvlan vrrp.10 on eth0 (errno 95)".into());
    assert_eq!(node.report().cause, why);
    node.advance(s(30));
    node.expect_state(Fault);
    assert!(!node.has("192.0.2.1"));
}

#[test]
fn a_link_that_was_refused_is_tried_again_less_and_less_often() {
    let mut node = Node::cold(on_macvlan(), None);
    node.refuses_links = Some(95);
    node.list_kernel();
    node.forget();
    node.advance(s(200));
    let tries = orders(&node).filter(|order| matches!(order, Action::MakeLink(_))).count();
    // After 1, 3, 7, 15, 31, 63, 123 and 183 seconds.
    assert_eq!(tries, 8);
    node.refuses_links = None;
    node.advance(s(60));
    node.expect_state(Master);
}

#[test]
fn a_link_that_is_removed_is_a_fault_and_made_again() {
    let mut node = Node::master(on_macvlan());
    node.lose_link("vrrp.10");
    let effects = node.effects();
    assert!(effects.contains(&"notify VI_1 FAULT".into()), "{effects:?}");
    assert!(effects.contains(&"make vrrp.10".into()), "{effects:?}");
    node.expect_state(Backup);
    assert!(!node.has("192.0.2.1"));
    assert_eq!(node.time_until(Master), DOWN);
    assert!(node.addresses.contains(&(index_of(&node, "vrrp.10"), ip("192.0.2.1"))));
}

#[test]
fn a_link_that_stays_away_is_a_fault_with_its_name() {
    let mut node = Node::master(on_macvlan());
    node.refuses_links = Some(1);
    node.lose_link("vrrp.10");
    node.expect_state(Fault);
    assert!(node.report().cause.to_string().contains("vrrp.10"), "{}", node.report().cause);
}

#[test]
fn a_link_that_goes_with_its_parent_is_made_when_that_is_back() {
    let mut node = Node::master(on_macvlan());
    let parent = node.links[0].clone();
    // The kernel takes away what is built on a link first.
    node.refuses_links = Some(19);
    node.lose_link("vrrp.10");
    node.lose_link("eth0");
    node.refuses_links = None;
    node.advance(s(100));
    node.expect_state(Fault);
    node.forget();
    let again = Link { index: LinkIndex(40), ..parent };
    node.links.push(again.clone());
    node.step(Input::LinkChanged(again));
    assert!(node.effects().contains(&"make vrrp.10".into()));
    node.addresses.insert((LinkIndex(40), ip("192.0.2.252")));
    node.step(Input::AddressAdded(LinkIndex(40), ip("192.0.2.252")));
    node.expect_state(Backup);
}

#[test]
fn the_fault_of_the_parent_is_one_of_the_instance() {
    let mut node = Node::master(on_macvlan());
    node.set_link("eth0", false);
    node.expect_state(Fault);
    assert_eq!(node.report().cause, Cause::InterfaceDown("eth0".into()));
    node.set_link("eth0", true);
    node.expect_state(Backup);
}

#[test]
fn a_link_whose_mac_address_somebody_changes_is_set_right() {
    let mut node = Node::with(on_macvlan());
    node.forget();
    let mut link = node.links.last().expect("made").clone();
    link.mac = Some([2, 0, 0, 0, 0, 99]);
    node.step(Input::LinkChanged(link));
    assert!(node.effects().contains(&"make vrrp.10".into()));
}

#[test]
fn at_the_end_it_goes_after_its_addresses_and_settings_are_given_back() {
    let mut node = Node::cold(on_macvlan(), None);
    let found = FoundSetting { link: "eth0".into(), setting: Setting::ArpIgnore, value: 0 };
    node.settings_found = vec![found];
    node.list_kernel();
    node.become_master();
    node.forget();
    node.step(Input::ShutdownRequested);
    node.expect_effects(&[
        "advert 0",
        "remove 192.0.2.1",
        "notify VI_1 STOP",
        "remove link vrrp.10",
        "restore eth0 arp_ignore=0",
        "finished",
    ]);
}

#[test]
fn a_crash_costs_nothing_and_settings_are_known_to_the_successor() {
    let mut node = Node::cold(on_macvlan(), None);
    let found = FoundSetting { link: "eth0".into(), setting: Setting::ArpIgnore, value: 0 };
    node.settings_found = vec![found.clone()];
    node.list_kernel();
    node.become_master();
    let resume = node.router.resume();
    assert_eq!(resume.settings, [found]);

    let mut successor = Node::cold(on_macvlan(), Some(&resume));
    successor.links = node.links.clone();
    successor.addresses = node.addresses.clone();
    successor.list_kernel();
    successor.expect_state(Master);
    assert!(successor.has("192.0.2.1"));
    successor.forget();
    successor.step(Input::ShutdownRequested);
    assert!(successor.effects().contains(&"restore eth0 arp_ignore=0".into()));
}

#[test]
fn a_reload_without_it_removes_it_and_one_with_it_makes_it() {
    let mut node = Node::master(on_macvlan());
    node.settings_found = vec![];
    node.reload(alone());
    let effects = node.effects();
    let place = |what: &str| effects.iter().position(|effect| effect == what);
    assert!(place("remove 192.0.2.1") < place("remove link vrrp.10"), "{effects:?}");
    assert!(place("remove link vrrp.10").is_some(), "{effects:?}");
    node.become_master();
    node.reload(on_macvlan());
    assert!(node.effects().contains(&"make vrrp.10".into()));
    node.expect_state(Backup);
}

#[test]
fn a_reload_that_changes_nothing_leaves_it_alone() {
    let mut node = Node::master(on_macvlan());
    node.reload(on_macvlan());
    node.expect_effects(&[]);
    node.expect_state(Master);
}

#[test]
fn over_ipv6_it_has_the_link_local_address_of_its_parent() {
    let instance = alone().but(|plan| {
        plan.family = Family::V6;
        plan.destination = mainstay_core::router::plan::Destination::Multicast(ip("ff02::12"));
        plan.interface = Some("vrrp.10".into());
        plan.addresses = vec![virtual_address("fe80::100", "vrrp.10")];
    });
    let mut node = Node::with(plan().macvlan("vrrp.10", "eth0", 10, Family::V6).instance(instance));
    let link = index_of(&node, "vrrp.10");
    assert!(node.addresses.contains(&(link, ip("fe80::2"))));
    node.become_master();
    node.advance(s(1));
    assert_eq!(node.adverts()[0].source, ip("fe80::2"));
}

#[test]
fn heartbeats_of_a_backup_leave_by_the_parent() {
    let mut node = Node::with(on_macvlan().peer_view());
    node.advance(s(2));
    let links: Vec<Option<LinkIndex>> = orders(&node)
        .filter_map(|order| match order {
            Action::SendHeartbeat(heartbeat) => Some(heartbeat.link),
            _ => None,
        })
        .collect();
    assert!(!links.is_empty());
    assert!(links.iter().all(|link| *link == Some(ETH0)), "{links:?}");
}

#[test]
fn a_backup_asks_nobody_with_the_virtual_mac_address() {
    let mut node = Node::with(on_macvlan_with(alone().but(|plan| plan.probe_before_take = true)));
    node.forget();
    node.advance(s(10));
    node.expect_state(Master);
    assert!(!orders(&node).any(|order| matches!(order, Action::ProbeAddress { .. })));
}
