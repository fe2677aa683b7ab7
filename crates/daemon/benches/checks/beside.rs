//! Fifty thousand checks and ten adverts a second in one daemon: the peer is not to notice.

use std::net::Ipv4Addr;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use mainstay::lab::{Lab, wait_until};

use super::common::Both;
use super::common::report::{Report, Target};
use super::listeners::{Layout, Listeners};
use super::precise;
use super::subject::{Checks, PATIENCE, Programs, Side, Subject};

const TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, Default)]
struct Figures {
    starting: f64,
    checking: f64,
    reloading: f64,
    false_failures: f64,
}

/// Measures both, one after the other.
pub fn run(programs: &Programs, count: usize, delay: Duration, report: &mut Report) -> Result<()> {
    let mut figures = Both::<Figures>::default();
    for (index, side) in Side::BOTH.into_iter().enumerate() {
        *figures.side(index) = measure(programs, side, count, delay).with_context(|| format!("{side:?}"))?;
    }
    report.heading(&format!(
        "{count} TCP checks, delay_loop {} s, beside a VRRP master at 0.1 s in the same daemon",
        delay.as_secs()
    ));
    let mut line = |what: &str, of: fn(&Figures) -> f64| {
        report.line(what, "", 0, &figures.map(of), Target::AtMost(0.0), "");
    };
    line("transitions of the peer until all have verdicts", |f| f.starting);
    line("  while they are checked", |f| f.checking);
    line("  during a reload of the same file", |f| f.reloading);
    line("false failures", |f| f.false_failures);
    Ok(())
}

fn measure(programs: &Programs, side: Side, count: usize, delay: Duration) -> Result<Figures> {
    let lab = Lab::new(&format!("beside-{side:?}"))?;
    let nodes = [lab.node("a", &["10.0.0.1/24"])?, lab.node("b", &["10.0.0.2/24"])?];
    let layout = Layout::new(count, Ipv4Addr::new(127, 0, 1, 1));
    let _listeners = Listeners::start(nodes[0].namespace(), layout)?;
    let checks = Checks::tcp(layout, delay, TIMEOUT);
    let mut subject = Subject::start((&lab, &nodes[0]), programs, side, &checks, &instance(150))?;
    wait_until("the first node is master", PATIENCE, || nodes[0].holds("10.0.0.100"))
        .with_context(|| subject.last_words())?;
    let peer = nodes[1].start(programs.program(side), &instance(100))?;
    wait_until("the second node is backup", PATIENCE, || peer.logged("Entering BACKUP STATE") > 0)
        .with_context(|| peer.log())?;
    let transitions =
        || peer.log().lines().filter(|l| l.contains("Entering ") && l.contains(" STATE")).count();

    let mut figures = Figures::default();
    let before = transitions();
    subject.all_up(PATIENCE);
    let started = transitions();
    figures.starting = precise(started - before);
    thread::sleep(delay);
    let checked = transitions();
    figures.checking = precise(checked - started);
    // keepalived may not be done with it; its peer is all that counts here.
    subject.ask_to_reload();
    thread::sleep(Duration::from_secs(3));
    figures.reloading = precise(transitions() - checked);
    figures.false_failures = precise(subject.downs().len());
    Ok(figures)
}

fn instance(priority: u8) -> String {
    format!(
        "vrrp_instance V1 {{\n version 3\n state {}\n interface eth0\n virtual_router_id 51\n priority {priority}\n \
         advert_int 0.1\n virtual_ipaddress {{\n  10.0.0.100/24\n }}\n}}\n",
        if priority > 100 { "MASTER" } else { "BACKUP" }
    )
}
