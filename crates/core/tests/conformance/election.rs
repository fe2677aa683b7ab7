//! F01-F15 and F21: who is master.

use mainstay_core::router::{Cause, Mismatch, Reason, Subject};

use super::harness::*;

// ---- becoming master ----

#[test]
fn f01_a_node_starts_as_backup_and_says_nothing_for_the_master_down_interval() {
    let mut node = Node::with(alone());
    node.expect_state(Backup);
    node.expect_effects(&["notify VI_1 BACKUP"]);
    assert_eq!(node.time_until(Master), DOWN);
}

#[test]
fn f01_state_master_is_a_wish_and_waits_as_long() {
    let mut node = Node::with(alone().wants_master());
    node.expect_state(Backup);
    assert_eq!(node.time_until(Master), DOWN);
}

#[test]
fn f02_an_owner_is_master_at_once() {
    let mut node = Node::with(alone().owner());
    assert!(node.time_until(Master) <= ms(1), "keepalived: 1 us");
    node.expect_effects(&["advert 255", "add 192.0.2.1", "announce 192.0.2.1 x5", "notify VI_1 MASTER"]);
}

#[test]
fn f03_the_down_timer_brings_advert_addresses_routes_rules_announcements_and_notification_in_this_order() {
    let mut node = Node::with(
        alone()
            .addresses(&["192.0.2.1", "192.0.2.2"])
            .excluded(&["192.0.2.3"])
            .route(route("203.0.113.0"))
            .rule(rule("203.0.113.0", 100)),
    );
    node.forget();
    node.time_until(Master);
    let round = ["announce 192.0.2.1", "announce 192.0.2.2", "announce 192.0.2.3"];
    let mut expected = vec![
        "advert 100",
        "add 192.0.2.1",
        "add 192.0.2.2",
        "add 192.0.2.3",
        "add route 203.0.113.0",
        "add rule 100",
    ];
    expected.extend(round.repeat(5));
    expected.push("notify VI_1 MASTER");
    node.expect_effects(&expected);
}

#[test]
fn f03_the_state_change_is_told_with_its_reason() {
    let mut node = Node::with(alone());
    node.forget();
    node.time_until(Master);
    let told = node.events().into_iter().find(|event| event.subject == Subject::Instance("VI_1".into()));
    let reason = told.map(|event| event.reason.clone());
    let cause = Cause::NoAdvertFor { silence: DOWN };
    assert_eq!(reason, Some(Reason::StateChanged { from: Backup, to: Master, cause }));
}

#[test]
fn f03_a_master_advertises_every_interval_to_the_group() {
    let mut node = Node::master(alone());
    let start = node.now;
    node.advance(s(3));
    assert_eq!(node.adverts_after(start), [(s(1), 100), (s(2), 100), (s(3), 100)]);
    let adverts = node.adverts();
    assert!(adverts.iter().all(|advert| advert.destination == ip("224.0.0.18")));
    assert!(adverts.iter().all(|advert| advert.source == ip("192.0.2.252")));
    assert!(adverts.iter().all(|advert| advert.link == Some(ETH0) && advert.ttl == Some(255)));
}

#[test]
fn over_ipv6_the_source_is_the_link_local_address() {
    let mut node = Node::master(alone().v6());
    node.advance(s(1));
    let advert = node.adverts()[0];
    assert_eq!((advert.source, advert.destination), (ip("fe80::2"), ip("ff02::12")));
}

#[test]
fn unicast_goes_to_every_peer() {
    let mut node = Node::master(alone().source("192.0.2.252").unicast_to("192.0.2.251").but(|plan| {
        let mainstay_core::router::plan::Destination::Unicast { peers, .. } = &mut plan.destination else {
            panic!("unicast")
        };
        let other = mainstay_core::router::plan::UnicastPeer { address: ip("192.0.2.253"), ttl_range: None };
        peers.push(other);
    }));
    node.advance(s(1));
    let destinations: Vec<IpAddr> = node.adverts().iter().map(|advert| advert.destination).collect();
    assert_eq!(destinations, [ip("192.0.2.251"), ip("192.0.2.253")]);
}

#[test]
fn announcements_are_repeated_once_after_the_delay_and_not_refreshed() {
    let mut node = Node::with(instance("VI_1"));
    node.forget();
    node.time_until(Master);
    assert_eq!(node.announcements("192.0.2.1"), 5);
    node.forget();
    node.advance(ms(4999));
    assert_eq!(node.announcements("192.0.2.1"), 0);
    node.advance(ms(2));
    assert_eq!(node.announcements("192.0.2.1"), 5);
    node.forget();
    node.advance(s(100));
    assert_eq!(node.announcements("192.0.2.1"), 0);
}

#[test]
fn announcements_are_refreshed_where_that_is_asked_for() {
    let refreshed = alone().but(|plan| {
        plan.announce.refresh = s(60);
        plan.announce.refresh_repeat = 2;
    });
    let mut node = Node::master(refreshed);
    node.advance(s(181));
    assert_eq!(node.announcements("192.0.2.1"), 6);
}

#[test]
fn nothing_is_announced_on_a_link_without_arp() {
    let mut node = Node::cold(alone(), None);
    node.links[0].no_arp = true;
    node.list_kernel();
    node.forget();
    node.time_until(Master);
    node.expect_effects(&["advert 100", "add 192.0.2.1", "notify VI_1 MASTER"]);
}

// ---- a backup hears adverts ----

/// A backup that has heard its master at 200 for two seconds and then this; how long until it is master.
fn backup_after(instance: Instance, heard: Heard) -> Duration {
    let mut node = Node::with(instance);
    for _ in 0..2 {
        node.hear(advert());
        node.advance(s(1));
    }
    node.advance(ms(500));
    node.hear(heard);
    node.time_until(Master)
}

#[test]
fn f04_priority_0_in_backup_sets_the_timer_to_the_skew() {
    assert_eq!(backup_after(alone(), advert().priority(0)), SKEW);
}

#[test]
fn f04_the_cause_of_the_promotion_is_the_resignation() {
    let mut node = Node::with(alone());
    node.hear(advert());
    node.hear(advert().priority(0));
    node.time_until(Master);
    assert_eq!(node.report().cause, Cause::MasterResigned { source: ip("192.0.2.251") });
    assert_eq!(node.counters().priority_zero_received, 1);
}

#[test]
fn f05_a_higher_priority_restarts_the_timer() {
    assert_eq!(backup_after(alone(), advert().priority(200)), DOWN);
}

#[test]
fn f06_an_equal_priority_restarts_the_timer() {
    assert_eq!(backup_after(alone(), advert().priority(100)), DOWN);
}

#[test]
fn f07_a_lower_priority_is_ignored_and_preempted_at_the_original_deadline() {
    assert_eq!(backup_after(alone(), advert().priority(50)), DOWN - ms(1500));
}

#[test]
fn f07_the_cause_names_who_was_preempted() {
    let mut node = Node::with(alone());
    node.advance(s(1));
    node.hear(advert().priority(50));
    node.time_until(Master);
    assert_eq!(node.report().cause, Cause::Preempted { source: ip("192.0.2.251"), priority: 50 });
}

#[test]
fn f08_with_nopreempt_a_lower_priority_restarts_the_timer() {
    assert_eq!(backup_after(alone().nopreempt(), advert().priority(50)), DOWN);
}

#[test]
fn f09_preempt_delay_holds_as_long_as_asked_and_then_preempts() {
    let mut node = Node::with(alone().preempt_delay(ms(10_500)));
    let start = node.now;
    // The first lower advert is heard at 1 s, so the delay ends at 11.5 s; the last that is still accepted comes at
    // 11 s, and from then on the master-down interval runs.
    for _ in 0..60 {
        node.advance(s(1));
        if node.state() == Master {
            break;
        }
        node.hear(advert().priority(50));
    }
    node.expect_state(Master);
    assert_eq!(node.report().since.saturating_since(start), s(11) + DOWN);
}

#[test]
fn f09_an_equal_or_higher_priority_starts_the_delay_anew() {
    for priority in [100, 200] {
        let mut node = Node::with(alone().preempt_delay(ms(10_500)));
        let start = node.now;
        for second in 1..=60 {
            node.advance(s(1));
            if node.state() == Master {
                break;
            }
            node.hear(advert().priority(if second == 8 { priority } else { 50 }));
        }
        // Begun again with the lower advert at 9 s: until 19.5 s.
        assert_eq!(node.report().since.saturating_since(start), s(19) + DOWN, "priority {priority}");
    }
}

#[test]
fn f09_preempt_delay_does_not_delay_the_takeover_from_a_dead_master() {
    assert_eq!(backup_after(alone().preempt_delay(s(1000)), advert().priority(50)), DOWN);
}

#[test]
fn a_backup_answers_nothing_and_sends_nothing() {
    let mut node = Node::with(alone());
    node.forget();
    for priority in [1, 50, 100, 200, 255] {
        node.hear(advert().priority(priority));
        node.expect_effects(&[]);
    }
}

#[test]
fn down_timer_adverts_says_how_many_adverts_may_be_missed() {
    let mut node = Node::with(alone().but(|plan| plan.down_timer_adverts = 10));
    assert_eq!(node.time_until(Master), s(10) + SKEW);
}

// ---- a master hears adverts ----

#[test]
fn f10_priority_0_is_answered_at_once_and_the_advert_timer_starts_anew() {
    let mut node = Node::master(alone());
    node.advance(ms(400));
    node.hear(advert().priority(0));
    node.expect_state(Master);
    let start = node.now;
    assert_eq!(node.adverts_after(start), [(Duration::ZERO, 100)]);
    node.forget();
    node.advance(s(1));
    assert_eq!(node.adverts_after(start), [(s(1), 100)]);
}

#[test]
fn f11_a_higher_priority_makes_a_master_backup() {
    let mut node = Node::master(alone());
    node.advance(ms(400));
    node.hear(advert().priority(200).interval(ms(300)));
    node.expect_state(Backup);
    node.expect_effects(&["remove 192.0.2.1", "notify VI_1 BACKUP"]);
    assert!(!node.has("192.0.2.1"));
    assert_eq!(node.report().cause, Cause::HigherPriority { source: ip("192.0.2.251"), priority: 200 });
    assert_eq!(node.report().master_advert_interval, ms(300), "the interval is learned");
    assert_eq!(node.time_until(Master), ms(900) + us(182_812));
}

#[test]
fn f11_effects_are_undone_in_reverse_order() {
    let mut node = Node::master(
        alone().excluded(&["192.0.2.3"]).route(route("203.0.113.0")).rule(rule("203.0.113.0", 100)),
    );
    node.hear(advert());
    node.expect_effects(&[
        "remove rule 100",
        "remove route 203.0.113.0",
        "remove 192.0.2.1",
        "remove 192.0.2.3",
        "notify VI_1 BACKUP",
    ]);
}

#[test]
fn f11_higher_prio_send_advert_sends_one_more_before_it_yields() {
    let mut node = Node::master(alone().but(|plan| plan.higher_priority_send_advert = true));
    node.hear(advert());
    node.expect_effects(&["advert 100", "remove 192.0.2.1", "notify VI_1 BACKUP"]);
}

#[test]
fn f12_an_equal_priority_and_a_higher_address_make_a_master_backup() {
    let mut node = Node::master(alone());
    node.hear(advert().priority(100).from("192.0.2.253"));
    node.expect_state(Backup);
    assert_eq!(node.report().cause, Cause::HigherAddress { source: ip("192.0.2.253") });
}

#[test]
fn f13_an_equal_priority_and_a_lower_address_are_answered_at_once() {
    let mut node = Node::master(alone());
    node.advance(ms(400));
    node.hear(advert().priority(100).from("192.0.2.251"));
    node.expect_state(Master);
    assert_eq!(node.adverts_after(node.now), [(Duration::ZERO, 100)]);
}

#[test]
fn f14_addresses_are_compared_as_unsigned_numbers_in_network_order() {
    let cases = [
        ("10.0.0.9", "10.0.0.10", Backup),
        ("10.0.0.10", "10.0.0.9", Master),
        ("127.255.255.255", "128.0.0.0", Backup),
        ("128.0.0.0", "127.255.255.255", Master),
        ("1.0.0.2", "2.0.0.1", Backup),
        ("2.0.0.1", "1.0.0.2", Master),
    ];
    for (ours, theirs, state) in cases {
        let mut node = Node::at(ours, alone());
        node.become_master();
        node.hear(advert().priority(100).from(theirs));
        assert_eq!(node.state(), state, "we are {ours}, they are {theirs}");
    }
}

#[test]
fn f15_a_lower_priority_is_answered_at_once_and_the_addresses_are_announced_again() {
    let mut node = Node::master(alone());
    node.advance(ms(400));
    node.hear(advert().priority(50));
    node.expect_state(Master);
    let effects = node.effects();
    assert!(effects.contains(&"advert 100".into()), "{effects:?}");
    assert!(effects.contains(&"announce 192.0.2.1 x5".into()), "{effects:?}");
    assert!(effects.contains(&"notify VI_1 MASTER_RX_LOWER_PRI".into()), "{effects:?}");
    assert!(
        !effects.iter().any(|effect| effect.starts_with("add") || effect.starts_with("remove")),
        "{effects:?}"
    );
}

#[test]
fn f15_the_announcements_are_repeated_after_the_delay() {
    let mut node = Node::master(instance("VI_1").but(|plan| plan.announce.lower_priority_delay = s(2)));
    node.advance(s(6));
    node.hear(advert().priority(50));
    node.forget();
    node.advance(ms(1999));
    let single_rounds = node.announcements("192.0.2.1");
    assert_eq!(single_rounds, 3);
    node.advance(ms(2));
    assert_eq!(node.announcements("192.0.2.1"), single_rounds + 5);
}

#[test]
fn f15_lower_prio_no_advert_leaves_the_answer_out() {
    let mut node = Node::master(alone().but(|plan| plan.lower_priority_no_advert = true));
    node.advance(ms(400));
    node.hear(advert().priority(50));
    node.expect_state(Master);
    assert_eq!(node.adverts_after(node.now), []);
}

// ---- two owners ----

#[test]
fn f21_of_two_owners_one_is_left() {
    let owner = || alone().owner();
    let mut lan = Lan::of(vec![Node::at("192.0.2.251", owner()), Node::at("192.0.2.252", owner())]);
    lan.advance(s(4));
    assert_eq!(lan.masters(), [1], "the higher address wins");
    lan.advance(s(20));
    assert_eq!(lan.masters(), [1], "and stays");
}

#[test]
fn f21_an_owner_tells_of_another_owner() {
    let mut node = Node::with(alone().owner());
    node.time_until(Master);
    node.forget();
    node.hear(advert().priority(255));
    assert_eq!(node.mismatches(), [Mismatch::TwoOwners]);
    node.expect_state(Master);
}

#[test]
fn f21_an_owner_whose_rival_does_not_yield_lowers_itself_and_is_owner_again_when_the_rival_is_gone() {
    let mut node = Node::with(alone().owner());
    node.time_until(Master);
    let start = node.now;
    // The rival has the lower address and should yield. Two adverts of ours and 1.2 intervals later it has not.
    while node.state() == Master && node.now < start + s(20) {
        node.hear(advert().priority(255));
        node.advance(ms(500));
    }
    let gave_up = node.now.saturating_since(start);
    assert!((ms(3200)..=s(5)).contains(&gave_up), "after {gave_up:?}");
    node.expect_state(Backup);
    assert!(!node.has("192.0.2.1"));
    node.time_until(Master);
    assert_eq!(node.priority(), 255);
}

// ---- several nodes ----

#[test]
fn of_three_nodes_the_highest_priority_is_master_and_the_next_takes_over_when_it_is_cut_off() {
    let node = |address: &str, priority| Node::at(address, alone().priority(priority));
    let mut lan = Lan::of(vec![node("192.0.2.251", 100), node("192.0.2.252", 200), node("192.0.2.253", 150)]);
    lan.advance(s(5));
    assert_eq!(lan.masters(), [1]);
    lan.cut_off = vec![1];
    lan.advance(s(4));
    assert_eq!(lan.masters(), [1, 2], "the cut-off node does not know");
    lan.cut_off.clear();
    lan.advance(s(2));
    assert_eq!(lan.masters(), [1], "healed");
}

#[test]
fn of_equal_nodes_the_highest_address_is_master() {
    let addresses = ["192.0.2.9", "192.0.2.10", "192.0.2.8"];
    let mut lan = Lan::of(addresses.iter().map(|address| Node::at(address, alone())).collect());
    lan.advance(s(10));
    assert_eq!(lan.masters(), [1]);
}

#[test]
fn a_node_of_higher_priority_that_comes_back_takes_over_unless_nopreempt() {
    for (returning, master) in [(alone().priority(200), 0), (alone().priority(200).nopreempt(), 1)] {
        let mut lan =
            Lan::of(vec![Node::at("192.0.2.251", returning), Node::at("192.0.2.252", alone().priority(100))]);
        lan.nodes[0].set_link("eth0", false);
        lan.advance(s(10));
        assert_eq!(lan.masters(), [1]);
        lan.nodes[0].set_link("eth0", true);
        lan.advance(s(10));
        assert_eq!(lan.masters(), [master]);
    }
}
