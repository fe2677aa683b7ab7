//! How long a failover takes, by version, interval, priority and loss: a table in git (`failover.tsv`), so that whatever
//! changes it shows as a diff.
//!
//! A master of priority 254 and a backup on a quiet LAN; the master's machine dies, or its daemon is asked to end, at
//! twenty phases of its advert interval. Counted is the time until the backup's kernel answers for the address. There
//! are no heartbeats between these two: it is the table of VRRP itself.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Result, ensure};
use mainstay_core::router::plan::Version;

use crate::fault::{Fault, Memory, Timed};
use crate::moment::Moment;
use crate::scenario::{NodeSpec, Scenario};
use crate::trace::Mode;
use crate::world::World;

/// Lives of each row, each with another seed and another phase.
const LIVES: u32 = 20;

/// The clock of the table: this part of an interval.
const TICKS: u32 = 200;

/// Adverts before anything happens: enough for an election.
const SETTLING: u32 = 10;

/// After so many intervals nobody waits any longer.
const PATIENCE: u32 = 40;

const MASTER: u8 = 254;
const PRIORITIES: [u8; 3] = [50, 100, 253];
/// Frames lost in a million.
const LOSSES: [u32; 3] = [0, 10_000, 100_000];

/// One row's question.
#[derive(Debug, Clone, Copy)]
struct Row {
    version: Version,
    interval: Duration,
    priority: u8,
    loss: u32,
}

/// The whole table, as it stands in the file.
///
/// # Errors
/// When a rule was broken, or nobody took over: then there is no table.
pub fn table() -> Result<String> {
    let mut text = String::from(
        "# Made by `cargo run --release -p mainstay-simulator -- --table`. Times in advert intervals: median and greatest of\n\
         # 20 lives from the fault until the backup's kernel answers; ..._lives are those in which loss had not made the\n\
         # backup master before.\n\
         version\tinterval_ms\tpriority\tloss_percent\tcrash_median\tcrash_max\tcrash_lives\tend_median\tend_max\tend_lives\n",
    );
    let v3 = [10, 100, 1_000, 10_000].map(|milliseconds| (Version::V3, milliseconds));
    let v2 = [1_000, 10_000].map(|milliseconds| (Version::V2, milliseconds));
    for (version, milliseconds) in v2.into_iter().chain(v3) {
        for priority in PRIORITIES {
            for loss in LOSSES {
                let interval = Duration::from_millis(milliseconds);
                let row = Row { version, interval, priority, loss };
                let crash = times(row, Fault::Crash(0, Memory::Lost))?;
                let end = times(row, Fault::Shutdown(0))?;
                write!(text, "{}\t{milliseconds}\t{priority}\t{}", version.number(), loss / 10_000)?;
                for mut times in [crash, end] {
                    times.sort_by(f64::total_cmp);
                    let (median, most) = (times[times.len() / 2], times[times.len() - 1]);
                    write!(text, "\t{median:.2}\t{most:.2}\t{}", times.len())?;
                }
                text.push('\n');
            }
        }
    }
    Ok(text)
}

/// How many intervals each life took.
fn times(row: Row, fault: Fault) -> Result<Vec<f64>> {
    let mut times = Vec::new();
    for life in 0..LIVES {
        times.extend(time(row, fault, life)?);
    }
    ensure!(!times.is_empty(), "{row:?}: the backup was always master before the fault");
    Ok(times)
}

/// How many intervals one life took; `None` if the backup was master before.
fn time(row: Row, fault: Fault, life: u32) -> Result<Option<f64>> {
    let Row { version, interval, priority, loss } = row;
    let node = |priority| NodeSpec { priorities: vec![priority], ..NodeSpec::default() };
    let mut scenario = Scenario::quiet(u64::from(life), vec![node(MASTER), node(priority)]);
    scenario.version = version;
    scenario.interval = interval;
    scenario.weather.loss = loss;
    // The kernel of the backup is asked, not a host whose own packets are lost.
    scenario.hosts = 0;
    let at = interval * SETTLING + interval * life / LIVES;
    scenario.faults = vec![Timed { at, lasts: interval * PATIENCE, fault }];
    let address = scenario.virtual_address(0, 0);
    let mut world = World::new(scenario, Mode::Silent);
    // A moment before, so that the fault itself has not happened yet.
    world.run_until(Moment(0) + at.saturating_sub(Duration::from_nanos(1)));
    let holds = |world: &World, node: usize| world.nodes[node].holds(world.now, address);
    if !holds(&world, 0) || holds(&world, 1) {
        return Ok(None);
    }
    for tick in 1..=PATIENCE * TICKS {
        world.run_until(Moment(0) + at + interval * tick / TICKS);
        if let Some(violation) = world.outcome().violations.first() {
            anyhow::bail!("{row:?}, life {life}: {} {}", violation.rule, violation.what);
        }
        if holds(&world, 1) {
            return Ok(Some(f64::from(tick) / f64::from(TICKS)));
        }
    }
    anyhow::bail!("{row:?}, life {life}: nobody took over")
}
