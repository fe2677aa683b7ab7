//! The control socket: what a running daemon says of itself.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;

use crate::stage::{ADDRESS, MAINSTAY, Stage, configuration};

impl Stage {
    fn ask(&self, words: &[&str]) -> Result<Output> {
        let mut command = Command::new(MAINSTAY);
        command.args(words).arg("--socket").arg(self.path("supervisor.sock"));
        command.output().context("run mainstay")
    }

    /// What a question prints; empty while there is no answer.
    pub(crate) fn answer(&self, words: &[&str]) -> String {
        let output = self.ask(words).ok().filter(|output| output.status.success());
        output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
    }
}

#[test]
fn status_and_why_say_what_is_and_what_led_there() -> Result<()> {
    let stage = Stage::new("control")?;
    let daemon = stage.start(&configuration("", ""))?;
    stage
        .until("it answers", || stage.answer(&["status"]).contains("MASTER"))
        .with_context(|| daemon.log())?;
    let shown = stage.answer(&["status"]);
    ensure!(shown.contains("VI_1  MASTER  eth0 vrid 51 priority 100") && shown.contains(ADDRESS), "{shown}");
    ensure!(!shown.contains('\u{1b}'), "no colour where there is no terminal: {shown}");
    let mode = std::fs::metadata(stage.path("supervisor.sock"))?.permissions().mode() & 0o777;
    ensure!(mode == 0o660, "{mode:o}");
    let json: serde_json::Value = serde_json::from_str(&stage.answer(&["status", "--json"]))?;
    let instance = &json["vrrp"]["instances"][0];
    ensure!(instance["state"] == "MASTER" && instance["vrid"] == 51, "{json}");
    stage.node.link_down("eth0")?;
    stage.until("why says so", || stage.answer(&["why", "VI_1"]).contains("interface eth0 is down"))?;
    let why = stage.answer(&["why", "VI_1"]);
    ensure!(why.contains("VI_1  FAULT") && why.contains("Entering MASTER STATE (no advert for"), "{why}");
    ensure!(why.contains("Entering FAULT STATE (interface eth0 is down or absent)"), "{why}");
    let nobody = stage.answer(&["why", "nobody"]);
    ensure!(nobody.contains("Nothing has happened to nobody"), "{nobody}");
    ensure!(stage.answer(&["events", "-n", "3"]).lines().count() == 3, "three lines");
    Ok(())
}

#[test]
fn what_happened_is_known_after_a_restart() -> Result<()> {
    let stage = Stage::new("control-events")?;
    let file = stage.path("events");
    let text = configuration(&format!("global_defs {{\n @mainstay event_file {}\n}}\n", file.display()), "");
    let masters = || stage.answer(&["events"]).matches("(VI_1) Entering MASTER STATE").count();
    let mut daemon = stage.start(&text)?;
    stage.until("it became master", || masters() == 1).with_context(|| daemon.log())?;
    daemon.terminate(crate::stage::LIMIT)?;
    let daemon = stage.start(&text)?;
    stage.until("it was master before", || masters() == 2).with_context(|| daemon.log())?;
    // A director that dies leaves its memory in the file too.
    stage.signal("director", Signal::SIGKILL)?;
    stage.until("its successor knows it", || masters() == 2).with_context(|| daemon.log())?;
    let lines = stage.lines("events");
    let is_event = |line: &String| {
        serde_json::from_str::<serde_json::Value>(line).is_ok_and(|event| event["text"].is_string())
    };
    ensure!(lines.len() > 2 && lines.iter().all(is_event), "{lines:#?}");
    let mode = std::fs::metadata(&file)?.permissions().mode() & 0o777;
    ensure!(mode == 0o640, "{mode:o}");
    Ok(())
}

#[test]
fn the_socket_outlives_a_director_and_goes_with_the_daemon() -> Result<()> {
    let stage = Stage::new("control-director")?;
    let mut daemon = stage.start(&configuration("", ""))?;
    stage.until("it answers", || stage.answer(&["status"]).contains("MASTER"))?;
    let before = stage.pid("director");
    stage.signal("director", Signal::SIGKILL)?;
    stage
        .until("another one answers", || {
            stage.pid("director").is_some_and(|pid| Some(pid) != before)
                && stage.answer(&["status"]).contains("MASTER")
        })
        .with_context(|| daemon.log())?;
    daemon.terminate(crate::stage::LIMIT)?;
    ensure!(!stage.path("supervisor.sock").exists(), "nothing is left behind");
    let output = stage.ask(&["status"])?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(!output.status.success() && complaint.contains("does the daemon run?"), "{complaint}");
    Ok(())
}

#[test]
fn nonsense_is_refused_in_words_and_keeps_nobody_from_asking() -> Result<()> {
    let stage = Stage::new("control-nonsense")?;
    let _daemon = stage.start(&configuration("", ""))?;
    stage.until("it answers", || stage.answer(&["status"]).contains("MASTER"))?;
    let say = |bytes: &[u8]| -> Result<String> {
        let mut stream = UnixStream::connect(stage.path("supervisor.sock"))?;
        stream.write_all(bytes)?;
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard)?;
        Ok(String::from_utf8_lossy(heard.get(4..).unwrap_or_default()).into_owned())
    };
    let nonsense = say(b"\0\0\0\x04what")?;
    ensure!(nonsense.contains("refused") && nonsense.contains("cannot be understood"), "{nonsense}");
    let long = say(b"\xff\xff\xff\xff")?;
    ensure!(long.contains("too long"), "{long}");
    let text = br#"{"version":99,"question":"status"}"#;
    let other = say(&[&[0, 0, 0, u8::try_from(text.len())?][..], text].concat())?;
    ensure!(other.contains("version 99"), "{other}");
    // Some who say nothing.
    let silent: Vec<_> = (0..8).map(|_| UnixStream::connect(stage.path("supervisor.sock"))).collect();
    ensure!(stage.answer(&["status"]).contains("MASTER"), "it still answers");
    drop(silent);
    Ok(())
}
