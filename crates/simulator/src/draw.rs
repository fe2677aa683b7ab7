//! Scenarios drawn from a seed. Swarm testing: each seed has only some kinds of faults, in its own measure, because
//! all kinds at once hide each other.

use std::time::Duration;

use mainstay_core::address::Family;
use mainstay_core::router::plan::{Preempt, Version};

use crate::fault::{Change, Fault, Memory, PausedClock, Timed};
use crate::network::Weather;
use crate::random::Random;
use crate::scenario::{Beats, Kind, Lease, NodeSpec, Scenario, Second};

/// How long faults are drawn for, at most.
const TROUBLE: u64 = 60_000;

const KINDS: u64 = 24;

/// Advert intervals of a long life.
const LIFE: u32 = 60_000;
/// ... and its length at most.
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 3600);
/// Of so many in a hundred lives with an interval below a second it stays so.
const HURRIED: u32 = 33;

/// What is drawn from a seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Span {
    /// A minute full of trouble.
    #[default]
    Minute,
    /// Hours of a life in which something happens now and then.
    Life,
}

impl Span {
    /// The scenario of a seed.
    #[must_use]
    pub fn draw(self, seed: u64) -> Scenario {
        match self {
            Self::Minute => scenario(seed),
            Self::Life => life(seed),
        }
    }

    /// Words for the command line that repeat it.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Minute => "",
            Self::Life => " --life",
        }
    }
}

/// The scenario of a seed: a minute full of trouble.
#[must_use]
pub fn scenario(seed: u64) -> Scenario {
    let mut random = Random::new(seed);
    let r = &mut random;
    let count = r.pick(&[2, 2, 2, 3, 3, 4]);
    let version = if r.percent(20) { Version::V2 } else { Version::V3 };
    let family = if version == Version::V3 && r.percent(25) { Family::V6 } else { Family::V4 };
    let interval = match version {
        Version::V2 => Duration::from_secs(r.pick(&[1, 1, 2])),
        Version::V3 => Duration::from_millis(r.pick(&[100, 200, 300, 1000, 1000, 1000, 3000])),
    };
    let routers = r.pick(&[1, 1, 2, 3]);
    let grouped = routers > 1 && r.percent(50);
    let mut scenario = Scenario {
        seed,
        family,
        version,
        unicast: r.percent(25),
        interval,
        routers,
        addresses: r.pick(&[1, 1, 2, 3]),
        grouped,
        hosts: r.pick(&[1, 2]),
        second: Second::None,
        weather: Weather::FAIR,
        nodes: Vec::new(),
        faults: Vec::new(),
        lasts: Duration::ZERO,
    };
    let foreign = r.percent(25);
    for _ in 0..count {
        let node = node(r, &scenario, foreign);
        scenario.nodes.push(node);
    }
    let enabled: Vec<u64> = (0..KINDS).filter(|_| r.percent(30)).collect();
    let faults = r.below(12);
    if !enabled.is_empty() {
        for _ in 0..faults {
            let kind = r.pick(&enabled);
            let timed = Timed {
                at: r.milliseconds(0, TROUBLE),
                lasts: lasting(r, interval),
                fault: fault(r, kind, &scenario),
            };
            scenario.faults.push(timed);
        }
    }
    let mut random = Random::new(seed ^ 0x006c_6561_7365);
    add_leases(&mut random, &mut scenario);
    for _ in 0..faults {
        if random.percent(5) {
            let fault = late_fault(&mut random, &scenario);
            let at = random.milliseconds(0, TROUBLE);
            scenario.faults.push(Timed { at, lasts: lasting(&mut random, interval), fault });
        }
    }
    let mut random = Random::new(seed ^ 0x6865_6172_7462);
    add_heartbeats(&mut random, &mut scenario);
    add_paths(&mut random, &mut scenario, faults, TROUBLE);
    scenario.faults.sort_by_key(|timed| timed.at);
    scenario
}

/// What was added to the simulator later is drawn from a source of its own, so that older seeds stay what they were.
fn add_leases(r: &mut Random, scenario: &mut Scenario) {
    let habit = r.below(10);
    for node in scenario.nodes.iter_mut().filter(|node| node.kind == Kind::Mainstay) {
        node.lease = match habit {
            0..3 => Lease::Off,
            3..6 => Lease::Always,
            6..9 => Lease::WithPeer,
            _ => r.pick(&[Lease::Off, Lease::Always, Lease::WithPeer]),
        };
    }
}

/// Heartbeats on all nodes, on none or on some; with a key or without, or the wrong one.
fn add_heartbeats(r: &mut Random, scenario: &mut Scenario) {
    let habit = r.below(10);
    for node in scenario.nodes.iter_mut().filter(|node| node.kind == Kind::Mainstay) {
        node.beats = match habit {
            0..3 => Beats::Off,
            3..6 => Beats::Open,
            6..8 => Beats::Keyed,
            8 => r.pick(&[Beats::Off, Beats::Open]),
            _ => r.pick(&[Beats::Off, Beats::Open, Beats::Keyed, Beats::Keyed]),
        };
    }
}

/// A second link in a part of the seeds, and what befalls it, and the adverts of a link whose heartbeats pass; these come
/// on top of the faults of the seed, `faults` of them.
fn add_paths(r: &mut Random, scenario: &mut Scenario, faults: u64, span: u64) {
    let beats = scenario.nodes.iter().filter(|node| node.beats != Beats::Off).count();
    if beats < 2 {
        return;
    }
    scenario.second = match r.below(10) {
        0..4 => Second::None,
        4..7 => Second::Multicast,
        _ => Second::Unicast,
    };
    let usual = r.pick(&[0, 10, 30, 60]);
    for _ in 0..faults {
        if r.percent(usual) {
            let at = r.milliseconds(0, span);
            let lasts = lasting(r, scenario.interval);
            let fault = path_fault(r, scenario);
            scenario.faults.push(Timed { at, lasts, fault });
        }
    }
}

fn path_fault(r: &mut Random, scenario: &Scenario) -> Fault {
    let count = scenario.nodes.len();
    let node = r.index(count);
    let other = (node + 1 + r.index(count - 1)) % count;
    match (r.below(8), scenario.second) {
        (0, _) => Fault::AdvertDeaf(node, other),
        (1 | 2, _) => Fault::Deaf(node, other),
        (3, _) => Fault::CutOff(node),
        (_, Second::None) => Fault::AdvertDeaf(node, other),
        (4, _) => Fault::SecondCutOff(node),
        (5, _) => Fault::SecondLoss(r.pick(&[10, 60])),
        _ => Fault::SecondDeaf(node, other),
    }
}

fn late_fault(r: &mut Random, scenario: &Scenario) -> Fault {
    Fault::GateRefusal(r.index(scenario.nodes.len()))
}

/// The long life of the same LAN: hours in which little happens, and what happens has time to heal. Its length is
/// counted in advert intervals, so that each of them costs the same.
///
/// An hour at 100 ms costs ten times as much as one at a second, and shows the same in it: what depends on the interval shows
/// in the troubled minutes of the seeds, where all intervals are as frequent as they are drawn. So in two of three lives
/// that would be faster, an interval below a second becomes a second. (Reloads still make it shorter now and then.)
#[must_use]
pub fn life(seed: u64) -> Scenario {
    let mut scenario = scenario(seed);
    let mut random = Random::new(seed ^ 0x0068_7572_7269_6564);
    if !random.percent(HURRIED) {
        slow_down(&mut scenario);
    }
    let mut random = Random::new(seed ^ 0x6c69_6665);
    let r = &mut random;
    scenario.lasts = (scenario.interval * LIFE).min(LONGEST_LIFE);
    let enabled: Vec<u64> = (0..KINDS).filter(|_| r.percent(30)).collect();
    let faults = if enabled.is_empty() { 0 } else { r.below(40) };
    let span = scenario.lasts.as_millis() as u64;
    scenario.faults = (0..faults)
        .map(|_| {
            let kind = r.pick(&enabled);
            let at = r.milliseconds(0, scenario.lasts.as_millis() as u64);
            let lasts =
                if r.percent(20) { r.milliseconds(0, 600_000) } else { lasting(r, scenario.interval) };
            let late = r.percent(3);
            let fault = if late { late_fault(r, &scenario) } else { fault(r, kind, &scenario) };
            Timed { at, lasts, fault }
        })
        .collect();
    let mut random = Random::new(seed ^ 0x6c69_6665_7061_7468);
    if random.percent(70) {
        // A heartbeat a second from everybody makes an hour cost six times as much: most lives do without.
        scenario.second = Second::None;
        scenario.nodes.iter_mut().for_each(|node| node.beats = Beats::Off);
    }
    add_paths(&mut random, &mut scenario, faults, span);
    scenario.faults.sort_by_key(|timed| timed.at);
    scenario
}

/// Nobody on this LAN advertises more often than once a second.
fn slow_down(scenario: &mut Scenario) {
    let own = scenario.nodes.iter_mut().filter_map(|node| node.interval.as_mut());
    for interval in own.chain([&mut scenario.interval]) {
        *interval = (*interval).max(Duration::from_secs(1));
    }
}

fn node(r: &mut Random, scenario: &Scenario, foreign: bool) -> NodeSpec {
    let kind = if foreign && !scenario.nodes.is_empty() && r.percent(50) {
        r.pick(&[Kind::Keepalived227, Kind::Keepalived243, Kind::Frr])
    } else {
        Kind::Mainstay
    };
    let priority = |r: &mut Random| r.pick(&[1, 50, 99, 100, 100, 101, 150, 200, 253, 254]);
    let mut priorities = vec![priority(r)];
    if !scenario.grouped && r.percent(50) {
        priorities.extend((1..scenario.routers).map(|_| priority(r)));
    }
    let owned = scenario.nodes.iter().any(|node| node.priorities.contains(&255));
    if !owned && r.percent(5) {
        priorities = vec![255];
    }
    let preempt = match r.below(10) {
        0..6 => Preempt::After(Duration::ZERO),
        6..9 => Preempt::Never,
        _ => Preempt::After(r.milliseconds(1000, 15_000)),
    };
    let own_interval = scenario.version == Version::V3 && r.percent(20);
    NodeSpec {
        kind,
        priorities,
        preempt,
        interval: own_interval.then(|| Duration::from_millis(r.pick(&[100, 500, 1000, 2000]))),
        script: (kind == Kind::Mainstay && r.percent(30)).then(|| r.pick(&[0, -60, 40, -200])),
        lease: Lease::Off,
        beats: Beats::Off,
    }
}

/// From a hiccup to well over every timer.
fn lasting(r: &mut Random, interval: Duration) -> Duration {
    let interval = interval.as_millis() as u64;
    match r.below(4) {
        0 => r.milliseconds(1, interval),
        1 => r.milliseconds(interval, 3 * interval),
        2 => r.milliseconds(3 * interval, 5 * interval),
        _ => r.milliseconds(3 * interval, 20_000),
    }
}

fn fault(r: &mut Random, kind: u64, scenario: &Scenario) -> Fault {
    let count = scenario.nodes.len();
    let node = r.index(count);
    let other = (node + 1 + r.index(count - 1)) % count;
    let interval = scenario.interval.as_millis() as u64;
    match kind {
        0 => Fault::Freeze(node),
        1 => Fault::Pause(node, PausedClock::Stopped),
        2 => Fault::Pause(node, r.pick(&[PausedClock::Running, PausedClock::Leaping])),
        3 => Fault::Crash(node, Memory::Kept),
        4 => Fault::Crash(node, Memory::Lost),
        5 => Fault::Reboot(node),
        6 => Fault::Shutdown(node),
        7 => Fault::SlowLoop(node, r.milliseconds(1, 4 * interval)),
        8 => Fault::SlowKernel(node, r.milliseconds(1, 500)),
        9 => Fault::ClockRate(node, r.pick(&[-500, -100, 100, 500])),
        10 => Fault::Carrier(node),
        11 => Fault::Deaf(node, other),
        12 => Fault::CutOff(node),
        13 => Fault::MulticastDeaf(node, other),
        14 => Fault::Loss(r.pick(&[1, 10, 30, 60])),
        15 => Fault::Duplication(r.pick(&[5, 50, 100])),
        16 => Fault::Delay(r.milliseconds(5, 3 * interval)),
        17 => Fault::Damage(r.pick(&[1, 20, 60])),
        18 => Fault::Removal(node),
        19 => Fault::Refusal(node),
        20 => Fault::SendRefusal(node),
        21 => Fault::LostEvents(node),
        22 => match r.below(2) {
            0 => Fault::OwnAddress(node),
            _ => Fault::Script(node),
        },
        _ => {
            let change = match r.below(6) {
                0 => Change::Priority(r.pick(&[1, 50, 120, 254])),
                1 if scenario.version == Version::V3 => {
                    Change::Interval(Duration::from_millis(r.pick(&[100, 400, 1000, 2000])))
                }
                2 => Change::MoreAddresses,
                3 => Change::FewerAddresses,
                4 => Change::FewerRouters,
                _ => Change::Preempt,
            };
            Fault::Reload(node, change)
        }
    }
}
