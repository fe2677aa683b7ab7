//! Who else has our addresses: asking before taking over, and watching as master.

use mainstay_core::router::Watched;

use super::harness::*;

fn asking() -> Instance {
    alone().but(|plan| plan.probe_before_take = true)
}

/// An asking backup, until it asks the first question.
fn about_to_take(instance: Instance) -> Node {
    let mut node = Node::with(instance);
    node.advance(DOWN);
    node.expect_state(Backup);
    node
}

fn claimed() -> Alarm {
    Alarm::AddressClaimed { address: ip("192.0.2.1"), mac: Mac(STRANGER) }
}

fn conflict() -> Alarm {
    Alarm::AddressConflict { address: ip("192.0.2.1"), mac: Mac(STRANGER) }
}

#[test]
fn a_backup_asks_three_times_within_30_ms_and_then_takes_the_addresses() {
    let mut node = Node::with(asking());
    node.forget();
    let start = node.now;
    assert_eq!(node.time_until(Master), DOWN + ms(30));
    let asked: Vec<Duration> = node
        .new_orders()
        .iter()
        .filter(|(_, action)| matches!(action, Action::ProbeAddress { address, .. } if *address == ip("192.0.2.1")))
        .map(|(at, _)| at.saturating_since(start))
        .collect();
    assert_eq!(asked, [DOWN, DOWN + ms(10), DOWN + ms(20)]);
}

#[test]
fn without_the_word_nobody_is_asked() {
    let mut node = Node::with(alone());
    assert_eq!(node.time_until(Master), DOWN);
}

#[test]
fn the_first_addresses_are_asked_for_where_there_is_somebody_to_ask() {
    let addresses = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5"];
    let mut node = Node::with(asking().addresses(&addresses));
    node.forget();
    node.advance(DOWN);
    node.expect_effects(&[
        "ask for 192.0.2.1",
        "ask for 192.0.2.2",
        "ask for 192.0.2.3",
        "ask for 192.0.2.4",
    ]);
}

#[test]
fn who_answers_without_adverts_is_waited_for_three_times_and_then_ignored() {
    let mut node = about_to_take(asking());
    let start = node.now;
    for round in 1..=3 {
        node.claim(ETH0, "192.0.2.1", STRANGER);
        node.expect_state(Backup);
        assert_eq!(node.alarms(), [claimed()], "told once, round {round}");
        node.advance(ms(999));
        node.expect_state(Backup);
        node.advance(ms(1));
    }
    node.expect_state(Master);
    assert_eq!(node.report().since.saturating_since(start), s(3));
}

#[test]
fn when_the_answers_end_the_next_round_takes_the_addresses() {
    let mut node = about_to_take(asking());
    node.claim(ETH0, "192.0.2.1", STRANGER);
    node.forget();
    assert_eq!(node.time_until(Master), s(1) + ms(30));
}

#[test]
fn an_advert_ends_the_asking() {
    let mut node = about_to_take(asking());
    node.advance(ms(15));
    node.hear(advert());
    assert_eq!(node.time_until(Master), DOWN + ms(30), "the wait starts again, and so does the asking");
}

#[test]
fn our_own_answer_and_answers_for_other_addresses_or_links_say_nothing() {
    let mut node = about_to_take(asking());
    let own = node.mac(ETH1);
    node.claim(ETH0, "192.0.2.1", own);
    node.claim(ETH0, "192.0.2.77", STRANGER);
    node.claim(ETH1, "192.0.2.1", STRANGER);
    assert_eq!(node.alarms(), []);
    assert_eq!(node.time_until(Master), ms(30));
}

#[test]
fn a_master_that_resigned_or_is_preempted_is_not_asked() {
    let mut node = Node::with(asking());
    node.hear(advert().priority(0));
    assert_eq!(node.time_until(Master), SKEW);
    let mut node = Node::with(asking());
    while node.state() == Backup && node.now.saturating_since(node.report().since) < s(10) {
        node.hear(advert().priority(50));
        node.advance(ms(500));
    }
    node.expect_state(Master);
    assert!(!node.effects().iter().any(|effect| effect.starts_with("ask for")));
}

#[test]
fn an_owner_takes_its_addresses_without_asking() {
    let mut node = Node::with(asking().owner());
    node.expect_state(Master);
    assert!(!node.effects().iter().any(|effect| effect.starts_with("ask for")));
}

#[test]
fn a_group_waits_for_the_member_that_asks() {
    let plan = plan()
        .instance(asking())
        .instance(instance("VI_2").vrid(11).on("eth1").addresses(&["198.51.100.1"]))
        .group(group("G", &["VI_1", "VI_2"]));
    let mut node = Node::with(plan);
    node.advance(DOWN);
    node.expect_states(&[("VI_1", Backup), ("VI_2", Backup)]);
    node.claim(ETH0, "192.0.2.1", STRANGER);
    node.advance(s(1));
    node.expect_states(&[("VI_1", Backup), ("VI_2", Backup)]);
    node.advance(ms(30));
    node.expect_states(&[("VI_1", Master), ("VI_2", Master)]);
}

#[test]
fn a_master_defends_a_claimed_address_once_in_ten_seconds_and_tells_it_once() {
    let mut node = Node::master(alone());
    node.forget();
    for _ in 0..250 {
        node.claim(ETH0, "192.0.2.1", STRANGER);
        node.advance(ms(100));
    }
    assert_eq!(node.alarms(), [conflict()]);
    assert_eq!(node.announcements("192.0.2.1"), 3, "at 0, 10 and 20 s");
    assert_eq!(node.router.report().alarms[0].count, 250);
    node.expect_state(Master);
    node.advance(s(20));
    assert_eq!(node.alarms_over(), [(conflict(), ms(24_900), 250)]);
}

#[test]
fn claims_of_a_master_that_is_heard_are_a_contest_and_no_conflict() {
    let mut node = Node::master(alone());
    node.hear(advert().priority(50));
    node.forget();
    node.claim(ETH0, "192.0.2.1", STRANGER);
    assert_eq!((node.alarms(), node.announcements("192.0.2.1")), (vec![], 0));
    node.advance(s(4));
    node.forget();
    node.claim(ETH0, "192.0.2.1", STRANGER);
    assert_eq!((node.alarms(), node.announcements("192.0.2.1")), (vec![conflict()], 1));
}

#[test]
fn the_virtual_mac_of_our_router_id_is_no_stranger_s() {
    let mut node = Node::master(alone());
    node.forget();
    node.claim(ETH0, "192.0.2.1", [0, 0, 0x5e, 0, 1, 10]);
    assert_eq!(node.alarms(), []);
    node.claim(ETH0, "192.0.2.1", [0, 0, 0x5e, 0, 1, 11]);
    assert_eq!(node.alarms().len(), 1);
}

#[test]
fn claim_watch_off_says_nothing_and_defends_nothing() {
    let mut node = Node::master(asking().but(|plan| plan.claim_watch = false));
    node.forget();
    node.claim(ETH0, "192.0.2.1", STRANGER);
    node.expect_effects(&[]);
    assert_eq!(node.alarms(), []);
}

#[test]
fn a_conflict_ends_with_the_mastership() {
    let mut node = Node::master(alone());
    node.claim(ETH0, "192.0.2.1", STRANGER);
    node.hear(advert().priority(200));
    node.expect_state(Backup);
    assert_eq!(node.alarms_over().len(), 1);
    node.claim(ETH0, "192.0.2.1", STRANGER);
    assert_eq!(node.router.report().alarms, [], "the master announces its addresses");
}

#[test]
fn what_is_watched_follows_the_plan_and_the_links() {
    let two = alone().addresses(&["192.0.2.9", "192.0.2.1"]).excluded(&["2001:db8::1"]);
    let mut node = Node::with(two);
    let watched = |addresses: &[&str]| {
        vec![Watched { link: ETH0, addresses: addresses.iter().map(|address| ip(address)).collect() }]
    };
    assert_eq!(node.router.watched_claims(), watched(&["192.0.2.1", "192.0.2.9", "2001:db8::1"]));
    node.forget();
    node.reload(alone());
    assert_eq!(node.router.watched_claims(), watched(&["192.0.2.1"]));
    assert!(node.new_orders().iter().any(|(_, action)| *action == Action::SocketsChanged));
    node.reload(alone().but(|plan| plan.claim_watch = false));
    assert_eq!(node.router.watched_claims(), []);
}
