//! What the benchmarks share: the two contestants, what a process costs, and lines with a verdict.

// Each benchmark uses a part of this.
#![allow(dead_code)]

pub mod report;
pub mod usage;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use mainstay::lab::Program;

/// The words of the command line that every comparison has.
#[derive(Debug, Clone, Args)]
pub struct Replacements {
    /// Another program in the place of Mainstay
    #[arg(long, value_name = "PATH")]
    pub ours: Option<PathBuf>,
    /// Another program in the place of keepalived
    #[arg(long, value_name = "PATH")]
    pub theirs: Option<PathBuf>,
    /// Given by cargo, without effect
    #[arg(long, hide = true)]
    bench: bool,
}

/// Who competes. Everything is measured for both in one run, by turns, so that a machine that is slower this minute
/// is slower for both.
#[derive(Debug, Clone)]
pub struct Contestants {
    /// Mainstay, or the program given with `--ours`.
    pub ours: Program,
    /// Debian's keepalived, or the program given with `--theirs`.
    pub theirs: Program,
}

impl Contestants {
    /// The binary cargo has just built, and keepalived, unless told otherwise.
    pub fn new(replacements: Replacements) -> Self {
        let ours = replacements.ours.unwrap_or_else(|| env!("CARGO_BIN_EXE_mainstay").into());
        Self {
            ours: Program::mainstay(ours),
            theirs: replacements.theirs.map_or_else(Program::keepalived, Program::mainstay),
        }
    }

    /// So many rounds of both, by turns.
    ///
    /// # Errors
    /// The first round that fails, with whose it was.
    pub fn by_turns<R>(
        &self,
        rounds: usize,
        round: impl Fn(&str, &Program) -> Result<R>,
    ) -> Result<Both<Vec<R>>> {
        let mut results = Both { ours: Vec::new(), theirs: Vec::new() };
        for _ in 0..rounds {
            for (index, (name, program)) in self.both().into_iter().enumerate() {
                results.side(index).push(round(name, program).with_context(|| name.to_owned())?);
            }
        }
        Ok(results)
    }

    /// Both, ours first, with a short name.
    pub fn both(&self) -> [(&'static str, &Program); 2] {
        [("ours", &self.ours), ("theirs", &self.theirs)]
    }
}

/// One figure of ours beside one of theirs.
#[derive(Debug, Clone, Default)]
pub struct Both<T> {
    /// Mainstay's.
    pub ours: T,
    /// keepalived's.
    pub theirs: T,
}

impl<T> Both<T> {
    /// The one at 0 is ours, the one at 1 theirs, as in [`Contestants::both`].
    pub fn side(&mut self, index: usize) -> &mut T {
        if index == 0 { &mut self.ours } else { &mut self.theirs }
    }

    /// Another figure made of each.
    pub fn map<U>(&self, figure: impl Fn(&T) -> U) -> Both<U> {
        Both { ours: figure(&self.ours), theirs: figure(&self.theirs) }
    }
}

impl<R> Both<Vec<R>> {
    /// The median of one figure of the rounds of each.
    pub fn median_of(&self, figure: fn(&R) -> f64) -> Both<f64> {
        self.map(|rounds| median(&rounds.iter().map(figure).collect::<Vec<_>>()))
    }
}

/// Seconds as a fraction.
pub fn seconds(durations: &[Duration]) -> Vec<f64> {
    durations.iter().map(Duration::as_secs_f64).collect()
}

/// The median; the mean of the middle two if their number is even. `NaN` if there are none.
pub fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => sorted[count / 2],
        count => f64::midpoint(sorted[count / 2 - 1], sorted[count / 2]),
    }
}

/// The smallest and the greatest.
pub fn range(figures: &[f64]) -> (f64, f64) {
    figures
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &figure| (low.min(figure), high.max(figure)))
}
