//! The order of the file does not matter, except where keepalived complains.

use super::*;

const SCRIPT: &str = "vrrp_script s {\nscript \"</etc/passwd\"\n}\n";

#[test]
fn what_is_defined_further_down_is_tracked_with_a_complaint() {
    // DIFFERS: keepalived does not track it.
    let user = named_instance("V", 51, "virtual_ipaddress {\n10.0.0.1\n}\ntrack_script {\ns\n}");
    let lowered = lower(&(user.clone() + SCRIPT)).says(["defined-later"]);
    assert!(complaint(lowered.only("defined-later")));
    assert_eq!(lowered.instance().trackers.len(), 1);
    lower(&(SCRIPT.to_owned() + &user)).clean();
}

#[test]
fn a_sync_group_may_stand_above_its_members() {
    let text = "vrrp_sync_group G {\ngroup {\nA\nB\n}\n}\n".to_owned() + &simple("A", 1) + &simple("B", 2);
    assert_eq!(lower(&text).clean().model.router.sync_groups[0].members, ["A", "B"]);
}

#[test]
fn instances_keep_the_order_of_the_file() {
    let lowered = lower(&(simple("B", 2) + &simple("A", 1))).clean();
    let names: Vec<_> = lowered.model.router.instances.iter().map(|plan| plan.name.as_str()).collect();
    assert_eq!(names, ["B", "A"]);
}
