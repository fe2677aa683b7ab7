//! A thousand instances at ten adverts a second: what they cost, and what a start, a reload and a stop do to the peer.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use mainstay::lab::{AddressWatch, Daemon, Lab, Node, Program};

use super::common::report::{Report, Target};
use super::common::{Contestants, usage};

/// Links between the two nodes, with [`PER_LINK`] instances each: 255 is the most a link can carry.
const LINKS: usize = 4;
const PER_LINK: usize = 250;
const INSTANCES: usize = LINKS * PER_LINK;

/// Time between the adverts of one instance.
const ADVERT: Duration = Duration::from_millis(100);

/// What the protocol has a lone node of priority 150 wait before it becomes master: 3 adverts and the skew.
const PROTOCOL_WAIT: f64 = 0.3 + 0.1 * 106.0 / 256.0;

/// How long anything may take before the benchmark is given up.
const PATIENCE: Duration = Duration::from_secs(90);

/// What one round of one contestant came to.
#[derive(Debug, Clone, Copy)]
struct Round {
    all_master: f64,
    cpu_master: f64,
    cpu_backup: f64,
    rss: f64,
    pss: f64,
    unprovoked: f64,
    same_reload: f64,
    changed_reload: f64,
    changed_until: f64,
    stop: f64,
    handed_over: f64,
    left_behind: f64,
}

/// Measures both, by turns.
pub fn run(contestants: &Contestants, quick: bool, report: &mut Report) -> Result<()> {
    let (rounds, window) = if quick { (1, 5) } else { (2, 20) };
    report.heading(&format!(
        "{INSTANCES} instances at {} s, {LINKS} links, priorities 150 and 100, VRRPv3: median of {rounds}, CPU over {window} s",
        ADVERT.as_secs_f64()
    ));
    let results =
        contestants.by_turns(rounds, |name, program| round(name, program, Duration::from_secs(window)))?;
    let figure = |of| results.median_of(of);
    let ready = Target::AtMost(((PROTOCOL_WAIT + 0.5) * 100.0).round() / 100.0);
    report.line("start until all are MASTER", " s", 2, &figure(|r| r.all_master), ready, "");
    report.line("CPU of the master, of one core", " %", 2, &figure(|r| r.cpu_master), Target::Ratio(0.8), "");
    report.line("CPU of the backup, of one core", " %", 2, &figure(|r| r.cpu_backup), Target::Ratio(0.8), "");
    report.line("RSS of all processes of the master", " MB", 1, &figure(|r| r.rss), Target::AtMost(20.0), "");
    report.line("PSS of all processes of the master", " MB", 1, &figure(|r| r.pss), Target::None, "");
    report.line(
        "transitions of the peer while nothing happens",
        "",
        0,
        &figure(|r| r.unprovoked),
        Target::AtMost(0.0),
        "",
    );
    report.line("  after an unchanged reload", "", 0, &figure(|r| r.same_reload), Target::AtMost(0.0), "");
    report.line(
        "  after a reload that adds 100 addresses",
        "",
        0,
        &figure(|r| r.changed_reload),
        Target::AtMost(0.0),
        "",
    );
    report.line(
        "reload until the 100 addresses are there",
        " s",
        2,
        &figure(|r| r.changed_until),
        Target::None,
        "",
    );
    report.line(
        "addresses left behind by a stop",
        "",
        0,
        &figure(|r| r.left_behind),
        Target::AtMost(0.0),
        "",
    );
    report.line("SIGTERM until the end", " s", 2, &figure(|r| r.stop), Target::AtMost(1.0), "");
    report.line(
        "SIGTERM until the peer has all addresses",
        " s",
        2,
        &figure(|r| r.handed_over),
        Target::None,
        "",
    );
    Ok(())
}

fn round(name: &str, program: &Program, window: Duration) -> Result<Round> {
    let lab = Lab::new(&format!("scale-{name}"))?;
    let (a, b) = two_nodes(&lab)?;
    let watches = [a.watch_addresses()?, b.watch_addresses()?];
    let plain = configuration(150, false);

    let start = Instant::now();
    let mut master = a.start(program, &plain)?;
    wait("all are master", || had(&watches[0], &a, INSTANCES)).with_context(|| last_words(&master))?;
    let all_master = since(start, &watches[0]);

    let mut backup = b.start(program, &configuration(100, false))?;
    let settled = || backup.logged("Entering BACKUP STATE") >= INSTANCES;
    wait("all of the peer are backup", settled).with_context(|| last_words(&backup))?;
    thread::sleep(Duration::from_secs(3));

    let (before, processes) = (transitions(&backup), [master.process().tree(), backup.process().tree()]);
    let (cpu_before, clock) = (processes.each_ref().map(|pids| usage::cpu_time(pids)), Instant::now());
    thread::sleep(window);
    let elapsed = clock.elapsed().as_secs_f64();
    let cpu_after = processes.each_ref().map(|pids| usage::cpu_time(pids));
    let cpu = |index: usize| (cpu_after[index] - cpu_before[index]).as_secs_f64() / elapsed * 100.0;
    let memory = usage::memory(&processes[0]);
    let unprovoked = transitions(&backup) - before;

    let before = transitions(&backup);
    master.reload(&plain)?;
    thread::sleep(Duration::from_secs(4));
    let same_reload = transitions(&backup) - before;

    let before = transitions(&backup);
    let start = Instant::now();
    master.reload(&configuration(150, true))?;
    wait("the added addresses are there", || had(&watches[0], &a, INSTANCES + INSTANCES / 10))?;
    let changed_until = since(start, &watches[0]);
    thread::sleep(Duration::from_secs(4));
    let changed_reload = transitions(&backup) - before;

    let start = Instant::now();
    master.terminate(PATIENCE)?;
    let stop = start.elapsed().as_secs_f64();
    wait("the peer has all addresses", || had(&watches[1], &b, INSTANCES))
        .with_context(|| last_words(&backup))?;
    let handed_over = since(start, &watches[1]);
    let left_behind = held(&a);
    backup.terminate(PATIENCE)?;
    #[expect(clippy::cast_precision_loss, reason = "counts and bytes far below 2^52")]
    Ok(Round {
        all_master,
        cpu_master: cpu(0),
        cpu_backup: cpu(1),
        rss: memory.rss as f64 / 1e6,
        pss: memory.pss as f64 / 1e6,
        unprovoked: unprovoked as f64,
        same_reload: same_reload as f64,
        changed_reload: changed_reload as f64,
        changed_until,
        stop,
        handed_over,
        left_behind: left_behind as f64,
    })
}

/// Two nodes with [`LINKS`] cables between them and nothing else.
fn two_nodes(lab: &Lab) -> Result<(Node, Node)> {
    let (a, b) = (lab.bare_node("a")?, lab.bare_node("b")?);
    let other = b.namespace().path();
    for link in 0..LINKS {
        a.namespace()
            .ip(&format!("link add v{link} type veth peer name v{link} netns {}", other.display()))?;
        for (node, host) in [(&a, 1), (&b, 2)] {
            node.namespace().ip(&format!("link set v{link} up"))?;
            node.add_address(&format!("v{link}"), &format!("10.{}.0.{host}/16", 100 + link))?;
        }
    }
    Ok((a, b))
}

/// Every tenth instance has a second address if `more`.
fn configuration(priority: u8, more: bool) -> String {
    let mut text = String::new();
    for instance in 0..INSTANCES {
        let (link, vrid) = (instance / PER_LINK, instance % PER_LINK + 1);
        let network = 100 + link;
        let second =
            if more && instance % 10 == 0 { format!(" 10.{network}.2.{vrid}/32") } else { String::new() };
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "vrrp_instance v{instance} {{
    version 3
    state {state}
    interface v{link}
    virtual_router_id {vrid}
    priority {priority}
    advert_int {advert}
    virtual_ipaddress {{
        10.{network}.1.{vrid}/32
        {second}
    }}
}}
",
            state = if priority > 100 { "MASTER" } else { "BACKUP" },
            advert = ADVERT.as_secs_f64(),
        );
    }
    text
}

/// Waits, with looks that are far enough apart not to weigh on what is measured.
fn wait(what: &str, mut holds: impl FnMut() -> bool) -> Result<()> {
    let start = Instant::now();
    while !holds() {
        if start.elapsed() > PATIENCE {
            bail!("waited {} s in vain: {what}", PATIENCE.as_secs());
        }
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// Whether the node has this many virtual addresses, by what the kernel told of them. Should it have dropped some of
/// that, it is asked after a second of silence: asking takes the lock everybody else waits for.
fn had(watch: &AddressWatch, node: &Node, count: usize) -> bool {
    let mut present = BTreeSet::new();
    let changes = watch.changes();
    for change in &changes {
        if change.present {
            present.insert(change.address)
        } else {
            present.remove(&change.address)
        };
    }
    let silent = changes.last().is_none_or(|last| last.at.elapsed() > Duration::from_secs(1));
    present.len() == count || (!changes.is_empty() && silent && held(node) == count)
}

/// Seconds from `start` to the last address that came or went.
fn since(start: Instant, watch: &AddressWatch) -> f64 {
    let last = watch.changes().last().map_or(start, |change| change.at);
    last.saturating_duration_since(start).as_secs_f64()
}

/// How many virtual addresses a node has.
fn held(node: &Node) -> usize {
    node.addresses().len().saturating_sub(LINKS)
}

/// State changes a daemon has logged.
fn transitions(daemon: &Daemon) -> usize {
    let log = daemon.log();
    log.lines().filter(|line| line.contains("Entering ") && line.contains(" STATE")).count()
}

fn last_words(daemon: &Daemon) -> String {
    let log = daemon.log();
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
