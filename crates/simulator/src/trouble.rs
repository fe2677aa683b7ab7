//! Faults: what begins with each, and what ends it.

use std::time::Duration;

use crate::daemon::name;
use crate::fault::{Cause, Change, Fault, Memory, NodeId, PausedClock};
use crate::node::Fact;
use crate::scenario::Kind;
use crate::world::{Event, World};

impl World {
    pub(crate) fn fault_begins(&mut self, index: usize) {
        let timed = self.scenario.faults[index];
        self.trace.tell(self.now, || format!("*** {}", crate::story::phrase(&timed.fault)));
        self.judge.fault_begins(self.now, &timed, self.excuse(&timed.fault));
        self.vacancies.fault_begins(self.now, &timed, self.scenario.longest_interval());
        match timed.fault {
            Fault::Freeze(node) => self.nodes[node].frozen += 1,
            Fault::Pause(node, _) => {
                self.nodes[node].paused += 1;
                if self.nodes[node].paused == 1 {
                    self.nodes[node].clock.stop(self.now);
                    self.nodes[node].paused_since = self.now;
                }
            }
            Fault::Crash(node, memory) => {
                self.nodes[node].down += 1;
                self.kill(node, memory == Memory::Kept);
            }
            Fault::Reboot(node) => {
                self.nodes[node].off += 1;
                self.nodes[node].kernel.reboot();
                self.kill(node, false);
                // Of a process that had crashed before, nobody remembers anything either.
                self.nodes[node].memory = None;
            }
            Fault::Shutdown(node) => {
                self.nodes[node].down += 1;
                self.nodes[node].memory = None;
                self.tell(node, Fact::Shutdown);
            }
            // FRR's addresses are the operator's, on links of their own; nobody else's hand is modelled there.
            Fault::Removal(node) if self.nodes[node].kind == Kind::Frr => {}
            Fault::Removal(node) => {
                let addresses: Vec<_> = self.nodes[node].kernel.virtual_addresses().collect();
                for address in addresses {
                    let _ = self.nodes[node].kernel.remove(address);
                    self.netlink(node, Fact::Removed(address));
                }
            }
            Fault::OwnAddress(node) => {
                self.nodes[node].addressless += 1;
                for address in self.nodes[node].kernel.lose_own() {
                    self.netlink(node, Fact::Removed(address));
                }
            }
            Fault::Script(node) => self.nodes[node].script_fails += 1,
            Fault::Reload(node, change) => {
                self.nodes[node].changes.push(change);
                self.reload(node);
            }
            Fault::Deaf(from, to) => self.network.cut(from, to, true),
            Fault::MulticastDeaf(from, to) => self.network.cut_multicast(from, to, true),
            Fault::CutOff(node) => self.cut_off(node, true),
            Fault::AdvertDeaf(from, to) => self.network.cut_adverts(from, to, true),
            Fault::SecondDeaf(from, to) => self.second.cut(from, to, true),
            Fault::SecondCutOff(node) => self.cut_off_second(node, true),
            Fault::SlowLoop(..)
            | Fault::SlowKernel(..)
            | Fault::ClockRate(..)
            | Fault::Carrier(_)
            | Fault::Loss(_)
            | Fault::SecondLoss(_)
            | Fault::Duplication(_)
            | Fault::Delay(_)
            | Fault::Damage(_)
            | Fault::Refusal(_)
            | Fault::SendRefusal(_)
            | Fault::GateRefusal(_)
            | Fault::LostEvents(_) => self.recompute(),
        }
        self.look_around(&timed.fault);
    }

    pub(crate) fn fault_ends(&mut self, index: usize) {
        let timed = self.scenario.faults[index];
        self.trace.tell(self.now, || format!("... over: {}", crate::story::phrase(&timed.fault)));
        self.vacancies.fault_ends(self.now, &timed);
        match timed.fault {
            Fault::Freeze(node) => {
                self.nodes[node].frozen -= 1;
                self.go_on(node);
            }
            Fault::Pause(node, clock) => {
                self.nodes[node].paused -= 1;
                if self.nodes[node].paused == 0 {
                    let stood_still = self.now.since(self.nodes[node].paused_since);
                    let leap = match clock {
                        PausedClock::Stopped => Duration::ZERO,
                        PausedClock::Running => stood_still,
                        PausedClock::Leaping => stood_still + Duration::from_secs(100),
                    };
                    self.nodes[node].clock.start(self.now, leap);
                    for frame in std::mem::take(&mut self.nodes[node].ring) {
                        self.later(Duration::from_micros(1), Event::Arrive(node, frame));
                    }
                    self.go_on(node);
                }
            }
            Fault::Crash(node, _) => {
                self.nodes[node].down -= 1;
                self.later(Duration::ZERO, Event::Start(node));
            }
            Fault::Reboot(node) => {
                self.nodes[node].off -= 1;
                self.later(Duration::ZERO, Event::Start(node));
            }
            Fault::Shutdown(node) => {
                self.nodes[node].down -= 1;
                if self.nodes[node].down == 0 {
                    // Not every end comes in time: the service manager kills.
                    self.kill(node, false);
                    self.later(Duration::ZERO, Event::Start(node));
                }
            }
            Fault::Removal(_) => {}
            Fault::OwnAddress(node) => {
                self.nodes[node].addressless -= 1;
                if self.nodes[node].addressless == 0 {
                    let own = self.nodes[node].own;
                    self.nodes[node].kernel.regain(vec![own]);
                    self.netlink(node, Fact::Added(own));
                }
            }
            Fault::Script(node) => {
                self.check_script(&timed);
                self.nodes[node].script_fails -= 1;
            }
            Fault::Reload(node, change) => {
                let changes = &mut self.nodes[node].changes;
                if let Some(at) = changes.iter().position(|known| *known == change) {
                    let _ = changes.remove(at);
                }
                self.reload(node);
            }
            Fault::Deaf(from, to) => self.network.cut(from, to, false),
            Fault::MulticastDeaf(from, to) => self.network.cut_multicast(from, to, false),
            Fault::CutOff(node) => self.cut_off(node, false),
            Fault::AdvertDeaf(from, to) => self.network.cut_adverts(from, to, false),
            Fault::SecondDeaf(from, to) => self.second.cut(from, to, false),
            Fault::SecondCutOff(node) => self.cut_off_second(node, false),
            Fault::SlowLoop(..)
            | Fault::SlowKernel(..)
            | Fault::ClockRate(..)
            | Fault::Carrier(_)
            | Fault::Loss(_)
            | Fault::SecondLoss(_)
            | Fault::Duplication(_)
            | Fault::Delay(_)
            | Fault::Damage(_)
            | Fault::Refusal(_)
            | Fault::SendRefusal(_)
            | Fault::GateRefusal(_)
            | Fault::LostEvents(_) => self.recompute(),
        }
        self.look_around(&timed.fault);
    }

    /// Something has begun or ended: looks at everything that may be otherwise now.
    fn look_around(&mut self, fault: &Fault) {
        self.look_at_ways();
        self.nodes.iter_mut().for_each(|node| node.in_order = false);
        for node in fault.nodes().into_iter().flatten() {
            self.note_holders(node);
        }
    }

    /// Sets everything that is a level rather than an event from the faults that last at this moment.
    fn recompute(&mut self) {
        let now = Duration::from_nanos(self.now.0);
        let lasting = |timed: &&crate::fault::Timed| timed.at <= now && now < timed.ends();
        let active: Vec<Fault> =
            self.scenario.faults.iter().filter(lasting).map(|timed| timed.fault).collect();
        let weather = &mut self.network.weather;
        *weather = self.scenario.weather;
        let second = &mut self.second.weather;
        *second = self.scenario.weather;
        for fault in &active {
            match fault {
                Fault::SecondLoss(percent) => second.loss = second.loss.max(percent * 10_000),
                Fault::Loss(percent) => weather.loss = weather.loss.max(percent * 10_000),
                Fault::Duplication(percent) => {
                    weather.duplication = weather.duplication.max(percent * 10_000)
                }
                Fault::Delay(most) => weather.most_delay = weather.most_delay.max(*most),
                Fault::Damage(percent) => weather.damage = weather.damage.max(percent * 10_000),
                _ => {}
            }
        }
        for id in 0..self.nodes.len() {
            self.recompute_node(id, &active);
        }
    }

    fn recompute_node(&mut self, id: NodeId, active: &[Fault]) {
        let now = self.now;
        let node = &mut self.nodes[id];
        let has = |wanted: Fault| active.contains(&wanted);
        let (mut loop_delay, mut kernel_delay, mut rate) = (Duration::ZERO, Duration::ZERO, 0);
        for fault in active {
            match fault {
                Fault::SlowLoop(of, by) if *of == id => loop_delay = loop_delay.max(*by),
                Fault::SlowKernel(of, by) if *of == id => kernel_delay = kernel_delay.max(*by),
                Fault::ClockRate(of, ppm) if *of == id => rate = *ppm,
                _ => {}
            }
        }
        node.loop_delay = loop_delay;
        node.kernel_delay = kernel_delay;
        // What the other implementations do about refusals and lost events was not observed: not modelled.
        node.kernel.refuses = has(Fault::Refusal(id)) && node.kind == Kind::Mainstay;
        node.kernel.refuses_to_send = has(Fault::SendRefusal(id));
        node.kernel.refuses_gates = has(Fault::GateRefusal(id));
        if node.paused == 0 {
            node.clock.set_rate(now, rate);
        }
        let carrier = !has(Fault::Carrier(id));
        let carrier_changed = std::mem::replace(&mut node.kernel.carrier, carrier) != carrier;
        let link = node.kernel.link();
        let loses = has(Fault::LostEvents(id)) && node.kind == Kind::Mainstay;
        let lost_before = std::mem::replace(&mut node.kernel.loses_events, loses);
        self.set_timer(id);
        if carrier_changed {
            self.netlink(id, Fact::Link(link));
        }
        if lost_before && !loses && self.nodes[id].events_lost {
            self.tell(id, Fact::List);
        }
    }

    fn cut_off(&mut self, node: NodeId, more: bool) {
        for other in (0..self.nodes.len() + self.hosts.len()).filter(|other| *other != node) {
            self.network.cut(node, other, more);
            self.network.cut(other, node, more);
        }
    }

    fn cut_off_second(&mut self, node: NodeId, more: bool) {
        for other in (0..self.nodes.len()).filter(|other| *other != node) {
            self.second.cut(node, other, more);
            self.second.cut(other, node, more);
        }
    }

    fn reload(&mut self, node: NodeId) {
        let plan = self.scenario.plan(node, &self.nodes[node].changes);
        self.trace.tell(self.now, || format!("{} reloads", name(node)));
        self.tell(node, Fact::Reload(Box::new(plan)));
    }

    /// A process or machine that stood still goes on: its loop and its effects thread.
    fn go_on(&mut self, node: NodeId) {
        if self.nodes[node].brain.is_none() {
            self.later(Duration::ZERO, Event::Start(node));
        }
        if self.nodes[node].runs() {
            let life = self.nodes[node].life;
            for outgoing in std::mem::take(&mut self.nodes[node].unsent) {
                self.leave(node, life, outgoing);
            }
        }
        self.rouse(node);
        self.go_on_with_effects(node);
    }

    /// The double holder this fault excuses here.
    fn excuse(&self, fault: &Fault) -> Option<Cause> {
        let lists_matter = self.scenario.nodes.iter().any(|node| node.kind == Kind::Keepalived227);
        match fault {
            Fault::Reload(_, Change::MoreAddresses | Change::FewerAddresses | Change::FewerRouters)
                if lists_matter =>
            {
                Some(Cause::Mismatch)
            }
            _ => fault.excuses(),
        }
    }
}
