//! All sessions of one node: which one a packet is for, who is due, what a reload changes.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::num::NonZeroU32;

use super::action::{Action, Actions, Input, Listen, SessionId};
use super::packet::{self, ControlPacket};
use super::plan::SessionPlan;
use super::random::Random;
use super::reason::Cause;
use super::report::BfdReport;
use super::session::{Session, Stage};
use super::{BfdRejection, State};
use crate::router::deadlines::Deadlines;
use crate::router::limits::{Key, Limits, Noise};
use crate::router::{Event, Packet, Reason, Subject};
use crate::time::Instant;

/// First and number of the ports that control packets come from (RFC 5881 section 4: 49152 to 65535).
const SOURCE_PORTS: (u16, u32) = (49_152, 16_384);

/// All BFD sessions of one node.
#[derive(Debug, Clone)]
pub struct Sessions {
    /// In plan order; behind them those that were taken down and still say so.
    all: Vec<Session>,
    by_discriminator: BTreeMap<NonZeroU32, usize>,
    /// Sessions with a neighbour, by what a packet that begins a session tells.
    by_neighbour: BTreeMap<(IpAddr, bool), Vec<usize>>,
    deadlines: Deadlines,
    limits: Limits,
    rejected: BTreeMap<BfdRejection, u64>,
    random: Random,
}

impl Sessions {
    /// Sessions of this plan, all of them down. `seed` is chance: two nodes, or two lives of one, should not have the
    /// same. `resumed` are the names of those that were up in a life before this one: those who follow them go on
    /// believing it until there was time to come up again.
    #[must_use]
    pub fn new<'n>(
        now: Instant,
        seed: u64,
        plans: Vec<SessionPlan>,
        resumed: impl IntoIterator<Item = &'n str>,
    ) -> Self {
        let mut sessions = Self {
            all: Vec::new(),
            by_discriminator: BTreeMap::new(),
            by_neighbour: BTreeMap::new(),
            deadlines: Deadlines::default(),
            limits: Limits::default(),
            rejected: BTreeMap::new(),
            random: Random::new(seed),
        };
        let resumed: BTreeSet<&str> = resumed.into_iter().collect();
        for plan in plans {
            let mut session = sessions.begin(now, plan);
            if resumed.contains(&*session.plan.name) {
                session.presume(now);
            }
            sessions.all.push(session);
        }
        sessions.index();
        sessions
    }

    /// Takes in one fact and appends the orders that follow from it.
    pub fn step(&mut self, now: Instant, input: Input<'_>, actions: &mut Actions) {
        match input {
            Input::Tick => self.tick(now, actions),
            Input::PacketReceived { packet, multihop } => self.receive(now, &packet, multihop, actions),
            Input::PortTaken(session) => self.port_taken(session),
            Input::SendRefused { session, errno } => self.send_refused(now, session, errno, actions),
            Input::Reloaded(plans) => self.reload(now, plans, actions),
            Input::ShutdownRequested => {
                for session in &mut self.all {
                    if session.state() != State::AdminDown {
                        session.take_down(Cause::Shutdown, &mut stage(now, &mut self.random, actions));
                    }
                }
                self.index();
            }
        }
    }

    /// When [`Input::Tick`] is due next; `None` if only a fact can change anything.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        [self.deadlines.next(), self.limits.deadline()].into_iter().flatten().min()
    }

    /// Where control packets are to be heard.
    #[must_use]
    pub fn listens(&self) -> BTreeSet<Listen> {
        self.all
            .iter()
            .map(|session| {
                let any = match session.plan.neighbour {
                    IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                    IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
                };
                Listen { address: session.plan.source.unwrap_or(any), multihop: session.plan.multihop }
            })
            .collect()
    }

    /// Whether there still is such a session.
    #[must_use]
    pub fn has(&self, session: SessionId) -> bool {
        self.by_discriminator.contains_key(&session.0)
    }

    /// A snapshot.
    #[must_use]
    pub fn report(&self) -> BfdReport {
        let current = self.all.iter().filter(|session| session.state() != State::AdminDown);
        BfdReport {
            sessions: current.map(Session::report).collect(),
            rejected: self.rejected.iter().map(|(rejection, count)| (*rejection, *count)).collect(),
        }
    }

    fn begin(&mut self, now: Instant, plan: SessionPlan) -> Session {
        let id = loop {
            let id = self.random.non_zero();
            if self.all.iter().all(|other| other.id.0 != id) {
                break SessionId(id);
            }
        };
        let source_port = self.draw_port();
        Session::new(now, plan, id, source_port)
    }

    /// A port that none of our sessions has, as long as there are enough (RFC 5881 section 4: SHOULD be unique).
    fn draw_port(&mut self) -> u16 {
        let (first, count) = SOURCE_PORTS;
        let used: BTreeSet<u16> = self.all.iter().map(|session| session.source_port).collect();
        loop {
            let port = first + self.random.up_to(count - 1) as u16;
            if !used.contains(&port) || used.len() >= count as usize {
                return port;
            }
        }
    }

    /// Finds everything anew after sessions came or went.
    fn index(&mut self) {
        self.by_discriminator.clear();
        self.by_neighbour.clear();
        self.deadlines.reset(self.all.len());
        for (place, session) in self.all.iter().enumerate() {
            self.by_discriminator.insert(session.id.0, place);
            if session.state() != State::AdminDown {
                let ends = (session.plan.neighbour, session.plan.multihop);
                self.by_neighbour.entry(ends).or_default().push(place);
            }
            self.deadlines.hint(place, session.deadline());
        }
    }

    fn tick(&mut self, now: Instant, actions: &mut Actions) {
        let mut ended = false;
        while let Some(place) = self.deadlines.take_due(now) {
            let session = &mut self.all[place];
            session.tick(&mut stage(now, &mut self.random, actions));
            if session.has_ended(now) {
                ended = true;
            } else {
                self.deadlines.hint(place, session.deadline());
            }
        }
        if ended {
            self.all.retain(|session| !session.has_ended(now));
            self.index();
            actions.push(Action::SocketsChanged);
        }
        for (key, count) in self.limits.take_due(now) {
            tell_noise(now, key, count, actions);
        }
    }

    fn receive(&mut self, now: Instant, packet: &Packet<'_>, multihop: bool, actions: &mut Actions) {
        match self.believe(packet, multihop) {
            Ok((place, heard)) => {
                let session = &mut self.all[place];
                session.hear(&heard, &mut stage(now, &mut self.random, actions));
                self.deadlines.hint(place, session.deadline());
            }
            Err(rejection) => {
                *self.rejected.entry(rejection).or_default() += 1;
                let key = Key {
                    instance: None,
                    source: Some(packet.source),
                    noise: Noise::ControlPacket(rejection),
                };
                if let Some((key, count)) = self.limits.admit(now, key) {
                    tell_noise(now, key, count, actions);
                }
            }
        }
    }

    /// Finds the session that a packet is for (RFC 5880 section 6.3).
    ///
    /// By our own discriminator, once the other end knows it: then neither its address nor the link counts. The first
    /// packets of a session have none; they are told by their ends.
    fn believe(&self, packet: &Packet<'_>, multihop: bool) -> Result<(usize, ControlPacket), BfdRejection> {
        let heard = packet::parse(packet.payload)?;
        let place = match heard.your_discriminator {
            Some(ours) => {
                let place = self.by_discriminator.get(&ours).copied();
                // The ports are two worlds (RFC 5883 section 5).
                place
                    .filter(|place| self.all[*place].plan.multihop == multihop)
                    .ok_or(BfdRejection::YourDiscriminator)?
            }
            None => {
                let ends =
                    self.by_neighbour.get(&(packet.source, multihop)).ok_or(BfdRejection::NoSession)?;
                let source = |place: &&usize| self.all[**place].plan.source;
                let exact = ends.iter().find(|place| source(place) == Some(packet.destination));
                *exact
                    .or_else(|| ends.iter().find(|place| source(place).is_none()))
                    .ok_or(BfdRejection::NoSession)?
            }
        };
        if packet.ttl < self.all[place].plan.least_ttl {
            return Err(BfdRejection::Ttl);
        }
        Ok((place, heard))
    }

    fn port_taken(&mut self, session: SessionId) {
        let Some(place) = self.by_discriminator.get(&session.0).copied() else { return };
        self.all[place].source_port = self.draw_port();
    }

    fn send_refused(&mut self, now: Instant, session: SessionId, errno: i32, actions: &mut Actions) {
        let Some(place) = self.by_discriminator.get(&session.0) else { return };
        let session = &mut self.all[*place];
        session.counters.send_errors += 1;
        let key = Key { instance: None, source: Some(session.plan.neighbour), noise: Noise::SendRefused };
        if self.limits.admit(now, key).is_some() {
            let operation = alloc::format!("send a BFD packet to {}", session.plan.neighbour);
            let subject = Subject::Bfd((*session.plan.name).into());
            let reason = Reason::Refused { operation, errno };
            actions.push(Action::Tell(Event { at: now, subject, reason }));
        }
    }

    /// Changes to another plan. Keyed by name: what has the same two ends goes on, with its state; what has not is
    /// begun anew, and those who follow it keep their belief until it had time to come up.
    fn reload(&mut self, now: Instant, plans: Vec<SessionPlan>, actions: &mut Actions) {
        let mut old = core::mem::take(&mut self.all);
        self.limits.clear();
        for plan in plans {
            let known = old
                .iter()
                .position(|known| known.state() != State::AdminDown && known.plan.is_same_session(&plan));
            let session = match known.map(|place| old.swap_remove(place)) {
                Some(mut known) => {
                    if known.plan != plan {
                        known.replan(plan, &mut stage(now, &mut self.random, actions));
                    }
                    known
                }
                None => {
                    let mut new = self.begin(now, plan);
                    new.presume(now);
                    new
                }
            };
            self.all.push(session);
        }
        old.sort_by_key(|gone| gone.id);
        for mut gone in old {
            if gone.state() != State::AdminDown {
                gone.take_down(Cause::Reload, &mut stage(now, &mut self.random, actions));
            }
            // The neighbour has one session for both: the farewell of the old one must not end the new one.
            let is_replaced = self.all.iter().any(|new| {
                new.plan.neighbour == gone.plan.neighbour && new.plan.multihop == gone.plan.multihop
            });
            if !is_replaced && !gone.has_ended(now) {
                self.all.push(gone);
            }
        }
        self.index();
        actions.push(Action::SocketsChanged);
    }
}

fn stage<'a>(now: Instant, random: &'a mut Random, actions: &'a mut Actions) -> Stage<'a> {
    Stage { now, random, actions }
}

/// Tells of packets that were discarded.
fn tell_noise(now: Instant, key: Key, count: u64, actions: &mut Actions) {
    if let Noise::ControlPacket(rejection) = key.noise {
        // Those of sources too many to tell apart are told of under no address.
        let source = key.source.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let reason = Reason::ControlPacketsRejected { source, rejection, count };
        actions.push(Action::Tell(Event { at: now, subject: Subject::Node, reason }));
    }
}
