//! A router preempts only when the kernel has taken off what it held before: its first advert opens the gate of its VIP
//! lease, and the master it preempts still answers.

use mainstay_core::router::{Cause, Reason};

use super::harness::*;

/// The lease of a router that advertises once a second.
const LEASE: Duration = ms(2500);

fn better() -> Instance {
    alone().priority(150).leased(LEASE)
}

/// A router that slept through its lease as master while somebody else took over, and whose order to remove the address
/// waits for the kernel's lock. Its master-down timer has just fired, and the other one was heard half a second ago.
fn held_up(plan: impl Into<Plan>) -> Node {
    let mut node = Node::master(plan);
    node.hear(lower());
    node.advance(ms(100));
    node.lock_kernel();
    node.stall(s(5));
    node.tick();
    node.expect_state(Backup);
    node.forget();
    while node.state() == Backup && !told(&node) {
        node.advance(ms(500));
        node.hear(lower());
    }
    node
}

fn lower() -> Heard {
    advert().priority(100)
}

fn told(node: &Node) -> bool {
    node.events().into_iter().any(|event| event.reason == Reason::LettingGo)
}

#[test]
fn it_does_not_preempt_before_the_kernel_has_taken_off_what_it_held() {
    let mut node = held_up(better());
    for _ in 0..28 {
        node.advance(s(1));
        node.hear(lower());
        node.expect_state(Backup);
    }
    assert!(node.adverts().is_empty(), "its gate stays closed");
    assert_eq!(node.events().len(), 1, "and that is told once");
    node.unlock_kernel();
    node.advance(Duration::ZERO);
    node.expect_state(Master);
    assert!(matches!(node.report().cause, Cause::Preempted { .. }), "{}", node.report().cause);
}

#[test]
fn it_does_not_wait_for_the_kernel_when_the_other_one_falls_silent() {
    let mut node = held_up(better());
    node.hear(lower());
    let heard = node.now;
    node.time_until(Master);
    assert_eq!(node.now.saturating_since(heard), Duration::from_micros(3_414_062));
    assert!(matches!(node.report().cause, Cause::NoAdvertFor { .. }), "{}", node.report().cause);
    assert!(!node.report().holds_back, "nobody is to let go");
}

#[test]
fn it_does_not_wait_for_the_kernel_when_the_other_one_gives_up() {
    let mut node = held_up(better());
    node.hear(lower().priority(0));
    assert!(node.time_until(Master) < s(1));
    assert!(matches!(node.report().cause, Cause::MasterResigned { .. }), "{}", node.report().cause);
}

#[test]
fn a_better_master_ends_its_waiting() {
    let mut node = held_up(better());
    node.hear(advert().priority(200).from("192.0.2.253"));
    node.unlock_kernel();
    node.advance(s(3));
    node.expect_state(Backup);
}

#[test]
fn an_address_that_was_added_and_removed_behind_the_lock_is_waited_for() {
    // It took over again while the lock was held, and lost its lease again: two orders to remove one address.
    let mut node = held_up(better());
    node.time_until(Master);
    node.stall(s(5));
    node.tick();
    node.forget();
    while !told(&node) {
        node.hear(lower());
        node.advance(ms(500));
    }
    node.step(Input::AddressReleased(virtual_address("192.0.2.1", "eth0")));
    node.hear(lower());
    node.advance(s(1));
    node.expect_state(Backup);
    node.step(Input::AddressReleased(virtual_address("192.0.2.1", "eth0")));
    node.advance(Duration::ZERO);
    node.expect_state(Master);
}

#[test]
fn without_a_lease_that_counts_nothing_is_waited_for() {
    // The address answers whatever the adverts do.
    let mut node = Node::master(alone().priority(150));
    node.lock_kernel();
    node.hear(advert().priority(200));
    node.expect_state(Backup);
    node.hear(advert().priority(0));
    node.hear(lower());
    node.time_until(Master);
    assert!(!told(&node));
}

#[test]
fn an_owner_that_finds_its_address_after_a_crash_first_has_it_removed() {
    let mut node = Node::cold(alone().owner().leased(LEASE), None);
    node.addresses.insert((ETH0, ip("192.0.2.1")));
    node.lock_kernel();
    node.list_kernel();
    node.advance(ms(200));
    node.expect_state(Backup);
    assert!(node.adverts().is_empty());
    node.unlock_kernel();
    node.advance(Duration::ZERO);
    node.expect_state(Master);
}

#[test]
fn an_owner_that_finds_its_address_after_a_crash_waits_for_the_kernel_no_longer_than_for_a_master() {
    let mut node = Node::cold(alone().owner().leased(LEASE), None);
    node.addresses.insert((ETH0, ip("192.0.2.1")));
    node.lock_kernel();
    node.list_kernel();
    assert_eq!(node.time_until(Master), Duration::from_micros(3_003_906));
}

#[test]
fn a_sync_group_waits_for_what_any_of_its_members_held() {
    let members = plan()
        .instance(better())
        .instance(instance("VI_2").vrid(11).addresses(&["192.0.2.2"]).priority(150).leased(LEASE))
        .group(group("VG", &["VI_1", "VI_2"]));
    let both = |node: &mut Node| {
        node.hear(lower());
        node.hear(advert().vrid(11).priority(100).addresses(&["192.0.2.2"]));
    };
    let mut node = Node::with(members);
    node.advance(s(5));
    both(&mut node);
    node.lock_kernel();
    node.stall(s(5));
    node.tick();
    for _ in 0..8 {
        both(&mut node);
        node.advance(s(1));
    }
    node.expect_states(&[("VI_1", Backup), ("VI_2", Backup)]);
    node.step(Input::AddressReleased(virtual_address("192.0.2.1", "eth0")));
    node.advance(ms(10));
    node.expect_states(&[("VI_1", Backup), ("VI_2", Backup)]);
    node.step(Input::AddressReleased(virtual_address("192.0.2.2", "eth0")));
    node.advance(ms(10));
    node.expect_states(&[("VI_1", Master), ("VI_2", Master)]);
}

#[test]
fn a_removal_nobody_ordered_is_no_news() {
    let mut node = Node::with(better());
    node.forget();
    node.step(Input::AddressReleased(virtual_address("192.0.2.1", "eth0")));
    assert!(!node.has_effects());
}
