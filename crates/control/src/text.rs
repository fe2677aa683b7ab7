//! Answers, written for people.

use std::fmt::{self, Write as _};
use std::time::Duration;

use crate::status::{Instance, RealServer, Status, VirtualServer, Vrrp};
use crate::{Happening, Level};

/// Whether colours are understood where the text goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// Letters only.
    Plain,
    /// A terminal.
    Colour,
}

impl Ink {
    /// A word that says how something is: green, yellow or red on a terminal.
    fn state(self, word: &str, width: usize) -> String {
        let colour = match word {
            "MASTER" | "UP" | "good" => "32",
            "BACKUP" | "INIT" | "unknown" => "33",
            _ => "31",
        };
        match self {
            Self::Plain => format!("{word:<width$}"),
            Self::Colour => format!("\u{1b}[{colour}m{word:<width$}\u{1b}[0m"),
        }
    }
}

/// Everything on one screen.
#[must_use]
pub fn status(status: &Status, ink: Ink) -> String {
    let mut page = Page::default();
    page.line(format_args!("{}: Mainstay {}", status.node, status.version));
    match &status.vrrp {
        None => page.line(format_args!("The router process does not run: no virtual routers.")),
        Some(vrrp) => routers(&mut page, status, vrrp, ink),
    }
    if !status.virtual_servers.is_empty() {
        page.line(format_args!(
            "\nVirtual servers{}",
            if status.ipvs { "" } else { " (the kernel has no IPVS)" }
        ));
        status.virtual_servers.iter().for_each(|server| virtual_server(&mut page, server, ink));
    }
    page.0
}

fn routers(page: &mut Page, status: &Status, vrrp: &Vrrp, ink: Ink) {
    if vrrp.instances.is_empty() {
        return;
    }
    page.line(format_args!("\nVirtual routers"));
    let width = vrrp.instances.iter().map(|one| one.name.chars().count()).max().unwrap_or_default();
    vrrp.instances.iter().for_each(|one| instance(page, status.at_ms, one, width, ink));
    for group in &vrrp.groups {
        page.line(format_args!("  group {}: {}", group.name, ink.state(&group.state, 0)));
    }
    if !vrrp.trackers.is_empty() {
        page.line(format_args!("\nTracked"));
    }
    for tracker in &vrrp.trackers {
        let word = match tracker.good {
            Some(true) => "good",
            Some(false) => "bad",
            None => "unknown",
        };
        page.line(format_args!("  {} {}", ink.state(word, 7), tracker.name));
    }
    if !vrrp.paths.is_empty() {
        page.line(format_args!("\nHeartbeat paths"));
    }
    for path in &vrrp.paths {
        page.line(format_args!("  {} {}", ink.state(if path.up { "UP" } else { "DOWN" }, 7), path.name));
    }
    if !vrrp.alarms.is_empty() {
        page.line(format_args!("\nAlarms"));
    }
    for alarm in &vrrp.alarms {
        page.line(format_args!("  {}: {} ({} times)", alarm.instance, alarm.text, alarm.count));
    }
}

fn instance(page: &mut Page, now_ms: u64, instance: &Instance, width: usize, ink: Ink) {
    let since = Duration::from_millis(now_ms.saturating_sub(instance.since_ms));
    let interface = if instance.interface.is_empty() { "-" } else { &instance.interface };
    let priority = if instance.priority == instance.effective_priority {
        instance.priority.to_string()
    } else {
        format!("{} (base {})", instance.effective_priority, instance.priority)
    };
    page.line(format_args!(
        "  {:<width$}  {}  {interface} vrid {} priority {priority}, for {}: {}",
        instance.name,
        ink.state(&instance.state, 6),
        instance.vrid,
        words(since),
        instance.reason,
    ));
    let indent = width + 4;
    if let Some(master) = &instance.master {
        let heard = instance.last_advert_ms.map(|ms| format!(", heard {} ms ago", ms)).unwrap_or_default();
        let of =
            instance.master_priority.map(|priority| format!(" with priority {priority}")).unwrap_or_default();
        page.line(format_args!("{:indent$}master {master}{of}{heard}", ""));
    }
    page.line(format_args!("{:indent$}{}; lease {}", "", instance.addresses.join(", "), instance.lease));
    for peer in &instance.peers {
        let kind = if peer.mainstay { "Mainstay" } else { "plain VRRP" };
        let life = if peer.alive { "alive" } else { "silent" };
        page.line(format_args!("{:indent$}peer {}: {life}, {kind}", "", peer.address));
    }
}

fn virtual_server(page: &mut Page, server: &VirtualServer, ink: Ink) {
    let word = if server.suspended { "SUSPENDED" } else { up(server.up) };
    let panic = if server.panic { ", too few live: those that fail stay in service" } else { "" };
    page.line(format_args!(
        "  {}  {} weight {} of {}{panic}",
        server.name,
        ink.state(word, 0),
        server.weight,
        server.quorum
    ));
    server.real_servers.iter().for_each(|real| real_server(page, real, ink));
}

fn real_server(page: &mut Page, real: &RealServer, ink: Ink) {
    let checks: Vec<String> = real
        .checks
        .iter()
        .map(|check| match (&check.trouble, check.took_us) {
            (Some(trouble), _) => format!("{}: {trouble}", check.name),
            (None, Some(took)) => format!("{} in {:.1} ms", check.name, f64::from(took) / 1000.0),
            (None, None) => check.name.clone(),
        })
        .collect();
    page.line(format_args!(
        "    {}  {} weight {}  {}",
        real.name,
        ink.state(up(real.up), 4),
        real.weight,
        checks.join("; ")
    ));
}

const fn up(is_up: bool) -> &'static str {
    if is_up { "UP" } else { "DOWN" }
}

/// What happened, a line each; `when` writes a moment.
#[must_use]
pub fn events(events: &[Happening], when: impl Fn(u64) -> String) -> String {
    let mut page = Page::default();
    for event in events {
        let mark = match event.level {
            Level::Debug | Level::Info => ' ',
            Level::Warning => '!',
            Level::Error => '#',
        };
        page.line(format_args!("{} {mark} {}", when(event.at_ms), event.text));
    }
    page.0
}

/// A time as people say it: two units at most.
#[must_use]
pub fn words(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, s) => format!("{s} s"),
        (0, 0, m, s) => format!("{m} min {s} s"),
        (0, h, m, _) => format!("{h} h {m} min"),
        (d, h, _, _) => format!("{d} d {h} h"),
    }
}

/// Collects lines; writing to a string does not fail.
#[derive(Default)]
struct Page(String);

impl Page {
    fn line(&mut self, line: fmt::Arguments<'_>) {
        let _ = writeln!(self.0, "{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{Check, Group, Peer, Tracker};

    fn node() -> Status {
        let instance = Instance {
            name: "VI_1".into(),
            state: "MASTER".into(),
            since_ms: 1_000,
            reason: "no advert for 3.609 s".into(),
            interface: "eth0".into(),
            vrid: 51,
            version: 3,
            priority: 150,
            effective_priority: 130,
            master: None,
            master_priority: None,
            advert_interval_ms: 1000,
            last_advert_ms: None,
            lease: "armed".into(),
            addresses: vec!["192.0.2.100/24".into(), "192.0.2.101/24".into()],
            peers: vec![Peer { address: "192.0.2.2".into(), alive: true, mainstay: false }],
            group: Some("G".into()),
        };
        let vrrp = Vrrp {
            instances: vec![instance],
            groups: vec![Group { name: "G".into(), state: "MASTER".into() }],
            trackers: vec![Tracker { name: "script chk".into(), good: Some(false) }],
            paths: vec![],
            alarms: vec![],
        };
        let check = |trouble: Option<&str>| Check {
            name: "TCP 10.0.0.1:80".into(),
            passed: Some(trouble.is_none()),
            took_us: Some(412),
            trouble: trouble.map(String::from),
        };
        let real = |name: &str, trouble| RealServer {
            name: name.into(),
            up: true,
            weight: 1,
            checks: vec![check(trouble)],
        };
        let server = VirtualServer {
            name: "[192.0.2.1]:tcp:80".into(),
            up: true,
            weight: 2,
            quorum: 1,
            panic: false,
            suspended: false,
            real_servers: vec![
                real("[10.0.0.1]:80", None),
                real("[10.0.0.2]:80", Some("connection refused")),
            ],
        };
        Status {
            node: "lb1".into(),
            version: "0.1.0".into(),
            at_ms: 66_000,
            vrrp: Some(vrrp),
            virtual_servers: vec![server],
            ipvs: true,
        }
    }

    #[test]
    fn a_node_is_shown_on_one_screen() {
        let expected = "\
lb1: Mainstay 0.1.0

Virtual routers
  VI_1  MASTER  eth0 vrid 51 priority 130 (base 150), for 1 min 5 s: no advert for 3.609 s
        192.0.2.100/24, 192.0.2.101/24; lease armed
        peer 192.0.2.2: alive, plain VRRP
  group G: MASTER

Tracked
  bad     script chk

Virtual servers
  [192.0.2.1]:tcp:80  UP weight 2 of 1
    [10.0.0.1]:80  UP   weight 1  TCP 10.0.0.1:80 in 0.4 ms
    [10.0.0.2]:80  UP   weight 1  TCP 10.0.0.1:80: connection refused
";
        assert_eq!(status(&node(), Ink::Plain), expected);
        assert!(status(&node(), Ink::Colour).contains("\u{1b}[32mMASTER\u{1b}[0m"));
    }

    #[test]
    fn the_json_of_a_status_is_read_as_it_was_written() {
        let text = serde_json::to_string(&node()).expect("plain values");
        assert_eq!(serde_json::from_str::<Status>(&text).expect("what was written"), node());
    }

    #[test]
    fn times_have_two_units() {
        let of = |seconds| words(Duration::from_secs(seconds));
        assert_eq!([of(59), of(61), of(3_700), of(90_000)], ["59 s", "1 min 1 s", "1 h 1 min", "1 d 1 h"]);
    }
}
