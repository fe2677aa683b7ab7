//! Who serves: servers that die and come back, quorum, sorry server, scripts that check and are told.

use std::time::Duration;

use anyhow::{Result, ensure};
use mainstay::lab::{holds_for, seconds};

use crate::stage::{LIMIT, ONE, Stage, TWO, real};

#[test]
fn a_killed_web_server_leaves_and_comes_back() -> Result<()> {
    let stage = Stage::new("director-kill")?;
    let _one = stage.web(0)?;
    let mut two = stage.web(1)?;
    let daemon = stage.start(&stage.configuration("", ""))?;
    stage.logged(&daemon, &format!("add [{TWO}]:80 to [192.0.2.100]:tcp:80 with weight 1"))?;
    holds_for("nobody is told of a quiet start", seconds(1.0), || stage.fifo().is_empty())?;
    two.kill9();
    stage.told(&daemon, &format!("{} DOWN", real(TWO)))?;
    stage.logged(&daemon, &format!("delete [{TWO}]:80 from [192.0.2.100]:tcp:80"))?;
    stage.logged(&daemon, "connection refused")?;
    let _two = stage.web(1)?;
    stage.told(&daemon, &format!("{} UP", real(TWO)))?;
    ensure!(!stage.fifo().contains(ONE), "the other one never left: {}", stage.fifo());
    Ok(())
}

#[test]
fn without_quorum_the_sorry_server_serves_and_scripts_are_told() -> Result<()> {
    let stage = Stage::new("director-quorum")?;
    let _one = stage.web(0)?;
    let mut two = stage.web(1)?;
    let note = |word: &str| format!("echo {word} >> {}", stage.path("told").display());
    let (up, down) = (stage.script("up", &note("up"))?, stage.script("down", &note("down"))?);
    let lost = stage.script("lost", &note("lost"))?;
    let lines = format!("quorum 2\nsorry_server 192.0.2.99 80\nquorum_up {up}\nquorum_down {down}");
    let daemon = stage.start(&stage.configuration(&lines, &format!("notify_down {lost}")))?;
    two.kill9();
    stage.told(&daemon, "VS [192.0.2.100]:tcp:80 DOWN")?;
    stage.logged(&daemon, "add [192.0.2.99]:80 to [192.0.2.100]:tcp:80 with weight 1")?;
    stage.logged(&daemon, &format!("delete [{ONE}]:80 from [192.0.2.100]:tcp:80"))?;
    stage.until("quorum_down ran", || stage.read("told") == "down\n")?;
    let _two = stage.web(1)?;
    stage.told(&daemon, "VS [192.0.2.100]:tcp:80 UP")?;
    stage.until("quorum_up ran", || stage.read("told") == "down\nup\n")?;
    let lines: Vec<String> = stage.fifo().lines().map(str::to_owned).collect();
    let expected = [
        format!("{} DOWN", real(TWO)),
        "VS [192.0.2.100]:tcp:80 DOWN".into(),
        format!("{} UP", real(TWO)),
        "VS [192.0.2.100]:tcp:80 UP".into(),
    ];
    ensure!(lines == expected, "{lines:?}");
    Ok(())
}

#[test]
fn a_script_checks_and_says_the_weight() -> Result<()> {
    let stage = Stage::new("director-misc")?;
    let (_one, _two) = (stage.web(0)?, stage.web(1)?);
    stage.write("exit", "0")?;
    let check = stage.script("check", &format!("exit $(cat {})", stage.path("exit").display()))?;
    let misc = format!("MISC_CHECK {{\nmisc_path {check}\nmisc_dynamic\nmisc_timeout 2\nwarmup 0\n}}");
    let daemon = stage.start(&stage.configuration("", &misc))?;
    stage.write("exit", "42")?;
    stage.logged(&daemon, &format!("edit [{ONE}]:80 of [192.0.2.100]:tcp:80, weight 40"))?;
    stage.write("exit", "1")?;
    stage.told(&daemon, &format!("{} DOWN", real(ONE)))?;
    stage.write("exit", "0")?;
    stage.told(&daemon, &format!("{} UP", real(ONE)))?;
    Ok(())
}

#[test]
fn a_script_that_hangs_is_ended_and_counts_as_a_failure() -> Result<()> {
    let stage = Stage::new("director-hang")?;
    let (_one, _two) = (stage.web(0)?, stage.web(1)?);
    let check = stage.script("check", "sleep 100")?;
    let misc = format!("MISC_CHECK {{\nmisc_path {check}\nmisc_timeout 1\nwarmup 0\n}}");
    let daemon = stage.start(&stage.configuration("", &misc))?;
    stage.told(&daemon, &format!("{} DOWN", real(ONE)))?;
    stage.logged(&daemon, "took too long")?;
    Ok(())
}

#[test]
fn checks_pause_while_the_virtual_address_is_elsewhere() -> Result<()> {
    let stage = Stage::new("director-suspend")?;
    let _two = stage.web(1)?;
    let daemon = stage.start(&stage.configuration("ha_suspend", ""))?;
    holds_for("nothing is checked", Duration::from_secs(2), || stage.fifo().is_empty())?;
    stage.balancer.add_address("eth0", "192.0.2.100/32")?;
    stage.told(&daemon, &format!("{} DOWN", real(ONE)))?;
    stage.balancer.remove_address("eth0", "192.0.2.100/32")?;
    stage.logged(&daemon, "its address is not on this machine: not checked")?;
    let _one = stage.web(0)?;
    holds_for("it is not asked", Duration::from_secs(2), || !stage.fifo().contains("UP"))?;
    Ok(())
}

#[test]
fn a_real_server_that_leaves_is_written_about_with_the_reason() -> Result<()> {
    let stage = Stage::new("director-mail")?;
    let (_one, mut two) = (stage.web(0)?, stage.web(1)?);
    let relay = stage.balancer.relay(2525)?;
    let mail = "global_defs {\n router_id LB1\n smtp_server 127.0.0.1 2525\n notification_email {\n  a@example.com\n }\n}\n";
    let daemon =
        stage.start(&format!("{mail}{}", stage.configuration("quorum 2\nsmtp_alert", "smtp_alert off")))?;
    two.kill9();
    stage.until("two letters came", || relay.letters().len() == 2)?;
    let server = "Realserver [192.0.2.12]:tcp:80 of virtual server [192.0.2.100]:tcp:80";
    let subjects =
        [format!("[LB1] {server} - DOWN"), "[LB1] Virtualserver [192.0.2.100]:tcp:80 - DOWN".into()];
    ensure!(relay.subjects() == subjects, "{:#?}", relay.subjects());
    let text = relay.letters().iter().map(|letter| letter.lines.join("\n")).collect::<String>();
    ensure!(text.contains("connection refused"), "{text}");
    // A relay that is busy gets the letter later: nothing is lost.
    relay.be_busy(true);
    let _two = stage.web(1)?;
    stage.logged(&daemon, "again in 5 s")?;
    relay.be_busy(false);
    stage.until("both letters came", || relay.letters().len() == 4)?;
    ensure!(relay.subjects().contains(&format!("[LB1] {server} - UP")), "{:#?}", relay.subjects());
    Ok(())
}

/// keepalived's checker processes need no VRRP for it, and neither do ours: the daemon runs with `--check`.
#[test]
fn a_server_serves_while_its_bfd_session_is_up() -> Result<()> {
    let stage = Stage::new("director-bfd")?;
    let (_one, _two) = (stage.web(0)?, stage.web(1)?);
    let session = format!("bfd_instance one {{\n neighbor_ip {ONE}\n min_rx 50\n min_tx 50\n}}\n");
    let daemon =
        stage.start(&format!("{session}{}", stage.configuration("", "BFD_CHECK {\nname one\n}\n")))?;
    stage.logged(&daemon, &format!("add [{TWO}]:80 to [192.0.2.100]:tcp:80 with weight 1"))?;
    let added = format!("add [{ONE}]:80 to [192.0.2.100]:tcp:80");
    holds_for("a session that is down keeps its server out", seconds(1.0), || {
        !daemon.log().contains(&added)
    })?;
    let mut neighbour = stage.neighbour(0)?;
    stage.logged(&daemon, "(one) Entering Up state")?;
    stage.logged(&daemon, &added)?;
    stage.told(&daemon, &format!("{} UP", real(ONE)))?;
    neighbour.terminate(LIMIT)?;
    stage.told(&daemon, &format!("{} DOWN", real(ONE)))?;
    Ok(())
}
