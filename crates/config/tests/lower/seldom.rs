//! Words that are seldom said: each reaches the plan all the same.

use std::time::Duration;

use mainstay_core::address::{Family, RouteMetric};
use mainstay_core::director::plan::AtStop;
use mainstay_core::router::plan::{AnnouncePlan, Destination, Version};

use super::*;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn global(lines: &str) -> Lowered {
    lower(&format!("global_defs {{\n{lines}\n}}\n{}", simple("V", 51)))
}

#[test]
fn every_word_about_announcements_reaches_the_plan() {
    let words = [
        "garp_master_delay 7",
        "garp_master_repeat 2",
        "garp_master_refresh 60",
        "garp_master_refresh_repeat 3",
        "garp_lower_prio_delay 8",
        "garp_lower_prio_repeat 4",
        "garp_extra_if all 30",
    ];
    let expected = AnnouncePlan {
        delay: seconds(7),
        repeat: 2,
        refresh: seconds(60),
        refresh_repeat: 3,
        lower_priority_delay: seconds(8),
        lower_priority_repeat: 4,
        extra_interface: seconds(30),
        extra_interface_all: true,
    };
    assert_eq!(instance(&words.join("\n")).clean().instance().announce, expected);
    let of_the_node = words.map(|word| format!("vrrp_{word}")).join("\n");
    assert_eq!(global(&of_the_node).clean().instance().announce, expected);
}

#[test]
fn the_least_time_between_announcements_is_of_each_kind() {
    let lowered = global("vrrp_garp_interval 0.25\nvrrp_gna_interval 0.5").clean();
    let settings = &lowered.model.router.settings;
    assert_eq!(settings.garp_interval, Duration::from_millis(250));
    assert_eq!(settings.na_interval, Duration::from_millis(500));
}

#[test]
fn every_metric_of_a_route_has_the_kernels_number() {
    // linux/rtnetlink.h, RTAX_*.
    let metrics = [
        ("window 5", 3, 5),
        ("rttvar 10ms", 5, 40),
        ("ssthresh 6", 6, 6),
        ("cwnd 7", 7, 7),
        ("reordering 8", 9, 8),
        ("hoplimit 64", 10, 64),
        ("initcwnd 20", 11, 20),
        ("initrwnd 30", 14, 30),
        ("fastopen_no_cookie 1", 17, 1),
    ];
    for (words, number, value) in metrics {
        let lowered = instance(&format!("virtual_routes {{\n10.1.0.0/16 dev eth0 {words}\n}}")).clean();
        let expected = [RouteMetric { number, value, locked: false }];
        assert_eq!(lowered.instance().routes[0].metrics, expected, "{words}");
    }
}

#[test]
fn a_rule_may_name_its_family() {
    let family = |words: &str| {
        let line = format!("virtual_rules {{\n{words} fwmark 5 table 5 priority 100\n}}");
        instance(&line).clean().instance().rules[0].family
    };
    assert_eq!((family("inet"), family("inet6")), (Family::V4, Family::V6));
}

#[test]
fn the_checker_process_has_words_of_its_own() {
    let lowered = global(
        "checker_process_name checks\nchecker_no_swap\nchecker_rt_priority 10\nchecker_cpu_affinity 1\n\
         checker_rlimit_rttime 5000",
    )
    .clean();
    let director = &lowered.model.process.director;
    assert_eq!((director.name.as_deref(), director.lock_memory), (Some("checks"), true));
    assert_eq!((director.realtime_priority, director.rttime_us), (Some(10), Some(5000)));
    assert_eq!(director.cpu_affinity, [1]);
    let old = global("lvs_process_name checks").says(["deprecated-keyword"]);
    assert_eq!(old.model.process.director.name.as_deref(), Some("checks"));
}

#[test]
fn process_names_gives_all_of_them_keepaliveds() {
    let lowered = global("process_names").clean();
    let process = &lowered.model.process;
    assert_eq!(process.supervisor_name.as_deref(), Some("keepalived"));
    assert_eq!(process.router.name.as_deref(), Some("keepalived_vrrp"));
    assert_eq!(process.director.name.as_deref(), Some("keepalived_ipvs"));
}

#[test]
fn scripts_have_the_groups_of_their_user_if_wanted() {
    assert!(!global("").clean().model.process.supplementary_groups);
    assert!(global("set_supplementary_groups").clean().model.process.supplementary_groups);
}

#[test]
fn the_sender_of_unicast_is_checked_for_one_or_for_all() {
    let checks = |text: &str| match lower(text).clean().instance().destination {
        Destination::Unicast { check_source, .. } => check_source,
        Destination::Multicast(group) => panic!("multicast to {group}"),
    };
    let peers = "unicast_peer {\n10.0.0.9\n}\nvirtual_ipaddress {\n10.0.0.1\n}\n";
    let of = |lines: &str| named_instance("V", 51, &format!("{lines}{peers}"));
    assert!(!checks(&of("")));
    assert!(checks(&of("check_unicast_src\n")));
    assert!(checks(&format!("global_defs {{\nvrrp_check_unicast_src\n}}\n{}", of(""))));
}

#[test]
fn all_owners_may_ignore_adverts() {
    let text = "global_defs {\nvrrp_owner_ignore_adverts\n}\n".to_owned()
        + &named_instance("V", 51, "priority 255\nvirtual_ipaddress {\n10.0.0.1\n}");
    assert!(lower(&text).clean().instance().owner_ignores_adverts);
}

#[test]
fn there_is_a_group_for_ipv6_too() {
    let text = "global_defs {\nvrrp_mcast_group6 ff02::99\n}\n".to_owned()
        + &named_instance("V", 51, "virtual_ipaddress {\nfe80::1\n}");
    let group = Destination::Multicast("ff02::99".parse().expect("a group"));
    assert_eq!(lower(&text).clean().instance().destination, group);
}

#[test]
fn native_ipv6_is_ipv6_where_nothing_else_says_so() {
    let lowered = bare_instance("native_ipv6\nno_virtual_ipaddress").says(["deprecated-keyword"]);
    let plan = lowered.instance();
    let group = Destination::Multicast("ff02::12".parse().expect("a group"));
    assert_eq!((plan.version, &plan.destination), (Version::V3, &group));
}

#[test]
fn old_words_mean_what_the_new_ones_do() {
    let lowered = instance("nopreempt\nthread_timer_expired 150").says(["deprecated-keyword"]);
    assert_eq!(lowered.instance().timer_expired_backup.map(|priority| priority.get()), Some(150));
    let lowered = global("lvs_flush_onstop VS").says(["deprecated-keyword"]);
    assert_eq!(lowered.model.director.settings.at_stop, AtStop::FlushOurs);
    let members = simple("A", 1) + &simple("B", 2);
    let group = format!("vrrp_sync_group G {{\ngroup {{\nA\nB\n}}\nglobal_tracking\n}}\n{members}");
    assert!(lower(&group).says(["deprecated-keyword"]).model.router.sync_groups[0].tracking_weight);
    let check = "virtual_server 10.0.0.1 80 {\nlvs_sched rr\nlvs_method NAT\nprotocol TCP\n\
                 real_server 10.1.0.1 80 {\nHTTP_GET {\nnb_get_retry 7\nurl {\npath /\n}\n}\n}\n}\n";
    let lowered = lower(check).says(["deprecated-keyword"]);
    assert_eq!(lowered.model.director.virtual_servers[0].real_servers[0].checkers[0].judgement.retry, 7);
}

#[test]
fn a_group_may_tell_of_every_state() {
    let text = "global_defs {\nscript_user root\nenable_script_security\nsmtp_server 192.0.2.25\n\
                notification_email {\na@b.example\n}\n}\n\
                vrrp_sync_group G {\ngroup {\nA\nB\n}\nnotify_backup killall\nnotify_fault killall\n\
                notify_stop killall\nnotify killall\nsmtp_alert\n}\n"
        .to_owned()
        + &simple("A", 1)
        + &simple("B", 2);
    let host = machine().with_program("/usr/bin/killall", "\x7fELF");
    let lowered = lower_on(&host, &text).clean();
    let notify = &lowered.model.group_notify["G"];
    assert!(notify.backup.is_some() && notify.fault.is_some() && notify.stop.is_some());
    assert!(notify.generic.is_some() && notify.smtp_alert && notify.master.is_none());
}

#[test]
fn a_lost_process_may_come_back_in_time() {
    let words = "process nginx\nterminate_delay 2.5\n";
    let lowered = lower(&format!("vrrp_track_process p {{\n{words}}}\n")).clean();
    assert_eq!(lowered.model.router.processes[0].terminate_delay, Duration::from_millis(2500));
}

#[test]
fn names_of_iproute2_may_lie_elsewhere() {
    let host = machine().with_text("/opt/iproute2/rt_tables", "77 seventy\n");
    for word in ["iproute_usr_dir", "iproute_etc_dir"] {
        let text = format!("global_defs {{\n{word} /opt/iproute2\n}}\n")
            + &named_instance(
                "V",
                51,
                "virtual_ipaddress {\n10.0.0.1\n}\nvirtual_routes {\n10.1.0.0/16 dev eth0 table seventy\n}",
            );
        assert_eq!(lower_on(&host, &text).clean().instance().routes[0].table, 77, "{word}");
    }
}

#[test]
fn all_failures_are_logged_for_one_checker_or_for_all() {
    let logs_all = |global: &str, checker: &str| {
        let text = format!(
            "global_defs {{\n{global}\n}}\nvirtual_server 10.0.0.1 80 {{\nlvs_sched rr\nlvs_method NAT\nprotocol TCP\n\
             real_server 10.1.0.1 80 {{\nTCP_CHECK {{\n{checker}\n}}\n}}\n}}\n"
        );
        let lowered = lower(&text).clean();
        lowered.model.director.virtual_servers[0].real_servers[0].checkers[0].judgement.log_all_failures
    };
    assert!(!logs_all("", ""));
    assert!(logs_all("", "log_all_failures") && logs_all("checker_log_all_failures", ""));
    assert!(!logs_all("checker_log_all_failures", "log_all_failures off"));
}
