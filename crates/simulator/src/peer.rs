//! Peers that are not Mainstay: one small machine with the habits of keepalived 2.2.7, keepalived 2.4.3 and FRR 8.4.4
//! as they were observed on the wire (reference/ha.md sections 1.5 and 1.6). Models of behaviour, not of programs.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use mainstay_core::router::plan::{Destination, InstancePlan, Preempt, Version};
use mainstay_core::router::{Action, Actions, Advert, Input, Packet, RouterPlan, State};
use mainstay_core::time::Instant;
use mainstay_core::vrrp::ah::Envelope;
use mainstay_core::vrrp::packet::{ChecksumForm, Emit, Message, ParseContext, emit, parse};

use crate::frame::Mac;
use crate::kernel::INDEX;
use crate::scenario::Kind;

/// Habits in which the peers differ.
#[derive(Debug, Clone, Copy)]
struct Habits {
    /// Rejects adverts whose list of addresses differs from its own (keepalived 2.2.7).
    rejects_other_lists: bool,
    /// A rejected advert puts off its own next one by a whole interval (keepalived).
    rejection_delays_advert: bool,
    /// Answers an advert of lower priority at once with its own (keepalived; FRR only discards).
    answers_lower: bool,
    /// Announces again after an advert of lower priority (keepalived).
    announces_after_lower: bool,
    /// As owner (255) hears nobody (FRR).
    owner_is_deaf: bool,
    /// Takes the VIP back up after somebody removed it by starting over as backup (keepalived 2.x).
    starts_over_after_removal: bool,
}

/// One peer.
#[derive(Debug)]
pub struct PlainPeer {
    habits: Habits,
    plan: RouterPlan,
    machines: Vec<Machine>,
    own: IpAddr,
    mac: Mac,
    carrier: bool,
    has_own: bool,
    running: bool,
}

#[derive(Debug, Clone, Copy)]
struct Machine {
    state: State,
    /// Master-down timer as backup, advert timer as master.
    timer: Instant,
    learned: Duration,
    preempt_at: Option<Instant>,
    announce_again: Option<Instant>,
}

impl PlainPeer {
    /// A peer that is started when it is told what the kernel has.
    #[must_use]
    pub fn new(kind: Kind, plan: RouterPlan, own: IpAddr, mac: Mac) -> Self {
        let keepalived = kind != Kind::Frr;
        let habits = Habits {
            rejects_other_lists: kind == Kind::Keepalived227,
            rejection_delays_advert: keepalived,
            answers_lower: keepalived,
            announces_after_lower: keepalived,
            owner_is_deaf: kind == Kind::Frr,
            starts_over_after_removal: keepalived,
        };
        let machines = plan.instances.iter().map(Machine::new).collect();
        Self { habits, plan, machines, own, mac, carrier: true, has_own: true, running: false }
    }

    /// State and priority of each router.
    pub fn states(&self) -> impl Iterator<Item = (&str, State, u8)> {
        self.plan
            .instances
            .iter()
            .zip(&self.machines)
            .map(|(plan, machine)| (plan.name.as_str(), machine.state, plan.priority.get()))
    }

    /// When a tick is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let active = |machine: &&Machine| matches!(machine.state, State::Backup | State::Master);
        let machines = self.machines.iter().filter(active);
        machines.flat_map(|machine| [Some(machine.timer), machine.announce_again]).flatten().min()
    }

    /// Takes in one fact.
    pub fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions) {
        match input {
            Input::KernelListed { links, addresses } => {
                self.carrier = links.iter().all(|link| link.running);
                self.has_own = addresses.iter().any(|(_, address)| *address == self.own);
                if !std::mem::replace(&mut self.running, true) {
                    let plans = self.plan.instances.clone();
                    for address in plans.iter().flat_map(|plan| &plan.addresses) {
                        if addresses.iter().any(|(_, present)| *present == address.address) {
                            actions.push(Action::RemoveAddress(Arc::clone(address)));
                        }
                    }
                }
                self.settle(now, actions);
            }
            Input::LinkChanged(link) => {
                self.carrier = link.running;
                self.settle(now, actions);
            }
            Input::AddressAdded(_, address) if address == self.own => {
                self.has_own = true;
                self.settle(now, actions);
            }
            Input::AddressRemoved(_, address) if address == self.own => {
                self.has_own = false;
                self.settle(now, actions);
            }
            Input::AddressRemoved(_, address) => self.address_removed(now, address, actions),
            Input::Tick => {
                for id in 0..self.machines.len() {
                    self.tick(now, id, actions);
                }
            }
            Input::PacketReceived(packet) => self.receive(now, &packet, actions),
            Input::Reloaded(plan) => self.reload(now, *plan, actions),
            Input::ShutdownRequested => {
                for id in 0..self.machines.len() {
                    self.leave(now, id, State::Init, actions);
                }
                self.running = false;
                actions.push(Action::Finished);
            }
            _ => {}
        }
    }

    fn settle(&mut self, now: Instant, actions: &mut Actions) {
        for id in 0..self.machines.len() {
            let able = self.carrier && self.has_own;
            match self.machines[id].state {
                State::Init | State::Fault if able => {
                    self.machines[id].learned = self.plan.instances[id].advert_interval;
                    self.machines[id].state = State::Backup;
                    self.wait(now, id);
                    if self.plan.instances[id].priority.get() == 255 {
                        self.machines[id].timer = now;
                    }
                }
                State::Backup | State::Master if !able => self.leave(now, id, State::Fault, actions),
                State::Init | State::Fault | State::Backup | State::Master => {}
            }
        }
    }

    fn address_removed(&mut self, now: Instant, address: IpAddr, actions: &mut Actions) {
        for id in 0..self.machines.len() {
            let holds = self.plan.instances[id].addresses.iter().any(|own| own.address == address);
            // The echo of a removal of its own finds it in another state already.
            if holds && self.machines[id].state == State::Master && self.habits.starts_over_after_removal {
                self.leave(now, id, State::Backup, actions);
            }
        }
    }

    fn tick(&mut self, now: Instant, id: usize, actions: &mut Actions) {
        let machine = self.machines[id];
        if machine.announce_again.is_some_and(|at| at <= now) {
            self.machines[id].announce_again = None;
            self.announce(id, actions);
        }
        if machine.timer > now {
            return;
        }
        match machine.state {
            State::Backup => {
                self.machines[id].state = State::Master;
                self.advertise(now, id, None, actions);
                let addresses = self.plan.instances[id].addresses.iter().cloned();
                actions.extend(addresses.map(Action::AddAddress));
                self.announce(id, actions);
                self.machines[id].announce_again = Some(now + Duration::from_secs(5));
            }
            State::Master => self.advertise(now, id, None, actions),
            State::Init | State::Fault => {}
        }
    }

    fn receive(&mut self, now: Instant, packet: &Packet<'_>, actions: &mut Actions) {
        let vrid = packet.payload.get(1).copied().unwrap_or_default();
        let Some(id) = self.plan.instances.iter().position(|plan| plan.vrid.get() == vrid) else { return };
        let state = self.machines[id].state;
        if packet.source == self.own || !matches!(state, State::Backup | State::Master) {
            return;
        }
        let Some(message) = self.accepted(id, packet) else {
            if state == State::Master && self.habits.rejection_delays_advert {
                self.machines[id].timer = now + self.plan.instances[id].advert_interval;
            }
            return;
        };
        let (priority, interval) = (message.priority, message.interval);
        match state {
            State::Backup => self.hear_as_backup(now, id, priority, interval),
            State::Master => self.hear_as_master(now, id, packet.source, priority, interval, actions),
            State::Init | State::Fault => {}
        }
    }

    fn accepted<'a>(&self, id: usize, packet: &Packet<'a>) -> Option<Message<'a>> {
        let plan = &self.plan.instances[id];
        let context = ParseContext {
            version: plan.version,
            family: plan.family,
            source: packet.source,
            destination: packet.destination,
            verify: true,
            strict: false,
            may_be_signed: false,
        };
        let message = parse(packet.payload, context).ok()?;
        let own: Vec<IpAddr> = plan.addresses.iter().map(|address| address.address).collect();
        let lists_agree = message.lists(&own) || !self.habits.rejects_other_lists;
        let message_only = plan.version == Version::V3 && message.checksum_form == ChecksumForm::MessageOnly;
        let intervals_agree = plan.version == Version::V3 || message.interval == plan.advert_interval;
        let deaf = self.habits.owner_is_deaf && plan.priority.get() == 255;
        (packet.ttl == 255 && lists_agree && !message_only && intervals_agree && !deaf).then_some(message)
    }

    fn hear_as_backup(&mut self, now: Instant, id: usize, priority: u8, interval: Duration) {
        let plan = &self.plan.instances[id];
        if priority == 0 {
            self.machines[id].timer = now + self.skew(id);
            return;
        }
        let lower = priority < plan.priority.get();
        let owner = plan.priority.get() == 255;
        let tolerated = match plan.preempt {
            Preempt::Never => !owner,
            Preempt::After(delay) => {
                let machine = &mut self.machines[id];
                if !lower {
                    machine.preempt_at = None;
                }
                now < *machine.preempt_at.get_or_insert(now + delay)
            }
        };
        if !lower || tolerated {
            if plan.version == Version::V3 {
                self.machines[id].learned = interval;
            }
            self.wait(now, id);
        }
    }

    fn hear_as_master(
        &mut self,
        now: Instant,
        id: usize,
        source: IpAddr,
        priority: u8,
        interval: Duration,
        actions: &mut Actions,
    ) {
        let own = self.plan.instances[id].priority.get();
        if priority == 0 {
            self.advertise(now, id, None, actions);
        } else if priority > own || (priority == own && source > self.own) {
            if self.plan.instances[id].version == Version::V3 {
                self.machines[id].learned = interval;
            }
            self.leave(now, id, State::Backup, actions);
        } else {
            if self.habits.answers_lower {
                self.advertise(now, id, None, actions);
            }
            if self.habits.announces_after_lower {
                self.announce(id, actions);
                self.machines[id].announce_again = Some(now + Duration::from_secs(5));
            }
        }
    }

    fn reload(&mut self, now: Instant, plan: RouterPlan, actions: &mut Actions) {
        let before = std::mem::replace(&mut self.plan, plan);
        let states: Vec<(InstancePlan, Machine)> =
            before.instances.into_iter().zip(std::mem::take(&mut self.machines)).collect();
        for new in &self.plan.instances {
            let known = states.iter().find(|(old, _)| old.name == new.name);
            let machine = known.map_or_else(|| Machine::new(new), |(_, machine)| *machine);
            if let (Some((old, _)), State::Master) = (known, machine.state) {
                let added = new.addresses.iter().filter(|address| !old.addresses.contains(address));
                actions.extend(added.cloned().map(Action::AddAddress));
                let removed = old.addresses.iter().filter(|address| !new.addresses.contains(address));
                actions.extend(removed.cloned().map(Action::RemoveAddress));
            }
            self.machines.push(machine);
        }
        for (old, machine) in &states {
            let gone = !self.plan.instances.iter().any(|new| new.name == old.name);
            if gone && machine.state == State::Master {
                actions.extend(self.advert(old, 0));
                actions.extend(old.addresses.iter().cloned().map(Action::RemoveAddress));
            }
        }
        self.settle(now, actions);
    }

    fn leave(&mut self, now: Instant, id: usize, to: State, actions: &mut Actions) {
        let was_master = self.machines[id].state == State::Master;
        if was_master && matches!(to, State::Init | State::Fault) {
            self.advertise(now, id, Some(0), actions);
        }
        self.machines[id].state = to;
        self.machines[id].announce_again = None;
        self.machines[id].preempt_at = None;
        if was_master {
            let addresses = self.plan.instances[id].addresses.iter().cloned();
            actions.extend(addresses.map(Action::RemoveAddress));
        }
        self.wait(now, id);
    }

    fn wait(&mut self, now: Instant, id: usize) {
        let adverts = u32::from(self.plan.instances[id].down_timer_adverts);
        self.machines[id].timer = now + self.machines[id].learned * adverts + self.skew(id);
    }

    fn skew(&self, id: usize) -> Duration {
        let plan = &self.plan.instances[id];
        let of = if plan.version == Version::V2 { Duration::from_secs(1) } else { self.machines[id].learned };
        of * (256 - u32::from(plan.priority.get())) / 256
    }

    fn advertise(&mut self, now: Instant, id: usize, priority: Option<u8>, actions: &mut Actions) {
        let plan = &self.plan.instances[id];
        self.machines[id].timer = now + plan.advert_interval;
        self.machines[id].learned = plan.advert_interval;
        actions.extend(self.advert(plan, priority.unwrap_or(plan.priority.get())));
    }

    fn advert(&self, plan: &InstancePlan, priority: u8) -> Vec<Action> {
        let addresses: Vec<IpAddr> = plan.addresses.iter().map(|address| address.address).collect();
        let destinations = match &plan.destination {
            Destination::Multicast(group) => vec![*group],
            Destination::Unicast { peers, .. } => peers.iter().map(|peer| peer.address).collect(),
        };
        let message = |destination| Emit {
            version: plan.version,
            vrid: plan.vrid.get(),
            priority,
            interval: plan.advert_interval,
            addresses: &addresses,
            authentication: &plan.authentication,
            source: self.own,
            destination,
            without_pseudo_header: false,
        };
        let advert = |destination| {
            Action::SendAdvert(Advert {
                instance: Arc::from(plan.name.as_str()),
                link: Some(INDEX),
                source: self.own,
                destination,
                ttl: Some(255),
                envelope: Envelope::Bare,
                payload: Arc::from(emit(&message(destination))),
                not_after: None,
            })
        };
        destinations.into_iter().map(advert).collect()
    }

    fn announce(&self, id: usize, actions: &mut Actions) {
        for _ in 0..5 {
            let addresses = self.plan.instances[id].addresses.iter();
            actions.extend(addresses.map(|address| Action::Announce {
                link: INDEX,
                mac: self.mac,
                address: address.address,
            }));
        }
    }
}

impl Machine {
    const fn new(plan: &InstancePlan) -> Self {
        Self {
            state: State::Init,
            timer: Instant::ZERO,
            learned: plan.advert_interval,
            preempt_at: None,
            announce_again: None,
        }
    }
}
