//! `cargo xtask bench floods`: bad packets, two and five hundred a second of each kind, at Mainstay and at keepalived.
//!
//! A packet that is not accepted must change nothing: no takeover, no change of state, next to nothing in the log.

mod arena;
#[path = "../common/mod.rs"]
mod common;
mod packets;

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Parser;

use arena::{Arena, Damage, Setting};
use common::{Both, Contestants, Replacements};
use packets::Kind;

/// Log lines both nodes together may write about one sender and reason within a minute: one, and one with the count.
const LINES: usize = 4;

/// Bad packets at Mainstay and at keepalived.
#[derive(Debug, Parser)]
struct Options {
    /// Short floods
    #[arg(long)]
    quick: bool,
    #[command(flatten)]
    replacements: Replacements,
}

fn main() -> Result<()> {
    let options = Options::parse();
    mainstay::lab::user::enter()?;
    let start = Instant::now();
    let contestants = Contestants::new(options.replacements);
    let (slow, fast) = if options.quick { (4.5, 2.0) } else { (8.0, 4.0) };
    let setting = |version, advert: f64, rate, length: f64| Setting {
        version,
        advert: Duration::from_secs_f64(advert),
        rate,
        length: Duration::from_secs_f64(length),
    };
    let mut short = 0;
    for (setting, kinds) in [
        (setting(3, 1.0, 2, slow), Kind::VERSION_3.as_slice()),
        (setting(3, 0.1, 500, fast), &Kind::VERSION_3),
        (setting(2, 1.0, 2, slow), &Kind::VERSION_2),
        (setting(2, 1.0, 500, slow), &Kind::VERSION_2),
    ] {
        short += compare(&contestants, setting, kinds)?;
    }
    println!("\n{short} lines short of their target; took {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// Floods both by turns and prints a line for each kind. Returns how many lines fell short.
fn compare(contestants: &Contestants, setting: Setting, kinds: &[Kind]) -> Result<usize> {
    println!(
        "\n{} bad packets a second for {} s, VRRPv{}, advert {} s (master and backup together; ours, theirs)",
        setting.rate,
        setting.length.as_secs_f64(),
        setting.version,
        setting.advert.as_secs_f64()
    );
    println!(
        "  {:<20} {:>9}  {:>13}  {:>11}  {:>15} {:>6}  verdict",
        "", "takeovers", "state changes", "log lines", "CPU %", "ratio"
    );
    let [(_, ours), (_, theirs)] = contestants.both();
    let mut arenas =
        [Arena::new("floods-ours", ours, setting)?, Arena::new("floods-theirs", theirs, setting)?];
    let mut short = 0;
    for &kind in kinds {
        let mut damage: Both<Option<Damage>> = Both::default();
        for (index, arena) in arenas.iter_mut().enumerate() {
            *damage.side(index) = Some(arena.flood(kind).with_context(|| kind.name().to_owned())?);
        }
        if let (Some(ours), Some(theirs)) = (damage.ours, damage.theirs) {
            short += usize::from(!line(kind, ours, theirs));
        }
    }
    for arena in arenas {
        arena.end()?;
    }
    Ok(short)
}

/// Prints one line; true if nothing happened to us that must not.
fn line(kind: Kind, ours: Damage, theirs: Damage) -> bool {
    let unharmed = ours.takeovers == 0 && ours.changes == 0 && ours.lines <= LINES;
    let cheaper = ours.cpu < theirs.cpu;
    let pair = |ours: usize, theirs: usize| format!("{ours:>4} {theirs:>4}");
    let verdict = match (unharmed, cheaper) {
        (true, true) => "ok",
        (true, false) => "short: CPU",
        (false, _) => "short: harmed",
    };
    println!(
        "  {:<20} {:>9}  {:>13}  {:>11}  {:>7.3} {:>7.3} {:>6.2}  {verdict}",
        kind.name(),
        pair(ours.takeovers, theirs.takeovers),
        pair(ours.changes, theirs.changes),
        pair(ours.lines, theirs.lines),
        ours.cpu,
        theirs.cpu,
        ours.cpu / theirs.cpu,
    );
    unharmed && cheaper
}
