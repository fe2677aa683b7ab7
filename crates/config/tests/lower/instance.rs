//! State, priority, version, interval, preemption, interface.

use std::time::Duration;

use mainstay_core::address::Family;
use mainstay_core::router::plan::{Destination, Preempt, Version, WantedState};

use super::*;

#[test]
fn an_instance_that_says_nothing_has_keepaliveds_defaults() {
    let lowered = instance("").clean();
    let plan = lowered.instance();
    assert_eq!((plan.name.as_str(), plan.vrid.get(), plan.interface.as_deref()), ("V", 51, Some("eth0")));
    assert_eq!((plan.version, plan.family), (Version::V2, Family::V4));
    assert_eq!((plan.wanted, plan.priority.get()), (WantedState::Backup, 100));
    assert_eq!((plan.advert_interval, plan.down_timer_adverts), (Duration::from_secs(1), 3));
    assert_eq!(plan.preempt, Preempt::After(Duration::ZERO));
    assert_eq!(plan.destination, Destination::Multicast("224.0.0.18".parse().expect("a group")));
    assert!(plan.accept && !plan.strict && !plan.owner_ignores_adverts && !plan.skip_address_check);
    assert_eq!((plan.source, plan.receive_buffer, plan.timer_expired_backup), (None, None, None));
}

#[test]
fn state_master_without_a_priority_owns_the_addresses() {
    let lowered = instance("state MASTER").clean();
    assert_eq!((lowered.instance().wanted, lowered.instance().priority.get()), (WantedState::Master, 255));
}

#[test]
fn priority_255_without_a_state_is_master() {
    let lowered = instance("priority 255").clean();
    assert_eq!(lowered.instance().wanted, WantedState::Master);
}

#[test]
fn state_slave_is_backup_with_a_suggestion() {
    let lowered = instance("state SLAVE").says(["unknown-state"]);
    assert_eq!(lowered.instance().wanted, WantedState::Backup);
    assert_eq!(lowered.only("unknown-state").suggestion.as_deref(), Some("BACKUP"));
}

#[test]
fn state_in_small_letters_is_backup_and_suggests_capitals() {
    let lowered = instance("state master\npriority 100").says(["unknown-state"]);
    assert_eq!(lowered.instance().wanted, WantedState::Backup);
    assert_eq!(lowered.only("unknown-state").suggestion.as_deref(), Some("MASTER"));
}

#[test]
fn a_priority_out_of_range_is_100() {
    for priority in ["0", "256", "-1", "abc"] {
        let lowered = instance(&format!("priority {priority}"));
        assert_eq!(lowered.instance().priority.get(), 100, "{priority}");
        assert!(complaint(&lowered.diagnostics[0]), "{priority}");
    }
}

#[test]
fn a_number_with_a_tail_counts_and_is_complained_about() {
    let lowered = instance("priority 5x").says(["number-with-a-tail"]);
    assert_eq!(lowered.instance().priority.get(), 5);
}

#[test]
fn ipv6_addresses_make_version_3() {
    let lowered = bare_instance("virtual_ipaddress {\nfe80::1/64\n}").clean();
    assert_eq!((lowered.instance().version, lowered.instance().family), (Version::V3, Family::V6));
    let group = "ff02::12".parse().expect("a group");
    assert_eq!(lowered.instance().destination, Destination::Multicast(group));
}

#[test]
fn version_2_with_ipv6_is_kept_as_keepalived_does_with_a_warning() {
    let lowered =
        bare_instance("version 2\nvirtual_ipaddress {\nfe80::1/64\n}").says(["version-2-with-ipv6"]);
    assert_eq!(lowered.instance().version, Version::V2);
    assert!(!complaint(lowered.only("version-2-with-ipv6")));
}

#[test]
fn version_2_counts_whole_seconds() {
    for (said, used) in [("1.4", 1), ("1.5", 2), ("0.1", 1)] {
        let lowered = instance(&format!("advert_int {said}")).says(["advert-interval"]);
        assert_eq!(lowered.instance().advert_interval, Duration::from_secs(used), "{said}");
    }
}

#[test]
fn version_3_counts_hundredths_up_to_40_95_seconds() {
    let lowered = instance("version 3\nadvert_int 0.25").clean();
    assert_eq!(lowered.instance().advert_interval, Duration::from_millis(250));
    let lowered = instance("version 3\nadvert_int 0.255").says(["advert-interval"]);
    assert_eq!(lowered.instance().advert_interval, Duration::from_millis(260));
    let lowered = instance("version 3\nadvert_int 50").says(["advert-interval"]);
    assert_eq!(lowered.instance().advert_interval, Duration::from_millis(40_950));
}

#[test]
fn an_interval_out_of_range_is_one_second() {
    for said in ["0", "256", "abc", "0.001"] {
        let lowered = instance(&format!("advert_int {said}"));
        assert_eq!(lowered.instance().advert_interval, Duration::from_secs(1), "{said}");
        assert_eq!(lowered.codes().len(), 1, "{said}");
    }
}

#[test]
fn nopreempt_is_cleared_with_state_master() {
    let lowered = instance("state MASTER\npriority 100\nnopreempt").says(["nopreempt-with-master"]);
    assert_eq!(lowered.instance().preempt, Preempt::After(Duration::ZERO));
}

#[test]
fn nopreempt_is_cleared_for_an_owner() {
    let lowered = instance("state BACKUP\npriority 255\nnopreempt").says(["nopreempt-with-master"]);
    assert_eq!(lowered.instance().preempt, Preempt::After(Duration::ZERO));
}

#[test]
fn the_last_of_preempt_and_nopreempt_counts() {
    assert_eq!(instance("preempt\nnopreempt").clean().instance().preempt, Preempt::Never);
    assert_eq!(instance("nopreempt\npreempt").clean().instance().preempt, Preempt::After(Duration::ZERO));
}

#[test]
fn preempt_delay_needs_a_backup_that_preempts() {
    let lowered = instance("preempt_delay 5").clean();
    assert_eq!(lowered.instance().preempt, Preempt::After(Duration::from_secs(5)));
    let lowered = instance("state MASTER\npriority 100\npreempt_delay 5").says(["preempt-delay"]);
    assert_eq!(lowered.instance().preempt, Preempt::After(Duration::ZERO));
    let lowered = instance("nopreempt\npreempt_delay 5").says(["preempt-delay"]);
    assert_eq!(lowered.instance().preempt, Preempt::Never);
}

#[test]
fn an_instance_without_a_vrid_is_left_out_and_the_others_stay() {
    let text = format!(
        "vrrp_instance A {{\ninterface eth0\nvirtual_ipaddress {{\n10.0.0.9\n}}\n}}\n{}",
        simple("B", 2)
    );
    let lowered = lower(&text).says(["missing-vrid"]);
    assert_eq!(lowered.instance().name, "B");
    assert_eq!(lowered.only("missing-vrid").severity, Severity::Error);
}

#[test]
fn a_vrid_out_of_range_is_as_none() {
    let text = simple("A", 1).replace("virtual_router_id 1", "virtual_router_id 256");
    let lowered = lower(&text);
    assert_eq!(lowered.codes(), ["missing-vrid", "number-out-of-range"]);
    assert!(lowered.model.router.instances.is_empty());
}

#[test]
fn an_instance_on_an_unknown_interface_waits_for_it_and_the_others_run() {
    let text = simple("A", 1).replace("eth0", "eth9") + &simple("B", 2);
    let lowered = lower(&text).says(["unknown-interface"]);
    let instances = &lowered.model.router.instances;
    assert_eq!(instances.iter().map(|instance| instance.name.as_str()).collect::<Vec<_>>(), ["A", "B"]);
    assert_eq!(instances[0].interface.as_deref(), Some("eth9"));
}

#[test]
fn with_dynamic_interfaces_an_unknown_interface_may_come_later() {
    let text = "global_defs {\ndynamic_interfaces\n}\n".to_owned() + &simple("A", 1).replace("eth0", "eth9");
    let lowered = lower(&text).clean();
    assert_eq!(lowered.instance().interface.as_deref(), Some("eth9"));
    assert_eq!(lowered.only("interface-not-there-yet").severity, Severity::Note);
}

#[test]
fn a_loopback_interface_is_refused() {
    let lowered = lower(&simple("A", 1).replace("eth0", "lo")).says(["loopback"]);
    assert!(lowered.model.router.instances.is_empty());
}

#[test]
fn an_interface_name_longer_than_the_kernels_is_refused() {
    let lowered = lower(&simple("A", 1).replace("eth0", "averylonginterface"));
    assert_eq!(lowered.codes(), ["missing-interface", "interface-name-too-long"]);
}

#[test]
fn two_instances_of_one_vrid_on_an_interface_cannot_live_together() {
    let lowered = lower(&(simple("A", 1) + &simple("B", 1))).says(["duplicate-vrid"]);
    assert_eq!(lowered.instance().name, "A");
    assert_eq!(lowered.only("duplicate-vrid").span.map(|span| span.line), Some(8));
}

#[test]
fn one_vrid_may_serve_both_families_and_several_groups() {
    let six = named_instance("B", 1, "virtual_ipaddress {\nfe80::1\n}");
    let group = named_instance("C", 1, "mcast_dst_ip 224.0.0.99\nvirtual_ipaddress {\n10.0.0.3\n}");
    assert_eq!(lower(&(simple("A", 1) + &six + &group)).clean().model.router.instances.len(), 3);
}

#[test]
fn a_name_is_used_once() {
    let lowered = lower(&(simple("A", 1) + &simple("A", 2))).says(["duplicate-name"]);
    assert_eq!(lowered.instance().vrid.get(), 1);
}

#[test]
fn version_3_needs_an_address() {
    let lowered = bare_instance("version 3").says(["no-address"]);
    assert!(lowered.model.router.instances.is_empty());
    let lowered = bare_instance("version 3\nno_virtual_ipaddress").clean();
    assert!(lowered.instance().addresses.is_empty());
}

#[test]
fn version_2_without_an_address_is_only_complained_about() {
    let lowered = bare_instance("").says(["no-address"]);
    assert!(lowered.instance().addresses.is_empty());
}

#[test]
fn a_late_loop_may_step_down_for_any_peer() {
    let lowered = instance("nopreempt\ntimer_expired_backup").clean();
    assert_eq!(lowered.instance().timer_expired_backup.map(|priority| priority.get()), Some(254));
    let lowered = instance("nopreempt\ntimer_expired_backup 150").clean();
    assert_eq!(lowered.instance().timer_expired_backup.map(|priority| priority.get()), Some(150));
}

#[test]
fn only_an_owner_ignores_adverts() {
    assert!(!instance("owner_ignore_adverts").clean().instance().owner_ignores_adverts);
    assert!(instance("priority 255\nowner_ignore_adverts").clean().instance().owner_ignores_adverts);
}

#[test]
fn skip_check_adv_addr_false_is_false() {
    // DIFFERS: keepalived sets it for any value.
    assert!(!instance("skip_check_adv_addr false").clean().instance().skip_address_check);
    assert!(instance("skip_check_adv_addr").clean().instance().skip_address_check);
}

#[test]
fn a_boolean_has_keepaliveds_words_only() {
    instance("strict_mode maybe").says(["bad-boolean"]);
    instance("strict_mode On").says(["bad-boolean"]);
}

#[test]
fn a_router_that_does_not_own_the_addresses_may_accept_no_packets() {
    assert!(!instance("no_accept").clean().instance().accept);
    assert!(instance("no_accept\naccept").clean().instance().accept, "the last word counts");
    assert!(instance("no_accept\npriority 255").clean().instance().accept, "an owner always does");
}

#[test]
fn every_other_word_of_an_instance_reaches_the_plan() {
    let lowered = instance(
        "dont_track_primary\npromote_secondaries\nmcast_src_ip 10.0.0.8\ntrack_src_ip\nv3_checksum_as_v2\n\
         lower_prio_no_advert\nhigher_prio_send_advert\nkernel_rx_buf_size 4096\nnotify_priority_changes\n\
         down_timer_adverts 5\ndebug 1\nnotify_deleted",
    )
    .clean();
    let plan = lowered.instance();
    assert!(plan.ignore_interface_fault && plan.promote_secondaries && plan.track_source);
    assert!(plan.checksum_without_pseudo_header && plan.lower_priority_no_advert);
    assert!(plan.higher_priority_send_advert && plan.notify_priority_changes && plan.notify_deleted);
    assert_eq!(plan.source, Some("10.0.0.8".parse().expect("an address")));
    assert_eq!((plan.receive_buffer, plan.down_timer_adverts), (Some(4096), 5));
}

#[test]
fn only_a_source_that_is_said_can_be_tracked() {
    let lowered = instance("track_src_ip").says(["track-source-without-source"]);
    assert!(!lowered.instance().track_source);
}
