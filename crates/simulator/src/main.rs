//! Runs seeds, one seed or stories, and says what came of them.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use mainstay_simulator::campaign::{Campaign, Enough, REGRESSIONS, Summary};
use mainstay_simulator::compare::compare;
use mainstay_simulator::draw::Span;
use mainstay_simulator::explore::{Scope, explore};
use mainstay_simulator::fault::Cause;
use mainstay_simulator::shrink::shrink;
use mainstay_simulator::story;
use mainstay_simulator::trace::Mode;
use mainstay_simulator::world::{Outcome, World};
use mainstay_simulator::{replay, stories, table};

/// An exhaustive search gives up above this.
const MOST_STATES: usize = 4_000_000;

/// Simulated LANs of Mainstay nodes, with everything that may go wrong.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many seeds to run, each a minute full of trouble.
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// After the seeds, go on with long lives (up to a day each, with a fault now and then) until so many hours of
    /// nodes were simulated in all.
    #[arg(long, value_name = "HOURS", default_value_t = 0)]
    node_hours: u32,
    /// After that, run seeds nobody has run before, made from the time and printed, for so many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    fresh: u64,
    /// With --seed: the long life of that seed instead of its minute.
    #[arg(long)]
    life: bool,
    /// Only this seed, and tell its story.
    #[arg(long)]
    seed: Option<u64>,
    /// Print everything that happens (with --seed, --replay or a story).
    #[arg(long)]
    trace: bool,
    /// Show a failing seed as it was drawn, without making it smaller first.
    #[arg(long)]
    no_shrink: bool,
    /// Go on after a failing seed.
    #[arg(long)]
    keep_going: bool,
    /// Instead of seeds, explore everything that two or three nodes can do with this many faults.
    #[arg(long, value_name = "FAULTS")]
    exhaustive: Option<u8>,
    /// Nodes to explore.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(2..=3))]
    nodes: u8,
    /// Run the stories, the comparison with the RFC's table and the small exhaustive search before the seeds.
    #[arg(long)]
    everything: bool,
    /// Replay what a daemon recorded (`@mainstay record PATH`), and say whether the same orders come out.
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
    /// Print how long failovers take, by version, interval, priority and loss: the contents of `failover.tsv`.
    #[arg(long)]
    table: bool,
    /// Threads; as many as there are processors if not given.
    #[arg(long)]
    jobs: Option<NonZero<usize>>,
    /// Stories to run instead of seeds.
    stories: Vec<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool> {
    let mode = if arguments.trace { Mode::Printed } else { Mode::Silent };
    if arguments.table {
        print!("{}", table::table()?);
        return Ok(true);
    }
    if let Some(path) = &arguments.replay {
        return replay::play(path, arguments.trace);
    }
    if let Some(seed) = arguments.seed {
        let span = if arguments.life { Span::Life } else { Span::Minute };
        let scenario = span.draw(seed);
        println!("{}", story::tell(&scenario));
        let outcome = World::new(scenario, mode).run();
        print_violations(&outcome);
        print_dual(&outcome.dual);
        return Ok(outcome.violations.is_empty());
    }
    if let Some(faults) = arguments.exhaustive {
        return Ok(run_exhaustively(usize::from(arguments.nodes), faults));
    }
    if arguments.everything {
        return run_everything(arguments);
    }
    if arguments.stories.is_empty() {
        return Ok(run_seeds(arguments));
    }
    for path in &arguments.stories {
        stories::play(path, mode)?;
    }
    Ok(true)
}

/// Everything there is, each for a short while: what a mutant has to survive. What takes long comes last.
fn run_everything(arguments: &Arguments) -> Result<bool> {
    for path in stories::all() {
        stories::play(&path, Mode::Silent).context("story")?;
    }
    for first in REGRESSIONS {
        let until = Enough::Seeds(1);
        let summary = Campaign { span: Span::Minute, first, until, jobs: 1, keep_going: false }.run();
        ensure!(summary.failures.is_empty(), "seed {first}: {:?}", summary.failures);
    }
    for seed in 0..1000 {
        compare(seed).context("the table of the RFC")?;
    }
    for preempt in [true, false] {
        let explored = explore(Scope { nodes: 2, faults: 1, preempt }, MOST_STATES);
        ensure!(explored.violation.is_none(), "exhaustive: {}", explored.violation.unwrap_or_default());
    }
    Ok(run_seeds(arguments))
}

fn run_seeds(arguments: &Arguments) -> bool {
    let jobs = arguments.jobs.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZero::get);
    let Arguments { first, seeds, keep_going, .. } = *arguments;
    let run = |span, first, until| Campaign { span, first, until, jobs, keep_going }.run();
    let goes_on = |summary: &Summary| summary.failures.is_empty() || keep_going;
    let mut summary = run(Span::Minute, first, Enough::Seeds(seeds));
    let wanted = Duration::from_secs(3600) * arguments.node_hours;
    if summary.node_time < wanted && goes_on(&summary) {
        let rest = wanted - summary.node_time;
        summary.add(run(Span::Life, first, Enough::NodeTime(rest)));
    }
    if arguments.fresh > 0 && goes_on(&summary) {
        let first = fresh_seed();
        println!("fresh seeds from {first} on");
        summary.add(run(Span::Minute, first, Enough::Time(Duration::from_secs(arguments.fresh))));
    }
    for failure in &summary.failures {
        let (seed, violation, words) = (failure.seed, &failure.violation, failure.span.words());
        println!("seed {seed}{words}: {} at {}: {}", violation.rule, violation.at, violation.what);
        println!("  again: cargo run --release -p mainstay-simulator -- --seed {seed}{words} --trace");
    }
    if let (Some(failure), false) = (summary.failures.first(), arguments.no_shrink) {
        let smaller = shrink(failure.span.draw(failure.seed), failure.violation.rule);
        println!("seed {} in short:\n{}", failure.seed, story::tell(&smaller));
    }
    print_summary(&summary, jobs);
    summary.failures.is_empty()
}

/// A first seed from the time: in another second, others.
fn fresh_seed() -> u64 {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    since_1970.as_secs() * 1_000_000
}

fn print_summary(summary: &Summary, jobs: usize) {
    let seconds = summary.took.as_secs_f64();
    println!(
        "{} seeds, {:.1} node-hours, {} events in {seconds:.1} s on {jobs} threads: {:.0} seeds/s, {:.1} node-hours/s; \
         {} violations",
        summary.seeds,
        hours(summary.node_time),
        summary.events,
        summary.seeds as f64 / seconds,
        hours(summary.node_time) / seconds,
        summary.failures.len(),
    );
    print!("node-hours by advert interval:");
    for (interval, time) in &summary.by_interval {
        print!(" {interval:?} {:.1}", hours(*time));
    }
    println!();
    print_dual(&summary.dual);
}

fn run_exhaustively(nodes: usize, faults: u8) -> bool {
    let mut good = true;
    for preempt in [true, false] {
        let start = Instant::now();
        let explored = explore(Scope { nodes, faults, preempt }, MOST_STATES);
        println!(
            "{nodes} nodes, {faults} faults, {}: {} states, {} steps, {:.1} s",
            if preempt { "preempt" } else { "nopreempt" },
            explored.states,
            explored.steps,
            start.elapsed().as_secs_f64()
        );
        if let Some(violation) = explored.violation {
            println!("{violation}");
            good = false;
        }
    }
    good
}

fn print_violations(outcome: &Outcome) {
    for violation in &outcome.violations {
        println!("{} {}: {}", violation.at, violation.rule, violation.what);
    }
}

fn print_dual(dual: &BTreeMap<Cause, Duration>) {
    if !dual.is_empty() {
        println!("time with two holders, by what excuses it:");
    }
    for (cause, time) in dual {
        println!("  {:<12} {:>12.3} s", format!("{cause:?}"), time.as_secs_f64());
    }
}

fn hours(time: Duration) -> f64 {
    time.as_secs_f64() / 3600.0
}
