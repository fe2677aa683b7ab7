//! Scripts: what is run, by whom, and whether it may be.

use std::path::PathBuf;
use std::time::Duration;

use mainstay_config::exit::exit_code;
use mainstay_config::model::{Command, Identity, ScriptProbe};

use super::*;

const ROOT: Identity = Identity { uid: 0, gid: 0 };
const SECURE: &str = "global_defs {\nenable_script_security\nscript_user root\n}\n";

/// Two interfaces, a few programs, a user.
fn with_programs() -> World {
    machine()
        .with_user("web", 33)
        .with_program("/usr/bin/killall", "\x7fELF")
        .with_script("/etc/keepalived/check.sh", 0o755)
        .with_script("/etc/keepalived/plain.sh", 0o644)
        .with_program("/etc/keepalived/lines", "echo ok\n")
        .with_folder("/srv", 0o777)
        .with_script("/srv/check.sh", 0o755)
        .with_folder("/tmp", 0o1777)
        .with_script("/tmp/check.sh", 0o755)
        .with_link("/usr/bin/pidof", "/usr/sbin/killall5")
        .with_program("/usr/sbin/killall5", "\x7fELF")
        .with_link("/opt", "/etc/keepalived")
}

/// A script `s` with these lines that an instance tracks.
fn tracked(before: &str, lines: &str) -> Lowered {
    let script = format!("{before}vrrp_script s {{\n{lines}\n}}\n");
    let user = named_instance("V", 51, "virtual_ipaddress {\n10.0.0.1\n}\ntrack_script {\ns\n}");
    lower_on(&with_programs(), &(script + &user))
}

#[track_caller]
fn command(lowered: &Lowered) -> &Command {
    match &lowered.model.scripts["s"].probe {
        ScriptProbe::Command(command) => command,
        ScriptProbe::FileReadable(path) => panic!("{}", path.display()),
    }
}

/// An instance with these notifications.
fn notifying(before: &str, lines: &str) -> Lowered {
    let text =
        before.to_owned() + &named_instance("V", 51, &format!("virtual_ipaddress {{\n10.0.0.1\n}}\n{lines}"));
    lower_on(&with_programs(), &text)
}

#[test]
fn a_script_has_keepaliveds_defaults() {
    let lowered = tracked(SECURE, "script \"/etc/keepalived/check.sh -q 'two words'\"").clean();
    let command = command(&lowered);
    assert_eq!(command.arguments, ["/etc/keepalived/check.sh", "-q", "two words"]);
    assert_eq!((command.identity, command.through_shell), (ROOT, false));
    let [plan] = lowered.model.router.scripts.as_slice() else { panic!("not one script") };
    assert_eq!(
        (plan.name.as_str(), plan.interval, plan.rise, plan.fall),
        ("s", Duration::from_secs(1), 1, 1)
    );
    assert!(!plan.init_fail);
    assert_eq!(lowered.model.scripts["s"].timeout, Duration::from_secs(1));
}

#[test]
fn every_word_of_a_script_reaches_the_plan() {
    let lowered = tracked(
        SECURE,
        "script killall\ninterval 2.5\ntimeout 2\nrise 3\nfall 4\ninit_fail\nuser web\nweight -20",
    )
    .clean();
    let plan = &lowered.model.router.scripts[0];
    assert_eq!(
        (plan.interval, plan.rise, plan.fall, plan.init_fail),
        (Duration::from_millis(2500), 3, 4, true)
    );
    assert_eq!(lowered.model.scripts["s"].timeout, Duration::from_secs(2));
    assert_eq!(command(&lowered).identity, Identity { uid: 33, gid: 33 });
    assert_eq!(lowered.instance().trackers[0].weight, -20);
}

#[test]
fn a_timeout_is_the_interval_unless_said() {
    let lowered = tracked(SECURE, "script killall\ninterval 7").clean();
    assert_eq!(lowered.model.scripts["s"].timeout, Duration::from_secs(7));
}

#[test]
fn an_interval_of_zero_is_one_second() {
    let lowered = tracked(SECURE, "script killall\ninterval 0").says(["must-be-positive"]);
    assert_eq!(lowered.model.router.scripts[0].interval, Duration::from_secs(1));
}

#[test]
fn a_bare_name_is_looked_for_in_path() {
    assert_eq!(command(&tracked(SECURE, "script \"killall -0 x\"").clean()).arguments[0], "/usr/bin/killall");
}

#[test]
fn links_are_resolved_but_for_the_last_that_may_be_a_name() {
    assert_eq!(command(&tracked(SECURE, "script pidof").clean()).arguments[0], "/usr/bin/pidof");
    assert_eq!(
        command(&tracked(SECURE, "script /opt/check.sh").clean()).arguments[0],
        "/etc/keepalived/check.sh"
    );
    let keep = SECURE.replace("script_user", "use_symlink_paths\nscript_user");
    assert_eq!(command(&tracked(&keep, "script /opt/check.sh").clean()).arguments[0], "/opt/check.sh");
}

#[test]
fn a_readable_file_is_a_script_too() {
    let lowered = tracked("", "script \"< /etc/passwd\"").clean();
    assert_eq!(lowered.model.scripts["s"].probe, ScriptProbe::FileReadable(PathBuf::from("/etc/passwd")));
}

#[test]
fn what_is_neither_a_script_nor_a_program_goes_through_a_shell() {
    assert!(command(&tracked(SECURE, "script /etc/keepalived/lines").clean()).through_shell);
}

#[test]
fn a_missing_track_script_tracks_nothing() {
    let lowered = tracked(SECURE, "script /etc/keepalived/gone.sh").says(["script-missing"]);
    assert!(lowered.instance().trackers.is_empty());
    assert!(lowered.model.scripts.is_empty() && lowered.model.router.scripts.is_empty());
    assert_eq!(exit_code(&lowered.diagnostics), 5);
}

#[test]
fn a_script_that_its_user_may_not_execute_tracks_nothing() {
    let lowered = tracked(SECURE, "script /etc/keepalived/plain.sh").says(["script-missing"]);
    assert!(lowered.instance().trackers.is_empty());
}

#[test]
fn a_script_that_is_not_tracked_is_not_run() {
    let text = SECURE.to_owned() + "vrrp_script s {\nscript killall\n}\n" + &simple("V", 51);
    let lowered = lower_on(&with_programs(), &text).clean();
    assert!(lowered.model.scripts.is_empty());
    assert_eq!(lowered.only("unused-script").severity, Severity::Note);
}

#[test]
fn a_script_without_a_command_is_left_out() {
    let lowered = tracked(SECURE, "interval 2");
    assert_eq!(lowered.codes(), ["script-without-command", "unknown-tracker"]);
}

#[test]
fn the_first_of_two_scripts_of_one_name_counts() {
    let two = SECURE.to_owned() + "vrrp_script s {\nscript killall\n}\n";
    let lowered = tracked(&two, "script pidof").says(["duplicate-definition"]);
    assert_eq!(command(&lowered).arguments[0], "/usr/bin/killall");
}

#[test]
fn only_the_quoted_command_is_run() {
    let lowered = tracked(SECURE, "script killall -0 nginx").says(["words-after-command"]);
    assert_eq!(command(&lowered).arguments, ["/usr/bin/killall"]);
    assert_eq!(lowered.only("words-after-command").suggestion.as_deref(), Some("\"killall -0 nginx\""));
}

#[test]
fn scripts_without_script_security_are_exit_code_6() {
    let lowered = tracked("", "script killall").says(["script-security"]);
    assert_eq!(exit_code(&lowered.diagnostics), 6);
    assert_eq!(lowered.model.scripts.len(), 1);
}

#[test]
fn an_earlier_stop_of_keepalived_hides_script_security() {
    let text = "vrrp_script s {\nscript killall\n}\n".to_owned()
        + &simple("A", 1)
        + &simple("B", 2).replace("eth0", "eth9");
    assert_eq!(exit_code(&lower_on(&with_programs(), &text).diagnostics), 5);
}

#[test]
fn with_script_security_root_runs_nothing_that_others_may_change() {
    let lowered = tracked(SECURE, "script /srv/check.sh").says(["unsafe-script"]);
    assert!(lowered.model.scripts.is_empty());
    assert_eq!(lowered.only("unsafe-script").class, Class::ScriptSecurity);
}

#[test]
fn without_script_security_it_is_run_with_a_warning() {
    let lowered = tracked("", "script /srv/check.sh");
    assert!(lowered.codes().contains(&"unsafe-script"));
    assert_eq!(lowered.model.scripts.len(), 1);
}

#[test]
fn others_may_run_what_others_may_change_and_a_sticky_folder_is_safe() {
    tracked(SECURE, "script /srv/check.sh\nuser web").clean();
    tracked(SECURE, "script /tmp/check.sh").clean();
}

#[test]
fn with_script_security_somebody_must_be_named() {
    let lowered = tracked("global_defs {\nenable_script_security\n}\n", "script killall");
    assert_eq!(lowered.codes(), ["no-script-user", "unknown-tracker"]);
}

#[test]
fn the_customary_user_runs_scripts_if_there_is_one() {
    let text = "vrrp_script s {\nscript killall\n}\n".to_owned()
        + &named_instance("V", 51, "virtual_ipaddress {\n10.0.0.1\n}\ntrack_script {\ns\n}");
    let lowered = lower_on(&with_programs().with_user("keepalived_script", 900), &text);
    assert_eq!(command(&lowered).identity, Identity { uid: 900, gid: 900 });
}

#[test]
fn an_unknown_script_user_leaves_scripts_out() {
    let lowered = tracked("global_defs {\nscript_user nosuch\n}\n", "script killall");
    assert_eq!(lowered.codes(), ["unknown-user", "no-script-user", "unknown-tracker"]);
}

#[test]
fn an_unknown_user_of_a_script_leaves_it_out() {
    assert_eq!(tracked(SECURE, "script killall\nuser nosuch").codes(), ["unknown-user", "unknown-tracker"]);
    assert_eq!(
        tracked(SECURE, "script killall\nuser web nosuch").codes(),
        ["unknown-user", "unknown-tracker"]
    );
}

#[test]
fn notifications_reach_the_model() {
    let lowered = notifying(
        SECURE,
        "notify_master \"/etc/keepalived/check.sh up\" web\nnotify_backup killall\nnotify_fault killall\n\
         notify_stop killall\nnotify_deleted killall\nnotify_master_rx_lower_pri killall\nnotify killall",
    )
    .clean();
    let notify = &lowered.model.instance_notify["V"];
    let master = notify.master.as_ref().expect("notify_master");
    assert_eq!(master.arguments, ["/etc/keepalived/check.sh", "up"]);
    assert_eq!(master.identity, Identity { uid: 33, gid: 33 });
    assert!(notify.backup.is_some() && notify.fault.is_some() && notify.stop.is_some());
    assert!(
        notify.deleted.is_some() && notify.master_rx_lower_priority.is_some() && notify.generic.is_some()
    );
    assert!(lowered.instance().notify_deleted);
}

#[test]
fn an_instance_without_notifications_is_absent() {
    assert!(notifying("", "").clean().model.instance_notify.is_empty());
    let mail = "global_defs {\nsmtp_alert\nsmtp_alert_vrrp off\n}\n";
    assert!(notifying(mail, "").says(["mail-to-nobody"]).model.instance_notify.is_empty());
}

#[test]
fn a_missing_notify_script_fails_a_check_but_not_the_start() {
    // DIFFERS: keepalived says nothing.
    let lowered = notifying(SECURE, "notify_master /etc/keepalived/gone.sh").says(["notify-script-missing"]);
    assert!(lowered.model.instance_notify.is_empty());
    assert_eq!(lowered.only("notify-script-missing").class, Class::Silent);
    assert_eq!(exit_code(&lowered.diagnostics), 5);
}

#[test]
fn a_group_notifies_too() {
    let text = SECURE.to_owned()
        + "vrrp_sync_group G {\ngroup {\nA\nB\n}\nnotify_master killall\n}\n"
        + &simple("A", 1)
        + &simple("B", 2);
    let lowered = lower_on(&with_programs(), &text).clean();
    assert!(lowered.model.group_notify["G"].master.is_some());
}

#[test]
fn the_first_of_two_commands_counts() {
    let lowered = notifying(SECURE, "notify_master killall\nnotify_master pidof").says(["duplicate-keyword"]);
    let notify = &lowered.model.instance_notify["V"];
    assert_eq!(notify.master.as_ref().map(|command| command.arguments[0].as_str()), Some("/usr/bin/killall"));
}

#[test]
fn fifos_have_owners_and_readers() {
    let text = "global_defs {\nenable_script_security\nscript_user root\nnotify_fifo /run/all web\n\
                vrrp_notify_fifo /run/vrrp\nvrrp_notify_fifo_script /etc/keepalived/check.sh\n}\n";
    let lowered = lower_on(&with_programs(), text).clean();
    let fifos = &lowered.model.fifos;
    let all = fifos.all.as_ref().expect("notify_fifo");
    assert_eq!(
        (all.path.as_path(), all.owner),
        (PathBuf::from("/run/all").as_path(), Some(Identity { uid: 33, gid: 33 }))
    );
    let vrrp = fifos.vrrp.as_ref().expect("vrrp_notify_fifo");
    assert!(vrrp.script.is_some() && fifos.lvs.is_none());
}

#[test]
fn a_reader_without_a_fifo_is_not_started() {
    let text = "global_defs {\nscript_user root\nenable_script_security\nnotify_fifo_script killall\n}\n";
    let lowered = lower_on(&with_programs(), text).says(["fifo-without-name"]);
    assert!(lowered.model.fifos.all.is_none());
}

#[test]
fn the_node_has_scripts_for_start_and_stop() {
    let text = "global_defs {\nscript_user root\nenable_script_security\nstartup_script killall\n\
                startup_script_timeout 20\nshutdown_script killall\n}\n";
    let lowered = lower_on(&with_programs(), text).clean();
    let startup = lowered.model.startup_script.as_ref().expect("startup_script");
    assert_eq!(startup.timeout, Duration::from_secs(20));
    let shutdown = lowered.model.shutdown_script.as_ref().expect("shutdown_script");
    assert_eq!(shutdown.timeout, Duration::from_secs(10));
}

#[test]
fn scripts_of_virtual_servers_count_for_security() {
    let text = "virtual_server 10.0.0.1 80 {\nlvs_sched rr\nlvs_method DR\nprotocol TCP\nreal_server 10.0.0.2 80 {\n\
                MISC_CHECK {\nmisc_path killall\n}\n}\n}\n";
    let lowered = lower_on(&with_programs(), text);
    assert_eq!(exit_code(&lowered.diagnostics), 6);
    assert_eq!(lowered.model.director.virtual_servers.len(), 1);
}
