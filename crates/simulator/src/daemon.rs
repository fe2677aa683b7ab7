//! The daemon's loop and its effects thread, as `mainstay`'s router process has them: packets before ticks, adverts
//! at once, everything else in order through one thread.

use std::net::IpAddr;
use std::time::Duration;

use mainstay_core::heartbeat::BootId;
use mainstay_core::router::{Action, Input, State};
use mainstay_core::time::Instant;

use crate::fault::NodeId;
use crate::frame::Vrrp;
use crate::judge::{Hearing, Lapse};
use crate::moment::Moment;
use crate::node::{Brain, Fact, Node};
use crate::overhear::told;
use crate::scenario::Kind;
use crate::world::{Event, World};

/// Packets a socket keeps for a process that does not read: 208 KiB (`net.core.rmem_default`), and the kernel counts
/// 768 bytes for the smallest packet.
const SOCKET_BUFFER: usize = 277;

/// How long a master with a lease may hold back after it preempted a living one.
const HOLD_BACK: Duration = Duration::from_millis(10);

/// From when there is something for a loop to do until it does it.
const WAKING: Duration = Duration::from_micros(5);

/// How often a due tick may leave the next deadline in the past.
const TICKS: usize = 4;

impl World {
    /// Starts a node's process.
    pub(crate) fn start(&mut self, id: NodeId) {
        let changes = self.nodes[id].changes.clone();
        let plan = self.scenario.plan(id, &changes);
        let node = &mut self.nodes[id];
        // On a machine that is paused nothing starts; it does when the machine goes on.
        if node.down > 0 || node.off > 0 || node.paused > 0 || node.brain.is_some() {
            return;
        }
        node.life += 1;
        let now = node.clock.read(self.now);
        let memory = node.memory.take();
        if memory.is_none() {
            // What a forgotten predecessor left under another configuration is beyond anybody's knowledge.
            node.kernel.keep_only(&plan);
        }
        let open = node.kernel.gates.open_addresses(now);
        let (own, mac) = (node.own, node.kernel.mac);
        // Its wall clock is right and counts from 1970; what stands for chance tells nodes and lives apart.
        let chance = node.life << 5 | id as u32;
        let boot = BootId::new(1_800_000_000_000 + self.now.0 / 1_000_000, chance);
        let brain = Brain::start(node.kind, (now, boot), plan.clone(), own, mac, memory.as_ref(), open);
        self.hearsay.starts(id, memory.is_some());
        node.brain = Some(brain);
        node.configure(plan);
        node.netlink_in_flight = 0;
        node.events_lost = false;
        self.judge.process_started(self.now, id);
        self.trace.tell(self.now, || format!("{} starts", name(id)));
        self.tell(id, Fact::List);
    }

    /// The process is gone, with everything that was its own.
    pub(crate) fn kill(&mut self, id: NodeId, keep_memory: bool) {
        let node = &mut self.nodes[id];
        if let Some(brain) = node.brain.take() {
            node.memory = if keep_memory { brain.resume() } else { None };
        }
        node.life += 1;
        node.timer += 1;
        node.deadline = None;
        node.fires_at = None;
        node.inbox.clear();
        node.effects.clear();
        node.unsent.clear();
        node.leaving = 0;
        node.effects_busy = false;
        node.listens = false;
        node.waking = false;
        node.netlink_in_flight = 0;
        if node.kernel.virtual_addresses().next().is_some() {
            self.judge.process_abandoned(id);
        }
    }

    /// Something waits for a node's loop.
    pub(crate) fn tell(&mut self, id: NodeId, fact: Fact) {
        let node = &mut self.nodes[id];
        if node.brain.is_none() || node.socket_is_full(&fact, SOCKET_BUFFER) {
            return;
        }
        node.inbox.push_back(fact);
        self.rouse(id);
    }

    /// The loop of a node has a reason to wake up.
    pub(crate) fn rouse(&mut self, id: NodeId) {
        let node = &mut self.nodes[id];
        if !node.runs() || node.waking {
            return;
        }
        node.waking = true;
        let most = node.loop_delay;
        let late = if most.is_zero() { most } else { self.random.between(Duration::ZERO, most) };
        let at = self.now + (WAKING + late);
        if let Some((at, id)) = self.roused.replace((at, id)) {
            self.at(at, Event::Wake(id));
        }
    }

    /// One turn of a node's loop.
    pub(crate) fn wake(&mut self, id: NodeId) {
        self.nodes[id].waking = false;
        // It sends what it has decided to send before it looks at anything else, however slowly.
        if !self.nodes[id].runs() || self.nodes[id].leaving > 0 {
            return;
        }
        let keepalived = matches!(self.nodes[id].kind, Kind::Keepalived227 | Kind::Keepalived243);
        if keepalived {
            // keepalived runs its timers before it reads, and reads one packet a turn.
            self.tick(id);
            if let Some(fact) = self.nodes[id].inbox.pop_front() {
                self.feed(id, &fact);
            }
            let node = &mut self.nodes[id];
            node.deadline = node.brain.as_ref().and_then(Brain::next_deadline);
        } else {
            self.nodes[id].sort_inbox();
            while let Some(fact) = self.nodes[id].inbox.pop_front() {
                self.feed(id, &fact);
            }
            self.tick(id);
        }
        self.set_timer(id);
        if !self.nodes[id].inbox.is_empty() {
            self.rouse(id);
        }
        self.check_settled_node(id);
    }

    fn feed(&mut self, id: NodeId, fact: &Fact) {
        if let Fact::Heartbeat(beat) = fact {
            return self.feed_heartbeat(id, fact, beat);
        }
        self.nodes[id].in_order &= matches!(fact, Fact::Packet(_));
        if let Fact::Reload(plan) = fact {
            self.nodes[id].configure((**plan).clone());
            self.hearsay.doubt(id);
        }
        if matches!(fact, Fact::List) {
            self.nodes[id].events_lost = false;
            self.nodes[id].listens = true;
        }
        let mut hearing = None;
        if let Fact::Packet(vrrp) = fact
            && let [_, vrid, priority, ..] = *vrrp.payload
            && let Some(router) =
                self.nodes[id].plan.instances.iter().position(|plan| plan.vrid.get() == vrid)
        {
            hearing = self.hearing(id, vrrp, router);
            if hearing.as_ref().is_some_and(|hearing| hearing.acceptable) {
                let local = self.nodes[id].clock.read(self.now);
                self.judge.met((self.now, local), id, vrrp.sender, router);
            }
            self.judge.reached(self.now, id, vrrp.sender, router, priority);
        }
        let before = self.states_of(id);
        let mut actions = std::mem::take(&mut self.orders);
        let node = &mut self.nodes[id];
        let local = node.clock.read(self.now);
        let input = Node::input(&node.kernel, fact);
        if let Some(brain) = &mut node.brain {
            brain.step(local, input, &mut actions);
            if let Some(hearing) = hearing {
                let state = brain.state(hearing.router);
                self.judge.heard(self.now, id, &hearing, state);
                self.check_answer(id, local, &hearing, state, &actions);
                if hearing.acceptable && matches!(hearing.before.0, State::Backup | State::Master) {
                    self.hearsay.note_master(id, hearing.router, hearing.source, hearing.priority);
                }
            }
        }
        self.perform(id, actions);
        if matches!(fact, Fact::Reload(_) | Fact::List) {
            self.judge.pace.forget(id);
            let routers = self.nodes[id].plan.instances.len();
            (0..routers).for_each(|router| self.judge.pace.advertised(id, router, local));
            for (router, (state, _)) in self.states_of(id).iter().enumerate() {
                let was = before.get(router).map(|(state, _)| *state);
                self.judge.pace.note_mastership(id, router, local, was, *state);
                if matches!(was, None | Some(State::Init | State::Fault))
                    && matches!(state, State::Backup | State::Master)
                {
                    self.judge.node_comes(self.now, id);
                    self.vacancies.node_comes(self.now);
                }
            }
        } else {
            self.note_pace(id, local, &before, hearing.as_slice(), false);
        }
    }

    /// A master that hears another one and stays answers it, unless it has answered many in this interval; and no more then.
    fn check_answer(
        &mut self,
        id: NodeId,
        local: Instant,
        hearing: &Hearing,
        state: Option<(State, u8)>,
        actions: &[Action],
    ) {
        let is_master = |state: Option<(State, u8)>| state.is_some_and(|(state, _)| state == State::Master);
        if !(is_master(Some(hearing.before)) && is_master(state)) {
            return;
        }
        let (node, router) = (&self.nodes[id], hearing.router);
        let plan = &node.plan.instances[router];
        let answers = |action: &Action| matches!(action, Action::SendAdvert(advert) if node.router_of(advert) == Some(router));
        let is_heard = hearing.acceptable && hearing.source != hearing.own && !hearing.standing.unsure;
        let wrong = if actions.iter().any(answers) {
            let too_many = self.judge.pace.answers_too_many(id, router, local, plan.advert_interval);
            too_many.then_some("answers a flood without end")
        } else {
            let owes = is_heard && self.judge.pace.owes_an_answer(id, router, local, plan);
            owes.then_some("does not answer one of lower standing")
        };
        if let Some(what) = wrong {
            let what = format!("{} {what}: {}", name(id), hearing.source);
            self.judge.violate(self.now, "pace", what);
        }
    }

    /// What an undamaged advert says to a node, for the judge; it reads the bytes on its own.
    fn hearing(&self, id: NodeId, vrrp: &Vrrp, router: usize) -> Option<Hearing> {
        let node = &self.nodes[id];
        if node.kind != Kind::Mainstay {
            return None;
        }
        let [first, _, priority, _, high, low, ..] = *vrrp.payload else { return None };
        let plan = &node.plan.instances[router];
        let before = node.brain.as_ref()?.state(router)?;
        let interval_cs = u64::from(u16::from_be_bytes([high & 0x0f, low]));
        let acceptable = !vrrp.damaged
            && first == 0x10 * plan.version.number() + 1
            && (plan.version.number() == 3 || u64::from(low) == plan.advert_interval.as_secs());
        Some(Hearing {
            router,
            acceptable,
            priority,
            source: vrrp.source,
            interval: Duration::from_millis(10 * interval_cs),
            own: node.own,
            before,
            lapse: self.lapse(id, router, before.0),
            standing: self.standing(id, vrrp.sender, router, Duration::from_millis(10 * interval_cs)),
        })
    }

    /// Whether the lease of a router (in a group, of any member) is over: as the router counts it, and how long it has been
    /// over by the kernel, which counts from when an advert really left. Of one that is just leaving the router does not know
    /// yet that it came too late. Of one that is no master (`state`) it does not matter.
    pub(crate) fn lapse(&self, id: NodeId, router: usize, state: State) -> Lapse {
        if state != State::Master {
            return Lapse::default();
        }
        let node = &self.nodes[id];
        let local = node.clock.read(self.now);
        let of = |router| node.kernel.gates.lapsed_since(local, self.scenario.virtual_address(router, 0));
        let is_over = |router: usize| {
            let lease = node.plan.instances.get(router).and_then(|plan| plan.lease);
            let from = self.judge.pace.lease_counts_from(id, router);
            lease.zip(from).is_some_and(|(lease, from)| local.saturating_since(from) >= lease.length)
        };
        let routers = if self.scenario.grouped { 0..self.scenario.routers } else { router..router + 1 };
        // What the kernel has is not what the router ordered, as long as the order waits. (TODO-correctness: a reload that makes
        // the lease longer, a slow kernel and a take-over before it is done: the gate closes by the old lease, before the next
        // advert. Nobody answers then; it could be waited for as a removal is.)
        let waits =
            node.gates_wait() || routers.clone().any(|router| node.opened_old_gate & 1 << router != 0);
        Lapse {
            is_over: routers.clone().any(is_over),
            in_kernel: routers
                .filter_map(of)
                .min()
                .filter(|_| {
                    node.leaving == 0
                        && !waits
                        && !node.gates_refused
                        && self.judge.pace.has_advertised(id, router)
                })
                .map(|since| local.saturating_since(since)),
        }
    }

    /// Lets time pass, and notes when it wants to be woken next.
    fn tick(&mut self, id: NodeId) {
        let local = self.nodes[id].clock.read(self.now);
        for _ in 0..TICKS {
            let node = &mut self.nodes[id];
            let Some(brain) = &mut node.brain else { return };
            node.deadline = brain.next_deadline();
            if node.deadline.is_none_or(|deadline| deadline > local) {
                return;
            }
            let mut actions = std::mem::take(&mut self.orders);
            let before = brain.states();
            brain.step(local, Input::Tick, &mut actions);
            self.perform(id, actions);
            self.note_pace(id, local, &before, &[], true);
        }
        let node = &mut self.nodes[id];
        node.deadline = node.brain.as_ref().and_then(Brain::next_deadline);
        if node.deadline.is_some_and(|deadline| deadline <= local) {
            let what = format!("{}: a tick does not move its deadline", name(id));
            self.judge.violate(self.now, "deadline", what);
        }
    }

    /// Tells the judge what a step did to the timers; `ticked` says that time alone made the step.
    pub(crate) fn note_pace(
        &mut self,
        id: NodeId,
        local: Instant,
        before: &[(State, u8)],
        hearings: &[Hearing],
        ticked: bool,
    ) {
        if self.nodes[id].kind != Kind::Mainstay {
            return;
        }
        let after = self.states_of(id);
        let is = |wanted: State| after.iter().any(|(state, _)| *state == wanted);
        if self.scenario.grouped && !self.reloads && is(State::Master) && is(State::Backup) {
            let what = format!("{}: a sync group is between two states after a step", name(id));
            self.judge.violate(self.now, "group", what);
        }
        let same = before == &*after;
        self.nodes[id].in_order &= same;
        let plans = &self.nodes[id].plan.instances;
        if same {
            // Nearly always nothing has changed, and only the wait for the next advert begins anew.
            for (router, (plan, (state, _))) in plans.iter().zip(after.iter()).enumerate() {
                if let Some(hearing) = hearings.iter().find(|hearing| hearing.router == router) {
                    self.judge.pace.heard(id, local, hearing, plan, *state);
                }
            }
            return;
        }
        let took_over = |router: usize| before[router].0 == State::Backup && after[router].0 == State::Master;
        if ticked && before.len() == after.len() && plans.len() == after.len() {
            let routers: Vec<usize> = (0..after.len()).filter(|router| took_over(*router)).collect();
            // One member of a group whose time has come takes the others with it.
            let early = |router: &usize| {
                let knows_others = |resigned| self.knows_others(id, *router, resigned, local);
                let (plan, own) = (&plans[*router], before[*router].1);
                self.judge.pace.is_early((id, *router), plan, own, local, knows_others)
            };
            let early = if self.scenario.grouped {
                !routers.is_empty() && routers.iter().all(early)
            } else {
                routers.iter().any(early)
            };
            if early {
                let what = format!("{} takes over before the master-down interval is over", name(id));
                self.judge.violate(self.now, "pace", what);
            }
        }
        for (router, (plan, (state, _))) in plans.iter().zip(after.iter()).enumerate() {
            let was = before.get(router).map(|(state, _)| *state);
            self.judge.pace.note_mastership(id, router, local, was, *state);
            if matches!(was, None | Some(State::Init | State::Fault))
                && matches!(state, State::Backup | State::Master)
            {
                self.judge.node_comes(self.now, id);
                self.vacancies.node_comes(self.now);
            }
            let heard = hearings.iter().find(|hearing| hearing.router == router);
            if let Some(mut hearing) = heard.copied() {
                if was == Some(State::Master) && *state == State::Backup && hearing.lapse.is_over {
                    // It was a backup before it heard anything.
                    self.judge.pace.changed(id, router, local, plan, *state);
                    hearing.before.0 = State::Backup;
                }
                let hearing = &hearing;
                self.judge.pace.heard(id, local, hearing, plan, *state);
            }
            if before.get(router).is_some_and(|(before, _)| before != state) && heard.is_none() {
                self.judge.pace.changed(id, router, local, plan, *state);
            }
        }
    }

    /// Sets a node's timer to its next deadline, as its clock has it now.
    pub(crate) fn set_timer(&mut self, id: NodeId) {
        let node = &self.nodes[id];
        let deadline = node.deadline;
        if let Some(Brain::Mainstay(router)) = &node.brain
            && !self.scenario.grouped
        {
            for (index, (plan, (_, state, own))) in
                node.plan.instances.iter().zip(router.states()).enumerate()
            {
                if let Some(what) = self.judge.pace.complaint(id, index, plan, (state, own), deadline) {
                    self.judge.violate(self.now, "pace", format!("{} {what}", name(id)));
                }
            }
        }
        let node = &mut self.nodes[id];
        let due = deadline.and_then(|deadline| node.clock.when(deadline));
        // One that fires too early is set again then; a backup's is put off with every advert.
        let too_late = |due: Moment| node.fires_at.is_none_or(|fires_at| fires_at > due);
        if let Some(due) = due.filter(|due| too_late(*due)) {
            node.timer += 1;
            node.fires_at = Some(due);
            let timer = node.timer;
            self.at(due + WAKING, Event::Timer(id, timer));
        }
    }

    /// A node's timer fires, and its loop has woken up by now: it takes its turn, unless the deadline was put off.
    pub(crate) fn timer_fires(&mut self, id: NodeId, timer: u64) {
        let node = &mut self.nodes[id];
        if node.timer != timer {
            return;
        }
        node.fires_at = None;
        match node.deadline.and_then(|deadline| node.clock.when(deadline)) {
            Some(due) if due > self.now => self.set_timer(id),
            Some(_) if node.loop_delay.is_zero() && !node.waking => self.wake(id),
            Some(_) => self.rouse(id),
            None => {}
        }
    }

    /// The kernel tells its listeners.
    pub(crate) fn netlink(&mut self, id: NodeId, fact: Fact) {
        let node = &mut self.nodes[id];
        if node.brain.is_none() {
            return;
        }
        if node.kernel.loses_events {
            node.events_lost = true;
            return;
        }
        node.netlink_in_flight += 1;
        let life = node.life;
        // A fixed delay keeps the order, as the kernel does.
        self.later(Duration::from_micros(150), Event::Netlink(id, life, fact));
    }

    /// With nothing on its way, the kernel has the addresses of masters and no others (S5).
    pub(crate) fn check_settled_node(&mut self, id: NodeId) {
        let node = &self.nodes[id];
        let Some(Brain::Mainstay(router)) = &node.brain else { return };
        if node.in_order || !node.is_settled() {
            return;
        }
        let takes_part = |(_, state, _): (&str, State, u8)| matches!(state, State::Backup | State::Master);
        if (!node.kernel.carrier || node.addressless > 0) && router.states().any(takes_part) {
            let what = format!("{} takes part without a carrier or an address", name(id));
            self.judge.violate(self.now, "fault", what);
        }
        let kernel = &node.kernel;
        let (mut present, mut in_order, mut open_for_ever, mut holds_back) = (0, true, false, false);
        for (index, (plan, (_, state, _))) in node.plan.instances.iter().zip(router.states()).enumerate() {
            if state != State::Master {
                continue;
            }
            let here = plan.addresses.iter().filter(|address| kernel.has(address.address)).count();
            if here == 0 && self.holds_back(id, index) {
                holds_back = true;
                continue;
            }
            present += here;
            // A master may lack what the kernel refused, until it tries again, but not all it has.
            let accounted = |address: IpAddr| kernel.has(address) || kernel.has_refused(address);
            in_order &= here == plan.addresses.len()
                || (here > 0 && plan.addresses.iter().all(|address| accounted(address.address)));
            open_for_ever |= plan.lease.is_some_and(|lease| !lease.only_if_peer_seen)
                && !node.gates_refused
                && plan.addresses.iter().any(|address| !kernel.gates.are_armed(address.address));
        }
        if !in_order || kernel.virtual_addresses().len() != present {
            let has: Vec<IpAddr> = kernel.virtual_addresses().collect();
            let states: Vec<State> = router.states().map(|(_, state, _)| state).collect();
            let what = format!("{} holds {has:?}, and its routers are {states:?}", name(id));
            self.judge.violate(self.now, "S5", what);
        }
        if open_for_ever {
            let what = format!("{} is master with a lease that counts always, and no gate closes", name(id));
            self.judge.violate(self.now, "S2", what);
        }
        self.nodes[id].in_order = !holds_back;
    }

    /// A master that has just preempted a living one may wait a moment before it takes the addresses: it has none.
    fn holds_back(&self, id: NodeId, router: usize) -> bool {
        let node = &self.nodes[id];
        let plan = &node.plan.instances[router];
        let since = self.judge.pace.master_since(id, router);
        let local = node.clock.read(self.now);
        let most = HOLD_BACK.min(plan.advert_interval / 4) + Duration::from_millis(1) + node.loop_delay;
        plan.lease.is_some() && since.is_some_and(|since| local.saturating_since(since) <= most)
    }

    pub(crate) fn trace_action(&mut self, id: NodeId, action: &Action) {
        self.trace.tell(self.now, || match action {
            Action::SendAdvert(advert) => {
                let priority = advert.payload.get(2).copied().unwrap_or_default();
                format!("{}   advert {} priority {priority}", name(id), advert.instance)
            }
            Action::SendHeartbeat(beat) => {
                format!("{}   heartbeat on leg {}: {}", name(id), beat.leg, told(&beat.payload))
            }
            Action::Tell(event) => format!("{} {:?}: {}", name(id), event.subject, event.reason),
            Action::Announce { address, .. } => format!("{}   announce {address}", name(id)),
            Action::AddAddress(address) => format!("{}   add {address}", name(id)),
            Action::RemoveAddress(address) => format!("{}   remove {address}", name(id)),
            Action::Notify(told) => format!("{}   notify {:?} {}", name(id), told.object, told.state.word()),
            other => format!("{}   {other:?}", name(id)),
        });
    }
}

/// What people call a node.
#[must_use]
pub fn name(id: NodeId) -> char {
    char::from(b'a' + (id % 26) as u8)
}
