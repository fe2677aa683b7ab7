//! The ways heartbeats take: which there are, when each is spoken on, and from whom heartbeats come back on it.
//!
//! A **leg** is one way out of this node: a link and a group, or a peer. The link of an instance's adverts is one (its
//! path 0), and each `heartbeat_path` that serves it is another. On every leg everything is said once a second. What
//! happens in between is said at once: every change of state on all legs, and on further paths every advert, so that an
//! advert lost on one link is heard on another.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::action::{Carries, Listen, Socket};
use super::input::Packet;
use super::plan::HeartbeatPlan;
use crate::address::LinkIndex;
use crate::heartbeat::{BootId, Heartbeat, HeartbeatRejection, INTERVAL, Key, PATIENT_INTERVAL, SILENCE};
use crate::time::{Duration, Instant};

/// Where adverts leave, heartbeats leave with them: so both arrive together, and a failover takes as long as without
/// heartbeats. Such a leg waits so much longer for the next advert before it speaks on its own.
const GRACE: Duration = Duration::from_millis(250);

/// An advert that is so much early takes the heartbeat with it too.
const EARLY: Duration = Duration::from_millis(50);

/// Least time between two heartbeats that say everything because somebody new was heard.
const GREETING: Duration = Duration::from_millis(100);

/// How long a former life of a node is remembered: clocks may be set back by a restart.
const LIFE: Duration = Duration::from_secs(60);

/// Nodes and legs of nodes remembered; a flood of forged ones gets no more.
const MOST: usize = 256;

/// So much later a datagram may come than one that was sent after it.
const OVERTAKING: Duration = Duration::from_millis(100);

/// All legs, with the books of what was sent and heard on them.
#[derive(Debug, Clone)]
pub struct Legs {
    /// This life of this node.
    pub boot: BootId,
    /// What the plan says.
    pub plan: HeartbeatPlan,
    /// Its key.
    pub key: Key,
    /// The time of this step.
    pub now: Instant,
    legs: Vec<Leg>,
    /// The legs of each instance.
    uses: Vec<Vec<Use>>,
    last_id: u32,
    turn: u64,
    /// Something is to be said.
    stirred: bool,
    heard: BTreeMap<(u32, IpAddr), Correspondent>,
    sequences: BTreeMap<(BootId, u32), Numbers>,
}

/// The numbers of the datagrams of one leg of one life of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Numbers {
    /// The greatest.
    last: u64,
    /// Which of those before it were seen; the lowest bit is the one just before.
    seen: u64,
    /// When the greatest came.
    at: Instant,
}

impl Numbers {
    /// Whether a number below the greatest is that of a datagram which was overtaken a moment ago, and not of a copy.
    fn take_overtaken(&mut self, number: u64, now: Instant) -> bool {
        let bit = match self.last.checked_sub(number) {
            Some(behind @ 1..=64) => 1 << (behind - 1),
            _ => return false,
        };
        let is_news = self.seen & bit == 0 && now < self.at + OVERTAKING;
        self.seen |= bit;
        is_news
    }

    /// Which numbers before a greater one were seen.
    fn before(self, number: u64) -> u64 {
        match number - self.last {
            behind @ 1..=63 => self.seen << behind | 1 << (behind - 1),
            64 => 1 << 63,
            _ => 0,
        }
    }
}

/// How an instance uses a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Use {
    /// Index of the leg.
    pub leg: usize,
    /// The instance's number for it: 0 is the link of its adverts.
    pub path: u8,
    /// Whether every advert is told there.
    pub every_advert: bool,
}

/// One way out.
#[derive(Debug, Clone)]
pub struct Leg {
    /// Its number, never given again in this life.
    pub id: u32,
    /// Where it goes.
    pub way: Way,
    /// Instances that are spoken of.
    pub instances: Vec<usize>,
    /// Datagrams sent.
    pub sent: u64,
    /// Datagrams the kernel refused.
    pub send_errors: u64,
    /// Datagrams not believed.
    pub rejected: BTreeMap<HeartbeatRejection, u64>,
    sequence: u64,
    due: Instant,
    /// Nothing is said before its first turn: the socket its answers come to is being opened.
    silent: bool,
    /// Time between two heartbeats that say everything.
    pace: Duration,
    said_all: Option<Instant>,
    say_all: bool,
    /// Adverts left beside it since it last said everything.
    beside_adverts: bool,
    /// Instances to speak of, out of turn; with false for one that has just resigned.
    say: Vec<(usize, bool)>,
}

/// Where a leg goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// Output link; `None` leaves it to the routing table.
    pub link: Option<LinkIndex>,
    /// Its name.
    pub link_name: Option<String>,
    /// IP source.
    pub source: IpAddr,
    /// Group or peer.
    pub destination: IpAddr,
}

impl Way {
    /// The socket on which the answers arrive.
    pub fn socket(&self, port: u16) -> Socket {
        let group = self.destination.is_multicast();
        let listen = if group { Listen::Group(self.destination) } else { Listen::Address(self.source) };
        Socket { link: self.link, listen, carries: Carries::Heartbeats(port) }
    }

    /// Its name for people: `dev eth1 peer 10.1.0.2`.
    pub fn name(&self) -> String {
        match (&self.link_name, self.destination.is_multicast()) {
            (Some(link), true) => alloc::format!("dev {link}"),
            (Some(link), false) => alloc::format!("dev {link} peer {}", self.destination),
            (None, _) => alloc::format!("peer {}", self.destination),
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        let same_source = self.source == other.source || self.destination.is_multicast();
        self.link == other.link && self.destination == other.destination && same_source
    }
}

/// What is to be said on one leg.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Index of the leg.
    pub leg: usize,
    /// The instances to speak of, each with whether it has just resigned.
    pub instances: Vec<(usize, bool)>,
}

/// Somebody heard on a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Correspondent {
    /// Which life of it.
    pub boot: BootId,
    /// When it was last heard.
    pub at: Instant,
    /// Whether it counts as heard.
    pub up: bool,
    /// Datagrams that did not arrive, by the gaps between those that did.
    pub lost: u64,
}

/// Something that is worth telling of a correspondent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// Its heartbeats arrive.
    Up,
    /// They do no more: it said that it ends, or fell silent.
    Down {
        /// It said so.
        left: bool,
    },
}

impl Legs {
    /// None yet.
    pub fn new(now: Instant, plan: HeartbeatPlan) -> Self {
        Self {
            boot: BootId::default(),
            key: Key::new(&plan.key),
            plan,
            now,
            legs: Vec::new(),
            uses: Vec::new(),
            last_id: 0,
            turn: 0,
            stirred: false,
            heard: BTreeMap::new(),
            sequences: BTreeMap::new(),
        }
    }

    /// Takes another plan; its paths are found by the next [`become_these`](Self::become_these).
    pub fn replan(&mut self, plan: HeartbeatPlan) {
        self.key = Key::new(&plan.key);
        self.plan = plan;
    }

    /// These are the ways now, each with who uses it: (instance, path, every advert). A way that was there keeps its
    /// number and its count; `instances` is how many there are.
    pub fn become_these(&mut self, instances: usize, wanted: Vec<(Way, usize, u8, bool)>) {
        let mut old = core::mem::take(&mut self.legs);
        self.uses = alloc::vec![Vec::new(); instances];
        // Neighbours in the list mostly go the same way; there are few ways.
        for (way, instance, path, every_advert) in wanted {
            let leg = match self.legs.iter().rposition(|leg| leg.way.is_same(&way)) {
                Some(leg) => leg,
                None => {
                    let known =
                        old.iter().position(|leg| leg.way.is_same(&way)).map(|at| old.swap_remove(at));
                    let leg = known.unwrap_or_else(|| self.open(way.clone()));
                    self.legs.push(Leg { way, instances: Vec::new(), say: Vec::new(), ..leg });
                    self.legs.len() - 1
                }
            };
            match self.uses[instance].iter_mut().find(|known| known.leg == leg) {
                Some(known) => known.every_advert |= every_advert,
                None => {
                    self.uses[instance].push(Use { leg, path, every_advert });
                    self.legs[leg].instances.push(instance);
                }
            }
        }
        let legs = &self.legs;
        self.heard.retain(|(id, _), _| legs.iter().any(|leg| leg.id == *id));
    }

    fn open(&mut self, way: Way) -> Leg {
        self.last_id += 1;
        Leg {
            id: self.last_id,
            way,
            instances: Vec::new(),
            sent: 0,
            send_errors: 0,
            rejected: BTreeMap::new(),
            sequence: 0,
            due: self.now,
            silent: true,
            pace: INTERVAL,
            said_all: None,
            say_all: false,
            beside_adverts: false,
            say: Vec::new(),
        }
    }

    /// The legs.
    pub fn all(&self) -> &[Leg] {
        &self.legs
    }

    /// One of them, by its number.
    pub fn by_id(&mut self, id: u32) -> Option<&mut Leg> {
        self.legs.iter_mut().find(|leg| leg.id == id)
    }

    /// How an instance uses the legs.
    pub fn uses(&self, instance: usize) -> &[Use] {
        self.uses.get(instance).map_or(&[], Vec::as_slice)
    }

    /// The sockets on which answers arrive.
    pub fn sockets(&self) -> impl Iterator<Item = Socket> + '_ {
        self.legs.iter().map(|leg| leg.way.socket(self.plan.port))
    }

    /// When something is due, leaving aside the legs whose socket is being opened.
    pub fn deadline(&self, is_opening: impl Fn(&Socket) -> bool) -> Option<Instant> {
        let ready = self.legs.iter().filter(|leg| !is_opening(&leg.way.socket(self.plan.port)));
        ready.map(|leg| leg.due).min()
    }

    /// Has everything said on the legs whose turn it is.
    pub fn take_turns(&mut self, is_opening: impl Fn(&Socket) -> bool) {
        for leg in &mut self.legs {
            if leg.due <= self.now && !is_opening(&leg.way.socket(self.plan.port)) {
                leg.silent = false;
                leg.say_all = true;
                self.stirred = true;
            }
        }
    }

    /// A socket is open: everybody shall know that we are here, and answer.
    pub fn opened(&mut self, socket: &Socket) {
        for leg in self.legs.iter_mut().filter(|leg| leg.way.socket(self.plan.port) == *socket) {
            leg.due = self.now;
        }
    }

    /// An instance advertises; `young` if it is new as master, so that its peers should hear each of its first words.
    pub fn advertised(&mut self, instance: usize, young: bool) {
        let Some(uses) = self.uses.get(instance) else { return };
        for used in uses {
            let leg = &mut self.legs[used.leg];
            if leg.silent {
                continue;
            }
            if used.every_advert || young {
                leg.say.push((instance, true));
                self.stirred = true;
            }
            leg.beside_adverts = true;
            if leg.said_all.is_none_or(|said| self.now + EARLY >= said + leg.pace) {
                leg.say_all = true;
                self.stirred = true;
            }
        }
    }

    /// An instance changed: said on all its legs. `resigned` if it has given up for good.
    pub fn changed(&mut self, instance: usize, resigned: bool) {
        let Some(uses) = self.uses.get(instance) else { return };
        for used in uses {
            let leg = &mut self.legs[used.leg];
            if !leg.silent {
                leg.say.push((instance, !resigned));
                self.stirred = true;
            }
        }
    }

    /// Everything is said on all legs, for the last time.
    pub fn say_goodbye(&mut self) {
        for leg in &mut self.legs {
            leg.say_all |= !leg.silent;
        }
        self.stirred = true;
    }

    /// What is to be said now on each leg, and the number of this turn; `None` if nothing is.
    pub fn take_said(&mut self) -> Option<(u64, Vec<Said>)> {
        if !core::mem::take(&mut self.stirred) {
            return None;
        }
        self.turn += 1;
        let mut said = Vec::new();
        for (index, leg) in self.legs.iter_mut().enumerate() {
            let mut say = core::mem::take(&mut leg.say);
            if core::mem::take(&mut leg.say_all) {
                say.extend(leg.instances.iter().map(|instance| (*instance, true)));
                leg.said_all = Some(self.now);
                let answered = self.heard.contains_key(&(leg.id, leg.way.destination));
                let patient = !leg.way.destination.is_multicast() && !answered;
                leg.pace = if patient { PATIENT_INTERVAL } else { INTERVAL };
                let beside_adverts = core::mem::take(&mut leg.beside_adverts);
                leg.due = self.now + leg.pace + if beside_adverts { GRACE } else { Duration::ZERO };
            } else if say.is_empty() {
                continue;
            }
            // Of an instance that resigned it is said that it did.
            say.sort_unstable();
            say.dedup_by_key(|(instance, _)| *instance);
            let instances = say.into_iter().map(|(instance, stays)| (instance, !stays)).collect();
            said.push(Said { leg: index, instances });
        }
        Some((self.turn, said))
    }

    /// The number of the next datagram on a leg.
    pub fn next_sequence(&mut self, leg: usize) -> u64 {
        let leg = &mut self.legs[leg];
        leg.sent += 1;
        leg.sequence += 1;
        leg.sequence
    }

    /// The leg a datagram is the answer to.
    ///
    /// # Errors
    /// [`HeartbeatRejection::Sender`], and the leg it came in on, if that is one of ours and its sender is no peer.
    pub fn arrival(&self, packet: &Packet<'_>) -> Result<usize, Option<usize>> {
        let here = |leg: &Leg| leg.way.link.is_none_or(|link| link == packet.link);
        let group = packet.destination.is_multicast();
        let meant = |leg: &Leg| {
            let to = if group { leg.way.destination } else { leg.way.source };
            here(leg) && leg.way.destination.is_multicast() == group && to == packet.destination
        };
        let from_peer = |leg: &Leg| meant(leg) && (group || leg.way.destination == packet.source);
        self.legs.iter().position(from_peer).ok_or_else(|| self.legs.iter().position(meant))
    }

    /// Counts a datagram that was not believed.
    pub fn reject(&mut self, leg: usize, rejection: HeartbeatRejection) {
        *self.legs[leg].rejected.entry(rejection).or_default() += 1;
    }

    /// Whether a datagram that arrived on a leg is news, and what is to be told of its sender then.
    ///
    /// # Errors
    /// Why it is not.
    pub fn check(
        &mut self,
        leg: usize,
        packet: &Packet<'_>,
        heartbeat: &Heartbeat,
    ) -> Result<Option<News>, HeartbeatRejection> {
        let now = self.now;
        let Heartbeat { boot, leg: their_leg, sequence, leaving, .. } = *heartbeat;
        if boot == self.boot {
            return Err(HeartbeatRejection::Own);
        }
        let id = self.legs[leg].id;
        let place = (id, packet.source);
        let known = self.heard.get(&place).copied();
        if known.is_some_and(|known| boot < known.boot && now < known.at + LIFE) {
            return Err(HeartbeatRejection::OldBoot);
        }
        let last = self.sequences.get(&(boot, their_leg)).map(|numbers| numbers.last);
        if last.is_some_and(|last| sequence <= last) {
            let overtaken = self.sequences.get_mut(&(boot, their_leg));
            let is_news = overtaken.is_some_and(|numbers| numbers.take_overtaken(sequence, now));
            // What it says of each router is news if it is: each word has its turn. It says nothing about its sender.
            return if is_news { Ok(None) } else { Err(HeartbeatRejection::Replayed) };
        }
        if !self.make_room(place, (boot, their_leg)) {
            return Err(HeartbeatRejection::TooMany);
        }
        let missing = last.map_or(0, |last| sequence - last - 1);
        let seen = self.sequences.get(&(boot, their_leg)).map_or(0, |numbers| numbers.before(sequence));
        let _ = self.sequences.insert((boot, their_leg), Numbers { last: sequence, seen, at: now });
        let same_life = known.filter(|known| known.boot == boot);
        let was_up = known.is_some_and(|known| known.up);
        let lost = same_life.map_or(0, |known| known.lost).saturating_add(missing);
        let _ = self.heard.insert(place, Correspondent { boot, at: now, up: !leaving, lost });
        if !leaving && (same_life.is_none() || !was_up) {
            self.greet(leg);
        }
        Ok(match (was_up, leaving) {
            (false, false) => Some(News::Up),
            (true, true) => Some(News::Down { left: true }),
            (true, false) | (false, true) => None,
        })
    }

    /// Somebody new shall not have to wait for our next turn.
    fn greet(&mut self, leg: usize) {
        let leg = &mut self.legs[leg];
        let soonest = leg.said_all.map_or(self.now, |said| said + GREETING);
        leg.due = leg.due.min(soonest.max(self.now));
    }

    /// Makes room for another correspondent by forgetting those long silent.
    fn make_room(&mut self, place: (u32, IpAddr), life: (BootId, u32)) -> bool {
        let now = self.now;
        if self.sequences.len() >= MOST && !self.sequences.contains_key(&life) {
            self.sequences.retain(|_, numbers| now < numbers.at + LIFE);
        }
        if self.heard.len() >= MOST && !self.heard.contains_key(&place) {
            self.heard.retain(|_, known| now < known.at + LIFE);
        }
        (self.sequences.len() < MOST || self.sequences.contains_key(&life))
            && (self.heard.len() < MOST || self.heard.contains_key(&place))
    }

    /// Takes who fell silent: on which leg, and who.
    pub fn take_silent(&mut self) -> Vec<(u32, IpAddr)> {
        let now = self.now;
        let silent = self.heard.iter_mut().filter(|(_, known)| known.up && now >= known.at + SILENCE);
        silent
            .map(|(place, known)| {
                known.up = false;
                *place
            })
            .collect()
    }

    /// The first instance that has this leg for a further path, and the number of that path; `None` for the links of the
    /// adverts, where a peer may well be silent.
    pub fn further_path(&self, leg: usize) -> Option<(usize, u8)> {
        let id = *self.legs[leg].instances.first()?;
        let used = self.uses(id).iter().find(|used| used.leg == leg && used.path > 0)?;
        Some((id, used.path))
    }

    /// Whether this instance has such a path, and nobody is heard on it.
    pub fn is_unheard(&self, instance: usize, path: u8) -> bool {
        let Some(used) = self.uses(instance).iter().find(|used| used.path == path) else { return false };
        !self.heard_on(self.legs[used.leg].id).any(|(_, known)| known.up)
    }

    /// Who was heard on a leg.
    pub fn heard_on(&self, id: u32) -> impl Iterator<Item = (IpAddr, &Correspondent)> {
        let of_leg = self.heard.iter().filter(move |((leg, _), _)| *leg == id);
        of_leg.map(|((_, source), known)| (*source, known))
    }
}
