//! Sync groups: members move together (F26).

use mainstay_core::router::{Cause, NotifyObject};

use super::harness::*;

fn inside() -> Instance {
    instance("VI_in").vrid(10).on("eth0").announcing_once()
}

fn outside() -> Instance {
    instance("VI_out").vrid(11).on("eth1").addresses(&["198.51.100.1"]).announcing_once()
}

fn pair() -> Plan {
    plan().instance(inside()).instance(outside()).group(group("VG", &["VI_in", "VI_out"]))
}

fn on_the_outside(heard: Heard) -> Heard {
    heard.vrid(11).on(ETH1).from("198.51.100.251").addresses(&["198.51.100.1"])
}

#[track_caller]
fn expect_all(node: &Node, state: State) {
    node.expect_states(&[("VI_in", state), ("VI_out", state)]);
    assert_eq!(node.group_state("VG"), state);
}

#[test]
fn a_group_starts_as_backup_and_becomes_master_together() {
    let mut node = Node::with(pair());
    expect_all(&node, Backup);
    assert_eq!(node.time_until(Master), DOWN);
    expect_all(&node, Master);
    assert!(node.has("192.0.2.1") && node.has("198.51.100.1"));
}

#[test]
fn a_member_that_hears_a_better_master_holds_the_group_back() {
    let mut node = Node::with(pair());
    for _ in 0..10 {
        node.hear(on_the_outside(advert()));
        node.advance(s(1));
        expect_all(&node, Backup);
    }
    assert!(!node.has("192.0.2.1"));
}

#[test]
fn a_member_that_yields_takes_the_group_with_it() {
    let mut node = Node::master(pair());
    node.hear(on_the_outside(advert()));
    expect_all(&node, Backup);
    assert!(!node.has("192.0.2.1") && !node.has("198.51.100.1"));
    assert_eq!(node.report_of("VI_in").cause, Cause::SyncGroup("VI_out".into()));
}

#[test]
fn f26_a_member_in_fault_makes_all_release() {
    let mut node = Node::master(pair());
    node.set_link("eth1", false);
    expect_all(&node, Fault);
    assert!(!node.has("192.0.2.1") && !node.has("198.51.100.1"));
    let resigned: Vec<&str> = node
        .adverts()
        .into_iter()
        .filter(|advert| advert.payload[2] == 0)
        .map(|advert| &*advert.instance)
        .collect();
    assert!(resigned.contains(&"VI_in"), "the healthy member's backup need not wait: {resigned:?}");
}

#[test]
fn f26_while_a_member_is_in_fault_none_becomes_master() {
    let mut node = Node::with(pair());
    node.set_link("eth1", false);
    expect_all(&node, Fault);
    node.advance(s(60));
    expect_all(&node, Fault);
    assert!(!node.has("192.0.2.1"));
}

#[test]
fn f26_a_group_recovers_together() {
    let mut node = Node::master(pair());
    node.set_link("eth1", false);
    node.set_link("eth0", false);
    node.set_link("eth1", true);
    expect_all(&node, Fault);
    node.set_link("eth0", true);
    expect_all(&node, Backup);
    assert_eq!(node.time_until(Master), DOWN);
    expect_all(&node, Master);
}

#[test]
fn a_resignation_heard_by_one_member_moves_the_group() {
    let mut node = Node::with(pair());
    node.hear(advert());
    node.hear(on_the_outside(advert()));
    node.advance(s(1));
    node.hear(advert());
    node.hear(on_the_outside(advert()));
    node.hear(advert().priority(0));
    node.hear(on_the_outside(advert().priority(0)));
    assert_eq!(node.time_until(Master), SKEW);
    expect_all(&node, Master);
}

#[test]
fn a_group_of_owners_is_master_at_once_and_one_with_a_backup_among_them_is_not() {
    let mut node = Node::with(
        plan()
            .instance(inside().owner())
            .instance(outside().owner())
            .group(group("VG", &["VI_in", "VI_out"])),
    );
    assert!(node.time_until(Master) <= ms(1));
    expect_all(&node, Master);

    let node = Node::with(
        plan().instance(inside().owner()).instance(outside()).group(group("VG", &["VI_in", "VI_out"])),
    );
    expect_all(&node, Backup);
}

#[test]
fn an_instance_outside_the_group_is_its_own_master() {
    let alone = instance("VI_alone").vrid(12).addresses(&["192.0.2.3"]);
    let mut node = Node::with(pair().instance(alone));
    node.hear(advert());
    node.advance(s(1));
    node.hear(advert());
    node.advance(s(3));
    node.expect_states(&[("VI_in", Backup), ("VI_out", Backup), ("VI_alone", Master)]);
}

#[test]
fn the_group_is_notified_once_for_each_move() {
    let mut node = Node::with(pair());
    node.forget();
    node.time_until(Master);
    let of_group = |node: &Node| {
        let notifications = node.new_orders().iter().filter_map(|(_, action)| match action {
            Action::Notify(notification) if notification.object == NotifyObject::Group("VG".into()) => {
                Some((notification.state, notification.priority))
            }
            _ => None,
        });
        notifications.collect::<Vec<_>>()
    };
    assert_eq!(of_group(&node), [(NotifyState::Master, 0)]);
    node.forget();
    node.hear(advert());
    assert_eq!(of_group(&node), [(NotifyState::Backup, 0)]);
    node.forget();
    node.set_link("eth0", false);
    assert_eq!(of_group(&node), [(NotifyState::Fault, 0)]);
    node.forget();
    node.step(Input::ShutdownRequested);
    assert_eq!(of_group(&node), [(NotifyState::Stop, 0)]);
}

#[test]
fn what_a_group_follows_counts_for_all_members() {
    let mut both = pair().script(script("chk"));
    both.0.sync_groups[0].trackers.push(track_script("chk", 0));
    let mut node = Node::with(both);
    node.finish_script("chk", 0);
    expect_all(&node, Backup);
    node.finish_script("chk", 1);
    expect_all(&node, Fault);
    node.finish_script("chk", 0);
    expect_all(&node, Backup);
}

#[test]
fn a_weight_of_a_group_changes_the_priority_of_all_members() {
    let mut both = pair().script(script("chk"));
    both.0.sync_groups[0].trackers.push(track_script("chk", -20));
    let mut node = Node::with(both);
    node.finish_script("chk", 1);
    assert_eq!(node.report_of("VI_in").effective_priority, 80);
    assert_eq!(node.report_of("VI_out").effective_priority, 80);
}

#[test]
fn a_fault_of_a_tracker_of_one_member_is_a_fault_of_the_group() {
    let followed = plan()
        .instance(inside().tracks(track_script("chk", 0)))
        .instance(outside())
        .group(group("VG", &["VI_in", "VI_out"]))
        .script(script("chk"));
    let mut node = Node::with(followed);
    node.finish_script("chk", 0);
    expect_all(&node, Backup);
    node.become_master();
    node.finish_script("chk", 1);
    expect_all(&node, Fault);
}

#[test]
fn a_lower_priority_heard_by_one_member_announces_the_addresses_of_all() {
    let mut node = Node::master(pair());
    node.hear(on_the_outside(advert().priority(50)));
    expect_all(&node, Master);
    assert_eq!(node.announcements("198.51.100.1"), 5);
    assert_eq!(node.announcements("192.0.2.1"), 5);
}

#[test]
fn a_group_ends_together() {
    let mut node = Node::master(pair());
    node.step(Input::ShutdownRequested);
    expect_all(&node, Init);
    assert!(!node.has("192.0.2.1") && !node.has("198.51.100.1"));
    let resigned: Vec<&str> = node.adverts().into_iter().map(|advert| &*advert.instance).collect();
    assert_eq!(resigned, ["VI_in", "VI_out"]);
}

#[test]
fn a_member_that_waits_for_its_group_takes_an_advert_for_what_it_is() {
    let mut node = Node::with(pair());
    for _ in 0..5 {
        node.hear(on_the_outside(advert()));
        node.advance(s(1));
    }
    // VI_in has wanted to be master for a while; now its master is there again, and then both fall silent.
    node.hear(advert());
    node.hear(on_the_outside(advert()));
    assert_eq!(node.time_until(Master), DOWN);
    expect_all(&node, Master);
}

#[test]
fn a_member_that_has_stopped_waiting_holds_the_group_back_in_its_turn() {
    let mut node = Node::with(pair());
    for _ in 0..5 {
        node.hear(on_the_outside(advert()));
        node.advance(s(1));
    }
    // Now the inside has its master again, and the outside falls silent.
    for _ in 0..10 {
        node.hear(advert());
        node.advance(s(1));
        expect_all(&node, Backup);
    }
    assert_eq!(node.time_until(Master), DOWN - s(1));
}

#[test]
fn a_member_that_waits_for_a_script_keeps_the_group_waiting() {
    let followed = plan()
        .instance(inside().tracks(track_script("chk", 0)))
        .instance(outside())
        .group(group("VG", &["VI_in", "VI_out"]))
        .script(script("chk"));
    let mut node = Node::with(followed);
    node.expect_effects(&["run chk"]);
    node.advance(s(10));
    node.expect_effects(&[]);
    node.finish_script("chk", 0);
    expect_all(&node, Backup);
}

#[test]
fn a_member_that_waits_for_its_group_goes_on_alone_when_the_group_is_dissolved() {
    let mut node = Node::with(pair());
    for _ in 0..5 {
        node.hear(on_the_outside(advert()));
        node.advance(s(1));
    }
    node.reload(plan().instance(inside()).instance(outside()));
    node.hear(on_the_outside(advert()));
    node.advance(ms(1));
    node.expect_states(&[("VI_in", Master), ("VI_out", Backup)]);
}

#[test]
fn a_member_added_to_a_group_of_masters_joins_them_when_its_link_is_silent_and_disturbs_none() {
    let third = instance("VI_dmz").vrid(12).addresses(&["192.0.2.3"]).announcing_once();
    let three = plan()
        .instance(inside())
        .instance(outside())
        .instance(third)
        .group(group("VG", &["VI_in", "VI_out", "VI_dmz"]));
    let mut node = Node::master(pair());
    node.reload(three);
    node.expect_states(&[("VI_in", Master), ("VI_out", Master), ("VI_dmz", Backup)]);
    node.expect_effects(&["notify VI_dmz BACKUP"]);
    node.advance(DOWN);
    node.expect_states(&[("VI_in", Master), ("VI_out", Master), ("VI_dmz", Master)]);
    let notified: Vec<String> =
        node.effects().into_iter().filter(|effect| effect.starts_with("notify")).collect();
    assert_eq!(notified, ["notify VI_dmz MASTER"], "the group was master all the time");
}

#[test]
fn a_master_put_into_a_group_with_a_member_that_hears_a_better_master_yields_with_it() {
    let apart = || plan().instance(inside()).instance(outside());
    let mut node = Node::with(apart());
    for _ in 0..5 {
        node.hear(on_the_outside(advert()));
        node.advance(s(1));
    }
    node.expect_states(&[("VI_in", Master), ("VI_out", Backup)]);
    node.reload(pair());
    node.expect_states(&[("VI_in", Master), ("VI_out", Backup)]);
    for _ in 0..8 {
        node.hear(on_the_outside(advert()));
        node.advance(s(1));
        expect_all(&node, Backup);
    }
    assert!(!node.has("192.0.2.1"), "one half of a group must not stay behind");
}
