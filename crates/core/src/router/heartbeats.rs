//! Heartbeats: said in turn and out of turn, heard, and what an instance learns from them.
//!
//! An entry that says MASTER counts like an accepted advert of that router, on whatever path it came: the down timer
//! starts again, a contest is decided. So promotion needs silence on every path.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::Router;
use super::action::{Action, Actions, Datagram, Subject};
use super::alarm::Alarm;
use super::input::Packet;
use super::kernel::KnownLink;
use super::legs::{News, Said, Way};
use super::limits::{Key, Noise};
use super::peers::Told;
use super::plan::{Destination, PathDestination, Version};
use super::reason::{Mismatch, Reason, State};
use super::report::LeaseState;
use crate::address::Family;
use crate::heartbeat::packet::{self, ROOM};
use crate::heartbeat::{Entry, Heartbeat, HeartbeatRejection, SILENCE};
use crate::time::{Duration, Instant};
use crate::vrrp::Instance;
use crate::vrrp::election::Heard;

/// How long the only possible successor waits after a resignation: the resigning kernel has closed its gate when its
/// advert left (the VIP lease), so this is but an answer to another order of two packets.
const GATED_HAND_OVER: Duration = Duration::from_millis(1);

/// The same where the resigning router has to take its addresses off first.
const HAND_OVER: Duration = Duration::from_millis(10);

impl Router {
    /// Finds the ways heartbeats take anew, after links, addresses or the plan changed.
    pub(super) fn resolve_legs(&mut self) {
        let mut wanted = Vec::new();
        if self.legs.plan.peer_view {
            for (id, instance) in self.instances.iter().enumerate() {
                // Never by a virtual link: a backup that says something with the virtual MAC address has the switches
                // send the master's packets to it.
                let interface = instance.plan.interface.as_deref().filter(|_| instance.link.is_some());
                let home = interface.and_then(|name| self.kernel.by_name(self.virtual_links.home(name)));
                wanted.extend(main_ways(instance, home).map(|way| (way, id, 0, false)));
            }
        }
        for (number, path) in self.legs.plan.paths.iter().enumerate() {
            let Some(known) = self.kernel.by_name(&path.link) else { continue };
            let own = |family| known.primary(family, |address| self.virtual_addresses.contains(&address));
            let ends = match path.destination {
                PathDestination::Groups { v4, v6 } => match (own(Family::V4), own(Family::V6)) {
                    (Some(source), _) => Some((source, v4.into())),
                    (None, source) => source.map(|source| (source, v6.into())),
                },
                PathDestination::Peer(peer) => own(Family::of(peer)).map(|source| (source, peer)),
            };
            let Some((source, destination)) = ends else { continue };
            let (link, link_name) = (Some(known.link.index), Some(path.link.clone()));
            let way = Way { link, link_name, source, destination };
            let number = u8::try_from(number + 1).unwrap_or(u8::MAX);
            for (id, instance) in self.instances.iter().enumerate() {
                if path.instance.as_ref().is_none_or(|name| *name == instance.plan.name) {
                    wanted.push((way.clone(), id, number, true));
                }
            }
        }
        self.legs.become_these(self.instances.len(), wanted);
    }

    /// When a heartbeat is due.
    pub(super) fn heartbeat_deadline(&self) -> Option<Instant> {
        self.legs.deadline(|socket| self.deaf.get(socket) == Some(&None))
    }

    /// Heartbeats whose turn it is, and paths that fell silent.
    pub(super) fn take_heartbeat_turns(&mut self, now: Instant, actions: &mut Actions) {
        let deaf = &self.deaf;
        self.legs.take_turns(|socket| deaf.get(socket) == Some(&None));
        for (leg, peer) in self.legs.take_silent() {
            self.tell_path(now, leg, peer, News::Down { left: false }, actions);
        }
        self.forget_silent_peers(now, actions);
    }

    /// Sends what is to be said. The last thing in a step, so that one heartbeat speaks of all that happened in it.
    pub(super) fn say_heartbeats(&mut self, now: Instant, leaving: bool, actions: &mut Actions) {
        let Some((turn, said)) = self.legs.take_said() else { return };
        for Said { leg, instances } in said {
            self.suspect_path(now, leg, actions);
            let entries = instances.into_iter().filter_map(|(id, resigned)| {
                let instance = &self.instances[id];
                let takes_part = instance.state() != State::Init || resigned || leaving;
                let gated = self.lease_state(id) != LeaseState::Off;
                if takes_part { instance.entry(now, resigned, gated) } else { None }
            });
            let (mut datagrams, mut room) = (Vec::from([Vec::new()]), ROOM);
            for entry in entries {
                let length = Entry::length(entry.family, entry.hearings.len().min(packet::MOST_HEARINGS));
                if length > room {
                    datagrams.push(Vec::new());
                    room = ROOM;
                }
                room -= length;
                if let Some(last) = datagrams.last_mut() {
                    last.push(entry);
                }
            }
            for entries in datagrams {
                let sequence = self.legs.next_sequence(leg);
                let (id, way) = (self.legs.all()[leg].id, &self.legs.all()[leg].way);
                let heartbeat = Heartbeat { boot: self.legs.boot, leg: id, sequence, turn, leaving, entries };
                actions.push(Action::SendHeartbeat(Datagram {
                    leg: id,
                    link: way.link,
                    source: way.source,
                    destination: way.destination,
                    port: self.legs.plan.port,
                    payload: Arc::from(packet::emit(&heartbeat, &self.legs.key)),
                }));
            }
        }
    }

    /// On a further path somebody should be heard: it is there for that.
    fn suspect_path(&mut self, now: Instant, leg: usize, actions: &mut Actions) {
        if let Some((id, path)) = self.legs.further_path(leg)
            && self.legs.is_unheard(id, path)
        {
            let _ = self.alarm(now, id, Alarm::PathSilent { path }, actions);
        }
    }

    /// The kernel would not send a heartbeat. The next one comes in its turn.
    pub(super) fn heartbeat_refused(&mut self, now: Instant, leg: u32, errno: i32, actions: &mut Actions) {
        let Some(leg) = self.legs.by_id(leg) else { return };
        leg.send_errors += 1;
        let operation = alloc::format!("send a heartbeat on {}", leg.way.name());
        let key = Key { instance: None, source: Some(leg.way.destination), noise: Noise::SendRefused };
        if self.limits.admit(now, key).is_some() {
            self.tell(now, Subject::Node, Reason::Refused { operation, errno }, actions);
        }
    }

    /// A datagram came in on a heartbeat socket. What is not believed changes no timer and no state.
    pub(super) fn receive_heartbeat(&mut self, now: Instant, packet: &Packet<'_>, actions: &mut Actions) {
        let leg = match self.legs.arrival(packet) {
            Ok(leg) => leg,
            Err(Some(leg)) => {
                return self.reject_heartbeat(now, leg, packet.source, HeartbeatRejection::Sender, actions);
            }
            Err(None) => return,
        };
        match self.believe(leg, packet) {
            Ok((heartbeat, news)) => {
                if news == Some(News::Up) {
                    self.end_alarms_of_path(now, leg, actions);
                }
                if let Some(news) = news {
                    let id = self.legs.all()[leg].id;
                    self.tell_path(now, id, packet.source, news, actions);
                }
                for entry in &heartbeat.entries {
                    self.hear_entry(now, leg, &heartbeat, entry, actions);
                }
            }
            Err(rejection) => self.reject_heartbeat(now, leg, packet.source, rejection, actions),
        }
    }

    fn believe(
        &mut self,
        leg: usize,
        packet: &Packet<'_>,
    ) -> Result<(Heartbeat, Option<News>), HeartbeatRejection> {
        let vouched = !packet.destination.is_multicast() && !self.legs.plan.key.is_empty();
        if packet.ttl != 255 && !vouched {
            return Err(HeartbeatRejection::Ttl);
        }
        let heartbeat = packet::parse(packet.payload, &self.legs.key)?;
        let news = self.legs.check(leg, packet, &heartbeat)?;
        Ok((heartbeat, news))
    }

    fn reject_heartbeat(
        &mut self,
        now: Instant,
        leg: usize,
        source: IpAddr,
        rejection: HeartbeatRejection,
        actions: &mut Actions,
    ) {
        self.legs.reject(leg, rejection);
        let key = Key { instance: None, source: Some(source), noise: Noise::Heartbeat(rejection) };
        if let Some((key, count)) = self.limits.admit(now, key) {
            self.tell_noise(now, key, count, actions);
        }
    }

    fn tell_path(&mut self, now: Instant, leg: u32, peer: IpAddr, news: News, actions: &mut Actions) {
        let Some(leg) = self.legs.by_id(leg) else { return };
        let path = leg.way.name();
        let subject = leg.way.link_name.clone().map_or(Subject::Node, Subject::Link);
        let reason = match news {
            News::Up => Reason::PathUp { path, peer },
            News::Down { left } => Reason::PathDown { path, peer, left },
        };
        self.tell(now, subject, reason, actions);
    }

    /// One node speaks of one of its virtual routers.
    fn hear_entry(
        &mut self,
        now: Instant,
        leg: usize,
        heartbeat: &Heartbeat,
        entry: &Entry,
        actions: &mut Actions,
    ) {
        let Some((id, path)) = self.addressee_of(leg, entry) else { return };
        let Some(own) = self.instances[id].source else { return };
        if entry.source == own {
            return self.differs(now, id, own, Mismatch::OwnAddress, actions);
        }
        let of_us = entry.hearings.iter().filter(|hearing| hearing.source == own);
        let told = Told {
            at: now,
            turn: heartbeat.turn,
            boot: heartbeat.boot,
            state: entry.state,
            priority: entry.priority,
            gated: entry.gated,
            heard_us: of_us.map(|hearing| now - hearing.age).max(),
            hears_others: entry.hearings.iter().any(|other| other.source != own && other.age < SILENCE),
            leaving: heartbeat.leaving,
        };
        let instance = &self.instances[id];
        let last = instance.last_heard().filter(|last| last.source == entry.source);
        let gives_up = entry.priority == 0;
        // As its advert of priority 0 may have said already.
        let gave_up = last.is_none_or(|last| last.priority == 0);
        let hand_over = if gives_up { self.hand_over(now, id, entry.source) } else { None };
        if !self.peer_told(now, id, (entry.source, path), told, actions) {
            return;
        }
        let instance = &mut self.instances[id];
        let is_heard = !matches!(instance.state(), State::Init | State::Fault) && now >= self.quiet_until;
        let heard = Heard {
            source: entry.source,
            priority: entry.priority,
            interval: entry.interval,
            hears: instance.peers.hears(entry.source),
            hand_over,
        };
        if gives_up || entry.state != State::Master {
            instance.forget_rival(entry.source);
        }
        if gives_up {
            if is_heard && !gave_up && instance.state() == State::Backup {
                self.hear(now, id, heard, actions);
            }
        } else if is_heard && entry.state == State::Master && counts(instance, entry) {
            self.hear(now, id, heard, actions);
        }
    }

    /// Whose virtual router an entry is about, and the number of the path it came on.
    ///
    /// On the link of the adverts, or from a configured peer, family and id decide, as they do for an advert. A further
    /// path may be shared with strangers that use the same id elsewhere: there the entry also has to name the same
    /// addresses, or a router that is known by its adverts.
    fn addressee_of(&self, leg: usize, entry: &Entry) -> Option<(usize, u8)> {
        let candidates = self.by_vrid.get(&(entry.family, entry.vrid))?;
        let on_leg = candidates.iter().filter_map(|id| {
            let used = self.legs.uses(*id).iter().find(|used| used.leg == leg)?;
            (self.instances[*id].plan.version == entry.version).then_some((*id, used.path))
        });
        let same_addresses = |(id, _): &(usize, u8)| self.instances[*id].digest() == entry.addresses;
        let is_known = |(id, path): &(usize, u8)| {
            let instance = &self.instances[*id];
            let advertised = instance.peers.get(entry.source).is_some_and(|peer| peer.advert.is_some());
            *path == 0 || advertised || is_configured(instance, entry.source)
        };
        on_leg.clone().find(same_addresses).or_else(|| on_leg.clone().find(is_known))
    }

    /// How long we wait if this router gives up, should nobody else be able to follow it: with unicast because it is our
    /// only peer, else because it and we hear each other by heartbeat, and neither of us anybody else.
    pub(super) fn hand_over(&self, now: Instant, id: usize, source: IpAddr) -> Option<Duration> {
        let instance = &self.instances[id];
        let alone = match &instance.plan.destination {
            Destination::Unicast { peers, .. } => peers.len() == 1 && is_configured(instance, source),
            Destination::Multicast(_) => instance.peers.are_only(now, source),
        };
        let gated = instance.peers.get(source).and_then(|peer| peer.told).is_some_and(|told| told.gated);
        alone.then_some(if gated { GATED_HAND_OVER } else { HAND_OVER })
    }

    /// Tells people of a master that is not preempted because it does not hear us.
    pub(super) fn tell_if_unheard(&mut self, now: Instant, id: usize, heard: &Heard, actions: &mut Actions) {
        let instance = &self.instances[id];
        let lower = instance.state() == State::Backup && heard.priority < instance.priority();
        if lower && heard.hears.is_deaf_to_us(now, instance.unheard_since()) {
            self.differs(now, id, heard.source, Mismatch::DoesNotHear, actions);
        }
    }
}

/// The ways that the adverts of an instance take, for heartbeats beside them.
fn main_ways<'a>(instance: &'a Instance, home: Option<&'a KnownLink>) -> impl Iterator<Item = Way> + 'a {
    let exists = instance.plan.interface.is_none() || home.is_some();
    let source = instance.source.filter(|_| exists);
    let (group, peers) = match &instance.plan.destination {
        Destination::Multicast(group) => (Some(*group), &[][..]),
        Destination::Unicast { peers, .. } => (None, peers.as_slice()),
    };
    source.into_iter().flat_map(move |source| {
        group.into_iter().chain(peers.iter().map(|peer| peer.address)).map(move |destination| Way {
            link: home.map(|home| home.link.index),
            link_name: home.map(|home| home.link.name.clone()),
            source,
            destination,
        })
    })
}

fn is_configured(instance: &Instance, source: IpAddr) -> bool {
    match &instance.plan.destination {
        Destination::Multicast(_) => false,
        Destination::Unicast { peers, .. } => peers.iter().any(|peer| peer.address == source),
    }
}

/// Whether a master's entry counts as its advert would: v2 insists on one interval, and an owner may ignore others.
fn counts(instance: &Instance, entry: &Entry) -> bool {
    let plan = &instance.plan;
    let same_interval = plan.version == Version::V3 || entry.interval == plan.advert_interval;
    same_interval && !(plan.owner_ignores_adverts && instance.priority() == 255)
}
