//! F16, F17, F22, F29 and D10: links that go down, a kernel that refuses, somebody else's hand, and the end.

use mainstay_core::router::{Cause, Link, Reason, Subject};

use super::harness::*;

// ---- faults ----

#[test]
fn f22_a_master_whose_interface_goes_down_is_in_fault_and_comes_back_as_backup() {
    let mut node = Node::master(alone());
    node.set_link("eth0", false);
    node.expect_state(Fault);
    assert!(!node.has("192.0.2.1"));
    let effects = node.effects();
    let without_adverts: Vec<&str> =
        effects.iter().map(String::as_str).filter(|effect| !effect.starts_with("advert")).collect();
    assert_eq!(without_adverts, ["remove 192.0.2.1", "notify VI_1 FAULT"]);
    assert_eq!(node.report().cause, Cause::InterfaceDown("eth0".into()));

    node.advance(s(10));
    node.expect_effects(&[]);
    node.set_link("eth0", true);
    node.expect_state(Backup);
    node.expect_effects(&["notify VI_1 BACKUP"]);
    assert_eq!(node.time_until(Master), DOWN);
}

#[test]
fn f22_a_backup_whose_interface_goes_down_is_in_fault_without_a_word_on_the_wire() {
    let mut node = Node::with(alone());
    node.forget();
    node.set_link("eth0", false);
    node.expect_effects(&["notify VI_1 FAULT"]);
    node.expect_state(Fault);
}

#[test]
fn f22_leaving_fault_forgets_the_learned_interval() {
    let mut node = Node::with(alone());
    node.hear(advert().interval(ms(300)));
    node.set_link("eth0", false);
    node.set_link("eth0", true);
    assert_eq!(node.time_until(Master), DOWN);
}

#[test]
fn f22_an_interface_that_is_not_up_counts_as_down() {
    let mut node = Node::master(alone());
    let mut link = node.links[0].clone();
    link.up = false;
    node.step(Input::LinkChanged(link));
    node.expect_state(Fault);
}

#[test]
fn f22_an_interface_that_is_gone_is_a_fault_until_it_is_back_under_another_index() {
    let mut node = Node::master(alone());
    let link = node.links.remove(0);
    node.addresses.retain(|(of, _)| *of != link.index);
    node.step(Input::LinkRemoved(link.index));
    node.expect_state(Fault);

    let again = Link { index: LinkIndex(9), ..link };
    node.links.push(again.clone());
    node.step(Input::LinkChanged(again));
    node.addresses.insert((LinkIndex(9), ip("192.0.2.252")));
    node.step(Input::AddressAdded(LinkIndex(9), ip("192.0.2.252")));
    node.expect_state(Backup);
    node.become_master();
    node.advance(s(1));
    assert_eq!(node.adverts()[0].link, Some(LinkIndex(9)));
}

#[test]
fn f22_dont_track_primary_makes_an_interface_that_is_down_no_fault() {
    let mut node = Node::master(alone().but(|plan| plan.ignore_interface_fault = true));
    node.set_link("eth0", false);
    node.expect_state(Master);
}

#[test]
fn f22_packets_in_fault_are_not_heard() {
    let mut node = Node::fault(alone());
    let before = node.report();
    for priority in [0, 50, 200, 255] {
        node.hear(advert().priority(priority));
    }
    node.expect_effects(&[]);
    assert_eq!(node.report(), before);
    node.set_link("eth0", true);
    assert_eq!(node.time_until(Master), DOWN);
}

#[test]
fn f22_an_owner_comes_back_from_fault_after_an_interval_and_the_skew() {
    let mut node = Node::with(alone().owner());
    node.time_until(Master);
    node.set_link("eth0", false);
    node.set_link("eth0", true);
    node.expect_state(Backup);
    assert_eq!(node.time_until(Master), s(1) + us(3_906));
}

#[test]
fn f22_a_configured_source_that_is_absent_is_a_fault_only_where_it_is_tracked() {
    let from = |tracked| alone().source("192.0.2.200").but(|plan| plan.track_source = tracked);
    Node::with(from(false)).expect_state(Backup);
    let mut node = Node::with(from(true));
    node.expect_state(Fault);
    node.addresses.insert((ETH0, ip("192.0.2.200")));
    node.step(Input::AddressAdded(ETH0, ip("192.0.2.200")));
    node.expect_state(Backup);
    node.somebody_removes(ETH0, "192.0.2.200");
    node.expect_state(Fault);
}

#[test]
fn f22_an_interface_without_an_address_is_a_fault_until_it_has_one() {
    let mut node = Node::cold(alone(), None);
    node.addresses.clear();
    node.list_kernel();
    node.expect_state(Fault);
    node.addresses.insert((ETH0, ip("192.0.2.252")));
    node.step(Input::AddressAdded(ETH0, ip("192.0.2.252")));
    node.expect_state(Backup);
    assert_eq!(node.time_until(Master), DOWN);
}

#[test]
fn a_start_with_the_interface_down_is_a_start_in_fault() {
    let mut node = Node::cold(alone(), None);
    node.links[0].running = false;
    node.list_kernel();
    node.expect_state(Fault);
    node.expect_effects(&["notify VI_1 FAULT"]);
    node.advance(s(10));
    node.expect_effects(&[]);
}

// ---- the kernel ----

#[test]
fn f29_an_advert_the_kernel_refuses_is_counted_told_and_tried_again() {
    const ENOBUFS: i32 = 105;
    let mut node = Node::master(alone());
    node.advance(s(1));
    node.forget();
    node.step(Input::AdvertRefused { instance: "VI_1".into(), errno: ENOBUFS });
    node.expect_state(Master);
    assert_eq!(node.counters().send_errors, 1);
    let told = node.events().into_iter().any(|event| {
        matches!(event.reason, Reason::Refused { errno: ENOBUFS, .. })
            && event.subject == Subject::Instance("VI_1".into())
    });
    assert!(told, "{:?}", node.events());
    let start = node.now;
    node.advance(ms(500));
    assert!(!node.adverts_after(start).is_empty(), "it is tried again well before the next is due");
}

#[test]
fn f29_a_kernel_that_refuses_for_ever_is_not_told_for_ever() {
    let mut node = Node::master(alone().interval(ms(10)));
    for _ in 0..500 {
        node.advance(ms(10));
        node.step(Input::AdvertRefused { instance: "VI_1".into(), errno: 1 });
    }
    assert_eq!(node.counters().send_errors, 500);
    assert!(node.events().len() <= 5, "told {} times in 5 seconds", node.events().len());
}

#[test]
fn d10_an_address_somebody_removes_is_put_back() {
    let mut node = Node::master(alone());
    node.somebody_removes(ETH0, "192.0.2.1");
    node.expect_state(Master);
    assert!(node.has("192.0.2.1"));
    node.expect_effects(&["add 192.0.2.1"]);
}

#[test]
fn d10_an_address_that_went_while_events_were_lost_is_put_back() {
    let mut node = Node::master(alone());
    node.addresses.remove(&(ETH0, ip("192.0.2.1")));
    node.list_kernel();
    node.expect_state(Master);
    node.expect_effects(&["add 192.0.2.1"]);
}

#[test]
fn d10_an_address_that_cannot_be_put_back_is_a_fault() {
    const EPERM: i32 = 1;
    let mut node = Node::master(alone());
    node.somebody_removes(ETH0, "192.0.2.1");
    node.addresses.remove(&(ETH0, ip("192.0.2.1")));
    let address = virtual_address("192.0.2.1", "eth0");
    node.step(Input::AddressRefused { address, errno: EPERM });
    node.expect_state(Fault);
}

// ---- the end ----

#[test]
fn f16_a_master_that_ends_gives_up_removes_its_address_and_is_finished() {
    let mut node = Node::master(alone());
    node.step(Input::ShutdownRequested);
    node.expect_effects(&["advert 0", "remove 192.0.2.1", "notify VI_1 STOP", "finished"]);
    node.expect_state(Init);
    assert!(!node.has("192.0.2.1"));
    assert_eq!(node.counters().priority_zero_sent, 1);
}

#[test]
fn f17_a_backup_that_ends_is_silent() {
    let mut node = Node::with(alone());
    node.forget();
    node.step(Input::ShutdownRequested);
    node.expect_effects(&["notify VI_1 STOP", "finished"]);
    node.expect_state(Init);
}

#[test]
fn an_instance_that_still_waits_for_a_script_is_told_of_the_end_too() {
    let waiting = alone().tracks(track_script("chk", 0));
    let mut node = Node::with(plan().instance(waiting).script(script("chk")));
    node.forget();
    node.step(Input::ShutdownRequested);
    node.expect_effects(&["notify VI_1 STOP", "finished"]);
}

#[test]
fn after_the_end_nothing_happens_any_more() {
    let mut node = Node::master(alone());
    node.step(Input::ShutdownRequested);
    node.forget();
    node.hear(advert().priority(50));
    node.set_link("eth0", false);
    node.set_link("eth0", true);
    node.advance(s(100));
    node.expect_effects(&[]);
    node.expect_state(Init);
}

// ---- links that change their name, and links that come back ----

#[test]
fn an_interface_renamed_while_up_is_gone_under_its_old_name_and_takes_no_address_along() {
    let mut node = Node::master(alone());
    let renamed = Link { name: "lan0".into(), ..node.links[0].clone() };
    node.links[0] = renamed.clone();
    node.step(Input::LinkChanged(renamed.clone()));
    node.expect_state(Fault);
    assert!(!node.has("192.0.2.1"), "nobody advertises it any more");

    let back = Link { name: "eth0".into(), ..renamed };
    node.links[0] = back.clone();
    node.step(Input::LinkChanged(back));
    node.expect_state(Backup);
    node.become_master();
    assert!(node.has("192.0.2.1"));
}

#[test]
fn an_address_that_went_with_another_link_is_put_back_when_that_link_is_back() {
    let untracked = || {
        let mut address = (*virtual_address("198.51.100.1", "eth1")).clone();
        address.tracked = false;
        std::sync::Arc::new(address)
    };
    let mut node = Node::master(alone().but(|plan| plan.excluded_addresses = vec![untracked()]));
    let link = node.links.remove(1);
    node.addresses.retain(|(of, _)| *of != link.index);
    node.step(Input::LinkRemoved(link.index));
    node.expect_state(Master);

    let again = Link { index: LinkIndex(9), up: false, running: false, ..link };
    node.links.push(again.clone());
    node.step(Input::LinkChanged(again.clone()));
    let again = Link { up: true, running: true, ..again };
    node.step(Input::LinkChanged(again));
    assert!(node.has("198.51.100.1"));
    assert!(node.announcements("198.51.100.1") > 0, "its neighbours have forgotten it");
}

#[test]
fn a_link_that_gets_another_hardware_address_announces_what_it_holds_anew() {
    let mut node = Node::master(alone());
    let changed = Link { mac: Some([2, 0, 0, 0, 0, 0x77]), ..node.links[0].clone() };
    node.links[0] = changed.clone();
    node.step(Input::LinkChanged(changed.clone()));
    node.expect_state(Master);
    let heard = node.new_orders().iter().filter_map(|(_, action)| match action {
        Action::Announce { mac, .. } => Some(*mac),
        _ => None,
    });
    let heard: Vec<_> = heard.collect();
    assert!(!heard.is_empty() && heard.iter().all(|mac| Some(*mac) == changed.mac), "{heard:?}");
    node.forget();
    node.step(Input::LinkChanged(changed));
    node.expect_effects(&[]);
}
