//! Servers that are far away, and a checker that is stopped now and then: nobody is to be blamed for either.

use std::net::Ipv4Addr;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mainstay::lab::Lab;
use mainstay::lab::process::send;
use nix::sys::signal::Signal;

use super::common::Both;
use super::common::report::{Report, Target};
use super::listeners::{Layout, Listeners};
use super::precise;
use super::subject::{Checks, Programs, Side, Subject};
use super::wire::Wire;

const ROUND_TRIP: Duration = Duration::from_millis(800);
/// `connect_timeout`; nothing is retried.
const TIMEOUT: Duration = Duration::from_secs(1);
/// How long the first verdicts may take beyond `warmup` before it goes on without them.
const ALL_UP_PATIENCE: Duration = Duration::from_secs(10);
/// How long all processes are stopped at a time, longer than a timeout.
const STOPPED: Duration = Duration::from_millis(1500);
const TIMES: u32 = 3;
/// By how much a check may be late for another reason than having been stopped.
const GRACE: Duration = Duration::from_millis(250);

/// By how much the wire may be late: half of what a check can wait beyond the round trip.
const TOLERATED: Duration = Duration::from_millis(100);
/// How often all is measured anew if it was later.
const TRIES: u32 = 3;

#[derive(Debug, Clone, Copy, Default)]
struct Figures {
    all_up: f64,
    never: f64,
    false_far: f64,
    gap_far: f64,
    false_stopped: f64,
    gap_stopped: f64,
    /// Of the wire, while failures were counted.
    wire_late: f64,
    wire_lost: f64,
}

impl Figures {
    /// Whether the wire was what it should be; if not, failures may be real ones.
    fn are_worth_something(&self) -> bool {
        self.wire_late <= TOLERATED.as_secs_f64() && self.wire_lost == 0.0
    }
}

/// Measures both, one after the other.
pub fn run(programs: &Programs, count: usize, delay: Duration, report: &mut Report) -> Result<()> {
    let mut figures = Both::<Figures>::default();
    for (index, side) in Side::BOTH.into_iter().enumerate() {
        for _ in 0..TRIES {
            let measured = measure(programs, side, count, delay).with_context(|| format!("{side:?}"))?;
            *figures.side(index) = measured;
            if measured.are_worth_something() {
                break;
            }
            println!(
                "  (the wire was {:.0} ms late and lost {} frames: once more)",
                measured.wire_late * 1e3,
                measured.wire_lost
            );
        }
    }
    report.heading(&format!(
        "{count} TCP checks, round trip {} s, connect_timeout {} s, retry 0, delay_loop and warmup {} s",
        ROUND_TRIP.as_secs_f64(),
        TIMEOUT.as_secs(),
        delay.as_secs()
    ));
    let mut line = |what: &str, unit, places, of: fn(&Figures) -> f64, most: Duration| {
        report.line(what, unit, places, &figures.map(of), Target::AtMost(most.as_secs_f64()), "");
    };
    line(
        "start until every check has its verdict",
        " s",
        2,
        |f| f.all_up,
        delay + ROUND_TRIP + Duration::from_secs(2),
    );
    line("  and without one some seconds later", "", 0, |f| f.never, Duration::ZERO);
    line("false failures", "", 0, |f| f.false_far, Duration::ZERO);
    line("longest time between two checks of a server", " s", 2, |f| f.gap_far, delay + GRACE);
    line("false failures, stopped 3 times for 1.5 s", "", 0, |f| f.false_stopped, Duration::ZERO);
    line("longest time between two checks of a server", " s", 2, |f| f.gap_stopped, delay + STOPPED + GRACE);
    line("the wire of this benchmark was late by", " s", 3, |f| f.wire_late, TOLERATED);
    line("  and lost frames", "", 0, |f| f.wire_lost, Duration::ZERO);
    Ok(())
}

fn measure(programs: &Programs, side: Side, count: usize, delay: Duration) -> Result<Figures> {
    let lab = Lab::new(&format!("trouble-{side:?}"))?;
    let (balancer, servers) = (lab.bare_node("balancer")?, lab.bare_node("servers")?);
    let wire = Wire::join([(&balancer, "10.8.0.1/24"), (&servers, "10.8.0.2/24")], ROUND_TRIP / 2)?;
    let layout = Layout::new(count, Ipv4Addr::new(10, 8, 0, 2));
    let listeners = Listeners::start(servers.namespace(), layout)?;
    let checks = Checks::tcp(layout, delay, TIMEOUT);
    let subject = Subject::start((&lab, &balancer), programs, side, &checks, "")?;
    let all_up = subject.all_up(delay + ALL_UP_PATIENCE);
    let mut figures = Figures { all_up, never: precise(count - subject.up()), ..Figures::default() };
    ensure!(subject.up() > 0, "nothing is up\n{}", subject.last_words());
    // From here on every check has its place in its period.
    thread::sleep(delay);

    let longest = |listeners: &Listeners| {
        let arrivals = listeners.look();
        let silent = arrivals.iter().any(|seen| seen.count < 2);
        let longest = arrivals.iter().map(|seen| seen.longest).max().unwrap_or_default();
        if silent { f64::NAN } else { longest.as_secs_f64() }
    };
    listeners.look();
    wire.faults();
    let before = subject.downs().len();
    thread::sleep(delay * 2 + GRACE);
    figures.gap_far = longest(&listeners);
    let between = subject.downs().len();
    figures.false_far = precise(between - before);

    for _ in 0..TIMES {
        let processes = subject.process.tree();
        processes.iter().for_each(|pid| send(*pid, Signal::SIGSTOP));
        thread::sleep(STOPPED);
        processes.iter().for_each(|pid| send(*pid, Signal::SIGCONT));
        thread::sleep(delay);
    }
    thread::sleep(TIMEOUT * 2);
    figures.gap_stopped = longest(&listeners);
    figures.false_stopped = precise(subject.downs().len() - between);
    let faults = wire.faults();
    (figures.wire_late, figures.wire_lost) = (faults.late.as_secs_f64(), precise(faults.lost));
    Ok(figures)
}
