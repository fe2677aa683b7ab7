//! `cargo xtask bench bfd`: a hundred BFD sessions at 10 ms x 3 beside ten virtual routers, between two nodes that run the
//! same program: how soon all are up, whether any goes down although nothing happens, what that costs, and how long the
//! other end is silent before its loss is noticed.
//!
//! On a machine that runs other things a session may go down for a good reason: nothing was sent, or nobody ran to read
//! it, for 30 ms.

#[path = "../common/mod.rs"]
mod common;

use std::fmt::Write as _;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Parser;
use mainstay::lab::{Daemon, Lab, Program, wait_until};

use common::report::{Report, Target};
use common::{Contestants, Replacements, median, range, usage};

/// Sessions between the two nodes.
const SESSIONS: usize = 100;

/// Virtual routers beside them, at an advert interval of 0.1 s.
const INSTANCES: usize = 10;

/// How long anything may take before the benchmark is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// BFD sessions: Mainstay and keepalived.
#[derive(Debug, Parser)]
struct Options {
    /// One round of each with a short window
    #[arg(long)]
    quick: bool,
    #[command(flatten)]
    replacements: Replacements,
}

/// What one round of one contestant came to.
#[derive(Debug, Clone)]
struct Round {
    all_up: f64,
    lost: f64,
    transitions: f64,
    cpu: f64,
    /// Milliseconds, of each session.
    silences: Vec<f64>,
}

fn main() -> Result<ExitCode> {
    let options = Options::parse();
    mainstay::lab::user::enter()?;
    let (rounds, window) = if options.quick { (1, 5) } else { (3, 20) };
    let contestants = Contestants::new(options.replacements);
    let mut report = Report::default();
    report.heading(&format!(
        "{SESSIONS} sessions at 10 ms x 3 and {INSTANCES} instances at 0.1 s: median of {rounds}, over {window} s"
    ));
    let results =
        contestants.by_turns(rounds, |name, program| round(name, program, Duration::from_secs(window)))?;
    let figure = |of| results.median_of(of);
    let never = Target::AtMost(0.0);
    report.line("start of the second until all are up", " s", 2, &figure(|r| r.all_up), Target::None, "");
    report.line("sessions lost while nothing happens", "", 0, &figure(|r| r.lost), never, "");
    report.line("transitions of VRRP meanwhile", "", 0, &figure(|r| r.transitions), never, "");
    report.line("CPU of one node, of one core", " %", 1, &figure(|r| r.cpu), Target::Ratio(1.0), "");
    let silence = figure(|r| median(&r.silences));
    report.line("silence until a loss is noticed, median", " ms", 1, &silence, Target::AtMost(40.0), "");
    let worst = figure(|r| range(&r.silences).1);
    report.line("silence until a loss is noticed, longest", " ms", 1, &worst, Target::AtMost(40.0), "");
    report.end();
    Ok(if report.short() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn round(name: &str, program: &Program, window: Duration) -> Result<Round> {
    let lab = Lab::new(&format!("bfd-{name}"))?;
    let addresses = |side: usize| -> Vec<String> {
        let ends = (1..=SESSIONS).map(|number| format!("10.1.{side}.{number}/16"));
        std::iter::once(format!("10.0.0.{side}/24")).chain(ends).collect()
    };
    let node = |name: &str, side: usize| {
        let addresses = addresses(side);
        lab.node(name, &addresses.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let (a, b) = (node("a", 1)?, node("b", 2)?);
    let mut first = a.start(program, &configuration(1, 150))?;
    wait_until("the first is master", PATIENCE, || first.logged("Entering MASTER STATE") >= INSTANCES)?;

    let start = Instant::now();
    let second = b.start(program, &configuration(2, 100))?;
    let up = |daemon: &Daemon| daemon.logged(") Entering Up state");
    wait_until("all sessions are up", PATIENCE, || up(&first) >= SESSIONS && up(&second) >= SESSIONS)?;
    let all_up = start.elapsed().as_secs_f64();
    thread::sleep(Duration::from_secs(2));

    let down = || first.logged(") Entering Down state") + second.logged(") Entering Down state");
    let moves = || transitions(&first) + transitions(&second);
    let (lost_before, moves_before, pids) = (down(), moves(), first.process().tree());
    let (cpu_before, clock) = (usage::cpu_time(&pids), Instant::now());
    thread::sleep(window);
    let elapsed = clock.elapsed().as_secs_f64();
    let cpu = (usage::cpu_time(&pids) - cpu_before).as_secs_f64() / elapsed * 100.0;
    let down = || first.logged(") Entering Down state") + second.logged(") Entering Down state");
    let moves = || transitions(&first) + transitions(&second);
    let (lost, transitions) = ((down() - lost_before) as f64, (moves() - moves_before) as f64);

    let before = first.logged(") Entering Down state");
    b.cut_port("eth0")?;
    wait_until("all sessions are down", PATIENCE, || {
        first.logged(") Entering Down state") >= before + SESSIONS
    })?;
    let mut silences: Vec<f64> = first.log().lines().filter_map(silence).collect();
    silences.drain(..silences.len().saturating_sub(SESSIONS));
    Ok(Round { all_up, lost, transitions, cpu, silences })
}

fn transitions(daemon: &Daemon) -> usize {
    daemon.logged("Entering MASTER STATE")
        + daemon.logged("Entering BACKUP STATE")
        + daemon.logged("Entering FAULT STATE")
}

/// Milliseconds of silence, in our words or in keepalived's.
fn silence(line: &str) -> Option<f64> {
    if let Some((_, ours)) = line.split_once("no packet of the neighbour for ") {
        return ours.split_once(" ms")?.0.parse().ok();
    }
    let (_, theirs) = line.split_once(") Expired after ")?;
    let (whole, rest) = theirs.split_once(" ms (")?;
    let overdue: f64 = rest.split_once(" usec")?.0.parse().ok()?;
    Some(whole.parse::<f64>().ok()? + overdue / 1_000.0)
}

fn configuration(side: usize, priority: u8) -> String {
    let mut text = String::from("global_defs {\n vrrp_version 3\n vrrp_garp_master_delay 0\n}\n");
    let other = 3 - side;
    for number in 1..=SESSIONS {
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "bfd_instance s{number} {{\n neighbor_ip 10.1.{other}.{number}\n source_ip 10.1.{side}.{number}\n \
             min_rx 10\n min_tx 10\n multiplier 3\n}}"
        );
    }
    for number in 1..=INSTANCES {
        let _ = writeln!(
            text,
            "vrrp_instance V{number} {{\n state BACKUP\n interface eth0\n virtual_router_id {number}\n \
             priority {priority}\n advert_int 0.1\n virtual_ipaddress {{\n  10.0.0.{}/24\n }}\n}}",
            100 + number
        );
    }
    text
}
