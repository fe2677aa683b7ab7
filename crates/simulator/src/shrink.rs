//! Makes a failing scenario smaller while it breaks the same rule: fewer faults, nodes, routers and hosts, shorter
//! and rounder times. What is left is a story somebody can understand.

use std::time::Duration;

use crate::scenario::{Beats, Scenario, Second};
use crate::trace::Mode;
use crate::world::World;

/// Runs spent at most.
const RUNS: u32 = 3000;

/// The smallest scenario found that still breaks the rule.
#[must_use]
pub fn shrink(scenario: Scenario, rule: &str) -> Scenario {
    let mut best = scenario;
    let mut runs = 0;
    loop {
        let before = best.clone();
        for smaller in smaller_ones(&before) {
            runs += 1;
            if runs > RUNS {
                return best;
            }
            if smaller != best && breaks(&smaller, rule) {
                best = smaller;
                break;
            }
        }
        if best == before {
            return best;
        }
    }
}

fn breaks(scenario: &Scenario, rule: &str) -> bool {
    let outcome = World::new(scenario.clone(), Mode::Silent).run();
    outcome.violations.first().is_some_and(|violation| violation.rule == rule)
}

/// Scenarios that are a little smaller, the greatest steps first.
fn smaller_ones(scenario: &Scenario) -> Vec<Scenario> {
    let mut smaller = Vec::new();
    let mut add = |change: &dyn Fn(&mut Scenario)| {
        let mut other = scenario.clone();
        change(&mut other);
        smaller.push(other);
    };
    let faults = scenario.faults.len();
    if faults > 2 {
        add(&|other| other.faults.truncate(faults / 2));
        add(&|other| other.faults = other.faults.split_off(faults / 2));
    }
    for at in 0..faults {
        add(&|other| {
            let _ = other.faults.remove(at);
        });
    }
    let last = scenario.nodes.len() - 1;
    let last_is_hit =
        scenario.faults.iter().any(|timed| timed.fault.nodes().into_iter().flatten().any(|n| n == last));
    if last > 1 && !last_is_hit {
        add(&|other| other.nodes.truncate(last));
    }
    if !scenario.lasts.is_zero() {
        add(&|other| other.lasts = Duration::ZERO);
        add(&|other| other.lasts /= 2);
    }
    if scenario.routers > 1 {
        add(&|other| other.routers -= 1);
    }
    if scenario.addresses > 1 {
        add(&|other| other.addresses -= 1);
    }
    if scenario.hosts > 1 {
        add(&|other| other.hosts -= 1);
    }
    if scenario.grouped {
        add(&|other| other.grouped = false);
    }
    if scenario.second != Second::None {
        add(&|other| other.second = Second::None);
    }
    if scenario.unicast {
        add(&|other| other.unicast = false);
    }
    for node in 0..=last {
        add(&|other| other.nodes[node].beats = Beats::Off);
        add(&|other| other.nodes[node].script = None);
        add(&|other| other.nodes[node].interval = None);
        add(&|other| other.nodes[node].priorities.truncate(1));
        add(&|other| {
            other.nodes[node].preempt = mainstay_core::router::plan::Preempt::After(Duration::ZERO);
        });
        add(&|other| other.nodes[node].kind = crate::scenario::Kind::Mainstay);
    }
    if let Some(first) = scenario.faults.iter().map(|timed| timed.at).min() {
        let spare = first.saturating_sub(Duration::from_secs(10));
        add(&|other| other.faults.iter_mut().for_each(|timed| timed.at -= spare));
    }
    for at in 0..faults {
        add(&|other| other.faults[at].lasts /= 2);
        add(&|other| other.faults[at].at = rounded(other.faults[at].at));
        add(&|other| other.faults[at].lasts = rounded(other.faults[at].lasts));
    }
    smaller
}

fn rounded(duration: Duration) -> Duration {
    Duration::from_millis((duration.as_millis() as u64).div_ceil(500) * 500)
}
