//! The life of the process: reload, crash, end, and what people can see of it.

use anyhow::{Context, Result, ensure};
use mainstay::lab::{holds_for, seconds};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::stage::{LIMIT, ONE, Stage, TWO, real};

/// Reloads and waits until it is done `times` times in all.
fn reload(stage: &Stage, daemon: &mut mainstay::lab::Process, text: &str, times: usize) -> Result<()> {
    stage.write("conf", text)?;
    daemon.signal(Signal::SIGHUP);
    stage
        .until("the reload is done", || daemon.log().matches("Reload complete").count() == times)
        .with_context(|| daemon.log())?;
    Ok(())
}

#[test]
fn a_reload_changes_what_changed_and_keeps_the_rest() -> Result<()> {
    let stage = Stage::new("director-reload")?;
    let _one = stage.web(0)?;
    // The second one is down, and stays down.
    let mut daemon = stage.start(&stage.configuration("", ""))?;
    stage.told(&daemon, &format!("{} DOWN", real(TWO)))?;
    let changes = |log: &str| log.matches("IPVS: ").count();
    let before = changes(&daemon.log());
    reload(&stage, &mut daemon, &stage.configuration("", ""), 1)?;
    holds_for("nothing changes", seconds(1.0), || changes(&daemon.log()) == before)?;
    reload(&stage, &mut daemon, &stage.configuration("", "weight 7"), 2)?;
    stage.logged(&daemon, &format!("edit [{ONE}]:80 of [192.0.2.100]:tcp:80, weight 7"))?;
    ensure!(changes(&daemon.log()) == before + 1, "{}", daemon.log());
    let lines: Vec<String> = stage.fifo().lines().map(str::to_owned).collect();
    ensure!(lines == [format!("{} DOWN", real(TWO))], "{lines:?}");
    // A virtual server that was not there before is checked as well.
    let other = stage.configuration("", "weight 7").replace("192.0.2.100", "192.0.2.200");
    let both = format!(
        "{}{}",
        stage.configuration("", "weight 7"),
        &other[other.find("virtual_server").context("a virtual server")?..]
    );
    reload(&stage, &mut daemon, &both, 3)?;
    stage.logged(&daemon, "add service [192.0.2.200]:tcp:80")?;
    ensure!(
        !daemon.log().contains(&format!("add [{TWO}]:80 to [192.0.2.200]")),
        "what is known of the server counts at once: {}",
        daemon.log()
    );
    Ok(())
}

#[test]
fn a_killed_director_is_back_with_its_verdicts() -> Result<()> {
    let stage = Stage::new("director-crash")?;
    let mut one = stage.web(0)?;
    let daemon = stage.start(&stage.configuration("", ""))?;
    stage.told(&daemon, &format!("{} DOWN", real(TWO)))?;
    let before = stage.director().context("a director")?;
    kill(Pid::from_raw(before), Signal::SIGKILL)?;
    stage.until("another one works", || stage.director().is_some_and(|pid| pid != before))?;
    let added = |address: &str| daemon.log().matches(&format!("add [{address}]:80")).count();
    // The table in memory died with the process, so all of it is made again.
    stage.until("it has made its table", || added(ONE) == 2).with_context(|| daemon.log())?;
    holds_for("what was down is down", seconds(1.0), || added(TWO) == 1)?;
    one.kill9();
    stage.told(&daemon, &format!("{} DOWN", real(ONE)))?;
    let lines: Vec<String> = stage.fifo().lines().map(str::to_owned).collect();
    let expected = [
        format!("{} DOWN", real(TWO)),
        format!("{} DOWN", real(ONE)),
        "VS [192.0.2.100]:tcp:80 DOWN".to_owned(),
    ];
    stage.until("the quorum is lost", || stage.fifo().lines().count() >= expected.len())?;
    ensure!(lines.iter().all(|line| expected.contains(line)), "nobody is told twice: {lines:?}");
    Ok(())
}

#[test]
fn the_end_leaves_nothing_and_tells_with_omega() -> Result<()> {
    let stage = Stage::new("director-end")?;
    let (_one, _two) = (stage.web(0)?, stage.web(1)?);
    let told = stage.script("down", &format!("echo down >> {}", stage.path("told").display()))?;
    let lines = format!("omega\nquorum_down {told}");
    let mut daemon = stage.start(&stage.configuration(&lines, ""))?;
    stage.logged(&daemon, &format!("add [{TWO}]:80"))?;
    let status = daemon.terminate(LIMIT)?;
    ensure!(status.success(), "{status}");
    ensure!(daemon.log().contains("delete service [192.0.2.100]:tcp:80"), "{}", daemon.log());
    ensure!(stage.read("told") == "down\n", "quorum_down ran: {}", daemon.log());
    Ok(())
}

#[test]
fn startup_is_complete_when_the_table_is_made() -> Result<()> {
    let stage = Stage::new("director-ready")?;
    let daemon = stage.start(&stage.configuration("", ""))?;
    let log = daemon.log();
    let at = |text: &str| log.find(text).with_context(|| format!("{text} in\n{log}"));
    ensure!(at(&format!("add [{TWO}]:80"))? < at("Startup complete")?, "{log}");
    Ok(())
}

#[test]
fn what_a_director_leaves_that_dies_at_the_end_is_removed_all_the_same() -> Result<()> {
    let stage = Stage::new("director-last")?;
    let (_one, _two) = (stage.web(0)?, stage.web(1)?);
    let mut daemon = stage.start(&stage.configuration("", ""))?;
    let director = Pid::from_raw(stage.director().context("a director")?);
    kill(director, Signal::SIGSTOP)?;
    daemon.signal(Signal::SIGTERM);
    stage.logged(&daemon, "Stopping")?;
    kill(director, Signal::SIGKILL)?;
    let status = daemon.wait(LIMIT).with_context(|| daemon.log())?;
    ensure!(status.success(), "{status}");
    ensure!(daemon.log().contains("delete service [192.0.2.100]:tcp:80"), "{}", daemon.log());
    Ok(())
}

#[test]
fn people_can_see_who_serves_and_why_not() -> Result<()> {
    let stage = Stage::new("director-data")?;
    let _one = stage.web(0)?;
    let mut daemon = stage.start(&stage.configuration("", ""))?;
    stage.told(&daemon, &format!("{} DOWN", real(TWO)))?;
    daemon.signal(Signal::SIGUSR1);
    stage.until("the data is written", || stage.read("keepalived_check.data").contains("Real server"))?;
    let data = stage.read("keepalived_check.data");
    for expected in [
        "Virtual server [192.0.2.100]:tcp:80 UP, weight 1 of 1",
        "Real server [192.0.2.11]:80 UP, weight 1",
        "Real server [192.0.2.12]:80 DOWN",
        "HTTP_GET [192.0.2.12]:80 / Down",
    ] {
        ensure!(data.contains(expected), "{expected} in\n{data}");
    }
    Ok(())
}
