//! `cargo xtask bench vrrp`: Mainstay and keepalived side by side, in one run, as ratios.
//!
//! Takeover times after a kill, a polite stop and a link that goes down, at three advert intervals; then the cost of a
//! thousand instances. Root is needed, or a kernel that lets users make user namespaces; keepalived must be installed.

#[path = "../common/mod.rs"]
mod common;
mod pair;
mod scale;
mod takeover;

use std::time::Instant;

use anyhow::Result;
use clap::{Parser, ValueEnum};

use common::report::Report;
use common::{Contestants, Replacements};

/// Mainstay and keepalived side by side.
#[derive(Debug, Parser)]
struct Options {
    /// A few measurements of each kind only: under five minutes
    #[arg(long)]
    quick: bool,
    /// Measurements of each takeover at the fast adverts
    #[arg(short = 'n', value_name = "COUNT")]
    count: Option<usize>,
    /// Only these parts
    #[arg(value_enum)]
    parts: Vec<Part>,
    #[command(flatten)]
    replacements: Replacements,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Takeover times.
    Takeover,
    /// A thousand instances.
    Scale,
}

fn main() -> Result<()> {
    let options = Options::parse();
    mainstay::lab::user::enter()?;
    let start = Instant::now();
    let contestants = Contestants::new(options.replacements.clone());
    let wanted = |part| options.parts.is_empty() || options.parts.contains(&part);
    let mut report = Report::default();
    if wanted(Part::Takeover) {
        let fast = options.count.unwrap_or(if options.quick { 5 } else { 20 });
        let slow = options.count.unwrap_or(20).min(if options.quick { 2 } else { 8 });
        takeover::run(&contestants, fast, slow, &mut report)?;
    }
    if wanted(Part::Scale) {
        scale::run(&contestants, options.quick, &mut report)?;
    }
    report.end();
    println!("took {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}
