//! Small scope, exhaustively: two or three real routers, time in whole ticks, a few faults, and every order in which
//! messages and ticks can meet. States that differ only in when they happened are one state, so the search ends.
//!
//! In each tick a message in flight may arrive before its receiver looks at its timers, after it, a tick later, or (at
//! the price of one fault) never; and a node may stand still or crash (one fault). A fault spent starts the time in
//! which the LAN must come to rest: then there is exactly one master, the one with the highest priority.

use std::collections::{HashSet, VecDeque};
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use mainstay_core::router::plan::Preempt;
use mainstay_core::router::{Action, Input, Packet, Router, State};
use mainstay_core::time::Instant;
use mainstay_core::vrrp::ah::Envelope;

use crate::kernel::{INDEX, Kernel};
use crate::scenario::{NodeSpec, Scenario};

/// Length of a tick; an advert interval has two.
const TICK: Duration = Duration::from_millis(500);
const INTERVAL: Duration = Duration::from_secs(1);
/// Ticks a node stands still: long enough to be replaced.
const STANDSTILL: u8 = 9;
/// Ticks after which the LAN is at rest: the longest master-down interval (under 4 s), an interval, and what messages
/// and rounding to ticks add.
const REST: u8 = 14;

/// How much is explored.
#[derive(Debug, Clone, Copy)]
pub struct Scope {
    /// Nodes, at most 3.
    pub nodes: usize,
    /// Faults in one history.
    pub faults: u8,
    /// Whether the nodes preempt.
    pub preempt: bool,
}

/// What was found.
#[derive(Debug, Clone)]
pub struct Explored {
    /// Different states.
    pub states: usize,
    /// Steps from one to another.
    pub steps: u64,
    /// The first state that breaks the rule, with the way to it.
    pub violation: Option<String>,
}

#[derive(Debug, Clone)]
struct World {
    now: Instant,
    nodes: Vec<Node>,
    flying: Vec<Message>,
    faults_left: u8,
    /// Ticks since the last fault was over, up to [`REST`].
    calm: u8,
    way: Option<Arc<Way>>,
}

/// The way to a state, shared between all states that continue it.
#[derive(Debug)]
struct Way {
    before: Option<Arc<Way>>,
    choice: String,
}

#[derive(Debug, Clone)]
struct Node {
    router: Router,
    still_for: u8,
    inbox: Vec<Message>,
}

#[derive(Debug, Clone)]
struct Message {
    from: usize,
    to: usize,
    late: bool,
    payload: Arc<[u8]>,
}

/// What becomes of a message in this tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Before,
    After,
    Later,
    Lost,
}

/// What becomes of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    None,
    Standstill(usize),
    Crash(usize),
}

/// Explores everything within a scope, up to a number of states.
#[must_use]
pub fn explore(scope: Scope, most_states: usize) -> Explored {
    let scenario = scenario(scope);
    let first = World::new(&scenario, scope.faults);
    let mut seen = HashSet::from([first.fingerprint()]);
    let mut waiting = VecDeque::from([first]);
    let mut steps = 0;
    while let Some(world) = waiting.pop_front() {
        for (trouble, fates) in world.choices() {
            let mut next = world.clone();
            next.tick(&scenario, trouble, &fates);
            steps += 1;
            if !seen.insert(next.fingerprint()) {
                continue;
            }
            next.way = Some(Arc::new(Way {
                before: world.way.clone(),
                choice: format!("{trouble:?} {fates:?} -> {:?}", next.states()),
            }));
            if let Some(violation) = next.violation(scope) {
                return Explored { states: seen.len(), steps, violation: Some(violation) };
            }
            if seen.len() >= most_states {
                let violation = Some(format!("more than {most_states} states: the scope is too large"));
                return Explored { states: seen.len(), steps, violation };
            }
            waiting.push_back(next);
        }
    }
    Explored { states: seen.len(), steps, violation: None }
}

fn scenario(scope: Scope) -> Scenario {
    let node = |priority| NodeSpec {
        priorities: vec![priority],
        preempt: if scope.preempt { Preempt::After(Duration::ZERO) } else { Preempt::Never },
        ..NodeSpec::default()
    };
    let priorities = [200, 100, 50];
    let mut scenario = Scenario::quiet(1, priorities[..scope.nodes].iter().map(|p| node(*p)).collect());
    scenario.interval = INTERVAL;
    scenario
}

impl World {
    fn new(scenario: &Scenario, faults: u8) -> Self {
        let now = Instant::from_nanos(1_000_000_000);
        let nodes = (0..scenario.nodes.len()).map(|id| Node::start(scenario, id, now)).collect();
        Self { now, nodes, flying: Vec::new(), faults_left: faults, calm: 0, way: None }
    }

    /// Everything that may happen in the next tick.
    fn choices(&self) -> Vec<(Trouble, Vec<Fate>)> {
        let mut troubles = vec![Trouble::None];
        if self.faults_left > 0 {
            for id in (0..self.nodes.len()).filter(|id| self.nodes[*id].still_for == 0) {
                troubles.extend([Trouble::Standstill(id), Trouble::Crash(id)]);
            }
        }
        let mut choices = Vec::new();
        for trouble in troubles {
            let left = self.faults_left - u8::from(trouble != Trouble::None);
            let mut fates = vec![Vec::new()];
            for message in &self.flying {
                let mut longer = Vec::new();
                for so_far in fates {
                    let lost = so_far.iter().filter(|fate| **fate == Fate::Lost).count();
                    let mut more = vec![Fate::Before, Fate::After];
                    if !message.late {
                        more.push(Fate::Later);
                    }
                    if lost < usize::from(left) {
                        more.push(Fate::Lost);
                    }
                    longer.extend(more.into_iter().map(|fate| {
                        let mut with = so_far.clone();
                        with.push(fate);
                        with
                    }));
                }
                fates = longer;
            }
            choices.extend(fates.into_iter().map(|fates| (trouble, fates)));
        }
        choices
    }

    fn tick(&mut self, scenario: &Scenario, trouble: Trouble, fates: &[Fate]) {
        self.now = self.now + TICK;
        self.calm = (self.calm + 1).min(REST);
        let lost = fates.iter().filter(|fate| **fate == Fate::Lost).count() as u8;
        self.faults_left -= lost + u8::from(trouble != Trouble::None);
        if lost > 0 || trouble != Trouble::None || self.nodes.iter().any(|node| node.still_for > 0) {
            self.calm = 0;
        }
        match trouble {
            Trouble::None => {}
            Trouble::Standstill(id) => self.nodes[id].still_for = STANDSTILL,
            Trouble::Crash(id) => self.nodes[id] = Node::start(scenario, id, self.now),
        }
        let flying = std::mem::take(&mut self.flying);
        let of = |to: usize, wanted: Fate| {
            let fitting = flying.iter().zip(fates).filter(move |(m, fate)| m.to == to && **fate == wanted);
            fitting.map(|(message, _)| message.clone()).collect::<Vec<_>>()
        };
        let mut sent = Vec::new();
        for id in 0..self.nodes.len() {
            let (before, after) = (of(id, Fate::Before), of(id, Fate::After));
            let node = &mut self.nodes[id];
            node.inbox.extend(before);
            if node.still_for > 0 {
                node.still_for -= 1;
                node.inbox.extend(after);
                continue;
            }
            let mut actions = Vec::new();
            node.read(scenario, self.now, &mut actions);
            for _ in 0..4 {
                if node.router.next_deadline().is_some_and(|deadline| deadline <= self.now) {
                    node.router.step(self.now, Input::Tick, &mut actions);
                }
            }
            node.inbox.extend(after);
            node.read(scenario, self.now, &mut actions);
            node.obey(self.now, &actions);
            sent.extend(actions.into_iter().filter_map(|action| match action {
                Action::SendAdvert(advert) => Some((id, advert.payload)),
                _ => None,
            }));
        }
        let delayed = flying.into_iter().zip(fates).filter(|(_, fate)| **fate == Fate::Later);
        self.flying.extend(delayed.map(|(message, _)| Message { late: true, ..message }));
        for (from, payload) in sent {
            let others = (0..self.nodes.len()).filter(|to| *to != from);
            self.flying.extend(others.map(|to| Message {
                from,
                to,
                late: false,
                payload: Arc::clone(&payload),
            }));
        }
        // Two equal messages on the same way tell nothing that one does not.
        let mut known = HashSet::new();
        self.flying.retain(|message| known.insert((message.from, message.to, message.payload[2])));
    }

    fn states(&self) -> Vec<State> {
        let of = |node: &Node| node.router.states().next().map_or(State::Init, |(_, state, _)| state);
        self.nodes.iter().map(of).collect()
    }

    fn violation(&self, scope: Scope) -> Option<String> {
        if self.calm < REST {
            return None;
        }
        let states = self.states();
        let masters = states.iter().filter(|state| **state == State::Master).count();
        let right = masters == 1 && (!scope.preempt || states[0] == State::Master);
        if right {
            return None;
        }
        let mut lines = vec![format!("at rest for {REST} ticks, and the states are {states:?}")];
        let mut way = self.way.as_ref();
        while let Some(step) = way {
            lines.push(step.choice.clone());
            way = step.before.as_ref();
        }
        Some(lines.join("\n  before that: "))
    }

    /// A number that is equal for states from which the same may follow.
    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.faults_left, self.calm).hash(&mut hasher);
        let mut text = String::new();
        for node in &self.nodes {
            text.clear();
            // Writing to a String cannot fail.
            let _ = write!(text, "{:?}", node.router);
            hash_debug(&text, self.now, &mut hasher);
            node.still_for.hash(&mut hasher);
            hash_messages(&node.inbox, &mut hasher);
        }
        hash_messages(&self.flying, &mut hasher);
        hasher.finish()
    }
}

impl Node {
    fn start(scenario: &Scenario, id: usize, now: Instant) -> Self {
        let mut router = Router::new(now, Duration::from_secs(60), scenario.plan(id, &[]), None);
        let (links, addresses) =
            Kernel::new([2, 0, 0, 0, 0, id as u8], vec![scenario.own_address(id)]).listing();
        router.step(now, Input::KernelListed { links, addresses }, &mut Vec::new());
        Self { router, still_for: 0, inbox: Vec::new() }
    }

    fn read(&mut self, scenario: &Scenario, now: Instant, actions: &mut Vec<Action>) {
        for message in self.inbox.drain(..) {
            let packet = Packet {
                link: INDEX,
                source: scenario.own_address(message.from),
                destination: scenario.group(),
                ttl: 255,
                envelope: Envelope::Bare,
                payload: &message.payload,
            };
            self.router.step(now, Input::PacketReceived(packet), actions);
        }
    }

    /// The kernel does at once what it is ordered, and says so; nothing more comes of that.
    fn obey(&mut self, now: Instant, actions: &[Action]) {
        let mut more = Vec::new();
        for action in actions {
            match action {
                Action::AddAddress(new) => {
                    self.router.step(now, Input::AddressAdded(INDEX, new.address), &mut more);
                }
                Action::RemoveAddress(old) => {
                    self.router.step(now, Input::AddressRemoved(INDEX, old.address), &mut more);
                    self.router.step(now, Input::AddressReleased(Arc::clone(old)), &mut more);
                }
                _ => {}
            }
        }
        debug_assert!(more.is_empty(), "{more:?}");
    }
}

fn hash_messages(messages: &[Message], hasher: &mut DefaultHasher) {
    let mut keys: Vec<_> = messages.iter().map(|m| (m.from, m.to, m.late, m.payload[2])).collect();
    keys.sort_unstable();
    keys.hash(hasher);
}

/// Fields of the router that say what was, not what will be: counters, causes, what was told when, caches, when
/// announcements go out, what metrics observe, and (nobody here has a lease, signs adverts or sends heartbeats) when the last
/// advert left, who was heard, the time of day, and what was alarming.
const PAST: [&str; 24] = [
    "plan",
    "counters",
    "since",
    "cause",
    "last_heard",
    "limits",
    "deadlines",
    "wire",
    "ending",
    "contest_announced",
    "renewal",
    "peers",
    "announcements",
    "kernel",
    "settings",
    "quiet_until",
    "legs",
    "no_silence_before",
    "alarms",
    "rivals",
    "observed",
    "lateness",
    "wall_clock",
    "marks",
];

/// Hashes a `Debug` text without the fields of the past, and with instants counted from now.
fn hash_debug(text: &str, now: Instant, hasher: &mut DefaultHasher) {
    let mut rest = text;
    while !rest.is_empty() {
        let word_end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (word, after) = rest.split_at(word_end);
        if word == "Instant" && after.starts_with('(') {
            let end = after.find(')').unwrap_or(after.len());
            let nanos: i128 = after[1..end].parse().unwrap_or_default();
            (nanos - i128::from(now.as_nanos())).hash(hasher);
            rest = &after[end..];
        } else if PAST.contains(&word) && after.starts_with(": ") {
            rest = &after[value_end(after)..];
        } else {
            word.hash(hasher);
            let next = after.chars().next().map_or(0, char::len_utf8);
            after[..next].hash(hasher);
            rest = &after[next..];
        }
    }
}

/// Where a field's value ends: at the comma or bracket that does not belong to it.
fn value_end(text: &str) -> usize {
    let mut depth = 0_i32;
    let mut quoted = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' | b'[' | b'(' => depth += 1,
            b'}' | b']' | b')' if depth == 0 => return at,
            b'}' | b']' | b')' => depth -= 1,
            b',' if depth == 0 => return at,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(text: &str, now: u64) -> u64 {
        let mut hasher = DefaultHasher::new();
        hash_debug(text, Instant::from_nanos(now), &mut hasher);
        hasher.finish()
    }

    #[test]
    fn states_that_differ_in_their_past_and_in_absolute_time_are_one() {
        let one = "A { since: Instant(3), timer: Instant(10), counters: C { a: [1, 2] }, b: 1 }";
        let other = "A { since: Instant(9), timer: Instant(15), counters: C { a: [7] }, b: 1 }";
        assert_eq!(hash(one, 5), hash(other, 10));
        assert_ne!(hash(one, 5), hash(other, 11));
        assert_ne!(hash(one, 5), hash(&one.replace("b: 1", "b: 2"), 5));
    }

    #[test]
    fn two_nodes_and_one_fault_always_come_to_rest() {
        for preempt in [true, false] {
            let explored = explore(Scope { nodes: 2, faults: 1, preempt }, 200_000);
            assert_eq!(explored.violation, None, "{} states", explored.states);
            assert!(explored.states > 1000, "only {} states", explored.states);
        }
    }
}
