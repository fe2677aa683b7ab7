//! A thousand instances at ten adverts a second: what they cost, and what a start, a reload and a stop do to the peer.

use std::fmt::Write;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mainstay::lab::{Daemon, Lab, Node, Program, wait_until};

use super::common::report::{Report, Target};
use super::common::{Both, Contestants, median, usage};

/// Links between the two nodes, with [`PER_LINK`] instances each: 255 is the most a link can carry.
const LINKS: usize = 4;
const PER_LINK: usize = 250;
const INSTANCES: usize = LINKS * PER_LINK;

/// Time between the adverts of one instance.
const ADVERT: Duration = Duration::from_millis(100);

/// What the protocol has a lone node of priority 150 wait before it becomes master: 3 adverts and the skew.
const PROTOCOL_WAIT: f64 = 0.3 + 0.1 * 106.0 / 256.0;

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
}

/// Measures both, by turns.
pub fn run(contestants: &Contestants, quick: bool, report: &mut Report) -> Result<()> {
    let (rounds, window) = if quick { (1, 5) } else { (2, 20) };
    report.heading(&format!(
        "{INSTANCES} instances at {} s, {LINKS} links, priorities 150 and 100, VRRPv3: median of {rounds}, CPU over {window} s",
        ADVERT.as_secs_f64()
    ));
    let mut results: Both<Vec<Round>> = Both::default();
    for _ in 0..rounds {
        for (index, (name, program)) in contestants.both().into_iter().enumerate() {
            let result = round(name, program, Duration::from_secs(window));
            results.side(index).push(result.with_context(|| name.to_owned())?);
        }
    }
    let figure =
        |of: fn(&Round) -> f64| results.map(|rounds| median(&rounds.iter().map(of).collect::<Vec<_>>()));
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
    report.line("SIGTERM until the end", " s", 2, &figure(|r| r.stop), Target::AtMost(1.0), "");
    Ok(())
}

fn round(name: &str, program: &Program, window: Duration) -> Result<Round> {
    let lab = Lab::new(&format!("scale-{name}"))?;
    let (a, b) = two_nodes(&lab)?;
    let plain = configuration(150, false);

    let start = Instant::now();
    let mut master = a.start(program, &plain)?;
    let patience = Duration::from_secs(60);
    wait_until("all are master", patience, || held(&a) == INSTANCES).with_context(|| last_words(&master))?;
    let all_master = start.elapsed().as_secs_f64();

    let mut backup = b.start(program, &configuration(100, false))?;
    let settled = || backup.logged("Entering BACKUP STATE") >= INSTANCES;
    wait_until("all of the peer are backup", patience, settled).with_context(|| last_words(&backup))?;
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
    wait_until("the added addresses are there", patience, || held(&a) == INSTANCES + INSTANCES / 10)?;
    let changed_until = start.elapsed().as_secs_f64();
    thread::sleep(Duration::from_secs(4));
    let changed_reload = transitions(&backup) - before;

    let start = Instant::now();
    master.terminate(patience)?;
    let stop = start.elapsed().as_secs_f64();
    ensure!(held(&a) == 0, "{} addresses were left behind", held(&a));
    backup.terminate(patience)?;
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
