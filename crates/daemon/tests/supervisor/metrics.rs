//! Metrics of a running daemon: they say what `mainstay status` says, and outlive reloads and deaths.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;

use crate::stage::{Stage, configuration};

impl Stage {
    /// A file that says where metrics are served, and asks for a script.
    fn measured(&self, inside: &str) -> String {
        let listen =
            format!("global_defs {{\n @mainstay metrics_listen {}\n}}\n", self.path("metrics").display());
        let script = "vrrp_script good {\n script \"/bin/true\"\n interval 1\n}\n";
        configuration(&(listen + script), &format!("track_script {{\n good\n}}\n{inside}"))
    }

    /// The page; empty while there is none.
    fn page(&self) -> String {
        let scrape = || -> Result<String> {
            let mut stream = UnixStream::connect(self.path("metrics"))?;
            stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: mainstay\r\n\r\n")?;
            let mut heard = String::new();
            stream.read_to_string(&mut heard)?;
            let (head, body) = heard.split_once("\r\n\r\n").context("a head and a body")?;
            ensure!(head.starts_with("HTTP/1.1 200"), "{head}");
            Ok(body.to_owned())
        };
        scrape().unwrap_or_default()
    }

    /// The series by name and labels.
    fn series(&self) -> BTreeMap<String, f64> {
        let page = self.page();
        let samples = page.lines().filter(|line| !line.starts_with('#'));
        let parsed = samples.filter_map(|line| line.rsplit_once(' '));
        parsed.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect()
    }

    /// Waits until a series has this value.
    fn until_series(&self, name: &str, holds: impl Fn(f64) -> bool) -> Result<()> {
        self.until(name, || self.series().get(name).copied().is_some_and(&holds))
            .with_context(|| self.page())
            .map(drop)
    }
}

const MASTER: &str = "mainstay_vrrp_state{vrrp_instance=\"VI_1\",state=\"MASTER\"}";

#[test]
fn a_scrape_agrees_with_status() -> Result<()> {
    let stage = Stage::new("metrics")?;
    let daemon = stage.start(&stage.measured(""))?;
    stage.until_series(MASTER, |value| value == 1.0).with_context(|| daemon.log())?;
    stage.until_series("mainstay_script_runs_total{script=\"good\",result=\"succeeded\"}", |runs| {
        runs >= 1.0
    })?;
    stage.until_series("mainstay_vrrp_adverts_sent_total{vrrp_instance=\"VI_1\"}", |sent| sent >= 3.0)?;
    let status = stage.answer(&["status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&status).context("JSON")?;
    let instance = &status["vrrp"]["instances"][0];
    let series = stage.series();
    let of = |name: &str| series.get(&format!("mainstay_vrrp_{name}{{vrrp_instance=\"VI_1\"}}")).copied();
    ensure!(of("priority") == instance["priority"].as_f64(), "{series:#?}");
    ensure!(of("effective_priority") == instance["effective_priority"].as_f64(), "{series:#?}");
    let since = instance["since_ms"].as_f64().context("a number")? / 1000.0;
    let told = of("state_since_timestamp_seconds").context("since when")?;
    ensure!((told - since).abs() < 1.0, "{told} and {since}");
    ensure!(of("lease_armed") == Some(0.0) && instance["lease"] == "open (no living peer)", "{instance}");
    ensure!(series.get("mainstay_tracker_up{tracker=\"script good\"}") == Some(&1.0), "{series:#?}");
    ensure!(series.get("mainstay_router_loop_lateness_seconds_count") > Some(&3.0), "{series:#?}");
    let info = series.keys().find(|name| name.starts_with("mainstay_vrrp_instance_info")).context("info")?;
    ensure!(info.contains("interface=\"eth0\",vrid=\"51\",version=\"3\""), "{info}");
    let became = |reason: &str| {
        format!("mainstay_vrrp_transitions_total{{vrrp_instance=\"VI_1\",to=\"MASTER\",reason=\"{reason}\"}}")
    };
    ensure!(series.get(&became("no_advert")) == Some(&1.0), "{series:#?}");
    // Prometheus' own tool reads the page of a living daemon too.
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .spawn()
        .context("promtool is in Debian's package prometheus")?;
    promtool.stdin.take().context("piped")?.write_all(stage.page().as_bytes())?;
    ensure!(promtool.wait()?.success(), "promtool does not like the page: {}", stage.page());
    Ok(())
}

#[test]
fn metrics_follow_reloads_and_tell_of_deaths() -> Result<()> {
    let stage = Stage::new("metrics-deaths")?;
    let mut daemon = stage.start(&stage.measured(""))?;
    stage.until_series(MASTER, |value| value == 1.0).with_context(|| daemon.log())?;
    stage.signal("router", Signal::SIGKILL)?;
    stage.until_series("mainstay_process_deaths_total{process=\"router\"}", |deaths| deaths == 1.0)?;
    stage.until_series(MASTER, |value| value == 1.0).with_context(|| daemon.log())?;
    stage.signal("director", Signal::SIGKILL)?;
    stage.until_series("mainstay_process_deaths_total{process=\"director\"}", |deaths| deaths == 1.0)?;
    stage.until_series("mainstay_process_deaths_total{process=\"router\"}", |deaths| deaths == 1.0)?;
    stage.write("conf", "vrrp_instance {\n")?;
    stage.signal("supervisor", Signal::SIGHUP)?;
    stage.until_series("mainstay_config_last_reload_successful", |good| good == 0.0)?;
    stage.write("conf", &stage.measured("priority 200"))?;
    stage.signal("supervisor", Signal::SIGHUP)?;
    stage.until_series("mainstay_config_last_reload_successful", |good| good == 1.0)?;
    stage.until_series("mainstay_reloads_total{result=\"refused\"}", |count| count == 1.0)?;
    stage.write("conf", &configuration("", ""))?;
    stage.signal("supervisor", Signal::SIGHUP)?;
    stage.until("nobody listens any more", || !stage.path("metrics").exists())?;
    daemon.terminate(crate::stage::LIMIT)?;
    Ok(())
}
