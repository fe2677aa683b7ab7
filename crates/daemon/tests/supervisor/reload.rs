//! Reload: all or nothing, and nothing that did not change is touched.

use std::fs::OpenOptions;
use std::io::Read;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mainstay::lab::{holds_for, seconds};
use nix::sys::signal::Signal;

use crate::stage::{ADDRESS, Stage, configuration};

const SECOND: &str = "192.0.2.101";

/// A second instance.
fn second() -> String {
    format!(
        "vrrp_instance VI_2 {{\n interface eth0\n version 3\n virtual_router_id 52\n priority 100\n advert_int 0.1\n \
         virtual_ipaddress {{\n  {SECOND}/24\n }}\n}}\n"
    )
}

#[test]
fn a_file_with_an_error_changes_nothing_and_says_why() -> Result<()> {
    let stage = Stage::new("bad")?;
    let mut daemon = stage.start(&configuration("", ""))?;
    let broken = format!("{}vrrp_instance VI_3 {{\n interface eth0\n priority 100\n}}\n", second());
    stage.write("conf", &broken)?;
    daemon.signal(Signal::SIGHUP);
    stage.until("the reload is refused", || daemon.log().contains("Reload refused"))?;
    let log = daemon.log();
    ensure!(log.contains("conf: Line 11)"), "the place of the error in {log}");
    holds_for("the old configuration stays", seconds(0.5), || {
        stage.node.holds(ADDRESS) && !stage.node.holds(SECOND)
    })?;
    stage.write("conf", &configuration(&second(), ""))?;
    daemon.signal(Signal::SIGHUP);
    stage.until("a good file is taken", || stage.node.holds(SECOND))?;
    Ok(())
}

#[test]
fn a_file_that_has_gone_changes_nothing() -> Result<()> {
    let stage = Stage::new("gone")?;
    let mut daemon = stage.start(&configuration("", ""))?;
    std::fs::remove_file(stage.path("conf"))?;
    daemon.signal(Signal::SIGHUP);
    stage.until("the reload is refused", || daemon.log().contains("Reload refused"))?;
    holds_for("the address stays", seconds(0.5), || stage.node.holds(ADDRESS))
}

#[test]
fn a_reload_leaves_an_unchanged_instance_alone() -> Result<()> {
    let stage = Stage::new("unchanged")?;
    let mut daemon = stage.start(&configuration("", ""))?;
    let (watch, start) = (stage.node.watch_addresses()?, Instant::now());
    stage.write("conf", &configuration(&second(), ""))?;
    daemon.signal(Signal::SIGHUP);
    stage.until("the new instance is master", || stage.node.holds(SECOND))?;
    stage.write("conf", &configuration("", ""))?;
    daemon.signal(Signal::SIGHUP);
    stage.until("it is gone again", || !stage.node.holds(SECOND))?;
    let address: IpAddr = ADDRESS.parse()?;
    ensure!(watch.absence(address, start) == Duration::ZERO, "{}", daemon.log());
    let entered = daemon.log().matches("(VI_1) Entering").count();
    ensure!(entered == 2, "VI_1 changed state {entered} times: {}", daemon.log());
    Ok(())
}

#[test]
fn of_many_reloads_in_a_row_the_last_file_wins() -> Result<()> {
    let stage = Stage::new("many")?;
    let mut daemon = stage.start(&configuration("", ""))?;
    for round in 0..20 {
        let before = if round % 2 == 0 { second() } else { String::new() };
        stage.write("conf", &configuration(&before, ""))?;
        daemon.signal(Signal::SIGHUP);
    }
    stage.write("conf", &configuration(&second(), ""))?;
    daemon.signal(Signal::SIGHUP);
    stage.until("the last configuration is in force", || stage.node.holds(SECOND))?;
    holds_for("it stays", seconds(0.5), || stage.node.holds(SECOND) && stage.node.holds(ADDRESS))
}

#[test]
fn a_router_that_dies_during_its_life_comes_back_with_the_reloaded_plan() -> Result<()> {
    let stage = Stage::new("after")?;
    let mut daemon = stage.start(&configuration("", ""))?;
    stage.write("conf", &configuration(&second(), ""))?;
    daemon.signal(Signal::SIGHUP);
    stage.until("the new instance is master", || stage.node.holds(SECOND))?;
    stage.signal("router", Signal::SIGKILL)?;
    stage.until("both took up their state", || {
        ["(VI_1)", "(VI_2)"]
            .iter()
            .all(|name| daemon.log().contains(&format!("{name} Entering MASTER STATE (took up its state")))
    })?;
    ensure!(stage.node.holds(ADDRESS) && stage.node.holds(SECOND));
    Ok(())
}

#[test]
fn a_reload_asked_for_while_the_startup_script_runs_is_not_forgotten() -> Result<()> {
    let stage = Stage::new("early")?;
    let go = stage.path("go");
    let waits =
        stage.script("startup.sh", &format!("while [ ! -e {} ]; do sleep 0.05; done", go.display()))?;
    let old = configuration(&format!("global_defs {{\n startup_script {waits}\n}}\n"), "");
    stage.write("conf", &old)?;
    let daemon = stage.node.spawn(&mut stage.command())?;
    stage.until("it can be signalled", || stage.pid("supervisor").is_some())?;
    stage.write("conf", &old.replace(ADDRESS, "192.0.2.200"))?;
    stage.signal("supervisor", Signal::SIGHUP)?;
    stage
        .until("it was heard", || daemon.log().contains("follows the startup script"))
        .with_context(|| daemon.log())?;
    stage.write("go", "")?;
    stage
        .until("the new address is held", || stage.node.holds("192.0.2.200"))
        .with_context(|| daemon.log())?;
    ensure!(!stage.node.holds(ADDRESS), "{}", daemon.log());
    Ok(())
}

#[test]
fn a_file_says_when_to_reload_and_the_states_are_told_again() -> Result<()> {
    let stage = Stage::new("appointment")?;
    let (when, marker, fifo) = (stage.path("when"), stage.path("reloading"), stage.path("fifo"));
    let before = format!(
        "global_defs {{\n reload_time_file {}\n reload_file {}\n notify_fifo {}\n fifo_write_vrrp_states_on_reload\n}}",
        when.display(),
        marker.display(),
        fifo.display()
    );
    let daemon = stage.start(&configuration(&before, ""))?;
    let flags = nix::fcntl::OFlag::O_NONBLOCK.bits();
    let mut reader = OpenOptions::new().read(true).custom_flags(flags).open(&fifo)?;
    let soon = Command::new("date").args(["-d", "+3 seconds", "+%H:%M:%S"]).output()?;
    std::fs::write(&when, &soon.stdout)?;
    stage.until("it is planned", || daemon.log().contains("Reload planned for"))?;
    stage.until("it is done", || daemon.log().contains("Reload complete")).with_context(|| daemon.log())?;
    ensure!(!when.exists() && !marker.exists(), "both files are gone");
    let mut told = String::new();
    stage
        .until("the state is told again", || {
            // Nothing there is no news.
            let _ = reader.read_to_string(&mut told);
            told.lines().filter(|line| *line == "INSTANCE \"VI_1\" MASTER 100").count() == 2
        })
        .with_context(|| told.clone())?;
    Ok(())
}
