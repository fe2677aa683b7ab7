//! USR1 and USR2: what keepalived's users read from `/tmp/keepalived.data` and `/tmp/keepalived.stats`.
//!
//! The router only sends a snapshot; the supervisor writes the file.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use mainstay_core::director;
use mainstay_core::router::Report;
use mainstay_core::router::report::InstanceReport;

use super::Supervisor;
use crate::frames::{ToDirector, ToRouter};

/// Who wants a report of the router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// `keepalived.data`.
    Data,
    /// `keepalived.stats`.
    Statistics,
    /// The director, under its own number.
    Director(u64),
}

impl Supervisor {
    /// USR1: the router's data and the director's.
    pub(super) fn ask_for_data(&mut self) {
        self.ask_for_report(Wanted::Data);
        self.director.send(&ToDirector::ReportWanted);
    }

    pub(super) fn ask_for_report(&mut self, wanted: Wanted) {
        if self.router.is_running() {
            self.last_report += 1;
            self.reports.insert(self.last_report, wanted);
            self.router.send(&ToRouter::ReportRequested(self.last_report));
        }
    }

    pub(super) fn reported(&mut self, number: u64, report: &Report) {
        let (name, text) = match self.reports.remove(&number) {
            Some(Wanted::Data) => ("keepalived.data", data(report)),
            Some(Wanted::Statistics) => ("keepalived.stats", statistics(report)),
            Some(Wanted::Director(theirs)) => {
                return self.director.send(&ToDirector::RouterReport(theirs, Box::new(report.clone())));
            }
            None => return,
        };
        write(name, &text);
    }
}

/// Writes what the director has told to `keepalived_check.data`.
pub(super) fn servers(report: &director::Report) {
    write("keepalived_check.data", &server_data(report));
}

fn write(name: &str, text: &str) {
    let path = directory().join(name);
    match replace(&path, text) {
        Ok(()) => tracing::info!("Wrote {}", path.display()),
        Err(error) => tracing::error!("{}: {error}", path.display()),
    }
}

/// Virtual servers with their real servers and checks. Free text for people, not stable, as with keepalived.
fn server_data(report: &director::Report) -> String {
    let mut out = String::new();
    if !report.table {
        out.push_str("The kernel's IPVS table is not available.\n");
    }
    for server in &report.virtual_servers {
        let state = if server.up { "UP" } else { "DOWN" };
        let _ = writeln!(
            out,
            "Virtual server {} {state}, weight {} of {}",
            server.key, server.weight, server.quorum
        );
        for real in &server.real_servers {
            let state = if real.serving { "UP" } else { "DOWN" };
            let _ = writeln!(out, "  Real server {} {state}, weight {}", real.key, real.weight);
            for checker in &real.checkers {
                let trouble = checker.trouble.as_deref().unwrap_or("no trouble");
                let _ = writeln!(
                    out,
                    "    {} {:?} after {} answers, {trouble}",
                    checker.question, checker.verdict, checker.answers
                );
            }
        }
    }
    out
}

/// `$TMPDIR` if it is an absolute path of a directory, else `/tmp`.
fn directory() -> PathBuf {
    let wanted = std::env::var_os("TMPDIR").map(PathBuf::from);
    wanted.filter(|path| path.is_absolute() && path.is_dir()).unwrap_or_else(|| "/tmp".into())
}

/// Puts a new file in the place of the old one, never following a link somebody may have put there.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut new = path.to_owned().into_os_string();
    new.push(format!(".{}", std::process::id()));
    let new = PathBuf::from(new);
    let _ = fs::remove_file(&new);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&new)?;
    file.write_all(text.as_bytes()).and_then(|()| fs::rename(&new, path)).inspect_err(|_| {
        // The error that counts is on its way already.
        let _ = fs::remove_file(&new);
    })
}

/// keepalived's counters under its own headings.
fn statistics(report: &Report) -> String {
    report.instances.iter().map(instance_statistics).collect()
}

fn instance_statistics(instance: &InstanceReport) -> String {
    let counters = &instance.counters;
    format!(
        "VRRP Instance: {name}
  Advertisements:
    Received: {received}
    Sent: {sent}
  Became master: {became}
  Released master: {released}
  Packet Errors:
    Length: {length}
    TTL: {ttl}
    Invalid Type: {kind}
    Advertisement Interval: {interval}
    Address List: {addresses}
  Authentication Errors:
    Invalid Type: {auth_type}
    Type Mismatch: {auth_mismatch}
    Failure: {auth_failure}
  Priority Zero:
    Received: {zero_received}
    Sent: {zero_sent}
",
        name = instance.name,
        received = counters.adverts_received,
        sent = counters.adverts_sent,
        became = counters.became_master,
        released = counters.released_master,
        length = counters.packet_length_errors,
        ttl = counters.ttl_errors,
        kind = counters.invalid_type,
        interval = counters.advert_interval_errors,
        addresses = counters.address_list_errors,
        auth_type = counters.invalid_auth_type,
        auth_mismatch = counters.auth_type_mismatch,
        auth_failure = counters.auth_failures,
        zero_received = counters.priority_zero_received,
        zero_sent = counters.priority_zero_sent,
    )
}

/// Free text for people, not stable, as with keepalived.
fn data(report: &Report) -> String {
    let mut text = String::from("------< VRRP Topology >------\n");
    for instance in &report.instances {
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            " VRRP Instance = {}\n   State = {} ({})\n   Priority = {}\n   Effective priority = {}",
            instance.name,
            instance.state,
            instance.cause,
            instance.base_priority,
            instance.effective_priority
        );
        if let Some(master) = instance.master {
            let _ = writeln!(
                text,
                "   Master router = {master}\n   Master priority = {}",
                instance.master_priority
            );
        }
        let seconds = instance.master_advert_interval.as_secs_f64();
        let _ = writeln!(text, "   Advert interval = {seconds} sec");
        let expired = instance.counters.leases_expired;
        let _ = writeln!(text, "   VIP lease = {} (expired {expired} times)", instance.lease);
        for peer in &instance.peers {
            let living = if peer.living { "alive" } else { "silent" };
            let kind = if peer.told.is_some() { "Mainstay" } else { "plain VRRP" };
            let _ = writeln!(text, "   Peer {} = {living}, {kind}", peer.source);
        }
    }
    for path in &report.paths {
        let _ = writeln!(text, " Heartbeat path {} = {}", path.name, if path.up { "up" } else { "down" });
        for peer in &path.peers {
            let heard = if peer.up { "heard" } else { "silent" };
            let _ = writeln!(text, "   {} = {heard}, {} heartbeats lost", peer.source, peer.lost);
        }
    }
    for group in &report.groups {
        let _ = writeln!(text, " VRRP Sync Group = {}, {}", group.name, group.state);
    }
    for tracker in &report.trackers {
        let verdict = match tracker.up {
            Some(true) => "good",
            Some(false) => "bad",
            None => "unknown",
        };
        let _ = writeln!(text, " Tracker {} = {verdict}", tracker.name);
    }
    text
}

#[cfg(test)]
mod tests {
    use mainstay_core::router::report::{Counters, LeaseState};
    use mainstay_core::router::{Cause, State};
    use mainstay_core::time::{Duration, Instant};

    use super::*;

    fn report() -> Report {
        let counters = Counters { adverts_received: 5, priority_zero_sent: 1, ..Counters::default() };
        let instance = InstanceReport {
            name: "VI_1".into(),
            state: State::Master,
            since: Instant::ZERO,
            cause: Cause::Owner,
            base_priority: 255,
            effective_priority: 255,
            master: None,
            master_priority: 255,
            master_advert_interval: Duration::from_millis(100),
            last_advert: None,
            lease: LeaseState::Armed,
            holds_back: false,
            counters,
            peers: vec![],
        };
        Report { instances: vec![instance], ..Report::default() }
    }

    #[test]
    fn statistics_have_keepalived_s_keys() {
        let text = statistics(&report());
        // Parsed by exporters: section, then key, then a number.
        for line in [
            "VRRP Instance: VI_1",
            "    Received: 5",
            "  Became master: 0",
            "    Sent: 1",
            "    Address List: 0",
        ] {
            assert!(text.lines().any(|have| have == line), "{line} in\n{text}");
        }
    }

    #[test]
    fn data_says_state_and_reason() {
        let text = data(&report());
        assert!(text.contains("State = MASTER (owns the addresses (priority 255))"), "{text}");
        assert!(text.contains("VIP lease = armed (expired 0 times)"), "{text}");
    }

    #[test]
    fn a_file_is_replaced_and_a_link_in_its_place_is_not_followed() {
        let folder = std::env::temp_dir().join(format!("mainstay-dump-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let (path, precious) = (folder.join("keepalived.data"), folder.join("precious"));
        fs::write(&precious, "precious").expect("writes");
        std::os::unix::fs::symlink(&precious, &path).expect("links");
        replace(&path, "new").expect("writes");
        assert_eq!(fs::read_to_string(&path).expect("reads"), "new");
        assert_eq!(fs::read_to_string(&precious).expect("reads"), "precious");
        fs::remove_dir_all(&folder).expect("removes");
    }
}
