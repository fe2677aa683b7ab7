//! What becomes of a node's orders: adverts leave at once, everything else goes in order through one thread.

use std::net::IpAddr;
use std::time::Duration;

use mainstay_core::router::{Action, Actions, Advert, Event as Told, Reason, State, Subject};
use mainstay_core::time::Instant;

use crate::daemon::name;
use crate::fault::NodeId;
use crate::frame::{Arp, Body, Frame, To, Vrrp, mac_of};
use crate::node::{Fact, Outgoing};
use crate::scenario::Kind;
use crate::world::{Event, World};

impl World {
    /// Performs what a step ordered.
    pub(crate) fn perform(&mut self, id: NodeId, mut actions: Actions) {
        if actions.is_empty() {
            self.orders = actions;
            return;
        }
        let virtual_of = |address: &IpAddr, name: &str| {
            let instance = self.nodes[id].plan.instances.iter().find(|instance| instance.name == name);
            instance.is_some_and(|instance| instance.addresses.iter().any(|own| own.address == *address))
        };
        let plans = &self.nodes[id].plan.instances;
        // One bit a router: it was master before this step. Nobody asks but for the sake of a notification.
        let notifies = actions.iter().any(|action| matches!(action, Action::Notify(_)));
        let asked = if notifies { plans.len() } else { 0 };
        let masters = (0..asked).fold(0_u32, |bits, router| {
            bits | u32::from(self.judge.pace.master_since(id, router).is_some()) << router
        });
        let was_master = |name: &str| {
            plans.iter().position(|plan| plan.name == name).is_some_and(|at| masters & 1 << at != 0)
        };
        self.judge.ordered(self.now, id, &actions, was_master, virtual_of);
        // A slow process gets round to sending late, but sends all of one turn together.
        let most = self.nodes[id].loop_delay / 4;
        let late = if most.is_zero() { most } else { self.random.between(Duration::ZERO, most) };
        for action in actions.drain(..) {
            self.trace_action(id, &action);
            match action {
                Action::SendAdvert(advert) => {
                    if let Some(router) = self.nodes[id].router_of(&advert) {
                        let local = self.nodes[id].clock.read(self.now);
                        self.judge.pace.advertised(id, router, local);
                        let interval = self.nodes[id].plan.instances[router].advert_interval;
                        self.judge.pace.take_turn(id, router, local, interval, advert.destination);
                        self.note_trial(id, router, local, &advert);
                    }
                    self.send_after(id, late, Outgoing::Advert(advert));
                }
                Action::SendHeartbeat(beat) => {
                    self.check_turn(id, &beat.payload);
                    self.send_after(id, late, Outgoing::Heartbeat(beat));
                }
                // Sockets are open at once.
                Action::SocketsChanged => {}
                Action::ProbeAddress { mac, address, .. } => {
                    let unspecified = match address {
                        IpAddr::V4(_) => IpAddr::from([0, 0, 0, 0]),
                        IpAddr::V6(_) => IpAddr::from([0; 16]),
                    };
                    let arp = Arp { request: true, mac, sender: unspecified, target: address };
                    self.send(id, &Frame { source: mac, to: To::Everybody, body: Body::Arp(arp) });
                }
                Action::RunScript(_) => {
                    let good = self.nodes[id].script_fails == 0;
                    let life = self.nodes[id].life;
                    let after = self.random.milliseconds(2, 80);
                    self.later(after, Event::Tell(id, life, Fact::Script(good)));
                }
                Action::Tell(told) => self.check_letting_go(id, &told),
                Action::Notify(_) => {}
                Action::AddAddress(_)
                | Action::RemoveAddress(_)
                | Action::AddRoute(_)
                | Action::RemoveRoute(_)
                | Action::AddRule(_)
                | Action::RemoveRule(_)
                | Action::SetNoAccept(_)
                | Action::MakeLink(_)
                | Action::RemoveLink(_)
                | Action::RestoreSettings(_)
                | Action::SetGates(_)
                | Action::CloseGate(_)
                | Action::Announce { .. }
                | Action::PromoteSecondaries(_)
                | Action::Finished => self.nodes[id].effects.push_back(action),
            }
        }
        self.orders = actions;
        self.nodes[id].listens = true;
        self.go_on_with_effects(id);
    }

    /// A backup advertises only to find out whether its adverts leave, after they were refused. One that was master before
    /// this step has given up after it advertised.
    fn note_trial(&mut self, id: NodeId, router: usize, local: Instant, advert: &Advert) {
        let node = &self.nodes[id];
        let state = node.brain.as_ref().and_then(|brain| brain.state(router)).map(|(state, _)| state);
        let resigns = advert.payload.get(2) == Some(&0);
        if node.kind == Kind::Mainstay
            && state == Some(State::Backup)
            && self.judge.pace.master_since(id, router).is_none()
            && !resigns
            && !self.judge.pace.tries(id, router, local)
        {
            let what = format!("{} advertises as a backup, and its adverts were not refused", name(id));
            self.judge.violate(self.now, "pace", what);
        }
    }

    /// A router does not preempt before the kernel has taken off what it held: as long as such an order waits, no deadline
    /// of its own is asked for; without one it has no such excuse.
    fn check_letting_go(&mut self, id: NodeId, told: &Told) {
        let (Subject::Instance(router), Reason::LettingGo) = (&told.subject, &told.reason) else { return };
        let node = &self.nodes[id];
        let removes = |order: &Action| matches!(order, Action::RemoveAddress(_));
        let released = |fact: &Fact| matches!(fact, Fact::Released(_));
        if !(node.effects.iter().any(removes) || node.inbox.iter().any(released)) {
            let what = format!("{} waits for the kernel, which has done all it was told", name(id));
            self.judge.violate(self.now, "pace", what);
        }
        if let Some(router) = node.plan.instances.iter().position(|plan| plan.name == *router) {
            self.judge.pace.waits_for_kernel(id, router);
        }
    }

    /// An advert has opened a gate: behind it there is nothing that waits to be removed since an earlier mastership,
    /// where another master of whom this one knows answers for it.
    fn check_left_behind(&mut self, id: NodeId, advert: &Advert) {
        let node = &self.nodes[id];
        let Some(router) = node.router_of(advert) else { return };
        let removed = |address: IpAddr| {
            let removes =
                |order: &Action| matches!(order, Action::RemoveAddress(old) if old.address == address);
            node.effects.iter().any(removes)
        };
        let addresses = node.plan.instances[router].addresses.iter().map(|own| own.address);
        let left_behind = |address: &IpAddr| node.holds(self.now, *address) && removed(*address);
        if !self.judge.pace.has_advertised(id, router)
            && let Some(address) = addresses.into_iter().find(left_behind)
            && let Some(other) = self.judge.preempts(self.now, id, address)
        {
            let what = format!("{} preempts {}, and still has {address} of before", name(id), name(other));
            self.judge.violate(self.now, "S2", what);
        }
    }

    /// The effects thread takes up its next order.
    pub(crate) fn go_on_with_effects(&mut self, id: NodeId) {
        let node = &mut self.nodes[id];
        if node.effects_busy || node.effects.is_empty() || !node.runs() {
            return;
        }
        node.effects_busy = true;
        let (life, slow) = (node.life, node.kernel_delay);
        let micros = 5 + self.random.below(95);
        let after = Duration::from_micros(micros) + self.random.between(Duration::ZERO, slow);
        self.later(after, Event::Effect(id, life));
    }

    /// One order is performed.
    pub(crate) fn effect(&mut self, id: NodeId, life: u32) {
        if self.nodes[id].life != life {
            return;
        }
        self.nodes[id].effects_busy = false;
        self.nodes[id].in_order = false;
        if !self.nodes[id].runs() {
            return;
        }
        let Some(action) = self.nodes[id].effects.pop_front() else { return };
        match action {
            Action::AddAddress(address) => match self.nodes[id].kernel.add(address.address) {
                Ok(true) => self.netlink(id, Fact::Added(address.address)),
                Ok(false) => {}
                Err(_) => self.tell(id, Fact::Refused(address)),
            },
            Action::RemoveAddress(address) => {
                if self.nodes[id].kernel.remove(address.address) {
                    self.netlink(id, Fact::Removed(address.address));
                }
                self.tell(id, Fact::Released(address));
            }
            Action::Announce { mac, address, .. } => {
                self.check_announcement(id, address);
                let arp = Arp { request: true, mac, sender: address, target: address };
                self.send(id, &Frame { source: mac, to: To::Everybody, body: Body::Arp(arp) });
            }
            Action::SetGates(_) if self.nodes[id].kernel.refuses_gates => {
                // What was there before stays.
                self.nodes[id].gates_refused = true;
                self.tell(id, Fact::GatesRefused);
            }
            Action::SetGates(gates) => {
                let now = self.nodes[id].clock.read(self.now);
                self.nodes[id].kernel.gates.set(now, &gates);
                self.nodes[id].gates_refused = false;
            }
            Action::CloseGate(gate) => self.nodes[id].kernel.gates.close(gate),
            Action::Finished => {
                self.trace.tell(self.now, || format!("{} ends", name(id)));
                self.kill(id, false);
            }
            _ => {}
        }
        self.note_holders(id);
        self.go_on_with_effects(id);
        self.check_settled_node(id);
    }

    /// An event for the next gate that closes by itself. One that is renewed meanwhile is looked at again then.
    pub(crate) fn await_gate(&mut self, id: NodeId) {
        let node = &mut self.nodes[id];
        if node.kernel.gates.is_empty() {
            return;
        }
        let closes = node.kernel.gates.next_to_close(node.clock.read(self.now));
        let at = closes.and_then(|closes| node.clock.when(closes));
        if let Some(at) = at.filter(|at| node.gate_closes_at.is_none_or(|known| known > *at)) {
            node.gate_closes_at = Some(at);
            self.at(at, Event::Gate(id));
        }
    }

    /// The timeout of a gate is over, unless it was renewed.
    pub(crate) fn gate_closes(&mut self, id: NodeId) {
        if self.nodes[id].gate_closes_at.is_some_and(|at| at <= self.now) {
            self.nodes[id].gate_closes_at = None;
        }
        self.note_holders(id);
    }

    /// Something leaves now, or when a process that is `late` gets round to it.
    fn send_after(&mut self, id: NodeId, late: Duration, outgoing: Outgoing) {
        let ordered = self.nodes[id].clock.read(self.now);
        if self.nodes[id].loop_delay.is_zero() {
            return self.send_now(id, outgoing, ordered);
        }
        let life = self.nodes[id].life;
        self.nodes[id].leaving += u32::from(matches!(outgoing, Outgoing::Advert(_)));
        self.later(late, Event::Leave(id, life, Box::new((outgoing, ordered))));
    }

    fn send_now(&mut self, id: NodeId, outgoing: Outgoing, ordered: Instant) {
        match outgoing {
            Outgoing::Advert(advert) => self.send_advert(id, advert, ordered),
            Outgoing::Heartbeat(beat) => self.send_heartbeat(id, beat),
        }
    }

    /// A process gets round to sending something. If it was stopped right before, it goes on right there.
    pub(crate) fn leave(&mut self, id: NodeId, life: u32, (outgoing, ordered): (Outgoing, Instant)) {
        if self.nodes[id].life != life {
            return;
        }
        let adverts = u32::from(matches!(outgoing, Outgoing::Advert(_)));
        self.nodes[id].leaving = self.nodes[id].leaving.saturating_sub(adverts);
        if self.nodes[id].runs() {
            self.send_now(id, outgoing, ordered);
        } else {
            self.nodes[id].unsent.push_back((outgoing, ordered));
        }
        if adverts > 0 && self.nodes[id].leaving == 0 {
            self.rouse(id);
        }
    }

    /// An advert leaves, if the kernel takes it and it does not come too late.
    fn send_advert(&mut self, id: NodeId, advert: Advert, ordered: Instant) {
        let node = &mut self.nodes[id];
        let local = node.clock.read(self.now);
        let too_late = advert.not_after.is_some_and(|last| local > last);
        if node.kernel.refuses_to_send || too_late {
            if let Some(router) = node.router_of(&advert) {
                self.judge.pace.advert_refused(id, router);
            }
            // The loop hears of it before anything else.
            node.inbox.push_front(Fact::AdvertRefused(advert.instance));
            self.rouse(id);
            return;
        }
        if let [_, vrid, priority, ..] = *advert.payload
            && !node.kernel.gates.is_empty()
        {
            if node.kernel.gates.advert_leaves(local, advert.destination, vrid, priority) {
                self.check_left_behind(id, &advert);
                self.note_holders(id);
            } else if self.nodes[id].gate_closes_at.is_none() {
                self.await_gate(id);
            }
        }
        if let Some(router) = self.nodes[id].router_of(&advert) {
            self.judge.pace.advert_left(id, router, ordered);
            let node = &mut self.nodes[id];
            let old = u32::from(node.gates_wait() || node.gates_refused) << router;
            node.opened_old_gate = node.opened_old_gate & !(1 << router) | old;
            if let Some(priority) = advert.payload.get(2)
                && self.nodes[id].kernel.carrier
            {
                self.vacancies.advert_left(self.now, id, router, *priority);
            }
            self.check_epoch(id, router, &advert);
        }
        let to = self.destination(advert.destination);
        let vrrp = Vrrp {
            sender: id,
            source: advert.source,
            destination: advert.destination,
            ttl: advert.ttl.unwrap_or(64),
            payload: advert.payload,
            damaged: false,
        };
        self.send(id, &Frame { source: mac_of(id), to, body: Body::Vrrp(vrrp) });
    }
}
