//! Starting: what is refused and how, the background, and what the service manager hears.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;

use crate::stage::{ADDRESS, LIMIT, MAINSTAY, Stage, configuration, lives};

#[test]
fn an_absent_file_ends_the_start_with_keepalived_s_status() -> Result<()> {
    let output = Command::new(MAINSTAY).args(["-n", "-G", "-f", "/nonexistent/x.conf"]).output()?;
    ensure!(output.status.code() == Some(6), "{output:?}");
    ensure!(String::from_utf8_lossy(&output.stderr).contains("/nonexistent/x.conf"), "{output:?}");
    Ok(())
}

#[test]
fn strict_config_refuses_what_an_ordinary_start_takes() -> Result<()> {
    let stage = Stage::new("strict")?;
    let typo = configuration("", " prioritty 90\n");
    let mut daemon = stage.start(&typo)?;
    ensure!(daemon.terminate(LIMIT)?.success());
    let mut strict = stage.node.spawn(stage.command().arg("--strict-config"))?;
    let status = strict.wait(LIMIT)?;
    ensure!(status.code() == Some(5), "{status}: {}", strict.log());
    Ok(())
}

#[test]
fn a_second_daemon_with_the_same_files_is_refused() -> Result<()> {
    let stage = Stage::new("second")?;
    let _daemon = stage.start(&configuration("", ""))?;
    let mut second = stage.node.spawn(&mut stage.command())?;
    let status = second.wait(LIMIT)?;
    ensure!(!status.success() && second.log().contains("daemon is already running"), "{}", second.log());
    ensure!(stage.node.holds(ADDRESS) && stage.pid("supervisor").is_some_and(lives));
    Ok(())
}

#[test]
fn without_dont_fork_it_goes_to_the_background() -> Result<()> {
    let stage = Stage::new("background")?;
    stage.write("conf", &configuration("", ""))?;
    let mut command = Command::new(MAINSTAY);
    command.args(["--no-syslog", "--vrrp", "--use-file"]).arg(stage.path("conf"));
    command.arg("--pid").arg(stage.path("supervisor.pid")).arg("--vrrp_pid").arg(stage.path("router.pid"));
    let mut parent = stage.node.spawn(&mut command)?;
    ensure!(parent.wait(LIMIT)?.success(), "{}", parent.log());
    stage.until("the daemon works", || stage.node.holds(ADDRESS))?;
    let pid = stage.pid("supervisor").context("a process id file")?;
    ensure!(pid != parent.pid().cast_signed() && lives(pid));
    stage.signal("supervisor", Signal::SIGTERM)?;
    stage.until("it ends", || !lives(pid))?;
    ensure!(!stage.node.holds(ADDRESS));
    Ok(())
}

#[test]
fn the_service_manager_hears_of_the_start_a_reload_and_the_end() -> Result<()> {
    let stage = Stage::new("systemd")?;
    stage.write("conf", &configuration("", ""))?;
    let socket = UnixDatagram::bind(stage.path("notify"))?;
    socket.set_read_timeout(Some(LIMIT))?;
    let mut command = stage.command();
    command.env("NOTIFY_SOCKET", stage.path("notify")).env("WATCHDOG_USEC", "200000");
    let mut daemon = stage.node.spawn(&mut command)?;
    // Waits for all of these lines, in whatever order; the datagram with the last of them.
    let heard = |wanted: &[&str]| -> Result<String> {
        let mut missing = wanted.to_vec();
        let mut buffer = [0; 4096];
        loop {
            let length = match socket.recv(&mut buffer) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                received => received.with_context(|| format!("waiting for {missing:?}"))?,
            };
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            missing.retain(|wanted| !text.lines().any(|line| line == *wanted));
            if missing.is_empty() {
                return Ok(text);
            }
        }
    };
    heard(&["READY=1", "WATCHDOG=1", "STATUS=VRRP: 1 master, 0 backup, 0 fault"])?;
    daemon.signal(Signal::SIGHUP);
    ensure!(heard(&["RELOADING=1"])?.contains("MONOTONIC_USEC="));
    heard(&["READY=1"])?;
    fs::remove_file(stage.path("conf"))?;
    daemon.signal(Signal::SIGHUP);
    heard(&["RELOADING=1"])?;
    heard(&["READY=1"])?;
    daemon.signal(Signal::SIGTERM);
    heard(&["STOPPING=1"])?;
    ensure!(daemon.wait(LIMIT)?.success());
    Ok(())
}

#[test]
fn the_names_of_signals_have_keepalived_s_numbers() -> Result<()> {
    let output = Command::new(MAINSTAY).arg("--signum=RELOAD").output()?;
    ensure!(output.status.success() && output.stdout == b"1\n", "{output:?}");
    ensure!(!Command::new(MAINSTAY).arg("--signum=NONSENSE").output()?.status.success());
    Ok(())
}
