//! `global_defs` and the words of the root.

use std::path::Path;
use std::time::Duration;

use mainstay_config::model::{Dumps, Endpoint, JsonVersion, Realtime, Scheduling};
use mainstay_core::router::plan::Version;

use super::*;

fn global(lines: &str) -> Lowered {
    lower(&format!("global_defs {{\n{lines}\n}}\n"))
}

#[test]
fn the_router_id_is_the_node_name_unless_said() {
    assert_eq!(global("").clean().model.process.router_id, "node1.example.org");
    assert_eq!(global("router_id LVS_DEVEL").clean().model.process.router_id, "LVS_DEVEL");
}

#[test]
fn instances_take_their_defaults_from_the_node() {
    let text = "global_defs {\nvrrp_version 3\nvrrp_skip_check_adv_addr\nvrrp_lower_prio_no_advert\n\
                vrrp_higher_prio_send_advert\nvrrp_down_timer_adverts 4\nv3_checksum_as_v2\n\
                vrrp_notify_priority_changes\n}\n"
        .to_owned()
        + &simple("V", 51);
    let lowered = lower(&text).clean();
    let plan = lowered.instance();
    assert_eq!((plan.version, plan.down_timer_adverts), (Version::V3, 4));
    assert!(plan.skip_address_check && plan.lower_priority_no_advert && plan.higher_priority_send_advert);
    assert!(plan.checksum_without_pseudo_header && plan.notify_priority_changes);
}

#[test]
fn defaults_reach_instances_that_stand_above_them() {
    // DIFFERS: keepalived reads once.
    let lowered = lower(&(simple("V", 51) + "global_defs {\nvrrp_version 3\n}\n")).clean();
    assert_eq!(lowered.instance().version, Version::V3);
}

#[test]
fn settings_of_the_node() {
    let lowered = global(
        "vrrp_startup_delay 2.5\nvrrp_delay_after_boot 60\nlog_unknown_vrids\ndynamic_interfaces\n\
         reload_check_config\numask 022",
    )
    .clean();
    let settings = &lowered.model.router.settings;
    assert_eq!(settings.startup_delay, Duration::from_millis(2500));
    assert_eq!(settings.delay_after_boot, Duration::from_secs(60));
    assert!(settings.log_unknown_vrids && settings.dynamic_interfaces);
    assert!(lowered.model.process.reload_check_config);
    assert_eq!(lowered.model.process.umask, Some(0o022));
}

#[test]
fn a_mask_may_be_written_in_names() {
    let lowered = global("umask IXUSR | IWGRP | IRWXO").clean();
    assert_eq!(lowered.model.process.umask, Some(0o127));
    global("umask IRUSR|nonsense").says(["bad-umask"]);
}

#[test]
fn words_of_the_root() {
    let lowered = lower("net_namespace red\ninstance blue\nuse_pid_dir\nchild_wait_time 7\n").clean();
    let process = &lowered.model.process;
    assert_eq!((process.net_namespace.as_deref(), process.instance.as_deref()), (Some("red"), Some("blue")));
    assert!(process.use_pid_directory);
    assert_eq!(process.child_wait, Some(Duration::from_secs(7)));
}

#[test]
fn processes_have_titles_priorities_and_processors() {
    let lowered = global(
        "process_name boss\nvrrp_process_name vrrp\nvrrp_priority -10\nvrrp_no_swap\nvrrp_rt_priority 20\n\
         vrrp_cpu_affinity 0 2\nvrrp_rlimit_rttime 20000\nchecker_priority 5\nmax_auto_priority",
    )
    .clean();
    let process = &lowered.model.process;
    let router = Scheduling {
        name: Some("vrrp".into()),
        nice: Some(-10),
        lock_memory: true,
        realtime_priority: Some(20),
        cpu_affinity: vec![0, 2],
        rttime_us: Some(20_000),
    };
    assert_eq!(process.router, router);
    assert_eq!((process.supervisor_name.as_deref(), process.director.nice), (Some("boss"), Some(5)));
    assert_eq!(process.max_auto_priority, Some(99));
}

#[test]
fn automatic_realtime_is_off_at_zero_and_below() {
    for off in ["0", "-1"] {
        assert_eq!(global(&format!("max_auto_priority {off}")).clean().model.process.max_auto_priority, None);
    }
    assert_eq!(global("max_auto_priority 40").clean().model.process.max_auto_priority, Some(40));
}

#[test]
fn a_title_has_fifteen_bytes() {
    let lowered = global("process_name averyveryverylongname").says(["title-too-long"]);
    assert_eq!(lowered.model.process.supervisor_name.as_deref(), Some("averyveryverylo"));
}

#[test]
fn a_realtime_priority_out_of_range_is_the_nearest() {
    let lowered = global("vrrp_rt_priority 100").says(["number-out-of-range"]);
    assert_eq!(lowered.model.process.router.realtime_priority, Some(99));
}

#[test]
fn our_own_word_for_realtime() {
    let of = |line: &str| global(line).clean().model.process.realtime;
    assert_eq!(of("@mainstay realtime on"), Some(Realtime::Priority(50)));
    assert_eq!(of("@mainstay realtime off"), Some(Realtime::Off));
    assert_eq!(of("realtime 70"), Some(Realtime::Priority(70)));
    assert_eq!(of(""), None);
}

#[test]
fn words_of_later_parts_are_noted_and_checked() {
    let lowered = global("enable_dbus\nenable_snmp_checker").clean();
    assert_eq!(lowered.diagnostics.len(), 2);
}

#[test]
fn receive_buffers_by_policy() {
    assert_eq!(global("vrrp_rx_bufs_policy 4000").clean().model.process.receive_buffer, Some(4000));
    let lowered = global("vrrp_rx_bufs_policy MTU\nvrrp_rx_bufs_multiplier 4").clean();
    assert_eq!(lowered.model.process.receive_buffer, Some(6000));
    assert_eq!(global("").clean().model.process.receive_buffer, None);
}

#[test]
fn link_delays_hold_for_both_directions_unless_said() {
    // DIFFERS: keepalived's code takes 0 for an omitted UP, its manual says DOWN.
    let lowered = lower("interface_up_down_delays {\neth0 1.5\neth1 1 2\n}\n").clean();
    let delays = &lowered.model.router.link_delays;
    assert_eq!((delays[0].down, delays[0].up), (Duration::from_millis(1500), Duration::from_millis(1500)));
    assert_eq!((delays[1].down, delays[1].up), (Duration::from_secs(1), Duration::from_secs(2)));
}

#[test]
fn a_link_is_not_believed_up_for_longer_than_the_backup_waits() {
    let text = "interface_up_down_delays {\neth0 10\n}\n".to_owned() + &simple("V", 51);
    let lowered = lower(&text).says(["link-delay"]);
    assert_eq!(lowered.model.router.link_delays[0].down, Duration::from_secs(2));
}

#[test]
fn an_unknown_interface_has_no_delay_and_no_linkbeat() {
    lower("interface_up_down_delays {\neth9 1\n}\n").says(["unknown-interface"]);
    lower("linkbeat_interfaces {\neth9 MII\neth0 FOO\n}\n").says(["unknown-interface", "unknown-option"]);
}

#[test]
fn files_that_signals_ask_for_go_where_they_are_told() {
    let dumps = |lines: &str| global(lines).clean().model.process.dumps;
    assert_eq!(dumps(""), Dumps::default());
    let told = dumps(
        "state_dump_file /run/ka/\nstats_dump_file /run/s\njson_dump_file /run/j\njson_version 2\ndata_use_instance",
    );
    assert_eq!(told.state.as_deref(), Some(Path::new("/run/ka/")));
    assert_eq!(told.statistics.as_deref(), Some(Path::new("/run/s")));
    assert_eq!((told.json.as_deref(), told.json_version), (Some(Path::new("/run/j")), JsonVersion::Two));
    assert!(told.use_instance);
    assert_eq!(global("json_dump_file j").says(["relative-path"]).model.process.dumps.json, None);
}

#[test]
fn a_reload_can_be_planned_and_marked_and_told() {
    let process = |lines: &str| global(lines).clean().model.process;
    let time = process("reload_repeat\nreload_time_file /run/when").reload_time.expect("a file");
    assert_eq!((time.file.as_path(), time.repeat), (Path::new("/run/when"), true));
    assert!(!process("reload_time_file /run/when").reload_time.expect("a file").repeat);
    assert_eq!(process("reload_file").reload_marker.as_deref(), Some(Path::new("/run/keepalived.reload")));
    assert_eq!(process("reload_file /run/r").reload_marker.as_deref(), Some(Path::new("/run/r")));
    assert!(process("fifo_write_vrrp_states_on_reload").states_on_reload);
    assert_eq!(global("reload_time_file when").says(["relative-path"]).model.process.reload_time, None);
}

#[test]
fn metrics_are_served_on_an_address_or_a_socket() {
    let served =
        |word: &str| global(&format!("@mainstay metrics_listen {word}")).clean().model.process.metrics;
    let address = |text: &str| Some(Endpoint::Address(text.parse().expect("an address and a port")));
    assert_eq!(served("127.0.0.1:9650"), address("127.0.0.1:9650"));
    assert_eq!(served("[::1]:9650"), address("[::1]:9650"));
    assert_eq!(served("/run/mainstay.metrics"), Some(Endpoint::Path("/run/mainstay.metrics".into())));
    assert_eq!(served("off"), None);
    assert_eq!(global("").clean().model.process.metrics, None);
    for wrong in ["9650", "localhost:9650", "127.0.0.1", "run/socket"] {
        let lowered = global(&format!("@mainstay metrics_listen {wrong}")).says(["bad-endpoint"]);
        assert_eq!(lowered.model.process.metrics, None, "{wrong}");
    }
}

#[test]
fn events_are_kept_in_a_file_if_one_is_named() {
    let kept = |lines: &str| global(lines).clean().model.process.event_file;
    assert_eq!(
        kept("@mainstay event_file /var/log/mainstay.events"),
        Some("/var/log/mainstay.events".into())
    );
    assert_eq!(kept(""), None);
    assert_eq!(global("@mainstay event_file e").says(["relative-path"]).model.process.event_file, None);
}
