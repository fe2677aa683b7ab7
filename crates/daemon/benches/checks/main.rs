//! `cargo xtask bench checks`: health checks of Mainstay and keepalived side by side, in one run, as ratios.
//!
//! Thousands of listeners in a namespace are checked by both, one after the other. Where the kernel has ip_vs both
//! program it; elsewhere Mainstay keeps its table in memory, and keepalived is made to believe that the kernel takes its
//! (`pretend_ip_vs.c`). Root is needed, or a kernel that lets users make user namespaces; keepalived must be installed.

#[path = "../common/mod.rs"]
mod common;

mod bare;
mod beside;
mod listeners;
mod sizes;
mod subject;
mod trouble;
mod web;
mod wire;

use std::time::{Duration, Instant};

use anyhow::Result;
use clap::{Parser, ValueEnum};
use mainstay::lab::Lab;

use common::Replacements;
use common::report::Report;
use subject::Programs;
use web::Over;

/// Health checks of Mainstay and keepalived side by side.
#[derive(Debug, Parser)]
struct Options {
    /// Small sizes and short windows: under 90 seconds
    #[arg(long)]
    quick: bool,
    /// Sizes of the first part, as COUNT:DELAY_LOOP
    #[arg(long, value_parser = parse_size)]
    size: Vec<(usize, u64)>,
    /// Only these parts
    #[arg(value_enum)]
    parts: Vec<Part>,
    #[command(flatten)]
    replacements: Replacements,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// TCP checks, from a hundred to fifty thousand.
    Sizes,
    /// Servers far away, and a checker that is stopped now and then.
    Trouble,
    /// HTTP and TLS.
    Web,
    /// VRRP in the same daemon.
    Beside,
}

fn parse_size(word: &str) -> Result<(usize, u64), String> {
    let parse = || {
        let (count, delay) = word.split_once(':')?;
        Some((count.parse().ok()?, delay.parse().ok()?))
    };
    parse().ok_or_else(|| "COUNT:DELAY_LOOP, such as 1000:2".to_owned())
}

fn main() -> Result<()> {
    let options = Options::parse();
    mainstay::lab::user::enter()?;
    let start = Instant::now();
    let tools = Lab::new("checks-tools")?;
    let ours = options.replacements.ours.unwrap_or_else(|| env!("CARGO_BIN_EXE_mainstay").into());
    let theirs = options.replacements.theirs.unwrap_or_else(|| "keepalived".into());
    let programs = Programs::new(ours, theirs, tools.folder())?;
    let wanted = |part| options.parts.is_empty() || options.parts.contains(&part);
    let mut report = Report::default();
    println!(
        "IPVS: {}",
        if programs.kernel { "the kernel's" } else { "in memory (keepalived: a pretended one)" }
    );
    if wanted(Part::Sizes) {
        let sizes: &[(usize, u64)] = match (&options.size[..], options.quick) {
            ([], true) => &[(1_000, 2)],
            ([], false) => &[(100, 2), (1_000, 2), (10_000, 5), (50_000, 10)],
            (given, _) => given,
        };
        sizes::run(&programs, sizes, seconds(if options.quick { 3 } else { 6 }), &mut report)?;
    }
    if wanted(Part::Trouble) {
        trouble::run(&programs, 1_000, seconds(if options.quick { 2 } else { 4 }), &mut report)?;
    }
    if wanted(Part::Web) {
        for over in if options.quick { &[Over::Tls][..] } else { &[Over::Tcp, Over::Tls] } {
            let (rate, window) = if options.quick { (500, 4) } else { (2_000, 8) };
            web::run(&programs, *over, rate, seconds(window), &mut report)?;
        }
    }
    if wanted(Part::Beside) {
        let (count, delay) = if options.quick { (5_000, 4) } else { (50_000, 10) };
        beside::run(&programs, count, seconds(delay), &mut report)?;
    }
    report.end();
    println!("took {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A count as a figure.
#[expect(clippy::cast_precision_loss, reason = "counts and bytes far below 2^52")]
fn precise(count: usize) -> f64 {
    count as f64
}
