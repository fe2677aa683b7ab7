//! `no_accept`: addresses that take no packets while they are held.

use super::harness::*;

fn closed() -> Instance {
    alone().but(|plan| plan.accept = false)
}

#[test]
fn a_master_that_does_not_accept_has_its_addresses_closed_before_they_are_there() {
    let mut node = Node::with(closed());
    node.forget();
    node.time_until(Master);
    node.expect_effects(&[
        "no accept 192.0.2.1",
        "advert 100",
        "add 192.0.2.1",
        "announce 192.0.2.1 x5",
        "notify VI_1 MASTER",
    ]);
}

#[test]
fn they_are_open_again_after_they_were_removed() {
    let mut node = Node::master(closed());
    node.hear(advert().priority(200));
    let orders: Vec<&Action> = node.new_orders().iter().map(|(_, order)| order).collect();
    let place =
        |wanted: fn(&Action) -> bool| orders.iter().position(|order| wanted(order)).expect("is ordered");
    let removed = place(|order| matches!(order, Action::RemoveAddress(_)));
    let opened = place(|order| matches!(order, Action::SetNoAccept(addresses) if addresses.is_empty()));
    assert!(removed < opened, "{orders:?}");
}

#[test]
fn at_the_end_nothing_is_left() {
    let mut node = Node::master(closed());
    node.step(Input::ShutdownRequested);
    let orders: Vec<&Action> = node.new_orders().iter().map(|(_, order)| order).collect();
    assert!(matches!(orders.last(), Some(Action::Finished)), "{orders:?}");
    let opens = |order: &&Action| matches!(order, Action::SetNoAccept(addresses) if addresses.is_empty());
    assert!(orders.iter().any(opens), "{orders:?}");
}

#[test]
fn who_accepts_has_nothing_to_do_with_it() {
    let mut node = Node::master(alone());
    node.advance(s(10));
    node.step(Input::ShutdownRequested);
    assert!(!node.new_orders().iter().any(|(_, order)| matches!(order, Action::SetNoAccept(_))));
}

#[test]
fn a_link_local_address_is_closed_on_its_link_only() {
    let mut node = Node::with(closed().but(|plan| {
        plan.excluded_addresses =
            vec![virtual_address("fe80::7", "eth1"), virtual_address("2001:db8::7", "eth1")];
    }));
    node.forget();
    node.time_until(Master);
    assert_eq!(node.effects()[0], "no accept 192.0.2.1, 2001:db8::7, fe80::7 on eth1");
}

#[test]
fn a_reload_changes_what_is_accepted() {
    let mut node = Node::master(alone());
    node.reload(closed());
    node.expect_state(Master);
    assert!(node.effects().contains(&"no accept 192.0.2.1".into()));
    node.reload(alone());
    let opens =
        |(_, order): &(_, Action)| matches!(order, Action::SetNoAccept(addresses) if addresses.is_empty());
    assert!(node.new_orders().iter().any(opens));
}
