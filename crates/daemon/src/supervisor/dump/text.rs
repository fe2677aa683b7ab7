//! `keepalived.data` and `keepalived.stats`: for people, and for exporters that look for keepalived's keys.
//!
//! An exporter takes `KEY = VALUE` lines with three blanks before them, under ` VRRP Instance = NAME`, and lists with five
//! blanks under a key that ends with a colon. Keys of keepalived have its words and values; ours are others.

use std::fmt::{self, Write as _};
use std::time::Duration;

use mainstay_config::model::ScriptProbe;
use mainstay_core::address::Family;
use mainstay_core::director;
use mainstay_core::router::State;
use mainstay_core::router::plan::{Authentication, Destination, Tracker, TrackerTarget};
use mainstay_core::router::report::Counters;

use mainstay_core::vrrp::signature::Mode;

use super::view::{self, Instance, View};

/// Collects lines; writing to a string does not fail.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn line(&mut self, line: fmt::Arguments<'_>) {
        let _ = writeln!(self.0, "{line}");
    }

    fn list(&mut self, title: fmt::Arguments<'_>, items: impl Iterator<Item = String>) {
        let mut items = items.peekable();
        if items.peek().is_some() {
            self.line(format_args!("   {title}:"));
            items.for_each(|item| self.line(format_args!("     {item}")));
        }
    }
}

/// `keepalived.data`.
pub fn data(view: &View<'_>) -> String {
    let mut lines = Lines::default();
    lines.line(format_args!("------< Global definitions >------"));
    lines.line(format_args!(" Router ID = {}", view.model.process.router_id));
    lines.line(format_args!("------< VRRP Topology >------"));
    view.instances.iter().for_each(|one| instance(&mut lines, view, one));
    scripts(&mut lines, view);
    groups(&mut lines, view);
    paths(&mut lines, view);
    lines.0
}

fn instance(lines: &mut Lines, view: &View<'_>, instance: &Instance<'_>) {
    let (plan, report) = (instance.plan, instance.report);
    let mut line = |line: fmt::Arguments<'_>| lines.line(line);
    line(format_args!(" VRRP Instance = {}", plan.name));
    line(format_args!("   VRRP Version = {}", plan.version.number()));
    if plan.family == Family::V6 {
        line(format_args!("   Using Native IPv6"));
    }
    if let Some(group) = instance.group {
        line(format_args!("   Sync group = {group}"));
    }
    line(format_args!("   State = {}", report.state));
    line(format_args!("   Reason = {}", report.cause));
    line(format_args!("   Wantstate = {}", instance.wanted()));
    line(format_args!(
        "   Last transition = {}.{:06}",
        instance.since.as_secs(),
        instance.since.subsec_micros()
    ));
    if let Some(master) = report.master.filter(|_| !instance.holds()) {
        line(format_args!("   Master router = {master}"));
        line(format_args!("   Master priority = {}", report.master_priority));
        line(format_args!("   Master advert int = {}", interval(report.master_advert_interval)));
    }
    match instance.made_link() {
        Some(made) => {
            let base = plan.interface.as_ref() == Some(&made.parent);
            let up = report.state != State::Fault;
            line(format_args!("   Use VMAC, i/f name {}, is_up = {up}, xmit_base = {base}", made.name));
            let suffix = if base { ", xmit base i/f" } else { "" };
            line(format_args!("   Interface = {}, vmac on {}{suffix}", made.name, made.parent));
        }
        None if plan.interface.is_some() => line(format_args!("   Interface = {}", instance.interface())),
        None => {}
    }
    if let Some(source) = plan.source {
        line(format_args!("   Using src_ip = {source}"));
    }
    if let Destination::Multicast(group) = &plan.destination {
        line(format_args!("   Multicast address {group}"));
    }
    let announce = plan.announce;
    line(format_args!("   Gratuitous ARP delay = {}", announce.delay.as_secs()));
    line(format_args!("   Gratuitous ARP repeat = {}", announce.repeat));
    line(format_args!("   Gratuitous ARP refresh = {}", announce.refresh.as_secs()));
    line(format_args!("   Gratuitous ARP refresh repeat = {}", announce.refresh_repeat));
    line(format_args!(
        "   Gratuitous ARP lower priority delay = {}",
        announce.lower_priority_delay.as_secs()
    ));
    line(format_args!("   Gratuitous ARP lower priority repeat = {}", announce.lower_priority_repeat));
    line(format_args!("   Down timer adverts = {}", plan.down_timer_adverts));
    line(format_args!(
        "   Send advert after receive lower priority advert = {}",
        !plan.lower_priority_no_advert
    ));
    line(format_args!(
        "   Send advert after receive higher priority advert = {}",
        plan.higher_priority_send_advert
    ));
    line(format_args!("   Virtual Router ID = {}", plan.vrid));
    line(format_args!("   Priority = {}", report.base_priority));
    line(format_args!("   Effective priority = {}", report.effective_priority));
    line(format_args!("   Advert interval = {}", interval(plan.advert_interval)));
    line(format_args!("   Accept = {}", enabled(plan.accept)));
    let (preempts, delay) = instance.preempt();
    line(format_args!("   Preempt = {}", enabled(preempts)));
    if !delay.is_zero() {
        line(format_args!("   Preempt delay = {} secs", delay.as_secs_f64()));
    }
    line(format_args!("   Promote_secondaries = {}", enabled(plan.promote_secondaries)));
    match plan.authentication {
        Authentication::None => {}
        Authentication::Pass(_) => line(format_args!("   Authentication type = SIMPLE_PASSWORD")),
        Authentication::Ah(_) => line(format_args!("   Authentication type = IPSEC_AH")),
    }
    if let Some(signature) = &plan.signature {
        let keys = signature.keys.iter().map(|key| key.id.to_string()).collect::<Vec<_>>().join(" ");
        line(format_args!("   Authentication extension = HMAC-SHA256, mode {}", mode(signature.mode)));
        line(format_args!("     Keys = {keys} (secrets are not shown), active key = {}", signature.active));
        line(format_args!("     Time window = {} secs", signature.window.as_secs_f64()));
    }
    let expired = report.counters.leases_expired;
    line(format_args!("   VIP lease = {} (expired {expired} times)", report.lease));
    for peer in &report.peers {
        let living = if peer.living { "alive" } else { "silent" };
        let kind = if peer.told.is_some() { "Mainstay" } else { "plain VRRP" };
        line(format_args!("   Peer {} = {living}, {kind}", peer.source));
    }
    if let Destination::Unicast { peers, .. } = &plan.destination {
        let peers = peers.iter().map(|peer| peer.address.to_string());
        lines.list(format_args!("Unicast Peer "), peers);
    }
    let addresses = plan.addresses.iter().map(|address| instance.address(address));
    lines.list(format_args!("Virtual IP ({})", plan.addresses.len()), addresses);
    let excluded = plan.excluded_addresses.iter().map(|address| instance.address(address));
    lines.list(format_args!("Virtual IP Excluded "), excluded);
    lines.list(format_args!("Virtual Routes "), plan.routes.iter().map(|route| view::route(route)));
    lines.list(format_args!("Virtual Rules "), plan.rules.iter().map(|rule| view::rule(rule)));
    let of_kind = |wanted: fn(&TrackerTarget) -> Option<&String>| {
        plan.trackers.iter().filter_map(move |tracker| Some(tracked(wanted(&tracker.target)?, tracker)))
    };
    let interfaces =
        of_kind(|target| if let TrackerTarget::Interface(name) = target { Some(name) } else { None });
    lines.list(format_args!("Tracked interfaces "), interfaces);
    let scripts = of_kind(|target| if let TrackerTarget::Script(name) = target { Some(name) } else { None });
    lines.list(format_args!("Tracked scripts "), scripts);
    let files = of_kind(|target| if let TrackerTarget::File(name) = target { Some(name) } else { None });
    lines.list(format_args!("Tracked files "), files);
    let processes =
        of_kind(|target| if let TrackerTarget::Process(name) = target { Some(name) } else { None });
    lines.list(format_args!("Tracked processes "), processes);
    let sessions = of_kind(|target| if let TrackerTarget::Bfd(name) = target { Some(name) } else { None });
    lines.list(format_args!("Tracked BFDs "), sessions);
    let alarms = view.report.alarms.iter().filter(|alarm| alarm.instance == plan.name);
    lines.list(
        format_args!("Alarms "),
        alarms.map(|alarm| format!("{} ({} times)", alarm.alarm, alarm.count)),
    );
    let mail = instance.notify.is_some_and(|notify| notify.smtp_alert);
    lines.line(format_args!("   Using smtp notification = {}", if mail { "yes" } else { "no" }));
}

fn tracked(name: &str, tracker: &Tracker) -> String {
    let reverse = if tracker.reverse { " reverse" } else { "" };
    format!("{name}, weight {}{reverse}", tracker.weight)
}

fn scripts(lines: &mut Lines, view: &View<'_>) {
    if view.model.router.scripts.is_empty() {
        return;
    }
    lines.line(format_args!("------< VRRP Scripts >------"));
    for plan in &view.model.router.scripts {
        let name = format!("script {}", plan.name);
        let verdict = view.report.trackers.iter().find(|tracker| tracker.name == name).and_then(|one| one.up);
        let status = match verdict {
            Some(true) => "GOOD",
            Some(false) => "BAD",
            None => "INIT",
        };
        lines.line(format_args!(" VRRP Script = {}", plan.name));
        if let Some(script) = view.model.scripts.get(&plan.name) {
            let command = match &script.probe {
                ScriptProbe::Command(command) => command.arguments.join(" "),
                ScriptProbe::FileReadable(path) => format!("<{}", path.display()),
            };
            lines.line(format_args!("   Command = '{command}'"));
            lines.line(format_args!("   Timeout = {} sec", script.timeout.as_secs_f64()));
        }
        lines.line(format_args!("   Interval = {} sec", plan.interval.as_secs_f64()));
        lines.line(format_args!("   Rise = {}", plan.rise));
        lines.line(format_args!("   Fall = {}", plan.fall));
        lines.line(format_args!("   Status = {status}"));
        // A run is over before anybody could read that it goes on.
        lines.line(format_args!("   State = idle"));
    }
}

fn groups(lines: &mut Lines, view: &View<'_>) {
    if view.report.groups.is_empty() {
        return;
    }
    lines.line(format_args!("------< VRRP Sync groups >------"));
    for group in &view.report.groups {
        lines.line(format_args!(" VRRP Sync Group = {}, {}", group.name, group.state));
        let plans = view.model.router.sync_groups.iter();
        let members =
            plans.filter(|plan| plan.name == group.name).flat_map(|plan| plan.members.iter().cloned());
        lines.list(format_args!("VRRP member instances "), members);
    }
}

fn paths(lines: &mut Lines, view: &View<'_>) {
    if view.report.paths.is_empty() {
        return;
    }
    lines.line(format_args!("------< Heartbeats >------"));
    for path in &view.report.paths {
        let state = if path.up { "up" } else { "down" };
        lines.line(format_args!(" Heartbeat path {} = {state}", path.name));
        for peer in &path.peers {
            let heard = if peer.up { "heard" } else { "silent" };
            lines.line(format_args!("   {} = {heard}, {} heartbeats lost", peer.source, peer.lost));
        }
    }
}

/// keepalived's way to write an interval.
fn interval(interval: Duration) -> String {
    if interval.subsec_nanos() == 0 {
        format!("{} sec", interval.as_secs())
    } else {
        format!("{} milli-sec", interval.as_millis())
    }
}

const fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Enforce => "enforce",
        Mode::Permissive => "permissive",
        Mode::ReceiveOnly => "receive-only",
    }
}

const fn enabled(yes: bool) -> &'static str {
    if yes { "enabled" } else { "disabled" }
}

/// `keepalived.stats`: keepalived's counters under its own headings.
pub fn statistics(view: &View<'_>) -> String {
    view.instances.iter().map(instance_statistics).collect()
}

fn instance_statistics(instance: &Instance<'_>) -> String {
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
{signatures}  Priority Zero:
    Received: {zero_received}
    Sent: {zero_sent}
",
        name = instance.plan.name,
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
        signatures = instance.plan.signature.as_ref().map(|_| signatures(counters)).unwrap_or_default(),
        zero_received = counters.priority_zero_received,
        zero_sent = counters.priority_zero_sent,
    )
}

/// A heading of keepalived 2.4, for an instance that has `auth_hmac`.
fn signatures(counters: &Counters) -> String {
    format!(
        "  Authentication Extension Errors:
    Missing: {}
    Malformed: {}
    Unknown Key: {}
    Invalid HMAC: {}
    Stale: {}
    Replay: {}
",
        counters.signatures_missing,
        counters.signatures_malformed,
        counters.signature_keys_unknown,
        counters.signatures_wrong,
        counters.signatures_stale,
        counters.signatures_replayed,
    )
}

/// Virtual servers with their real servers and checks. Free text for people, not stable, as with keepalived.
pub fn server_data(report: &director::Report) -> String {
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
