//! The world: a LAN with its stations, one queue of events, one thread.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use mainstay_core::router::Actions;
use mainstay_core::time::Instant;

use crate::epoch::LastWord;
use crate::fault::{Fault, NodeId};
use crate::frame::{Frame, Station, mac_of};
use crate::hearsay::Hearsay;
use crate::host::Host;
use crate::judge::{Hold, Judge, Violation};
use crate::kernel::Kernel;
use crate::moment::{Clock, Moment};
use crate::network::Network;
use crate::node::{Brain, Fact, Node, Outgoing, States};
use crate::queue::Queue;
use crate::random::Random;
use crate::scenario::Scenario;
use crate::trace::{Mode, Trace};
use crate::vacancy::Vacancies;

/// A simulated LAN.
#[derive(Debug)]
pub struct World {
    /// What is simulated.
    pub scenario: Scenario,
    /// The world's time.
    pub now: Moment,
    pub(crate) random: Random,
    pub(crate) queue: Queue<Event>,
    /// The node whose loop was the last to have a reason to wake up, and when it does. Nearly always nothing happens before,
    /// and then this need not go through the queue.
    pub(crate) roused: Option<(Moment, NodeId)>,
    /// Faults that have not begun, in order.
    upcoming: VecDeque<usize>,
    /// Whether any configuration changes.
    pub(crate) reloads: bool,
    pub(crate) network: Network,
    /// The second link, for heartbeats: no station of it is a host.
    pub(crate) second: Network,
    /// The nodes.
    pub nodes: Vec<Node>,
    pub(crate) hosts: Vec<Host>,
    /// Room for the orders of a step, kept because making it costs time.
    pub(crate) orders: Actions,
    /// Watches the rules.
    pub judge: Judge,
    /// The last heartbeat of each node.
    pub(crate) last_words: Vec<LastWord>,
    /// How long nobody holds an address.
    pub vacancies: Vacancies,
    /// What the nodes have to believe of each other's heartbeats.
    pub(crate) hearsay: Hearsay,
    /// What is told.
    pub trace: Trace,
    /// Events handled.
    pub events: u64,
}

/// Something that is going to happen.
#[derive(Debug)]
pub(crate) enum Event {
    /// A node's process is started.
    Start(NodeId),
    /// A node's loop wakes up.
    Wake(NodeId),
    /// A node's timer fires, unless it was set anew.
    Timer(NodeId, u64),
    /// A frame arrives.
    Arrive(Station, Frame),
    /// A node's effects thread performs one order.
    Effect(NodeId, u32),
    /// The timeout of a node's gate.
    Gate(NodeId),
    /// A node's process, which is slow, gets round to sending.
    Leave(NodeId, u32, Box<(Outgoing, Instant)>),
    /// An event of the kernel reaches the process.
    Netlink(NodeId, u32, Fact),
    /// Something else reaches the process.
    Tell(NodeId, u32, Fact),
    /// A fault begins.
    Begins(usize),
    /// A fault ends.
    Ends(usize),
    /// A host sends to all virtual routers.
    Probe(usize),
}

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// Rules broken, in order; the run ends with the first.
    pub violations: Vec<Violation>,
    /// Time simulated, times the number of nodes.
    pub node_time: Duration,
    /// Events handled.
    pub events: u64,
    /// How long two nodes or more held one address, by cause.
    pub dual: BTreeMap<crate::fault::Cause, Duration>,
    /// Hash of everything that happened.
    pub hash: u64,
}

impl World {
    /// A world in which nothing has happened yet.
    #[must_use]
    pub fn new(scenario: Scenario, mode: Mode) -> Self {
        let stations = scenario.nodes.len() + scenario.hosts;
        let mut random = Random::new(scenario.seed ^ 0x0073_696d_756c_6174);
        let nodes = (0..scenario.nodes.len()).map(|id| new_node(&scenario, id)).collect();
        let hosts = (scenario.nodes.len()..stations)
            .map(|station| Host::new(station, scenario.own_address(station), random.percent(70)))
            .collect();
        let mut world = Self {
            now: Moment(0),
            queue: Queue::new(),
            roused: None,
            upcoming: VecDeque::new(),
            reloads: scenario.faults.iter().any(|timed| matches!(timed.fault, Fault::Reload(..))),
            network: Network::new(scenario.nodes.len(), stations, scenario.weather),
            second: Network::new(scenario.nodes.len(), scenario.nodes.len(), scenario.weather),
            nodes,
            hosts,
            orders: Actions::new(),
            judge: Judge::new(&scenario),
            last_words: vec![LastWord::default(); scenario.nodes.len()],
            vacancies: Vacancies::new(scenario.nodes.len(), scenario.routers),
            hearsay: Hearsay::new(scenario.nodes.len(), scenario.routers),
            trace: Trace::new(mode),
            events: 0,
            random,
            scenario,
        };
        world.look_at_ways();
        world.begin();
        world
    }

    fn begin(&mut self) {
        for node in 0..self.nodes.len() {
            let boot = self.random.milliseconds(0, 20);
            self.later(boot, Event::Start(node));
        }
        for host in 0..self.hosts.len() {
            let first = self.random.milliseconds(0, 500);
            self.later(first, Event::Probe(host));
        }
        let mut upcoming: Vec<usize> = (0..self.scenario.faults.len()).collect();
        upcoming.sort_by_key(|index| self.scenario.faults[*index].at);
        self.upcoming = upcoming.into();
        self.await_next_fault();
    }

    /// Only the next fault is in the queue: a long life has many, and the queue is short.
    pub(crate) fn await_next_fault(&mut self) {
        if let Some(index) = self.upcoming.pop_front() {
            let timed = self.scenario.faults[index];
            self.at(Moment(0) + timed.at, Event::Begins(index));
            self.at(Moment(0) + timed.ends(), Event::Ends(index));
        }
    }

    /// Runs the whole scenario: trouble and healing, perhaps several times, and each time that lasts long enough a
    /// quiet time in which everything must have settled and nothing changes.
    pub fn run(&mut self) -> Outcome {
        for (settled, disturbed) in self.calms() {
            self.run_until(settled);
            self.check_settled();
            let states = self.all_states();
            self.run_until(disturbed);
            self.check_settled();
            if states != self.all_states() && self.judge.violations.is_empty() {
                let what = "states still change long after the last fault".into();
                self.judge.violate(self.now, "L5", what);
            }
        }
        self.outcome()
    }

    /// What came of it so far.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        Outcome {
            violations: self.judge.violations.clone(),
            node_time: Duration::from_nanos(self.now.0) * self.nodes.len() as u32,
            events: self.events,
            dual: self.judge.dual.clone(),
            hash: self.trace.hash(),
        }
    }

    /// Runs until a moment, or until a rule is broken.
    pub fn run_until(&mut self, end: Moment) {
        while self.judge.violations.is_empty() {
            let Some((at, event)) = self.next_until(end) else { break };
            self.now = at;
            self.events += 1;
            self.judge.look(self.now);
            self.handle(event);
            if self.judge.has_vacancy() {
                self.check_vacancies();
            }
        }
        if self.judge.violations.is_empty() {
            self.now = self.now.max(end);
            self.judge.look(self.now);
        }
    }

    /// The next event, if it happens no later than `end`.
    fn next_until(&mut self, end: Moment) -> Option<(Moment, Event)> {
        if let Some((at, node)) = self.roused.take() {
            if at <= end && self.queue.next().is_none_or(|next| at < next) {
                return Some((at, Event::Wake(node)));
            }
            self.queue.push(at, Event::Wake(node));
        }
        self.queue.pop_until(end)
    }

    fn handle(&mut self, event: Event) {
        self.trace.mix(self.now.0);
        match event {
            Event::Start(node) => self.start(node),
            Event::Wake(node) => self.wake(node),
            Event::Timer(node, timer) => self.timer_fires(node, timer),
            Event::Arrive(station, frame) => self.arrive(station, frame),
            Event::Effect(node, life) => self.effect(node, life),
            Event::Gate(node) => self.gate_closes(node),
            Event::Leave(node, life, outgoing) => self.leave(node, life, *outgoing),
            Event::Netlink(node, life, fact) => {
                if self.nodes[node].life == life {
                    self.nodes[node].netlink_in_flight -= 1;
                    self.tell(node, fact);
                }
            }
            Event::Tell(node, life, fact) => {
                if self.nodes[node].life == life {
                    self.tell(node, fact);
                }
            }
            Event::Begins(index) => {
                self.fault_begins(index);
                self.await_next_fault();
            }
            Event::Ends(index) => self.fault_ends(index),
            Event::Probe(host) => self.probe(host),
        }
    }

    /// Puts an event into the queue.
    pub(crate) fn later(&mut self, after: Duration, event: Event) {
        self.at(self.now + after, event);
    }

    /// Puts an event into the queue for a moment.
    pub(crate) fn at(&mut self, at: Moment, event: Event) {
        self.queue.push(at.max(self.now), event);
    }

    /// State and effective priority of every router of every node; nothing for nodes that do not run.
    #[must_use]
    pub fn all_states(&self) -> Vec<States> {
        (0..self.nodes.len()).map(|node| self.states_of(node)).collect()
    }

    /// State and effective priority of every router of a node; nothing if it does not run.
    pub(crate) fn states_of(&self, node: NodeId) -> States {
        self.nodes[node].brain.as_ref().map(Brain::states).unwrap_or_default()
    }

    /// Whether a kernel's answers for a virtual address changed with what just happened.
    pub(crate) fn note_holders(&mut self, id: NodeId) {
        let node = &self.nodes[id];
        let hold = |address| match node.holds(self.now, address) {
            false => Hold::No,
            true if node.kernel.gates.are_armed(address) => Hold::Leased,
            true => Hold::Plain,
        };
        let local = node.clock.read(self.now);
        let new = self.judge.pace.new_masters(id, local, node.loop_delay);
        self.judge.note_holder(self.now, id, hold, |router| new & 1 << router != 0);
        self.await_gate(id);
    }
}

fn new_node(scenario: &Scenario, id: NodeId) -> Node {
    let own = scenario.own_address(id);
    let mut kernel = Kernel::new(mac_of(id), vec![own]);
    kernel.second = scenario.second_address(id);
    // Each node's clock shows another time, so that nobody can compare them unnoticed.
    let local = Instant::from_nanos(1_000_000_000 * (1000 + 777 * id as u64));
    Node {
        kind: scenario.nodes[id].kind,
        own,
        kernel,
        clock: Clock::new(Moment(0), local, 0),
        brain: None,
        life: 0,
        down: 0,
        frozen: 0,
        paused: 0,
        paused_since: Moment(0),
        off: 0,
        inbox: VecDeque::new(),
        waking: false,
        effects: VecDeque::new(),
        effects_busy: false,
        timer: 0,
        deadline: None,
        fires_at: None,
        listens: false,
        first_socket: 0,
        ring: Vec::new(),
        memory: None,
        changes: Vec::new(),
        plan: scenario.plan(id, &[]),
        digests: Vec::new(),
        script_fails: 0,
        loop_delay: Duration::ZERO,
        kernel_delay: Duration::ZERO,
        netlink_in_flight: 0,
        in_order: false,
        opened_old_gate: 0,
        events_lost: false,
        gates_refused: false,
        unsent: VecDeque::new(),
        leaving: 0,
        gate_closes_at: None,
        addressless: 0,
    }
}
