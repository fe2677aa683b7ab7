//! A reload is keyed by name: what did not change does not notice (F23-F25); and a restart of the process.

use mainstay_core::router::plan::{FilePlan, ScriptPlan};
use mainstay_core::router::{Cause, NotifyObject, Reason};

use super::harness::*;

fn other() -> Instance {
    instance("VI_2").vrid(11).addresses(&["192.0.2.2"]).announcing_once()
}

fn two() -> Plan {
    plan().instance(alone()).instance(other())
}

#[test]
fn an_unchanged_plan_changes_no_deadline_and_orders_nothing() {
    let makes = [|| Node::with(two()), || Node::master(two()), || Node::fault(two())];
    for make in makes {
        let (mut node, mut twin) = (make(), make());
        for node in [&mut node, &mut twin] {
            node.advance(ms(300));
            node.forget();
        }
        node.reload(two());
        let orders: Vec<&Action> = node.new_orders().iter().map(|(_, action)| action).collect();
        assert!(matches!(orders[..], [Action::Tell(_)]), "told of, and nothing else: {orders:?}");
        node.forget();
        assert_eq!(node.router.report(), twin.router.report());
        assert_eq!(node.router.wanted_sockets(), twin.router.wanted_sockets());
        for node in [&mut node, &mut twin] {
            node.advance(s(10));
        }
        assert_eq!(node.new_orders(), twin.new_orders(), "and goes on like one that was not reloaded");
    }
}

#[test]
fn a_reload_is_told_with_what_it_changed() {
    let mut node = Node::with(two());
    node.forget();
    let third = instance("VI_3").vrid(12).addresses(&["192.0.2.3"]);
    node.reload(plan().instance(alone()).instance(third));
    let told: Vec<&Reason> = node
        .events()
        .into_iter()
        .map(|event| &event.reason)
        .filter(|reason| matches!(reason, Reason::Reloaded { .. }))
        .collect();
    assert_eq!(told, [&Reason::Reloaded { added: 1, removed: 1, changed: 0, unchanged: 1 }]);
}

#[test]
fn the_order_of_instances_in_the_file_does_not_matter() {
    let mut node = Node::master(two());
    let deadline = node.router.next_deadline();
    node.reload(plan().instance(other()).instance(alone()));
    node.expect_effects(&[]);
    node.expect_states(&[("VI_1", Master), ("VI_2", Master)]);
    assert_eq!(node.router.next_deadline(), deadline);
}

#[test]
fn a_new_instance_disturbs_no_other() {
    let mut node = Node::master(alone());
    let start = node.now;
    node.advance(ms(500));
    node.reload(two());
    node.expect_states(&[("VI_1", Master), ("VI_2", Backup)]);
    node.expect_effects(&["notify VI_2 BACKUP"]);
    node.advance(s(2));
    let times: Vec<Duration> = node
        .new_orders()
        .iter()
        .filter(|(_, action)| matches!(action, Action::SendAdvert(advert) if &*advert.instance == "VI_1"))
        .map(|(at, _)| at.saturating_since(start))
        .collect();
    assert_eq!(times, [s(1), s(2)]);
}

#[test]
fn a_removed_master_gives_up_and_is_told_as_fault_or_deleted() {
    for (notify_deleted, word) in [(false, "notify VI_2 FAULT"), (true, "notify VI_2 DELETED")] {
        let both =
            plan().instance(alone()).instance(other().but(|plan| plan.notify_deleted = notify_deleted));
        let mut node = Node::master(both);
        node.reload(alone());
        node.expect_effects(&["advert 0", "remove 192.0.2.2", word]);
        node.expect_state(Master);
        assert_eq!(node.router.report().instances.len(), 1);
    }
}

#[test]
fn f23_an_address_added_to_a_master_is_added_and_announced_without_a_state_change() {
    let mut node = Node::master(alone());
    let since = node.report().since;
    node.reload(alone().addresses(&["192.0.2.1", "192.0.2.7"]));
    node.expect_state(Master);
    assert_eq!(node.report().since, since);
    assert!(node.has("192.0.2.1") && node.has("192.0.2.7"));
    let effects = node.effects();
    assert!(effects.contains(&"add 192.0.2.7".into()), "{effects:?}");
    let announced = effects.iter().filter(|effect| *effect == "announce 192.0.2.7").count();
    assert_eq!(announced, 5, "{effects:?}");
    assert!(
        !effects.iter().any(|effect| effect.starts_with("remove") || effect.starts_with("notify")),
        "{effects:?}"
    );
    node.advance(s(1));
    assert_eq!(node.adverts()[0].payload[3], 2, "and advertised");
}

#[test]
fn f23_an_address_added_to_a_backup_is_no_matter_until_it_is_master() {
    let mut node = Node::with(alone());
    node.hear(advert());
    node.forget();
    let deadline = node.router.next_deadline();
    node.reload(alone().addresses(&["192.0.2.1", "192.0.2.7"]));
    node.expect_effects(&[]);
    assert_eq!(node.router.next_deadline(), deadline);
    node.time_until(Master);
    assert!(node.has("192.0.2.7"));
}

#[test]
fn f24_an_address_removed_from_a_master_is_removed_without_a_state_change() {
    let mut node = Node::master(alone().addresses(&["192.0.2.1", "192.0.2.7"]));
    let since = node.report().since;
    node.reload(alone());
    node.expect_effects(&["remove 192.0.2.7"]);
    assert_eq!((node.state(), node.report().since), (Master, since));
    assert!(node.has("192.0.2.1") && !node.has("192.0.2.7"));
}

#[test]
fn an_address_with_other_attributes_is_replaced_once() {
    let wider = || {
        let mut address = (*virtual_address("192.0.2.1", "eth0")).clone();
        address.prefix_length = 24;
        std::sync::Arc::new(address)
    };
    let labelled = || {
        let mut address = (*virtual_address("192.0.2.1", "eth0")).clone();
        address.label = Some("eth0:vip".into());
        std::sync::Arc::new(address)
    };
    // With another prefix length the kernel has both for a moment; with the same one it would take them for one.
    for (address, expected) in [
        (wider(), ["add 192.0.2.1", "remove 192.0.2.1"]),
        (labelled(), ["remove 192.0.2.1", "add 192.0.2.1"]),
    ] {
        let mut node = Node::master(alone());
        node.reload(alone().but(|plan| plan.addresses = vec![address]));
        node.expect_state(Master);
        let mut effects = node.effects();
        effects.retain(|effect| !effect.starts_with("announce"));
        assert_eq!(effects, expected);
    }
}

#[test]
fn an_address_that_moves_between_masters_is_never_lost() {
    let mut node = Node::master(two());
    node.reload(
        plan()
            .instance(alone().addresses(&["192.0.2.1", "192.0.2.2"]))
            .instance(other().addresses(&["192.0.2.22"])),
    );
    assert!(node.has("192.0.2.2"));
    let removed = node.effects().contains(&"remove 192.0.2.2".into());
    assert!(!removed, "moved, not removed and added");
    // And back, against the order of the file.
    node.reload(two());
    assert!(node.has("192.0.2.2"));
    assert!(!node.effects().contains(&"remove 192.0.2.2".into()));
}

#[test]
fn f25_a_master_keeps_state_and_rhythm_through_a_new_priority() {
    let mut node = Node::master(alone());
    let start = node.now;
    node.advance(ms(700));
    node.reload(alone().priority(150));
    node.expect_effects(&[]);
    node.expect_state(Master);
    node.advance(s(2));
    assert_eq!(node.adverts_after(start), [(s(1), 150), (s(2), 150)]);
}

#[test]
fn f25_a_master_leaves_no_gap_longer_than_either_interval_through_a_new_interval() {
    for (old, new) in [(s(1), s(3)), (s(3), s(1)), (s(1), ms(10))] {
        let mut node = Node::master(alone().interval(old));
        let start = node.now;
        node.advance(ms(700));
        node.reload(alone().interval(new));
        node.expect_state(Master);
        let reloaded = node.now;
        node.advance(old + new);
        let adverts = node.adverts_after(start);
        let first = adverts.first().expect("an advert").0;
        assert!(first <= old, "{old:?} to {new:?}: first after {first:?}");
        assert!(first <= reloaded.saturating_since(start) + new, "{old:?} to {new:?}: first after {first:?}");
        let second = adverts.get(1).map_or(first + new, |advert| advert.0);
        assert_eq!(second - first, new);
    }
}

#[test]
fn f25_a_backup_keeps_state_and_the_time_that_has_passed_through_a_new_priority() {
    let mut node = Node::with(alone());
    node.hear(advert());
    node.advance(s(2));
    node.forget();
    node.reload(alone().priority(50));
    node.expect_state(Backup);
    node.expect_effects(&[]);
    assert_eq!(node.time_until(Master), DOWN + us(195_312) - s(2));
}

#[test]
fn another_vrid_is_another_router() {
    let mut node = Node::master(alone());
    node.reload(alone().vrid(77));
    node.expect_state(Backup);
    let effects = node.effects();
    assert_eq!(effects[..2], ["advert 0", "remove 192.0.2.1"]);
    assert_eq!(node.time_until(Master), DOWN);
}

#[test]
fn a_script_that_did_not_change_keeps_its_verdict() {
    let followed = || plan().instance(alone().tracks(track_script("chk", 0))).script(script("chk"));
    let mut node = Node::with(followed());
    node.finish_script("chk", 0);
    node.become_master();
    node.reload(followed());
    node.expect_state(Master);
    node.finish_script("chk", 1);
    node.expect_state(Fault);
    node.reload(followed());
    node.expect_state(Fault);
}

#[test]
fn a_new_script_that_has_not_run_yet_does_not_depose_a_master() {
    let mut node = Node::master(alone());
    node.reload(plan().instance(alone().tracks(track_script("chk", 0))).script(script("chk")));
    node.expect_state(Master);
    node.finish_script("chk", 0);
    node.expect_state(Master);
    node.finish_script("chk", 1);
    node.expect_state(Fault);
}

#[test]
fn a_fault_whose_cause_is_no_longer_followed_ends() {
    let mut node = Node::with(alone().tracks(track_interface("eth1", 0)));
    node.set_link("eth1", false);
    node.expect_state(Fault);
    node.reload(alone());
    node.expect_state(Backup);
}

#[test]
fn an_instance_that_joins_a_group_follows_it() {
    let mut node = Node::master(two());
    node.reload(two().group(group("VG", &["VI_1", "VI_2"])));
    node.expect_states(&[("VI_1", Master), ("VI_2", Master)]);
    node.hear(advert());
    node.expect_states(&[("VI_1", Backup), ("VI_2", Backup)]);
}

#[test]
fn a_bigger_reload_sends_no_more_adverts_than_the_clock_asks_for() {
    let many = |from: u8| {
        (from..from + 100).fold(plan(), |plan, vrid| {
            let address = format!("192.0.2.{vrid}");
            let name = format!("VI_{vrid}");
            plan.instance(instance(&name).vrid(vrid).addresses(&[&address]).announcing_once())
        })
    };
    let mut node = Node::master(many(1));
    node.advance(ms(100));
    node.forget();
    node.reload(many(2));
    let adverts: Vec<u8> = node.adverts().iter().map(|advert| advert.payload[2]).collect();
    assert_eq!(adverts, [0], "only the removed one gives up");
    let masters = node.router.report().instances.iter().filter(|instance| instance.state == Master).count();
    assert_eq!(masters, 99);
}

// ---- a restart of the process ----

#[test]
fn a_restarted_master_takes_up_what_it_had() {
    let mut before = Node::master(alone());
    before.advance(ms(300));
    let resume = before.router.resume();

    let mut after = Node::cold(alone(), Some(&resume));
    after.now = before.now + ms(50);
    after.addresses = before.addresses.clone();
    after.list_kernel();
    after.expect_state(Master);
    assert_eq!(after.report().cause, Cause::Resumed);
    assert!(after.has("192.0.2.1"));
    let removed = after.effects().iter().any(|effect| effect.starts_with("remove"));
    assert!(!removed, "adopted, not removed and added");
}

#[test]
fn a_restarted_master_tells_no_script_of_a_change_that_was_none() {
    let before = Node::master(alone());
    let mut after = Node::cold(alone(), Some(&before.router.resume()));
    after.addresses = before.addresses.clone();
    after.list_kernel();
    let notified: Vec<&NotifyObject> = after
        .new_orders()
        .iter()
        .filter_map(|(_, action)| match action {
            Action::Notify(notification) => Some(&notification.object),
            _ => None,
        })
        .collect();
    assert_eq!(notified, Vec::<&NotifyObject>::new());
}

#[test]
fn a_restarted_backup_waits_as_long_as_any_other() {
    let mut before = Node::with(alone());
    before.hear(advert().interval(ms(300)));
    let mut after = Node::cold(alone(), Some(&before.router.resume()));
    after.list_kernel();
    after.expect_state(Backup);
    assert_eq!(after.report().master_advert_interval, ms(300));
    assert_eq!(after.time_until(Master), ms(900) + us(182_812));
}

#[test]
fn an_address_left_behind_by_a_crash_is_removed_from_a_node_that_is_not_master() {
    let mut node = Node::cold(alone(), None);
    node.addresses.insert((ETH0, ip("192.0.2.1")));
    node.list_kernel();
    assert!(!node.has("192.0.2.1"));
    node.expect_state(Backup);
}

#[test]
fn a_restarted_router_that_is_told_to_end_before_it_knows_the_kernel_hands_over_all_the_same() {
    let before = Node::master(alone());
    let mut after = Node::cold(alone(), Some(&before.router.resume()));
    after.addresses = before.addresses.clone();
    after.step(Input::ShutdownRequested);
    after.expect_effects(&[]);
    after.list_kernel();
    assert!(!after.has("192.0.2.1"));
    let effects = after.effects();
    assert!(effects.contains(&"advert 0".into()), "{effects:?}");
    assert_eq!(effects.last().map(String::as_str), Some("finished"));
}

#[test]
fn a_router_without_a_predecessor_that_is_told_to_end_before_it_knows_the_kernel_ends_at_once() {
    let mut node = Node::cold(alone(), None);
    node.step(Input::ShutdownRequested);
    node.expect_effects(&["finished"]);
    node.list_kernel();
    node.expect_effects(&[]);
}

#[test]
fn an_address_a_new_instance_finds_on_its_link_is_removed_even_while_another_master_leaves() {
    let mut node = Node::master(alone());
    node.addresses.insert((ETH0, ip("192.0.2.2")));
    node.step(Input::AddressAdded(ETH0, ip("192.0.2.2")));
    node.reload(other());
    assert_eq!(node.state_of("VI_2"), Backup);
    assert!(!node.has("192.0.2.2"), "a backup has no address");
}

fn followed_with(weight: i32, script: ScriptPlan) -> Plan {
    let name = script.name.clone();
    plan().instance(alone().tracks(track_script(&name, weight))).script(script)
}

#[test]
fn a_script_that_is_edited_or_renamed_keeps_its_verdict_until_its_first_run() {
    let edited = ScriptPlan { identity: "/usr/local/bin/chk --better".into(), ..script("chk") };
    let renamed = ScriptPlan { name: "chk_web".into(), ..script("chk") };
    for new in [edited, renamed] {
        let name = new.name.clone();
        let mut node = Node::with(followed_with(20, script("chk")));
        node.finish_script("chk", 0);
        node.become_master();
        assert_eq!(node.priority(), 120);
        node.reload(followed_with(20, new));
        assert_eq!(node.priority(), 120, "{name}: a lower priority would be a failover");
        node.finish_script(&name, 1);
        assert_eq!(node.priority(), 100, "{name}: its first result decides");
    }
}

#[test]
fn a_fault_whose_script_is_replaced_lasts_until_the_first_run_of_the_new_one() {
    let mut node = Node::with(followed_with(0, script("chk")));
    node.finish_script("chk", 1);
    node.expect_state(Fault);
    node.forget();
    node.reload(followed_with(0, script("chk_web")));
    node.expect_state(Fault);
    node.expect_effects(&["run chk_web"]);
    node.finish_script("chk_web", 0);
    node.expect_state(Backup);
}

#[test]
fn a_fault_whose_file_is_renamed_or_moved_lasts_until_the_file_is_read() {
    let follows = |name: &str| plan().instance(alone().tracks(track_file(name, 0)));
    let moved = FilePlan { path: "/run/elsewhere".into(), ..file("drain") };
    let renamed = FilePlan { name: "drained".into(), ..file("drain") };
    for new in [moved, renamed] {
        let name = new.name.clone();
        let mut node = Node::with(follows("drain").file(file("drain")));
        node.read_file("drain", 1);
        node.expect_state(Fault);
        node.reload(follows(&name).file(new));
        node.expect_state(Fault);
        node.read_file(&name, 0);
        node.expect_state(Backup);
    }
}
