//! `cargo xtask bench holders`: how long two nodes hold one address, and how long none does, when the master is frozen,
//! killed, starved, half deaf, cut off or asked to leave.
//!
//! What counts is not what the daemons believe but what an outsider sees: a third machine on the segment asks by ARP who
//! has the virtual address, every millisecond, and looks which hardware addresses answer each of its questions. A
//! question that is answered by both nodes is a millisecond with two holders.
//!
//! Mainstay and keepalived are measured at the same time, each pair in a network of its own, at both advert intervals;
//! faults of a process, of a wire and of one wire of two have a pair each.
//! Before the first fault the backup has been master once and has handed over to the one with the higher priority, so
//! that each has heard the other: the VIP lease counts only for a peer that is known to be alive. That is so again after
//! every fault, because the first node takes the address back from the second.

#[path = "../common/mod.rs"]
mod common;
mod fault;
mod observer;
mod pair;
mod starvation;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Parser;
use mainstay::lab::Program;

use common::report::{Report, Target};
use common::{Both, Contestants, Replacements, median, range};
use fault::{Fault, Lane};
use observer::Seen;
use pair::{Pair, Paths};

/// Two holders and none: Mainstay and keepalived under the same faults.
#[derive(Debug, Parser)]
struct Options {
    /// Two of each only: under four minutes
    #[arg(long)]
    quick: bool,
    /// How often each fault is measured
    #[arg(short = 'n', value_name = "COUNT")]
    count: Option<usize>,
    /// Only faults with one of these words in their names
    words: Vec<String>,
    #[command(flatten)]
    replacements: Replacements,
}

/// What was seen of one fault, in as many measurements.
type Measured = Vec<(Fault, Vec<Seen>)>;

fn main() -> Result<ExitCode> {
    let options = Options::parse();
    mainstay::lab::user::enter()?;
    let start = Instant::now();
    let count = options.count.unwrap_or(if options.quick { 2 } else { 20 });
    let contestants = Contestants::new(options.replacements.clone());
    let wanted = |fault: &Fault| {
        options.words.is_empty() || options.words.iter().any(|word| fault.name().contains(word.as_str()))
    };
    let faults: Vec<Fault> = Fault::ALL.into_iter().filter(wanted).collect();
    let adverts = [Duration::from_secs(1), Duration::from_millis(200)];

    // Every lane of every contestant at every interval at the same time: they mostly wait.
    let results: Result<Vec<Both<Measured>>> = std::thread::scope(|scope| {
        let running = adverts.map(|advert| {
            contestants.both().map(|(name, program)| {
                Lane::ALL.map(|lane| {
                    let faults: Vec<Fault> =
                        faults.iter().copied().filter(|fault| fault.lane() == lane).collect();
                    scope.spawn(move || measure(name, program, advert, lane, &faults, count))
                })
            })
        });
        let finished = running.map(|sides| {
            let [ours, theirs] = sides.map(|lanes| {
                let lanes =
                    lanes.map(|lane| lane.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
                let measured: Result<Vec<Measured>> = lanes.into_iter().collect();
                measured.map(|lanes| lanes.concat())
            });
            Ok(Both { ours: ours?, theirs: theirs? })
        });
        finished.into_iter().collect()
    });
    let mut report = Report::default();
    for (advert, measured) in adverts.into_iter().zip(results?) {
        tell(advert, count, &measured, &mut report);
    }
    report.end();
    println!("took {:.0} s", start.elapsed().as_secs_f64());
    Ok(if report.short() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Measures the faults of one lane `count` times at one contestant and one interval, one after the other in each round.
fn measure(
    name: &str,
    program: &Program,
    advert: Duration,
    lane: Lane,
    faults: &[Fault],
    count: usize,
) -> Result<Measured> {
    if faults.is_empty() {
        return Ok(Vec::new());
    }
    let ours = name == "ours";
    let lab = format!("holders-{name}-{}-{}", advert.as_millis(), lane.name());
    // keepalived has one path only: what it does there is what it does anyway.
    let paths = if ours { lane.paths() } else { Paths::One };
    let mut pair = Pair::new(&lab, program, advert, paths)?;
    let mut measured: Measured = faults.iter().map(|fault| (*fault, Vec::new())).collect();
    for round in 0..count {
        for (fault, seen) in &mut measured {
            let what = format!("{name}, advert {advert:?}, {}, round {round}", fault.name());
            let result = pair.measure(*fault).with_context(|| pair.logs()).with_context(|| what.clone())?;
            if ours && fault.most_both(advert).is_some_and(|most| result.both > most) {
                // Worth knowing why.
                println!("  {what}: both answered, {:.3?}\n{}", result.when_both, pair.logs());
            }
            seen.push(result);
        }
    }
    pair.end()?;
    Ok(measured)
}

/// Prints what was measured at one advert interval.
fn tell(advert: Duration, count: usize, measured: &Both<Measured>, report: &mut Report) {
    let seconds = advert.as_secs_f64();
    report.heading(&format!(
        "advert {seconds} s, VRRPv3, priorities 150 and 100, {count} times each (greatest and, behind it, median)"
    ));
    for ((fault, ours), (_, theirs)) in measured.ours.iter().zip(&measured.theirs) {
        let sides = Both { ours: ours.clone(), theirs: theirs.clone() };
        let of = |figure: fn(&Seen) -> Duration| {
            sides.map(|seen| seen.iter().map(|seen| figure(seen).as_secs_f64() * 1000.0).collect::<Vec<_>>())
        };
        let (both, nobody) = (of(|seen| seen.both), of(|seen| seen.nobody));
        line(&format!("{}: both", fault.name()), &both, fault.most_both(advert), report);
        line("  nobody, at a stretch", &nobody, fault.most_nobody(), report);
    }
}

fn line(what: &str, figures: &Both<Vec<f64>>, target: Option<Duration>, report: &mut Report) {
    let target = target.map_or(Target::None, |most| Target::AtMost(most.as_secs_f64() * 1000.0));
    let medians = figures.map(|figures| median(figures));
    let note = format!("{:.1}, {:.1}", medians.ours, medians.theirs);
    report.line(what, " ms", 1, &figures.map(|figures| range(figures).1), target, &note);
}
