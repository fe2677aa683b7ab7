//! `vrrp_sync_group`.

use mainstay_core::router::plan::TrackerTarget;

use super::*;

fn group(lines: &str) -> Lowered {
    lower(&(format!("vrrp_sync_group G {{\n{lines}\n}}\n") + &simple("A", 1) + &simple("B", 2)))
}

#[test]
fn a_group_has_members_and_what_it_follows() {
    let lowered = group("group {\nA\nB\n}\ntrack_interface {\neth1\n}\nnotify_priority_changes").clean();
    let [plan] = lowered.model.router.sync_groups.as_slice() else { panic!("not one group") };
    assert_eq!((plan.name.as_str(), plan.tracking_weight, plan.notify_priority_changes), ("G", false, true));
    assert_eq!(plan.members, ["A", "B"]);
    assert_eq!(plan.trackers[0].target, TrackerTarget::Interface("eth1".into()));
    assert!(lowered.model.router.instances.iter().all(|instance| instance.notify_priority_changes));
}

#[test]
fn members_may_stand_on_one_line() {
    assert_eq!(group("group {\nA B\n}").clean().model.router.sync_groups[0].members, ["A", "B"]);
}

#[test]
fn an_unknown_member_is_ignored_with_a_suggestion() {
    let lowered = lower(
        &("vrrp_sync_group G {\ngroup {\nVI_1\nVI_22\n}\n}\n".to_owned()
            + &simple("VI_1", 1)
            + &simple("VI_2", 2)),
    );
    assert_eq!(lowered.codes(), ["lonely-member", "unknown-member"]);
    assert_eq!(lowered.only("unknown-member").suggestion.as_deref(), Some("VI_2"));
}

#[test]
fn an_instance_is_in_one_group_only() {
    let two = "vrrp_sync_group G {\ngroup {\nA\nB\n}\n}\nvrrp_sync_group H {\ngroup {\nA\nB\n}\n}\n";
    let lowered = lower(&(two.to_owned() + &simple("A", 1) + &simple("B", 2)));
    assert_eq!(lowered.codes(), ["empty-group", "member-of-two", "member-of-two"]);
    assert_eq!(lowered.model.router.sync_groups.len(), 1);
}

#[test]
fn a_group_of_one_is_kept_with_a_complaint_and_of_none_left_out() {
    assert_eq!(group("group {\nA\n}").says(["lonely-member"]).model.router.sync_groups.len(), 1);
    assert!(group("group {\n}").says(["empty-group", "empty-block"]).model.router.sync_groups.is_empty());
}

#[test]
fn a_member_that_was_left_out_is_unknown_to_its_group() {
    let text = "vrrp_sync_group G {\ngroup {\nA\nB\n}\n}\n".to_owned() + &simple("A", 1) + &simple("B", 1);
    let lowered = lower(&text);
    assert_eq!(lowered.codes(), ["lonely-member", "unknown-member", "duplicate-vrid"]);
}

#[test]
fn weights_of_members_do_not_count() {
    let weighted =
        named_instance("A", 1, "virtual_ipaddress {\n10.0.0.1\n}\ntrack_interface {\neth1 weight 10\n}");
    let text = |more: &str| {
        format!("vrrp_sync_group G {{\ngroup {{\nA\nB\n}}\n{more}\n}}\n{weighted}{}", simple("B", 2))
    };
    let lowered = lower(&text("")).says(["weight-in-group"]);
    assert_eq!(lowered.model.router.instances[0].trackers[0].weight, 0);
    let lowered = lower(&text("sync_group_tracking_weight")).clean();
    assert_eq!(lowered.model.router.instances[0].trackers[0].weight, 10);
}

#[test]
fn the_default_weight_of_a_file_does_not_reach_a_group() {
    let file = "track_file f {\nfile /tmp/f\n}\n";
    let group = "vrrp_sync_group G {\ngroup {\nA\nB\n}\ntrack_file {\nf\n}\n}\n";
    let lowered = lower(&(file.to_owned() + group + &simple("A", 1) + &simple("B", 2))).clean();
    assert_eq!(lowered.model.router.sync_groups[0].trackers[0].weight, 0);
    let weighted = file.replace("file /tmp/f", "file /tmp/f\nweight 5");
    let lowered = lower(&(weighted + group + &simple("A", 1) + &simple("B", 2))).clean();
    assert_eq!(lowered.model.router.sync_groups[0].trackers[0].weight, 5);
}

#[test]
fn a_group_name_is_used_once() {
    let two = "vrrp_sync_group G {\ngroup {\nA\nB\n}\n}\n".repeat(2);
    lower(&(two + &simple("A", 1) + &simple("B", 2))).says(["duplicate-name"]);
}
