//! Scripts: order, time limits, identity, and what the log hears of them.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mainstay::lab::{holds_for, seconds};
use nix::sys::signal::Signal;

use crate::stage::{ADDRESS, LIMIT, Stage, configuration, lives};

/// A tracked file whose content decides between fault (not 0) and health (0).
fn tracked(stage: &Stage) -> String {
    let path = stage.path("health");
    format!("track_file health {{\n file {}\n weight 0\n init_file 0\n}}\n", path.display())
}

const FOLLOW: &str = " track_file {\n  health weight 0\n }\n";

#[test]
fn notifications_under_flapping_never_overlap_and_end_with_the_last_state() -> Result<()> {
    let stage = Stage::new("flapping")?;
    let log = stage.path("order");
    let slow = format!("echo begin $3 >> {0}\nsleep 0.3\necho end $3 >> {0}", log.display());
    let script = stage.script("notify.sh", &slow)?;
    let text = configuration(&tracked(&stage), &format!("{FOLLOW} notify \"{script}\"\n"));
    let daemon = stage.start(&text)?;
    for _ in 0..8 {
        stage.write("health", "1\n")?;
        stage.until("the address goes", || !stage.node.holds(ADDRESS))?;
        stage.write("health", "0\n")?;
        stage.until("the address comes back", || stage.node.holds(ADDRESS))?;
    }
    stage.until("the last script ends", || {
        stage.lines("order").last().is_some_and(|line| line == "end MASTER")
            && stage.lines("order").len() % 2 == 0
    })?;
    holds_for("nothing follows", seconds(0.5), || {
        stage.lines("order").last().is_some_and(|line| line == "end MASTER")
    })?;
    let lines = stage.lines("order");
    for pair in lines.chunks(2) {
        let begun = pair[0].strip_prefix("begin ").with_context(|| format!("{lines:?}"))?;
        ensure!(pair.get(1) == Some(&format!("end {begun}")), "overlap in {lines:?}");
    }
    // Sixteen and more changes, of which most were out of date before their turn.
    ensure!(daemon.log().contains("came before their turn"), "{}", daemon.log());
    ensure!(lines.len() < 40, "{lines:?}");
    Ok(())
}

#[test]
fn the_specific_script_runs_before_the_general_one() -> Result<()> {
    let stage = Stage::new("specific")?;
    let log = stage.path("order");
    let own = stage.script("own.sh", &format!("sleep 0.2; echo own >> {}", log.display()))?;
    let general = stage.script("general.sh", &format!("echo \"$@\" >> {}", log.display()))?;
    let inside = format!(" notify_master \"{own}\"\n notify \"{general} first\"\n");
    let _daemon = stage.start(&configuration("", &inside))?;
    stage.until("all ran", || stage.lines("order").len() == 3)?;
    let expected = ["first INSTANCE VI_1 BACKUP 100", "own", "first INSTANCE VI_1 MASTER 100"];
    ensure!(stage.lines("order") == expected, "{:?}", stage.lines("order"));
    Ok(())
}

#[test]
fn stop_scripts_run_to_their_end_before_the_daemon_does() -> Result<()> {
    let stage = Stage::new("stop")?;
    let done = stage.path("done");
    let script = stage.script("stop.sh", &format!("sleep 0.5; echo stopped >> {}", done.display()))?;
    let after = stage.script("after.sh", &format!("echo after >> {}", done.display()))?;
    let text = configuration("", &format!(" notify_stop \"{script}\"\n")).replacen(
        "global_defs {",
        &format!("global_defs {{\n shutdown_script \"{after}\""),
        1,
    );
    let mut daemon = stage.start(&text)?;
    ensure!(daemon.terminate(LIMIT)?.success());
    ensure!(stage.lines("done") == ["stopped", "after"], "{:?}: {}", stage.lines("done"), daemon.log());
    Ok(())
}

#[test]
fn a_startup_script_ends_before_the_router_starts() -> Result<()> {
    let stage = Stage::new("startup")?;
    let seen = stage.path("seen");
    let body = format!("sleep 0.3; ls {} > {}", stage.lab.folder().display(), seen.display());
    let script = stage.script("startup.sh", &body)?;
    let text = configuration("", "").replacen(
        "global_defs {",
        &format!("global_defs {{\n startup_script \"{script}\""),
        1,
    );
    let daemon = stage.start(&text)?;
    let log = daemon.log();
    let (script_end, router) = (log.find("exited with status 0"), log.find("router started"));
    ensure!(script_end.is_some() && script_end < router, "{log}");
    ensure!(stage.read("seen").contains("supervisor.pid"));
    Ok(())
}

#[test]
fn a_tracking_script_that_hangs_is_killed_with_all_it_started() -> Result<()> {
    let stage = Stage::new("ladder")?;
    let pids = stage.path("pids");
    // TERM does not move it, and it has a child.
    let body = format!("trap '' TERM\nsleep 1000 &\necho $$ $! > {}\nwait\nsleep 1000", pids.display());
    let script = stage.script("hang.sh", &body)?;
    let before =
        format!("vrrp_script hang {{\n script \"{script}\"\n interval 60\n timeout 1\n weight -10\n}}\n");
    let text = configuration(&before, " track_script {\n  hang\n }\n");
    let daemon = stage.start(&text)?;
    stage.until("it runs", || stage.read("pids").split_whitespace().count() == 2)?;
    let started: Vec<i32> =
        stage.read("pids").split_whitespace().filter_map(|pid| pid.parse().ok()).collect();
    ensure!(started.iter().all(|pid| lives(*pid)), "{started:?}");
    let took = stage.until("all of it is gone", || !started.iter().any(|pid| lives(*pid)))?;
    // One second, TERM, two seconds, KILL.
    ensure!(took > Duration::from_millis(2500), "gone after {took:?}");
    stage.until("it counts as a failure", || daemon.log().contains("VRRP_Script(hang) failed"))?;
    Ok(())
}

#[test]
fn a_failing_notify_script_is_told_with_its_status_and_its_last_words() -> Result<()> {
    let stage = Stage::new("words")?;
    let script = stage.script("fail.sh", "echo to stdout; echo no such database >&2; exit 7")?;
    let daemon = stage.start(&configuration("", &format!(" notify_master \"{script}\"\n")))?;
    stage.until("the log has it", || {
        daemon.log().lines().any(|line| {
            line.contains("WARN")
                && line.contains("exited with status 7")
                && line.contains("no such database")
        })
    })?;
    Ok(())
}

#[test]
fn a_service_started_by_a_script_may_write_on_even_after_our_end() -> Result<()> {
    let stage = Stage::new("descendant")?;
    let alive = stage.path("alive");
    let forever = format!("while sleep 0.05; do echo talk; echo x >> {}; done", alive.display());
    let body = format!("({forever}) &\necho $! > {}", stage.path("service.pid").display());
    let script = stage.script("spawn.sh", &body)?;
    let mut daemon = stage.start(&configuration("", &format!(" notify_master \"{script}\"\n")))?;
    let goes_on = || {
        let seen = stage.lines("alive").len();
        stage.until("the service goes on", || stage.lines("alive").len() > seen + 5)
    };
    goes_on()?;
    ensure!(daemon.terminate(LIMIT)?.success());
    goes_on()?;
    stage.signal("service", Signal::SIGKILL)?;
    Ok(())
}

#[test]
fn a_script_runs_as_its_user() -> Result<()> {
    let stage = Stage::new("user")?;
    if !nix::unistd::geteuid().is_root()
        || !std::fs::read_to_string("/proc/self/uid_map")?.contains("4294967295")
    {
        // In a user namespace there is nobody else to be.
        return Ok(());
    }
    let folder = stage.path("open");
    fs::create_dir(&folder)?;
    fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o777))?;
    let script = stage.script("who.sh", &format!("id -un > {}/who", folder.display()))?;
    let before =
        format!("vrrp_script who {{\n script \"{script}\"\n interval 1\n user nobody\n weight 1\n}}\n");
    let daemon = stage.start(&configuration(&before, " track_script {\n  who\n }\n"))?;
    stage.until("it ran", || stage.read("open/who").trim() == "nobody").with_context(|| daemon.log())?;
    Ok(())
}

#[test]
fn a_fifo_gets_a_line_for_every_change_and_its_reader_is_started() -> Result<()> {
    let stage = Stage::new("fifo")?;
    let (fifo, copy) = (stage.path("fifo"), stage.path("copy"));
    let reader = stage.script("reader.sh", &format!("cat \"$1\" >> {}", copy.display()))?;
    let text = configuration(&tracked(&stage), FOLLOW).replacen(
        "global_defs {",
        &format!("global_defs {{\n notify_fifo {}\n notify_fifo_script \"{reader}\"", fifo.display()),
        1,
    );
    let mut daemon = stage.start(&text)?;
    stage.write("health", "1\n")?;
    stage.until("the fault is told", || stage.lines("copy").len() == 3).with_context(|| daemon.log())?;
    let expected =
        ["INSTANCE \"VI_1\" BACKUP 100", "INSTANCE \"VI_1\" MASTER 100", "INSTANCE \"VI_1\" FAULT 100"];
    ensure!(stage.lines("copy") == expected, "{:?}", stage.lines("copy"));
    ensure!(daemon.terminate(LIMIT)?.success() && !fifo.exists());
    Ok(())
}

#[test]
fn a_script_that_never_ends_does_not_keep_the_next_one_from_hearing_of_the_end() -> Result<()> {
    let stage = Stage::new("last")?;
    let log = stage.path("told");
    let body = format!("echo $3 >> {}\n[ $3 = MASTER ] && sleep 100\nexit 0", log.display());
    let script = stage.script("notify.sh", &body)?;
    let mut daemon = stage.start(&configuration("", &format!(" notify \"{script}\"\n")))?;
    stage.until("it runs", || stage.lines("told").iter().any(|line| line == "MASTER"))?;
    ensure!(daemon.terminate(2 * LIMIT)?.success(), "{}", daemon.log());
    ensure!(stage.lines("told").last().is_some_and(|line| line == "STOP"), "{}", daemon.log());
    Ok(())
}
