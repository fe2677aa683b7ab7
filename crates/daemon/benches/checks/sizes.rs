//! TCP checks of real listeners, from a hundred to fifty thousand.

use std::net::Ipv4Addr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mainstay::lab::{Lab, Node, wait_until};

use super::bare::{self, Cost};
use super::common::Both;
use super::common::report::{Report, Target};
use super::listeners::{Layout, Listeners};
use super::precise;
use super::subject::{Checks, PATIENCE, Programs, Side, Subject};

/// `connect_timeout`.
const TIMEOUT: Duration = Duration::from_secs(1);
/// How long the bare loop runs before a contestant, and again after it.
const BARE_WINDOW: Duration = Duration::from_secs(5);
/// Servers that are killed, one after the other.
const KILLED: usize = 5;

/// What one contestant came to with so many checks.
#[derive(Debug, Clone, Copy, Default)]
struct Figures {
    all_up: f64,
    false_failures: f64,
    removed: f64,
    cpu_us: f64,
    bare_us: f64,
    per_second: f64,
    rss: f64,
    reload: f64,
    stop: f64,
    left: f64,
}

/// Measures both by turns at each size; the first one gives the memory that is no check's.
pub fn run(programs: &Programs, sizes: &[(usize, u64)], window: Duration, report: &mut Report) -> Result<()> {
    let mut base = Both::<f64>::default();
    for (place, &(count, delay)) in [(1, 1)].iter().chain(sizes).enumerate() {
        let mut figures = Both::<Figures>::default();
        for (index, side) in Side::BOTH.into_iter().enumerate() {
            let delay = Duration::from_secs(delay);
            let window = (place > 0).then_some(window.max(delay * 2));
            let measured = round(programs, side, count, delay, window);
            *figures.side(index) = measured.with_context(|| format!("{side:?}, {count} checks"))?;
        }
        if place == 0 {
            base = figures.map(|figures| figures.rss);
        } else {
            tell(count, delay, &figures, &base, programs.kernel, report);
        }
    }
    Ok(())
}

fn tell(
    count: usize,
    delay: u64,
    figures: &Both<Figures>,
    base: &Both<f64>,
    kernel: bool,
    report: &mut Report,
) {
    report.heading(&format!(
        "{count} TCP checks, delay_loop and warmup {delay} s, connect_timeout {} s, retry 0",
        TIMEOUT.as_secs()
    ));
    let (delay, checks) = (precise(delay as usize), precise(count));
    let mut line = |what: &str, unit: &str, places, of: fn(&Figures) -> f64, target, note: &str| {
        report.line(what, unit, places, &figures.map(of), target, note);
    };
    line("false failures", "", 0, |f| f.false_failures, Target::AtMost(0.0), "");
    line("start until every check has its verdict", " s", 2, |f| f.all_up, Target::AtMost(delay + 2.0), "");
    let bound = delay + TIMEOUT.as_secs_f64() + 1.0;
    line("killed listener removed, slowest of 5", " s", 2, |f| f.removed, Target::AtMost(bound), "");
    let note = format!("{:.0} a second", figures.ours.per_second);
    line("CPU of a check", " us", 1, |f| f.cpu_us, Target::Less, &note);
    let note = format!("bare {:.1} us", figures.ours.bare_us);
    line("  times that of a bare epoll loop", "", 2, |f| f.cpu_us / f.bare_us, Target::AtMost(1.3), &note);
    let bytes = Both {
        ours: (figures.ours.rss - base.ours) / checks,
        theirs: (figures.theirs.rss - base.theirs) / checks,
    };
    let note = format!("all {:.1} MB, {:.1} MB", figures.ours.rss / 1e6, figures.theirs.rss / 1e6);
    // The fifty pages a hundred checks touch are no check's.
    let target = if count < 1_000 { Target::None } else { Target::AtMost(2048.0) };
    report.line("RSS of a check, beyond one check's", " B", 0, &bytes, target, &note);
    let mut line = |what: &str, unit: &str, places, of: fn(&Figures) -> f64, target| {
        report.line(what, unit, places, &figures.map(of), target, "");
    };
    let target = if count <= 10_000 { Target::AtMost(0.3) } else { Target::None };
    line("reload of the same file", " s", 3, |f| f.reload, target);
    line("SIGTERM until the end", " s", 3, |f| f.stop, Target::AtMost(1.0));
    if kernel {
        line("left in the table", "", 0, |f| f.left, Target::AtMost(0.0));
    }
}

/// Without a window only the memory is looked at.
fn round(
    programs: &Programs,
    side: Side,
    count: usize,
    delay: Duration,
    window: Option<Duration>,
) -> Result<Figures> {
    let lab = Lab::new(&format!("checks-{side:?}-{count}"))?;
    let node = lab.bare_node("balancer")?;
    let layout = Layout::new(count, Ipv4Addr::new(127, 0, 1, 1));
    let listeners = Listeners::start(node.namespace(), layout)?;
    let checks = Checks::tcp(layout, delay, TIMEOUT);
    let bare = || {
        // What Mainstay has made when its window begins: one each, and those of a second.
        let before = count + count / delay.as_secs().max(1) as usize;
        let window = window.unwrap_or_default().min(BARE_WINDOW);
        bare::measure(node.namespace(), layout, delay, before, window)
    };
    let bare_before = if window.is_some() { bare()? } else { Cost::default() };
    let mut subject = Subject::start((&lab, &node), programs, side, &checks, "")?;
    let mut figures = Figures { all_up: subject.all_up(PATIENCE), ..Figures::default() };
    ensure!(subject.up() > 0, "nothing is up\n{}", subject.last_words());
    thread::sleep(Duration::from_secs(1));

    figures.rss = precise(subject.memory());
    let Some(window) = window else { return Ok(figures) };
    listeners.look();
    let (cpu, start) = (subject.cpu(), Instant::now());
    thread::sleep(window);
    let arrived = listeners.look().iter().map(|seen| seen.count).sum();
    let (cpu, took) = (subject.cpu() - cpu, start.elapsed());
    figures.rss = precise(subject.memory());
    figures.cpu_us = cpu.as_secs_f64() * 1e6 / precise(arrived);
    figures.per_second = precise(arrived) / took.as_secs_f64();

    let before = subject.downs().len();
    figures.removed = kill_some(&subject, &listeners, layout)?;
    let downs = subject.downs();
    let expected = KILLED * layout.per_socket;
    figures.false_failures = precise(before + downs.len().saturating_sub(before + expected));

    figures.reload = subject.reload(side, count)?;
    figures.stop = subject.stop().with_context(|| subject.last_words())?;
    figures.left = precise(left_in_table(&node));

    figures.bare_us = bare_before.with(bare()?);
    Ok(figures)
}

/// Kills listeners that are far apart, at moments that are, too. Seconds until the slowest of their checks is down.
fn kill_some(subject: &Subject, listeners: &Listeners, layout: Layout) -> Result<f64> {
    let mut killed = Vec::new();
    for number in 0..KILLED {
        let check = layout.count / KILLED * number / layout.per_socket * layout.per_socket;
        listeners.kill(check);
        killed.push((check..check + layout.per_socket, Instant::now()));
        thread::sleep(Duration::from_millis(150));
    }
    let slowest = || {
        let downs = subject.downs();
        let mut slowest = Duration::ZERO;
        for (checks, at) in &killed {
            for check in checks.clone() {
                let down = downs.iter().find(|(down, which)| *which == check && down > at)?;
                slowest = slowest.max(down.0 - *at);
            }
        }
        Some(slowest)
    };
    wait_until("the killed listeners are removed", PATIENCE, || slowest().is_some())?;
    Ok(slowest().map_or(f64::NAN, |slowest| slowest.as_secs_f64()))
}

/// Services and destinations in the kernel's table.
fn left_in_table(node: &Node) -> usize {
    let table = node.namespace().run(|| std::fs::read_to_string("/proc/thread-self/net/ip_vs"));
    let table = table.ok().and_then(Result::ok).unwrap_or_default();
    // Three lines are headings.
    table.lines().count().saturating_sub(3)
}
