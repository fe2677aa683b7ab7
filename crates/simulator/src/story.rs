//! Scenarios as text that reads like a story: a line language, one sentence a line.
//!
//! ```text
//! # The master stands still, and wakes up to find it was replaced.
//! network ipv4 vrrp3 multicast interval 1s
//! routers 1 with 1 addresses
//! node a priority 200
//! node b priority 100 nopreempt
//! node k priority 150 like keepalived-2.2.7
//! hosts 1
//! seed 7
//! at 10s for 5s a freezes
//! expect at 14s b is master
//! expect at 20s a is master
//! expect two holders for at most 3s
//! ```

use std::fmt::Write as _;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use mainstay_core::address::Family;
use mainstay_core::router::State;
use mainstay_core::router::plan::{Preempt, Version};

use crate::daemon::name;
use crate::fault::{Change, Fault, Memory, NodeId, PausedClock, Timed};
use crate::moment::Moment;
use crate::node::ROUTERS;
use crate::scenario::{Beats, Kind, Lease, NodeSpec, Scenario, Second};
use crate::trace::Mode;
use crate::world::{Outcome, World};

/// A scenario and what is expected of it besides the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Story {
    /// What happens.
    pub scenario: Scenario,
    /// What must be seen.
    pub expectations: Vec<Expectation>,
}

/// Something that must be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expectation {
    /// A node's first router is in this state at this time.
    State(Duration, NodeId, State),
    /// Two nodes hold one address for at most this long in all.
    DualAtMost(Duration),
    /// ... and at least this long, because plain VRRP cannot prevent it.
    DualAtLeast(Duration),
}

impl Story {
    /// Reads a story.
    ///
    /// # Errors
    /// The first line that is not understood.
    pub fn read(text: &str) -> Result<Self> {
        let mut story = Self { scenario: Scenario::quiet(1, Vec::new()), expectations: Vec::new() };
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.split('#').next().unwrap_or_default();
            let words: Vec<&str> = line.split_whitespace().collect();
            story.sentence(&words).with_context(|| format!("line {number}: {}", line.trim()))?;
        }
        if story.scenario.nodes.is_empty() {
            bail!("a story without nodes");
        }
        let strangers = story.scenario.faults.iter().flat_map(|timed| timed.fault.nodes());
        if strangers.flatten().any(|node| node >= story.scenario.nodes.len()) {
            bail!("something befalls a node that does not exist");
        }
        Ok(story)
    }

    /// Runs the story.
    ///
    /// # Errors
    /// What did not come out as told, or the rule that was broken.
    pub fn play(&self, mode: Mode) -> Result<Outcome> {
        let mut world = World::new(self.scenario.clone(), mode);
        let mut moments = self.expectations.clone();
        moments.sort_by_key(|expectation| match expectation {
            Expectation::State(at, ..) => *at,
            Expectation::DualAtMost(_) | Expectation::DualAtLeast(_) => Duration::MAX,
        });
        for expectation in moments {
            if let Expectation::State(at, node, expected) = expectation {
                world.run_until(Moment(0) + at);
                ensure_lawful(&world.outcome())?;
                let state = world.nodes[node].brain.as_ref().and_then(|brain| brain.state(0));
                let state = state.map(|(state, _)| state);
                ensure!(state == Some(expected), "at {at:?} {} is {state:?}, not {expected}", name(node));
            }
        }
        let outcome = world.run();
        ensure_lawful(&outcome)?;
        let dual: Duration = outcome.dual.values().sum();
        for expectation in &self.expectations {
            match expectation {
                Expectation::DualAtMost(most) => {
                    ensure!(dual <= *most, "two holders for {dual:?}, not at most {most:?}");
                }
                Expectation::DualAtLeast(least) => {
                    ensure!(dual >= *least, "two holders for {dual:?}, not at least {least:?}");
                }
                Expectation::State(..) => {}
            }
        }
        Ok(outcome)
    }

    fn sentence(&mut self, words: &[&str]) -> Result<()> {
        let scenario = &mut self.scenario;
        match words {
            [] => {}
            ["seed", seed] => scenario.seed = seed.parse()?,
            ["hosts", hosts] => scenario.hosts = hosts.parse()?,
            ["lasts", lasts] => scenario.lasts = duration(lasts)?,
            ["network", rest @ ..] => network(scenario, rest)?,
            ["second", "link", "multicast"] => scenario.second = Second::Multicast,
            ["second", "link", "unicast"] => scenario.second = Second::Unicast,
            ["routers", routers, "with", addresses, "addresses", rest @ ..] => {
                scenario.routers = routers.parse()?;
                ensure!((1..=ROUTERS).contains(&scenario.routers), "from 1 to {ROUTERS} routers");
                scenario.addresses = addresses.parse()?;
                scenario.grouped = match rest {
                    [] => false,
                    ["in", "one", "group"] => true,
                    _ => bail!("what about the routers?"),
                };
            }
            ["node", letter, rest @ ..] => {
                if node_id(letter)? != scenario.nodes.len() {
                    bail!("nodes are named a, b, c, ... in this order");
                }
                scenario.nodes.push(node(rest)?);
            }
            ["at", at, "for", lasts, rest @ ..] => scenario.faults.push(Timed {
                at: duration(at)?,
                lasts: duration(lasts)?,
                fault: fault(rest)?,
            }),
            ["expect", rest @ ..] => self.expectations.push(expectation(rest)?),
            _ => bail!("no sentence begins like this"),
        }
        Ok(())
    }
}

/// A broken rule ends the world, so what is expected later says nothing.
fn ensure_lawful(outcome: &Outcome) -> Result<()> {
    match outcome.violations.first() {
        Some(violation) => bail!("{} {}: {}", violation.at, violation.rule, violation.what),
        None => Ok(()),
    }
}

/// A scenario as a story, which [`Story::read`] reads back.
#[must_use]
pub fn tell(scenario: &Scenario) -> String {
    let mut text = String::new();
    let family = if scenario.family == Family::V4 { "ipv4" } else { "ipv6" };
    let cast = if scenario.unicast { "unicast" } else { "multicast" };
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "network {family} vrrp{} {cast} interval {}",
        scenario.version.number(),
        tell_duration(scenario.interval)
    );
    match scenario.second {
        Second::None => {}
        Second::Multicast => text += "second link multicast\n",
        Second::Unicast => text += "second link unicast\n",
    }
    let group = if scenario.grouped { " in one group" } else { "" };
    let _ = writeln!(text, "routers {} with {} addresses{group}", scenario.routers, scenario.addresses);
    for (id, node) in scenario.nodes.iter().enumerate() {
        let _ = writeln!(text, "node {} {}", name(id), tell_node(node));
    }
    let _ = writeln!(text, "hosts {}\nseed {}", scenario.hosts, scenario.seed);
    if !scenario.lasts.is_zero() {
        let _ = writeln!(text, "lasts {}", tell_duration(scenario.lasts));
    }
    for timed in &scenario.faults {
        let (at, lasts) = (tell_duration(timed.at), tell_duration(timed.lasts));
        let _ = writeln!(text, "at {at} for {lasts} {}", phrase(&timed.fault));
    }
    text
}

fn network(scenario: &mut Scenario, words: &[&str]) -> Result<()> {
    match words {
        [family, version, cast, "interval", interval] => {
            scenario.family = match *family {
                "ipv4" => Family::V4,
                "ipv6" => Family::V6,
                _ => bail!("ipv4 or ipv6"),
            };
            scenario.version = match *version {
                "vrrp2" => Version::V2,
                "vrrp3" => Version::V3,
                _ => bail!("vrrp2 or vrrp3"),
            };
            scenario.unicast = match *cast {
                "unicast" => true,
                "multicast" => false,
                _ => bail!("unicast or multicast"),
            };
            scenario.interval = duration(interval)?;
            Ok(())
        }
        _ => bail!("network FAMILY VERSION CAST interval TIME"),
    }
}

const KINDS: [(&str, Kind); 3] = [
    ("keepalived-2.2.7", Kind::Keepalived227),
    ("keepalived-2.4.3", Kind::Keepalived243),
    ("frr-8.4.4", Kind::Frr),
];

fn node(words: &[&str]) -> Result<NodeSpec> {
    let ["priority", priorities, rest @ ..] = words else { bail!("node NAME priority NUMBER,...") };
    let priorities = priorities.split(',').map(u8::from_str).collect::<Result<Vec<_>, _>>()?;
    let mut node = NodeSpec { priorities, ..NodeSpec::default() };
    let mut rest = rest;
    while !rest.is_empty() {
        rest = match rest {
            ["nopreempt", rest @ ..] => {
                node.preempt = Preempt::Never;
                rest
            }
            ["preempt-delay", delay, rest @ ..] => {
                node.preempt = Preempt::After(duration(delay)?);
                rest
            }
            ["interval", interval, rest @ ..] => {
                node.interval = Some(duration(interval)?);
                rest
            }
            ["lease", rest @ ..] => {
                node.lease = Lease::WithPeer;
                rest
            }
            ["lease-always", rest @ ..] => {
                node.lease = Lease::Always;
                rest
            }
            ["heartbeats", rest @ ..] => {
                node.beats = Beats::Open;
                rest
            }
            ["heartbeats-with-key", rest @ ..] => {
                node.beats = Beats::Keyed;
                rest
            }
            ["script-weight", weight, rest @ ..] => {
                node.script = Some(weight.parse()?);
                rest
            }
            ["like", kind, rest @ ..] => {
                let known = KINDS.iter().find(|(name, _)| name == kind).context("like whom?")?;
                node.kind = known.1;
                rest
            }
            [word, ..] => bail!("{word}?"),
            [] => rest,
        };
    }
    Ok(node)
}

fn tell_node(node: &NodeSpec) -> String {
    let priorities: Vec<String> = node.priorities.iter().map(u8::to_string).collect();
    let mut text = format!("priority {}", priorities.join(","));
    match node.preempt {
        Preempt::Never => text += " nopreempt",
        Preempt::After(Duration::ZERO) => {}
        Preempt::After(delay) => text += &format!(" preempt-delay {}", tell_duration(delay)),
    }
    if let Some(interval) = node.interval {
        text += &format!(" interval {}", tell_duration(interval));
    }
    match node.lease {
        Lease::Off => {}
        Lease::WithPeer => text += " lease",
        Lease::Always => text += " lease-always",
    }
    match node.beats {
        Beats::Off => {}
        Beats::Open => text += " heartbeats",
        Beats::Keyed => text += " heartbeats-with-key",
    }
    if let Some(weight) = node.script {
        text += &format!(" script-weight {weight}");
    }
    if let Some((kind, _)) = KINDS.iter().find(|(_, kind)| *kind == node.kind) {
        text += &format!(" like {kind}");
    }
    text
}

/// A fault as a sentence.
#[must_use]
pub fn phrase(fault: &Fault) -> String {
    match fault {
        Fault::Freeze(node) => format!("{} freezes", name(*node)),
        Fault::Pause(node, clock) => {
            let clock = match clock {
                PausedClock::Stopped => "stopped",
                PausedClock::Running => "running",
                PausedClock::Leaping => "leaping",
            };
            format!("{} is paused with its clock {clock}", name(*node))
        }
        Fault::Crash(node, Memory::Kept) => format!("{} crashes and remembers", name(*node)),
        Fault::Crash(node, Memory::Lost) => format!("{} crashes and forgets", name(*node)),
        Fault::Reboot(node) => format!("{} reboots", name(*node)),
        Fault::Shutdown(node) => format!("{} shuts down", name(*node)),
        Fault::SlowLoop(node, by) => format!("{} is slow by {}", name(*node), tell_duration(*by)),
        Fault::SlowKernel(node, by) => {
            format!("kernel of {} is slow by {}", name(*node), tell_duration(*by))
        }
        Fault::ClockRate(node, ppm) => format!("clock of {} runs {ppm} ppm fast", name(*node)),
        Fault::Carrier(node) => format!("{} loses carrier", name(*node)),
        Fault::Deaf(from, to) => format!("{} does not hear {}", name(*to), name(*from)),
        Fault::CutOff(node) => format!("{} is cut off", name(*node)),
        Fault::MulticastDeaf(from, to) => {
            format!("{} does not hear multicast of {}", name(*to), name(*from))
        }
        Fault::AdvertDeaf(from, to) => format!("{} does not hear adverts of {}", name(*to), name(*from)),
        Fault::SecondDeaf(from, to) => {
            format!("{} does not hear {} on the second link", name(*to), name(*from))
        }
        Fault::SecondCutOff(node) => format!("{} is cut off on the second link", name(*node)),
        Fault::SecondLoss(percent) => format!("second link loses {percent} %"),
        Fault::Loss(percent) => format!("network loses {percent} %"),
        Fault::Duplication(percent) => format!("network doubles {percent} %"),
        Fault::Delay(most) => format!("network delays by {}", tell_duration(*most)),
        Fault::Damage(percent) => format!("network damages {percent} %"),
        Fault::Removal(node) => format!("somebody removes addresses of {}", name(*node)),
        Fault::Refusal(node) => format!("kernel of {} refuses addresses", name(*node)),
        Fault::SendRefusal(node) => format!("kernel of {} refuses to send", name(*node)),
        Fault::GateRefusal(node) => format!("kernel of {} refuses gates", name(*node)),
        Fault::LostEvents(node) => format!("kernel of {} loses events", name(*node)),
        Fault::OwnAddress(node) => format!("{} loses its own address", name(*node)),
        Fault::Script(node) => format!("script of {} fails", name(*node)),
        Fault::Reload(node, change) => {
            let change = match change {
                Change::Priority(priority) => format!("priority {priority}"),
                Change::Interval(interval) => format!("interval {}", tell_duration(*interval)),
                Change::MoreAddresses => "more addresses".into(),
                Change::FewerAddresses => "fewer addresses".into(),
                Change::Preempt => "preemption reversed".into(),
                Change::FewerRouters => "fewer routers".into(),
            };
            format!("{} reloads with {change}", name(*node))
        }
    }
}

fn fault(words: &[&str]) -> Result<Fault> {
    Ok(match words {
        [node, "freezes"] => Fault::Freeze(node_id(node)?),
        [node, "is", "paused", "with", "its", "clock", clock] => {
            let clock = match *clock {
                "stopped" => PausedClock::Stopped,
                "running" => PausedClock::Running,
                "leaping" => PausedClock::Leaping,
                _ => bail!("stopped, running or leaping"),
            };
            Fault::Pause(node_id(node)?, clock)
        }
        [node, "crashes", "and", "remembers"] => Fault::Crash(node_id(node)?, Memory::Kept),
        [node, "crashes", "and", "forgets"] => Fault::Crash(node_id(node)?, Memory::Lost),
        [node, "reboots"] => Fault::Reboot(node_id(node)?),
        [node, "shuts", "down"] => Fault::Shutdown(node_id(node)?),
        [node, "is", "slow", "by", by] => Fault::SlowLoop(node_id(node)?, duration(by)?),
        ["kernel", "of", node, "is", "slow", "by", by] => Fault::SlowKernel(node_id(node)?, duration(by)?),
        ["clock", "of", node, "runs", ppm, "ppm", "fast"] => Fault::ClockRate(node_id(node)?, ppm.parse()?),
        [node, "loses", "carrier"] => Fault::Carrier(node_id(node)?),
        [to, "does", "not", "hear", "multicast", "of", from] => {
            Fault::MulticastDeaf(node_id(from)?, node_id(to)?)
        }
        [to, "does", "not", "hear", "adverts", "of", from] => Fault::AdvertDeaf(node_id(from)?, node_id(to)?),
        [to, "does", "not", "hear", from, "on", "the", "second", "link"] => {
            Fault::SecondDeaf(node_id(from)?, node_id(to)?)
        }
        [node, "is", "cut", "off", "on", "the", "second", "link"] => Fault::SecondCutOff(node_id(node)?),
        ["second", "link", "loses", percent, "%"] => Fault::SecondLoss(percent.parse()?),
        [to, "does", "not", "hear", from] => Fault::Deaf(node_id(from)?, node_id(to)?),
        [node, "is", "cut", "off"] => Fault::CutOff(node_id(node)?),
        ["network", "loses", percent, "%"] => Fault::Loss(percent.parse()?),
        ["network", "doubles", percent, "%"] => Fault::Duplication(percent.parse()?),
        ["network", "delays", "by", most] => Fault::Delay(duration(most)?),
        ["network", "damages", percent, "%"] => Fault::Damage(percent.parse()?),
        ["somebody", "removes", "addresses", "of", node] => Fault::Removal(node_id(node)?),
        ["kernel", "of", node, "refuses", "addresses"] => Fault::Refusal(node_id(node)?),
        ["kernel", "of", node, "refuses", "to", "send"] => Fault::SendRefusal(node_id(node)?),
        ["kernel", "of", node, "refuses", "gates"] => Fault::GateRefusal(node_id(node)?),
        ["kernel", "of", node, "loses", "events"] => Fault::LostEvents(node_id(node)?),
        [node, "loses", "its", "own", "address"] => Fault::OwnAddress(node_id(node)?),
        ["script", "of", node, "fails"] => Fault::Script(node_id(node)?),
        [node, "reloads", "with", change @ ..] => {
            let change = match change {
                ["priority", priority] => Change::Priority(priority.parse()?),
                ["interval", interval] => Change::Interval(duration(interval)?),
                ["more", "addresses"] => Change::MoreAddresses,
                ["fewer", "addresses"] => Change::FewerAddresses,
                ["preemption", "reversed"] => Change::Preempt,
                ["fewer", "routers"] => Change::FewerRouters,
                _ => bail!("with what?"),
            };
            Fault::Reload(node_id(node)?, change)
        }
        _ => bail!("nothing of this kind can happen"),
    })
}

fn expectation(words: &[&str]) -> Result<Expectation> {
    Ok(match words {
        ["at", at, node, "is", state] => {
            let state = match *state {
                "master" => State::Master,
                "backup" => State::Backup,
                "fault" => State::Fault,
                _ => bail!("master, backup or fault"),
            };
            Expectation::State(duration(at)?, node_id(node)?, state)
        }
        ["two", "holders", "for", "at", "most", most] => Expectation::DualAtMost(duration(most)?),
        ["two", "holders", "for", "at", "least", least] => Expectation::DualAtLeast(duration(least)?),
        _ => bail!("expect at TIME NODE is STATE, or expect two holders for at most TIME"),
    })
}

fn node_id(word: &str) -> Result<NodeId> {
    match word.as_bytes() {
        [letter @ b'a'..=b'z'] => Ok(usize::from(letter - b'a')),
        _ => bail!("{word} is no node"),
    }
}

fn duration(word: &str) -> Result<Duration> {
    let split = word.find(|c: char| !c.is_ascii_digit()).context("a time needs its unit")?;
    let (number, unit) = word.split_at(split);
    let number: u64 = number.parse()?;
    Ok(match unit {
        "s" => Duration::from_secs(number),
        "ms" => Duration::from_millis(number),
        "us" => Duration::from_micros(number),
        _ => bail!("{word}: s, ms or us"),
    })
}

fn tell_duration(duration: Duration) -> String {
    match duration.as_micros() {
        micros if micros % 1_000_000 == 0 => format!("{}s", duration.as_secs()),
        micros if micros % 1000 == 0 => format!("{}ms", duration.as_millis()),
        micros => format!("{micros}us"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw;

    #[test]
    fn what_is_told_of_a_seed_reads_back_as_the_same_scenario() {
        for (seed, draw) in
            (0..2000).flat_map(|seed| [(seed, draw::scenario as fn(u64) -> _), (seed, draw::life)])
        {
            let scenario: Scenario = draw(seed);
            let text = tell(&scenario);
            let story = Story::read(&text).unwrap_or_else(|error| panic!("seed {seed}: {error:#}\n{text}"));
            assert_eq!(story.scenario, scenario, "seed {seed}\n{text}");
        }
    }

    #[test]
    fn a_line_that_is_not_understood_is_told_with_its_number() {
        let error = Story::read("node a priority 100\nat 3s for 2s a sneezes\n").expect_err("no such fault");
        assert!(format!("{error:#}").starts_with("line 2: at 3s for 2s a sneezes"), "{error:#}");
    }
}
