//! When gratuitous ARPs go out.

use std::time::Duration;

use mainstay_core::router::plan::AnnouncePlan;

use super::*;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn with_global(lines: &str) -> AnnouncePlan {
    lower(&format!("global_defs {{\n{lines}\n}}\n{}", simple("V", 51))).clean().instance().announce
}

#[test]
fn five_at_once_and_five_after_five_seconds() {
    assert_eq!(instance("").clean().instance().announce, AnnouncePlan::default());
}

#[test]
fn an_instance_overrules_the_node() {
    let text = format!(
        "global_defs {{\nvrrp_garp_master_repeat 2\nvrrp_garp_master_refresh 60\n}}\n{}",
        named_instance("V", 51, "garp_master_repeat 3\nvirtual_ipaddress {\n10.0.0.1\n}")
    );
    let announce = lower(&text).clean().instance().announce;
    assert_eq!((announce.repeat, announce.refresh, announce.refresh_repeat), (3, seconds(60), 1));
}

#[test]
fn announcements_after_lower_adverts_follow_the_others_of_the_node() {
    let announce = with_global("vrrp_garp_master_repeat 2\nvrrp_garp_master_delay 7");
    assert_eq!((announce.lower_priority_repeat, announce.lower_priority_delay), (2, seconds(7)));
    let announce = with_global("vrrp_garp_master_repeat 2\nvrrp_garp_lower_prio_repeat 0");
    assert_eq!(announce.lower_priority_repeat, 0);
}

#[test]
fn least_announcements_only_change_what_was_not_said() {
    let announce = with_global("vrrp_min_garp");
    assert_eq!((announce.repeat, announce.delay, announce.refresh), (1, seconds(0), seconds(0)));
    let announce = with_global("vrrp_garp_master_repeat 4\nvrrp_min_garp");
    assert_eq!((announce.repeat, announce.delay), (4, seconds(0)));
}

#[test]
fn no_repeats_is_one() {
    let lowered = instance("garp_master_repeat 0").says(["must-be-positive"]);
    assert_eq!(lowered.instance().announce.repeat, 1);
}

#[test]
fn other_interfaces_have_a_period_of_their_own() {
    let announce = instance("garp_extra_if all 30").clean().instance().announce;
    assert_eq!((announce.extra_interface, announce.extra_interface_all), (seconds(30), true));
    let announce = with_global("vrrp_garp_extra_if 30");
    assert_eq!((announce.extra_interface, announce.extra_interface_all), (seconds(30), false));
}

#[test]
fn an_interval_of_zero_is_refused_though_it_is_the_default() {
    let lowered = lower("global_defs {\nvrrp_garp_interval 0\n}\n").says(["number-out-of-range"]);
    assert_eq!(lowered.model.router.settings.garp_interval, Duration::ZERO);
    let lowered = lower("global_defs {\nvrrp_gna_interval 0.5\n}\n").clean();
    assert_eq!(lowered.model.router.settings.na_interval, Duration::from_millis(500));
}

#[test]
fn a_garp_group_limits_its_interfaces_together() {
    let lowered =
        lower("garp_group {\ngarp_interval 1.5\ngna_interval 2\ninterfaces {\neth0\neth1\n}\n}\n").clean();
    let [limit] = lowered.model.router.announce_limits.as_slice() else { panic!("not one limit") };
    assert_eq!(limit.interfaces, ["eth0", "eth1"]);
    assert_eq!((limit.garp_interval, limit.na_interval), (Duration::from_millis(1500), seconds(2)));
}

#[test]
fn a_garp_group_needs_an_interval_and_interfaces_of_its_own() {
    lower("garp_group {\ninterface eth0\n}\n").says(["garp-group-without-interval"]);
    let twice = "garp_group {\ngarp_interval 1\ninterface eth0\n}\n".repeat(2);
    let lowered = lower(&twice);
    assert!(lowered.codes().contains(&"interface-in-two-groups"));
    assert_eq!(lowered.model.router.announce_limits.len(), 1);
    lower("garp_group {\ngarp_interval 1\ninterface eth9\n}\n")
        .says(["garp-group-without-interface", "unknown-interface"]);
}
